//! The heap in which a launch puts new text.
//!
//! How much text a kernel makes shows only when it is made. The first heap is sized by the strings that the kernel
//! reads; where that was too little, the kernel has counted what it needs, and is run again with a heap of that size.

use crate::column::Storage;
use crate::device::DeviceBuffer;
use crate::error::Result;
use crate::program::Param;
use crate::worker::Task;

use super::binding::{Input, Program};

/// Words of a heap before its bytes: the cursor, the bytes there are; `HEAP_HEAD` in `kernels/text.cuh`.
const HEAD_BYTES: usize = 16;
/// Bytes for each row beside its strings: numbers and dates as text.
const ROW_BYTES: usize = 24;

/// Where one launch puts new text; nothing for programs that make none.
pub(super) struct TextHeap {
    buffer: Option<DeviceBuffer>,
    bytes: usize,
    /// Copies of the marks that the launch may set, to be put back where it has to be done again: what found no room
    /// was empty, and may have met other rows.
    marks: Vec<DeviceBuffer>,
}

impl TextHeap {
    /// Allocates a heap for a launch over `rows` rows of `input`, with room for `bytes` of text, or for a guess where
    /// that is 0.
    pub fn new(
        task: &mut Task<'_>,
        program: &Program,
        input: Option<&Input>,
        rows: usize,
        bytes: usize,
    ) -> Result<TextHeap> {
        if !program.makes_text() {
            return Ok(TextHeap { buffer: None, bytes: 0, marks: vec![] });
        }
        let bytes = match bytes {
            0 => guess(program, input, rows)?,
            bytes => bytes,
        };
        let bytes = bytes.next_multiple_of(16);
        let buffer = task.alloc(HEAD_BYTES + bytes)?;
        let head = task.write(&[[0; 8], (bytes as u64).to_le_bytes()].concat())?;
        task.copy(&buffer, &head, HEAD_BYTES)?;
        let mut marks = vec![];
        for set in program.marks(input)? {
            let copy = task.alloc(set.len())?;
            task.copy(&copy, set, set.len())?;
            marks.push(copy);
        }
        Ok(TextHeap { buffer: Some(buffer), bytes, marks })
    }

    /// The parameter [`Param::Text`].
    pub fn address(&self) -> u64 {
        self.buffer.as_ref().map_or(0, |buffer| buffer.address())
    }

    /// Waits for the launch and returns the bytes that a heap for the same launch should have, none where it had
    /// enough. Where text depends on other new text, what was counted may be too little: it doubles at least.
    pub fn bytes_missing(&self, task: &mut Task<'_>) -> Result<Option<usize>> {
        let Some(buffer) = &self.buffer else { return Ok(None) };
        let head = task.read(buffer, 0, 8)?;
        let counted = u64::from_le_bytes(head.try_into().expect("8 bytes were read")) as usize;
        Ok((counted > self.bytes).then(|| counted.max(self.bytes.saturating_mul(2))))
    }

    /// Takes back what the launch marked, before it is done again.
    pub fn undo(&self, task: &mut Task<'_>, program: &Program, input: Option<&Input>) -> Result<()> {
        for (set, copy) in program.marks(input)?.into_iter().zip(&self.marks) {
            task.copy(set, copy, set.len())?;
        }
        Ok(())
    }

    /// The bytes of text that there is room for.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The memory, for as long as something refers to it.
    pub fn into_buffer(self) -> Option<DeviceBuffer> {
        self.buffer
    }
}

fn guess(program: &Program, input: Option<&Input>, rows: usize) -> Result<usize> {
    let mut bytes = ROW_BYTES * rows;
    for param in &program.compiled.params {
        let Param::Values(number) = *param else { continue };
        let Some(column) = program.column(number, input)? else { continue };
        // A row of a dictionary, or of another table, is as long as the average.
        if let Storage::Bytes = column.storage {
            bytes += column.values.len().div_ceil(column.rows.max(1)) * rows;
        } else if let Some(dictionary) = &column.dictionary {
            bytes += dictionary.values.len().div_ceil(dictionary.len.max(1)) * rows;
        }
    }
    Ok(bytes)
}

impl Program {
    /// Whether its kernels make new text.
    pub(super) fn makes_text(&self) -> bool {
        self.compiled.params.contains(&Param::Text)
    }
}

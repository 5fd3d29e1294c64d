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
}

impl TextHeap {
    /// Allocates a heap for a launch over `rows` rows of `input`, of at least `bytes_min` bytes.
    pub fn new(
        task: &mut Task<'_>,
        program: &Program,
        input: Option<&Input>,
        rows: usize,
        bytes_min: usize,
    ) -> Result<TextHeap> {
        if !program.makes_text() {
            return Ok(TextHeap { buffer: None, bytes: 0 });
        }
        let bytes = match bytes_min {
            0 => input.map_or(0, |input| guess(program, input, rows)),
            bytes => bytes,
        };
        let bytes = bytes.next_multiple_of(16);
        let buffer = task.alloc(HEAD_BYTES + bytes)?;
        let head = task.write(&[[0; 8], (bytes as u64).to_le_bytes()].concat())?;
        task.copy(&buffer, &head, HEAD_BYTES)?;
        Ok(TextHeap { buffer: Some(buffer), bytes })
    }

    /// The parameter [`Param::Text`].
    pub fn address(&self) -> u64 {
        self.buffer.as_ref().map_or(0, |buffer| buffer.address())
    }

    /// Waits for the launch and returns the bytes that a heap for the same launch should have. Where text depends on
    /// other new text, what was counted may be too little: it doubles at least.
    pub fn bytes_enough(&self, task: &mut Task<'_>) -> Result<usize> {
        let Some(buffer) = &self.buffer else { return Ok(0) };
        let head = task.read(buffer, 0, 8)?;
        let counted = u64::from_le_bytes(head.try_into().expect("8 bytes were read")) as usize;
        Ok(if counted > self.bytes { counted.max(2 * self.bytes) } else { self.bytes.max(1) })
    }

    /// Bytes of text that there is room for.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The memory, for as long as something refers to it.
    pub fn into_buffer(self) -> Option<DeviceBuffer> {
        self.buffer
    }
}

fn guess(program: &Program, input: &Input, rows: usize) -> usize {
    let read = program.compiled.pipeline.columns_read();
    let chunk = &input.chunk;
    let strings = read.iter().map(|&index| &chunk.columns[index]);
    let bytes: usize = strings
        .map(|column| match column.storage {
            Storage::Bytes => column.values.len() / chunk.rows.max(1) * rows,
            Storage::Dictionary { .. } => ROW_BYTES * rows,
            _ => 0,
        })
        .sum();
    bytes + ROW_BYTES * rows
}

impl Program {
    /// Whether its kernels make new text.
    pub(super) fn makes_text(&self) -> bool {
        self.compiled.params.contains(&Param::Text)
    }
}

//! Join tables: the side of a join that others look rows up in.
//!
//! The other side has no file of its own: a look-up is a step of whatever pipeline it is in (`program/codegen/join.rs`).

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema};

use super::binding::{BLOCK, Control, Program, to_bytes};
use super::sort::{KeyWidth, radix_sort};
use super::text::TextHeap;
use crate::column::{DeviceChunk, DeviceColumn, Storage};
use crate::device::{DeviceBuffer, KernelSource};
use crate::error::{Error, Result};
use crate::program::{CompiledPipeline, CompiledSink, Param};
use crate::worker::Task;

static SOURCE: LazyLock<KernelSource> = LazyLock::new(|| {
    let text =
        [include_str!("../../kernels/prelude.cuh"), include_str!("../../kernels/groups.cu")].join("\n");
    let entries = ["group_heads", "group_bounds", "spread_marks"].map(String::from).to_vec();
    KernelSource::new("groups", text, entries)
});

/// The most rows of a table: its slots, of which there are up to four times as many, are numbered by 4 bytes.
const ROWS_MAX: usize = (1 << 30) - 1;

/// The tables that a pipeline looks into, by number; those that it does not look into may be missing.
pub type Tables = Vec<Option<Arc<JoinTable>>>;

/// The rows of a chunk, to be found by key.
pub struct JoinTable {
    pub(super) chunk: Arc<DeviceChunk>,
    /// None where the join has no keys.
    index: Option<Index>,
    groups: Option<Groups>,
    /// A bit for each row that was met; none where nobody asks.
    pub(super) marks: Option<DeviceBuffer>,
}

/// The hash table over the keys.
struct Index {
    slots: DeviceBuffer,
    slot_count: usize,
    keys: DeviceBuffer,
    /// New text that keys refer to.
    _text: TextHeap,
}

/// The rows of each key, where some key has several. All are 4 bytes a row.
struct Groups {
    /// The first row of each row's group.
    heads: DeviceBuffer,
    /// The rows, those of a group together, in order.
    sorted: DeviceBuffer,
    /// At a group's first row: the places of its first among `sorted`, and behind its last.
    begins: DeviceBuffer,
    ends: DeviceBuffer,
}

/// Makes a join table of `chunk` by the keys of `compiled`, or without keys; `marks` where rows that are met are to be
/// known.
///
/// # Shape      chunk [n] → a table of n rows; the chunk is kept as it is.
/// # Nulls      rows of a null key are in the table, but nobody meets them, unless the pipeline says that null equals null.
/// # Memory     16–32 bytes a row for the slots and 8 a word of key; 16 bytes a row more where keys repeat; 4 of scratch.
/// # Traffic    reads the keys once, writes them once, and one random slot a row; a sort of 4-byte words where keys repeat.
/// # Guarantee  deterministic: a key's rows keep the chunk's order, whatever the schedule.
/// # Errors     failures of expressions; out of memory.
/// # Source     linear probing over tagged slots; groups by a stable radix sort.
pub fn build(
    task: &mut Task<'_>,
    compiled: Option<Arc<CompiledPipeline>>,
    chunk: Arc<DeviceChunk>,
    marks: bool,
) -> Result<JoinTable> {
    let rows = chunk.rows;
    if rows > ROWS_MAX {
        // Whoever asks does it in partitions then.
        return Err(Error::out_of_memory(format!(
            "a join table of {rows} rows; one takes {ROWS_MAX} at most"
        )));
    }
    let marks = match marks {
        true => Some(task.alloc_filled(rows.div_ceil(8), 0)?),
        false => None,
    };
    let Some(compiled) = compiled else {
        task.wait_for(&chunk)?;
        return Ok(JoinTable { chunk, index: None, groups: None, marks });
    };
    let CompiledSink::Build { key_words } = compiled.sink else {
        return Err(Error::bug("a build was given another sink"));
    };
    let mut program = Program::new(compiled.clone(), vec![]);
    let input = program.input(task, chunk)?;
    let slot_count = (2 * rows + 2).next_power_of_two();
    let keys = task.alloc(rows * key_words * 8)?;
    let slot_of = task.alloc(rows * 4)?;
    let mut text_bytes = 0;
    let (slots, repeats, text) = loop {
        let text = TextHeap::new(task, &program, Some(&input), rows, text_bytes)?;
        let slots = task.alloc_filled(slot_count * 8, 0xff)?;
        let control = Control::new(task)?;
        program.launch(task, "build", rows.div_ceil(BLOCK), 0, Some(&input), |param| match param {
            Param::Rows => rows as u64,
            Param::Control => control.address(),
            Param::Slots => slots.address(),
            Param::SlotMask => slot_count as u64 - 1,
            Param::Keys => keys.address(),
            Param::SlotOf => slot_of.address(),
            Param::Text => text.address(),
            _ => 0,
        })?;
        let report = control.read_with_text(task, &compiled.sites)?;
        if !report.text_overflow {
            break (slots, report.overflow, text);
        }
        text_bytes = text.bytes_missing(task)?.unwrap_or(text.bytes());
        text.undo(task, &program, Some(&input))?;
    };
    let groups = if repeats { Some(group(task, rows, &slots, &slot_of)?) } else { None };
    Ok(JoinTable {
        chunk: input.chunk,
        index: Some(Index { slots, slot_count, keys, _text: text }),
        groups,
        marks,
    })
}

fn group(task: &mut Task<'_>, rows: usize, slots: &DeviceBuffer, slot_of: &DeviceBuffer) -> Result<Groups> {
    let heads = task.alloc(rows * 4)?;
    let words = [rows as u64, slots.address(), slot_of.address(), heads.address()];
    launch(task, "group_heads", rows, &words)?;
    let sorted = radix_sort(task, &heads, KeyWidth::Bits32, 32, rows)?;
    let (begins, ends) = (task.alloc(rows * 4)?, task.alloc(rows * 4)?);
    let words = [rows as u64, heads.address(), sorted.address(), begins.address(), ends.address()];
    launch(task, "group_bounds", rows, &words)?;
    Ok(Groups { heads, sorted, begins, ends })
}

fn launch(task: &mut Task<'_>, entry: &str, threads: usize, words: &[u64]) -> Result<()> {
    let kernel = task.kernel(&SOURCE)?;
    let grid = u32::try_from(threads.div_ceil(BLOCK))
        .map_err(|_| Error::unsupported(format!("a launch of {threads} threads")))?;
    task.launch(kernel.function(entry)?, grid, BLOCK as u32, 0, &to_bytes(words))
}

/// Returns about how many bytes a table of `rows` rows of `bytes` bytes takes while it is built.
pub fn build_bytes(rows: usize, bytes: usize) -> usize {
    // The rows twice while they are put together; slots, keys and groups.
    2 * bytes + 72 * rows
}

impl JoinTable {
    /// Returns the table's rows, as they were given.
    pub fn chunk(&self) -> &Arc<DeviceChunk> {
        &self.chunk
    }

    /// Whether a row meets one row of the table at most; without keys, whether the table has one row at most.
    pub fn is_unique(&self) -> bool {
        self.groups.is_none() && (self.index.is_some() || self.chunk.rows <= 1)
    }

    /// Answers the table's rows with a Boolean behind its columns: whether the row was met. `by_group` where the
    /// look-ups marked the first row of a key for all.
    ///
    /// # Errors
    /// `bug` where nobody asked for marks; out of memory.
    pub fn with_marks(&self, task: &mut Task<'_>, by_group: bool) -> Result<DeviceChunk> {
        let marks = self.marks.as_ref().ok_or_else(|| Error::bug("a join table without marks"))?;
        let rows = self.chunk.rows;
        let bits = task.alloc(rows.div_ceil(8).next_multiple_of(4))?;
        match &self.groups {
            Some(groups) if by_group => {
                let words = [rows as u64, groups.heads.address(), marks.address(), bits.address()];
                launch(task, "spread_marks", rows.div_ceil(32), &words)?;
            }
            _ => task.copy(&bits, marks, rows.div_ceil(8))?,
        }
        with_bits(&self.chunk, bits)
    }

    pub(super) fn word(&self, param: Param) -> u64 {
        let groups = self.groups.as_ref();
        match param {
            Param::TableSlots(_) => self.index.as_ref().map_or(0, |index| index.slots.address()),
            Param::TableMask(_) => self.index.as_ref().map_or(0, |index| index.slot_count as u64 - 1),
            Param::TableKeys(_) => self.index.as_ref().map_or(0, |index| index.keys.address()),
            Param::TableRows(_) => groups.map_or(0, |groups| groups.sorted.address()),
            Param::TableBegins(_) => groups.map_or(0, |groups| groups.begins.address()),
            Param::TableEnds(_) => groups.map_or(0, |groups| groups.ends.address()),
            Param::TableMarks(_) => self.marks.as_ref().map_or(0, DeviceBuffer::address),
            Param::TableSize(_) => self.chunk.rows as u64,
            _ => 0,
        }
    }
}

/// Answers `chunk` with one Boolean column more.
///
/// # Errors
/// `bug` where `bits` has too few for the chunk's rows.
pub fn with_bits(chunk: &DeviceChunk, bits: DeviceBuffer) -> Result<DeviceChunk> {
    let mut fields: Vec<_> = chunk.schema.fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new("met", DataType::Boolean, false)));
    let mut columns = chunk.columns.clone();
    columns.push(Arc::new(DeviceColumn::fixed(DataType::Boolean, Storage::Bits, chunk.rows, bits, None)?));
    DeviceChunk::new(Arc::new(Schema::new(fields)), columns, chunk.rows)
}

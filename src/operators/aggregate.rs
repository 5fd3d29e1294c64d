//! Aggregate: groups in an open-addressing hash table, or one group without keys.

use crate::column::DeviceChunk;
use crate::device::DeviceBuffer;
use crate::error::{Error, Result};
use crate::program::{CompiledSink, Param};
use crate::worker::Task;

use super::binding::{BLOCK, Control, Input, Program};
use super::output::Outputs;
use super::prefix_sum::rank_first_rows;
use super::text::TextHeap;

/// Slots of the first table of a keyed aggregate: what suits few groups and costs little where they are many.
const FIRST_SLOTS: usize = 4096;
/// The share of the free memory that the first table may take.
const FIRST_SHARE: usize = 16;
/// How much larger the next table is when one was too small.
const GROWTH: usize = 16;
/// Shared memory for the slots of one block, and the most slots there: enough for few groups at full occupancy.
const SHARED_BYTES_MAX: usize = 32 * 1024;
const SHARED_SLOTS_MAX: usize = 256;
/// Blocks for each multiprocessor, in kernels whose blocks take many tiles.
const BLOCKS_PER_SM: usize = 8;

/// Groups by the keys and aggregates.
///
/// # Shape      input [n] → one row a group, in the order of the groups' first rows; exactly one row without keys.
/// # Nulls      a null key is a group of its own; null arguments do not count.
/// # Memory     the input until the end; 2–32 slots a group; n·3/8 bytes to order the groups.
/// # Traffic    reads the input once, twice where floats are summed.
/// # Guarantee  deterministic across runs, schedules and chunk sizes; equal to the CPU for all but floats, and for
/// exact sums of floats.
/// # Errors     failures of expressions and averages; out of memory where the table does not fit.
#[derive(Default)]
pub(super) struct AggregateState {
    /// Input not yet aggregated, each with the number of its first row in the whole input.
    held: Vec<(Input, u64)>,
    /// Rows that came in so far.
    rows: u64,
    /// What was folded before.
    folded: Option<Table>,
    /// What the kernels already do with the held input.
    ahead: Ahead,
}

/// Work on the held chunks, launched as they came, so that the device computes while the next chunk is on its way.
#[derive(Default)]
enum Ahead {
    /// Nothing is held.
    #[default]
    Idle,
    /// Every held chunk went through the kernels that could run without the chunks to come: those that fill the table
    /// or, where floats are summed, those that find their exponents.
    Running { exponents: DeviceBuffer, filling: Option<Filling> },
    /// There was no memory for it: everything is done at the end.
    Off,
}

/// A table that is being filled; whether it is large enough shows when the kernels are done.
struct Filling {
    slots: DeviceBuffer,
    /// A power of two.
    slot_count: usize,
    /// Slots of one block's shared memory.
    shared_slots: usize,
    control: Control,
    /// New text of each launch, which slots refer to.
    texts: Vec<TextHeap>,
}

/// A hash table of groups and what it refers to.
struct Table {
    slots: DeviceBuffer,
    /// A power of two.
    slot_count: usize,
    groups: usize,
    /// The largest exponent of each float sum, 4 bytes each.
    exponents: DeviceBuffer,
    /// Where the strings of groups lie, once they do not lie in the input.
    heaps: Vec<DeviceBuffer>,
}

impl AggregateState {
    /// Holds the chunk, and launches what can be done with it already.
    pub fn push(&mut self, task: &mut Task<'_>, program: &mut Program, input: Input) -> Result<()> {
        match self.advance(task, program, &input) {
            // What runs ahead is a convenience: without room for it the end does everything.
            Err(error) if error.is_out_of_memory() => self.ahead = Ahead::Off,
            outcome => outcome?,
        }
        let first_row = self.rows;
        self.rows += input.rows as u64;
        self.held.push((input, first_row));
        Ok(())
    }

    fn advance(&mut self, task: &mut Task<'_>, program: &mut Program, input: &Input) -> Result<()> {
        let shape = shape(program)?;
        if matches!(self.ahead, Ahead::Idle) {
            let exponents = task.alloc_filled(shape.float_sums * 4, 0)?;
            let filling = match shape.float_sums {
                0 => Some(Filling::start(task, &shape, shape.first_slots(task, usize::MAX), true)?),
                _ => None,
            };
            self.ahead = Ahead::Running { exponents, filling };
        }
        match &mut self.ahead {
            Ahead::Running { exponents, filling: Some(filling) } => {
                filling.add(task, program, &shape, exponents, Some(input), self.rows, 0)
            }
            Ahead::Running { exponents, filling: None } => find_exponents(task, program, input, exponents),
            Ahead::Idle | Ahead::Off => Ok(()),
        }
    }

    /// Folds the held input into the table; what the table refers to is copied, so that the input can be freed.
    pub fn fold(&mut self, task: &mut Task<'_>, program: &mut Program) -> Result<bool> {
        if self.held.is_empty() {
            return Ok(false);
        }
        let ahead = std::mem::replace(&mut self.ahead, Ahead::Off);
        let mut table = build(task, program, &self.held, ahead)?;
        keep_strings(task, program, &mut table)?;
        if let Some(before) = &self.folded {
            let merged = merge(task, program, before, &table)?;
            let mut heaps = std::mem::take(&mut table.heaps);
            heaps.extend(self.folded.take().into_iter().flat_map(|before| before.heaps));
            table = Table { heaps, ..merged };
        }
        self.folded = Some(table);
        self.held.clear();
        self.ahead = Ahead::Idle;
        Ok(true)
    }

    pub fn finish(&mut self, task: &mut Task<'_>, program: &mut Program) -> Result<Vec<DeviceChunk>> {
        if self.folded.is_some() {
            self.fold(task, program)?;
        }
        let table = match self.folded.take() {
            Some(table) => table,
            None => build(task, program, &self.held, std::mem::take(&mut self.ahead))?,
        };
        let chunk = emit(task, program, &table, self.rows)?;
        self.held.clear();
        Ok(vec![chunk])
    }
}

/// The parts of the sink that running it needs.
struct Shape {
    keyed: bool,
    slot_words: usize,
    float_sums: usize,
    has_strings: bool,
    items: usize,
}

fn shape(program: &Program) -> Result<Shape> {
    match &program.compiled.sink {
        &CompiledSink::Aggregate { keyed, slot_words, float_sums, has_strings, items, .. } => {
            Ok(Shape { keyed, slot_words, float_sums, has_strings, items })
        }
        _ => Err(Error::bug("aggregate was given another sink")),
    }
}

impl Shape {
    /// The slots of the first table for `rows` rows: no more than a share of the memory that there is.
    fn first_slots(&self, task: &Task<'_>, rows: usize) -> usize {
        if !self.keyed {
            return slots_enough(1);
        }
        let room = task.free_bytes() as usize / (FIRST_SHARE * self.slot_words * 8);
        let fit = room.clamp(slots_enough(1), FIRST_SLOTS);
        slots_enough(rows).min(if fit.is_power_of_two() { fit } else { fit.next_power_of_two() / 2 })
    }
}

/// Slots that suffice for `rows` rows, whatever their keys: a table is half full at most.
fn slots_enough(rows: usize) -> usize {
    rows.saturating_mul(2).saturating_add(2).checked_next_power_of_two().unwrap_or(1 << 63)
}

impl Filling {
    fn start(task: &mut Task<'_>, shape: &Shape, slot_count: usize, few_groups: bool) -> Result<Filling> {
        // Many groups do not profit from shared memory.
        let shared_slots = if shape.keyed && few_groups { shared_slots(shape.slot_words) } else { 0 };
        let slots = task.alloc_filled(slot_count * shape.slot_words * 8, 0)?;
        Ok(Filling { slots, slot_count, shared_slots, control: Control::new(task)?, texts: vec![] })
    }

    /// Launches the kernel that adds a chunk; without one there are no rows, but the one group of no keys is made.
    /// There is room for `text_bytes` of new text, or for a guess where that is 0.
    #[expect(clippy::too_many_arguments, reason = "what a launch needs")]
    fn add(
        &mut self,
        task: &mut Task<'_>,
        program: &mut Program,
        shape: &Shape,
        exponents: &DeviceBuffer,
        input: Option<&Input>,
        first_row: u64,
        text_bytes: usize,
    ) -> Result<()> {
        let rows = input.map_or(0, |input| input.rows);
        let text = TextHeap::new(task, program, input, rows, text_bytes)?;
        let blocks_max = task.sm_count() as usize * BLOCKS_PER_SM;
        let grid = rows.div_ceil(BLOCK * shape.items).clamp(1, blocks_max);
        let shared_bytes = self.shared_slots * shape.slot_words * 8;
        program.launch(task, "aggregate", grid, shared_bytes, input, |param| match param {
            Param::Rows => rows as u64,
            Param::FirstRow => first_row,
            Param::Control => self.control.address(),
            Param::Slots => self.slots.address(),
            Param::SlotMask => self.slot_count as u64 - 1,
            Param::SharedSlots => self.shared_slots as u64,
            Param::ExponentMax => exponents.address(),
            Param::Text => text.address(),
            _ => 0,
        })?;
        self.texts.push(text);
        Ok(())
    }
}

/// Launches the kernel that raises the exponents of the float sums to those of a chunk.
fn find_exponents(
    task: &mut Task<'_>,
    program: &mut Program,
    input: &Input,
    exponents: &DeviceBuffer,
) -> Result<()> {
    let grid = input.rows.div_ceil(BLOCK).min(task.sm_count() as usize * BLOCKS_PER_SM);
    let mut text_bytes = 0;
    // What text that found no room puts in is taken back, so that the exponents do not depend on the schedule.
    let bytes = if program.makes_text() { exponents.len() } else { 0 };
    let before = task.alloc(bytes)?;
    task.copy(&before, exponents, bytes)?;
    loop {
        // Failures show again when the rows are added.
        let control = Control::new(task)?;
        let text = TextHeap::new(task, program, Some(input), input.rows, text_bytes)?;
        program.launch(task, "ranges", grid, 0, Some(input), |param| match param {
            Param::Rows => input.rows as u64,
            Param::Control => control.address(),
            Param::ExponentMax => exponents.address(),
            Param::Text => text.address(),
            _ => 0,
        })?;
        if !program.makes_text() {
            return Ok(());
        }
        let Some(missing) = text.bytes_missing(task)? else { return Ok(()) };
        text_bytes = missing;
        text.undo(task, program, Some(input))?;
        task.copy(exponents, &before, bytes)?;
    }
}

/// Aggregates `inputs` into a new table, going on from what ran `ahead`, and beginning again with a larger table where
/// one proves too small.
fn build(task: &mut Task<'_>, program: &mut Program, inputs: &[(Input, u64)], ahead: Ahead) -> Result<Table> {
    let shape = shape(program)?;
    let compiled = program.compiled.clone();
    let rows: usize = inputs.iter().map(|(input, _)| input.rows).sum();
    let (exponents, mut filling) = match ahead {
        Ahead::Running { exponents, filling } => (exponents, filling),
        Ahead::Idle | Ahead::Off => {
            let exponents = task.alloc_filled(shape.float_sums * 4, 0)?;
            if shape.float_sums > 0 {
                for (input, _) in inputs {
                    find_exponents(task, program, input, &exponents)?;
                }
            }
            (exponents, None)
        }
    };
    let mut slot_count = shape.first_slots(task, rows);
    let mut few_groups = true;
    // Bytes of new text that each chunk makes, once that was counted.
    let mut text_bytes = vec![0; inputs.len().max(1)];
    loop {
        let filled = match filling.take() {
            Some(filling) => filling,
            None => {
                let mut filling = Filling::start(task, &shape, slot_count, few_groups)?;
                if inputs.is_empty() {
                    filling.add(task, program, &shape, &exponents, None, 0, 0)?;
                }
                for ((input, first_row), bytes) in inputs.iter().zip(&text_bytes) {
                    filling.add(task, program, &shape, &exponents, Some(input), *first_row, *bytes)?;
                }
                filling
            }
        };
        let report = filled.control.read_with_text(task, &compiled.sites)?;
        if report.text_overflow {
            for ((bytes, text), (input, _)) in text_bytes.iter_mut().zip(&filled.texts).zip(inputs) {
                *bytes = text.bytes_missing(task)?.unwrap_or(text.bytes());
                text.undo(task, program, Some(input))?;
            }
        } else if !report.overflow {
            let Filling { slots, slot_count, texts, .. } = filled;
            let texts = texts.into_iter().filter(|_| shape.has_strings);
            let heaps = texts.filter_map(TextHeap::into_buffer).collect();
            return Ok(Table { slots, slot_count, groups: report.rows, exponents, heaps });
        }
        if !report.overflow {
            continue;
        }
        if filled.slot_count >= slots_enough(rows) {
            return Err(Error::bug(format!("{} groups overflow {} slots", report.rows, filled.slot_count)));
        }
        few_groups = false;
        slot_count = (filled.slot_count * GROWTH).min(slots_enough(rows));
    }
}

/// The slots of one block's shared memory: a power of two, none where a slot is too wide.
fn shared_slots(slot_words: usize) -> usize {
    let fit = SHARED_BYTES_MAX / (slot_words * 8);
    let slots = if fit.is_power_of_two() { fit } else { fit.next_power_of_two() / 2 };
    if slots < 8 { 0 } else { slots.min(SHARED_SLOTS_MAX) }
}

/// Copies the strings that the table's groups refer to, so that it does not need the input any more.
fn keep_strings(task: &mut Task<'_>, program: &mut Program, table: &mut Table) -> Result<()> {
    if !shape(program)?.has_strings {
        return Ok(());
    }
    let grid = table.slot_count.div_ceil(BLOCK);
    let mut heap: Option<DeviceBuffer> = None;
    // First without a heap, to count the bytes.
    for _ in 0..2 {
        let control = Control::new(task)?;
        program.launch(task, "strings", grid, 0, None, |param| match param {
            Param::Control => control.address(),
            Param::Slots => table.slots.address(),
            Param::SlotMask => table.slot_count as u64 - 1,
            Param::Heap => heap.as_ref().map_or(0, |heap| heap.address()),
            _ => 0,
        })?;
        let bytes = control.read(task, &[])?.bytes;
        if heap.is_none() {
            heap = Some(task.alloc(bytes)?);
        }
    }
    // What the table referred to before is free to go.
    table.heaps = heap.into_iter().collect();
    Ok(())
}

/// Merges two tables into a new one, which refers to the heaps of both: those are the caller's to move.
fn merge(task: &mut Task<'_>, program: &mut Program, a: &Table, b: &Table) -> Result<Table> {
    let shape = shape(program)?;
    let bytes = shape.float_sums * 4;
    let exponents = if bytes == 0 {
        task.alloc(0)?
    } else {
        let (of_a, of_b) = (task.read(&a.exponents, 0, bytes)?, task.read(&b.exponents, 0, bytes)?);
        let larger: Vec<u8> = of_a
            .chunks_exact(4)
            .zip(of_b.chunks_exact(4))
            .flat_map(|(a, b)| {
                let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("chunks of 4 bytes"));
                word(a).max(word(b)).to_le_bytes()
            })
            .collect();
        task.write(&larger)?
    };
    let slot_count = (2 * (a.groups + b.groups) + 2).next_power_of_two();
    let slots = task.alloc_filled(slot_count * shape.slot_words * 8, 0)?;
    let control = Control::new(task)?;
    for table in [a, b] {
        program.launch(task, "merge", table.slot_count.div_ceil(BLOCK), 0, None, |param| match param {
            Param::Control => control.address(),
            Param::Slots => slots.address(),
            Param::SlotMask => slot_count as u64 - 1,
            Param::ExponentMax => exponents.address(),
            Param::FromSlots => table.slots.address(),
            Param::FromMask => table.slot_count as u64 - 1,
            Param::FromExponents => table.exponents.address(),
            _ => 0,
        })?;
    }
    let report = control.read(task, &[])?;
    Ok(Table { slots, slot_count, groups: report.rows, exponents, heaps: vec![] })
}

/// Writes the groups as columns, in the order of their first rows among `rows`.
fn emit(task: &mut Task<'_>, program: &mut Program, table: &Table, rows: u64) -> Result<DeviceChunk> {
    let compiled = program.compiled.clone();
    let CompiledSink::Aggregate { keyed, slot_words, outputs: columns, .. } = &compiled.sink else {
        return Err(Error::bug("aggregate was given another sink"));
    };
    let grid = table.slot_count.div_ceil(BLOCK);
    let order = match keyed {
        true => Some(rank_first_rows(task, rows as usize, &table.slots, table.slot_count, *slot_words)?),
        false => None,
    };
    let outputs = Outputs::alloc(task, columns, table.groups)?;
    let control = Control::new(task)?;
    program.launch(task, "emit", grid, 0, None, |param| match param {
        Param::Control => control.address(),
        Param::Slots => table.slots.address(),
        Param::SlotMask => table.slot_count as u64 - 1,
        Param::ExponentMax => table.exponents.address(),
        Param::FirstRows => order.as_ref().map_or(0, |(first_rows, _)| first_rows.address()),
        Param::Ranks => order.as_ref().map_or(0, |(_, ranks)| ranks.address()),
        other => outputs.word(other).unwrap_or(0),
    })?;
    if !compiled.sites.is_empty() {
        control.read(task, &compiled.sites)?;
    }
    outputs.finish(task, compiled.pipeline.output(), table.groups, |_| None)
}

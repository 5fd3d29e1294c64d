//! Materialize: the rows that the filters keep, projected, in input order.

use crate::column::DeviceChunk;
use crate::error::{Error, Result};
use crate::program::{CompiledSink, Param};
use crate::worker::Task;

use super::Emit;
use super::binding::{BLOCK, Control, Input, Program};
use super::output::Outputs;
use super::text::TextHeap;

/// Runs the pipeline over one chunk; the output goes to `emit` in one chunk, or in several where memory is short.
///
/// # Shape      input [n] → output [k], k = rows kept, in input order.
/// # Nulls      a row whose filter is null is dropped.
/// # Memory     room for n rows of output, 16 bytes a string on top; scratch ⌈n/tile⌉·8 bytes; new text twice.
/// # Traffic    reads what the filters need of n rows and the rest of k rows, writes k rows.
/// # Guarantee  order preserved; deterministic across runs, devices and the CPU.
/// # Errors     failures of expressions, by the first row; out of memory when one row at a time does not fit.
/// # Source     single-pass compaction with decoupled look-back (Merrill and Garland, 2016).
pub(super) fn run(
    task: &mut Task<'_>,
    program: &mut Program,
    input: &Input,
    emit: &mut Emit<'_>,
) -> Result<()> {
    // A stack of row ranges: one that does not fit is halved, its first half next.
    let mut ranges = vec![(0, input.rows)];
    while let Some((begin, rows)) = ranges.pop() {
        match run_range(task, program, input, begin, rows) {
            Ok(output) => emit(task, output)?,
            Err(error) if error.is_out_of_memory() && rows > 1 => {
                let half = (rows / 2).next_multiple_of(BLOCK).min(rows - 1);
                ranges.push((begin + half, rows - half));
                ranges.push((begin, half));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn run_range(
    task: &mut Task<'_>,
    program: &mut Program,
    input: &Input,
    begin: usize,
    rows: usize,
) -> Result<DeviceChunk> {
    let compiled = program.compiled.clone();
    let CompiledSink::Materialize { filtered, items, outputs: columns } = &compiled.sink else {
        return Err(Error::bug("materialize was given another sink"));
    };
    let mut text_bytes = 0;
    let (outputs, kept, text) = loop {
        let text = TextHeap::new(task, program, Some(input), rows, text_bytes)?;
        let outputs = Outputs::alloc(task, columns, rows)?;
        let control = Control::new(task)?;
        let grid = rows.div_ceil(BLOCK * items);
        let tiles = if *filtered { Some(task.alloc_filled(grid * 8, 0)?) } else { None };
        program.launch(task, "materialize", grid, 0, Some(input), |param| match param {
            Param::Rows => rows as u64,
            Param::RowBegin => begin as u64,
            Param::Control => control.address(),
            Param::Tiles => tiles.as_ref().map_or(0, |tiles| tiles.address()),
            Param::Text => text.address(),
            other => outputs.word(other).unwrap_or(0),
        })?;
        // Without filters, failures or new text there is nothing to wait for.
        if !*filtered && compiled.sites.is_empty() && !program.makes_text() {
            break (outputs, rows, text);
        }
        let report = control.read_with_text(task, &compiled.sites)?;
        if !report.text_overflow {
            break (outputs, if *filtered { report.rows } else { rows }, text);
        }
        text_bytes = text.bytes_missing(task)?.unwrap_or(text.bytes());
        text.undo(task, program, Some(input))?;
    };
    let dictionaries = |column| program.dictionary(column, input);
    let chunk = outputs.finish(task, compiled.pipeline.output(), kept, dictionaries);
    // References point into it until the strings are gathered.
    drop(text);
    chunk
}

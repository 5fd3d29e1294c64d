//! Functions of positions: ranks, counts, and values of other rows (`kernels/window.cu`).

use std::sync::Arc;

use crate::column::{DeviceColumn, Storage};
use crate::device::DeviceBuffer;
use crate::error::{Error, Result};
use crate::program::Literal;
use crate::worker::Task;

use super::layout::{Layout, column_words, launch_rows, literal_words};
use super::spec::{WindowFunction, WindowKind};
use crate::operators::prefix_sum::gather_strings;

/// Bytes of a string reference: address, length, mode.
const REFERENCE_BYTES: usize = 16;

/// Numbers and ranks of rows in their partition.
pub(super) fn ranks(
    task: &mut Task<'_>,
    layout: &Layout<'_>,
    function: &WindowFunction,
) -> Result<DeviceColumn> {
    use WindowKind::*;
    let (kind, tiles, storage) = match function.kind {
        RowNumber => (0, 1, Storage::U64),
        Rank => (1, 1, Storage::U64),
        DenseRank => (2, 1, Storage::U64),
        PercentRank => (3, 1, Storage::F64),
        CumeDist => (4, 1, Storage::F64),
        Ntile(0) => return Err(Error::user("NTILE requires a positive integer")),
        Ntile(tiles) => (5, tiles, Storage::U64),
        ref kind => return Err(Error::bug(format!("{kind:?} is no rank"))),
    };
    let rows = layout.chunk.rows;
    let values = task.alloc(rows * 8)?;
    let mut parameters = vec![rows as u64];
    parameters.extend(layout.partition_words());
    parameters.extend(layout.peer_words());
    parameters.extend([kind, tiles, values.address()]);
    launch_rows(task, "window_ranks", rows, &parameters)?;
    DeviceColumn::fixed(function.output.data_type().clone(), storage, rows, values, None)
}

/// Rows of the frame, or those of them where the argument is not null.
pub(super) fn counts(
    task: &mut Task<'_>,
    layout: &mut Layout<'_>,
    function: &WindowFunction,
) -> Result<DeviceColumn> {
    let rows = layout.chunk.rows;
    let valid = match function.args.first() {
        Some(arg) => layout.valid_words(task, *arg)?,
        None => [0, 0],
    };
    let frame = layout.frame(task, &function.frame)?;
    let values = task.alloc(rows * 8)?;
    let mut parameters = vec![rows as u64, frame.begins.address(), frame.ends.address()];
    parameters.extend(valid);
    parameters.push(values.address());
    launch_rows(task, "window_counts", rows, &parameters)?;
    DeviceColumn::fixed(function.output.data_type().clone(), Storage::I64, rows, values, None)
}

/// The value of another row of the partition or the frame.
pub(super) fn values(
    task: &mut Task<'_>,
    layout: &mut Layout<'_>,
    function: &WindowFunction,
    arg: usize,
) -> Result<DeviceColumn> {
    use WindowKind::*;
    let (kind, n) = match function.kind {
        Lag { offset, .. } => (0, offset),
        Lead { offset, .. } => (0, offset.wrapping_neg()),
        FirstValue => (1, 1),
        LastValue => (2, 1),
        NthValue(n) if n < 0 => (2, n),
        NthValue(n) => (1, n),
        ref kind => return Err(Error::bug(format!("{kind:?} takes no row's value"))),
    };
    let rows = layout.chunk.rows;
    let valid = match function.ignore_nulls {
        true => layout.valid_words(task, arg)?,
        false => [0, 0],
    };
    let frame = match function.kind.uses_frame() {
        true => Some(layout.frame(task, &function.frame)?),
        false => None,
    };
    let sources = task.alloc(rows * 4)?;
    let mut parameters = vec![rows as u64];
    parameters.extend(layout.partition_words());
    parameters.extend(frame.map_or([0, 0], |frame| [frame.begins.address(), frame.ends.address()]));
    parameters.extend(valid);
    parameters.extend([kind, n as u64, sources.address()]);
    launch_rows(task, "window_sources", rows, &parameters)?;
    take(task, layout, function, arg, &sources)
}

/// Makes a column of the values of rows `sources`; a row without a source gets the function's default, or null.
pub(super) fn take(
    task: &mut Task<'_>,
    layout: &Layout<'_>,
    function: &WindowFunction,
    arg: usize,
    sources: &DeviceBuffer,
) -> Result<DeviceColumn> {
    let rows = layout.chunk.rows;
    let input = &layout.chunk.columns[arg];
    let data_type = function.output.data_type().clone();
    let default = match &function.kind {
        WindowKind::Lag { default, .. } | WindowKind::Lead { default, .. } => default,
        _ => &Literal::Null,
    };
    let text = match default {
        Literal::Bytes(bytes) => Some((task.write(bytes)?, bytes.len() as u64)),
        _ => None,
    };
    let fallback = match (&text, default, input.storage) {
        (Some((text, length)), ..) => [text.address(), *length],
        (None, Literal::Float(value), Storage::F32) => [(*value as f32).to_bits().into(), 0],
        (None, number, _) => literal_words(number)?,
    };
    let bytes = match (input.storage, input.storage.width()) {
        (Storage::Bits, _) => rows.div_ceil(8),
        (_, Some(width)) => rows * width,
        (_, None) => rows * REFERENCE_BYTES,
    };
    let (values, validity) = (task.alloc(bytes)?, task.alloc(rows.div_ceil(8))?);
    let mut parameters = vec![rows as u64, sources.address()];
    parameters.extend(column_words(input));
    parameters.push((*default != Literal::Null).into());
    parameters.extend(fallback);
    parameters.extend([values.address(), validity.address()]);
    launch_rows(task, "window_take", rows, &parameters)?;
    match (input.storage, &input.dictionary) {
        (Storage::Bytes, _) => {
            let (offsets, bytes) = gather_strings(task, rows, &values)?;
            DeviceColumn::bytes(data_type, rows, offsets, bytes, Some(validity))
        }
        (Storage::Dictionary { key_bytes }, Some(dictionary)) => {
            let dictionary = Arc::clone(dictionary);
            DeviceColumn::dictionary(data_type, key_bytes, rows, values, dictionary, Some(validity))
        }
        (storage, _) => DeviceColumn::fixed(data_type, storage, rows, values, Some(validity)),
    }
}

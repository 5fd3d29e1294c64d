//! Window functions over a chunk that is sorted by partition and order keys.
//!
//! | file | what |
//! |---|---|
//! | `spec` | what is computed, and what the device refuses |
//! | `layout` | partitions, peers and frames |
//! | `positions` | ranks, counts, values of other rows |
//! | `aggregate` | sums, averages, extremes, variances |

mod aggregate;
mod layout;
mod positions;
mod spec;

use std::sync::Arc;

use arrow::datatypes::{Fields, Schema};

use crate::column::DeviceChunk;
use crate::error::{Error, Result};
use crate::worker::Task;

pub use spec::{FrameBound, FrameUnits, WindowFrame, WindowFunction, WindowKind, WindowSpec};

use aggregate::Shared;
use layout::Layout;

/// Appends a column for each window function to a chunk that is sorted by `spec`'s partition columns and then its
/// order keys.
///
/// ```text
/// rows      flags: does a row differ from the one before?      functions
/// a 1       partition 1  peers 1    partition [0, 3)           every one a function of a row's
/// a 2  ──►  partition 0  peers 1 ─► peers [1, 3)           ──► partition, peers and frame
/// a 2       partition 0  peers 0    frame     [begin, end)
/// b 1       partition 1  peers 1    …
/// ```
///
/// # Shape      chunk [n] → the same n rows in the same order, one column more for each function.
/// # Nulls      null keys are equal; aggregates pass nulls over, and are null (counts 0) where nothing is left.
/// # Memory     n/4 bytes of flags and 4 bytes a partition and group of peers; 8n for each distinct frame; 8n or 16n for
/// an integer's or decimal's sums; n/3 nodes of 4 to 24 bytes for floats, extremes and variances; the
/// functions' columns, 16 bytes a string on top.
/// # Traffic    keys once; for each function its column and its frames once, and for trees O(log n) cached reads a row.
/// # Guarantee  deterministic: the same chunk gives the same bits. Integers and decimals wrap as DataFusion's do. A float
/// sum over m rows is within m·2⁻¹⁰⁰·Σ|x| of the exact sum before one rounding, and no value, infinity or
/// NaN outside a row's frame touches it; extremes of floats follow IEEE 754 totalOrder.
/// # Launches   3 for the partitions, 2 more for an order, 1 a frame, 1 a nullable argument; then 1 for ranks and counts,
/// 2 for values of other rows and for sums, 2 to 4 for what takes a tree; for strings 2 more (3 for their
/// extremes).
/// # Errors     unsupported, as [`WindowSpec::check`] says, and for 2³² rows; `is_user` where an average of decimals
/// does not fit its type; out of memory.
/// # Source     prefix sums with decoupled look-back (Merrill and Garland, 2016); trees of aggregates as in Leis and
/// others, Efficient Processing of Window Functions in Analytical SQL Queries (2015); sums in pairs of
/// doubles (Dekker, 1971).
pub fn window(task: &mut Task<'_>, chunk: &DeviceChunk, spec: &WindowSpec) -> Result<DeviceChunk> {
    use WindowKind::*;
    spec.check(&chunk.schema)?;
    if chunk.rows >= u32::MAX as usize {
        return Err(Error::unsupported(format!("a window over {} rows at once", chunk.rows)));
    }
    task.wait_for(chunk)?;
    let mut layout = Layout::new(task, chunk, spec)?;
    let mut shared = Shared::default();
    let mut columns = chunk.columns.clone();
    let mut fields = chunk.schema.fields().to_vec();
    for function in &spec.functions {
        let column = match (&function.kind, function.args.as_slice()) {
            (RowNumber | Rank | DenseRank | PercentRank | CumeDist | Ntile(_), _) => {
                positions::ranks(task, &layout, function)?
            }
            (Count, _) => positions::counts(task, &mut layout, function)?,
            (Lag { .. } | Lead { .. } | FirstValue | LastValue | NthValue(_), [arg]) => {
                positions::values(task, &mut layout, function, *arg)?
            }
            (_, [arg]) => shared.column(task, &mut layout, function, *arg)?,
            (kind, args) => return Err(Error::bug(format!("{kind:?} of {} arguments", args.len()))),
        };
        columns.push(Arc::new(column));
        fields.push(Arc::clone(&function.output));
    }
    let schema = Schema::new_with_metadata(Fields::from(fields), chunk.schema.metadata().clone());
    DeviceChunk::new(Arc::new(schema), columns, chunk.rows)
}

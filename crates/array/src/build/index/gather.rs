//! Elements and rows by number: the operators that copy them.

use crate::build::axis::normalize_axis;
use crate::build::elementwise::cast;
use crate::build::index::resolve::{element, out_of_bounds};
use crate::build::manipulate::{broadcast_shapes, broadcast_to, moveaxis, ravel};
use crate::dispatch_size;
use crate::dtype::DType;
use crate::error::{Error, Result, show_shape};
use crate::graph::{Array, BlockOperator, DeviceForm, Op, Region};
use crate::tensor::{Axis, Tensor, TensorMut, coalesce, for_each_offset};
use std::sync::Arc;

/// Takes elements along an axis by number; negative ones count from the end. Without an axis, of the array as a vector.
///
/// # Shape      x […, n, …], indices [k…] → […, k…, …].
/// # Errors
/// `Axis`; `Type` where indices are not integers; `Index` for one out of range, when it is evaluated or, where the
/// numbers are known, at once.
pub fn take(x: &Array, indices: &Array, axis: Option<i64>) -> Result<Array> {
    check_integers(indices)?;
    let (x, axis) = match axis {
        Some(axis) => (x.clone(), normalize_axis(axis, x.ndim())?),
        None => (ravel(x), 0),
    };
    gather(&x, Gather { outer: axis, axis_names: vec![axis] }, &[as_i64(indices)])
}

/// Takes from each row along an axis the elements that the same row of `indices` names; other axes broadcast.
///
/// # Shape      x […, n, …], indices […, k, …] → […, k, …].
/// # Errors
/// `Axis`; `Type` where indices are not integers; `Value` where other axes do not fit; `Index` for one out of range, when
/// it is evaluated.
pub fn take_along_axis(x: &Array, indices: &Array, axis: Option<i64>) -> Result<Array> {
    check_integers(indices)?;
    let Some(axis) = axis else {
        return take_along_axis(&ravel(x), &ravel(indices), Some(0));
    };
    let (x, indices) = rows(x, indices, axis)?;
    let shape = indices.shape().to_vec();
    if shape.is_empty() {
        return Err(Error::axis(format!("axis {axis} is out of bounds for array of dimension 0")));
    }
    let operator = TakeRows { dtype: x.dtype(), shape };
    let taken = Array::block(Arc::new(operator), vec![x, indices]).remove(0);
    moveaxis(&taken, &[-1], &[axis])
}

/// Both with the axis at the end, and their other axes broadcast.
pub(super) fn rows(x: &Array, indices: &Array, axis: i64) -> Result<(Array, Array)> {
    if x.ndim() != indices.ndim() {
        return Err(Error::value(format!(
            "indices of shape {} do not go along axis {axis} of shape {}: both need as many axes",
            show_shape(indices.shape()),
            show_shape(x.shape())
        )));
    }
    normalize_axis(axis, x.ndim())?;
    let (x, indices) = (moveaxis(x, &[axis], &[-1])?, moveaxis(&as_i64(indices), &[axis], &[-1])?);
    let last = x.ndim() - 1;
    let batch = broadcast_shapes(&[&x.shape()[..last], &indices.shape()[..last]])?;
    let with = |array: &Array| {
        let mut shape = batch.clone();
        shape.push(array.shape()[last]);
        broadcast_to(array, &shape)
    };
    Ok((with(&x)?, with(&indices)?))
}

pub(super) fn check_integers(indices: &Array) -> Result<()> {
    if !indices.dtype().is_integer() {
        return Err(Error::dtype(format!("indices are integers, not {}", indices.dtype())));
    }
    Ok(())
}

/// The array as 64-bit integers.
pub(crate) fn as_i64(x: &Array) -> Array {
    cast(x, DType::I64)
}

/// Which axes are indexed: those behind the first `outer`, as many as there are names, by which messages call them.
pub(super) struct Gather {
    pub outer: usize,
    pub axis_names: Vec<usize>,
}

/// `[outer…, indexed…, inner…]` by indices of one shape, `[k…]`: `[outer…, k…, inner…]`.
pub(super) fn gather(x: &Array, spec: Gather, indices: &[Array]) -> Result<Array> {
    let Gather { outer, axis_names } = spec;
    let indexed = &x.shape()[outer..outer + axis_names.len()];
    let picked = indices[0].shape();
    let shape = [&x.shape()[..outer], picked, &x.shape()[outer + axis_names.len()..]].concat();
    crate::tensor::count(&shape)?;
    let mut known = Vec::with_capacity(indices.len());
    for ((index, &name), &len) in indices.iter().zip(&axis_names).zip(indexed) {
        let hull = known_values(index)?.map(|values| Known::of(&values, name, len)).transpose()?;
        known.push(hull);
    }
    // Indices that ascend read each part of the array once, whatever the blocks.
    let ascends = known.first().is_some_and(|first| first.as_ref().is_some_and(|known| known.ascends));
    let operator = Take {
        dtype: x.dtype(),
        outer,
        indexed: indexed.to_vec(),
        axis_names,
        picked: picked.len(),
        shape,
        known: known.into_iter().map(|known| known.map(|known| known.values)).collect(),
        ascends,
    };
    let inputs = std::iter::once(x).chain(indices).cloned().collect();
    Ok(Array::block(Arc::new(operator), inputs).remove(0))
}

/// The values of an array that need no evaluation.
fn known_values(index: &Array) -> Result<Option<Tensor>> {
    match (index.value(), index.op(), index.inputs()) {
        (Some(value), ..) => Ok(Some(value.clone())),
        (_, Op::Full(value), _) => Ok(Some(Tensor::scalar(*value, DType::I64)?.broadcast(index.shape()))),
        (_, Op::Broadcast, [input]) => Ok(known_values(input)?.map(|value| value.broadcast(index.shape()))),
        _ => Ok(None),
    }
}

/// Indices that are known when the graph is built.
struct Known {
    values: Tensor,
    ascends: bool,
}

impl Known {
    fn of(values: &Tensor, axis: usize, len: usize) -> Result<Known> {
        let list = values.to_vec::<i64>()?;
        let list = list.iter().map(|&i| element(i, axis, len)).collect::<Result<Vec<usize>>>()?;
        Ok(Known { values: values.clone(), ascends: list.is_sorted() })
    }
}

#[derive(Debug)]
struct Take {
    dtype: DType,
    outer: usize,
    indexed: Vec<usize>,
    axis_names: Vec<usize>,
    /// How many axes the indices have.
    picked: usize,
    shape: Vec<usize>,
    known: Vec<Option<Tensor>>,
    ascends: bool,
}

impl Take {
    /// The part of a block that its indices have.
    fn index_region(&self, block: &Region) -> Region {
        let axes = self.outer..self.outer + self.picked;
        Region { start: block.start[axes.clone()].into(), shape: block.shape[axes].into() }
    }

    /// The elements of an indexed axis between the least and the greatest that a block names.
    fn hull(&self, block: &Region, number: usize) -> (usize, usize) {
        let len = self.indexed[number];
        let Some(values) = &self.known[number] else { return (0, len) };
        let part = values.slice(&self.index_region(block).slices());
        let (mut least, mut most) = (usize::MAX, 0);
        for_each_element(&part, |i: i64| {
            let i = (if i < 0 { i + len as i64 } else { i }) as usize;
            (least, most) = (least.min(i), most.max(i));
        });
        if least > most { (0, 0) } else { (least, most - least + 1) }
    }
}

/// Calls `visit` with each integer, in row-major order.
pub(super) fn for_each_element(values: &Tensor, mut visit: impl FnMut(i64)) {
    if values.is_empty() {
        return;
    }
    let mut axes = coalesce(values.shape(), &[values.strides()]);
    let inner = axes.pop().unwrap_or(Axis { len: 1, strides: vec![0] });
    let pointer = values.as_ptr().cast::<i64>();
    for_each_offset(&axes.iter().collect::<Vec<&Axis>>(), |offsets| {
        for i in 0..inner.len as isize {
            // SAFETY: an offset of an index within the shape.
            visit(unsafe { *pointer.offset(offsets[0] + i * inner.strides[0]) });
        }
    });
}

impl BlockOperator for Take {
    fn name(&self) -> String {
        "take".to_string()
    }

    fn outputs(&self) -> Vec<(DType, Vec<usize>)> {
        vec![(self.dtype, self.shape.clone())]
    }

    fn cuttable(&self) -> usize {
        self.shape.len()
    }

    fn rereads(&self, input: usize) -> bool {
        input == 0 && !self.ascends
    }

    fn needs(&self, block: &Region, input: usize, shape: &[usize]) -> Region {
        if input > 0 {
            return self.index_region(block);
        }
        let (outer, indexed) = (self.outer, self.indexed.len());
        let mut region = Region::whole(shape);
        for axis in 0..shape.len() {
            let (start, len) = match axis {
                axis if axis < outer => (block.start[axis], block.shape[axis]),
                axis if axis < outer + indexed => self.hull(block, axis - outer),
                axis => {
                    let own = axis - indexed + self.picked;
                    (block.start[own], block.shape[own])
                }
            };
            region.start[axis] = start;
            region.shape[axis] = len;
        }
        region
    }

    fn compute(&self, block: &Region, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let mut result = TensorMut::uninit(self.dtype, &block.shape)?;
        let (x, indices) = (&inputs[0], &inputs[1..]);
        let count: usize = self.index_region(block).len();
        if block.is_empty() {
            return Ok(vec![result.freeze()]);
        }
        // Offsets from the region's first element to the rows.
        let mut offsets = vec![0isize; count];
        for (number, index) in indices.iter().enumerate() {
            let (len, stride) = (self.indexed[number], x.strides()[self.outer + number]);
            let (first, _) = self.hull(block, number);
            let mut position = 0;
            let mut bad = None;
            for_each_element(index, |i| {
                let from_front = if i < 0 { i.wrapping_add(len as i64) } else { i };
                if from_front < 0 || from_front >= len as i64 {
                    bad.get_or_insert(i);
                } else {
                    offsets[position] += (from_front as isize - first as isize) * stride;
                }
                position += 1;
            });
            if let Some(i) = bad {
                return Err(out_of_bounds(i, self.axis_names[number], len));
            }
        }
        let behind = self.outer + self.indexed.len();
        let outer = (&block.shape[..self.outer], &x.strides()[..self.outer]);
        let inner = (&block.shape[self.outer + self.picked..], &x.strides()[behind..]);
        dispatch_size!(self.dtype, T => {
            // SAFETY: the offsets are within the region that was asked for, and the result has a row for each.
            unsafe { copy_rows::<T>(x.as_ptr().cast(), result.as_mut_bytes().as_mut_ptr().cast(), outer, inner, &offsets) }
        });
        Ok(vec![result.freeze()])
    }

    fn device_form(&self, _: &Region) -> Option<DeviceForm> {
        Some(DeviceForm::Take { outer: self.outer, names: self.axis_names.clone() })
    }
}

/// Copies, for each index of the outer axes, the inner axes at each of the offsets, one behind the other.
///
/// # Safety
/// `from` reaches the axes with their strides and offsets; `to` has as many elements as are copied.
unsafe fn copy_rows<T: Copy>(
    from: *const T,
    to: *mut T,
    outer: (&[usize], &[isize]),
    inner: (&[usize], &[isize]),
    rows: &[isize],
) {
    let row_len: usize = inner.0.iter().product();
    let inner = coalesce(inner.0, &[inner.1]);
    let outer: Vec<Axis> = coalesce(outer.0, &[outer.1]);
    let mut to = to;
    for_each_offset(&outer.iter().collect::<Vec<_>>(), |offsets| {
        // SAFETY: as the caller says; `to` moves on by what was written.
        unsafe {
            let from = from.offset(offsets[0]);
            match inner.as_slice() {
                [] => {
                    for (i, &row) in rows.iter().enumerate() {
                        *to.add(i) = *from.offset(row);
                    }
                }
                [axis] if axis.strides[0] == 1 => {
                    for (i, &row) in rows.iter().enumerate() {
                        std::ptr::copy_nonoverlapping(from.offset(row), to.add(i * row_len), row_len);
                    }
                }
                axes => {
                    let (last, axes) = axes.split_last().expect("one axis at least");
                    let axes: Vec<&Axis> = axes.iter().collect();
                    let mut place = to;
                    for &row in rows {
                        for_each_offset(&axes, |offsets| {
                            let from = from.offset(row + offsets[0]);
                            for i in 0..last.len {
                                *place.add(i) = *from.offset(i as isize * last.strides[0]);
                            }
                            place = place.add(last.len);
                        });
                    }
                }
            }
            to = to.add(rows.len() * row_len);
        }
    });
}

/// Takes along the last axis, row by row.
#[derive(Debug)]
struct TakeRows {
    dtype: DType,
    shape: Vec<usize>,
}

impl BlockOperator for TakeRows {
    fn name(&self) -> String {
        "take_along_axis".to_string()
    }

    fn outputs(&self) -> Vec<(DType, Vec<usize>)> {
        vec![(self.dtype, self.shape.clone())]
    }

    fn cuttable(&self) -> usize {
        self.shape.len()
    }

    fn rereads(&self, input: usize) -> bool {
        input == 0
    }

    fn needs(&self, block: &Region, input: usize, shape: &[usize]) -> Region {
        let mut region = block.clone();
        if input == 0 {
            let last = shape.len() - 1;
            region.start[last] = 0;
            region.shape[last] = shape[last];
        }
        region
    }

    fn compute(&self, block: &Region, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let (x, indices) = (&inputs[0], &inputs[1]);
        let mut result = TensorMut::uninit(self.dtype, &block.shape)?;
        if block.is_empty() {
            return Ok(vec![result.freeze()]);
        }
        let last = block.ndim() - 1;
        let (len, count) = (x.shape()[last], block.shape[last]);
        let (step, index_step) = (x.strides()[last], indices.strides()[last]);
        let batch = coalesce(&block.shape[..last], &[&x.strides()[..last], &indices.strides()[..last]]);
        let mut bad = None;
        dispatch_size!(self.dtype, T => {
            let mut to = result.as_mut_bytes().as_mut_ptr().cast::<T>();
            let (from, index) = (x.as_ptr().cast::<T>(), indices.as_ptr().cast::<i64>());
            for_each_offset(&batch.iter().collect::<Vec<_>>(), |offsets| {
                // SAFETY: offsets within the shapes of both, numbers within the axis; the result has `count` for each.
                unsafe {
                    let (from, index) = (from.offset(offsets[0]), index.offset(offsets[1]));
                    for i in 0..count {
                        let number = *index.offset(i as isize * index_step);
                        let number_from_front = if number < 0 { number.wrapping_add(len as i64) } else { number };
                        if number_from_front < 0 || number_from_front >= len as i64 {
                            bad.get_or_insert(number);
                        } else {
                            *to.add(i) = *from.offset(number_from_front as isize * step);
                        }
                    }
                    to = to.add(count);
                }
            });
        });
        match bad {
            Some(number) => Err(out_of_bounds(number, last, len)),
            None => Ok(vec![result.freeze()]),
        }
    }

    fn device_form(&self, _: &Region) -> Option<DeviceForm> {
        Some(DeviceForm::TakeRows)
    }
}

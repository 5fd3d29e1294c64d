//! Elements and rows put by number: the operators that write them into a copy.

use std::sync::Arc;

use crate::build::elementwise::cast;
use crate::build::index::gather::{as_i64, check_integers, for_each_element, rows};
use crate::build::index::resolve::out_of_bounds;
use crate::build::manipulate::{broadcast_to, moveaxis, permute_dims, ravel, reshape_to};
use crate::dtype::DType;
use crate::error::{Result, show_shape};
use crate::graph::{Array, BlockOperator, DeviceForm, Region};
use crate::tensor::{Slice, Tensor, TensorMut, copy};

/// Puts values at the numbers of a vector's elements; an array of more axes counts as its vector. The last of several
/// for one element stays. Values repeat as often as needed.
///
/// # Errors
/// `Type` where indices are not integers; `Index` for one out of range, when it is evaluated.
pub fn put(x: &Array, indices: &Array, values: &Array) -> Result<Array> {
    check_integers(indices)?;
    let indices = ravel(&as_i64(indices));
    let values = cast(&ravel(values), x.dtype());
    let values = match values.len() {
        len if len >= indices.len() => {
            crate::build::manipulate::slice(&values, vec![Slice::range(0, indices.len())])
        }
        0 => return Ok(x.clone()),
        len => {
            let tiled = crate::build::manipulate::tile(&values, &[indices.len().div_ceil(len)])?;
            crate::build::manipulate::slice(&tiled, vec![Slice::range(0, indices.len())])
        }
    };
    let result = scatter(&ravel(x), 0, vec![0], &[indices], &values);
    Ok(reshape_to(&result, x.shape()))
}

/// Puts into each row along an axis values at the numbers that the same row of `indices` names.
///
/// # Errors
/// `Axis`; `Type` where indices are not integers; `Value` where shapes do not fit; `Index` for a number out of range,
/// when it is evaluated.
pub fn put_along_axis(x: &Array, indices: &Array, values: &Array, axis: Option<i64>) -> Result<Array> {
    check_integers(indices)?;
    let Some(axis) = axis else {
        let flat = put_along_axis(&ravel(x), &ravel(indices), &ravel(values), Some(0))?;
        return Ok(reshape_to(&flat, x.shape()));
    };
    let (base, numbers) = rows(x, indices, axis)?;
    if base.len() != x.len() {
        return Err(crate::error::Error::value(format!(
            "indices of shape {} have more rows than shape {}",
            show_shape(indices.shape()),
            show_shape(x.shape())
        )));
    }
    let places = moveaxis(&numbers, &[-1], &[axis])?;
    let values = moveaxis(&broadcast_to(&cast(values, x.dtype()), places.shape())?, &[axis], &[-1])?;
    let operator = PutRows { dtype: x.dtype(), shape: base.shape().to_vec() };
    let result = Array::block(Arc::new(operator), vec![base, values, numbers]).remove(0);
    moveaxis(&result, &[-1], &[axis])
}

/// Puts `values`, `[outer…, k…, inner…]`, into `x`, `[outer…, indexed…, inner…]`, at indices `[k…]`.
pub(super) fn scatter(
    x: &Array,
    outer: usize,
    axis_names: Vec<usize>,
    indices: &[Array],
    values: &Array,
) -> Array {
    if values.is_empty() && indices[0].is_empty() {
        return x.clone();
    }
    let operator = Put { dtype: x.dtype(), shape: x.shape().to_vec(), outer, axis_names };
    let inputs = [x, values].into_iter().chain(indices).cloned().collect();
    Array::block(Arc::new(operator), inputs).remove(0)
}

#[derive(Debug)]
struct Put {
    dtype: DType,
    shape: Vec<usize>,
    outer: usize,
    axis_names: Vec<usize>,
}

impl BlockOperator for Put {
    fn name(&self) -> String {
        "put".to_string()
    }

    fn outputs(&self) -> Vec<(DType, Vec<usize>)> {
        vec![(self.dtype, self.shape.clone())]
    }

    fn cuttable(&self) -> usize {
        self.outer
    }

    fn needs(&self, block: &Region, input: usize, shape: &[usize]) -> Region {
        let mut region = Region::whole(shape);
        if input < 2 {
            region.start[..self.outer].copy_from_slice(&block.start);
            region.shape[..self.outer].copy_from_slice(&block.shape);
        }
        region
    }

    fn compute(&self, _: &Region, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let (x, values, indices) = (&inputs[0], &inputs[1], &inputs[2..]);
        let mut result = TensorMut::uninit(self.dtype, x.shape())?;
        let target = result.target();
        copy(x, &mut target.clone());
        let indexed = self.outer..self.outer + self.axis_names.len();
        let mut offsets = vec![0isize; indices[0].len()];
        for (number, index) in indices.iter().enumerate() {
            let axis = self.outer + number;
            let (len, stride) = (x.shape()[axis], target.strides[axis]);
            let mut position = 0;
            let mut bad = None;
            for_each_element(index, |i| {
                let from_front = if i < 0 { i.wrapping_add(len as i64) } else { i };
                if from_front < 0 || from_front >= len as i64 {
                    bad.get_or_insert(i);
                }
                offsets[position] += from_front as isize * stride;
                position += 1;
            });
            if let Some(i) = bad {
                return Err(out_of_bounds(i, self.axis_names[number], len));
            }
        }
        // One target for each outer index and number, in order, so that the last one stays.
        let outer_shape = &x.shape()[..self.outer];
        let inner_shape = &x.shape()[indexed.end..];
        let flat_values = values.reshape(&[outer_shape, &[offsets.len()], inner_shape].concat())?;
        let order: Vec<usize> = std::iter::once(self.outer)
            .chain(0..self.outer)
            .chain(self.outer + 1..flat_values.ndim())
            .collect();
        let by_number = flat_values.permute(&order);
        let row_shape = &by_number.shape()[1..];
        let row_strides: Vec<isize> =
            target.strides[..self.outer].iter().chain(&target.strides[indexed.end..]).copied().collect();
        if row_shape.iter().product::<usize>() == 1 {
            put_elements(&by_number, &target, &offsets);
            return Ok(vec![result.freeze()]);
        }
        for (i, &offset) in offsets.iter().enumerate() {
            let mut slices: Vec<Slice> = by_number.shape().iter().map(|&len| Slice::range(0, len)).collect();
            slices[0] = Slice::range(i, 1);
            let row = by_number.slice(&slices).with_strides(row_shape, by_number.strides()[1..].to_vec());
            let mut place = target.clone();
            place.pointer = place.pointer.wrapping_offset(offset * self.dtype.size() as isize);
            place.shape = row_shape.to_vec();
            place.strides = row_strides.clone();
            copy(&row, &mut place);
        }
        Ok(vec![result.freeze()])
    }

    fn device_form(&self, _: &Region) -> Option<DeviceForm> {
        Some(DeviceForm::Put { outer: self.outer, names: self.axis_names.clone() })
    }
}

/// Puts single elements, one for each offset.
fn put_elements(values: &Tensor, target: &crate::tensor::Target, offsets: &[isize]) {
    let step = values.strides()[0];
    crate::dispatch_size!(target.dtype, T => {
        let (from, to) = (values.as_ptr().cast::<T>(), target.pointer.cast::<T>());
        for (i, &offset) in offsets.iter().enumerate() {
            // SAFETY: there is a value for each offset, and offsets were found to be within the target.
            unsafe { *to.offset(offset) = *from.offset(i as isize * step) };
        }
    });
}

/// Puts along the last axis, row by row.
#[derive(Debug)]
struct PutRows {
    dtype: DType,
    shape: Vec<usize>,
}

impl BlockOperator for PutRows {
    fn name(&self) -> String {
        "put_along_axis".to_string()
    }

    fn outputs(&self) -> Vec<(DType, Vec<usize>)> {
        vec![(self.dtype, self.shape.clone())]
    }

    fn cuttable(&self) -> usize {
        self.shape.len() - 1
    }

    fn needs(&self, block: &Region, _: usize, shape: &[usize]) -> Region {
        let mut region = Region::whole(shape);
        let batch = block.ndim();
        region.start[..batch].copy_from_slice(&block.start);
        region.shape[..batch].copy_from_slice(&block.shape);
        region
    }

    fn compute(&self, _: &Region, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let x = &inputs[0];
        let (values, indices) = (inputs[1].contiguous()?, inputs[2].contiguous()?);
        let mut result = TensorMut::uninit(self.dtype, x.shape())?;
        copy(x, &mut result.target());
        let last = x.ndim() - 1;
        let (len, count) = (x.shape()[last], indices.shape()[last]);
        let numbers = indices.as_slice::<i64>().unwrap_or_default();
        crate::dispatch_size!(self.dtype, T => {
            let to = result.as_mut_bytes().as_mut_ptr().cast::<T>();
            let from = values.as_ptr().cast::<T>();
            for (i, &number) in numbers.iter().enumerate() {
                let from_front = if number < 0 { number.wrapping_add(len as i64) } else { number };
                if from_front < 0 || from_front >= len as i64 {
                    return Err(out_of_bounds(number, last, len));
                }
                // SAFETY: a value for each number; the row and the number within it are the result's.
                unsafe { *to.add(i / count * len + from_front as usize) = *from.add(i) };
            }
        });
        Ok(vec![result.freeze()])
    }

    fn device_form(&self, _: &Region) -> Option<DeviceForm> {
        Some(DeviceForm::PutRows)
    }
}

/// A copy of an array with a box of it replaced: the elements that slices name.
#[derive(Debug)]
struct Paste {
    dtype: DType,
    shape: Vec<usize>,
    slices: Vec<Slice>,
}

/// Replaces what the slices of all axes name by `values`, which have that shape.
pub(super) fn paste(x: &Array, slices: Vec<Slice>, values: &Array) -> Array {
    if values.is_empty() {
        return x.clone();
    }
    if x.ndim() == 0 {
        return values.clone();
    }
    let operator = Paste { dtype: x.dtype(), shape: x.shape().to_vec(), slices };
    Array::block(Arc::new(operator), vec![x.clone(), values.clone()]).remove(0)
}

impl Paste {
    /// The numbers of the slices' elements that lie in a block.
    fn within(&self, block: &Region) -> Region {
        let axis = |(slice, (&start, &len)): (&Slice, (&usize, &usize))| {
            let (least, end) = (start as isize, (start + len) as isize);
            let (first, step) = (slice.start as isize, slice.step);
            // The first number at or past an index, in the direction of the step.
            let past = |index: isize| {
                let distance = if step > 0 { index - first } else { first - index };
                distance.max(0).unsigned_abs().div_ceil(step.unsigned_abs().max(1)).min(slice.count)
            };
            let (from, to) =
                if step > 0 { (past(least), past(end)) } else { (past(end - 1), past(least - 1)) };
            (from, to.saturating_sub(from))
        };
        let (start, shape) = self.slices.iter().zip(block.start.iter().zip(&block.shape)).map(axis).unzip();
        Region { start, shape }
    }

    /// The slices of a block that the numbers `within` it name.
    fn slices_of(&self, block: &Region, within: &Region) -> Vec<Slice> {
        let of = |axis: usize| {
            let slice = &self.slices[axis];
            let first = slice.start as isize + slice.step * within.start[axis] as isize;
            let count = within.shape[axis];
            let step = if count == 1 { 1 } else { slice.step };
            Slice { start: (first - block.start[axis] as isize) as usize, count, step }
        };
        (0..block.ndim()).map(of).collect()
    }
}

impl BlockOperator for Paste {
    fn name(&self) -> String {
        "paste".to_string()
    }

    fn outputs(&self) -> Vec<(DType, Vec<usize>)> {
        vec![(self.dtype, self.shape.clone())]
    }

    fn cuttable(&self) -> usize {
        self.shape.len()
    }

    fn needs(&self, block: &Region, input: usize, _: &[usize]) -> Region {
        if input == 0 { block.clone() } else { self.within(block) }
    }

    fn compute(&self, block: &Region, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let within = self.within(block);
        if within.is_empty() {
            return Ok(vec![inputs[0].clone()]);
        }
        let mut result = TensorMut::uninit(self.dtype, &block.shape)?;
        let target = result.target();
        copy(&inputs[0], &mut target.clone());
        let slices = self.slices_of(block, &within);
        copy(&inputs[1], &mut target.slice(&slices));
        Ok(vec![result.freeze()])
    }

    fn device_form(&self, block: &Region) -> Option<DeviceForm> {
        let within = self.within(block);
        let slices = match within.is_empty() {
            true => within.shape.iter().map(|&count| Slice::range(0, count)).collect(),
            false => self.slices_of(block, &within),
        };
        Some(DeviceForm::Paste { slices })
    }
}

/// Undoes a permutation.
pub(super) fn permute_back(x: &Array, axes: &[usize]) -> Result<Array> {
    let mut back = vec![0; axes.len()];
    for (own, &axis) in axes.iter().enumerate() {
        back[axis] = own;
    }
    permute_dims(x, &back)
}

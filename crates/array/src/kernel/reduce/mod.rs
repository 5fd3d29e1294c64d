//! Reductions: what is made of a block's values along some axes, and how blocks are put together.
//!
//! Shapes of all sums are fixed: lanes, groups of rows and halves depend on lengths and layouts, never on the vectors
//! that a machine has. Sums are pairwise; deviations are taken in two passes within what fits the cache, and merged as
//! Chan, Golub and LeVeque (1979) have it.

/// Runs an expression for the type that real values of a [`DType`] are reduced in; booleans are bytes.
macro_rules! dispatch_real {
    ($dtype:expr, $T:ident => $body:expr, $other:ident => $otherwise:expr) => {
        match $dtype {
            DType::Bool | DType::U8 => {
                type $T = u8;
                $body
            }
            DType::I8 => {
                type $T = i8;
                $body
            }
            DType::I16 => {
                type $T = i16;
                $body
            }
            DType::I32 => {
                type $T = i32;
                $body
            }
            DType::I64 => {
                type $T = i64;
                $body
            }
            DType::U16 => {
                type $T = u16;
                $body
            }
            DType::U32 => {
                type $T = u32;
                $body
            }
            DType::U64 => {
                type $T = u64;
                $body
            }
            DType::F32 => {
                type $T = f32;
                $body
            }
            DType::F64 => {
                type $T = f64;
                $body
            }
            $other => $otherwise,
        }
    };
}

mod fold;
mod moments;
mod position;

use crate::dispatch;
use crate::dtype::{DType, Element, Scalar};
use crate::error::{Error, Result, show_shape};
use crate::graph::Region;
use crate::program::ReduceOp;
use crate::tensor::{Slice, Tensor, TensorMut};

use super::elementwise::convert;
use fold::Fold;

/// What is known of a reduction after some of its blocks.
#[derive(Clone, Debug)]
pub struct Partial {
    op: ReduceOp,
    /// The type of the reduced values.
    dtype: DType,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    /// Nothing was seen: the shape of the result.
    Empty(Vec<usize>),
    /// The result so far, in the type that it is computed in.
    Values(Fold, Tensor),
    /// The best value so far, and its index.
    Positions(Tensor, Tensor),
    /// How many values were seen at each place; of real ones their mean and the sum of squared deviations. Complex ones
    /// are pairs along a last axis.
    Moments(f64, Tensor, Tensor),
}

impl Partial {
    /// Reduces a block along `axes`: it lies at `region` in an array of shape `whole`, whose row-major order along the
    /// reduced axes is what indices count.
    ///
    /// # Errors
    /// `Bug` where the operator does not take the type, or the block is not of the region.
    pub fn of(
        op: ReduceOp,
        block: &Tensor,
        axes: &[usize],
        region: &Region,
        whole: &[usize],
    ) -> Result<Partial> {
        if block.shape() != region.shape
            || whole.len() != region.ndim()
            || axes.iter().any(|&a| a >= whole.len())
        {
            return Err(Error::bug(format!("{op:?} along axes {axes:?} of {block:?} at {region:?}")));
        }
        let dtype = block.dtype();
        check(op, dtype)?;
        let mut kept = block.shape().to_vec();
        axes.iter().for_each(|&axis| kept[axis] = 1);
        if axes.iter().any(|&axis| block.shape()[axis] == 0) || kept.contains(&0) {
            return Ok(Partial { op, dtype, state: State::Empty(kept) });
        }
        let block = match dtype {
            DType::F16 | DType::BF16 => convert(block, DType::F32)?,
            _ => block.clone(),
        };
        let state = match op {
            ReduceOp::ArgMin | ReduceOp::ArgMax => {
                let (values, indices) = position::of(op == ReduceOp::ArgMax, &block, axes, region, whole)?;
                State::Positions(values, indices)
            }
            ReduceOp::SquaredDeviations => {
                let (count, mean, deviations) = moments::of(&parts(&block), axes)?;
                State::Moments(count, mean, deviations)
            }
            ReduceOp::Sum if dtype.is_complex() => {
                State::Values(Fold::Sum, fold::of(Fold::Sum, &parts(&block), axes)?)
            }
            ReduceOp::Sum => State::Values(Fold::Sum, fold::of(Fold::Sum, &block, axes)?),
            ReduceOp::Product => State::Values(Fold::Product, fold::of(Fold::Product, &block, axes)?),
            ReduceOp::Min | ReduceOp::All => State::Values(Fold::Least, fold::of(Fold::Least, &block, axes)?),
            ReduceOp::Max | ReduceOp::Any => {
                State::Values(Fold::Greatest, fold::of(Fold::Greatest, &block, axes)?)
            }
        };
        Ok(Partial { op, dtype, state })
    }

    /// The reduction of nothing, for a result of this shape.
    ///
    /// # Errors
    /// `Value` where the operator needs a value: least, greatest, and their indices.
    pub fn empty(op: ReduceOp, dtype: DType, kept_shape: &[usize]) -> Result<Partial> {
        check(op, dtype)?;
        let needs = matches!(op, ReduceOp::Min | ReduceOp::Max | ReduceOp::ArgMin | ReduceOp::ArgMax);
        if needs && !kept_shape.contains(&0) {
            return Err(nothing(op));
        }
        Ok(Partial { op, dtype, state: State::Empty(kept_shape.to_vec()) })
    }

    /// What is known after `later` blocks too. The order is part of the result of floating-point sums.
    ///
    /// # Errors
    /// `Bug` where they are not of one reduction.
    pub fn merge(self, later: Partial) -> Result<Partial> {
        if self.op != later.op || self.dtype != later.dtype {
            return Err(Error::bug(format!("{:?} of {} meets {:?}", self.op, self.dtype, later.op)));
        }
        let state = match (self.state, later.state) {
            (State::Empty(_), state) | (state, State::Empty(_)) => state,
            (State::Values(how, a), State::Values(_, b)) => State::Values(how, fold::merge(how, &a, &b)?),
            (State::Positions(a, i), State::Positions(b, j)) => {
                let (values, indices) = position::merge(self.op == ReduceOp::ArgMax, [&a, &b], [&i, &j])?;
                State::Positions(values, indices)
            }
            (State::Moments(n, mean, deviations), State::Moments(m, other_mean, other_deviations)) => {
                let (mean, deviations) =
                    moments::merge([n, m], [&mean, &other_mean], [&deviations, &other_deviations])?;
                State::Moments(n + m, mean, deviations)
            }
            _ => return Err(Error::bug(format!("parts of {:?} differ in kind", self.op))),
        };
        Ok(Partial { state, ..self })
    }

    /// Bytes that it holds.
    pub fn bytes(&self) -> usize {
        match &self.state {
            State::Empty(_) => 0,
            State::Values(_, values) => values.bytes(),
            State::Positions(a, b) | State::Moments(_, a, b) => a.bytes() + b.bytes(),
        }
    }

    /// The result, with one element along reduced axes.
    ///
    /// # Errors
    /// `Value` where there was nothing and the operator needs a value.
    pub fn finish(self) -> Result<Tensor> {
        let result = self.op.result(self.dtype);
        match self.state {
            State::Empty(shape) => {
                let value = match self.op {
                    ReduceOp::Product | ReduceOp::All => Scalar::Int(1),
                    ReduceOp::Sum | ReduceOp::Any | ReduceOp::SquaredDeviations => Scalar::Int(0),
                    _ if shape.contains(&0) => Scalar::Int(0),
                    _ => return Err(nothing(self.op)),
                };
                full(value, result, &shape)
            }
            State::Values(_, values) if self.dtype.is_complex() && values.dtype() != self.dtype => {
                Ok(pairs(&values, self.dtype))
            }
            State::Values(_, values) => convert(&values, result),
            State::Positions(_, indices) => Ok(indices),
            State::Moments(_, _, deviations) if self.dtype.is_complex() => {
                let last = deviations.ndim() - 1;
                let whole: Vec<Slice> = deviations.shape().iter().map(|&len| Slice::range(0, len)).collect();
                let part = |i: usize| {
                    let mut slices = whole.clone();
                    slices[last] = Slice::range(i, 1);
                    deviations.slice(&slices)
                };
                let sum = fold::merge(Fold::Sum, &part(0), &part(1))?;
                sum.reshape(&deviations.shape()[..last])
            }
            State::Moments(_, _, deviations) => convert(&deviations, result),
        }
    }
}

fn nothing(op: ReduceOp) -> Error {
    let name = match op {
        ReduceOp::Min => "minimum",
        ReduceOp::Max => "maximum",
        ReduceOp::ArgMin => "argmin",
        _ => "argmax",
    };
    Error::value(format!("zero-size array to reduction operation {name} which has no identity"))
}

/// Whether an operator takes a type.
fn check(op: ReduceOp, dtype: DType) -> Result<()> {
    use ReduceOp::*;
    let takes = match op {
        Sum | Product => !dtype.is_bool(),
        Min | Max => !dtype.is_complex(),
        ArgMin | ArgMax => !dtype.is_complex(),
        All | Any => dtype.is_bool(),
        SquaredDeviations => dtype.is_inexact(),
    };
    if takes { Ok(()) } else { Err(Error::bug(format!("{op:?} of {dtype} is not defined"))) }
}

fn full(value: Scalar, dtype: DType, shape: &[usize]) -> Result<Tensor> {
    let mut tensor = TensorMut::uninit(dtype, shape)?;
    dispatch!(dtype, T => tensor.as_mut_slice::<T>().fill(T::from_scalar(value)));
    Ok(tensor.freeze())
}

/// Complex numbers as pairs of real ones along a last axis; real numbers as they are.
fn parts(tensor: &Tensor) -> Tensor {
    if !tensor.dtype().is_complex() {
        return tensor.clone();
    }
    let shape = [tensor.shape(), &[2]].concat();
    let strides = tensor.strides().iter().map(|&stride| stride * 2).chain([1]).collect();
    // SAFETY: a complex number is its two parts, one behind the other; the tensor keeps its buffer.
    unsafe {
        Tensor::from_foreign(tensor.as_ptr(), tensor.dtype().real(), shape, strides, Box::new(tensor.clone()))
    }
}

/// Pairs of real numbers along the last axis, without gaps, as complex numbers.
fn pairs(tensor: &Tensor, dtype: DType) -> Tensor {
    let shape = tensor.shape()[..tensor.ndim() - 1].to_vec();
    let strides = crate::tensor::row_major(&shape);
    // SAFETY: results of reductions lie in order, aligned to more than an element.
    unsafe { Tensor::from_foreign(tensor.as_ptr(), dtype, shape, strides, Box::new(tensor.clone())) }
}

/// Shapes of results agree before they are merged.
fn same_shape(a: &Tensor, b: &Tensor) -> Result<()> {
    if a.shape() == b.shape() && a.dtype() == b.dtype() {
        return Ok(());
    }
    Err(Error::bug(format!(
        "parts of a reduction do not fit: {}{} and {}{}",
        a.dtype(),
        show_shape(a.shape()),
        b.dtype(),
        show_shape(b.shape())
    )))
}

#[cfg(test)]
mod tests;

//! Products of matrices and vectors.

use super::nodes::{
    axis_last, broadcast, broadcast_shapes, cast, conj, multiply, permute, promoted, reshape, sum, transpose,
};
use crate::build::axis::normalize_axis;
use crate::dtype::DType;
use crate::error::{Error, Result, show_shape};
use crate::graph::{Array, Op};

/// Multiplies matrices.
///
/// Operands of one axis are taken as a row on the left, as a column on the right, and the axis is gone from the result.
/// Types promote; integers wrap; of booleans, products are "and" and sums "or".
///
/// # Shape      a […, n, k], b […, k, m] → […, n, m]; the axes in front are broadcast.
/// # Errors     `Value` for operands without axes, inner lengths that differ, batches that cannot be broadcast.
pub fn matmul(a: &Array, b: &Array) -> Result<Array> {
    if a.ndim() == 0 || b.ndim() == 0 {
        return Err(Error::value("matmul takes arrays of at least one axis; multiply takes scalars"));
    }
    let (inner_a, inner_b) = (a.ndim() - 1, b.ndim().saturating_sub(2));
    if a.shape()[inner_a] != b.shape()[inner_b] {
        return Err(Error::value(format!(
            "matmul of shapes {} and {}: the inner lengths {} and {} differ",
            show_shape(a.shape()),
            show_shape(b.shape()),
            a.shape()[inner_a],
            b.shape()[inner_b]
        )));
    }
    let (a, b) = promoted(a, b);
    if a.ndim() == 1 && b.ndim() == 1 {
        return inner(&a, &b);
    }
    let row = if a.ndim() == 1 { reshape(&a, &[1, a.len()]) } else { a.clone() };
    let column = if b.ndim() == 1 { reshape(&b, &[b.len(), 1]) } else { b.clone() };
    let product = matrices(&row, &column)?;
    let mut shape = product.shape().to_vec();
    if a.ndim() == 1 {
        shape.remove(shape.len() - 2);
    }
    if b.ndim() == 1 {
        shape.pop();
    }
    Ok(reshape(&product, &shape))
}

/// The product of operands of at least two axes, of one type, whose inner lengths agree.
pub(super) fn matrices(a: &Array, b: &Array) -> Result<Array> {
    let (front_a, matrix_a) = a.shape().split_at(a.ndim() - 2);
    let (front_b, matrix_b) = b.shape().split_at(b.ndim() - 2);
    let front = broadcast_shapes(front_a, front_b)?;
    let a = broadcast(a, &[&front, matrix_a].concat());
    let b = broadcast(b, &[&front, matrix_b].concat());
    let shape = [&front[..], &[matrix_a[0], matrix_b[1]]].concat();
    Ok(Array::new(Op::MatMul, vec![a.clone(), b], a.dtype(), shape))
}

/// The sum of products along the last axis of operands of one type, which are broadcast.
fn inner(a: &Array, b: &Array) -> Result<Array> {
    let dtype = a.dtype();
    let narrow = matches!(dtype, DType::F16 | DType::BF16);
    let wide = if narrow { DType::F32 } else { dtype };
    let products = multiply(&cast(a, wide), &cast(b, wide))?;
    Ok(cast(&sum(&products, &[products.ndim() - 1]), dtype))
}

/// Adds the products of two arrays' elements along an axis; elements of the first are conjugated.
///
/// # Shape      the axis counts from the end of both, which are broadcast but for it; it is gone from the result.
/// # Errors     `Axis` where an operand has no such axis, `Value` where its lengths differ or the rest cannot be
/// broadcast.
pub fn vecdot(a: &Array, b: &Array, axis: i64) -> Result<Array> {
    let least = a.ndim().min(b.ndim());
    let from_end = if axis < 0 { axis } else { axis - a.ndim().max(b.ndim()) as i64 };
    if axis >= 0 {
        normalize_axis(axis, least)?;
    }
    let (axis_a, axis_b) = (normalize_axis(from_end, a.ndim())?, normalize_axis(from_end, b.ndim())?);
    if a.shape()[axis_a] != b.shape()[axis_b] {
        return Err(Error::value(format!(
            "vecdot of shapes {} and {}: axis {axis} has {} and {} elements",
            show_shape(a.shape()),
            show_shape(b.shape()),
            a.shape()[axis_a],
            b.shape()[axis_b]
        )));
    }
    let (a, b) = promoted(a, b);
    inner(&axis_last(&conj(&a), axis_a), &axis_last(&b, axis_b))
}

/// Sums the products of two arrays over pairs of axes.
///
/// # Shape      the axes of `a` that are left, then those of `b`, in their order.
/// # Errors     `Axis` where there is no such axis; `Value` where the lengths of a pair differ, an axis is named twice,
/// or one list is longer than the other.
pub fn tensordot(a: &Array, b: &Array, axes_a: &[i64], axes_b: &[i64]) -> Result<Array> {
    if axes_a.len() != axes_b.len() {
        return Err(Error::value(format!(
            "tensordot over {} axes of the first and {} of the second array",
            axes_a.len(),
            axes_b.len()
        )));
    }
    let summed_a = distinct(axes_a, a.ndim())?;
    let summed_b = distinct(axes_b, b.ndim())?;
    for (&left, &right) in summed_a.iter().zip(&summed_b) {
        if a.shape()[left] != b.shape()[right] {
            return Err(Error::value(format!(
                "tensordot of shapes {} and {}: axis {left} of the first has {} elements, axis {right} of the second {}",
                show_shape(a.shape()),
                show_shape(b.shape()),
                a.shape()[left],
                b.shape()[right]
            )));
        }
    }
    let (a, b) = promoted(a, b);
    let left =
        |x: &Array, summed: &[usize]| (0..x.ndim()).filter(|axis| !summed.contains(axis)).collect::<Vec<_>>();
    let (kept_a, kept_b) = (left(&a, &summed_a), left(&b, &summed_b));
    let lens = |x: &Array, axes: &[usize]| axes.iter().map(|&axis| x.shape()[axis]).collect::<Vec<_>>();
    let (shape_a, shape_b) = (lens(&a, &kept_a), lens(&b, &kept_b));
    let depth: usize = lens(&a, &summed_a).iter().product();
    let rows = reshape(&permute(&a, &[kept_a, summed_a].concat()), &[shape_a.iter().product(), depth]);
    let columns = reshape(&permute(&b, &[summed_b, kept_b].concat()), &[depth, shape_b.iter().product()]);
    Ok(reshape(&matrices(&rows, &columns)?, &[shape_a, shape_b].concat()))
}

fn distinct(axes: &[i64], ndim: usize) -> Result<Vec<usize>> {
    let axes = axes.iter().map(|&axis| normalize_axis(axis, ndim)).collect::<Result<Vec<_>>>()?;
    match axes.iter().enumerate().find(|&(i, axis)| axes[..i].contains(axis)) {
        Some((_, axis)) => Err(Error::value(format!("axis {axis} is named twice"))),
        None => Ok(axes),
    }
}

/// Multiplies every element of a vector with every element of another.
///
/// # Shape      a [n], b [m] → [n, m].
/// # Errors     `Value` for arrays that are not vectors.
pub fn outer(a: &Array, b: &Array) -> Result<Array> {
    if a.ndim() != 1 || b.ndim() != 1 {
        return Err(Error::value(format!(
            "outer takes vectors, not arrays of shapes {} and {}",
            show_shape(a.shape()),
            show_shape(b.shape())
        )));
    }
    let (a, b) = promoted(a, b);
    multiply(&reshape(&a, &[a.len(), 1]), &reshape(&b, &[1, b.len()]))
}

/// Exchanges the last two axes.
///
/// # Errors
/// `LinearAlgebra` for arrays of fewer than two axes.
pub fn matrix_transpose(x: &Array) -> Result<Array> {
    super::matrix_shape("matrix_transpose", x)?;
    Ok(transpose(x))
}

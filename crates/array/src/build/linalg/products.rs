//! Products of matrices and vectors.

use super::nodes::{
    axis_last, binary, broadcast, broadcast_shapes, cast, conj, multiply, permute, promoted, reshape, slice,
    sum, transpose,
};
use crate::build::axis::normalize_axis;
use crate::dtype::DType;
use crate::error::{Error, Result, show_shape};
use crate::graph::{Array, Op};
use crate::program::BinaryOp;
use crate::tensor::Slice;

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

/// The cross products of vectors of three elements.
///
/// # Shape      a and b have 3 elements along `axis`, which counts in both after they are broadcast to each other.
/// # Errors     `Axis` where there is no such axis, `Value` where it does not have 3 elements or the rest cannot be
/// broadcast.
pub fn cross(a: &Array, b: &Array, axis: i64) -> Result<Array> {
    let (a, b) = promoted(a, b);
    let shape = broadcast_shapes(a.shape(), b.shape())?;
    let least = a.ndim().min(b.ndim());
    let from_end = if axis < 0 { axis } else { axis - shape.len() as i64 };
    let (own_a, own_b) = (normalize_axis(from_end, a.ndim())?, normalize_axis(from_end, b.ndim())?);
    if a.shape()[own_a] != 3 || b.shape()[own_b] != 3 || least == 0 {
        return Err(Error::value(format!(
            "cross takes vectors of 3 elements, not {} and {} along axis {axis} of shapes {} and {}",
            a.shape()[own_a],
            b.shape()[own_b],
            show_shape(a.shape()),
            show_shape(b.shape())
        )));
    }
    let axis = normalize_axis(from_end, shape.len())?;
    let part = |x: &Array, own: usize, i: usize| {
        let range = |(at, &len): (usize, &usize)| {
            if at == own { Slice::range(i % 3, 1) } else { Slice::range(0, len) }
        };
        slice(x, x.shape().iter().enumerate().map(range).collect())
    };
    let one = |i: usize| {
        let left = multiply(&part(&a, own_a, i + 1), &part(&b, own_b, i + 2))?;
        let right = multiply(&part(&a, own_a, i + 2), &part(&b, own_b, i + 1))?;
        binary(BinaryOp::Subtract, &left, &right)
    };
    Ok(Array::new(Op::Concat(axis), vec![one(0)?, one(1)?, one(2)?], a.dtype(), shape))
}

/// The Kronecker product: every element of `a` times all of `b`.
///
/// # Shape      the axes' lengths are products, from the last on; where an array has fewer axes, of 1.
pub fn kron(a: &Array, b: &Array) -> Result<Array> {
    let (a, b) = promoted(a, b);
    let ndim = a.ndim().max(b.ndim());
    let padded = |x: &Array| [vec![1; ndim - x.ndim()], x.shape().to_vec()].concat();
    let (shape_a, shape_b) = (padded(&a), padded(&b));
    let with_ones = |shape: &[usize], before: bool| -> Vec<usize> {
        shape.iter().flat_map(|&len| if before { [1, len] } else { [len, 1] }).collect()
    };
    let product =
        multiply(&reshape(&a, &with_ones(&shape_a, false)), &reshape(&b, &with_ones(&shape_b, true)))?;
    let shape: Vec<usize> = shape_a.iter().zip(&shape_b).map(|(a, b)| a * b).collect();
    Ok(reshape(&product, &shape))
}

/// Multiplies a chain of matrices in the order that takes the fewest operations.
///
/// The first and the last may be vectors: a row, a column.
///
/// # Errors
/// `Value` for fewer than two arrays, for others that are not matrices, and as [`matmul`].
/// # Source
/// Cormen et al., Introduction to Algorithms, matrix-chain multiplication.
pub fn multi_dot(arrays: &[Array]) -> Result<Array> {
    let count = arrays.len();
    if count < 2 {
        return Err(Error::value(format!("multi_dot takes at least two arrays, not {count}")));
    }
    for (i, x) in arrays.iter().enumerate() {
        let end = i == 0 || i + 1 == count;
        if x.ndim() != 2 && !(end && x.ndim() == 1) {
            let shape = show_shape(x.shape());
            return Err(Error::value(format!("multi_dot takes matrices; array {i} has shape {shape}")));
        }
    }
    // The lengths between the factors: matrix i is sides[i] by sides[i + 1].
    let first = if arrays[0].ndim() == 1 { 1 } else { arrays[0].shape()[0] };
    let behind = |(i, x): (usize, &Array)| match *x.shape() {
        [_, m] => m,
        [n] if i == 0 => n,
        _ => 1,
    };
    let sides: Vec<f64> =
        [first].into_iter().chain(arrays.iter().enumerate().map(behind)).map(|len| len as f64).collect();
    let mut cost = vec![vec![0.0; count]; count];
    let mut split = vec![vec![0; count]; count];
    for length in 1..count {
        for i in 0..count - length {
            let j = i + length;
            cost[i][j] = f64::INFINITY;
            for k in i..j {
                let all = cost[i][k] + cost[k + 1][j] + sides[i] * sides[k + 1] * sides[j + 1];
                if all < cost[i][j] {
                    (cost[i][j], split[i][j]) = (all, k);
                }
            }
        }
    }
    chain(arrays, &split, 0, count - 1)
}

fn chain(arrays: &[Array], split: &[Vec<usize>], i: usize, j: usize) -> Result<Array> {
    if i == j {
        return Ok(arrays[i].clone());
    }
    let k = split[i][j];
    matmul(&chain(arrays, split, i, k)?, &chain(arrays, split, k + 1, j)?)
}

//! Matrix products.
//!
//! Floats and complex numbers go to faer's kernels, which take any strides. Integers and booleans, which no BLAS knows,
//! have a blocked loop of their own. The 16-bit floats are widened panel by panel, so that sums are made in `float32`.

use std::marker::PhantomData;

use faer::linalg::matmul::matmul;
use faer::traits::ComplexField;
use faer::{Accum, MatMut, MatRef, Par};
use half::{bf16, f16};
use num_complex::Complex;
use pulp::{Arch, NullaryFnOnce};
use rayon::prelude::*;

use crate::dtype::{DType, Element};
use crate::error::{Error, Result, show_shape};
use crate::tensor::{Slice, Target, Tensor};

/// Writes `a · b` to `target`, or adds it to what is there.
///
/// Integers wrap; of booleans, products are "and" and sums "or". The 16-bit floats add in `float32`, and may be written
/// to a `float32` target, so that no rounding comes between the parts of a sum that is made in steps.
///
/// # Shape
/// a [n, k], b [k, m], target [n, m], of any strides; k = 0 gives zeros.
/// # Errors
/// `Bug` where shapes or types do not fit; out of memory for panels.
/// # Source
/// Goto and van de Geijn, Anatomy of high-performance matrix multiplication (2008), as faer has it.
pub fn multiply(a: &Tensor, b: &Tensor, target: &Target, accumulate: bool, threads: usize) -> Result<()> {
    let fits = match (a.shape(), b.shape(), &target.shape[..]) {
        (&[n, k], &[l, m], &[rows, columns]) => k == l && n == rows && m == columns,
        _ => false,
    };
    let narrow = matches!(a.dtype(), DType::F16 | DType::BF16);
    let typed = target.dtype == a.dtype() || narrow && target.dtype == DType::F32;
    if !fits || !typed || a.dtype() != b.dtype() {
        return Err(Error::bug(format!(
            "a product of {}{} and {}{} into {}{}",
            a.dtype(),
            show_shape(a.shape()),
            b.dtype(),
            show_shape(b.shape()),
            target.dtype,
            show_shape(&target.shape)
        )));
    }
    if target.shape.contains(&0) {
        return Ok(());
    }
    let product = Product { a, b, target, accumulate, threads: threads.max(1) };
    match a.dtype() {
        DType::F32 => product.dense::<f32>(),
        DType::F64 => product.dense::<f64>(),
        DType::C64 => product.dense::<Complex<f32>>(),
        DType::C128 => product.dense::<Complex<f64>>(),
        DType::F16 => product.narrow::<f16>(),
        DType::BF16 => product.narrow::<bf16>(),
        DType::Bool => product.blocked::<bool>(),
        DType::I8 => product.blocked::<i8>(),
        DType::I16 => product.blocked::<i16>(),
        DType::I32 => product.blocked::<i32>(),
        DType::I64 => product.blocked::<i64>(),
        DType::U8 => product.blocked::<u8>(),
        DType::U16 => product.blocked::<u16>(),
        DType::U32 => product.blocked::<u32>(),
        DType::U64 => product.blocked::<u64>(),
    }
}

/// How faer is to use `threads`.
pub(crate) fn par(threads: usize) -> Par {
    if threads > 1 { Par::rayon(threads) } else { Par::Seq }
}

/// A matrix as faer sees it.
///
/// # Safety
/// The tensor outlives what is returned.
pub(crate) unsafe fn matrix<'a, T: Element>(tensor: &Tensor) -> MatRef<'a, T> {
    debug_assert_eq!(tensor.dtype(), T::DTYPE);
    let (shape, strides) = (tensor.shape(), tensor.strides());
    // SAFETY: the tensor's elements, by the caller's word alive.
    unsafe { MatRef::from_raw_parts(tensor.as_ptr().cast(), shape[0], shape[1], strides[0], strides[1]) }
}

/// A matrix that faer may write to.
///
/// # Safety
/// The target's memory outlives what is returned and nobody else touches it meanwhile.
pub(crate) unsafe fn matrix_mut<'a, T: Element>(target: &Target) -> MatMut<'a, T> {
    debug_assert_eq!(target.dtype, T::DTYPE);
    let (shape, strides) = (&target.shape, &target.strides);
    // SAFETY: the target's elements, by the caller's word ours.
    unsafe { MatMut::from_raw_parts_mut(target.pointer.cast(), shape[0], shape[1], strides[0], strides[1]) }
}

struct Product<'a> {
    a: &'a Tensor,
    b: &'a Tensor,
    target: &'a Target,
    accumulate: bool,
    threads: usize,
}

impl Product<'_> {
    fn dense<T: Element + ComplexField>(&self) -> Result<()> {
        let (a, b) = (unbroadcast(self.a)?, unbroadcast(self.b)?);
        let beta = if self.accumulate { Accum::Add } else { Accum::Replace };
        // SAFETY: the tensors live until the end of this function, and the target is ours.
        let (a, b, target) = unsafe { (matrix::<T>(&a), matrix::<T>(&b), matrix_mut::<T>(self.target)) };
        matmul(target, beta, a, b, T::one_impl(), par(self.threads));
        Ok(())
    }
}

/// faer is not asked to bear axes that repeat one element.
fn unbroadcast(tensor: &Tensor) -> Result<Tensor> {
    let repeats = tensor.shape().iter().zip(tensor.strides()).any(|(&len, &stride)| len > 1 && stride == 0);
    if !repeats {
        return Ok(tensor.clone());
    }
    let mut copy = crate::tensor::TensorMut::uninit(tensor.dtype(), tensor.shape())?;
    crate::tensor::copy(tensor, &mut copy.target());
    Ok(copy.freeze())
}

/// Rows and columns of the panels of 16-bit floats that are widened at a time.
const NARROW_ROWS: usize = 256;
const NARROW_COLUMNS: usize = 1024;

impl Product<'_> {
    fn narrow<T: Element + Into<f32> + FromF32>(&self) -> Result<()> {
        let (rows, columns, depth) = (self.a.shape()[0], self.b.shape()[1], self.a.shape()[1]);
        let mut left = vec![0f32; rows.min(NARROW_ROWS) * depth];
        let mut right = vec![0f32; columns.min(NARROW_COLUMNS) * depth];
        let mut sums = vec![0f32; rows.min(NARROW_ROWS) * columns.min(NARROW_COLUMNS)];
        for j in (0..columns).step_by(NARROW_COLUMNS) {
            let m = (columns - j).min(NARROW_COLUMNS);
            widen::<T>(&self.b.slice(&[Slice::range(0, depth), Slice::range(j, m)]), &mut right);
            for i in (0..rows).step_by(NARROW_ROWS) {
                let n = (rows - i).min(NARROW_ROWS);
                widen::<T>(&self.a.slice(&[Slice::range(i, n), Slice::range(0, depth)]), &mut left);
                matmul(
                    MatMut::from_row_major_slice_mut(&mut sums[..n * m], n, m),
                    Accum::Replace,
                    MatRef::from_row_major_slice(&left[..n * depth], n, depth),
                    MatRef::from_row_major_slice(&right[..depth * m], depth, m),
                    1.0,
                    par(self.threads),
                );
                let target = self.target.slice(&[Slice::range(i, n), Slice::range(j, m)]);
                if target.dtype == DType::F32 {
                    store(&sums, &target, self.accumulate, |old: f32, sum| old + sum, |sum| sum);
                } else {
                    let add = |old: T, sum: f32| T::from_f32(old.into() + sum);
                    store(&sums, &target, self.accumulate, add, T::from_f32);
                }
            }
        }
        Ok(())
    }
}

/// A float that a `float32` is rounded to.
trait FromF32 {
    fn from_f32(value: f32) -> Self;
}

impl FromF32 for f16 {
    fn from_f32(value: f32) -> f16 {
        f16::from_f32(value)
    }
}

impl FromF32 for bf16 {
    fn from_f32(value: f32) -> bf16 {
        bf16::from_f32(value)
    }
}

fn widen<T: Copy + Into<f32>>(matrix: &Tensor, wide: &mut [f32]) {
    let (columns, strides) = (matrix.shape()[1], matrix.strides());
    let pointer = matrix.as_ptr().cast::<T>();
    for (i, row) in wide.chunks_exact_mut(columns.max(1)).take(matrix.shape()[0]).enumerate() {
        for (j, value) in row.iter_mut().enumerate() {
            // SAFETY: an index of the matrix.
            *value = unsafe { *pointer.offset(i as isize * strides[0] + j as isize * strides[1]) }.into();
        }
    }
}

fn store<S: Copy, T: Copy>(
    sums: &[S],
    target: &Target,
    accumulate: bool,
    add: impl Fn(T, S) -> T,
    set: impl Fn(S) -> T,
) {
    let pointer = target.pointer.cast::<T>();
    for (i, row) in sums.chunks_exact(target.shape[1]).take(target.shape[0]).enumerate() {
        for (j, &sum) in row.iter().enumerate() {
            // SAFETY: an index of the target.
            unsafe {
                let place = pointer.offset(i as isize * target.strides[0] + j as isize * target.strides[1]);
                *place = if accumulate { add(*place, sum) } else { set(sum) };
            }
        }
    }
}

/// A type whose sums of products are exact in their own way.
trait Ring: Element {
    fn add(self, other: Self) -> Self;
    fn multiply(self, other: Self) -> Self;
}

impl Ring for bool {
    fn add(self, other: bool) -> bool {
        self | other
    }
    fn multiply(self, other: bool) -> bool {
        self & other
    }
}

macro_rules! wrapping {
    ($($type:ty)*) => {
        $(impl Ring for $type {
            #[inline(always)]
            fn add(self, other: $type) -> $type {
                self.wrapping_add(other)
            }
            #[inline(always)]
            fn multiply(self, other: $type) -> $type {
                self.wrapping_mul(other)
            }
        })*
    };
}

wrapping!(i8 i16 i32 i64 u8 u16 u32 u64);

/// Rows of `b` by its columns in a panel that stays in the second-level cache, and rows of the result that one task
/// makes.
const PANEL_DEPTH: usize = 128;
const PANEL_COLUMNS: usize = 512;
const TASK_ROWS: usize = 32;

impl Product<'_> {
    fn blocked<T: Ring>(&self) -> Result<()> {
        let rows = self.a.shape()[0];
        let tasks: Vec<usize> = (0..rows).step_by(TASK_ROWS).collect();
        let task = |&start: &usize| self.block_of_rows::<T>(start, (rows - start).min(TASK_ROWS));
        if self.threads > 1 && tasks.len() > 1 {
            tasks.par_iter().with_min_len(tasks.len().div_ceil(self.threads)).for_each(task);
        } else {
            tasks.iter().for_each(task);
        }
        Ok(())
    }

    fn block_of_rows<T: Ring>(&self, start: usize, rows: usize) {
        Arch::new().dispatch(BlockOfRows::<T> { product: self, start, rows, of: PhantomData });
    }

    /// Inlined where it is called, so that it is compiled for the widest vectors that the processor has.
    #[inline(always)]
    fn block_of_rows_with_vectors<T: Ring>(&self, start: usize, rows: usize) {
        let (columns, depth) = (self.b.shape()[1], self.a.shape()[1]);
        let width = columns.min(PANEL_COLUMNS);
        let mut panel = vec![T::default(); depth.min(PANEL_DEPTH) * width];
        let mut sums = vec![T::default(); rows * width];
        let (a, b) = (self.a.as_ptr().cast::<T>(), self.b.as_ptr().cast::<T>());
        let at = |strides: &[isize], i: usize, j: usize| i as isize * strides[0] + j as isize * strides[1];
        for j in (0..columns).step_by(PANEL_COLUMNS) {
            let m = (columns - j).min(PANEL_COLUMNS);
            sums.fill(T::default());
            for k in (0..depth).step_by(PANEL_DEPTH) {
                let l = (depth - k).min(PANEL_DEPTH);
                for (row, packed) in panel.chunks_exact_mut(m).take(l).enumerate() {
                    for (column, value) in packed.iter_mut().enumerate() {
                        // SAFETY: an index of `b`.
                        *value = unsafe { *b.offset(at(self.b.strides(), k + row, j + column)) };
                    }
                }
                for (row, sums) in sums.chunks_exact_mut(m).take(rows).enumerate() {
                    // SAFETY: an index of `a`.
                    let factor = |p| unsafe { *a.offset(at(self.a.strides(), start + row, k + p)) };
                    add_products(sums, &panel, factor, l);
                }
            }
            let target = self.target.slice(&[Slice::range(start, rows), Slice::range(j, m)]);
            store(&sums, &target, self.accumulate, T::add, |sum| sum);
        }
    }
}

struct BlockOfRows<'a, 'b, T> {
    product: &'a Product<'b>,
    start: usize,
    rows: usize,
    of: PhantomData<T>,
}

impl<T: Ring> NullaryFnOnce for BlockOfRows<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.product.block_of_rows_with_vectors::<T>(self.start, self.rows);
    }
}

/// Adds `depth` rows of a panel, each times its factor: four at a time, so that sums are loaded a quarter as often.
#[inline(always)]
fn add_products<T: Ring>(sums: &mut [T], panel: &[T], factor: impl Fn(usize) -> T, depth: usize) {
    let m = sums.len();
    let mut p = 0;
    while p + 4 <= depth {
        let factors = [factor(p), factor(p + 1), factor(p + 2), factor(p + 3)];
        let (first, rest) = panel[p * m..(p + 4) * m].split_at(m);
        let (second, rest) = rest.split_at(m);
        let (third, fourth) = rest.split_at(m);
        for ((((sum, &a), &b), &c), &d) in sums.iter_mut().zip(first).zip(second).zip(third).zip(fourth) {
            let left = a.multiply(factors[0]).add(b.multiply(factors[1]));
            let right = c.multiply(factors[2]).add(d.multiply(factors[3]));
            *sum = sum.add(left).add(right);
        }
        p += 4;
    }
    for p in p..depth {
        let one = factor(p);
        for (sum, &value) in sums.iter_mut().zip(&panel[p * m..(p + 1) * m]) {
            *sum = sum.add(value.multiply(one));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch;
    use crate::dtype::Scalar;
    use crate::tensor::TensorMut;

    fn sample(dtype: DType, shape: &[usize]) -> Result<Tensor> {
        let len: usize = shape.iter().product();
        dispatch!(dtype, T => {
            let of = |i: usize| match dtype {
                DType::Bool => Scalar::Bool(i.is_multiple_of(3)),
                _ if dtype.is_complex() => Scalar::Complex(Complex::new((i * 7 % 5) as f64, (i * 3 % 4) as f64 - 1.0)),
                _ => Scalar::Int((i * 7 % 11) as i128),
            };
            Tensor::from_vec((0..len).map(|i| <T as Element>::from_scalar(of(i).cast(dtype))).collect(), shape)
        })
    }

    /// The product by definition, in the widest type.
    fn by_definition(a: &Tensor, b: &Tensor) -> Vec<Complex<f64>> {
        let at = |x: &Tensor, i, j| dispatch!(x.dtype(), T => x.get::<T>(&[i, j]).to_scalar().as_complex());
        let (n, k, m) = (a.shape()[0], a.shape()[1], b.shape()[1]);
        let one = |i, j| (0..k).map(|p| at(a, i, p) * at(b, p, j)).sum();
        (0..n).flat_map(|i| (0..m).map(move |j| (i, j))).map(|(i, j)| one(i, j)).collect()
    }

    fn check(a: &Tensor, b: &Tensor, threads: usize) -> Result<()> {
        let dtype = a.dtype();
        let mut out = TensorMut::uninit(dtype, &[a.shape()[0], b.shape()[1]])?;
        multiply(a, b, &out.target(), false, threads)?;
        let expected = by_definition(a, b);
        let out = out.freeze();
        dispatch!(dtype, T => {
            for (have, want) in out.to_vec::<T>()?.into_iter().zip(expected) {
                let want = match dtype {
                    _ if dtype.is_complex() => Scalar::Complex(want),
                    _ if dtype.is_float() => Scalar::Float(want.re),
                    _ => Scalar::Int(want.re as i128),
                };
                assert_eq!(have, <T as Element>::from_scalar(want), "{dtype}");
            }
        });
        Ok(())
    }

    #[test]
    fn multiplies_every_type_at_any_strides() -> Result<()> {
        for dtype in DType::ALL {
            for (n, k, m) in
                [(1, 1, 1), (3, 4, 5), (1, 9, 6), (7, 5, 1), (40, 33, 17), (5, 0, 3), (0, 4, 2), (2, 3, 0)]
            {
                for threads in [1, 2] {
                    let (a, b) = (sample(dtype, &[n, k])?, sample(dtype, &[k, m])?);
                    check(&a, &b, threads)?;
                    let turned = sample(dtype, &[k, n])?.permute(&[1, 0]);
                    check(&turned, &b, threads)?;
                    let back = |len: usize| Slice { start: len.saturating_sub(1), count: len, step: -1 };
                    check(&a.slice(&[back(n), back(k)]), &b.slice(&[back(k), Slice::range(0, m)]), threads)?;
                    if k > 0 && n > 0 {
                        check(&sample(dtype, &[1, k])?.broadcast(&[n, k]), &b, threads)?;
                    }
                }
            }
        }
        Ok(())
    }

    #[test]
    fn wraps_integers_and_adds_to_what_is_there() -> Result<()> {
        let a = Tensor::from_vec(vec![100i8, 100], &[1, 2])?;
        let b = Tensor::from_vec(vec![2i8, 1, 1, 1], &[2, 2])?;
        let mut out = TensorMut::zeroed(DType::I8, &[1, 2])?;
        multiply(&a, &b, &out.target(), true, 1)?;
        multiply(&a, &b, &out.target(), true, 1)?;
        assert_eq!(out.freeze().to_vec::<i8>()?, [600i32 as i8, 400i32 as i8]);

        let ones = Tensor::from_vec(vec![f16::ONE; 4096], &[1, 4096])?;
        let column = ones.permute(&[1, 0]);
        let mut wide = TensorMut::zeroed(DType::F32, &[1, 1])?;
        multiply(&ones, &column, &wide.target(), true, 1)?;
        multiply(&ones, &column, &wide.target(), true, 1)?;
        assert_eq!(wide.freeze().to_vec::<f32>()?, [8192.0]);
        Ok(())
    }

    #[test]
    fn writes_to_any_strides() -> Result<()> {
        for dtype in [DType::F64, DType::F16, DType::I32, DType::C64] {
            let (a, b) = (sample(dtype, &[20, 30])?, sample(dtype, &[30, 10])?);
            let mut out = TensorMut::zeroed(dtype, &[10, 40])?;
            let every_second = [Slice::range(0, 10), Slice { start: 39, count: 20, step: -2 }];
            multiply(&a, &b, &out.target().slice(&every_second).permute(&[1, 0]), false, 1)?;
            let mut plain = TensorMut::zeroed(dtype, &[20, 10])?;
            multiply(&a, &b, &plain.target(), false, 1)?;
            let out = out.freeze().slice(&every_second).permute(&[1, 0]).contiguous()?;
            assert_eq!(out.as_bytes(), plain.freeze().as_bytes(), "{dtype}");
        }
        Ok(())
    }

    #[test]
    fn carries_nan_and_infinities() -> Result<()> {
        let a = Tensor::from_vec(vec![f64::NAN, 0.0, f64::INFINITY, 1.0], &[2, 2])?;
        let b = Tensor::from_vec(vec![1.0, 2.0, 3.0, 4.0], &[2, 2])?;
        let mut out = TensorMut::uninit(DType::F64, &[2, 2])?;
        out.as_mut_slice::<f64>().fill(f64::NAN);
        multiply(&a, &b, &out.target(), false, 1)?;
        let out = out.freeze().to_vec::<f64>()?;
        assert!(out[0].is_nan() && out[1].is_nan() && out[2] == f64::INFINITY && out[3] == f64::INFINITY);
        Ok(())
    }
}

//! The singular value decomposition.

use faer::diag::DiagMut;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::svd::{ComputeSvdVectors, svd as faer_svd, svd_scratch};
use faer::{Mat, MatMut, MatRef, Par};

use super::matrices::{Filling, Matrices, all_finite, for_each, greatest_part};
use super::{Failure, Fault, Field, Place, qr, scratch};
use crate::dtype::{DType, Element};
use crate::error::Result;
use crate::tensor::Tensor;

/// Scratch of one thread. Of a matrix that is much taller than wide, R is decomposed, of one much wider than tall, that
/// of its adjoint.
struct Worker<T> {
    values: Vec<T>,
    tall: Option<(qr::Factors<T>, Mat<T>)>,
    memory: MemBuffer,
}

/// Rows per column from which QR comes first (Chan 1982).
const TALL: f64 = 1.6;

/// A matrix whose greatest part lies between two to this power and its inverse is decomposed as it is. Others are scaled
/// first, for their squares would overflow or vanish. LAPACK's bounds are about these: `√(least normal number) / ε`.
const EXPONENT_MAX_F32: i32 = 40;
const EXPONENT_MAX_F64: i32 = 460;

/// The power of two to scale a matrix of real or complex numbers by, whose greatest magnitude of a part is this; 1 where it
/// need not be scaled.
pub fn scale_of(greatest: f64, dtype: DType) -> f64 {
    let bound = if dtype.real() == DType::F32 { EXPONENT_MAX_F32 } else { EXPONENT_MAX_F64 };
    let range = 2f64.powi(-bound)..=2f64.powi(bound);
    if greatest == 0.0 || range.contains(&greatest) {
        return 1.0;
    }
    // The inverse of a number below 2^-1022 may be infinite.
    2f64.powi(-greatest.log2().floor().max(-1022.0) as i32)
}

impl<T: Field> Worker<T> {
    fn new(n: usize, m: usize, vectors: ComputeSvdVectors, par: Par) -> Result<Worker<T>> {
        let (long, short) = (n.max(m), n.min(m));
        let tall = short > 0 && long as f64 > TALL * short as f64;
        let (rows, columns) = if tall { (short, short) } else { (n, m) };
        let columns_of_u = if vectors == ComputeSvdVectors::Full { long } else { short };
        Ok(Worker {
            values: vec![T::zero_impl(); short],
            tall: if tall {
                Some((qr::Factors::new(long, short, columns_of_u)?, Mat::zeros(short, short)))
            } else {
                None
            },
            memory: scratch(svd_scratch::<T>(rows, columns, vectors, vectors, par, Default::default()))?,
        })
    }

    /// Decomposes a matrix into U and V, where they are wanted.
    fn decompose(
        &mut self,
        a: MatRef<'_, T>,
        u: Option<MatMut<'_, T>>,
        v: Option<MatMut<'_, T>>,
        par: Par,
    ) -> Result<(), Failure> {
        if !all_finite(a) {
            return Err(Failure::Matrix(Fault::SvdNotFinite));
        }
        let scale = scale_of(greatest_part(a), T::DTYPE);
        if scale == 1.0 {
            return self.scaled(a, u, v, par);
        }
        let scaled = Mat::from_fn(a.nrows(), a.ncols(), |i, j| T::rounded(a[(i, j)].widened() * scale));
        self.scaled(scaled.as_ref(), u, v, par)?;
        self.values.iter_mut().for_each(|value| *value = T::rounded(value.widened() / scale));
        Ok(())
    }

    /// Decomposes a matrix whose squares neither overflow nor vanish.
    fn scaled(
        &mut self,
        a: MatRef<'_, T>,
        u: Option<MatMut<'_, T>>,
        v: Option<MatMut<'_, T>>,
        par: Par,
    ) -> Result<(), Failure> {
        if a.nrows() < a.ncols() && self.tall.is_some() {
            // Aᵀ = V̄ Σ Uᵀ.
            let (mut u, mut v) = (u, v);
            self.upright(a.transpose(), v.as_mut().map(|v| v.as_mut()), u.as_mut().map(|u| u.as_mut()), par)?;
            for factor in [u, v].into_iter().flatten() {
                conjugate(factor);
            }
            return Ok(());
        }
        self.upright(a, u, v, par)
    }

    fn upright(
        &mut self,
        a: MatRef<'_, T>,
        u: Option<MatMut<'_, T>>,
        v: Option<MatMut<'_, T>>,
        par: Par,
    ) -> Result<(), Failure> {
        let values = DiagMut::from_slice_mut(&mut self.values);
        let stack = MemStack::new(&mut self.memory);
        let failed = |_| Failure::Matrix(Fault::SvdNoConvergence);
        let Some((factors, r)) = &mut self.tall else {
            return faer_svd(a, values, u, v, par, stack, Default::default()).map_err(failed);
        };
        factors.factor(a, par);
        factors.triangle(r.as_mut());
        let k = r.nrows();
        let Some(mut u) = u else {
            return faer_svd(r.as_ref(), values, None, v, par, stack, Default::default()).map_err(failed);
        };
        u.fill(T::zero_impl());
        (k..u.ncols()).for_each(|j| u[(j, j)] = T::one_impl());
        let corner = u.as_mut().submatrix_mut(0, 0, k, k);
        faer_svd(r.as_ref(), values, Some(corner), v, par, stack, Default::default()).map_err(failed)?;
        factors.multiply(u, par);
        Ok(())
    }
}

fn conjugate<T: Field>(matrix: MatMut<'_, T>) {
    if !T::IS_REAL {
        faer::zip!(matrix).for_each(|faer::unzip!(x)| *x = T::conj_impl(x));
    }
}

fn work(n: usize, m: usize) -> usize {
    10 * n * m * n.min(m) + 1
}

pub(super) fn svd<T: Field>(a: &Tensor, full: bool, place: &Place<'_>) -> Result<Vec<Tensor>> {
    let front = place.front.len();
    let a = Matrices::<T>::of(a, front);
    let (n, m) = (a.rows, a.columns);
    let k = n.min(m);
    let (left, right) = if full { (n, m) } else { (k, k) };
    let u = Filling::columns(T::DTYPE, place.front, n, left)?;
    let s = Filling::vectors(T::Part::DTYPE, place.front, k)?;
    // V's columns lie in a piece: they are the rows of its adjoint.
    let vh = Filling::rows(T::DTYPE, place.front, right, m)?;
    let (to_u, to_vh) = (Matrices::<T>::to_fill(&u.target, front), Matrices::<T>::to_fill(&vh.target, front));
    let to_s = Matrices::<T::Part>::to_fill(&s.target, front);
    let vectors = if full { ComputeSvdVectors::Full } else { ComputeSvdVectors::Thin };
    for_each(
        place,
        work(n, m),
        |par| Worker::<T>::new(n, m, vectors, par),
        |worker, i, par| {
            // SAFETY: the loop comes by each index once.
            let (u, vh, mut s) = unsafe { (to_u.matrix_mut(i), to_vh.matrix_mut(i), to_s.matrix_mut(i)) };
            let mut v = vh.transpose_mut();
            worker.decompose(a.matrix(i), Some(u), Some(v.as_mut()), par)?;
            conjugate(v);
            (0..k).for_each(|j| s[(j, 0)] = T::real_part_impl(&worker.values[j]));
            Ok(())
        },
    )?;
    Ok(vec![u.finish(), s.finish(), vh.finish()])
}

pub(super) fn singular_values<T: Field>(a: &Tensor, place: &Place<'_>) -> Result<Tensor> {
    let front = place.front.len();
    let a = Matrices::<T>::of(a, front);
    let (n, m) = (a.rows, a.columns);
    let k = n.min(m);
    let s = Filling::vectors(T::Part::DTYPE, place.front, k)?;
    let to_s = Matrices::<T::Part>::to_fill(&s.target, front);
    for_each(
        place,
        work(n, m) / 2,
        |par| Worker::<T>::new(n, m, ComputeSvdVectors::No, par),
        |worker, i, par| {
            worker.decompose(a.matrix(i), None, None, par)?;
            // SAFETY: the loop comes by each index once.
            let mut s = unsafe { to_s.matrix_mut(i) };
            (0..k).for_each(|j| s[(j, 0)] = T::real_part_impl(&worker.values[j]));
            Ok(())
        },
    )?;
    Ok(s.finish())
}

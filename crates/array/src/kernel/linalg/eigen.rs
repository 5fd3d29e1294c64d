//! Eigenvalues and eigenvectors.

use faer::diag::DiagMut;
use faer::dyn_stack::MemStack;
use faer::linalg::evd::{
    ComputeEigenvectors, evd_cplx, evd_real, evd_scratch, self_adjoint_evd, self_adjoint_evd_scratch,
};
use faer::traits::{ComplexField, RealField};
use faer::{Mat, MatMut, MatRef, Par};
use num_complex::Complex;

use super::matrices::{Filling, Matrices, all_finite, for_each};
use super::{Failure, Fault, Field, Place, scratch};
use crate::dtype::{Element, Scalar};
use crate::error::Result;
use crate::tensor::Tensor;

const NO_CONVERGENCE: Failure = Failure::Matrix(Fault::EigenNoConvergence);

/// Matrices that are not finite have NaN for values and vectors, as NumPy has it.
pub(super) fn self_adjoint<T: Field>(a: &Tensor, vectors: bool, place: &Place<'_>) -> Result<Vec<Tensor>> {
    let front = place.front.len();
    let a = Matrices::<T>::of(a, front);
    let n = a.rows;
    let values = Filling::vectors(T::Part::DTYPE, place.front, n)?;
    let columns = if vectors { n } else { 0 };
    let basis = Filling::columns(T::DTYPE, place.front, columns, columns)?;
    let to_values = Matrices::<T::Part>::to_fill(&values.target, front);
    let to_basis = Matrices::<T>::to_fill(&basis.target, front);
    let compute = if vectors { ComputeEigenvectors::Yes } else { ComputeEigenvectors::No };
    let nan = T::rounded(Complex::new(f64::NAN, 0.0));
    for_each(
        place,
        9 * n * n * n + 1,
        |par| {
            // faer counts with n - 1.
            let need = self_adjoint_evd_scratch::<T>(n.max(1), compute, par, Default::default());
            Ok((vec![T::zero_impl(); n], scratch(need)?))
        },
        |(found, memory), i, par| {
            // SAFETY: the loop comes by each index once.
            let (mut values, mut basis) = unsafe { (to_values.matrix_mut(i), to_basis.matrix_mut(i)) };
            let a = a.matrix(i);
            if n > 0 && !(0..n).all(|j| a.col(j).subrows(j, n - j).iter().all(T::is_finite_impl)) {
                values.fill(T::Part::from_scalar(Scalar::Float(f64::NAN)));
                basis.fill(nan);
                return Ok(());
            }
            // Imaginary parts on the diagonal are not read, as LAPACK has it.
            let has_imaginary = (0..n).any(|j| T::imag_part_impl(&a[(j, j)]) != T::Part::zero_impl());
            let real = has_imaginary.then(|| {
                Mat::from_fn(n, n, |i, j| match i == j {
                    true => T::from_real_impl(&T::real_part_impl(&a[(i, j)])),
                    false => a[(i, j)],
                })
            });
            let a = real.as_ref().map_or(a, |real| real.as_ref());
            let stack = MemStack::new(memory);
            let basis = vectors.then_some(basis);
            self_adjoint_evd(a, DiagMut::from_slice_mut(found), basis, par, stack, Default::default())
                .map_err(|_| NO_CONVERGENCE)?;
            (0..n).for_each(|j| values[(j, 0)] = T::real_part_impl(&found[j]));
            Ok(())
        },
    )?;
    let mut outputs = vec![values.finish()];
    if vectors {
        outputs.push(basis.finish());
    }
    Ok(outputs)
}

pub(super) fn general<T: Field>(a: &Tensor, vectors: bool, place: &Place<'_>) -> Result<Vec<Tensor>> {
    let front = place.front.len();
    let a = Matrices::<T>::of(a, front);
    let n = a.rows;
    let values = Filling::vectors(T::Wide::DTYPE, place.front, n)?;
    let columns = if vectors { n } else { 0 };
    let basis = Filling::columns(T::Wide::DTYPE, place.front, columns, columns)?;
    let to_values = Matrices::<T::Wide>::to_fill(&values.target, front);
    let to_basis = Matrices::<T::Wide>::to_fill(&basis.target, front);
    for_each(
        place,
        25 * n * n * n + 1,
        |_| Ok(vec![T::Wide::zero_impl(); n]),
        |found, i, par| {
            // SAFETY: the loop comes by each index once.
            let (mut values, basis) = unsafe { (to_values.matrix_mut(i), to_basis.matrix_mut(i)) };
            if !all_finite(a.matrix(i)) {
                return Err(Failure::Matrix(Fault::EigenNotFinite));
            }
            T::eigen(a.matrix(i), found, vectors.then_some(basis), par)?;
            (0..n).for_each(|j| values[(j, 0)] = found[j]);
            Ok(())
        },
    )?;
    let mut outputs = vec![values.finish()];
    if vectors {
        outputs.push(basis.finish());
    }
    Ok(outputs)
}

fn wanted(vectors: bool) -> ComputeEigenvectors {
    if vectors { ComputeEigenvectors::Yes } else { ComputeEigenvectors::No }
}

/// Of a complex matrix; see [`Field::eigen`].
pub(super) fn complex<R: RealField + Copy>(
    a: MatRef<'_, Complex<R>>,
    values: &mut [Complex<R>],
    vectors: Option<MatMut<'_, Complex<R>>>,
    par: Par,
) -> Result<(), Failure> {
    let n = a.nrows();
    let none = ComputeEigenvectors::No;
    let compute = wanted(vectors.is_some());
    let mut memory = scratch(evd_scratch::<Complex<R>>(n, none, compute, par, Default::default()))?;
    let mut vectors = vectors;
    let (values, stack) = (DiagMut::from_slice_mut(values), MemStack::new(&mut memory));
    evd_cplx(a, values, None, vectors.as_mut().map(|v| v.as_mut()), par, stack, Default::default())
        .map_err(|_| NO_CONVERGENCE)?;
    if let Some(mut vectors) = vectors {
        (0..n).for_each(|j| normalize(vectors.as_mut(), j));
    }
    Ok(())
}

/// Of a real matrix: faer gives the real and the imaginary part of a pair of conjugates' vector in two columns.
pub(super) fn real<R: RealField + Copy>(
    a: MatRef<'_, R>,
    values: &mut [Complex<R>],
    vectors: Option<MatMut<'_, Complex<R>>>,
    par: Par,
) -> Result<(), Failure> {
    let n = a.nrows();
    let none = ComputeEigenvectors::No;
    let mut memory = scratch(evd_scratch::<R>(n, none, wanted(vectors.is_some()), par, Default::default()))?;
    let (mut re, mut im) = (vec![R::zero_impl(); n], vec![R::zero_impl(); n]);
    let mut basis = vectors.as_ref().map(|_| Mat::<R>::zeros(n, n));
    let (to_re, to_im) = (DiagMut::from_slice_mut(&mut re), DiagMut::from_slice_mut(&mut im));
    let stack = MemStack::new(&mut memory);
    evd_real(a, to_re, to_im, None, basis.as_mut().map(|b| b.as_mut()), par, stack, Default::default())
        .map_err(|_| NO_CONVERGENCE)?;
    for (value, (re, im)) in values.iter_mut().zip(re.iter().zip(&im)) {
        *value = Complex::new(*re, *im);
    }
    let (Some(mut vectors), Some(basis)) = (vectors, basis) else { return Ok(()) };
    let mut j = 0;
    while j < n {
        let pair = im[j] != R::zero_impl() && j + 1 < n;
        for i in 0..n {
            let first = basis[(i, j)];
            if pair {
                let second = basis[(i, j + 1)];
                vectors[(i, j)] = Complex::new(first, second);
                vectors[(i, j + 1)] = Complex::new(first, R::zero_impl() - second);
            } else {
                vectors[(i, j)] = Complex::new(first, R::zero_impl());
            }
        }
        normalize(vectors.as_mut(), j);
        if pair {
            normalize(vectors.as_mut(), j + 1);
        }
        j += 1 + pair as usize;
    }
    Ok(())
}

/// Brings a vector to length 1.
fn normalize<R: RealField + Copy>(mut vectors: MatMut<'_, Complex<R>>, column: usize) {
    let length = vectors.as_ref().col(column).norm_l2();
    if length > R::zero_impl() {
        for i in 0..vectors.nrows() {
            let value = vectors[(i, column)];
            vectors[(i, column)] = Complex::new(value.re / length, value.im / length);
        }
    }
}

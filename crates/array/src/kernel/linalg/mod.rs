//! Decompositions and solvers of matrices, by faer's building blocks: one file a factorization.
//!
//! Every function takes tensors of matrices with any number of axes in front, which are a batch, and works on one matrix
//! of it at a time: large batches are spread over the threads of the pool that it is called in, and where there are fewer
//! matrices than threads, the work on each is. Types are `float32`, `float64`, `complex64` and `complex128`.

mod cholesky;
mod eigen;
mod lu;
mod matrices;
mod qr;
mod svd;

use faer::dyn_stack::{MemBuffer, StackReq};
use faer::traits::{ComplexField, RealField};
use num_complex::Complex;

use crate::dtype::{DType, Element};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

pub use lu::{Triangular, determinants};
pub use svd::scale_of;

/// What is made of each matrix of a batch; inputs and outputs in the order that a variant names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decomposition {
    /// a [n, n] → L [n, n] with a = L·Lᴴ of a's lower triangle; or U with a = Uᴴ·U of its upper one.
    Cholesky { upper: bool },
    /// a [n, n] → determinant [].
    Determinant,
    /// a [n, n] → sign [], logarithm [] of the determinant's magnitude, real.
    SignAndLogarithm,
    /// a [n, n] → a⁻¹ [n, n].
    Inverse,
    /// a [n, n], b [n, k] → x [n, k] with a·x = b.
    Solve,
    /// a [n, m] → Q [n, k], R [k, m] with k = min(n, m), or k = n when complete.
    Qr { complete: bool },
    /// a [n, m] → R [k, m] alone, k = min(n, m).
    QrTriangle,
    /// a [n, k], c [k, m] → Q·c [n, m], Q [n, k] the reduced factor of a's QR; n ≥ k.
    QrTimes,
    /// a [n, m] → U [n, k], s [k] real and descending, Vᴴ [k, m] with k = min(n, m); or U [n, n] and Vᴴ [m, m] when full.
    Svd { full: bool },
    /// a [n, m] → s [min(n, m)].
    SingularValues,
    /// a [n, n], of which the lower triangle is read → values [n] real and ascending, vectors [n, n].
    SelfAdjointEigen,
    /// a [n, n], of which the lower triangle is read → values [n].
    SelfAdjointEigenvalues,
    /// a [n, n] → values [n], vectors [n, n], both complex.
    Eigen,
    /// a [n, n] → values [n], complex.
    Eigenvalues,
}

impl Decomposition {
    /// Its name, as `EXPLAIN` shows it.
    pub fn name(self) -> &'static str {
        match self {
            Decomposition::Cholesky { .. } => "cholesky",
            Decomposition::Determinant => "det",
            Decomposition::SignAndLogarithm => "slogdet",
            Decomposition::Inverse => "inv",
            Decomposition::Solve => "solve",
            Decomposition::Qr { .. } => "qr",
            Decomposition::QrTriangle => "qr_triangle",
            Decomposition::QrTimes => "qr_times",
            Decomposition::Svd { .. } => "svd",
            Decomposition::SingularValues => "svdvals",
            Decomposition::SelfAdjointEigen => "eigh",
            Decomposition::SelfAdjointEigenvalues => "eigvalsh",
            Decomposition::Eigen => "eig",
            Decomposition::Eigenvalues => "eigvals",
        }
    }

    /// Computes a batch, whose axes are the first `front` of every input and output.
    ///
    /// # Errors
    /// `LinearAlgebra` for singular matrices and for iterations that do not converge, naming the matrix's place in the
    /// batch, counted from `start`; out of memory for scratch.
    pub fn compute(self, inputs: &[Tensor], front: usize, start: &[usize]) -> Result<Vec<Tensor>> {
        let place = Place { front: &inputs[0].shape()[..front], start, matrix: &inputs[0].shape()[front..] };
        match inputs[0].dtype() {
            DType::F32 => self.typed::<f32>(inputs, &place),
            DType::F64 => self.typed::<f64>(inputs, &place),
            DType::C64 => self.typed::<Complex<f32>>(inputs, &place),
            DType::C128 => self.typed::<Complex<f64>>(inputs, &place),
            other => Err(Error::bug(format!("{self:?} of {other}"))),
        }
    }

    fn typed<T: Field>(self, inputs: &[Tensor], place: &Place<'_>) -> Result<Vec<Tensor>> {
        let a = &inputs[0];
        match self {
            Decomposition::Cholesky { upper } => Ok(vec![cholesky::cholesky::<T>(a, upper, place)?]),
            Decomposition::Determinant => Ok(vec![lu::determinant::<T>(a, place)?]),
            Decomposition::SignAndLogarithm => lu::sign_and_logarithm::<T>(a, place),
            Decomposition::Inverse => Ok(vec![lu::inverse::<T>(a, place)?]),
            Decomposition::Solve => Ok(vec![lu::solve::<T>(a, &inputs[1], place)?]),
            Decomposition::Qr { complete } => qr::qr::<T>(a, complete, place),
            Decomposition::QrTriangle => Ok(vec![qr::triangle::<T>(a, place)?]),
            Decomposition::QrTimes => Ok(vec![qr::times::<T>(a, &inputs[1], place)?]),
            Decomposition::Svd { full } => svd::svd::<T>(a, full, place),
            Decomposition::SingularValues => Ok(vec![svd::singular_values::<T>(a, place)?]),
            Decomposition::SelfAdjointEigen => eigen::self_adjoint::<T>(a, true, place),
            Decomposition::SelfAdjointEigenvalues => eigen::self_adjoint::<T>(a, false, place),
            Decomposition::Eigen => eigen::general::<T>(a, true, place),
            Decomposition::Eigenvalues => eigen::general::<T>(a, false, place),
        }
    }
}

/// A type that matrices are decomposed in.
trait Field: Element + ComplexField<Real = Self::Part> {
    /// The type of its parts: of singular values, norms.
    type Part: Element + RealField;
    /// The complex type with such parts.
    type Wide: Element + ComplexField<Real = Self::Part>;
    /// The nearest value of this type; what is imaginary is dropped of reals.
    fn rounded(value: Complex<f64>) -> Self;
    fn widened(self) -> Complex<f64>;
    /// The eigenvalues, and the right eigenvectors where a matrix for them is given, of a finite matrix.
    fn eigen(
        a: faer::MatRef<'_, Self>,
        values: &mut [Self::Wide],
        vectors: Option<faer::MatMut<'_, Self::Wide>>,
        par: faer::Par,
    ) -> Result<(), Failure>;
}

macro_rules! field {
    ($($type:ty, $part:ty, $eigen:path, $rounded:expr, $widened:expr;)*) => {
        $(impl Field for $type {
            type Part = $part;
            type Wide = Complex<$part>;
            fn rounded(value: Complex<f64>) -> Self {
                ($rounded)(value)
            }
            fn widened(self) -> Complex<f64> {
                ($widened)(self)
            }
            fn eigen(
                a: faer::MatRef<'_, Self>,
                values: &mut [Self::Wide],
                vectors: Option<faer::MatMut<'_, Self::Wide>>,
                par: faer::Par,
            ) -> Result<(), Failure> {
                $eigen(a, values, vectors, par)
            }
        })*
    };
}

field! {
    f32, f32, eigen::real, |x: Complex<f64>| x.re as f32, |x: f32| Complex::new(x as f64, 0.0);
    f64, f64, eigen::real, |x: Complex<f64>| x.re, |x: f64| Complex::new(x, 0.0);
    Complex<f32>, f32, eigen::complex, |x: Complex<f64>| Complex::new(x.re as f32, x.im as f32),
        |x: Complex<f32>| Complex::new(x.re as f64, x.im as f64);
    Complex<f64>, f64, eigen::complex, |x: Complex<f64>| x, |x: Complex<f64>| x;
}

/// What can be wrong with a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    NotPositiveDefinite,
    Singular,
    /// NaN or infinities where singular values are asked for.
    SvdNotFinite,
    SvdNoConvergence,
    /// NaN or infinities where eigenvalues of a general matrix are asked for.
    EigenNotFinite,
    EigenNoConvergence,
}

impl Fault {
    /// Said of a matrix in front of its shape and place.
    fn text(self) -> &'static str {
        match self {
            Fault::NotPositiveDefinite => "a matrix that is not positive definite",
            Fault::Singular => "a singular matrix",
            Fault::SvdNotFinite => "SVD did not converge: NaN or infinities in a matrix",
            Fault::SvdNoConvergence => "SVD did not converge for a matrix",
            Fault::EigenNotFinite => "eigenvalues of what is not finite: NaN or infinities in a matrix",
            Fault::EigenNoConvergence => "eigenvalues did not converge for a matrix",
        }
    }
}

/// Why one matrix cannot be had.
enum Failure {
    Matrix(Fault),
    Other(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Other(error)
    }
}

/// Where the matrices of a block lie in the whole batch, for error messages.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The shape of the block's batch.
    pub front: &'a [usize],
    /// Where the block starts in the whole batch.
    pub start: &'a [usize],
    /// The shape of each matrix.
    pub matrix: &'a [usize],
}

impl Place<'_> {
    fn error(&self, index: usize, failure: Failure) -> Error {
        match failure {
            Failure::Matrix(fault) => self.fault(index, fault),
            Failure::Other(error) => error,
        }
    }

    /// What is wrong with the matrix of this number in the block.
    pub fn fault(&self, index: usize, fault: Fault) -> Error {
        let what = fault.text();
        let shape = crate::error::show_shape(self.matrix);
        if self.front.is_empty() {
            return Error::linear_algebra(format!("{what}, of shape {shape}"));
        }
        let mut rest = index;
        let mut index = vec![0; self.front.len()];
        for (axis, &len) in self.front.iter().enumerate().rev() {
            index[axis] = rest % len.max(1) + self.start.get(axis).copied().unwrap_or(0);
            rest /= len.max(1);
        }
        let index = crate::error::show_shape(&index);
        Error::linear_algebra(format!("{what}, of shape {shape}, at index {index} of the batch"))
    }
}

/// Scratch memory for faer.
fn scratch(need: StackReq) -> Result<MemBuffer> {
    MemBuffer::try_new(need).map_err(|_| {
        let bytes = need.size_bytes();
        Error::out_of_memory(format!("the system has no {bytes} bytes left for scratch of linear algebra"))
    })
}

#[cfg(test)]
mod tests;

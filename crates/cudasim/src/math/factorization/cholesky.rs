//! Cholesky's factorization of a Hermitian matrix.

use crate::math::matrix::Matrix;
use crate::math::number::Complex;

/// Replaces the lower triangle of `a` [n, n], which alone is read, by that of `L` in `L·Lᴴ`. Answers LAPACK's code: the
/// order of the first leading minor that is not positive definite, NaN included, where it stops, or 0.
pub fn factor(a: &mut Matrix) -> usize {
    for j in 0..a.columns {
        let square = (0..j).fold(a[(j, j)].re, |square, k| square - (a[(j, k)] * a[(j, k)].conjugate()).re);
        if square.is_nan() || square <= 0.0 {
            return j + 1;
        }
        let diagonal = Complex::from(square.sqrt());
        a[(j, j)] = diagonal;
        for i in j + 1..a.rows {
            let rest = (0..j).fold(a[(i, j)], |rest, k| rest - a[(i, k)] * a[(j, k)].conjugate());
            a[(i, j)] = rest / diagonal;
        }
    }
    0
}

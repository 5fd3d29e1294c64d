//! The QR factorization by Householder's reflections, as LAPACK stores them: reflection `k` is `1 - tau·v·vᴴ`, with `v` zero
//! above element `k`, one there, and column `k` of the matrix below. `Q` is their product, the first at the left.

use crate::math::matrix::Matrix;
use crate::math::number::Complex;

/// Replaces `a` [m, n] by `R`, whose diagonal is real, and the reflections below it. Answers their factors.
pub fn factor(a: &mut Matrix) -> Vec<Complex> {
    let mut factors = Vec::new();
    for k in 0..a.rows.min(a.columns) {
        let tau = reflect(a, k);
        // A matrix is reduced by the conjugates.
        let reflections = a.clone();
        apply(&reflections, k, tau.conjugate(), a, k + 1);
        factors.push(tau);
    }
    factors
}

/// Makes the reflection that clears column `k` below the diagonal.
fn reflect(a: &mut Matrix, k: usize) -> Complex {
    let alpha = a[(k, k)];
    let below = a.column(k)[k + 1..].iter().fold(0.0, |norm: f64, value| norm.hypot(value.abs()));
    if below == 0.0 && alpha.im == 0.0 {
        return Complex::ZERO;
    }
    let beta = -alpha.abs().hypot(below).copysign(alpha.re);
    for i in k + 1..a.rows {
        a[(i, k)] = a[(i, k)] / (alpha - Complex::from(beta));
    }
    a[(k, k)] = Complex::from(beta);
    (Complex::from(beta) - alpha) / Complex::from(beta)
}

/// Applies reflection `k` with the factor `tau` to the columns of `c` from `first` on, at the left.
fn apply(reflections: &Matrix, k: usize, tau: Complex, c: &mut Matrix, first: usize) {
    let v = |i: usize| if i == k { Complex::ONE } else { reflections[(i, k)] };
    for column in first..c.columns {
        let product = (k..c.rows).fold(Complex::ZERO, |sum, i| sum + v(i).conjugate() * c[(i, column)]);
        for i in k..c.rows {
            c[(i, column)] = c[(i, column)] - tau * product * v(i);
        }
    }
}

/// Replaces `c` [m, n] by `Q·c`, or `Qᴴ·c`.
pub fn multiply(reflections: &Matrix, factors: &[Complex], is_adjoint: bool, c: &mut Matrix) {
    match is_adjoint {
        // The last one is applied first.
        false => (0..factors.len()).rev().for_each(|k| apply(reflections, k, factors[k], c, 0)),
        true => (0..factors.len()).for_each(|k| apply(reflections, k, factors[k].conjugate(), c, 0)),
    }
}

//! The singular value decomposition, by one-sided Jacobi rotations: they make the columns orthogonal.

use super::SWEEPS_MAX;
use crate::math::matrix::{Matrix, Rotation};
use crate::math::number::Complex;

/// A scalar product that is nothing beside those of the largest column, whose norm is about 1. It tells columns that are
/// too small for their norms' squares.
const NOTHING: f64 = 1e-200;

/// What a matrix [m, n] with m ≥ n is the product of.
pub struct Decomposition {
    /// [m, wanted], orthonormal columns.
    pub u: Matrix,
    /// In descending order.
    pub values: Vec<f64>,
    /// [n, n], unitary; its conjugate transpose is the third factor.
    pub v: Matrix,
}

/// With as many columns of `u` as are wanted, m at most; `None` if it is not found, as for NaN and infinities.
pub fn decompose(a: &Matrix, wanted: usize) -> Option<Decomposition> {
    if !a.is_finite() {
        return None;
    }
    let (m, n) = (a.rows, a.columns);
    let scale = a.scale();
    let mut a = a.clone().divided_by(scale);
    let mut v = Matrix::identity(n, n);
    let negligible = 4.0 * f64::EPSILON * (m.max(1) as f64).sqrt();
    let mut is_orthogonal = n < 2;
    for _ in 0..SWEEPS_MAX {
        if is_orthogonal {
            break;
        }
        is_orthogonal = true;
        for q in 1..n {
            for p in 0..q {
                let (pp, off, qq) = (
                    product(a.column(p), a.column(p)).re,
                    product(a.column(p), a.column(q)),
                    product(a.column(q), a.column(q)).re,
                );
                if off.abs() <= (negligible * pp.sqrt() * qq.sqrt()).max(NOTHING) {
                    continue;
                }
                is_orthogonal = false;
                let rotation = Rotation::diagonalizing(pp, off, qq);
                a.rotate(p, q, &rotation);
                v.rotate(p, q, &rotation);
            }
        }
    }
    if !is_orthogonal {
        return None;
    }
    let norm = |j: usize| a.column(j).iter().fold(0.0, |norm: f64, value| norm.hypot(value.abs()));
    let norms: Vec<f64> = (0..n).map(norm).collect();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| norms[j].total_cmp(&norms[i]));
    // Directions of what is left of nothing by rounding mean nothing.
    let least = order.first().map_or(0.0, |&first| norms[first] * negligible);
    let is_known = |j: usize| j < n && norms[order[j]] > least;
    let known = (0..n).take_while(|&j| is_known(j)).count();
    let u = Matrix::from_fn(m, known, |i, j| a[(i, order[j])] * (1.0 / norms[order[j]]));
    Some(Decomposition {
        u: completed(u, wanted),
        values: order.iter().map(|&j| norms[j] * scale).collect(),
        v: v.select(&order),
    })
}

/// `aᴴ·b`
fn product(a: &[Complex], b: &[Complex]) -> Complex {
    a.iter().zip(b).fold(Complex::ZERO, |sum, (a, b)| sum + a.conjugate() * *b)
}

/// Orthonormal columns, as many as are wanted: of those that are given and others, by Gram and Schmidt: of each unit vector that is farthest from
/// all there are.
fn completed(u: Matrix, wanted: usize) -> Matrix {
    let m = u.rows;
    let mut basis: Vec<Vec<Complex>> = (0..u.columns).map(|j| u.column(j).to_vec()).collect();
    while basis.len() < wanted {
        let covered = |i: usize| basis.iter().map(|column| column[i].abs().powi(2)).sum::<f64>();
        let farthest = (0..m).min_by(|&i, &j| covered(i).total_cmp(&covered(j))).unwrap_or(0);
        let mut column = vec![Complex::ZERO; m];
        column[farthest] = Complex::ONE;
        // Once more takes away what rounding leaves.
        for _ in 0..2 {
            for other in &basis {
                let along = product(other, &column);
                column.iter_mut().zip(other).for_each(|(value, other)| *value = *value - along * *other);
            }
        }
        let norm = column.iter().fold(0.0, |norm: f64, value| norm.hypot(value.abs()));
        column.iter_mut().for_each(|value| *value = *value * (1.0 / norm));
        basis.push(column);
    }
    Matrix::from_fn(m, wanted, |i, j| basis[j][i])
}

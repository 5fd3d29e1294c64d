//! Eigenvalues and eigenvectors of a Hermitian matrix, by Jacobi's cyclic rotations.

use super::SWEEPS_MAX;
use crate::math::matrix::{Matrix, Rotation};
use crate::math::number::Complex;

/// The eigenvalues of `a` [n, n] in ascending order, and its eigenvectors as columns; `None` if they are not found, as for
/// NaN and infinities. The lower triangle alone is read.
pub fn decompose(a: &Matrix) -> Option<(Vec<f64>, Matrix)> {
    let n = a.rows;
    let mut a = Matrix::from_fn(n, n, |i, j| match i.cmp(&j) {
        std::cmp::Ordering::Less => a[(j, i)].conjugate(),
        std::cmp::Ordering::Equal => Complex::from(a[(i, i)].re),
        std::cmp::Ordering::Greater => a[(i, j)],
    });
    if !a.is_finite() {
        return None;
    }
    let scale = a.scale();
    a = a.divided_by(scale);
    let norm = (0..n).flat_map(|j| a.column(j)).fold(0.0, |norm: f64, value| norm.hypot(value.abs()));
    let negligible = f64::EPSILON * norm / n.max(1) as f64;
    let mut vectors = Matrix::identity(n, n);
    for _ in 0..SWEEPS_MAX {
        let mut is_diagonal = true;
        for q in 1..n {
            for p in 0..q {
                let off = a[(p, q)];
                if off.abs() <= negligible {
                    continue;
                }
                is_diagonal = false;
                let rotation = Rotation::diagonalizing(a[(p, p)].re, off, a[(q, q)].re);
                a.rotate(p, q, &rotation);
                a.rotate_rows(p, q, &rotation);
                vectors.rotate(p, q, &rotation);
            }
        }
        if is_diagonal {
            let mut order: Vec<usize> = (0..n).collect();
            order.sort_by(|&i, &j| a[(i, i)].re.total_cmp(&a[(j, j)].re));
            let values = order.iter().map(|&i| a[(i, i)].re * scale).collect();
            return Some((values, vectors.select(&order)));
        }
    }
    None
}

//! The LU factorization with partial pivoting, and solving with it.

use crate::math::matrix::Matrix;
use crate::math::number::Complex;

/// Replaces `a` [m, n] by `L` below the diagonal, whose own is ones, and `U`. Answers the rows that were swapped with those
/// of the diagonal, from 1 on, and LAPACK's code: the place of the first zero on the diagonal of `U`, or 0.
pub fn factor(a: &mut Matrix) -> (Vec<usize>, usize) {
    let (mut pivots, mut code) = (Vec::new(), 0);
    for j in 0..a.rows.min(a.columns) {
        let size = |i: usize| a[(i, j)].re.abs() + a[(i, j)].im.abs();
        // The first of the largest; NaN is smaller than everything, unless it comes first.
        let pivot = (j..a.rows).fold(j, |best, i| if size(i) > size(best) { i } else { best });
        pivots.push(pivot + 1);
        if a[(pivot, j)] == Complex::ZERO {
            code = if code == 0 { j + 1 } else { code };
            continue;
        }
        a.swap_rows(j, pivot);
        for i in j + 1..a.rows {
            a[(i, j)] = a[(i, j)] / a[(j, j)];
        }
        for column in j + 1..a.columns {
            let factor = a[(j, column)];
            for i in j + 1..a.rows {
                a[(i, column)] = a[(i, column)] - a[(i, j)] * factor;
            }
        }
    }
    (pivots, code)
}

/// What is done to the matrix of a system of equations.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    None,
    Transpose,
    ConjugateTranspose,
}

/// Replaces `b` [n, k] by the solutions for a matrix that was factored, whose rows were swapped as `pivots` say.
pub fn solve(lu: &Matrix, pivots: &[usize], operation: Operation, b: &mut Matrix) {
    let n = lu.rows;
    let at = |i: usize, j: usize| match operation {
        Operation::None => lu[(i, j)],
        Operation::Transpose => lu[(j, i)],
        Operation::ConjugateTranspose => lu[(j, i)].conjugate(),
    };
    let swaps = pivots.iter().map(|pivot| pivot - 1).enumerate();
    let is_plain = operation == Operation::None;
    if is_plain {
        swaps.clone().for_each(|(i, pivot)| b.swap_rows(i, pivot));
    }
    // The lower triangle comes first, and it is that of ones if nothing is transposed.
    for column in 0..b.columns {
        for i in 0..n {
            let rest = (0..i).fold(b[(i, column)], |rest, j| rest - at(i, j) * b[(j, column)]);
            b[(i, column)] = if is_plain { rest } else { rest / at(i, i) };
        }
        for i in (0..n).rev() {
            let rest = (i + 1..n).fold(b[(i, column)], |rest, j| rest - at(i, j) * b[(j, column)]);
            b[(i, column)] = if is_plain { rest / at(i, i) } else { rest };
        }
    }
    if !is_plain {
        swaps.rev().for_each(|(i, pivot)| b.swap_rows(i, pivot));
    }
}

//! The Cholesky factorization.

use faer::dyn_stack::MemStack;
use faer::linalg::cholesky::llt::factor::{cholesky_in_place, cholesky_in_place_scratch};

use super::matrices::{Filling, Matrices, for_each};
use super::{Failure, Fault, Field, Place, scratch};
use crate::error::Result;
use crate::tensor::Tensor;

pub(super) fn cholesky<T: Field>(a: &Tensor, upper: bool, place: &Place<'_>) -> Result<Tensor> {
    let front = place.front.len();
    let a = Matrices::<T>::of(a, front);
    let n = a.rows;
    // The lower factor is found in columns; an upper one is its adjoint, found in rows.
    let filling = if upper {
        Filling::rows(T::DTYPE, place.front, n, n)?
    } else {
        Filling::columns(T::DTYPE, place.front, n, n)?
    };
    let factors = Matrices::<T>::to_fill(&filling.target, front);
    for_each(
        place,
        n * n * n / 3 + 1,
        |par| scratch(cholesky_in_place_scratch::<T>(n, par, Default::default())),
        |memory, i, par| {
            // SAFETY: the loop comes by each index once.
            let factor = unsafe { factors.matrix_mut(i) };
            let (a, mut factor) =
                if upper { (a.matrix(i).transpose(), factor.transpose_mut()) } else { (a.matrix(i), factor) };
            for j in 0..n {
                // Imaginary parts on the diagonal are not read, as LAPACK has it.
                factor[(j, j)] = T::from_real_impl(&T::real_part_impl(&a[(j, j)]));
                for i in j + 1..n {
                    factor[(i, j)] = if upper { T::conj_impl(&a[(i, j)]) } else { a[(i, j)] };
                }
            }
            let stack = MemStack::new(memory);
            cholesky_in_place(factor.as_mut(), Default::default(), par, stack, Default::default())
                .map_err(|_| Failure::Matrix(Fault::NotPositiveDefinite))?;
            for j in 0..n {
                factor.as_mut().col_mut(j).subrows_mut(0, j).fill(T::zero_impl());
                if upper {
                    (j..n).for_each(|i| factor[(i, j)] = T::conj_impl(&factor[(i, j)]));
                }
            }
            Ok(())
        },
    )?;
    Ok(filling.finish())
}

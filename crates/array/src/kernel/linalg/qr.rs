//! QR factorization by blocked Householder reflections.
//!
//! The factorization is ours, of faer's reflections and products: faer's own leaves out columns whose remainder is below
//! 16·m·ε of their length, which for a million rows of `float32` is every column.

use faer::dyn_stack::{MemBuffer, MemStack, StackReq};
use faer::linalg::householder::{
    apply_block_householder_on_the_left_in_place_scratch as apply_scratch,
    apply_block_householder_sequence_on_the_left_in_place_with_conj as apply_sequence,
    apply_block_householder_transpose_on_the_left_in_place_with_conj as apply_adjoint,
    make_householder_in_place, upgrade_householder_factor,
};
use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{BlockStructure, matmul as triangular_matmul};
use faer::traits::ComplexField;
use faer::{Accum, Conj, Mat, MatMut, MatRef, Par};

use super::matrices::{Filling, Matrices, for_each};
use super::{Field, Place, scratch};
use crate::error::Result;
use crate::tensor::Tensor;

/// Columns that one block of reflections makes.
const BLOCK: usize = 48;
/// Columns below which reflections are applied one by one.
const PANEL: usize = 6;

/// The factorization of one matrix, and scratch for it.
pub(super) struct Factors<T> {
    /// R in the upper triangle, the reflections below.
    pub qr: Mat<T>,
    /// The blocks' triangular factors.
    blocks: Mat<T>,
    memory: MemBuffer,
}

impl<T: Field> Factors<T> {
    /// Scratch for matrices of n × m, whose Q is applied to at most `columns`.
    pub fn new(n: usize, m: usize, columns: usize) -> Result<Factors<T>> {
        let k = n.min(m);
        let block = BLOCK.min(k).max(1);
        let need = apply_scratch::<T>(n, block, m.max(columns)).or(StackReq::EMPTY);
        Ok(Factors { qr: Mat::zeros(n, m), blocks: Mat::zeros(block, k), memory: scratch(need)? })
    }

    pub fn factor(&mut self, a: MatRef<'_, T>, par: Par) {
        self.qr.as_mut().copy_from(a);
        let (n, m) = self.qr.shape();
        let k = n.min(m);
        for start in (0..k).step_by(BLOCK) {
            let width = BLOCK.min(k - start);
            let (left, right) = self.qr.as_mut().split_at_col_mut(start + width);
            let mut panel = left.submatrix_mut(start, start, n - start, width);
            let mut block = self.blocks.as_mut().submatrix_mut(0, start, width, width);
            let stack = MemStack::new(&mut self.memory);
            factor_panel(panel.as_mut(), block.as_mut(), par, stack);
            if right.ncols() > 0 {
                let stack = MemStack::new(&mut self.memory);
                let rest = right.subrows_mut(start, n - start);
                apply_adjoint(panel.as_ref(), block.as_ref(), Conj::Yes, rest, par, stack);
            }
        }
    }

    /// Writes the upper triangle.
    pub fn triangle(&self, mut r: MatMut<'_, T>) {
        for j in 0..r.ncols() {
            for i in 0..r.nrows() {
                r[(i, j)] = if i <= j { self.qr[(i, j)] } else { T::zero_impl() };
            }
        }
    }

    /// Multiplies with the whole unitary matrix of the left, of n rows, in place.
    pub fn multiply(&mut self, matrix: MatMut<'_, T>, par: Par) {
        let k = self.blocks.ncols();
        if k > 0 && matrix.ncols() > 0 {
            let basis = self.qr.as_ref().subcols(0, k);
            apply_sequence(
                basis,
                self.blocks.as_ref(),
                Conj::No,
                matrix,
                par,
                MemStack::new(&mut self.memory),
            );
        }
    }
}

/// Factors a block of columns by halves, and makes the block's triangular factor.
fn factor_panel<T: Field>(
    mut panel: MatMut<'_, T>,
    mut block: MatMut<'_, T>,
    par: Par,
    stack: &mut MemStack,
) {
    let (n, width) = panel.shape();
    if width <= PANEL {
        factor_columns(panel.as_mut(), block.as_mut());
        upgrade_householder_factor(block, panel.as_ref(), width, 1, par);
        return;
    }
    let half = width / 2;
    let (mut left, right) = panel.split_at_col_mut(half);
    let (mut top_left, mut top_right, _, mut bottom_right) = block.split_at_mut(half, half);
    factor_panel(left.as_mut(), top_left.as_mut(), par, stack);
    let mut right = right;
    apply_adjoint(left.as_ref(), top_left.as_ref(), Conj::Yes, right.as_mut(), par, stack);
    let mut right = right.subrows_mut(half, n - half);
    factor_panel(right.as_mut(), bottom_right.as_mut(), par, stack);
    // What is left of the products of all reflections: those of the left half with those of the right.
    let (left, right) = (left.as_ref().subrows(half, n - half), right.as_ref());
    let (upper_left, lower_left) = left.split_at_row(width - half);
    let (upper_right, lower_right) = right.split_at_row(width - half);
    triangular_matmul(
        top_right.as_mut(),
        BlockStructure::Rectangular,
        Accum::Replace,
        upper_left.adjoint(),
        BlockStructure::Rectangular,
        upper_right,
        BlockStructure::UnitTriangularLower,
        T::one_impl(),
        par,
    );
    matmul(top_right, Accum::Add, lower_left.adjoint(), lower_right, T::one_impl(), par);
}

/// Factors a few columns, reflection by reflection; their scales are left on the diagonal of `block`.
fn factor_columns<T: Field>(mut panel: MatMut<'_, T>, mut block: MatMut<'_, T>) {
    let (n, width) = panel.shape();
    for j in 0..width.min(n) {
        let (left, mut right) = panel.as_mut().split_at_col_mut(j + 1);
        let (mut head, mut tail) = left.col_mut(j).split_at_row_mut(j + 1);
        let scale = make_householder_in_place(&mut head[j], tail.as_mut()).tau;
        block[(j, j)] = T::from_real_impl(&scale);
        let inverse = T::from_real_impl(&T::Part::recip_impl(&scale));
        for k in 0..right.ncols() {
            let (mut above, mut below) = right.as_mut().col_mut(k).split_at_row_mut(j + 1);
            let dot = tail.as_ref().adjoint() * below.as_ref();
            let factor = (above[j] + dot) * inverse;
            above[j] -= factor;
            faer::zip!(below.as_mut(), tail.as_ref()).for_each(|faer::unzip!(b, v)| *b -= factor * *v);
        }
    }
}

fn work(n: usize, m: usize) -> usize {
    2 * n * m * n.min(m) + 1
}

pub(super) fn qr<T: Field>(a: &Tensor, complete: bool, place: &Place<'_>) -> Result<Vec<Tensor>> {
    let front = place.front.len();
    let a = Matrices::<T>::of(a, front);
    let (n, m) = (a.rows, a.columns);
    let k = if complete { n } else { n.min(m) };
    let (q, r) =
        (Filling::columns(T::DTYPE, place.front, n, k)?, Filling::columns(T::DTYPE, place.front, k, m)?);
    let (bases, triangles) =
        (Matrices::<T>::to_fill(&q.target, front), Matrices::<T>::to_fill(&r.target, front));
    for_each(
        place,
        work(n, m),
        |_| Factors::<T>::new(n, m, k),
        |factors, i, par| {
            factors.factor(a.matrix(i), par);
            // SAFETY: the loop comes by each index once.
            let (mut basis, triangle) = unsafe { (bases.matrix_mut(i), triangles.matrix_mut(i)) };
            factors.triangle(triangle);
            (0..k).for_each(|j| basis[(j, j)] = T::one_impl());
            factors.multiply(basis, par);
            Ok(())
        },
    )?;
    Ok(vec![q.finish(), r.finish()])
}

pub(super) fn triangle<T: Field>(a: &Tensor, place: &Place<'_>) -> Result<Tensor> {
    let front = place.front.len();
    let a = Matrices::<T>::of(a, front);
    let (n, m) = (a.rows, a.columns);
    let filling = Filling::columns(T::DTYPE, place.front, n.min(m), m)?;
    let triangles = Matrices::<T>::to_fill(&filling.target, front);
    for_each(
        place,
        work(n, m),
        |_| Factors::<T>::new(n, m, 0),
        |factors, i, par| {
            factors.factor(a.matrix(i), par);
            // SAFETY: the loop comes by each index once.
            factors.triangle(unsafe { triangles.matrix_mut(i) });
            Ok(())
        },
    )?;
    Ok(filling.finish())
}

pub(super) fn times<T: Field>(a: &Tensor, c: &Tensor, place: &Place<'_>) -> Result<Tensor> {
    let front = place.front.len();
    let (a, c) = (Matrices::<T>::of(a, front), Matrices::<T>::of(c, front));
    let (n, k) = (a.rows, a.columns);
    let filling = Filling::columns(T::DTYPE, place.front, n, c.columns)?;
    let products = Matrices::<T>::to_fill(&filling.target, front);
    for_each(
        place,
        work(n, k) + 4 * n * k * c.columns,
        |_| Factors::<T>::new(n, k, c.columns),
        |factors, i, par| {
            factors.factor(a.matrix(i), par);
            // SAFETY: the loop comes by each index once.
            let mut product = unsafe { products.matrix_mut(i) };
            product.as_mut().subrows_mut(0, c.rows).copy_from(c.matrix(i));
            factors.multiply(product, par);
            Ok(())
        },
    )?;
    Ok(filling.finish())
}

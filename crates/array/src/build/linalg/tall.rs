//! QR and singular values of one matrix of many rows, by blocks of rows.
//!
//! Each block of rows is factored alone, the R's are stacked and factored, and Q is found by factoring each block once
//! more and applying its reflections to the block's part of the small Q. Twice the work of factoring, but neither the
//! matrix nor the blocks' Q's ever lie anywhere whole, and Q is orthogonal whatever the matrix's condition: x·R⁻¹, the
//! alternative, loses as much of it as the condition is large. (Demmel, Grigori, Hoemmen and Langou, Communication-optimal
//! parallel and sequential QR and LU factorizations, 2012.)

use std::sync::Arc;

use super::decompose::{Qr, Svd};
use super::nodes::{reshape, slice};
use super::operator::decompose;
use crate::dtype::DType;
use crate::error::Result;
use crate::graph::{Array, BlockOperator, Region};
use crate::kernel::linalg::Decomposition;
use crate::tensor::{Slice, Tensor, TensorMut, copy};

/// Bytes of a block: what the second-level cache of a core holds, with its copy.
const BLOCK_BYTES: usize = 512 << 10;
/// Rows per column from which the stacked R's are much less than the matrix.
const ROWS_PER_COLUMN: usize = 16;

/// A matrix that is worth to be factored by blocks.
pub(super) struct Blocks {
    x: Array,
    height: usize,
}

/// Which of the two steps over the rows.
#[derive(Debug)]
enum Step {
    /// x → the blocks' R's.
    Triangles,
    /// x, parts of a small Q → the blocks' rows of Q.
    Bases,
}

#[derive(Debug)]
struct OverRows {
    step: Step,
    dtype: DType,
    rows: usize,
    columns: usize,
    height: usize,
}

impl OverRows {
    fn blocks(&self) -> usize {
        self.rows.div_ceil(self.height)
    }

    /// A block's rows, of which the last block has fewer.
    fn rows(&self, block: usize, first: usize) -> Slice {
        let start = block * self.height;
        Slice::range(start - first, self.height.min(self.rows - start))
    }
}

impl BlockOperator for OverRows {
    fn name(&self) -> String {
        match self.step {
            Step::Triangles => "tall_qr_triangles".to_string(),
            Step::Bases => "tall_qr_bases".to_string(),
        }
    }

    fn outputs(&self) -> Vec<(DType, Vec<usize>)> {
        let height = match self.step {
            Step::Triangles => self.columns,
            Step::Bases => self.height,
        };
        vec![(self.dtype, vec![self.blocks(), height, self.columns])]
    }

    fn cuttable(&self) -> usize {
        1
    }

    fn needs(&self, block: &Region, input: usize, shape: &[usize]) -> Region {
        let mut region = Region::whole(shape);
        if input == 0 {
            region.start[0] = block.start[0] * self.height;
            region.shape[0] = (block.shape[0] * self.height).min(self.rows - region.start[0]);
        } else {
            region.start[0] = block.start[0];
            region.shape[0] = block.shape[0];
        }
        region
    }

    fn compute(&self, block: &Region, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let shape = &self.outputs()[0].1[1..];
        // Zeros below the rows of a last block that has fewer.
        let mut out = TensorMut::zeroed(self.dtype, &[&block.shape[..], shape].concat())?;
        let all = out.target();
        for number in 0..block.shape[0] {
            let rows = self.rows(block.start[0] + number, block.start[0] * self.height);
            let x = inputs[0].slice(&[rows, Slice::range(0, self.columns)]);
            let made = match self.step {
                Step::Triangles => Decomposition::QrTriangle.compute(&[x], 0, &[])?,
                Step::Bases => {
                    // A last block of fewer rows than columns has as few rows of R.
                    let part = [1, rows.count.min(self.columns), self.columns];
                    let part = part.map(|len| Slice::range(0, len));
                    let part = inputs[1].slice(&[Slice::range(number, 1), part[1], part[2]]);
                    let part = part.reshape(&part.shape()[1..])?;
                    Decomposition::QrTimes.compute(&[x, part], 0, &[])?
                }
            };
            let place =
                [Slice::range(number, 1), Slice::range(0, made[0].shape()[0]), Slice::range(0, shape[1])];
            let made = made[0].reshape(&[1, made[0].shape()[0], shape[1]])?;
            copy(&made, &mut all.slice(&place));
        }
        Ok(vec![out.freeze()])
    }

    fn scratch_factor(&self) -> usize {
        3
    }
}

impl Blocks {
    /// Where a matrix has many more rows than columns, and more of them than one block.
    pub fn of(x: &Array) -> Option<Blocks> {
        let &[n, k] = x.shape() else { return None };
        let height = (BLOCK_BYTES / x.dtype().size() / k.max(1)).max(ROWS_PER_COLUMN * k);
        (k > 0 && n >= 4 * height).then(|| Blocks { x: x.clone(), height })
    }

    fn columns(&self) -> usize {
        self.x.shape()[1]
    }

    fn over_rows(&self, step: Step, inputs: Vec<Array>) -> Array {
        let (rows, columns) = (self.x.shape()[0], self.columns());
        let operator = OverRows { step, dtype: self.x.dtype(), rows, columns, height: self.height };
        Array::block(Arc::new(operator), inputs).remove(0)
    }

    /// The blocks' R's, one below the other.
    fn stacked(&self) -> Array {
        let triangles = self.over_rows(Step::Triangles, vec![self.x.clone()]);
        reshape(&triangles, &[triangles.shape()[0] * self.columns(), self.columns()])
    }

    pub fn r(&self) -> Array {
        let k = self.columns();
        let stacked = self.stacked();
        decompose(Decomposition::QrTriangle, vec![stacked], &[], &[(self.x.dtype(), &[k, k])]).remove(0)
    }

    /// The rows of Q, or of Q times a small matrix, from the small Q or that product.
    fn rows_of(&self, small: &Array) -> Array {
        let (n, k) = (self.x.shape()[0], self.columns());
        let parts = reshape(small, &[small.shape()[0] / k, k, k]);
        let rows = self.over_rows(Step::Bases, vec![self.x.clone(), parts]);
        let all = reshape(&rows, &[rows.shape()[0] * self.height, k]);
        slice(&all, vec![Slice::range(0, n), Slice::range(0, k)])
    }

    pub fn qr(&self) -> Qr {
        let k = self.columns();
        let stacked = self.stacked();
        let (rows, dtype) = (stacked.shape()[0], self.x.dtype());
        let outputs = [(dtype, &[rows, k][..]), (dtype, &[k, k][..])];
        let mut small = decompose(Decomposition::Qr { complete: false }, vec![stacked], &[], &outputs);
        let r = small.remove(1);
        Qr { q: self.rows_of(&small[0]), r }
    }

    /// The singular values of R are the matrix's; its left vectors are turned by the small Q's parts.
    pub fn svd(&self) -> Svd {
        let k = self.columns();
        let stacked = self.stacked();
        let (rows, dtype) = (stacked.shape()[0], self.x.dtype());
        let outputs = [(dtype, &[rows, k][..]), (dtype.real(), &[k][..]), (dtype, &[k, k][..])];
        let mut made = decompose(Decomposition::Svd { full: false }, vec![stacked], &[], &outputs);
        let (vh, s) = (made.remove(2), made.remove(1));
        Svd { u: self.rows_of(&made[0]), s, vh }
    }
}

//! Decompositions as operators on blocks of a batch.

use std::sync::Arc;

use super::nodes::cast;
use crate::dtype::DType;
use crate::error::Result;
use crate::graph::{Array, BlockOperator, DeviceForm, Region};
use crate::kernel::linalg::Decomposition;
use crate::tensor::Tensor;

/// A [`Decomposition`] of a batch of matrices.
#[derive(Debug)]
struct Batch {
    decomposition: Decomposition,
    front: usize,
    outputs: Vec<(DType, Vec<usize>)>,
}

impl BlockOperator for Batch {
    fn name(&self) -> String {
        self.decomposition.name().to_string()
    }

    fn outputs(&self) -> Vec<(DType, Vec<usize>)> {
        self.outputs.clone()
    }

    fn cuttable(&self) -> usize {
        self.front
    }

    fn needs(&self, block: &Region, _input: usize, shape: &[usize]) -> Region {
        let mut region = Region::whole(shape);
        region.start[..self.front].copy_from_slice(&block.start);
        region.shape[..self.front].copy_from_slice(&block.shape);
        region
    }

    fn compute(&self, block: &Region, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        self.decomposition.compute(inputs, self.front, &block.start)
    }

    fn scratch_factor(&self) -> usize {
        4
    }

    fn device_form(&self, block: &Region) -> Option<DeviceForm> {
        // There is no general eigenvalue solver in libraries before that of CUDA 12.6.
        let is_general = matches!(self.decomposition, Decomposition::Eigen | Decomposition::Eigenvalues);
        let start = block.start.clone();
        (!is_general).then_some(DeviceForm::Decompose { decomposition: self.decomposition, start })
    }
}

/// Matrices in a type that is decomposed, and the type in which the user expects what comes of them.
pub(super) struct Inexact {
    pub array: Array,
    /// The 16-bit float that the user gave.
    narrow: Option<DType>,
}

impl Inexact {
    /// Integers and booleans as `float64`, 16-bit floats as `float32`.
    pub fn of(x: &Array) -> Inexact {
        let dtype = x.dtype().inexact();
        let narrow = matches!(dtype, DType::F16 | DType::BF16).then_some(dtype);
        Inexact { array: cast(x, if narrow.is_some() { DType::F32 } else { dtype }), narrow }
    }

    /// A result as the user expects it: 16-bit for 16-bit.
    pub fn restored(&self, x: &Array) -> Array {
        match self.narrow {
            Some(narrow) if x.dtype() == DType::F32 => cast(x, narrow),
            _ => x.clone(),
        }
    }

    /// The axes in front of the matrices.
    pub fn front(&self) -> &[usize] {
        &self.array.shape()[..self.array.ndim() - 2]
    }

    /// What a decomposition makes; outputs by type and what is behind the batch.
    pub fn decompose(&self, decomposition: Decomposition, outputs: &[(DType, &[usize])]) -> Vec<Array> {
        let front = self.front().to_vec();
        let made = decompose(decomposition, vec![self.array.clone()], &front, outputs);
        made.iter().map(|x| self.restored(x)).collect()
    }
}

/// What a decomposition makes of inputs whose first axes are `front`.
pub(super) fn decompose(
    decomposition: Decomposition,
    inputs: Vec<Array>,
    front: &[usize],
    outputs: &[(DType, &[usize])],
) -> Vec<Array> {
    let outputs = outputs.iter().map(|(dtype, behind)| (*dtype, [front, behind].concat())).collect();
    Array::block(Arc::new(Batch { decomposition, front: front.len(), outputs }), inputs)
}

//! Fused programs that operators write themselves.

use swath_array::DType;
use swath_array::dtype::Scalar;
use swath_array::graph::Region;
use swath_array::program::{BinaryOp, Instruction, Program, Step};

use super::{DeviceTensor, run_elementwise};
use crate::error::Result;
use crate::worker::Task;

/// A program, step by step; the first steps read its operands.
pub(super) struct Steps(pub Program);

impl Steps {
    /// Of operands of these types.
    pub fn of(inputs: &[DType]) -> Steps {
        let read = |(i, &dtype)| Instruction { step: Step::Input(i), dtype };
        let instructions = inputs.iter().enumerate().map(read).collect();
        Steps(Program { inputs: inputs.to_vec(), instructions })
    }

    /// Adds a step and answers its number.
    pub fn push(&mut self, step: Step, dtype: DType) -> usize {
        self.0.instructions.push(Instruction { step, dtype });
        self.0.instructions.len() - 1
    }

    /// Whether an index has this value.
    pub fn equal(&mut self, index: usize, value: usize) -> usize {
        let value = self.push(Step::Constant(Scalar::Int(value as i128)), DType::I64);
        self.push(Step::Binary(BinaryOp::Equal, index, value), DType::Bool)
    }

    /// Compares the indices along two axes.
    pub fn compare_indices(&mut self, op: BinaryOp, [left, right]: [usize; 2]) -> usize {
        let (left, right) =
            (self.push(Step::Index(left), DType::I64), self.push(Step::Index(right), DType::I64));
        self.push(Step::Binary(op, left, right), DType::Bool)
    }

    /// Runs the program at every index of a shape, which is that of the operands.
    ///
    /// # Errors
    /// As [`run_elementwise`].
    pub fn run(&self, task: &mut Task<'_>, inputs: &[DeviceTensor], shape: &[usize]) -> Result<DeviceTensor> {
        run_elementwise(task, &self.0, &Region::whole(shape), inputs)
    }
}

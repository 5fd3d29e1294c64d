//! Programs over every layout, and the special cases of every function.

use super::*;
use crate::dtype::Scalar;
use crate::program::{BinaryOp, Instruction, UnaryOp};
use crate::tensor::Slice;

fn evaluate(program: &Program, inputs: &[Tensor], shape: &[usize]) -> Result<Tensor> {
    let dtype = program.instructions.last().map_or(DType::F64, |last| last.dtype);
    let mut out = TensorMut::uninit(dtype, shape)?;
    run(program, inputs, &Region::whole(shape), &out.target())?;
    Ok(out.freeze())
}

fn step(step: Step, dtype: DType) -> Instruction {
    Instruction { step, dtype }
}

/// `a * 2 + b`, and which index it is at.
#[test]
fn walks_every_layout() -> Result<()> {
    let program = Program {
        inputs: vec![DType::F64, DType::F64],
        instructions: vec![
            step(Step::Input(0), DType::F64),
            step(Step::Constant(Scalar::Int(2)), DType::F64),
            step(Step::Binary(BinaryOp::Multiply, 0, 1), DType::F64),
            step(Step::Input(1), DType::F64),
            step(Step::Binary(BinaryOp::Add, 2, 3), DType::F64),
            step(Step::Index(0), DType::I64),
            step(Step::Cast(5), DType::F64),
            step(Step::Binary(BinaryOp::Add, 4, 6), DType::F64),
        ],
    };
    for shape in [[3usize, 5], [1, 7000], [7000, 1], [130, 130], [2, 3000], [3000, 2], [1, 1], [0, 4]] {
        let [n, m] = shape;
        let whole = Tensor::from_vec((0..n * m).map(|i| i as f64).collect(), &shape)?;
        let turned = Tensor::from_vec((0..n * m).map(|i| i as f64).collect(), &[m, n])?.permute(&[1, 0]);
        let row = Tensor::from_vec((0..m).map(|i| i as f64 * 0.5).collect(), &[1, m])?.broadcast(&shape);
        let column = Tensor::from_vec((0..n).map(|i| i as f64 * 0.5).collect(), &[n, 1])?.broadcast(&shape);
        let one = Tensor::scalar(Scalar::Float(4.0), DType::F64)?.broadcast(&shape);
        let back = if n * m == 0 {
            whole.clone()
        } else {
            whole.slice(&[
                Slice { start: n - 1, count: n, step: -1 },
                Slice { start: m - 1, count: m, step: -1 },
            ])
        };
        let all = [whole, turned, row, column, one, back];
        for a in &all {
            for b in &all {
                let region = Region { start: vec![10, 0], shape: shape.to_vec() };
                for turn in [false, true] {
                    let mut out = TensorMut::uninit(DType::F64, &if turn { [m, n] } else { [n, m] })?;
                    let target = if turn { out.target().permute(&[1, 0]) } else { out.target() };
                    run(&program, &[a.clone(), b.clone()], &region, &target)?;
                    let result = out.freeze();
                    for i in 0..n {
                        for j in 0..m {
                            let expected =
                                a.get::<f64>(&[i, j]) * 2.0 + b.get::<f64>(&[i, j]) + (i + 10) as f64;
                            let position = if turn { [j, i] } else { [i, j] };
                            assert_eq!(result.get::<f64>(&position), expected, "{shape:?} {i} {j} {turn}");
                        }
                    }
                }
            }
        }
    }
    Ok(())
}

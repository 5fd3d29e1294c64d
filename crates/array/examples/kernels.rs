use std::time::Instant;
use swath_array::dtype::{DType, Scalar};
use swath_array::graph::Region;
use swath_array::kernel::{elementwise, reduce};
use swath_array::program::*;
use swath_array::tensor::{Tensor, TensorMut};

fn time(name: &str, bytes: usize, mut f: impl FnMut()) {
    f();
    let mut best = f64::MAX;
    for _ in 0..15 {
        let t = Instant::now();
        f();
        best = best.min(t.elapsed().as_secs_f64());
    }
    println!("{name:40} {:9.3} ms  {:7.2} GB/s", best * 1e3, bytes as f64 / best / 1e9);
}
fn step(step: Step, dtype: DType) -> Instruction {
    Instruction { step, dtype }
}
fn main() {
    let filter = std::env::args().nth(1).unwrap_or_default();
    let n = 1usize << 18;
    let shape = [512usize, 512];
    for dtype in [DType::F64, DType::F32] {
        let make = |f: &dyn Fn(usize) -> f64| {
            let v: Vec<f64> = (0..n).map(f).collect();
            if dtype == DType::F64 {
                Tensor::from_vec(v, &shape).unwrap()
            } else {
                Tensor::from_vec(v.iter().map(|x| *x as f32).collect::<Vec<_>>(), &shape).unwrap()
            }
        };
        let x = make(&|i| ((i * 7919) % 10007) as f64 / 10007.0 * 8.0 + 0.01);
        let y = make(&|i| ((i * 104729) % 10007) as f64 / 10007.0 + 0.5);
        let s = make(&|i| ((i * 7919) % 10007) as f64 / 10007.0 * 1.9 - 0.95);
        let mut out = TensorMut::uninit(dtype, &shape).unwrap();
        let region = Region::whole(&shape);
        let bytes = n * dtype.size();
        let run = |name: &str, p: Program, inputs: &[Tensor], out: &mut TensorMut| {
            if !name.contains(&filter) {
                return;
            }
            let t = out.target();
            time(&format!("{dtype} {name}"), bytes * (inputs.len() + 1), || {
                elementwise::run(&p, inputs, &region, &t).unwrap()
            });
        };
        let b = |op| Program {
            inputs: vec![dtype; 2],
            instructions: vec![
                step(Step::Input(0), dtype),
                step(Step::Input(1), dtype),
                step(Step::Binary(op, 0, 1), dtype),
            ],
        };
        let c = |op, v| Program {
            inputs: vec![dtype],
            instructions: vec![
                step(Step::Input(0), dtype),
                step(Step::Constant(Scalar::Float(v)), dtype),
                step(Step::Binary(op, 0, 1), dtype),
            ],
        };
        run("add", b(BinaryOp::Add), &[x.clone(), y.clone()], &mut out);
        run("add T", b(BinaryOp::Add), &[x.clone(), y.permute(&[1, 0])], &mut out);
        run("add const", c(BinaryOp::Add, 3.0), &[x.clone()], &mut out);
        run("maximum", b(BinaryOp::Maximum), &[x.clone(), y.clone()], &mut out);
        run("divide", b(BinaryOp::Divide), &[x.clone(), y.clone()], &mut out);
        run("pow", b(BinaryOp::Pow), &[x.clone(), y.clone()], &mut out);
        run("pow2", c(BinaryOp::Pow, 2.0), &[x.clone()], &mut out);
        run("atan2", b(BinaryOp::Atan2), &[x.clone(), y.clone()], &mut out);
        run("hypot", b(BinaryOp::Hypot), &[x.clone(), y.clone()], &mut out);
        run("remainder", b(BinaryOp::Remainder), &[x.clone(), y.clone()], &mut out);
        run("floor_divide", b(BinaryOp::FloorDivide), &[x.clone(), y.clone()], &mut out);
        for op in [
            UnaryOp::Sqrt,
            UnaryOp::Floor,
            UnaryOp::Exp,
            UnaryOp::Log,
            UnaryOp::Sin,
            UnaryOp::Cos,
            UnaryOp::Tan,
            UnaryOp::Tanh,
            UnaryOp::Expm1,
            UnaryOp::Log1p,
            UnaryOp::Exp2,
            UnaryOp::Log2,
            UnaryOp::Log10,
            UnaryOp::Sinh,
            UnaryOp::Cosh,
            UnaryOp::Asinh,
            UnaryOp::Acosh,
            UnaryOp::Atan,
            UnaryOp::Cbrt,
        ] {
            let p = Program {
                inputs: vec![dtype],
                instructions: vec![step(Step::Input(0), dtype), step(Step::Unary(op, 0), dtype)],
            };
            run(op.name(), p, &[x.clone()], &mut out);
        }
        for op in [UnaryOp::Asin, UnaryOp::Acos, UnaryOp::Atanh] {
            let p = Program {
                inputs: vec![dtype],
                instructions: vec![step(Step::Input(0), dtype), step(Step::Unary(op, 0), dtype)],
            };
            run(op.name(), p, &[s.clone()], &mut out);
        }
        let chain = Program {
            inputs: vec![dtype; 2],
            instructions: vec![
                step(Step::Input(0), dtype),
                step(Step::Input(1), dtype),
                step(Step::Binary(BinaryOp::Multiply, 0, 1), dtype),
                step(Step::Constant(Scalar::Float(2.0)), dtype),
                step(Step::Binary(BinaryOp::Add, 2, 3), dtype),
                step(Step::Unary(UnaryOp::Sqrt, 4), dtype),
                step(Step::Binary(BinaryOp::Subtract, 5, 1), dtype),
                step(Step::Unary(UnaryOp::Square, 6), dtype),
            ],
        };
        run("chain", chain, &[x.clone(), y.clone()], &mut out);
        let random = |d| Program {
            inputs: vec![],
            instructions: vec![
                step(Step::Index(0), DType::I64),
                step(Step::Cast(0), DType::U64),
                step(Step::Constant(Scalar::Int(512)), DType::U64),
                step(Step::Binary(BinaryOp::Multiply, 1, 2), DType::U64),
                step(Step::Index(1), DType::I64),
                step(Step::Cast(4), DType::U64),
                step(Step::Binary(BinaryOp::Add, 3, 5), DType::U64),
                step(Step::Random(Random { distribution: d, seed: 1, stream: 0 }, 6), dtype),
            ],
        };
        run("uniform", random(Distribution::Uniform), &[], &mut out);
        run("normal", random(Distribution::Normal), &[], &mut out);
        run("exponential", random(Distribution::Exponential), &[], &mut out);
        for (name, op) in [
            ("sum", ReduceOp::Sum),
            ("max", ReduceOp::Max),
            ("argmax", ReduceOp::ArgMax),
            ("m2", ReduceOp::SquaredDeviations),
        ] {
            for axes in [vec![0], vec![1], vec![0, 1]] {
                let label = format!("{dtype} {name} {axes:?}");
                if !label.contains(&filter) {
                    continue;
                }
                time(&label, bytes, || {
                    reduce::Partial::of(op, &x, &axes, &region, &shape).unwrap();
                });
            }
        }
        let thin = x.reshape(&[n / 4, 4]).unwrap();
        for axes in [vec![0], vec![1]] {
            let label = format!("{dtype} sum thin {axes:?}");
            if !label.contains(&filter) {
                continue;
            }
            time(&label, bytes, || {
                reduce::Partial::of(ReduceOp::Sum, &thin, &axes, &Region::whole(thin.shape()), thin.shape())
                    .unwrap();
            });
        }
    }
}

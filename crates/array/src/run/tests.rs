//! Random graphs, evaluated by stages and regions, against one node at a time.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::DType;
use crate::error::{ErrorKind, Result};
use crate::graph::{Array, Op, Region};
use crate::kernel::reduce::Partial;
use crate::kernel::{elementwise, matmul};
use crate::program::{BinaryOp, Instruction, Program, ReduceOp, Step, UnaryOp};
use crate::run::memory::{Budget, Memory};
use crate::run::{Runner, Sink};
use crate::tensor::{Slice, Tensor, TensorMut, copy};

/// A sequence of numbers from a seed (Steele et al. 2014, splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % below.max(1) as u64) as usize
    }
}

/// The value of a node from the whole values of its inputs, computed by itself.
fn alone(array: &Array, known: &mut HashMap<u64, Tensor>) -> Result<Tensor> {
    if let Some(value) = known.get(&array.id()) {
        return Ok(value.clone());
    }
    let inputs = array.inputs().iter().map(|input| alone(input, known)).collect::<Result<Vec<_>>>()?;
    let whole = Region::whole(array.shape());
    let step = match array.op() {
        Op::Full(value) => Some(Step::Constant(*value)),
        Op::Index(axis) => Some(Step::Index(*axis)),
        Op::Unary(op) => Some(Step::Unary(*op, 0)),
        Op::Binary(op) => Some(Step::Binary(*op, 0, 1)),
        Op::Where => Some(Step::Where(0, 1, 2)),
        Op::Cast => Some(Step::Cast(0)),
        _ => None,
    };
    let value = if let Some(step) = step {
        let types: Vec<DType> = inputs.iter().map(Tensor::dtype).collect();
        let read = |(i, &dtype): (usize, &DType)| Instruction { step: Step::Input(i), dtype };
        let mut instructions: Vec<Instruction> = types.iter().enumerate().map(read).collect();
        instructions.push(Instruction { step, dtype: array.dtype() });
        let mut values = TensorMut::uninit(array.dtype(), array.shape())?;
        elementwise::run(&Program { inputs: types, instructions }, &inputs, &whole, &values.target())?;
        values.freeze()
    } else {
        match array.op() {
            Op::Data(tensor) => tensor.clone(),
            Op::Slice(slices) => inputs[0].slice(slices),
            Op::Permute(axes) => inputs[0].permute(axes),
            Op::Broadcast => inputs[0].broadcast(array.shape()),
            Op::Reshape => inputs[0].reshape(array.shape())?,
            Op::Concat(axis) => {
                let mut values = TensorMut::uninit(array.dtype(), array.shape())?;
                let target = values.target();
                let mut before = 0;
                for input in &inputs {
                    let mut slices = Region::whole(input.shape()).slices();
                    slices[*axis] = Slice::range(before, input.shape()[*axis]);
                    before += input.shape()[*axis];
                    copy(input, &mut target.slice(&slices));
                }
                values.freeze()
            }
            Op::Reduce(op, axes) => {
                let of = array.inputs()[0].shape();
                match inputs[0].is_empty() {
                    true => Partial::empty(*op, inputs[0].dtype(), array.shape())?.finish()?,
                    false => Partial::of(*op, &inputs[0], axes, &Region::whole(of), of)?.finish()?,
                }
            }
            Op::MatMul => {
                let mut values = TensorMut::uninit(array.dtype(), array.shape())?;
                matmul::multiply(&inputs[0], &inputs[1], &values.target(), false, 1)?;
                values.freeze()
            }
            other => panic!("no graph here has {other:?}"),
        }
    };
    known.insert(array.id(), value.clone());
    Ok(value)
}

/// A graph of some nodes over integers: what is computed in another order is the same.
fn random_graph(numbers: &mut Numbers, nodes: usize) -> Result<Array> {
    let dtype = DType::I64;
    let mut known: Vec<Array> = Vec::new();
    for _ in 0..nodes {
        let new = if known.is_empty() || numbers.next(6) == 0 {
            let ndim = numbers.next(4);
            let shape: Vec<usize> = (0..ndim)
                .map(|_| [0, 1, 2, 3, 5, 40][numbers.next(60).min(5).max(numbers.next(6))])
                .collect();
            let len: usize = shape.iter().product();
            match numbers.next(3) {
                0 if ndim > 0 => Array::new(Op::Index(numbers.next(ndim)), vec![], dtype, shape),
                _ => {
                    let values = (0..len).map(|_| numbers.next(1000) as i64 - 500).collect();
                    Array::from_tensor(Tensor::from_vec::<i64>(values, &shape)?)
                }
            }
        } else {
            let x = known[numbers.next(known.len())].clone();
            let shape = x.shape().to_vec();
            match numbers.next(9) {
                0 => Array::new(Op::Unary(UnaryOp::Negative), vec![x], dtype, shape),
                1 => {
                    let others: Vec<&Array> = known.iter().filter(|y| y.shape() == shape).collect();
                    let y = others[numbers.next(others.len())].clone();
                    let op = [BinaryOp::Add, BinaryOp::Multiply, BinaryOp::Maximum][numbers.next(3)];
                    Array::new(Op::Binary(op), vec![x, y], dtype, shape)
                }
                2 => {
                    let slices: Vec<Slice> = shape
                        .iter()
                        .map(|&len| {
                            let step = [1, 1, 2, -1, -3][numbers.next(5)];
                            let count = numbers.next(len.div_ceil(step as usize & 3).min(len) + 1);
                            let count = count.min(len.div_ceil(isize::unsigned_abs(step)));
                            let span = count.saturating_sub(1) * isize::unsigned_abs(step);
                            let low = numbers.next((len - span.min(len)).max(1));
                            Slice { start: if step < 0 { low + span } else { low }, count, step }
                        })
                        .collect();
                    let slices: Vec<Slice> = slices
                        .into_iter()
                        .map(|s| if s.count == 0 { Slice { start: 0, ..s } } else { s })
                        .collect();
                    let shape = slices.iter().map(|slice| slice.count).collect();
                    Array::new(Op::Slice(slices), vec![x], dtype, shape)
                }
                3 => {
                    let mut axes: Vec<usize> = (0..shape.len()).collect();
                    (1..axes.len()).for_each(|i| axes.swap(i, numbers.next(i + 1)));
                    let shape = axes.iter().map(|&axis| x.shape()[axis]).collect();
                    Array::new(Op::Permute(axes), vec![x], dtype, shape)
                }
                4 if shape.len() < 4 => {
                    let mut wide = shape.clone();
                    wide.insert(0, [1, 3][numbers.next(2)]);
                    wide.iter_mut().skip(1).for_each(|len| {
                        if *len == 1 {
                            *len = 1 + 3 * numbers.next(2)
                        }
                    });
                    Array::new(Op::Broadcast, vec![x], dtype, wide)
                }
                5 => {
                    let len = x.len();
                    let divisors: Vec<usize> = (1..=len.max(1)).filter(|d| len.is_multiple_of(*d)).collect();
                    let first = divisors[numbers.next(divisors.len())];
                    let new = if len == 0 { vec![0, 3] } else { vec![first, 1, len / first] };
                    Array::new(Op::Reshape, vec![x], dtype, new)
                }
                6 if !shape.is_empty() => {
                    let axis = numbers.next(shape.len());
                    let mut long = shape.clone();
                    long[axis] *= 2;
                    let y = Array::new(Op::Unary(UnaryOp::Square), vec![x.clone()], dtype, shape);
                    Array::new(Op::Concat(axis), vec![x, y], dtype, long)
                }
                7 if !shape.is_empty() => {
                    let axes: Vec<usize> = (0..shape.len()).filter(|_| numbers.next(2) == 0).collect();
                    let kept = shape
                        .iter()
                        .enumerate()
                        .map(|(a, &len)| if axes.contains(&a) { 1 } else { len })
                        .collect();
                    Array::new(Op::Reduce(ReduceOp::Sum, axes), vec![x], dtype, kept)
                }
                _ if shape.len() == 2 => {
                    let turned =
                        Array::new(Op::Permute(vec![1, 0]), vec![x.clone()], dtype, vec![shape[1], shape[0]]);
                    Array::new(Op::MatMul, vec![x, turned], dtype, vec![shape[0], shape[0]])
                }
                _ => continue,
            }
        };
        if new.len() <= 50_000 {
            known.push(new);
        }
    }
    let nothing = || Array::new(Op::Full(crate::Scalar::Int(7)), vec![], dtype, vec![3]);
    Ok(known.pop().unwrap_or_else(nothing))
}

fn check(seed: u64, runner: &Runner) -> Result<()> {
    let mut numbers = Numbers(seed);
    let nodes = 2 + numbers.next(14);
    let array = random_graph(&mut numbers, nodes)?;
    let expected = alone(&array, &mut HashMap::new())?.to_vec::<i64>()?;
    assert_eq!(runner.compute(&array)?.to_vec::<i64>()?, expected, "seed {seed}: {array:?}");
    // Any region of it, asked for by itself.
    let prepared = runner.prepare(&array)?;
    let whole = Tensor::from_vec(expected, array.shape())?;
    for _ in 0..3 {
        let mut region = Region::whole(array.shape());
        for (start, len) in region.start.iter_mut().zip(&mut region.shape) {
            *start = numbers.next(*len);
            *len = numbers.next(*len - *start + 1);
        }
        let part = whole.slice(&region.slices()).to_vec::<i64>()?;
        assert_eq!(prepared.region(&region)?.to_vec::<i64>()?, part, "seed {seed}: {region:?} of {array:?}");
    }
    Ok(())
}

#[test]
fn random_graphs_by_region() -> Result<()> {
    let runner = Runner::new().with_threads(2);
    (0..1500).try_for_each(|seed| check(seed, &runner))
}

#[test]
fn random_graphs_on_disk() -> Result<()> {
    // No memory at all: every stage but a result in memory lies in a file.
    for seed in 0..200 {
        let mut numbers = Numbers(seed);
        let array = random_graph(&mut numbers, 12)?;
        let expected = alone(&array, &mut HashMap::new())?.to_vec::<i64>()?;
        let runner = Runner::new().with_threads(2).with_memory_limit(64);
        let kept = runner.persist(&array)?;
        assert_eq!(Runner::new().compute(&kept)?.to_vec::<i64>()?, expected, "seed {seed}");
    }
    Ok(())
}

struct Gathered(std::sync::Mutex<Vec<(Region, Vec<i64>)>>);

impl Sink for Gathered {
    fn chunks(&self) -> Option<Vec<usize>> {
        Some(vec![16, 8])
    }

    fn write(&self, region: &Region, values: &Tensor) -> Result<()> {
        self.0.lock().expect("nobody panics").push((region.clone(), values.to_vec()?));
        Ok(())
    }
}

#[test]
fn sinks_get_whole_chunks() -> Result<()> {
    let index = |axis| Array::new(Op::Index(axis), vec![], DType::I64, vec![300, 500]);
    let sum = Array::new(Op::Binary(BinaryOp::Add), vec![index(0), index(1)], DType::I64, vec![300, 500]);
    let sink = Gathered(Default::default());
    Runner::new().with_memory_limit(1 << 20).write(&sum, &sink)?;
    let mut elements = 0;
    for (region, values) in sink.0.into_inner().expect("nobody panics") {
        let is_cut = |axis: usize, unit: usize, len: usize| {
            let end = region.start[axis] + region.shape[axis];
            region.start[axis].is_multiple_of(unit) && (end.is_multiple_of(unit) || end == len)
        };
        assert!(is_cut(0, 16, 300) && is_cut(1, 8, 500), "{region:?}");
        assert_eq!(values[0], (region.start[0] + region.start[1]) as i64);
        elements += values.len();
    }
    assert_eq!(elements, 150_000);
    Ok(())
}

#[test]
fn a_result_beyond_the_limit_is_refused_and_an_intermediate_is_spilled() -> Result<()> {
    let index = Array::new(Op::Index(0), vec![], DType::I64, vec![1000, 1000]);
    let runner = Runner::new().with_memory_limit(1 << 20);
    let error = runner.compute(&index).expect_err("8 MB do not fit 1 MiB");
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    assert!(error.to_string().contains("8000000 bytes"), "{error}");
    let product = Array::new(Op::MatMul, vec![index.clone(), index], DType::I64, vec![1000, 1000]);
    let total = Array::new(Op::Reduce(ReduceOp::Sum, vec![0, 1]), vec![product], DType::I64, vec![1, 1]);
    // Σᵢⱼ Σₖ i·k: every row i of the product is i times the sum of k, in each of 1000 columns.
    let sum = 1000 * 999 / 2;
    assert_eq!(runner.compute(&total)?.item().map(|s| s.as_int()), Some(sum * sum * 1000));
    Ok(())
}

#[test]
fn a_product_of_what_lies_on_disk_counts_its_blocks() -> Result<()> {
    let index = |axis| Array::new(Op::Index(axis), vec![], DType::I64, vec![640, 640]);
    let budget = Budget::new(index(0).bytes() as u64);
    let runner = Runner::new().with_memory(Arc::new(Arc::clone(&budget)));
    // Each operand is as large as the whole budget, which leaves nothing to work with: it goes to disk.
    let [a, b] = [runner.persist(&index(0))?, runner.persist(&index(1))?];
    assert!([&a, &b].iter().all(|kept| matches!(kept.op(), Op::Source(_))));
    assert_eq!(budget.peak(), 0);
    let product = runner.persist(&Array::new(Op::MatMul, vec![a, b], DType::I64, vec![640, 640]))?;
    let found = Runner::new().compute(&product)?.to_vec::<i64>()?;
    assert!((0..640 * 640).all(|i| found[i] == (i / 640 * (i % 640) * 640) as i64));
    assert!((1..=budget.limit() / 4).contains(&budget.peak()), "{}", budget.peak());
    Ok(())
}

#[test]
fn a_raised_flag_stops_the_work() {
    let runner = Runner::new().with_cancel(Arc::new(AtomicBool::new(true)));
    let index = Array::new(Op::Index(0), vec![], DType::I64, vec![1000, 1000]);
    assert_eq!(runner.compute(&index).expect_err("it was stopped").kind(), ErrorKind::Cancelled);
}

#[test]
fn deep_graphs_are_evaluated() -> Result<()> {
    let mut array = Array::from_tensor(Tensor::from_vec(vec![0i64; 10], &[10])?);
    for _ in 0..20_000 {
        let one = Array::new(Op::Full(crate::Scalar::Int(1)), vec![], DType::I64, vec![10]);
        array = Array::new(Op::Binary(BinaryOp::Add), vec![array, one], DType::I64, vec![10]);
    }
    assert_eq!(Runner::new().compute(&array)?.to_vec::<i64>()?, [20_000; 10]);
    Ok(())
}

#[test]
fn plans_do_not_grow_with_chunks() {
    let chain = |chunks: usize| {
        let x = Array::new(Op::Index(0), vec![], DType::I64, vec![1_000_000, 1000])
            .with_chunks(vec![chunks, 1000]);
        let y = Array::new(Op::Unary(UnaryOp::Square), vec![x.clone()], DType::I64, x.shape().to_vec());
        Array::new(Op::Reduce(ReduceOp::Sum, vec![0]), vec![y], DType::I64, vec![1, 1000])
    };
    let one = Runner::new().plan(&[chain(1_000_000)]).stages.len();
    assert_eq!(Runner::new().plan(&[chain(1)]).stages.len(), one);
}

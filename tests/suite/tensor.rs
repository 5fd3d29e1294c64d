//! Tensors on the simulated device against the CPU's kernels: every operator and type, every layout.

use half::{bf16, f16};
use num_complex::Complex;
use swath::operators::tensor::{
    DeviceTensor, Multiplier, Sorted, finish_reduce, run_copy, run_elementwise, run_gather, run_product,
    run_reduce, run_reduce_partial, run_scan, run_sort,
};
use swath::worker::Task;
use swath_array::dtype::Element;
use swath_array::graph::Region;
use swath_array::kernel::{elementwise, matmul, reduce};
use swath_array::program::{BinaryOp, Distribution, Instruction, Program, Random, ReduceOp, Step, UnaryOp};
use swath_array::tensor::{Slice, TensorMut};
use swath_array::{DType, Scalar, Tensor, dispatch};

use crate::task::on_device;

fn instruction(step: Step, dtype: DType) -> Instruction {
    Instruction { step, dtype }
}

/// The CPU's answer.
fn on_host(program: &Program, region: &Region, inputs: &[Tensor]) -> Tensor {
    let dtype = program.instructions.last().expect("there is a result").dtype;
    let mut target = TensorMut::uninit(dtype, &region.shape).expect("there is memory");
    elementwise::run(program, inputs, region, &target.target()).expect("the CPU takes it");
    target.freeze()
}

/// How far an element may be from the CPU's.
#[derive(Clone, Copy, Debug)]
pub enum Bound {
    Exact,
    /// Units in the last place of the type; of complex numbers, of the larger part.
    Ulps(f64),
    /// Absolute.
    Distance(f64),
    /// The CPU's answer is not the standard's: there is a test of its own.
    Other,
}

/// Whether two elements are the same within a bound; all NaN are one.
pub fn same(expected: Scalar, actual: Scalar, dtype: DType, bound: Bound) -> bool {
    let float = |a: f64, b: f64, scale: f64| {
        if a.is_nan() || b.is_nan() {
            return a.is_nan() && b.is_nan();
        }
        let equal = a == b && a.is_sign_negative() == b.is_sign_negative();
        match bound {
            Bound::Exact => equal,
            Bound::Ulps(ulps) => equal || (a - b).abs() <= ulps * ulp(scale, dtype),
            Bound::Distance(distance) => equal || (a - b).abs() <= distance,
            Bound::Other => true,
        }
    };
    match (expected, actual) {
        (Scalar::Float(a), Scalar::Float(b)) => float(a, b, a.abs()),
        (Scalar::Complex(a), Scalar::Complex(b)) => {
            let scale = a.re.abs().max(a.im.abs());
            float(a.re, b.re, scale) && float(a.im, b.im, scale)
        }
        (a, b) => a == b,
    }
}

/// The distance of neighbours at `x`.
fn ulp(x: f64, dtype: DType) -> f64 {
    let (digits, least) = match dtype.real() {
        DType::F16 => (10, -24),
        DType::BF16 => (7, -133),
        DType::F32 => (23, -149),
        _ => (52, -1074),
    };
    if !x.is_finite() {
        return 0.0;
    }
    let exponent = if x == 0.0 { least } else { (x.log2().floor() as i32 - digits).max(least) };
    f64::from(exponent).exp2()
}

pub fn scalars(tensor: &Tensor) -> Vec<Scalar> {
    dispatch!(tensor.dtype(), T => {
        tensor.to_vec::<T>().expect("it is of this type").into_iter().map(Element::to_scalar).collect()
    })
}

pub fn assert_same(
    expected: &Tensor,
    actual: &Tensor,
    bound: impl Fn(usize) -> Bound,
    what: impl Fn(usize) -> String,
) {
    let wrong = differences(expected, actual, bound, what);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What differs, in words; the first few.
pub fn differences(
    expected: &Tensor,
    actual: &Tensor,
    bound: impl Fn(usize) -> Bound,
    what: impl Fn(usize) -> String,
) -> Vec<String> {
    assert_eq!((expected.dtype(), expected.shape()), (actual.dtype(), actual.shape()));
    let pairs = scalars(expected).into_iter().zip(scalars(actual)).enumerate();
    pairs
        .filter(|&(i, (e, a))| !same(e, a, expected.dtype(), bound(i)))
        .map(|(i, (e, a))| format!("{}: {a:?} where the CPU has {e:?}", what(i)))
        .take(SHOWN_MAX)
        .collect()
}

/// Differences of one program that are shown.
const SHOWN_MAX: usize = 12;

/// Values that show mistakes.
pub fn specials(dtype: DType) -> Vec<Scalar> {
    let floats = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        -0.5,
        2.5,
        -2.5,
        3.0,
        0.1,
        -0.75,
        7.25,
        -10.0,
        100.3,
        1e-3,
        6e4,
        -6e4,
        1e-7,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
    ];
    match dtype {
        DType::Bool => vec![Scalar::Bool(false), Scalar::Bool(true)],
        DType::F32 => {
            let more = [f32::MAX, f32::MIN_POSITIVE, f32::from_bits(1), 16_777_215.0, 88.5, -90.0, 1e30];
            floats.into_iter().chain(more.map(f64::from)).map(Scalar::Float).collect()
        }
        DType::F64 => {
            let more = [f64::MAX, f64::MIN_POSITIVE, f64::from_bits(1), 9e15 + 0.5, 709.5, -746.0, 1e300];
            floats.into_iter().chain(more).map(Scalar::Float).collect()
        }
        DType::F16 | DType::BF16 => {
            let more = [65_504.0, 6.2e-5, 5.96e-8, 1.001, 11.0, -17.3];
            floats.into_iter().chain(more).map(|x| Scalar::Float(x).cast(dtype)).collect()
        }
        DType::C64 | DType::C128 => {
            let parts = [0.0, 1.0, -1.0, 0.5, -2.5, 3.25];
            let values =
                parts.into_iter().flat_map(|re| parts.map(|im| Scalar::Complex(Complex::new(re, im))));
            values.collect()
        }
        _ => {
            let (least, most) = swath_array::dtype::integer_range(dtype);
            let some = [0, 1, 2, 3, 5, 7, 8, 13, 31, 32, 63, 64, 100, -1, -2, -3, -7, -8, -100];
            let values = some.into_iter().chain([least, least + 1, most, most - 1]);
            values.filter(|x| (least..=most).contains(x)).map(Scalar::Int).collect()
        }
    }
}

pub fn tensor(values: &[Scalar], dtype: DType, shape: &[usize]) -> Tensor {
    dispatch!(dtype, T => Tensor::from_vec(values.iter().map(|&x| T::from_scalar(x)).collect(), shape))
        .expect("the shape is the values'")
}

/// Small numbers by a generator.
pub fn numbers(dtype: DType, shape: &[usize], seed: u64) -> Tensor {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as i64 % 200 - 100
    };
    let count = shape.iter().product();
    let values: Vec<Scalar> = (0..count)
        .map(|_| match dtype {
            DType::C64 | DType::C128 => {
                Scalar::Complex(Complex::new(next() as f64 / 8.0, next() as f64 / 8.0))
            }
            _ if dtype.is_float() => Scalar::Float(next() as f64 / 8.0),
            DType::Bool => Scalar::Bool(next() > 0),
            _ => Scalar::Int(i128::from(next()).rem_euclid(if dtype.is_unsigned() { 256 } else { 128 })),
        })
        .collect();
    tensor(&values, dtype, shape)
}

/// One program for several operators: row `k` of the result is that of operator `k`.
fn rows_of(
    inputs: Vec<DType>,
    result: DType,
    count: usize,
    operator: impl Fn(usize) -> Vec<Step>,
) -> Program {
    let mut instructions: Vec<Instruction> = Vec::new();
    for (i, &dtype) in inputs.iter().enumerate() {
        instructions.push(instruction(Step::Input(i), dtype));
    }
    instructions.push(instruction(Step::Index(0), DType::I64));
    let row = instructions.len() - 1;
    let mut so_far = None;
    for k in 0..count {
        for step in operator(k) {
            instructions.push(instruction(step, result));
        }
        let value = instructions.len() - 1;
        let Some(before) = so_far else {
            so_far = Some(value);
            continue;
        };
        instructions.push(instruction(Step::Constant(Scalar::Int(k as i128)), DType::I64));
        instructions.push(instruction(Step::Binary(BinaryOp::Equal, row, value + 1), DType::Bool));
        instructions.push(instruction(Step::Where(value + 2, value, before), result));
        so_far = Some(value + 3);
    }
    Program { inputs, instructions }
}

/// Whether the CPU defines the program.
fn host_takes(program: &Program) -> bool {
    let one: Vec<Tensor> = program.inputs.iter().map(|&dtype| numbers(dtype, &[1, 1], 1)).collect();
    let dtype = program.instructions.last().expect("there is a result").dtype;
    let mut target = TensorMut::uninit(dtype, &[1, 1]).expect("there is memory");
    elementwise::run(program, &one, &Region::whole(&[1, 1]), &target.target()).is_ok()
}

/// What is compared: a program, its inputs, and the names and bounds of its rows.
struct Case {
    program: Program,
    inputs: Vec<Tensor>,
    rows: Vec<(String, Bound)>,
}

/// Runs every case on the device, eagerly and lazily, and compares.
fn compare(cases: Vec<Case>) {
    let regions: Vec<Region> = cases.iter().map(|case| Region::whole(case.inputs[0].shape())).collect();
    let work: Vec<(Program, Region, Vec<Tensor>)> = cases
        .iter()
        .zip(&regions)
        .map(|(case, region)| (case.program.clone(), region.clone(), case.inputs.clone()))
        .collect();
    let count = work.len();
    let (results, launched) = on_device(move |task| {
        let mut results = Vec::new();
        for (program, region, inputs) in &work {
            let inputs: Vec<DeviceTensor> =
                inputs.iter().map(|input| DeviceTensor::upload(task, input)).collect::<Result<_, _>>()?;
            let result = run_elementwise(task, program, region, &inputs)?;
            results.push(result.download(task)?);
        }
        Ok((results, task.stats().kernels_launched))
    })
    .unwrap_or_else(|error| panic!("{error:?}"));
    assert!(launched as usize >= count, "{launched} kernels for {count} programs");
    let mut wrong = Vec::new();
    for ((case, region), actual) in cases.iter().zip(&regions).zip(&results) {
        let expected = on_host(&case.program, region, &case.inputs);
        let width: usize = region.shape[1..].iter().product();
        let first: Vec<Scalar> = scalars(&case.inputs[0]);
        let what = |i: usize| {
            let element = i % width;
            let operands: Vec<Scalar> = case.inputs.iter().map(|input| scalars(input)[element]).collect();
            format!("{} {:?} of {operands:?}", case.rows[i / width].0, case.program.inputs)
        };
        let bound = |i: usize| match first[i % width] {
            operand if differs(&case.rows[i / width].0, operand) => Bound::Other,
            _ => case.rows[i / width].1,
        };
        wrong.extend(differences(&expected, actual, bound, what));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Where the CPU's functions are not the standard's: overflow of inverse hyperbolic functions, and the sign of zero on
/// branch cuts.
fn differs(op: &str, operand: Scalar) -> bool {
    match operand {
        Scalar::Float(x) => matches!(op, "Acosh" | "Asinh") && x.abs() > 1e15,
        Scalar::Complex(z) => {
            let is_inverse = matches!(op, "Acos" | "Acosh" | "Asin" | "Asinh" | "Atan" | "Atanh");
            is_inverse && (z.re == 0.0 || z.im == 0.0)
        }
        _ => false,
    }
}

/// What rounds once is exact; functions are within 4 units, in half precision within 1.
fn unary_bound(op: UnaryOp, dtype: DType) -> Bound {
    use UnaryOp::*;
    match op {
        Acos | Acosh | Asin | Asinh | Atan | Atanh if dtype.is_complex() => Bound::Ulps(64.0),
        Acos | Acosh | Asin | Asinh | Atan | Atanh | Cos | Cosh | Exp | Expm1 | Log | Log1p | Log2
        | Log10 | Sin | Sinh | Tan | Tanh | Cbrt | Exp2 => bound_of(dtype),
        Abs | Angle | Sqrt | Sign | Reciprocal if dtype.is_complex() => bound_of(dtype),
        _ => Bound::Exact,
    }
}

fn bound_of(dtype: DType) -> Bound {
    match dtype {
        DType::F16 | DType::BF16 => Bound::Ulps(1.0),
        DType::C64 | DType::C128 => Bound::Ulps(8.0),
        _ => Bound::Ulps(4.0),
    }
}

fn binary_bound(op: BinaryOp, dtype: DType) -> Bound {
    use BinaryOp::*;
    match op {
        // By logarithm and exponential, which magnify what each is off by.
        Pow if dtype.is_complex() => Bound::Ulps(64.0),
        Pow | Atan2 | Hypot | LogAddExp => bound_of(dtype),
        // Another order of the same products and sums.
        Divide if dtype.is_complex() => bound_of(dtype),
        _ => Bound::Exact,
    }
}

/// Groups operators by the type of their result, leaving out what the CPU does not define.
fn groups<Op: Copy>(
    ops: &[Op],
    result: impl Fn(Op) -> DType,
    takes: impl Fn(Op) -> bool,
) -> Vec<(DType, Vec<Op>)> {
    let mut groups: Vec<(DType, Vec<Op>)> = Vec::new();
    for &op in ops.iter().filter(|&&op| takes(op)) {
        match groups.iter_mut().find(|(dtype, _)| *dtype == result(op)) {
            Some((_, group)) => group.push(op),
            None => groups.push((result(op), vec![op])),
        }
    }
    groups
}

/// All functions of one value, over values that show mistakes, in every type.
fn unary_cases(dtypes: &[DType]) -> Vec<Case> {
    let mut cases = Vec::new();
    for &dtype in dtypes {
        let values = specials(dtype);
        let single = |op: UnaryOp| Program {
            inputs: vec![dtype],
            instructions: vec![
                instruction(Step::Input(0), dtype),
                instruction(Step::Unary(op, 0), op.result(dtype)),
            ],
        };
        for (result, ops) in groups(UnaryOp::ALL, |op| op.result(dtype), |op| host_takes(&single(op))) {
            let program = rows_of(vec![dtype], result, ops.len(), |k| vec![Step::Unary(ops[k], 0)]);
            let row = tensor(&values, dtype, &[1, values.len()]).broadcast(&[ops.len(), values.len()]);
            let rows = ops.iter().map(|&op| (format!("{op:?}"), unary_bound(op, dtype))).collect();
            cases.push(Case { program, inputs: vec![row], rows });
        }
    }
    cases
}

#[test]
fn functions_of_one_value_are_the_cpus() {
    compare(unary_cases(&DType::ALL));
}

fn binary_cases(dtypes: &[DType]) -> Vec<Case> {
    let mut cases = Vec::new();
    for &dtype in dtypes {
        let values = specials(dtype);
        let single = |op: BinaryOp| Program {
            inputs: vec![dtype, dtype],
            instructions: vec![
                instruction(Step::Input(0), dtype),
                instruction(Step::Input(1), dtype),
                instruction(Step::Binary(op, 0, 1), op.result(dtype)),
            ],
        };
        for (result, ops) in groups(BinaryOp::ALL, |op| op.result(dtype), |op| host_takes(&single(op))) {
            let program = rows_of(vec![dtype; 2], result, ops.len(), |k| vec![Step::Binary(ops[k], 0, 1)]);
            let n = values.len();
            let shape = [ops.len(), n, n];
            let inputs = vec![
                tensor(&values, dtype, &[1, n, 1]).broadcast(&shape),
                tensor(&values, dtype, &[1, 1, n]).broadcast(&shape),
            ];
            let rows = ops.iter().map(|&op| (format!("{op:?}"), binary_bound(op, dtype))).collect();
            cases.push(Case { program, inputs, rows });
        }
    }
    cases
}

#[test]
fn functions_of_two_values_are_the_cpus() {
    compare(binary_cases(&DType::ALL));
}

/// One program for each type: its rows are conversions from all.
#[test]
fn every_type_converts_to_every_type() {
    let count = DType::ALL.len();
    let width = DType::ALL.into_iter().map(|dtype| specials(dtype).len()).max().expect("there are types");
    let inputs: Vec<Tensor> = DType::ALL
        .into_iter()
        .map(|dtype| {
            let values: Vec<Scalar> = specials(dtype).into_iter().cycle().take(width).collect();
            tensor(&values, dtype, &[1, width]).broadcast(&[count, width])
        })
        .collect();
    let case = |to: DType| Case {
        program: rows_of(DType::ALL.to_vec(), to, count, |k| vec![Step::Cast(k)]),
        inputs: inputs.clone(),
        rows: DType::ALL.map(|from| (format!("{from} to {to}"), Bound::Exact)).to_vec(),
    };
    compare(DType::ALL.into_iter().map(case).collect());
}

#[test]
fn random_numbers_are_the_cpus() {
    use Distribution::*;
    let mut cases = Vec::new();
    for (distribution, dtype, bound) in [
        (Bits, DType::U64, Bound::Exact),
        (Uniform, DType::F32, Bound::Exact),
        (Uniform, DType::F64, Bound::Exact),
        (Normal, DType::F32, Bound::Ulps(4.0)),
        (Normal, DType::F64, Bound::Ulps(4.0)),
        (Exponential, DType::F32, Bound::Ulps(4.0)),
        (Exponential, DType::F64, Bound::Ulps(4.0)),
    ] {
        let random = Random { distribution, seed: 0x1234_5678_9abc_def0, stream: 0xfedc_ba98_7654_3210 };
        let program = Program {
            inputs: vec![DType::U64],
            instructions: vec![
                instruction(Step::Input(0), DType::U64),
                instruction(Step::Random(random, 0), dtype),
            ],
        };
        let elements: Vec<u64> = (0..1001).chain((1 << 40)..(1 << 40) + 30).collect();
        let inputs = vec![Tensor::from_vec(elements.clone(), &[1, elements.len()]).unwrap()];
        cases.push(Case { program, inputs, rows: vec![(format!("{random:?}"), bound)] });
    }
    compare(cases);
}

/// `x · 3 + y`, with the index of each axis added, over every pair of layouts.
#[test]
fn every_layout_is_walked() {
    for dtype in [DType::F32, DType::F16, DType::C128, DType::U8] {
        let mut cases = Vec::new();
        // Every text is compiled anew: two types have all shapes.
        let shapes = [[3, 5, 4], [3, 0, 4], [2, 64, 32], [1, 7, 1], [1, 1, 1], [5, 1, 1030]];
        let count = if matches!(dtype, DType::F32 | DType::U8) { shapes.len() } else { 2 };
        for shape in shapes.into_iter().take(count) {
            let program = Program {
                inputs: vec![dtype; 2],
                instructions: vec![
                    instruction(Step::Input(0), dtype),
                    instruction(Step::Constant(Scalar::Int(3)), dtype),
                    instruction(Step::Binary(BinaryOp::Multiply, 0, 1), dtype),
                    instruction(Step::Input(1), dtype),
                    instruction(Step::Binary(BinaryOp::Add, 2, 3), dtype),
                ],
            };
            let with_index = |axis: usize| {
                let mut program = program.clone();
                program.instructions.extend([
                    instruction(Step::Index(axis), DType::I64),
                    instruction(Step::Cast(5), dtype),
                    instruction(Step::Binary(BinaryOp::Add, 4, 6), dtype),
                ]);
                program
            };
            let layouts = layouts(dtype, &shape);
            for (i, x) in layouts.iter().enumerate() {
                // A third of the pairs has every layout on each side.
                for (j, y) in layouts.iter().enumerate().filter(|(j, _)| (i + 2 * j) % 3 == 0) {
                    let program = match (i + j) % 4 {
                        3 => program.clone(),
                        axis => with_index(axis),
                    };
                    let rows = vec![(format!("layouts {i} and {j} of {shape:?}"), Bound::Exact); shape[0]];
                    cases.push(Case { program, inputs: vec![x.clone(), y.clone()], rows });
                }
            }
        }
        // What is empty launches nothing.
        let (empty, full): (Vec<Case>, Vec<Case>) =
            cases.into_iter().partition(|case| case.inputs[0].is_empty());
        compare(full);
        let empty = empty.into_iter().next().expect("one shape is empty");
        let shape = on_device(move |task| {
            let inputs: Vec<DeviceTensor> = empty
                .inputs
                .iter()
                .map(|input| DeviceTensor::upload(task, input))
                .collect::<Result<_, _>>()?;
            let region = Region::whole(empty.inputs[0].shape());
            let result = run_elementwise(task, &empty.program, &region, &inputs)?.download(task)?;
            Ok(result.shape().to_vec())
        });
        assert_eq!(shape.unwrap(), [3, 0, 4]);
    }
}

/// A shape's values as they lie, turned, reversed, broadcast along an axis or all, sliced.
pub fn layouts(dtype: DType, shape: &[usize; 3]) -> Vec<Tensor> {
    let [n, m, k] = *shape;
    let whole = numbers(dtype, shape, 3);
    let mut all = vec![
        whole.clone(),
        numbers(dtype, &[k, m, n], 4).permute(&[2, 1, 0]),
        numbers(dtype, &[n, k, m], 5).permute(&[0, 2, 1]),
        numbers(dtype, &[1, 1, k], 6).broadcast(shape),
        numbers(dtype, &[n, 1, 1], 7).broadcast(shape),
        numbers(dtype, &[1, 1, 1], 8).broadcast(shape),
        numbers(dtype, &[n, 1, k], 9).broadcast(shape),
    ];
    if !whole.is_empty() {
        let back = |len: usize| Slice { start: len - 1, count: len, step: -1 };
        all.push(whole.slice(&[back(n), Slice::range(0, m), back(k)]));
        let larger = numbers(dtype, &[n + 1, m + 2, 2 * k + 1], 10);
        all.push(larger.slice(&[
            Slice::range(1, n),
            Slice::range(1, m),
            Slice { start: 1, count: k, step: 2 },
        ]));
    }
    all
}

#[test]
fn views_of_uploaded_tensors_are_computed_with() {
    // Views that are made on the device keep its buffer, so that addresses are no multiples of a vector's width.
    let whole = numbers(DType::F32, &[9, 37], 11);
    let slices = [Slice::range(1, 7), Slice { start: 35, count: 33, step: -1 }];
    let expected = whole.slice(&slices).permute(&[1, 0]);
    let program =
        Program { inputs: vec![DType::F32], instructions: vec![instruction(Step::Input(0), DType::F32)] };
    let results = on_device(move |task| {
        let uploaded = DeviceTensor::upload(task, &whole)?;
        let view = uploaded.slice(&slices).permute(&[1, 0]);
        let row = uploaded.slice(&[Slice::range(4, 1), Slice::range(3, 30)]);
        let region = Region::whole(&[30, 1]);
        let turned = row.permute(&[1, 0]);
        Ok([
            run_elementwise(task, &program, &Region::whole(&view.shape), std::slice::from_ref(&view))?
                .download(task)?,
            view.download(task)?,
            run_elementwise(task, &program, &region, &[turned])?.download(task)?,
            uploaded.slice(&[Slice::range(4, 1), Slice::range(3, 30)]).permute(&[1, 0]).download(task)?,
        ])
    })
    .unwrap();
    for actual in &results[..2] {
        assert_same(&expected, actual, |_| Bound::Exact, |i| format!("element {i}"));
    }
    assert_same(&results[3], &results[2], |_| Bound::Exact, |i| format!("element {i}"));
}

/// Half-precision numbers are all there are: each converts, and back.
#[test]
fn every_half_converts() {
    let all: Vec<u16> = (0..=u16::MAX).collect();
    let mut cases = Vec::new();
    for (dtype, values) in [
        (DType::F16, Tensor::from_vec(all.iter().map(|&b| f16::from_bits(b)).collect(), &[1, 1 << 16])),
        (DType::BF16, Tensor::from_vec(all.iter().map(|&b| bf16::from_bits(b)).collect(), &[1, 1 << 16])),
    ] {
        for to in [DType::F32, DType::F64] {
            let program = Program {
                inputs: vec![dtype],
                instructions: vec![instruction(Step::Input(0), dtype), instruction(Step::Cast(0), to)],
            };
            let rows = vec![(format!("to {to}"), Bound::Exact)];
            cases.push(Case { program, inputs: vec![values.clone().unwrap()], rows });
            // And what lies between them rounds to one.
            let program = Program {
                inputs: vec![to],
                instructions: vec![instruction(Step::Input(0), to), instruction(Step::Cast(0), dtype)],
            };
            let between: Vec<Scalar> = scalars(values.as_ref().unwrap())
                .into_iter()
                .flat_map(|x| {
                    let x = x.as_float();
                    [x * 1.000_488_281_25, x * 1.0003, x * 1.003_906_25].map(Scalar::Float)
                })
                .collect();
            let between = tensor(&between, to, &[1, 3 << 16]);
            cases.push(Case {
                program,
                inputs: vec![between],
                rows: vec![(format!("{to} to"), Bound::Exact)],
            });
        }
    }
    compare(cases);
}

/// A program that reads one operand.
fn identity(dtype: DType) -> Program {
    Program { inputs: vec![dtype], instructions: vec![instruction(Step::Input(0), dtype)] }
}

/// Values of an inverse function on and beside its branch cuts, as NumPy has them.
#[test]
fn branch_cuts_are_the_standards() {
    let z = |re: f64, im: f64| Complex::new(re, im);
    let half_pi = std::f64::consts::FRAC_PI_2;
    let cases = [
        (UnaryOp::Acos, z(3.25, 0.0), z(0.0, -1.847_246_085_713_837)),
        (UnaryOp::Acos, z(3.25, -0.0), z(0.0, 1.847_246_085_713_837)),
        (UnaryOp::Asin, z(3.25, 0.0), z(half_pi, 1.847_246_085_713_837)),
        (UnaryOp::Asin, z(-3.25, -0.0), z(-half_pi, -1.847_246_085_713_837)),
        (UnaryOp::Asinh, z(0.0, 2.5), z(1.566_799_236_972_411, half_pi)),
        (UnaryOp::Asinh, z(-0.0, -2.5), z(-1.566_799_236_972_411, -half_pi)),
        (UnaryOp::Atan, z(0.0, -2.5), z(half_pi, -0.423_648_930_193_601_8)),
        (UnaryOp::Atanh, z(3.25, 0.0), z(0.317_994_383_359_998_4, half_pi)),
        (UnaryOp::Atanh, z(3.25, -0.0), z(0.317_994_383_359_998_4, -half_pi)),
        (UnaryOp::Acosh, z(-2.5, 0.0), z(1.566_799_236_972_411, std::f64::consts::PI)),
        (UnaryOp::Acosh, z(-2.5, -0.0), z(1.566_799_236_972_411, -std::f64::consts::PI)),
        (UnaryOp::Sqrt, z(-4.0, 0.0), z(0.0, 2.0)),
        (UnaryOp::Sqrt, z(-4.0, -0.0), z(0.0, -2.0)),
        (UnaryOp::Log, z(-1.0, -0.0), z(0.0, -std::f64::consts::PI)),
        (UnaryOp::Sqrt, z(f64::NEG_INFINITY, 1.0), z(0.0, f64::INFINITY)),
        (UnaryOp::Exp, z(f64::NEG_INFINITY, f64::NAN), z(0.0, 0.0)),
        (UnaryOp::Tanh, z(f64::INFINITY, 1.0), z(1.0, 0.0)),
    ];
    let results = on_device(move |task| {
        let mut results = Vec::new();
        for (op, operand, _) in &cases {
            let mut program = identity(DType::C128);
            program.instructions.push(instruction(Step::Unary(*op, 0), DType::C128));
            let input = Tensor::from_vec(vec![*operand], &[1]).expect("one value");
            let input = DeviceTensor::upload(task, &input)?;
            let result = run_elementwise(task, &program, &Region::whole(&[1]), &[input])?;
            results.push(result.download(task)?.get::<Complex<f64>>(&[0]));
        }
        Ok(results)
    })
    .unwrap();
    for ((op, operand, expected), actual) in cases.iter().zip(results) {
        let same = same(Scalar::Complex(*expected), Scalar::Complex(actual), DType::C128, Bound::Ulps(16.0));
        assert!(same, "{op:?} of {operand}: {actual}, not {expected}");
    }
}

const REDUCE: [ReduceOp; 9] = {
    use ReduceOp::*;
    [Sum, Product, Min, Max, All, Any, ArgMin, ArgMax, SquaredDeviations]
};

/// The CPU's reduction of an array of which `region` is the part that is there.
fn reduced_on_host(op: ReduceOp, axes: &[usize], block: &Tensor, region: &Region, whole: &[usize]) -> Tensor {
    let partial = reduce::Partial::of(op, block, axes, region, whole).expect("the CPU takes it");
    partial.finish().expect("there are values")
}

/// How far sums and deviations may be apart that are made in different orders.
fn reduce_bound(op: ReduceOp, block: &Tensor, expected: &Tensor) -> Bound {
    let dtype = block.dtype();
    if !dtype.is_inexact() || !matches!(op, ReduceOp::Sum | ReduceOp::Product | ReduceOp::SquaredDeviations) {
        return Bound::Exact;
    }
    let magnitude = |x: Scalar| {
        let z = x.as_complex();
        z.re.abs().max(z.im.abs())
    };
    let finite = |tensor: &Tensor| {
        scalars(tensor).into_iter().map(magnitude).filter(|x| x.is_finite()).fold(1.0, f64::max)
    };
    let each = (block.len() / expected.len().max(1)) as f64;
    let largest = match op {
        ReduceOp::Sum => finite(block) * each.sqrt().max(1.0),
        _ => finite(expected),
    };
    // What is computed in single precision is rounded to half once.
    let units = if matches!(dtype, DType::F16 | DType::BF16) { 1.0 } else { 4.0 + each.log2() };
    Bound::Distance(units * ulp(largest, dtype) + units * ulp(finite(expected), dtype))
}

struct Reduction {
    op: ReduceOp,
    axes: Vec<usize>,
    block: Tensor,
    region: Region,
    whole: Vec<usize>,
}

impl Reduction {
    fn new(op: ReduceOp, axes: &[usize], block: Tensor) -> Reduction {
        let region = Region::whole(block.shape());
        Reduction { op, axes: axes.to_vec(), whole: region.shape.clone(), block, region }
    }
}

fn compare_reductions(reductions: Vec<Reduction>) {
    type Work = (ReduceOp, Vec<usize>, Tensor, Region, Vec<usize>);
    let work: Vec<Work> = reductions
        .iter()
        .map(|r| (r.op, r.axes.clone(), r.block.clone(), r.region.clone(), r.whole.clone()))
        .collect();
    let count = work.len();
    let (results, launched) = on_device(move |task| {
        let mut results = Vec::new();
        for (op, axes, block, region, whole) in &work {
            let input = DeviceTensor::upload(task, block)?;
            let result = run_reduce(task, *op, axes, &identity(block.dtype()), region, whole, &[input])?;
            results.push(result.download(task)?);
        }
        Ok((results, task.stats().kernels_launched))
    })
    .unwrap_or_else(|error| panic!("{error:?}"));
    assert!(launched as usize >= 2 * count, "{launched} kernels for {count} reductions");
    let mut wrong = Vec::new();
    for (r, actual) in reductions.iter().zip(&results) {
        let expected = reduced_on_host(r.op, &r.axes, &r.block, &r.region, &r.whole);
        let bound = reduce_bound(r.op, &r.block, &expected);
        wrong.extend(differences(
            &expected,
            actual,
            |_| bound,
            |i| format!("{:?} of {} {:?} along {:?} at {i}", r.op, r.block.dtype(), r.block.shape(), r.axes),
        ));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_reduction_of_every_type_is_the_cpus() {
    let mut reductions = Vec::new();
    for dtype in DType::ALL {
        let values = specials(dtype);
        let with_specials = tensor(&values, dtype, &[1, values.len()]);
        for op in REDUCE {
            let block = numbers(dtype, &[6, 10, 8], 12);
            if reduce::Partial::of(op, &block, &[2], &Region::whole(&[6, 10, 8]), &[6, 10, 8]).is_err() {
                continue;
            }
            reductions.push(Reduction::new(op, &[2], block.clone()));
            reductions.push(Reduction::new(op, &[0, 1], block));
            if matches!(op, ReduceOp::ArgMin | ReduceOp::ArgMax) {
                reductions.push(Reduction::new(op, &[1], with_specials.clone()));
            }
        }
    }
    compare_reductions(reductions);
}

#[test]
fn reductions_along_any_axes_of_any_layout_are_the_cpus() {
    let mut reductions = Vec::new();
    let all_axes: [&[usize]; 7] = [&[0], &[1], &[2], &[0, 1], &[1, 2], &[0, 2], &[0, 1, 2]];
    for axes in all_axes {
        for layout in layouts(DType::F32, &[4, 33, 6]) {
            reductions.push(Reduction::new(ReduceOp::Sum, axes, layout));
        }
        for layout in layouts(DType::I64, &[3, 5, 40]) {
            // A part of a larger array: indices are those of the whole.
            let region = Region { start: vec![2, 1, 7], shape: vec![3, 5, 40] };
            let (op, axes) = (ReduceOp::ArgMax, axes.to_vec());
            reductions.push(Reduction { op, axes, block: layout, region, whole: vec![10, 9, 90] });
        }
    }
    // No axes: every element by itself.
    reductions.push(Reduction::new(ReduceOp::Sum, &[], numbers(DType::F32, &[3, 5], 1)));
    reductions.push(Reduction::new(ReduceOp::Max, &[], numbers(DType::F32, &[], 1)));
    compare_reductions(reductions);
}

#[test]
fn large_reductions_are_shared_among_blocks() {
    let mut reductions = Vec::new();
    for (shape, axes) in [
        (vec![300_001], vec![0]),
        (vec![2, 150_000], vec![1]),
        (vec![150_000, 3], vec![0]),
        (vec![3000, 100], vec![0]),
        (vec![40, 5, 2000], vec![0, 2]),
    ] {
        for op in [ReduceOp::Sum, ReduceOp::ArgMin, ReduceOp::SquaredDeviations] {
            reductions.push(Reduction::new(op, &axes, numbers(DType::F32, &shape, 5)));
        }
    }
    compare_reductions(reductions);
}

#[test]
fn blocks_of_a_reduction_are_merged() {
    // Four blocks of rows, one of them empty.
    let whole = numbers(DType::F64, &[50, 30], 6);
    let cuts = [0, 20, 20, 33, 50];
    for op in [ReduceOp::Sum, ReduceOp::ArgMax, ReduceOp::SquaredDeviations, ReduceOp::Min] {
        let expected = reduced_on_host(op, &[0], &whole, &Region::whole(&[50, 30]), &[50, 30]);
        let values = whole.clone();
        let actual = on_device(move |task| {
            let input = DeviceTensor::upload(task, &values)?;
            let mut partials = Vec::new();
            for ends in cuts.windows(2) {
                let region = Region { start: vec![ends[0], 0], shape: vec![ends[1] - ends[0], 30] };
                let block = input.slice(&region.slices());
                let program = identity(DType::F64);
                partials.push(run_reduce_partial(task, op, &[0], &program, &region, &[50, 30], &[block])?);
            }
            finish_reduce(task, &partials)?.download(task)
        })
        .unwrap();
        let bound = reduce_bound(op, &whole, &expected);
        assert_same(&expected, &actual, |_| bound, |i| format!("{op:?} at {i}"));
    }
}

#[test]
fn reductions_of_nothing_have_their_identity_or_fail() {
    let results = on_device(|task| {
        let empty = DeviceTensor::alloc(task, DType::F32, &[2, 0])?;
        let reduce_by = |task: &mut Task<'_>, op, axes: &[usize]| {
            let region = Region::whole(&[2, 0]);
            run_reduce(task, op, axes, &identity(DType::F32), &region, &[2, 0], std::slice::from_ref(&empty))
        };
        let sum = reduce_by(task, ReduceOp::Sum, &[1])?.download(task)?;
        let product = reduce_by(task, ReduceOp::Product, &[0, 1])?.download(task)?;
        let kept = reduce_by(task, ReduceOp::Max, &[0])?.download(task)?;
        let error = reduce_by(task, ReduceOp::Max, &[1]).expect_err("there is no greatest of nothing");
        Ok((sum, product, kept, error.is_user(), error.to_string()))
    });
    let (sum, product, kept, is_user, error) = results.unwrap();
    assert_eq!((sum.shape(), sum.to_vec::<f32>().unwrap()), (&[2, 1][..], vec![0.0, 0.0]));
    assert_eq!((product.shape(), product.to_vec::<f32>().unwrap()), (&[1, 1][..], vec![1.0]));
    assert_eq!(kept.shape(), [1, 0]);
    assert!(is_user && error.contains("zero-size array to reduction operation maximum"), "{error}");
}

/// The sum of negative zeros is one; a program in front of the reduction is part of its kernel.
#[test]
fn programs_are_fused_with_their_reduction() {
    let x = numbers(DType::F32, &[70, 50], 7);
    let y = numbers(DType::F32, &[1, 50], 8).broadcast(&[70, 50]);
    let program = Program {
        inputs: vec![DType::F32; 2],
        instructions: vec![
            instruction(Step::Input(0), DType::F32),
            instruction(Step::Input(1), DType::F32),
            instruction(Step::Binary(BinaryOp::Subtract, 0, 1), DType::F32),
            instruction(Step::Unary(UnaryOp::Square, 2), DType::F32),
            instruction(Step::Index(1), DType::I64),
            instruction(Step::Cast(4), DType::F32),
            instruction(Step::Binary(BinaryOp::Add, 3, 5), DType::F32),
        ],
    };
    let region = Region::whole(&[70, 50]);
    let block = on_host(&program, &region, &[x.clone(), y.clone()]);
    for axes in [vec![0], vec![1], vec![0, 1]] {
        let expected = reduced_on_host(ReduceOp::Sum, &axes, &block, &region, &[70, 50]);
        let (inputs, program, region) = ([x.clone(), y.clone()], program.clone(), region.clone());
        let (actual, launched) = on_device(move |task| {
            let inputs = [DeviceTensor::upload(task, &inputs[0])?, DeviceTensor::upload(task, &inputs[1])?];
            let sum = run_reduce(task, ReduceOp::Sum, &axes, &program, &region, &[70, 50], &inputs)?;
            Ok((sum.download(task)?, task.stats().kernels_launched))
        })
        .unwrap();
        assert_eq!(launched, 2);
        let bound = reduce_bound(ReduceOp::Sum, &block, &expected);
        assert_same(&expected, &actual, |_| bound, |i| format!("element {i}"));
    }
    let zeros = Tensor::from_vec(vec![-0.0f64; 1000], &[1000]).unwrap();
    let sum = on_device(move |task| {
        let input = DeviceTensor::upload(task, &zeros)?;
        let region = Region::whole(&[1000]);
        run_reduce(task, ReduceOp::Sum, &[0], &identity(DType::F64), &region, &[1000], &[input])?
            .download(task)
    });
    assert!(sum.unwrap().get::<f64>(&[0]).is_sign_negative());
}

#[test]
fn copies_turn_axes() {
    let mut tensors = Vec::new();
    for dtype in [DType::U8, DType::F16, DType::I32, DType::C64, DType::C128] {
        tensors.push(numbers(dtype, &[70, 45], 1).permute(&[1, 0]));
        tensors.push(numbers(dtype, &[3, 33, 40], 2).permute(&[2, 0, 1]));
        let back = [Slice { start: 39, count: 40, step: -1 }, Slice { start: 44, count: 20, step: -2 }];
        tensors.push(numbers(dtype, &[40, 45], 3).slice(&back).permute(&[1, 0]));
    }
    tensors.push(numbers(DType::F32, &[2, 9, 3, 10, 11], 4).permute(&[4, 2, 1, 0, 3]));
    let expected = tensors.clone();
    let (results, launched) = on_device(move |task| {
        let mut results = Vec::new();
        for tensor in &tensors {
            // Uploaded as it lies, and turned there.
            let mut order: Vec<usize> = (0..tensor.ndim()).collect();
            order.sort_by_key(|&axis| std::cmp::Reverse(tensor.strides()[axis].unsigned_abs()));
            let uploaded = DeviceTensor::upload(task, &tensor.permute(&order))?;
            let mut turned = vec![0; order.len()];
            order.iter().enumerate().for_each(|(place, &axis)| turned[axis] = place);
            let view = uploaded.permute(&turned);
            results.push(run_copy(task, &view)?.download(task)?);
        }
        Ok((results, task.stats().kernels_launched))
    })
    .unwrap();
    assert!(launched as usize >= expected.len());
    for (expected, actual) in expected.iter().zip(&results) {
        assert_same(expected, actual, |_| Bound::Exact, |i| format!("{expected:?} at {i}"));
    }
}

#[test]
fn matrices_are_multiplied() {
    let mut pairs = Vec::new();
    for dtype in DType::ALL {
        pairs.push((numbers(dtype, &[70, 37], 1), numbers(dtype, &[37, 66], 2)));
        pairs
            .push((numbers(dtype, &[5, 3], 3).permute(&[1, 0]), numbers(dtype, &[7, 5], 4).permute(&[1, 0])));
    }
    let back = [Slice { start: 8, count: 9, step: -1 }, Slice { start: 0, count: 4, step: 2 }];
    pairs.push((numbers(DType::F64, &[9, 8], 5).slice(&back), numbers(DType::F64, &[4, 1], 6)));
    pairs.push((numbers(DType::F32, &[3, 0], 7), numbers(DType::F32, &[0, 2], 8)));
    let infinite = Tensor::from_vec(vec![f32::INFINITY, 1.0, 2.0, f32::NAN], &[2, 2]).unwrap();
    pairs.push((infinite, numbers(DType::F32, &[2, 3], 9)));
    let work = pairs.clone();
    let results = on_device(move |task| {
        let mut results = Vec::new();
        for (a, b) in &work {
            let (a, b) = (DeviceTensor::upload(task, a)?, DeviceTensor::upload(task, b)?);
            results.push(run_product(task, &a, &b, Multiplier::Auto)?.tensor.download(task)?);
        }
        assert_eq!(task.stats().kernels_launched as usize, work.len());
        Ok(results)
    })
    .unwrap();
    for ((a, b), actual) in pairs.iter().zip(&results) {
        let expected = multiplied_on_host(a, b);
        assert_same(&expected, actual, |_| matmul_bound(a), |i| format!("{} product at {i}", a.dtype()));
    }
}

pub fn multiplied_on_host(a: &Tensor, b: &Tensor) -> Tensor {
    let mut target = TensorMut::uninit(a.dtype(), &[a.shape()[0], b.shape()[1]]).expect("there is memory");
    matmul::multiply(a, b, &target.target(), false, 1).expect("the CPU takes it");
    target.freeze()
}

/// Sums of products up to 313 each; in half precision also one rounding of the result.
pub fn matmul_bound(a: &Tensor) -> Bound {
    match a.dtype() {
        DType::F16 | DType::BF16 => Bound::Ulps(1.0),
        DType::F32 | DType::C64 => Bound::Distance(1e-2),
        DType::F64 | DType::C128 => Bound::Distance(1e-10),
        _ => Bound::Exact,
    }
}

#[test]
fn products_in_batches_and_of_large_tiles_are_the_cpus() {
    let a = numbers(DType::F32, &[2, 1, 20, 30], 1).broadcast(&[2, 3, 20, 30]);
    let b = numbers(DType::F32, &[1, 3, 30, 10], 2).broadcast(&[2, 3, 30, 10]);
    let (large_a, large_b) = (numbers(DType::F32, &[1500, 9], 3), numbers(DType::F32, &[9, 1400], 4));
    let work = [(a.clone(), b.clone()), (large_a.clone(), large_b.clone())];
    let results = on_device(move |task| {
        let mut results = Vec::new();
        for (a, b) in &work {
            let (a, b) = (DeviceTensor::upload(task, a)?, DeviceTensor::upload(task, b)?);
            results.push(run_product(task, &a, &b, Multiplier::Auto)?.tensor.download(task)?);
        }
        Ok(results)
    })
    .unwrap();
    for i in 0..2 {
        for j in 0..3 {
            let part = |tensor: &Tensor| {
                let [n, m] = [tensor.shape()[2], tensor.shape()[3]];
                let one = [Slice::range(i, 1), Slice::range(j, 1), Slice::range(0, n), Slice::range(0, m)];
                tensor.slice(&one).reshape(&[n, m]).unwrap()
            };
            let expected = multiplied_on_host(&part(&a), &part(&b));
            assert_same(&expected, &part(&results[0]), |_| matmul_bound(&a), |at| format!("{i} {j} at {at}"));
        }
    }
    let expected = multiplied_on_host(&large_a, &large_b);
    assert_same(&expected, &results[1], |_| matmul_bound(&large_a), |at| format!("at {at}"));
}

#[test]
fn scans_are_reductions_of_every_prefix() {
    let mut cases = Vec::new();
    for dtype in DType::ALL {
        for op in [ReduceOp::Sum, ReduceOp::Product, ReduceOp::Min, ReduceOp::Max] {
            let block = numbers(dtype, &[3, 20], 2);
            if reduce::Partial::of(op, &block, &[1], &Region::whole(&[3, 20]), &[3, 20]).is_ok()
                && !(op == ReduceOp::Product && dtype.is_inexact())
            {
                cases.push((op, block));
            }
        }
    }
    cases.push((ReduceOp::Sum, numbers(DType::I64, &[3, 5000], 3)));
    cases.push((ReduceOp::Max, numbers(DType::F32, &[4100, 2], 4).permute(&[1, 0])));
    cases.push((ReduceOp::Sum, numbers(DType::F64, &[600_000], 5)));
    cases.push((ReduceOp::Min, tensor(&specials(DType::F64), DType::F64, &[28])));
    let work = cases.clone();
    let results = on_device(move |task| {
        let mut results = Vec::new();
        for (op, block) in &work {
            let input = DeviceTensor::upload(task, block)?;
            results.push(run_scan(task, *op, &input, false)?.download(task)?);
        }
        assert!(task.stats().kernels_launched as usize >= work.len());
        Ok(results)
    })
    .unwrap();
    for ((op, block), actual) in cases.iter().zip(&results) {
        let expected = scanned_on_host(*op, block);
        let bound = match block.dtype() {
            DType::F16 | DType::BF16 => Bound::Ulps(1.0),
            DType::F32 | DType::C64 => Bound::Distance(1e-4),
            // Eighths add without rounding.
            _ => Bound::Exact,
        };
        assert_same(&expected, actual, |_| bound, |i| format!("{op:?} of {} at {i}", block.dtype()));
    }
}

/// Folds value by value; half precision in single.
fn scanned_on_host(op: ReduceOp, block: &Tensor) -> Tensor {
    let len = *block.shape().last().expect("there is an axis");
    let wide = match block.dtype() {
        DType::F16 | DType::BF16 => DType::F32,
        other => other,
    };
    let mut scanned = Vec::new();
    for row in scalars(block).chunks(len) {
        let mut folded: Option<Scalar> = None;
        for &x in row {
            let next = match (folded, x, op) {
                (None, x, _) => x,
                (Some(Scalar::Int(a)), Scalar::Int(b), ReduceOp::Sum) => Scalar::Int(a + b),
                (Some(Scalar::Int(a)), Scalar::Int(b), ReduceOp::Product) => Scalar::Int(a * b),
                (Some(Scalar::Int(a)), Scalar::Int(b), ReduceOp::Min) => Scalar::Int(a.min(b)),
                (Some(Scalar::Int(a)), Scalar::Int(b), _) => Scalar::Int(a.max(b)),
                (Some(Scalar::Bool(a)), Scalar::Bool(b), ReduceOp::Min) => Scalar::Bool(a & b),
                (Some(Scalar::Bool(a)), Scalar::Bool(b), _) => Scalar::Bool(a | b),
                (Some(Scalar::Float(a)), Scalar::Float(b), ReduceOp::Sum) => Scalar::Float(a + b),
                (Some(Scalar::Float(a)), Scalar::Float(b), ReduceOp::Min) => {
                    Scalar::Float(if a.is_nan() || a < b { a } else { b })
                }
                (Some(Scalar::Float(a)), Scalar::Float(b), _) => {
                    Scalar::Float(if a.is_nan() || a > b { a } else { b })
                }
                (Some(a), b, _) => Scalar::Complex(a.as_complex() + b.as_complex()),
            };
            let next = next.cast(wide);
            folded = Some(next);
            scanned.push(next.cast(block.dtype()));
        }
    }
    tensor(&scanned, block.dtype(), block.shape())
}

#[test]
fn elements_are_gathered() {
    let mut cases = Vec::new();
    for dtype in [DType::Bool, DType::F16, DType::F32, DType::I64, DType::C128] {
        let input = numbers(dtype, &[5, 6, 7], 1).permute(&[2, 0, 1]);
        // Along an axis, an index for each place; and whole slices, by indices that are broadcast.
        let each: Vec<i64> = (0..7 * 3 * 6).map(|i| (i * 5 % 10) - 5).collect();
        let each = Tensor::from_vec(each, &[7, 3, 6]).unwrap();
        let slices = Tensor::from_vec(vec![4i64, -6, 0, 0], &[1, 1, 4]).unwrap().broadcast(&[7, 5, 4]);
        cases.push((input.clone(), 1, each));
        cases.push((input, 2, slices));
    }
    let work = cases.clone();
    let results = on_device(move |task| {
        let mut results = Vec::new();
        for (input, axis, indices) in &work {
            let (input, indices) = (DeviceTensor::upload(task, input)?, DeviceTensor::upload(task, indices)?);
            results.push(run_gather(task, &input, *axis, &[indices], &[*axis])?.download(task)?);
        }
        assert!(task.stats().kernels_launched as usize >= work.len());
        Ok(results)
    })
    .unwrap();
    for ((input, axis, indices), actual) in cases.iter().zip(&results) {
        let values = scalars(input);
        let shape = indices.shape();
        let numbers = indices.to_vec::<i64>().unwrap();
        let expected: Vec<Scalar> = (0..indices.len())
            .map(|place| {
                let mut at = [place / (shape[1] * shape[2]), place / shape[2] % shape[1], place % shape[2]];
                at[*axis] = numbers[place].rem_euclid(input.shape()[*axis] as i64) as usize;
                values[(at[0] * input.shape()[1] + at[1]) * input.shape()[2] + at[2]]
            })
            .collect();
        let expected = tensor(&expected, input.dtype(), shape);
        assert_same(&expected, actual, |_| Bound::Exact, |i| format!("{} at {i}", input.dtype()));
    }
    let error = on_device(|task| {
        let input = DeviceTensor::upload(task, &numbers(DType::F32, &[10], 1))?;
        let indices = Tensor::from_vec(vec![3i64, 12, -11], &[3]).expect("three values");
        let indices = DeviceTensor::upload(task, &indices)?;
        run_gather(task, &input, 0, &[indices], &[0])
    })
    .expect_err("12 is out of range");
    assert!(error.is_user(), "{error:?}");
    assert!(error.to_string().contains("index 12 is out of bounds for axis 0 with size 10"), "{error}");
}

#[test]
fn rows_are_sorted() {
    let mut tensors = Vec::new();
    for dtype in DType::ALL {
        let values = specials(dtype);
        tensors.push(tensor(&values, dtype, &[values.len()]));
        tensors.push(numbers(dtype, &[33, 5], 1).permute(&[1, 0]));
    }
    tensors.push(numbers(DType::F32, &[2, 9000], 2));
    let work = tensors.clone();
    let results = on_device(move |task| {
        let mut results = Vec::new();
        for tensor in &work {
            let input = DeviceTensor::upload(task, tensor)?;
            for descending in [false, true] {
                let values = run_sort(task, &input, descending, Sorted::Values)?.download(task)?;
                let indices = run_sort(task, &input, descending, Sorted::Indices)?.download(task)?;
                results.push((descending, values, indices));
            }
        }
        assert!(task.stats().kernels_launched as usize >= 2 * work.len());
        Ok(results)
    })
    .unwrap();
    for (input, results) in tensors.iter().zip(results.chunks(2)) {
        let len = *input.shape().last().unwrap();
        for (descending, values, indices) in results {
            let indices = indices.to_vec::<i64>().unwrap();
            let rows = scalars(input);
            for ((row, values), indices) in
                rows.chunks(len).zip(scalars(values).chunks(len)).zip(indices.chunks(len))
            {
                let mut expected: Vec<usize> = (0..len).collect();
                expected.sort_by(|&a, &b| {
                    let order = compare_scalars(row[a], row[b]);
                    if *descending { order.reverse() } else { order }
                });
                let found: Vec<usize> = indices.iter().map(|&index| index as usize).collect();
                assert_eq!(found, expected, "{} {descending} {row:?}", input.dtype());
                for (value, &index) in values.iter().zip(&expected) {
                    assert!(same(row[index], *value, input.dtype(), Bound::Exact));
                }
            }
        }
    }
}

/// NaN is greatest, −0.0 equals 0.0.
fn compare_scalars(a: Scalar, b: Scalar) -> std::cmp::Ordering {
    let floats = |a: f64, b: f64| a.partial_cmp(&b).unwrap_or(a.is_nan().cmp(&b.is_nan()));
    match (a, b) {
        (Scalar::Int(a), Scalar::Int(b)) => a.cmp(&b),
        (Scalar::Float(a), Scalar::Float(b)) => floats(a, b),
        (a, b) => {
            let (a, b) = (a.as_complex(), b.as_complex());
            floats(a.re, b.re).then(floats(a.im, b.im))
        }
    }
}

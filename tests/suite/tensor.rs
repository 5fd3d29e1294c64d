//! Tensors on the simulated device against the CPU's kernels: every operator and type, every layout.

use half::{bf16, f16};
use num_complex::Complex;
use swath::operators::tensor::{DeviceTensor, run_elementwise};
use swath_array::dtype::Element;
use swath_array::graph::Region;
use swath_array::kernel::elementwise;
use swath_array::program::{BinaryOp, Distribution, Instruction, Program, Random, Step, UnaryOp};
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
enum Bound {
    Exact,
    /// Units in the last place of the type; of complex numbers, of the larger part.
    Ulps(f64),
}

/// Whether two elements are the same within a bound; all NaN are one.
fn same(expected: Scalar, actual: Scalar, dtype: DType, bound: Bound) -> bool {
    let float = |a: f64, b: f64, scale: f64| {
        if a.is_nan() || b.is_nan() {
            return a.is_nan() && b.is_nan();
        }
        let equal = a == b && a.is_sign_negative() == b.is_sign_negative();
        match bound {
            Bound::Exact => equal,
            Bound::Ulps(ulps) => equal || (a - b).abs() <= ulps * ulp(scale, dtype),
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
    2f64.powi(exponent)
}

fn scalars(tensor: &Tensor) -> Vec<Scalar> {
    dispatch!(tensor.dtype(), T => {
        tensor.to_vec::<T>().expect("it is of this type").into_iter().map(Element::to_scalar).collect()
    })
}

fn assert_same(
    expected: &Tensor,
    actual: &Tensor,
    bound: impl Fn(usize) -> Bound,
    what: impl Fn(usize) -> String,
) {
    let wrong = differences(expected, actual, bound, what);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What differs, in words; the first few.
fn differences(
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
fn specials(dtype: DType) -> Vec<Scalar> {
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

fn tensor(values: &[Scalar], dtype: DType, shape: &[usize]) -> Tensor {
    dispatch!(dtype, T => Tensor::from_vec(values.iter().map(|&x| T::from_scalar(x)).collect(), shape))
        .expect("the shape is the values'")
}

/// Small numbers by a generator.
fn numbers(dtype: DType, shape: &[usize], seed: u64) -> Tensor {
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
        let what = |i: usize| {
            let element = i % width;
            let operands: Vec<Scalar> = case.inputs.iter().map(|input| scalars(input)[element]).collect();
            format!("{} {:?} of {operands:?}", case.rows[i / width].0, case.program.inputs)
        };
        wrong.extend(differences(&expected, actual, |i| case.rows[i / width].1, what));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const UNARY: [UnaryOp; 40] = {
    use UnaryOp::*;
    [
        Abs,
        Acos,
        Acosh,
        Asin,
        Asinh,
        Atan,
        Atanh,
        BitwiseInvert,
        Ceil,
        Conj,
        Cos,
        Cosh,
        Exp,
        Expm1,
        Floor,
        Imag,
        IsFinite,
        IsInf,
        IsNan,
        Log,
        Log1p,
        Log2,
        Log10,
        LogicalNot,
        Negative,
        Real,
        Reciprocal,
        Round,
        Sign,
        SignBit,
        Sin,
        Sinh,
        Sqrt,
        Square,
        Tan,
        Tanh,
        Trunc,
        Cbrt,
        Exp2,
        Angle,
    ]
};

const BINARY: [BinaryOp; 32] = {
    use BinaryOp::*;
    [
        Add,
        Subtract,
        Multiply,
        Divide,
        FloorDivide,
        Remainder,
        Fmod,
        Pow,
        Atan2,
        Hypot,
        CopySign,
        NextAfter,
        LogAddExp,
        Maximum,
        Minimum,
        Fmax,
        Fmin,
        BitwiseAnd,
        BitwiseOr,
        BitwiseXor,
        ShiftLeft,
        ShiftRight,
        Equal,
        NotEqual,
        Less,
        LessEqual,
        Greater,
        GreaterEqual,
        LogicalAnd,
        LogicalOr,
        LogicalXor,
        Complex,
    ]
};

/// What rounds once is exact; functions are within 4 units, in half precision within 1.
fn unary_bound(op: UnaryOp, dtype: DType) -> Bound {
    use UnaryOp::*;
    match op {
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
        Pow | Atan2 | Hypot | LogAddExp => bound_of(dtype),
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
        for (result, ops) in groups(&UNARY, |op| op.result(dtype), |op| host_takes(&single(op))) {
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
        for (result, ops) in groups(&BINARY, |op| op.result(dtype), |op| host_takes(&single(op))) {
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

#[test]
fn every_type_converts_to_every_type() {
    let mut cases = Vec::new();
    for from in DType::ALL {
        for to in DType::ALL {
            let values = specials(from);
            let program = Program {
                inputs: vec![from],
                instructions: vec![instruction(Step::Input(0), from), instruction(Step::Cast(0), to)],
            };
            let row = tensor(&values, from, &[1, values.len()]);
            let bound = Bound::Exact;
            cases.push(Case { program, inputs: vec![row], rows: vec![(format!("to {to}"), bound)] });
        }
    }
    compare(cases);
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
        for shape in [[3, 5, 4], [2, 64, 32], [1, 7, 1], [3, 0, 4], [1, 1, 1], [5, 1, 1030]] {
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
                for (j, y) in layouts.iter().enumerate() {
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
fn layouts(dtype: DType, shape: &[usize; 3]) -> Vec<Tensor> {
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

//! Sorts, scans, takes, joins and replacements of arrays as stages on the device, against the CPU.

use num_complex::Complex;
use swath::array::{Computed, Watch, compute, explain, persist, to_frame};
use swath::config::{Config, Fallback, Placement};
use swath::memory::Tier;
use swath::session::Session;
use swath_array::build::index::{self, Index};
use swath_array::build::manipulate::{broadcast_to, concat, flip, moveaxis, reshape};
use swath_array::build::{creation, elementwise, linalg, reduce, scan, sort, unique};
use swath_array::program::{BinaryOp, UnaryOp};
use swath_array::run::Runner;
use swath_array::{Array, DType, ErrorKind, Result, Scalar, Tensor};

use crate::simulator::{kernel_folder, mode, use_device};
use crate::tensor::{Bound, differences, layouts, numbers, specials, tensor};

fn session(config: Config) -> Session {
    use_device();
    Session::with_config(Config { cache_dir: Some(kernel_folder()), ..config }).expect("a session opens")
}

pub fn on_device(chunk_bytes: usize) -> Session {
    session(Config {
        placement: Placement::Device,
        fallback: Fallback::Error,
        chunk_bytes_target: Some(chunk_bytes),
        ..Config::default()
    })
}

/// Reasons for which a stage that computes nothing stays on the CPU.
const IDLE: [&str; 2] = ["nothing to compute", "a view computes nothing"];

/// An array, what it is, and how far the device may be from the CPU.
pub type Case = (String, Array, Bound);

/// Computes what `make` makes on the device, eagerly and lazily, in one chunk and in many, and compares it with the CPU.
/// Every stage that computes anything has to have run on the device.
pub fn compare(make: impl Fn() -> Result<Vec<Case>>) {
    let cases = make().expect("they are made");
    let expected: Vec<Tensor> =
        cases.iter().map(|(what, array, _)| Runner::new().compute(array).expect(what)).collect();
    for (lazy, chunk_bytes) in [(false, 64 << 20), (true, 64 << 20), (true, 1024)] {
        let session = on_device(chunk_bytes);
        let _mode = mode(lazy);
        let fresh = make().expect("they are made");
        for ((what, array, bound), expected) in fresh.iter().zip(&expected) {
            let what = format!("{what}, lazy {lazy}, chunks of {chunk_bytes}");
            let computed = compute(&session, std::slice::from_ref(array), &Watch::default());
            let computed = computed.unwrap_or_else(|error| panic!("{what}: {error}"));
            let wrong = differences(expected, &computed.values[0], |_| *bound, |i| format!("{what} at {i}"));
            assert!(wrong.is_empty(), "{}", wrong.join("\n"));
            assert_on_device(&what, &computed);
        }
    }
}

pub fn assert_on_device(what: &str, computed: &Computed) {
    let receipt = &computed.receipt;
    let is_idle = |note: &Option<String>| note.as_deref().is_some_and(|note| IDLE.contains(&note));
    for stage in &receipt.operators[1..] {
        assert!(
            stage.place == "gpu:0" || is_idle(&stage.note),
            "{what}: {} ran on {}\n{receipt}",
            stage.name,
            stage.place
        );
    }
    let launched: u64 = receipt.operators.iter().map(|stage| stage.kernels_launched).sum();
    let does_nothing = receipt.operators[1..].iter().all(|stage| is_idle(&stage.note));
    assert!(
        launched > 0 || does_nothing || computed.values[0].is_empty(),
        "{what}: no kernel ran\n{receipt}"
    );
}

pub fn array(tensor: Tensor) -> Array {
    Array::from_tensor(tensor)
}

pub fn case(what: impl Into<String>, made: Result<Array>, bound: Bound) -> Result<Case> {
    Ok((what.into(), made?, bound))
}

/// Running sums of eighths are exact but for short types.
fn scan_bound(dtype: DType) -> Bound {
    match dtype {
        DType::F16 | DType::BF16 => Bound::Ulps(1.0),
        DType::F32 | DType::C64 => Bound::Distance(1e-3),
        _ => Bound::Exact,
    }
}

#[test]
fn sorts_run_on_the_device() {
    compare(|| {
        let mut cases = Vec::new();
        for dtype in DType::ALL {
            let special = specials(dtype);
            let mut inputs = vec![array(tensor(&special, dtype, &[special.len()]))];
            inputs.extend(layouts(dtype, &[3, 5, 7]).into_iter().map(array));
            inputs.push(array(numbers(dtype, &[4, 0], 1)));
            for (number, x) in inputs.iter().enumerate() {
                for (axis, descending) in [(0, false), (-1, true)] {
                    let what = |name: &str| format!("{name} of {dtype} {number} along {axis}");
                    cases.push(case(what("sort"), sort::sort(x, axis, descending, true), Bound::Exact)?);
                    cases.push(case(
                        what("argsort"),
                        sort::argsort(x, axis, descending, true),
                        Bound::Exact,
                    )?);
                }
            }
        }
        let parts = [1.0, -0.0, f64::INFINITY, f64::NAN, -2.0];
        let pairs = parts.iter().flat_map(|&re| parts.map(|im| Scalar::Complex(Complex::new(re, im))));
        let pairs: Vec<Scalar> = pairs.collect();
        for dtype in [DType::C64, DType::C128] {
            let x = array(tensor(&pairs, dtype, &[pairs.len()]));
            for descending in [false, true] {
                let what = format!("argsort of {dtype} with NaN, descending {descending}");
                cases.push(case(what, sort::argsort(&x, 0, descending, true), Bound::Exact)?);
            }
        }
        Ok(cases)
    });
}

#[test]
fn the_first_few_and_their_numbers_are_found_on_the_device() {
    compare(|| {
        let mut cases = Vec::new();
        for dtype in [DType::F32, DType::I16, DType::F64] {
            let x = array(numbers(dtype, &[6, 40], 3));
            for largest in [true, false] {
                let (values, places) = sort::topk(&x, 3, 1, largest)?;
                cases.push((format!("topk of {dtype}"), values, Bound::Exact));
                cases.push((format!("places of topk of {dtype}"), places, Bound::Exact));
            }
        }
        Ok(cases)
    });
}

#[test]
fn scans_run_on_the_device() {
    compare(|| {
        let mut cases = Vec::new();
        for dtype in DType::ALL {
            for (number, x) in layouts(dtype, &[3, 5, 7]).into_iter().map(array).enumerate() {
                let what = |name: &str| format!("{name} of {dtype} {number}");
                let sums = scan::cumulative_sum(&x, Some(-1), None, number % 2 == 0);
                cases.push(case(what("cumulative_sum"), sums, scan_bound(dtype))?);
                let across = scan::cumulative_sum(&x, Some(0), None, number % 2 == 1);
                cases.push(case(what("cumulative_sum across"), across, scan_bound(dtype))?);
                if !dtype.is_complex() {
                    cases.push(case(what("cummax"), scan::cummax(&x, Some(1)), Bound::Exact)?);
                    cases.push(case(what("cummin"), scan::cummin(&x, Some(-1)), Bound::Exact)?);
                }
                if !dtype.is_inexact() {
                    let products = scan::cumulative_prod(&x, Some(1), None, true);
                    cases.push(case(what("cumulative_prod"), products, Bound::Exact)?);
                }
            }
        }
        for dtype in [DType::F16, DType::BF16, DType::F32, DType::F64] {
            // A zero is a zero, of either sign.
            let special = array(tensor(&specials(dtype), dtype, &[specials(dtype).len()]));
            let zeros = Bound::Distance(0.0);
            cases.push(case(format!("cummax of {dtype}"), scan::cummax(&special, None), zeros)?);
            cases.push(case(format!("cummin of {dtype}"), scan::cummin(&special, None), zeros)?);
            let poles = [1.0, f64::INFINITY, 2.0, f64::NEG_INFINITY, 3.0, f64::NAN, -0.0];
            let poles = array(tensor(&poles.map(Scalar::Float), dtype, &[7]));
            let sums = scan::cumulative_sum(&poles, None, None, false);
            cases.push(case(format!("sums beyond infinity of {dtype}"), sums, Bound::Exact)?);
        }
        let long = array(numbers(DType::F64, &[2, 5000], 1));
        cases.push(case("long rows", scan::cumulative_sum(&long, Some(1), None, true), Bound::Exact)?);
        let empty = array(numbers(DType::F64, &[0, 3], 1));
        cases.push(case("rows of nothing", scan::cumulative_sum(&empty, Some(0), None, true), Bound::Exact)?);
        cases.push(case("nothing", scan::cumulative_sum(&empty, Some(1), None, false), Bound::Exact)?);
        Ok(cases)
    });
}

fn integers(values: &[i64], shape: &[usize]) -> Array {
    array(Tensor::from_vec(values.to_vec(), shape).expect("they fit"))
}

/// Indices whose values nobody knows when the graph is built.
fn computed(values: &[i64], shape: &[usize]) -> Result<Array> {
    let zero = creation::full(&[], Scalar::Int(0), DType::I64, None)?;
    elementwise::binary(BinaryOp::Add, &integers(values, shape), &zero)
}

#[test]
fn elements_are_taken_on_the_device() {
    compare(|| {
        let mut cases = Vec::new();
        for dtype in DType::ALL {
            for (number, x) in layouts(dtype, &[4, 5, 7]).into_iter().map(array).enumerate() {
                let what = |name: &str| format!("{name} of {dtype} {number}");
                let mut push = |name: &str, made| {
                    cases.push(case(what(name), made, Bound::Exact)?);
                    Ok::<_, swath_array::Error>(())
                };
                push("take", index::take(&x, &integers(&[3, 2, -3, 2], &[4]), Some(1)))?;
                push("take unknown", index::take(&x, &computed(&[0, -1, 3, 1, 2, 0], &[3, 2])?, Some(0)))?;
                push("take one", index::take(&x, &computed(&[-2], &[])?, Some(2)))?;
                push("take none", index::take(&x, &integers(&[], &[0]), Some(2)))?;
                let rows = computed(&[0, 1, -1, 3, 4, 2, 1, 0, 2, 2, 3, -5], &[4, 1, 3])?;
                push("take_along_axis", index::take_along_axis(&moveaxis(&x, &[1], &[2])?, &rows, Some(-1)))?;
                let key = [
                    Index::Array(computed(&[0, 3, -2], &[3, 1])?),
                    Index::ALL,
                    Index::Array(computed(&[6, -7], &[2])?),
                ];
                push("index by two", index::get(&x, &key, &Runner::new()))?;
                let key = [
                    Index::ALL,
                    Index::Array(integers(&[4, 1], &[2])),
                    Index::Array(integers(&[0, 3], &[2])),
                ];
                push("index by two neighbours", index::get(&x, &key, &Runner::new()))?;
            }
        }
        let vector = array(numbers(DType::F32, &[9], 2));
        cases.push(case("an element", index::take(&vector, &computed(&[-9], &[])?, None), Bound::Exact)?);
        Ok(cases)
    });
}

#[test]
fn elements_are_put_on_the_device() {
    compare(|| {
        let mut cases = Vec::new();
        for dtype in DType::ALL {
            for (number, x) in layouts(dtype, &[4, 5, 7]).into_iter().map(array).enumerate() {
                let what = |name: &str| format!("{name} of {dtype} {number}");
                let mut push = |name: &str, made| {
                    cases.push(case(what(name), made, Bound::Exact)?);
                    Ok::<_, swath_array::Error>(())
                };
                let set = |key: &[Index], values: Tensor| index::set(&x, key, &array(values), &Runner::new());
                let five = Index::Array(integers(&[3, 2, -3, 2, 0], &[5]));
                push("set", set(&[Index::ALL, five.clone()], numbers(dtype, &[4, 5, 7], 3)))?;
                let slice = Index::Slice { start: Some(3), stop: None, step: Some(-2) };
                push("set in a slice", set(&[slice, five], numbers(dtype, &[7], 4)))?;
                let pair = [
                    Index::Array(computed(&[0, 3, -2], &[3, 1])?),
                    Index::ALL,
                    Index::Array(computed(&[6, -7], &[2])?),
                ];
                push("set by two", set(&pair, numbers(dtype, &[3, 2, 5], 5)))?;
                push("set by one", set(&[Index::Array(computed(&[-2], &[])?)], numbers(dtype, &[1], 6)))?;
                let flat = computed(&[0, 17, -1, 17, 3, 0], &[3, 2])?;
                push("put", index::put(&x, &flat, &array(numbers(dtype, &[4], 7))))?;
                let rows = computed(&[0, 1, -1, 3, 4, 2, 1, 0, 2, 2, 3, -5], &[4, 3, 1])?;
                let rows = broadcast_to(&rows, &[4, 3, 7])?;
                let values = array(numbers(dtype, &[3, 1], 8));
                push("put_along_axis", index::put_along_axis(&x, &rows, &values, Some(1)))?;
                let none = integers(&[], &[4, 5, 0]);
                push("put none", index::put_along_axis(&x, &none, &array(numbers(dtype, &[1], 9)), Some(2)))?;
            }
        }
        Ok(cases)
    });
}

#[test]
fn numbers_to_put_at_that_an_axis_has_not_are_refused_as_on_the_cpu() {
    let _mode = mode(true);
    let session = on_device(64 << 20);
    let x = array(numbers(DType::F32, &[10, 4], 1));
    let values = array(numbers(DType::F32, &[3], 2));
    let key = |by: &[i64]| [Index::ALL, Index::Array(computed(by, &[3]).expect("made"))];
    let rows = broadcast_to(&integers(&[3, 4, -5], &[3]), &[10, 3]).expect("they fit");
    let wrong = [
        index::set(&x, &key(&[3, 12, -11]), &values, &Runner::new()),
        index::set(&x, &key(&[3, 0, -5]), &values, &Runner::new()),
        index::put(&x, &integers(&[39, -41], &[2]), &values),
        index::put_along_axis(&x, &rows, &broadcast_to(&values, &[10, 3]).expect("they fit"), Some(1)),
    ];
    for made in wrong {
        let made = made.expect("its indices are not looked at");
        let expected = Runner::new().compute(&made).expect_err("out of range");
        let error = compute(&session, &[made], &Watch::default()).expect_err("out of range");
        assert_eq!((error.kind(), expected.kind()), (ErrorKind::Index, ErrorKind::Index));
        assert!(error.to_string().ends_with(&expected.to_string()), "{error}, not {expected}");
    }
}

#[test]
fn places_in_what_is_sorted_are_found_on_the_device() {
    compare(|| {
        let mut cases = Vec::new();
        for dtype in DType::ALL {
            let special = specials(dtype);
            let special = array(tensor(&special, dtype, &[special.len()]));
            let sorted = sort::sort(&special, 0, false, true)?;
            let order = sort::argsort(&special, 0, false, true)?;
            for (number, x) in layouts(dtype, &[3, 5, 7]).into_iter().map(array).enumerate() {
                let found = sort::searchsorted(&sorted, &x, number % 2 == 0, None);
                cases.push(case(format!("places of {dtype} {number}"), found, Bound::Exact)?);
            }
            for right in [false, true] {
                let what = format!("places of special {dtype}, right {right}");
                let found = sort::searchsorted(&special, &special, right, Some(&order));
                cases.push(case(what, found, Bound::Exact)?);
            }
            let empty = array(numbers(dtype, &[0], 1));
            let found = sort::searchsorted(&empty, &special, false, None);
            cases.push(case(format!("places of {dtype} in nothing"), found, Bound::Exact)?);
            let found = sort::searchsorted(&sorted, &empty, false, None);
            cases.push(case(format!("no places of {dtype}"), found, Bound::Exact)?);
        }
        let edges = array(sorted_numbers(DType::F32, 100));
        let x = array(numbers(DType::F64, &[2000], 1));
        cases.push(case("mixed types", sort::searchsorted(&edges, &x, true, None), Bound::Exact)?);
        let down = flip(&edges, None)?;
        cases.push(case("digitize", unique::digitize(&x, &down, true, &Runner::new()), Bound::Exact)?);
        Ok(cases)
    });
}

fn sorted_numbers(dtype: DType, count: usize) -> Tensor {
    let sorted = sort::sort(&array(numbers(dtype, &[count], 1)), 0, false, true).expect("made");
    Runner::new().compute(&sorted).expect("sorted")
}

#[test]
fn numbers_that_an_axis_has_not_are_refused_by_the_device() {
    let _mode = mode(true);
    let session = on_device(1024);
    let x = array(numbers(DType::F32, &[10, 4], 1));
    let indices = computed(&[3, 12, -11], &[3]).expect("they are made");
    let taken = index::take(&x, &indices, Some(0)).expect("its indices are not known");
    let error = compute(&session, &[taken], &Watch::default()).expect_err("12 is out of range");
    assert_eq!(error.kind(), ErrorKind::Index, "{error}");
    assert!(error.to_string().contains("index 12 is out of bounds for axis 0 with size 10"), "{error}");
    // The second axis is called what the user calls it.
    let key = [
        Index::Array(computed(&[1, 2], &[2]).expect("made")),
        Index::Array(computed(&[0, 7], &[2]).expect("made")),
    ];
    let picked = index::get(&x, &key, &Runner::new()).expect("its indices are not known");
    let error = compute(&session, &[picked], &Watch::default()).expect_err("7 is out of range");
    assert!(error.to_string().contains("index 7 is out of bounds for axis 1 with size 4"), "{error}");
}

#[test]
fn arrays_are_joined_and_replaced_on_the_device() {
    compare(|| {
        let mut cases = Vec::new();
        for dtype in DType::ALL {
            let parts: Vec<Array> = layouts(dtype, &[3, 4, 6]).into_iter().map(array).collect();
            for axis in 0..3 {
                let joined = concat(&parts, Some(axis));
                cases.push(case(format!("concat of {dtype} along {axis}"), joined, Bound::Exact)?);
            }
            let empty = array(numbers(dtype, &[3, 0, 6], 1));
            let joined = concat(&[empty, parts[0].clone()], Some(1));
            cases.push(case(format!("concat of {dtype} with nothing"), joined, Bound::Exact)?);
            let into = array(numbers(dtype, &[7, 9], 2));
            let slice = |start, stop, step| Index::Slice { start, stop, step: Some(step) };
            let box_of = [slice(Some(5), Some(0), -2), slice(Some(1), None, 3)];
            let values = array(numbers(dtype, &[3, 3], 5));
            let replaced = index::set(&into, &box_of, &values, &Runner::new());
            cases.push(case(format!("a box of {dtype}"), replaced, Bound::Exact)?);
            let one = [Index::Int(2), Index::ALL];
            let row = array(numbers(dtype, &[1], 6));
            cases.push(case(
                format!("a row of {dtype}"),
                index::set(&into, &one, &row, &Runner::new()),
                Bound::Exact,
            )?);
        }
        Ok(cases)
    });
}

/// What lies between stages is computed on the device with the stage that reads it.
#[test]
fn operators_follow_each_other_on_the_device() {
    compare(|| {
        let x = array(numbers(DType::F64, &[20, 30], 1));
        let row = array(numbers(DType::F64, &[30], 2));
        let sum = elementwise::binary(BinaryOp::Add, &x, &row)?;
        let turned = moveaxis(&elementwise::unary(UnaryOp::Abs, &sum)?, &[0], &[1])?;
        let sorted = sort::sort(&turned, 1, false, true)?;
        let ranks = sort::argsort(&sort::argsort(&x, 1, false, true)?, 1, false, true)?;
        let flat = reshape(&sorted, &[600])?;
        let joined = concat(&[turned.clone(), sorted.clone()], Some(0))?;
        let back =
            flip(&scan::cumulative_sum(&flip(&joined, Some(&[1]))?, Some(1), None, false)?, Some(&[1]))?;
        let exact = Bound::Exact;
        Ok(vec![
            // First: small values stay with what others share.
            (
                "a slice of a scan".into(),
                index::get(
                    &back,
                    &[Index::Slice { start: Some(5), stop: Some(50), step: Some(7) }, Index::Int(3)],
                    &Runner::new(),
                )?,
                exact,
            ),
            ("sort of a turned sum".into(), sorted.clone(), exact),
            ("ranks".into(), ranks, exact),
            ("scan of a reshaped sort".into(), scan::cumulative_sum(&flat, None, None, true)?, exact),
            ("a join of work".into(), joined.clone(), exact),
            ("a scan from behind of a join".into(), back.clone(), exact),
            ("the sum of a join".into(), reduce::sum(&joined, Some(&[0]), None, false)?, exact),
            (
                "a sum of reshaped work".into(),
                reduce::max(&reshape(&sum, &[30, 20])?, Some(&[1]), false)?,
                exact,
            ),
            ("a product of turned work".into(), linalg::matmul(&turned, &sum)?, Bound::Distance(1e-9)),
            (
                "work on sorted rows".into(),
                elementwise::binary(
                    BinaryOp::Subtract,
                    &sorted,
                    &broadcast_to(&index::take(&sorted, &integers(&[0], &[1]), Some(1))?, sorted.shape())?,
                )?,
                exact,
            ),
        ])
    });
}

#[test]
fn what_operators_make_stays_on_the_device() {
    let _mode = mode(true);
    // However large a chunk is: what is on the device is not sent down and up again.
    for chunk_bytes in [64 << 20, 1024] {
        let session = on_device(chunk_bytes);
        let x = array(numbers(DType::F32, &[300, 400], 1));
        let sorted = persist(&session, &sort::sort(&x, 1, false, true).expect("made"), &Watch::default());
        let sorted = sorted.expect("it is computed");
        assert!(format!("{:?}", sorted.op()).contains("Remote"), "{sorted:?}");
        let sums = scan::cumulative_sum(&sorted, Some(0), None, false).expect("made");
        let joined = concat(&[sums, sorted.clone()], Some(1)).expect("made");
        let most = reduce::max(&joined, Some(&[1]), false).expect("made");
        let total = reduce::max(&joined, None, false).expect("made");
        let computed = compute(&session, &[most, total], &Watch::default()).expect("it is computed");
        let operators = &computed.receipt.operators;
        let up: u64 = operators.iter().map(|operator| operator.bytes_up).sum();
        let down: u64 = operators.iter().map(|operator| operator.bytes_down).sum();
        assert!(up < 200_000, "what is there is not sent again: {}", computed.receipt);
        assert!(down < 4096, "what is not asked for does not come down: {}", computed.receipt);
    }
}

/// Two million bytes: `number · i`.
fn ramp(number: i64) -> Result<Array> {
    let all = creation::arange(Scalar::Int(0), Scalar::Int(250_000), Scalar::Int(1), Some(DType::I64))?;
    elementwise::binary(
        BinaryOp::Multiply,
        &all,
        &creation::full(&[], Scalar::Int(number.into()), DType::I64, None)?,
    )
}

#[test]
fn what_finds_no_room_on_the_device_is_spilled_and_comes_back() {
    let _mode = mode(true);
    let session = session(Config {
        placement: Placement::Device,
        fallback: Fallback::Error,
        device_memory_limit: Some(8 << 20),
        ..Config::default()
    });
    let keep = |number| {
        persist(&session, &ramp(number).expect("it is made"), &Watch::default()).expect("it is kept")
    };
    let kept: Vec<Array> = (0..6).map(keep).collect();
    let worker = session.engine().worker().expect("there is a device");
    let (below, _) = worker.tier_bytes(Tier::Pinned);
    assert!(below >= 4_000_000, "six of two million bytes do not fit in eight: {below} bytes have left");
    for (number, kept) in kept.iter().enumerate() {
        let last = reduce::max(kept, None, false).expect("it is made");
        let computed = compute(&session, &[last], &Watch::default()).expect("it comes back");
        assert_eq!(computed.values[0].item(), Some(Scalar::Int(number as i128 * 249_999)));
        let fetched: u64 = computed.receipt.totals.tiers.iter().map(|tier| tier.fetched_bytes).sum();
        assert!(
            number > 0 || fetched == 2_000_000,
            "the first had left, and came back\n{}",
            computed.receipt
        );
        let read = compute(&session, std::slice::from_ref(kept), &Watch::default()).expect("it is read");
        assert_eq!(read.values[0].to_vec::<i64>().expect("integers")[1], number as i64);
    }
}

/// How many elements lie where: an operator without a kernel.
fn counts_of(x: &Array) -> Array {
    let (bins, range) = (unique::Bins::Count(4), Some((-10.0, 10.0)));
    unique::histogram(x, &bins, range, None, false, &Runner::new()).expect("made").0
}

#[test]
fn operators_without_a_kernel_say_so() {
    let x = array(numbers(DType::F64, &[50], 1));
    let counts = counts_of(&x);
    let _mode = mode(false);
    let error = compute(&on_device(64 << 20), std::slice::from_ref(&counts), &Watch::default())
        .expect_err("the policy forbids the CPU");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let session = session(Config { placement: Placement::Device, ..Config::default() });
    let computed = compute(&session, &[counts], &Watch::default()).expect("the CPU takes it");
    let mut notes = computed.receipt.operators.iter().filter_map(|operator| operator.note.as_deref());
    assert!(notes.any(|note| note.contains("no kernel for histogram")), "{}", computed.receipt);
}

#[test]
fn explain_gives_both_places_costs() {
    let x = array(numbers(DType::F64, &[300, 400], 1));
    let sorted = sort::sort(&x, 1, false, true).expect("made");
    let total = reduce::sum(&sorted, None, None, false).expect("made");
    let text = |config: Config, array: &Array| explain(&session(config), std::slice::from_ref(array));
    let device = Config { placement: Placement::Device, ..Config::default() };
    let placed = text(device.clone(), &total);
    assert!(placed.contains("  1  sort: float64(300, 400)"), "{placed}");
    assert!(placed.contains("on gpu:0 (device ") && placed.contains(", host "), "{placed}");
    assert!(placed.contains("stays on the device") && placed.contains("comes down"), "{placed}");
    let refused = text(device, &counts_of(&x));
    assert!(refused.contains("on host (no kernel for histogram)"), "{refused}");
    // So little is done sooner than sent.
    let little = sort::sort(&array(numbers(DType::F64, &[20], 1)), 0, false, true).expect("made");
    let kept = text(Config::default(), &little);
    assert!(kept.contains("on host (device ") && kept.contains("the CPU is expected to take"), "{kept}");
    let host = text(Config { placement: Placement::Host, ..Config::default() }, &total);
    assert!(host.contains("on host (device ") && host.contains("swath.placement = host"), "{host}");
}

#[tokio::test]
async fn explain_of_a_query_names_the_stages_of_its_arrays() {
    let session = on_device(64 << 20);
    let sorted = sort::sort(&array(numbers(DType::F64, &[50, 2], 1)), 0, false, true).expect("made");
    let frame = to_frame(&session, &sorted, &["a".to_string(), "b".to_string()]).expect("two names");
    session.context().register_table("sorted", frame.into_view()).expect("it is registered");
    let result = session.sql("SELECT a + b AS c FROM sorted").await.expect("it is planned");
    let plan = result.explain().await.expect("it is explained");
    assert!(
        plan.contains("ArrayExec: float64(50, 2), ") && plan.contains("sort on gpu:0 (device "),
        "{plan}"
    );
}

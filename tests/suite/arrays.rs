//! Arrays in a session: on the device as on the CPU, in one plan with tables, within the session's memory.

use std::sync::Arc;

use arrow::array::{Float64Array, Int64Array, RecordBatch};
use swath::array::{Watch, compute, from_frame, persist, runner, to_frame};
use swath::config::{Config, Fallback, Placement};
use swath::session::Session;
use swath_array::build::{creation, elementwise, linalg, reduce};
use swath_array::program::{BinaryOp, UnaryOp};
use swath_array::{Array, DType, ErrorKind, Scalar, Tensor};

use crate::simulator::{kernel_folder, mode, use_device};

fn session(config: Config) -> Session {
    Session::with_config(Config { cache_dir: Some(kernel_folder()), ..config }).expect("a session opens")
}

fn on_device(chunk_bytes: usize) -> Session {
    use_device();
    session(Config {
        placement: Placement::Device,
        fallback: Fallback::Error,
        chunk_bytes_target: Some(chunk_bytes),
        ..Config::default()
    })
}

fn values(shape: &[usize]) -> Array {
    let len: usize = shape.iter().product();
    let each = |i: usize| match i % 17 {
        0 => -0.0,
        1 => 1e4,
        n => (n as f64 - 8.0) * 0.37 + i as f64,
    };
    Array::from_tensor(Tensor::from_vec((0..len).map(each).collect(), shape).expect("they fit"))
}

/// Several results: a chain, a broadcast, a turned operand, a slice backwards, reductions of all kinds of axes.
fn expressions() -> swath_array::Result<Vec<Array>> {
    let x = values(&[37, 41]);
    let row = values(&[41]);
    let two = creation::full(&[], Scalar::Float(2.0), DType::F64, None)?;
    let chain =
        elementwise::binary(BinaryOp::Multiply, &elementwise::binary(BinaryOp::Add, &x, &row)?, &two)?;
    let chain = elementwise::unary(UnaryOp::Abs, &chain)?;
    let square = values(&[40, 40]);
    let turned = Array::new(
        swath_array::graph::Op::Permute(vec![1, 0]),
        vec![square.clone()],
        DType::F64,
        vec![40, 40],
    );
    let symmetric = elementwise::binary(BinaryOp::Subtract, &square, &turned)?;
    let (rows, columns) =
        (reduce::sum(&symmetric, Some(&[0]), None, false)?, reduce::max(&chain, Some(&[1]), true)?);
    let centred = elementwise::binary(BinaryOp::Subtract, &chain, &reduce::mean(&chain, Some(&[0]), true)?)?;
    let above = elementwise::binary(BinaryOp::Greater, &x, &row)?;
    Ok(vec![
        chain.clone(),
        symmetric,
        rows,
        columns,
        centred,
        reduce::all(&above, None, false)?,
        reduce::argmax(&chain, Some(1), false)?,
        reduce::var(&values(&[2000, 3]), Some(&[0]), 1.0, false)?,
        linalg::matmul(&elementwise::binary(BinaryOp::Remainder, &x, &row)?, &square_of(41)?)?,
        reshaped(&chain, &[41, 37]),
    ])
}

fn square_of(side: usize) -> swath_array::Result<Array> {
    creation::eye(side, side, 1, DType::F64)
}

fn reshaped(x: &Array, shape: &[usize]) -> Array {
    Array::new(swath_array::graph::Op::Reshape, vec![x.clone()], x.dtype(), shape.to_vec())
}

fn close(a: &Tensor, b: &Tensor) -> bool {
    if a.dtype() != DType::F64 {
        return format!("{a:?}") == format!("{b:?}") && a.shape() == b.shape();
    }
    let (x, y) = (a.to_vec::<f64>().expect("floats"), b.to_vec::<f64>().expect("floats"));
    a.shape() == b.shape()
        && x.iter().zip(&y).all(|(x, y)| {
            x == y || (x - y).abs() <= 1e-12 * x.abs().max(y.abs()) || (x.is_nan() && y.is_nan())
        })
}

#[test]
fn a_device_gives_what_the_cpu_gives() {
    for (lazy, chunk_bytes) in [(false, 64 << 20), (true, 64 << 20), (true, 4096)] {
        let session = on_device(chunk_bytes);
        let _mode = mode(lazy);
        let arrays = expressions().expect("they are made");
        let computed = compute(&session, &arrays, &Watch::default()).expect("the device takes them");
        for (number, (array, value)) in
            expressions().expect("they are made").iter().zip(&computed.values).enumerate()
        {
            let expected = swath_array::run::Runner::new().compute(array).expect("the CPU takes them");
            assert!(
                close(&expected, value),
                "expression {number}, lazy {lazy}: {expected:?} is not {value:?}"
            );
        }
        let launched: u64 = computed.receipt.operators.iter().map(|operator| operator.kernels_launched).sum();
        assert!(launched >= 8, "{}", computed.receipt);
        assert!(
            computed.receipt.operators.iter().any(|operator| operator.place == "gpu:0"),
            "{}",
            computed.receipt
        );
    }
}

#[test]
fn what_is_kept_stays_on_the_device() {
    let session = on_device(64 << 20);
    let x = values(&[50, 60]);
    let doubled = elementwise::binary(BinaryOp::Add, &x, &x).expect("it is made");
    let kept = persist(&session, &doubled, &Watch::default()).expect("it is computed");
    assert!(format!("{:?}", kept.op()).contains("Remote"), "{kept:?}");
    let total = reduce::sum(&kept, None, None, false).expect("it is made");
    let computed = compute(&session, &[total], &Watch::default()).expect("it is computed");
    let up: u64 = computed.receipt.operators.iter().map(|operator| operator.bytes_up).sum();
    assert!(up < 1000, "what is there is not sent again: {}", computed.receipt);
}

#[test]
fn work_without_a_kernel_is_refused_or_falls_back() {
    let session = on_device(64 << 20);
    let values = swath_array::build::linalg::eigvals(&values(&[3, 3])).expect("it is made");
    let error = compute(&session, std::slice::from_ref(&values), &Watch::default())
        .expect_err("the policy forbids the CPU");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let session = session_with_fallback();
    let computed = compute(&session, &[values], &Watch::default()).expect("the CPU takes it");
    let note = computed.receipt.operators[1].note.clone().unwrap_or_default();
    assert!(note.contains("no kernel"), "{}", computed.receipt);
}

fn session_with_fallback() -> Session {
    session(Config { placement: Placement::Device, ..Config::default() })
}

fn table() -> RecordBatch {
    let (a, b): (Vec<i64>, Vec<Option<f64>>) =
        (0..5000).map(|i| (i % 7, (i % 11 != 3).then_some(i as f64 / 2.0))).unzip();
    let columns = [("a", Arc::new(Int64Array::from(a)) as _), ("b", Arc::new(Float64Array::from(b)) as _)];
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

#[tokio::test]
async fn frames_become_arrays_and_arrays_frames() {
    let session = session(Config { placement: Placement::Host, ..Config::default() });
    session.context().register_batch("t", table()).expect("it is registered");
    let frame =
        session.context().sql("SELECT a, b, a + 1 AS c FROM t WHERE a <> 5").await.expect("it is planned");
    let matrix = from_frame(&session, frame.clone(), None, false).expect("its columns are numbers");
    assert_eq!((matrix.dtype(), matrix.shape()[1]), (DType::F64, 3));
    let sums = reduce::nansum(&matrix, Some(&[0]), None, false).expect("it is made");
    let computed = compute(&session, std::slice::from_ref(&sums), &Watch::default()).expect("it is computed");
    let rows: Vec<i64> = (0..5000).filter(|i| i % 7 != 5).collect();
    let b: f64 = rows.iter().filter(|&i| i % 11 != 3).map(|&i| i as f64 / 2.0).sum();
    let a: i64 = rows.iter().map(|i| i % 7).sum();
    let expected = [a as f64, b, (a + rows.len() as i64) as f64];
    assert_eq!(computed.values[0].to_vec::<f64>().expect("floats"), expected);

    // Back again, and on in SQL, in one plan.
    let scaled = elementwise::binary(BinaryOp::Multiply, &matrix, &matrix).expect("it is made");
    let names = ["x", "y", "z"].map(String::from);
    let back = to_frame(&session, &scaled, &names).expect("three columns have three names");
    session.context().register_table("scaled", back.into_view()).expect("it is registered");
    let result = session
        .sql("SELECT sum(x) AS s, count(*) AS n FROM scaled WHERE z > 4")
        .await
        .expect("it is planned");
    let plan = result.explain().await.expect("it is explained");
    assert!(plan.contains("ArrayExec") && plan.contains("FilterExec"), "{plan}");
    let result = result.collect().await.expect("it runs");
    let s: f64 = rows.iter().filter(|i| (*i % 7 + 1).pow(2) > 4).map(|i| ((i % 7) * (i % 7)) as f64).sum();
    assert_eq!(
        result.batches[0].column(0).as_any().downcast_ref::<Float64Array>().expect("floats").value(0),
        s
    );
    assert!(
        result.receipt.operators.iter().any(|operator| operator.name == "ArrayExec"),
        "{}",
        result.receipt
    );
}

#[tokio::test]
async fn frames_that_are_no_arrays_say_so() {
    let session = session(Config::default());
    session.context().register_batch("t", table()).expect("it is registered");
    let text = session.context().sql("SELECT 'x' AS name, a FROM t").await.expect("it is planned");
    let error = from_frame(&session, text, None, false).expect_err("text is no number");
    assert!(error.to_string().contains("column 'name'"), "{error}");
    let nulls = session.context().sql("SELECT CAST(b AS BIGINT) AS b FROM t").await.expect("it is planned");
    let array = from_frame(&session, nulls, None, false).expect("its rows are read later");
    let error = compute(&session, std::slice::from_ref(&array), &Watch::default())
        .expect_err("integers have no null");
    assert!(error.to_string().contains("column 'b'") && error.to_string().contains("row 3"), "{error}");
    let error = to_frame(&session, &array, &["a".to_string(), "b".to_string()])
        .expect_err("two names for one column");
    assert!(error.to_string().contains("(5000,)"), "{error}");
}

#[test]
fn a_session_s_memory_is_the_arrays() {
    let session =
        session(Config { placement: Placement::Host, memory_limit: Some(1 << 20), ..Config::default() });
    let large = creation::arange(Scalar::Int(0), Scalar::Int(1_000_000), Scalar::Int(1), Some(DType::I64))
        .expect("it is made");
    let error = compute(&session, std::slice::from_ref(&large), &Watch::default())
        .expect_err("8 MB are more than 1 MiB");
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    let sum = reduce::sum(&large, None, None, false).expect("it is made");
    let computed = compute(&session, &[sum], &Watch::default()).expect("it needs no more than a block");
    assert_eq!(computed.values[0].item(), Some(Scalar::Int(499_999_500_000)));
    assert!(runner(&session, &Watch::default()).memory().limit() == 1 << 20);
}

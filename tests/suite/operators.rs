//! Pipelines run on the simulated device and compared with the same computation on the host.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use swath::column::StagedChunk;
use swath::config::Config;
use swath::device::launch_count;
use swath::operators::Execution;
use swath::program::{Aggregate, AggregateFunction, BinaryOp, Expr, Literal, Phase, Pipeline, compile};
use swath::worker::{CancelToken, Workers};

use crate::simulator::{kernel_folder, mode, use_device};

/// Starts a worker on device 0.
fn workers() -> Workers {
    use_device();
    let config = Config { cache_dir: Some(kernel_folder()), ..Default::default() };
    Workers::start(&[0], &config).expect("device 0 starts")
}

/// Runs a pipeline over `batches`, one chunk each; `relieve` folds the state after every chunk.
pub fn run(pipeline: &Pipeline, batches: &[RecordBatch], relieve: bool) -> swath::Result<Vec<RecordBatch>> {
    // Lazily, which is the stricter way.
    let _mode = mode(true);
    let workers = workers();
    let worker = workers.first().expect("there is one");
    let pool = worker.pinned_pool().clone();
    let schema = pipeline.input.clone();
    let mut execution = Execution::new(Arc::new(compile(pipeline)?), vec![])?;
    let batches = batches.to_vec();
    let before = launch_count();
    let task = worker.run("test", CancelToken::new(), move |task| {
        let mut outputs = vec![];
        for batch in &batches {
            let staged = StagedChunk::stage(&schema, std::slice::from_ref(batch), &pool)?;
            let chunk = Arc::new(task.upload(staged)?);
            outputs.extend(execution.push(task, chunk)?);
            if relieve {
                execution.relieve(task)?;
            }
        }
        outputs.extend(execution.finish(task)?);
        outputs.iter().map(|chunk| task.download(chunk)).collect::<swath::Result<Vec<_>>>()
    });
    let result = futures::executor::block_on(task);
    assert!(launch_count() > before, "no kernel was launched");
    result
}

fn schema(fields: Vec<(&str, DataType)>) -> SchemaRef {
    Arc::new(Schema::new(fields.into_iter().map(|(n, t)| Field::new(n, t, true)).collect::<Vec<_>>()))
}

fn column(schema: &SchemaRef, index: usize) -> Expr {
    Expr::column(index, schema.field(index).data_type().clone(), true)
}

fn numbers(rows: i64, from: i64) -> RecordBatch {
    let input = schema(vec![("n", DataType::Int64), ("s", DataType::Utf8), ("x", DataType::Float64)]);
    let n: Int64Array = (from..from + rows).map(|i| (i % 7 != 3).then_some(i)).collect();
    let s: StringArray =
        (from..from + rows).map(|i| (i % 5 != 1).then(|| format!("key-{}", i % 40))).collect();
    let x: Float64Array = (from..from + rows).map(|i| (i % 11 != 2).then_some(i as f64 * 0.1)).collect();
    RecordBatch::try_new(input, vec![Arc::new(n), Arc::new(s), Arc::new(x)]).expect("columns fit the schema")
}

#[test]
fn dictionaries_stay_encoded() {
    let input = schema(vec![
        ("n", DataType::Int64),
        ("d", DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))),
    ]);
    let n: Int64Array = (0..1000).map(Some).collect();
    let d: DictionaryArray<arrow::datatypes::Int32Type> =
        (0..1000).map(|i| (i % 7 != 3).then(|| ["red", "green", "", "blue"][i % 4])).collect();
    let batch = RecordBatch::try_new(input.clone(), vec![Arc::new(n), Arc::new(d)]).expect("columns fit");
    let some = Expr::binary(
        BinaryOp::Gt,
        column(&input, 0),
        Expr::literal(Literal::Int(499), DataType::Int64),
        DataType::Boolean,
    );
    let pipeline = Pipeline::scan(input.clone()).filter(&some).materialize(input.clone());
    assert_eq!(pipeline.output_layout(), input);
    let output = run(&pipeline, std::slice::from_ref(&batch), false).expect("runs");
    assert_eq!(output, [batch.slice(500, 500)]);
}

#[test]
fn materialize_keeps_order_and_strings() {
    let batch = numbers(10_000, 0);
    let input = batch.schema();
    let half = Expr::binary(
        BinaryOp::Lt,
        Expr::binary(
            BinaryOp::Rem,
            column(&input, 0),
            Expr::literal(Literal::Int(10), DataType::Int64),
            DataType::Int64,
        ),
        Expr::literal(Literal::Int(5), DataType::Int64),
        DataType::Boolean,
    );
    let pipeline = Pipeline::scan(input.clone()).filter(&half).materialize(input.clone());
    let output = run(&pipeline, std::slice::from_ref(&batch), false).expect("it runs");
    let n = batch.column(0).as_primitive::<arrow::datatypes::Int64Type>();
    let keep: BooleanArray = n.iter().map(|n| Some(n.is_some_and(|n| n % 10 < 5))).collect();
    let expected = arrow::compute::filter_record_batch(&batch, &keep).expect("it filters");
    assert_eq!(arrow::compute::concat_batches(&input, &output).expect("they match"), expected);
}

fn grouped(input: &SchemaRef) -> Pipeline {
    let aggregate = |function, arg: usize, output: DataType| Aggregate {
        function,
        phase: Phase::Single,
        input_type: input.field(arg).data_type().clone(),
        args: vec![column(input, arg)],
        filter: None,
        output_type: output,
    };
    let output = schema(vec![
        ("s", DataType::Utf8),
        ("count", DataType::Int64),
        ("sum", DataType::Float64),
        ("min", DataType::Utf8),
        ("sd", DataType::Float64),
        ("max", DataType::Int64),
    ]);
    Pipeline::scan(input.clone()).aggregate(
        output,
        &[column(input, 1)],
        &[
            aggregate(AggregateFunction::Count, 0, DataType::Int64),
            aggregate(AggregateFunction::Sum, 2, DataType::Float64),
            aggregate(AggregateFunction::Min, 1, DataType::Utf8),
            aggregate(AggregateFunction::StddevSample, 2, DataType::Float64),
            aggregate(AggregateFunction::Max, 0, DataType::Int64),
        ],
    )
}

#[test]
fn groups_come_in_the_order_of_their_first_rows() {
    let batches = [numbers(5_000, 0), numbers(3_000, 5_000)];
    let input = batches[0].schema();
    let whole = run(&grouped(&input), &batches, false).expect("it runs");
    let text = arrow::util::pretty::pretty_format_batches(&whole).expect("it prints").to_string();
    println!("{text}");
    let first = &whole[0];
    // key-0, null (row 1), key-2, …: 40 keys of which a fifth are null.
    assert_eq!(first.num_rows(), 33);
    let keys = first.column(0).as_string::<i32>();
    assert_eq!(keys.value(0), "key-0");
    assert!(keys.is_null(1));
    assert_eq!(keys.value(2), "key-2");
    let folded = run(&grouped(&input), &batches, true).expect("it runs");
    assert_eq!(folded[0].columns()[..2], first.columns()[..2]);
    assert_eq!(folded[0].column(3), first.column(3));
    assert_eq!(folded[0].column(5), first.column(5));
    // An independent computation of one group.
    let of_key: Vec<f64> = (0..8_000).filter(|i| i % 5 == 1 && i % 11 != 2).map(|i| i as f64 * 0.1).collect();
    let sum = first.column(2).as_primitive::<arrow::datatypes::Float64Type>().value(1);
    let expected: f64 = of_key.iter().sum();
    assert!((sum - expected).abs() <= expected * 1e-12, "{sum} {expected}");
    let mean = expected / of_key.len() as f64;
    let sd = (of_key.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (of_key.len() - 1) as f64).sqrt();
    let got = first.column(4).as_primitive::<arrow::datatypes::Float64Type>().value(1);
    assert!((got - sd).abs() <= sd * 1e-12, "{got} {sd}");
}

#[test]
fn many_groups_grow_the_table() {
    let batch = numbers(50_000, 0);
    let input = batch.schema();
    let output = schema(vec![("n", DataType::Int64), ("count", DataType::Int64)]);
    let count = Aggregate {
        function: AggregateFunction::Count,
        phase: Phase::Single,
        args: vec![],
        filter: None,
        input_type: DataType::Int64,
        output_type: DataType::Int64,
    };
    let pipeline = Pipeline::scan(input.clone()).aggregate(output, &[column(&input, 0)], &[count]);
    let result = run(&pipeline, std::slice::from_ref(&batch), false).expect("it runs");
    assert_eq!(result[0].num_rows(), 50_000 - 50_000 / 7 + 1 - 1);
}

#[test]
fn division_by_zero_names_the_expression() {
    let batch = numbers(1_000, 0);
    let input = batch.schema();
    let zero = Expr::literal(Literal::Int(0), DataType::Int64);
    let quotient = Expr::binary(BinaryOp::Div, column(&input, 0), zero, DataType::Int64);
    let pipeline =
        Pipeline::scan(input.clone()).project(&[quotient]).materialize(schema(vec![("q", DataType::Int64)]));
    let error = run(&pipeline, &[batch], false).expect_err("it must fail");
    assert!(error.is_user() && error.to_string().contains("division by zero"), "{error}");
}

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::*;
use crate::program::expr::{BinaryOp, DatePart, Function, Literal, Op};
use crate::program::pipeline::{Aggregate, AggregateFunction, Phase};

fn schema(fields: &[(&str, DataType)]) -> SchemaRef {
    Arc::new(Schema::new(fields.iter().map(|(n, t)| Field::new(*n, t.clone(), true)).collect::<Vec<_>>()))
}

fn lineitem() -> SchemaRef {
    schema(&[
        ("quantity", DataType::Decimal128(15, 2)),
        ("price", DataType::Decimal128(15, 2)),
        ("discount", DataType::Decimal128(15, 2)),
        ("flag", DataType::Utf8View),
        ("date", DataType::Date32),
        ("weight", DataType::Float64),
        ("code", DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))),
        ("at", DataType::Timestamp(TimeUnit::Millisecond, None)),
        ("n", DataType::Int64),
    ])
}

fn column(schema: &SchemaRef, name: &str) -> Expr {
    let (index, field) = schema.column_with_name(name).unwrap();
    Expr::column(index, field.data_type().clone(), field.is_nullable())
}

fn aggregate(function: AggregateFunction, phase: Phase, args: Vec<Expr>, output: DataType) -> Aggregate {
    let input_type = args.last().map_or(DataType::Int64, |arg| arg.data_type.clone());
    Aggregate { function, phase, args, filter: None, input_type, output_type: output }
}

/// `price * (1 - discount)` under a date filter with the literal `date`.
fn revenue(date: i128) -> Pipeline {
    let input = lineitem();
    let one = Expr::literal(Literal::Int(1), DataType::Decimal128(20, 0));
    let rest = Expr::binary(BinaryOp::Sub, one, column(&input, "discount"), DataType::Decimal128(23, 2));
    let price = Expr::binary(BinaryOp::Mul, column(&input, "price"), rest, DataType::Decimal128(38, 4));
    let early = Expr::binary(
        BinaryOp::Le,
        column(&input, "date"),
        Expr::literal(Literal::Int(date), DataType::Date32),
        DataType::Boolean,
    );
    let sum = DataType::Decimal128(38, 4);
    let output = schema(&[
        ("flag", DataType::Utf8View),
        ("revenue", sum.clone()),
        ("avg", DataType::Decimal128(19, 6)),
    ]);
    Pipeline::scan(input.clone()).filter(&early).aggregate(
        output,
        &[column(&input, "flag")],
        &[
            aggregate(AggregateFunction::Sum, Phase::Single, vec![price], sum),
            aggregate(
                AggregateFunction::Avg,
                Phase::Single,
                vec![column(&input, "quantity")],
                DataType::Decimal128(19, 6),
            ),
        ],
    )
}

#[test]
fn literals_do_not_change_the_source() {
    let (a, b) = (compile(&revenue(9_000)).unwrap(), compile(&revenue(8_000)).unwrap());
    assert_eq!(a.modules, b.modules);
    assert_ne!(a.params, b.params);
}

#[test]
fn decimals_that_fit_stay_in_64_bits() {
    let source = compile(&revenue(1)).unwrap().modules[0].source.clone();
    assert!(source.contains("const i64 v"), "{source}");
    assert!(!source[source.find("struct Params").unwrap()..].contains("multiply_overflows(r."), "{source}");
}

#[test]
fn what_a_device_does_not_take_is_unsupported() {
    let input = schema(&[("list", DataType::List(Arc::new(Field::new("item", DataType::Int64, true))))]);
    let error = check(&input, &column(&input, "list")).unwrap_err();
    assert!(error.is_unsupported() && error.to_string().contains("'list'"), "{error}");
}

/// Writes sources that use much of the library, for a look at them and for the real compiler.
#[test]
fn sources_are_generated_for_every_sink() {
    let input = lineitem();
    let mut sources = vec![("revenue", compile(&revenue(1)).unwrap().modules[0].source.clone())];
    let date_part = |part, name, output| {
        Expr::new(Op::Call(Function::DatePart(part)), vec![column(&input, name)], output)
    };
    let flag = || column(&input, "flag");
    let like = Op::Like { pattern: "a%b_c%".into(), negated: true, case_insensitive: true };
    let columns = vec![
        Expr::new(Op::Call(Function::Upper), vec![flag()], DataType::Utf8View),
        Expr::new(like, vec![flag()], DataType::Boolean),
        date_part(DatePart::Year, "date", DataType::Int32),
        date_part(DatePart::Second, "at", DataType::Int32),
        Expr::new(Op::Cast { safe: true }, vec![column(&input, "weight")], DataType::Decimal128(20, 3)),
        Expr::new(
            Op::Case { has_else: false },
            vec![
                Expr::new(Op::IsNull, vec![flag()], DataType::Boolean),
                Expr::binary(BinaryOp::Div, column(&input, "n"), column(&input, "n"), DataType::Int64),
            ],
            DataType::Int64,
        ),
        Expr::new(
            Op::InList { list: vec![Literal::Int(5), Literal::Null], negated: false },
            vec![column(&input, "quantity")],
            DataType::Boolean,
        ),
        column(&input, "code"),
    ];
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let fields: Vec<_> =
        names.iter().zip(&columns).map(|(name, expr)| (*name, expr.data_type.clone())).collect();
    let keep = Expr::new(Op::IsNotNull, vec![column(&input, "n")], DataType::Boolean);
    let pipeline = Pipeline::scan(input.clone()).filter(&keep).project(&columns).materialize(schema(&fields));
    sources.push(("materialize", compile(&pipeline).unwrap().modules[0].source.clone()));

    let float = DataType::Float64;
    let states = schema(&[
        ("mean", float.clone()),
        ("m2", float.clone()),
        ("count", DataType::UInt64),
        ("s", DataType::Utf8),
    ]);
    let merged = vec![
        aggregate(
            AggregateFunction::StddevSample,
            Phase::Final,
            vec![column(&states, "count"), column(&states, "mean"), column(&states, "m2")],
            float.clone(),
        ),
        aggregate(
            AggregateFunction::Avg,
            Phase::Final,
            vec![column(&states, "count"), column(&states, "m2")],
            float.clone(),
        ),
        aggregate(AggregateFunction::Min, Phase::Final, vec![column(&states, "s")], DataType::Utf8),
    ];
    let output = schema(&[("sd", float.clone()), ("avg", float.clone()), ("min", DataType::Utf8)]);
    let pipeline = Pipeline::scan(states.clone()).aggregate(output, &[], &merged);
    sources.push(("final", compile(&pipeline).unwrap().modules[0].source.clone()));
    let variance = aggregate(
        AggregateFunction::VariancePopulation,
        Phase::Partial,
        vec![column(&input, "weight")],
        float.clone(),
    );
    let output = schema(&[
        ("k", DataType::Int64),
        ("count", DataType::UInt64),
        ("mean", float.clone()),
        ("m2", float),
    ]);
    let pipeline = Pipeline::scan(input.clone()).aggregate(output, &[column(&input, "n")], &[variance]);
    sources.push(("partial", compile(&pipeline).unwrap().modules[0].source.clone()));
    if let Some(folder) = std::env::var_os("SWATH_KERNEL_DUMP") {
        for (name, source) in &sources {
            std::fs::write(std::path::Path::new(&folder).join(format!("codegen-{name}.cu")), source).unwrap();
        }
    }
    assert!(sources.iter().all(|(_, source)| source.contains("struct P {")));
}

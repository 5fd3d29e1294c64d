//! Aggregates as stages.
//!
//! Most are one pipeline into one table of groups. What is not is made of several:
//!
//! | aggregate | stages |
//! |---|---|
//! | distinct values | groups by keys and value, with states of the other aggregates; then groups of those by keys |
//! | several of them | the input lies once; groups by keys and value for each; all of those, one after the other, by keys |
//! | median, percentile, first and last value | rows sorted by keys and value, numbered and counted; then an aggregate of the rows whose numbers are the right ones |
//! | grouping sets | the input lies once; an aggregate for each set, keys that it has not being null; all of those |
//!
//! Which parts there are depends on the plan alone, and groups come in the order of their first rows, as ever.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};

use super::aggregate::{Aggregation, Call, Method};
use super::stages::{Lying, Open, Source, StageWork, Stages, chosen, decoded, layout_of};
use super::tree::SortExpr;
use crate::error::{Error, Result};
use crate::operators::SortKey;
use crate::operators::window::{WindowFrame, WindowFunction, WindowKind, WindowSpec};
use crate::program::{
    Aggregate, AggregateFunction, BinaryOp, Expr, Function, Literal, Op, Phase, columns_of,
};

/// What to group by and to aggregate, over the columns of the rows.
#[derive(Clone)]
struct Grouping {
    keys: Vec<Expr>,
    calls: Vec<Call>,
}

impl Stages {
    /// Adds the stages of an aggregate over the rows of `open`; what it leaves are the keys and the results.
    ///
    /// # Errors
    /// Unsupported where states of distinct values or of values in order would have to be handed to the CPU.
    pub(super) fn aggregate(&mut self, open: Open, aggregation: &Aggregation) -> Result<Open> {
        let Aggregation { keys, sets, calls, output, phase } = aggregation;
        if *phase != Phase::Single
            && let Some(call) = calls.iter().find(|call| call.method != Method::Plain)
        {
            return Err(Error::unsupported(format!(
                "no device form of the states of {:?}, {:?}: half of the aggregate is elsewhere",
                call.aggregate.function, call.method
            )));
        }
        let grouping = Grouping { keys: keys.clone(), calls: calls.clone() };
        if sets.is_empty() {
            return self.group(open, grouping, output);
        }
        let (rows, grouping) = self.share_for(open, grouping)?;
        let layout = layout_of(output);
        let mut sources = vec![];
        for set in sets {
            let present: Vec<usize> = (0..keys.len()).filter(|&key| !set.absent[key]).collect();
            let results = keys.len() + 1..output.fields().len();
            let columns: Vec<usize> = present.iter().copied().chain(results.clone()).collect();
            let of_set = output.project(&columns).map_err(|error| Error::bug(error.to_string()))?;
            let keys_of_set = present.iter().map(|&key| grouping.keys[key].clone()).collect();
            let grouping = Grouping { keys: keys_of_set, calls: grouping.calls.clone() };
            let mut grouped = self.group(rows.clone(), grouping, &Arc::new(of_set))?;
            let made = grouped.columns();
            let column = |index: usize| match columns.iter().position(|&column| column == index) {
                Some(place) => made[place].clone(),
                None if index == keys.len() => set.id.clone(),
                None => null(layout.field(index).data_type()),
            };
            let padded: Vec<Expr> = (0..output.fields().len()).map(column).collect();
            grouped.builder = grouped.builder.project(&padded);
            sources.push(self.materialize(grouped, layout.clone())?);
        }
        Ok(Open::over(sources, layout))
    }

    /// Groups once; `output` names the keys and the results.
    fn group(&mut self, open: Open, grouping: Grouping, output: &SchemaRef) -> Result<Open> {
        if grouping.calls.iter().all(|call| call.method == Method::Plain) {
            let aggregates: Vec<Aggregate> = grouping.calls.into_iter().map(|call| call.aggregate).collect();
            return self.group_plainly(open, &grouping.keys, &aggregates, output);
        }
        if grouping.calls.iter().all(|call| matches!(call.method, Method::Plain | Method::Distinct)) {
            return self.group_distinct(open, &grouping);
        }
        let (open, grouping, results) = self.pick(open, grouping)?;
        let mut grouped = self.group_distinct(open, &grouping)?;
        grouped.builder = grouped.builder.project(&results);
        Ok(grouped)
    }

    fn group_plainly(
        &mut self,
        open: Open,
        keys: &[Expr],
        aggregates: &[Aggregate],
        output: &SchemaRef,
    ) -> Result<Open> {
        let pipeline = open.builder.aggregate(output.clone(), keys, aggregates);
        let layout = pipeline.output_layout();
        let stage = self.pipeline(open.sources, pipeline, open.tables)?;
        Ok(Open::over(vec![stage], layout))
    }

    /// Groups where some calls take each different value once.
    fn group_distinct(&mut self, open: Open, grouping: &Grouping) -> Result<Open> {
        let parts = Parts::of(grouping)?;
        match (parts.values.as_slice(), &parts.states) {
            ([], _) => {
                let output = schema_of(&grouping.keys, &results_of(&parts.plain));
                self.group_plainly(open, &grouping.keys, &parts.plain, &output)
            }
            // The one part has all columns there are.
            ([value], Some(_)) => {
                let part = self.group_values(open, &parts, value, true)?;
                self.merge(part, &parts)
            }
            _ => {
                let (rows, grouping) = self.share_for(open, grouping.clone())?;
                self.group_parts(&rows, &Parts::of(&grouping)?)
            }
        }
    }

    /// Groups rows by the keys and each value, and what comes of that by the keys.
    fn group_parts(&mut self, rows: &Open, parts: &Parts<'_>) -> Result<Open> {
        let layout = parts.layout();
        let keys = parts.keys.len();
        let of_plain = keys + parts.values.len()..layout.fields().len();
        let mut sources = vec![];
        if parts.states.is_none() && !parts.plain.is_empty() {
            let output = schema_of(parts.keys, &results_of(&parts.plain));
            let part = self.group_plainly(rows.clone(), parts.keys, &parts.plain, &output)?;
            let places: Vec<usize> = (0..keys).chain(of_plain.clone()).collect();
            sources.push(self.pad(part, &places, &layout)?);
        }
        for (index, value) in parts.values.iter().enumerate() {
            let with_states = index == 0 && parts.states.is_some();
            let part = self.group_values(rows.clone(), parts, value, with_states)?;
            let mut places: Vec<usize> = (0..keys).chain([keys + index]).collect();
            if with_states {
                places.extend(of_plain.clone());
            }
            sources.push(self.pad(part, &places, &layout)?);
        }
        self.merge(Open::over(sources, layout), parts)
    }

    /// Groups by the keys and one value, with the states of the plain aggregates if they are asked for.
    fn group_values(
        &mut self,
        open: Open,
        parts: &Parts<'_>,
        value: &Expr,
        with_states: bool,
    ) -> Result<Open> {
        let mut keys = parts.keys.to_vec();
        keys.push(value.clone());
        let mut states = vec![];
        let mut fields = vec![];
        if let (true, Some(of_plain)) = (with_states, &parts.states) {
            let partial = |plain: &Aggregate| Aggregate { phase: Phase::Partial, ..plain.clone() };
            states.extend(parts.plain.iter().map(partial));
            fields.extend(of_plain.iter().flatten().cloned());
        }
        self.group_plainly(open, &keys, &states, &schema_of(&keys, &fields))
    }

    /// Writes the columns of `part` to `places` of `layout`, and nulls to the others.
    fn pad(&mut self, mut part: Open, places: &[usize], layout: &SchemaRef) -> Result<Source> {
        let made = part.columns();
        let column = |(index, field): (usize, &FieldRef)| {
            let place = places.iter().position(|&place| place == index);
            place.map_or_else(|| null(field.data_type()), |place| made[place].clone())
        };
        let padded: Vec<Expr> = layout.fields().iter().enumerate().map(column).collect();
        part.builder = part.builder.project(&padded);
        self.materialize(part, layout.clone())
    }

    /// Groups what parts left, which is in the layout of all: by the keys alone.
    fn merge(&mut self, open: Open, parts: &Parts<'_>) -> Result<Open> {
        let columns = open.columns();
        let key_count = parts.keys.len();
        let mut state = key_count + parts.values.len();
        let mut aggregates = vec![];
        let mut plain = 0;
        for call in parts.calls {
            let aggregate = &call.aggregate;
            if call.method == Method::Distinct {
                let value = counted_value(aggregate)?;
                let place = parts.values.iter().position(|known| *known == value);
                let place = place.ok_or_else(|| Error::bug("a distinct value was not grouped by"))?;
                aggregates.push(Aggregate {
                    args: vec![columns[key_count + place].clone()],
                    filter: None,
                    ..aggregate.clone()
                });
                continue;
            }
            aggregates.push(match &parts.states {
                Some(states) => {
                    let args = columns[state..state + states[plain].len()].to_vec();
                    state += args.len();
                    Aggregate { phase: Phase::Final, args, filter: None, ..aggregate.clone() }
                }
                // Results: one row of a group has it, the others have null.
                None => {
                    let args = vec![columns[state].clone()];
                    state += 1;
                    Aggregate {
                        function: AggregateFunction::Max,
                        args,
                        filter: None,
                        input_type: aggregate.output_type.clone(),
                        ..aggregate.clone()
                    }
                }
            });
            plain += 1;
        }
        let keys = &columns[..key_count];
        let output = schema_of(keys, &results_of(&aggregates));
        self.group_plainly(open, keys, &aggregates, &output)
    }

    /// Sorts and numbers the rows, so that calls that take a value by its place become calls of all rows with a filter.
    /// Answers the rows, those calls, and what becomes of keys and results, over keys and results.
    fn pick(&mut self, open: Open, grouping: Grouping) -> Result<(Open, Grouping, Vec<Expr>)> {
        let keys = grouping.keys.iter().map(one_of_equal).collect();
        let (mut rows, grouping) = self.share_for(open, Grouping { keys, ..grouping })?;
        // Each order of the rows of groups in which something has a place, and the rows that count there.
        let mut orders: Vec<(Vec<SortExpr>, Option<Expr>)> = vec![];
        let mut number = |order: Vec<SortExpr>, counted: Option<Expr>| {
            let wanted = (order, counted);
            orders.iter().position(|known| *known == wanted).unwrap_or_else(|| {
                orders.push(wanted);
                orders.len() - 1
            })
        };
        let ascending = |expr: &Expr| SortExpr { expr: expr.clone(), descending: false, nulls_first: false };
        let mut picks = vec![];
        for call in &grouping.calls {
            let value = || counted_value(&call.aggregate);
            picks.push(match &call.method {
                Method::Plain | Method::Distinct => None,
                Method::Median | Method::Percentile(_) => {
                    let value = value()?;
                    let order = number(vec![ascending(&value)], Some(value.clone()));
                    Some((order, value))
                }
                Method::First { order, ignore_nulls } | Method::Last { order, ignore_nulls } => {
                    let arg = argument(&call.aggregate)?;
                    // Rows that do not count come last.
                    let is_some = Expr::new(Op::IsNotNull, vec![arg.clone()], DataType::Boolean);
                    let counts = ignore_nulls
                        .then_some(is_some)
                        .into_iter()
                        .chain(call.aggregate.filter.clone())
                        .reduce(and);
                    let mut keys = order.clone();
                    let one =
                        counts.map(|counts| when(counts, Expr::literal(Literal::Int(1), DataType::Int64)));
                    keys.splice(0..0, one.iter().map(ascending));
                    Some((number(keys, one), arg.clone()))
                }
            });
        }
        let mut numbers = vec![];
        for (order, counted) in &orders {
            let width = rows.columns().len();
            rows = self.number(rows, &grouping.keys, order, counted.as_ref())?;
            let number = Expr::column(width, DataType::UInt64, false);
            numbers.push((number, Expr::column(width + 1, DataType::Int64, false)));
        }
        let mut calls: Vec<Call> = vec![];
        let mut results: Vec<Expr> = vec![];
        let key_count = grouping.keys.len();
        for (index, key) in grouping.keys.iter().enumerate() {
            results.push(Expr::column(index, decoded(&key.data_type), key.nullable));
        }
        for (call, pick) in grouping.calls.iter().zip(&picks) {
            let mut add = |call: Call| {
                let place = calls
                    .iter()
                    .position(|known| known.aggregate == call.aggregate && known.method == call.method);
                let place = place.unwrap_or_else(|| {
                    calls.push(call.clone());
                    calls.len() - 1
                });
                Expr::column(key_count + place, call.aggregate.output_type.clone(), true)
            };
            let Some((order, value)) = pick else {
                results.push(add(call.clone()));
                continue;
            };
            let (number, count) = &numbers[*order];
            let mut chosen = |function: AggregateFunction, value: &Expr, filter: Option<Expr>| {
                let aggregate = Aggregate {
                    function,
                    phase: Phase::Single,
                    args: vec![value.clone()],
                    filter,
                    input_type: value.data_type.clone(),
                    output_type: value.data_type.clone(),
                };
                add(Call { aggregate, method: Method::Plain })
            };
            use AggregateFunction::{Max, Min};
            results.push(match &call.method {
                Method::Median => {
                    let middle = Some(is_middle(number, count));
                    let (low, high) = (chosen(Min, value, middle.clone()), chosen(Max, value, middle));
                    mean(low, high)
                }
                Method::Percentile(share) => {
                    let index = |count: &Expr| way(*share, count);
                    let before = minus_one(number);
                    let at = |function: Function| {
                        let place = Expr::new(Op::Call(function), vec![index(count)], DataType::Float64);
                        Some(compare(BinaryOp::Eq, before.clone(), place))
                    };
                    let low = chosen(Max, value, at(Function::Floor));
                    let high = chosen(Max, value, at(Function::Ceil));
                    between(low, high, index(&chosen(Max, count, None)))
                }
                // A group may have no rows that count.
                method => {
                    let zero = Expr::literal(Literal::Int(0), DataType::Int64);
                    let some = compare(BinaryOp::Gt, count.clone(), zero);
                    let place = match method {
                        Method::First { .. } => Expr::literal(Literal::Int(1), DataType::Int64),
                        _ => count.clone(),
                    };
                    let number = cast(number.clone(), DataType::Int64);
                    let filter = and(some, compare(BinaryOp::Eq, number, place));
                    chosen(Max, value, Some(filter))
                }
            });
        }
        Ok((rows, Grouping { keys: grouping.keys, calls }, results))
    }

    /// Sorts the rows by keys and order, and adds two columns: each row's number within its group, from 1, and how many
    /// rows of the group have a value in `counted`, or how many there are.
    fn number(
        &mut self,
        mut open: Open,
        keys: &[Expr],
        order: &[SortExpr],
        counted: Option<&Expr>,
    ) -> Result<Open> {
        let mut columns = Columns { exprs: columns_of(&schema_of(&open.columns(), &[]), 0) };
        let width = columns.exprs.len();
        let partition: Vec<usize> = keys.iter().map(|key| columns.place(key)).collect();
        let by_keys =
            partition.iter().map(|&column| SortKey { column, descending: false, nulls_first: true });
        let mut sort: Vec<SortKey> = by_keys.collect();
        for key in order {
            let (descending, nulls_first) = (key.descending, key.nulls_first);
            sort.push(SortKey { column: columns.place(&key.expr), descending, nulls_first });
        }
        let args: Vec<usize> = counted.into_iter().map(|counted| columns.place(counted)).collect();
        open.builder = open.builder.project(&columns.exprs);
        let schema = schema_of(&columns.exprs, &[]);
        let Lying { mut sources, mut read, layout } = self.lie(open, schema)?;
        let all: Vec<usize> = (0..layout.fields().len()).collect();
        if !sort.is_empty() {
            sources = vec![self.push(sources, read, StageWork::Sort { keys: sort, fetch: None })?];
            read = all;
        }
        let function = |kind, args, data_type| WindowFunction {
            kind,
            args,
            frame: WindowFrame::whole_partition(),
            ignore_nulls: false,
            output: Arc::new(Field::new("number", data_type, false)),
        };
        let functions = vec![
            function(WindowKind::RowNumber, vec![], DataType::UInt64),
            function(WindowKind::Count, args, DataType::Int64),
        ];
        let spec = WindowSpec { partition, order: vec![], functions };
        spec.check(&layout)?;
        let mut fields: Vec<FieldRef> = layout.fields().to_vec();
        fields.extend(spec.functions.iter().map(|function| function.output.clone()));
        let stage = self.push(sources, read, StageWork::Window { spec })?;
        let layout = Arc::new(Schema::new(fields));
        let mut numbered = Open::over(vec![stage], layout.clone());
        // What was only sorted by goes again.
        let mut columns = columns_of(&layout, 0);
        columns.drain(width..columns.len() - 2);
        numbered.builder = numbered.builder.project(&columns);
        Ok(numbered)
    }

    /// Has the columns that a grouping reads lie where several stages can read them, and answers it over those.
    fn share_for(&mut self, mut open: Open, grouping: Grouping) -> Result<(Open, Grouping)> {
        let mut columns = Columns { exprs: vec![] };
        let mut place = |expr: &Expr| {
            let index = columns.place(expr);
            Expr::column(index, decoded(&expr.data_type), expr.nullable)
        };
        let keys = grouping.keys.iter().map(&mut place).collect();
        let mut calls = vec![];
        for mut call in grouping.calls {
            call.aggregate.args = call.aggregate.args.iter().map(&mut place).collect();
            call.aggregate.filter = call.aggregate.filter.as_ref().map(&mut place);
            if let Method::First { order, .. } | Method::Last { order, .. } = &mut call.method {
                order.iter_mut().for_each(|key| key.expr = place(&key.expr));
            }
            calls.push(call);
        }
        open.builder = open.builder.project(&columns.exprs);
        Ok((self.share(open)?, Grouping { keys, calls }))
    }

    /// Has rows lie where several stages can read them: where they are, if that is in device memory.
    fn share(&mut self, open: Open) -> Result<Open> {
        let Some(read) = chosen(&open.builder) else {
            let schema = layout_of(&schema_of(&open.columns(), &[]));
            let stage = self.materialize(open, schema.clone())?;
            return Ok(Open::over(vec![stage], schema));
        };
        if !open.sources.iter().any(|source| matches!(source, Source::Leaf(_))) {
            return Ok(open);
        }
        let fields: Vec<FieldRef> =
            read.iter().map(|&index| open.builder.input().fields()[index].clone()).collect();
        let stage = self.push(open.sources, read, StageWork::Limit { skip: 0, fetch: None })?;
        Ok(Open::over(vec![stage], Arc::new(Schema::new(fields))))
    }
}

/// A grouping in which some calls take each different value once.
struct Parts<'a> {
    keys: &'a [Expr],
    calls: &'a [Call],
    /// The values that are taken once, each by itself.
    values: Vec<Expr>,
    /// The calls that take every row's value.
    plain: Vec<Aggregate>,
    /// The states of each of those; `None` where one has none, so that their results are taken instead.
    states: Option<Vec<Vec<(DataType, bool)>>>,
}

impl Parts<'_> {
    fn of(grouping: &Grouping) -> Result<Parts<'_>> {
        let (mut values, mut plain) = (vec![], vec![]);
        for call in &grouping.calls {
            if call.method != Method::Distinct {
                plain.push(call.aggregate.clone());
                continue;
            }
            let value = counted_value(&call.aggregate)?;
            if !values.contains(&value) {
                values.push(value);
            }
        }
        let states = plain.iter().map(Aggregate::states).collect();
        Ok(Parts { keys: &grouping.keys, calls: &grouping.calls, values, plain, states })
    }

    /// The columns of all parts: the keys, the values, then the states or the results of the plain calls.
    fn layout(&self) -> SchemaRef {
        let of_plain = match &self.states {
            Some(states) => states.iter().flatten().cloned().collect(),
            None => results_of(&self.plain),
        };
        let columns: Vec<Expr> = self.keys.iter().chain(&self.values).cloned().collect();
        let schema = schema_of(&columns, &of_plain);
        let padded = |(index, field): (usize, &FieldRef)| {
            field.as_ref().clone().with_nullable(index >= self.keys.len() || field.is_nullable())
        };
        Arc::new(Schema::new(schema.fields().iter().enumerate().map(padded).collect::<Vec<_>>()))
    }
}

/// Columns that are computed for a stage, equal ones once.
struct Columns {
    exprs: Vec<Expr>,
}

impl Columns {
    fn place(&mut self, expr: &Expr) -> usize {
        if let Op::Column(index) = expr.op
            && self.exprs.get(index).is_some_and(|known| known.op == expr.op)
        {
            return index;
        }
        self.exprs.iter().position(|known| known == expr).unwrap_or_else(|| {
            self.exprs.push(expr.clone());
            self.exprs.len() - 1
        })
    }
}

/// Names columns of the types of `exprs` and of `others`, as a stage writes them.
fn schema_of(exprs: &[Expr], others: &[(DataType, bool)]) -> SchemaRef {
    let of_exprs = exprs.iter().map(|expr| (decoded(&expr.data_type), expr.nullable));
    let all = of_exprs.chain(others.iter().map(|(data_type, nullable)| (decoded(data_type), *nullable)));
    let field = |(index, (data_type, nullable))| Field::new(format!("column {index}"), data_type, nullable);
    Arc::new(Schema::new(all.enumerate().map(field).collect::<Vec<_>>()))
}

/// The types of results, and whether they can be null.
fn results_of(aggregates: &[Aggregate]) -> Vec<(DataType, bool)> {
    let result = |one: &Aggregate| (one.output_type.clone(), one.function != AggregateFunction::Count);
    aggregates.iter().map(result).collect()
}

fn argument(aggregate: &Aggregate) -> Result<&Expr> {
    let arg = aggregate.args.first();
    arg.ok_or_else(|| Error::bug(format!("{:?} lacks an argument", aggregate.function)))
}

/// The argument where the row counts, null where not.
fn counted_value(aggregate: &Aggregate) -> Result<Expr> {
    let arg = argument(aggregate)?.clone();
    Ok(match &aggregate.filter {
        Some(filter) => when(filter.clone(), arg),
        None => arg,
    })
}

/// A key in which what groups hold for equal is the same: floats have several zeros and NaNs.
fn one_of_equal(key: &Expr) -> Expr {
    if !matches!(key.data_type, DataType::Float32 | DataType::Float64) {
        return key.clone();
    }
    let float = |value: f64| Expr::literal(Literal::Float(value), key.data_type.clone());
    let zero = arithmetic(BinaryOp::Add, key.clone(), float(0.0));
    let above = compare(BinaryOp::Gt, key.clone(), float(f64::INFINITY));
    let below = compare(BinaryOp::Lt, key.clone(), float(f64::NEG_INFINITY));
    let not_a_number = Expr::binary(BinaryOp::Or, above, below, DataType::Boolean);
    let args = vec![not_a_number, float(f64::NAN), zero];
    let one = Expr::new(Op::Case { has_else: true }, args, key.data_type.clone());
    Expr { nullable: key.nullable, ..one }
}

/// Whether a row is the one in the middle of its group, or one of the two.
fn is_middle(number: &Expr, count: &Expr) -> Expr {
    let int = |value| Expr::literal(Literal::Int(value), DataType::Int64);
    let twice = arithmetic(BinaryOp::Mul, cast(number.clone(), DataType::Int64), int(2));
    let beyond = arithmetic(BinaryOp::Sub, twice, count.clone());
    and(compare(BinaryOp::Ge, beyond.clone(), int(0)), compare(BinaryOp::Le, beyond, int(2)))
}

/// The mean of two values, which are the same where there is but one.
fn mean(low: Expr, high: Expr) -> Expr {
    let data_type = low.data_type.clone();
    let half = match data_type {
        DataType::Decimal128(_, scale) => {
            let wide = DataType::Decimal128(38, scale);
            let sum = Expr::binary(BinaryOp::Add, low.clone(), high.clone(), wide);
            let two = Expr::literal(Literal::Int(2), DataType::Decimal128(1, 0));
            Expr::binary(BinaryOp::Div, sum, two, data_type.clone())
        }
        _ => {
            let sum = arithmetic(BinaryOp::Add, low.clone(), high.clone());
            arithmetic(BinaryOp::Div, sum, Expr::literal(Literal::Float(2.0), data_type.clone()))
        }
    };
    let args = vec![compare(BinaryOp::Eq, low.clone(), high), low, half];
    Expr::new(Op::Case { has_else: true }, args, data_type)
}

/// What lies at `index` between two values in order, as DataFusion's `percentile_cont` interpolates.
fn between(low: Expr, high: Expr, index: Expr) -> Expr {
    let float = |value: f64| Expr::literal(Literal::Float(value), DataType::Float64);
    let floor = |expr: Expr| Expr::new(Op::Call(Function::Floor), vec![expr], DataType::Float64);
    let fraction = arithmetic(BinaryOp::Sub, index.clone(), floor(index));
    let steps = floor(arithmetic(BinaryOp::Mul, fraction.clone(), float(1e6)));
    let weight = arithmetic(BinaryOp::Div, steps, float(1e6));
    let data_type = low.data_type.clone();
    let (from, to) = (cast(low.clone(), DataType::Float64), cast(high, DataType::Float64));
    let rest = arithmetic(BinaryOp::Mul, arithmetic(BinaryOp::Sub, to, from.clone()), weight);
    let value = cast(arithmetic(BinaryOp::Add, from, rest), data_type.clone());
    let args = vec![compare(BinaryOp::Eq, fraction, float(0.0)), low, value];
    Expr::new(Op::Case { has_else: true }, args, data_type)
}

/// `share` of the way from the first of `count` rows to the last, in rows.
fn way(share: f64, count: &Expr) -> Expr {
    let share = Expr::literal(Literal::Float(share), DataType::Float64);
    arithmetic(BinaryOp::Mul, share, minus_one(count))
}

fn minus_one(count: &Expr) -> Expr {
    let one = Expr::literal(Literal::Float(1.0), DataType::Float64);
    arithmetic(BinaryOp::Sub, cast(count.clone(), DataType::Float64), one)
}

fn null(data_type: &DataType) -> Expr {
    Expr::literal(Literal::Null, decoded(data_type))
}

fn when(condition: Expr, value: Expr) -> Expr {
    let data_type = decoded(&value.data_type);
    Expr::new(Op::Case { has_else: false }, vec![condition, value], data_type)
}

fn cast(expr: Expr, data_type: DataType) -> Expr {
    match expr.data_type == data_type {
        true => expr,
        false => Expr::new(Op::Cast { safe: false }, vec![expr], data_type),
    }
}

fn arithmetic(op: BinaryOp, left: Expr, right: Expr) -> Expr {
    let data_type = left.data_type.clone();
    Expr::binary(op, left, right, data_type)
}

fn compare(op: BinaryOp, left: Expr, right: Expr) -> Expr {
    Expr::binary(op, left, right, DataType::Boolean)
}

fn and(left: Expr, right: Expr) -> Expr {
    Expr::binary(BinaryOp::And, left, right, DataType::Boolean)
}

//! Pipelines: what runs as one kernel between two breakers.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::expr::{BinaryOp, Expr};

/// A scan over one input, through filters, into a sink.
///
/// Projections are folded away as the pipeline is built: every expression is over the input's columns.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// The columns of the input; only those that expressions name are read.
    pub input: SchemaRef,
    /// A row goes on only if every one is true; evaluated in this order, the later only where the earlier are true.
    pub filters: Vec<Expr>,
    pub sink: Sink,
}

/// What a pipeline does with the rows that its filters keep.
#[derive(Clone, Debug)]
pub enum Sink {
    /// Writes the columns, in input order.
    Materialize { output: SchemaRef, columns: Vec<Expr> },
    /// Groups by the keys (null equals null, NaN equals NaN, −0.0 equals 0.0) and aggregates; with no keys there is
    /// exactly one group. Groups come out in the order in which their first rows came in.
    ///
    /// `output` holds the keys, then for each aggregate its result, or its state columns where the phase is partial.
    Aggregate { output: SchemaRef, keys: Vec<Expr>, aggregates: Vec<Aggregate> },
}

/// One aggregate of an [`Sink::Aggregate`].
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    pub function: AggregateFunction,
    pub phase: Phase,
    /// Phase `Single` or `Partial`: the argument, none for `count(*)`. Phase `Final`: the state columns.
    pub args: Vec<Expr>,
    /// Rows for which this is not true do not count. Not allowed in phase `Final`.
    pub filter: Option<Expr>,
    /// The type of the argument before any phase: decides decimal scales in phase `Final` too.
    pub input_type: DataType,
    /// The type of the result of phases `Single` and `Final`.
    pub output_type: DataType,
}

/// Which half of an aggregate runs here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Rows to results.
    Single,
    /// Rows to states that a `Final` elsewhere merges, on a device or on the CPU.
    Partial,
    /// States to results.
    Final,
}

/// Aggregate functions; their states in phases `Partial` and `Final` are those of DataFusion's accumulators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AggregateFunction {
    /// Rows whose argument is not null, or all rows without one. State: `[count i64]`.
    Count,
    /// Wrapping for integers and decimals; deterministic for floats. State: `[sum]`.
    Sum,
    /// State: `[min]`. NaN is greater than every number.
    Min,
    Max,
    /// State: `[count u64, sum]`.
    Avg,
    /// State of the four: `[count u64, mean f64, m2 f64]`.
    VarianceSample,
    VariancePopulation,
    StddevSample,
    StddevPopulation,
    /// State: `[value]`.
    BoolAnd,
    BoolOr,
    BitAnd,
    BitOr,
    BitXor,
}

impl Pipeline {
    /// Starts a pipeline over `input` that passes every column.
    pub fn scan(input: SchemaRef) -> PipelineBuilder {
        let columns = input
            .fields()
            .iter()
            .enumerate()
            .map(|(index, field)| Expr::column(index, field.data_type().clone(), field.is_nullable()))
            .collect();
        PipelineBuilder { input, filters: vec![], columns }
    }

    /// Returns the schema of what the sink produces.
    pub fn output(&self) -> &SchemaRef {
        match &self.sink {
            Sink::Materialize { output, .. } | Sink::Aggregate { output, .. } => output,
        }
    }

    /// Returns the schema under which another pipeline reads the output on the device: dictionaries are written out.
    pub fn output_layout(&self) -> SchemaRef {
        let fields: Vec<Field> = self
            .output()
            .fields()
            .iter()
            .map(|field| match field.data_type() {
                DataType::Dictionary(_, value) => {
                    field.as_ref().clone().with_data_type(value.as_ref().clone())
                }
                _ => field.as_ref().clone(),
            })
            .collect();
        Arc::new(Schema::new(fields))
    }

    /// Returns the indices of the input columns that some expression reads, ascending.
    pub fn columns_read(&self) -> Vec<usize> {
        let mut read = vec![false; self.input.fields().len()];
        self.walk(&mut |expr| {
            if let super::expr::Op::Column(index) = expr.op {
                read[index] = true;
            }
        });
        (0..read.len()).filter(|&index| read[index]).collect()
    }

    /// Calls `visit` on every expression of the pipeline and all below it.
    pub fn walk(&self, visit: &mut impl FnMut(&Expr)) {
        let sink_exprs: Vec<&Expr> = match &self.sink {
            Sink::Materialize { columns, .. } => columns.iter().collect(),
            Sink::Aggregate { keys, aggregates, .. } => {
                let of_aggregates = aggregates.iter().flat_map(|a| a.args.iter().chain(&a.filter));
                keys.iter().chain(of_aggregates).collect()
            }
        };
        for expr in self.filters.iter().chain(sink_exprs) {
            expr.walk(visit);
        }
    }
}

/// Builds a [`Pipeline`] step by step; expressions given to it refer to the columns that the steps so far leave.
#[derive(Clone, Debug)]
pub struct PipelineBuilder {
    input: SchemaRef,
    filters: Vec<Expr>,
    columns: Vec<Expr>,
}

impl PipelineBuilder {
    /// Keeps the rows for which `predicate` is true; conjunctions are split so that each part can end a row early.
    pub fn filter(mut self, predicate: &Expr) -> Self {
        let predicate = predicate.substitute(&self.columns);
        split_conjunction(predicate, &mut self.filters);
        self
    }

    /// Replaces the columns by `exprs`.
    pub fn project(mut self, exprs: &[Expr]) -> Self {
        self.columns = exprs.iter().map(|expr| expr.substitute(&self.columns)).collect();
        self
    }

    /// Returns the columns that the steps so far leave, as expressions over the input.
    pub fn columns(&self) -> &[Expr] {
        &self.columns
    }

    /// Ends the pipeline by writing the columns under the names and types of `output`.
    pub fn materialize(self, output: SchemaRef) -> Pipeline {
        let sink = Sink::Materialize { output, columns: self.columns };
        Pipeline { input: self.input, filters: self.filters, sink }
    }

    /// Ends the pipeline by aggregating; see [`Sink::Aggregate`].
    pub fn aggregate(self, output: SchemaRef, keys: &[Expr], aggregates: &[Aggregate]) -> Pipeline {
        let over_input = |exprs: &[Expr]| exprs.iter().map(|expr| expr.substitute(&self.columns)).collect();
        let keys = over_input(keys);
        let aggregates = aggregates
            .iter()
            .map(|aggregate| Aggregate {
                args: over_input(&aggregate.args),
                filter: aggregate.filter.as_ref().map(|filter| filter.substitute(&self.columns)),
                ..aggregate.clone()
            })
            .collect();
        let sink = Sink::Aggregate { output, keys, aggregates };
        Pipeline { input: self.input, filters: self.filters, sink }
    }
}

fn split_conjunction(expr: Expr, out: &mut Vec<Expr>) {
    if expr.op == super::expr::Op::Binary(BinaryOp::And) {
        for arg in expr.args {
            split_conjunction(arg, out);
        }
    } else {
        out.push(expr);
    }
}

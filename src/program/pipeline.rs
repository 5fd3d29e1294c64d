//! Pipelines: what runs as one kernel between two breakers.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};

use super::expr::{BinaryOp, Expr};

/// A scan over one input, through steps, into a sink.
///
/// Projections are folded away as the pipeline is built: every expression is over the pipeline's columns, which are
/// those of the input and then those that each step adds, in order.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// The columns of the input; only those that expressions name are read.
    pub input: SchemaRef,
    /// What a row goes through, in this order; a step sees only rows that those before it keep.
    pub steps: Vec<Step>,
    pub sink: Sink,
}

/// One step of a pipeline. No step makes several rows of one, but [`Step::Expand`], which only the input feeds.
#[derive(Clone, Debug)]
pub enum Step {
    /// Keeps the rows for which the expression is true.
    Filter(Expr),
    /// Looks the row up in a join table.
    Probe(Probe),
    /// Makes of each input row one row for each row of a join table that it meets; the first step if it is one.
    Expand(Expand),
}

/// The look-up of a row in a join table; adds the table's columns, and for [`ProbeKind::Mark`] a Boolean after them.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The number of the table among those of the execution.
    pub table: usize,
    /// Without keys every row meets every row of the table.
    pub keys: Vec<Expr>,
    /// Whether null equals null in the keys; if not, a row with a null key meets no row.
    pub null_equals_null: bool,
    pub kind: ProbeKind,
    /// The table's columns, nullable all where `kind` is `Outer`.
    pub columns: SchemaRef,
    /// What else must be true of two rows that meet, over the pipeline's columns up to and with the table's.
    pub residual: Option<Expr>,
    /// Whether the table's rows that are met are marked, for what follows on its side.
    pub marks: bool,
}

/// What becomes of a row that meets a row of the table, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeKind {
    /// It goes on with the columns of the row that it meets, which is one at most, or is dropped.
    Inner,
    /// It goes on with the columns of the row that it meets, which is one at most, or with nulls.
    Outer,
    /// It goes on if it meets a row. The table's columns are for the residual alone.
    Semi,
    /// It goes on if it meets no row.
    Anti,
    /// It goes on, with a Boolean that says whether it meets a row.
    Mark,
    /// It goes on with two columns in place of the table's: where its group of the table's rows begins, and their
    /// count, both `UInt32`. The residual is left to the [`Expand`] that follows.
    Count,
}

/// The rows that a row meets, one by one; adds the table's columns.
#[derive(Clone, Debug)]
pub struct Expand {
    /// The number of the table among those of the execution.
    pub table: usize,
    /// The input columns that [`ProbeKind::Count`] made; `None` where every row meets every row of the table.
    pub group: Option<Group>,
    pub columns: SchemaRef,
    /// What else must be true of two rows that meet.
    pub residual: Option<Expr>,
    /// Whether the table's rows that are met are marked.
    pub marks: bool,
    /// Whether input rows that meet a row are marked.
    pub marks_input: bool,
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
    /// Makes the input, which is one chunk then, a join table by the keys; its columns stay as they are.
    Build { keys: Vec<Expr>, null_equals_null: bool },
}

/// The input columns that say which rows of a table a row meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Where its group begins.
    pub begin: usize,
    /// How many rows the group has.
    pub count: usize,
}

/// Where a column of a pipeline comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Input(usize),
    /// Column `column` of the table that step `step` probes or expands.
    Table {
        step: usize,
        column: usize,
    },
    /// Whether the row met one in step `step`.
    Mark {
        step: usize,
    },
    /// Where the row's group begins, in step `step`, and how many rows it has.
    GroupBegin {
        step: usize,
    },
    GroupCount {
        step: usize,
    },
}

/// One aggregate of an [`Sink::Aggregate`].
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    pub function: AggregateFunction,
    pub phase: Phase,
    /// Phase `Single` or `Partial`: the argument or arguments, none for `count(*)`. Phase `Final`: the state columns.
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
    /// Of doubles, rounded once, from the exact sum. No state of a device's own: both phases run in one place.
    ExactSum,
    /// The same, divided by the count.
    ExactAvg,
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
    /// Of two arguments, as all that follow: rows where one is null do not count. They have no states.
    CovarianceSample,
    CovariancePopulation,
    Correlation,
    /// Of y and x.
    Regression(Regression),
}

/// What is asked of the line through the points of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Regression {
    Slope,
    Intercept,
    /// How well it fits.
    R2,
    /// How many points there are.
    Count,
    MeanX,
    MeanY,
    /// Sums of squared deviations from the mean.
    SquaresX,
    SquaresY,
    /// The sum of products of deviations.
    Products,
}

impl AggregateFunction {
    /// Whether it has two arguments.
    pub fn is_of_pairs(self) -> bool {
        use AggregateFunction::*;
        matches!(self, CovarianceSample | CovariancePopulation | Correlation | Regression(_))
    }
}

impl Aggregate {
    /// Returns the types of the columns that the states of phases `Partial` and `Final` take, and whether they can be
    /// null; `None` where the function has no states, or none from which the result is as exact as from all rows.
    pub fn states(&self) -> Option<Vec<(DataType, bool)>> {
        use AggregateFunction::*;
        Some(match self.function {
            Count => vec![(DataType::Int64, false)],
            Sum | Min | Max | BoolAnd | BoolOr | BitAnd | BitOr | BitXor => {
                vec![(self.output_type.clone(), true)]
            }
            Avg => {
                let sum = match self.input_type {
                    DataType::Decimal128(_, scale) => DataType::Decimal128(38, scale),
                    _ => DataType::Float64,
                };
                vec![(DataType::UInt64, false), (sum, true)]
            }
            // A mean is rounded; the deviations from several are not those from one.
            VarianceSample | VariancePopulation | StddevSample | StddevPopulation => return None,
            CovarianceSample | CovariancePopulation | Correlation | Regression(_) => return None,
            // The whole accumulator would be the state.
            ExactSum | ExactAvg => return None,
        })
    }
}

impl Pipeline {
    /// Starts a pipeline over `input` that passes every column.
    pub fn scan(input: SchemaRef) -> PipelineBuilder {
        let columns = columns_of(&input, 0);
        PipelineBuilder { width: input.fields().len(), input, steps: vec![], columns }
    }

    /// Returns the schema of what the sink produces.
    pub fn output(&self) -> &SchemaRef {
        match &self.sink {
            Sink::Materialize { output, .. } | Sink::Aggregate { output, .. } => output,
            Sink::Build { .. } => &self.input,
        }
    }

    /// Returns the schema under which another pipeline reads the output on the device: dictionaries are written out,
    /// but for columns that are passed on as they are.
    pub fn output_layout(&self) -> SchemaRef {
        let stays = |index: usize, data_type: &DataType| match &self.sink {
            Sink::Materialize { columns, .. } => super::stays_encoded(&columns[index], data_type),
            _ => false,
        };
        let fields: Vec<Field> = self
            .output()
            .fields()
            .iter()
            .enumerate()
            .map(|(index, field)| match field.data_type() {
                data_type if stays(index, data_type) => field.as_ref().clone(),
                DataType::Dictionary(_, value) => {
                    field.as_ref().clone().with_data_type(value.as_ref().clone())
                }
                _ => field.as_ref().clone(),
            })
            .collect();
        Arc::new(Schema::new(fields))
    }

    /// Returns the fields of the pipeline's columns, and where each comes from.
    pub fn columns(&self) -> (SchemaRef, Vec<Origin>) {
        let mut fields: Vec<FieldRef> = self.input.fields().iter().cloned().collect();
        let mut origins: Vec<Origin> = (0..fields.len()).map(Origin::Input).collect();
        for (number, step) in self.steps.iter().enumerate() {
            for (field, origin) in step.adds(number) {
                fields.push(field);
                origins.push(origin);
            }
        }
        (Arc::new(Schema::new(fields)), origins)
    }

    /// Returns the indices of the input columns that some expression reads, ascending.
    pub fn columns_read(&self) -> Vec<usize> {
        let mut read = vec![false; self.input.fields().len()];
        let mut note = |index: usize| {
            if let Some(read) = read.get_mut(index) {
                *read = true;
            }
        };
        self.walk(&mut |expr| {
            if let super::expr::Op::Column(index) = expr.op {
                note(index);
            }
        });
        for step in &self.steps {
            if let Step::Expand(Expand { group: Some(Group { begin, count }), .. }) = step {
                note(*begin);
                note(*count);
            }
        }
        (0..read.len()).filter(|&index| read[index]).collect()
    }

    /// Calls `visit` on every expression of the pipeline and all below it.
    pub fn walk(&self, visit: &mut impl FnMut(&Expr)) {
        for expr in self.steps.iter().flat_map(Step::exprs).chain(self.sink.exprs()) {
            expr.walk(visit);
        }
    }

    /// Drops the input columns that nothing reads; answers the pipeline with the indices of those that stay.
    pub fn narrow(&self) -> (Pipeline, Vec<usize>) {
        let read = self.columns_read();
        let fields: Vec<FieldRef> = read.iter().map(|&index| self.input.fields()[index].clone()).collect();
        let dropped = self.input.fields().len() - fields.len();
        let moved = |index: usize| match index < self.input.fields().len() {
            // What is not read has no place, and nothing refers to it.
            true => read.binary_search(&index).unwrap_or(usize::MAX),
            false => index - dropped,
        };
        let columns: Vec<Expr> = (self.columns().0.fields().iter().enumerate())
            .map(|(index, field)| Expr::column(moved(index), field.data_type().clone(), field.is_nullable()))
            .collect();
        let mut pipeline = self.substitute(&columns);
        for step in &mut pipeline.steps {
            if let Step::Expand(Expand { group: Some(group), .. }) = step {
                *group = Group { begin: moved(group.begin), count: moved(group.count) };
            }
        }
        pipeline.input = Arc::new(Schema::new_with_metadata(fields, self.input.metadata().clone()));
        (pipeline, read)
    }

    /// Replaces what `replace` answers something for, in every expression.
    pub fn replace(&self, replace: &impl Fn(&Expr) -> Option<Expr>) -> Pipeline {
        let steps = self.steps.iter().map(|step| step.map(&|expr| expr.replace(replace))).collect();
        let sink = self.sink.map(&|expr| expr.replace(replace));
        Pipeline { input: self.input.clone(), steps, sink }
    }

    /// Replaces each column reference by `columns[index]`, in every expression.
    pub fn substitute(&self, columns: &[Expr]) -> Pipeline {
        let steps = self.steps.iter().map(|step| step.map(&|expr| expr.substitute(columns))).collect();
        let sink = self.sink.map(&|expr| expr.substitute(columns));
        Pipeline { input: self.input.clone(), steps, sink }
    }
}

impl Step {
    /// Returns the columns that the step, the pipeline's `number`th, adds.
    pub fn adds(&self, number: usize) -> Vec<(FieldRef, Origin)> {
        let of_table = |columns: &SchemaRef| -> Vec<(FieldRef, Origin)> {
            let origin = |column| Origin::Table { step: number, column };
            columns.fields().iter().cloned().enumerate().map(|(i, field)| (field, origin(i))).collect()
        };
        let field = |name: &str, data_type| Arc::new(Field::new(name, data_type, false));
        match self {
            Step::Filter(_) => vec![],
            Step::Expand(expand) => of_table(&expand.columns),
            Step::Probe(Probe { kind: ProbeKind::Count, .. }) => vec![
                (field("group begin", DataType::UInt32), Origin::GroupBegin { step: number }),
                (field("group count", DataType::UInt32), Origin::GroupCount { step: number }),
            ],
            Step::Probe(probe) => {
                let mut added = of_table(&probe.columns);
                if probe.kind == ProbeKind::Mark {
                    added.push((field("mark", DataType::Boolean), Origin::Mark { step: number }));
                }
                added
            }
        }
    }

    fn exprs(&self) -> Vec<&Expr> {
        match self {
            Step::Filter(predicate) => vec![predicate],
            Step::Probe(probe) => probe.keys.iter().chain(&probe.residual).collect(),
            Step::Expand(expand) => expand.residual.iter().collect(),
        }
    }

    fn map(&self, change: &impl Fn(&Expr) -> Expr) -> Step {
        match self {
            Step::Filter(predicate) => Step::Filter(change(predicate)),
            Step::Probe(probe) => Step::Probe(Probe {
                keys: probe.keys.iter().map(change).collect(),
                residual: probe.residual.as_ref().map(change),
                ..probe.clone()
            }),
            Step::Expand(expand) => {
                Step::Expand(Expand { residual: expand.residual.as_ref().map(change), ..expand.clone() })
            }
        }
    }
}

impl Sink {
    fn exprs(&self) -> Vec<&Expr> {
        match self {
            Sink::Materialize { columns, .. } => columns.iter().collect(),
            Sink::Build { keys, .. } => keys.iter().collect(),
            Sink::Aggregate { keys, aggregates, .. } => {
                let of_aggregates = aggregates.iter().flat_map(|one| one.args.iter().chain(&one.filter));
                keys.iter().chain(of_aggregates).collect()
            }
        }
    }

    fn map(&self, change: &impl Fn(&Expr) -> Expr) -> Sink {
        let all = |exprs: &[Expr]| exprs.iter().map(change).collect::<Vec<_>>();
        match self {
            Sink::Materialize { output, columns } => {
                Sink::Materialize { output: output.clone(), columns: all(columns) }
            }
            Sink::Build { keys, null_equals_null } => {
                Sink::Build { keys: all(keys), null_equals_null: *null_equals_null }
            }
            Sink::Aggregate { output, keys, aggregates } => Sink::Aggregate {
                output: output.clone(),
                keys: all(keys),
                aggregates: aggregates
                    .iter()
                    .map(|one| Aggregate {
                        args: all(&one.args),
                        filter: one.filter.as_ref().map(change),
                        ..one.clone()
                    })
                    .collect(),
            },
        }
    }
}

/// Makes a reference to each column of `schema`, the first of them numbered `first`.
pub fn columns_of(schema: &Schema, first: usize) -> Vec<Expr> {
    let column = |(index, field): (usize, &FieldRef)| {
        Expr::column(first + index, field.data_type().clone(), field.is_nullable())
    };
    schema.fields().iter().enumerate().map(column).collect()
}

/// Builds a [`Pipeline`] step by step; expressions given to it refer to the columns that the steps so far leave.
#[derive(Clone, Debug)]
pub struct PipelineBuilder {
    input: SchemaRef,
    steps: Vec<Step>,
    columns: Vec<Expr>,
    /// Columns of the input and of the steps so far.
    width: usize,
}

impl PipelineBuilder {
    /// Keeps the rows for which `predicate` is true; conjunctions are split so that each part can end a row early.
    pub fn filter(mut self, predicate: &Expr) -> Self {
        let predicate = predicate.substitute(&self.columns);
        let mut parts = vec![];
        split_conjunction(predicate, &mut parts);
        self.steps.extend(parts.into_iter().map(Step::Filter));
        self
    }

    /// Replaces the columns by `exprs`.
    pub fn project(mut self, exprs: &[Expr]) -> Self {
        self.columns = exprs.iter().map(|expr| expr.substitute(&self.columns)).collect();
        self
    }

    /// Looks rows up in a table. The keys refer to the columns so far; the residual to those, then the table's. What
    /// follows sees the same columns, the table's only where the row's own are joined to them, and the mark.
    pub fn probe(mut self, probe: Probe) -> Self {
        let mut seen = self.columns.clone();
        seen.extend(columns_of(&probe.columns, self.width));
        let step = Step::Probe(Probe {
            keys: probe.keys.iter().map(|key| key.substitute(&self.columns)).collect(),
            residual: probe.residual.as_ref().map(|residual| residual.substitute(&seen)),
            ..probe
        });
        let added = step.adds(self.steps.len());
        match &step {
            Step::Probe(Probe { kind: ProbeKind::Inner | ProbeKind::Outer, .. }) => self.columns = seen,
            Step::Probe(Probe { kind: ProbeKind::Mark, .. }) => {
                let mark = self.width + added.len() - 1;
                self.columns.push(Expr::column(mark, DataType::Boolean, false));
            }
            _ => {}
        }
        self.width += added.len();
        self.steps.push(step);
        self
    }

    /// Returns the columns that the steps so far leave, as expressions over the pipeline's.
    pub fn columns(&self) -> &[Expr] {
        &self.columns
    }

    /// Returns the steps so far.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Returns the columns of the input.
    pub fn input(&self) -> &SchemaRef {
        &self.input
    }

    /// Whether nothing was done to the rows but choosing columns.
    pub fn only_chooses(&self) -> bool {
        self.steps.is_empty()
            && self.columns.iter().all(|column| matches!(column.op, super::expr::Op::Column(_)))
    }

    /// Ends the pipeline by writing the columns under the names and types of `output`.
    pub fn materialize(self, output: SchemaRef) -> Pipeline {
        let sink = Sink::Materialize { output, columns: self.columns };
        Pipeline { input: self.input, steps: self.steps, sink }
    }

    /// Ends the pipeline by aggregating; see [`Sink::Aggregate`].
    pub fn aggregate(self, output: SchemaRef, keys: &[Expr], aggregates: &[Aggregate]) -> Pipeline {
        let sink = Sink::Aggregate { output, keys: keys.to_vec(), aggregates: aggregates.to_vec() };
        let sink = sink.map(&|expr| expr.substitute(&self.columns));
        Pipeline { input: self.input, steps: self.steps, sink }
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

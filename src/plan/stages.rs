//! From a tree of operators to the stages that a device runs.
//!
//! Operators that take a row at a time — filters, projections, the looking up of joins — share one pipeline. A stage
//! ends where rows have to be together: at an aggregate, at the built side of a join, at a sort. What a stage leaves in
//! device memory the next reads there.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::common::JoinType;

use super::carried::{StructField, column_of_field, is_carried, with_fields, with_numbers};
use super::join::Join;
use super::tree::{Operator, SortExpr, Tree};
use super::unnest::UnnestStage;
use super::window::WindowStep;
use crate::column::Storage;
use crate::error::{Error, Result};
use crate::operators::SortKey;
use crate::operators::window::{FrameBound, FrameUnits, WindowFrame, WindowFunction, WindowKind, WindowSpec};
use crate::program::{
    self, Aggregate, AggregateFunction, BinaryOp, CompiledPipeline, Expr, Literal, Op, Phase, Pipeline,
    PipelineBuilder, Probe, ProbeKind, Sink, Step, columns_of, stays_encoded,
};

/// What a device runs: the stages in order, and how what the last ones leave becomes the node's result.
#[derive(Clone, Debug)]
pub struct DevicePlan {
    /// Of each leaf, the columns that are read.
    pub leaves: Vec<LeafPlan>,
    pub stages: Vec<Stage>,
    /// Where the rows of the result are.
    pub sources: Vec<Source>,
    /// Their columns that are the result's, by index; `None` where all are.
    pub output: Option<Vec<usize>>,
    pub schema: SchemaRef,
    /// Whether the plan is one pass over one leaf that keeps rows in order, so that each chunk gives its result at once.
    pub streams: bool,
}

/// What a plan reads of a leaf.
#[derive(Clone, Debug)]
pub struct LeafPlan {
    /// The columns that are read, ascending.
    pub read: Vec<usize>,
    /// The fields of structs, which are columns behind the leaf's own.
    pub fields: Vec<StructField>,
    /// Their schema, with numbers for those that stay on the host.
    pub input: SchemaRef,
}

/// Where the rows of a stage come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A leaf, of which only the columns of its [`LeafPlan`] are there.
    Leaf(usize),
    /// What a stage before left.
    Stage(usize),
    /// The rows of a join table, with a Boolean behind: whether a row was met. `by_group` where the look-ups marked
    /// the first row of a key for all.
    Met { build: usize, by_group: bool },
}

/// One stage: all its sources, one after the other, through one piece of work.
#[derive(Clone, Debug)]
pub struct Stage {
    pub sources: Vec<Source>,
    /// The columns of the sources that are read, by index; for leaves, all that are there.
    pub read: Vec<usize>,
    pub work: StageWork,
}

#[derive(Clone, Debug)]
pub enum StageWork {
    /// `tables` are the stages that built what the pipeline looks into, by the numbers of its tables.
    Pipeline {
        compiled: Arc<CompiledPipeline>,
        tables: Vec<usize>,
    },
    /// Without a pipeline, the table has no keys.
    Build {
        compiled: Option<Arc<CompiledPipeline>>,
        marks: bool,
    },
    Sort {
        keys: Vec<SortKey>,
        fetch: Option<usize>,
    },
    Window {
        spec: WindowSpec,
    },
    Unnest(UnnestStage),
    Limit {
        skip: usize,
        fetch: Option<usize>,
    },
}

impl DevicePlan {
    /// Returns the pipelines of all stages.
    pub fn pipelines(&self) -> impl Iterator<Item = &Arc<CompiledPipeline>> {
        self.stages.iter().filter_map(|stage| match &stage.work {
            StageWork::Pipeline { compiled, .. } => Some(compiled),
            StageWork::Build { compiled, .. } => compiled.as_ref(),
            StageWork::Unnest(stage) => Some(stage.compiled()),
            StageWork::Sort { .. } | StageWork::Window { .. } | StageWork::Limit { .. } => None,
        })
    }
}

/// Compiles `tree` into stages.
///
/// # Errors
/// Unsupported where the device cannot do some of it, naming what.
pub fn compile(tree: &Tree) -> Result<DevicePlan> {
    let leaves = tree.leaves();
    let mut stages = Stages {
        schemas: leaves.iter().map(|leaf| leaf.plan.schema()).collect(),
        leaves: leaves
            .iter()
            .map(|leaf| {
                let schema = leaf.plan.schema();
                LeafPlan { read: vec![], fields: StructField::all(&schema), input: with_fields(&schema) }
            })
            .collect(),
        next_leaf: 0,
        stages: vec![],
    };
    let schema = tree.host().schema();
    let open = stages.open(tree)?;
    let on_device = open.sources.iter().all(|source| matches!(source, Source::Stage(_)));
    let (sources, output) = match chosen(&open.builder) {
        Some(chosen) if on_device => {
            let all = open.builder.input().fields().len();
            (open.sources, (chosen.len() != all || chosen.iter().copied().ne(0..all)).then_some(chosen))
        }
        _ => (vec![stages.materialize_encoded(open, schema.clone())?.0], None),
    };
    let streams = matches!(
        stages.stages.as_slice(),
        [Stage { sources, work: StageWork::Pipeline { compiled, .. }, .. }]
            if matches!(sources.as_slice(), [Source::Leaf(_)])
                && matches!(compiled.pipeline.sink, Sink::Materialize { .. })
    );
    Ok(DevicePlan { leaves: stages.leaves, stages: stages.stages, sources, output, schema, streams })
}

/// The columns of the input that the builder passes, where it does nothing else.
pub(super) fn chosen(builder: &PipelineBuilder) -> Option<Vec<usize>> {
    if !builder.only_chooses() {
        return None;
    }
    let index = |column: &Expr| match column.op {
        Op::Column(index) => Some(index),
        _ => None,
    };
    builder.columns().iter().map(index).collect()
}

/// A pipeline that may still grow.
#[derive(Clone)]
pub(super) struct Open {
    pub sources: Vec<Source>,
    pub builder: PipelineBuilder,
    pub tables: Vec<usize>,
}

impl Open {
    pub fn over(sources: Vec<Source>, layout: SchemaRef) -> Open {
        Open { sources, builder: Pipeline::scan(layout), tables: vec![] }
    }

    /// Returns references to the columns that the pipeline leaves so far.
    pub fn columns(&self) -> Vec<Expr> {
        let column =
            |(index, expr): (usize, &Expr)| Expr::column(index, expr.data_type.clone(), expr.nullable);
        self.builder.columns().iter().enumerate().map(column).collect()
    }
}

/// Rows that lie in device memory, or are uploaded as they are.
pub(super) struct Lying {
    pub sources: Vec<Source>,
    pub read: Vec<usize>,
    pub layout: SchemaRef,
}

pub(super) struct Stages {
    /// What the host makes, by leaf.
    schemas: Vec<SchemaRef>,
    leaves: Vec<LeafPlan>,
    next_leaf: usize,
    stages: Vec<Stage>,
}

impl Stages {
    fn open(&mut self, tree: &Tree) -> Result<Open> {
        let node = match tree {
            Tree::Leaf(leaf) => {
                let number = self.next_leaf;
                self.next_leaf += 1;
                let schema = leaf.plan.schema();
                let mut open = Open::over(vec![Source::Leaf(number)], with_fields(&schema));
                open.builder = open.builder.project(&columns_of(&with_numbers(&schema), 0));
                return Ok(open);
            }
            Tree::Node(node) => node,
        };
        let input = |index: usize| {
            let fragment = node.inputs.get(index);
            fragment.map(|fragment| &fragment.tree).ok_or_else(|| Error::bug("an operator lacks an input"))
        };
        let schema = node.host.schema();
        match &node.operator {
            Operator::Filter { predicate, kept } => {
                let mut open = self.open(input(0)?)?;
                open.builder = open.builder.filter(predicate);
                if let Some(kept) = kept {
                    open.builder = open.builder.project(kept);
                }
                Ok(open)
            }
            Operator::Project { exprs } => {
                let mut open = self.open(input(0)?)?;
                open.builder = open.builder.project(exprs);
                Ok(open)
            }
            Operator::Aggregate(aggregation) => {
                let open = self.open(input(0)?)?;
                self.aggregate(open, aggregation)
            }
            Operator::Join(join) => self.join(join, input(0)?, input(1)?, schema),
            Operator::Sort { keys, fetch } => self.sort(input(0)?, keys, *fetch),
            Operator::Window(step) => self.window(input(0)?, step),
            Operator::Unnest(unnest) => {
                let rows = input(0)?;
                let open = self.open(rows)?;
                let Lying { sources, read, layout } = self.lie(open, rows.host().schema())?;
                let output = layout_of(&schema);
                let work = StageWork::Unnest(UnnestStage::new(unnest, &layout, output.clone())?);
                Ok(Open::over(vec![self.push(sources, read, work)?], output))
            }
            Operator::Limit { skip, fetch } => {
                let rows = input(0)?;
                let open = self.open(rows)?;
                let Lying { sources, read, layout } = self.lie(open, rows.host().schema())?;
                let work = StageWork::Limit { skip: *skip, fetch: *fetch };
                Ok(Open::over(vec![self.push(sources, read, work)?], layout))
            }
            Operator::Union => {
                let mut sources = vec![];
                for fragment in &node.inputs {
                    let open = self.open(&fragment.tree)?;
                    sources.push(self.materialize(open, schema.clone())?);
                }
                Ok(Open::over(sources, layout_of(&schema)))
            }
        }
    }

    /// Opens `input` and has its rows lie somewhere, with a column for each of `exprs` that is not one already; answers
    /// the columns of the expressions too.
    fn lie_with(&mut self, input: &Tree, exprs: &[&Expr]) -> Result<(Lying, Vec<usize>)> {
        let mut open = self.open(input)?;
        let schema = input.host().schema();
        let mut fields: Vec<FieldRef> = schema.fields().iter().cloned().collect();
        let mut columns = columns_of(&schema, 0);
        let places = exprs
            .iter()
            .map(|expr| match expr.op {
                Op::Column(index) => index,
                _ => {
                    let (data_type, nullable) = (expr.data_type.clone(), expr.nullable);
                    fields.push(Arc::new(Field::new(format!("key {expr}"), data_type, nullable)));
                    columns.push((*expr).clone());
                    columns.len() - 1
                }
            })
            .collect();
        if columns.len() > schema.fields().len() {
            open.builder = open.builder.project(&columns);
        }
        Ok((self.lie(open, Arc::new(Schema::new(fields)))?, places))
    }

    fn sort(&mut self, input: &Tree, keys: &[SortExpr], fetch: Option<usize>) -> Result<Open> {
        let exprs: Vec<&Expr> = keys.iter().map(|key| &key.expr).collect();
        let (Lying { sources, read, layout }, columns) = self.lie_with(input, &exprs)?;
        let keys = keys.iter().zip(columns).map(|(key, column)| SortKey {
            column,
            descending: key.descending,
            nulls_first: key.nulls_first,
        });
        let keys = keys.collect();
        let width = input.host().schema().fields().len();
        let stage = self.push(sources, read, StageWork::Sort { keys, fetch })?;
        let mut sorted = Open::over(vec![stage], layout.clone());
        sorted.builder = sorted.builder.project(&columns_of(&layout, 0)[..width]);
        Ok(sorted)
    }

    fn window(&mut self, input: &Tree, step: &WindowStep) -> Result<Open> {
        let mut open = self.open(input)?;
        open.builder = open.builder.project(&step.projection);
        let Lying { mut sources, mut read, layout } = self.lie(open, step.projected.clone())?;
        let (spec, width) = (&step.spec, layout.fields().len());
        // Rows that are in another order than the window needs, and keep it: their numbers tell it.
        let numbered = !step.is_sorted && input.keeps_order();
        let mut fields: Vec<FieldRef> = layout.fields().iter().cloned().collect();
        if numbered {
            let number = Arc::new(Field::new("row", DataType::UInt64, false));
            fields.push(number.clone());
            let work = StageWork::Window { spec: row_numbers(number) };
            sources = vec![self.push(sources, read, work)?];
            read = (0..fields.len()).collect();
        }
        let is_ready = step.is_sorted && input.keeps_order();
        let has_keys = !spec.partition.is_empty() || !spec.order.is_empty();
        if has_keys && !is_ready {
            // Sorted partitions were merged in turn, or never were sorted: they have to be sorted anew.
            let by_partition =
                spec.partition.iter().map(|&column| SortKey { column, descending: false, nulls_first: true });
            let keys = by_partition.chain(spec.order.iter().copied()).collect();
            sources = vec![self.push(sources, read, StageWork::Sort { keys, fetch: None })?];
            read = (0..fields.len()).collect();
        }
        let mut stage = self.push(sources, read, StageWork::Window { spec: spec.clone() })?;
        fields.extend(spec.functions.iter().map(|function| function.output.clone()));
        let mut output = step.output.clone();
        if numbered {
            let keys = vec![SortKey { column: width, descending: false, nulls_first: false }];
            let all = (0..fields.len()).collect();
            stage = self.push(vec![stage], all, StageWork::Sort { keys, fetch: None })?;
            // The functions' columns are behind the number.
            output.iter_mut().filter(|index| **index >= width).for_each(|index| *index += 1);
        }
        let mut open = Open::over(vec![stage], Arc::new(Schema::new(fields)));
        open.builder = pick(open.builder, &output);
        Ok(open)
    }

    fn join(&mut self, join: &Join, left: &Tree, right: &Tree, schema: SchemaRef) -> Result<Open> {
        use JoinType::*;
        let exprs: Vec<&Expr> = join.left_keys.iter().collect();
        let (Lying { sources, read, layout }, key_columns) = self.lie_with(left, &exprs)?;
        let marks = matches!(join.join_type, Left | Full | LeftSemi | LeftAnti | LeftMark);
        let compiled = match key_columns.as_slice() {
            [] => None,
            keys => {
                let of_layout = columns_of(&layout, 0);
                let keys = keys.iter().map(|&key| of_layout[key].clone()).collect();
                let sink = Sink::Build { keys, null_equals_null: join.null_equals_null };
                let pipeline = Pipeline { input: layout.clone(), steps: vec![], sink };
                Some(Arc::new(program::compile(&pipeline)?))
            }
        };
        let table = match self.push(sources, read, StageWork::Build { compiled, marks })? {
            Source::Stage(table) => table,
            _ => return Err(Error::bug("a stage is no stage")),
        };

        let mut open = self.open(right)?;
        // Behind the left side's own columns there may be computed keys, which end here.
        let (table_count, left_count) = (layout.fields().len(), left.host().schema().fields().len());
        let right_count = right.host().schema().fields().len();
        let kind = match join.join_type {
            // Every row that looks up goes on, to be counted.
            LeftAnti if join.null_aware => ProbeKind::Mark,
            Inner | Left => ProbeKind::Inner,
            Right | Full => ProbeKind::Outer,
            LeftSemi | LeftAnti | LeftMark | RightSemi => ProbeKind::Semi,
            RightAnti => ProbeKind::Anti,
            RightMark => ProbeKind::Mark,
        };
        // The residual is over left and right; the pipeline has right and left.
        let mut both = columns_of(&layout, right_count);
        both.truncate(left_count);
        both.extend(columns_of(&right.host().schema(), 0));
        let columns = if kind == ProbeKind::Outer { nullable(&layout) } else { layout.clone() };
        open.tables.push(table);
        open.builder = open.builder.probe(Probe {
            table: open.tables.len() - 1,
            keys: join.right_keys.clone(),
            null_equals_null: join.null_equals_null,
            kind,
            columns,
            residual: join.residual.as_ref().map(|residual| residual.substitute(&both)),
            marks,
        });
        let left_first: Vec<usize> = (right_count..right_count + left_count).chain(0..right_count).collect();
        match join.join_type {
            Inner | Right => {
                open.builder = pick(open.builder, &pick_indices(&left_first, join));
                Ok(open)
            }
            RightSemi | RightAnti | RightMark => {
                if let Some(projection) = &join.projection {
                    open.builder = pick(open.builder, projection);
                }
                Ok(open)
            }
            LeftAnti if join.null_aware => {
                let [key] = key_columns.as_slice() else {
                    return Err(Error::unsupported("no device form of NOT IN over several values"));
                };
                let counted = self.count_keys(open, &join.right_keys)?;
                let marked = with_met(&layout);
                let by_group = join.residual.is_none();
                let mut met = Open::over(vec![Source::Met { build: table, by_group }], marked.clone());
                met.tables.push(counted);
                met.builder = met.builder.probe(one_row_of(0, counts()));
                let mut columns = columns_of(&marked, 0);
                let key = columns[*key].clone();
                let bit = columns[table_count].clone();
                columns.truncate(left_count);
                met.builder = met.builder.filter(&is_not_in(key, bit, table_count + 1)).project(&columns);
                if let Some(projection) = &join.projection {
                    met.builder = pick(met.builder, projection);
                }
                Ok(met)
            }
            LeftSemi | LeftAnti | LeftMark => {
                // Who looks up only marks what it meets.
                open.builder = open.builder.project(&[]);
                self.materialize(open, Arc::new(Schema::empty()))?;
                let by_group = join.residual.is_none();
                let mut met = Open::over(vec![Source::Met { build: table, by_group }], with_met(&layout));
                let bit = Expr::column(table_count, DataType::Boolean, false);
                let all = columns_of(&with_met(&layout), 0);
                met.builder = match join.join_type {
                    LeftSemi => met.builder.filter(&bit).project(&all[..left_count]),
                    LeftAnti => met.builder.filter(&not(bit)).project(&all[..left_count]),
                    _ => {
                        let mut columns = all[..left_count].to_vec();
                        columns.push(bit);
                        met.builder.project(&columns)
                    }
                };
                if let Some(projection) = &join.projection {
                    met.builder = pick(met.builder, projection);
                }
                Ok(met)
            }
            Left | Full => {
                open.builder = pick(open.builder, &pick_indices(&left_first, join));
                let pairs = self.materialize(open, schema.clone())?;
                let marked = with_met(&layout);
                let mut rest =
                    Open::over(vec![Source::Met { build: table, by_group: false }], marked.clone());
                let bit = Expr::column(table_count, DataType::Boolean, false);
                let mut columns = columns_of(&marked, 0);
                columns.truncate(left_count);
                let null = |field: &FieldRef| Expr::literal(Literal::Null, decoded(field.data_type()));
                columns.extend(right.host().schema().fields().iter().map(null));
                rest.builder = rest.builder.filter(&not(bit)).project(&columns);
                if let Some(projection) = &join.projection {
                    rest.builder = pick(rest.builder, projection);
                }
                let rest = self.materialize(rest, schema.clone())?;
                Ok(Open::over(vec![pairs, rest], layout_of(&schema)))
            }
        }
    }

    /// Ends a pipeline by counting its rows, and those of which no key is null, in a table of one row.
    fn count_keys(&mut self, open: Open, keys: &[Expr]) -> Result<usize> {
        let count = |args: Vec<Expr>| Aggregate {
            function: AggregateFunction::Count,
            phase: Phase::Single,
            input_type: args.first().map_or(DataType::Int64, |arg| arg.data_type.clone()),
            args,
            filter: None,
            output_type: DataType::Int64,
        };
        let aggregates: Vec<Aggregate> =
            std::iter::once(vec![]).chain(keys.iter().map(|key| vec![key.clone()])).map(count).collect();
        let pipeline = open.builder.aggregate(counts(), &[], &aggregates);
        let counted = self.pipeline(open.sources, pipeline, open.tables)?;
        let read = (0..aggregates.len()).collect();
        match self.push(vec![counted], read, StageWork::Build { compiled: None, marks: false })? {
            Source::Stage(table) => Ok(table),
            _ => Err(Error::bug("a stage is no stage")),
        }
    }

    /// Has the rows lie somewhere: where they are, if nothing is done to them, or written by a stage.
    pub(super) fn lie(&mut self, open: Open, schema: SchemaRef) -> Result<Lying> {
        if let Some(read) = chosen(&open.builder) {
            let fields: Vec<FieldRef> =
                read.iter().map(|&index| open.builder.input().fields()[index].clone()).collect();
            return Ok(Lying { sources: open.sources, read, layout: Arc::new(Schema::new(fields)) });
        }
        let (stage, layout) = self.materialize_encoded(open, schema)?;
        Ok(Lying { sources: vec![stage], read: (0..layout.fields().len()).collect(), layout })
    }

    /// Ends a pipeline by writing its columns under the names of `schema`.
    pub(super) fn materialize(&mut self, open: Open, schema: SchemaRef) -> Result<Source> {
        let pipeline = open.builder.materialize(layout_of(&schema));
        self.pipeline(open.sources, pipeline, open.tables)
    }

    /// As [`materialize`](Stages::materialize), but columns of dictionaries that are passed on as they are stay so;
    /// answers the layout too.
    fn materialize_encoded(&mut self, open: Open, schema: SchemaRef) -> Result<(Source, SchemaRef)> {
        // Rows that meet none are written by a pipeline of their own, which knows no dictionary.
        let outer = |step: &Step| matches!(step, Step::Probe(Probe { kind: ProbeKind::Outer, .. }));
        let keep = !open.builder.steps().iter().any(outer);
        let field =
            |(column, field): (&Expr, &FieldRef)| match keep && stays_encoded(column, &column.data_type) {
                true => field.as_ref().clone().with_data_type(column.data_type.clone()),
                false => field.as_ref().clone().with_data_type(decoded(field.data_type())),
            };
        let fields: Vec<Field> = open.builder.columns().iter().zip(schema.fields()).map(field).collect();
        let layout: SchemaRef = Arc::new(Schema::new(fields));
        let pipeline = open.builder.materialize(layout.clone());
        Ok((self.pipeline(open.sources, pipeline, open.tables)?, layout))
    }

    pub(super) fn pipeline(
        &mut self,
        sources: Vec<Source>,
        pipeline: Pipeline,
        tables: Vec<usize>,
    ) -> Result<Source> {
        let pipeline = match sources.as_slice() {
            // The fields of structs that the host makes are columns of its own.
            [Source::Leaf(number)] => pipeline.replace(&|expr| column_of_field(&self.schemas[*number], expr)),
            _ => pipeline,
        };
        let (narrow, read) = pipeline.narrow();
        let compiled = Arc::new(program::compile(&narrow)?);
        self.push(sources, read, StageWork::Pipeline { compiled, tables })
    }

    pub(super) fn push(&mut self, sources: Vec<Source>, read: Vec<usize>, work: StageWork) -> Result<Source> {
        let mut of_stage = read.clone();
        for source in &sources {
            let Source::Leaf(number) = source else { continue };
            let leaf = &mut self.leaves[*number];
            // What a stage reads in another order or twice is uploaded once, in the leaf's.
            leaf.read = read.clone();
            leaf.read.sort_unstable();
            leaf.read.dedup();
            let place = |index: &usize| leaf.read.binary_search(index).unwrap_or(usize::MAX);
            of_stage = read.iter().map(place).collect();
            for &index in &leaf.read {
                let field = leaf.input.field(index);
                if Storage::of(field.data_type()).is_none() {
                    return Err(Error::unsupported(format!(
                        "column '{}': no device form of type {}",
                        field.name(),
                        field.data_type()
                    )));
                }
            }
            leaf.input = Arc::new(leaf.input.project(&leaf.read).map_err(|error| {
                Error::bug(format!("a stage reads columns that its leaf does not have: {error}"))
            })?);
        }
        self.stages.push(Stage { sources, read: of_stage, work });
        Ok(Source::Stage(self.stages.len() - 1))
    }
}

/// The columns `indices` of what the builder leaves.
fn pick(builder: PipelineBuilder, indices: &[usize]) -> PipelineBuilder {
    let columns: Vec<Expr> = builder.columns().to_vec();
    let reference =
        |&index: &usize| Expr::column(index, columns[index].data_type.clone(), columns[index].nullable);
    let picked: Vec<Expr> = indices.iter().map(reference).collect();
    builder.project(&picked)
}

/// A join's output columns, as places in `order`.
fn pick_indices(order: &[usize], join: &Join) -> Vec<usize> {
    match &join.projection {
        Some(projection) => projection.iter().map(|&index| order[index]).collect(),
        None => order.to_vec(),
    }
}

fn not(expr: Expr) -> Expr {
    Expr::new(Op::Not, vec![expr], DataType::Boolean)
}

/// The window that numbers rows as they come.
fn row_numbers(output: FieldRef) -> WindowSpec {
    let (start, end) = (FrameBound::UnboundedPreceding, FrameBound::UnboundedFollowing);
    let frame = WindowFrame { units: FrameUnits::Rows, start, end };
    let kind = WindowKind::RowNumber;
    let function = WindowFunction { kind, args: vec![], frame, ignore_nulls: false, output };
    WindowSpec { partition: vec![], order: vec![], functions: vec![function] }
}

/// What a `NOT IN` counts on its right: rows, and rows whose key is not null.
fn counts() -> SchemaRef {
    let field = |name: &str| Field::new(name, DataType::Int64, false);
    Arc::new(Schema::new(vec![field("rows"), field("keys")]))
}

/// Puts the columns of a table of one row behind those of every row.
fn one_row_of(table: usize, columns: SchemaRef) -> Probe {
    let keys = vec![];
    let kind = ProbeKind::Inner;
    Probe { table, keys, null_equals_null: false, kind, columns, residual: None, marks: false }
}

/// Whether a row is kept by `NOT IN`: `met` says whether it met an equal key, [`counts`] lie at `first`.
fn is_not_in(key: Expr, met: Expr, first: usize) -> Expr {
    let all_of = |left: Expr, right: Expr| Expr::binary(BinaryOp::And, left, right, DataType::Boolean);
    let count = |index: usize| Expr::column(first + index, DataType::Int64, false);
    let is = |left: Expr, right: Expr| Expr::binary(BinaryOp::Eq, left, right, DataType::Boolean);
    let no_rows = is(count(0), Expr::literal(Literal::Int(0), DataType::Int64));
    let no_null = is(count(0), count(1));
    let is_some = Expr::new(Op::IsNotNull, vec![key], DataType::Boolean);
    let is_out = all_of(no_null, all_of(is_some, not(met)));
    Expr::binary(BinaryOp::Or, no_rows, is_out, DataType::Boolean)
}

fn with_met(layout: &SchemaRef) -> SchemaRef {
    let mut fields: Vec<FieldRef> = layout.fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new("met", DataType::Boolean, false)));
    Arc::new(Schema::new(fields))
}

fn nullable(layout: &SchemaRef) -> SchemaRef {
    let fields = layout.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The schema as a stage writes it: dictionaries are written out, numbers stand for what is on the host.
pub(super) fn layout_of(schema: &SchemaRef) -> SchemaRef {
    let fields = schema.fields().iter();
    let decoded = fields.map(|field| field.as_ref().clone().with_data_type(decoded(field.data_type())));
    Arc::new(Schema::new(decoded.collect::<Vec<_>>()))
}

pub(super) fn decoded(data_type: &DataType) -> DataType {
    match data_type {
        carried if is_carried(carried) => DataType::UInt64,
        DataType::Dictionary(_, value) => value.as_ref().clone(),
        other => other.clone(),
    }
}

/// Returns the bytes of one row of `fields`; strings are taken at 16 bytes and their offset.
pub fn row_bytes<'a>(fields: impl IntoIterator<Item = &'a FieldRef>) -> f64 {
    fields
        .into_iter()
        .map(|field| match Storage::of(field.data_type()) {
            Some(Storage::Bits) => 0.125,
            Some(Storage::Bytes) | None => 20.0,
            Some(fixed) => fixed.width().unwrap_or(8) as f64,
        })
        .sum()
}

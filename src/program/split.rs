//! Joins whose tables have several rows of a key: one pipeline becomes several.
//!
//! Whether a key repeats is known once the table is built. Where none does, a look-up is one step among others. Where
//! one does, the pipeline is cut there: the first part writes, for every row, where its group begins and how many rows
//! it has; the second has a thread for each pair, whatever row it comes from. So one row that meets a million others
//! keeps no thread busy longer than a million rows that meet one each.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};

use super::expr::{BinaryOp, Expr, Literal, Op};
use crate::error::{Error, Result};

use super::pipeline::{Expand, Group, Pipeline, Probe, ProbeKind, Sink, Step, columns_of};

/// One part of a pipeline: what the one before wrote goes in, the last has the pipeline's sink.
#[derive(Clone, Debug)]
pub struct Part {
    pub pipeline: Pipeline,
    /// Run over each chunk of the input with the marks of its rows behind its columns: the rows that met none. Its
    /// output follows that of `pipeline`.
    pub unmatched: Option<Pipeline>,
}

/// Cuts `pipeline` at the look-ups that may meet several rows: those of tables that are not `unique`, by number.
pub fn split(pipeline: &Pipeline, unique: &[bool]) -> Vec<Part> {
    let meets_several = |step: &Step| match step {
        Step::Probe(probe) => {
            matches!(probe.kind, ProbeKind::Inner | ProbeKind::Outer)
                && !unique.get(probe.table).copied().unwrap_or(true)
        }
        _ => false,
    };
    let Some(at) = pipeline.steps.iter().position(meets_several) else {
        return vec![Part { pipeline: pipeline.clone(), unmatched: None }];
    };
    let Step::Probe(probe) = &pipeline.steps[at] else { return vec![] };
    let cut = Cut::new(pipeline, at, probe);
    let mut parts = cut.before();
    match probe.kind {
        ProbeKind::Outer => {
            let (part, rest) = cut.outer();
            parts.push(part);
            parts.extend(rest.iter().flat_map(|rest| split(rest, unique)));
        }
        _ => parts.extend(split(&cut.inner(), unique)),
    }
    parts
}

/// Cuts `pipeline` before step `at`: the first half writes what the second reads.
pub fn cut_at(pipeline: &Pipeline, at: usize) -> (Pipeline, Pipeline) {
    let (columns, _) = pipeline.columns();
    let base = columns_before(pipeline, at);
    let second = Pipeline {
        input: pipeline.input.clone(),
        steps: pipeline.steps[at..].to_vec(),
        sink: pipeline.sink.clone(),
    };
    let live = live_columns(&second, None, base);
    let fields: Vec<FieldRef> = live.iter().map(|&index| columns.fields()[index].clone()).collect();
    let output: SchemaRef = Arc::new(Schema::new(fields));
    let written = live.iter().map(|&index| {
        let field = columns.field(index);
        Expr::column(index, field.data_type().clone(), field.is_nullable())
    });
    let first = Pipeline {
        input: pipeline.input.clone(),
        steps: pipeline.steps[..at].to_vec(),
        sink: Sink::Materialize { output: output.clone(), columns: written.collect() },
    };
    let moved: Vec<Expr> = (columns.fields().iter().enumerate())
        .map(|(index, field)| match index < base {
            true => {
                let place = live.binary_search(&index).unwrap_or(usize::MAX);
                Expr::column(place, field.data_type().clone(), field.is_nullable())
            }
            false => Expr::column(live.len() + index - base, field.data_type().clone(), field.is_nullable()),
        })
        .collect();
    let mut second = second.substitute(&moved);
    second.input = output;
    (first, second)
}

/// Adds to what `pipeline` writes which of `count` partitions the `keys`, over its output, are in.
///
/// # Errors
/// `bug` where it does not materialize.
pub fn with_partition(pipeline: &Pipeline, keys: &[Expr], count: u8) -> Result<Pipeline> {
    let Sink::Materialize { output, columns } = &pipeline.sink else {
        return Err(Error::bug("only what is written can be partitioned"));
    };
    let keys = keys.iter().map(|key| key.substitute(columns)).collect();
    let mut columns = columns.clone();
    columns.push(Expr::new(Op::PartitionOf { count }, keys, DataType::UInt8));
    let mut fields: Vec<FieldRef> = output.fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new("partition", DataType::UInt8, false)));
    let sink = Sink::Materialize { output: Arc::new(Schema::new(fields)), columns };
    Ok(Pipeline { sink, ..pipeline.clone() })
}

/// How many columns `pipeline` has before step `at`.
fn columns_before(pipeline: &Pipeline, at: usize) -> usize {
    let added = pipeline.steps[..at].iter().enumerate().map(|(number, step)| step.adds(number).len());
    pipeline.input.fields().len() + added.sum::<usize>()
}

/// The columns below `base` that `later` or `residual` reads, ascending.
fn live_columns(later: &Pipeline, residual: Option<&Expr>, base: usize) -> Vec<usize> {
    let mut live: Vec<usize> = vec![];
    let mut note = |expr: &Expr| {
        if let Op::Column(index) = expr.op
            && index < base
            && !live.contains(&index)
        {
            live.push(index);
        }
    };
    later.walk(&mut note);
    if let Some(residual) = residual {
        residual.walk(&mut note);
    }
    live.sort_unstable();
    live
}

/// A place to cut.
struct Cut<'a> {
    pipeline: &'a Pipeline,
    at: usize,
    probe: &'a Probe,
    /// Columns of the pipeline before the step.
    base: usize,
    /// Those of them that are read later, by their numbers, and as fields of what the first part writes.
    live: Vec<usize>,
    fields: Vec<FieldRef>,
}

impl<'a> Cut<'a> {
    fn new(pipeline: &'a Pipeline, at: usize, probe: &'a Probe) -> Self {
        let base = columns_before(pipeline, at);
        let (columns, _) = pipeline.columns();
        let later = Pipeline {
            input: pipeline.input.clone(),
            steps: pipeline.steps[at + 1..].to_vec(),
            sink: pipeline.sink.clone(),
        };
        let live = live_columns(&later, probe.residual.as_ref(), base);
        let fields = live.iter().map(|&index| columns.fields()[index].clone()).collect();
        Cut { pipeline, at, probe, base, live, fields }
    }

    /// Whether the first part would only copy the input.
    fn begins_with_all_pairs(&self) -> bool {
        self.at == 0 && self.probe.keys.is_empty()
    }

    /// The part up to the step: the rows with their groups.
    fn before(&self) -> Vec<Part> {
        if self.begins_with_all_pairs() {
            return vec![];
        }
        let (columns, _) = self.pipeline.columns();
        let mut steps = self.pipeline.steps[..self.at].to_vec();
        let column = |index: usize| {
            let field = columns.field(index);
            Expr::column(index, field.data_type().clone(), field.is_nullable())
        };
        let mut written: Vec<Expr> = self.live.iter().map(|&index| column(index)).collect();
        if !self.probe.keys.is_empty() {
            steps.push(Step::Probe(Probe {
                kind: ProbeKind::Count,
                columns: Arc::new(Schema::empty()),
                residual: None,
                marks: false,
                ..self.probe.clone()
            }));
            let group = [self.base, self.base + 1].map(|index| Expr::column(index, DataType::UInt32, false));
            if self.probe.kind == ProbeKind::Inner {
                let none = Expr::literal(Literal::UInt(0), DataType::UInt32);
                let some = Expr::binary(BinaryOp::Gt, group[1].clone(), none, DataType::Boolean);
                steps.push(Step::Filter(some));
            }
            written.extend(group);
        }
        let sink = Sink::Materialize { output: self.written(), columns: written };
        vec![Part { pipeline: Pipeline { input: self.pipeline.input.clone(), steps, sink }, unmatched: None }]
    }

    /// The schema of what the first part writes.
    fn written(&self) -> SchemaRef {
        if self.begins_with_all_pairs() {
            return self.pipeline.input.clone();
        }
        let mut fields = self.fields.clone();
        if !self.probe.keys.is_empty() {
            let field = |name: &str| Arc::new(Field::new(name, DataType::UInt32, false));
            fields.extend([field("group begin"), field("group count")]);
        }
        Arc::new(Schema::new(fields))
    }

    /// The pairs of what the first part wrote; `marks_input` where those that are in none are asked for.
    fn expand(&self, marks_input: bool) -> Step {
        let group = Group { begin: self.live.len(), count: self.live.len() + 1 };
        Step::Expand(Expand {
            table: self.probe.table,
            group: (!self.probe.keys.is_empty()).then_some(group),
            columns: self.probe.columns.clone(),
            residual: self.probe.residual.as_ref().map(|residual| residual.substitute(&self.moved())),
            marks: self.probe.marks,
            marks_input,
        })
    }

    /// The pipeline's columns, as those of the part behind the cut.
    fn moved(&self) -> Vec<Expr> {
        let (columns, _) = self.pipeline.columns();
        let written = self.written();
        let width = written.fields().len();
        let place = |index: usize| match index < self.base {
            true if self.begins_with_all_pairs() => index,
            // What is not read has no place, and nothing refers to it.
            true => self.live.binary_search(&index).unwrap_or(usize::MAX),
            false => width + index - self.base,
        };
        let fields = columns.fields().iter().enumerate();
        fields
            .map(|(index, field)| Expr::column(place(index), field.data_type().clone(), field.is_nullable()))
            .collect()
    }

    /// What is behind the step, over the pairs.
    fn inner(&self) -> Pipeline {
        let later = self.later();
        let mut steps = vec![self.expand(false)];
        steps.extend(later.steps);
        Pipeline { input: self.written(), steps, sink: later.sink }
    }

    fn later(&self) -> Pipeline {
        Pipeline {
            input: self.written(),
            steps: self.pipeline.steps[self.at + 1..].to_vec(),
            sink: self.pipeline.sink.clone(),
        }
        .substitute(&self.moved())
    }

    /// The pairs and the rows that are in none, and what is behind the step over both, if there is anything.
    fn outer(&self) -> (Part, Option<Pipeline>) {
        let written = self.written();
        let width = written.fields().len();
        let mut seen = columns_of(&written, 0);
        seen.extend(columns_of(&self.probe.columns, width));
        // What both write: the rows' own columns, the table's or nulls.
        let later = self.later();
        let nulls = |columns: &[Expr]| -> Vec<Expr> {
            let mut without = seen[..width].to_vec();
            let null = |field: &FieldRef| Expr::literal(Literal::Null, decoded(field).data_type().clone());
            without.extend(self.probe.columns.fields().iter().map(null));
            columns.iter().map(|column| column.substitute(&without)).collect()
        };
        let last = later.steps.is_empty() && matches!(later.sink, Sink::Materialize { .. });
        let (output, columns) = match &later.sink {
            Sink::Materialize { output, columns } if last => (output.clone(), columns.clone()),
            _ => {
                let fields: Vec<FieldRef> =
                    written.fields().iter().chain(self.probe.columns.fields()).map(decoded).collect();
                (Arc::new(Schema::new(fields)) as SchemaRef, seen.clone())
            }
        };
        let mut marked: Vec<FieldRef> = written.fields().iter().cloned().collect();
        marked.push(Arc::new(Field::new("met", DataType::Boolean, false)));
        let not_met =
            Expr::new(Op::Not, vec![Expr::column(width, DataType::Boolean, false)], DataType::Boolean);
        let unmatched = Pipeline {
            input: Arc::new(Schema::new(marked)),
            steps: vec![Step::Filter(not_met)],
            sink: Sink::Materialize { output: output.clone(), columns: nulls(&columns) },
        };
        let pairs = Pipeline {
            input: written,
            steps: vec![self.expand(true)],
            sink: Sink::Materialize { output: output.clone(), columns },
        };
        let rest = (!last).then_some(Pipeline { input: output, ..later });
        (Part { pipeline: pairs, unmatched: Some(unmatched) }, rest)
    }
}

/// The field as a pipeline writes it: dictionaries are written out.
fn decoded(field: &FieldRef) -> FieldRef {
    match field.data_type() {
        DataType::Dictionary(_, value) => {
            Arc::new(field.as_ref().clone().with_data_type(value.as_ref().clone()))
        }
        _ => field.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(names: &[&str]) -> SchemaRef {
        Arc::new(Schema::new(
            names.iter().map(|name| Field::new(*name, DataType::Int64, false)).collect::<Vec<_>>(),
        ))
    }

    fn column(index: usize) -> Expr {
        Expr::column(index, DataType::Int64, false)
    }

    fn probe(table: usize, kind: ProbeKind) -> Probe {
        Probe {
            table,
            keys: vec![column(0)],
            null_equals_null: false,
            kind,
            columns: schema(&["x", "y"]),
            residual: None,
            marks: false,
        }
    }

    fn two_joins(kind: ProbeKind) -> Pipeline {
        Pipeline::scan(schema(&["a", "b", "c"]))
            .probe(probe(0, kind))
            .probe(probe(1, ProbeKind::Inner))
            .project(&[column(1), column(4), column(6)])
            .materialize(schema(&["b", "y", "y1"]))
    }

    #[test]
    fn tables_without_repeated_keys_leave_one_part() {
        assert_eq!(split(&two_joins(ProbeKind::Inner), &[true, true]).len(), 1);
    }

    #[test]
    fn a_repeated_key_cuts_where_it_is_looked_up() {
        let parts = split(&two_joins(ProbeKind::Inner), &[true, false]);
        assert_eq!(parts.len(), 2);
        let Sink::Materialize { output, .. } = &parts[0].pipeline.sink else { panic!("another sink") };
        let names: Vec<_> = output.fields().iter().map(|field| field.name().as_str()).collect();
        // Only what is read later is written.
        assert_eq!(names, ["b", "y", "group begin", "group count"]);
        let Sink::Materialize { columns, .. } = &parts[1].pipeline.sink else { panic!("another sink") };
        let columns: Vec<_> = columns.iter().map(Expr::to_string).collect();
        assert_eq!(columns, ["#0", "#1", "#5"]);
        assert_eq!(split(&two_joins(ProbeKind::Inner), &[false, false]).len(), 3);
    }

    #[test]
    fn an_outer_join_keeps_the_rows_that_meet_none() {
        let parts = split(&two_joins(ProbeKind::Outer), &[false, true]);
        assert_eq!(parts.len(), 3);
        let unmatched = parts[1].unmatched.as_ref().expect("an outer join has rows that meet none");
        assert_eq!(unmatched.output(), parts[1].pipeline.output());
        assert_eq!(parts[2].pipeline.input, *parts[1].pipeline.output());
    }
}

//! The head of every pipeline: the struct `Row`, and the functions that load a row and take it through the steps.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::column::Storage;
use crate::error::Result;
use crate::program::expr::{Expr, Op};
use crate::program::pipeline::{Origin, ProbeKind, Step};

use super::emitter::Emitter;

/// Chooses how many rows a thread takes at once: more loads in flight where a row is cheap, one where its code is long,
/// because every row taken at once is another copy of the code to compile.
/// `weight` is that of the work that is not in expressions.
pub(super) fn items_for(steps: &[Step], exprs: &[&Expr], mut weight: usize) -> usize {
    let filters = steps.iter().filter_map(|step| match step {
        Step::Filter(predicate) => Some(predicate),
        _ => None,
    });
    for expr in exprs.iter().copied().chain(filters) {
        expr.walk(&mut |expr| {
            let is_string = Storage::of(&expr.data_type).is_none_or(|storage| storage.width().is_none());
            weight += match expr.op {
                Op::Column(_) | Op::Literal(_) => is_string as usize,
                Op::Binary(_) => 1,
                _ => 4,
            };
        });
    }
    weight += 8 * steps.iter().filter(|step| !matches!(step, Step::Filter(_))).count();
    match weight {
        0..=12 => 4,
        13..=24 => 2,
        _ => 1,
    }
}

/// The columns that are in the struct `Row` already at some place of the code.
pub(super) struct Loaded {
    columns: BTreeSet<usize>,
}

impl Loaded {
    /// Returns the columns that `exprs` read and that are not loaded yet, and counts them as loaded.
    fn missing<'a>(&mut self, exprs: impl IntoIterator<Item = &'a Expr>) -> Vec<usize> {
        let mut missing = vec![];
        for expr in exprs {
            expr.walk(&mut |expr| {
                if let Op::Column(index) = expr.op
                    && self.columns.insert(index)
                {
                    missing.push(index);
                }
            });
        }
        missing
    }

    /// Writes the loads of what `exprs` read and is not there yet.
    pub fn load<'a>(
        &mut self,
        emitter: &mut Emitter,
        exprs: impl IntoIterator<Item = &'a Expr>,
    ) -> Result<()> {
        for column in self.missing(exprs) {
            for line in emitter.load_column(column)? {
                emitter.line(&line);
            }
        }
        Ok(())
    }

    /// A copy for a block of code: what it loads is not there after it.
    pub fn inside(&self) -> Loaded {
        Loaded { columns: self.columns.clone() }
    }
}

/// Writes the struct `Row` and the functions that fill it: `load` what the first steps read, `keep`, which takes the
/// row through the steps, and `load_rest` what only the sink reads, `rest`.
pub(super) fn generate_scan(emitter: &mut Emitter, steps: &[Step], rest: &[&Expr]) -> Result<()> {
    emitter.need("scan_rows");
    let mut fields = String::new();
    let mut declared = Loaded { columns: BTreeSet::new() };
    let of_steps = steps.iter().flat_map(|step| match step {
        Step::Filter(predicate) => vec![predicate],
        Step::Probe(probe) => probe.keys.iter().chain(&probe.residual).collect(),
        Step::Expand(expand) => expand.residual.iter().collect(),
    });
    for column in declared.missing(of_steps.chain(rest.iter().copied())) {
        emitter.declare_column(column, &mut fields)?;
    }
    for (number, step) in steps.iter().enumerate() {
        if !matches!(step, Step::Filter(_)) {
            let _ = writeln!(fields, "    u32 j{number};");
        }
        // What a step computes has its place, whether somebody reads it or not.
        for column in 0..emitter.origins.len() {
            let made = match emitter.origins[column] {
                Origin::Mark { step } | Origin::GroupBegin { step } | Origin::GroupCount { step } => step,
                _ => continue,
            };
            if made == number && declared.columns.insert(column) {
                emitter.declare_column(column, &mut fields)?;
            }
        }
    }
    if let Some(Step::Expand(expand)) = steps.first() {
        fields.push_str("    u64 i;\n");
        if let Some(group) = expand.group
            && declared.columns.insert(group.begin)
        {
            emitter.declare_column(group.begin, &mut fields)?;
        }
    }
    emitter.text.push_str(&format!("struct Row {{\n{fields}    u32 unused;\n}};\n"));

    let mut loaded = Loaded { columns: BTreeSet::new() };
    emitter.begin_function("load", "const Params& p, u64 row, Row& r");
    if let Some(Step::Expand(expand)) = steps.first() {
        emitter.expand_row(expand, &mut loaded)?;
    }
    for step in steps {
        let exprs: Vec<&Expr> = match step {
            Step::Filter(predicate) => vec![predicate],
            Step::Probe(probe) => probe.keys.iter().collect(),
            Step::Expand(expand) => expand.residual.iter().collect(),
        };
        loaded.load(emitter, exprs)?;
        // What the steps behind a probe read is loaded for the rows that meet one alone.
        if matches!(step, Step::Probe(_)) {
            break;
        }
    }
    emitter.end_function();

    emitter.begin_function("bool keep", "const Params& p, Row& r, u64 row");
    for (number, step) in steps.iter().enumerate() {
        match step {
            Step::Filter(predicate) => {
                loaded.load(emitter, [predicate])?;
                let value = emitter.value(predicate)?;
                emitter.line(&format!("if (!({})) return false;", value.is_true()));
            }
            Step::Probe(probe) => {
                loaded.load(emitter, &probe.keys)?;
                emitter.probe(number, probe, &mut loaded)?;
            }
            Step::Expand(expand) => emitter.keep_pair(expand)?,
        }
    }
    emitter.line("return true;");
    emitter.end_function();

    emitter.begin_function("load_rest", "const Params& p, u64 row, Row& r");
    loaded.load(emitter, rest.iter().copied())?;
    emitter.end_function();
    debug_assert!(steps.iter().skip(1).all(|step| !matches!(step, Step::Expand(_))));
    debug_assert!(
        steps.iter().all(|step| !matches!(step, Step::Probe(probe) if probe.kind == ProbeKind::Count
            && probe.residual.is_some()))
    );
    Ok(())
}

//! The aggregate sink: aggregates become accumulators, accumulators become words of a hash table's slot.
//!
//! Every accumulator is an integer operation that commutes, so that results do not depend on the schedule: counts and
//! integer sums in one word, decimal sums in two, float sums as scaled 128-bit integers (see `kernels/fixed_sum.cuh`),
//! exact ones in as many words as hold every double (`kernels/exact_sum.cuh`), extremes as ordered words.

mod accumulator;
mod result;
mod update;

use arrow::datatypes::SchemaRef;

use crate::error::{Error, Result};
use crate::program::expr::Expr;
use crate::program::pipeline::{Aggregate, Step};

use self::accumulator::{Accumulator, Update, accumulators};
use super::emitter::{Emitter, ModuleOf};
use super::key::{generate_keys, words_of};
use super::materialize::output_column;
use super::scan::{generate_scan, items_for};
use super::value::{Kind, Value};
use super::{CompiledSink, Param};

/// Words of a slot before its key: the state and the first row; `SLOT_HEAD` in `kernels/aggregate.cuh`.
const SLOT_HEAD: usize = 2;

/// Words of an exact sum: the number, and what was none; `EXACT_SUM_WORDS` and one in `kernels/exact_sum.cuh`.
const EXACT_WORDS: usize = 35;
/// Exact sums of one aggregate: each thread keeps two or three copies of its words in local memory, which a device sets
/// aside for as many threads as it can run at once.
const EXACT_SUMS_MAX: usize = 8;

/// Where an accumulator's words begin, and what it is.
struct Slot {
    accumulator: Accumulator,
    at: usize,
    words: usize,
    kind: Kind,
    /// The number of the float sum, which chooses its exponent.
    float_sum: usize,
}

/// The accumulators of all aggregates, laid out in the words of a slot, and the emitter that writes their code.
struct Plan<'a> {
    emitter: &'a mut Emitter,
    slots: Vec<Slot>,
    words: usize,
    float_sums: usize,
}

pub(super) fn generate(
    emitter: &mut Emitter,
    steps: &[Step],
    output: &SchemaRef,
    keys: &[Expr],
    aggregates: &[Aggregate],
) -> Result<CompiledSink> {
    for param in [
        Param::Rows,
        Param::RowBegin,
        Param::FirstRow,
        Param::Control,
        Param::Slots,
        Param::SlotMask,
        Param::SharedSlots,
        Param::ExponentMax,
        Param::FirstRows,
        Param::Ranks,
        Param::FromSlots,
        Param::FromMask,
        Param::FromExponents,
        Param::Heap,
    ] {
        emitter.param(param);
    }
    for header in ["decimal", "string", "fixed_sum", "key", "scan_rows", "aggregate"] {
        emitter.need(header);
    }
    let mut rest: Vec<&Expr> = keys.iter().collect();
    for aggregate in aggregates {
        rest.extend(aggregate.args.iter().chain(&aggregate.filter));
    }
    generate_scan(emitter, steps, &rest)?;
    let (places, key_words) = generate_keys(emitter, keys)?;

    let mut plan = Plan { emitter, slots: vec![], words: 0, float_sums: 0 };
    for aggregate in aggregates {
        plan.declare(aggregate)?;
    }
    let exact_sums = plan.slots.iter().filter(|slot| matches!(slot.accumulator.update, Update::AddExact(_)));
    match exact_sums.count() {
        0 => {}
        1..=EXACT_SUMS_MAX => plan.emitter.need("exact_sum"),
        _ => {
            return Err(Error::unsupported(format!(
                "more than {EXACT_SUMS_MAX} exact sums in one aggregate"
            )));
        }
    }
    plan.generate_updates()?;
    plan.generate_strings(&places)?;

    plan.emitter.begin_function("void output", "const Params& p, const u64* key, const u64* words, u64 out");
    plan.emitter.line("const u64 row = out;");
    plan.emitter.line("(void)row;");
    let mut values: Vec<Value> = places.iter().map(|place| place.load(plan.emitter)).collect();
    for aggregate in aggregates {
        let results = plan.results(aggregate, !keys.is_empty())?;
        values.extend(results);
    }
    if values.len() != output.fields().len() {
        return Err(Error::bug(format!(
            "{} columns for a schema of {}",
            values.len(),
            output.fields().len()
        )));
    }
    let mut outputs = vec![];
    for (index, (value, field)) in values.iter().zip(output.fields()).enumerate() {
        let column = output_column(field.data_type(), value.ok.is_some())
            .ok_or_else(|| Error::unsupported(format!("a result of type {}", field.data_type())))?;
        plan.emitter.store(index, column, value);
        outputs.push(column);
    }
    plan.emitter.end_function();

    let has_strings = plan.slots.iter().any(|slot| slot.kind == Kind::Str && slot.words == 2)
        || places.iter().any(|place| place.kind == Kind::Str);
    let (words, float_sums) = (plan.words, plan.float_sums);
    let locked = plan.slots.iter().any(Slot::is_locked);
    emitter.functions.push_str(&format!(
        "    static const int KEY_WORDS = {key_words};\n    static const int WORDS = {words};\n    \
         static const int FLOAT_SUMS = {float_sums};\n    static const bool LOCKED = {locked};\n"
    ));
    // Grouping waits for atomics, not for loads: one row at a time, and many threads.
    let items = if keys.is_empty() { items_for(steps, &rest, words + 4 * float_sums) } else { 1 };
    let template =
        if keys.is_empty() { format!("aggregate_one<P, {items}>") } else { "aggregate_groups<P>".into() };
    emitter.entry(ModuleOf::Input, "aggregate", template);
    if float_sums > 0 {
        emitter.entry(ModuleOf::Ranges, "ranges", "exponent_ranges<P>");
    }
    emitter.entry(ModuleOf::Output, "emit", "emit_groups<P>");
    emitter.entry(ModuleOf::Relief, "merge", "merge_table<P>");
    if has_strings {
        emitter.entry(ModuleOf::Relief, "strings", "keep_strings<P>");
    }
    Ok(CompiledSink::Aggregate {
        keyed: !keys.is_empty(),
        slot_words: SLOT_HEAD + key_words + words,
        float_sums,
        has_strings,
        items,
        outputs,
    })
}

impl Slot {
    /// Whether its merge needs the slot's lock: extremes of two words.
    fn is_locked(&self) -> bool {
        matches!(self.accumulator.update, Update::Extreme { .. }) && self.words == 2
    }
}

impl Plan<'_> {
    /// Adds the accumulators that an aggregate needs.
    fn declare(&mut self, aggregate: &Aggregate) -> Result<()> {
        for accumulator in accumulators(aggregate)? {
            if self.slots.iter().any(|slot| slot.accumulator == accumulator) {
                continue;
            }
            let (words, kind) = match &accumulator.update {
                Update::Count(_) | Update::Add(_) | Update::Bits { .. } => (1, Kind::U64),
                Update::AddWide(_) => (2, Kind::I128),
                Update::AddFloat(_) => (3, Kind::F64),
                Update::AddExact(_) => (EXACT_WORDS, Kind::F64),
                Update::Extreme { of, .. } => {
                    let kind = self.emitter.kind_of_type(of)?;
                    (words_of(kind), kind)
                }
            };
            let float_sum = self.float_sums;
            self.float_sums += matches!(accumulator.update, Update::AddFloat(_)) as usize;
            self.slots.push(Slot { accumulator, at: self.words, words, kind, float_sum });
            self.words += words;
        }
        Ok(())
    }

    fn slot(&self, accumulator: &Accumulator) -> Result<&Slot> {
        self.slots
            .iter()
            .find(|slot| slot.accumulator == *accumulator)
            .ok_or_else(|| Error::bug("an accumulator was not declared"))
    }
}

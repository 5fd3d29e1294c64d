//! The aggregate sink: aggregates become accumulators, accumulators become words of a hash table's slot.
//!
//! Every accumulator is an integer operation that commutes, so that results do not depend on the schedule: counts and
//! integer sums in one word, decimal sums in two, float sums as scaled 128-bit integers (see `kernels/fixed_sum.cuh`),
//! extremes as ordered words.

use arrow::datatypes::{DataType, SchemaRef};

use crate::column::Storage;
use crate::error::{Error, Result};
use crate::program::expr::Expr;
use crate::program::pipeline::{Aggregate, AggregateFunction, Phase};

use super::arithmetic::decimal_constant;
use super::emitter::{Emitter, I128_BOUND, Kind, ModuleOf, Value, ten_to};
use super::materialize::output_column;
use super::{CompiledSink, Param, generate_scan, items_for};

/// Rows of one aggregation that cannot overflow any accumulator.
const ROWS_MAX: u128 = 1 << 40;

/// One accumulator; equal ones are kept once.
#[derive(Clone, Debug, PartialEq)]
struct Accumulator {
    update: Update,
    filter: Option<Expr>,
}

#[derive(Clone, Debug, PartialEq)]
enum Update {
    /// Rows where the expression is not null; all rows without one.
    Count(Option<Expr>),
    /// 64-bit wrapping sum.
    Add(Expr),
    /// 128-bit wrapping sum.
    AddWide(Expr),
    /// Order-independent sum of doubles.
    AddFloat(Box<FloatTerms>),
    Extreme {
        of: Expr,
        max: bool,
    },
    Bits {
        of: Expr,
        op: AggregateFunction,
    },
}

/// The doubles that one row adds to a float sum, exactly, as a sum of rounded products and their errors.
#[derive(Clone, Debug, PartialEq)]
enum FloatTerms {
    Value(Expr),
    Square(Expr),
    /// count·mean
    Weighted {
        count: Expr,
        mean: Expr,
    },
    /// m2 + count·mean²
    Moment {
        count: Expr,
        mean: Expr,
        m2: Expr,
    },
}

/// Where an accumulator's words begin, and what it is.
struct Slot {
    accumulator: Accumulator,
    at: usize,
    words: usize,
    kind: Kind,
    /// The number of the float sum, which chooses its exponent.
    float_sum: usize,
}

struct Plan<'a> {
    emitter: &'a mut Emitter,
    slots: Vec<Slot>,
    words: usize,
    float_sums: usize,
}

/// A key's place among the key words.
struct Key {
    at: usize,
    kind: Kind,
    data_type: DataType,
    null_bit: Option<usize>,
}

pub(super) fn generate(
    emitter: &mut Emitter,
    filters: &[Expr],
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
    for header in ["decimal", "string", "fixed_sum", "scan_rows", "aggregate"] {
        emitter.need(header);
    }
    let mut rest: Vec<&Expr> = keys.iter().collect();
    for aggregate in aggregates {
        rest.extend(aggregate.args.iter().chain(&aggregate.filter));
    }
    generate_scan(emitter, filters, &rest)?;
    let (places, key_words) = generate_keys(emitter, keys)?;

    let mut plan = Plan { emitter, slots: vec![], words: 0, float_sums: 0 };
    for aggregate in aggregates {
        plan.declare(aggregate)?;
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
    let items = if keys.is_empty() { items_for(&rest, words + 4 * float_sums) } else { 1 };
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
        slot_words: 2 + key_words + words,
        float_sums,
        has_strings,
        items,
        outputs,
    })
}

/// Writes `key`, `key_hash` and `key_equal`; returns the places of the keys and the count of words.
fn generate_keys(emitter: &mut Emitter, keys: &[Expr]) -> Result<(Vec<Key>, usize)> {
    let mut values = vec![];
    emitter.begin_function("void key", "const Params& p, const Row& r, u64 row, u64* words");
    for key in keys {
        values.push(emitter.value(key)?);
    }
    let mut places = vec![];
    let mut nulls = vec![];
    for (key, value) in keys.iter().zip(&values) {
        let null_bit = value.ok.is_some().then(|| {
            nulls.push(value.ok().to_string());
            nulls.len() - 1
        });
        places.push(Key { at: 0, kind: value.kind, data_type: key.data_type.clone(), null_bit });
    }
    if nulls.len() > 64 {
        return Err(Error::unsupported(format!("grouping by {} nullable keys; 64 is the most", nulls.len())));
    }
    let mut at = !nulls.is_empty() as usize;
    if !nulls.is_empty() {
        let bits: Vec<String> =
            nulls.iter().enumerate().map(|(bit, ok)| format!("((u64)!({ok}) << {bit})")).collect();
        emitter.line(&format!("words[0] = {};", bits.join(" | ")));
    }
    for (place, value) in places.iter_mut().zip(&values) {
        place.at = at;
        at += words_of(place.kind);
        // Equal keys have equal words: what lies under a null is made zero.
        let (ok, code) = (value.ok(), &value.code);
        match place.kind {
            Kind::Str => {
                emitter.line(&format!("words[{}] = words[{}] = 0;", place.at, place.at + 1));
                emitter.line(&format!("if ({ok}) put_key_string(words + {}, {code});", place.at));
            }
            Kind::I128 => {
                emitter.line(&format!("words[{}] = {ok} ? (u64){code} : 0;", place.at));
                emitter.line(&format!("words[{}] = {ok} ? (u64)((u128){code} >> 64) : 0;", place.at + 1));
            }
            kind if kind.is_float() => {
                let word = to_word(kind, &format!("positive_zero({code})"));
                emitter.line(&format!("words[{}] = {ok} ? {word} : 0;", place.at));
            }
            kind => emitter.line(&format!("words[{}] = {ok} ? {} : 0;", place.at, to_word(kind, code))),
        }
    }
    emitter.end_function();

    emitter.begin_function("u64 key_hash", "const u64* words");
    emitter.line("u64 hash = 0;");
    for word in 0..!nulls.is_empty() as usize {
        emitter.line(&format!("hash = hash_word(hash, words[{word}]);"));
    }
    for place in &places {
        if place.kind == Kind::Str {
            emitter.line(&format!("hash = hash_key_string(hash, words + {});", place.at));
        } else {
            for word in 0..words_of(place.kind) {
                emitter.line(&format!("hash = hash_word(hash, words[{}]);", place.at + word));
            }
        }
    }
    emitter.line("return hash;");
    emitter.end_function();

    emitter.begin_function("bool key_equal", "const u64* a, const u64* b");
    if !nulls.is_empty() {
        emitter.line("if (a[0] != b[0]) return false;");
    }
    for place in &places {
        let (i, j) = (place.at, place.at + 1);
        let differs = match place.kind {
            Kind::Str => format!("!key_strings_equal(a + {i}, b + {i})"),
            Kind::I128 => format!("a[{i}] != b[{i}] || a[{j}] != b[{j}]"),
            _ => format!("a[{i}] != b[{i}]"),
        };
        emitter.line(&format!("if ({differs}) return false;"));
    }
    emitter.line("return true;");
    emitter.end_function();
    Ok((places, at))
}

impl Key {
    /// Reads the key back from its words.
    fn load(&self, emitter: &mut Emitter) -> Value {
        let (i, j) = (self.at, self.at + 1);
        let code = match self.kind {
            Kind::Str => format!("key_string(key + {i})"),
            Kind::I128 => format!("narrow(Wide{{key[{i}], key[{j}]}})"),
            kind => from_word(kind, &format!("key[{i}]")),
        };
        let code = emitter.bind(self.kind, &code);
        let ok = self.null_bit.map(|bit| format!("!((key[0] >> {bit}) & 1)"));
        let ok = emitter.bind_ok(ok);
        Value { code, ok, kind: self.kind, bound: super::emitter::type_bound(&self.data_type, self.kind) }
    }
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

    /// Writes `start`, `add`, `combine`, `merge`, `exponents` and `rescale`.
    fn generate_updates(&mut self) -> Result<()> {
        let e = &mut *self.emitter;
        e.begin_function("void start", "u64* words");
        for slot in &self.slots {
            let neutral = match &slot.accumulator.update {
                Update::Extreme { max: false, .. } if slot.kind != Kind::Str => "~0ull",
                Update::Bits { op: AggregateFunction::BitAnd, .. } => "~0ull",
                _ => "0",
            };
            for word in slot.at..slot.at + slot.words {
                e.line(&format!("words[{word}] = {neutral};"));
            }
        }
        e.end_function();

        e.begin_function("void add", "const Params& p, const Row& r, u64 row, u64* words");
        for slot in &self.slots {
            let condition = condition(e, &slot.accumulator)?;
            let at = slot.at;
            match &slot.accumulator.update {
                Update::Count(_) => e.line(&format!("words[{at}] += {condition};")),
                Update::Add(of) => {
                    let value = e.value(of)?;
                    e.line(&format!("if ({condition}) words[{at}] += (u64){};", value.code));
                }
                Update::AddWide(of) => {
                    let value = e.value(of)?;
                    e.line(&format!("if ({condition}) add_wide(words + {at}, widen((i128){}));", value.code));
                }
                Update::AddFloat(terms) => {
                    let index = slot.float_sum;
                    let exponent = format!("{}[{index}]", e.param(Param::ExponentMax));
                    let terms = float_terms(e, terms)?;
                    e.open(&format!("if ({condition})"));
                    e.line(&format!("const u32 exponent = {exponent};"));
                    e.line(&format!("words[{}] |= special_of({});", at + 2, terms[0]));
                    for term in &terms {
                        e.line(&format!("add_wide(words + {at}, widen(to_fixed({term}, exponent)));"));
                    }
                    e.close();
                }
                Update::Extreme { of, max } => {
                    let value = e.value(of)?;
                    let code = match slot.kind {
                        Kind::Str => format!("keep_string_extreme<{max}>(words + {at}, {});", value.code),
                        Kind::I128 => {
                            format!("keep_wide_extreme<{max}>(words + {at}, ordered((i128){}));", value.code)
                        }
                        _ => {
                            let word = e.fresh("w");
                            e.line(&format!(
                                "const u64 {word} = ordered(({}){});",
                                slot.kind.name(),
                                value.code
                            ));
                            let better = if *max { ">" } else { "<" };
                            format!("if ({word} {better} words[{at}]) words[{at}] = {word};")
                        }
                    };
                    e.line(&format!("if ({condition}) {{ {code} }}"));
                }
                Update::Bits { of, op } => {
                    let value = e.value(of)?;
                    let word = to_word(value.kind, &value.code);
                    e.line(&format!("if ({condition}) words[{at}] {}= {word};", bit_operator(*op)?));
                }
            }
        }
        e.end_function();

        e.begin_function("void combine", "u64* into, const u64* from");
        for slot in &self.slots {
            let at = slot.at;
            let line = match &slot.accumulator.update {
                Update::Count(_) | Update::Add(_) => format!("into[{at}] += from[{at}];"),
                Update::AddWide(_) => format!("add_wide(into + {at}, Wide{{from[{at}], from[{}]}});", at + 1),
                Update::AddFloat(_) => format!(
                    "add_wide(into + {at}, Wide{{from[{at}], from[{}]}}); into[{f}] |= from[{f}];",
                    at + 1,
                    f = at + 2
                ),
                Update::Extreme { max, .. } => match slot.kind {
                    Kind::Str => format!("merge_string_extreme<{max}>(into + {at}, from + {at});"),
                    Kind::I128 => format!("merge_wide_extreme<{max}>(into + {at}, from + {at});"),
                    _ => {
                        let better = if *max { ">" } else { "<" };
                        format!("if (from[{at}] {better} into[{at}]) into[{at}] = from[{at}];")
                    }
                },
                Update::Bits { op, .. } => format!("into[{at}] {}= from[{at}];", bit_operator(*op)?),
            };
            e.line(&line);
        }
        e.end_function();

        e.begin_function("void merge", "u64* into, const u64* from, bool locked");
        e.open("if (locked)");
        for slot in self.slots.iter().filter(|slot| slot.is_locked()) {
            let Update::Extreme { max, .. } = slot.accumulator.update else { continue };
            let what = if slot.kind == Kind::Str { "string" } else { "wide" };
            let at = slot.at;
            // Others wrote these words: they are read and written past the caches.
            e.line(&format!(
                "{{ u64 seen[2] = {{((volatile u64*)into)[{at}], ((volatile u64*)into)[{}]}};",
                at + 1
            ));
            e.line(&format!("merge_{what}_extreme<{max}>(seen, from + {at});"));
            e.line(&format!(
                "((volatile u64*)into)[{at}] = seen[0]; ((volatile u64*)into)[{}] = seen[1]; }}",
                at + 1
            ));
        }
        e.line("return;");
        e.close();
        for slot in self.slots.iter().filter(|slot| !slot.is_locked()) {
            let at = slot.at;
            let line = match &slot.accumulator.update {
                Update::Count(_) | Update::Add(_) => {
                    format!("if (from[{at}]) atomicAdd(&into[{at}], from[{at}]);")
                }
                Update::AddWide(_) => {
                    format!("atomic_add_wide(into + {at}, from[{at}], from[{}]);", at + 1)
                }
                Update::AddFloat(_) => format!(
                    "atomic_add_wide(into + {at}, from[{at}], from[{}]); if (from[{f}]) atomicOr(&into[{f}], from[{f}]);",
                    at + 1,
                    f = at + 2
                ),
                Update::Extreme { max, .. } => {
                    let (better, function) = if *max { (">", "atomicMax") } else { ("<", "atomicMin") };
                    format!(
                        "if (from[{at}] {better} *(volatile u64*)&into[{at}]) {function}(&into[{at}], from[{at}]);"
                    )
                }
                Update::Bits { op, .. } => {
                    let function = match op {
                        AggregateFunction::BitAnd => "atomicAnd",
                        AggregateFunction::BitOr => "atomicOr",
                        _ => "atomicXor",
                    };
                    format!("{function}(&into[{at}], from[{at}]);")
                }
            };
            e.line(&line);
        }
        e.end_function();

        e.begin_function("void exponents", "const Params& p, const Row& r, u64 row, u32* largest");
        for slot in &self.slots {
            let Update::AddFloat(terms) = &slot.accumulator.update else { continue };
            let condition = condition(e, &slot.accumulator)?;
            let terms = float_terms(e, terms)?;
            for term in &terms {
                let seen = e.fresh("x");
                e.line(&format!("const u32 {seen} = exponent_for_range({term});"));
                let largest = format!("largest[{}]", slot.float_sum);
                e.line(&format!("if ({condition} && {seen} > {largest}) {largest} = {seen};"));
            }
        }
        e.end_function();

        e.begin_function("void rescale", "u64* words, const u32* exponents_from, const u32* exponents_to");
        for slot in &self.slots {
            let Update::AddFloat(_) = slot.accumulator.update else { continue };
            let (at, index) = (slot.at, slot.float_sum);
            e.line(&format!(
                "put_wide(words + {at}, widen(rescale_fixed(narrow(Wide{{words[{at}], words[{}]}}), exponents_from[{index}], exponents_to[{index}])));",
                at + 1
            ));
        }
        e.end_function();
        Ok(())
    }

    /// Writes `strings`, which moves what a slot refers to into the heap.
    fn generate_strings(&mut self, keys: &[Key]) -> Result<()> {
        self.emitter.begin_function("void strings", "const Params& p, u64* key, u64* words");
        for key in keys.iter().filter(|key| key.kind == Kind::Str) {
            self.emitter.line(&format!("keep_string(p, key + {});", key.at));
        }
        for slot in self.slots.iter().filter(|slot| slot.kind == Kind::Str) {
            self.emitter.line(&format!("keep_string(p, words + {});", slot.at));
        }
        self.emitter.end_function();
        Ok(())
    }

    /// Emits the output columns of an aggregate: one result, or its states.
    fn results(&mut self, aggregate: &Aggregate, keyed: bool) -> Result<Vec<Value>> {
        let needed = accumulators(aggregate)?;
        let partial = aggregate.phase == Phase::Partial;
        let word = |at: usize| format!("words[{at}]");
        let never_null = |code: String, kind: Kind| Value { code, ok: None, kind, bound: u128::MAX };
        // With keys, a group has a row; if that row cannot have been null or filtered away, neither is the result.
        let arg_nullable = aggregate.args.iter().any(|arg| arg.nullable);
        let can_be_null = !keyed || arg_nullable || aggregate.filter.is_some();
        let count = match &needed[0].update {
            Update::Count(_) | Update::Add(_) => Some(word(self.slot(&needed[0])?.at)),
            _ => None,
        };
        let some = |emitter: &mut Emitter| {
            let count = count.as_ref()?;
            can_be_null.then(|| emitter.bind_ok(Some(format!("{count} != 0"))))?
        };
        use AggregateFunction::*;
        Ok(match aggregate.function {
            Count => {
                let at = self.slot(&needed[0])?.at;
                vec![never_null(format!("((i64){})", word(at)), Kind::I64)]
            }
            Sum => {
                let value = self.sum_value(&needed[1])?;
                let ok = some(self.emitter);
                vec![Value { ok, ..value }]
            }
            Min | Max | BoolAnd | BoolOr => {
                let slot = self.slot(&needed[1])?;
                let (at, kind) = (slot.at, slot.kind);
                let code = match kind {
                    Kind::Str => format!("string_of(words[{at}], words[{}])", at + 1),
                    Kind::I128 => {
                        format!(
                            "(i128)((u128)narrow(Wide{{words[{at}], words[{}]}}) ^ ((u128)1 << 127))",
                            at + 1
                        )
                    }
                    kind => format!("Unordered<{}>::from(words[{at}])", kind.name()),
                };
                let code = self.emitter.bind(kind, &code);
                let ok = some(self.emitter);
                vec![Value { code, ok, kind, bound: u128::MAX }]
            }
            BitAnd | BitOr | BitXor => {
                let at = self.slot(&needed[1])?.at;
                let kind = self.emitter.kind_of_type(&aggregate.args[0])?;
                let code = self.emitter.bind(kind, &from_word(kind, &word(at)));
                let ok = some(self.emitter);
                vec![Value { code, ok, kind, bound: u128::MAX }]
            }
            Avg => {
                let count = count.ok_or_else(|| Error::bug("an average without a count"))?;
                let sum = self.sum_value(&needed[1])?;
                let ok = self.emitter.bind_ok(Some(format!("{count} != 0")));
                if partial {
                    vec![never_null(count, Kind::U64), Value { ok, ..sum }]
                } else {
                    vec![self.average(aggregate, &count, sum, ok)?]
                }
            }
            VarianceSample | VariancePopulation | StddevSample | StddevPopulation => {
                let count = count.ok_or_else(|| Error::bug("a variance without a count"))?;
                self.variance(aggregate, &needed, &count)?
            }
        })
    }

    /// The value of a sum, not null.
    fn sum_value(&mut self, accumulator: &Accumulator) -> Result<Value> {
        let slot = self.slot(accumulator)?;
        let (at, index) = (slot.at, slot.float_sum);
        let (kind, code) = match &slot.accumulator.update {
            Update::Add(of) => {
                let kind = self.emitter.kind_of_type(of)?;
                let kind = if kind.is_signed() { Kind::I64 } else { Kind::U64 };
                (kind, format!("({})words[{at}]", kind.name()))
            }
            Update::AddWide(_) => (Kind::I128, format!("narrow(Wide{{words[{at}], words[{}]}})", at + 1)),
            Update::AddFloat(_) => {
                let exponent = format!("{}[{index}]", self.emitter.param(Param::ExponentMax));
                let fixed = format!("narrow(Wide{{words[{at}], words[{}]}})", at + 1);
                (Kind::F64, format!("from_fixed({fixed}, words[{}], {exponent})", at + 2))
            }
            _ => return Err(Error::bug("a sum of something else")),
        };
        let code = self.emitter.bind(kind, &code);
        Ok(Value { code, ok: None, kind, bound: u128::MAX })
    }

    /// sum / count: floats divide; decimals scale up, divide and truncate, as DataFusion's averager does.
    fn average(
        &mut self,
        aggregate: &Aggregate,
        count: &str,
        sum: Value,
        ok: Option<String>,
    ) -> Result<Value> {
        if sum.kind == Kind::F64 {
            let code = self.emitter.bind(Kind::F64, &format!("{} / (f64){count}", sum.code));
            return Ok(Value { code, ok, ..sum });
        }
        let (DataType::Decimal128(_, from), DataType::Decimal128(precision, to)) =
            (&aggregate.input_type, &aggregate.output_type)
        else {
            return Err(Error::unsupported(format!("an average of {}", aggregate.input_type)));
        };
        let digits = (*to as i32 - *from as i32).max(0) as u32;
        let scale = decimal_constant(ten_to(digits));
        let name = format!("avg({})", aggregate.args.last().map(|arg| arg.to_string()).unwrap_or_default());
        let failure = self.emitter.failure(&name, "FAIL_OVERFLOW");
        let result = self.emitter.variable(Kind::I128);
        let limit = decimal_constant(ten_to(*precision as u32));
        self.emitter.line(&format!(
            "if ({} && !average({}, {count}, {scale}, {limit}, {result})) {failure}",
            ok.as_deref().unwrap_or("true"),
            sum.code
        ));
        Ok(Value { code: result, ok, kind: Kind::I128, bound: ten_to(*precision as u32) - 1 })
    }

    fn variance(&mut self, aggregate: &Aggregate, needed: &[Accumulator], count: &str) -> Result<Vec<Value>> {
        let mut sums = vec![];
        let mut specials = vec![];
        for accumulator in &needed[1..] {
            let slot = self.slot(accumulator)?;
            let (at, index) = (slot.at, slot.float_sum);
            let exponent = format!("{}[{index}]", self.emitter.param(Param::ExponentMax));
            sums.push(format!(
                "fixed_to_double2(narrow(Wide{{words[{at}], words[{}]}}), {exponent})",
                at + 1
            ));
            specials.push(format!("words[{}]", at + 2));
        }
        let e = &mut *self.emitter;
        let some = e.bind_ok(Some(format!("{count} != 0")));
        let not_a_number = "__longlong_as_double(0x7ff8ll << 48)";
        let any_special = specials.join(" | ");
        let squared = e.fresh("v");
        e.line(&format!("f64 {squared} = 0, mean{squared} = 0;"));
        e.open(&format!("if ({count} != 0)"));
        e.line(&format!("const Double2 sum = {}, squares = {};", sums[0], sums[1]));
        e.line(&format!("mean{squared} = sum.high / (f64){count};"));
        e.line(&format!("{squared} = squared_deviations((f64){count}, sum, squares);"));
        e.line(&format!("if ({any_special}) {squared} = mean{squared} = {not_a_number};"));
        e.close();
        let of = |code: String, ok: Option<String>| Value { code, ok, kind: Kind::F64, bound: u128::MAX };
        if aggregate.phase == Phase::Partial {
            let count = Value { code: count.into(), ok: None, kind: Kind::U64, bound: u128::MAX };
            return Ok(vec![count, of(format!("mean{squared}"), None), of(squared, None)]);
        }
        use AggregateFunction::*;
        let sample = matches!(aggregate.function, VarianceSample | StddevSample);
        let ok = if sample { e.bind_ok(Some(format!("{count} > 1"))) } else { some };
        let divisor = if sample { format!("(f64)({count} - 1)") } else { format!("(f64){count}") };
        let variance = format!("{squared} / {divisor}");
        let root = matches!(aggregate.function, StddevSample | StddevPopulation);
        let code = e.bind(Kind::F64, &if root { format!("sqrt({variance})") } else { variance });
        Ok(vec![of(code, ok)])
    }
}

fn float_sum(terms: FloatTerms) -> Update {
    Update::AddFloat(Box::new(terms))
}

/// The accumulators of an aggregate: the count of what is not null first where there is one, then the rest.
fn accumulators(aggregate: &Aggregate) -> Result<Vec<Accumulator>> {
    use AggregateFunction::*;
    let with_filter = |update| Accumulator { update, filter: aggregate.filter.clone() };
    let count_of = |arg: Option<&Expr>| {
        // Of an argument that is never null all rows count, whatever it is: those share one accumulator.
        with_filter(Update::Count(arg.filter(|arg| arg.nullable).cloned()))
    };
    let args = &aggregate.args;
    let arg = |index: usize| {
        args.get(index)
            .cloned()
            .ok_or_else(|| Error::bug(format!("{:?} lacks an argument", aggregate.function)))
    };
    let merges = aggregate.phase == Phase::Final;
    let sum_of = |expr: Expr| -> Result<Update> {
        Ok(match &expr.data_type {
            DataType::Decimal128(..) => Update::AddWide(expr),
            DataType::Float64 | DataType::Float32 => float_sum(FloatTerms::Value(expr)),
            data_type if data_type.is_integer() => Update::Add(expr),
            other => return Err(Error::unsupported(format!("sum({expr}) of type {other}"))),
        })
    };
    let updates = match aggregate.function {
        Count if merges => vec![with_filter(Update::Add(arg(0)?))],
        Count => vec![count_of(args.first())],
        Sum => vec![count_of(args.first()), with_filter(sum_of(arg(0)?)?)],
        Min | Max | BoolAnd | BoolOr => {
            let of = arg(0)?;
            if matches!(Storage::of(&of.data_type), Some(Storage::Dictionary { .. })) {
                return Err(Error::unsupported(format!(
                    "{:?}({of}) of type {}",
                    aggregate.function, of.data_type
                )));
            }
            let max = matches!(aggregate.function, Max | BoolOr);
            vec![count_of(Some(&of)), with_filter(Update::Extreme { of, max })]
        }
        BitAnd | BitOr | BitXor => {
            let of = arg(0)?;
            vec![count_of(Some(&of)), with_filter(Update::Bits { of, op: aggregate.function })]
        }
        Avg if merges => vec![with_filter(Update::Add(arg(0)?)), with_filter(sum_of(arg(1)?)?)],
        Avg => {
            let of = arg(0)?;
            if of.data_type.is_integer() {
                return Err(Error::unsupported(format!("avg({of}) of type {}", of.data_type)));
            }
            vec![count_of(Some(&of)), with_filter(sum_of(of)?)]
        }
        VarianceSample | VariancePopulation | StddevSample | StddevPopulation if merges => {
            let (count, mean, m2) = (arg(0)?, arg(1)?, arg(2)?);
            vec![
                with_filter(Update::Add(count.clone())),
                with_filter(float_sum(FloatTerms::Weighted { count: count.clone(), mean: mean.clone() })),
                with_filter(float_sum(FloatTerms::Moment { count, mean, m2 })),
            ]
        }
        VarianceSample | VariancePopulation | StddevSample | StddevPopulation => {
            let of = arg(0)?;
            if of.data_type != DataType::Float64 {
                return Err(Error::unsupported(format!(
                    "{:?}({of}) of type {}",
                    aggregate.function, of.data_type
                )));
            }
            vec![
                count_of(Some(&of)),
                with_filter(float_sum(FloatTerms::Value(of.clone()))),
                with_filter(float_sum(FloatTerms::Square(of))),
            ]
        }
    };
    // DataFusion averages wide decimals in 256 bits: the device does only those that 128 bits hold.
    if aggregate.function == Avg
        && let DataType::Decimal128(precision, _) = aggregate.input_type
        && ten_to(precision as u32).saturating_mul(ROWS_MAX) > I128_BOUND
    {
        return Err(Error::unsupported(format!(
            "an average of {}: its sum can exceed 128 bits",
            aggregate.input_type
        )));
    }
    Ok(updates)
}

/// The code that says whether a row counts for an accumulator.
fn condition(emitter: &mut Emitter, accumulator: &Accumulator) -> Result<String> {
    let mut parts = vec![];
    if let Some(filter) = &accumulator.filter {
        parts.push(emitter.value(filter)?.is_true());
    }
    let exprs: Vec<&Expr> = match &accumulator.update {
        Update::Count(of) => of.iter().collect(),
        Update::Add(of) | Update::AddWide(of) | Update::Extreme { of, .. } | Update::Bits { of, .. } => {
            vec![of]
        }
        Update::AddFloat(terms) => match terms.as_ref() {
            FloatTerms::Value(of) | FloatTerms::Square(of) => vec![of],
            FloatTerms::Weighted { count, mean } => vec![count, mean],
            FloatTerms::Moment { count, mean, m2 } => vec![count, mean, m2],
        },
    };
    for expr in exprs {
        parts.extend(emitter.value(expr)?.ok);
    }
    if parts.is_empty() {
        return Ok("true".into());
    }
    Ok(emitter.bind_ok(Some(parts.join(" && "))).unwrap_or_else(|| "true".into()))
}

/// Emits the terms of a float sum; the first carries infinities and NaN.
fn float_terms(e: &mut Emitter, terms: &FloatTerms) -> Result<Vec<String>> {
    Ok(match terms {
        FloatTerms::Value(of) => vec![format!("(f64){}", e.value(of)?.code)],
        FloatTerms::Square(of) => {
            let x = e.value(of)?.code;
            product(e, &x, &x)
        }
        FloatTerms::Weighted { count, mean } => {
            let (count, mean) = (e.value(count)?.code, e.value(mean)?.code);
            let count = e.bind(Kind::F64, &format!("(f64){count}"));
            product(e, &count, &mean)
        }
        FloatTerms::Moment { count, mean, m2 } => {
            let (count, mean, m2) = (e.value(count)?.code, e.value(mean)?.code, e.value(m2)?.code);
            let count = e.bind(Kind::F64, &format!("(f64){count}"));
            let square = product(e, &mean, &mean);
            let mut terms = product(e, &count, &square[0]);
            terms.push(e.bind(Kind::F64, &format!("{count} * {}", square[1])));
            terms.push(m2);
            terms
        }
    })
}

/// A product and its rounding error; infinities and NaN have none.
fn product(e: &mut Emitter, a: &str, b: &str) -> Vec<String> {
    let high = e.bind(Kind::F64, &format!("__dmul_rn({a}, {b})"));
    let low = e.bind(Kind::F64, &format!("__fma_rn({a}, {b}, -{high})"));
    vec![high, low]
}

fn words_of(kind: Kind) -> usize {
    if matches!(kind, Kind::Str | Kind::I128) { 2 } else { 1 }
}

/// The word of a value that is not ordered but only kept.
fn to_word(kind: Kind, code: &str) -> String {
    match kind {
        Kind::F32 | Kind::F64 => format!("(u64)bits_of({code})"),
        _ => format!("(u64){code}"),
    }
}

fn from_word(kind: Kind, word: &str) -> String {
    match kind {
        Kind::F32 => format!("__uint_as_float((u32){word})"),
        Kind::F64 => format!("__longlong_as_double((i64){word})"),
        kind => format!("({}){word}", kind.name()),
    }
}

fn bit_operator(op: AggregateFunction) -> Result<&'static str> {
    match op {
        AggregateFunction::BitAnd => Ok("&"),
        AggregateFunction::BitOr => Ok("|"),
        AggregateFunction::BitXor => Ok("^"),
        other => Err(Error::bug(format!("{other:?} is no operation on bits"))),
    }
}

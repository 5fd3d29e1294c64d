//! The functions that add rows to accumulators and accumulators to each other.

use super::Plan;
use super::accumulator::{Update, condition, float_terms};
use crate::error::{Error, Result};
use crate::program::codegen::Param;
use crate::program::codegen::key::{Key, to_word};
use crate::program::codegen::value::Kind;
use crate::program::pipeline::AggregateFunction;

impl Plan<'_> {
    /// Writes the functions over accumulator words that `kernels/aggregate.cuh` calls.
    pub(super) fn generate_updates(&mut self) -> Result<()> {
        self.generate_start();
        self.generate_add()?;
        self.generate_combine()?;
        self.generate_merge();
        self.generate_exponents()?;
        self.generate_rescale();
        Ok(())
    }

    /// `start`: the neutral values.
    fn generate_start(&mut self) {
        let e = &mut *self.emitter;
        e.begin_function("void start", "u64* words");
        for slot in &self.slots {
            if let Update::AddExact(_) = slot.accumulator.update {
                e.line(&format!("exact_start(words + {});", slot.at));
                continue;
            }
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
    }

    /// `add`: one row added to accumulators that nobody else sees.
    fn generate_add(&mut self) -> Result<()> {
        let e = &mut *self.emitter;
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
                Update::AddExact(of) => {
                    let value = e.value(of)?;
                    e.line(&format!("if ({condition}) exact_add(words + {at}, {});", value.code));
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
        Ok(())
    }

    /// `combine`: accumulators added to others that nobody else sees.
    fn generate_combine(&mut self) -> Result<()> {
        let e = &mut *self.emitter;
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
                Update::AddExact(_) => format!("exact_combine(into + {at}, from + {at});"),
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
        Ok(())
    }

    /// `merge`: accumulators added to those of a slot that others see.
    fn generate_merge(&mut self) {
        let e = &mut *self.emitter;
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
                Update::AddExact(_) => format!("exact_merge(into + {at}, from + {at});"),
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
    }

    /// `exponents`: the exponents that float sums need.
    fn generate_exponents(&mut self) -> Result<()> {
        let e = &mut *self.emitter;
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
        Ok(())
    }

    /// `rescale`: float sums brought to the exponents of another table.
    fn generate_rescale(&mut self) {
        let e = &mut *self.emitter;
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
    }

    /// Writes `strings`, which moves what a slot refers to into the heap.
    pub(super) fn generate_strings(&mut self, keys: &[Key]) -> Result<()> {
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
}

fn bit_operator(op: AggregateFunction) -> Result<&'static str> {
    match op {
        AggregateFunction::BitAnd => Ok("&"),
        AggregateFunction::BitOr => Ok("|"),
        AggregateFunction::BitXor => Ok("^"),
        other => Err(Error::bug(format!("{other:?} is no operation on bits"))),
    }
}

//! From accumulators to results, or to the states that another phase merges.

use arrow::datatypes::DataType;

use super::Plan;
use super::accumulator::{Accumulator, Update, accumulators};
use crate::error::{Error, Result};
use crate::program::codegen::Param;
use crate::program::codegen::arithmetic::decimal_constant;
use crate::program::codegen::emitter::Emitter;
use crate::program::codegen::key::from_word;
use crate::program::codegen::value::{Kind, Value, ten_to};
use crate::program::pipeline::{Aggregate, AggregateFunction, Phase};

impl Plan<'_> {
    /// Emits the output columns of an aggregate: one result, or its states.
    pub(super) fn results(&mut self, aggregate: &Aggregate, keyed: bool) -> Result<Vec<Value>> {
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
            Sum | ExactSum => {
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
            ExactAvg => {
                let count = count.ok_or_else(|| Error::bug("an average without a count"))?;
                let sum = self.sum_value(&needed[1])?;
                let ok = self.emitter.bind_ok(Some(format!("{count} != 0")));
                let code = self.emitter.bind(Kind::F64, &format!("exact_average({}, {count})", sum.code));
                vec![Value { code, ok, ..sum }]
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
            Update::AddExact(_) => (Kind::F64, format!("exact_round(words + {at})")),
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

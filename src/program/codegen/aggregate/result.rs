//! From accumulators to results, or to the states that another phase merges.

use arrow::datatypes::DataType;

use super::Plan;
use super::accumulator::{Accumulator, Update, accumulators, sums_of_pairs};
use crate::error::{Error, Result};
use crate::program::codegen::Param;
use crate::program::codegen::arithmetic::decimal_constant;
use crate::program::codegen::emitter::Emitter;
use crate::program::codegen::key::from_word;
use crate::program::codegen::value::{Kind, Value, ten_to};
use crate::program::pipeline::{Aggregate, AggregateFunction, Phase, Regression as Of};

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
            CovarianceSample | CovariancePopulation | Correlation | Regression(_) => {
                let count = count.ok_or_else(|| Error::bug("pairs without a count"))?;
                vec![self.of_pairs(aggregate.function, &needed, &count)?]
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
        let mut exponent = String::new();
        for accumulator in &needed[1..] {
            let slot = self.slot(accumulator)?;
            let (at, index) = (slot.at, slot.float_sum);
            exponent = format!("{}[{index}]", self.emitter.param(Param::ExponentMax));
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
        e.line(&format!("{squared} = squared_deviations((f64){count}, sum, squares, {exponent});"));
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

    /// Covariance, correlation and what else is computed from sums over pairs.
    fn of_pairs(
        &mut self,
        function: AggregateFunction,
        needed: &[Accumulator],
        count: &str,
    ) -> Result<Value> {
        use AggregateFunction::*;
        if function == Regression(Of::Count) {
            return Ok(Value { code: count.into(), ok: None, kind: Kind::U64, bound: u128::MAX });
        }
        // The sums that are kept, of a, b, ab, aa and bb, as exact pairs of doubles; and which of them have NaN or
        // infinities.
        let mut sums: [Option<(String, String, String)>; 5] = Default::default();
        let kept = sums_of_pairs(function);
        let mut accumulators = needed[1..].iter();
        for (sum, _) in sums.iter_mut().zip(kept).filter(|(_, kept)| *kept) {
            let accumulator = accumulators.next().ok_or_else(|| Error::bug("a sum of pairs is missing"))?;
            let slot = self.slot(accumulator)?;
            let (at, index) = (slot.at, slot.float_sum);
            let exponent = format!("{}[{index}]", self.emitter.param(Param::ExponentMax));
            let fixed = format!("narrow(Wide{{words[{at}], words[{}]}})", at + 1);
            *sum = Some((fixed, format!("words[{}]", at + 2), exponent));
        }
        let of = |index: usize| sums[index].as_ref().ok_or_else(|| Error::bug("a sum of pairs is missing"));
        let result = self.emitter.fresh("v");
        let ok = self.emitter.fresh("k");
        let e = &mut *self.emitter;
        e.line(&format!("f64 {result} = 0;"));
        e.line(&format!("bool {ok} = false;"));
        let n = format!("(f64){count}");
        // Without infinities and NaN; of which the means and the correlation make something of their own.
        let specials: Vec<&str> = sums.iter().flatten().map(|(_, special, _)| special.as_str()).collect();
        let any_special = specials.join(" | ");
        let double2 = |index: usize| {
            of(index).map(|(fixed, _, exponent)| format!("fixed_to_double2({fixed}, {exponent})"))
        };
        let not_a_number = "__longlong_as_double(0x7ff8ll << 48)";
        if let Regression(Of::MeanX | Of::MeanY) = function {
            let (fixed, special, exponent) = of((function == Regression(Of::MeanX)) as usize)?;
            e.line(&format!("{ok} = {count} != 0;"));
            e.line(&format!("if ({ok}) {result} = from_fixed({fixed}, {special}, {exponent}) / {n};"));
            return Ok(Value { code: result, ok: Some(ok), kind: Kind::F64, bound: u128::MAX });
        }
        e.open(&format!("if ({count} != 0)"));
        for (index, name) in ["a", "b", "ab", "aa", "bb"].iter().enumerate() {
            if kept[index] {
                e.line(&format!("const Double2 {name} = {};", double2(index)?));
            }
        }
        // What the rounding of the sums may leave of a deviation that is none.
        let deviations = |a: &str, b: &str, index: usize| -> Result<String> {
            let (_, _, exponent) = of(index)?;
            let products = ["", "", "ab", "aa", "bb"][index];
            Ok(format!("deviation_products({n}, {a}, {b}, {products}, {exponent})"))
        };
        if kept[2] {
            e.line(&format!("const f64 sab = {};", deviations("a", "b", 2)?));
        }
        if kept[3] {
            e.line(&format!("const f64 saa = {};", deviations("a", "a", 3)?));
        }
        if kept[4] {
            e.line(&format!("const f64 sbb = {};", deviations("b", "b", 4)?));
        }
        let (condition, value) = match function {
            CovarianceSample => (format!("{count} > 1"), format!("sab / (f64)({count} - 1)")),
            CovariancePopulation => ("true".into(), format!("sab / {n}")),
            Correlation => {
                (format!("{count} > 1 && saa > 0 && sbb > 0"), "sab / sqrt(saa) / sqrt(sbb)".into())
            }
            Regression(Of::Slope) => (format!("{count} > 1 && sbb > 0"), "sab / sbb".into()),
            Regression(Of::Intercept) => {
                (format!("{count} > 1 && sbb > 0"), format!("a.high / {n} - sab / sbb * (b.high / {n})"))
            }
            Regression(Of::R2) => {
                (format!("{count} > 1 && saa > 0 && sbb > 0"), "sab / saa * (sab / sbb)".into())
            }
            Regression(Of::SquaresX) => ("true".into(), "sbb".into()),
            Regression(Of::SquaresY) => ("true".into(), "saa".into()),
            Regression(Of::Products) => ("true".into(), "sab".into()),
            other => return Err(Error::bug(format!("{other:?} is not of pairs"))),
        };
        e.line(&format!("{ok} = {condition};"));
        e.line(&format!("if ({ok}) {result} = {value};"));
        // NaN where a value was NaN or infinite.
        let special_ok = match function {
            CovarianceSample | Regression(Of::Slope | Of::Intercept | Of::R2) => format!("{count} > 1"),
            Correlation => {
                let (a, b) = (&of(0)?.1, &of(1)?.1);
                format!(
                    "(is_nan_sum({a}) && is_nan_sum({b})) || ({count} > 1 && !is_nan_sum({a}) && !is_nan_sum({b}))"
                )
            }
            _ => "true".into(),
        };
        e.line(&format!("if ({any_special}) {{ {result} = {not_a_number}; {ok} = {special_ok}; }}"));
        e.close();
        Ok(Value { code: result, ok: Some(ok), kind: Kind::F64, bound: u128::MAX })
    }
}

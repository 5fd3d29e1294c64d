//! Scalar functions: dates here; strings in `text.rs`, mathematics in `number.rs`.

use arrow::datatypes::{DataType, TimeUnit};

use crate::error::{Error, Result};
use crate::program::expr::{DatePart, Expr, Function};

use super::cast::ticks_per_day;
use super::emitter::Emitter;
use super::value::{Kind, Value, all_ok, type_bound};

impl Emitter {
    pub(super) fn call(&mut self, function: Function, expr: &Expr) -> Result<Value> {
        match function {
            function if function.is_of_strings() => self.string_function(function, expr),
            Function::DatePart(part) => self.date_part(part, expr),
            Function::DateTrunc(part) => self.date_trunc(part, expr),
            Function::DateBin => self.date_bin(expr),
            Function::MakeDate => self.make_date(expr),
            Function::Greatest | Function::Least => self.extreme(function, expr),
            Function::Gcd | Function::Lcm | Function::Factorial => self.of_integers(function, expr),
            _ => self.mathematics(function, expr),
        }
    }

    /// The days of a date or timestamp, and the ticks since midnight with the ticks of a day.
    fn days_and_ticks(&mut self, expr: &Expr, arg: &Value) -> Result<(String, Option<(String, i64)>)> {
        self.need("temporal");
        let ticks = match &expr.args[expr.args.len() - 1].data_type {
            DataType::Date32 => return Ok((format!("((i64){})", arg.code), None)),
            DataType::Date64 => ticks_per_day(TimeUnit::Millisecond),
            DataType::Timestamp(unit, None) => ticks_per_day(*unit),
            other => return Err(Error::unsupported(format!("{expr} of type {other} on a device"))),
        };
        let days = self.bind(Kind::I64, &format!("floor_divide({}, {ticks}ll)", arg.code));
        let rest = self.bind(Kind::I64, &format!("{} - {days} * {ticks}ll", arg.code));
        Ok((days, Some((rest, ticks))))
    }

    fn date_part(&mut self, part: DatePart, expr: &Expr) -> Result<Value> {
        let arg = self.value(&expr.args[expr.args.len() - 1])?;
        let (days, ticks) = self.days_and_ticks(expr, &arg)?;
        let kind = self.kind_of_type(expr)?;
        let of_day = match part {
            DatePart::Year => Some("part_year"),
            DatePart::Quarter => Some("part_quarter"),
            DatePart::Month => Some("part_month"),
            DatePart::Week => Some("part_week"),
            DatePart::Day => Some("part_day"),
            DatePart::DayOfYear => Some("part_day_of_year"),
            DatePart::DayOfWeek => Some("part_day_of_week"),
            DatePart::IsoYear => Some("part_iso_year"),
            DatePart::IsoDayOfWeek => Some("part_iso_day_of_week"),
            _ => None,
        };
        let code = match (of_day, ticks) {
            (Some(function), _) => format!("{function}({days})"),
            (None, None) if part == DatePart::Epoch => format!("{days} * 86400ll"),
            (None, None) => "0".into(),
            (None, Some((rest, per_day))) => {
                let per_second = per_day / 86_400;
                match part {
                    DatePart::Hour => format!("{rest} / {}ll", per_day / 24),
                    DatePart::Minute => format!("{rest} / {}ll % 60", per_day / 1_440),
                    DatePart::Second => format!("{rest} / {per_second}ll % 60"),
                    DatePart::Epoch => format!("(f64){} / {per_second}.0", arg.code),
                    // Seconds of the minute with their fraction, in the smaller unit.
                    DatePart::Millisecond => scaled_seconds(&rest, per_second, 1_000),
                    DatePart::Microsecond => scaled_seconds(&rest, per_second, 1_000_000),
                    DatePart::Nanosecond => scaled_seconds(&rest, per_second, 1_000_000_000),
                    _ => return Err(Error::unsupported(format!("{expr} on a device"))),
                }
            }
        };
        let code = self.bind(kind, &format!("({})({code})", kind.name()));
        Ok(Value { code, ok: arg.ok, kind, bound: type_bound(&expr.data_type, kind) })
    }

    fn date_trunc(&mut self, part: DatePart, expr: &Expr) -> Result<Value> {
        let arg = self.value(&expr.args[expr.args.len() - 1])?;
        if expr.args[expr.args.len() - 1].data_type != expr.data_type {
            return Err(Error::unsupported(format!("{expr} of type {}", expr.data_type)));
        }
        let (days, ticks) = self.days_and_ticks(expr, &arg)?;
        let kind = self.kind_of_type(expr)?;
        let function = match part {
            DatePart::Year => Some("trunc_year"),
            DatePart::Quarter => Some("trunc_quarter"),
            DatePart::Month => Some("trunc_month"),
            DatePart::Week => Some("trunc_week"),
            _ => None,
        };
        let per_day = ticks.as_ref().map_or(1, |(_, per_day)| *per_day);
        let code = if let Some(function) = function {
            format!("{function}({days}) * {per_day}ll")
        } else {
            let step = match part {
                DatePart::Day => per_day,
                DatePart::Hour => per_day / 24,
                DatePart::Minute => per_day / 1_440,
                DatePart::Second => per_day / 86_400,
                DatePart::Millisecond => per_day / 86_400_000,
                DatePart::Microsecond => per_day / 86_400_000 / 1_000,
                _ => return Err(Error::unsupported(format!("{expr} on a device"))),
            };
            if step <= 1 {
                arg.code.clone()
            } else {
                format!("floor_divide({}, {step}ll) * {step}ll", arg.code)
            }
        };
        let code = self.bind(kind, &format!("({})({code})", kind.name()));
        Ok(Value { code, ok: arg.ok, kind, bound: type_bound(&expr.data_type, kind) })
    }

    fn date_bin(&mut self, expr: &Expr) -> Result<Value> {
        self.need("temporal");
        let (arg, step) = (self.value(&expr.args[0])?, self.value(&expr.args[1])?);
        let code = format!("floor_divide({}, (i64){step}) * (i64){step}", arg.code, step = step.code);
        let code = self.bind(Kind::I64, &code);
        Ok(Value { code, ok: arg.ok, kind: Kind::I64, bound: type_bound(&expr.data_type, Kind::I64) })
    }

    /// A date of numbers; what is none fails on the CPU, whose message names the numbers.
    fn make_date(&mut self, expr: &Expr) -> Result<Value> {
        self.need("temporal");
        let args = expr.args.iter().map(|arg| self.value(arg)).collect::<Result<Vec<_>>>()?;
        let [year, month, day] = args.as_slice() else {
            return Err(Error::unsupported(format!("{expr} of {} numbers", args.len())));
        };
        let ok = all_ok(&[year, month, day]);
        let ok = self.bind_ok(ok);
        let result = self.variable(Kind::I32);
        let failure = self.failure(expr, "FAIL_NEEDS_HOST");
        let make = format!("make_date({}, {}, {}, {result})", year.code, month.code, day.code);
        self.line(&format!("if ({} && !{make}) {failure}", ok.as_deref().unwrap_or("true")));
        Ok(Value { code: result, ok, kind: Kind::I32, bound: type_bound(&expr.data_type, Kind::I32) })
    }

    pub(super) fn add_interval(
        &mut self,
        expr: &Expr,
        months: i32,
        days: i32,
        nanoseconds: i64,
    ) -> Result<Value> {
        let arg = self.value(&expr.args[0])?;
        if expr.args[0].data_type != expr.data_type {
            return Err(Error::unsupported(format!(
                "{expr}: an interval that turns a date into a timestamp"
            )));
        }
        let (of_days, ticks) = self.days_and_ticks(expr, &arg)?;
        let kind = self.kind_of_type(expr)?;
        let (months, days) = (months as i64, days as i64);
        let months = self.param(super::Param::Word(months as u64));
        let days = self.param(super::Param::Word(days as u64));
        let moved = self.bind(Kind::I64, &format!("add_months({of_days}, (i64){months}) + (i64){days}"));
        let code = match ticks {
            // A date moves by the whole days that the time of an interval has.
            None => {
                let days = self.param(super::Param::Word((nanoseconds / 86_400_000_000_000) as u64));
                format!("{moved} + (i64){days}")
            }
            Some((rest, per_day)) => {
                let per_second = per_day / 86_400;
                let unit = 1_000_000_000 / per_second;
                // What is finer than a tick is cut off, towards the past.
                let ticks = self.param(super::Param::Word(nanoseconds.div_euclid(unit) as u64));
                format!("{moved} * {per_day}ll + {rest} + (i64){ticks}")
            }
        };
        let code = self.bind(kind, &format!("({})({code})", kind.name()));
        Ok(Value { code, ok: arg.ok, kind, bound: type_bound(&expr.data_type, kind) })
    }
}

fn scaled_seconds(rest: &str, per_second: i64, scale: i64) -> String {
    if scale >= per_second {
        format!("{rest} % {}ll * {}ll", 60 * per_second, scale / per_second)
    } else {
        format!("{rest} % {}ll / {}ll", 60 * per_second, per_second / scale)
    }
}

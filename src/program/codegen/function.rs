//! Scalar functions: strings, dates, mathematics.

use arrow::datatypes::{DataType, TimeUnit};

use crate::error::{Error, Result};
use crate::program::expr::{DatePart, Expr, Function};

use super::cast::ticks_per_day;
use super::emitter::Emitter;
use super::value::{I128_BOUND, Kind, Value, all_ok, type_bound};

impl Emitter {
    pub(super) fn call(&mut self, function: Function, expr: &Expr) -> Result<Value> {
        match function {
            function if function.is_of_strings() => self.string_function(function, expr),
            Function::DatePart(part) => self.date_part(part, expr),
            Function::DateTrunc(part) => self.date_trunc(part, expr),
            Function::DateBin => self.date_bin(expr),
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
            None if nanoseconds == 0 => moved,
            None => return Err(Error::unsupported(format!("{expr}: a time interval on a date"))),
            Some((rest, per_day)) => {
                let per_second = per_day / 86_400;
                let unit = 1_000_000_000 / per_second;
                if nanoseconds % unit != 0 {
                    return Err(Error::unsupported(format!("{expr}: an interval finer than the timestamp")));
                }
                let ticks = self.param(super::Param::Word((nanoseconds / unit) as u64));
                format!("{moved} * {per_day}ll + {rest} + (i64){ticks}")
            }
        };
        let code = self.bind(kind, &format!("({})({code})", kind.name()));
        Ok(Value { code, ok: arg.ok, kind, bound: type_bound(&expr.data_type, kind) })
    }

    fn mathematics(&mut self, function: Function, expr: &Expr) -> Result<Value> {
        let args = expr.args.iter().map(|arg| self.value(arg)).collect::<Result<Vec<_>>>()?;
        let kind = self.kind_of_type(expr)?;
        let arg = &args[0];
        let refuse = || Err(Error::unsupported(format!("{expr} of type {}", expr.args[0].data_type)));
        let ok = all_ok(&args.iter().collect::<Vec<_>>());
        let ok = self.bind_ok(ok);
        let x = &arg.code;
        if function == Function::Abs && !kind.is_float() {
            if !kind.is_signed() || expr.data_type != expr.args[0].data_type {
                return refuse();
            }
            // The smallest integer has no positive counterpart.
            let name = arg.kind.name();
            if arg.kind != Kind::I128 || arg.bound > I128_BOUND {
                let failure = self.failure(expr, "FAIL_OVERFLOW");
                let condition = ok.as_deref().unwrap_or("true");
                self.line(&format!("if ({condition} && {x} < 0 && ({name})(0 - {x}) == {x}) {failure}"));
            }
            let code = self.bind(arg.kind, &format!("{x} < 0 ? ({name})(0 - {x}) : {x}"));
            return Ok(Value { code, ok, kind: arg.kind, bound: arg.bound });
        }
        if !kind.is_float() || expr.data_type != expr.args[0].data_type {
            return refuse();
        }
        let suffix = if kind == Kind::F32 { "f" } else { "" };
        let name = kind.name();
        let code = match function {
            Function::Abs => format!("fabs{suffix}({x})"),
            Function::Ceil => format!("ceil{suffix}({x})"),
            Function::Floor => format!("floor{suffix}({x})"),
            Function::Sqrt => format!("sqrt{suffix}({x})"),
            Function::Exp => format!("exp{suffix}({x})"),
            Function::Ln => format!("log{suffix}({x})"),
            Function::Log2 => format!("log2{suffix}({x})"),
            Function::Log10 => format!("log10{suffix}({x})"),
            Function::Power if args.len() == 2 && args[1].kind == kind => {
                format!("pow{suffix}({x}, {})", args[1].code)
            }
            Function::Signum => format!("({x} > 0 ? 1 : {x} < 0 ? -1 : ({name}){x})"),
            Function::Round if args.len() == 1 => format!("round{suffix}({x})"),
            Function::Round if args.len() == 2 && args[1].kind == kind => {
                format!("round{suffix}({x} * {factor}) / {factor}", factor = args[1].code)
            }
            Function::Trunc if args.len() == 1 => format!("trunc{suffix}({x})"),
            _ => return refuse(),
        };
        let code = self.bind(kind, &format!("({name})({code})"));
        Ok(Value { code, ok, kind, bound: u128::MAX })
    }
}

fn scaled_seconds(rest: &str, per_second: i64, scale: i64) -> String {
    if scale >= per_second {
        format!("{rest} % {}ll * {}ll", 60 * per_second, scale / per_second)
    } else {
        format!("{rest} % {}ll / {}ll", 60 * per_second, per_second / scale)
    }
}

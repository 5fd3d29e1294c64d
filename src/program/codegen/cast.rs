//! Conversions between types, as Arrow's cast kernel makes them.

use arrow::datatypes::{DataType, TimeUnit};

use crate::column::Storage;
use crate::error::{Error, Result};
use crate::program::expr::Expr;

use super::arithmetic::decimal_constant;
use super::convert::is_text;
use super::emitter::Emitter;
use super::value::{I64_BOUND, Kind, Value, ten_to, type_bound};

impl Emitter {
    pub(super) fn cast(&mut self, expr: &Expr, safe: bool) -> Result<Value> {
        let from = &expr.args[0].data_type;
        let to = &expr.data_type;
        let arg = self.value(&expr.args[0])?;
        let kind = self.kind_of_type(expr)?;
        use DataType::*;
        match (from, to) {
            _ if from == to => Ok(arg),
            (Decimal128(_, s1), Decimal128(p2, s2)) => self.cast_decimal(expr, safe, &arg, *s1, *p2, *s2),
            (from, Decimal128(p, s)) if from.is_integer() => self.cast_decimal(expr, safe, &arg, 0, *p, *s),
            (Float32 | Float64, Decimal128(p, s)) => {
                self.need("decimal");
                let scaled = if *s < 0 {
                    return Err(unsupported(expr));
                } else {
                    format!("round((f64){} * {:?})", arg.code, 10f64.powi(*s as i32))
                };
                let wide = self.variable(Kind::I128);
                let limit = decimal_constant(ten_to(*p as u32));
                let fits = format!("to_i128({scaled}, {wide}) && fits_precision({wide}, {limit})");
                let value =
                    Value { code: wide, ok: arg.ok.clone(), kind: Kind::I128, bound: ten_to(*p as u32) - 1 };
                self.checked(expr, safe, value, &fits)
            }
            (Decimal128(_, s), Float32 | Float64) if *s >= 0 => {
                self.need("decimal");
                let code = format!("to_f64({}) / {:?}", arg.code, 10f64.powi(*s as i32));
                let code = self.bind(kind, &format!("({})({code})", kind.name()));
                Ok(Value { code, ok: arg.ok, kind, bound: u128::MAX })
            }
            (Decimal128(_, s), to) if to.is_integer() && *s >= 0 => {
                self.need("decimal");
                let whole = format!("divide({}, {})", arg.code, decimal_constant(ten_to(*s as u32)));
                let whole = Value { code: self.bind(Kind::I128, &whole), kind: Kind::I128, ..arg };
                self.narrow(expr, safe, &whole, kind)
            }
            (Boolean, to) if to.is_numeric() && !matches!(to, Decimal128(..)) => {
                let code = self.bind(kind, &format!("({})({} ? 1 : 0)", kind.name(), arg.code));
                Ok(Value { code, ok: arg.ok, kind, bound: 1 })
            }
            (from, Boolean) if from.is_numeric() && !matches!(from, Decimal128(..)) => {
                let code = self.bind(Kind::Bool, &format!("{} != 0", arg.code));
                Ok(Value { code, ok: arg.ok, kind: Kind::Bool, bound: 1 })
            }
            (from, to) if from.is_numeric() && to.is_numeric() => self.cast_number(expr, safe, &arg, kind),
            (Utf8 | LargeUtf8 | Utf8View, Utf8 | LargeUtf8 | Utf8View)
            | (Binary | LargeBinary | BinaryView, Binary | LargeBinary | BinaryView) => Ok(arg),
            (Dictionary(_, value), to) if value.as_ref() == to || strings_alike(value, to) => Ok(arg),
            (from, Dictionary(_, value)) if value.as_ref() == from || strings_alike(value, from) => Ok(arg),
            (from, to) if is_text(from) => self.read_text(expr, safe, &arg, to),
            (from, to) if is_text(to) => self.write_text(expr, &arg, from),
            _ => self.cast_time(expr, safe, &arg, kind),
        }
    }

    /// Numbers that are not decimals.
    fn cast_number(&mut self, expr: &Expr, safe: bool, arg: &Value, kind: Kind) -> Result<Value> {
        if kind.is_float() {
            let code = self.bind(kind, &format!("({}){}", kind.name(), arg.code));
            return Ok(Value { code, ok: arg.ok.clone(), kind, bound: u128::MAX });
        }
        if arg.kind.is_float() {
            // Truncates; NaN and what is out of range do not convert.
            self.need("decimal");
            let wide = self.variable(Kind::I128);
            let (low, high) = kind.limits();
            let fits = format!(
                "to_i128({}, {wide}) && {wide} >= {} && {wide} <= {}",
                arg.code,
                limit(low),
                limit(high)
            );
            let value = Value { code: wide, ok: arg.ok.clone(), kind: Kind::I128, bound: u128::MAX };
            let checked = self.checked(expr, safe, value, &fits)?;
            let code = self.bind(kind, &format!("({}){}", kind.name(), checked.code));
            return Ok(Value { code, kind, bound: type_bound(&expr.data_type, kind), ..checked });
        }
        self.narrow(expr, safe, arg, kind)
    }

    /// Integers to integers, checked where the target's range does not hold the source's.
    pub(super) fn narrow(&mut self, expr: &Expr, safe: bool, arg: &Value, kind: Kind) -> Result<Value> {
        let bound = type_bound(&expr.data_type, kind);
        let (from_low, from_high) = arg.kind.limits();
        let (low, high) = kind.limits();
        let value = if low <= from_low && from_high <= high {
            arg.clone()
        } else {
            let fits = format!("(i128){c} >= {} && (i128){c} <= {}", limit(low), limit(high), c = arg.code);
            self.checked(expr, safe, arg.clone(), &fits)?
        };
        let code = self.bind(kind, &format!("({}){}", kind.name(), value.code));
        Ok(Value { code, kind, bound, ..value })
    }

    /// Integers and decimals to decimals: exact upwards, half away from zero downwards, checked against the precision
    /// unless the bound shows that it holds.
    fn cast_decimal(
        &mut self,
        expr: &Expr,
        safe: bool,
        arg: &Value,
        s1: i8,
        p2: u8,
        s2: i8,
    ) -> Result<Value> {
        self.need("decimal");
        let limit_bound = ten_to(p2 as u32) - 1;
        let digits = s2 as i32 - s1 as i32;
        if digits.abs() > 38 {
            return Err(unsupported(expr));
        }
        let factor = ten_to(digits.unsigned_abs());
        let constant = decimal_constant(factor);
        let bound = if digits >= 0 { arg.bound.saturating_mul(factor) } else { arg.bound / factor + 1 };
        let kind = if bound.min(limit_bound) <= I64_BOUND { Kind::I64 } else { Kind::I128 };
        // An unsigned 64-bit source does not fit a signed word.
        let source = if arg.kind == Kind::I64 && bound <= I64_BOUND { "i64" } else { "i128" };
        if bound <= limit_bound {
            let code = match digits {
                0 => arg.code.clone(),
                1.. => format!("({source}){} * {constant}", arg.code),
                _ => format!("divide_rounded({}, {constant})", arg.code),
            };
            let code = self.bind(kind, &format!("({})({code})", kind.name()));
            return Ok(Value { code, ok: arg.ok.clone(), kind, bound });
        }
        let wide = self.variable(Kind::I128);
        let make = match digits {
            0 => format!("(({wide} = {}), true)", arg.code),
            1.. => format!("!multiply_overflows({}, {constant}, {wide})", arg.code),
            _ => format!("(({wide} = divide_rounded({}, {constant})), true)", arg.code),
        };
        let fits = format!("{make} && fits_precision({wide}, {})", decimal_constant(ten_to(p2 as u32)));
        let value = Value { code: wide, ok: arg.ok.clone(), kind: Kind::I128, bound: limit_bound };
        let checked = self.checked(expr, safe, value, &fits)?;
        let code = self.bind(kind, &format!("({}){}", kind.name(), checked.code));
        Ok(Value { code, kind, ..checked })
    }

    /// Dates and timestamps.
    fn cast_time(&mut self, expr: &Expr, safe: bool, arg: &Value, kind: Kind) -> Result<Value> {
        use DataType::*;
        let (from, to) = (&expr.args[0].data_type, &expr.data_type);
        let bound = type_bound(to, kind);
        let code = match (from, to) {
            // The same number under another name.
            (Int32, Date32 | Time32(_))
            | (Date32 | Time32(_), Int32)
            | (Int64, Date64 | Time64(_) | Timestamp(_, _) | Duration(_))
            | (Date64 | Time64(_) | Timestamp(_, _) | Duration(_), Int64) => arg.code.clone(),
            (Date32, Int64) => format!("(i64){}", arg.code),
            (Date32, Date64) => format!("(i64){} * 86400000ll", arg.code),
            (Date32, Timestamp(unit, None)) => {
                let ticks = ticks_per_day(*unit);
                let wide = self.bind(Kind::I128, &format!("(i128){} * {ticks}ll", arg.code));
                let value = Value { code: wide, ok: arg.ok.clone(), kind: Kind::I128, bound: u128::MAX };
                return self.narrow(expr, safe, &value, kind);
            }
            (Timestamp(unit, None), Date32) => {
                self.need("temporal");
                format!("(i32)floor_divide({}, {}ll)", arg.code, ticks_per_day(*unit))
            }
            (Date64, Date32) => {
                self.need("temporal");
                format!("(i32)floor_divide({}, 86400000ll)", arg.code)
            }
            (Timestamp(a, zone_a), Timestamp(b, zone_b)) if zone_a == zone_b => {
                let (a, b) = (ticks_per_day(*a), ticks_per_day(*b));
                if b >= a {
                    let wide = self.bind(Kind::I128, &format!("(i128){} * {}ll", arg.code, b / a));
                    let value = Value { code: wide, ok: arg.ok.clone(), kind: Kind::I128, bound: u128::MAX };
                    return self.narrow(expr, safe, &value, kind);
                }
                format!("{} / {}ll", arg.code, a / b)
            }
            _ => return Err(unsupported(expr)),
        };
        let code = self.bind(kind, &code);
        Ok(Value { code, ok: arg.ok.clone(), kind, bound })
    }

    /// Keeps `value` where `fits`; elsewhere it is null if `safe`, or the query fails.
    pub(super) fn checked(&mut self, expr: &Expr, safe: bool, value: Value, fits: &str) -> Result<Value> {
        if safe {
            let ok = self.bind_ok(Some(format!("({}) && ({fits})", value.ok())));
            return Ok(Value { ok, ..value });
        }
        let failure = self.failure(expr, "FAIL_CAST");
        self.line(&format!("if ({} && !({fits})) {failure}", value.ok()));
        Ok(value)
    }
}

pub(super) fn unsupported(expr: &Expr) -> Error {
    Error::unsupported(format!(
        "{expr}: a cast from {} to {} on a device",
        expr.args[0].data_type, expr.data_type
    ))
}

fn strings_alike(a: &DataType, b: &DataType) -> bool {
    let is_string =
        |data_type: &DataType| matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    Storage::of(a) == Some(Storage::Bytes) && is_string(a) && is_string(b)
}

fn limit(value: i128) -> String {
    if value == i128::MIN {
        "I128_MIN".into()
    } else if value < 0 {
        format!("-{}", decimal_constant(value.unsigned_abs()))
    } else {
        decimal_constant(value as u128)
    }
}

/// Ticks of a timestamp in one day.
pub fn ticks_per_day(unit: TimeUnit) -> i64 {
    86_400
        * match unit {
            TimeUnit::Second => 1,
            TimeUnit::Millisecond => 1_000,
            TimeUnit::Microsecond => 1_000_000,
            TimeUnit::Nanosecond => 1_000_000_000,
        }
}

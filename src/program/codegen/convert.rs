//! Casts between text and other types; see `kernels/convert.cuh`.

use arrow::datatypes::DataType;

use crate::error::Result;
use crate::program::expr::Expr;

use super::arithmetic::decimal_constant;
use super::cast::{ticks_per_day, unsupported};
use super::emitter::Emitter;
use super::value::{Kind, Value, ten_to, type_bound};

/// Whether a type is text, encoded as a dictionary or not.
pub(super) fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, value) => is_text(value),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        _ => false,
    }
}

impl Emitter {
    fn need_conversions(&mut self) {
        for header in ["decimal", "string", "text", "temporal", "convert"] {
            self.need(header);
        }
    }

    /// Reads a value from text. What is surely none fails, or is null where `safe`; what the device does not know to
    /// read falls back.
    pub(super) fn read_text(&mut self, expr: &Expr, safe: bool, arg: &Value, to: &DataType) -> Result<Value> {
        use DataType::*;
        self.need_conversions();
        let kind = self.kind_of_type(expr)?;
        let s = &arg.code;
        let wide = |kind: Kind, bound: u128, code: String| Value { code, ok: arg.ok.clone(), kind, bound };
        let (read, value) = match to {
            Boolean => {
                let out = self.variable(Kind::Bool);
                (format!("read_bool({s}, {out})"), wide(Kind::Bool, 1, out))
            }
            Float32 | Float64 => {
                let out = self.variable(Kind::F64);
                let is_double = *to == Float64;
                (format!("read_float({s}, {is_double}, {out})"), wide(Kind::F64, u128::MAX, out))
            }
            Decimal128(precision, scale) if *scale >= 0 => {
                let out = self.variable(Kind::I128);
                let limit = ten_to(*precision as u32);
                let limits = format!("{}, {}", decimal_constant(limit), decimal_constant(limit / 10));
                (format!("read_decimal({s}, {scale}, {limits}, {out})"), wide(Kind::I128, limit - 1, out))
            }
            to if to.is_integer() => {
                let out = self.variable(Kind::I128);
                let (low, high) = kind.limits();
                let limits = format!("(i128){}, (i128){}", integer(low), integer(high));
                let bound = type_bound(to, kind);
                (format!("read_integer({s}, {limits}, {out})"), wide(Kind::I128, bound, out))
            }
            Date32 => {
                let out = self.variable(Kind::I64);
                (format!("read_date({s}, {out})"), wide(Kind::I64, type_bound(to, kind), out))
            }
            Timestamp(unit, None) => {
                let (days, rest) = (self.variable(Kind::I64), self.variable(Kind::I64));
                let ticks = self.variable(Kind::I64);
                let per_day = ticks_per_day(*unit);
                let read = self.read_state(expr, arg, &format!("read_time({s}, {days}, {rest})"));
                let fits = format!("{read} == READ_DONE && ticks_of({days}, {rest}, {per_day}ll, {ticks})");
                let fits = self.bind(Kind::Bool, &fits);
                return self.checked(expr, safe, wide(kind, type_bound(to, kind), ticks), &fits);
            }
            _ => return Err(unsupported(expr)),
        };
        let read = self.read_state(expr, arg, &read);
        let checked = self.checked(expr, safe, value, &format!("{read} == READ_DONE"))?;
        let code = self.bind(kind, &format!("({}){}", kind.name(), checked.code));
        let bound = checked.bound.min(type_bound(to, kind));
        Ok(Value { code, kind, bound, ..checked })
    }

    /// Computes what reading came to.
    fn read_state(&mut self, expr: &Expr, arg: &Value, read: &str) -> String {
        let state = self.bind(Kind::U32, &format!("{} ? {read} : READ_FAILED", arg.ok()));
        let failure = self.failure(expr, "FAIL_NEEDS_HOST");
        self.line(&format!("if ({state} == READ_ON_HOST) {failure}"));
        state
    }

    /// Writes a value as text.
    pub(super) fn write_text(&mut self, expr: &Expr, arg: &Value, from: &DataType) -> Result<Value> {
        use DataType::*;
        self.need_conversions();
        let value = &arg.code;
        let code = match from {
            Boolean => {
                let words = self.pool(b"truefalse");
                format!("text_of_bool({value}, {words})")
            }
            Decimal128(_, scale) if *scale >= 0 => {
                self.new_text(arg.ok(), &format!("text_of_decimal(HEAP, {value}, {scale})"))
            }
            from if from.is_integer() => {
                self.new_text(arg.ok(), &format!("text_of_decimal(HEAP, {value}, 0)"))
            }
            Date32 => {
                self.refuse_date(expr, arg, value);
                self.new_text(arg.ok(), &format!("text_of_date(HEAP, {value})"))
            }
            Timestamp(unit, None) => {
                let per_day = ticks_per_day(*unit);
                let days = self.bind(Kind::I64, &format!("floor_divide({value}, {per_day}ll)"));
                let ticks = self.bind(Kind::I64, &format!("floor_modulo({value}, {per_day}ll)"));
                self.refuse_date(expr, arg, &days);
                self.new_text(arg.ok(), &format!("text_of_time(HEAP, {days}, {ticks}, {per_day}ll)"))
            }
            _ => return Err(unsupported(expr)),
        };
        let code = self.bind(Kind::Str, &code);
        Ok(Value { code, ok: arg.ok.clone(), kind: Kind::Str, bound: u128::MAX })
    }

    /// Leaves dates beyond the CPU's calendar to the CPU, which refuses them.
    fn refuse_date(&mut self, expr: &Expr, arg: &Value, days: &str) {
        let failure = self.failure(expr, "FAIL_NEEDS_HOST");
        self.line(&format!("if ({} && !is_printable_date({days})) {failure}", arg.ok()));
    }
}

/// The code of a 64-bit bound.
fn integer(value: i128) -> String {
    match value {
        value if value == i64::MIN as i128 => "(-0x7fffffffffffffffll - 1)".into(),
        value if value > i64::MAX as i128 => format!("{value}ull"),
        value => format!("{value}ll"),
    }
}

//! Arithmetic as Arrow's kernels do it: integers wrap, decimals are checked, floats follow IEEE 754.

use arrow::datatypes::DataType;

use crate::error::{Error, Result};
use crate::program::expr::{BinaryOp, Expr};

use super::emitter::Emitter;
use super::value::{I64_BOUND, I128_BOUND, Kind, Value, all_ok, ten_to, type_bound};

impl Emitter {
    pub(super) fn arithmetic(&mut self, op: BinaryOp, expr: &Expr) -> Result<Value> {
        let (left_type, right_type) = (&expr.args[0].data_type, &expr.args[1].data_type);
        if let (DataType::Decimal128(_, s1), DataType::Decimal128(_, s2)) = (left_type, right_type) {
            return self.decimal_arithmetic(op, expr, *s1, *s2);
        }
        let left = self.value(&expr.args[0])?;
        let right = self.value(&expr.args[1])?;
        let kind = self.kind_of_type(expr)?;
        if op == BinaryOp::Sub && left_type == right_type && left_type.is_temporal() {
            return self.difference(expr, &left, &right);
        }
        if left_type != right_type || left_type != &expr.data_type || !(kind.is_integer() || kind.is_float())
        {
            return Err(Error::unsupported(format!("{expr}: {left_type} {op} {right_type} on a device")));
        }
        if left_type.is_temporal() {
            return Err(Error::unsupported(format!("{expr}: arithmetic of {left_type} on a device")));
        }
        let ok = all_ok(&[&left, &right]);
        let ok = self.bind_ok(ok);
        let (l, r) = (&left.code, &right.code);
        let bound = type_bound(&expr.data_type, kind);
        if kind.is_float() {
            let code = match op {
                BinaryOp::Rem if kind == Kind::F32 => format!("fmodf({l}, {r})"),
                BinaryOp::Rem => format!("fmod({l}, {r})"),
                _ => format!("({l} {op} {r})"),
            };
            return Ok(Value { code: self.bind(kind, &code), ok, kind, bound });
        }
        let name = kind.name();
        if !matches!(op, BinaryOp::Div | BinaryOp::Rem) {
            let wraps = kind.unsigned();
            let code = format!("({name})({wraps})(({wraps}){l} {op} ({wraps}){r})");
            return Ok(Value { code: self.bind(kind, &code), ok, kind, bound });
        }
        let result = self.variable(kind);
        let by_zero = self.failure(expr, "FAIL_DIVIDE_BY_ZERO");
        let mut guards = format!("if ({r} == 0) {{ {by_zero} }} ");
        if kind.is_signed() {
            // The one quotient that does not fit; its remainder is 0.
            let smallest = format!("({name})(({})1 << {})", kind.unsigned(), width_bits(kind) - 1);
            let minus_one = if op == BinaryOp::Div {
                let overflow = self.failure(expr, "FAIL_OVERFLOW");
                format!("else if ({r} == -1 && {l} == {smallest}) {{ {overflow} }} ")
            } else {
                format!("else if ({r} == -1) {{ {result} = 0; }} ")
            };
            guards.push_str(&minus_one);
        }
        let condition = ok.as_deref().unwrap_or("true");
        self.line(&format!("if ({condition}) {{ {guards}else {result} = ({name})({l} {op} {r}); }}"));
        Ok(Value { code: result, ok, kind, bound })
    }

    /// Days between two dates, ticks between two timestamps.
    fn difference(&mut self, expr: &Expr, left: &Value, right: &Value) -> Result<Value> {
        use DataType::*;
        let ok = all_ok(&[left, right]);
        let ok = self.bind_ok(ok);
        let (l, r) = (&left.code, &right.code);
        let wraps = format!("(i64)((u64){l} - (u64){r})");
        let code = match (&expr.args[0].data_type, &expr.data_type) {
            (Date32, Int64) => format!("(i64){l} - (i64){r}"),
            (Date64, Int64) => format!("{wraps} / 86400000ll"),
            (Timestamp(a, _), Duration(b)) if a == b => {
                let overflow = self.failure(expr, "FAIL_OVERFLOW");
                let condition = ok.as_deref().unwrap_or("true");
                self.line(&format!("if ({condition} && ({wraps} < {l}) != ({r} > 0)) {overflow}"));
                wraps
            }
            (from, to) => {
                return Err(Error::unsupported(format!("{expr}: {from} - {from} as {to} on a device")));
            }
        };
        let code = self.bind(Kind::I64, &code);
        Ok(Value { code, ok, kind: Kind::I64, bound: type_bound(&expr.data_type, Kind::I64) })
    }

    /// Follows the Hive rules that Arrow follows: operands are brought to one scale for + − %, the dividend is scaled
    /// up for /. Values are kept in 64 bits where their bounds allow it, and checked only where the bounds do not
    /// exclude an overflow of 128 bits.
    fn decimal_arithmetic(&mut self, op: BinaryOp, expr: &Expr, s1: i8, s2: i8) -> Result<Value> {
        let DataType::Decimal128(_, result_scale) = expr.data_type else {
            return Err(Error::unsupported(format!("{expr} has type {}", expr.data_type)));
        };
        let (left_digits, right_digits) = match op {
            BinaryOp::Mul => (0, 0),
            BinaryOp::Div => {
                let power = result_scale as i32 - s1 as i32 + s2 as i32;
                (power.max(0), (-power).max(0))
            }
            _ => (result_scale as i32 - s1 as i32, result_scale as i32 - s2 as i32),
        };
        if left_digits < 0 || right_digits < 0 {
            return Err(Error::unsupported(format!("{expr}: scales {s1} and {s2} of a decimal {op}")));
        }
        let left = self.value(&expr.args[0])?;
        let right = self.value(&expr.args[1])?;
        self.need("decimal");
        let ok = all_ok(&[&left, &right]);
        let ok = self.bind_ok(ok);
        let left = self.scale_up(expr, &left, left_digits as u32, &ok)?;
        let right = self.scale_up(expr, &right, right_digits as u32, &ok)?;
        let (l, r) = (&left.code, &right.code);
        let bound = match op {
            BinaryOp::Add | BinaryOp::Sub => left.bound.saturating_add(right.bound),
            BinaryOp::Mul => left.bound.saturating_mul(right.bound),
            BinaryOp::Div => left.bound,
            _ => left.bound.min(right.bound),
        };
        let condition = ok.as_deref().unwrap_or("true");
        if matches!(op, BinaryOp::Div | BinaryOp::Rem) {
            let kind = if left.bound.max(right.bound) <= I64_BOUND { Kind::I64 } else { Kind::I128 };
            let result = self.variable(kind);
            let by_zero = self.failure(expr, "FAIL_DIVIDE_BY_ZERO");
            let divide = match (kind, op) {
                (Kind::I64, _) => format!("(i64){l} {op} (i64){r}"),
                (_, BinaryOp::Div) => format!("divide({l}, {r})"),
                _ => format!("remainder_of({l}, {r})"),
            };
            let divide = if left.bound > I128_BOUND && op == BinaryOp::Div {
                let overflow = self.failure(expr, "FAIL_OVERFLOW");
                format!("else if ({r} == -1 && {l} == I128_MIN) {{ {overflow} }} else {result} = {divide};")
            } else if left.bound > I128_BOUND {
                format!("else {result} = {r} == -1 ? 0 : {divide};")
            } else {
                format!("else {result} = {divide};")
            };
            self.line(&format!("if ({condition}) {{ if ({r} == 0) {{ {by_zero} }} {divide} }}"));
            return Ok(Value { code: result, ok, kind, bound });
        }
        if bound <= I128_BOUND {
            let kind = if bound <= I64_BOUND { Kind::I64 } else { Kind::I128 };
            let code = self.bind(kind, &format!("({}){l} {op} {r}", kind.name()));
            return Ok(Value { code, ok, kind, bound });
        }
        let function = match op {
            BinaryOp::Add => "add_overflows",
            BinaryOp::Sub => "subtract_overflows",
            _ => "multiply_overflows",
        };
        let result = self.variable(Kind::I128);
        let overflow = self.failure(expr, "FAIL_OVERFLOW");
        self.line(&format!("if ({condition}) {{ if ({function}({l}, {r}, {result})) {{ {overflow} }} }}"));
        Ok(Value { code: result, ok, kind: Kind::I128, bound: u128::MAX })
    }

    /// Multiplies by 10^digits; what overflows 128 bits fails as `expr`.
    pub(super) fn scale_up(
        &mut self,
        expr: &Expr,
        value: &Value,
        digits: u32,
        ok: &Option<String>,
    ) -> Result<Value> {
        if digits == 0 {
            return Ok(value.clone());
        }
        if digits > 38 {
            return Err(Error::unsupported(format!("{expr}: a decimal scaled by 10^{digits}")));
        }
        let factor = decimal_constant(ten_to(digits));
        let bound = value.bound.saturating_mul(ten_to(digits));
        if bound <= I128_BOUND {
            let kind = if bound <= I64_BOUND { Kind::I64 } else { Kind::I128 };
            let code = self.bind(kind, &format!("({}){} * {factor}", kind.name(), value.code));
            return Ok(Value { code, kind, bound, ok: value.ok.clone() });
        }
        let result = self.variable(Kind::I128);
        let overflow = self.failure(expr, "FAIL_OVERFLOW");
        self.line(&format!(
            "if ({}) {{ if (multiply_overflows({}, {factor}, {result})) {{ {overflow} }} }}",
            ok.as_deref().unwrap_or("true"),
            value.code
        ));
        Ok(Value { code: result, kind: Kind::I128, bound: u128::MAX, ok: value.ok.clone() })
    }

    pub(super) fn negative(&mut self, expr: &Expr) -> Result<Value> {
        let arg = self.value(&expr.args[0])?;
        let kind = arg.kind;
        let code = if kind.is_float() {
            format!("(-{})", arg.code)
        } else if matches!(expr.data_type, DataType::Decimal128(..)) && arg.bound > I128_BOUND {
            let overflow = self.failure(expr, "FAIL_OVERFLOW");
            self.need("decimal");
            self.line(&format!("if ({} && {} == I128_MIN) {overflow}", arg.ok(), arg.code));
            format!("(i128)((u128)0 - (u128){})", arg.code)
        } else if kind.is_signed() {
            format!("({})({u})(({u})0 - ({u}){})", kind.name(), arg.code, u = kind.unsigned())
        } else {
            return Err(Error::unsupported(format!("{expr}: the negative of {}", expr.data_type)));
        };
        let code = self.bind(kind, &code);
        Ok(Value { code, ..arg })
    }

    pub(super) fn bits(&mut self, op: BinaryOp, expr: &Expr) -> Result<Value> {
        let left = self.value(&expr.args[0])?;
        let right = self.value(&expr.args[1])?;
        let kind = left.kind;
        if !kind.is_integer() || left.kind != right.kind || kind == Kind::I128 {
            return Err(Error::unsupported(format!("{expr}: {op} of {}", expr.args[0].data_type)));
        }
        let (name, wraps, l, r) = (kind.name(), kind.unsigned(), &left.code, &right.code);
        let code = match op {
            // The count of a shift is taken modulo the width, as Arrow's wrapping shifts do.
            BinaryOp::ShiftLeft => {
                format!("({name})({wraps})(({wraps}){l} << ({r} & {}))", width_bits(kind) - 1)
            }
            BinaryOp::ShiftRight => format!("({name})({l} >> ({r} & {}))", width_bits(kind) - 1),
            _ => format!("({name})({l} {op} {r})"),
        };
        let code = self.bind(kind, &code);
        let ok = all_ok(&[&left, &right]);
        let ok = self.bind_ok(ok);
        Ok(Value { code, ok, kind, bound: type_bound(&expr.data_type, kind) })
    }
}

fn width_bits(kind: Kind) -> u32 {
    match kind {
        Kind::I8 | Kind::U8 => 8,
        Kind::I16 | Kind::U16 => 16,
        Kind::I32 | Kind::U32 => 32,
        Kind::I128 => 128,
        _ => 64,
    }
}

/// Writes a constant of up to 128 bits.
pub fn decimal_constant(value: u128) -> String {
    if value <= I64_BOUND {
        format!("{value}ll")
    } else {
        format!("(i128)(((u128){}ull << 64) | {}ull)", (value >> 64) as u64, value as u64)
    }
}

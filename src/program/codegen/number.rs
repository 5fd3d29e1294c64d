//! Mathematics: floats, integers, and the greatest of values of any type.

use arrow::datatypes::DataType;

use crate::error::{Error, Result};
use crate::program::expr::{BinaryOp, Expr, Function};

use super::emitter::Emitter;
use super::expression::compare_code;
use super::value::{I128_BOUND, Kind, Value, all_ok};

impl Emitter {
    pub(super) fn mathematics(&mut self, function: Function, expr: &Expr) -> Result<Value> {
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
        if function == Function::IsNan {
            let code = if arg.kind.is_float() { format!("({x} != {x})") } else { "false".into() };
            return Ok(Value { code: self.bind(Kind::Bool, &code), ok, kind: Kind::Bool, bound: 1 });
        }
        if let (Function::Trunc, [_, factor], DataType::Decimal128(..)) =
            (function, args.as_slice(), &expr.data_type)
        {
            self.need("decimal");
            let code = format!("divide({x}, {f}) * {f}", f = factor.code);
            let code = self.bind(arg.kind, &format!("({})({code})", arg.kind.name()));
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
            Function::Trunc if args.len() == 1 => format!("({x} == 0 ? ({name})0 : trunc{suffix}({x}))"),
            Function::Trunc if args.len() == 2 && args[1].kind == kind => {
                format!("trunc{suffix}({x} * {factor}) / {factor}", factor = args[1].code)
            }
            Function::Atan2 if args.len() == 2 && args[1].kind == kind => {
                format!("atan2((f64){x}, (f64){})", args[1].code)
            }
            Function::Cot => format!("1 / ({name})tan((f64){x})"),
            // Computed in 64 bits, so that 32-bit results are the nearest in all but rare cases.
            Function::Cbrt
            | Function::Sin
            | Function::Cos
            | Function::Tan
            | Function::Asin
            | Function::Acos
            | Function::Atan
            | Function::Sinh
            | Function::Cosh
            | Function::Tanh
            | Function::Asinh
            | Function::Acosh
            | Function::Atanh => format!("{}((f64){x})", format!("{function:?}").to_lowercase()),
            _ => return refuse(),
        };
        let code = self.bind(kind, &format!("({name})({code})"));
        Ok(Value { code, ok, kind, bound: u128::MAX })
    }

    /// The greatest or least of the operands that are not null.
    pub(super) fn extreme(&mut self, function: Function, expr: &Expr) -> Result<Value> {
        self.need("string");
        let args = expr.args.iter().map(|arg| self.value(arg)).collect::<Result<Vec<_>>>()?;
        let kind = self.kind_of_type(expr)?;
        let op = if function == Function::Greatest { BinaryOp::Gt } else { BinaryOp::Lt };
        let (result, found) = (self.variable(kind), self.fresh("k"));
        self.line(&format!("bool {found} = false;"));
        let so_far = Value { code: result.clone(), ok: None, kind, bound: u128::MAX };
        for arg in &args {
            let is_better = match kind.is_float() && arg.kind == kind {
                // In total order: -0.0 is less than 0.0, and NaN greater than numbers.
                true => format!("ordered({}) {op} ordered({result})", arg.code),
                false => compare_code(op, arg, &so_far)?,
            };
            let code = &arg.code;
            self.line(&format!(
                "if ({} && (!{found} || {is_better})) {{ {result} = {code}; {found} = true; }}",
                arg.ok()
            ));
        }
        let nullable = args.iter().all(|arg| arg.ok.is_some());
        let bound = args.iter().map(|arg| arg.bound).max().unwrap_or(u128::MAX);
        Ok(Value { code: result, ok: nullable.then_some(found), kind, bound })
    }

    /// Functions of 64-bit integers, whose result may not fit.
    pub(super) fn of_integers(&mut self, function: Function, expr: &Expr) -> Result<Value> {
        self.need("integer");
        if expr.args.iter().any(|arg| arg.data_type != DataType::Int64) || expr.data_type != DataType::Int64 {
            return Err(Error::unsupported(format!("{expr} of type {}", expr.args[0].data_type)));
        }
        let args = expr.args.iter().map(|arg| self.value(arg)).collect::<Result<Vec<_>>>()?;
        let ok = all_ok(&args.iter().collect::<Vec<_>>());
        let ok = self.bind_ok(ok);
        let result = self.variable(Kind::I64);
        let list: Vec<&str> = args.iter().map(|arg| arg.code.as_str()).collect();
        let name = format!("{function:?}").to_lowercase();
        let failure = self.failure(expr, "FAIL_OVERFLOW");
        let condition = ok.as_deref().unwrap_or("true");
        self.line(&format!("if ({condition} && !{name}_of({}, {result})) {failure}", list.join(", ")));
        Ok(Value { code: result, ok, kind: Kind::I64, bound: i64::MAX as u128 })
    }
}

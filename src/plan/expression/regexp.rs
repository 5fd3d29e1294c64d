//! Regular expressions: operators and functions, with their flags.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::BinaryExpr;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};

use super::{Call, Translator, unsupported};
use crate::error::Result;
use crate::program::{BinaryOp, Expr, Function, Literal, Op};

/// `~`, `~*`, `!~`, `!~*`, and `SIMILAR TO`, which is planned as one of them.
pub(super) fn operator(
    translator: &Translator,
    expr: &Arc<dyn PhysicalExpr>,
    binary: &BinaryExpr,
) -> Result<Expr> {
    use Operator::*;
    let case_insensitive = matches!(binary.op(), RegexIMatch | RegexNotIMatch);
    let negated = matches!(binary.op(), RegexNotMatch | RegexNotIMatch);
    let flags = if case_insensitive { "i" } else { "" };
    let value = translator.expr(binary.left())?;
    let pattern = constant_text(translator, expr, binary.right())?;
    let found = is_match(value, with_flags(&pattern, flags));
    Ok(if negated { Expr::new(Op::Not, vec![found], DataType::Boolean) } else { found })
}

/// `regexp_like(value, pattern[, flags])`
pub(super) fn like(call: &Call) -> Result<Expr> {
    let (value, pattern) = value_and_pattern(call.translator, call.expr, call.args, 2)?;
    Ok(is_match(value, pattern))
}

/// Whether `regexp_match(value, pattern[, flags])` is not null, where `expr` is that call.
pub(super) fn has_match(translator: &Translator, expr: &Arc<dyn PhysicalExpr>) -> Result<Option<Expr>> {
    let Some(function) = expr.downcast_ref::<ScalarFunctionExpr>() else { return Ok(None) };
    if function.fun().name() != "regexp_match" {
        return Ok(None);
    }
    let (value, pattern) = value_and_pattern(translator, expr, function.args(), 2)?;
    let is_there = Expr::new(Op::IsNotNull, vec![value.clone()], DataType::Boolean);
    let found = Expr::binary(BinaryOp::And, is_there, is_match(value, pattern), DataType::Boolean);
    Ok(Some(Expr { nullable: false, ..found }))
}

/// `regexp_replace(value, pattern, replacement[, flags])`
pub(super) fn replace(call: &Call) -> Result<Expr> {
    let (value, pattern) = value_and_pattern(call.translator, call.expr, call.args, 3)?;
    let flags = match call.args.get(3) {
        Some(flags) => constant_text(call.translator, call.expr, flags)?,
        None => String::new(),
    };
    let replacement = constant_text(call.translator, call.expr, &call.args[2])?;
    let text = |text: String| Expr::literal(Literal::Bytes(text.into_bytes()), DataType::Utf8);
    let all = Expr::literal(Literal::Boolean(flags.contains('g')), DataType::Boolean);
    let args = vec![value, text(pattern), text(replacement), all];
    Ok(Expr::new(Op::Call(Function::RegexpReplace), args, call.data_type.clone()))
}

/// The value, and the constant pattern with the flags of argument `flags_at` in it.
fn value_and_pattern(
    translator: &Translator,
    expr: &Arc<dyn PhysicalExpr>,
    args: &[Arc<dyn PhysicalExpr>],
    flags_at: usize,
) -> Result<(Expr, String)> {
    let [value, pattern, ..] = args else {
        return Err(unsupported(expr, "another number of arguments"));
    };
    let value = translator.expr(value)?;
    let pattern = constant_text(translator, expr, pattern)?;
    let Some(flags) = args.get(flags_at) else { return Ok((value, pattern)) };
    let flags = constant_text(translator, expr, flags)?;
    // "Global" is a flag of replacing alone; elsewhere the CPU refuses it.
    let flags = match flags_at {
        3 if flags == "g" => String::new(),
        3 => flags.replace('g', ""),
        _ => flags,
    };
    Ok((value, with_flags(&pattern, &flags)))
}

fn with_flags(pattern: &str, flags: &str) -> String {
    if flags.is_empty() { pattern.to_string() } else { format!("(?{flags}){pattern}") }
}

fn is_match(value: Expr, pattern: String) -> Expr {
    let pattern = Expr::literal(Literal::Bytes(pattern.into_bytes()), DataType::Utf8);
    Expr::new(Op::Call(Function::RegexpLike), vec![value, pattern], DataType::Boolean)
}

fn constant_text(
    translator: &Translator,
    expr: &Arc<dyn PhysicalExpr>,
    arg: &Arc<dyn PhysicalExpr>,
) -> Result<String> {
    match translator.constant(expr, arg)? {
        Literal::Bytes(bytes) => {
            String::from_utf8(bytes).map_err(|_| unsupported(expr, "a pattern that is not text"))
        }
        _ => Err(unsupported(expr, "a null pattern")),
    }
}

//! Columns, constants, comparison, logic and conditionals.

use arrow::datatypes::DataType;

use crate::column::Storage;
use crate::error::{Error, Result};
use crate::program::expr::{BinaryOp, Expr, Literal, Op};

use super::Param;
use super::emitter::Emitter;
use super::value::{I64_BOUND, Kind, Value, all_ok, ten_to, type_bound};

impl Emitter {
    /// Emits the computation of `expr`, unless it is known already, and returns its value.
    pub fn value(&mut self, expr: &Expr) -> Result<Value> {
        let key = format!("{expr:?}");
        if let Some(value) = self.known.iter().rev().find_map(|scope| scope.get(&key)) {
            return Ok(value.clone());
        }
        let value = match self.of_dictionary(expr)? {
            Some(value) => value,
            None => self.compute(expr)?,
        };
        if let Some(scope) = self.known.last_mut() {
            scope.insert(key, value.clone());
        }
        Ok(value)
    }

    pub(super) fn compute(&mut self, expr: &Expr) -> Result<Value> {
        match &expr.op {
            Op::Column(index) => self.column(*index),
            Op::Literal(literal) => self.literal(literal, &expr.data_type),
            Op::Binary(op) => match op {
                BinaryOp::And | BinaryOp::Or => self.logic(*op, expr),
                BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div | BinaryOp::Rem => {
                    self.arithmetic(*op, expr)
                }
                BinaryOp::BitAnd
                | BinaryOp::BitOr
                | BinaryOp::BitXor
                | BinaryOp::ShiftLeft
                | BinaryOp::ShiftRight => self.bits(*op, expr),
                _ => self.comparison(*op, expr),
            },
            Op::Not => {
                let arg = self.value(&expr.args[0])?;
                Ok(Value { code: format!("(!{})", arg.code), ..arg })
            }
            Op::Negative => self.negative(expr),
            Op::IsNull | Op::IsNotNull => {
                let arg = self.value(&expr.args[0])?;
                let negate = if expr.op == Op::IsNull { "!" } else { "" };
                Ok(Value { code: format!("({negate}{})", arg.ok()), ok: None, kind: Kind::Bool, bound: 1 })
            }
            Op::Case { has_else } => self.case(expr, *has_else),
            Op::Field(_) => Err(Error::unsupported(format!(
                "{expr}: no device form of fields behind a join, sort or group"
            ))),
            Op::Coalesce => self.coalesce(expr),
            Op::NullIf => {
                let left = self.value(&expr.args[0])?;
                let right = self.value(&expr.args[1])?;
                let equal = compare_code(BinaryOp::Eq, &left, &right)?;
                let ok = format!("{} && !({} && {equal})", left.ok(), right.ok());
                let ok = self.bind_ok(Some(ok));
                Ok(Value { ok, ..left })
            }
            Op::Cast { safe } => self.cast(expr, *safe),
            Op::InList { list, negated } => self.in_list(expr, list, *negated),
            Op::Like { pattern, negated, case_insensitive } => {
                self.like(expr, pattern, *negated, *case_insensitive)
            }
            Op::Call(function) => self.call(*function, expr),
            Op::PartitionOf { count } => self.partition_of(expr, *count),
            Op::AddInterval { months, days, nanoseconds } => {
                self.add_interval(expr, *months, *days, *nanoseconds)
            }
        }
    }

    fn column(&mut self, index: usize) -> Result<Value> {
        let field = self.input.field(index);
        let data_type = field.data_type().clone();
        let nullable = field.is_nullable();
        let storage = Storage::of(&data_type).ok_or_else(|| {
            Error::unsupported(format!(
                "column '{}' has type {data_type}, which devices do not take",
                field.name()
            ))
        })?;
        let kind = Kind::of(storage);
        let ok = nullable.then(|| format!("r.k{index}"));
        let code = match storage {
            Storage::Bytes => {
                let (offsets, bytes) = (self.param(Param::Offsets(index)), self.param(Param::Values(index)));
                let read = format!("string_at({offsets}, {bytes}, {})", self.row_of(index));
                let read = match &ok {
                    Some(ok) if self.may_miss(index) => format!("{ok} ? {read} : Str{{0, 0, 0}}"),
                    _ => read,
                };
                self.bind(Kind::Str, &read)
            }
            Storage::Dictionary { .. } => {
                let offsets = self.param(Param::DictionaryOffsets(index));
                let bytes = self.param(Param::DictionaryBytes(index));
                let read = format!("string_at({offsets}, {bytes}, r.c{index})");
                // A key under a null is garbage and must not be followed.
                let read = match &ok {
                    Some(ok) => format!("{ok} ? {read} : Str{{0, 0, 0}}"),
                    None => read,
                };
                self.bind(Kind::Str, &read)
            }
            _ => format!("r.c{index}"),
        };
        Ok(Value { code, ok, kind, bound: type_bound(&data_type, kind) })
    }

    fn literal(&mut self, literal: &Literal, data_type: &DataType) -> Result<Value> {
        let storage = Storage::of(data_type).ok_or_else(|| {
            Error::unsupported(format!("a constant of type {data_type}, which devices do not take"))
        })?;
        let kind = Kind::of(storage);
        let never_null = |code: String, kind: Kind, bound: u128| Value { code, ok: None, kind, bound };
        Ok(match literal {
            Literal::Null => {
                let code =
                    if kind == Kind::Str { "Str{0, 0, 0}".into() } else { format!("({})0", kind.name()) };
                Value { code, ok: Some("false".into()), kind, bound: 0 }
            }
            Literal::Boolean(value) => {
                let word = self.param(Param::Word(*value as u64));
                never_null(format!("({word} != 0)"), Kind::Bool, 1)
            }
            Literal::Float(value) => {
                let (word, code) = match kind {
                    Kind::F32 => ((*value as f32).to_bits() as u64, "__uint_as_float((u32)"),
                    _ => (value.to_bits(), "__longlong_as_double((i64)"),
                };
                let word = self.param(Param::Word(word));
                never_null(format!("{code}{word})"), kind, u128::MAX)
            }
            Literal::UInt(value) => {
                let word = self.param(Param::Word(*value));
                never_null(format!("(({}){word})", kind.name()), kind, type_bound(data_type, kind))
            }
            Literal::Int(value) => {
                // The bound is that of a class of magnitudes, so that most literals share a kernel.
                let magnitude = value.unsigned_abs();
                let of_type = type_bound(data_type, kind);
                let bound = [ten_to(3), ten_to(9), ten_to(18)].into_iter().find(|&class| magnitude <= class);
                let bound = bound.unwrap_or(of_type.max(magnitude)).min(of_type.max(magnitude));
                if bound > I64_BOUND {
                    let low = self.param(Param::Word(*value as u64));
                    let high = self.param(Param::Word((*value as u128 >> 64) as u64));
                    never_null(format!("narrow(Wide{{{low}, {high}}})"), Kind::I128, bound)
                } else {
                    let kind = if kind == Kind::I128 { Kind::I64 } else { kind };
                    let word = self.param(Param::Word(*value as i64 as u64));
                    never_null(format!("(({})(i64){word})", kind.name()), kind, bound)
                }
            }
            Literal::Bytes(bytes) => {
                self.need("string");
                let address = self.pool(bytes);
                let length = self.param(Param::Word(bytes.len() as u64));
                never_null(format!("Str{{{address}, (u32){length}, 0}}"), Kind::Str, u128::MAX)
            }
        })
    }

    fn logic(&mut self, op: BinaryOp, expr: &Expr) -> Result<Value> {
        // The value that decides on its own: false for AND, true for OR.
        let decides = op == BinaryOp::Or;
        let (word, other) = if decides { ("true", "false") } else { ("false", "true") };
        let left = self.value(&expr.args[0])?;
        let result = self.fresh("v");
        let ok = self.fresh("k");
        let nullable = expr.nullable;
        self.line(&format!("bool {result} = {word};"));
        if nullable {
            self.line(&format!("bool {ok} = true;"));
        }
        let left_decides = if decides { left.code.clone() } else { format!("!{}", left.code) };
        self.open(&format!("if (!({} && {left_decides}))", left.ok()));
        let right = self.value(&expr.args[1])?;
        let right_decides = if decides { right.code.clone() } else { format!("!{}", right.code) };
        self.open(&format!("if (!({} && {right_decides}))", right.ok()));
        self.line(&format!("{result} = {other};"));
        if nullable {
            self.line(&format!("{ok} = {} && {};", left.ok(), right.ok()));
        }
        self.close();
        self.close();
        Ok(Value { code: result, ok: nullable.then_some(ok), kind: Kind::Bool, bound: 1 })
    }

    fn comparison(&mut self, op: BinaryOp, expr: &Expr) -> Result<Value> {
        let left = self.value(&expr.args[0])?;
        let right = self.value(&expr.args[1])?;
        let distinct = matches!(op, BinaryOp::IsDistinctFrom | BinaryOp::IsNotDistinctFrom);
        let (code, ok) = if distinct {
            let equal = compare_code(BinaryOp::Eq, &left, &right)?;
            let (l, r) = (left.ok(), right.ok());
            let same = format!("(({l} == {r}) && (!{l} || {equal}))");
            (if op == BinaryOp::IsDistinctFrom { format!("!{same}") } else { same }, None)
        } else {
            (compare_code(op, &left, &right)?, all_ok(&[&left, &right]))
        };
        let code = self.bind(Kind::Bool, &code);
        let ok = self.bind_ok(ok);
        Ok(Value { code, ok, kind: Kind::Bool, bound: 1 })
    }

    fn case(&mut self, expr: &Expr, has_else: bool) -> Result<Value> {
        let branches = &expr.args[..expr.args.len() - has_else as usize];
        let otherwise = if has_else { expr.args.last() } else { None };
        let kind = self.kind_of_type(expr)?;
        let result = self.variable(kind);
        let ok = expr.nullable.then(|| self.fresh("k"));
        if let Some(ok) = &ok {
            self.line(&format!("bool {ok} = false;"));
        }
        let mut depth = 0;
        let mut bound = 0;
        for branch in branches.chunks_exact(2) {
            let condition = self.value(&branch[0])?;
            self.open(&format!("if ({})", condition.is_true()));
            bound = bound.max(self.assign(&branch[1], &result, ok.as_deref())?);
            self.otherwise();
            depth += 1;
        }
        if let Some(otherwise) = otherwise {
            bound = bound.max(self.assign(otherwise, &result, ok.as_deref())?);
        }
        for _ in 0..depth {
            self.close();
        }
        Ok(Value { code: result, ok, kind, bound })
    }

    fn coalesce(&mut self, expr: &Expr) -> Result<Value> {
        let kind = self.kind_of_type(expr)?;
        let result = self.variable(kind);
        let ok = self.fresh("k");
        self.line(&format!("bool {ok} = false;"));
        let mut bound = 0;
        for (index, arg) in expr.args.iter().enumerate() {
            if index > 0 {
                self.open(&format!("if (!{ok})"));
            }
            bound = bound.max(self.assign(arg, &result, Some(&ok))?);
        }
        for _ in 1..expr.args.len() {
            self.close();
        }
        Ok(Value { code: result, ok: expr.nullable.then_some(ok), kind, bound })
    }

    /// Computes `expr` into the variables `result` and `ok`; returns its bound.
    fn assign(&mut self, expr: &Expr, result: &str, ok: Option<&str>) -> Result<u128> {
        let value = self.value(expr)?;
        self.line(&format!("{result} = {};", value.code));
        if let Some(ok) = ok {
            self.line(&format!("{ok} = {};", value.ok()));
        }
        Ok(value.bound)
    }

    /// The register type for any value of the expression's type.
    pub fn kind_of_type(&self, expr: &Expr) -> Result<Kind> {
        let storage = Storage::of(&expr.data_type).ok_or_else(|| {
            Error::unsupported(format!("{expr} has type {}, which devices do not take", expr.data_type))
        })?;
        Ok(Kind::of(storage))
    }

    fn in_list(&mut self, expr: &Expr, list: &[Literal], negated: bool) -> Result<Value> {
        let arg = self.value(&expr.args[0])?;
        let has_null = list.contains(&Literal::Null);
        let values: Vec<&Literal> = list.iter().filter(|literal| **literal != Literal::Null).collect();
        let count = self.param(Param::Word(values.len() as u64));
        self.need("string");
        let found = if arg.kind == Kind::Str {
            let address = self.pool(&pack_strings(&values.iter().map(bytes_of).collect::<Result<Vec<_>>>()?));
            format!("in_strings({}, {address}, (u32){count})", arg.code)
        } else {
            let address = self.pool(&pack_words(&values, arg.kind)?);
            format!("in_words({}, {address}, (u32){count})", arg.ordered())
        };
        // Where a null is in the list, "not found" is unknown.
        let found = self.bind(Kind::Bool, &format!("{} && {found}", arg.ok()));
        let ok = match (arg.ok.clone(), has_null) {
            (_, true) => Some(found.clone()),
            (ok, false) => ok,
        };
        let code = if negated { format!("(!{found})") } else { found };
        Ok(Value { code, ok, kind: Kind::Bool, bound: 1 })
    }
}

/// A list of strings, as the device library's `in_list` reads them.
pub(super) fn pack_strings(values: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let (mut offsets, mut bytes) = (vec![0u32], vec![]);
    for value in values {
        bytes.extend_from_slice(value.as_ref());
        offsets.push(bytes.len() as u32);
    }
    offsets.iter().flat_map(|offset| offset.to_le_bytes()).chain(bytes).collect()
}

fn bytes_of<'a>(literal: &&'a Literal) -> Result<&'a [u8]> {
    match literal {
        Literal::Bytes(bytes) => Ok(bytes),
        other => Err(Error::unsupported(format!("{other} in a list of strings"))),
    }
}

/// The ordered words of numbers, as the device library's `ordered` makes them.
fn pack_words(values: &[&Literal], kind: Kind) -> Result<Vec<u8>> {
    let mut bytes = vec![];
    for value in values {
        let word = match (value, kind) {
            (Literal::Boolean(value), Kind::Bool) => *value as u64,
            (Literal::UInt(value), _) => *value,
            (Literal::Int(value), Kind::I128) => {
                bytes.extend_from_slice(&(*value as u128 ^ (1 << 127)).to_le_bytes());
                continue;
            }
            (Literal::Int(value), kind) if kind.is_signed() => (*value as i64 as u64) ^ (1 << 63),
            (Literal::Int(value), _) => *value as u64,
            (Literal::Float(value), Kind::F32) => {
                let bits = (*value as f32 + 0.0).to_bits();
                (if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }) as u64
            }
            (Literal::Float(value), _) => {
                let bits = (value + 0.0).to_bits();
                if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
            }
            (value, _) => return Err(Error::unsupported(format!("{value} in a list of numbers"))),
        };
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    Ok(bytes)
}

/// The code that compares two values of one type, nulls aside.
pub fn compare_code(op: BinaryOp, left: &Value, right: &Value) -> Result<String> {
    let (l, r) = (&left.code, &right.code);
    let symbol = match op {
        BinaryOp::Eq => "==",
        BinaryOp::Ne => "!=",
        BinaryOp::Lt => "<",
        BinaryOp::Le => "<=",
        BinaryOp::Gt => ">",
        BinaryOp::Ge => ">=",
        _ => return Err(Error::bug(format!("{op} is no comparison"))),
    };
    Ok(match (left.kind, right.kind) {
        (Kind::Str, Kind::Str) => match op {
            BinaryOp::Eq => format!("equal({l}, {r})"),
            BinaryOp::Ne => format!("!equal({l}, {r})"),
            _ => format!("(compare({l}, {r}) {symbol} 0)"),
        },
        (a, b) if a == b && a.is_float() => format!("({} {symbol} {})", left.ordered(), right.ordered()),
        (a, b) if a == b || (a.is_signed() && b.is_signed()) => format!("({l} {symbol} {r})"),
        (a, b) => return Err(Error::unsupported(format!("a comparison of {a:?} with {b:?}"))),
    })
}

//! Predicates on columns that are encoded as dictionaries, decided once for each distinct value.
//!
//! A kernel before the pipeline's own decides them for the values of the dictionary, which are usually far fewer than
//! the rows; a row then reads one byte, and no string. Only predicates that cannot fail are taken: a dictionary may
//! have values that no row refers to.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::mem;

use arrow::datatypes::DataType;

use crate::column::Storage;
use crate::error::Result;
use crate::program::expr::{BinaryOp, Expr, Function, Literal, Op};
use crate::program::pipeline::Origin;

use super::Param;
use super::convert::is_text;
use super::emitter::Emitter;
use super::value::{Kind, Value};

impl Emitter {
    /// Computes `expr` from what was decided for the distinct values of a column, or answers `None` where it is not such
    /// a predicate.
    pub(super) fn of_dictionary(&mut self, expr: &Expr) -> Result<Option<Value>> {
        let Some((column, source)) = predicate_of_column(expr) else { return Ok(None) };
        let field = self.input.field(column);
        let nullable = field.is_nullable();
        let encoded = matches!(Storage::of(field.data_type()), Some(Storage::Dictionary { .. }));
        if !encoded || !matches!(self.origins[column], Origin::Input(_) | Origin::Table { .. }) {
            return Ok(None);
        }
        let number = self.dictionary_predicates.len();
        self.dictionary_predicates.push(String::new());
        let matches = self.param(Param::Matches { number, column });
        let size = self.param(Param::DictionarySize(column));
        let offsets = self.param(Param::DictionaryOffsets(column));
        let bytes = self.param(Param::DictionaryBytes(column));

        // The function is written aside: another one is being written.
        let functions = mem::take(&mut self.functions);
        let value = Value { code: "value".into(), ok: None, kind: Kind::Str, bound: u128::MAX };
        let known = mem::replace(&mut self.known, vec![HashMap::from([(format!("{source:?}"), value)])]);
        let decided = self.compute(expr)?;
        let body = mem::replace(&mut self.functions, functions);
        self.known = known;
        let mut function = String::new();
        let _ = write!(
            function,
            "        if (i < {size}) {{\n            const u64 row = 0;\n            (void)row;\n            \
             const Str value = string_at({offsets}, {bytes}, i);\n{body}            \
             ((u8*){matches})[i] = {};\n        }}\n",
            decided.code
        );
        self.dictionary_predicates[number] = function;

        let ok = nullable.then(|| format!("r.k{column}"));
        // A key under a null is garbage and must not be followed.
        let guard = ok.as_ref().map_or(String::new(), |ok| format!("{ok} && "));
        let code = self.bind(Kind::Bool, &format!("{guard}{matches}[r.c{column}] != 0"));
        Ok(Some(Value { code, ok, kind: Kind::Bool, bound: 1 }))
    }
}

/// The column whose text alone `expr` is a predicate of, and the expression that reads it.
fn predicate_of_column(expr: &Expr) -> Option<(usize, &Expr)> {
    if expr.data_type != DataType::Boolean {
        return None;
    }
    let constant = |arg: &Expr| matches!(arg.op, Op::Literal(Literal::Bytes(_)));
    let cannot_fail = match &expr.op {
        Op::Like { case_insensitive, .. } => !case_insensitive,
        Op::InList { list, .. } => !list.contains(&Literal::Null),
        Op::Binary(op) => {
            use BinaryOp::*;
            matches!(op, Eq | Ne | Lt | Le | Gt | Ge)
        }
        Op::Call(Function::StartsWith | Function::EndsWith | Function::Contains) => true,
        // Word boundaries may need the CPU.
        Op::Call(Function::RegexpLike) => match &expr.args.get(1)?.op {
            Op::Literal(Literal::Bytes(pattern)) => {
                !pattern.windows(2).any(|pair| matches!(pair, b"\\b" | b"\\B" | b"\\<" | b"\\>"))
            }
            _ => false,
        },
        _ => false,
    };
    if !cannot_fail || !expr.args[1..].iter().all(constant) {
        return None;
    }
    let source = match &expr.args[0] {
        cast if matches!(cast.op, Op::Cast { .. }) && is_text(&cast.data_type) => &cast.args[0],
        other => other,
    };
    match source.op {
        Op::Column(column) => Some((column, source)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::{Field, Schema};

    use super::*;
    use crate::program::{Pipeline, compile};

    #[test]
    fn a_predicate_on_a_dictionary_has_a_kernel_of_its_own() {
        let encoded = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        let like = |data_type: &DataType| {
            let schema = Arc::new(Schema::new(vec![Field::new("s", data_type.clone(), true)]));
            let column = Expr::column(0, data_type.clone(), true);
            let op = Op::Like { pattern: "%a%".into(), negated: false, case_insensitive: false };
            let predicate = Expr::new(op, vec![column], DataType::Boolean);
            let pipeline = Pipeline::scan(schema.clone()).filter(&predicate).materialize(schema);
            let compiled = compile(&pipeline).expect("supported");
            compiled.modules.into_iter().flat_map(|module| module.entry_points).collect::<Vec<_>>()
        };
        assert_eq!(like(&encoded), ["materialize", "dictionary"]);
        assert_eq!(like(&DataType::Utf8), ["materialize"]);
    }
}

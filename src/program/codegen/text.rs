//! Scalar functions of strings.
//!
//! What is a slice of an argument follows no new bytes; new text goes to the heap of the launch (`kernels/text.cuh`).

use arrow::datatypes::DataType;

use crate::error::{Error, Result};
use crate::program::case_table::case_table;
use crate::program::expr::{Ends, Expr, Function, Literal, Op};
use crate::program::regex;

use super::Param;
use super::emitter::Emitter;
use super::value::{Kind, Value, all_ok, type_bound};

impl Emitter {
    /// The code of the heap of new text.
    pub(super) fn heap(&mut self) -> String {
        self.need("string");
        self.need("text");
        let (text, control) = (self.param(Param::Text), self.param(Param::Control));
        format!("Heap{{{text}, {control}}}")
    }

    pub(super) fn string_function(&mut self, function: Function, expr: &Expr) -> Result<Value> {
        self.need("string");
        self.need("text");
        match function {
            Function::Concat | Function::ConcatStrict | Function::ConcatWithSeparator => {
                return self.concat(function, expr);
            }
            Function::RegexpLike => return self.regexp_like(expr),
            Function::RegexpReplace => return self.regexp_replace(expr),
            _ => {}
        }
        let args = expr.args.iter().map(|arg| self.value(arg)).collect::<Result<Vec<_>>>()?;
        if function != Function::Chr {
            require_text(expr, &expr.args[0])?;
        }
        let kind = self.kind_of_type(expr)?;
        let ok = all_ok(&args.iter().collect::<Vec<_>>());
        let ok = self.bind_ok(ok);
        let condition = ok.as_deref().unwrap_or("true").to_string();
        let s = &args[0].code;
        let string = |index: usize| match args.get(index) {
            Some(arg) if arg.kind == Kind::Str => Ok(arg.code.as_str()),
            _ => Err(Error::unsupported(format!("{expr} with an argument that is not text"))),
        };
        let count = |index: usize| match args.get(index) {
            Some(arg) if arg.kind.is_integer() => Ok(format!("(i64){}", arg.code)),
            _ => Err(Error::unsupported(format!("{expr} with a count that is no integer"))),
        };
        let space = |emitter: &mut Emitter, index: usize| match args.get(index) {
            Some(_) => string(index).map(str::to_string),
            None => Ok(emitter.pooled_string(b" ")),
        };
        let code = match function {
            Function::CharacterLength => format!("({})character_length({s})", kind.name()),
            Function::OctetLength => format!("({}){s}.length", kind.name()),
            Function::Ascii => format!("first_character({s})"),
            Function::StrPos => format!("({})position_of({s}, {})", kind.name(), string(1)?),
            Function::StartsWith => format!("starts_with({s}, {})", string(1)?),
            Function::EndsWith => format!("ends_with({s}, {})", string(1)?),
            Function::Contains => format!("contains({s}, {})", string(1)?),
            Function::Like { negated } => {
                format!("{}like_text({s}, {})", if negated { "!" } else { "" }, string(1)?)
            }
            Function::Left => format!("left_of({s}, {})", count(1)?),
            Function::Right => format!("right_of({s}, {})", count(1)?),
            Function::SubstrIndex => format!("before_delimiter({s}, {}, {})", string(1)?, count(2)?),
            Function::SplitPart => {
                let failure = self.failure(expr, "FAIL_CAST");
                self.line(&format!("if ({condition} && {} == 0) {failure}", count(2)?));
                format!("split_part({s}, {}, {})", string(1)?, count(2)?)
            }
            Function::Trim(ends) => {
                let set = space(self, 1)?;
                let ends = match ends {
                    Ends::Left => 1,
                    Ends::Right => 2,
                    Ends::Both => 3,
                };
                format!("trim_text({s}, {set}, {ends})")
            }
            Function::Substring => {
                let characters = match args.get(2) {
                    Some(_) => {
                        let failure = self.failure(expr, "FAIL_CAST");
                        self.line(&format!("if ({condition} && {} < 0) {failure}", count(2)?));
                        count(2)?
                    }
                    None => "0x7fffffffffffffffll".into(),
                };
                format!("substring({s}, {}, {characters})", count(1)?)
            }
            Function::Upper | Function::Lower => {
                let upper = function == Function::Upper;
                let (heap, table) = (self.heap(), self.pool(case_table(upper)));
                let failure = self.failure(expr, "FAIL_NEEDS_HOST");
                let result = self.variable(Kind::Str);
                self.open(&format!("if ({condition})"));
                // ASCII changes its case where it is read.
                self.line(&format!(
                    "if (is_ascii({s})) {result} = Str{{{s}.data, {s}.length, {}}};",
                    if upper { 1 } else { 2 }
                ));
                self.line(&format!("else if (!change_case({heap}, {s}, {table}, {result})) {failure}"));
                self.close();
                result
            }
            Function::InitCap => {
                let failure = self.failure(expr, "FAIL_NEEDS_HOST");
                self.line(&format!("if ({condition} && !is_ascii({s})) {failure}"));
                self.new_text(&condition, &format!("capitalize(HEAP, {s})"))
            }
            Function::Replace => {
                self.new_text(&condition, &format!("replace_text(HEAP, {s}, {}, {})", string(1)?, string(2)?))
            }
            Function::Translate => self
                .new_text(&condition, &format!("translate_text(HEAP, {s}, {}, {})", string(1)?, string(2)?)),
            Function::Reverse => self.new_text(&condition, &format!("reverse_text(HEAP, {s})")),
            Function::Repeat => {
                let times = count(1)?;
                let failure = self.failure(expr, "FAIL_OVERFLOW");
                let fits = self.bind(Kind::Bool, &format!("{condition} && !repeats_too_long({s}, {times})"));
                self.line(&format!("if ({condition} && !{fits}) {failure}"));
                self.new_text(&fits, &format!("repeat_text(HEAP, {s}, {times})"))
            }
            Function::PadLeft | Function::PadRight => {
                let (characters, fill) = (count(1)?, space(self, 2)?);
                let failure = self.failure(expr, "FAIL_OVERFLOW");
                let fits = self.bind(Kind::Bool, &format!("{condition} && {characters} <= TEXT_BYTES_MAX"));
                self.line(&format!("if ({condition} && !{fits}) {failure}"));
                let left = function == Function::PadLeft;
                self.new_text(&fits, &format!("pad_text(HEAP, {s}, {characters}, {fill}, {left})"))
            }
            Function::Chr => {
                let number = count(0)?;
                let failure = self.failure(expr, "FAIL_CAST");
                let fits = self.bind(Kind::Bool, &format!("{condition} && is_character({number})"));
                self.line(&format!("if ({condition} && !{fits}) {failure}"));
                self.new_text(&fits, &format!("text_of_character(HEAP, {number})"))
            }
            _ => return Err(Error::bug(format!("{function:?} is no string function"))),
        };
        let code = self.bind(kind, &code);
        Ok(Value { code, ok, kind, bound: type_bound(&expr.data_type, kind) })
    }

    /// The code of text that is made only where `condition` holds; `HEAP` in `code` stands for the heap.
    pub(super) fn new_text(&mut self, condition: &str, code: &str) -> String {
        let heap = self.heap();
        format!("{condition} ? {} : nothing()", code.replace("HEAP", &heap))
    }

    fn concat(&mut self, function: Function, expr: &Expr) -> Result<Value> {
        let args = expr.args.iter().map(|arg| self.value(arg)).collect::<Result<Vec<_>>>()?;
        if args.iter().any(|arg| arg.kind != Kind::Str) {
            return Err(Error::unsupported(format!("{expr} of what is not text")));
        }
        let (separator, parts) = match function {
            Function::ConcatWithSeparator => (Some(&args[0]), &args[1..]),
            _ => (None, &args[..]),
        };
        let ok = match function {
            Function::ConcatStrict => all_ok(&args.iter().collect::<Vec<_>>()),
            _ => separator.and_then(|separator| separator.ok.clone()),
        };
        let ok = self.bind_ok(ok);
        let list: Vec<String> = parts
            .iter()
            .map(|part| match &part.ok {
                Some(ok) => format!("{ok} ? {} : Str{{0, 0, NULL_PART}}", part.code),
                None => part.code.clone(),
            })
            .collect();
        let array = self.fresh("parts");
        self.line(&format!("const Str {array}[] = {{{}}};", list.join(", ")));
        let separator = separator.map_or("nothing()", |separator| &separator.code);
        let call = format!("join_text(HEAP, {array}, {}, {separator})", parts.len());
        let code = self.new_text(ok.as_deref().unwrap_or("true"), &call);
        let code = self.bind(Kind::Str, &code);
        Ok(Value { code, ok, kind: Kind::Str, bound: u128::MAX })
    }

    fn regexp_like(&mut self, expr: &Expr) -> Result<Value> {
        require_text(expr, &expr.args[0])?;
        let arg = self.value(&expr.args[0])?;
        let code = self.regex_code(expr, &arg, &constant_text(expr, 1)?)?;
        Ok(Value { code, ok: arg.ok, kind: Kind::Bool, bound: 1 })
    }

    /// Computes whether a string has a match.
    pub(super) fn regex_code(&mut self, expr: &Expr, arg: &Value, pattern: &str) -> Result<String> {
        self.need("regex");
        self.need("text");
        let table = self.pool(&regex::matcher(pattern)?);
        let run = self.bind(Kind::U32, &format!("{} ? regex_run({}, {table}) : 0", arg.ok(), arg.code));
        let failure = self.failure(expr, "FAIL_NEEDS_HOST");
        self.line(&format!("if ({run} == REGEX_QUIT) {failure}"));
        Ok(self.bind(Kind::Bool, &format!("{run} == REGEX_MATCHED")))
    }

    fn regexp_replace(&mut self, expr: &Expr) -> Result<Value> {
        self.need("regex");
        require_text(expr, &expr.args[0])?;
        let arg = self.value(&expr.args[0])?;
        let (table, nfa) = regex::finder(&constant_text(expr, 1)?)?;
        let template = regex::template(&constant_text(expr, 2)?, &nfa);
        let all = expr.args[3].op == Op::Literal(Literal::Boolean(true));
        let (table, template) = (self.pool(&table), self.pool(&template.encode()));
        let call = format!("regex_replace(HEAP, {}, {table}, {template}, {all})", arg.code);
        let code = self.new_text(arg.ok(), &call);
        let code = self.bind(Kind::Str, &code);
        Ok(Value { code, ok: arg.ok, kind: Kind::Str, bound: u128::MAX })
    }
}

/// Requires that operand `arg` of `expr` is text.
fn require_text(expr: &Expr, arg: &Expr) -> Result<()> {
    match &arg.data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..) => Ok(()),
        other => Err(Error::unsupported(format!("{expr} of type {other}"))),
    }
}

/// Operand `index` of `expr`, which must be a constant string.
fn constant_text(expr: &Expr, index: usize) -> Result<String> {
    match &expr.args[index].op {
        Op::Literal(Literal::Bytes(bytes)) => Ok(String::from_utf8_lossy(bytes).into_owned()),
        _ => Err(Error::unsupported(format!("{expr} with a pattern that is no constant"))),
    }
}

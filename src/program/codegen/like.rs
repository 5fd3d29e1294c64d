//! `LIKE` with a constant pattern, by what the pattern is made of.
//!
//! | pattern | code |
//! |---|---|
//! | no wildcard | equality |
//! | `x%`, `%x` | a comparison at one end |
//! | `%x%` | a search |
//! | `a%b%c` | a search for each part, in order |
//! | with `_` | the general matcher |
//! | `ILIKE` | the same on lower case while the text is ASCII, else an automaton as for regular expressions |

use crate::error::Result;
use crate::program::expr::Expr;
use crate::program::regex;

use super::Param;
use super::emitter::Emitter;
use super::expression::pack_strings;
use super::value::{Kind, Value};

impl Emitter {
    pub(super) fn like(
        &mut self,
        expr: &Expr,
        pattern: &str,
        negated: bool,
        case_insensitive: bool,
    ) -> Result<Value> {
        self.need("string");
        let arg = self.value(&expr.args[0])?;
        let not = if negated { "!" } else { "" };
        let code = if case_insensitive {
            self.ilike_code(expr, &arg, pattern)?
        } else {
            self.like_code(&arg.code, &parse_like(pattern))
        };
        let code = self.bind(Kind::Bool, &format!("{not}{code}"));
        Ok(Value { code, ok: arg.ok, kind: Kind::Bool, bound: 1 })
    }

    /// Computes a match in any case: text and pattern of ASCII as lower case, the rest by an automaton.
    fn ilike_code(&mut self, expr: &Expr, arg: &Value, pattern: &str) -> Result<String> {
        let pattern_of_rest = regex::of_like(pattern, true);
        if !pattern.is_ascii() {
            return self.regex_code(expr, arg, &pattern_of_rest);
        }
        let subject = self.bind(Kind::Str, &format!("Str{{{c}.data, {c}.length, 2}}", c = arg.code));
        let simple = self.like_code(&subject, &parse_like(&pattern.to_ascii_lowercase()));
        let is_simple = self.bind(Kind::Bool, &format!("!{} || is_ascii({})", arg.ok(), arg.code));
        let result = self.variable(Kind::Bool);
        self.open(&format!("if ({is_simple})"));
        self.line(&format!("{result} = {simple};"));
        self.otherwise();
        match self.regex_code(expr, arg, &pattern_of_rest) {
            Ok(matches) => self.line(&format!("{result} = {matches};")),
            // Too large an automaton: only text that needs it is left to the CPU.
            Err(error) if error.is_unsupported() => {
                let failure = self.failure(expr, "FAIL_NEEDS_HOST");
                self.line(&failure);
            }
            Err(error) => return Err(error),
        }
        self.close();
        Ok(result)
    }

    /// The code that says whether the string `subject` matches.
    fn like_code(&mut self, subject: &str, pieces: &[LikePiece]) -> String {
        let Some(parts) = literal_parts(pieces) else {
            let bytes: Vec<u8> = pieces.iter().flat_map(|piece| piece.encode()).collect();
            return format!("like({subject}, {})", self.pooled_string(&bytes));
        };
        let (function, bytes) = match parts.as_slice() {
            [whole] => ("equal", whole),
            [begin, end] if end.is_empty() => ("starts_with", begin),
            [begin, end] if begin.is_empty() => ("ends_with", end),
            [begin, part, end] if begin.is_empty() && end.is_empty() => ("contains", part),
            parts => {
                let list = self.pool(&pack_strings(parts));
                let count = self.param(Param::Word(parts.len() as u64));
                return format!("like_parts({subject}, {list}, (u32){count})");
            }
        };
        format!("{function}({subject}, {})", self.pooled_string(bytes))
    }

    /// The code of a constant string.
    pub(super) fn pooled_string(&mut self, bytes: &[u8]) -> String {
        let address = self.pool(bytes);
        let length = self.param(Param::Word(bytes.len() as u64));
        format!("Str{{{address}, (u32){length}, 0}}")
    }
}

/// What lies between the `%` of a pattern without `_`, both ends included: one part more than there are `%`.
fn literal_parts(pieces: &[LikePiece]) -> Option<Vec<Vec<u8>>> {
    let mut parts = vec![vec![]];
    for piece in pieces {
        match piece {
            LikePiece::Any => parts.push(vec![]),
            LikePiece::Byte(byte) => parts.last_mut().expect("it begins with one").push(*byte),
            LikePiece::One => return None,
        }
    }
    Some(parts)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum LikePiece {
    Byte(u8),
    One,
    Any,
}

impl LikePiece {
    /// The pair of bytes that the device library's matcher reads.
    fn encode(self) -> [u8; 2] {
        match self {
            LikePiece::Byte(byte) => [0, byte],
            LikePiece::One => [1, 0],
            LikePiece::Any => [2, 0],
        }
    }
}

/// Splits a LIKE pattern; a backslash takes the next character as it is.
fn parse_like(pattern: &str) -> Vec<LikePiece> {
    let mut pieces = vec![];
    let mut bytes = pattern.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' if pieces.last() == Some(&LikePiece::Any) => {}
            b'%' => pieces.push(LikePiece::Any),
            b'_' => pieces.push(LikePiece::One),
            b'\\' => pieces.push(LikePiece::Byte(bytes.next().unwrap_or(b'\\'))),
            _ => pieces.push(LikePiece::Byte(byte)),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_patterns_split_at_wildcards() {
        use LikePiece::*;
        assert_eq!(parse_like("a%%_\\%"), [Byte(b'a'), Any, One, Byte(b'%')]);
        assert_eq!(parse_like("\\"), [Byte(b'\\')]);
        let parts = literal_parts(&parse_like("a%b%%"));
        assert_eq!(parts, Some(vec![b"a".to_vec(), b"b".to_vec(), vec![]]));
        assert_eq!(literal_parts(&parse_like("a_")), None);
    }
}

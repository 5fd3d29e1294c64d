//! Keys of groups and joins as words: null bits first, then the keys, strings as `put_key_string` in
//! `kernels/key.cuh` makes them.

use arrow::datatypes::DataType;

use super::emitter::Emitter;
use super::value::{Kind, Value, type_bound};
use crate::error::{Error, Result};
use crate::program::expr::Expr;

/// A key's place among the key words.
pub(super) struct Key {
    pub at: usize,
    pub kind: Kind,
    pub data_type: DataType,
    pub null_bit: Option<usize>,
}

/// Whether a key's words begin with the bits that say which of its parts are null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NullBits {
    /// Where a part can be null.
    IfNullable,
    /// Always, so that both sides of a join agree.
    Always,
    /// Never: a key with a null part is compared with none.
    Never,
}

/// A key's words in a variable of the current function.
pub(super) struct KeyWords {
    pub keys: Vec<Key>,
    pub words: usize,
    /// The atom that says that no part is null; `None` where none can be.
    pub ok: Option<String>,
    pub null_words: usize,
}

/// Computes the words of `keys` into the array `to` of the current function; `declare` declares it.
pub(super) fn put_key(
    emitter: &mut Emitter,
    keys: &[Expr],
    null_bits: NullBits,
    to: &str,
    declare: bool,
) -> Result<KeyWords> {
    let mut values = vec![];
    for key in keys {
        values.push(emitter.value(key)?);
    }
    let mut places = vec![];
    let mut nulls = vec![];
    for (key, value) in keys.iter().zip(&values) {
        let null_bit = (value.ok.is_some() && null_bits != NullBits::Never).then(|| {
            nulls.push(value.ok().to_string());
            nulls.len() - 1
        });
        places.push(Key { at: 0, kind: value.kind, data_type: key.data_type.clone(), null_bit });
    }
    if null_bits == NullBits::Always {
        // The bits are those of the keys' numbers, whether they can be null here or not.
        nulls = values.iter().map(|value| value.ok().to_string()).collect();
        for (bit, place) in places.iter_mut().enumerate() {
            place.null_bit = Some(bit);
        }
    }
    if nulls.len() > 64 {
        return Err(Error::unsupported(format!("a key of {} nullable parts; 64 is the most", nulls.len())));
    }
    let null_words = !nulls.is_empty() as usize;
    let mut at = null_words;
    for place in &mut places {
        place.at = at;
        at += words_of(place.kind);
    }
    if declare {
        emitter.line(&format!("u64 {to}[{}];", at.max(1)));
    }
    if !nulls.is_empty() {
        let bits: Vec<String> =
            nulls.iter().enumerate().map(|(bit, ok)| format!("((u64)!({ok}) << {bit})")).collect();
        emitter.line(&format!("{to}[0] = {};", bits.join(" | ")));
    }
    for (place, value) in places.iter().zip(&values) {
        // Equal keys have equal words: what lies under a null is made zero.
        let (ok, code, at) = (value.ok(), &value.code, place.at);
        match place.kind {
            Kind::Str => {
                emitter.line(&format!("{to}[{at}] = {to}[{}] = 0;", at + 1));
                emitter.line(&format!("if ({ok}) put_key_string({to} + {at}, {code});"));
            }
            Kind::I128 => {
                emitter.line(&format!("{to}[{at}] = {ok} ? (u64){code} : 0;"));
                emitter.line(&format!("{to}[{}] = {ok} ? (u64)((u128){code} >> 64) : 0;", at + 1));
            }
            kind if kind.is_float() => {
                let word = to_word(kind, &format!("positive_zero({code})"));
                emitter.line(&format!("{to}[{at}] = {ok} ? {word} : 0;"));
            }
            kind => emitter.line(&format!("{to}[{at}] = {ok} ? {} : 0;", to_word(kind, code))),
        }
    }
    let ok = super::value::all_ok(&values.iter().collect::<Vec<_>>());
    let ok = emitter.bind_ok(ok);
    Ok(KeyWords { keys: places, words: at, ok, null_words })
}

/// Writes `key`, `key_hash` and `key_equal`; returns the places of the keys and the count of words.
pub(super) fn generate_keys(emitter: &mut Emitter, keys: &[Expr]) -> Result<(Vec<Key>, usize)> {
    emitter.begin_function("void key", "const Params& p, const Row& r, u64 row, u64* words");
    let KeyWords { keys: places, words: at, null_words, .. } =
        put_key(emitter, keys, NullBits::IfNullable, "words", false)?;
    emitter.end_function();

    emitter.begin_function("u64 key_hash", "const u64* words");
    emitter.line("u64 hash = 0;");
    for word in 0..null_words {
        emitter.line(&format!("hash = hash_word(hash, words[{word}]);"));
    }
    for place in &places {
        if place.kind == Kind::Str {
            emitter.line(&format!("hash = hash_key_string(hash, words + {});", place.at));
        } else {
            for word in 0..words_of(place.kind) {
                emitter.line(&format!("hash = hash_word(hash, words[{}]);", place.at + word));
            }
        }
    }
    emitter.line("return hash;");
    emitter.end_function();

    emitter.begin_function("bool key_equal", "const u64* a, const u64* b");
    if null_words > 0 {
        emitter.line("if (a[0] != b[0]) return false;");
    }
    for place in &places {
        let (i, j) = (place.at, place.at + 1);
        let differs = match place.kind {
            Kind::Str => format!("!key_strings_equal(a + {i}, b + {i})"),
            Kind::I128 => format!("a[{i}] != b[{i}] || a[{j}] != b[{j}]"),
            _ => format!("a[{i}] != b[{i}]"),
        };
        emitter.line(&format!("if ({differs}) return false;"));
    }
    emitter.line("return true;");
    emitter.end_function();
    Ok((places, at))
}

impl Key {
    /// Reads the key back from its words.
    pub fn load(&self, emitter: &mut Emitter) -> Value {
        let (i, j) = (self.at, self.at + 1);
        let code = match self.kind {
            Kind::Str => format!("key_string(key + {i})"),
            Kind::I128 => format!("narrow(Wide{{key[{i}], key[{j}]}})"),
            kind => from_word(kind, &format!("key[{i}]")),
        };
        let code = emitter.bind(self.kind, &code);
        let ok = self.null_bit.map(|bit| format!("!((key[0] >> {bit}) & 1)"));
        let ok = emitter.bind_ok(ok);
        Value { code, ok, kind: self.kind, bound: type_bound(&self.data_type, self.kind) }
    }
}

pub(super) fn words_of(kind: Kind) -> usize {
    if matches!(kind, Kind::Str | Kind::I128) { 2 } else { 1 }
}

/// The word of a value that is not ordered but only kept.
pub(super) fn to_word(kind: Kind, code: &str) -> String {
    match kind {
        Kind::F32 | Kind::F64 => format!("(u64)bits_of({code})"),
        _ => format!("(u64){code}"),
    }
}

pub(super) fn from_word(kind: Kind, word: &str) -> String {
    match kind {
        Kind::F32 => format!("__uint_as_float((u32){word})"),
        Kind::F64 => format!("__longlong_as_double((i64){word})"),
        kind => format!("({}){word}", kind.name()),
    }
}

//! Group keys as words: null bits first, then the keys, strings as `put_key_string` in `kernels/aggregate.cuh` makes them.

use arrow::datatypes::DataType;

use super::{from_word, to_word, words_of};
use crate::error::{Error, Result};
use crate::program::codegen::emitter::Emitter;
use crate::program::codegen::value::{Kind, Value, type_bound};
use crate::program::expr::Expr;

/// A key's place among the key words.
pub(super) struct Key {
    pub at: usize,
    pub kind: Kind,
    pub data_type: DataType,
    pub null_bit: Option<usize>,
}

/// Writes `key`, `key_hash` and `key_equal`; returns the places of the keys and the count of words.
pub(super) fn generate_keys(emitter: &mut Emitter, keys: &[Expr]) -> Result<(Vec<Key>, usize)> {
    let mut values = vec![];
    emitter.begin_function("void key", "const Params& p, const Row& r, u64 row, u64* words");
    for key in keys {
        values.push(emitter.value(key)?);
    }
    let mut places = vec![];
    let mut nulls = vec![];
    for (key, value) in keys.iter().zip(&values) {
        let null_bit = value.ok.is_some().then(|| {
            nulls.push(value.ok().to_string());
            nulls.len() - 1
        });
        places.push(Key { at: 0, kind: value.kind, data_type: key.data_type.clone(), null_bit });
    }
    if nulls.len() > 64 {
        return Err(Error::unsupported(format!("grouping by {} nullable keys; 64 is the most", nulls.len())));
    }
    let mut at = !nulls.is_empty() as usize;
    if !nulls.is_empty() {
        let bits: Vec<String> =
            nulls.iter().enumerate().map(|(bit, ok)| format!("((u64)!({ok}) << {bit})")).collect();
        emitter.line(&format!("words[0] = {};", bits.join(" | ")));
    }
    for (place, value) in places.iter_mut().zip(&values) {
        place.at = at;
        at += words_of(place.kind);
        // Equal keys have equal words: what lies under a null is made zero.
        let (ok, code) = (value.ok(), &value.code);
        match place.kind {
            Kind::Str => {
                emitter.line(&format!("words[{}] = words[{}] = 0;", place.at, place.at + 1));
                emitter.line(&format!("if ({ok}) put_key_string(words + {}, {code});", place.at));
            }
            Kind::I128 => {
                emitter.line(&format!("words[{}] = {ok} ? (u64){code} : 0;", place.at));
                emitter.line(&format!("words[{}] = {ok} ? (u64)((u128){code} >> 64) : 0;", place.at + 1));
            }
            kind if kind.is_float() => {
                let word = to_word(kind, &format!("positive_zero({code})"));
                emitter.line(&format!("words[{}] = {ok} ? {word} : 0;", place.at));
            }
            kind => emitter.line(&format!("words[{}] = {ok} ? {} : 0;", place.at, to_word(kind, code))),
        }
    }
    emitter.end_function();

    emitter.begin_function("u64 key_hash", "const u64* words");
    emitter.line("u64 hash = 0;");
    for word in 0..!nulls.is_empty() as usize {
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
    if !nulls.is_empty() {
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

//! Regular expressions as tables that a device can run.
//!
//! Syntax and semantics are those of the `regex` crate, which DataFusion uses: its parser and compiler make the
//! automaton that is written out here. Whether a string matches is one table look-up a byte. Where a match lies, and
//! what its groups are, takes two passes: the automaton of the reversed expression notes for each byte from which of
//! the expression's states a match can still come, and a walk forward then takes the first alternative that can, with
//! no way back to take. Both are linear in the string.
//!
//! The tables' layouts are those of `kernels/regex.cuh`.

use std::collections::HashMap;

use regex_automata::Anchored;
use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::{NFA, State, WhichCaptures};
use regex_automata::util::look::Look;
use regex_automata::util::{interpolate, primitives::PatternID, start, syntax};

use crate::error::{Error, Result};

/// The largest table. Strings that keep to few states, as most do, keep their rows in the caches of a multiprocessor.
const TABLE_BYTES_MAX: usize = 512 * 1024;
/// States explored before they are merged.
const STATES_MAX: usize = 8192;
/// States of the reversed automaton, which notes one for each byte of the string in a byte.
const NOTES_MAX: usize = 256;
/// States of an expression whose matches are looked for.
const WALK_STATES_MAX: usize = 2048;
/// Groups of an expression whose matches are looked for, the whole match included.
const GROUPS_MAX: usize = 10;

/// States that end the run: nothing will match, something did, the rules of Unicode are needed.
const DEAD: u16 = 0;
const MATCHED: u16 = 1;
const QUIT: u16 = 2;
const FIRST_STATE: usize = 3;

/// Makes the table that `regex_matches` runs: whether a string has a match of `pattern` anywhere.
///
/// # Errors
/// Unsupported where the table is too large, or the pattern not valid: then the CPU says why.
pub fn matcher(pattern: &str) -> Result<Vec<u8>> {
    let config =
        DFA::config().unicode_word_boundary(true).cache_capacity(64 << 20).skip_cache_capacity_check(true);
    let dfa = DFA::builder().configure(config).build(pattern).map_err(|error| invalid(pattern, error))?;
    let mut cache = dfa.create_cache();
    let (class_of, examples) = classes(|byte| dfa.byte_classes().get(byte));
    let too_large = |states: usize| too_large(pattern, format_args!("more than {states} states"));

    let begin = start::Config::new().anchored(Anchored::No);
    let begin = dfa.start_state(&mut cache, &begin).map_err(|error| invalid(pattern, error))?;
    let mut found = vec![];
    let mut numbers = HashMap::new();
    let first = number_of(begin, &mut found, &mut numbers);
    // Rows of the table, and whether the string may end in the state.
    let (mut rows, mut ends): (Vec<Vec<u16>>, Vec<bool>) = (vec![], vec![]);
    while rows.len() < found.len() {
        let state = found[rows.len()];
        let mut row = vec![];
        for &byte in &examples {
            let next = dfa.next_state(&mut cache, state, byte).map_err(|_| too_large(found.len()))?;
            row.push(number_of(next, &mut found, &mut numbers));
        }
        // A cache that was emptied has given the numbers of its states to others.
        if found.len() > STATES_MAX || cache.clear_count() > 0 {
            return Err(too_large(STATES_MAX));
        }
        rows.push(row);
        ends.push(ends_in_match(&dfa, &mut cache, state)?);
    }
    let (first, rows, ends) = merge_equal(first, rows, ends);
    let states = FIRST_STATE + rows.len();
    let bytes = HEAD_BYTES + 256 + states.next_multiple_of(2) + states * examples.len() * 2;
    if bytes > TABLE_BYTES_MAX {
        return Err(too_large(rows.len() - 1));
    }
    let mut table = words(&[examples.len() as u32, first.into(), states as u32, 0]);
    table.extend_from_slice(&class_of);
    table.extend([0, 1, 2]);
    table.extend(ends.iter().map(|&end| end as u8));
    table.resize(HEAD_BYTES + 256 + states.next_multiple_of(2), 0);
    let fixed = [DEAD, MATCHED, QUIT].map(|state| vec![state; examples.len()]);
    for state in fixed.iter().chain(&rows).flatten() {
        table.extend_from_slice(&state.to_le_bytes());
    }
    Ok(table)
}

/// Bytes of the four words that begin a table.
const HEAD_BYTES: usize = 16;

fn ends_in_match(dfa: &DFA, cache: &mut Cache, state: LazyStateID) -> Result<bool> {
    let end = dfa.next_eoi_state(cache, state).map_err(|error| Error::bug(format!("{error}")))?;
    Ok(end.is_match())
}

/// The number of a state in the table; states seen for the first time are queued.
fn number_of(
    state: LazyStateID,
    found: &mut Vec<LazyStateID>,
    numbers: &mut HashMap<LazyStateID, u16>,
) -> u16 {
    if state.is_dead() {
        return DEAD;
    }
    if state.is_quit() {
        return QUIT;
    }
    if state.is_match() {
        return MATCHED;
    }
    *numbers.entry(state).or_insert_with(|| {
        found.push(state);
        (FIRST_STATE + found.len() - 1) as u16
    })
}

/// Merges states that no string tells apart.
fn merge_equal(first: u16, rows: Vec<Vec<u16>>, ends: Vec<bool>) -> (u16, Vec<Vec<u16>>, Vec<bool>) {
    let class = |classes: &[u16], state: u16| {
        if (state as usize) < FIRST_STATE { state } else { classes[state as usize - FIRST_STATE] }
    };
    let mut classes: Vec<u16> = ends.iter().map(|&end| FIRST_STATE as u16 + end as u16).collect();
    let mut count = 0;
    loop {
        let mut seen = HashMap::new();
        let next: Vec<u16> = rows
            .iter()
            .zip(&classes)
            .map(|(row, &own)| {
                let key: Vec<u16> =
                    std::iter::once(own).chain(row.iter().map(|&state| class(&classes, state))).collect();
                let fresh = (FIRST_STATE + seen.len()) as u16;
                *seen.entry(key).or_insert(fresh)
            })
            .collect();
        classes = next;
        if seen.len() == count {
            break;
        }
        count = seen.len();
    }
    let mut merged = vec![];
    let mut merged_ends = vec![];
    for (index, &own) in classes.iter().enumerate() {
        if own as usize == FIRST_STATE + merged.len() {
            merged.push(rows[index].iter().map(|&state| class(&classes, state)).collect());
            merged_ends.push(ends[index]);
        }
    }
    (class(&classes, first), merged, merged_ends)
}

/// The class of each byte, and a byte of each class.
fn classes(class: impl Fn(u8) -> u8) -> (Vec<u8>, Vec<u8>) {
    let class_of: Vec<u8> = (0..=255).map(class).collect();
    let mut examples = vec![];
    for byte in 0..=255u8 {
        if class_of[byte as usize] as usize == examples.len() {
            examples.push(byte);
        }
    }
    (class_of, examples)
}

/// Whether a pattern looks at its surroundings in a way that the walk does not.
fn refuse_look(pattern: &str, look: Look) -> Result<()> {
    match look {
        Look::Start | Look::End => Ok(()),
        _ => Err(Error::unsupported(format!("the regular expression '{pattern}' with {look:?} on a device"))),
    }
}

/// A set of states, a bit each.
type Set = Vec<u64>;

fn has(set: &[u64], state: usize) -> bool {
    (set[state / 64] >> (state % 64)) & 1 == 1
}

/// Makes the tables that `regex_replace` runs, for the first match of `pattern` and its groups.
///
/// # Errors
/// As [`matcher`]; unsupported too for word boundaries, lines, and empty repetitions.
pub fn finder(pattern: &str) -> Result<(Vec<u8>, NFA)> {
    let nfa = NFA::compiler()
        .configure(NFA::config().which_captures(WhichCaptures::All))
        .syntax(syntax::Config::new())
        .build(pattern)
        .map_err(|error| invalid(pattern, error))?;
    let states = nfa.states();
    if states.len() > WALK_STATES_MAX {
        return Err(too_large(pattern, format_args!("{} states to find its groups", states.len())));
    }
    let groups = nfa.group_info().group_len(PatternID::ZERO);
    if groups > GROUPS_MAX {
        return Err(too_large(pattern, format_args!("{groups} groups")));
    }
    let order = epsilon_order(pattern, states)?;
    let (class_of, examples) = classes(|byte| nfa.byte_classes().get(byte));

    // For each state and class the state after it, 0xffff where there is none.
    let step = |state: usize, byte: u8| -> Option<usize> {
        let next = match &states[state] {
            State::ByteRange { trans } => trans.matches_byte(byte).then_some(trans.next),
            State::Sparse(sparse) => sparse.matches_byte(byte),
            State::Dense(dense) => dense.matches_byte(byte),
            _ => None,
        };
        next.map(|next| next.as_usize())
    };
    // For each class the states that read it, with the states after them.
    let reads: Vec<Vec<(usize, usize)>> = examples
        .iter()
        .map(|&byte| (0..states.len()).filter_map(|state| Some((state, step(state, byte)?))).collect())
        .collect();
    let empty: Set = vec![0; states.len().div_ceil(64)];
    let closure = |consuming: &Set, at_start: bool, at_end: bool| -> Set {
        let mut set = consuming.clone();
        // Every state comes after those that it leads to.
        for &state in &order {
            let can = match &states[state] {
                State::Look { look, next } => {
                    let holds = if *look == Look::Start { at_start } else { at_end };
                    holds && has(&set, next.as_usize())
                }
                State::Union { alternates } => alternates.iter().any(|next| has(&set, next.as_usize())),
                State::BinaryUnion { alt1, alt2 } => has(&set, alt1.as_usize()) || has(&set, alt2.as_usize()),
                State::Capture { next, .. } => has(&set, next.as_usize()),
                State::Match { .. } => true,
                _ => continue,
            };
            if can {
                set[state / 64] |= 1 << (state % 64);
            }
        }
        set
    };
    let before = |set: &Set, class: usize, at_start: bool| -> Set {
        let mut consuming = empty.clone();
        for &(state, next) in &reads[class] {
            if has(set, next) {
                consuming[state / 64] |= 1 << (state % 64);
            }
        }
        closure(&consuming, at_start, false)
    };

    let mut sets = vec![closure(&empty, false, true), closure(&empty, true, true)];
    let mut numbers: HashMap<Set, usize> = HashMap::new();
    numbers.insert(sets[1].clone(), 1);
    numbers.insert(sets[0].clone(), 0);
    // Two rows a set: what comes before a byte inside the string, and before its first byte.
    let mut rows: Vec<u8> = vec![];
    let mut done = 0;
    while done < sets.len() {
        for at_start in [false, true] {
            for class in 0..examples.len() {
                let set = before(&sets[done], class, at_start);
                let number = *numbers.entry(set).or_insert_with_key(|set| {
                    sets.push(set.clone());
                    sets.len() - 1
                });
                if number >= NOTES_MAX {
                    return Err(too_large(pattern, format_args!("more than {NOTES_MAX} sets of states")));
                }
                rows.push(number as u8);
            }
        }
        done += 1;
    }

    // What each state does: kind, argument, argument.
    let (mut program, mut steps, mut alternatives) = (vec![], vec![], vec![]);
    for (index, state) in states.iter().enumerate() {
        let mut union = |nexts: &[usize]| {
            let at = alternatives.len() as u32;
            alternatives.extend(nexts.iter().map(|&next| next as u16));
            [KIND_UNION, at, nexts.len() as u32, 0]
        };
        program.extend(match state {
            State::ByteRange { .. } | State::Sparse(_) | State::Dense(_) => {
                let at = steps.len() as u32;
                steps.extend(
                    examples.iter().map(|&byte| step(index, byte).map_or(0xffff, |next| next as u16)),
                );
                [KIND_BYTE, at, 0, 0]
            }
            State::Union { alternates } => {
                union(&alternates.iter().map(|next| next.as_usize()).collect::<Vec<_>>())
            }
            State::BinaryUnion { alt1, alt2 } => union(&[alt1.as_usize(), alt2.as_usize()]),
            State::Look { next, .. } => [KIND_GO, next.as_u32(), 0xffff_ffff, 0],
            State::Capture { next, slot, .. } => [KIND_GO, next.as_u32(), slot.as_u32(), 0],
            State::Fail | State::Match { .. } => [KIND_MATCH, 0, 0, 0],
        });
    }
    let mut table = vec![];
    let parts = [
        class_of,
        words(&program),
        sets.iter().flatten().flat_map(|word| word.to_le_bytes()).collect(),
        steps.iter().flat_map(|next| next.to_le_bytes()).collect(),
        alternatives.iter().flat_map(|next| next.to_le_bytes()).collect(),
        rows,
    ];
    let mut head = vec![examples.len() as u32, nfa.start_anchored().as_u32(), empty.len() as u32];
    let head_bytes = 10 * 4;
    for part in &parts {
        table.resize(table.len().next_multiple_of(8), 0);
        head.push((head_bytes + table.len()) as u32);
        table.extend_from_slice(part);
    }
    let mut whole = words(&head);
    whole.resize(head_bytes, 0);
    whole.extend(table);
    if whole.len() > TABLE_BYTES_MAX {
        return Err(too_large(pattern, format_args!("{} bytes of tables", whole.len())));
    }
    Ok((whole, nfa))
}

const KIND_BYTE: u32 = 0;
const KIND_UNION: u32 = 1;
const KIND_GO: u32 = 2;
const KIND_MATCH: u32 = 3;

/// The states in an order in which each comes after all that it leads to without reading a byte.
fn epsilon_order(pattern: &str, states: &[State]) -> Result<Vec<usize>> {
    let nexts = |state: usize| -> Result<Vec<usize>> {
        Ok(match &states[state] {
            State::Union { alternates } => alternates.iter().map(|next| next.as_usize()).collect(),
            State::BinaryUnion { alt1, alt2 } => vec![alt1.as_usize(), alt2.as_usize()],
            State::Capture { next, .. } => vec![next.as_usize()],
            State::Look { look, next } => {
                refuse_look(pattern, *look)?;
                vec![next.as_usize()]
            }
            _ => vec![],
        })
    };
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut marks = vec![Mark::New; states.len()];
    let mut order = vec![];
    for root in 0..states.len() {
        let mut stack = vec![(root, false)];
        while let Some((state, leaving)) = stack.pop() {
            if leaving {
                marks[state] = Mark::Done;
                order.push(state);
                continue;
            }
            match marks[state] {
                Mark::Done => continue,
                Mark::Open => {
                    return Err(Error::unsupported(format!(
                        "the regular expression '{pattern}', which repeats what may be empty, on a device"
                    )));
                }
                Mark::New => {}
            }
            marks[state] = Mark::Open;
            stack.push((state, true));
            for next in nexts(state)? {
                if marks[next] != Mark::Done {
                    stack.push((next, false));
                }
            }
        }
    }
    Ok(order)
}

/// A replacement: literals and groups in turn.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// Each literal with the group that comes after it.
    pub parts: Vec<(Vec<u8>, usize)>,
    pub tail: Vec<u8>,
}

/// Splits a replacement as DataFusion and the `regex` crate read it: `\1` and `$1` are groups.
pub fn template(replacement: &str, nfa: &NFA) -> Template {
    let replacement = posix_groups(replacement);
    let groups = nfa.group_info();
    let mut text = String::new();
    let mut cuts = vec![];
    interpolate::string(
        &replacement,
        |group, text| cuts.push((text.len(), group)),
        |name| groups.to_index(PatternID::ZERO, name),
        &mut text,
    );
    let mut begin = 0;
    let mut parts = vec![];
    for (end, group) in cuts {
        if group < groups.group_len(PatternID::ZERO) {
            parts.push((text.as_bytes()[begin..end].to_vec(), group));
            begin = end;
        }
    }
    Template { parts, tail: text.as_bytes()[begin..].to_vec() }
}

impl Template {
    /// The bytes that `regex_replace` reads: the count of parts; for each its group, and its literal's length; the
    /// tail's length; the literals.
    pub fn encode(&self) -> Vec<u8> {
        let mut head = vec![self.parts.len() as u32];
        head.extend(self.parts.iter().flat_map(|(literal, group)| [*group as u32, literal.len() as u32]));
        head.push(self.tail.len() as u32);
        let mut bytes = words(&head);
        bytes.extend(self.parts.iter().flat_map(|(literal, _)| literal));
        bytes.extend(&self.tail);
        bytes
    }
}

/// Writes `\1` and `\\1` as `${1}`.
fn posix_groups(replacement: &str) -> String {
    let bytes = replacement.as_bytes();
    let mut out = String::new();
    let (mut at, mut copied) = (0, 0);
    while at < bytes.len() {
        let slashes = bytes[at..].iter().take(2).take_while(|&&byte| byte == b'\\').count();
        let digits = bytes[at + slashes..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if slashes > 0 && digits > 0 {
            out.push_str(&replacement[copied..at]);
            out.push_str(&format!("${{{}}}", &replacement[at + slashes..at + slashes + digits]));
            at += slashes + digits;
            copied = at;
        } else {
            at += 1;
        }
    }
    out.push_str(&replacement[copied..]);
    out
}

/// The regular expression that a `LIKE` pattern stands for.
pub fn of_like(pattern: &str, case_insensitive: bool) -> String {
    let mut out = String::from(if case_insensitive { r"(?is)\A" } else { r"(?s)\A" });
    let literal = |out: &mut String, c: char| out.push_str(&format!(r"\x{{{:x}}}", c as u32));
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '%' => out.push_str(".*"),
            '_' => out.push('.'),
            '\\' => literal(&mut out, chars.next().unwrap_or('\\')),
            c => literal(&mut out, c),
        }
    }
    out + r"\z"
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn invalid(pattern: &str, error: impl std::error::Error) -> Error {
    // The crate's errors say only what failed; the reason is below.
    let reason = error.source().map_or_else(|| error.to_string(), |source| source.to_string());
    Error::unsupported(format!("the regular expression '{pattern}': {reason}"))
}

fn too_large(pattern: &str, what: impl std::fmt::Display) -> Error {
    Error::unsupported(format!(
        "the regular expression '{pattern}' needs {what}; a device takes tables of {} KiB",
        TABLE_BYTES_MAX / 1024
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_patterns_have_small_tables() {
        let table = matcher("^https?://").expect("supported");
        assert!(table.len() < 1024, "{}", table.len());
        assert!(finder(r"^https?://(?:www\.)?([^/]+)/.*$").is_ok());
    }

    #[test]
    fn large_patterns_are_refused_with_their_size() {
        let error = matcher(r"[a-q][^u-z]{13}x").expect_err("too many states");
        assert!(error.is_unsupported() && error.to_string().contains("states"), "{error}");
        let error = finder(r"(a*)*b").expect_err("an empty repetition");
        assert!(error.is_unsupported(), "{error}");
        let error = finder(r"\bfoo\b").expect_err("a word boundary");
        assert!(error.to_string().contains("Word"), "{error}");
    }

    #[test]
    fn replacements_are_split_as_the_cpu_splits_them() {
        let (_, nfa) = finder("(a)(?P<n>b)").expect("supported");
        let split = template(r"x\1$n${2}y$$\7", &nfa);
        assert_eq!(split.parts, [(b"x".to_vec(), 1), (vec![], 2), (vec![], 2)]);
        assert_eq!(split.tail, b"y$");
        assert_eq!(posix_groups(r"\\1\a\2"), r"${1}\a${2}");
    }
}

//! Upper and lower case of all characters, as a table that `change_case` in `kernels/text.cuh` reads.
//!
//! The mappings are those of Rust's `char`, which DataFusion uses too. Σ at the end of a word has a lower case of its
//! own: it is marked, and left to the CPU.

use std::sync::OnceLock;

/// Characters of a page, and pages: what lies beyond has no case.
const PAGE: u32 = 64;
const PAGES: u32 = 2048;
const NO_PAGE: u16 = 0xffff;
/// Marks a character whose case depends on those around it.
const IN_CONTEXT: u64 = 1 << 63;

/// Returns the table of upper or lower case.
pub(super) fn case_table(upper: bool) -> &'static [u8] {
    static UPPER: OnceLock<Vec<u8>> = OnceLock::new();
    static LOWER: OnceLock<Vec<u8>> = OnceLock::new();
    match upper {
        true => UPPER.get_or_init(|| build(|c| packed(c.to_uppercase()))),
        false => {
            LOWER.get_or_init(|| build(|c| if c == 'Σ' { IN_CONTEXT } else { packed(c.to_lowercase()) }))
        }
    }
}

/// Up to three characters, 21 bits each, the first lowest.
fn packed(characters: impl Iterator<Item = char>) -> u64 {
    characters.enumerate().fold(0, |word, (at, c)| word | (c as u64) << (21 * at))
}

fn build(mapping: impl Fn(char) -> u64) -> Vec<u8> {
    let of = |code: u32| char::from_u32(code).map_or(code.into(), &mapping);
    let (mut numbers, mut pages) = (vec![], vec![]);
    for page in 0..PAGES {
        let codes = page * PAGE..(page + 1) * PAGE;
        if codes.clone().all(|code| of(code) == u64::from(code)) {
            numbers.push(NO_PAGE);
        } else {
            numbers.push((pages.len() / PAGE as usize) as u16);
            pages.extend(codes.map(of));
        }
    }
    let numbers = numbers.iter().flat_map(|number| number.to_le_bytes());
    numbers.chain(pages.iter().flat_map(|codes| codes.to_le_bytes())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_with_a_case_is_in_the_table() {
        let last = (0..=char::MAX as u32)
            .filter_map(char::from_u32)
            .filter(|c| !c.to_uppercase().eq([*c]) || !c.to_lowercase().eq([*c]))
            .max();
        assert!(last.is_some_and(|c| (c as u32) < PAGE * PAGES), "{last:?}");
        assert!(case_table(true).len() < 48 << 10 && case_table(false).len() < 48 << 10);
    }
}

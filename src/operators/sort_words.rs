//! The words that rows are sorted by: the fields of a sort key, side by side (`kernels/sort.cu`).

use crate::device::DeviceBuffer;
use crate::error::Result;
use crate::worker::Task;

use super::binding::BLOCK;
use super::fixed::{launch, write_words};
use super::radix_sort::{KeyWidth, Word};
use super::sort_key::{Key, SOURCE, WORD_BITS, write_fields};

/// A field's share of a word: shifted up, or down where its high bits are another word's low ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    field: usize,
    left: u32,
    right: u32,
}

/// The pieces of each word, the most significant word first, where fields of `bits` bits lie side by side; only the
/// first word may have bits to spare.
fn pack(bits: &[u32]) -> Vec<(u32, Vec<Piece>)> {
    let total: u32 = bits.iter().sum();
    let count = total.div_ceil(WORD_BITS) as usize;
    let mut words: Vec<(u32, Vec<Piece>)> = (0..count)
        .map(|word| match word {
            0 => (total - (count as u32 - 1) * WORD_BITS, vec![]),
            _ => (WORD_BITS, vec![]),
        })
        .collect();
    let mut end = total;
    for (field, width) in bits.iter().enumerate() {
        // The field's bits are [low, end), counted from the least significant of all.
        let low = end - width;
        for (index, (_, pieces)) in words.iter_mut().enumerate() {
            let word_low = (count - 1 - index) as u32 * WORD_BITS;
            if low < word_low + WORD_BITS && end > word_low {
                let (left, right) = (low.saturating_sub(word_low), word_low.saturating_sub(low));
                pieces.push(Piece { field, left, right });
            }
        }
        end = low;
    }
    words
}

/// The words of every place.
pub(super) struct EncodedWords {
    words: Vec<(DeviceBuffer, KeyWidth, u32)>,
}

impl EncodedWords {
    /// The words, the most significant first.
    pub fn words(&self) -> Vec<Word<'_>> {
        self.words.iter().map(|(words, width, bits)| Word { words, width: *width, bits: *bits }).collect()
    }

    /// What kernels know of them: address and bytes of a word, and two words that only encoding uses.
    pub fn table(&self) -> Vec<u64> {
        self.words
            .iter()
            .flat_map(|(words, width, _)| [words.address(), width.bytes() as u64, 0, 0])
            .collect()
    }
}

impl Key {
    /// How many words hold the packed fields.
    pub fn word_count(&self) -> usize {
        pack(&self.packed.iter().map(|field| field.bits).collect::<Vec<_>>()).len()
    }

    /// Writes the first `word_count` words of `count` places; `rows` tells the row of each, if places are not rows.
    pub fn encode(
        &self,
        task: &mut Task<'_>,
        rows: Option<&DeviceBuffer>,
        count: usize,
        word_count: usize,
    ) -> Result<EncodedWords> {
        let packed = pack(&self.packed.iter().map(|field| field.bits).collect::<Vec<_>>());
        let (mut words, mut table, mut pieces) = (vec![], vec![], vec![]);
        for (bits, of_word) in packed.into_iter().take(word_count) {
            let width = KeyWidth::of(bits);
            let target = task.alloc(count * width.bytes())?;
            let begin = pieces.len() as u64;
            pieces.extend(of_word);
            table.extend([target.address(), width.bytes() as u64, begin, pieces.len() as u64]);
            words.push((target, width, bits));
        }
        if words.is_empty() {
            return Ok(EncodedWords { words });
        }
        let pieces: Vec<u64> = pieces
            .iter()
            .flat_map(|piece| [piece.field as u64, u64::from(piece.left), u64::from(piece.right)])
            .collect();
        let fields = write_fields(task, &self.packed)?;
        let (pieces, table) = (write_words(task, &pieces)?, write_words(task, &table)?);
        let parameters = [
            count as u64,
            rows.map_or(0, |rows| rows.address()),
            fields.address(),
            pieces.address(),
            words.len() as u64,
            table.address(),
        ];
        launch(task, &SOURCE, "sort_encode", count.div_ceil(BLOCK), &parameters)?;
        Ok(EncodedWords { words })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packs one row's values as the kernel does.
    fn packed(bits: &[u32], values: &[u64]) -> Vec<u64> {
        let of_word = |(_, pieces): (u32, Vec<Piece>)| {
            pieces.iter().fold(0, |word, piece| word | (values[piece.field] << piece.left) >> piece.right)
        };
        pack(bits).into_iter().map(of_word).collect()
    }

    #[test]
    fn fields_lie_side_by_side() {
        assert!(packed(&[], &[]).is_empty());
        assert_eq!(packed(&[3, 5], &[0b101, 0b10001]), [0b1011_0001]);
        assert_eq!(packed(&[64], &[u64::MAX - 1]), [u64::MAX - 1]);
        assert_eq!(packed(&[64, 1], &[0x8000_0000_0000_0001, 1]), [1, 3]);
        assert_eq!(packed(&[40, 40], &[0xff_0000_0001, 0x80_0000_0002]), [0xff00, 0x0000_0180_0000_0002]);
        assert_eq!(pack(&[40, 40, 60]).iter().map(|(bits, _)| *bits).collect::<Vec<_>>(), [12, 64, 64]);
    }
}

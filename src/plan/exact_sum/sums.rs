//! Sums of doubles without any rounding but the last: what `kernels/exact_sum.cuh` does on a device.

/// Words of a number that holds every double and 2^77 of the largest; the unit is 2^-1074, the least subnormal.
const WORDS_MAX: usize = 34;
/// The bits of the only NaN that a sum is.
const NAN: u64 = 0x7ff8 << 48;

/// What was no number among the addends.
mod special {
    pub const NAN: u8 = 1;
    pub const POSITIVE_INFINITY: u8 = 2;
    pub const NEGATIVE_INFINITY: u8 = 4;
}

/// Exact sums of doubles, one a group: superaccumulators (Kulisch 1971; Neal 2015) in two's complement.
///
/// All groups keep the same words of the number, those that the values so far can reach and one more for their carries:
/// four where the values are alike. A value outside makes them wider.
///
/// # Guarantee  the correctly rounded value of the exact sum (half to even), whatever the order of the additions.
/// # Source     Neal, Fast exact summation using small and large superaccumulators, 2015.
#[derive(Clone, Debug, Default)]
pub(super) struct ExactSums {
    /// The number's word that the first word of each group is.
    low: usize,
    /// Words of a group.
    width: usize,
    words: Vec<u64>,
    specials: Vec<u8>,
}

/// A finite double as two words of a number.
struct Addend {
    word: usize,
    low: u64,
    high: u64,
    negative: bool,
}

impl Addend {
    fn of(value: f64) -> Addend {
        let (exponent, significand) = parts(value);
        let place = exponent - 1;
        let shifted = u128::from(significand) << (place % 64);
        Addend {
            word: place as usize / 64,
            low: shifted as u64,
            high: (shifted >> 64) as u64,
            negative: value.is_sign_negative(),
        }
    }
}

/// The exponent, from 1, and the significand of a finite double.
fn parts(value: f64) -> (u32, u64) {
    let bits = value.to_bits();
    let (exponent, fraction) = ((bits >> 52) as u32 & 0x7ff, bits & ((1 << 52) - 1));
    match exponent {
        0 => (1, fraction),
        exponent => (exponent, fraction | 1 << 52),
    }
}

fn special_of(value: f64) -> u8 {
    match value {
        value if value.is_nan() => special::NAN,
        f64::INFINITY => special::POSITIVE_INFINITY,
        f64::NEG_INFINITY => special::NEGATIVE_INFINITY,
        _ => 0,
    }
}

impl ExactSums {
    pub fn groups(&self) -> usize {
        self.specials.len()
    }

    /// Makes room for `groups` groups, the new ones with the sum 0.
    pub fn resize(&mut self, groups: usize) {
        self.specials.resize(groups, 0);
        self.words.resize(groups * self.width, 0);
    }

    pub fn bytes(&self) -> usize {
        self.words.capacity() * 8 + self.specials.capacity()
    }

    pub fn add(&mut self, group: usize, value: f64) {
        if !value.is_finite() {
            self.specials[group] |= special_of(value);
            return;
        }
        if value == 0.0 {
            return;
        }
        let addend = Addend::of(value);
        self.cover(addend.word, addend.word + 2);
        let at = addend.word - self.low;
        let words = &mut self.words[group * self.width..][..self.width];
        add_words(&mut words[at..], addend.low, addend.high, addend.negative);
    }

    /// Takes back a finite value that was added.
    pub fn retract(&mut self, group: usize, value: f64) {
        self.add(group, -value);
    }

    /// Adds many values to one group: 128 bits take those of a batch whose exponents are near each other.
    pub fn add_all(&mut self, group: usize, values: &[f64]) {
        /// 2^13 values of less than 2^(53 + 60) sum up to less than 2^127.
        const RANGE: u32 = 60;
        const BATCH: usize = 1 << 13;
        for values in values.chunks(BATCH) {
            let (mut least, mut largest) = (u32::MAX, 0);
            for value in values {
                let exponent = (value.to_bits() >> 52) as u32 & 0x7ff;
                // Zeros add nothing, wherever they are put.
                least = least.min(if *value == 0.0 { u32::MAX } else { exponent });
                largest = largest.max(exponent);
            }
            let least = least.max(1);
            if largest == 0x7ff || largest.saturating_sub(least) > RANGE {
                values.iter().for_each(|&value| self.add(group, value));
                continue;
            }
            let mut sum = 0i128;
            for &value in values {
                let (exponent, significand) = parts(value);
                let shifted = i128::from(significand) << exponent.saturating_sub(least);
                sum += if value.is_sign_negative() { -shifted } else { shifted };
            }
            if sum != 0 {
                self.add_wide(group, sum, least - 1);
            }
        }
    }

    /// Adds `value`·2^(place - 1074).
    fn add_wide(&mut self, group: usize, value: i128, place: u32) {
        let (negative, magnitude) = (value < 0, value.unsigned_abs());
        let (word, shift) = (place as usize / 64, place % 64);
        let (low, middle) = (magnitude as u64, (magnitude >> 64) as u64);
        let parts = u128::from(low) << shift;
        let upper = u128::from(middle) << shift;
        // The batch sums up to less than 2^127 units from here: three words, and one for the carries.
        self.cover(word, (word + 3).min(WORDS_MAX - 1));
        let at = word - self.low;
        let words = &mut self.words[group * self.width..][..self.width];
        add_words(&mut words[at..], parts as u64, (parts >> 64) as u64, negative);
        add_words(&mut words[at + 1..], upper as u64, (upper >> 64) as u64, negative);
    }

    /// Adds a state of [`ExactSums::state`].
    ///
    /// Answers `false` for bytes that are none.
    pub fn merge(&mut self, group: usize, state: &[u8]) -> bool {
        let [specials, low, number @ ..] = state else { return false };
        let (low, count) = (usize::from(*low), number.len() / 8);
        if number.len() % 8 != 0 || low + count > WORDS_MAX || *specials > 7 {
            return false;
        }
        self.specials[group] |= specials;
        if count == 0 {
            return true;
        }
        self.cover(low, (low + count).min(WORDS_MAX - 1));
        let at = low - self.low;
        let words = &mut self.words[group * self.width..][..self.width];
        let mut carry = false;
        let mut sign = 0;
        let mut number = number.chunks_exact(8);
        for word in &mut words[at..] {
            let addend = match number.next() {
                Some(bytes) => {
                    let addend = u64::from_le_bytes(bytes.try_into().expect("chunks of 8 bytes"));
                    sign = extension(addend);
                    addend
                }
                None => sign,
            };
            let (sum, first) = word.overflowing_add(addend);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            *word = sum;
            carry = first || second;
        }
        true
    }

    /// Puts what a group is into `bytes`: what was no number, the first word's place, the words that say something.
    pub fn state(&self, group: usize, bytes: &mut Vec<u8>) {
        let words = &self.words[group * self.width..][..self.width];
        let begin = words.iter().position(|&word| word != 0).unwrap_or(words.len());
        let mut end = words.len();
        // A word above that only repeats the sign says nothing.
        while end > begin + 1 && words[end - 1] == extension(words[end - 2]) {
            end -= 1;
        }
        bytes.extend([self.specials[group], (self.low + begin) as u8]);
        bytes.extend(words[begin..end].iter().flat_map(|word| word.to_le_bytes()));
    }

    /// Puts the state of one value into `bytes`: many rows become states where few groups repeat.
    pub fn state_of(value: f64, bytes: &mut Vec<u8>) {
        let special = special_of(value);
        if special != 0 || value == 0.0 {
            bytes.extend([special, 0]);
            return;
        }
        let Addend { word, low, high, negative } = Addend::of(value);
        let magnitude = (u128::from(high) << 64 | u128::from(low)) as i128;
        let number = if negative { -magnitude } else { magnitude };
        bytes.extend([0, word as u8]);
        bytes.extend(number.to_le_bytes());
    }

    /// Answers the double nearest to the sum, of two as near the even one. Zero is `0.0`, never `-0.0`.
    pub fn value(&self, group: usize) -> f64 {
        let infinities = special::POSITIVE_INFINITY | special::NEGATIVE_INFINITY;
        match self.specials[group] {
            0 => round(&self.words[group * self.width..][..self.width], self.low),
            special::POSITIVE_INFINITY => f64::INFINITY,
            special::NEGATIVE_INFINITY => f64::NEG_INFINITY,
            specials => {
                debug_assert!(specials & special::NAN != 0 || specials == infinities);
                f64::from_bits(NAN)
            }
        }
    }

    /// Takes the first `groups` groups out.
    pub fn take(&mut self, groups: usize) -> ExactSums {
        let words = self.words.split_off(groups * self.width);
        let specials = self.specials.split_off(groups);
        ExactSums {
            low: self.low,
            width: self.width,
            words: std::mem::replace(&mut self.words, words),
            specials: std::mem::replace(&mut self.specials, specials),
        }
    }

    /// Makes all groups have the words `first..=last`.
    fn cover(&mut self, first: usize, last: usize) {
        if first < self.low || last >= self.low + self.width || self.width == 0 {
            self.widen(first, last);
        }
    }

    #[cold]
    fn widen(&mut self, first: usize, last: usize) {
        let (low, end) = match self.width {
            0 => (first, last + 1),
            width => (self.low.min(first), (self.low + width).max(last + 1)),
        };
        let (width, before) = (end - low, self.width);
        let mut words = vec![0; self.groups() * width];
        if before > 0 {
            let begin = self.low - low;
            for (new, old) in words.chunks_exact_mut(width).zip(self.words.chunks_exact(before)) {
                new[begin..begin + before].copy_from_slice(old);
                new[begin + before..].fill(extension(old[before - 1]));
            }
        }
        (self.low, self.width, self.words) = (low, width, words);
    }
}

/// The word above one that holds the sign.
fn extension(word: u64) -> u64 {
    ((word as i64) >> 63) as u64
}

/// Adds two words, or takes them away, and carries on from there.
#[inline]
fn add_words(words: &mut [u64], low: u64, high: u64, negative: bool) {
    let step = |word: &mut u64, addend: u64| {
        let (sum, carry) = if negative { word.overflowing_sub(addend) } else { word.overflowing_add(addend) };
        *word = sum;
        carry
    };
    let carry = step(&mut words[0], low);
    let mut carry = match words.get_mut(1) {
        Some(word) => {
            let first = step(word, high);
            step(word, u64::from(carry)) || first
        }
        None => return,
    };
    for word in &mut words[2..] {
        if !carry {
            return;
        }
        carry = step(word, 1);
    }
}

/// Rounds a number of which `words` are the words from `low` on.
fn round(words: &[u64], low: usize) -> f64 {
    let mut number = [0u64; WORDS_MAX];
    let used = &mut number[low..low + words.len()];
    used.copy_from_slice(words);
    let negative = words.last().is_some_and(|word| word >> 63 != 0);
    if negative {
        let mut one = true;
        for word in used {
            (*word, one) = (!*word).overflowing_add(u64::from(one));
        }
    }
    let Some(top) = number.iter().rposition(|&word| word != 0) else { return 0.0 };
    let top_bit = top * 64 + 63 - number[top].leading_zeros() as usize;
    let shift = top_bit.saturating_sub(52);
    let (word, rest) = (shift / 64, shift % 64);
    let above = number.get(word + 1).copied().unwrap_or(0);
    let significand = ((u128::from(above) << 64 | u128::from(number[word])) >> rest) as u64;
    let up = shift > 0 && {
        let (word, bit) = ((shift - 1) / 64, (shift - 1) % 64);
        let half = number[word] >> bit & 1 != 0;
        let more = number[word] & ((1 << bit) - 1) != 0 || number[..word].iter().any(|&word| word != 0);
        half && (more || significand & 1 != 0)
    };
    // With the exponent above it, a significand that rounds up to 2^53 gives the next exponent by itself.
    let bits = ((shift as u64) << 52) + significand + u64::from(up);
    f64::from_bits(bits.min(f64::INFINITY.to_bits()) | u64::from(negative) << 63)
}

/// What an average is of an exact sum: rounded twice, once for the sum and once for the division.
pub(super) fn average(sum: f64, count: u64) -> f64 {
    // What is no number stays the same bits.
    if sum.is_finite() { sum / count as f64 } else { sum }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(values: &[f64]) -> f64 {
        let mut sums = ExactSums::default();
        sums.resize(1);
        values.iter().for_each(|&value| sums.add(0, value));
        let mut at_once = ExactSums::default();
        at_once.resize(1);
        at_once.add_all(0, values);
        assert_eq!(at_once.value(0).to_bits(), sums.value(0).to_bits());
        let mut merged = ExactSums::default();
        merged.resize(1);
        for half in values.chunks(values.len().div_ceil(2).max(1)) {
            let mut part = ExactSums::default();
            part.resize(1);
            part.add_all(0, half);
            let mut state = vec![];
            part.state(0, &mut state);
            assert!(merged.merge(0, &state));
        }
        assert_eq!(merged.value(0).to_bits(), sums.value(0).to_bits());
        sums.value(0)
    }

    #[test]
    fn rounds_once() {
        let (tiny, half) = (f64::from_bits(1), f64::EPSILON / 2.0);
        assert_eq!(sum(&[]).to_bits(), 0.0f64.to_bits());
        assert_eq!(sum(&[-0.0, -0.0]).to_bits(), 0.0f64.to_bits());
        assert_eq!(sum(&[1e308, 1e308, -1e308]), 1e308);
        assert_eq!(sum(&[f64::MAX, f64::MAX]), f64::INFINITY);
        assert_eq!(sum(&[-f64::MAX, -f64::MAX, 1.0]), f64::NEG_INFINITY);
        assert_eq!(sum(&[1e300, 1.0, -1e300]), 1.0);
        assert_eq!(sum(&[tiny, -1e300, 1e300]), tiny);
        // Halves go to the even one, more than a half up.
        assert_eq!(sum(&[1.0, half]), 1.0);
        assert_eq!(sum(&[1.0, half, tiny]), 1.0 + f64::EPSILON);
        assert_eq!(sum(&[1.0 + f64::EPSILON, half]), 1.0 + 2.0 * f64::EPSILON);
        assert_eq!(sum(&[-1.0, -half, -tiny]), -1.0 - f64::EPSILON);
        assert_eq!(sum(&[f64::MIN_POSITIVE, -tiny]), f64::MIN_POSITIVE - tiny);
    }

    #[test]
    fn takes_what_is_no_number_as_ieee_does() {
        assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
        assert!(sum(&[-f64::NAN, 1.0]).is_sign_positive());
        assert_eq!(sum(&[f64::NEG_INFINITY, f64::MAX]), f64::NEG_INFINITY);
    }

    #[test]
    fn refuses_bytes_that_are_no_state() {
        let mut sums = ExactSums::default();
        sums.resize(1);
        for wrong in [&[][..], &[0], &[0, 0, 1], &[8, 0], &[0, 34, 0, 0, 0, 0, 0, 0, 0, 0]] {
            assert!(!sums.merge(0, wrong));
        }
    }
}

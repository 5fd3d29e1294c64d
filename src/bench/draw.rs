//! Random values that depend on a seed, a column and a row alone: so that any part of a table can be made by itself.

use super::digest::mix;

/// A source of random values for one column.
#[derive(Clone, Copy, Debug)]
pub struct Draw(u64);

impl Draw {
    pub fn new(seed: u64, column: u64) -> Self {
        Draw(mix(mix(seed).wrapping_add(column)))
    }

    /// 64 random bits.
    pub fn bits(self, row: u64) -> u64 {
        mix(self.0 ^ mix(row))
    }

    /// A number below `bound`, each as likely as any other.
    pub fn below(self, row: u64, bound: u64) -> u64 {
        // The upper half of the product: even but for a part of bound / 2⁶⁴.
        ((u128::from(self.bits(row)) * u128::from(bound)) >> 64) as u64
    }

    /// Whether an event takes place that does so in `percent` of 100 rows.
    pub fn happens(self, row: u64, percent: u64) -> bool {
        self.below(row, 100) < percent
    }

    /// A number from 0 to 100 with 6 digits after the point.
    pub fn six_digits(self, row: u64) -> f64 {
        self.below(row, 100_000_001) as f64 / 1e6
    }

    /// A rank below `bound`, small ones often: the k-th about as often as 1 / (k + 1).
    pub fn rank(self, row: u64, bound: u64) -> u64 {
        // By powers of 2, not by a logarithm: that is not the same to the last bit on every machine.
        let levels = u64::from(64 - bound.saturating_sub(1).leading_zeros()) + 1;
        let level = self.below(row, levels);
        Draw(mix(self.0)).below(row, (1 << level).min(bound))
    }
}

/// Numbers below a bound in a random order.
#[derive(Clone, Copy, Debug)]
pub struct Permutation {
    bound: u64,
    half_bits: u32,
    rounds: [Draw; 4],
}

impl Permutation {
    pub fn new(seed: u64, column: u64, bound: u64) -> Self {
        let bits = 64 - bound.saturating_sub(1).leading_zeros();
        let rounds = [0, 1, 2, 3].map(|round| Draw::new(seed ^ 0x7065_726d, column * 4 + round));
        Permutation { bound, half_bits: bits.div_ceil(2).max(1), rounds }
    }

    /// Where a number below the bound goes: no two go to the same place.
    pub fn of(&self, number: u64) -> u64 {
        let mask = (1u64 << self.half_bits) - 1;
        let mut at = number;
        // A Feistel network permutes a power of 4 of at most 4 times the bound; what leaves the bound goes on.
        loop {
            let (mut left, mut right) = (at >> self.half_bits, at & mask);
            for round in self.rounds {
                (left, right) = (right, left ^ (round.bits(right) & mask));
            }
            at = left << self.half_bits | right;
            if at < self.bound {
                return at;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permutations_take_every_place_once() {
        for bound in [1, 2, 3, 10, 11, 1000, 1025] {
            let permutation = Permutation::new(7, 1, bound);
            let mut places: Vec<u64> = (0..bound).map(|number| permutation.of(number)).collect();
            places.sort_unstable();
            assert_eq!(places, (0..bound).collect::<Vec<_>>());
        }
    }

    #[test]
    fn values_spread_over_their_range() {
        let draw = Draw::new(1, 2);
        let mut counts = [0; 10];
        for row in 0..10_000 {
            counts[draw.below(row, 10) as usize] += 1;
            assert!(draw.rank(row, 5) < 5);
        }
        assert!(counts.iter().all(|count| (900..1100).contains(count)), "{counts:?}");
        let first = (0..10_000).filter(|row| draw.rank(*row, 1000) == 0).count();
        assert!((1600..2000).contains(&first), "{first}");
    }
}

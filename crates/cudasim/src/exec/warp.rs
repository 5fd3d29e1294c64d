//! Warp-wide operations: what each computes once all lanes of its mask have arrived.

/// The operations, numbered as in the shim.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum WarpOp {
    Sync,
    Shuffle,
    Ballot,
    Any,
    All,
    MatchAny,
    MatchAll,
    Add,
    MinUnsigned,
    MaxUnsigned,
    MinSigned,
    MaxSigned,
    And,
    Or,
    Xor,
}

impl WarpOp {
    pub fn from_number(number: u32) -> WarpOp {
        use WarpOp::*;
        [
            Sync,
            Shuffle,
            Ballot,
            Any,
            All,
            MatchAny,
            MatchAll,
            Add,
            MinUnsigned,
            MaxUnsigned,
            MinSigned,
            MaxSigned,
            And,
            Or,
            Xor,
        ][number as usize]
    }

    /// The name that a kernel's author knows the operation by.
    pub fn name(self) -> &'static str {
        match self {
            WarpOp::Sync => "__syncwarp",
            WarpOp::Shuffle => "__shfl_sync",
            WarpOp::Ballot => "__ballot_sync",
            WarpOp::Any => "__any_sync",
            WarpOp::All => "__all_sync",
            WarpOp::MatchAny => "__match_any_sync",
            WarpOp::MatchAll => "__match_all_sync",
            WarpOp::Add => "__reduce_add_sync",
            WarpOp::MinUnsigned | WarpOp::MinSigned => "__reduce_min_sync",
            WarpOp::MaxUnsigned | WarpOp::MaxSigned => "__reduce_max_sync",
            WarpOp::And => "__reduce_and_sync",
            WarpOp::Or => "__reduce_or_sync",
            WarpOp::Xor => "__reduce_xor_sync",
        }
    }

    /// Computes every participating lane's result. The slices hold the warp's 32 lanes; `arrived`
    /// names those that take part.
    pub fn compute(self, arrived: u32, values: &[u64], arguments: &[u64], results: &mut [u64]) {
        let lanes = Lanes(arrived);
        match self {
            WarpOp::Sync => {}
            WarpOp::Shuffle => {
                for lane in lanes {
                    let source = arguments[lane] as usize & 31;
                    // Reading a lane that does not take part is undefined: answer what stands out.
                    let named = arrived >> source & 1 == 1;
                    results[lane] = if named { values[source] } else { 0xDEAD_BEEF_DEAD_BEEF };
                }
            }
            WarpOp::MatchAny => {
                for lane in lanes {
                    results[lane] = Lanes(arrived)
                        .filter(|&other| values[other] == values[lane])
                        .fold(0, |mask, other| mask | 1 << other);
                }
            }
            _ => {
                let result = self.reduce(arrived, values);
                lanes.for_each(|lane| results[lane] = result);
            }
        }
    }

    /// The operations whose result is the same in every lane.
    fn reduce(self, arrived: u32, values: &[u64]) -> u64 {
        let operands = Lanes(arrived).map(|lane| values[lane]);
        let signed = Lanes(arrived).map(|lane| values[lane] as i64);
        match self {
            WarpOp::Ballot => Lanes(arrived).fold(0, |mask, lane| mask | values[lane] << lane),
            WarpOp::Any | WarpOp::Or => operands.fold(0, |a, b| a | b),
            WarpOp::All => operands.fold(1, |a, b| a & b),
            WarpOp::And => operands.fold(u64::MAX, |a, b| a & b),
            WarpOp::Xor => operands.fold(0, |a, b| a ^ b),
            WarpOp::MatchAll => {
                let first = values[arrived.trailing_zeros() as usize];
                if Lanes(arrived).all(|lane| values[lane] == first) { arrived as u64 } else { 0 }
            }
            WarpOp::Add => operands.fold(0, |a, b| (a as u32).wrapping_add(b as u32) as u64),
            WarpOp::MinUnsigned => operands.min().unwrap_or(0),
            WarpOp::MaxUnsigned => operands.max().unwrap_or(0),
            WarpOp::MinSigned => signed.min().unwrap_or(0) as u64,
            WarpOp::MaxSigned => signed.max().unwrap_or(0) as u64,
            WarpOp::Sync | WarpOp::Shuffle | WarpOp::MatchAny => unreachable!("computed lane by lane"),
        }
    }
}

/// Iterates over the set bits of a lane mask.
#[derive(Clone, Copy)]
pub struct Lanes(pub u32);

impl Iterator for Lanes {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let lane = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some(lane)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reductions_use_only_the_named_lanes() {
        let values: Vec<u64> = (0..32).map(|lane| lane as u64).collect();
        let mut results = vec![0; 32];
        WarpOp::Add.compute(0b1010, &values, &[0; 32], &mut results);
        assert_eq!((results[1], results[3], results[0]), (4, 4, 0));
        WarpOp::MaxUnsigned.compute(0xff, &values, &[0; 32], &mut results);
        assert_eq!(results[0], 7);
    }

    #[test]
    fn match_any_groups_equal_values() {
        let values: Vec<u64> = (0..32).map(|lane| lane as u64 % 2).collect();
        let mut results = vec![0; 32];
        WarpOp::MatchAny.compute(u32::MAX, &values, &[0; 32], &mut results);
        assert_eq!((results[0], results[1]), (0x5555_5555, 0xaaaa_aaaa));
    }
}

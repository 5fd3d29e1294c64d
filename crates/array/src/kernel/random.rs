//! Random numbers by counter: Philox 4×32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3",
//! SC 2011). A number depends on the seed, the stream and the number of its element alone, so that every chunking and
//! every device gives the same ones.
//!
//! A block of four 32-bit words serves several elements: `float32` one word each; `float64` and bits two each; normal
//! numbers come in pairs, of the two words (`float32`) or the four (`float64`) that a pair of uniform ones takes.

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::program::{Distribution, Random};

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// The block of a counter under a key.
#[inline(always)]
pub fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for round in 0..10 {
        if round > 0 {
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        let first = counter[0] as u64 * MULTIPLIERS[0] as u64;
        let second = counter[2] as u64 * MULTIPLIERS[1] as u64;
        counter = [
            (second >> 32) as u32 ^ counter[1] ^ key[0],
            second as u32,
            (first >> 32) as u32 ^ counter[3] ^ key[1],
            first as u32,
        ];
    }
    counter
}

#[inline(always)]
fn block(random: &Random, number: u64) -> [u32; 4] {
    let (stream, seed) = (random.stream, random.seed);
    philox(
        [number as u32, (number >> 32) as u32, stream as u32, (stream >> 32) as u32],
        [seed as u32, (seed >> 32) as u32],
    )
}

/// The two 64-bit words of a block: low words first.
#[inline(always)]
fn words(block: [u32; 4]) -> [u64; 2] {
    [block[0] as u64 | (block[1] as u64) << 32, block[2] as u64 | (block[3] as u64) << 32]
}

/// 64 bits for an element: elements 2i and 2i + 1 share block i.
#[inline(always)]
fn bits(random: &Random, element: u64) -> u64 {
    words(block(random, element / 2))[(element % 2) as usize]
}

/// 32 bits for an element: four elements share a block.
#[inline(always)]
fn half_bits(random: &Random, element: u64) -> u32 {
    block(random, element / 4)[(element % 4) as usize]
}

/// In [0, 1), of 53 bits.
#[inline(always)]
fn unit_f64(bits: u64) -> f64 {
    (bits >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

/// In [0, 1), of 24 bits.
#[inline(always)]
fn unit_f32(bits: u32) -> f32 {
    (bits >> 8) as f32 * (1.0 / (1u32 << 24) as f32)
}

/// A normal number: elements 2i and 2i + 1 are the cosine and the sine of one pair (Box and Muller 1958).
fn normal_f64(random: &Random, element: u64) -> f64 {
    let [first, second] = words(block(random, element / 2));
    // 1 - u is in (0, 1], whose logarithm is finite.
    let radius = (-2.0 * (1.0 - unit_f64(first)).ln()).sqrt();
    let angle = std::f64::consts::TAU * unit_f64(second);
    radius * if element.is_multiple_of(2) { angle.cos() } else { angle.sin() }
}

/// The same in `float32`: four elements, two pairs, share a block.
fn normal_f32(random: &Random, element: u64) -> f32 {
    let block = block(random, element / 4);
    let pair = (element % 4 / 2 * 2) as usize;
    let radius = (-2.0 * (1.0 - unit_f32(block[pair])).ln()).sqrt();
    let angle = std::f32::consts::TAU * unit_f32(block[pair + 1]);
    radius * if element.is_multiple_of(2) { angle.cos() } else { angle.sin() }
}

/// Writes the random numbers of these elements.
///
/// # Safety
/// `to` has room for as many values of `dtype`.
///
/// # Errors
/// `Bug` where the distribution has no values of the type.
pub unsafe fn fill(random: &Random, dtype: DType, elements: &[u64], to: *mut u8) -> Result<()> {
    use Distribution::*;
    // SAFETY: as above.
    unsafe {
        match (random.distribution, dtype) {
            (Bits, DType::U64) => write(elements, to, |element| bits(random, element)),
            (Uniform, DType::F64) => write(elements, to, |element| unit_f64(bits(random, element))),
            (Uniform, DType::F32) => write(elements, to, |element| unit_f32(half_bits(random, element))),
            (Normal, DType::F64) => write(elements, to, |element| normal_f64(random, element)),
            (Normal, DType::F32) => write(elements, to, |element| normal_f32(random, element)),
            (Exponential, DType::F64) => {
                write(elements, to, |element| -(-unit_f64(bits(random, element))).ln_1p());
            }
            (Exponential, DType::F32) => {
                write(elements, to, |element| -(-unit_f32(half_bits(random, element))).ln_1p());
            }
            (distribution, dtype) => {
                return Err(Error::bug(format!(
                    "{distribution:?} random numbers of {dtype} are not defined"
                )));
            }
        }
    }
    Ok(())
}

/// # Safety
/// `to` has room for as many.
#[inline(always)]
unsafe fn write<T>(elements: &[u64], to: *mut u8, value: impl Fn(u64) -> T) {
    for (i, &element) in elements.iter().enumerate() {
        // SAFETY: as above.
        unsafe { to.cast::<T>().add(i).write(value(element)) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors that the authors publish with Random123 (`kat_vectors`).
    #[test]
    fn answers_the_published_vectors() {
        let all = u32::MAX;
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([all; 4], [all; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            philox([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }
}

//! Random numbers by counter: Philox 4×32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3",
//! SC 2011). A number depends on the seed, the stream and the number of its element alone, so that every chunking and
//! every device gives the same ones.
//!
//! A block of four 32-bit words serves several elements: `float32` one word each; `float64` and bits two each; normal
//! numbers come in pairs, of the two words (`float32`) or the four (`float64`) that a pair of uniform ones takes.

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::program::{Distribution, Random};

use super::elementwise::functions;
use super::elementwise::loops::{Operand, map, map_long};
use super::vectors::vectorized;

const MULTIPLIERS: [u64; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const LOW: u64 = u32::MAX as u64;

/// The block of a counter under a key: four words of 32 bits, each the low half of a number of 64.
#[inline(always)]
fn philox(mut counter: [u64; 4], mut key: [u32; 2]) -> [u64; 4] {
    for round in 0..10 {
        if round > 0 {
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        let first = counter[0].wrapping_mul(MULTIPLIERS[0]);
        let second = counter[2].wrapping_mul(MULTIPLIERS[1]);
        counter = [
            second >> 32 ^ counter[1] ^ key[0] as u64,
            second & LOW,
            first >> 32 ^ counter[3] ^ key[1] as u64,
            first & LOW,
        ];
    }
    counter
}

/// The two 64-bit words of a block, low halves first.
#[inline(always)]
fn words(random: &Random, number: u64) -> [u64; 2] {
    let (stream, seed) = (random.stream, random.seed);
    let counter = [number & LOW, number >> 32, stream & LOW, stream >> 32];
    let block = philox(counter, [seed as u32, (seed >> 32) as u32]);
    [block[0] | block[1] << 32, block[2] | block[3] << 32]
}

/// 64 bits for an element: elements 2i and 2i + 1 share block i.
#[inline(always)]
fn bits(random: &Random, element: u64) -> u64 {
    let [first, second] = words(random, element >> 1);
    if element & 1 == 0 { first } else { second }
}

/// 32 bits for an element: four elements share a block.
#[inline(always)]
fn half_bits(random: &Random, element: u64) -> u32 {
    let [first, second] = words(random, element >> 2);
    ((if element & 2 == 0 { first } else { second }) >> ((element & 1) * 32)) as u32
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

#[inline(always)]
fn exponential_f64(bits: u64) -> f64 {
    -functions::log1p(-unit_f64(bits))
}

#[inline(always)]
fn exponential_f32(bits: u32) -> f32 {
    -functions::log1p(-unit_f32(bits))
}

/// Two normal numbers of two words: the cosine and the sine of one pair (Box and Muller 1958). Elements 2i and 2i + 1 are
/// a pair.
#[inline(always)]
fn normals_f64([first, second]: [u64; 2]) -> [f64; 2] {
    // 1 - u is in (0, 1], whose logarithm is finite.
    let radius = (-2.0 * functions::log(1.0 - unit_f64(first))).sqrt();
    let angle = std::f64::consts::TAU * unit_f64(second);
    [radius * functions::cos(angle), radius * functions::sin(angle)]
}

/// The same in `float32`: four elements, two pairs, share a block.
#[inline(always)]
fn normals_f32([first, second]: [u32; 2]) -> [f32; 2] {
    let radius = (-2.0 * functions::log(1.0 - unit_f32(first))).sqrt();
    let angle = std::f32::consts::TAU * unit_f32(second);
    [radius * functions::cos(angle), radius * functions::sin(angle)]
}

#[inline(always)]
fn uniform_f64(random: &Random, element: u64) -> f64 {
    unit_f64(bits(random, element))
}

#[inline(always)]
fn uniform_f32(random: &Random, element: u64) -> f32 {
    unit_f32(half_bits(random, element))
}

#[inline(always)]
fn one_exponential_f64(random: &Random, element: u64) -> f64 {
    exponential_f64(bits(random, element))
}

#[inline(always)]
fn one_exponential_f32(random: &Random, element: u64) -> f32 {
    exponential_f32(half_bits(random, element))
}

#[inline(always)]
fn normal_f64(random: &Random, element: u64) -> f64 {
    let [even, odd] = normals_f64(words(random, element >> 1));
    if element & 1 == 0 { even } else { odd }
}

#[inline(always)]
fn normal_f32(random: &Random, element: u64) -> f32 {
    let [first, second] = words(random, element >> 2);
    let pair = if element & 2 == 0 { first } else { second };
    let [even, odd] = normals_f32([pair as u32, (pair >> 32) as u32]);
    if element & 1 == 0 { even } else { odd }
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
    let known = matches!(
        (random.distribution, dtype),
        (Bits, DType::U64) | (Uniform | Normal | Exponential, DType::F64 | DType::F32)
    );
    if !known {
        let distribution = random.distribution;
        return Err(Error::bug(format!("{distribution:?} random numbers of {dtype} are not defined")));
    }
    let Some(&first) = elements.first() else { return Ok(()) };
    let neighbours =
        elements.iter().zip(first..).fold(true, |all, (&element, expected)| all & (element == expected));
    // Whole blocks of neighbours are made once for all their elements.
    let shared = if dtype.size() == 4 { 4 } else { 2 };
    let head = (first.wrapping_neg() % shared) as usize;
    let shared = shared as usize;
    let (head, body) = if neighbours && elements.len() >= head + shared {
        (head, (elements.len() - head) / shared * shared)
    } else {
        (elements.len(), 0)
    };
    let tail = head + body;
    // SAFETY: as above.
    unsafe {
        scattered(random, dtype, &elements[..head], to);
        let mut begun = head;
        while begun < tail {
            let count = (tail - begun).min(BLOCKS * shared);
            let mut bits = [0u64; 2 * BLOCKS];
            let bits = &mut bits[..count / shared * 2];
            blocks(random, elements[begun] / shared as u64, bits);
            convert(random.distribution, dtype, bits, to.add(begun * dtype.size()));
            begun += count;
        }
        scattered(random, dtype, &elements[tail..], to.add(tail * dtype.size()));
    }
    Ok(())
}

/// Blocks that are made at once.
const BLOCKS: usize = 256;

vectorized! {
    /// The words of neighbouring blocks from `first` on.
    unsafe fn blocks(random: &Random, first: u64, to: &mut [u64]) -> () = blocks_any;
}

#[inline(always)]
unsafe fn blocks_any(random: &Random, first: u64, to: &mut [u64]) {
    for (i, pair) in to.as_chunks_mut::<2>().0.iter_mut().enumerate() {
        *pair = words(random, first.wrapping_add(i as u64));
    }
}

vectorized! {
    /// The values of the elements of neighbouring blocks, of whose words these are the bits.
    unsafe fn convert(distribution: Distribution, dtype: DType, bits: &[u64], to: *mut u8) -> () = convert_any;
}

#[inline(always)]
unsafe fn convert_any(distribution: Distribution, dtype: DType, bits: &[u64], to: *mut u8) {
    use Distribution::*;
    let operand = Operand::of(bits);
    let (n, pairs) = (bits.len(), bits.len() / 2);
    // SAFETY: as for `fill`; two words of 32 bits lie in one of 64, the low one first on the machines there are.
    unsafe {
        match (distribution, dtype) {
            (Uniform, DType::F64) => map_long!(operand, to, n, u64, unit_f64),
            (Uniform, _) => map_long!(operand, to, 2 * n, u32, unit_f32),
            (Exponential, DType::F64) => map_long!(operand, to, n, u64, exponential_f64),
            (Exponential, _) => map_long!(operand, to, 2 * n, u32, exponential_f32),
            (Normal, DType::F64) => map_long!(operand, to, pairs, [u64; 2], normals_f64),
            (Normal, _) => map_long!(operand, to, n, [u32; 2], normals_f32),
            (Bits, _) => map(operand, to, n, |bits: u64| bits),
        }
    }
}

vectorized! {
    /// The values of elements in any order: a block each.
    unsafe fn scattered(random: &Random, dtype: DType, elements: &[u64], to: *mut u8) -> () = scattered_any;
}

#[inline(always)]
unsafe fn scattered_any(random: &Random, dtype: DType, elements: &[u64], to: *mut u8) {
    use Distribution::*;
    let (elements, n) = (Operand::of(elements), elements.len());
    // SAFETY: as for `fill`.
    unsafe {
        match (random.distribution, dtype) {
            (Uniform, DType::F64) => map_long!(elements, to, n, u64, |element| uniform_f64(random, element)),
            (Uniform, _) => map_long!(elements, to, n, u64, |element| uniform_f32(random, element)),
            (Exponential, DType::F64) => {
                map_long!(elements, to, n, u64, |element| one_exponential_f64(random, element))
            }
            (Exponential, _) => {
                map_long!(elements, to, n, u64, |element| one_exponential_f32(random, element))
            }
            (Normal, DType::F64) => map_long!(elements, to, n, u64, |element| normal_f64(random, element)),
            (Normal, _) => map_long!(elements, to, n, u64, |element| normal_f32(random, element)),
            (Bits, _) => map_long!(elements, to, n, u64, |element| bits(random, element)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors that the authors publish with Random123 (`kat_vectors`).
    #[test]
    fn answers_the_published_vectors() {
        let all = u32::MAX as u64;
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([all; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            philox([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    /// Any order and any start give an element the same number.
    #[test]
    fn numbers_belong_to_elements() -> Result<()> {
        use Distribution::*;
        for (distribution, dtype) in [
            (Bits, DType::U64),
            (Uniform, DType::F64),
            (Uniform, DType::F32),
            (Normal, DType::F64),
            (Normal, DType::F32),
            (Exponential, DType::F64),
            (Exponential, DType::F32),
        ] {
            let random = Random { distribution, seed: 0x1234_5678_9abc_def0, stream: 7 };
            let draw = |elements: &[u64]| -> Result<Vec<u64>> {
                let mut out = vec![0u64; elements.len()];
                // SAFETY: values have at most eight bytes.
                unsafe { fill(&random, dtype, elements, out.as_mut_ptr().cast())? };
                let word = |i: usize| match dtype.size() {
                    4 => out[i / 2] >> (i % 2 * 32) & LOW,
                    _ => out[i],
                };
                Ok((0..elements.len()).map(word).collect())
            };
            let from = (1 << 40) - 3;
            let elements: Vec<u64> = (from..from + 2000).collect();
            let all = draw(&elements)?;
            for (start, len) in [(1, 1999), (2, 3), (3, 1), (5, 700), (1000, 9)] {
                assert_eq!(
                    draw(&elements[start..start + len])?,
                    all[start..start + len],
                    "{distribution:?} {dtype}"
                );
            }
            let back: Vec<u64> = elements.iter().rev().copied().collect();
            let mut drawn = draw(&back)?;
            drawn.reverse();
            assert_eq!(drawn, all, "{distribution:?} {dtype}");
        }
        Ok(())
    }

    #[test]
    fn distributions_have_their_moments() -> Result<()> {
        use Distribution::*;
        for (distribution, mean, variance) in
            [(Uniform, 0.5, 1.0 / 12.0), (Normal, 0.0, 1.0), (Exponential, 1.0, 1.0)]
        {
            let random = Random { distribution, seed: 3, stream: 0 };
            let n = 100_000usize;
            let elements: Vec<u64> = (0..n as u64).collect();
            let mut doubles = vec![0f64; n];
            let mut singles = vec![0f32; n];
            // SAFETY: there is room for as many.
            unsafe {
                fill(&random, DType::F64, &elements, doubles.as_mut_ptr().cast())?;
                fill(&random, DType::F32, &elements, singles.as_mut_ptr().cast())?;
            }
            for values in [doubles, singles.iter().map(|&x| x as f64).collect()] {
                let own_mean = values.iter().sum::<f64>() / n as f64;
                let own_variance = values.iter().map(|x| (x - own_mean).powi(2)).sum::<f64>() / n as f64;
                assert!((own_mean - mean).abs() < 0.02, "{distribution:?} {own_mean}");
                assert!((own_variance - variance).abs() < 0.02, "{distribution:?} {own_variance}");
            }
        }
        Ok(())
    }
}

//! Sorting of keys that fit a core's cache with the CPU's 512-bit vectors: quicksort whose partition compresses lanes, and
//! bitonic networks (Batcher 1968) for few keys. After Gueron and Krasnov (2016), Bramas (2017).

use std::arch::x86_64::*;

/// Whether this CPU has what it takes.
pub fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
}

/// Levels of quicksort per bit of the length, before the pivots are taken to be unlucky.
const DEPTH_PER_BIT: u32 = 3;

/// The lanes that take the greater one in a step of a bitonic sort: runs of `run`, neighbours `distance` apart.
const fn greater(lanes: usize, run: usize, distance: usize) -> u16 {
    let mut mask = 0u16;
    let mut i = 0;
    while i < lanes {
        if ((i & distance) != 0) != ((i & run) != 0) {
            mask |= 1 << i;
        }
        i += 1;
    }
    mask
}

macro_rules! vector_sort {
    ($name:ident, $key:ty, $lanes:literal, $mask:ty, $min:ident, $max:ident, $permute:ident, $blend:ident, $load:ident,
     $mask_load:ident, $store:ident, $mask_store:ident, $set:ident, $less:ident, $less_equal:ident, $compress:ident,
     sort: [$(($run:literal, $distance:literal)),*], clean: [$($clean:literal),*]) => {
        pub mod $name {
            use super::*;

            const LANES: usize = $lanes;
            /// Keys that networks sort.
            const BASE: usize = 16 * LANES;

            type Lanes = __m512i;

            /// The number of each lane's partner at a distance.
            const fn swapped(distance: usize) -> [$key; LANES] {
                let mut lanes = [0; LANES];
                let mut i = 0;
                while i < LANES {
                    lanes[i] = (i ^ distance) as $key;
                    i += 1;
                }
                lanes
            }

            #[inline]
            #[target_feature(enable = "avx512f")]
            fn lanes(numbers: [$key; LANES]) -> Lanes {
                // SAFETY: an array of 64 bytes.
                unsafe { $load(numbers.as_ptr().cast()) }
            }

            /// One step of a network within a vector.
            #[inline]
            #[target_feature(enable = "avx512f")]
            fn step<const DISTANCE: usize>(v: Lanes, greater: $mask) -> Lanes {
                let other = $permute(lanes(const { swapped(DISTANCE) }), v);
                $blend(greater, $min(v, other), $max(v, other))
            }

            #[inline]
            #[target_feature(enable = "avx512f")]
            fn sort_lanes(mut v: Lanes) -> Lanes {
                $(v = step::<$distance>(v, const { greater(LANES, $run, $distance) as $mask });)*
                v
            }

            /// Sorts a vector that ascends and then descends.
            #[inline]
            #[target_feature(enable = "avx512f")]
            fn clean_lanes(mut v: Lanes) -> Lanes {
                $(v = step::<$clean>(v, const { greater(LANES, 0, $clean) as $mask });)*
                v
            }

            /// Sorts vectors of which the first and the second half are sorted.
            #[inline]
            #[target_feature(enable = "avx512f")]
            fn merge(v: &mut [Lanes]) {
                let n = v.len();
                let reverse = lanes(const { swapped(LANES - 1) });
                for i in 0..n / 2 {
                    let (low, high) = (v[i], $permute(reverse, v[n - 1 - i]));
                    v[i] = $min(low, high);
                    v[n - 1 - i] = $max(low, high);
                }
                // The upper half came out back to front, vector by vector; a bitonic sequence is one either way.
                let mut distance = n / 4;
                while distance > 0 {
                    for start in (0..n).step_by(2 * distance) {
                        for i in start..start + distance {
                            let (low, high) = (v[i], v[i + distance]);
                            v[i] = $min(low, high);
                            v[i + distance] = $max(low, high);
                        }
                    }
                    distance /= 2;
                }
                for v in v {
                    *v = clean_lanes(*v);
                }
            }

            #[inline]
            #[target_feature(enable = "avx512f")]
            fn network<const VECTORS: usize>(keys: &mut [$key]) {
                let n = keys.len();
                let mut v = [$set(-1); VECTORS];
                let mask = |i: usize| -> $mask {
                    let left = n.saturating_sub(i * LANES).min(LANES);
                    ((1u32 << left) - 1) as $mask
                };
                for i in 0..VECTORS {
                    // SAFETY: lanes behind the keys are masked out.
                    v[i] = sort_lanes(unsafe {
                        $mask_load($set(-1), mask(i), keys.as_ptr().wrapping_add(i * LANES).cast())
                    });
                }
                let mut size = 2;
                while size <= VECTORS {
                    for part in v.chunks_exact_mut(size) {
                        merge(part);
                    }
                    size *= 2;
                }
                for (i, v) in v.iter().enumerate() {
                    // SAFETY: as above.
                    unsafe { $mask_store(keys.as_mut_ptr().wrapping_add(i * LANES).cast(), mask(i), *v) };
                }
            }

            #[target_feature(enable = "avx512f")]
            fn base(keys: &mut [$key]) {
                match keys.len().div_ceil(LANES) {
                    0 => {}
                    1 => network::<1>(keys),
                    2 => network::<2>(keys),
                    3..=4 => network::<4>(keys),
                    5..=8 => network::<8>(keys),
                    _ => network::<16>(keys),
                }
            }

            /// Moves the keys below `pivot` (or up to it) to the front, and gives their number.
            #[target_feature(enable = "avx512f")]
            fn partition<const UP_TO: bool>(keys: &mut [$key], pivot: $key, scratch: &mut [$key]) -> usize {
                let n = keys.len();
                debug_assert!(scratch.len() >= n + LANES);
                let pivots = $set(pivot as _);
                let (mut low, mut high) = (0, 0);
                let (from, upper) = (keys.as_mut_ptr(), scratch.as_mut_ptr());
                let whole = n / LANES * LANES;
                // SAFETY: reads are of whole vectors within the keys. What is stored at `low` ends no later than what was
                // read, and what is stored at `high` within the scratch, which has a vector more.
                unsafe {
                    for i in (0..whole).step_by(LANES) {
                        let v = $load(from.add(i).cast());
                        let below = if UP_TO { $less_equal(v, pivots) } else { $less(v, pivots) };
                        $store(from.add(low).cast(), $compress(below, v));
                        $store(upper.add(high).cast(), $compress(!below, v));
                        let count = below.count_ones() as usize;
                        low += count;
                        high += LANES - count;
                    }
                    for i in whole..n {
                        let key = *from.add(i);
                        let below = if UP_TO { key <= pivot } else { key < pivot };
                        *from.add(low) = key;
                        *upper.add(high) = key;
                        low += usize::from(below);
                        high += usize::from(!below);
                    }
                    std::ptr::copy_nonoverlapping(upper, from.add(low), high);
                }
                low
            }

            /// About the median: that of a few keys.
            #[inline]
            #[target_feature(enable = "avx512f")]
            fn pivot(keys: &[$key]) -> $key {
                let step = keys.len() / LANES;
                let mut sample = [0; LANES];
                for (i, key) in sample.iter_mut().enumerate() {
                    *key = keys[i * step + step / 2];
                }
                // SAFETY: an array of 64 bytes.
                unsafe { $store(sample.as_mut_ptr().cast(), sort_lanes($load(sample.as_ptr().cast()))) };
                sample[LANES / 2]
            }

            #[target_feature(enable = "avx512f")]
            fn quick(mut keys: &mut [$key], scratch: &mut [$key], mut depth: u32) {
                while keys.len() > BASE {
                    if depth == 0 {
                        return keys.sort_unstable();
                    }
                    depth -= 1;
                    let pivot = pivot(keys);
                    let mut below = partition::<false>(keys, pivot, scratch);
                    if below == 0 {
                        // The pivot is the least: all that equal it are in place.
                        below = partition::<true>(keys, pivot, scratch);
                        keys = &mut keys[below..];
                        continue;
                    }
                    let (low, high) = keys.split_at_mut(below);
                    quick(low, scratch, depth);
                    keys = high;
                }
                base(keys);
            }

            /// Sorts.
            ///
            /// # Safety
            /// [`is_available`] has to hold.
            pub unsafe fn sort(keys: &mut [$key], scratch: &mut Vec<$key>) {
                scratch.resize(scratch.len().max(keys.len() + LANES), 0);
                let depth = DEPTH_PER_BIT * (usize::BITS - keys.len().leading_zeros());
                // SAFETY: the caller has looked whether the CPU can.
                unsafe { quick(keys, scratch, depth) };
            }
        }
    };
}

vector_sort!(
    u64_keys, u64, 8, __mmask8, _mm512_min_epu64, _mm512_max_epu64, _mm512_permutexvar_epi64, _mm512_mask_blend_epi64,
    _mm512_loadu_epi64, _mm512_mask_loadu_epi64, _mm512_storeu_epi64, _mm512_mask_storeu_epi64, _mm512_set1_epi64,
    _mm512_cmplt_epu64_mask, _mm512_cmple_epu64_mask, _mm512_maskz_compress_epi64,
    sort: [(2, 1), (4, 2), (4, 1), (8, 4), (8, 2), (8, 1)], clean: [4, 2, 1]
);

vector_sort!(
    u32_keys, u32, 16, __mmask16, _mm512_min_epu32, _mm512_max_epu32, _mm512_permutexvar_epi32,
    _mm512_mask_blend_epi32, _mm512_loadu_epi32, _mm512_mask_loadu_epi32, _mm512_storeu_epi32,
    _mm512_mask_storeu_epi32, _mm512_set1_epi32, _mm512_cmplt_epu32_mask, _mm512_cmple_epu32_mask,
    _mm512_maskz_compress_epi32,
    sort: [(2, 1), (4, 2), (4, 1), (8, 4), (8, 2), (8, 1), (16, 8), (16, 4), (16, 2), (16, 1)], clean: [8, 4, 2, 1]
);

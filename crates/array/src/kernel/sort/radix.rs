//! Sorting by radix: items whose order is that of an unsigned integer, stably, on all threads.
//!
//! The first pass looks at 16 bits below the greatest that differ, shares the values of these bits out to buckets of
//! about equal size that fit a core's cache, and moves each item to its bucket. Buckets are then sorted apart from each
//! other: by as many bits as make about one item a bucket, and insertion for what is left. Bits that are the same in all
//! items of a bucket are never looked at, so that few passes suffice whatever the distribution.

use std::mem::MaybeUninit;

use rayon::prelude::*;

/// What is sorted: moved around, and compared by its key alone.
pub trait Item: Copy + Send + Sync {
    /// The key: its order is the item's.
    fn key(self) -> u64;
    /// Sorts items that fit a core's cache; `scratch` grows to their number.
    fn sort_cached(items: &mut [Self], scratch: &mut Vec<Self>) {
        sort(items, scratch)
    }
}

impl Item for u32 {
    fn key(self) -> u64 {
        u64::from(self)
    }

    fn sort_cached(items: &mut [Self], scratch: &mut Vec<Self>) {
        #[cfg(target_arch = "x86_64")]
        if super::vector::is_available() {
            // SAFETY: the CPU has what it takes.
            return unsafe { super::vector::u32_keys::sort(items, scratch) };
        }
        sort(items, scratch)
    }
}

impl Item for u64 {
    fn key(self) -> u64 {
        self
    }

    fn sort_cached(items: &mut [Self], scratch: &mut Vec<Self>) {
        #[cfg(target_arch = "x86_64")]
        if super::vector::is_available() {
            // SAFETY: the CPU has what it takes.
            return unsafe { super::vector::u64_keys::sort(items, scratch) };
        }
        sort(items, scratch)
    }
}

/// A key with the number of the element that it belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Numbered {
    pub key: u64,
    pub number: u32,
}

impl Item for Numbered {
    fn key(self) -> u64 {
        self.key
    }
}

/// Up to how many items insertion sorts.
const INSERTION_MAX: usize = 24;

/// From how many items on the first pass shares its work out to threads.
const PARALLEL_MIN: usize = 1 << 16;

/// Bits that the first pass looks at.
const FIRST_BITS: u32 = 16;
const DIGITS: usize = 1 << FIRST_BITS;

/// Buckets of the first pass that it aims at. Of 10⁷ doubles on a Zen 5 core: 512 and 2048 cost 5 to 10 % more time.
const FIRST_BUCKETS: usize = 1024;

/// Digits that later passes tell apart, at most: their counts stay within the first-level cache.
const LATER_DIGITS: usize = 1 << 12;

/// Up to how many items fewer digits do, whose counts are quicker to clear.
const FEW_MAX: usize = 512;
const FEW_DIGITS: usize = 1 << 8;

/// A pointer that threads write to in places of their own.
#[derive(Clone, Copy)]
struct Places<T>(*mut T);
// SAFETY: whoever writes sees to it that places do not overlap.
unsafe impl<T> Send for Places<T> {}
unsafe impl<T> Sync for Places<T> {}
impl<T> Places<T> {
    fn at(self, index: usize) -> *mut T {
        self.0.wrapping_add(index)
    }
}

/// Sorts the items that `map` makes of `source`, by number, into `out`, on all threads of the pool it is called in, and
/// hands each sorted run, with the number of its first item, to `finish`. Equal keys keep their order where the items'
/// [`sort_cached`](Item::sort_cached) keeps it. There are fewer than 2³² items.
pub fn sort_into<S: Copy + Sync, I: Item>(
    source: &[S],
    map: impl Fn(usize, S) -> I + Sync,
    out: &mut [MaybeUninit<I>],
    scratch: &mut Vec<I>,
    finish: impl Fn(usize, &mut [I]) + Sync,
) {
    let n = source.len();
    if n < PARALLEL_MIN {
        for (i, (place, &value)) in out.iter_mut().zip(source).enumerate() {
            place.write(map(i, value));
        }
        // SAFETY: all are written.
        let items = unsafe { &mut *(std::ptr::from_mut(out) as *mut [I]) };
        I::sort_cached(items, scratch);
        finish(0, items);
        return;
    }
    let part = n.div_ceil(rayon::current_num_threads().max(1));
    let parts: Vec<&[S]> = source.chunks(part).collect();
    let range = |number: usize| {
        let first = number * part;
        let (mut least, mut most) = (u64::MAX, 0);
        for (i, &value) in parts[number].iter().enumerate() {
            let key = map(first + i, value).key();
            (least, most) = (least.min(key), most.max(key));
        }
        (least, most)
    };
    let ranges: Vec<(u64, u64)> = (0..parts.len()).into_par_iter().map(range).collect();
    let least = ranges.iter().map(|range| range.0).min().unwrap_or(0);
    let most = ranges.iter().map(|range| range.1).max().unwrap_or(0);
    let shift = (64 - (most - least).leading_zeros()).saturating_sub(FIRST_BITS);
    let digit = |item: I| ((item.key() - least) >> shift) as usize;

    let count = |number: usize| {
        let first = number * part;
        let mut counts = vec![0u32; DIGITS];
        for (i, &value) in parts[number].iter().enumerate() {
            let at = digit(map(first + i, value));
            counts[at & (DIGITS - 1)] += 1;
        }
        counts
    };
    let counts: Vec<Vec<u32>> = (0..parts.len()).into_par_iter().map(count).collect();

    // Neighbouring digits share a bucket as long as it stays small.
    let fair = n.div_ceil(FIRST_BUCKETS);
    let mut bucket_of = vec![0u16; DIGITS];
    let mut sizes: Vec<usize> = vec![0];
    for (at, bucket) in bucket_of.iter_mut().enumerate() {
        let own: usize = counts.iter().map(|counts| counts[at] as usize).sum();
        let last = sizes.len() - 1;
        if sizes[last] > 0 && own > 0 && sizes[last] + own > fair {
            sizes.push(own);
        } else {
            sizes[last] += own;
        }
        *bucket = (sizes.len() - 1) as u16;
    }
    let mut starts = Vec::with_capacity(sizes.len() + 1);
    let mut end = 0;
    for &size in &sizes {
        starts.push(end);
        end += size;
    }
    starts.push(end);
    // Where each part puts its items of each bucket: parts in order, so that equal keys keep theirs.
    let mut places: Vec<Vec<u32>> = Vec::with_capacity(parts.len());
    let mut next: Vec<u32> = starts[..sizes.len()].iter().map(|&start| start as u32).collect();
    for counts in &counts {
        places.push(next.clone());
        for (at, &own) in counts.iter().enumerate() {
            next[bucket_of[at] as usize] += own;
        }
    }
    let target = Places(out.as_mut_ptr().cast::<I>());
    (0..parts.len()).into_par_iter().zip(places).for_each(|(number, mut places)| {
        let first = number * part;
        for (i, &value) in parts[number].iter().enumerate() {
            let item = map(first + i, value);
            // SAFETY: counted before: each item has a place of its own within `out`; there is a bucket for each digit,
            // and a place for each bucket.
            unsafe {
                let bucket = *bucket_of.get_unchecked(digit(item) & (DIGITS - 1)) as usize;
                let place = places.get_unchecked_mut(bucket);
                target.at(*place as usize).write(item);
                *place += 1;
            }
        }
    });
    let buckets = starts.windows(2).filter(|pair| pair[0] < pair[1]).map(|pair| (pair[0], pair[1]));
    let buckets: Vec<(usize, usize)> = buckets.collect();
    let sorted = |scratch: &mut Vec<I>, &(start, end): &(usize, usize)| {
        // SAFETY: buckets do not overlap, and all their items are written.
        let items = unsafe { std::slice::from_raw_parts_mut(target.at(start), end - start) };
        I::sort_cached(items, scratch);
        finish(start, items);
    };
    buckets.par_iter().for_each_init(Vec::new, sorted);
}

/// Sorts items on the calling thread; `scratch` grows to their number.
pub fn sort<I: Item>(items: &mut [I], scratch: &mut Vec<I>) {
    if items.len() <= INSERTION_MAX {
        insertion(items);
    } else if items.len() <= FEW_MAX {
        sort_by::<FEW_DIGITS, I>(items, scratch);
    } else {
        sort_by::<LATER_DIGITS, I>(items, scratch);
    }
}

/// Sorts by up to as many digits as `DIGITS`, a power of two.
fn sort_by<const DIGITS: usize, I: Item>(items: &mut [I], scratch: &mut Vec<I>) {
    let (mut least, mut most) = (u64::MAX, 0);
    for item in items.iter() {
        (least, most) = (least.min(item.key()), most.max(item.key()));
    }
    if least == most {
        return;
    }
    let n = items.len();
    let bits = (usize::BITS - n.leading_zeros()).min(DIGITS.ilog2());
    let shift = (64 - (most - least).leading_zeros()).saturating_sub(bits);
    let digit = |item: I| ((item.key() - least) >> shift) as usize & (DIGITS - 1);
    let mut ends = [0u32; DIGITS];
    for &item in items.iter() {
        ends[digit(item)] += 1;
    }
    let used = 1 << bits;
    let mut end = 0;
    let mut largest = 0;
    for count in &mut ends[..used] {
        largest = largest.max(*count);
        end += *count;
        *count = end - *count;
    }
    scratch.clear();
    scratch.reserve(n);
    let places = scratch.as_mut_ptr();
    for &item in items.iter() {
        let place = &mut ends[digit(item)];
        // SAFETY: each item has a place of its own among `n`.
        unsafe { places.add(*place as usize).write(item) };
        *place += 1;
    }
    // SAFETY: all were written.
    unsafe {
        std::ptr::copy_nonoverlapping(places, items.as_mut_ptr(), n);
    }
    if shift == 0 {
        return;
    }
    if largest as usize > INSERTION_MAX {
        let mut start = 0;
        let ends: Vec<u32> = ends[..used].to_vec();
        for end in ends {
            let end = end as usize;
            if end - start > INSERTION_MAX {
                sort(&mut items[start..end], scratch);
            }
            start = end;
        }
    }
    insertion(items);
}

/// Sorts few items, or items that are nearly in order.
fn insertion<I: Item>(items: &mut [I]) {
    for i in 1..items.len() {
        // SAFETY: `i` and what comes before it are within the items.
        unsafe {
            let item = *items.get_unchecked(i);
            let mut place = i;
            while place > 0 && items.get_unchecked(place - 1).key() > item.key() {
                *items.get_unchecked_mut(place) = *items.get_unchecked(place - 1);
                place -= 1;
            }
            *items.get_unchecked_mut(place) = item;
        }
    }
}

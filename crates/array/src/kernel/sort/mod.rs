//! Sorting rows: by keys whose order is that of the elements, and of complex numbers by their parts.
//!
//! NaN is the greatest value: last when ascending, first when descending; a complex number with a NaN part is greater
//! than one without, as NumPy has it. Elements that compare equal keep their order, −0 and 0 among them.

mod keys;
mod radix;
#[cfg(target_arch = "x86_64")]
mod vector;

#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::mem::MaybeUninit;

use num_complex::Complex;

use crate::dtype::{DType, Element};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, TensorMut};
pub use keys::Ordered;
use radix::{Numbered, sort_into};

/// From how many elements on counting values of 16 bits is quicker than comparing them.
const COUNTED_MIN: usize = 1 << 12;

/// Runs an expression with `$T` standing for the Rust type of a [`DType`] whose elements are ordered; complex types take
/// the other expression.
macro_rules! dispatch_ordered {
    ($dtype:expr, $T:ident => $body:expr, complex $C:ident => $complex:expr) => {
        match $dtype {
            DType::Bool => {
                type $T = bool;
                $body
            }
            DType::I8 => {
                type $T = i8;
                $body
            }
            DType::I16 => {
                type $T = i16;
                $body
            }
            DType::I32 => {
                type $T = i32;
                $body
            }
            DType::I64 => {
                type $T = i64;
                $body
            }
            DType::U8 => {
                type $T = u8;
                $body
            }
            DType::U16 => {
                type $T = u16;
                $body
            }
            DType::U32 => {
                type $T = u32;
                $body
            }
            DType::U64 => {
                type $T = u64;
                $body
            }
            DType::F16 => {
                type $T = half::f16;
                $body
            }
            DType::BF16 => {
                type $T = half::bf16;
                $body
            }
            DType::F32 => {
                type $T = f32;
                $body
            }
            DType::F64 => {
                type $T = f64;
                $body
            }
            DType::C64 => {
                type $C = f32;
                $complex
            }
            DType::C128 => {
                type $C = f64;
                $complex
            }
        }
    };
}
pub(crate) use dispatch_ordered;

/// Sorts along the last axis.
///
/// # Errors
/// `OutOfMemory`; `Unsupported` for 2³² or more elements in a row.
pub fn sort_rows(x: &Tensor, descending: bool) -> Result<Tensor> {
    let x = x.contiguous()?;
    let mut result = TensorMut::uninit(x.dtype(), x.shape())?;
    let Some(len) = row_len(&x)? else { return Ok(result.freeze()) };
    dispatch_ordered!(x.dtype(), T => {
        let rows = x.as_slice::<T>().unwrap_or_default().chunks(len);
        let mut room = Room::default();
        for (row, out) in rows.zip(result.as_mut_slice::<T>().chunks_mut(len)) {
            T::sort_row(row, out, descending, &mut room);
        }
    }, complex R => {
        result.as_mut_slice::<Complex<R>>().copy_from_slice(x.as_slice::<Complex<R>>().unwrap_or_default());
        for row in result.as_mut_slice::<Complex<R>>().chunks_mut(len) {
            row.sort_by(|a, b| turned(compare_complex(*a, *b), descending));
        }
    });
    Ok(result.freeze())
}

/// The numbers that sort along the last axis, `int64`.
///
/// # Errors
/// As [`sort_rows`].
pub fn argsort_rows(x: &Tensor, descending: bool) -> Result<Tensor> {
    let x = x.contiguous()?;
    let mut result = TensorMut::uninit(DType::I64, x.shape())?;
    let Some(len) = row_len(&x)? else { return Ok(result.freeze()) };
    let numbers = result.as_mut_slice::<i64>();
    dispatch_ordered!(x.dtype(), T => {
        let mut room = Room::default();
        for (row, out) in x.as_slice::<T>().unwrap_or_default().chunks(len).zip(numbers.chunks_mut(len)) {
            T::argsort_row(row, out, descending, &mut room);
        }
    }, complex R => {
        let rows = x.as_slice::<Complex<R>>().unwrap_or_default().chunks(len);
        for (row, out) in rows.zip(numbers.chunks_mut(len)) {
            out.iter_mut().enumerate().for_each(|(i, number)| *number = i as i64);
            out.sort_by(|&a, &b| turned(compare_complex(row[a as usize], row[b as usize]), descending));
        }
    });
    Ok(result.freeze())
}

/// The length of rows; `None` where there is nothing to sort.
fn row_len(x: &Tensor) -> Result<Option<usize>> {
    let len = x.shape().last().copied().unwrap_or(1);
    if len > u32::MAX as usize {
        return Err(Error::unsupported(format!(
            "sorting rows of {len} elements: fewer than 2^32 can be sorted"
        )));
    }
    Ok((!x.is_empty()).then_some(len))
}

fn turned(order: Ordering, descending: bool) -> Ordering {
    if descending { order.reverse() } else { order }
}

/// By real parts, then imaginary ones; those with a NaN behind all others: first a NaN imaginary part, then a NaN real
/// part, then both, and among themselves by the part that is a number.
pub fn compare_complex<R: Ordered + Copy>(a: Complex<R>, b: Complex<R>) -> Ordering
where
    Complex<R>: Copy,
{
    let nan = |x: R| x.to_scalar().as_float().is_nan();
    let part = |x: R| if nan(x) { None } else { Some(x.canonical().key()) };
    let class = |x: Complex<R>| (nan(x.re), nan(x.im));
    class(a)
        .cmp(&class(b))
        .then_with(|| part(a.re).cmp(&part(b.re)))
        .then_with(|| part(a.im).cmp(&part(b.im)))
}

/// Memory that rows are sorted in, one after the other.
#[derive(Default)]
pub struct Room {
    words: Vec<u32>,
    longs: Vec<u64>,
    long_items: Vec<u64>,
    numbered: Vec<Numbered>,
    numbered_items: Vec<Numbered>,
    counts: Vec<u32>,
}

/// Sorting one row of a type.
pub trait SortRow: Element {
    fn sort_row(row: &[Self], out: &mut [Self], descending: bool, room: &mut Room);
    /// Numbers in the order of the elements.
    fn argsort_row(row: &[Self], out: &mut [i64], descending: bool, room: &mut Room);
}

/// Packs a key with its number.
fn packed(key: u32, number: usize) -> u64 {
    u64::from(key) << 32 | number as u64
}

fn uninit<T>(items: &mut Vec<T>, count: usize) -> &mut [MaybeUninit<T>] {
    items.clear();
    items.reserve(count);
    &mut items.spare_capacity_mut()[..count]
}

/// Numbers by keys of at most 32 bits.
fn argsort_short<T: Ordered>(row: &[T], out: &mut [i64], key: impl Fn(T) -> u32 + Sync, room: &mut Room) {
    let target = Places(out.as_mut_ptr());
    let items = uninit(&mut room.long_items, row.len());
    let map = |number: usize, value: T| packed(key(value), number);
    sort_into(row, map, items, &mut room.longs, |first, run| {
        for (i, item) in run.iter().enumerate() {
            // SAFETY: runs do not overlap, and there is a number for each item.
            unsafe { target.at(first + i).write((*item & 0xffff_ffff) as i64) };
        }
    });
}

/// Numbers by keys of 64 bits.
fn argsort_long<T: Ordered>(row: &[T], out: &mut [i64], key: impl Fn(T) -> u64 + Sync, room: &mut Room) {
    let target = Places(out.as_mut_ptr());
    let items = uninit(&mut room.numbered_items, row.len());
    let map = |number: usize, value: T| Numbered { key: key(value), number: number as u32 };
    sort_into(row, map, items, &mut room.numbered, |first, run| {
        for (i, item) in run.iter().enumerate() {
            // SAFETY: as above.
            unsafe { target.at(first + i).write(i64::from(item.number)) };
        }
    });
}

/// Where runs are written to, from many threads.
#[derive(Clone, Copy)]
struct Places(*mut i64);
// SAFETY: runs do not overlap.
unsafe impl Send for Places {}
unsafe impl Sync for Places {}

impl Places {
    fn at(self, index: usize) -> *mut i64 {
        self.0.wrapping_add(index)
    }
}

/// Puts zeros of both signs, which keys tell apart, back in the order that they had.
fn keep_zeros<T: Ordered>(row: &[T], out: &mut [T], descending: bool) {
    let zero = T::default().key();
    let of = |value: T| value.canonical().key();
    let before = |value: &T| if descending { of(*value) > zero } else { of(*value) < zero };
    let first = out.partition_point(before);
    let count = out[first..].partition_point(|value| of(*value) == zero);
    let zeros = &mut out[first..first + count];
    let differ = zeros.first().zip(zeros.last()).is_some_and(|(first, last)| first.key() != last.key());
    if differ {
        zeros
            .iter_mut()
            .zip(row.iter().filter(|value| of(**value) == zero))
            .for_each(|(to, from)| *to = *from);
    }
}

macro_rules! sort_by_keys {
    ($($type:ty, $key:ty, $words:ident, $argsort:ident, zeros: $zeros:literal;)*) => {
        $(impl SortRow for $type {
            fn sort_row(row: &[Self], out: &mut [Self], descending: bool, room: &mut Room) {
                // SAFETY: keys have the size of elements, and every element is written.
                let items = unsafe {
                    std::slice::from_raw_parts_mut(out.as_mut_ptr().cast::<MaybeUninit<$key>>(), out.len())
                };
                let words = &mut room.$words;
                if descending {
                    sort_into(row, |_, value| value.key_descending(), items, words, |_, run| {
                        run.iter_mut().for_each(|key| *key = bits(Self::of_descending(*key)))
                    });
                } else {
                    sort_into(row, |_, value| value.key(), items, words, |_, run| {
                        run.iter_mut().for_each(|key| *key = bits(Self::of(*key)))
                    });
                }
                fn bits(value: $type) -> $key {
                    <$key>::from_ne_bytes(value.to_ne_bytes())
                }
                if $zeros {
                    keep_zeros(row, out, descending);
                }
            }

            fn argsort_row(row: &[Self], out: &mut [i64], descending: bool, room: &mut Room) {
                if descending {
                    $argsort(row, out, |value| value.canonical().key_descending(), room)
                } else {
                    $argsort(row, out, |value| value.canonical().key(), room)
                }
            }
        })*
    };
}

sort_by_keys! {
    i32, u32, words, argsort_short, zeros: false;
    u32, u32, words, argsort_short, zeros: false;
    f32, u32, words, argsort_short, zeros: true;
    i64, u64, longs, argsort_long, zeros: false;
    u64, u64, longs, argsort_long, zeros: false;
    f64, u64, longs, argsort_long, zeros: true;
}

macro_rules! sort_by_counts {
    ($($type:ty, zeros: $zeros:literal;)*) => {
        $(impl SortRow for $type {
            fn sort_row(row: &[Self], out: &mut [Self], descending: bool, room: &mut Room) {
                if row.len() < COUNTED_MIN {
                    out.copy_from_slice(row);
                    match descending {
                        false => out.sort_unstable_by_key(|value| value.key()),
                        true => out.sort_unstable_by_key(|value| value.key_descending()),
                    }
                } else {
                    room.counts.clear();
                    room.counts.resize(1 << 16, 0);
                    for value in row {
                        room.counts[usize::from(value.key())] += 1;
                    }
                    let mut place = 0;
                    for at in 0..1usize << 16 {
                        let key = if descending { !(at as u16) } else { at as u16 };
                        let count = room.counts[usize::from(key)] as usize;
                        if count > 0 {
                            out[place..place + count].fill(Self::of(key));
                            place += count;
                        }
                    }
                }
                if $zeros {
                    keep_zeros(row, out, descending);
                }
            }

            fn argsort_row(row: &[Self], out: &mut [i64], descending: bool, room: &mut Room) {
                if descending {
                    argsort_short(row, out, |value| value.canonical().key_descending().into(), room)
                } else {
                    argsort_short(row, out, |value| value.canonical().key().into(), room)
                }
            }
        })*
    };
}

sort_by_counts! {
    bool, zeros: false;
    u8, zeros: false;
    i8, zeros: false;
    u16, zeros: false;
    i16, zeros: false;
    half::f16, zeros: true;
    half::bf16, zeros: true;
}

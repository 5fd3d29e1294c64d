//! The loops over a tile's elements.

use std::mem::MaybeUninit;
use std::slice::{from_raw_parts, from_raw_parts_mut};

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use crate::dispatch_size;
use crate::dtype::{DType, Element};
use crate::kernel::vectors::vectorized;

/// Elements that a value is repeated for where an operand has one value: loops go over it again and again.
pub const BLOCK: usize = 512;

/// Where an instruction's operand is.
#[derive(Clone, Copy)]
pub struct Operand {
    pub pointer: *const u8,
    /// A block of one value stands for all elements.
    pub spread: bool,
}

impl Operand {
    /// A register that nothing was computed to yet.
    pub fn none() -> Operand {
        Operand { pointer: std::ptr::null(), spread: false }
    }

    /// Elements in memory.
    pub fn of<T>(values: &[T]) -> Operand {
        Operand { pointer: values.as_ptr().cast(), spread: false }
    }

    /// The address of element `i`, or of a block's first.
    ///
    /// # Safety
    /// It has so many elements of this type.
    #[inline(always)]
    pub unsafe fn at<T>(self, i: usize) -> *const T {
        // SAFETY: as above.
        unsafe { if self.spread { self.pointer.cast() } else { self.pointer.cast::<T>().add(i) } }
    }

    /// The elements.
    ///
    /// # Safety
    /// It has `n` elements of this type; of a block at most as many as it is long.
    pub unsafe fn slice<'a, T>(self, n: usize) -> &'a [T] {
        // SAFETY: as above.
        unsafe { from_raw_parts(self.pointer.cast(), n) }
    }
}

/// `to[i] = f(x[i])`.
///
/// # Safety
/// `x` has `n` elements, `to` has room for them elsewhere.
#[inline(always)]
pub unsafe fn map<A: Copy, R>(x: Operand, to: *mut u8, n: usize, f: impl Fn(A) -> R + Copy) {
    // SAFETY: as above.
    unsafe { map_slices(x.slice(n), from_raw_parts_mut(to.cast(), n), f) }
}

#[inline(always)]
fn map_slices<A: Copy, R>(x: &[A], to: &mut [MaybeUninit<R>], f: impl Fn(A) -> R + Copy) {
    for (to, &x) in to.iter_mut().zip(x) {
        to.write(f(x));
    }
}

/// [`map`] with a function by name, which is inlined however long it is: calls through closures are not.
macro_rules! map_long {
    ($x:expr, $to:expr, $n:expr, $type:ty, $function:expr) => {{
        let x = $x.slice::<$type>($n);
        let to = std::slice::from_raw_parts_mut($to.cast::<std::mem::MaybeUninit<_>>(), $n);
        for (to, &x) in to.iter_mut().zip(x) {
            to.write($function(x));
        }
    }};
}
pub(in crate::kernel) use map_long;

/// [`zip`] with a function by name.
macro_rules! zip_long {
    ($a:expr, $b:expr, $to:expr, $n:expr, $type:ty, $function:expr) => {{
        let step = if $a.spread || $b.spread { $crate::kernel::elementwise::loops::BLOCK } else { $n.max(1) };
        for start in (0..$n).step_by(step) {
            let len = step.min($n - start);
            let a = std::slice::from_raw_parts($a.at::<$type>(start), len);
            let b = std::slice::from_raw_parts($b.at::<$type>(start), len);
            let to =
                std::slice::from_raw_parts_mut($to.cast::<std::mem::MaybeUninit<$type>>().add(start), len);
            for ((to, &a), &b) in to.iter_mut().zip(a).zip(b) {
                to.write($function(a, b));
            }
        }
    }};
}
pub(in crate::kernel) use zip_long;

/// Writes `slow(x[i])` again where `fine` is false.
///
/// # Safety
/// As for [`map`].
#[inline(always)]
pub unsafe fn repair<A: Copy>(
    x: Operand,
    to: *mut u8,
    n: usize,
    fine: impl Fn(A) -> bool + Copy,
    slow: impl Fn(A) -> A + Copy,
) {
    // SAFETY: as above.
    let (x, to) = unsafe { (x.slice::<A>(n), from_raw_parts_mut(to.cast::<MaybeUninit<A>>(), n)) };
    if !x.iter().fold(true, |all, &x| all & fine(x)) {
        for (to, &x) in to.iter_mut().zip(x).filter(|(_, x)| !fine(**x)) {
            to.write(slow(x));
        }
    }
}

/// Writes `slow(a[i], b[i])` again where `fine` is false.
///
/// # Safety
/// As for [`zip`].
#[inline(always)]
pub unsafe fn repair_pairs<A: Copy>(
    a: Operand,
    b: Operand,
    to: *mut u8,
    n: usize,
    fine: impl Fn(A, A) -> bool + Copy,
    slow: impl Fn(A, A) -> A + Copy,
) {
    for start in (0..n).step_by(BLOCK) {
        let len = BLOCK.min(n - start);
        // SAFETY: as above.
        let (a, b, to) = unsafe {
            let to = from_raw_parts_mut(to.cast::<MaybeUninit<A>>().add(start), len);
            (from_raw_parts(a.at::<A>(start), len), from_raw_parts(b.at::<A>(start), len), to)
        };
        if !a.iter().zip(b).fold(true, |all, (&a, &b)| all & fine(a, b)) {
            for ((to, &a), &b) in to.iter_mut().zip(a).zip(b).filter(|((_, a), b)| !fine(**a, **b)) {
                to.write(slow(a, b));
            }
        }
    }
}

/// `to[i] = f(a[i], b[i])`.
///
/// # Safety
/// `a` and `b` have `n` elements or are blocks, `to` has room for `n` elsewhere.
#[inline(always)]
pub unsafe fn zip<A: Copy, B: Copy, R>(
    a: Operand,
    b: Operand,
    to: *mut u8,
    n: usize,
    f: impl Fn(A, B) -> R + Copy,
) {
    let step = if a.spread || b.spread { BLOCK } else { n.max(1) };
    for start in (0..n).step_by(step) {
        let len = step.min(n - start);
        // SAFETY: as above.
        unsafe {
            let to = from_raw_parts_mut(to.cast::<MaybeUninit<R>>().add(start), len);
            zip_slices(from_raw_parts(a.at(start), len), from_raw_parts(b.at(start), len), to, f);
        }
    }
}

#[inline(always)]
fn zip_slices<A: Copy, B: Copy, R>(
    a: &[A],
    b: &[B],
    to: &mut [MaybeUninit<R>],
    f: impl Fn(A, B) -> R + Copy,
) {
    for ((to, &a), &b) in to.iter_mut().zip(a).zip(b) {
        to.write(f(a, b));
    }
}

vectorized! {
    /// `to[i] = if condition[i] { yes[i] } else { no[i] }`, of any type.
    ///
    /// # Safety
    /// Operands have `n` elements or are blocks, `to` has room for `n` elsewhere.
    pub unsafe fn select(dtype: DType, condition: Operand, yes: Operand, no: Operand, to: *mut u8, n: usize) -> () = select_any;
}

#[inline(always)]
unsafe fn select_any(dtype: DType, condition: Operand, yes: Operand, no: Operand, to: *mut u8, n: usize) {
    // SAFETY: as above.
    unsafe { dispatch_size!(dtype, T => select_sized::<T>(condition, yes, no, to, n)) }
}

#[inline(always)]
unsafe fn select_sized<T: Copy>(condition: Operand, yes: Operand, no: Operand, to: *mut u8, n: usize) {
    let spread = condition.spread || yes.spread || no.spread;
    let step = if spread { BLOCK } else { n.max(1) };
    for start in (0..n).step_by(step) {
        let len = step.min(n - start);
        // SAFETY: as above; booleans are bytes of 0 or 1.
        unsafe {
            let to = from_raw_parts_mut(to.cast::<MaybeUninit<T>>().add(start), len);
            let condition = from_raw_parts(condition.at::<u8>(start), len);
            let yes = from_raw_parts(yes.at::<T>(start), len);
            let no = from_raw_parts(no.at::<T>(start), len);
            select_slices(condition, yes, no, to);
        }
    }
}

#[inline(always)]
fn select_slices<T: Copy>(condition: &[u8], yes: &[T], no: &[T], to: &mut [MaybeUninit<T>]) {
    for (((to, &condition), &yes), &no) in to.iter_mut().zip(condition).zip(yes).zip(no) {
        to.write(if condition != 0 { yes } else { no });
    }
}

/// The 16-bit floats, which are computed in `float32`.
pub trait Half: Element {
    /// Converts, exactly.
    fn widen(from: &[Self], to: &mut [f32]);
    /// Rounds to nearest, ties to even.
    fn narrow(from: &[f32], to: &mut [Self]);
}

impl Half for f16 {
    fn widen(from: &[f16], to: &mut [f32]) {
        from.convert_to_f32_slice(to);
    }

    fn narrow(from: &[f32], to: &mut [f16]) {
        to.convert_from_f32_slice(from);
    }
}

impl Half for bf16 {
    fn widen(from: &[bf16], to: &mut [f32]) {
        for (to, from) in to.iter_mut().zip(from) {
            *to = f32::from_bits((from.to_bits() as u32) << 16);
        }
    }

    fn narrow(from: &[f32], to: &mut [bf16]) {
        // SAFETY: both are of one length.
        unsafe { narrow_bf16(from, to) }
    }
}

vectorized! {
    unsafe fn narrow_bf16(from: &[f32], to: &mut [bf16]) -> () = narrow_bf16_any;
}

#[inline(always)]
unsafe fn narrow_bf16_any(from: &[f32], to: &mut [bf16]) {
    for (to, from) in to.iter_mut().zip(from) {
        let bits = from.to_bits();
        let rounded = (bits + (0x7fff + ((bits >> 16) & 1))) >> 16;
        // A NaN keeps its sign and becomes quiet; rounding could carry it over to infinity.
        let quiet = (bits >> 16) | 0x40;
        *to = bf16::from_bits(if from.is_nan() { quiet } else { rounded } as u16);
    }
}

//! Sums, products, least and greatest values.

use num_complex::Complex;

use crate::dtype::{DType, Element};
use crate::error::{Error, Result};
use crate::kernel::vectors::vectorized;
use crate::tensor::{Axis, Slice, Tensor, TensorMut, coalesce, for_each_offset};

use super::same_shape;

/// How values are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    Sum,
    Product,
    Least,
    Greatest,
}

/// What can be folded, with loops for each way.
pub trait Foldable: Element {
    /// What changes nothing; of floating-point sums -0, so that sums of -0 stay -0.
    fn identity(how: Fold) -> Self;
    fn combine(how: Fold, a: Self, b: Self) -> Self;
    /// All elements of a slice as one.
    ///
    /// # Safety
    /// The machine has the vectors that were found.
    unsafe fn row(how: Fold, x: &[Self]) -> Self;
    /// Puts rows together with `to`, element by element; they begin at `offsets` from `from`.
    ///
    /// # Safety
    /// As many elements as `to` has lie at each offset.
    unsafe fn rows(how: Fold, from: *const Self, offsets: &[isize], to: &mut [Self]);
}

/// Elements that are added lane by lane before halves are added pairwise.
const PAIRWISE: usize = 2048;
/// Rows that are added as a tree before they are added to the others; more at once would crowd each other out of the
/// cache where they lie a power of two apart.
const GROUP: usize = 4;

/// Lanes of eight vectors of 64 bytes, or of what an element of this many bytes leaves.
macro_rules! foldable {
    ($($type:ident $module:ident $lanes:literal $kind:ident;)*) => {
        $(
            mod $module {
                use super::*;

                type T = foldable!(@type $type);
                const LANES: usize = $lanes;

                #[inline(always)]
                fn sum(a: T, b: T) -> T {
                    foldable!(@sum $kind a b)
                }

                #[inline(always)]
                fn product(a: T, b: T) -> T {
                    foldable!(@product $kind a b)
                }

                #[inline(always)]
                fn least(a: T, b: T) -> T {
                    foldable!(@least $kind a b)
                }

                #[inline(always)]
                fn greatest(a: T, b: T) -> T {
                    foldable!(@greatest $kind a b)
                }

                impl Foldable for T {
                    #[inline(always)]
                    fn identity(how: Fold) -> T {
                        foldable!(@identity $kind $type how)
                    }

                    #[inline(always)]
                    fn combine(how: Fold, a: T, b: T) -> T {
                        match how {
                            Fold::Sum => sum(a, b),
                            Fold::Product => product(a, b),
                            Fold::Least => least(a, b),
                            Fold::Greatest => greatest(a, b),
                        }
                    }

                    unsafe fn row(how: Fold, x: &[T]) -> T {
                        // SAFETY: as for the trait.
                        unsafe { row(how, x) }
                    }

                    unsafe fn rows(how: Fold, from: *const T, offsets: &[isize], to: &mut [T]) {
                        // SAFETY: as for the trait.
                        unsafe { rows(how, from, offsets, to) }
                    }
                }

                vectorized! {
                    unsafe fn row(how: Fold, x: &[T]) -> T = row_any;
                }

                #[inline(always)]
                unsafe fn row_any(how: Fold, x: &[T]) -> T {
                    match how {
                        Fold::Sum => row_of(x, T::identity(how), sum),
                        Fold::Product => row_of(x, T::identity(how), product),
                        Fold::Least => row_of(x, T::identity(how), least),
                        Fold::Greatest => row_of(x, T::identity(how), greatest),
                    }
                }

                #[inline(always)]
                fn row_of(x: &[T], identity: T, combine: impl Fn(T, T) -> T + Copy) -> T {
                    // Blocks of one length, whose results are added like the digits of a binary counter: a pairwise sum
                    // of any length in little memory.
                    let mut waiting = [identity; usize::BITS as usize];
                    let mut count = 0usize;
                    let (blocks, rest) = x.as_chunks::<PAIRWISE>();
                    for block in blocks {
                        let mut value = lanes_of(block, identity, combine);
                        let mut level = 0;
                        while count >> level & 1 == 1 {
                            value = combine(waiting[level], value);
                            level += 1;
                        }
                        waiting[level] = value;
                        count += 1;
                    }
                    let mut value = lanes_of(rest, identity, combine);
                    for level in 0..usize::BITS as usize {
                        if count >> level == 0 {
                            break;
                        }
                        if count >> level & 1 == 1 {
                            value = combine(waiting[level], value);
                        }
                    }
                    value
                }

                #[inline(always)]
                fn lanes_of(x: &[T], identity: T, combine: impl Fn(T, T) -> T + Copy) -> T {
                    let (chunks, rest) = x.as_chunks::<LANES>();
                    let mut value = identity;
                    if !chunks.is_empty() {
                        let mut lanes = [identity; LANES];
                        for chunk in chunks {
                            for (lane, &x) in lanes.iter_mut().zip(chunk) {
                                *lane = combine(*lane, x);
                            }
                        }
                        let mut width = LANES;
                        while width > 1 {
                            width /= 2;
                            for i in 0..width {
                                lanes[i] = combine(lanes[i], lanes[i + width]);
                            }
                        }
                        value = lanes[0];
                    }
                    for &x in rest {
                        value = combine(value, x);
                    }
                    value
                }

                vectorized! {
                    unsafe fn rows(how: Fold, from: *const T, offsets: &[isize], to: &mut [T]) -> () = rows_any;
                }

                #[inline(always)]
                unsafe fn rows_any(how: Fold, from: *const T, offsets: &[isize], to: &mut [T]) {
                    // SAFETY: as for the trait.
                    unsafe {
                        match how {
                            Fold::Sum => rows_of(from, offsets, to, sum),
                            Fold::Product => rows_of(from, offsets, to, product),
                            Fold::Least => rows_of(from, offsets, to, least),
                            Fold::Greatest => rows_of(from, offsets, to, greatest),
                        }
                    }
                }

                #[inline(always)]
                unsafe fn rows_of(from: *const T, offsets: &[isize], to: &mut [T], combine: impl Fn(T, T) -> T + Copy) {
                    let (groups, rest) = offsets.as_chunks::<GROUP>();
                    for group in groups {
                        // SAFETY: as for the trait.
                        let rows = group.map(|offset| unsafe { std::slice::from_raw_parts(from.offset(offset), to.len()) });
                        add_group(rows, to, combine);
                    }
                    for &offset in rest {
                        // SAFETY: as for the trait.
                        let row = unsafe { std::slice::from_raw_parts(from.offset(offset), to.len()) };
                        add_row(row, to, combine);
                    }
                }

                #[inline(always)]
                fn add_group(rows: [&[T]; GROUP], to: &mut [T], combine: impl Fn(T, T) -> T + Copy) {
                    let rows = rows.map(|row| &row[..to.len()]);
                    for (i, to) in to.iter_mut().enumerate() {
                        let tree = combine(combine(rows[0][i], rows[1][i]), combine(rows[2][i], rows[3][i]));
                        *to = combine(*to, tree);
                    }
                }

                #[inline(always)]
                fn add_row(row: &[T], to: &mut [T], combine: impl Fn(T, T) -> T + Copy) {
                    for (to, &x) in to.iter_mut().zip(row) {
                        *to = combine(*to, x);
                    }
                }
            }
        )*
    };
    (@type c64) => { Complex<f32> };
    (@type c128) => { Complex<f64> };
    (@type $type:ident) => { $type };
    (@sum integer $a:ident $b:ident) => { $a.wrapping_add($b) };
    (@sum $kind:ident $a:ident $b:ident) => { $a + $b };
    (@product integer $a:ident $b:ident) => { $a.wrapping_mul($b) };
    (@product $kind:ident $a:ident $b:ident) => { $a * $b };
    (@least integer $a:ident $b:ident) => { if $b < $a { $b } else { $a } };
    (@least float $a:ident $b:ident) => { if $a < $b || $a.is_nan() { $a } else { $b } };
    (@least complex $a:ident $b:ident) => { { let _ = $b; $a } };
    (@greatest integer $a:ident $b:ident) => { if $b > $a { $b } else { $a } };
    (@greatest float $a:ident $b:ident) => { if $a > $b || $a.is_nan() { $a } else { $b } };
    (@greatest complex $a:ident $b:ident) => { { let _ = $b; $a } };
    (@identity integer $type:ident $how:ident) => {
        match $how {
            Fold::Sum => 0,
            Fold::Product => 1,
            Fold::Least => $type::MAX,
            Fold::Greatest => $type::MIN,
        }
    };
    (@identity float $type:ident $how:ident) => {
        match $how {
            Fold::Sum => -0.0,
            Fold::Product => 1.0,
            Fold::Least => $type::INFINITY,
            Fold::Greatest => $type::NEG_INFINITY,
        }
    };
    (@identity complex $type:ident $how:ident) => {
        match $how {
            Fold::Sum => Complex::new(-0.0, -0.0),
            _ => Complex::new(1.0, 0.0),
        }
    };
}

foldable! {
    i8 of_i8 256 integer;
    i16 of_i16 128 integer;
    i32 of_i32 64 integer;
    i64 of_i64 32 integer;
    u8 of_u8 256 integer;
    u16 of_u16 128 integer;
    u32 of_u32 64 integer;
    u64 of_u64 32 integer;
    f32 of_f32 128 float;
    f64 of_f64 64 float;
    c64 of_c64 32 complex;
    c128 of_c128 16 complex;
}

/// Runs an expression for the type that values of a [`DType`] are folded in; booleans are bytes.
macro_rules! folded {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            DType::C64 => {
                type $T = Complex<f32>;
                $body
            }
            DType::C128 => {
                type $T = Complex<f64>;
                $body
            }
            real => dispatch_real!(real, $T => $body, half => Err(Error::bug(format!("{half} is reduced in float32")))),
        }
    };
}

/// Folds a block that has elements along `axes`, which get one element.
pub fn of(how: Fold, block: &Tensor, axes: &[usize]) -> Result<Tensor> {
    if let Some(wide) = widened(block, axes) {
        let mut folded = of(how, &wide.rows, &[wide.axis])?;
        for halves in wide.halvings() {
            let [a, b] = halves.map(|half| cut(&folded, wide.axis + 1, half));
            folded = merge(how, &a, &b)?;
        }
        let folded = folded.reshape(&wide.result)?;
        return match wide.rest {
            Some(rest) => merge(how, &folded, &of(how, &rest, axes)?),
            None => Ok(folded),
        };
    }
    folded!(block.dtype(), T => of_type::<T>(how, block, axes))
}

/// A part of an axis.
pub fn cut(tensor: &Tensor, axis: usize, part: Slice) -> Tensor {
    let mut slices: Vec<Slice> = tensor.shape().iter().map(|&len| Slice::range(0, len)).collect();
    slices[axis] = part;
    tensor.slice(&slices)
}

/// A block whose rows along a kept axis are short, seen as fewer and longer rows.
pub struct Widened {
    /// The reduced axis, now of neighbouring rows put side by side; the side-by-side ones are the axis behind it.
    pub axis: usize,
    pub rows: Tensor,
    /// The shape of the result.
    pub result: Vec<usize>,
    /// The rows that are left.
    pub rest: Option<Tensor>,
}

/// Rows put side by side.
const ABREAST: usize = 32;

impl Widened {
    /// The halves that the rows side by side are put together by.
    pub fn halvings(&self) -> impl Iterator<Item = [Slice; 2]> {
        let widths = std::iter::successors(Some(ABREAST / 2), |&width| (width > 1).then_some(width / 2));
        widths.map(|width| [Slice::range(0, width), Slice::range(width, width)])
    }
}

/// Puts rows side by side, where one axis is reduced whose rows are short and without gaps between them.
pub fn widened(block: &Tensor, axes: &[usize]) -> Option<Widened> {
    let [axis] = *axes else { return None };
    let (shape, strides) = (block.shape(), block.strides());
    let width: usize = shape[axis + 1..].iter().product();
    let in_order = (axis + 1..shape.len()).rev().try_fold(1isize, |step, axis| {
        (shape[axis] == 1 || strides[axis] == step).then_some(step * shape[axis] as isize)
    });
    let short = (2..=32).contains(&width) && in_order == Some(strides[axis]);
    if !short || shape[axis] < 8 * ABREAST {
        return None;
    }
    let groups = shape[axis] / ABREAST;
    let used = cut(block, axis, Slice::range(0, groups * ABREAST));
    let split = |own: usize, outer: usize, values: &[usize]| {
        [&values[..axis], &[outer, own], &values[axis + 1..]].concat()
    };
    let view_shape = split(ABREAST, groups, shape);
    let mut view_strides = strides[..axis].to_vec();
    view_strides.extend([strides[axis] * ABREAST as isize, strides[axis]]);
    view_strides.extend(&strides[axis + 1..]);
    // SAFETY: the same elements; the tensor keeps its buffer.
    let rows = unsafe {
        Tensor::from_foreign(used.as_ptr(), block.dtype(), view_shape, view_strides, Box::new(used.clone()))
    };
    let mut result = shape.to_vec();
    result[axis] = 1;
    let left = shape[axis] - groups * ABREAST;
    let rest = (left > 0).then(|| cut(block, axis, Slice::range(groups * ABREAST, left)));
    Some(Widened { axis, rows, result, rest })
}

/// The loops of a reduction: how the block is walked, and how the result lies.
pub struct Loops {
    /// Outermost first; the first stride is the block's, the second the result's, 0 where an axis is reduced.
    pub axes: Vec<Axis>,
    /// The axes of the block in the order in which the result lies.
    order: Vec<usize>,
    /// The result's shape in that order.
    shape: Vec<usize>,
}

impl Loops {
    pub fn new(block: &Tensor, reduced: &[usize]) -> Loops {
        let mut order: Vec<usize> = (0..block.ndim()).collect();
        order.sort_by_key(|&axis| std::cmp::Reverse(block.strides()[axis].unsigned_abs()));
        let shape: Vec<usize> =
            order.iter().map(|axis| if reduced.contains(axis) { 1 } else { block.shape()[*axis] }).collect();
        let mut own = crate::tensor::row_major(&shape);
        own.iter_mut().zip(&order).filter(|(_, axis)| reduced.contains(axis)).for_each(|(own, _)| *own = 0);
        let lens: Vec<usize> = order.iter().map(|&axis| block.shape()[axis]).collect();
        let strides: Vec<isize> = order.iter().map(|&axis| block.strides()[axis]).collect();
        let mut axes = coalesce(&lens, &[&strides, &own]);
        if axes.is_empty() {
            axes.push(Axis { len: 1, strides: vec![1, 0] });
        }
        // Many short rows that are reduced each: step through all at once.
        let last = axes.len() - 1;
        if last > 0 && axes[last].strides[1] == 0 && axes[last].len < 16 {
            let kept = (0..last).rev().find(|&i| axes[i].strides[1] != 0 && axes[i].len >= 16);
            if let Some(kept) = kept {
                let axis = axes.remove(kept);
                axes.push(axis);
            }
        }
        Loops { axes, order, shape }
    }

    /// Elements of the result.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// The result, in the block's order of axes, from what was computed in the loops' order.
    pub fn result(&self, dtype: DType, values: TensorMut) -> Result<Tensor> {
        let mut back = vec![0; self.order.len()];
        self.order.iter().enumerate().for_each(|(position, &axis)| back[axis] = position);
        values.freeze().reshape(&self.shape)?.view_as(dtype).permute(&back).contiguous()
    }

    /// The innermost loop, those around it that are kept, and the offsets in the block of every index of those around it
    /// that are reduced.
    pub fn split(&self) -> (&Axis, Vec<&Axis>, Vec<isize>) {
        let (inner, outer) = self.axes.split_last().expect("there is at least one loop");
        let (kept, reduced): (Vec<&Axis>, Vec<&Axis>) = outer.iter().partition(|axis| axis.strides[1] != 0);
        let mut offsets = Vec::with_capacity(reduced.iter().map(|axis| axis.len).product());
        for_each_offset(&reduced, |at| offsets.push(at[0]));
        (inner, kept, offsets)
    }
}

/// Elements of a row that are put together before the next: rows then stay in the first levels of cache.
const COLUMNS: usize = 4096;
/// Rows that are put together before they are put together with others: many sums of few keep more digits than one of
/// many.
const ROWS: usize = 256;

fn of_type<T: Foldable>(how: Fold, block: &Tensor, axes: &[usize]) -> Result<Tensor> {
    let loops = Loops::new(block, axes);
    let mut values = TensorMut::uninit(T::DTYPE, &[loops.len()])?;
    let out = values.as_mut_slice::<T>();
    out.fill(T::identity(how));
    let from = block.as_ptr().cast::<T>();
    let (inner, kept, reduced) = loops.split();
    let mut gathered = Vec::new();
    for_each_offset(&kept, |at| {
        // SAFETY: offsets of indices within the block.
        unsafe {
            let from = from.offset(at[0]);
            let to = at[1] as usize;
            if inner.strides[1] == 0 {
                for &offset in &reduced {
                    let row = row_at(from.offset(offset), inner, &mut gathered);
                    out[to] = T::combine(how, out[to], T::row(how, row));
                }
                return;
            }
            let out = &mut out[to..to + inner.len];
            if inner.strides[0] == 1 {
                for start in (0..inner.len).step_by(COLUMNS) {
                    let end = (start + COLUMNS).min(inner.len);
                    let out = &mut out[start..end];
                    if reduced.len() <= ROWS {
                        T::rows(how, from.add(start), &reduced, out);
                        continue;
                    }
                    for rows in reduced.chunks(ROWS) {
                        gathered.clear();
                        gathered.resize(out.len(), T::identity(how));
                        T::rows(how, from.add(start), rows, &mut gathered);
                        T::rows(how, gathered.as_ptr(), &[0], out);
                    }
                }
            } else {
                for &offset in &reduced {
                    let row = row_at(from.offset(offset), inner, &mut gathered);
                    T::rows(how, row.as_ptr(), &[0], out);
                }
            }
        }
    });
    loops.result(block.dtype(), values)
}

/// The elements of a row in order: where they lie, or copied to `gathered`.
///
/// # Safety
/// The row lies within a block.
pub unsafe fn row_at<'a, T: Element>(from: *const T, row: &Axis, gathered: &'a mut Vec<T>) -> &'a [T] {
    // SAFETY: as above.
    unsafe {
        if row.strides[0] == 1 {
            return std::slice::from_raw_parts(from, row.len);
        }
        gathered.clear();
        gathered.extend((0..row.len as isize).map(|i| *from.offset(i * row.strides[0])));
    }
    gathered
}

/// Puts results of two blocks together, the first before the second.
pub fn merge(how: Fold, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    same_shape(a, b)?;
    let (a, b) = (a.contiguous()?, b.contiguous()?);
    let mut merged = TensorMut::uninit(a.dtype(), a.shape())?;
    folded!(a.dtype(), T => {
        // SAFETY: as many elements of the type, or bytes of booleans, lie there.
        unsafe {
            let to = std::slice::from_raw_parts_mut(merged.target().pointer.cast::<T>(), a.len());
            to.copy_from_slice(std::slice::from_raw_parts(a.as_ptr().cast(), a.len()));
            T::rows(how, b.as_ptr().cast::<T>(), &[0], to);
        }
        Ok(())
    })?;
    Ok(merged.freeze())
}

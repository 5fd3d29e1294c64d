//! Strided n-dimensional values in host memory.
//!
//! A [`Tensor`] is a view of a shared buffer: slices, permutations, broadcasts and reversals copy nothing. Strides count
//! elements; a broadcast axis has stride 0. What a tensor shows never changes once it is built.

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc};
use std::any::Any;
use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;

use crate::dtype::{DType, Element, Scalar};
use crate::error::{Error, Result, show_shape};
use crate::{dispatch, dispatch_size};

/// Where buffers of ours begin: a multiple of this many bytes, for vector loads and for GPU copies.
pub const ALIGNMENT: usize = 64;

/// Bytes that tensors share.
pub struct Buffer {
    pointer: NonNull<u8>,
    bytes: usize,
    owner: Owner,
    /// Kept as long as the bytes: a reservation of memory.
    kept: Option<Box<dyn Any + Send + Sync>>,
}

enum Owner {
    Ours(Layout),
    /// Somebody else's memory, alive as long as this value.
    Foreign(#[expect(dead_code, reason = "held, never read")] Box<dyn Any + Send + Sync>),
}

// SAFETY: the bytes are written only while a `TensorMut` is the one that holds them, and the owner may be dropped on
// any thread.
unsafe impl Send for Buffer {}
unsafe impl Sync for Buffer {}

impl Buffer {
    fn ours(bytes: usize, zeroed: bool) -> Result<Buffer> {
        let no_memory = || Error::out_of_memory(format!("the system has no {bytes} bytes of memory left"));
        let layout = Layout::from_size_align(bytes.max(1), ALIGNMENT).map_err(|_| no_memory())?;
        // SAFETY: the layout is not empty.
        let pointer = unsafe { if zeroed { alloc_zeroed(layout) } else { alloc(layout) } };
        let pointer = NonNull::new(pointer).ok_or_else(no_memory)?;
        ask_for_huge_pages(pointer, bytes);
        Ok(Buffer { pointer, bytes, owner: Owner::Ours(layout), kept: None })
    }

    /// Bytes that it holds.
    pub fn len(&self) -> usize {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// The address of the first byte.
    pub fn as_ptr(&self) -> *const u8 {
        self.pointer.as_ptr()
    }
}

/// From how many bytes on a buffer is worth pages of 2 MiB: the first touch of 80 MB costs 20 ms less.
const HUGE_PAGES_MIN: usize = 4 << 20;

/// Asks the system for large pages, which it may refuse.
fn ask_for_huge_pages(pointer: NonNull<u8>, bytes: usize) {
    #[cfg(target_os = "linux")]
    if bytes >= HUGE_PAGES_MIN {
        unsafe extern "C" {
            fn madvise(
                address: *mut std::ffi::c_void,
                length: usize,
                advice: std::ffi::c_int,
            ) -> std::ffi::c_int;
        }
        const MADV_HUGEPAGE: std::ffi::c_int = 14;
        const PAGE: usize = 4096;
        let skipped = pointer.as_ptr().align_offset(PAGE);
        let length = (bytes - skipped) / PAGE * PAGE;
        // SAFETY: whole pages of memory that was just allocated; the advice changes none of its contents.
        unsafe { madvise(pointer.as_ptr().wrapping_add(skipped).cast(), length, MADV_HUGEPAGE) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (pointer, bytes);
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Owner::Ours(layout) = self.owner {
            // SAFETY: allocated with this layout, by `ours`.
            unsafe { dealloc(self.pointer.as_ptr(), layout) };
        }
        self.kept.take();
    }
}

/// A strided view of a buffer; cheap to clone.
#[derive(Clone)]
pub struct Tensor {
    dtype: DType,
    shape: Vec<usize>,
    strides: Vec<isize>,
    /// Elements from the buffer's start to the element at index 0 of every axis.
    offset: isize,
    buffer: Arc<Buffer>,
}

/// One axis of a slice: `count` elements from `start` on, `step` apart; `step` may be negative or, for `count` ≤ 1, 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slice {
    pub start: usize,
    pub count: usize,
    pub step: isize,
}

impl Slice {
    /// `count` neighbours from `start` on.
    pub fn range(start: usize, count: usize) -> Slice {
        Slice { start, count, step: 1 }
    }
}

/// Strides of elements that lie in row-major order.
pub fn row_major(shape: &[usize]) -> Vec<isize> {
    let mut strides = vec![0; shape.len()];
    let mut step = 1isize;
    for (stride, &len) in strides.iter_mut().zip(shape).rev() {
        *stride = step;
        step = step.saturating_mul(len.max(1) as isize);
    }
    strides
}

/// Whether elements with these strides lie in row-major order without gaps.
pub fn is_row_major(shape: &[usize], strides: &[isize]) -> bool {
    let mut step = 1isize;
    for (&len, &stride) in shape.iter().zip(strides).rev() {
        if len != 1 && stride != step {
            return shape.contains(&0);
        }
        step *= len as isize;
    }
    true
}

/// What slices of each axis show: its shape, its strides, and the elements to its first.
///
/// # Panics
/// Where a slice reaches beyond its axis.
pub fn slice_layout(shape: &[usize], strides: &[isize], slices: &[Slice]) -> (Vec<usize>, Vec<isize>, isize) {
    assert_eq!(slices.len(), shape.len());
    let mut offset = 0isize;
    let each = |(axis, slice): (usize, &Slice)| {
        let last = slice.start as isize + slice.step * (slice.count as isize - 1);
        let within = |i: isize| i >= 0 && (i as usize) < shape[axis];
        assert!(slice.count == 0 || (within(slice.start as isize) && within(last)), "a slice out of range");
        if slice.count > 0 {
            offset += slice.start as isize * strides[axis];
        }
        (slice.count, strides[axis] * slice.step)
    };
    let (shape, strides) = slices.iter().enumerate().map(each).unzip();
    (shape, strides, offset)
}

/// Shape and strides with axis `i` being axis `axes[i]`.
pub fn permute_layout(shape: &[usize], strides: &[isize], axes: &[usize]) -> (Vec<usize>, Vec<isize>) {
    assert_eq!(axes.len(), shape.len());
    axes.iter().map(|&axis| (shape[axis], strides[axis])).unzip()
}

/// The strides with which `shape` is shown as `wide`, in which axes of one element are repeated and axes are added in
/// front.
///
/// # Panics
/// Where it does not broadcast so.
pub fn broadcast_strides(shape: &[usize], strides: &[isize], wide: &[usize]) -> Vec<isize> {
    let added = wide.len() - shape.len();
    let own = shape.iter().zip(strides).zip(&wide[added..]).map(|((&len, &stride), &wide)| {
        assert!(len == wide || len == 1, "a broadcast of what does not fit");
        if len == 1 { 0 } else { stride }
    });
    std::iter::repeat_n(0, added).chain(own).collect()
}

/// Elements of an array of this shape.
///
/// # Errors
/// `Value` where they are more than can be counted.
pub fn count(shape: &[usize]) -> Result<usize> {
    if shape.contains(&0) {
        return Ok(0);
    }
    let product = shape.iter().try_fold(1usize, |product, &len| product.checked_mul(len));
    product
        .filter(|&product| product <= isize::MAX as usize)
        .ok_or_else(|| Error::value(format!("an array of shape {} is too large", show_shape(shape))))
}

impl Tensor {
    /// A row-major tensor of these values.
    ///
    /// # Errors
    /// `Value` where `shape` does not have as many elements.
    pub fn from_vec<T: Element>(values: Vec<T>, shape: &[usize]) -> Result<Tensor> {
        if count(shape)? != values.len() {
            let message = format!("{} values do not fill shape {}", values.len(), show_shape(shape));
            return Err(Error::value(message));
        }
        let pointer = NonNull::from(values.as_slice()).cast::<u8>();
        let bytes = std::mem::size_of_val(values.as_slice());
        let owner = Owner::Foreign(Box::new(values));
        let buffer = Arc::new(Buffer { pointer, bytes, owner, kept: None });
        Ok(Tensor { dtype: T::DTYPE, shape: shape.to_vec(), strides: row_major(shape), offset: 0, buffer })
    }

    /// One value, without axes.
    pub fn scalar(value: Scalar, dtype: DType) -> Result<Tensor> {
        dispatch!(dtype, T => Tensor::from_vec(vec![T::from_scalar(value)], &[]))
    }

    /// A tensor over memory of somebody else, which `owner` keeps alive and nobody writes to.
    ///
    /// # Safety
    /// `pointer` addresses the element at index 0 of every axis, aligned to the element; every element that shape and
    /// strides reach is initialized, readable as long as `owner` lives, and, of booleans, 0 or 1.
    pub unsafe fn from_foreign(
        pointer: *const u8,
        dtype: DType,
        shape: Vec<usize>,
        strides: Vec<isize>,
        owner: Box<dyn Any + Send + Sync>,
    ) -> Tensor {
        let bytes = shape.iter().product::<usize>() * dtype.size();
        let pointer = NonNull::new(pointer.cast_mut()).unwrap_or(NonNull::<u64>::dangling().cast());
        let buffer = Arc::new(Buffer { pointer, bytes, owner: Owner::Foreign(owner), kept: None });
        Tensor { dtype, shape, strides, offset: 0, buffer }
    }

    pub fn dtype(&self) -> DType {
        self.dtype
    }

    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    pub fn ndim(&self) -> usize {
        self.shape.len()
    }

    /// Elements from one index to the next of each axis.
    pub fn strides(&self) -> &[isize] {
        &self.strides
    }

    /// Elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// Bytes of its elements.
    pub fn bytes(&self) -> usize {
        self.len() * self.dtype.size()
    }

    /// Keeps `value`, such as a reservation of memory, as long as the buffer lives; gives the tensor back as it was where
    /// it shares the buffer, or shows but a part of it.
    pub fn try_keep(mut self, value: Box<dyn Any + Send + Sync>) -> std::result::Result<Tensor, Tensor> {
        let is_all = self.is_contiguous() && self.bytes() == self.buffer.len();
        match Arc::get_mut(&mut self.buffer) {
            Some(buffer) if is_all && buffer.kept.is_none() => {
                buffer.kept = Some(value);
                Ok(self)
            }
            _ => Err(self),
        }
    }

    /// The buffer it shows.
    pub fn buffer(&self) -> &Arc<Buffer> {
        &self.buffer
    }

    /// The address of the element at index 0 of every axis.
    pub fn as_ptr(&self) -> *const u8 {
        self.buffer.as_ptr().wrapping_offset(self.offset * self.dtype.size() as isize)
    }

    /// Whether the elements lie in row-major order without gaps.
    pub fn is_contiguous(&self) -> bool {
        is_row_major(&self.shape, &self.strides)
    }

    /// The elements in order, where they lie so; `None` otherwise, and for another type.
    pub fn as_slice<T: Element>(&self) -> Option<&[T]> {
        if T::DTYPE != self.dtype || !self.is_contiguous() {
            return None;
        }
        if self.is_empty() {
            return Some(&[]);
        }
        // SAFETY: as many elements of this type lie there without gaps.
        Some(unsafe { std::slice::from_raw_parts(self.as_ptr().cast(), self.len()) })
    }

    /// The bytes of the elements in order, where they lie so.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        if !self.is_contiguous() {
            return None;
        }
        if self.is_empty() {
            return Some(&[]);
        }
        // SAFETY: as many bytes lie there without gaps.
        Some(unsafe { std::slice::from_raw_parts(self.as_ptr(), self.bytes()) })
    }

    /// The element at `index`, which has to be within the shape.
    pub fn get<T: Element>(&self, index: &[usize]) -> T {
        assert_eq!(T::DTYPE, self.dtype);
        assert!(index.len() == self.ndim() && index.iter().zip(&self.shape).all(|(i, len)| i < len));
        let position: isize = index.iter().zip(&self.strides).map(|(&i, &stride)| i as isize * stride).sum();
        // SAFETY: the index is within the shape, and the type is the buffer's.
        unsafe { *self.as_ptr().cast::<T>().offset(position) }
    }

    /// The only element, of a tensor that has one.
    pub fn item(&self) -> Option<Scalar> {
        let index = vec![0; self.ndim()];
        (self.len() == 1).then(|| dispatch!(self.dtype, T => self.get::<T>(&index).to_scalar()))
    }

    /// The elements in row-major order, of a tensor of this type.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        if T::DTYPE != self.dtype {
            return Err(Error::bug(format!("read a {} tensor as {}", self.dtype, T::DTYPE)));
        }
        let whole = self.contiguous()?;
        Ok(whole.as_slice::<T>().map(<[T]>::to_vec).unwrap_or_default())
    }

    /// The same elements without gaps, copied where they do not lie so.
    pub fn contiguous(&self) -> Result<Tensor> {
        if self.is_contiguous() {
            return Ok(self.clone());
        }
        let mut target = TensorMut::uninit(self.dtype, &self.shape)?;
        copy(self, &mut target.target());
        Ok(target.freeze())
    }

    /// The view that shows these slices of the axes, all of them.
    pub fn slice(&self, slices: &[Slice]) -> Tensor {
        let (shape, strides, offset) = slice_layout(&self.shape, &self.strides, slices);
        Tensor { shape, strides, offset: self.offset + offset, ..self.clone() }
    }

    /// The view whose axis `i` is this one's axis `axes[i]`.
    pub fn permute(&self, axes: &[usize]) -> Tensor {
        let (shape, strides) = permute_layout(&self.shape, &self.strides, axes);
        Tensor { shape, strides, ..self.clone() }
    }

    /// The view of this shape in which axes of one element are repeated, and axes are added in front.
    pub fn broadcast(&self, shape: &[usize]) -> Tensor {
        let strides = broadcast_strides(&self.shape, &self.strides, shape);
        Tensor { shape: shape.to_vec(), strides, ..self.clone() }
    }

    /// The same elements in row-major order in another shape of as many; copied where strides cannot say it.
    pub fn reshape(&self, shape: &[usize]) -> Result<Tensor> {
        if shape.iter().product::<usize>() != self.len() {
            return Err(Error::value(format!(
                "cannot reshape {} elements of shape {} into shape {}",
                self.len(),
                show_shape(&self.shape),
                show_shape(shape)
            )));
        }
        let mut view = self.contiguous()?;
        view.shape = shape.to_vec();
        view.strides = row_major(shape);
        Ok(view)
    }

    /// The view with axes of one element where `shape` has them and this one does not, or the other way round.
    pub fn with_unit_axes(&self, shape: &[usize]) -> Tensor {
        let mut view = self.clone();
        let mut kept = self.shape.iter().zip(&self.strides).filter(|&(&len, _)| len != 1);
        view.strides =
            shape.iter().map(|&len| if len == 1 { 0 } else { kept.next().map_or(0, |(_, &s)| s) }).collect();
        view.shape = shape.to_vec();
        view
    }

    /// The view of this shape with these strides, from the first element on; what it reaches has to be the tensor's.
    pub(crate) fn with_strides(&self, shape: &[usize], strides: Vec<isize>) -> Tensor {
        assert_eq!(shape.len(), strides.len());
        let mut view = self.clone();
        view.shape = shape.to_vec();
        view.strides = strides;
        view
    }

    /// Nothing of it, in a shape of no elements.
    pub(crate) fn nothing(&self, shape: &[usize]) -> Tensor {
        assert!(shape.contains(&0));
        self.with_strides(shape, row_major(shape))
    }

    /// The view of the same bytes as another type of the same size.
    pub fn view_as(&self, dtype: DType) -> Tensor {
        assert_eq!(dtype.size(), self.dtype.size());
        let mut view = self.clone();
        view.dtype = dtype;
        view
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}{}", self.dtype, show_shape(&self.shape))?;
        if self.len() <= 64 {
            dispatch!(self.dtype, T => write!(out, " {:?}", self.to_vec::<T>().unwrap_or_default()))?;
        }
        Ok(())
    }
}

/// A row-major tensor that is being filled; nobody else sees its buffer.
pub struct TensorMut {
    tensor: Tensor,
}

impl TensorMut {
    /// Undefined contents, all of which have to be written before [`freeze`](TensorMut::freeze).
    ///
    /// # Errors
    /// `OutOfMemory` where the system refuses.
    pub fn uninit(dtype: DType, shape: &[usize]) -> Result<TensorMut> {
        Self::new(dtype, shape, false)
    }

    /// Zeros.
    pub fn zeroed(dtype: DType, shape: &[usize]) -> Result<TensorMut> {
        Self::new(dtype, shape, true)
    }

    fn new(dtype: DType, shape: &[usize], zeroed: bool) -> Result<TensorMut> {
        let bytes = count(shape)?.checked_mul(dtype.size());
        let bytes = bytes.ok_or_else(|| Error::value(format!("shape {} is too large", show_shape(shape))))?;
        let buffer = Arc::new(Buffer::ours(bytes, zeroed)?);
        let strides = row_major(shape);
        Ok(TensorMut { tensor: Tensor { dtype, shape: shape.to_vec(), strides, offset: 0, buffer } })
    }

    /// Keeps `value`, such as a reservation of memory, as long as the buffer lives.
    pub fn keep(mut self, value: Box<dyn Any + Send + Sync>) -> TensorMut {
        if let Some(buffer) = Arc::get_mut(&mut self.tensor.buffer) {
            buffer.kept = Some(value);
        }
        self
    }

    /// Elements.
    pub fn len(&self) -> usize {
        self.tensor.len()
    }

    pub fn is_empty(&self) -> bool {
        self.tensor.is_empty()
    }

    /// Where to write.
    pub fn target(&mut self) -> Target {
        Target {
            pointer: self.tensor.buffer.pointer.as_ptr(),
            dtype: self.tensor.dtype,
            shape: self.tensor.shape.clone(),
            strides: self.tensor.strides.clone(),
        }
    }

    /// The elements in row-major order.
    pub fn as_mut_slice<T: Element>(&mut self) -> &mut [T] {
        assert_eq!(T::DTYPE, self.tensor.dtype);
        // SAFETY: as many elements lie there, and nobody else sees them.
        unsafe {
            std::slice::from_raw_parts_mut(self.tensor.buffer.pointer.as_ptr().cast(), self.tensor.len())
        }
    }

    /// The bytes.
    pub fn as_mut_bytes(&mut self) -> &mut [u8] {
        // SAFETY: as many bytes lie there, and nobody else sees them.
        unsafe { std::slice::from_raw_parts_mut(self.tensor.buffer.pointer.as_ptr(), self.tensor.bytes()) }
    }

    /// The finished tensor.
    pub fn freeze(self) -> Tensor {
        self.tensor
    }
}

/// Strided memory to write to: a part of a [`TensorMut`]. Parts that do not overlap may be written by many threads.
#[derive(Clone)]
pub struct Target {
    pub pointer: *mut u8,
    pub dtype: DType,
    pub shape: Vec<usize>,
    pub strides: Vec<isize>,
}

// SAFETY: it is an address; whoever writes sees to it that parts do not overlap and that the buffer lives.
unsafe impl Send for Target {}
unsafe impl Sync for Target {}

impl Target {
    /// The part that these slices of the axes show.
    pub fn slice(&self, slices: &[Slice]) -> Target {
        let (shape, strides, offset) = slice_layout(&self.shape, &self.strides, slices);
        let pointer = self.pointer.wrapping_offset(offset * self.dtype.size() as isize);
        Target { pointer, dtype: self.dtype, shape, strides }
    }

    /// The same memory with axis `i` being this one's axis `axes[i]`.
    pub fn permute(&self, axes: &[usize]) -> Target {
        let (shape, strides) = permute_layout(&self.shape, &self.strides, axes);
        Target { shape, strides, ..self.clone() }
    }

    pub fn is_contiguous(&self) -> bool {
        is_row_major(&self.shape, &self.strides)
    }
}

/// Copies every element of `source` to the same index of `target`; both have one shape and one type.
pub fn copy(source: &Tensor, target: &mut Target) {
    assert_eq!(source.shape, target.shape);
    assert_eq!(source.dtype, target.dtype);
    if source.is_empty() {
        return;
    }
    dispatch_size!(source.dtype, T => copy_sized::<T>(source, target));
}

/// Elements of a side of the squares in which a copy that turns axes around walks.
const SQUARE: usize = 32;

fn copy_sized<T: Copy>(source: &Tensor, target: &Target) {
    let axes = coalesce(&source.shape, &[&source.strides, &target.strides]);
    let from = source.as_ptr().cast::<T>();
    let to = target.pointer.cast::<T>();
    // The target's quickest axis is the innermost; where the source's is another, those two are walked in squares.
    let Some(inner) = axes.last() else {
        // SAFETY: both have one element.
        unsafe { *to = *from };
        return;
    };
    let quickest = axes.iter().enumerate().min_by_key(|(_, axis)| axis.strides[0].unsigned_abs().max(1));
    let quickest = quickest.map_or(0, |(position, _)| position);
    let turned = quickest + 1 < axes.len() && inner.strides[0] != 0 && axes[quickest].strides[0] != 0;
    let outer: Vec<&Axis> = axes
        .iter()
        .enumerate()
        .filter(|&(i, _)| i + 1 < axes.len() && !(turned && i == quickest))
        .map(|(_, a)| a)
        .collect();
    for_each_offset(&outer, |offsets| {
        // SAFETY: offsets of indices within the shape, of both.
        unsafe {
            let (from, to) = (from.offset(offsets[0]), to.offset(offsets[1]));
            if turned {
                copy_squares(from, to, &axes[quickest], inner);
            } else if inner.strides[0] == 1 && inner.strides[1] == 1 {
                std::ptr::copy_nonoverlapping(from, to, inner.len);
            } else if inner.strides[1] == 1 && inner.strides[0] == 0 {
                std::slice::from_raw_parts_mut(to, inner.len).fill(*from);
            } else {
                for i in 0..inner.len as isize {
                    *to.offset(i * inner.strides[1]) = *from.offset(i * inner.strides[0]);
                }
            }
        }
    });
}

/// # Safety
/// Every index of both axes is within both memories.
unsafe fn copy_squares<T: Copy>(from: *const T, to: *mut T, rows: &Axis, columns: &Axis) {
    for row in (0..rows.len).step_by(SQUARE) {
        let row_end = (row + SQUARE).min(rows.len);
        for column in (0..columns.len).step_by(SQUARE) {
            let column_end = (column + SQUARE).min(columns.len);
            for i in row as isize..row_end as isize {
                for j in column as isize..column_end as isize {
                    // SAFETY: as above.
                    unsafe {
                        *to.offset(i * rows.strides[1] + j * columns.strides[1]) =
                            *from.offset(i * rows.strides[0] + j * columns.strides[0]);
                    }
                }
            }
        }
    }
}

/// One loop over several strided operands: its length, and each operand's stride.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    pub len: usize,
    pub strides: Vec<isize>,
}

/// The fewest loops that visit a shape of at least one element, outermost first: axes of one element are left out,
/// and neighbours that all operands walk as one are joined. None for a single element.
pub fn coalesce(shape: &[usize], operands: &[&[isize]]) -> Vec<Axis> {
    let mut axes: Vec<Axis> = Vec::new();
    for (axis, &len) in shape.iter().enumerate().filter(|&(_, &len)| len != 1) {
        let strides: Vec<isize> = operands.iter().map(|strides| strides[axis]).collect();
        match axes.last_mut() {
            Some(outer) if outer.strides.iter().zip(&strides).all(|(o, i)| *o == i * len as isize) => {
                outer.len *= len;
                outer.strides = strides;
            }
            _ => axes.push(Axis { len, strides }),
        }
    }
    axes
}

/// Calls `visit` with every operand's offset, for each index of these loops; once for none.
pub fn for_each_offset(axes: &[&Axis], mut visit: impl FnMut(&[isize])) {
    let operands = axes.first().map_or(8, |axis| axis.strides.len());
    let mut offsets = vec![0isize; operands];
    let mut index = vec![0usize; axes.len()];
    if axes.iter().any(|axis| axis.len == 0) {
        return;
    }
    loop {
        visit(&offsets);
        let mut position = axes.len();
        loop {
            let Some(next) = position.checked_sub(1) else { return };
            position = next;
            let axis = axes[position];
            index[position] += 1;
            if index[position] < axis.len {
                offsets.iter_mut().zip(&axis.strides).for_each(|(offset, stride)| *offset += stride);
                break;
            }
            index[position] = 0;
            let back = axis.len as isize - 1;
            offsets.iter_mut().zip(&axis.strides).for_each(|(offset, stride)| *offset -= stride * back);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_copy_nothing_and_read_right() -> Result<()> {
        let tensor = Tensor::from_vec((0..24i32).collect(), &[2, 3, 4])?;
        let view = tensor.permute(&[2, 0, 1]).slice(&[
            Slice { start: 3, count: 2, step: -2 },
            Slice::range(0, 2),
            Slice::range(1, 2),
        ]);
        assert_eq!(view.to_vec::<i32>()?, [7, 11, 19, 23, 5, 9, 17, 21]);
        assert_eq!(
            tensor
                .slice(&[Slice::range(1, 1), Slice::range(0, 1), Slice::range(0, 4)])
                .broadcast(&[2, 1, 4])
                .to_vec::<i32>()?,
            [12, 13, 14, 15, 12, 13, 14, 15]
        );
        Ok(())
    }

    #[test]
    fn turns_large_matrices() -> Result<()> {
        let (n, m) = (70, 45);
        let tensor = Tensor::from_vec((0..n * m).map(|x| x as f64).collect(), &[n, m])?;
        let turned = tensor.permute(&[1, 0]).contiguous()?;
        for i in 0..n {
            for j in 0..m {
                assert_eq!(turned.get::<f64>(&[j, i]), (i * m + j) as f64);
            }
        }
        Ok(())
    }
}

//! How a walk is cut into tiles, and how elements get into a tile's order and out of it.

use crate::error::Result;
use crate::kernel::vectors::vectorized;
use crate::tensor::Axis;

/// Elements of a tile, at most: registers of eight bytes an element, two operands and a result, then fit the first
/// level of cache.
const TILE: usize = 2048;
/// Elements of a tile along its innermost axis where an operand's neighbours lie along another.
const SQUARE: usize = 64;

/// How an operand's elements of a tile lie.
pub enum Layout {
    /// In the tile's order, without gaps.
    InOrder,
    /// One element is all of them.
    One,
    /// With these strides along the axes.
    Strided(Vec<isize>),
}

/// The grid of tiles.
#[derive(Clone)]
pub struct Tiles {
    /// Elements of a tile along each axis; the last of an axis may have fewer.
    lens: Vec<usize>,
}

impl Tiles {
    /// Tiles of whole inner axes, and a part of one outer axis; squares where an operand runs along another axis than
    /// the innermost.
    pub fn new(axes: &[Axis]) -> Tiles {
        let mut lens = vec![1; axes.len()];
        let inner = axes.len() - 1;
        let operands = axes[inner].strides.len();
        let quickest = |operand: usize| {
            let moving =
                axes.iter().enumerate().filter(|(_, axis)| axis.strides[operand] != 0 && axis.len > 1);
            moving.min_by_key(|(_, axis)| axis.strides[operand].unsigned_abs()).map(|(axis, _)| axis)
        };
        let turned = (0..operands)
            .filter_map(|operand| {
                let axis = quickest(operand)?;
                (axis != inner && axes[inner].strides[operand] != 0).then_some(axis)
            })
            .max();
        if let Some(axis) = turned {
            lens[inner] = axes[inner].len.min(SQUARE);
            lens[axis] = axes[axis].len.min(TILE / lens[inner]);
            lens[inner] = axes[inner].len.min(TILE / lens[axis]);
            return Tiles { lens };
        }
        let mut room = TILE;
        for (len, axis) in lens.iter_mut().zip(axes).rev() {
            *len = axis.len.min(room);
            room /= *len;
            if *len < axis.len {
                break;
            }
        }
        Tiles { lens }
    }

    /// Elements of the largest tile.
    pub fn capacity(&self) -> usize {
        self.lens.iter().product()
    }

    /// How an operand lies within a tile.
    pub fn layout(&self, axes: &[Axis], operand: usize) -> Layout {
        let strides: Vec<isize> = axes.iter().map(|axis| axis.strides[operand]).collect();
        let within = || self.lens.iter().zip(&strides).filter(|&(&len, _)| len > 1);
        if within().all(|(_, &stride)| stride == 0) {
            return Layout::One;
        }
        let mut step = 1;
        let mut in_order = true;
        for (&len, &stride) in within().rev() {
            in_order &= stride == step;
            step *= len as isize;
        }
        if in_order { Layout::InOrder } else { Layout::Strided(strides) }
    }

    /// Calls `visit` for each tile with every operand's offset and the tile's lengths.
    pub fn for_each(
        &self,
        axes: &[Axis],
        mut visit: impl FnMut(&[isize], &[usize]) -> Result<()>,
    ) -> Result<()> {
        let operands = axes[0].strides.len();
        let mut start = vec![0usize; axes.len()];
        let mut offsets = vec![0isize; operands];
        let mut lens = vec![0usize; axes.len()];
        loop {
            for (operand, offset) in offsets.iter_mut().enumerate() {
                *offset = axes.iter().zip(&start).map(|(axis, &i)| i as isize * axis.strides[operand]).sum();
            }
            for (len, ((&start, axis), &most)) in lens.iter_mut().zip(start.iter().zip(axes).zip(&self.lens))
            {
                *len = most.min(axis.len - start);
            }
            visit(&offsets, &lens)?;
            let mut position = axes.len();
            loop {
                let Some(next) = position.checked_sub(1) else { return Ok(()) };
                position = next;
                start[position] += self.lens[position];
                if start[position] < axes[position].len {
                    break;
                }
                start[position] = 0;
            }
        }
    }
}

/// Calls `row` with the offset of the first element of each row of a tile, in order.
#[inline(always)]
fn rows(strides: &[isize], lens: &[usize], mut row: impl FnMut(isize)) {
    let outer = lens.len() - 1;
    // Tiles have one or two long axes: no index is kept for the others.
    let mut index = [0usize; 16];
    let mut offset = 0isize;
    if outer == 0 {
        return row(0);
    }
    let skip = lens[..outer].iter().take_while(|&&len| len == 1).count();
    if outer - skip > index.len() {
        return rows_deep(strides, lens, row);
    }
    loop {
        row(offset);
        let mut axis = outer;
        loop {
            if axis == skip {
                return;
            }
            axis -= 1;
            let position = &mut index[axis - skip];
            *position += 1;
            offset += strides[axis];
            if *position < lens[axis] {
                break;
            }
            offset -= strides[axis] * lens[axis] as isize;
            *position = 0;
        }
    }
}

/// The same for more axes than there are places for.
fn rows_deep(strides: &[isize], lens: &[usize], mut row: impl FnMut(isize)) {
    let outer = &lens[..lens.len() - 1];
    for number in 0..outer.iter().product::<usize>() {
        let mut rest = number;
        let mut offset = 0;
        for (&len, &stride) in outer.iter().zip(strides).rev() {
            offset += (rest % len) as isize * stride;
            rest /= len;
        }
        row(offset);
    }
}

/// Copies a tile's elements into order.
///
/// # Safety
/// Every index within `lens` is within `from`, and `to` has room for all.
pub unsafe fn gather<T: Copy>(from: *const T, strides: &[isize], lens: &[usize], to: *mut T) {
    let inner = lens.len() - 1;
    let (len, stride) = (lens[inner], strides[inner]);
    let mut to = to;
    // SAFETY: as above.
    rows(strides, lens, |offset| unsafe {
        let from = from.offset(offset);
        match stride {
            1 => std::ptr::copy_nonoverlapping(from, to, len),
            0 => std::slice::from_raw_parts_mut(to, len).fill(*from),
            _ => {
                for i in 0..len {
                    *to.add(i) = *from.offset(i as isize * stride);
                }
            }
        }
        to = to.add(len);
    });
}

/// Copies elements in a tile's order to where they belong.
///
/// # Safety
/// Every index within `lens` is within `to`, and `from` has as many elements.
pub unsafe fn scatter<T: Copy>(from: *const T, to: *mut T, strides: &[isize], lens: &[usize]) {
    let inner = lens.len() - 1;
    let (len, stride) = (lens[inner], strides[inner]);
    let mut from = from;
    // SAFETY: as above.
    rows(strides, lens, |offset| unsafe {
        let to = to.offset(offset);
        if stride == 1 {
            std::ptr::copy_nonoverlapping(from, to, len);
        } else {
            for i in 0..len {
                *to.offset(i as isize * stride) = *from.add(i);
            }
        }
        from = from.add(len);
    });
}

/// Writes one element to all of a tile.
///
/// # Safety
/// Every index within `lens` is within `to`.
pub unsafe fn scatter_one<T: Copy>(value: T, to: *mut T, strides: &[isize], lens: &[usize]) {
    let inner = lens.len() - 1;
    // SAFETY: as above.
    rows(strides, lens, |offset| unsafe {
        for i in 0..lens[inner] {
            *to.offset(offset + i as isize * strides[inner]) = value;
        }
    });
}

vectorized! {
    /// Writes the indices `first + Σ i·stride` of a tile in order.
    ///
    /// # Safety
    /// `to` has room for all.
    pub unsafe fn count(first: i64, strides: &[isize], lens: &[usize], to: *mut i64) -> () = count_any;
}

#[inline(always)]
unsafe fn count_any(first: i64, strides: &[isize], lens: &[usize], to: *mut i64) {
    let inner = lens.len() - 1;
    let mut to = to;
    // SAFETY: as above.
    rows(strides, lens, |offset| unsafe {
        let row = std::slice::from_raw_parts_mut(to, lens[inner]);
        let mut value = first + offset as i64;
        for to in row {
            *to = value;
            value = value.wrapping_add(strides[inner] as i64);
        }
        to = to.add(lens[inner]);
    });
}

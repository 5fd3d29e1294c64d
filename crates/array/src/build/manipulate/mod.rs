//! Shapes, joins and rearrangements: nodes that show other arrays' elements elsewhere, and compute nothing.

mod arrange;
mod join;
mod pad;
mod shape;

#[cfg(test)]
mod tests;

pub use arrange::{flip, fliplr, flipud, repeat, repeat_by, roll, rot90, tile};
pub use join::{
    array_split, column_stack, concat, dstack, hsplit, hstack, split, split_at, stack, unstack, vsplit,
    vstack,
};
pub use pad::{PadMode, pad};
pub use shape::{
    atleast_1d, atleast_2d, atleast_3d, broadcast_arrays, broadcast_shapes, broadcast_to, expand_dims,
    matrix_transpose, moveaxis, permute_dims, ravel, rechunk, reshape, rollaxis, squeeze, swapaxes,
    transpose,
};

pub(crate) use shape::{reshape_to, slice, slice_axis};

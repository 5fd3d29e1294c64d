"""Shapes: reshaping, permuting, joining, repeating; taking elements."""

from __future__ import annotations

from collections.abc import Sequence

from swath import _swath
from swath._swath import Array

__all__ = [
    "broadcast_arrays",
    "broadcast_shapes",
    "broadcast_to",
    "concat",
    "expand_dims",
    "flip",
    "matrix_transpose",
    "moveaxis",
    "permute_dims",
    "repeat",
    "reshape",
    "roll",
    "squeeze",
    "stack",
    "take",
    "take_along_axis",
    "tile",
    "unstack",
]

Axes = int | tuple[int, ...]


def broadcast_arrays(*arrays: Array) -> list[Array]:
    """Arrays in the shape that they broadcast to together.

    >>> [x.shape for x in broadcast_arrays(_swath.asarray([1, 2]), _swath.asarray([[3], [4]]))]
    [(2, 2), (2, 2)]
    """
    return _swath.broadcast_arrays(arrays)


def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that shapes broadcast to together.

    >>> broadcast_shapes((2, 1), (3,))
    (2, 3)
    """
    return tuple(_swath.broadcast_shapes(shapes))


def broadcast_to(x: Array, /, shape: tuple[int, ...]) -> Array:
    """An array in a shape in which axes of one element are repeated.

    >>> broadcast_to(_swath.asarray([1, 2]), (2, 2)).tolist()
    [[1, 2], [1, 2]]
    """
    return _swath.broadcast_to(x, shape)


def concat(arrays: Sequence[Array], /, *, axis: int | None = 0) -> Array:
    """Arrays one after the other along an axis; as vectors for ``axis=None``.

    >>> concat([_swath.asarray([1, 2]), _swath.asarray([3])]).tolist()
    [1, 2, 3]
    """
    return _swath.concat(arrays, axis)


def expand_dims(x: Array, /, axis: Axes = 0) -> Array:
    """An array with an axis of one element more.

    >>> expand_dims(_swath.asarray([1, 2]), axis=1).shape
    (2, 1)
    """
    return _swath.expand_dims(x, axis)


def flip(x: Array, /, *, axis: Axes | None = None) -> Array:
    """An array with the order along some axes, or all, reversed.

    >>> flip(_swath.asarray([1, 2, 3])).tolist()
    [3, 2, 1]
    """
    return _swath.flip(x, axis)


def matrix_transpose(x: Array, /) -> Array:
    """An array with its last two axes exchanged.

    >>> matrix_transpose(_swath.asarray([[1, 2], [3, 4]])).tolist()
    [[1, 3], [2, 4]]
    """
    return _swath.asarray(x).mT


def moveaxis(x: Array, source: Axes, destination: Axes, /) -> Array:
    """An array with axes moved to other places.

    >>> moveaxis(_swath.full((1, 2, 3), 0), 0, -1).shape
    (2, 3, 1)
    """
    return _swath.moveaxis(x, source, destination)


def permute_dims(x: Array, /, axes: tuple[int, ...]) -> Array:
    """An array whose axis ``i`` is axis ``axes[i]`` of another.

    >>> permute_dims(_swath.full((1, 2, 3), 0), (2, 0, 1)).shape
    (3, 1, 2)
    """
    return _swath.transpose(x, axes)


def repeat(x: Array, repeats: int | Array, /, *, axis: int | None = None) -> Array:
    """Each element as often as `repeats` says.

    >>> repeat(_swath.asarray([1, 2]), 2).tolist()
    [1, 1, 2, 2]
    """
    return _swath.repeat(x, repeats, axis)


def reshape(x: Array, /, shape: tuple[int, ...], *, copy: bool | None = None) -> Array:
    """The elements in row-major order in another shape; one length may be -1.

    Memory is never written to, so that `copy` changes nothing that could be seen.

    >>> reshape(_swath.asarray([1, 2, 3, 4]), (2, -1)).tolist()
    [[1, 2], [3, 4]]
    """
    return _swath.reshape(x, shape)


def roll(x: Array, /, shift: Axes, *, axis: Axes | None = None) -> Array:
    """Elements shifted along axes; what falls off one end comes back at the other.

    >>> roll(_swath.asarray([1, 2, 3]), 1).tolist()
    [3, 1, 2]
    """
    return _swath.roll(x, shift, axis)


def squeeze(x: Array, /, axis: Axes) -> Array:
    """An array without axes that have one element.

    >>> squeeze(_swath.asarray([[1, 2]]), 0).shape
    (2,)
    """
    return _swath.squeeze(x, axis)


def stack(arrays: Sequence[Array], /, *, axis: int = 0) -> Array:
    """Arrays of one shape along a new axis.

    >>> stack([_swath.asarray([1, 2]), _swath.asarray([3, 4])]).tolist()
    [[1, 2], [3, 4]]
    """
    return _swath.stack(arrays, axis)


def take(x: Array, indices: Array, /, *, axis: int | None = None) -> Array:
    """The elements at indices along an axis, which vectors need not name.

    >>> take(_swath.asarray([10, 20, 30]), _swath.asarray([2, 0])).tolist()
    [30, 10]
    """
    x = _swath.asarray(x)
    if axis is None and x.ndim != 1:
        raise ValueError(f"take needs an axis for an array of shape {x.shape}")
    return _swath.take(x, indices, axis)


def take_along_axis(x: Array, indices: Array, /, *, axis: int = -1) -> Array:
    """The elements at indices that each row along an axis has of its own.

    >>> take_along_axis(_swath.asarray([[1, 2], [3, 4]]), _swath.asarray([[1], [0]])).tolist()
    [[2], [3]]
    """
    return _swath.take_along_axis(x, indices, axis)


def tile(x: Array, repetitions: tuple[int, ...], /) -> Array:
    """An array repeated along axes.

    >>> tile(_swath.asarray([1, 2]), (2,)).tolist()
    [1, 2, 1, 2]
    """
    return _swath.tile(x, repetitions)


def unstack(x: Array, /, *, axis: int = 0) -> tuple[Array, ...]:
    """The arrays at each index of an axis.

    >>> [row.tolist() for row in unstack(_swath.asarray([[1, 2], [3, 4]]))]
    [[1, 2], [3, 4]]
    """
    return tuple(_swath.unstack(x, axis))

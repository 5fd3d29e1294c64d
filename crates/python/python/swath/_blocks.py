"""Functions of one's own over the chunks of arrays."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

from swath import _swath
from swath._swath import Array, DType

__all__ = ["blockwise", "map_blocks", "map_overlap"]


def _with(func: Callable[..., Any], keywords: dict[str, Any]) -> Callable[..., Any]:
    """The function with keywords that each call gets."""
    if not callable(func):
        raise TypeError(f"what is called on blocks is a function, not of type {type(func).__name__}")
    if not keywords:
        return func
    called = functools.partial(func, **keywords)
    called.__name__ = getattr(func, "__name__", "a function")  # type: ignore[attr-defined]
    return called


class Blocks:
    """The chunks of an array by their numbers along each axis: `x.blocks[1]`, `x.blocks[:2, -1]`, `x.blocks[[0, 2]]` are
    arrays of those chunks, lazily sliced, that keep all axes.

    >>> x = _swath.asarray([1, 2, 3, 4, 5]).rechunk(2)
    >>> x.blocks[1].tolist(), x.blocks[-1].tolist(), x.blocks[[2, 0]].tolist()
    ([3, 4], [5], [5, 1, 2])
    >>> x.blocks.shape
    (3,)
    """

    __slots__ = ("_array",)

    def __init__(self, array: Array) -> None:
        self._array = array

    @property
    def shape(self) -> tuple[int, ...]:
        """How many chunks there are along each axis."""
        return self._array.numblocks

    @property
    def size(self) -> int:
        """How many chunks there are."""
        return math.prod(self.shape)

    @property
    def ndim(self) -> int:
        """How many axes there are."""
        return self._array.ndim

    def __len__(self) -> int:
        return self.shape[0]

    def ravel(self) -> list[Array]:
        """The chunks in row-major order, each an array.

        >>> [block.tolist() for block in _swath.asarray([1, 2, 3]).rechunk(2).blocks.ravel()]
        [[1, 2], [3]]
        """
        numbers = [()]
        for count in self.shape:
            numbers = [(*before, number) for before in numbers for number in range(count)]
        return [self[number] for number in numbers]

    def __getitem__(self, key: Any) -> Array:
        keys = list(key) if isinstance(key, tuple) else [key]
        # Not by `in`, which would compare arrays.
        dots = [place for place, part in enumerate(keys) if part is Ellipsis]
        if dots:
            at = dots[0]
            keys[at : at + 1] = [slice(None)] * (self.ndim - len(keys) + 1)
        if len(keys) > self.ndim:
            raise IndexError(f"{len(keys)} indices of chunks for an array of {self.ndim} axes")
        array, chunks = self._array, self._array.chunksize
        for axis, part in enumerate(keys):
            array = _chunks_along(array, axis, _numbers(part, self.shape[axis], axis), chunks[axis])
        return array.rechunk(chunks) if chunks else array


def _numbers(part: Any, count: int, axis: int) -> list[int]:
    """The numbers of chunks that an index of one axis names."""
    if isinstance(part, slice):
        return list(range(count))[part]
    if hasattr(part, "tolist"):
        part = part.tolist()
    found = list(part) if isinstance(part, (list, tuple, range)) else [part]
    for number in found:
        if isinstance(number, bool) or not hasattr(number, "__index__"):
            raise IndexError(f"chunks are named by integers, slices and lists of integers, not by {number!r}")
        if not -count <= number < count:
            raise IndexError(f"chunk {number} is out of bounds for axis {axis}, which has {count}")
    return [int(number) % count for number in found]


def _chunks_along(array: Array, axis: int, numbers: list[int], length: int) -> Array:
    """The chunks of these numbers along an axis, one after the other; neighbours in one slice."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number:
            runs[-1][1] += 1
        else:
            runs.append([number, number + 1])
    before = (slice(None),) * axis
    parts = [array[(*before, slice(first * length, last * length))] for first, last in runs or [(0, 0)]]
    return parts[0] if len(parts) == 1 else _swath.concat(parts, axis)


def map_blocks(
    func: Callable[..., Any],
    *args: Any,
    dtype: DType | None = None,
    chunks: Sequence[int] | None = None,
    drop_axis: int | Sequence[int] = (),
    new_axis: int | Sequence[int] = (),
    **kwargs: Any,
) -> Array:
    """Calls a function on the chunks of arrays, which it gets as arrays of NumPy's that it must not write to.

    Without `dtype` it is called on blocks of one element, to tell the type of its results. `chunks` is the shape of the
    blocks that it makes, where it is not that of the blocks that it gets. The function gets other keywords as they are.

    >>> x = _swath.asarray([1, 2, 3, 4]).rechunk(2)
    >>> map_blocks(lambda block: block - block[0], x).tolist()
    [0, 1, 0, 1]
    """
    drop = [drop_axis] if isinstance(drop_axis, int) else list(drop_axis)
    new = [new_axis] if isinstance(new_axis, int) else list(new_axis)
    func = _with(func, kwargs)
    return _swath.map_blocks(func, list(args), dtype, None if chunks is None else list(chunks), drop, new)


def map_overlap(
    func: Callable[..., Any],
    x: Any,
    depth: int | Sequence[int] | dict[int, int],
    boundary: Any = "reflect",
    dtype: DType | None = None,
    **kwargs: Any,
) -> Array:
    """Calls a function on the chunks of an array with so many elements of their neighbours on either side.

    `boundary` is what lies beyond the ends of an axis: "reflect", "periodic", "nearest", "none" or a number; one for all
    axes, or one for each. Depths and boundaries may also be dicts of those of some axes: others have depth 0 and "none".
    The function gets other keywords as they are.

    >>> x = _swath.asarray([1.0, 2.0, 4.0, 8.0]).rechunk(2)
    >>> map_overlap(lambda b: b * 0 + b.max(), x, 1, 0.0).tolist()
    [4.0, 4.0, 8.0, 8.0]
    """
    x = _swath.asarray(x)
    depths = _each_axis(depth, x.ndim, 0)
    boundaries = ["none" if one is None else one for one in _each_axis(boundary, x.ndim, "none")]
    return _swath.map_overlap(_with(func, kwargs), x, depths, boundaries, dtype)


def _each_axis(given: Any, ndim: int, missing: Any) -> list[Any]:
    """What is given for each axis: by a dict, by a sequence, or one for all."""
    if isinstance(given, dict):
        return [given.get(axis, given.get(axis - ndim, missing)) for axis in range(ndim)]
    return list(given) if isinstance(given, (list, tuple)) else [given] * ndim


def blockwise(
    func: Callable[..., Any],
    out_ind: Sequence[Any],
    *args: Any,
    dtype: DType | None = None,
    new_axes: dict[Any, int] | None = None,
) -> Array:
    """Calls a function on the blocks that the labels of axes bring together: blocks of the result go over the labels
    `out_ind`, and `args` are arrays, each followed by the labels of its axes. An axis whose label the result has not comes
    whole. `new_axes` gives the length of labels that no array has.

    >>> x = _swath.asarray([[1, 2], [3, 4]]).rechunk((1, 2))
    >>> blockwise(lambda rows: rows.sum(axis=1), "i", x, "ij").tolist()
    [3, 7]
    """
    func = _with(func, {})
    if len(args) % 2:
        raise ValueError("blockwise takes arrays that are each followed by the labels of their axes")
    arrays = [_swath.asarray(array) for array in args[::2]]
    numbers: dict[Any, int] = {}
    number = lambda label: numbers.setdefault(label, len(numbers))
    for array, labels in zip(arrays, args[1::2]):
        if len(labels) != array.ndim:
            raise ValueError(f"{len(labels)} labels for the {array.ndim} axes of shape {array.shape}")
    each = [[number(label) for label in labels] for labels in args[1::2]]
    made = [(number(label), length) for label, length in (new_axes or {}).items()]
    unknown = [label for label in out_ind if label not in numbers]
    if unknown:
        raise ValueError(f"no array has axes labelled {unknown}, and new_axes gives no length")
    return _swath.blockwise(func, [numbers[label] for label in out_ind], arrays, each, dtype, made)

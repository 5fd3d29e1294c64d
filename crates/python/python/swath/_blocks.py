"""Functions of one's own over the chunks of arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from swath import _swath
from swath._swath import Array, DType

__all__ = ["blockwise", "map_blocks", "map_overlap"]


def map_blocks(
    func: Callable[..., Any],
    *args: Any,
    dtype: DType | None = None,
    chunks: Sequence[int] | None = None,
    drop_axis: int | Sequence[int] = (),
    new_axis: int | Sequence[int] = (),
) -> Array:
    """Calls a function on the chunks of arrays, which it gets as arrays of NumPy's that it must not write to.

    Without `dtype` it is called on blocks of one element, to tell the type of its results. `chunks` is the shape of the
    blocks that it makes, where it is not that of the blocks that it gets.

    >>> x = _swath.asarray([1, 2, 3, 4]).rechunk(2)
    >>> map_blocks(lambda block: block - block[0], x).tolist()
    [0, 1, 0, 1]
    """
    drop = [drop_axis] if isinstance(drop_axis, int) else list(drop_axis)
    new = [new_axis] if isinstance(new_axis, int) else list(new_axis)
    return _swath.map_blocks(func, list(args), dtype, None if chunks is None else list(chunks), drop, new)


def map_overlap(
    func: Callable[..., Any],
    x: Any,
    depth: int | Sequence[int],
    boundary: Any = "reflect",
    dtype: DType | None = None,
) -> Array:
    """Calls a function on the chunks of an array with so many elements of their neighbours on either side.

    `boundary` is what lies beyond the ends of an axis: "reflect", "periodic", "nearest", "none" or a number; one for all
    axes, or one for each.

    >>> x = _swath.asarray([1.0, 2.0, 4.0, 8.0]).rechunk(2)
    >>> map_overlap(lambda b: b * 0 + b.max(), x, 1, 0.0).tolist()
    [4.0, 4.0, 8.0, 8.0]
    """
    x = _swath.asarray(x)
    depths = [depth] * x.ndim if isinstance(depth, int) else list(depth)
    each = list(boundary) if isinstance(boundary, (list, tuple)) else [boundary] * x.ndim
    return _swath.map_overlap(func, x, depths, each, dtype)


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

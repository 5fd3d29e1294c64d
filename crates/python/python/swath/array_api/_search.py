"""Searching, sorting, sets."""

from __future__ import annotations

from typing import Literal, NamedTuple

from swath import _swath
from swath._swath import Array
from swath.array_api._elementwise import Operand

__all__ = [
    "argmax",
    "argmin",
    "argsort",
    "count_nonzero",
    "isin",
    "nonzero",
    "searchsorted",
    "sort",
    "unique_all",
    "unique_counts",
    "unique_inverse",
    "unique_values",
    "where",
]


class UniqueAllResult(NamedTuple):
    """What `unique_all` returns."""

    values: Array
    indices: Array
    inverse_indices: Array
    counts: Array


class UniqueCountsResult(NamedTuple):
    """What `unique_counts` returns."""

    values: Array
    counts: Array


class UniqueInverseResult(NamedTuple):
    """What `unique_inverse` returns."""

    values: Array
    inverse_indices: Array


def argmax(x: Array, /, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """The index of the first greatest value.

    >>> int(argmax(_swath.asarray([1, 3, 2])))
    1
    """
    return _swath.arg_reduction("argmax", x, axis, keepdims)


def argmin(x: Array, /, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """The index of the first least value.

    >>> int(argmin(_swath.asarray([3, 1, 2])))
    1
    """
    return _swath.arg_reduction("argmin", x, axis, keepdims)


def argsort(
    x: Array, /, *, axis: int = -1, descending: bool = False, stable: bool = True
) -> Array:
    """The indices that sort along an axis; NaN comes last, and first where `descending`.

    >>> argsort(_swath.asarray([3, 1, 2])).tolist()
    [1, 2, 0]
    """
    return _swath.sorting("argsort", x, axis, descending, stable)


def count_nonzero(
    x: Array, /, *, axis: int | tuple[int, ...] | None = None, keepdims: bool = False
) -> Array:
    """How many values are not 0.

    >>> int(count_nonzero(_swath.asarray([0, 1, 2])))
    2
    """
    return _swath.reduction("count_nonzero", x, axis, keepdims)


def isin(x1: Operand, x2: Operand, /, *, invert: bool = False) -> Array:
    """Where values of `x1` are among those of `x2`.

    >>> isin(_swath.asarray([1, 2, 3]), _swath.asarray([3, 1])).tolist()
    [True, False, True]
    """
    return _swath.isin(x1, x2, invert)


def nonzero(x: Array, /) -> tuple[Array, ...]:
    """The indices of the values that are not 0, an array for each axis; computed at once.

    >>> [i.tolist() for i in nonzero(_swath.asarray([0, 5, 6]))]
    [[1, 2]]
    """
    x = _swath.asarray(x)
    if x.ndim == 0:
        raise ValueError("nonzero takes arrays of at least one axis")
    return tuple(_swath.nonzero(x))


def searchsorted(
    x1: Array,
    x2: Operand,
    /,
    *,
    side: Literal["left", "right"] = "left",
    sorter: Array | None = None,
) -> Array:
    """Where values of `x2` would go into the sorted `x1`.

    >>> searchsorted(_swath.asarray([1, 3, 5]), _swath.asarray([3, 4])).tolist()
    [1, 2]
    """
    return _swath.searchsorted(x1, x2, side, sorter)


def sort(x: Array, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Array:
    """Values sorted along an axis; NaN comes last, and first where `descending`.

    >>> sort(_swath.asarray([3, 1, 2])).tolist()
    [1, 2, 3]
    """
    return _swath.sorting("sort", x, axis, descending, stable)


def unique_all(x: Array, /) -> UniqueAllResult:
    """The distinct values, the index of the first of each, which each element is, and how many there are.

    Every NaN is a value of its own. It is computed at once.

    >>> unique_all(_swath.asarray([2, 1, 2])).inverse_indices.tolist()
    [1, 0, 1]
    """
    return UniqueAllResult(*_swath.unique_all(x))


def unique_counts(x: Array, /) -> UniqueCountsResult:
    """The distinct values, and how often there are.

    >>> unique_counts(_swath.asarray([2, 1, 2])).counts.tolist()
    [1, 2]
    """
    values, _, _, counts = _swath.unique_all(x)
    return UniqueCountsResult(values, counts)


def unique_inverse(x: Array, /) -> UniqueInverseResult:
    """The distinct values, and which of them each element is.

    >>> unique_inverse(_swath.asarray([2, 1, 2])).inverse_indices.tolist()
    [1, 0, 1]
    """
    values, _, inverse, _ = _swath.unique_all(x)
    return UniqueInverseResult(values, inverse)


def unique_values(x: Array, /) -> Array:
    """The distinct values in ascending order.

    >>> unique_values(_swath.asarray([2, 1, 2])).tolist()
    [1, 2]
    """
    return _swath.unique_all(x)[0]


def where(condition: Array, x1: Operand, x2: Operand, /) -> Array:
    """Values of `x1` where the condition is true, of `x2` elsewhere.

    >>> where(_swath.asarray([True, False]), _swath.asarray([1, 2]), 0).tolist()
    [1, 0]
    """
    return _swath.where(condition, x1, x2)

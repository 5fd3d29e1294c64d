"""Reductions and cumulative functions."""

from __future__ import annotations

from swath import _swath
from swath._swath import Array, DType

__all__ = [
    "all",
    "any",
    "cumulative_prod",
    "cumulative_sum",
    "diff",
    "max",
    "mean",
    "min",
    "prod",
    "std",
    "sum",
    "var",
]

Axes = int | tuple[int, ...] | None


def all(x: Array, /, *, axis: Axes = None, keepdims: bool = False) -> Array:
    """Whether all values are true, or not 0; of none they are.

    >>> bool(all(_swath.asarray([True, False])))
    False
    """
    return _swath.reduction("all", x, axis, keepdims)


def any(x: Array, /, *, axis: Axes = None, keepdims: bool = False) -> Array:
    """Whether one of the values is true, or not 0; of none there is not.

    >>> bool(any(_swath.asarray([True, False])))
    True
    """
    return _swath.reduction("any", x, axis, keepdims)


def cumulative_prod(
    x: Array,
    /,
    *,
    axis: int | None = None,
    dtype: DType | None = None,
    include_initial: bool = False,
) -> Array:
    """The products of all values up to each.

    >>> cumulative_prod(_swath.asarray([1, 2, 3])).tolist()
    [1, 2, 6]
    """
    return _swath.cumulative("cumulative_prod", x, axis, dtype, include_initial)


def cumulative_sum(
    x: Array,
    /,
    *,
    axis: int | None = None,
    dtype: DType | None = None,
    include_initial: bool = False,
) -> Array:
    """The sums of all values up to each.

    >>> cumulative_sum(_swath.asarray([1, 2, 3]), include_initial=True).tolist()
    [0, 1, 3, 6]
    """
    return _swath.cumulative("cumulative_sum", x, axis, dtype, include_initial)


def diff(
    x: Array,
    /,
    *,
    axis: int = -1,
    n: int = 1,
    prepend: Array | None = None,
    append: Array | None = None,
) -> Array:
    """The differences of neighbours, taken `n` times.

    >>> diff(_swath.asarray([1, 4, 9])).tolist()
    [3, 5]
    """
    return _swath.diff(x, axis, n, prepend, append)


def max(x: Array, /, *, axis: Axes = None, keepdims: bool = False) -> Array:
    """The greatest values; NaN where there is one.

    >>> int(max(_swath.asarray([1, 3, 2])))
    3
    """
    return _swath.reduction("max", x, axis, keepdims)


def mean(x: Array, /, *, axis: Axes = None, keepdims: bool = False) -> Array:
    """The means.

    >>> float(mean(_swath.asarray([1.0, 2.0])))
    1.5
    """
    return _swath.reduction("mean", x, axis, keepdims)


def min(x: Array, /, *, axis: Axes = None, keepdims: bool = False) -> Array:
    """The least values; NaN where there is one.

    >>> int(min(_swath.asarray([3, 1, 2])))
    1
    """
    return _swath.reduction("min", x, axis, keepdims)


def prod(
    x: Array, /, *, axis: Axes = None, dtype: DType | None = None, keepdims: bool = False
) -> Array:
    """The products; of integers in 64 bits unless `dtype` says otherwise.

    >>> int(prod(_swath.asarray([2, 3])))
    6
    """
    return _swath.reduction("prod", x, axis, keepdims, dtype)


def std(
    x: Array, /, *, axis: Axes = None, correction: int | float = 0.0, keepdims: bool = False
) -> Array:
    """The standard deviations: square roots of `var`.

    >>> float(std(_swath.asarray([1.0, 3.0])))
    1.0
    """
    return _swath.reduction("std", x, axis, keepdims, None, correction)


def sum(
    x: Array, /, *, axis: Axes = None, dtype: DType | None = None, keepdims: bool = False
) -> Array:
    """The sums; of integers in 64 bits unless `dtype` says otherwise.

    >>> sum(_swath.asarray([[1, 2], [3, 4]]), axis=0).tolist()
    [4, 6]
    """
    return _swath.reduction("sum", x, axis, keepdims, dtype)


def var(
    x: Array, /, *, axis: Axes = None, correction: int | float = 0.0, keepdims: bool = False
) -> Array:
    """The variances: sums of squared deviations, divided by the count less `correction`.

    >>> float(var(_swath.asarray([1.0, 3.0]), correction=1))
    2.0
    """
    return _swath.reduction("var", x, axis, keepdims, None, correction)

"""Products of arrays."""

from __future__ import annotations

from collections.abc import Sequence

from swath import _swath
from swath._swath import Array

__all__ = ["matmul", "tensordot", "vecdot"]


def matmul(x1: Array, x2: Array, /) -> Array:
    """The product of matrices, of stacks of them, of vectors.

    >>> matmul(_swath.asarray([[1, 2], [3, 4]]), _swath.asarray([1, 1])).tolist()
    [3, 7]
    """
    return _swath.matmul(x1, x2)


def tensordot(
    x1: Array, x2: Array, /, *, axes: int | tuple[Sequence[int], Sequence[int]] = 2
) -> Array:
    """The sum of products over pairs of axes.

    >>> int(tensordot(_swath.asarray([1, 2]), _swath.asarray([3, 4]), axes=1))
    11
    """
    return _swath.tensordot(x1, x2, axes)


def vecdot(x1: Array, x2: Array, /, *, axis: int = -1) -> Array:
    """The dot product of vectors along an axis; the first is conjugated.

    >>> int(vecdot(_swath.asarray([1, 2]), _swath.asarray([3, 4])))
    11
    """
    return _swath.vecdot(x1, x2, axis)

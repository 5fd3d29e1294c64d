"""Arrays from nothing, from other objects, from other packages."""

from __future__ import annotations

from typing import Any, Literal

from swath import _swath
from swath._swath import Array, DType

__all__ = [
    "arange",
    "asarray",
    "empty",
    "empty_like",
    "eye",
    "from_dlpack",
    "full",
    "full_like",
    "linspace",
    "meshgrid",
    "ones",
    "ones_like",
    "tril",
    "triu",
    "zeros",
    "zeros_like",
]

Shape = int | tuple[int, ...]
Number = bool | int | float | complex


def check_device(device: Any) -> None:
    if device is not None and device != "cpu":
        raise ValueError(f"'cpu' is the only device of arrays, and not {device!r}")


def arange(
    start: int | float,
    /,
    stop: int | float | None = None,
    step: int | float = 1,
    *,
    dtype: DType | None = None,
    device: Any = None,
) -> Array:
    """Values from `start` on (0 if `stop` is left out), `step` apart, before `stop`.

    >>> arange(2, 10, 3).tolist()
    [2, 5, 8]
    """
    check_device(device)
    return _swath.arange(start, stop, step, dtype)


def asarray(
    obj: Any, /, *, dtype: DType | None = None, device: Any = None, copy: bool | None = None
) -> Array:
    """An array of numbers, nested sequences, arrays of NumPy's, buffers, or whatever has ``__dlpack__``.

    Memory is shared where `copy` is not true and the layout allows it; with `copy` false a copy is an error.

    >>> asarray([[1, 2], [3, 4]])
    swath.Array([[1, 2],
                 [3, 4]], dtype=int64)
    """
    check_device(device)
    return _swath.asarray(obj, dtype, copy)


def empty(shape: Shape, *, dtype: DType | None = None, device: Any = None) -> Array:
    """An array whose values do not matter: zeros.

    >>> empty((2, 3)).shape
    (2, 3)
    """
    return full(shape, 0, dtype=_swath.float64 if dtype is None else dtype, device=device)


def empty_like(x: Array, /, *, dtype: DType | None = None, device: Any = None) -> Array:
    """An array of the shape and data type of another, whose values do not matter.

    >>> empty_like(asarray([1, 2])).dtype
    swath.int64
    """
    return full_like(x, 0, dtype=dtype, device=device)


def eye(
    n_rows: int,
    n_cols: int | None = None,
    /,
    *,
    k: int = 0,
    dtype: DType | None = None,
    device: Any = None,
) -> Array:
    """Ones on diagonal `k`, zeros elsewhere.

    >>> eye(2, 3, k=1).tolist()
    [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    check_device(device)
    return _swath.eye(n_rows, n_cols, k, dtype)


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Array:
    """An array of an object that has ``__dlpack__``; memory is shared unless `copy` is true.

    >>> from_dlpack(asarray([1, 2])).tolist()
    [1, 2]
    """
    return _swath.from_dlpack(x, device, copy)


def full(
    shape: Shape, fill_value: Number, *, dtype: DType | None = None, device: Any = None
) -> Array:
    """One value everywhere.

    >>> full((2, 2), 7).tolist()
    [[7, 7], [7, 7]]
    """
    check_device(device)
    return _swath.full(shape, fill_value, dtype)


def full_like(
    x: Array, /, fill_value: Number, *, dtype: DType | None = None, device: Any = None
) -> Array:
    """One value everywhere, in the shape and data type of another array.

    >>> full_like(asarray([1.0, 2.0]), 3).tolist()
    [3.0, 3.0]
    """
    check_device(device)
    x = _swath.asarray(x)
    return _swath.full(x.shape, fill_value, x.dtype if dtype is None else dtype)


def linspace(
    start: int | float | complex,
    stop: int | float | complex,
    /,
    num: int,
    *,
    dtype: DType | None = None,
    device: Any = None,
    endpoint: bool = True,
) -> Array:
    """Values at equal distances from `start` to `stop`, which is the last of them if `endpoint`.

    >>> linspace(0, 1, 5).tolist()
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    check_device(device)
    return _swath.linspace(start, stop, num, dtype, endpoint)


def meshgrid(*arrays: Array, indexing: Literal["xy", "ij"] = "xy") -> list[Array]:
    """Coordinates of the grid that vectors span.

    >>> [x.tolist() for x in meshgrid(asarray([1, 2]), asarray([3, 4]))]
    [[[1, 2], [1, 2]], [[3, 3], [4, 4]]]
    """
    return _swath.meshgrid(arrays, indexing)


def ones(shape: Shape, *, dtype: DType | None = None, device: Any = None) -> Array:
    """Ones.

    >>> ones(2).tolist()
    [1.0, 1.0]
    """
    return full(shape, 1, dtype=_swath.float64 if dtype is None else dtype, device=device)


def ones_like(x: Array, /, *, dtype: DType | None = None, device: Any = None) -> Array:
    """Ones in the shape and data type of another array.

    >>> ones_like(asarray([5, 6])).tolist()
    [1, 1]
    """
    return full_like(x, 1, dtype=dtype, device=device)


def tril(x: Array, /, *, k: int = 0) -> Array:
    """Matrices with zeros above diagonal `k`.

    >>> tril(ones((2, 2))).tolist()
    [[1.0, 0.0], [1.0, 1.0]]
    """
    return _swath.tril(x, k)


def triu(x: Array, /, *, k: int = 0) -> Array:
    """Matrices with zeros below diagonal `k`.

    >>> triu(ones((2, 2))).tolist()
    [[1.0, 1.0], [0.0, 1.0]]
    """
    return _swath.triu(x, k)


def zeros(shape: Shape, *, dtype: DType | None = None, device: Any = None) -> Array:
    """Zeros.

    >>> zeros(2).tolist()
    [0.0, 0.0]
    """
    return full(shape, 0, dtype=_swath.float64 if dtype is None else dtype, device=device)


def zeros_like(x: Array, /, *, dtype: DType | None = None, device: Any = None) -> Array:
    """Zeros in the shape and data type of another array.

    >>> zeros_like(asarray([5, 6])).tolist()
    [0, 0]
    """
    return full_like(x, 0, dtype=dtype, device=device)

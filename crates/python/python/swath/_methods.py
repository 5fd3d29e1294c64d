"""The methods that arrays of NumPy's have: each is the function of its name."""

from __future__ import annotations

from typing import Any

from swath import _numeric, _swath
from swath._swath import Array, DType


def _astype(self: Array, dtype: DType, copy: bool = True) -> Array:
    """The values in another data type.

    >>> _swath.asarray([1.5]).astype("int64").tolist()
    [1]
    """
    return self if not copy and self.dtype == dtype else _swath.astype(self, dtype)


def _reshape(self: Array, *shape: Any) -> Array:
    """The elements in row-major order in another shape.

    >>> _swath.asarray([1, 2, 3, 4]).reshape(2, -1).tolist()
    [[1, 2], [3, 4]]
    """
    return _swath.reshape(self, shape[0] if len(shape) == 1 else shape)


def _transpose(self: Array, *axes: Any) -> Array:
    """An array with its axes in another order; reversed without `axes`.

    >>> _swath.full((1, 2, 3), 0).transpose(2, 0, 1).shape
    (3, 1, 2)
    """
    if not axes or axes[0] is None:
        return _swath.transpose(self)
    return _swath.transpose(self, axes[0] if len(axes) == 1 else axes)


def _copy(self: Array) -> Array:
    """An array of its own: what is assigned to it does not show in this one.

    >>> _swath.asarray([1]).copy().tolist()
    [1]
    """
    return self.__copy__()


def _take(self: Array, indices: Any, axis: int | None = None) -> Array:
    """The elements at indices along an axis; of the array as a vector without one."""
    return _swath.take(self, indices, axis)


def _round(self: Array, decimals: int = 0) -> Array:
    """The nearest values with so many decimals, halves to even ones."""
    return _numeric.round(self, decimals)


def _map_names() -> dict[str, Any]:
    shared = (
        "all any argmax argmin argsort clip cumprod cumsum dot max mean min nonzero prod ptp ravel repeat "
        "squeeze std sum swapaxes var"
    )
    return {name: getattr(_numeric, name) for name in shared.split()}


def attach() -> None:
    """Gives the class its methods."""
    methods = _map_names()
    methods |= {
        "astype": _astype,
        "reshape": _reshape,
        "transpose": _transpose,
        "flatten": _numeric.ravel,
        "copy": _copy,
        "conj": lambda self: _swath.unary("conj", self),
        "conjugate": lambda self: _swath.unary("conj", self),
        "take": _take,
        "round": _round,
    }
    for name, method in methods.items():
        setattr(Array, name, method)

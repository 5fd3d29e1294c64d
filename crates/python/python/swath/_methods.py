"""The methods that arrays of NumPy's have: each is the function of its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

from swath import _blocks, _numeric, _routines, _swath
from swath._swath import Array, DType


def _astype(self: Array, dtype: DType, copy: bool = True) -> Array:
    """The values in another data type.

    >>> _swath.asarray([1.5]).astype("int64").tolist()
    [1]
    """
    return self if not copy and self.dtype == dtype else _swath.astype(self, dtype)


def _reshape(self: Array, *shape: Any, order: _numeric.Order = "C", copy: bool | None = None) -> Array:
    """The elements in row-major order, or with order "F" column-major order, in another shape.

    >>> _swath.asarray([1, 2, 3, 4]).reshape(2, -1).tolist()
    [[1, 2], [3, 4]]
    """
    return _numeric.reshape(self, shape[0] if len(shape) == 1 else shape, order)


def _transpose(self: Array, *axes: Any) -> Array:
    """An array with its axes in another order; reversed without `axes`.

    >>> _swath.full((1, 2, 3), 0).transpose(2, 0, 1).shape
    (3, 1, 2)
    """
    if not axes or axes[0] is None:
        return _swath.transpose(self)
    return _swath.transpose(self, axes[0] if len(axes) == 1 else axes)


def _copy(self: Array, order: _numeric.Order = "C") -> Array:
    """An array of its own: what is assigned to it does not show in this one.

    >>> _swath.asarray([1]).copy().tolist()
    [1]
    """
    return self.__copy__()


def _searchsorted(
    self: Array, v: Any, side: Literal["left", "right"] = "left", sorter: Any = None
) -> Array:
    """Where values would go into this sorted vector.

    >>> _swath.asarray([1, 3, 5]).searchsorted([3, 4]).tolist()
    [1, 2]
    """
    return _numeric.searchsorted(self, v, side, sorter)


def _compress(self: Array, condition: Any, axis: int | None = None, out: None = None) -> Array:
    """The parts where a vector is true; computed at once.

    >>> _swath.asarray([5, 6]).compress([True, False]).tolist()
    [5]
    """
    return _numeric.compress(condition, self, axis, out)


def _tobytes(self: Array, order: _numeric.Order = "C") -> bytes:
    """The bytes of the values in row-major order, or with order "F" column-major order.

    >>> _swath.asarray([1, 2], "int8").tobytes()
    b'\\x01\\x02'
    """
    values = self.T if _numeric._by_columns(order) else self
    return values.__reduce__()[1][2]


def _to_numpy(self: Array) -> Any:
    """Computes the values as an array of NumPy's, as `compute` does.

    >>> _swath.asarray([1, 2]).to_numpy()
    array([1, 2])
    """
    return self.compute()


def _map_blocks(self: Array, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Array:
    """Calls a function on the chunks of this array and of others, as `swath.map_blocks` does.

    >>> _swath.asarray([1, 2, 3, 4]).rechunk(2).map_blocks(lambda block: block - block[0]).tolist()
    [0, 1, 0, 1]
    """
    return _blocks.map_blocks(func, self, *args, **kwargs)


def _map_overlap(self: Array, func: Callable[..., Any], depth: Any, boundary: Any = "reflect", **kwargs: Any) -> Array:
    """Calls a function on the chunks with so many elements of their neighbours, as `swath.map_overlap` does.

    >>> x = _swath.asarray([1.0, 2.0, 4.0, 8.0]).rechunk(2)
    >>> x.map_overlap(lambda b: b * 0 + b.max(), 1, 0.0).tolist()
    [4.0, 4.0, 8.0, 8.0]
    """
    return _blocks.map_overlap(func, self, depth, boundary, **kwargs)


def _divmod(self: Array, other: Any) -> tuple[Array, Array]:
    """Quotients rounded down, and remainders.

    >>> [found.tolist() for found in divmod(_swath.asarray([7, -7]), 2)]
    [[3, -4], [1, 1]]
    """
    return self // other, self % other


def _rdivmod(self: Array, other: Any) -> tuple[Array, Array]:
    """Quotients rounded down, and remainders.

    >>> [found.tolist() for found in divmod(7, _swath.asarray([2, 3]))]
    [[3, 2], [1, 1]]
    """
    return other // self, other % self


def _dunder_round(self: Array, ndigits: int | None = None) -> Any:
    """The nearest values with so many decimals; without them, of an array of no axes, an integer of Python's.

    >>> round(_swath.asarray(2.345), 1).tolist(), round(_swath.asarray(2.6))
    (2.3, 3)
    """
    if ndigits is None and self.ndim == 0:
        return int(_numeric.round(self))
    return _numeric.round(self, ndigits or 0)


def _reversed(self: Array) -> Iterator[Array]:
    """The parts along the first axis from the last to the first.

    >>> [part.tolist() for part in reversed(_swath.asarray([1, 2]))]
    [2, 1]
    """
    return iter(self[::-1])


# What to write in the place of NumPy's methods that write into an array, which no array of this package has.
_IN_PLACE = {
    "fill": "x[...] = value",
    "itemset": "x[index] = value",
    "partition": "x = swath.partition(x, kth)",
    "put": "x[indices] = values",
    "resize": "x = swath.resize(x, shape)",
    "setflags": "x = x.copy()",
    "sort": "x = swath.sort(x)",
}


def _missing(self: Array, name: str) -> Any:
    """Says what there is in the place of a method that there is not."""
    message = f"{type(self).__module__}.{type(self).__name__} has no attribute {name!r}"
    if name in _IN_PLACE:
        message += f": no method works in place; write {_IN_PLACE[name]}"
    raise AttributeError(message, name=name, obj=self)


def _map_names() -> dict[str, Any]:
    shared = (
        "all any argmax argmin argpartition argsort clip cumprod cumsum diagonal dot max mean min nonzero prod ptp "
        "ravel repeat round squeeze std sum swapaxes take topk trace var"
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
        "choose": _routines.choose,
        "compress": _compress,
        "searchsorted": _searchsorted,
        "tobytes": _tobytes,
        "map_blocks": _map_blocks,
        "map_overlap": _map_overlap,
        "blocks": property(_blocks.Blocks),
        "to_numpy": _to_numpy,
        "__round__": _dunder_round,
        "__reversed__": _reversed,
        "__getattr__": _missing,
        "__divmod__": _divmod,
        "__rdivmod__": _rdivmod,
    }
    for name, method in methods.items():
        setattr(Array, name, method)

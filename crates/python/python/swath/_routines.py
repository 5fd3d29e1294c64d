"""NumPy's routines that are made of others: what they build is fused and cut into chunks like anything else."""

from __future__ import annotations

import builtins
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

from swath import _numeric as np
from swath import _swath
from swath import array_api as xp
from swath._swath import Array, DType

__all__ = [
    "append",
    "apply_along_axis",
    "apply_over_axes",
    "array_equiv",
    "bartlett",
    "blackman",
    "block",
    "choose",
    "compute",
    "convolve",
    "copy",
    "correlate",
    "delete",
    "diag_indices",
    "diagflat",
    "divmod",
    "dsplit",
    "ediff1d",
    "extract",
    "fabs",
    "float_power",
    "geomspace",
    "gradient",
    "hamming",
    "hanning",
    "histogram2d",
    "histogramdd",
    "hsplit",
    "insert",
    "iscomplex",
    "iscomplexobj",
    "isneginf",
    "isposinf",
    "isreal",
    "isrealobj",
    "ix_",
    "lexsort",
    "logaddexp2",
    "matvec",
    "modf",
    "nancumprod",
    "nancumsum",
    "ndim",
    "piecewise",
    "polyfit",
    "polyval",
    "ravel_multi_index",
    "resize",
    "rollaxis",
    "s_",
    "shape",
    "sinc",
    "size",
    "trapezoid",
    "tril_indices",
    "triu_indices",
    "unravel_index",
    "unwrap",
    "vander",
    "vecmat",
    "vsplit",
]


# Elements of a vector up to which each shifts the other in a convolution, which is one pass then.
_SHIFTED_MAX = 64


def _axis(axis: int, ndim: int) -> int:
    if not -ndim <= axis < ndim:
        raise _swath.AxisError(f"axis {axis} is out of bounds for an array of dimension {ndim}")
    return axis % ndim


def _floating(x: Any) -> Array:
    """Numbers as they are divided: integers become float64."""
    x = _swath.asarray(x)
    return x if xp.isdtype(x.dtype, ("real floating", "complex floating")) else x.astype(_swath.float64)


def _part(x: Array, axis: int, start: int | None, stop: int | None) -> Array:
    return x[(slice(None),) * axis + (slice(start, stop),)]


# Shapes and arrangement


def compute(*arrays: Any) -> tuple[Array, ...]:
    """Several arrays with their values; what they share is computed once.

    >>> x = np.arange(4) * 2
    >>> [found.tolist() for found in compute(x + 1, x.sum())]
    [[1, 3, 5, 7], 12]
    """
    return tuple(_swath.compute_all(list(arrays)))


def copy(a: Any) -> Array:
    """An array of its own.

    >>> copy([1, 2]).tolist()
    [1, 2]
    """
    return _swath.asarray(a).copy()


def ndim(a: Any) -> int:
    """How many axes there are.

    >>> ndim([[1]])
    2
    """
    return _swath.asarray(a).ndim


def shape(a: Any) -> tuple[int, ...]:
    """The lengths of the axes.

    >>> shape([[1, 2]])
    (1, 2)
    """
    return _swath.asarray(a).shape


def size(a: Any, axis: int | None = None) -> int:
    """How many elements there are, in all or along an axis.

    >>> size([[1, 2]]), size([[1, 2]], 0)
    (2, 1)
    """
    a = _swath.asarray(a)
    return math.prod(a.shape) if axis is None else a.shape[_axis(axis, a.ndim)]


def rollaxis(a: Any, axis: int, start: int = 0) -> Array:
    """The axes with one moved before another.

    >>> rollaxis(np.zeros((1, 2, 3)), 2).shape
    (3, 1, 2)
    """
    a = _swath.asarray(a)
    axis = _axis(axis, a.ndim)
    if not -a.ndim <= start <= a.ndim:
        raise _swath.AxisError(f"start {start} is out of bounds for an array of dimension {a.ndim}")
    start = start + a.ndim if start < 0 else start
    return np.moveaxis(a, axis, start - 1 if axis < start else start)


def vsplit(ary: Any, indices_or_sections: Any) -> list[Array]:
    """Parts along the first axis.

    >>> [part.tolist() for part in vsplit([[1], [2]], 2)]
    [[[1]], [[2]]]
    """
    return np.split(_at_least(ary, 2, "vsplit"), indices_or_sections, 0)


def hsplit(ary: Any, indices_or_sections: Any) -> list[Array]:
    """Parts along the second axis, or the only one.

    >>> [part.tolist() for part in hsplit([1, 2, 3], [1])]
    [[1], [2, 3]]
    """
    ary = _at_least(ary, 1, "hsplit")
    return np.split(ary, indices_or_sections, 0 if ary.ndim == 1 else 1)


def dsplit(ary: Any, indices_or_sections: Any) -> list[Array]:
    """Parts along the third axis.

    >>> [part.tolist() for part in dsplit([[[1, 2]]], 2)]
    [[[[1]]], [[[2]]]]
    """
    return np.split(_at_least(ary, 3, "dsplit"), indices_or_sections, 2)


def _at_least(x: Any, axes: int, name: str) -> Array:
    x = _swath.asarray(x)
    if x.ndim < axes:
        raise ValueError(f"{name} splits arrays of {axes} axes or more, not of {x.ndim}")
    return x


def append(arr: Any, values: Any, axis: int | None = None) -> Array:
    """Values behind an array's, along an axis or, without one, as vectors.

    >>> append([1, 2], [3]).tolist()
    [1, 2, 3]
    """
    return np.concatenate([_swath.asarray(arr), _swath.asarray(values)], axis=axis)


def delete(arr: Any, obj: Any, axis: int | None = None) -> Array:
    """An array without the elements at some indices along an axis; of the array as a vector without one.

    >>> delete([1, 2, 3], 1).tolist()
    [1, 3]
    """
    arr, axis = _along(arr, axis)
    count = arr.shape[axis]
    gone = set(_indices(obj, count, f"delete along axis {axis}"))
    kept = [index for index in range(count) if index not in gone]
    return np.take(arr, np.asarray(kept, dtype=_swath.int64), axis)


def insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Array:
    """An array with values before some indices of an axis; of the array as a vector without one.

    >>> insert([1, 2, 3], 1, 9).tolist()
    [1, 9, 2, 3]
    """
    arr, axis = _along(arr, axis)
    count = arr.shape[axis]
    at = _indices(obj, count + 1, f"insert along axis {axis}")
    values = _swath.asarray(values).astype(arr.dtype)
    if isinstance(obj, int) and values.ndim == arr.ndim:
        at = at * values.shape[axis]
    elif isinstance(obj, int) and values.ndim:
        values = np.expand_dims(values, axis) if values.ndim == arr.ndim - 1 else values
    lengths = list(arr.shape)
    lengths[axis] = len(at)
    values = np.broadcast_to(values, lengths)
    # Each value in its place: a stable order of the indices, those of values before those of what they stand before.
    order = sorted([(index, 0, number) for number, index in enumerate(at)] + [(i, 1, i) for i in range(count)])
    places = [number if kind == 0 else len(at) + number for _, kind, number in order]
    return np.take(np.concatenate([values, arr], axis), np.asarray(places, dtype=_swath.int64), axis)


def _along(arr: Any, axis: int | None) -> tuple[Array, int]:
    arr = _swath.asarray(arr)
    return (np.ravel(arr), 0) if axis is None else (arr, _axis(axis, arr.ndim))


def _indices(obj: Any, count: int, what: str) -> list[int]:
    if isinstance(obj, slice):
        return list(range(count))[obj]
    obj = _swath.asarray(obj)
    if obj.dtype == _swath.bool:
        obj = np.flatnonzero(obj)
    found = np.ravel(obj).tolist()
    for index in found:
        if not -count <= index < count:
            raise IndexError(f"{what}: index {index} is out of bounds for {count} places")
    return [index % count for index in found]


def block(arrays: Any) -> Array:
    """Blocks, as arrays in lists of lists, put together: the innermost along the last axis.

    >>> block([[np.asarray([1, 2]), np.asarray([3])], [np.asarray([4, 5, 6])]]).tolist()
    [[1, 2, 3], [4, 5, 6]]
    """

    def depth(part: Any) -> int:
        return 1 + max((depth(inner) for inner in part), default=0) if isinstance(part, list) else 0

    def joined(part: Any, level: int) -> Array:
        if not isinstance(part, list):
            return _swath.asarray(part)
        inner = [joined(piece, level - 1) for piece in part]
        axes = max(levels, *(piece.ndim for piece in inner))
        inner = [np.reshape(piece, (1,) * (axes - piece.ndim) + piece.shape) for piece in inner]
        return np.concatenate(inner, axis=axes - level)

    levels = depth(arrays)
    return joined(arrays, levels)


def resize(a: Any, new_shape: Any) -> Array:
    """The elements in another shape, from the start again where there are too few.

    >>> resize([1, 2, 3], (2, 2)).tolist()
    [[1, 2], [3, 1]]
    """
    flat = np.ravel(a)
    new_shape = (new_shape,) if isinstance(new_shape, int) else tuple(new_shape)
    count = math.prod(new_shape)
    if flat.shape[0] == 0:
        return np.zeros(new_shape, flat.dtype)
    times = -(-count // flat.shape[0])
    return np.reshape(np.tile(flat, times)[:count], new_shape)


def diagflat(v: Any, k: int = 0) -> Array:
    """A matrix with the elements on a diagonal.

    >>> diagflat([[1, 2]]).tolist()
    [[1, 0], [0, 2]]
    """
    return np.diag(np.ravel(v), k)


# Indices


class _Key:
    """What stands between brackets, as a value: `x[s_[1:, ::2]]` is `x[1:, ::2]`.

    >>> s_[1:, ::2]
    (slice(1, None, None), slice(None, None, 2))
    """

    def __getitem__(self, key: Any) -> Any:
        return key


s_ = _Key()


def ix_(*args: Any) -> tuple[Array, ...]:
    """Vectors of indices that together pick a mesh.

    >>> np.arange(9).reshape(3, 3)[ix_([0, 2], [1])].tolist()
    [[1], [7]]
    """
    found = []
    for number, arg in enumerate(args):
        arg = _swath.asarray(arg)
        if arg.ndim != 1:
            raise ValueError(f"argument {number} of ix_ has {arg.ndim} axes, not one")
        arg = np.flatnonzero(arg) if arg.dtype == _swath.bool else arg
        found.append(np.reshape(arg, (1,) * number + (-1,) + (1,) * (len(args) - number - 1)))
    return tuple(found)


def unravel_index(indices: Any, shape: Sequence[int]) -> tuple[Array, ...]:
    """The index along each axis of numbers in row-major order; they are not checked.

    >>> [found.tolist() for found in unravel_index([5, 3], (2, 3))]
    [[1, 1], [2, 0]]
    """
    rest, found = _swath.asarray(indices), []
    for length in reversed(shape):
        found.append(xp.remainder(rest, length))
        rest = xp.floor_divide(rest, length)
    return tuple(reversed(found))


def ravel_multi_index(multi_index: Sequence[Any], dims: Sequence[int]) -> Array:
    """The numbers in row-major order of indices along each axis; they are not checked.

    >>> ravel_multi_index(([1, 1], [2, 0]), (2, 3)).tolist()
    [5, 3]
    """
    if len(multi_index) != len(dims):
        raise ValueError(f"{len(multi_index)} indices for the {len(dims)} axes of shape {tuple(dims)}")
    number = _swath.asarray(0)
    for index, length in zip(multi_index, dims):
        number = number * length + _swath.asarray(index)
    return number


def diag_indices(n: int, ndim: int = 2) -> tuple[Array, ...]:
    """The indices of a diagonal.

    >>> [found.tolist() for found in diag_indices(2)]
    [[0, 1], [0, 1]]
    """
    return (np.arange(n),) * ndim


def tril_indices(n: int, k: int = 0, m: int | None = None) -> tuple[Array, ...]:
    """The indices of a matrix's lower triangle; computed at once.

    >>> [found.tolist() for found in tril_indices(2)]
    [[0, 1, 1], [0, 0, 1]]
    """
    return np.nonzero(np.tri(n, m, k, dtype=_swath.bool))


def triu_indices(n: int, k: int = 0, m: int | None = None) -> tuple[Array, ...]:
    """The indices of a matrix's upper triangle; computed at once.

    >>> [found.tolist() for found in triu_indices(2)]
    [[0, 0, 1], [0, 1, 1]]
    """
    return np.nonzero(xp.logical_not(np.tri(n, m, k - 1, dtype=_swath.bool)))


def choose(a: Any, choices: Sequence[Any], out: None = None, mode: str = "raise") -> Array:
    """For each element the value of the choice of that number. Numbers of none are an error, begin anew from the other end
    ("wrap"), or are the nearest that is one ("clip").

    >>> choose([0, 1], [[1, 2], [3, 4]]).tolist()
    [1, 4]
    """
    np._refuse_out("choose", out)
    choices = list(choices)
    return _swath.choose(np._within(a, len(choices), mode), choices)


def extract(condition: Any, arr: Any) -> Array:
    """The elements at which a condition holds, as a vector; computed at once.

    >>> extract([True, False], [1, 2]).tolist()
    [1]
    """
    return np.compress(np.ravel(condition), np.ravel(arr))


def lexsort(keys: Sequence[Any], axis: int = -1) -> Array:
    """The order of the last key; of those that are equal that of the key before, and so on.

    >>> lexsort(([2, 1, 3], [1, 1, 0])).tolist()
    [2, 1, 0]
    """
    if len(keys) == 0:
        raise TypeError("lexsort needs one key at least")
    first, *others = [_swath.asarray(key) for key in keys]
    order = np.argsort(first, axis)
    for key in others:
        order = np.take_along_axis(order, np.argsort(np.take_along_axis(key, order, axis), axis), axis)
    return order


def piecewise(x: Any, condlist: Any, funclist: Sequence[Any]) -> Array:
    """The value of the function, or the number, whose condition is the last to hold; of one more where none does.

    >>> piecewise(np.asarray([-1.0, 2.0]), [np.asarray([True, False])], [lambda x: -x, 0]).tolist()
    [1.0, 0.0]
    """
    x = _swath.asarray(x)
    conditions = [_swath.asarray(condition) for condition in condlist]
    if len(funclist) not in (len(conditions), len(conditions) + 1):
        raise ValueError(f"{len(conditions)} conditions take as many functions or one more, not {len(funclist)}")
    value = lambda made: _swath.asarray(made(x) if callable(made) else made).astype(x.dtype)
    result = np.zeros_like(x) if len(funclist) == len(conditions) else np.broadcast_to(value(funclist[-1]), x.shape)
    for condition, made in zip(conditions, funclist):
        result = xp.where(condition, value(made), result)
    return result


# Elementwise functions


def divmod(x1: Any, x2: Any) -> tuple[Array, Array]:
    """Quotients rounded down, and remainders.

    >>> [found.tolist() for found in divmod([7, -7], 2)]
    [[3, -4], [1, 1]]
    """
    return xp.floor_divide(x1, x2), xp.remainder(x1, x2)


def modf(x: Any) -> tuple[Array, Array]:
    """The parts behind and before the point, both with the sign of the number.

    >>> [found.tolist() for found in modf([1.5, -2.0])]
    [[0.5, -0.0], [1.0, -2.0]]
    """
    x = _floating(x)
    whole = xp.trunc(x)
    rest = xp.where(xp.isinf(x), 0.0, x - whole)
    return xp.copysign(rest, x), whole


def fabs(x: Any) -> Array:
    """Magnitudes, as floats.

    >>> fabs([-1]).tolist()
    [1.0]
    """
    return xp.abs(_floating(x))


def float_power(x1: Any, x2: Any) -> Array:
    """Powers, in float64 or complex128.

    >>> float_power([2], -1).tolist()
    [0.5]
    """
    x1, x2 = _swath.asarray(x1), _swath.asarray(x2)
    is_complex = iscomplexobj(x1) or iscomplexobj(x2)
    wide = _swath.complex128 if is_complex else _swath.float64
    return xp.pow(x1.astype(wide), x2.astype(wide))


def logaddexp2(x1: Any, x2: Any) -> Array:
    """Logarithms of base 2 of the sum of powers of 2.

    >>> logaddexp2([1.0], [1.0]).tolist()
    [2.0]
    """
    ln2 = math.log(2.0)
    x1, x2 = _floating(x1), _floating(x2)
    top, low = xp.maximum(x1, x2), xp.minimum(x1, x2)
    gap = xp.where(top == low, 0.0, low - top)
    return top + xp.log1p(xp.exp(gap * ln2)) / ln2


def sinc(x: Any) -> Array:
    """sin(πx)/πx.

    >>> sinc([0.0]).tolist()
    [1.0]
    """
    x = _floating(x) * math.pi
    return xp.where(x == 0, 1.0, xp.sin(x) / xp.where(x == 0, 1.0, x))


def iscomplexobj(x: Any) -> bool:
    """Whether the type is a complex one.

    >>> iscomplexobj([1j])
    True
    """
    return xp.isdtype(_swath.asarray(x).dtype, "complex floating")


def isrealobj(x: Any) -> bool:
    """Whether the type is not a complex one.

    >>> isrealobj([1.0])
    True
    """
    return not iscomplexobj(x)


def iscomplex(x: Any) -> Array:
    """Where the imaginary part is not 0.

    >>> iscomplex([1j, 1 + 0j]).tolist()
    [True, False]
    """
    x = _swath.asarray(x)
    return xp.imag(x) != 0 if iscomplexobj(x) else np.zeros(x.shape, _swath.bool)


def isreal(x: Any) -> Array:
    """Where the imaginary part is 0.

    >>> isreal([1j, 1 + 0j]).tolist()
    [False, True]
    """
    return xp.logical_not(iscomplex(x))


def isposinf(x: Any) -> Array:
    """Where there is +∞.

    >>> isposinf([math.inf, -math.inf]).tolist()
    [True, False]
    """
    return _floating(x) == math.inf


def isneginf(x: Any) -> Array:
    """Where there is −∞.

    >>> isneginf([math.inf, -math.inf]).tolist()
    [False, True]
    """
    return _floating(x) == -math.inf


def array_equiv(a1: Any, a2: Any) -> bool:
    """Whether two arrays broadcast to equal ones; computed at once.

    >>> array_equiv([1, 1], 1)
    True
    """
    a1, a2 = _swath.asarray(a1), _swath.asarray(a2)
    try:
        xp.broadcast_shapes(a1.shape, a2.shape)
    except ValueError:
        return False
    return bool(np.all(a1 == a2))


# Sums and differences


def nancumsum(a: Any, axis: int | None = None, dtype: DType | None = None) -> Array:
    """Running sums, NaN being 0.

    >>> nancumsum([1.0, math.nan, 2.0]).tolist()
    [1.0, 1.0, 3.0]
    """
    return np.cumsum(_without_nan(a, 0), axis, dtype)


def nancumprod(a: Any, axis: int | None = None, dtype: DType | None = None) -> Array:
    """Running products, NaN being 1.

    >>> nancumprod([2.0, math.nan, 3.0]).tolist()
    [2.0, 2.0, 6.0]
    """
    return np.cumprod(_without_nan(a, 1), axis, dtype)


def _without_nan(a: Any, value: int) -> Array:
    a = _swath.asarray(a)
    return xp.where(xp.isnan(a), value, a) if xp.isdtype(a.dtype, ("real floating", "complex floating")) else a


def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Array:
    """The differences of neighbours in the array as a vector, with values before and behind them.

    >>> ediff1d([1, 4, 9], to_end=0).tolist()
    [3, 5, 0]
    """
    middle = np.diff(np.ravel(ary))
    ends = [None if end is None else np.ravel(end).astype(middle.dtype) for end in (to_begin, to_end)]
    return np.concatenate([part for part in (ends[0], middle, ends[1]) if part is not None])


def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """The slope along each axis: by second-order differences inside, by one-sided ones of first or second order at the
    ends. What follows the array is the distance of neighbours, or their coordinates: one for all axes or one for each.

    Source: Fornberg, Generation of finite difference formulas on arbitrarily spaced grids (1988).

    >>> gradient([1.0, 2.0, 4.0]).tolist()
    [1.0, 1.5, 2.0]
    """
    f = _floating(f)
    axes = range(f.ndim) if axis is None else [axis] if isinstance(axis, int) else list(axis)
    axes = [_axis(one, f.ndim) for one in axes]
    if edge_order not in (1, 2):
        raise ValueError(f"edge_order is 1 or 2, not {edge_order}")
    spaces = list(varargs) if varargs else [1.0]
    spaces = spaces * len(axes) if len(spaces) == 1 else spaces
    if len(spaces) != len(axes):
        raise TypeError(f"{len(spaces)} distances for {len(axes)} axes")
    found = [_slope(f, space, one, edge_order) for space, one in zip(spaces, axes)]
    if len(found) == 1 and (axis is None or isinstance(axis, int)):
        return found[0]
    return tuple(found)


def _slope(f: Array, space: Any, axis: int, edge_order: int) -> Array:
    count = f.shape[axis]
    if count < edge_order + 1:
        raise ValueError(f"gradient needs {edge_order + 1} elements along axis {axis}, which has {count}")
    space = _floating(space)
    if space.ndim > 1 or space.ndim == 1 and space.shape[0] != count:
        raise ValueError(f"coordinates of shape {space.shape} for axis {axis} of {count} elements")
    along = (-1,) + (1,) * (f.ndim - axis - 1)
    steps = np.reshape(np.diff(space) if space.ndim else np.broadcast_to(space, (count - 1,)), along)
    rise = lambda start, stop: _part(f, axis, start, stop)
    left, right = steps[:-1], steps[1:]
    inside = (
        rise(None, -2) * (-right / (left * (left + right)))
        + rise(1, -1) * ((right - left) / (left * right))
        + rise(2, None) * (left / (right * (left + right)))
    )
    if edge_order == 1:
        start = (rise(1, 2) - rise(0, 1)) / steps[:1]
        end = (rise(count - 1, count) - rise(count - 2, count - 1)) / steps[-1:]
    else:
        a, b = steps[:1], steps[1:2]
        start = (
            rise(0, 1) * (-(2.0 * a + b) / (a * (a + b)))
            + rise(1, 2) * ((a + b) / (a * b))
            + rise(2, 3) * (-a / (b * (a + b)))
        )
        a, b = steps[-2:-1], steps[-1:]
        end = (
            rise(count - 3, count - 2) * (b / (a * (a + b)))
            + rise(count - 2, count - 1) * (-(b + a) / (a * b))
            + rise(count - 1, count) * ((2.0 * b + a) / (b * (a + b)))
        )
    parts = [start, inside, end] if count > 2 else [start, end]
    return np.concatenate(parts, axis=axis)


def unwrap(p: Any, discont: float | None = None, axis: int = -1, *, period: float = 2.0 * math.pi) -> Array:
    """Angles without the jumps that come of counting from one period to the next: neighbours that differ by more than
    `discont`, half a period by default and at least, are brought within half a period of each other.

    >>> unwrap([0, 1, 2, 0, 1], period=3).tolist()
    [0, 1, 2, 3, 4]
    """
    p = _swath.asarray(p)
    axis = _axis(axis, p.ndim)
    is_integer = isinstance(period, int) and xp.isdtype(p.dtype, "integral")
    p = p if is_integer else _floating(p)
    steps = np.diff(p, axis=axis)
    half = period // 2 if is_integer else period / 2
    wrapped = xp.remainder(steps + half, period) - half
    if not is_integer or period % 2 == 0:
        # Half a period up and half a period down are the same: it stays what it was.
        wrapped = xp.where((wrapped == -half) & (steps > 0), half, wrapped)
    least = period / 2 if discont is None else discont
    turns = xp.where(xp.abs(steps) < least, 0, wrapped - steps)
    kept = _part(p, axis, 0, 1)
    return np.concatenate([kept, _part(p, axis, 1, None) + np.cumsum(turns, axis)], axis)


def trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Array:
    """The area below a line, by trapezoids.

    >>> float(trapezoid([1.0, 3.0]))
    2.0
    """
    y = _floating(y)
    axis = _axis(axis, y.ndim)
    if x is None:
        width: Any = dx
    else:
        width = np.diff(x, axis=axis if ndim(x) > 1 else -1)
        width = np.reshape(width, (-1,) + (1,) * (y.ndim - axis - 1)) if width.ndim == 1 else width
    return np.sum(width * (_part(y, axis, 1, None) + _part(y, axis, None, -1)) / 2.0, axis=axis)


# Products, polynomials, windows


def matvec(x1: Any, x2: Any) -> Array:
    """Matrices times vectors.

    >>> matvec([[1, 2]], [3, 4]).tolist()
    [11]
    """
    return np.squeeze(xp.matmul(_swath.asarray(x1), np.expand_dims(x2, -1)), -1)


def vecmat(x1: Any, x2: Any) -> Array:
    """Vectors, conjugated, times matrices.

    >>> vecmat([1, 2], [[3], [4]]).tolist()
    [11]
    """
    x1 = _swath.asarray(x1)
    x1 = xp.conj(x1) if iscomplexobj(x1) else x1
    return np.squeeze(xp.matmul(np.expand_dims(x1, -2), _swath.asarray(x2)), -2)


def convolve(a: Any, v: Any, mode: str = "full") -> Array:
    """The convolution of two vectors.

    >>> convolve([1, 2, 3], [0, 1]).tolist()
    [0, 1, 2, 3]
    """
    a, v = np.atleast_1d(a), np.atleast_1d(v)
    for which, vector in (("first", a), ("second", v)):
        if vector.ndim != 1 or vector.shape[0] == 0:
            raise ValueError(f"convolve takes vectors with elements; the {which} has shape {vector.shape}")
    if a.shape[0] < v.shape[0]:
        a, v = v, a
    n, m = a.shape[0], v.shape[0]
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"mode is 'full', 'same' or 'valid', not '{mode}'")
    dtype = _swath.promote_types(a.dtype, v.dtype)
    padded = np.pad(a.astype(dtype), [(m - 1, m - 1)])
    v = v.astype(dtype)
    if m <= _SHIFTED_MAX:
        shifted = [padded[m - 1 - j : n + 2 * m - 2 - j] * v[j] for j in range(m)]
        whole = functools.reduce(xp.add, shifted)
    else:
        rows = np.take(padded, np.arange(n + m - 1)[:, None] + np.arange(m)[None, :], 0)
        whole = xp.matmul(rows, np.flip(v))
    first, count = {"full": (0, n + m - 1), "same": ((m - 1) // 2, n), "valid": (m - 1, n - m + 1)}[mode]
    return whole[first : first + count]


def correlate(a: Any, v: Any, mode: str = "valid") -> Array:
    """The correlation of two vectors; the second is conjugated.

    >>> correlate([1, 2, 3], [0, 1]).tolist()
    [2, 3]
    """
    a, v = np.atleast_1d(a), np.atleast_1d(v)
    turned = np.flip(xp.conj(v) if iscomplexobj(v) else v)
    found = convolve(a, turned, mode)
    if mode == "valid" and a.shape[0] < v.shape[0]:
        return found
    if mode == "same" and a.shape[0] < v.shape[0]:
        n, m = v.shape[0], a.shape[0]
        return convolve(a, turned, "full")[m // 2 : m // 2 + n]
    return found


def polyfit(x: Any, y: Any, deg: int, rcond: float | None = None, *, w: Any = None) -> Array:
    """The coefficients, the highest first, of the polynomial of degree `deg` that is next to points in the sense of least
    squares; for each column of `y` where it has several. `w` multiplies the distance of each point. Singular values below
    `rcond` times the greatest count as 0, by default the number of points times the precision. The decomposition is
    computed at once.

    >>> np.round(polyfit([0.0, 1.0, 2.0], [1.0, 2.0, 5.0], 2), 9).tolist()
    [1.0, 0.0, 1.0]
    """
    from swath import linalg

    x, y = _floating(x), _floating(y)
    if not hasattr(deg, "__index__"):
        raise TypeError(f"deg is an int, not {type(deg).__name__}")
    if deg < 0:
        raise ValueError(f"deg is 0 or more, not {deg}")
    if x.ndim != 1 or y.ndim not in (1, 2) or x.shape[0] == 0 or x.shape[0] != y.shape[0]:
        raise TypeError(f"polyfit takes points of shapes [n] and [n] or [n, k], not {x.shape} and {y.shape}")
    powers = vander(x, deg + 1)
    if w is not None:
        w = _floating(w)
        if w.shape != x.shape:
            raise TypeError(f"weights of shape {w.shape} for points of shape {x.shape}")
        powers = powers * w[:, None]
        y = y * w if y.ndim == 1 else y * w[:, None]
    # Columns of one length make the powers of large numbers no worse than those of small ones.
    lengths = linalg.norm(powers, axis=0)
    rcond = x.shape[0] * float(xp.finfo(powers.dtype).eps) if rcond is None else rcond
    found = linalg.lstsq(powers / lengths, y, rcond)[0]
    return found / lengths if y.ndim == 1 else found / lengths[:, None]


def polyval(p: Any, x: Any) -> Array:
    """A polynomial, its highest coefficient first, at some places.

    >>> polyval([1, 0, 2], [3]).tolist()
    [11]
    """
    p, x = np.atleast_1d(p), _swath.asarray(x)
    value = np.zeros_like(x).astype(_swath.promote_types(p.dtype, x.dtype))
    for coefficient in xp.unstack(p):
        value = value * x + coefficient
    return value


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Array:
    """The powers of each element, the highest first.

    >>> vander([2, 3], 3).tolist()
    [[4, 2, 1], [9, 3, 1]]
    """
    x = _swath.asarray(x)
    if x.ndim != 1:
        raise ValueError(f"vander takes a vector, not an array of shape {x.shape}")
    count = x.shape[0] if N is None else N
    if count == 0:
        return np.zeros((x.shape[0], 0), x.dtype)
    columns = [np.ones_like(x)]
    while len(columns) < count:
        columns.append(columns[-1] * x)
    return np.stack(columns if increasing else columns[::-1], axis=-1)


def _window(M: int, of: Callable[[Array], Array]) -> Array:
    """Of places from −1 to 1."""
    if M < 1:
        return np.zeros(0)
    if M == 1:
        return np.ones(1)
    return of(np.arange(1 - M, M, 2).astype(_swath.float64) / float(M - 1))


def bartlett(M: int) -> Array:
    """A triangular window.

    >>> bartlett(3).tolist()
    [0.0, 1.0, 0.0]
    """
    return _window(M, lambda n: 1.0 - xp.abs(n))


def hanning(M: int) -> Array:
    """The window of von Hann.

    >>> hanning(3).tolist()
    [0.0, 1.0, 0.0]
    """
    return _window(M, lambda n: 0.5 + 0.5 * xp.cos(math.pi * n))


def hamming(M: int) -> Array:
    """The window of Hamming.

    >>> np.round(hamming(3), 2).tolist()
    [0.08, 1.0, 0.08]
    """
    return _window(M, lambda n: 0.54 + 0.46 * xp.cos(math.pi * n))


def blackman(M: int) -> Array:
    """The window of Blackman.

    >>> blackman(3).shape
    (3,)
    """
    return _window(M, lambda n: 0.42 + 0.5 * xp.cos(math.pi * n) + 0.08 * xp.cos(2.0 * math.pi * n))


def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True) -> Array:
    """Numbers whose logarithms are evenly spaced, both of one sign.

    >>> np.round(geomspace(1, 100, 3), 9).tolist()
    [1.0, 10.0, 100.0]
    """
    if start == 0 or stop == 0 or (start < 0) != (stop < 0):
        raise ValueError(f"a geometric sequence does not go from {start} to {stop}")
    sign = -1.0 if start < 0 else 1.0
    return sign * np.logspace(math.log10(abs(start)), math.log10(abs(stop)), num, endpoint)


# Functions along axes


def apply_along_axis(func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any) -> Array:
    """A function of vectors, called on each along an axis; it gets arrays of NumPy's, chunk by chunk.

    >>> apply_along_axis(lambda row: row[::-1], 1, [[1, 2], [3, 4]]).tolist()
    [[2, 1], [4, 3]]
    """
    import numpy

    arr = _swath.asarray(arr)
    axis = _axis(axis, arr.ndim)
    found = numpy.asarray(func1d(numpy.ones(arr.shape[axis], str(arr.dtype)), *args, **kwargs))
    if found.ndim > 1:
        raise ValueError(f"the function makes arrays of {found.ndim} axes of a vector; one at most is put together")
    made = found.shape[0] if found.ndim else 1

    def rows(chunk: Any) -> Any:
        rows = numpy.apply_along_axis(func1d, chunk.ndim - 1, chunk, *args, **kwargs)
        return rows.reshape(chunk.shape[:-1] + (made,))

    last = np.moveaxis(arr, axis, -1)
    chunks = [*(lengths[0] if lengths else 1 for lengths in last.chunks[:-1]), arr.shape[axis]]
    last = last.rechunk(tuple(chunks))
    of_blocks = _swath.map_blocks(rows, [last], str(found.dtype), [*chunks[:-1], made], [], [])
    result = np.moveaxis(of_blocks, -1, axis)
    return result if found.ndim else np.squeeze(result, axis)


def apply_over_axes(func: Callable[..., Any], a: Any, axes: Any) -> Array:
    """A function of an array and an axis, called for one axis after the other; axes that it drops stay with one element.

    >>> apply_over_axes(np.sum, [[1, 2], [3, 4]], [0, 1]).tolist()
    [[10]]
    """
    a = _swath.asarray(a)
    for axis in [axes] if isinstance(axes, int) else axes:
        axis = _axis(axis, a.ndim)
        found = _swath.asarray(func(a, axis))
        a = found if found.ndim == a.ndim else np.expand_dims(found, axis)
    return a


# Histograms


def histogramdd(
    sample: Any, bins: Any = 10, range: Any = None, density: bool = False, weights: Any = None
) -> tuple[Array, list[Array]]:
    """How many rows, or how much weight, lie in each cell of a grid, and the edges along each axis; computed at once.

    `sample` is a matrix with a column for each axis, or the columns; `bins` their number, the numbers or the edges.

    >>> counts, edges = histogramdd([[0.0, 0.0], [1.0, 1.0], [1.0, 0.0]], bins=2)
    >>> counts.tolist()
    [[1.0, 0.0], [1.0, 1.0]]
    """
    if isinstance(sample, (list, tuple)) and len(sample) and isinstance(sample[0], Array):
        columns = [np.ravel(column) for column in sample]
    else:
        sample = np.atleast_2d(sample)
        columns = [sample[:, number] for number in builtins.range(sample.shape[1])]
    each = [bins] * len(columns) if isinstance(bins, int) else list(bins)
    ranges = [None if between is None else tuple(between) for between in range or [None] * len(columns)]
    if len(each) != len(columns) or len(ranges) != len(columns):
        raise ValueError(f"{len(each)} bins and {len(ranges)} ranges for {len(columns)} columns")
    edges = [np.histogram(column, one, between)[1] for column, one, between in zip(columns, each, ranges)]
    cell, inside = _swath.asarray(0), _swath.asarray(True)
    for column, edge in zip(columns, edges):
        count = edge.shape[0] - 1
        number = np.searchsorted(edge, column, side="right") - 1
        # The last bin has both its edges.
        number = xp.where(column == edge[-1], count - 1, number)
        inside = inside & (number >= 0) & (number < count)
        cell = cell * count + xp.clip(number, 0, count - 1)
    lengths = [edge.shape[0] - 1 for edge in edges]
    amount = inside.astype(_swath.float64) if weights is None else xp.where(inside, _floating(weights), 0.0)
    counts = np.reshape(np.bincount(cell, amount, math.prod(lengths)), lengths).astype(_swath.float64)
    if density:
        counts = counts / np.sum(counts)
        for axis, edge in enumerate(edges):
            counts = counts / np.reshape(np.diff(edge), (-1,) + (1,) * (len(edges) - axis - 1))
    return counts, edges


def histogram2d(
    x: Any, y: Any, bins: Any = 10, range: Any = None, density: bool = False, weights: Any = None
) -> tuple[Array, Array, Array]:
    """How many pairs lie in each cell of a grid, and the edges along both axes; computed at once.

    >>> histogram2d([0.0, 1.0], [0.0, 1.0], bins=2)[0].tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    bins = bins if isinstance(bins, int) or len(bins) == 2 else [bins, bins]
    counts, edges = histogramdd([_swath.asarray(x), _swath.asarray(y)], bins, range, density, weights)
    return counts, edges[0], edges[1]

"""The names that users of NumPy type by habit, with NumPy's order of arguments.

Functions of the standard that NumPy has under the same name and with the same arguments are the standard's own
(`swath.array_api`).
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Sequence
from math import nan
from typing import Any, Literal

from swath import _swath
from swath import array_api as xp
from swath._swath import Array, DType

__all__ = [
    "all",
    "allclose",
    "amax",
    "amin",
    "angle",
    "any",
    "arange",
    "argmax",
    "argmin",
    "argpartition",
    "argsort",
    "argwhere",
    "around",
    "array",
    "array_equal",
    "array_split",
    "asarray",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "average",
    "bincount",
    "broadcast_to",
    "cbrt",
    "clip",
    "column_stack",
    "compress",
    "concat",
    "concatenate",
    "corrcoef",
    "count_nonzero",
    "cov",
    "cross",
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "deg2rad",
    "degrees",
    "diag",
    "diagonal",
    "diff",
    "digitize",
    "dot",
    "dstack",
    "einsum",
    "empty",
    "empty_like",
    "exp2",
    "expand_dims",
    "eye",
    "flatnonzero",
    "flip",
    "fliplr",
    "flipud",
    "fmax",
    "fmin",
    "fmod",
    "from_array",
    "fromfunction",
    "full",
    "full_like",
    "heaviside",
    "histogram",
    "hstack",
    "identity",
    "indices",
    "inner",
    "interp",
    "intersect1d",
    "isclose",
    "isin",
    "kron",
    "ldexp",
    "linspace",
    "logspace",
    "logsumexp",
    "max",
    "mean",
    "median",
    "meshgrid",
    "min",
    "moveaxis",
    "nan_to_num",
    "nanargmax",
    "nanargmin",
    "nanmax",
    "nanmean",
    "nanmedian",
    "nanmin",
    "nanpercentile",
    "nanprod",
    "nanquantile",
    "nanstd",
    "nansum",
    "nanvar",
    "nonzero",
    "ones",
    "ones_like",
    "outer",
    "pad",
    "partition",
    "percentile",
    "permute_dims",
    "prod",
    "ptp",
    "put_along_axis",
    "quantile",
    "rad2deg",
    "radians",
    "ravel",
    "repeat",
    "reshape",
    "roll",
    "rot90",
    "round",
    "searchsorted",
    "select",
    "setdiff1d",
    "setxor1d",
    "sort",
    "split",
    "squeeze",
    "stack",
    "std",
    "sum",
    "swapaxes",
    "take",
    "take_along_axis",
    "tensordot",
    "tile",
    "topk",
    "trace",
    "transpose",
    "tri",
    "tril",
    "triu",
    "union1d",
    "unique",
    "var",
    "vdot",
    "vecdot",
    "vstack",
    "where",
    "zeros",
    "zeros_like",
]

Axes = int | tuple[int, ...] | None
Chunks = int | tuple[int | tuple[int, ...] | None, ...] | Literal["auto"] | None


def _refuse_out(name: str, out: Any) -> None:
    """NumPy passes `out`, and None for none, to the methods of arrays: results are always arrays of their own."""
    if out is not None:
        raise TypeError(f"{name} gives an array of its own: out has to be None, not of type {type(out).__name__}")


# Creation


def array(object: Any, dtype: DType | None = None, *, copy: bool = True, chunks: Chunks = None) -> Array:
    """A new array of numbers, sequences or arrays.

    >>> array([1, 2, 3])
    swath.Array([1, 2, 3], dtype=int64)
    """
    made = _swath.asarray(object, dtype, True if copy else None)
    return made if chunks is None else made.rechunk(chunks)


def asarray(
    a: Any, dtype: DType | None = None, *, copy: bool | None = None, device: Any = None, chunks: Chunks = None
) -> Array:
    """An array of numbers, sequences or arrays, which shares memory where it can.

    >>> asarray([1.0, 2.0]).dtype
    swath.float64
    """
    made = xp.asarray(a, dtype=dtype, copy=copy, device=device)
    return made if chunks is None else made.rechunk(chunks)


def from_array(x: Any, chunks: Chunks = "auto") -> Array:
    """An array of another package's, in chunks; Dask's name.

    >>> from_array([[1, 2], [3, 4]], chunks=(1, 2)).numblocks
    (2, 1)
    """
    return asarray(x, chunks=chunks)


def zeros(shape: Any, dtype: DType | None = None, *, chunks: Chunks = None) -> Array:
    """Zeros.

    >>> zeros((2, 2), chunks=1).numblocks
    (2, 2)
    """
    return _swath.full(shape, 0, _swath.float64 if dtype is None else dtype, chunks)


def ones(shape: Any, dtype: DType | None = None, *, chunks: Chunks = None) -> Array:
    """Ones.

    >>> ones(2).tolist()
    [1.0, 1.0]
    """
    return _swath.full(shape, 1, _swath.float64 if dtype is None else dtype, chunks)


def empty(shape: Any, dtype: DType | None = None, *, chunks: Chunks = None) -> Array:
    """An array whose values do not matter: zeros.

    >>> empty(2).shape
    (2,)
    """
    return zeros(shape, dtype, chunks=chunks)


def full(shape: Any, fill_value: Any, dtype: DType | None = None, *, chunks: Chunks = None) -> Array:
    """One value everywhere.

    >>> full(3, 7).tolist()
    [7, 7, 7]
    """
    return _swath.full(shape, fill_value, dtype, chunks)


def zeros_like(a: Any, dtype: DType | None = None) -> Array:
    """Zeros in the shape and data type of another array.

    >>> zeros_like([1, 2]).tolist()
    [0, 0]
    """
    return xp.zeros_like(_swath.asarray(a), dtype=dtype)


def ones_like(a: Any, dtype: DType | None = None) -> Array:
    """Ones in the shape and data type of another array.

    >>> ones_like([1, 2]).tolist()
    [1, 1]
    """
    return xp.ones_like(_swath.asarray(a), dtype=dtype)


def empty_like(a: Any, dtype: DType | None = None) -> Array:
    """An array of the shape and data type of another, whose values do not matter.

    >>> empty_like([1, 2]).shape
    (2,)
    """
    return xp.zeros_like(_swath.asarray(a), dtype=dtype)


def full_like(a: Any, fill_value: Any, dtype: DType | None = None) -> Array:
    """One value everywhere, in the shape and data type of another array.

    >>> full_like([1, 2], 5).tolist()
    [5, 5]
    """
    return xp.full_like(_swath.asarray(a), fill_value, dtype=dtype)


def arange(
    start: int | float,
    stop: int | float | None = None,
    step: int | float = 1,
    dtype: DType | None = None,
    *,
    chunks: Chunks = None,
) -> Array:
    """Values from `start` on (0 if `stop` is left out), `step` apart, before `stop`.

    >>> arange(3).tolist()
    [0, 1, 2]
    """
    return _swath.arange(start, stop, step, dtype, chunks)


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: DType | None = None,
    *,
    chunks: Chunks = None,
) -> Any:
    """Values at equal distances from `start` to `stop`; with `retstep` the distance is beside them.

    >>> linspace(0, 1, 3).tolist()
    [0.0, 0.5, 1.0]
    """
    made = _swath.linspace(start, stop, num, dtype, endpoint, chunks)
    if not retstep:
        return made
    steps = num - 1 if endpoint else num
    return made, (stop - start) / steps if steps > 0 else nan


def logspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: float = 10.0) -> Array:
    """Powers of `base` with exponents at equal distances.

    >>> logspace(0, 2, 3).tolist()
    [1.0, 10.0, 100.0]
    """
    return base ** linspace(start, stop, num, endpoint)


def eye(
    N: int, M: int | None = None, k: int = 0, dtype: DType | None = None, *, chunks: Chunks = None
) -> Array:
    """Ones on diagonal `k`, zeros elsewhere.

    >>> eye(2).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    return _swath.eye(N, M, k, dtype, chunks)


def identity(n: int, dtype: DType | None = None) -> Array:
    """Ones on the main diagonal, zeros elsewhere.

    >>> identity(1).tolist()
    [[1.0]]
    """
    return _swath.eye(n, None, 0, dtype)


def tri(N: int, M: int | None = None, k: int = 0, dtype: DType | None = None) -> Array:
    """Ones at and below diagonal `k`, zeros above.

    >>> tri(2).tolist()
    [[1.0, 0.0], [1.0, 1.0]]
    """
    return _swath.tril(ones((N, N if M is None else M), dtype), k)


def tril(m: Any, k: int = 0) -> Array:
    """Matrices with zeros above diagonal `k`.

    >>> tril([[1, 2], [3, 4]]).tolist()
    [[1, 0], [3, 4]]
    """
    return _swath.tril(m, k)


def triu(m: Any, k: int = 0) -> Array:
    """Matrices with zeros below diagonal `k`.

    >>> triu([[1, 2], [3, 4]]).tolist()
    [[1, 2], [0, 4]]
    """
    return _swath.triu(m, k)


def diag(v: Any, k: int = 0) -> Array:
    """The diagonal of a matrix, or the matrix with a diagonal.

    >>> diag([1, 2]).tolist()
    [[1, 0], [0, 2]]
    """
    v = _swath.asarray(v)
    if v.ndim == 2:
        return _swath.diagonal(v, k)
    if v.ndim != 1:
        raise ValueError(f"diag takes a vector or a matrix, not shape {v.shape}")
    size = v.shape[0] + abs(k)
    columns = xp.arange(size)
    rows = xp.expand_dims(columns, axis=1)
    placed = _swath.pad(v, [(builtins.max(k, 0), builtins.max(-k, 0))], "constant", 0)
    return xp.where(columns == rows + k, placed, xp.asarray(0, dtype=v.dtype))


def fromfunction(function: Callable[..., Any], shape: Sequence[int], *, dtype: DType = _swath.float64) -> Array:
    """The values of a function of the indices, which it gets as arrays.

    >>> fromfunction(lambda i, j: i + j, (2, 2)).tolist()
    [[0.0, 1.0], [1.0, 2.0]]
    """
    return function(*indices(shape, dtype))


def indices(dimensions: Sequence[int], dtype: DType = _swath.int64) -> list[Array]:
    """The index of each element along each axis.

    >>> [i.tolist() for i in indices((1, 2))]
    [[[0, 0]], [[0, 1]]]
    """
    return xp.meshgrid(*(xp.arange(length, dtype=dtype) for length in dimensions), indexing="ij")


# Reductions


# What takes the place of values that `where` leaves out, so that they change nothing.
_NEUTRAL = {"sum": 0, "nansum": 0, "count_nonzero": 0, "prod": 1, "nanprod": 1, "all": True, "any": False}


def _masked(name: str, a: Any, where: Any, initial: Any) -> Any:
    """The values with those that `where` leaves out replaced."""
    if where is None:
        return a
    if name in _NEUTRAL:
        return xp.where(_swath.asarray(where), a, _NEUTRAL[name])
    if name.startswith("nan"):
        return xp.where(_swath.asarray(where), _swath.asarray(a), nan)
    if initial is None:
        raise ValueError(f"{name} has no value of its own for what `where` leaves out: give it `initial`")
    return xp.where(_swath.asarray(where), a, initial)


def _with_initial(name: str, found: Array, initial: Any) -> Array:
    """A result with one value more."""
    if initial is None:
        return found
    binary = {"sum": xp.add, "prod": xp.multiply, "min": xp.minimum, "max": xp.maximum}
    how = binary.get(name.removeprefix("nan"))
    if how is None:
        raise TypeError(f"{name} takes no initial value")
    return how(found, initial)


def _mean_where(a: Any, axis: Axes, where: Any, keepdims: bool) -> Array:
    where = xp.broadcast_to(_swath.asarray(where), _swath.asarray(a).shape)
    total = _swath.reduction("sum", xp.where(where, a, 0), axis, keepdims)
    return total / _swath.reduction("count_nonzero", where, axis, keepdims)


def _reduction(name: str, doc: str, example: str) -> Callable[..., Array]:
    def reduction(
        a: Any, axis: Axes = None, out: None = None, keepdims: bool = False, initial: Any = None, where: Any = None
    ) -> Array:
        _refuse_out(name, out)
        if where is not None and name in ("ptp", "logsumexp"):
            raise TypeError(f"{name} takes no where")
        if initial is not None and 0 in _swath.asarray(a).shape:
            # An extreme of nothing is what it begins with.
            return _of_nothing(a, axis, keepdims, initial)
        found = _swath.reduction(name, _masked(name, a, where, initial), axis, keepdims)
        return _with_initial(name, found, initial)

    return _named(reduction, name, doc, example)


def _of_nothing(a: Any, axis: Axes, keepdims: bool, initial: Any) -> Array:
    """What an extreme of no values is, with something to begin with."""
    a = _swath.asarray(a)
    shape = _swath.reduction("any", a, axis, keepdims).shape
    if 0 not in shape:
        return xp.full(shape, initial, dtype=a.dtype)
    return xp.zeros(shape, dtype=a.dtype)


def _named(function: Callable[..., Any], name: str, doc: str, example: str) -> Callable[..., Any]:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{doc}\n\n    >>> {example}\n    "
    return function


def _total(name: str, doc: str, example: str) -> Callable[..., Array]:
    def total(
        a: Any,
        axis: Axes = None,
        dtype: DType | None = None,
        out: None = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = None,
    ) -> Array:
        _refuse_out(name, out)
        found = _swath.reduction(name, _masked(name, a, where, initial), axis, keepdims, dtype)
        return _with_initial(name, found, initial)

    return _named(total, name, doc, example)


def _mean(name: str, doc: str, example: str) -> Callable[..., Array]:
    def mean(
        a: Any,
        axis: Axes = None,
        dtype: DType | None = None,
        out: None = None,
        keepdims: bool = False,
        *,
        where: Any = None,
    ) -> Array:
        _refuse_out(name, out)
        a = _swath.asarray(a, dtype)
        if where is not None and name == "mean":
            return _mean_where(a, axis, where, keepdims)
        return _swath.reduction(name, _masked(name, a, where, None), axis, keepdims)

    return _named(mean, name, doc, example)


def _spread(name: str, doc: str, example: str) -> Callable[..., Array]:
    def spread(
        a: Any,
        axis: Axes = None,
        dtype: DType | None = None,
        out: None = None,
        ddof: float = 0.0,
        keepdims: bool = False,
        *,
        correction: float | None = None,
        where: Any = None,
    ) -> Array:
        _refuse_out(name, out)
        a = _swath.asarray(a, dtype)
        correction = ddof if correction is None else correction
        if where is None:
            return _swath.reduction(name, a, axis, keepdims, None, correction)
        if name.startswith("nan"):
            return _swath.reduction(name, _masked(name, a, where, None), axis, keepdims, None, correction)
        where = xp.broadcast_to(_swath.asarray(where), a.shape)
        distance = xp.abs(a - _mean_where(a, axis, where, True))
        squares = _swath.reduction("sum", xp.where(where, distance * distance, 0), axis, keepdims)
        found = squares / (_swath.reduction("count_nonzero", where, axis, keepdims) - correction)
        return xp.sqrt(found) if name == "std" else found

    return _named(spread, name, doc, example)


def _extreme_index(name: str, doc: str, example: str) -> Callable[..., Array]:
    def extreme_index(a: Any, axis: int | None = None, out: None = None, *, keepdims: bool = False) -> Array:
        _refuse_out(name, out)
        return _swath.arg_reduction(name, a, axis, keepdims)

    return _named(extreme_index, name, doc, example)


sum = _total("sum", "The sums.", "int(sum([1, 2]))\n    3")
prod = _total("prod", "The products.", "int(prod([2, 3]))\n    6")
min = amin = _reduction("min", "The least values; NaN where there is one.", "int(min([2, 1]))\n    1")
max = amax = _reduction("max", "The greatest values; NaN where there is one.", "int(max([2, 1]))\n    2")
all = _reduction("all", "Whether all values are true.", "bool(all([True, False]))\n    False")
any = _reduction("any", "Whether one of the values is true.", "bool(any([True, False]))\n    True")
ptp = _reduction("ptp", "The greatest values less the least.", "int(ptp([1, 5]))\n    4")
mean = _mean("mean", "The means.", "float(mean([1, 2]))\n    1.5")
logsumexp = _reduction(
    "logsumexp", "Logarithms of sums of powers of e, without overflow.", "float(logsumexp([0.0]))\n    0.0"
)
var = _spread("var", "The variances; `ddof` is what the standard calls `correction`.", "float(var([1, 3]))\n    1.0")
std = _spread("std", "The standard deviations.", "float(std([1, 3]))\n    1.0")
nansum = _total("nansum", "The sums without NaN.", "float(nansum([1.0, nan]))\n    1.0")
nanprod = _total("nanprod", "The products without NaN.", "float(nanprod([2.0, nan]))\n    2.0")
nanmin = _reduction("nanmin", "The least values but NaN.", "float(nanmin([2.0, nan]))\n    2.0")
nanmax = _reduction("nanmax", "The greatest values but NaN.", "float(nanmax([2.0, nan]))\n    2.0")
nanmean = _mean("nanmean", "The means without NaN.", "float(nanmean([2.0, nan]))\n    2.0")
nanvar = _spread("nanvar", "The variances without NaN.", "float(nanvar([2.0, nan]))\n    0.0")
nanstd = _spread("nanstd", "The standard deviations without NaN.", "float(nanstd([2.0, nan]))\n    0.0")
argmin = _extreme_index("argmin", "The index of the first least value.", "int(argmin([2, 1]))\n    1")
argmax = _extreme_index("argmax", "The index of the first greatest value.", "int(argmax([2, 1]))\n    0")
nanargmin = _extreme_index("nanargmin", "The index of the first least value but NaN.", "int(nanargmin([nan, 1.0]))\n    1")
nanargmax = _extreme_index(
    "nanargmax", "The index of the first greatest value but NaN.", "int(nanargmax([nan, 1.0]))\n    1"
)


def count_nonzero(a: Any, axis: Axes = None, *, keepdims: bool = False) -> Array:
    """How many values are not 0.

    >>> int(count_nonzero([0, 3]))
    1
    """
    return _swath.reduction("count_nonzero", a, axis, keepdims)


def average(
    a: Any, axis: Axes = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False
) -> Any:
    """The means, weighted if weights are given: of the array's shape, or of that of the axes. With `returned` the sums of
    the weights are beside them.

    >>> average([[1.0, 3.0], [5.0, 7.0]], axis=0, weights=[3, 1]).tolist()
    [2.0, 4.0]
    >>> [found.tolist() for found in average([1.0, 3.0], weights=[3, 1], returned=True)]
    [1.5, 4.0]
    """
    if weights is not None:
        means, totals = _swath.average(a, axis, weights, keepdims)
        return (means, totals) if returned else means
    a = _swath.asarray(a)
    means = _swath.reduction("mean", a, axis, keepdims)
    if not returned:
        return means
    number = math.prod(a.shape) // builtins.max(math.prod(means.shape), 1)
    return means, full_like(means, number)


def cumsum(a: Any, axis: int | None = None, dtype: DType | None = None, out: None = None) -> Array:
    """The sums of all values up to each; of the array as a vector without `axis`.

    >>> cumsum([1, 2, 3]).tolist()
    [1, 3, 6]
    """
    _refuse_out("cumsum", out)
    a = _swath.asarray(a)
    return _swath.cumulative("cumulative_sum", a if axis is not None else ravel(a), axis or 0, dtype)


def cumprod(a: Any, axis: int | None = None, dtype: DType | None = None, out: None = None) -> Array:
    """The products of all values up to each; of the array as a vector without `axis`.

    >>> cumprod([1, 2, 3]).tolist()
    [1, 2, 6]
    """
    _refuse_out("cumprod", out)
    a = _swath.asarray(a)
    return _swath.cumulative("cumulative_prod", a if axis is not None else ravel(a), axis or 0, dtype)


def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Array:
    """The differences of neighbours, taken `n` times.

    >>> diff([1, 4, 9]).tolist()
    [3, 5]
    """
    return _swath.diff(a, axis, n, prepend, append)


# Functions of elements that the standard does not have


def angle(z: Any) -> Array:
    """The angles of complex numbers, in radians.

    >>> float(angle(1j)) > 1.57
    True
    """
    return _swath.unary("angle", z)


def cbrt(x: Any) -> Array:
    """Cube roots.

    >>> float(cbrt(8.0))
    2.0
    """
    return _swath.unary("cbrt", x)


def exp2(x: Any) -> Array:
    """Powers of 2.

    >>> float(exp2(3.0))
    8.0
    """
    return _swath.unary("exp2", x)


def fmax(x1: Any, x2: Any) -> Array:
    """The greater of two values; the other where one is NaN.

    >>> float(fmax(nan, 1.0))
    1.0
    """
    return _swath.binary("fmax", x1, x2)


def fmin(x1: Any, x2: Any) -> Array:
    """The less of two values; the other where one is NaN.

    >>> float(fmin(nan, 1.0))
    1.0
    """
    return _swath.binary("fmin", x1, x2)


def fmod(x1: Any, x2: Any) -> Array:
    """Remainders with the sign of the dividend.

    >>> int(fmod(-7, 3))
    -1
    """
    return _swath.binary("fmod", x1, x2)


def ldexp(x1: Any, x2: Any) -> Array:
    """``x1 * 2**x2``.

    >>> float(ldexp(3.0, 2))
    12.0
    """
    return _swath.ldexp(x1, x2)


def heaviside(x1: Any, x2: Any) -> Array:
    """0 below 0, 1 above, `x2` at 0.

    >>> heaviside([-1.0, 0.0, 1.0], 0.5).tolist()
    [0.0, 0.5, 1.0]
    """
    return _swath.heaviside(x1, x2)


def deg2rad(x: Any) -> Array:
    """Degrees in radians.

    >>> float(deg2rad(0.0))
    0.0
    """
    return _swath.asarray(x) * (xp.pi / 180)


def rad2deg(x: Any) -> Array:
    """Radians in degrees.

    >>> float(rad2deg(0.0))
    0.0
    """
    return _swath.asarray(x) * (180 / xp.pi)


radians, degrees = deg2rad, rad2deg


def clip(
    a: Any, a_min: Any = None, a_max: Any = None, out: None = None, *, min: Any = None, max: Any = None
) -> Array:
    """Values held between bounds, whose names are `a_min` and `a_max`, or `min` and `max`.

    >>> clip([1, 5, 9], 2, 6).tolist()
    [2, 5, 6]
    """
    _refuse_out("clip", out)
    if a_min is not None and min is not None or a_max is not None and max is not None:
        raise ValueError("clip takes a_min and a_max, or min and max, not both")
    min, max = (a_min if min is None else min), (a_max if max is None else max)
    return _swath.clip(a, min, max)


def round(a: Any, decimals: int = 0, out: None = None) -> Array:
    """The nearest values with so many decimals, halves to even ones.

    >>> round([0.5, 1.5]).tolist()
    [0.0, 2.0]
    """
    _refuse_out("round", out)
    a = _swath.asarray(a)
    if decimals == 0:
        return _swath.unary("round", a)
    if decimals > 0:
        return a if a.dtype.kind in "iub" else _swath.unary("round", a * 10.0**decimals) / 10.0**decimals
    scale = 10**-decimals
    return (_swath.unary("round", a / scale) * scale).astype(a.dtype)


around = round


def isclose(a: Any, b: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Array:
    """Where values differ by no more than ``atol + rtol * abs(b)``.

    >>> isclose([1.0, 2.0], [1.0, 3.0]).tolist()
    [True, False]
    """
    return _swath.isclose(a, b, rtol, atol, equal_nan)


def allclose(a: Any, b: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    """Whether all values differ by no more than ``atol + rtol * abs(b)``; computed at once.

    >>> allclose([1.0], [1.0])
    True
    """
    return bool(_swath.reduction("all", isclose(a, b, rtol, atol, equal_nan)))


def array_equal(a1: Any, a2: Any) -> bool:
    """Whether two arrays have the same shape and values; computed at once.

    >>> array_equal([1, 2], [1, 2])
    True
    """
    a1, a2 = _swath.asarray(a1), _swath.asarray(a2)
    return a1.shape == a2.shape and bool(_swath.reduction("all", a1 == a2))


def nan_to_num(
    x: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Array:
    """NaN and infinities exchanged for numbers.

    >>> nan_to_num([1.0, float("nan")]).tolist()
    [1.0, 0.0]
    """
    return _swath.nan_to_num(x, nan, posinf, neginf)


def where(condition: Any, x: Any = None, y: Any = None, /) -> Any:
    """Values of `x` where the condition is true, of `y` elsewhere; with the condition alone, its `nonzero`.

    >>> where([True, False], 1, 2).tolist()
    [1, 2]
    """
    if x is None and y is None:
        return nonzero(condition)
    return _swath.where(condition, x, y)


def interp(
    x: Any, xp: Any, fp: Any, left: float | None = None, right: float | None = None, period: float | None = None
) -> Array:
    """Linear interpolation between points with ascending abscissas `xp`; beyond them `left` and `right`, by default the
    value of the nearest. With a period the abscissas need no order, and nothing is beyond them.

    >>> interp([0.5, 3.0], [0.0, 1.0], [0.0, 10.0]).tolist()
    [5.0, 10.0]
    >>> interp([0.5, 3.0], [0.0, 1.0], [0.0, 10.0], right=-1.0).tolist()
    [5.0, -1.0]
    """
    x, points, values = (_swath.astype(_swath.asarray(one), _swath.float64) for one in (x, xp, fp))
    if points.ndim != 1 or points.shape != values.shape or points.shape[0] == 0:
        raise ValueError(f"interp takes as many points as values, not shapes {points.shape} and {values.shape}")
    if period is not None:
        if period == 0:
            raise ValueError("a period is not 0")
        period = abs(period)
        x, points, left, right = x % period, points % period, None, None
        order = argsort(points)
        points, values = _swath.take(points, order), _swath.take(values, order)
        points = concatenate([points[-1:] - period, points, points[:1] + period])
        values = concatenate([values[-1:], values, values[:1]])
    last = points.shape[0] - 1
    after = _swath.clip(_swath.searchsorted(points, x, "right"), builtins.min(last, 1), last)
    before = _swath.clip(after - 1, 0, last)
    x0, x1 = _swath.take(points, before), _swath.take(points, after)
    y0, y1 = _swath.take(values, before), _swath.take(values, after)
    # Points of one abscissa, and the only one, have no slope between them.
    share = _swath.clip((x - x0) / where(x1 == x0, 1.0, x1 - x0), 0.0, 1.0)
    found = y0 + (y1 - y0) * share
    found = found if left is None else where(x < points[0], left, found)
    return found if right is None else where(x > points[-1], right, found)


# Shapes


# NumPy's letters for orders; arrays have none of their own that the last two could mean.
Order = Literal["C", "F", "A", "K"]


def _by_columns(order: str) -> bool:
    if order not in ("C", "F", "A", "K"):
        raise ValueError(f"order is 'C', by rows, or 'F', by columns, not {order!r}")
    return order == "F"


def reshape(a: Any, shape: Any, order: Order = "C") -> Array:
    """The elements in row-major order, or with order "F" column-major order, in another shape.

    >>> reshape([1, 2, 3, 4], (2, 2)).tolist()
    [[1, 2], [3, 4]]
    >>> reshape([1, 2, 3, 4], (2, 2), order="F").tolist()
    [[1, 3], [2, 4]]
    """
    if not _by_columns(order):
        return _swath.reshape(a, shape)
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    return _swath.transpose(_swath.reshape(_swath.transpose(a), shape[::-1]))


def ravel(a: Any, order: Order = "C") -> Array:
    """The elements in row-major order, or with order "F" column-major order, as a vector.

    >>> ravel([[1, 2], [3, 4]]).tolist()
    [1, 2, 3, 4]
    """
    return reshape(a, -1, order)


def transpose(a: Any, axes: Sequence[int] | None = None) -> Array:
    """An array with its axes in another order; reversed without `axes`.

    >>> transpose([[1, 2], [3, 4]]).tolist()
    [[1, 3], [2, 4]]
    """
    return _swath.transpose(a, axes)


permute_dims = transpose


def moveaxis(a: Any, source: Axes, destination: Axes) -> Array:
    """An array with axes moved to other places.

    >>> moveaxis(zeros((1, 2, 3)), 0, -1).shape
    (2, 3, 1)
    """
    return _swath.moveaxis(a, source, destination)


def swapaxes(a: Any, axis1: int, axis2: int) -> Array:
    """An array with two axes exchanged.

    >>> swapaxes(zeros((1, 2, 3)), 0, 2).shape
    (3, 2, 1)
    """
    return _swath.swapaxes(a, axis1, axis2)


def expand_dims(a: Any, axis: Any) -> Array:
    """An array with axes of one element more.

    >>> expand_dims([1, 2], 0).shape
    (1, 2)
    """
    return _swath.expand_dims(a, axis)


def squeeze(a: Any, axis: Any = None) -> Array:
    """An array without axes that have one element.

    >>> squeeze([[1, 2]]).shape
    (2,)
    """
    return _swath.squeeze(a, axis)


def broadcast_to(array: Any, shape: Any) -> Array:
    """An array in a shape in which axes of one element are repeated.

    >>> broadcast_to([1, 2], (2, 2)).tolist()
    [[1, 2], [1, 2]]
    """
    return _swath.broadcast_to(array, shape)


def _at_least(ndim: int, arrays: tuple[Any, ...]) -> Any:
    def one(array: Array) -> Array:
        if array.ndim >= ndim:
            return array
        if ndim == 3:
            return array.reshape((1, -1, 1)) if array.ndim < 2 else _swath.expand_dims(array, 2)
        return array.reshape((1,) * (ndim - array.ndim) + array.shape)

    made = [one(_swath.asarray(array)) for array in arrays]
    return made[0] if len(made) == 1 else made


def atleast_1d(*arys: Any) -> Any:
    """Arrays with at least one axis.

    >>> atleast_1d(1).shape
    (1,)
    """
    return _at_least(1, arys)


def atleast_2d(*arys: Any) -> Any:
    """Arrays with at least two axes.

    >>> atleast_2d([1, 2]).shape
    (1, 2)
    """
    return _at_least(2, arys)


def atleast_3d(*arys: Any) -> Any:
    """Arrays with at least three axes.

    >>> atleast_3d([1, 2]).shape
    (1, 2, 1)
    """
    return _at_least(3, arys)


def concatenate(arrays: Sequence[Any], axis: int | None = 0) -> Array:
    """Arrays one after the other along an axis.

    >>> concatenate([[1, 2], [3]]).tolist()
    [1, 2, 3]
    """
    return _swath.concat(arrays, axis)


concat = concatenate


def stack(arrays: Sequence[Any], axis: int = 0) -> Array:
    """Arrays of one shape along a new axis.

    >>> stack([[1, 2], [3, 4]], axis=1).tolist()
    [[1, 3], [2, 4]]
    """
    return _swath.stack(arrays, axis)


def _join(name: str, doc: str, example: str) -> Callable[..., Array]:
    def join(tup: Sequence[Any]) -> Array:
        return _swath.join(name, tup)

    return _named(join, name, doc, example)


vstack = _join("vstack", "Arrays one below the other.", "vstack([[1], [2]]).tolist()\n    [[1], [2]]")
hstack = _join("hstack", "Arrays side by side.", "hstack([[1], [2]]).tolist()\n    [1, 2]")
dstack = _join("dstack", "Arrays along the third axis.", "dstack([[1], [2]]).tolist()\n    [[[1, 2]]]")
column_stack = _join("column_stack", "Vectors as columns.", "column_stack([[1], [2]]).tolist()\n    [[1, 2]]")


def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    """Parts of equal length, or those between borders.

    >>> [part.tolist() for part in split([1, 2, 3, 4], 2)]
    [[1, 2], [3, 4]]
    """
    return _swath.split(ary, indices_or_sections, axis, True)


def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    """Parts of nearly equal length, or those between borders.

    >>> [part.tolist() for part in array_split([1, 2, 3], 2)]
    [[1, 2], [3]]
    """
    return _swath.split(ary, indices_or_sections, axis, False)


def flip(m: Any, axis: Axes = None) -> Array:
    """An array with the order along some axes, or all, reversed.

    >>> flip([1, 2, 3]).tolist()
    [3, 2, 1]
    """
    return _swath.flip(m, axis)


def flipud(m: Any) -> Array:
    """An array with the order of its first axis reversed.

    >>> flipud([1, 2]).tolist()
    [2, 1]
    """
    return _swath.flip(m, 0)


def fliplr(m: Any) -> Array:
    """An array with the order of its second axis reversed.

    >>> fliplr([[1, 2]]).tolist()
    [[2, 1]]
    """
    return _swath.flip(m, 1)


def rot90(m: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Array:
    """An array turned by right angles in the plane of two axes.

    >>> rot90([[1, 2], [3, 4]]).tolist()
    [[2, 4], [1, 3]]
    """
    return _swath.rot90(m, k, axes[0], axes[1])


def roll(a: Any, shift: Any, axis: Axes = None) -> Array:
    """Elements shifted along axes; what falls off one end comes back at the other.

    >>> roll([1, 2, 3], 1).tolist()
    [3, 1, 2]
    """
    return _swath.roll(a, shift, axis)


def tile(A: Any, reps: Any) -> Array:
    """An array repeated along axes.

    >>> tile([1, 2], 2).tolist()
    [1, 2, 1, 2]
    """
    return _swath.tile(A, reps)


def repeat(a: Any, repeats: Any, axis: int | None = None) -> Array:
    """Each element as often as `repeats` says.

    >>> repeat([1, 2], 2).tolist()
    [1, 1, 2, 2]
    """
    if isinstance(repeats, (list, tuple)):
        repeats = _swath.asarray(repeats)
    return _swath.repeat(a, repeats, axis)


def pad(array: Any, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0) -> Array:
    """Elements around an array: constant, edge, reflect, symmetric or wrap.

    >>> pad([1, 2], 1).tolist()
    [0, 1, 2, 0]
    """
    array = _swath.asarray(array)
    if isinstance(pad_width, int):
        widths = [(pad_width, pad_width)] * array.ndim
    else:
        given = [(one, one) if isinstance(one, int) else tuple(one) for one in pad_width]
        if len(given) == 2 and isinstance(pad_width[0], int) and isinstance(pad_width[1], int):
            given = [(pad_width[0], pad_width[1])]
        widths = given * array.ndim if len(given) == 1 else given
    if builtins.any(one < 0 for pair in widths for one in pair):
        raise ValueError(f"an array is padded by 0 elements or more, not by {pad_width}")
    return _swath.pad(array, widths, mode, constant_values)


def meshgrid(*xi: Any, indexing: Literal["xy", "ij"] = "xy") -> list[Array]:
    """Coordinates of the grid that vectors span.

    >>> [x.shape for x in meshgrid([1, 2], [3, 4, 5])]
    [(3, 2), (3, 2)]
    """
    return _swath.meshgrid(xi, indexing)


# Elements by index, order, sets


def take(
    a: Any,
    indices: Any,
    axis: int | None = None,
    out: None = None,
    mode: Literal["raise", "wrap", "clip"] = "raise",
) -> Array:
    """The elements at indices along an axis; of the array as a vector without one. Those that are out of bounds are an
    error, begin anew from the other end, or are the nearest that is not.

    >>> take([10, 20, 30], [2, 0]).tolist()
    [30, 10]
    >>> take([10, 20, 30], [3, -4], mode="wrap").tolist()
    [10, 30]
    """
    _refuse_out("take", out)
    a = _swath.asarray(a)
    return _swath.take(a, _within(indices, math.prod(a.shape) if axis is None else a.shape[axis], mode), axis)


def _within(indices: Any, length: int, mode: str) -> Any:
    """Indices as they are, or brought within a length."""
    if mode not in ("raise", "wrap", "clip"):
        raise ValueError(f"mode is 'raise', 'wrap' or 'clip', not {mode!r}")
    if mode == "raise":
        return indices
    indices = _swath.asarray(indices)
    return indices % length if mode == "wrap" else _swath.clip(indices, 0, length - 1)


def take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Array:
    """The elements at indices that each row along an axis has of its own.

    >>> take_along_axis([[1, 2], [3, 4]], [[1], [0]], 1).tolist()
    [[2], [3]]
    """
    return _swath.take_along_axis(arr, indices, axis)


def put_along_axis(arr: Any, indices: Any, values: Any, axis: int | None) -> Array:
    """A new array with values at indices that each row along an axis has of its own; of the array as a vector without
    one. NumPy's function writes into the array that it is given instead, and returns nothing.

    >>> put_along_axis([[1, 2], [3, 4]], [[1], [0]], 9, 1).tolist()
    [[1, 9], [9, 4]]
    """
    return _swath.put_along_axis(arr, indices, values, axis)


def compress(condition: Any, a: Any, axis: int | None = None, out: None = None) -> Array:
    """The parts of an array where a vector is true; computed at once.

    >>> compress([True, False], [5, 6]).tolist()
    [5]
    """
    _refuse_out("compress", out)
    return _swath.compress(condition, a, axis)


def nonzero(a: Any) -> tuple[Array, ...]:
    """The indices of the values that are not 0, an array for each axis; computed at once.

    >>> [i.tolist() for i in nonzero([0, 5])]
    [[1]]
    """
    return tuple(_swath.nonzero(a))


def argwhere(a: Any) -> Array:
    """The indices of the values that are not 0, one a row; computed at once.

    >>> argwhere([0, 5]).tolist()
    [[1]]
    """
    return _swath.nonzero_as("argwhere", a)


def flatnonzero(a: Any) -> Array:
    """The indices, in the array as a vector, of the values that are not 0; computed at once.

    >>> flatnonzero([0, 5]).tolist()
    [1]
    """
    return _swath.nonzero_as("flatnonzero", a)


def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Array:
    """For each element the first of several choices whose condition is true.

    >>> select([[True, False]], [[1, 2]], 7).tolist()
    [1, 7]
    """
    return _swath.select(condlist, choicelist, default)


def _refuse_order(name: str, kind: Any, order: Any) -> None:
    if kind not in (None, "quicksort", "heapsort", "mergesort", "stable"):
        raise ValueError(f"{name} has no kind {kind!r}")
    if order is not None:
        raise TypeError(f"{name} takes no order: arrays have no fields")


def sort(
    a: Any,
    axis: int | None = -1,
    kind: str | None = None,
    order: None = None,
    *,
    descending: bool = False,
    stable: bool | None = True,
) -> Array:
    """Values sorted along an axis; NaN comes last. All of NumPy's kinds are the same.

    >>> sort([3, 1, 2]).tolist()
    [1, 2, 3]
    """
    _refuse_order("sort", kind, order)
    a, axis = (ravel(a), -1) if axis is None else (a, axis)
    return _swath.sorting("sort", a, axis, descending, stable is not False)


def argsort(
    a: Any,
    axis: int | None = -1,
    kind: str | None = None,
    order: None = None,
    *,
    descending: bool = False,
    stable: bool | None = True,
) -> Array:
    """The indices that sort along an axis. All of NumPy's kinds are the same.

    >>> argsort([3, 1, 2]).tolist()
    [1, 2, 0]
    """
    _refuse_order("argsort", kind, order)
    a, axis = (ravel(a), -1) if axis is None else (a, axis)
    return _swath.sorting("argsort", a, axis, descending, stable is not False)


def searchsorted(a: Any, v: Any, side: Literal["left", "right"] = "left", sorter: Any = None) -> Array:
    """Where values would go into a sorted vector.

    >>> searchsorted([1, 3, 5], [3, 4]).tolist()
    [1, 2]
    """
    return _swath.searchsorted(a, v, side, sorter)


def unique(
    ar: Any, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False
) -> Any:
    """The distinct values in ascending order; computed at once.

    >>> unique([2, 1, 2], return_counts=True)[1].tolist()
    [1, 2]
    """
    values, index, inverse, counts = _swath.unique_all(ar)
    wanted = [(True, values), (return_index, index), (return_inverse, inverse), (return_counts, counts)]
    found = tuple(array for is_wanted, array in wanted if is_wanted)
    return found[0] if len(found) == 1 else found


def isin(element: Any, test_elements: Any, *, invert: bool = False) -> Array:
    """Where values are among others.

    >>> isin([1, 2], [2, 3]).tolist()
    [False, True]
    """
    return _swath.isin(element, test_elements, invert)


# Products


def dot(a: Any, b: Any, out: None = None) -> Array:
    """The product of vectors or matrices; of more axes over the last of the first and the last but one of the second.

    >>> int(dot([1, 2], [3, 4]))
    11
    """
    _refuse_out("dot", out)
    a, b = _swath.asarray(a), _swath.asarray(b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    if b.ndim <= 2:
        return _swath.matmul(a, b)
    return _swath.tensordot(a, b, ((-1,), (-2,)))


def vdot(a: Any, b: Any) -> Array:
    """The product of two arrays as vectors; the first is conjugated.

    >>> int(vdot([1, 2], [3, 4]))
    11
    """
    return _swath.vecdot(ravel(a), ravel(b), -1)


def inner(a: Any, b: Any) -> Array:
    """The sum of products over the last axes.

    >>> int(inner([1, 2], [3, 4]))
    11
    """
    a, b = _swath.asarray(a), _swath.asarray(b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    return _swath.tensordot(a, b, ((-1,), (-1,)))


def tensordot(a: Any, b: Any, axes: Any = 2) -> Array:
    """The sum of products over pairs of axes.

    >>> int(tensordot([1, 2], [3, 4], 1))
    11
    """
    if not isinstance(axes, int):
        axes = tuple((one,) if isinstance(one, int) else tuple(one) for one in axes)
    return _swath.tensordot(a, b, axes)


def vecdot(x1: Any, x2: Any, axis: int = -1) -> Array:
    """The dot product of vectors along an axis; the first is conjugated.

    >>> int(vecdot([1, 2], [3, 4]))
    11
    """
    return _swath.vecdot(x1, x2, axis)


def outer(a: Any, b: Any) -> Array:
    """The products of each element of one array with each of another.

    >>> outer([1, 2], [3, 4]).tolist()
    [[3, 4], [6, 8]]
    """
    return _swath.outer(ravel(a), ravel(b))


def einsum(subscripts: str, *operands: Any) -> Array:
    """The sum of products that subscripts describe.

    >>> einsum("ij,j->i", [[1, 2], [3, 4]], [1, 1]).tolist()
    [3, 7]
    """
    return _swath.einsum(subscripts, list(operands))


def kron(a: Any, b: Any) -> Array:
    """The Kronecker product.

    >>> kron([1, 2], [1, 10]).tolist()
    [1, 10, 2, 20]
    """
    return _swath.kron(a, b)


def cross(a: Any, b: Any, axis: int = -1) -> Array:
    """The cross products of vectors.

    >>> cross([1, 0, 0], [0, 1, 0]).tolist()
    [0, 0, 1]
    """
    return _swath.cross(a, b, axis)


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """The diagonals in the plane of two axes.

    >>> diagonal([[1, 2], [3, 4]]).tolist()
    [1, 4]
    """
    return _swath.diagonal(_swath.moveaxis(a, (axis1, axis2), (-2, -1)), offset)


def trace(
    a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: DType | None = None, out: None = None
) -> Array:
    """The sums along the diagonals in the plane of two axes.

    >>> int(trace([[1, 2], [3, 4]]))
    5
    """
    _refuse_out("trace", out)
    return _swath.trace(_swath.moveaxis(a, (axis1, axis2), (-2, -1)), offset, dtype)


# Statistics of order


def median(a: Any, axis: Axes = None, out: None = None, *, keepdims: bool = False) -> Array:
    """The medians.

    >>> float(median([3, 1, 2]))
    2.0
    """
    _refuse_out("median", out)
    return _swath.median(a, axis, False, keepdims)


def nanmedian(a: Any, axis: Axes = None, out: None = None, *, keepdims: bool = False) -> Array:
    """The medians without NaN.

    >>> float(nanmedian([3.0, nan, 2.0]))
    2.5
    """
    _refuse_out("nanmedian", out)
    return _swath.median(a, axis, True, keepdims)


def _quantiles(
    a: Any, q: Any, axis: Axes, method: str, skip_nan: bool, keepdims: bool, scale: float = 1.0
) -> Array:
    wanted = _swath.asarray(q) / scale
    found = _swath.quantile(a, ravel(wanted).tolist(), axis, method, skip_nan, keepdims)
    return found.reshape(wanted.shape + found.shape[1:])


def quantile(
    a: Any, q: Any, axis: Axes = None, out: None = None, *, method: str = "linear", keepdims: bool = False
) -> Array:
    """The quantiles `q`, between 0 and 1.

    >>> quantile([1.0, 2.0, 3.0], [0.0, 0.5]).tolist()
    [1.0, 2.0]
    """
    _refuse_out("quantile", out)
    return _quantiles(a, q, axis, method, False, keepdims)


def nanquantile(
    a: Any, q: Any, axis: Axes = None, out: None = None, *, method: str = "linear", keepdims: bool = False
) -> Array:
    """The quantiles without NaN.

    >>> float(nanquantile([1.0, nan, 3.0], 0.5))
    2.0
    """
    _refuse_out("nanquantile", out)
    return _quantiles(a, q, axis, method, True, keepdims)


def percentile(
    a: Any, q: Any, axis: Axes = None, out: None = None, *, method: str = "linear", keepdims: bool = False
) -> Array:
    """The percentiles `q`, between 0 and 100.

    >>> float(percentile([1.0, 2.0, 3.0], 50))
    2.0
    """
    _refuse_out("percentile", out)
    return _quantiles(a, q, axis, method, False, keepdims, 100.0)


def nanpercentile(
    a: Any, q: Any, axis: Axes = None, out: None = None, *, method: str = "linear", keepdims: bool = False
) -> Array:
    """The percentiles without NaN.

    >>> float(nanpercentile([1.0, nan, 3.0], 50))
    2.0
    """
    _refuse_out("nanpercentile", out)
    return _quantiles(a, q, axis, method, True, keepdims, 100.0)


def partition(a: Any, kth: int, axis: int = -1, kind: str = "introselect", order: None = None) -> Array:
    """Values in an order in which the one at `kth` is where a sort would have it, lesser ones before it.

    >>> int(partition([3, 1, 2], 0)[0])
    1
    """
    _refuse_order("partition", None if kind == "introselect" else kind, order)
    return _swath.partitioning("partition", a, kth, axis)


def argpartition(a: Any, kth: int, axis: int = -1, kind: str = "introselect", order: None = None) -> Array:
    """The indices of a `partition`.

    >>> int(argpartition([3, 1, 2], 0)[0])
    1
    """
    _refuse_order("argpartition", None if kind == "introselect" else kind, order)
    return _swath.partitioning("argpartition", a, kth, axis)


def topk(a: Any, k: int, axis: int = -1, *, largest: bool = True) -> tuple[Array, Array]:
    """The `k` greatest values along an axis in descending order, or the least in ascending, and their indices. A negative
    `k` asks for so many of the other end.

    >>> [found.tolist() for found in topk([1, 5, 3], 2)]
    [[5, 3], [1, 2]]
    >>> topk([1, 5, 3], -2)[0].tolist()
    [1, 3]
    """
    k, largest = (-k, not largest) if k < 0 else (k, largest)
    return _swath.topk(a, k, axis, largest)


def cummax(a: Any, axis: int = 0) -> Array:
    """The greatest of all values up to each.

    >>> cummax([1, 3, 2]).tolist()
    [1, 3, 3]
    """
    return _swath.cumulative("cummax", a, axis)


def cummin(a: Any, axis: int = 0) -> Array:
    """The least of all values up to each.

    >>> cummin([3, 1, 2]).tolist()
    [3, 1, 1]
    """
    return _swath.cumulative("cummin", a, axis)


def _variables(a: Any, rowvar: bool) -> Array:
    """Variables as rows."""
    a = xp.astype(_swath.asarray(a), xp.result_type(_swath.asarray(a), xp.float64))
    if a.ndim > 2:
        raise ValueError(f"variables are the rows or columns of a matrix, not of an array of shape {a.shape}")
    rows = atleast_2d(a)
    return rows if rowvar or a.ndim < 2 else rows.T


def cov(m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: int | None = None) -> Array:
    """The covariances of variables, one a row (a column without `rowvar`), those of `y` behind those of `m`. Sums are
    divided by the number of observations less `ddof`, which is 1, or 0 with `bias`.

    >>> float(cov([1.0, 2.0, 3.0]))
    1.0
    >>> cov([1.0, 2.0, 3.0], [3.0, 2.0, 1.0]).tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    rows = _variables(m, rowvar)
    rows = rows if y is None else concatenate([rows, _variables(y, rowvar)])
    centred = rows - _swath.reduction("mean", rows, 1, True)
    less = ddof if ddof is not None else 0 if bias else 1
    return squeeze(_swath.matmul(centred, xp.conj(centred).mT) / (rows.shape[1] - less))


def corrcoef(x: Any, y: Any = None, rowvar: bool = True) -> Array:
    """The correlations of variables, one a row (a column without `rowvar`), those of `y` behind those of `x`.

    >>> corrcoef([[1.0, 2.0], [2.0, 4.0]]).shape
    (2, 2)
    """
    covariances = cov(x, y, rowvar)
    if covariances.ndim == 0:
        return covariances / covariances
    deviations = xp.sqrt(_swath.diagonal(covariances.real, 0))
    return covariances / _swath.outer(deviations, deviations)


# Sets and histograms


def _set_operation(name: str, doc: str, example: str) -> Callable[..., Array]:
    def set_operation(ar1: Any, ar2: Any) -> Array:
        return _swath.set_operation(name, ar1, ar2)

    return _named(set_operation, name, doc, example)


intersect1d = _set_operation(
    "intersect1d", "The values that are in both; computed at once.", "intersect1d([1, 2], [2, 3]).tolist()\n    [2]"
)
union1d = _set_operation(
    "union1d", "The values that are in either; computed at once.", "union1d([1, 2], [2, 3]).tolist()\n    [1, 2, 3]"
)
setdiff1d = _set_operation(
    "setdiff1d", "The values that are not in the second; computed at once.", "setdiff1d([1, 2], [2]).tolist()\n    [1]"
)
setxor1d = _set_operation(
    "setxor1d", "The values that are in one alone; computed at once.", "setxor1d([1, 2], [2, 3]).tolist()\n    [1, 3]"
)


def histogram(
    a: Any, bins: Any = 10, range: tuple[float, float] | None = None, density: bool = False, weights: Any = None
) -> tuple[Array, Array]:
    """How many values lie in each bin, and the edges of the bins; the range is computed at once.

    >>> [found.tolist() for found in histogram([1, 2, 2, 4], bins=3)]
    [[1, 2, 1], [1.0, 2.0, 3.0, 4.0]]
    """
    return _swath.histogram(a, bins, range, density, weights)


def bincount(x: Any, weights: Any = None, minlength: int = 0) -> Array:
    """How often each integer from 0 on occurs; computed at once.

    >>> bincount([0, 2, 2]).tolist()
    [1, 0, 2]
    """
    return _swath.bincount(x, weights, minlength)


def digitize(x: Any, bins: Any, right: bool = False) -> Array:
    """The number of the bin that each value is in.

    >>> digitize([0.5, 1.5], [0, 1, 2]).tolist()
    [1, 2]
    """
    return _swath.digitize(x, bins, right)

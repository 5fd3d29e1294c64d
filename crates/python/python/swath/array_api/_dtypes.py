"""Data types: what they are, what they hold, how they promote."""

from __future__ import annotations

from typing import Any

from swath import _swath
from swath._swath import Array, DType, result_type

__all__ = ["astype", "can_cast", "finfo", "iinfo", "isdtype", "result_type"]

_SIGNED = ("int8", "int16", "int32", "int64")
_UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
_REAL = ("float16", "bfloat16", "float32", "float64")
_COMPLEX = ("complex64", "complex128")

# What isdtype calls kinds.
KINDS: dict[str, tuple[str, ...]] = {
    "bool": ("bool",),
    "signed integer": _SIGNED,
    "unsigned integer": _UNSIGNED,
    "integral": _SIGNED + _UNSIGNED,
    "real floating": _REAL,
    "complex floating": _COMPLEX,
    "numeric": _SIGNED + _UNSIGNED + _REAL + _COMPLEX,
}


class finfo_object:
    """What a floating-point data type holds."""

    __slots__ = ("bits", "dtype", "eps", "max", "min", "smallest_normal")

    def __init__(self, dtype: DType, bits: int, eps: float, max: float, smallest_normal: float):
        self.bits = bits
        self.dtype = dtype
        self.eps = eps
        self.max = max
        self.min = -max
        self.smallest_normal = smallest_normal

    def __repr__(self) -> str:
        return f"finfo(dtype={self.dtype}, bits={self.bits}, eps={self.eps}, max={self.max})"


class iinfo_object:
    """What an integer data type holds."""

    __slots__ = ("bits", "dtype", "max", "min")

    def __init__(self, dtype: DType, bits: int, max: int, min: int):
        self.bits = bits
        self.dtype = dtype
        self.max = max
        self.min = min

    def __repr__(self) -> str:
        return f"iinfo(dtype={self.dtype}, bits={self.bits}, min={self.min}, max={self.max})"


# Bits, distance from 1 to the next number, greatest number, least normal number of real types.
_FLOATS = {
    "float16": (16, 2.0**-10, 65504.0, 2.0**-14),
    "bfloat16": (16, 2.0**-7, (2.0 - 2.0**-7) * 2.0**127, 2.0**-126),
    "float32": (32, 2.0**-23, (2.0 - 2.0**-23) * 2.0**127, 2.0**-126),
    "float64": (64, 2.0**-52, (2.0 - 2.0**-52) * 2.0**1023, 2.0**-1022),
}


def _dtype_of(type: Any) -> DType:
    return type.dtype if isinstance(type, Array) else DType(type)


def astype(
    x: Array, dtype: DType, /, *, copy: bool = True, device: Any = None
) -> Array:
    """The values in another data type: floats lose their fractions on the way to integers.

    With `copy` false, an array that has the type already is returned itself.

    >>> astype(_swath.asarray([1.7, -1.7]), _swath.int8).tolist()
    [1, -1]
    """
    if device is not None and device != "cpu":
        raise ValueError(f"'cpu' is the only device of arrays, and not {device!r}")
    if not copy and isinstance(x, Array) and x.dtype == dtype:
        return x
    return _swath.astype(x, dtype)


def can_cast(from_: DType | Array, to: DType, /) -> bool:
    """Whether the promotion of the two data types is `to`.

    >>> can_cast(_swath.int8, _swath.int16), can_cast(_swath.int16, _swath.int8)
    (True, False)
    """
    to = DType(to)
    return _swath.promote_types(_dtype_of(from_), to) == to


def finfo(type: DType | Array, /) -> finfo_object:
    """Bits, precision and range of a floating-point data type; of a complex one, of its parts.

    >>> finfo(_swath.float32).bits
    32
    """
    dtype = _dtype_of(type)
    parts = {"complex64": _swath.float32, "complex128": _swath.float64}
    real = parts.get(dtype.name, dtype)
    if real.name not in _FLOATS:
        raise ValueError(f"finfo takes a floating-point data type, not {dtype}")
    return finfo_object(real, *_FLOATS[real.name])


def iinfo(type: DType | Array, /) -> iinfo_object:
    """Bits and range of an integer data type.

    >>> iinfo(_swath.uint8).max
    255
    """
    dtype = _dtype_of(type)
    bits = dtype.itemsize * 8
    if dtype.kind == "i":
        return iinfo_object(dtype, bits, 2 ** (bits - 1) - 1, -(2 ** (bits - 1)))
    if dtype.kind == "u":
        return iinfo_object(dtype, bits, 2**bits - 1, 0)
    raise ValueError(f"iinfo takes an integer data type, not {dtype}")


def isdtype(dtype: DType, kind: DType | str | tuple[DType | str, ...]) -> bool:
    """Whether a data type is one, or of a kind, or of one of several.

    >>> isdtype(_swath.int8, "integral"), isdtype(_swath.int8, ("bool", _swath.int16))
    (True, False)
    """
    if isinstance(kind, tuple):
        return any(isdtype(dtype, one) for one in kind)
    dtype = DType(dtype)
    if isinstance(kind, str):
        if kind not in KINDS:
            raise ValueError(f"'{kind}' is no kind of data types; there are {', '.join(KINDS)}")
        return dtype.name in KINDS[kind]
    return dtype == DType(kind)

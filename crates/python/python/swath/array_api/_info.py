"""What the namespace offers, as the standard asks for it."""

from __future__ import annotations

from typing import Any

from swath import _swath
from swath._swath import DType
from swath.array_api._dtypes import KINDS, isdtype

__all__ = ["__array_namespace_info__"]

_NAMES = (
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float32",
    "float64",
    "complex64",
    "complex128",
)


class Info:
    """Capabilities, defaults, data types and devices."""

    def capabilities(self) -> dict[str, Any]:
        """What is there: indexing by booleans, shapes that depend on values; as many dimensions as DLPack counts.

        >>> __array_namespace_info__().capabilities()["boolean indexing"]
        True
        """
        return {
            "boolean indexing": True,
            "data-dependent shapes": True,
            "max dimensions": 2**31 - 1,
        }

    def default_device(self) -> str:
        """The device of arrays that are made without one."""
        return "cpu"

    def default_dtypes(self, *, device: Any = None) -> dict[str, DType]:
        """The data types of arrays that are made without one."""
        _check(device)
        return {
            "real floating": _swath.float64,
            "complex floating": _swath.complex128,
            "integral": _swath.int64,
            "indexing": _swath.int64,
        }

    def dtypes(
        self, *, device: Any = None, kind: str | tuple[str, ...] | None = None
    ) -> dict[str, DType]:
        """The standard's data types, of one kind, of several, or all.

        >>> list(__array_namespace_info__().dtypes(kind="real floating"))
        ['float32', 'float64']
        """
        _check(device)
        all_types = {name: getattr(_swath, name) for name in _NAMES}
        if kind is None:
            return all_types
        for one in kind if isinstance(kind, tuple) else (kind,):
            if one not in KINDS:
                raise ValueError(f"'{one}' is no kind of data types; there are {', '.join(KINDS)}")
        return {name: dtype for name, dtype in all_types.items() if isdtype(dtype, kind)}

    def devices(self) -> list[str]:
        """The devices that arrays are handed out on."""
        return ["cpu"]


def _check(device: Any) -> None:
    if device is not None and device != "cpu":
        raise ValueError(f"'cpu' is the only device of arrays, and not {device!r}")


def __array_namespace_info__() -> Info:
    """What the namespace offers.

    >>> __array_namespace_info__().default_device()
    'cpu'
    """
    return Info()

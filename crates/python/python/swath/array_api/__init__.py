"""The namespace of the Python array API standard, version 2024.12, with its extensions ``linalg`` and ``fft``.

Arrays are lazy: functions return at once, and values are computed when they are asked for.

>>> from swath import array_api as xp
>>> x = xp.linspace(0, 1, 5)
>>> float(xp.sum(x * x))
1.875
"""

from math import e, inf, nan, pi

from swath._swath import (
    bool,
    complex64,
    complex128,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)
from swath.array_api import (
    _creation,
    _dtypes,
    _elementwise,
    _info,
    _linear_algebra,
    _manipulation,
    _search,
    _statistics,
    fft,
    linalg,
)
from swath.array_api._creation import *  # noqa: F403
from swath.array_api._dtypes import *  # noqa: F403
from swath.array_api._elementwise import *  # noqa: F403
from swath.array_api._info import __array_namespace_info__
from swath.array_api._linear_algebra import *  # noqa: F403
from swath.array_api._manipulation import *  # noqa: F403
from swath.array_api._search import *  # noqa: F403
from swath.array_api._statistics import *  # noqa: F403

__array_api_version__ = "2024.12"

newaxis = None

__all__ = [
    "__array_api_version__",
    "__array_namespace_info__",
    "bool",
    "complex64",
    "complex128",
    "e",
    "fft",
    "float32",
    "float64",
    "inf",
    "int8",
    "int16",
    "int32",
    "int64",
    "linalg",
    "nan",
    "newaxis",
    "pi",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    *_creation.__all__,
    *_dtypes.__all__,
    *_elementwise.__all__,
    *_linear_algebra.__all__,
    *_manipulation.__all__,
    *_search.__all__,
    *_statistics.__all__,
]

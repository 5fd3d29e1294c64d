"""Dataframes and arrays that use every GPU their user owns.

``import swath as sw`` starts nothing: no threads, no device, no other package is imported before it is needed.

>>> import swath as sw
>>> x = sw.arange(6).reshape(2, 3)
>>> (x * 2).sum(axis=0).tolist()
[6, 10, 14]
"""

from math import e, inf, nan, pi

from swath import _methods, array_api, fft, linalg, random
from swath._blocks import blockwise, map_blocks, map_overlap
from swath._files import array_names, load, save, savez
from swath._frame import *  # noqa: F403
from swath._frame import __all__ as _frame_names
from swath._numeric import *  # noqa: F403
from swath._progress import ProgressBar
from swath._routines import *  # noqa: F403
from swath._swath import (
    Array,
    AxisError,
    DType,
    LinAlgError,
    bfloat16,
    bool,
    complex64,
    complex128,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    promote_types,
    uint8,
    uint16,
    uint32,
    uint64,
)
from swath.array_api import (
    abs,
    acos,
    acosh,
    add,
    asin,
    asinh,
    astype,
    atan,
    atan2,
    atanh,
    bitwise_and,
    bitwise_invert,
    bitwise_left_shift,
    bitwise_or,
    bitwise_right_shift,
    bitwise_xor,
    broadcast_arrays,
    broadcast_shapes,
    can_cast,
    ceil,
    conj,
    copysign,
    cos,
    cosh,
    cumulative_prod,
    cumulative_sum,
    divide,
    equal,
    exp,
    expm1,
    finfo,
    floor,
    floor_divide,
    from_dlpack,
    greater,
    greater_equal,
    hypot,
    iinfo,
    imag,
    isdtype,
    isfinite,
    isinf,
    isnan,
    less,
    less_equal,
    log,
    log1p,
    log2,
    log10,
    logaddexp,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    matmul,
    matrix_transpose,
    maximum,
    minimum,
    multiply,
    negative,
    nextafter,
    not_equal,
    positive,
    pow,
    real,
    reciprocal,
    remainder,
    result_type,
    sign,
    signbit,
    sin,
    sinh,
    sqrt,
    square,
    subtract,
    tan,
    tanh,
    trunc,
    unique_all,
    unique_counts,
    unique_inverse,
    unique_values,
    unstack,
)

_methods.attach()

# NumPy's older names of what the standard names anew.
absolute = abs
arccos, arccosh, arcsin, arcsinh = acos, acosh, asin, asinh
arctan, arctan2, arctanh = atan, atan2, atanh
bitwise_not = invert = bitwise_invert
left_shift, right_shift = bitwise_left_shift, bitwise_right_shift
conjugate = conj
mod = remainder
power = pow
rint = array_api.round
true_divide = divide
fix = trunc
newaxis = None
dtype = DType

__version__ = "0.1.0"
__all__ = sorted({name for name in dir() if not name.startswith("_")} | {*_frame_names})

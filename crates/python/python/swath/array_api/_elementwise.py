"""Functions of each element."""

from __future__ import annotations

from swath import _swath
from swath._swath import Array

__all__ = [
    "abs",
    "acos",
    "acosh",
    "add",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "bitwise_and",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "ceil",
    "clip",
    "conj",
    "copysign",
    "cos",
    "cosh",
    "divide",
    "equal",
    "exp",
    "expm1",
    "floor",
    "floor_divide",
    "greater",
    "greater_equal",
    "hypot",
    "imag",
    "isfinite",
    "isinf",
    "isnan",
    "less",
    "less_equal",
    "log",
    "log10",
    "log1p",
    "log2",
    "logaddexp",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "maximum",
    "minimum",
    "multiply",
    "negative",
    "nextafter",
    "not_equal",
    "positive",
    "pow",
    "real",
    "reciprocal",
    "remainder",
    "round",
    "sign",
    "signbit",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "subtract",
    "tan",
    "tanh",
    "trunc",
]

Operand = Array | bool | int | float | complex


def abs(x: Array, /) -> Array:
    """Magnitudes; of complex numbers real ones.

    >>> abs(_swath.asarray([-1.5, 2.0])).tolist()
    [1.5, 2.0]
    """
    return _swath.unary("abs", x)


def acos(x: Array, /) -> Array:
    """Arc cosines, in radians.

    >>> acos(_swath.asarray([1.0, 0.0])).tolist()
    [0.0, 1.5707963267948966]
    """
    return _swath.unary("acos", x)


def acosh(x: Array, /) -> Array:
    """Inverse hyperbolic cosines.

    >>> acosh(_swath.asarray([1.0])).tolist()
    [0.0]
    """
    return _swath.unary("acosh", x)


def add(x1: Operand, x2: Operand, /) -> Array:
    """Sums.

    >>> add(_swath.asarray([1, 2]), _swath.asarray([10, 20])).tolist()
    [11, 22]
    """
    return _swath.binary("add", x1, x2)


def asin(x: Array, /) -> Array:
    """Arc sines, in radians.

    >>> asin(_swath.asarray([0.0, 1.0])).tolist()
    [0.0, 1.5707963267948966]
    """
    return _swath.unary("asin", x)


def asinh(x: Array, /) -> Array:
    """Inverse hyperbolic sines.

    >>> asinh(_swath.asarray([0.0])).tolist()
    [0.0]
    """
    return _swath.unary("asinh", x)


def atan(x: Array, /) -> Array:
    """Arc tangents, in radians.

    >>> atan(_swath.asarray([0.0, 1.0])).tolist()
    [0.0, 0.7853981633974483]
    """
    return _swath.unary("atan", x)


def atan2(x1: Operand, x2: Operand, /) -> Array:
    """Angles, in radians, of points with ordinates `x1` and abscissas `x2`.

    >>> atan2(_swath.asarray([1.0, 0.0]), _swath.asarray([0.0, 1.0])).tolist()
    [1.5707963267948966, 0.0]
    """
    return _swath.binary("atan2", x1, x2)


def atanh(x: Array, /) -> Array:
    """Inverse hyperbolic tangents.

    >>> atanh(_swath.asarray([0.0])).tolist()
    [0.0]
    """
    return _swath.unary("atanh", x)


def bitwise_and(x1: Operand, x2: Operand, /) -> Array:
    """Bits that are set in both.

    >>> bitwise_and(_swath.asarray([6, 12]), _swath.asarray([3, 8])).tolist()
    [2, 8]
    """
    return _swath.binary("bitwise_and", x1, x2)


def bitwise_invert(x: Array, /) -> Array:
    """Every bit, or every boolean, inverted.

    >>> bitwise_invert(_swath.asarray([0, 1, -8])).tolist()
    [-1, -2, 7]
    """
    return _swath.unary("bitwise_invert", x)


def bitwise_left_shift(x1: Operand, x2: Operand, /) -> Array:
    """Bits of `x1` shifted to the left by `x2`.

    >>> bitwise_left_shift(_swath.asarray([1, 2]), _swath.asarray([3, 1])).tolist()
    [8, 4]
    """
    return _swath.binary("bitwise_left_shift", x1, x2)


def bitwise_or(x1: Operand, x2: Operand, /) -> Array:
    """Bits that are set in one or both.

    >>> bitwise_or(_swath.asarray([6, 12]), _swath.asarray([3, 8])).tolist()
    [7, 12]
    """
    return _swath.binary("bitwise_or", x1, x2)


def bitwise_right_shift(x1: Operand, x2: Operand, /) -> Array:
    """Bits of `x1` shifted to the right by `x2`; the sign stays.

    >>> bitwise_right_shift(_swath.asarray([16, -8]), _swath.asarray([2, 1])).tolist()
    [4, -4]
    """
    return _swath.binary("bitwise_right_shift", x1, x2)


def bitwise_xor(x1: Operand, x2: Operand, /) -> Array:
    """Bits that are set in one alone.

    >>> bitwise_xor(_swath.asarray([6, 12]), _swath.asarray([3, 8])).tolist()
    [5, 4]
    """
    return _swath.binary("bitwise_xor", x1, x2)


def ceil(x: Array, /) -> Array:
    """The least integers that are not less; integers stay as they are.

    >>> ceil(_swath.asarray([1.2, -1.2])).tolist()
    [2.0, -1.0]
    """
    return _swath.unary("ceil", x)


def clip(x: Array, /, min: Operand | None = None, max: Operand | None = None) -> Array:
    """Values held between `min` and `max`, in the data type of `x`.

    >>> clip(_swath.asarray([1, 5, 9]), 2, 6).tolist()
    [2, 5, 6]
    """
    return _swath.clip(x, min, max)


def conj(x: Array, /) -> Array:
    """Complex conjugates.

    >>> conj(_swath.asarray([1 + 2j])).tolist()
    [(1-2j)]
    """
    return _swath.unary("conj", x)


def copysign(x1: Operand, x2: Operand, /) -> Array:
    """Magnitudes of `x1` with signs of `x2`.

    >>> copysign(_swath.asarray([1.0, -2.0]), _swath.asarray([-0.0, 3.0])).tolist()
    [-1.0, 2.0]
    """
    return _swath.binary("copysign", x1, x2)


def cos(x: Array, /) -> Array:
    """Cosines of angles in radians.

    >>> cos(_swath.asarray([0.0])).tolist()
    [1.0]
    """
    return _swath.unary("cos", x)


def cosh(x: Array, /) -> Array:
    """Hyperbolic cosines.

    >>> cosh(_swath.asarray([0.0])).tolist()
    [1.0]
    """
    return _swath.unary("cosh", x)


def divide(x1: Operand, x2: Operand, /) -> Array:
    """Quotients; of integers `float64`.

    >>> divide(_swath.asarray([1, 6]), _swath.asarray([2, 3])).tolist()
    [0.5, 2.0]
    """
    return _swath.binary("divide", x1, x2)


def equal(x1: Operand, x2: Operand, /) -> Array:
    """Where values are equal.

    >>> equal(_swath.asarray([1, 2]), _swath.asarray([1, 3])).tolist()
    [True, False]
    """
    return _swath.binary("equal", x1, x2)


def exp(x: Array, /) -> Array:
    """Powers of e.

    >>> exp(_swath.asarray([0.0, 1.0])).tolist()
    [1.0, 2.718281828459045]
    """
    return _swath.unary("exp", x)


def expm1(x: Array, /) -> Array:
    """Powers of e less 1, precise near 0.

    >>> expm1(_swath.asarray([0.0])).tolist()
    [0.0]
    """
    return _swath.unary("expm1", x)


def floor(x: Array, /) -> Array:
    """The greatest integers that are not greater; integers stay as they are.

    >>> floor(_swath.asarray([1.7, -1.2])).tolist()
    [1.0, -2.0]
    """
    return _swath.unary("floor", x)


def floor_divide(x1: Operand, x2: Operand, /) -> Array:
    """Quotients rounded toward minus infinity.

    >>> floor_divide(_swath.asarray([7, -7]), _swath.asarray([2, 2])).tolist()
    [3, -4]
    """
    return _swath.binary("floor_divide", x1, x2)


def greater(x1: Operand, x2: Operand, /) -> Array:
    """Where `x1` is greater.

    >>> greater(_swath.asarray([1, 3]), _swath.asarray([2, 2])).tolist()
    [False, True]
    """
    return _swath.binary("greater", x1, x2)


def greater_equal(x1: Operand, x2: Operand, /) -> Array:
    """Where `x1` is greater or equal.

    >>> greater_equal(_swath.asarray([2, 1]), _swath.asarray([2, 2])).tolist()
    [True, False]
    """
    return _swath.binary("greater_equal", x1, x2)


def hypot(x1: Operand, x2: Operand, /) -> Array:
    """Square roots of sums of squares, without overflow.

    >>> hypot(_swath.asarray([3.0]), _swath.asarray([4.0])).tolist()
    [5.0]
    """
    return _swath.binary("hypot", x1, x2)


def imag(x: Array, /) -> Array:
    """Imaginary parts.

    >>> imag(_swath.asarray([1 + 2j])).tolist()
    [2.0]
    """
    return _swath.unary("imag", x)


def isfinite(x: Array, /) -> Array:
    """Where values are neither NaN nor infinite.

    >>> isfinite(_swath.asarray([1.0, float('inf'), float('nan')])).tolist()
    [True, False, False]
    """
    return _swath.unary("isfinite", x)


def isinf(x: Array, /) -> Array:
    """Where values are infinite.

    >>> isinf(_swath.asarray([1.0, float('inf')])).tolist()
    [False, True]
    """
    return _swath.unary("isinf", x)


def isnan(x: Array, /) -> Array:
    """Where values are NaN.

    >>> isnan(_swath.asarray([1.0, float('nan')])).tolist()
    [False, True]
    """
    return _swath.unary("isnan", x)


def less(x1: Operand, x2: Operand, /) -> Array:
    """Where `x1` is less.

    >>> less(_swath.asarray([1, 3]), _swath.asarray([2, 2])).tolist()
    [True, False]
    """
    return _swath.binary("less", x1, x2)


def less_equal(x1: Operand, x2: Operand, /) -> Array:
    """Where `x1` is less or equal.

    >>> less_equal(_swath.asarray([2, 3]), _swath.asarray([2, 2])).tolist()
    [True, False]
    """
    return _swath.binary("less_equal", x1, x2)


def log(x: Array, /) -> Array:
    """Natural logarithms.

    >>> log(_swath.asarray([1.0])).tolist()
    [0.0]
    """
    return _swath.unary("log", x)


def log10(x: Array, /) -> Array:
    """Logarithms to the base 10.

    >>> log10(_swath.asarray([1.0, 100.0])).tolist()
    [0.0, 2.0]
    """
    return _swath.unary("log10", x)


def log1p(x: Array, /) -> Array:
    """Natural logarithms of 1 more, precise near 0.

    >>> log1p(_swath.asarray([0.0])).tolist()
    [0.0]
    """
    return _swath.unary("log1p", x)


def log2(x: Array, /) -> Array:
    """Logarithms to the base 2.

    >>> log2(_swath.asarray([1.0, 8.0])).tolist()
    [0.0, 3.0]
    """
    return _swath.unary("log2", x)


def logaddexp(x1: Operand, x2: Operand, /) -> Array:
    """Logarithms of sums of powers of e, without overflow.

    >>> logaddexp(_swath.asarray([1000.0]), _swath.asarray([-1000.0])).tolist()
    [1000.0]
    """
    return _swath.binary("logaddexp", x1, x2)


def logical_and(x1: Operand, x2: Operand, /) -> Array:
    """Where both are true.

    >>> logical_and(_swath.asarray([True, True]), _swath.asarray([True, False])).tolist()
    [True, False]
    """
    return _swath.binary("logical_and", x1, x2)


def logical_not(x: Array, /) -> Array:
    """Where values are false, or 0.

    >>> logical_not(_swath.asarray([True, False])).tolist()
    [False, True]
    """
    return _swath.unary("logical_not", x)


def logical_or(x1: Operand, x2: Operand, /) -> Array:
    """Where one or both are true.

    >>> logical_or(_swath.asarray([True, False]), _swath.asarray([False, False])).tolist()
    [True, False]
    """
    return _swath.binary("logical_or", x1, x2)


def logical_xor(x1: Operand, x2: Operand, /) -> Array:
    """Where one alone is true.

    >>> logical_xor(_swath.asarray([True, True]), _swath.asarray([True, False])).tolist()
    [False, True]
    """
    return _swath.binary("logical_xor", x1, x2)


def maximum(x1: Operand, x2: Operand, /) -> Array:
    """The greater of two values; NaN where one is.

    >>> maximum(_swath.asarray([1, 5]), _swath.asarray([3, 2])).tolist()
    [3, 5]
    """
    return _swath.binary("maximum", x1, x2)


def minimum(x1: Operand, x2: Operand, /) -> Array:
    """The less of two values; NaN where one is.

    >>> minimum(_swath.asarray([1, 5]), _swath.asarray([3, 2])).tolist()
    [1, 2]
    """
    return _swath.binary("minimum", x1, x2)


def multiply(x1: Operand, x2: Operand, /) -> Array:
    """Products.

    >>> multiply(_swath.asarray([2, 3]), _swath.asarray([4, 5])).tolist()
    [8, 15]
    """
    return _swath.binary("multiply", x1, x2)


def negative(x: Array, /) -> Array:
    """Values with the other sign.

    >>> negative(_swath.asarray([1, -2])).tolist()
    [-1, 2]
    """
    return _swath.unary("negative", x)


def nextafter(x1: Operand, x2: Operand, /) -> Array:
    """The floating-point number next to `x1` toward `x2`.

    >>> nextafter(_swath.asarray([0.0]), _swath.asarray([1.0])).tolist()
    [5e-324]
    """
    return _swath.binary("nextafter", x1, x2)


def not_equal(x1: Operand, x2: Operand, /) -> Array:
    """Where values are not equal.

    >>> not_equal(_swath.asarray([1, 2]), _swath.asarray([1, 3])).tolist()
    [False, True]
    """
    return _swath.binary("not_equal", x1, x2)


def positive(x: Array, /) -> Array:
    """Values as they are.

    >>> positive(_swath.asarray([1, -2])).tolist()
    [1, -2]
    """
    x = _swath.asarray(x)
    return +x


def pow(x1: Operand, x2: Operand, /) -> Array:
    """Powers of `x1` with exponents `x2`.

    >>> pow(_swath.asarray([2, 3]), _swath.asarray([3, 2])).tolist()
    [8, 9]
    """
    return _swath.binary("pow", x1, x2)


def real(x: Array, /) -> Array:
    """Real parts.

    >>> real(_swath.asarray([1 + 2j])).tolist()
    [1.0]
    """
    return _swath.unary("real", x)


def reciprocal(x: Array, /) -> Array:
    """1 divided by each value.

    >>> reciprocal(_swath.asarray([2.0, 4.0])).tolist()
    [0.5, 0.25]
    """
    return _swath.unary("reciprocal", x)


def remainder(x1: Operand, x2: Operand, /) -> Array:
    """Remainders with the sign of the divisor.

    >>> remainder(_swath.asarray([7, -7]), _swath.asarray([3, 3])).tolist()
    [1, 2]
    """
    return _swath.binary("remainder", x1, x2)


def round(x: Array, /) -> Array:
    """The nearest integers, halves to even ones.

    >>> round(_swath.asarray([0.5, 1.5, 2.6])).tolist()
    [0.0, 2.0, 3.0]
    """
    return _swath.unary("round", x)


def sign(x: Array, /) -> Array:
    """-1, 0 or 1 by the sign; of complex numbers the number divided by its magnitude.

    >>> sign(_swath.asarray([-3.0, 0.0, 2.0])).tolist()
    [-1.0, 0.0, 1.0]
    """
    return _swath.unary("sign", x)


def signbit(x: Array, /) -> Array:
    """Where the sign bit is set: of negative numbers and of -0.0.

    >>> signbit(_swath.asarray([-1.0, -0.0, 0.0])).tolist()
    [True, True, False]
    """
    return _swath.unary("signbit", x)


def sin(x: Array, /) -> Array:
    """Sines of angles in radians.

    >>> sin(_swath.asarray([0.0])).tolist()
    [0.0]
    """
    return _swath.unary("sin", x)


def sinh(x: Array, /) -> Array:
    """Hyperbolic sines.

    >>> sinh(_swath.asarray([0.0])).tolist()
    [0.0]
    """
    return _swath.unary("sinh", x)


def sqrt(x: Array, /) -> Array:
    """Square roots.

    >>> sqrt(_swath.asarray([4.0, 9.0])).tolist()
    [2.0, 3.0]
    """
    return _swath.unary("sqrt", x)


def square(x: Array, /) -> Array:
    """Squares.

    >>> square(_swath.asarray([3, -4])).tolist()
    [9, 16]
    """
    return _swath.unary("square", x)


def subtract(x1: Operand, x2: Operand, /) -> Array:
    """Differences.

    >>> subtract(_swath.asarray([5, 2]), _swath.asarray([3, 4])).tolist()
    [2, -2]
    """
    return _swath.binary("subtract", x1, x2)


def tan(x: Array, /) -> Array:
    """Tangents of angles in radians.

    >>> tan(_swath.asarray([0.0])).tolist()
    [0.0]
    """
    return _swath.unary("tan", x)


def tanh(x: Array, /) -> Array:
    """Hyperbolic tangents.

    >>> tanh(_swath.asarray([0.0])).tolist()
    [0.0]
    """
    return _swath.unary("tanh", x)


def trunc(x: Array, /) -> Array:
    """Values without their fractions; integers stay as they are.

    >>> trunc(_swath.asarray([1.7, -1.7])).tolist()
    [1.0, -1.0]
    """
    return _swath.unary("trunc", x)

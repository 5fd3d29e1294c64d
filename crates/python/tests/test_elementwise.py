"""Functions of each element and operators, against the oracle."""

import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import (
    ALL,
    COMPLEX,
    FLOATS,
    INEXACT,
    INTEGERS,
    NUMERIC,
    REAL,
    arrays,
    check,
    elements,
    ours,
    pairs,
    quietly,
    strict,
    theirs,
)

from swath import array_api as xp

UNARY = {
    "abs": NUMERIC,
    "acos": INEXACT,
    "acosh": INEXACT,
    "asin": INEXACT,
    "asinh": INEXACT,
    "atan": INEXACT,
    "atanh": INEXACT,
    "bitwise_invert": ["bool", *INTEGERS],
    "ceil": REAL,
    "conj": NUMERIC,
    "cos": INEXACT,
    "cosh": INEXACT,
    "exp": INEXACT,
    "expm1": INEXACT,
    "floor": REAL,
    "imag": COMPLEX,
    "isfinite": NUMERIC,
    "isinf": NUMERIC,
    "isnan": NUMERIC,
    "log": INEXACT,
    "log1p": INEXACT,
    "log2": INEXACT,
    "log10": INEXACT,
    "logical_not": ["bool"],
    "negative": NUMERIC,
    "positive": NUMERIC,
    "real": NUMERIC,
    "reciprocal": INEXACT,
    "round": NUMERIC,
    "sign": NUMERIC,
    "signbit": FLOATS,
    "sin": INEXACT,
    "sinh": INEXACT,
    "sqrt": INEXACT,
    "square": NUMERIC,
    "tan": INEXACT,
    "tanh": INEXACT,
    "trunc": REAL,
}

BINARY = {
    "add": NUMERIC,
    "atan2": FLOATS,
    "bitwise_and": ["bool", *INTEGERS],
    "bitwise_or": ["bool", *INTEGERS],
    "bitwise_xor": ["bool", *INTEGERS],
    "copysign": FLOATS,
    "divide": INEXACT,
    "equal": ALL,
    "floor_divide": REAL,
    "greater": REAL,
    "greater_equal": REAL,
    "hypot": FLOATS,
    "less": REAL,
    "less_equal": REAL,
    "logaddexp": FLOATS,
    "logical_and": ["bool"],
    "logical_or": ["bool"],
    "logical_xor": ["bool"],
    "maximum": REAL,
    "minimum": REAL,
    "multiply": NUMERIC,
    "nextafter": FLOATS,
    "not_equal": ALL,
    "pow": NUMERIC,
    "remainder": REAL,
    "subtract": NUMERIC,
}


def finite_where_numpy_departs(name, dtypes):
    """For complex numbers NumPy's special cases are not always the standard's: the functions are tested apart."""
    return [dtype for dtype in dtypes if dtype in COMPLEX], [dtype for dtype in dtypes if dtype not in COMPLEX]


@pytest.mark.parametrize("name", UNARY)
@given(data=st.data())
def test_unary(name, data):
    x = data.draw(arrays([dtype for dtype in UNARY[name] if dtype not in COMPLEX] or COMPLEX))
    check(getattr(xp, name)(ours(x)), quietly(getattr(strict, name), theirs(x)))


@pytest.mark.parametrize("name", [name for name in UNARY if set(UNARY[name]) & set(COMPLEX)])
@given(data=st.data())
def test_unary_of_complex_numbers(name, data):
    some = st.complex_numbers(max_magnitude=20, allow_nan=False, width=64).map(
        lambda z: complex(round(z.real, 2), round(z.imag, 2))
    )
    if name == "reciprocal":
        some = some.filter(bool)
    x = data.draw(arrays(COMPLEX, values=some))
    check(getattr(xp, name)(ours(x)), quietly(getattr(strict, name), theirs(x)), rtol=3e-5, atol=1e-5)


@pytest.mark.parametrize("name", BINARY)
@given(data=st.data())
def test_binary(name, data):
    # Floor division of and by infinities is Python's in NumPy, and not the standard's: it is tested apart.
    finite = name == "floor_divide"
    x, y = data.draw(pairs([dtype for dtype in BINARY[name] if dtype not in COMPLEX], finite=finite))
    if name == "pow" and y.dtype.kind in "iu":
        y = y % 4
    if name in ("floor_divide", "remainder") and y.dtype.kind in "iu":
        y = np.where(y == 0, 1, y).astype(y.dtype)
    check(getattr(xp, name)(ours(x), ours(y)), quietly(getattr(strict, name), theirs(x), theirs(y)))


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "equal", "not_equal"])
@given(data=st.data())
def test_binary_of_complex_numbers(name, data):
    x, y = data.draw(pairs(INEXACT, finite=True))
    check(
        getattr(xp, name)(ours(x), ours(y)),
        quietly(getattr(strict, name), theirs(x), theirs(y)),
        rtol=1e-4,
        atol=1e-4,
    )


@pytest.mark.parametrize("name", ["bitwise_left_shift", "bitwise_right_shift"])
@given(data=st.data())
def test_shifts(name, data):
    x, y = data.draw(pairs(INTEGERS))
    y = (y % 8).astype(y.dtype)
    check(getattr(xp, name)(ours(x), ours(y)), getattr(strict, name)(theirs(x), theirs(y)))


OPERATORS = {
    "add": NUMERIC,
    "sub": NUMERIC,
    "mul": NUMERIC,
    "truediv": INEXACT,
    "floordiv": REAL,
    "mod": REAL,
    "and_": ["bool", *INTEGERS],
    "or_": ["bool", *INTEGERS],
    "xor": ["bool", *INTEGERS],
    "eq": ALL,
    "ne": ALL,
    "lt": REAL,
    "le": REAL,
    "gt": REAL,
    "ge": REAL,
}


def python_number(dtype):
    kind = np.dtype(dtype).kind
    if kind == "b":
        return st.booleans()
    if kind in "iu":
        return st.integers(1, 100)
    real = st.integers(1, 5) | st.floats(0.5, 4, width=32)
    return real | st.builds(complex, real, real) if kind == "c" else real


@pytest.mark.parametrize("name", OPERATORS)
@given(data=st.data())
def test_operators_with_python_numbers(name, data):
    x = data.draw(arrays(OPERATORS[name], finite=True))
    number = data.draw(python_number(x.dtype))
    function = getattr(operator, name)
    if name in ("lt", "le", "gt", "ge") and isinstance(number, complex):
        return
    tolerances = {"rtol": 1e-5, "atol": 1e-5} if x.dtype.kind == "c" else {}
    check(function(ours(x), number), quietly(function, theirs(x), number), **tolerances)
    if name in ("floordiv", "mod") and x.dtype.kind in "iu":
        x = np.where(x == 0, 1, x).astype(x.dtype)
    check(function(number, ours(x)), quietly(function, number, theirs(x)), **tolerances)


@pytest.mark.parametrize("name", ["add", "sub", "mul", "truediv", "floordiv", "and_", "or_", "xor"])
@given(data=st.data())
def test_in_place_operators(name, data):
    x = data.draw(arrays(OPERATORS[name], finite=True))
    number = data.draw(python_number(x.dtype))
    in_place = getattr(operator, "i" + name.strip("_"))
    mine, other = ours(x.copy()), theirs(x.copy())
    same = in_place(mine, number)
    assert same is mine
    check(mine, quietly(in_place, other, number), rtol=1e-5, atol=1e-5)


def test_in_place_operators_keep_type_and_shape():
    x = xp.asarray([1, 2])
    with pytest.raises(TypeError):
        x += 0.5
    with pytest.raises(ValueError):
        x += xp.ones((2, 2), dtype=xp.int64)
    assert x.tolist() == [1, 2]


def test_integers_out_of_range_do_not_meet_arrays():
    with pytest.raises((OverflowError, ValueError)):
        xp.asarray([1], dtype=xp.int8) + 1000


@given(st.data())
def test_clip(data):
    x = data.draw(arrays(REAL, finite=True))
    number = elements(x.dtype, finite=True)
    low, high = sorted(np.asarray(data.draw(number)).item() for _ in range(2))
    low, high = data.draw(st.sampled_from([(low, high), (low, None), (None, high), (None, None)]))
    check(xp.clip(ours(x), low, high), strict.clip(theirs(x), low, high))


@given(pairs(NUMERIC + ["bool"]), st.data())
def test_where(both, data):
    x, y = both
    shape = data.draw(st.sampled_from([x.shape, y.shape, ()]))
    condition = data.draw(arrays(["bool"], shape))
    check(
        xp.where(ours(condition), ours(x), ours(y)),
        strict.where(theirs(condition), theirs(x), theirs(y)),
    )


# The standard's special cases of complex numbers, some of which NumPy departs from.
INF, NAN = float("inf"), float("nan")


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    "x, y, expected",
    [
        (INF, 2.0, INF),
        (INF, -2.0, -INF),
        (-INF, 2.0, -INF),
        (-INF, -2.0, INF),
        (2.0, INF, 0.0),
        (2.0, -INF, -0.0),
        (-2.0, INF, -0.0),
        (-2.0, -INF, 0.0),
        (0.0, -INF, -0.0),
        (INF, INF, NAN),
        (NAN, 2.0, NAN),
        (2.0, NAN, NAN),
        (2.0, 0.0, INF),
        (2.0, -0.0, -INF),
    ],
)
def test_floor_division_of_and_by_infinities(dtype, x, y, expected):
    dtype = getattr(xp, dtype)
    # Enough elements for whatever takes several at once.
    x, y = xp.full((19,), x, dtype=dtype), xp.full((19,), y, dtype=dtype)
    for got in (xp.floor_divide(x, y), x // y):
        np.testing.assert_array_equal(got, expected)
        np.testing.assert_array_equal(np.signbit(got)[~np.isnan(got)], np.signbit(expected))


@pytest.mark.parametrize(
    "name, value, expected",
    [
        ("exp", complex(-INF, INF), 0),
        ("exp", complex(INF, 0), complex(INF, 0)),
        ("sqrt", complex(-INF, NAN), None),
        ("sqrt", complex(3, INF), complex(INF, INF)),
        ("log", complex(-0.0, 0.0), complex(-INF, np.pi)),
        ("log", complex(0.0, 0.0), complex(-INF, 0)),
        ("tanh", complex(INF, 1.0), 1),
        ("cosh", complex(0, 0), 1),
        ("sinh", complex(0, INF), None),
        ("asinh", complex(INF, 2.0), complex(INF, 0)),
        ("acosh", complex(0, 0), complex(0, np.pi / 2)),
        ("sign", complex(0, 0), 0),
        ("expm1", complex(0, 0), 0),
        ("abs", complex(INF, NAN), INF),
    ],
)
def test_special_cases_of_complex_numbers(name, value, expected):
    got = complex(getattr(xp, name)(xp.asarray(value)))
    if expected is not None:
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)
    else:
        with np.errstate(all="ignore"):
            other = complex(getattr(np, name)(value))
        assert np.isnan(got.real) == np.isnan(other.real) and np.isnan(got.imag) == np.isnan(other.imag)


@pytest.mark.parametrize("part", [0.0, -0.0])
def test_expm1_of_a_complex_zero_is_positive(part):
    got = complex(xp.expm1(xp.asarray(complex(part, 0.0))))
    assert got == 0 and not np.signbit(got.real) and not np.signbit(got.imag)


@pytest.mark.parametrize("function", [xp.sin, xp.add])
def test_what_is_no_array_is_refused(function):
    arguments = ["text"] * (2 if function is xp.add else 1)
    with pytest.raises(TypeError):
        function(*arguments)

"""The oracle, array-api-strict, and how its answers are compared with ours."""

import array_api_strict as strict
import hypothesis.extra.numpy as hnp
import numpy as np
from hypothesis import strategies as st

from swath import array_api as xp

strict.set_array_api_strict_flags(api_version="2024.12")

SIGNED = ["int8", "int16", "int32", "int64"]
UNSIGNED = ["uint8", "uint16", "uint32", "uint64"]
INTEGERS = SIGNED + UNSIGNED
FLOATS = ["float32", "float64"]
COMPLEX = ["complex64", "complex128"]
INEXACT = FLOATS + COMPLEX
REAL = INTEGERS + FLOATS
NUMERIC = REAL + COMPLEX
ALL = ["bool", *NUMERIC]

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, -3.5, 1e-30, np.inf, -np.inf, np.nan]


def shapes(min_dims=0, max_dims=3, min_side=0, max_side=4):
    return hnp.array_shapes(min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=max_side)


def elements(dtype, finite=False):
    """Values of a type, with special ones among them."""
    dtype = np.dtype(dtype)
    if dtype.kind in "biu":
        return hnp.from_dtype(dtype)
    width = 32 if dtype in (np.float32, np.complex64) else 64
    some = st.floats(-1e3, 1e3, width=width).filter(lambda x: x == 0 or abs(x) > 1e-3)
    real = some if finite else some | st.sampled_from(SPECIAL).map(lambda x: float(np.float32(x)))
    if dtype.kind == "c":
        return st.builds(complex, real, real)
    return real


@st.composite
def arrays(draw, dtypes=ALL, shape=None, finite=False, values=None, layouts=True):
    """A NumPy array: of any layout, negative strides and gaps among them."""
    dtype = np.dtype(draw(st.sampled_from(list(dtypes))))
    shape = draw(shapes() if shape is None else shape) if not isinstance(shape, tuple) else shape
    x = draw(hnp.arrays(dtype, shape, elements=elements(dtype, finite) if values is None else values))
    if layouts and x.ndim and draw(st.booleans()):
        axis = draw(st.integers(0, x.ndim - 1))
        x = np.flip(x, axis) if draw(st.booleans()) else np.ascontiguousarray(np.moveaxis(x, axis, 0)).T
    return x


@st.composite
def pairs(draw, dtypes=ALL, finite=False, mixed=True):
    """Two NumPy arrays that broadcast and promote."""
    first = draw(st.sampled_from(list(dtypes)))
    second = draw(st.sampled_from([other for other in dtypes if promotes(first, other)])) if mixed else first
    both = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3, min_side=0))
    one, other = both.input_shapes
    return draw(arrays([first], one, finite)), draw(arrays([second], other, finite))


def promotes(a, b):
    """Whether the standard says what two types promote to."""
    kinds = [("bool",), tuple(INTEGERS), tuple(INEXACT)]
    same = any(a in kind and b in kind for kind in kinds)
    return same and not ({a, b} & {"uint64"} and {a, b} & set(SIGNED))


def ours(x):
    return xp.asarray(x)


def theirs(x):
    return strict.asarray(np.ascontiguousarray(x) if np.ndim(x) else x)


def to_numpy(x):
    return np.asarray(x)


def check(mine, other, *, rtol=None, atol=None, exact=False):
    """That an array, or a tuple of arrays, of ours has the type, the shape and the values of the oracle's."""
    if isinstance(other, (tuple, list)):
        assert len(mine) == len(other)
        for one, two in zip(mine, other):
            check(one, two, rtol=rtol, atol=atol, exact=exact)
        return
    expected = np.asarray(other._array if hasattr(other, "_array") else other)
    assert mine.dtype.name == expected.dtype.name, f"{mine.dtype} where {expected.dtype} is expected"
    assert mine.shape == expected.shape, f"shape {mine.shape} where {expected.shape} is expected"
    values = to_numpy(mine)
    assert values.dtype == expected.dtype and values.shape == expected.shape
    if exact or expected.dtype.kind in "biu":
        np.testing.assert_array_equal(values, expected)
        return
    single = expected.dtype in (np.float32, np.complex64)
    rtol = (1e-5 if single else 1e-12) if rtol is None else rtol
    atol = 0 if atol is None else atol
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(values, expected, rtol=rtol, atol=atol)


def quietly(function, *arguments, **keywords):
    """What the oracle answers, without NumPy's warnings."""
    with np.errstate(all="ignore"):
        return function(*arguments, **keywords)

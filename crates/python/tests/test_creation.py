"""Arrays from nothing, data types and their functions, against the oracle."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import ALL, FLOATS, INTEGERS, NUMERIC, REAL, arrays, check, elements, ours, quietly, shapes, strict, theirs

from swath import array_api as xp

numbers = st.integers(-50, 50) | st.floats(-50, 50).map(lambda x: round(x, 2))


def both(name):
    return getattr(xp, name), getattr(strict, name)


@given(numbers, numbers, numbers.filter(lambda step: abs(step) > 0.05), st.sampled_from([None, *REAL]))
def test_arange(start, stop, step, dtype):
    if dtype in INTEGERS and (isinstance(step, float) or min(start, stop, start + step) < 0):
        dtype = None
    kinds = {} if dtype is None else {"dtype": dtype}
    mine = xp.arange(start, stop, step, **{key: getattr(xp, value) for key, value in kinds.items()})
    other = strict.arange(start, stop, step, **{key: getattr(strict, value) for key, value in kinds.items()})
    check(mine, other, rtol=1e-6, atol=1e-6)


def test_arange_of_one_argument():
    check(xp.arange(4), np.arange(4))
    check(xp.arange(4.5), np.arange(4.5))
    with pytest.raises(ValueError):
        xp.arange(0, 1, 0)


@given(numbers, numbers, st.integers(0, 20), st.booleans(), st.sampled_from([None, *FLOATS, "complex64"]))
def test_linspace(start, stop, num, endpoint, dtype):
    kinds = [{} if dtype is None else {"dtype": getattr(module, dtype)} for module in (xp, strict)]
    check(
        xp.linspace(start, stop, num, endpoint=endpoint, **kinds[0]),
        strict.linspace(start, stop, num, endpoint=endpoint, **kinds[1]),
        rtol=1e-6,
        atol=1e-6,
    )


@given(st.integers(0, 5), st.none() | st.integers(0, 5), st.integers(-7, 7) | st.just(10**30), st.sampled_from(NUMERIC))
def test_eye(rows, columns, k, dtype):
    expected = strict.eye(rows, columns, k=min(k, 100), dtype=getattr(strict, dtype))
    check(xp.eye(rows, columns, k=k, dtype=getattr(xp, dtype)), expected)


@pytest.mark.parametrize("name", ["zeros", "ones", "empty"])
@given(shape=shapes() | st.integers(0, 4), dtype=st.sampled_from([None, *ALL]))
def test_constant(name, shape, dtype):
    mine, other = (
        getattr(module, name)(shape, **({} if dtype is None else {"dtype": getattr(module, dtype)}))
        for module in (xp, strict)
    )
    if name == "empty":
        assert mine.shape == other.shape and mine.dtype.name == other._array.dtype.name
    else:
        check(mine, other)


@given(shapes(), st.sampled_from(ALL), st.data())
def test_full(shape, dtype, data):
    value = np.dtype(dtype).type(data.draw(elements(dtype))).item()
    check(xp.full(shape, value, dtype=getattr(xp, dtype)), strict.full(shape, value, dtype=getattr(strict, dtype)))
    like = ours(np.zeros(shape, dtype))
    check(xp.full_like(like, value), strict.full(shape, value, dtype=getattr(strict, dtype)))
    check(xp.ones_like(like), np.ones(shape, dtype))
    check(xp.zeros_like(like), np.zeros(shape, dtype))


@given(arrays(shape=shapes(min_dims=2)), st.integers(-5, 5))
def test_triangles(x, k):
    for name in ("tril", "triu"):
        mine, other = both(name)
        check(mine(ours(x), k=k), other(theirs(x), k=k), exact=True)


@given(st.lists(arrays(["float64"], shapes(min_dims=1, max_dims=1)), max_size=3), st.sampled_from(["xy", "ij"]))
def test_meshgrid(grids, indexing):
    check(
        xp.meshgrid(*map(ours, grids), indexing=indexing),
        strict.meshgrid(*map(theirs, grids), indexing=indexing),
        exact=True,
    )


@pytest.mark.parametrize("to", ALL)
@given(data=st.data())
def test_astype(to, data):
    x = data.draw(arrays(finite=True))
    if x.dtype.kind == "c" and np.dtype(to).kind != "c":
        return
    if np.dtype(to).kind in "iu":
        x = (x.astype(np.float64).real % 100).astype(x.dtype) if x.dtype.kind != "b" else x
    check(xp.astype(ours(x), getattr(xp, to)), quietly(x.astype, to))


def test_astype_without_a_copy():
    x = xp.ones(2)
    assert xp.astype(x, xp.float64, copy=False) is x
    assert xp.astype(x, xp.float64) is not x


@pytest.mark.parametrize("first", ALL)
@pytest.mark.parametrize("second", ALL)
def test_promotion(first, second):
    try:
        expected = strict.result_type(getattr(strict, first), getattr(strict, second))
    except TypeError:
        # What the standard leaves open is NumPy's.
        expected = np.result_type(first, second)
    expected = getattr(expected, "_np_dtype", expected)
    one, other = getattr(xp, first), getattr(xp, second)
    assert xp.result_type(one, other) == expected
    assert xp.result_type(xp.ones(1, dtype=one), other) == expected
    assert (xp.ones(2, dtype=one) * xp.ones((2, 1), dtype=other)).dtype == expected
    assert xp.can_cast(one, other) == (np.result_type(first, second) == np.dtype(second))


def test_result_types_with_python_numbers():
    assert xp.result_type(xp.float32, 1) == xp.float32
    assert xp.result_type(xp.int8, xp.ones(1, dtype=xp.int16), 1) == xp.int16
    assert xp.result_type(xp.float32, 1j) == xp.complex64
    assert xp.result_type(xp.int8, 1.5) == xp.float64
    with pytest.raises(TypeError):
        xp.result_type()


@pytest.mark.parametrize("dtype", [*FLOATS, "complex64", "complex128"])
def test_finfo(dtype):
    mine, other = xp.finfo(getattr(xp, dtype)), np.finfo(dtype)
    for name in ("bits", "eps", "max", "min", "smallest_normal"):
        assert getattr(mine, name) == getattr(other, name)
        assert type(getattr(mine, name)) in (int, float)
    assert mine.dtype == other.dtype
    assert xp.finfo(xp.ones(1, dtype=getattr(xp, dtype))).bits == other.bits


@pytest.mark.parametrize("dtype", INTEGERS)
def test_iinfo(dtype):
    mine, other = xp.iinfo(getattr(xp, dtype)), np.iinfo(dtype)
    assert (mine.bits, mine.max, mine.min) == (other.bits, other.max, other.min)
    assert mine.dtype == other.dtype


KINDS = ["bool", "signed integer", "unsigned integer", "integral", "real floating", "complex floating", "numeric"]


@pytest.mark.parametrize("dtype", ALL)
def test_isdtype(dtype):
    for kind in KINDS:
        assert xp.isdtype(getattr(xp, dtype), kind) == np.isdtype(np.dtype(dtype), kind)
    assert xp.isdtype(getattr(xp, dtype), getattr(xp, dtype))
    assert xp.isdtype(getattr(xp, dtype), tuple(KINDS))
    with pytest.raises(ValueError):
        xp.isdtype(getattr(xp, dtype), "text")


def test_namespace_info():
    info = xp.__array_namespace_info__()
    capabilities = info.capabilities()
    assert capabilities["boolean indexing"] is True and capabilities["data-dependent shapes"] is True
    assert isinstance(capabilities["max dimensions"], int)
    assert info.default_device() in info.devices()
    for device in [None, *info.devices()]:
        defaults = info.default_dtypes(device=device)
        assert set(defaults) == {"real floating", "complex floating", "integral", "indexing"}
        assert list(info.dtypes(device=device)) == ALL
        for kind in KINDS:
            assert all(xp.isdtype(dtype, kind) for dtype in info.dtypes(kind=kind).values())
    assert set(info.dtypes(kind=("bool", "real floating"))) == {"bool", *FLOATS}


@pytest.mark.parametrize("function", [xp.zeros, xp.ones, xp.empty])
def test_bad_shapes_and_devices(function):
    with pytest.raises(ValueError):
        function(-1)
    with pytest.raises(TypeError):
        function(1.5)
    with pytest.raises(ValueError):
        function(1, device="gpu")

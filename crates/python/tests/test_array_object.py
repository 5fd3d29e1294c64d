"""Indexing, assignment, conversions of the array object."""

import math
import pickle

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import ALL, FLOATS, INTEGERS, arrays, check, elements, ours, shapes

import swath as sw
from swath import array_api as xp


@given(st.data())
def test_getitem(data):
    x = data.draw(arrays())
    key = data.draw(hnp.basic_indices(x.shape, allow_newaxis=True, allow_ellipsis=True))
    check(ours(x)[key], x[key], exact=True)


@given(st.data())
def test_getitem_by_masks(data):
    x = data.draw(arrays(shape=shapes(min_dims=1)))
    ndim = data.draw(st.integers(0, x.ndim))
    mask = data.draw(arrays(["bool"], x.shape[:ndim]))
    check(ours(x)[ours(mask)], x[mask], exact=True)


@given(st.data())
def test_masks_with_an_axis_of_no_length_name_nothing(data):
    x = data.draw(arrays(shape=shapes(min_dims=1)))
    kept = data.draw(st.lists(st.booleans(), min_size=1, max_size=x.ndim).filter(lambda kept: not all(kept)))
    mask = xp.zeros(tuple(side if keep else 0 for side, keep in zip(x.shape, kept)), dtype=xp.bool)
    mine = sw.array(x)
    part = mine[mask]
    assert part.shape == (0, *x.shape[len(kept) :]) and part.dtype == mine.dtype
    mine[mask] = xp.zeros((), dtype=mine.dtype)
    check(mine, x, exact=True)


def test_masks_of_another_length_are_refused():
    x = xp.zeros((2, 3))
    for shape in [(3,), (2, 2), (0, 1), (1, 0), (2, 3, 0)]:
        with pytest.raises(IndexError):
            x[xp.zeros(shape, dtype=xp.bool)]


@given(st.data())
def test_getitem_by_integer_arrays(data):
    x = data.draw(arrays(shape=shapes(min_dims=1, min_side=1)))
    shape = data.draw(shapes(max_dims=2, max_side=3))
    count = data.draw(st.integers(1, x.ndim))
    index = tuple(
        data.draw(hnp.arrays(np.int64, shape, elements=st.integers(-side, side - 1))) for side in x.shape[:count]
    )
    check(ours(x)[tuple(ours(part) for part in index)], x[index], exact=True)


@given(st.data())
def test_setitem(data):
    x = data.draw(arrays())
    key = data.draw(hnp.basic_indices(x.shape, allow_ellipsis=True))
    value = data.draw(arrays([x.dtype.name], x[key].shape) | elements(x.dtype).map(x.dtype.type))
    mine = sw.array(x)
    expected = x.copy()
    expected[key] = value
    mine[key] = ours(value) if np.ndim(value) else value.item()
    check(mine, expected, exact=True)


@given(st.data())
def test_setitem_by_masks(data):
    x = data.draw(arrays())
    mask = data.draw(arrays(["bool"], x.shape))
    value = data.draw(elements(x.dtype).map(x.dtype.type))
    mine = sw.array(x)
    expected = x.copy()
    expected[mask] = value
    mine[ours(mask)] = value.item()
    check(mine, expected, exact=True)


def test_assignment_does_not_show_elsewhere():
    x = xp.asarray([1, 2, 3])
    part, copy, lazy = x[:2], xp.asarray(x, copy=True), x + 1
    x[0] = 9
    assert (part.tolist(), copy.tolist(), lazy.tolist()) == ([1, 2], [1, 2, 3], [2, 3, 4])
    assert x.tolist() == [9, 2, 3]


def test_the_same_object_shows_assignments():
    x = xp.asarray([1, 2, 3])
    same = xp.asarray(x, copy=False)
    x[0] = 9
    assert same.tolist() == [9, 2, 3]


@pytest.mark.parametrize(
    "key, error",
    [
        (3, IndexError),
        (-4, IndexError),
        ((0, 0), IndexError),
        (1.5, IndexError),
        ("a", IndexError),
        ((..., ...), IndexError),
        (slice(0, 2, 0), ValueError),
        (np.array([0.5]), IndexError),
        (np.array([True, False]), IndexError),
    ],
)
def test_bad_indices(key, error):
    with pytest.raises(error):
        xp.asarray([1, 2, 3])[key]


def test_an_index_out_of_range_in_an_array_is_an_error_when_computed():
    with pytest.raises(IndexError):
        xp.asarray([1, 2, 3])[xp.asarray([5])].compute()


@pytest.mark.parametrize("dtype", ALL)
def test_numbers(dtype):
    one = xp.ones((), dtype=getattr(xp, dtype))
    assert bool(one) is True and complex(one) == 1
    if dtype in INTEGERS:
        assert one.__index__() == 1 and isinstance(int(one), int)
    else:
        with pytest.raises(TypeError):
            one.__index__()
    if dtype in FLOATS:
        assert float(one) == 1.0 and isinstance(float(one), float)
    if "complex" in dtype:
        with pytest.raises(TypeError):
            float(one)


def test_numbers_that_do_not_convert():
    with pytest.raises(ValueError):
        int(xp.asarray(math.nan))
    with pytest.raises(OverflowError):
        int(xp.asarray(math.inf))
    with pytest.raises(TypeError):
        float(xp.ones(1))
    with pytest.raises(ValueError):
        bool(xp.ones(2))


def test_length_and_iteration():
    x = xp.asarray([[1, 2], [3, 4]])
    assert len(x) == 2 and [row.tolist() for row in x] == [[1, 2], [3, 4]]
    for function in (len, iter):
        with pytest.raises(TypeError):
            function(xp.asarray(1))
    assert 3 in x and 7 not in x
    with pytest.raises(TypeError):
        hash(x)


@given(arrays())
def test_pickle(x):
    check(pickle.loads(pickle.dumps(ours(x))), x, exact=True)


@given(arrays())
def test_numpy_round_trip(x):
    mine = ours(x)
    check(mine, x, exact=True)
    check(mine, np.asarray(mine), exact=True)
    np.testing.assert_array_equal(np.array(mine.tolist(), dtype=x.dtype).reshape(x.shape), x)


def test_numpy_shares_memory():
    x = np.arange(10.0)
    assert np.shares_memory(np.asarray(xp.asarray(x)), x)
    assert not np.shares_memory(np.asarray(xp.asarray(x, copy=True)), x)
    assert not np.shares_memory(xp.asarray(x).compute(), x)
    assert not np.asarray(xp.asarray(x)).flags.writeable
    assert xp.asarray(x).compute().flags.writeable


def test_numpy_leaves_operators_to_us():
    x = xp.asarray([1.0, 2.0])
    for result in (np.asarray([1.0, 2.0]) + x, np.float64(1) + x, np.asarray([[1.0]]) @ x[None, :]):
        assert isinstance(result, sw.Array)


def test_byte_order_and_alignment_of_numpy_arrays():
    x = np.arange(5, dtype=">i4")
    assert xp.asarray(x).tolist() == [0, 1, 2, 3, 4]
    raw = np.zeros(21, dtype=np.uint8)[1:].view(np.float32)
    assert xp.asarray(raw).tolist() == [0.0] * 5
    records = np.zeros(3, dtype=[("a", "i1"), ("b", "f8")])
    assert xp.asarray(records["b"]).tolist() == [0.0] * 3


@pytest.mark.parametrize("value", [np.array(["a"]), np.array([None]), np.array(["2020"], dtype="M8[Y]"), object(), "a"])
def test_what_has_no_type_is_refused(value):
    with pytest.raises(TypeError):
        xp.asarray(value)


def test_buffers():
    assert xp.asarray(memoryview(b"\x01\x02")).tolist() == [1, 2]
    import array

    assert xp.asarray(array.array("d", [1.5])).tolist() == [1.5]


def test_sequences():
    assert xp.asarray([[1, 2.5], [3, 4]]).dtype == xp.float64
    assert xp.asarray([True, 2]).dtype == xp.int64
    assert xp.asarray([2**63]).dtype == xp.uint64
    assert xp.asarray([1, 2j]).dtype == xp.complex128
    assert xp.asarray([]).shape == (0,) and xp.asarray([[], []]).shape == (2, 0)
    assert xp.asarray([xp.asarray([1, 2]), xp.asarray([3, 4])]).shape == (2, 2)
    assert xp.asarray([np.float32(1.5), np.float32(2)]).dtype == xp.float32
    for ragged in ([[1], [2, 3]], [1, [2]], [[1, 2], 3]):
        with pytest.raises(ValueError):
            xp.asarray(ragged)
    with pytest.raises(OverflowError):
        xp.asarray([300], dtype=xp.uint8)
    with pytest.raises(OverflowError):
        xp.asarray(2**64)


def test_data_types():
    assert xp.float32 == xp.float32 != xp.float64
    assert xp.float32 == "float32" and xp.float32 == np.dtype("float32") and xp.float64 != float
    assert len({xp.float32, xp.asarray(1, dtype="float32").dtype}) == 1
    assert xp.zeros(1, dtype=np.int8).dtype == xp.int8 and xp.zeros(1, dtype=bool).dtype == xp.bool
    assert pickle.loads(pickle.dumps(xp.int8)) == xp.int8
    with pytest.raises(TypeError):
        xp.zeros(1, dtype="float128")


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_short_floats_compute(name):
    x = sw.asarray([1.0, 2.5, -3.0], dtype=name)
    assert (x + x).dtype.name == name
    assert (x + x).tolist() == [2.0, 5.0, -6.0]
    assert x.sum().item() == 0.5
    assert np.asarray(x).tolist() == [1.0, 2.5, -3.0]


def test_attributes():
    x = sw.zeros((4, 6), dtype=sw.int16, chunks=(2, 4))
    assert (x.ndim, x.size, x.nbytes, x.itemsize, x.shape) == (2, 24, 48, 2, (4, 6))
    assert x.chunks == ((2, 2), (4, 2)) and x.chunksize == (2, 4) and x.numblocks == (2, 2)
    assert x.T.shape == (6, 4) and x.mT.shape == (6, 4) and x.device == "cpu"
    assert x.to_device("cpu") is x and x.__array_namespace__() is xp
    assert x.rechunk((-1, 3)).chunksize == (4, 3)
    for whole in (x.rechunk("auto"), sw.from_array(np.zeros((4, 6))), sw.asarray(np.zeros((4, 6)), chunks="auto")):
        assert whole.chunksize == (4, 6) and whole.sum(axis=0).tolist() == [0.0] * 6
    with pytest.raises(ValueError):
        x.to_device("gpu")
    with pytest.raises(ValueError):
        x.__array_namespace__(api_version="2019.01")
    with pytest.raises(ValueError):
        xp.ones(3).mT


def test_methods():
    x = sw.arange(6).reshape(2, 3)
    assert x.sum(0).tolist() == [3, 5, 7] and x.mean().item() == 2.5 and x.T.reshape(-1).tolist() == [0, 3, 1, 4, 2, 5]
    assert x.max(axis=1).tolist() == [2, 5] and x.astype(sw.float32).dtype == sw.float32
    assert x.item(1, 2) == 5 and x.item(4) == 4 and x.transpose(1, 0).shape == (3, 2) and x.flatten().shape == (6,)
    assert x.clip(1, 4).tolist() == [[1, 1, 2], [3, 4, 4]] and x.std(ddof=1, axis=1).tolist() == [1.0, 1.0]
    assert x.cumsum().tolist() == [0, 1, 3, 6, 10, 15] and x.argmax().item() == 5


def test_text():
    assert repr(sw.asarray([1, 2])) == "swath.Array([1, 2], dtype=int64)"
    lazy = sw.ones((3, 4)) + 1
    assert repr(lazy) == "swath.Array(shape=(3, 4), dtype=float64, chunks=(3, 4), bytes=96)"
    assert "<table>" in lazy._repr_html_() and "<svg" in sw.zeros(10**6, chunks=10)._repr_html_()
    assert f"{sw.asarray(1.25):.1f}" == "1.2"


def test_float_and_other_values_are_shown_as_python_shows_them():
    values = [1.0, -0.5, 1e300, 1e-300, float("inf"), float("nan")]
    assert repr(sw.asarray(values)) == "swath.Array([1.0, -0.5, 1e300, 1e-300, inf, nan], dtype=float64)"

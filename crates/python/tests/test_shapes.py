"""Reductions, manipulation, searching, sorting, sets, against the oracle."""

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import ALL, FLOATS, INEXACT, INTEGERS, NUMERIC, REAL, arrays, check, ours, quietly, shapes, strict, theirs

import swath as sw
from swath import array_api as xp


def axes_of(ndim, several=True, least=0):
    one = st.integers(-ndim, ndim - 1) if ndim else st.nothing()
    many = hnp.valid_tuple_axes(ndim, min_size=least) if several else st.nothing()
    return st.none() | one | many


REDUCTIONS = {
    "all": ALL,
    "any": ALL,
    "max": REAL,
    "mean": FLOATS,
    "min": REAL,
    "prod": NUMERIC,
    "std": FLOATS,
    "sum": NUMERIC,
    "var": FLOATS,
    "count_nonzero": ALL,
}


@pytest.mark.parametrize("name", REDUCTIONS)
@given(data=st.data())
def test_reductions(name, data):
    least = 1 if name in ("min", "max", "mean", "std", "var") else 0
    inexact = name in ("mean", "std", "var", "prod", "sum")
    x = data.draw(arrays(REDUCTIONS[name], shapes(min_side=least), finite=inexact))
    axis = data.draw(axes_of(x.ndim, least=least))
    keywords = {"axis": axis, "keepdims": data.draw(st.booleans())}
    if name in ("std", "var"):
        keywords["correction"] = data.draw(st.sampled_from([0, 0.5]))
    mine = getattr(xp, name)(ours(x), **keywords)
    check(mine, quietly(getattr(strict, name), theirs(x), **keywords), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["sum", "prod"])
@pytest.mark.parametrize("dtype", INTEGERS)
def test_types_of_sums(name, dtype):
    x = np.ones((2, 3), dtype)
    check(getattr(xp, name)(ours(x)), getattr(strict, name)(theirs(x)))
    check(getattr(xp, name)(ours(x), dtype=xp.float32), getattr(strict, name)(theirs(x), dtype=strict.float32))


def test_nan_spreads():
    x = np.array([1.0, np.nan, 3.0])
    for name in ("min", "max", "sum", "mean"):
        assert np.isnan(float(getattr(xp, name)(ours(x))))


@pytest.mark.parametrize("name", ["min", "max", "argmin", "argmax"])
def test_extremes_of_nothing(name):
    with pytest.raises(ValueError):
        getattr(xp, name)(xp.zeros(0)).compute()


@pytest.mark.parametrize("name", ["sum", "all", "max", "argmax", "sort", "flip"])
def test_bad_axes(name):
    with pytest.raises(sw.AxisError) as caught:
        getattr(xp, name)(xp.ones((2, 3)), axis=2)
    assert isinstance(caught.value, IndexError) and isinstance(caught.value, ValueError)


@pytest.mark.parametrize("name", ["argmin", "argmax"])
@given(data=st.data())
def test_arg_reductions(name, data):
    x = data.draw(arrays(REAL, shapes(min_side=1)))
    axis = data.draw(axes_of(x.ndim, several=False))
    keepdims = data.draw(st.booleans())
    mine = getattr(xp, name)(ours(x), axis=axis, keepdims=keepdims)
    check(mine, getattr(np, name)(x, axis=axis, keepdims=keepdims))


@pytest.mark.parametrize("name", ["cumulative_sum", "cumulative_prod"])
@given(data=st.data())
def test_cumulative(name, data):
    x = data.draw(arrays(NUMERIC, shapes(min_dims=1), finite=True))
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    initial = data.draw(st.booleans())
    mine = getattr(xp, name)(ours(x), axis=axis, include_initial=initial)
    check(mine, quietly(getattr(strict, name), theirs(x), axis=axis, include_initial=initial), rtol=1e-3, atol=1e-3)


@given(st.data())
def test_diff(data):
    x = data.draw(arrays(NUMERIC, shapes(min_dims=1), finite=True))
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    n = data.draw(st.integers(0, 3))
    check(xp.diff(ours(x), axis=axis, n=n), np.diff(x, axis=axis, n=n), rtol=1e-3, atol=1e-2)


@given(st.data())
def test_permutations(data):
    x = data.draw(arrays(shape=shapes(max_dims=4)))
    axes = tuple(data.draw(st.permutations(range(x.ndim))))
    check(xp.permute_dims(ours(x), axes), x.transpose(axes), exact=True)
    if x.ndim:
        source, destination = axes[0], data.draw(st.integers(-x.ndim, x.ndim - 1))
        check(xp.moveaxis(ours(x), source, destination), np.moveaxis(x, source, destination), exact=True)
    if x.ndim >= 2:
        check(xp.matrix_transpose(ours(x)), np.matrix_transpose(x), exact=True)


@given(st.data())
def test_reshape(data):
    x = data.draw(arrays(shape=shapes(max_dims=4)))
    factors = data.draw(st.permutations([*x.shape, 1]))
    check(xp.reshape(ours(x), tuple(factors)), np.reshape(x, factors), exact=True)
    if x.size:
        check(xp.reshape(ours(x), (-1, x.shape[0] if x.ndim else 1)), x.reshape(-1, x.shape[0] if x.ndim else 1))


def test_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"\(2, 3\)"):
        xp.reshape(xp.ones((2, 3)), (4, 2))
    with pytest.raises(ValueError, match="2.*3"):
        xp.ones(2) + xp.ones(3)
    with pytest.raises(ValueError):
        xp.broadcast_to(xp.ones(2), (3,))
    with pytest.raises(ValueError):
        xp.concat([xp.ones((2, 2)), xp.ones((2, 3))])
    with pytest.raises(ValueError):
        xp.squeeze(xp.ones((2, 2)), 0)


@given(st.data())
def test_joins(data):
    x = data.draw(arrays(shape=shapes(min_dims=1)))
    axis = data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1))
    y = np.flip(x)
    check(xp.concat([ours(x), ours(y)], axis=axis), np.concat([x, y], axis=axis), exact=True)
    axis = data.draw(st.integers(-x.ndim - 1, x.ndim))
    check(xp.stack([ours(x), ours(y)], axis=axis), np.stack([x, y], axis=axis), exact=True)
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    check(xp.unstack(ours(x), axis=axis), np.unstack(x, axis=axis), exact=True)


@given(st.data())
def test_axes_of_one(data):
    x = data.draw(arrays(shape=shapes(max_side=2)))
    axis = data.draw(st.integers(-x.ndim - 1, x.ndim))
    check(xp.expand_dims(ours(x), axis=axis), np.expand_dims(x, axis), exact=True)
    ones = tuple(axis for axis in range(x.ndim) if x.shape[axis] == 1)
    check(xp.squeeze(ours(x), ones), np.squeeze(x, ones), exact=True)


@given(st.data())
def test_orders(data):
    x = data.draw(arrays())
    axis = data.draw(axes_of(x.ndim))
    check(xp.flip(ours(x), axis=axis), np.flip(x, axis), exact=True)
    shift = data.draw(st.integers(-10, 10))
    if isinstance(axis, tuple):
        shift = tuple(shift + i for i in range(len(axis)))
    check(xp.roll(ours(x), shift, axis=axis), np.roll(x, shift, axis), exact=True)


@given(st.data())
def test_repetitions(data):
    x = data.draw(arrays(shape=shapes(min_dims=1)))
    counts = tuple(data.draw(st.lists(st.integers(0, 3), max_size=4)))
    check(xp.tile(ours(x), counts), np.tile(x, counts), exact=True)
    axis = data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1))
    length = x.size if axis is None else x.shape[axis]
    times = data.draw(st.integers(0, 3) | hnp.arrays(np.int64, (length,), elements=st.integers(0, 3)))
    mine = times if isinstance(times, int) else ours(times)
    check(xp.repeat(ours(x), mine, axis=axis), np.repeat(x, times, axis), exact=True)


@given(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, max_side=3))
def test_broadcasting(shapes):
    inputs = [np.ones(shape) for shape in shapes.input_shapes]
    check(xp.broadcast_arrays(*map(ours, inputs)), np.broadcast_arrays(*inputs), exact=True)
    assert xp.broadcast_shapes(*shapes.input_shapes) == shapes.result_shape
    check(xp.broadcast_to(ours(inputs[0]), shapes.result_shape), np.broadcast_to(inputs[0], shapes.result_shape))


@given(st.data())
def test_take(data):
    x = data.draw(arrays(shape=shapes(min_dims=1, min_side=1)))
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    side = x.shape[axis]
    indices = data.draw(hnp.arrays(np.int64, shapes(min_dims=1, max_dims=1), elements=st.integers(0, side - 1)))
    check(xp.take(ours(x), ours(indices), axis=axis), np.take(x, indices, axis), exact=True)
    along = data.draw(hnp.arrays(np.int64, x.shape, elements=st.integers(-side, side - 1)))
    check(
        xp.take_along_axis(ours(x), ours(along), axis=axis), np.take_along_axis(x, along, axis), exact=True
    )


@given(st.data())
def test_sorts(data):
    x = data.draw(arrays(REAL, shapes(min_dims=1)))
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    descending = data.draw(st.booleans())
    check(
        xp.sort(ours(x), axis=axis, descending=descending),
        strict.sort(theirs(x), axis=axis, descending=descending),
        exact=True,
    )
    check(
        xp.argsort(ours(x), axis=axis, descending=descending),
        strict.argsort(theirs(x), axis=axis, descending=descending),
        exact=True,
    )


@given(arrays(REAL, shapes(min_dims=1, max_dims=1), finite=True), arrays(REAL, finite=True), st.sampled_from(["left", "right"]))
def test_searchsorted(x, values, side):
    values = values.astype(x.dtype)
    order = np.argsort(x, stable=True)
    check(xp.searchsorted(ours(np.sort(x)), ours(values), side=side), np.searchsorted(np.sort(x), values, side))
    check(
        xp.searchsorted(ours(x), ours(values), side=side, sorter=ours(order)),
        np.searchsorted(x, values, side, sorter=order),
    )


@given(arrays())
def test_unique(x):
    mine, other = xp.unique_all(ours(x)), strict.unique_all(theirs(x))
    order = np.argsort(np.asarray(other.values._array), stable=True)
    assert mine._fields == other._fields
    check(mine.values, np.asarray(other.values._array)[order], exact=True)
    check(mine.counts, np.asarray(other.counts._array)[order])
    values = np.asarray(mine.values)
    np.testing.assert_array_equal(x.ravel()[np.asarray(mine.indices)], values)
    np.testing.assert_array_equal(values[np.asarray(mine.inverse_indices)], x)
    check(xp.unique_values(ours(x)), values, exact=True)
    check(xp.unique_counts(ours(x)), (values, np.asarray(mine.counts)), exact=True)
    assert mine.inverse_indices.shape == x.shape


@given(arrays(shape=shapes(min_dims=1)))
def test_nonzero(x):
    check(xp.nonzero(ours(x)), np.nonzero(x))


@given(arrays(["int8", "bool"]), arrays(["int8", "bool"]), st.booleans())
def test_isin(x, y, invert):
    y = y.astype(x.dtype)
    check(xp.isin(ours(x), ours(y), invert=invert), np.isin(x, y, invert=invert))


@pytest.mark.parametrize("dtype", INEXACT)
def test_means_of_nothing_are_nan(dtype):
    assert np.isnan(complex(xp.mean(xp.zeros(0, dtype=getattr(xp, dtype)))))

"""Routines that are made of others, beside NumPy's; masked reductions; functions over blocks by labels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import arrays, check

import swath as sw

FLOATS = np.asarray([[1.5, -2.0, 0.25, 7.0], [4.0, -0.0, 3.0, -1.0], [9.0, 2.0, -6.5, 0.5]])
INTEGERS = np.asarray([[3, 1, 2, 5], [4, 0, 6, 1]])
SPECIAL = np.asarray([0.0, -0.0, np.inf, -np.inf, np.nan, 1.5, -2.5])
MASK = FLOATS > 0

CASES = [
    ("append", (FLOATS, [1.0, 2.0]), {}),
    ("append", (FLOATS, FLOATS[:1]), {"axis": 0}),
    ("array_equiv", ([1, 1], 1), {}),
    ("array_equiv", ([1, 2], [[1, 2, 3]]), {}),
    ("bartlett", (7,), {}),
    ("blackman", (7,), {}),
    ("hamming", (1,), {}),
    ("hanning", (0,), {}),
    ("block", ([[FLOATS, FLOATS], [FLOATS[:1], FLOATS[:1]]],), {}),
    ("block", ([FLOATS[0], 3.0],), {}),
    ("choose", (INTEGERS % 2, [INTEGERS, -INTEGERS]), {}),
    ("convolve", (FLOATS[0], [1.0, 2.0, 0.5]), {}),
    ("convolve", (np.arange(200), np.arange(100)), {"mode": "same"}),
    ("convolve", (np.arange(5), np.arange(9)), {"mode": "valid"}),
    ("correlate", (FLOATS[0], [1.0, 2.0, 0.5]), {}),
    ("correlate", (np.arange(3) + 1j, np.arange(5) * 1j), {"mode": "same"}),
    ("correlate", (np.arange(3), np.arange(5)), {"mode": "full"}),
    ("delete", (FLOATS, [0, -1]), {"axis": 1}),
    ("delete", (FLOATS, slice(1, 9, 3)), {}),
    ("diagflat", ([1, 2],), {"k": -1}),
    ("divmod", (INTEGERS, 2), {}),
    ("ediff1d", (INTEGERS,), {"to_begin": [7], "to_end": [8, 9]}),
    ("extract", (MASK, FLOATS), {}),
    ("fabs", (SPECIAL,), {}),
    ("float_power", (INTEGERS, -2), {}),
    ("geomspace", (-1.0, -1000.0), {"num": 4}),
    ("gradient", (FLOATS[0],), {}),
    ("gradient", (FLOATS,), {}),
    ("gradient", (FLOATS, 2.0), {"axis": 1}),
    ("gradient", (FLOATS, np.asarray([0.0, 1.0, 4.0])), {"axis": 0, "edge_order": 2}),
    ("gradient", (FLOATS, [0.0, 1.0, 4.0], [0.0, 2.0, 3.0, 7.0]), {}),
    ("insert", (FLOATS, 1, 5.0), {"axis": 1}),
    ("insert", (np.arange(5), [1, 1, 4], [7, 8, 9]), {}),
    ("insert", (FLOATS, 0, [1.0, 2.0, 3.0]), {"axis": 1}),
    ("iscomplex", (SPECIAL + 1j,), {}),
    ("isneginf", (SPECIAL,), {}),
    ("isposinf", (SPECIAL,), {}),
    ("isreal", (SPECIAL,), {}),
    ("lexsort", ((INTEGERS[0] % 2, INTEGERS[1] % 3),), {}),
    ("logaddexp2", (FLOATS[0], FLOATS[1]), {}),
    ("logaddexp2", (-np.inf, -np.inf), {}),
    ("matvec", (FLOATS, FLOATS[0]), {}),
    ("modf", (SPECIAL,), {}),
    ("nancumprod", (np.asarray([2.0, np.nan, 3.0]),), {}),
    ("nancumsum", (np.asarray([[2.0, np.nan], [np.nan, 3.0]]),), {"axis": 1}),
    ("piecewise", (FLOATS, [FLOATS < 0, FLOATS > 3], [-1.0, lambda x: x * 2, lambda x: x]), {}),
    ("polyval", ([2, -1, 3], INTEGERS), {}),
    ("ravel_multi_index", ((INTEGERS[0] % 2, INTEGERS[1] % 3), (2, 3)), {}),
    ("resize", (INTEGERS, (3, 5)), {}),
    ("rollaxis", (np.zeros((2, 3, 4)), 1, 3), {}),
    ("sinc", (FLOATS,), {}),
    ("size", (FLOATS, 1), {}),
    ("trapezoid", (FLOATS,), {"x": [0.0, 1.0, 4.0, 5.0]}),
    ("trapezoid", (FLOATS,), {"dx": 0.5, "axis": 0}),
    ("tril_indices", (3, 1, 4), {}),
    ("triu_indices", (4, -1, 3), {}),
    ("unravel_index", (np.arange(6), (2, 3)), {}),
    ("vander", ([1.0, 2.0, 3.0],), {"N": 4, "increasing": True}),
    ("vecmat", (FLOATS[:, 0], FLOATS), {}),
    ("hsplit", (FLOATS, 2), {}),
    ("vsplit", (FLOATS, [1]), {}),
    ("dsplit", (FLOATS[None], 2), {}),
    ("apply_over_axes", (None, FLOATS, [0, 1]), {}),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_routines_are_numpys(case):
    name, args, named = case
    mine, theirs = getattr(sw, name), getattr(np, name)
    if args[0] is None:
        expected, found = theirs(np.sum, *args[1:], **named), mine(sw.sum, *args[1:], **named)
    else:
        with np.errstate(all="ignore"):
            expected = theirs(*args, **named)
        found = mine(*args, **named)
    if isinstance(expected, (tuple, list)):
        assert len(found) == len(expected)
        for one, other in zip(found, expected):
            check(one, np.asarray(other))
    else:
        check(sw.asarray(found), np.asarray(expected))


@pytest.mark.parametrize("rows", [True, False])
def test_functions_of_vectors(rows):
    function = (lambda v: v - v[0]) if rows else (lambda v: v.sum())
    for axis in (0, 1):
        check(sw.apply_along_axis(function, axis, FLOATS), np.apply_along_axis(function, axis, FLOATS))


def test_least_squares():
    rng = np.random.default_rng(3)
    for a, b in [(rng.normal(size=(9, 4)), rng.normal(size=9)), (rng.normal(size=(3, 5)), rng.normal(size=(3, 2)))]:
        found, expected = sw.linalg.lstsq(a, b), np.linalg.lstsq(a, b)
        assert int(found[2]) == expected[2]
        for one, other in zip((found[0], found[1], found[3]), (expected[0], expected[1], expected[3])):
            np.testing.assert_allclose(np.asarray(one), other, rtol=1e-10, atol=1e-12)
    dependent = np.ones((4, 2))
    np.testing.assert_allclose(np.asarray(sw.linalg.lstsq(dependent, [2.0] * 4)[0]), [1.0, 1.0])
    with pytest.raises(sw.LinAlgError, match=r"\(3, 2\) and \(4,\)"):
        sw.linalg.lstsq(np.ones((3, 2)), np.ones(4))


def test_tensors_and_conditions():
    a = np.random.default_rng(4).normal(size=(2, 3, 6))
    b = np.ones((2, 3))
    np.testing.assert_allclose(np.asarray(sw.linalg.tensorsolve(a, b)), np.linalg.tensorsolve(a, b))
    np.testing.assert_allclose(np.asarray(sw.linalg.tensorinv(a, 2)), np.linalg.tensorinv(a, 2))
    for p in (None, 2, -2, 1, "fro", np.inf):
        np.testing.assert_allclose(float(sw.linalg.cond(a[0].T @ a[0] + np.eye(6), p)), np.linalg.cond(a[0].T @ a[0] + np.eye(6), p))


def test_histograms_of_several_axes():
    x, y = np.random.default_rng(5).normal(size=(2, 500))
    w = np.random.default_rng(6).random(500)
    for named in ({}, {"bins": [3, 5]}, {"bins": 4, "range": [[-1, 1], [0, 2]]}, {"weights": w, "density": True}):
        found, expected = sw.histogram2d(x, y, **named), np.histogram2d(x, y, **named)
        for one, other in zip(found, expected):
            np.testing.assert_allclose(np.asarray(one), other)


@given(x=arrays(["float64", "int32"], finite=True), data=st.data())
def test_masked_reductions(x, data):
    mask = np.asarray(data.draw(st.lists(st.booleans(), min_size=x.size, max_size=x.size))).reshape(x.shape).astype(bool)
    axis = data.draw(st.sampled_from([None, *range(x.ndim)]))
    for name in ("sum", "prod", "any", "all", "min", "max"):
        named = {"initial": 3} if name in ("min", "max") else {}
        with np.errstate(all="ignore"):
            expected = getattr(np, name)(x, axis=axis, where=mask, **named)
        found = np.asarray(getattr(sw, name)(x, axis=axis, where=mask, **named))
        np.testing.assert_allclose(found, expected, rtol=1e-9)
    counts = mask.sum(axis=axis)
    if np.all(counts > 1):
        for name in ("mean", "var", "std"):
            found = np.asarray(getattr(sw, name)(x, axis=axis, where=mask))
            np.testing.assert_allclose(found, getattr(np, name)(x, axis=axis, where=mask), rtol=1e-6, atol=1e-6)


def test_masks_that_leave_nothing():
    with pytest.raises(ValueError, match="initial"):
        sw.max([1, 2], where=[True, False])
    assert float(sw.max([], initial=2.0)) == 2.0
    assert np.isnan(float(sw.mean([1.0], where=[False])))


def test_blocks_by_labels():
    x, y = np.arange(12).reshape(3, 4), np.arange(8).reshape(4, 2)
    a, b = sw.asarray(x).rechunk((2, 3)), sw.asarray(y).rechunk((2, 1))
    check(sw.blockwise(np.matmul, "ik", a, "ij", b, "jk"), x @ y)
    check(sw.blockwise(lambda v: v.T, "ji", a, "ij"), x.T)
    repeated = lambda v: np.repeat(v[:, None], 3, 1)
    check(sw.blockwise(repeated, "iz", sw.asarray([1, 2]), "i", new_axes={"z": 3}), repeated(np.asarray([1, 2])))
    for args, what in [(("q", a, "ij"), "labelled"), (("i", a, "i"), "1 labels"), (("i", a), "followed")]:
        with pytest.raises(ValueError, match=what):
            sw.blockwise(np.sum, *args)


def test_several_arrays_are_computed_together():
    calls = []
    x = sw.map_blocks(lambda block: (calls.append(1), block)[1], sw.arange(4), dtype="int64")
    first, second = sw.compute(x + 1, x * 2)
    assert (first.tolist(), second.tolist(), len(calls)) == ([1, 2, 3, 4], [0, 2, 4, 6], 1)


def test_routines_say_what_is_wrong():
    for call, error, what in [
        (lambda: sw.delete([1, 2], 5), IndexError, "index 5"),
        (lambda: sw.gradient([1.0]), ValueError, "needs 2 elements along axis 0"),
        (lambda: sw.rollaxis([1], 3), sw.AxisError, "axis 3"),
        (lambda: sw.vsplit([1, 2], 2), ValueError, "2 axes or more"),
        (lambda: sw.convolve([1], []), ValueError, "second"),
        (lambda: sw.ravel_multi_index(([1],), (2, 3)), ValueError, r"\(2, 3\)"),
        (lambda: sw.geomspace(-1, 1), ValueError, "from -1 to 1"),
    ]:
        with pytest.raises(error, match=what):
            call()


class Odd(Exception):
    """One that nobody else knows."""


@pytest.mark.parametrize("raised", [Odd("it is odd"), KeyError("k"), ValueError("v"), IndexError("i"), ZeroDivisionError("z")])
def test_what_a_function_of_blocks_raises_comes_back(raised):
    def fails(block):
        raise raised

    with pytest.raises(type(raised)) as caught:
        sw.map_blocks(fails, sw.ones((4, 4)), dtype="float64").compute()
    assert caught.value is raised and caught.value.__notes__[-1].endswith("in fails")
    assert caught.value.__traceback__.tb_next is not None, "it says where it was raised"

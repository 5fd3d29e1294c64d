"""Products, linear algebra and Fourier transforms, against the oracle."""

import subprocess
import sys

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import COMPLEX, FLOATS, INEXACT, INTEGERS, NUMERIC, arrays, check, ours, shapes, strict, theirs, to_numpy

import swath as sw
from swath import array_api as xp


def small(dtypes=INEXACT, **keywords):
    """Arrays of moderate whole numbers: products of them are exact."""
    shape = keywords["shape"] if "shape" in keywords else shapes(min_dims=2, **keywords)
    return st.sampled_from(list(dtypes)).flatmap(lambda dtype: arrays([dtype], shape, values=values_of(dtype)))


def values_of(dtype):
    """Small whole numbers that the type has."""
    least = 0 if np.dtype(dtype).kind == "u" else -8
    return st.integers(least, 8)


@st.composite
def square(draw, dtypes=INEXACT, min_side=0):
    n = draw(st.integers(min_side, 4))
    batch = draw(shapes(max_dims=2, max_side=3))
    return draw(small(dtypes, shape=(*batch, n, n)))


@st.composite
def invertible(draw, dtypes=INEXACT):
    x = draw(square(dtypes))
    return x + 40 * np.eye(x.shape[-1], dtype=x.dtype)


def tolerances(x, scale=1.0):
    single = x.dtype in (np.float32, np.complex64)
    return {"rtol": 1e-3 if single else 1e-8, "atol": (1e-3 if single else 1e-8) * scale}


@given(st.data())
def test_matmul(data):
    n, k, m = (data.draw(st.integers(0, 4)) for _ in range(3))
    batches = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=2, max_side=3, min_side=0))
    one, other = batches.input_shapes
    dtype = data.draw(st.sampled_from(NUMERIC))
    x = data.draw(small([dtype] if "u" not in dtype else ["uint8"], shape=(*one, n, k)))
    y = data.draw(small([x.dtype.name], shape=(*other, k, m)))
    if data.draw(st.booleans()):
        x = x[(0,) * len(one)][0] if x.size else np.ones(k, x.dtype)
    expected = strict.matmul(theirs(x), theirs(y))
    check(xp.matmul(ours(x), ours(y)), expected)
    check(ours(x) @ ours(y), expected)
    check(ours(y).mT @ ours(x), np.matmul(np.matrix_transpose(y), x)) if x.ndim == 1 else None


def test_products_that_do_not_fit():
    for x, y in [((2, 3), (2, 3)), ((3,), (2,)), ((), (2,)), ((2, 2, 3), (3, 3, 2))]:
        with pytest.raises(ValueError):
            xp.matmul(xp.ones(x), xp.ones(y))
    with pytest.raises(ValueError):
        xp.tensordot(xp.ones((2, 3)), xp.ones((2, 3)), axes=1)
    with pytest.raises(ValueError):
        xp.vecdot(xp.ones(2), xp.ones(3))


@given(small(max_dims=3), st.integers(0, 3))
def test_tensordot(x, count):
    count = min(count, x.ndim)
    y = np.moveaxis(x, range(x.ndim - count, x.ndim), range(count)) if count else x
    expected = np.tensordot(x, y, count)
    check(xp.tensordot(ours(x), ours(y), axes=count), expected, rtol=1e-6, atol=1e-6)
    pairs = (list(range(-count, 0)), list(range(count)))
    check(xp.tensordot(ours(x), ours(y), axes=pairs), expected, rtol=1e-6, atol=1e-6)


@given(small(min_side=1), st.data())
def test_vecdot(x, data):
    axis = data.draw(st.integers(-x.ndim, -1))
    y = np.flip(x)
    check(xp.vecdot(ours(x), ours(y), axis=axis), strict.vecdot(theirs(x), theirs(y), axis=axis))


@given(arrays(NUMERIC, shapes(min_dims=1, max_dims=1), finite=True), arrays(NUMERIC, shapes(min_dims=1, max_dims=1), finite=True))
def test_outer(x, y):
    y = y.real.astype(x.dtype) if y.dtype.kind == "c" else y.astype(x.dtype)
    check(xp.linalg.outer(ours(x), ours(y)), np.outer(x, y), rtol=1e-5, atol=1e-5)


@given(small(FLOATS, shape=(2, 3)), small(FLOATS, shape=(4, 2, 3)))
def test_cross(x, y):
    y = y.astype(x.dtype)
    check(xp.linalg.cross(ours(x), ours(y)), np.cross(x, y))


@given(small(NUMERIC, max_dims=4), st.integers(-5, 5))
def test_diagonals(x, offset):
    check(xp.linalg.diagonal(ours(x), offset=offset), strict.linalg.diagonal(theirs(x), offset=offset), exact=True)
    check(xp.linalg.trace(ours(x), offset=offset), strict.linalg.trace(theirs(x), offset=offset))


@given(square())
def test_determinants(x):
    expected = strict.linalg.det(theirs(x))
    check(xp.linalg.det(ours(x)), expected, rtol=1e-2 if x.dtype.itemsize < 8 else 1e-3, atol=0.1)
    regular = x + 40 * np.eye(x.shape[-1], dtype=x.dtype)
    check(xp.linalg.slogdet(ours(regular)), strict.linalg.slogdet(theirs(regular)), **tolerances(x))


@given(invertible())
def test_inverses(x):
    check(xp.linalg.inv(ours(x)), strict.linalg.inv(theirs(x)), **tolerances(x))


@given(invertible(), st.data())
def test_solve(x, data):
    columns = data.draw(st.integers(1, 3))
    y = data.draw(small([x.dtype.name], shape=(*x.shape[:-1], columns)))
    check(xp.linalg.solve(ours(x), ours(y)), strict.linalg.solve(theirs(x), theirs(y)), **tolerances(x))
    vector = np.ones(x.shape[-1], x.dtype)
    check(xp.linalg.solve(ours(x), ours(vector)), strict.linalg.solve(theirs(x), theirs(vector)), **tolerances(x))


def test_singular_matrices():
    for function in (xp.linalg.inv, lambda x: xp.linalg.solve(x, xp.ones(2)), xp.linalg.cholesky):
        with pytest.raises(sw.LinAlgError) as caught:
            function(xp.zeros((2, 2))).compute()
        assert isinstance(caught.value, ValueError)
    with pytest.raises(ValueError):
        xp.linalg.det(xp.ones((2, 3)))


@given(square(), st.booleans())
def test_cholesky(x, upper):
    x = x @ np.conj(np.matrix_transpose(x)) + np.eye(x.shape[-1], dtype=x.dtype)
    factor = xp.linalg.cholesky(ours(x), upper=upper)
    check(factor, strict.linalg.cholesky(theirs(x), upper=upper), **tolerances(x, 10))


@given(square())
def test_eigh(x):
    x = x + np.conj(np.matrix_transpose(x))
    values, vectors = xp.linalg.eigh(ours(x))
    expected = strict.linalg.eigh(theirs(x))
    check(values, expected.eigenvalues, **tolerances(x, 10))
    assert vectors.dtype.name == x.dtype.name and vectors.shape == x.shape
    v, w = to_numpy(vectors), to_numpy(values)
    np.testing.assert_allclose(x @ v, v * w[..., None, :], **tolerances(x, 100))
    check(xp.linalg.eigvalsh(ours(x)), expected.eigenvalues, **tolerances(x, 10))


@given(small(max_dims=4, max_side=5), st.sampled_from(["reduced", "complete"]))
def test_qr(x, mode):
    q, r = xp.linalg.qr(ours(x), mode=mode)
    expected = strict.linalg.qr(theirs(x), mode=mode)
    assert (q.shape, r.shape) == (expected.Q.shape, expected.R.shape)
    assert q.dtype.name == r.dtype.name == x.dtype.name
    q, r = to_numpy(q), to_numpy(r)
    np.testing.assert_allclose(q @ r, x, **tolerances(x, 10))
    np.testing.assert_allclose(np.conj(np.matrix_transpose(q)) @ q, np.broadcast_to(np.eye(q.shape[-1]), q.shape[:-2] + (q.shape[-1],) * 2), **tolerances(x, 10))
    np.testing.assert_array_equal(r, np.triu(r))


@given(small(max_dims=4, max_side=5), st.booleans())
def test_svd(x, full):
    u, s, vh = xp.linalg.svd(ours(x), full_matrices=full)
    expected = strict.linalg.svd(theirs(x), full_matrices=full)
    assert (u.shape, vh.shape) == (expected.U.shape, expected.Vh.shape)
    check(s, expected.S, **tolerances(x, 10))
    check(xp.linalg.svdvals(ours(x)), expected.S, **tolerances(x, 10))
    u, s, vh = map(to_numpy, (u, s, vh))
    k = s.shape[-1]
    np.testing.assert_allclose(u[..., :k] * s[..., None, :] @ vh[..., :k, :], x, **tolerances(x, 10))


@pytest.mark.parametrize("dtype", INEXACT)
@pytest.mark.parametrize("power", [-0.9, -0.6, 0.5, 0.9])
def test_svd_of_matrices_whose_squares_overflow_or_vanish(dtype, power):
    # A power of two that is this part of the largest, or of the smallest, that the type has.
    scale = 2.0 ** int(power * np.finfo(dtype).maxexp)
    for shape in [(1, 1), (3, 3), (2, 5), (5, 2)]:
        x = (np.arange(1, 1 + np.prod(shape)).reshape(shape) * scale).astype(dtype)
        u, s, vh = map(to_numpy, xp.linalg.svd(ours(x), full_matrices=False))
        tolerance = 1e-4 if np.finfo(dtype).bits == 32 else 1e-12
        np.testing.assert_allclose((u * (s / scale)) @ vh, x / scale, atol=tolerance)
        np.testing.assert_allclose(to_numpy(xp.linalg.svdvals(ours(x))), s, rtol=tolerance, atol=tolerance * scale)
        assert int(xp.linalg.matrix_rank(ours(x))) == min(2, *shape)


@given(small(FLOATS, min_side=1))
def test_pseudo_inverses_and_ranks(x):
    check(xp.linalg.pinv(ours(x)), strict.linalg.pinv(theirs(x)), rtol=0.05, atol=0.05)
    check(xp.linalg.matrix_rank(ours(x)), strict.linalg.matrix_rank(theirs(x)))


@given(small(), st.sampled_from([-np.inf, -2, -1, 1, 2, np.inf, "fro", "nuc"]), st.booleans())
def test_matrix_norms(x, order, keepdims):
    if 0 in x.shape[-2:]:
        x = np.ones((*x.shape[:-2], 2, 3), x.dtype)
    mine = xp.linalg.matrix_norm(ours(x), ord=order, keepdims=keepdims)
    check(mine, strict.linalg.matrix_norm(theirs(x), ord=order, keepdims=keepdims), **tolerances(x, 10))


@given(small(min_side=1), st.sampled_from([-np.inf, -2, -1, 0, 1, 2, 3.5, np.inf]), st.booleans(), st.data())
def test_vector_norms(x, order, keepdims, data):
    axis = data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1) | hnp.valid_tuple_axes(x.ndim, min_size=1))
    with np.errstate(all="ignore"):
        expected = strict.linalg.vector_norm(theirs(x), axis=axis, keepdims=keepdims, ord=order)
    mine = xp.linalg.vector_norm(ours(x), axis=axis, keepdims=keepdims, ord=order)
    check(mine, expected, **tolerances(x))


@given(invertible(), st.integers(-3, 4))
def test_matrix_powers(x, n):
    x = (x / 40).astype(x.dtype)
    check(xp.linalg.matrix_power(ours(x), n), strict.linalg.matrix_power(theirs(x), n), **tolerances(x))


TRANSFORMS = {"fft": INEXACT, "ifft": INEXACT, "rfft": FLOATS, "irfft": COMPLEX, "hfft": COMPLEX, "ihfft": FLOATS}


@pytest.mark.parametrize("name", TRANSFORMS)
@given(data=st.data())
def test_transforms(name, data):
    least = 2 if name in ("irfft", "hfft") else 1
    x = data.draw(small(TRANSFORMS[name], shape=shapes(min_dims=1, min_side=least, max_side=7)))
    keywords = {
        "n": data.draw(st.none() | st.integers(least, 9)),
        "axis": data.draw(st.integers(-x.ndim, x.ndim - 1)),
        "norm": data.draw(st.sampled_from(["backward", "ortho", "forward"])),
    }
    x_theirs = theirs(x.astype(np.result_type(x.dtype, np.complex64))) if name in ("fft", "ifft") else theirs(x)
    mine = getattr(xp.fft, name)(ours(x), **keywords)
    check(mine, getattr(strict.fft, name)(x_theirs, **keywords), **tolerances(x, 10))


@pytest.mark.parametrize("name", ["fftn", "ifftn", "rfftn", "irfftn"])
@given(data=st.data())
def test_transforms_of_several_axes(name, data):
    least = 2 if name == "irfftn" else 1
    dtypes = FLOATS if name == "rfftn" else COMPLEX
    x = data.draw(small(dtypes, shape=shapes(min_dims=1, min_side=least, max_side=5)))
    axes = data.draw(st.none() | hnp.valid_tuple_axes(x.ndim, min_size=1))
    keywords = {"axes": axes, "norm": data.draw(st.sampled_from(["backward", "ortho", "forward"]))}
    if axes is not None and data.draw(st.booleans()):
        keywords["s"] = tuple(data.draw(st.integers(least, 6)) for _ in axes)
    mine = getattr(xp.fft, name)(ours(x), **keywords)
    check(mine, getattr(strict.fft, name)(theirs(x), **keywords), **tolerances(x, 10))


@pytest.mark.parametrize("name", ["fftfreq", "rfftfreq"])
@given(n=st.integers(1, 50), d=st.floats(0.1, 10), dtype=st.sampled_from([None, *FLOATS]))
def test_frequencies(name, n, d, dtype):
    mine, other = (
        getattr(module.fft, name)(n, d=d, **({} if dtype is None else {"dtype": getattr(module, dtype)}))
        for module in (xp, strict)
    )
    check(mine, other, rtol=1e-6)


@pytest.mark.parametrize("name", ["fftshift", "ifftshift"])
@given(data=st.data())
def test_shifts_of_frequencies(name, data):
    x = data.draw(arrays(INEXACT, shapes(min_dims=1)))
    axes = data.draw(st.none() | hnp.valid_tuple_axes(x.ndim))
    check(getattr(xp.fft, name)(ours(x), axes=axes), getattr(np.fft, name)(x, axes=axes), exact=True)


def test_integers_multiply_exactly():
    x = xp.asarray([[2**62, 1], [3, 4]])
    for dtype in INTEGERS:
        assert xp.matmul(xp.ones((2, 2), dtype=getattr(xp, dtype)), xp.ones(2, dtype=getattr(xp, dtype))).tolist() == [2, 2]
    assert (x @ xp.asarray([1, 1])).tolist() == [2**62 + 1, 7]


def test_errors_are_numpys_too():
    with pytest.raises(np.linalg.LinAlgError, match="singular matrix, of shape"):
        sw.linalg.inv(sw.zeros((2, 2))).compute()
    with pytest.raises(np.exceptions.AxisError, match="axis 3"):
        sw.sum(sw.zeros((2, 2)), axis=3)
    for raised in (sw.LinAlgError("a"), sw.AxisError("a")):
        assert type(raised).__name__ in ("LinAlgError", "AxisError") and type(raised).__module__ == "swath"
        assert str(raised) == "a" and isinstance(raised, ValueError)
    assert isinstance(sw.AxisError("a"), IndexError)


def test_errors_do_not_need_numpy():
    code = """
import sys, swath as sw
try:
    sw.linalg.inv(sw.zeros((2, 2))).compute()
except sw.LinAlgError as error:
    assert type(error) is sw.LinAlgError and "singular" in str(error)
assert "numpy" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)

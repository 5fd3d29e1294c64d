"""What people type by habit: NumPy's functions on arrays, `out=None`, Dask's methods, random choices, names of pandas."""

import datetime
import pickle

import numpy as np
import pytest

import swath as sw

rng = np.random.default_rng(11)
X = rng.normal(size=(12, 8))
V = rng.normal(size=12)
I = rng.integers(0, 10, size=(12, 8))
CHUNKED = sw.from_array(X, chunks=(5, 3))


def same(mine, other):
    """Values to rounding, shape and type."""
    if isinstance(other, tuple):
        assert len(mine) == len(other)
        for one, two in zip(mine, other):
            same(one, two)
        return
    values, other = np.asarray(mine), np.asarray(other)
    assert (values.shape, values.dtype) == (other.shape, other.dtype)
    np.testing.assert_allclose(values, other, rtol=1e-10, atol=1e-12)


BY_NUMPY = [
    lambda x: np.sum(x),
    lambda x: np.sum(x, axis=(0, 1), keepdims=True),
    lambda x: np.prod(x, axis=1, dtype="float32"),
    lambda x: np.mean(x, axis=1),
    lambda x: np.max(x),
    lambda x: np.min(x, axis=-1, initial=0.0),
    lambda x: np.std(x, axis=0, ddof=1),
    lambda x: np.var(x, 0),
    lambda x: np.any(x, axis=0),
    lambda x: np.all(x),
    lambda x: np.argmax(x),
    lambda x: np.argmin(x, axis=1, keepdims=True),
    lambda x: np.cumsum(x, axis=0),
    lambda x: np.cumprod(x),
    lambda x: np.argsort(x, axis=0),
    lambda x: np.round(x, 2),
    lambda x: np.clip(x, -1, None),
    lambda x: np.take(x, [1, -9], axis=1, mode="wrap"),
    lambda x: np.reshape(x, (8, 12)),
    lambda x: np.reshape(x, (-1, 4), order="F"),
    lambda x: np.transpose(x),
    lambda x: np.squeeze(x),
    lambda x: np.swapaxes(x, 0, 1),
    lambda x: np.repeat(x, 2, axis=0),
    lambda x: np.compress([True, False, True], x, axis=0),
    lambda x: np.nonzero(x),
]


@pytest.mark.parametrize("number", range(len(BY_NUMPY)))
def test_functions_of_numpy_call_methods(number):
    found = BY_NUMPY[number](CHUNKED)
    assert isinstance(found[0] if isinstance(found, tuple) else found, sw.Array)
    same(found, BY_NUMPY[number](X))


def test_functions_of_numpy_on_vectors_and_numbers():
    ordered = sw.sort(V)
    same(np.searchsorted(ordered, [0.1, 0.2], side="right"), np.searchsorted(np.sort(V), [0.1, 0.2], side="right"))
    same(np.choose(sw.asarray([0, 1]), [[1, 2], [3, 4]]), np.choose([0, 1], [[1, 2], [3, 4]]))
    assert np.argpartition(ordered, 3)[3].item() == 3


REDUCTIONS = "all any argmax argmin cumprod cumsum max mean median min nanmax nanmean nansum nanstd prod ptp std sum var"


@pytest.mark.parametrize("name", [*REDUCTIONS.split(), "round", "clip", "quantile", "take"])
def test_out_is_none(name):
    arguments = {"clip": (0, 1), "quantile": (0.5,), "take": ([1],)}.get(name, ())
    function = getattr(sw, name)
    same(function(CHUNKED, *arguments, out=None), function(CHUNKED, *arguments))
    with pytest.raises(TypeError, match=f"{name} gives an array of its own: out has to be None"):
        function(CHUNKED, *arguments, out=np.zeros(()))


def test_arguments_in_numpys_order():
    same(sw.sum(CHUNKED, 0, None, None, True), np.sum(X, 0, None, None, True))
    same(CHUNKED.max(0, None, True), X.max(0, None, True))
    same(CHUNKED.std(0, None, None, 1, True), X.std(0, None, None, 1, True))
    same(CHUNKED.mean(0, "float32").astype("float64").round(4), X.mean(0, "float32").astype("float64").round(4))
    same(CHUNKED.clip(a_max=0.5), X.clip(max=0.5))


@pytest.mark.parametrize(
    "arguments",
    [
        {"axis": 0, "weights": V},
        {"axis": 1, "weights": V[:8] ** 2},
        {"weights": X**2},
        {"axis": (1, 0), "weights": (X**2).T},
        {"axis": (0, 1), "weights": X**2, "keepdims": True},
        {"axis": 0, "weights": V**2, "keepdims": True},
        {"axis": 0, "weights": [1] * 12},
        {"axis": 1},
        {},
    ],
)
def test_average(arguments):
    for x, mine in ((X, CHUNKED), (I, sw.asarray(I))):
        same(sw.average(mine, **arguments), np.average(x, **arguments))
        same(sw.average(mine, returned=True, **arguments), np.average(x, returned=True, **arguments))


def test_weights_that_do_not_fit():
    square = sw.ones((3, 3))
    for arguments in ({"weights": V[:3]}, {"axis": 0, "weights": V[:2]}, {"axis": 0, "weights": np.ones((1, 3))}):
        with pytest.raises(ValueError, match="weights of shape"):
            sw.average(square, **arguments)


def test_divmod():
    mine = sw.asarray(I)
    same(divmod(mine, 3), divmod(I, 3))
    same(divmod(7, mine + 1), divmod(7, I + 1))
    same(divmod(I, mine + 1), divmod(I, I + 1))
    same(divmod(CHUNKED, 0.3), divmod(X, 0.3))
    assert sw.divmod(7, sw.int8([2]))[0].dtype == sw.int8
    with pytest.raises(TypeError):
        divmod(mine, "a")


def test_round_and_reversed():
    same(round(CHUNKED, 2), X.round(2))
    assert round(sw.asarray(2.6)) == 3 and isinstance(round(sw.asarray(2.6)), int)
    assert [int(part) for part in reversed(sw.arange(3))] == [2, 1, 0]


def test_data_types_make_arrays():
    same(sw.float32(3.5), np.float32(3.5))
    same(sw.int8([1, 2]), np.int8([1, 2]))
    same(sw.complex64(1 + 2j), np.complex64(1 + 2j))
    same(sw.bool([0, 1]), np.bool([0, 1]))
    same(sw.int64(3.9), np.int64(3.9))
    same(sw.float64(), np.float64())
    same(sw.float32(CHUNKED), X.astype("float32"))
    with pytest.raises(OverflowError):
        sw.int8(300)
    with pytest.raises(TypeError):
        sw.float32("3.5")


def test_numpys_names_of_data_types():
    for name in ("f4", "<f8", "|b1", "=i2", "u1", "c16", "f2", "?", "half", "single", "double"):
        assert sw.zeros(1, dtype=name).dtype == np.dtype(name).name
        assert sw.dtype(name) == np.dtype(name)
    for name in (">f8", "f3", "S3", "M8"):
        with pytest.raises(TypeError):
            sw.zeros(1, dtype=name)
    assert np.zeros(1, dtype=sw.float32).dtype == np.float32 and np.dtype(sw.int8) == np.int8


def test_integers_beyond_the_type():
    small = sw.asarray([0, 255], "uint8")
    for operator in ("__lt__", "__le__", "__gt__", "__ge__", "__eq__", "__ne__"):
        for value in (-1, 256, 255, -(2**70), 2**70):
            expected = getattr(np.asarray([0, 255], "uint8"), operator)(value)
            same(getattr(small, operator)(value), expected)
    with pytest.raises(OverflowError, match="256 is out of range for uint8"):
        small + 256
    assert (sw.asarray([1, 2]) + 1e300).dtype == sw.float64


def test_keys():
    same(CHUNKED[sw.s_[1:, ::2]], X[1:, ::2])
    assert sw.s_[..., None] == (..., None)


UNWRAPPED = [
    (np.cumsum(X, axis=1) * 2, {"axis": 1}),
    (X * 7, {"axis": 0}),
    (V * 5, {"discont": 5.0}),
    (V * 5, {"period": 3.0}),
    (I, {"period": 4}),
    (I, {"period": 5, "axis": 0}),
    (np.asarray([0.0, np.pi, 0.0, -np.pi]), {}),
    (np.asarray([0, 2, 0, -2]), {"period": 4}),
    (np.asarray([1.0]), {}),
]


@pytest.mark.parametrize("values, arguments", UNWRAPPED)
def test_unwrap(values, arguments):
    same(sw.unwrap(values, **arguments), np.unwrap(values, **arguments))


def test_polyfit():
    y = V**3 - 2 * V + 1 + 0.1 * X[:, 0]
    for degree in (0, 1, 4):
        same(sw.polyfit(V, y, degree), np.polyfit(V, y, degree))
        same(sw.polyfit(V, X, degree, w=abs(y)), np.polyfit(V, X, degree, w=abs(y)))
    years = 2000 + np.arange(12)
    np.testing.assert_allclose(np.asarray(sw.polyfit(years, V, 1)), np.polyfit(years, V, 1), rtol=1e-6)
    for arguments, error in [((V, V[:3], 1), TypeError), ((V, V, -1), ValueError), ((V, V, 1.5), TypeError)]:
        with pytest.raises(error):
            sw.polyfit(*arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        {"xp": [0.0, 1.0, 4.0], "fp": [3, 4, 0]},
        {"xp": [0.0, 1.0], "fp": [3.0, 4.0], "left": -1, "right": 9},
        {"xp": [0.5], "fp": [7.0]},
        {"xp": [0.5], "fp": [7.0], "left": np.nan},
        {"xp": [0.7, 0.1, 0.4], "fp": [1.0, 2.0, 3.0], "period": 1.0},
    ],
)
def test_interp(arguments):
    same(sw.interp(V, **arguments), np.interp(V, **arguments))
    same(sw.interp(0.25, **arguments), np.interp(0.25, **arguments))


def test_points_that_are_none():
    for points, values in (([], []), ([0.0, 1.0], [1.0]), ([[0.0]], [[1.0]])):
        with pytest.raises(ValueError, match="as many points as values"):
            sw.interp(V, points, values)
    assert sw.interp([1.0, 2.0], [1.0, 1.0, 3.0], [5.0, 6.0, 8.0]).tolist() == [6.0, 7.0]


def test_covariances_of_two():
    same(sw.cov(V, V**2), np.cov(V, V**2))
    same(sw.cov(X, I, False), np.cov(X, I, False))
    same(sw.cov(X, bias=True), np.cov(X, bias=True))
    same(sw.cov(X, ddof=2), np.cov(X, ddof=2))
    same(sw.corrcoef(V, V**2), np.corrcoef(V, V**2))
    same(sw.linspace(0, 1, 5, retstep=True)[1], np.linspace(0, 1, 5, retstep=True)[1])
    same(sw.linalg.qr(X, "r"), sw.linalg.qr(X).R)
    with pytest.raises(ValueError):
        sw.cov(np.zeros((2, 2, 2)))


def test_parameters_of_each_element():
    draw = sw.random.default_rng(5)
    means = draw.normal(np.asarray([[0.0], [10.0]]), [1.0, 2.0], (4000, 2, 2)).mean(axis=0)
    np.testing.assert_allclose(means, [[0, 0], [10, 10]], atol=0.2)
    assert draw.uniform([0, 10], [1, 11]).shape == (2,) and sw.random.default_rng(draw) is draw
    with pytest.raises(TypeError):
        sw.random.default_rng(1.5)


def test_put_along_axis():
    for axis in (0, 1):
        places = np.argmax(I, axis=axis, keepdims=True)
        expected = I.copy()
        np.put_along_axis(expected, places, 99, axis)
        mine = sw.asarray(I)
        same(sw.put_along_axis(mine, places, 99, axis), expected)
        same(mine, I)
    with pytest.raises(OverflowError):
        sw.put_along_axis(sw.int8([1]), [0], 300, 0)


def test_eigenvalues_of_any_matrix():
    for matrices in (X[:5, :5], X[:8, :8].reshape(4, 4, 4), X[:4, :4] + 1j * X[4:8, :4]):
        found = sw.linalg.eig(matrices)
        assert isinstance(found, sw.linalg.EigResult) and found.eigenvalues.dtype == sw.complex128
        values, vectors = (np.asarray(part) for part in found)
        np.testing.assert_allclose(matrices @ vectors, vectors * values[..., None, :], atol=1e-10)
        expected = np.sort_complex(np.linalg.eigvals(matrices).astype(complex).ravel().round(9))
        for mine in (values, sw.linalg.eigvals(matrices)):
            np.testing.assert_allclose(np.sort_complex(np.asarray(mine).ravel().round(9)), expected, atol=1e-8)
    with pytest.raises(ValueError):
        sw.linalg.eig(X)
    assert not hasattr(sw.array_api.linalg, "eig")


def test_methods_of_dask():
    same(CHUNKED.map_blocks(lambda block, by: block * by, by=3), X * 3)
    same(CHUNKED.map_blocks(np.add, CHUNKED), X + X)
    around = lambda block: block[:-2] + block[1:-1] + block[2:]
    padded = np.pad(X, ((1, 1), (0, 0)), mode="symmetric")
    smooth = lambda block: np.pad(around(block), ((1, 1), (0, 0)))
    same(CHUNKED.map_overlap(smooth, {0: 1}, {0: "reflect"}, dtype="float64"), around(padded))
    same(CHUNKED.topk(2)[0], -np.sort(-X)[:, :2])
    same(CHUNKED.topk(-2, axis=0)[0], np.sort(X, axis=0)[:2])
    same(CHUNKED.trace(1), X.trace(1))
    same(CHUNKED.diagonal(-1), X.diagonal(-1))
    same(sw.sort(V).searchsorted([0, 1.0]), np.sort(V).searchsorted([0, 1.0]))
    same(CHUNKED.to_numpy(), X)
    for function in (CHUNKED.map_blocks, lambda f: CHUNKED.map_overlap(f, 1), lambda f: sw.blockwise(f, "ij", X, "ij")):
        with pytest.raises(TypeError, match="is a function, not of type int"):
            function(3)


def test_bytes():
    for mine, x in ((CHUNKED, X), (CHUNKED.T[1:, ::2], X.T[1:, ::2]), (sw.int8([[1, 2], [3, 4]]), np.int8([[1, 2], [3, 4]]))):
        assert mine.tobytes() == x.tobytes() and mine.tobytes("F") == x.tobytes("F")
    assert sw.asarray([]).tobytes() == b""


@pytest.mark.parametrize(
    "key, rows, columns",
    [
        (0, slice(0, 5), slice(None)),
        ((0, 0), slice(0, 5), slice(0, 3)),
        ((-1, -1), slice(10, 12), slice(6, 8)),
        (slice(None, 2), slice(0, 10), slice(None)),
        ((slice(None), 1), slice(None), slice(3, 6)),
        ((..., 0), slice(None), slice(0, 3)),
        ([2, 0], np.r_[10:12, 0:5], slice(None)),
        (slice(None, None, -1), np.r_[10:12, 5:10, 0:5], slice(None)),
        (np.asarray([1, 2]), slice(5, 12), slice(None)),
        (slice(1, 1), slice(0, 0), slice(None)),
    ],
)
def test_blocks(key, rows, columns):
    found = CHUNKED.blocks[key]
    same(found, X[rows][:, columns])
    assert found.chunksize == tuple(max(1, min(length, chunk)) for length, chunk in zip(found.shape, (5, 3)))


def test_blocks_that_there_are_not():
    assert (CHUNKED.blocks.shape, CHUNKED.blocks.size, len(CHUNKED.blocks.ravel())) == ((3, 3), 9, 9)
    huge = sw.ones((10**6, 10**6), chunks=(1000, 1000))
    assert huge.blocks[7, -1].shape == (1000, 1000)
    for key in (3, (0, 0, 0), "a", 1.5, True, [0, 3]):
        with pytest.raises(IndexError):
            CHUNKED.blocks[key]


def test_order_by_columns():
    same(CHUNKED.reshape(8, 12, order="F"), X.reshape(8, 12, order="F"))
    same(CHUNKED.ravel("F"), X.ravel("F"))
    with pytest.raises(ValueError, match="order"):
        CHUNKED.reshape(-1, order="B")


def test_permutations():
    values = sw.random.default_rng(3).permutation(1000)
    assert sorted(values.tolist()) == list(range(1000)) and values.tolist() != list(range(1000))
    one, other = (sw.random.default_rng(3).permutation(sw.from_array(X, chunks=chunks)) for chunks in ((12, 8), (5, 3)))
    same(one, np.asarray(other))
    same(sw.sort(one, axis=0), np.sort(X, axis=0))
    across = sw.random.default_rng(3).permutation(X, axis=1)
    same(sw.sort(across, axis=1), np.sort(X, axis=1))
    # All of six orders of three elements, about equally often.
    draw = sw.random.default_rng(0)
    counts = np.unique([tuple(draw.permutation(3).tolist()) for _ in range(300)], axis=0, return_counts=True)[1]
    assert len(counts) == 6 and counts.min() > 25


def test_choices():
    generator = sw.random.default_rng
    shares = np.bincount(generator(1).choice(3, 20000, p=[0.2, 0.0, 0.8]).to_numpy(), minlength=3) / 20000
    np.testing.assert_allclose(shares, [0.2, 0.0, 0.8], atol=0.02)
    shares = np.bincount(generator(1).choice(4, 20000).to_numpy()) / 20000
    np.testing.assert_allclose(shares, [0.25] * 4, atol=0.02)
    same(sw.sort(generator(1).choice(V, 12, replace=False)), np.sort(V))
    assert generator(1).choice(X, (2, 3), axis=1).shape == (12, 2, 3)
    assert generator(1).choice([1.5, 2.5]).shape == ()
    one, other = (
        generator(7).choice(sw.from_array(V, chunks=chunks), 50, p=sw.from_array(np.ones(12) / 12, chunks=chunks))
        for chunks in (12, 5)
    )
    same(one, np.asarray(other))
    # The first of those that are drawn without replacement has the probabilities themselves.
    draw = generator(2)
    firsts = [int(draw.choice(3, 2, replace=False, p=[0.6, 0.3, 0.1])[0]) for _ in range(600)]
    np.testing.assert_allclose(np.bincount(firsts, minlength=3) / 600, [0.6, 0.3, 0.1], atol=0.07)


@pytest.mark.parametrize(
    "arguments, error",
    [
        ({"a": 3, "size": 4, "replace": False}, ValueError),
        ({"a": 3, "size": 3, "replace": False, "p": [0.5, 0.5, 0.0]}, ValueError),
        ({"a": 3, "p": [0.5, 0.6, 0.2]}, ValueError),
        ({"a": 3, "p": [-0.5, 1.5, 0.0]}, ValueError),
        ({"a": 3, "p": [0.5, np.nan, 0.5]}, ValueError),
        ({"a": 3, "p": [0.5, 0.5]}, ValueError),
        ({"a": 0}, ValueError),
        ({"a": -1, "size": 0}, ValueError),
        ({"a": []}, ValueError),
        ({"a": 1.5}, TypeError),
        ({"a": "abc"}, TypeError),
        ({"a": [1, 2], "axis": 1}, sw.AxisError),
    ],
)
def test_choices_that_there_are_not(arguments, error):
    with pytest.raises(error):
        sw.random.default_rng(1).choice(**arguments)


def test_nothing_works_in_place():
    with pytest.raises(TypeError, match="not shuffled in place.*permutation"):
        sw.random.default_rng(1).shuffle(CHUNKED)
    with pytest.raises(AttributeError, match=r"no method works in place; write x = swath.sort\(x\)"):
        CHUNKED.sort()
    with pytest.raises(AttributeError, match="has no attribute 'foo'$"):
        CHUNKED.foo
    assert pickle.loads(pickle.dumps(CHUNKED)).shape == X.shape


@pytest.mark.parametrize("width", [-1, (1, -2), ((0, 0), (-1, 0))])
def test_negative_padding(width):
    with pytest.raises(ValueError, match="0 elements or more"):
        sw.pad(CHUNKED, width)


FRAME = {"k": ["a", "b", "a"], "x": [1, 2, 3], "y": [0.5, None, 1.5]}


def test_names_of_pandas_say_what_there_is_instead():
    frame = sw.DataFrame(FRAME)
    for name, instead in [("groupby", "group_by"), ("merge", "join"), ("x", r"frame\['x'\]"), ("fillna", "fill_null")]:
        with pytest.raises(AttributeError, match=f"no attribute '{name}': .*{instead}"):
            getattr(frame, name)
    with pytest.raises(AttributeError, match=r"no attribute 'isna': write is_null\(\)"):
        frame["x"].isna()
    for value in (frame, frame["x"]):
        with pytest.raises(AttributeError, match="no attribute 'foo'$"):
            value.foo


def test_columns_of_groups():
    groups = sw.DataFrame(FRAME).group_by("k")
    assert groups["x"].sum().sort("k").to_pydict() == {"k": ["a", "b"], "x": [4, 2]}
    assert groups[["y", "x"]].max().columns == ["k", "y", "x"]
    with pytest.raises(KeyError):
        groups["z"]


def test_frames_in_passing():
    frame = sw.DataFrame(FRAME)
    assert frame.select(round(sw.col("y"), 0)).to_pydict() == {"y": [1.0, None, 2.0]}
    with pytest.raises(TypeError, match="explode takes columns of lists, and 'x' is int64"):
        frame.explode("x")
    with pytest.raises(TypeError, match="a path is a str or a Path, not int"):
        sw.read_csv(3)
    assert frame.fill_null({"y": 9.0}).to_pydict()["y"] == [0.5, 9.0, 1.5]
    with pytest.raises(KeyError):
        frame.fill_null({"z": 1})
    with pytest.raises(ValueError, match="not both"):
        frame.fill_null({"y": 1}, ["y"])
    for array in (np.zeros((2, 2)), sw.zeros((2, 2)), np.zeros(3)):
        with pytest.raises(TypeError, match="to_frame"):
            sw.DataFrame(array)


def test_dates_and_timedeltas():
    day = datetime.date(2024, 3, 1)
    frame = sw.DataFrame({"d": [day, None]})
    for delta in (datetime.timedelta(days=1), datetime.timedelta(hours=36), datetime.timedelta(days=-400, hours=1)):
        for made, expected in [(sw.col("d") + delta, day + delta), (delta + sw.col("d"), day + delta), (sw.col("d") - delta, day - delta)]:
            found = frame.select(x=made)
            assert found.schema == {"x": "date"} and found.to_pydict() == {"x": [expected, None]}

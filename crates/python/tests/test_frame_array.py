"""Frames as arrays, and arrays as frames."""

import numpy as np
import pytest

import swath as sw
from swath import col


def test_columns_become_an_array():
    frame = sw.DataFrame({"x": [1, 2, 3], "y": [0.5, None, 2.5], "s": ["a", "b", "c"]})
    x = frame.to_array("x")
    assert x.shape == (3,) and x.dtype == sw.int64
    assert (x + 1).tolist() == [2, 3, 4]
    both = frame.to_array("x", "y")
    assert both.shape == (3, 2) and both.dtype == sw.float64
    np.testing.assert_array_equal(np.asarray(both), [[1, 0.5], [2, np.nan], [3, 2.5]])
    assert frame.to_array("x", as_matrix=True).shape == (3, 1)
    assert frame.select("x").to_array().shape == (3, 1)


def test_the_frame_runs_with_the_array():
    frame = sw.DataFrame({"x": list(range(10))}).filter(col("x") % 2 == 0).sort("x").select(x="x * 10")
    array = frame.to_array("x")
    assert array.shape == (5,)
    assert sw.sum(array * 2).tolist() == 400
    assert array.tolist() == [0, 20, 40, 60, 80]


def test_large_frames_become_arrays():
    values = np.random.default_rng(3).normal(size=300_000)
    array = sw.DataFrame({"v": values}).to_array("v")
    np.testing.assert_array_equal(np.asarray(array), values)
    np.testing.assert_allclose(float(sw.sum(array)), values.sum(), rtol=1e-12)


def test_files_become_arrays(tmp_path):
    sw.DataFrame({"x": np.arange(1000.0), "y": np.arange(1000.0) ** 2}).write_parquet(tmp_path / "t.parquet")
    array = sw.read_parquet(tmp_path / "t.parquet").sort("x").to_array()
    assert array.shape == (1000, 2)
    assert np.asarray(array)[:, 1].sum() == (np.arange(1000.0) ** 2).sum()


def test_arrays_become_frames():
    array = sw.arange(6).reshape(3, 2) * 2
    frame = array.to_frame(["x", "y"])
    assert frame.columns == ["x", "y"]
    assert frame.filter("x > 0").to_pydict() == {"x": [4, 8], "y": [6, 10]}
    assert array.to_frame().columns == ["column_0", "column_1"]
    assert sw.arange(3).to_frame("n").to_pydict() == {"n": [0, 1, 2]}
    assert sw.sql("SELECT sum(n) AS s FROM t", t=sw.arange(5).to_frame("n")).item() == 10


def test_frames_and_arrays_go_round():
    frame = sw.DataFrame({"x": [3.0, 1.0, 2.0]})
    scaled = (frame.to_array("x") / 2).to_frame("half").sort("half")
    assert scaled.to_pydict() == {"half": [0.5, 1.0, 1.5]}
    assert sw.DataFrame({"n": sw.arange(3)}).to_pydict() == {"n": [0, 1, 2]}


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: sw.DataFrame({"s": ["a"]}).to_array("s"), (TypeError, ValueError), "'s'|string|Utf8"),
        (lambda: sw.DataFrame({"x": [1]}).to_array("z"), KeyError, "no column 'z'"),
        (lambda: np.asarray(sw.DataFrame({"x": [1, None]}).to_array("x")), ValueError, "null"),
        (lambda: sw.arange(8).reshape(2, 2, 2).to_frame(["x"]), ValueError, "3|axes"),
        (lambda: sw.arange(4).reshape(2, 2).to_frame(["x"]), ValueError, "1|name"),
        (lambda: sw.arange(4).to_frame(1), TypeError, "names of columns"),
    ],
)
def test_what_cannot_be_made_says_so(make, error, match):
    with pytest.raises(error, match=match):
        make()

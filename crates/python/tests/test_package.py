"""The package: importing it, laziness, errors, Ctrl-C, NumPy's names."""

import _thread
import doctest
import importlib
import pkgutil
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
from oracle import check

import swath as sw


def python(program):
    """What a new interpreter prints."""
    command = [sys.executable, "-c", textwrap.dedent(program)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_import_starts_nothing():
    program = """
        import os, sys
        import swath
        threads = len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 1
        heavy = {"numpy", "pandas", "pyarrow", "torch", "IPython"} & set(sys.modules)
        print(threads, sorted(heavy))
    """
    assert python(program) == "1 []"


def test_it_works_without_numpy():
    program = """
        import sys
        sys.modules["numpy"] = None
        import swath as sw
        x = sw.arange(6).reshape(2, 3)
        print((x + 1).sum(axis=0).tolist(), float(x.mean()))
    """
    assert python(program) == "[5, 7, 9] 2.5"


MODULES = [
    name
    for _, name, _ in pkgutil.walk_packages(sw.__path__, "swath.")
    if not name.startswith("swath._frame") and name != "swath._swath"
]


@pytest.mark.parametrize("name", ["swath", *MODULES])
def test_examples(name):
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert failed == 0


def test_expressions_are_lazy():
    x = sw.ones((10**6, 10**6), chunks=(1000, 1000))
    y = (x + 1).T * 2
    assert y.nbytes == 8 * 10**12 and y.numblocks == (1000, 1000)
    assert float(y[5, 7]) == 4.0
    assert y[:2, :3].tolist() == [[4.0] * 3] * 2


def test_building_does_not_depend_on_chunks():
    x = sw.zeros(10**6, chunks=1)
    started = time.perf_counter()
    plan = (x + x.T * 2).sum().explain()
    assert time.perf_counter() - started < 0.1
    assert "Sum" in plan


def test_compute_persist_explain_receipt():
    x = sw.arange(1000, chunks=100) * 2
    assert x.receipt is None and "result" in x.explain()
    values = x.compute()
    assert isinstance(values, np.ndarray) and values.tolist() == list(range(0, 2000, 2))
    kept = (x + 1).persist()
    assert kept.explain().endswith("the values are known") and kept.tolist() == [i + 1 for i in range(0, 2000, 2)]
    y = x.sum()
    assert int(y.compute()) == 999000
    assert "Sum" in y.receipt and "ms" in y.receipt


def test_progress(capsys):
    sw.random.seed(1)
    with sw.ProgressBar(file=sys.stderr):
        x = sw.random.default_rng(1).normal(size=(3000, 4000), chunks=500)
        float(sw.sqrt(x * x).std())
    shown = capsys.readouterr().err
    assert shown == "" or "blocks" in shown


def test_control_c_stops_work():
    x = sw.random.default_rng(1).normal(size=(10**5, 10**5))
    threading.Timer(0.5, _thread.interrupt_main).start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        sw.sin(x).sum().compute()
    assert time.monotonic() - started < 20


def test_other_threads_run_meanwhile():
    ticks, stop = [], threading.Event()

    def tick():
        while not stop.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        sw.sin(sw.random.default_rng(1).normal(size=(2000, 2000))).sum().compute()
    finally:
        stop.set()
        thread.join()
    assert len(ticks) > 3


def test_threads_share_arrays():
    x = sw.arange(100000, chunks=1000)
    results = []
    threads = [threading.Thread(target=lambda: results.append(int((x * 2).sum()))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [9999900000] * 8


def test_errors_are_those_of_numpy():
    x = sw.ones((2, 3))
    with pytest.raises(ValueError, match=r"\(2, 3\)"):
        x.reshape(5)
    with pytest.raises(sw.AxisError, match="axis 2"):
        x.sum(axis=2)
    with pytest.raises(TypeError):
        x & x
    with pytest.raises(MemoryError):
        sw.ones(2**50).compute()
    with pytest.raises(ValueError):
        sw.ones(2**62, chunks=1).reshape(2**31, 2**31, 2)


def test_random_numbers_do_not_depend_on_chunks():
    for draw in ("random", "standard_normal"):
        one, other = (getattr(sw.random.default_rng(5), draw)((50, 70), chunks=chunks) for chunks in (None, (7, 13)))
        assert sw.array_equal(one, other)
    rng = sw.random.default_rng(5)
    assert not sw.array_equal(rng.random(10), rng.random(10))
    x = sw.random.default_rng(0).normal(3, 2, 100000)
    assert abs(float(x.mean()) - 3) < 0.05 and abs(float(x.std()) - 2) < 0.05
    y = sw.random.default_rng(0).integers(0, 10, 10000, dtype="int8")
    assert y.dtype == sw.int8 and (int(y.min()), int(y.max())) == (0, 9)


def test_files(tmp_path):
    x = sw.arange(24, chunks=6).reshape(4, 6) * 1.5
    for name in ("x.npy", "x.zarr", "x.safetensors"):
        sw.save(tmp_path / name, x)
        assert sw.array_equal(sw.load(tmp_path / name), x)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), np.asarray(x))
    np.save(tmp_path / "y.npy", np.asarray(x))
    assert sw.load(tmp_path / "*.npy").shape == (8, 6)
    with pytest.raises(FileNotFoundError, match="no file matches"):
        sw.load("nowhere/*.npy")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        sw.load(tmp_path / "nowhere.npy")
    (tmp_path / "z.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:-8])
    with pytest.raises(OSError, match="z.npy"):
        sw.load(tmp_path / "z.npy").compute()


def test_functions_of_blocks():
    x = sw.arange(12, chunks=4)
    sizes = []
    y = sw.map_blocks(lambda block: (sizes.append(block.size), block * 2)[1], x, dtype=x.dtype)
    assert sizes == [] and y.tolist() == list(range(0, 24, 2)) and sizes == [4, 4, 4]
    smooth = sw.map_overlap(lambda b: b + np.roll(b, 1) + np.roll(b, -1), x, 1, "periodic")
    values = np.arange(12)
    assert smooth.tolist() == (values + np.roll(values, 1) + np.roll(values, -1)).tolist()

    def fails(block):
        raise IndexError("not here")

    with pytest.raises(IndexError, match="not here"):
        sw.map_blocks(fails, x, dtype=x.dtype).compute()


A = np.array([[3.0, 1.0, np.nan], [4.0, -1.0, 5.0]])
B = np.array([[3, 1, 2], [4, -1, 5]])

SAME_AS_NUMPY = [
    lambda m: m.sum(m.asarray(B), 0),
    lambda m: m.mean(m.asarray(B), axis=1, keepdims=True),
    lambda m: m.var(m.asarray(B), ddof=1),
    lambda m: m.nansum(m.asarray(A), axis=0),
    lambda m: m.nanmean(m.asarray(A), axis=0),
    lambda m: m.nanmax(m.asarray(A)),
    lambda m: m.nanstd(m.asarray(A), axis=1),
    lambda m: m.nanargmin(m.asarray(A), axis=1),
    lambda m: m.ptp(m.asarray(B), axis=0),
    lambda m: m.cumsum(m.asarray(B)),
    lambda m: m.cumprod(m.asarray(B), axis=1),
    lambda m: m.diff(m.asarray(B), 1, 0),
    lambda m: m.average(m.asarray(B), axis=1, weights=m.asarray([1, 2, 3])),
    lambda m: m.concatenate([m.asarray(B), m.asarray(B)], axis=1),
    lambda m: m.vstack([[1, 2], [3, 4]]),
    lambda m: m.hstack([m.asarray([1]), m.asarray([2])]),
    lambda m: m.column_stack([m.asarray([1, 2]), m.asarray([3, 4])]),
    lambda m: m.transpose(m.asarray(B)),
    lambda m: m.swapaxes(m.zeros((1, 2, 3)), 0, 2),
    lambda m: m.pad(m.asarray(B), ((1, 0), (0, 2))),
    lambda m: m.pad(m.asarray([1, 2, 3]), 2, mode="reflect"),
    lambda m: m.rot90(m.asarray(B)),
    lambda m: m.tile(m.asarray([1, 2]), (2, 2)),
    lambda m: m.linspace(0, 1, 5),
    lambda m: m.logspace(0, 2, 3),
    lambda m: m.diag(m.asarray([1, 2, 3]), 1),
    lambda m: m.diag(m.asarray([1, 2, 3]), -2),
    lambda m: m.diag(m.asarray(B)),
    lambda m: m.tri(3),
    lambda m: m.take(m.asarray(B), m.asarray([0, 2]), axis=1),
    lambda m: m.where(m.asarray(B) > 2, 1.5, 0),
    lambda m: m.select([m.asarray(B) > 3, m.asarray(B) > 1], [m.asarray(B), -m.asarray(B)], 7),
    lambda m: m.argwhere(m.asarray(B) > 2),
    lambda m: m.compress([True, False], m.asarray(B), axis=0),
    lambda m: m.isclose(m.asarray(A), m.asarray(A), equal_nan=True),
    lambda m: m.nan_to_num(m.asarray(A)),
    lambda m: m.round(m.asarray([1.234, 5.678]), 1),
    lambda m: m.clip(m.asarray(B), 0, 3),
    lambda m: m.fmax(m.asarray(A), 2.0),
    lambda m: m.heaviside(m.asarray(A), 0.5),
    lambda m: m.deg2rad(m.asarray([180.0])),
    lambda m: m.cbrt(m.asarray([27.0])),
    lambda m: m.power(m.asarray(B), 2),
    lambda m: m.arctan2(m.asarray([1.0]), m.asarray([2.0])),
    lambda m: m.dot(m.asarray(B), m.asarray([1, 2, 3])),
    lambda m: m.outer(m.asarray([1, 2]), m.asarray([3, 4])),
    lambda m: m.inner(m.asarray(B), m.asarray(B)),
    lambda m: m.kron(m.asarray([1, 2]), m.asarray([[1, 10]])),
    lambda m: m.einsum("ij,ik->jk", m.asarray(B), m.asarray(B)),
    lambda m: m.trace(m.asarray(B)),
    lambda m: m.linalg.norm(m.asarray(B)),
    lambda m: m.linalg.norm(m.asarray(B), ord=1, axis=(0, 1)),
    lambda m: m.fft.fft2(m.asarray(B)),
    lambda m: m.fft.rfft(m.asarray([1.0, 2.0, 3.0]), 4),
    lambda m: m.unique(m.asarray([3, 1, 3]), return_counts=True),
    lambda m: m.searchsorted(m.asarray([1, 3, 5]), m.asarray([3, 4])),
    lambda m: m.sort(m.asarray(B), axis=0),
    lambda m: m.argsort(m.asarray(B), axis=None),
    lambda m: m.interp(m.asarray([0.5, 2.0, -1.0]), m.asarray([0.0, 1.0]), m.asarray([0.0, 10.0])),
    lambda m: m.median(m.asarray(B), axis=0),
    lambda m: m.nanmedian(m.asarray(A), axis=1),
    lambda m: m.quantile(m.asarray(B), [0.1, 0.75], axis=1),
    lambda m: m.percentile(m.asarray(B), 30),
    lambda m: m.histogram(m.asarray(B), bins=4),
    lambda m: m.histogram(m.asarray([0.5, 1.5, 1.6]), bins=[0.0, 1.0, 2.0], density=True),
    lambda m: m.bincount(m.asarray([1, 3, 3])),
    lambda m: m.digitize(m.asarray([0.5, 1.5]), m.asarray([0.0, 1.0, 2.0])),
    lambda m: m.intersect1d(m.asarray([1, 2]), m.asarray([2, 3])),
    lambda m: m.union1d(m.asarray([1, 2]), m.asarray([2, 3])),
    lambda m: m.cov(m.asarray(B)),
    lambda m: m.corrcoef(m.asarray(B)),
    lambda m: m.split(m.asarray(B), 3, axis=1),
    lambda m: m.array_split(m.asarray([1, 2, 3]), 2),
    lambda m: m.atleast_3d(m.asarray(B)),
    lambda m: m.full((2, 2), 3),
    lambda m: m.eye(2, 3, 1),
    lambda m: m.indices((2, 3)),
    lambda m: m.meshgrid(m.asarray([1, 2]), m.asarray([3, 4])),
    lambda m: m.fromfunction(lambda i, j: i * j, (2, 3)),
]


@pytest.mark.parametrize("number", range(len(SAME_AS_NUMPY)))
def test_numpy_names(number):
    function = SAME_AS_NUMPY[number]
    expected = function(np)
    if isinstance(expected, np.ndarray) and isinstance(function(sw), (list, tuple)):
        expected = list(expected)
    check(function(sw), expected, rtol=1e-12, atol=1e-12)

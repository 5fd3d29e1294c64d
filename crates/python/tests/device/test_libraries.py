"""Work that NVIDIA's libraries do where they are there, and the CPU where they are not."""

import os

import numpy as np
import pytest

import swath as sw
from swath import array_api as xp

IS_OFF = os.environ["SWATH_CUSOLVER"] == "off"
VALUES = np.arange(16.0).reshape(4, 4) % 7 + np.eye(4)

WORK = {
    "cuSOLVER": [
        (lambda x: xp.linalg.solve(x, x[:, 0]), lambda x: np.linalg.solve(x, x[:, 0])),
        (xp.linalg.inv, np.linalg.inv),
        (lambda x: xp.linalg.cholesky(x @ x.T), lambda x: np.linalg.cholesky(x @ x.T)),
        (lambda x: xp.linalg.svdvals(x), lambda x: np.linalg.svd(x, compute_uv=False)),
        (lambda x: xp.linalg.eigh(x + x.T).eigenvalues, lambda x: np.linalg.eigh(x + x.T).eigenvalues),
        (lambda x: xp.abs(xp.linalg.qr(x).R), lambda x: np.abs(np.linalg.qr(x).R)),
    ],
    "cuFFT": [
        (lambda x: xp.fft.fft(x + 0j), lambda x: np.fft.fft(x + 0j)),
        (lambda x: xp.fft.irfft(xp.fft.rfft(x, axis=0), n=7, axis=0), lambda x: np.fft.irfft(np.fft.rfft(x, axis=0), n=7, axis=0)),
    ],
}
CASES = [(library, ours, theirs) for library, work in WORK.items() for ours, theirs in work]


@pytest.mark.parametrize("library, ours, theirs", CASES)
def test_work_of_a_library(library, ours, theirs):
    made = ours(xp.asarray(VALUES) + 0)
    np.testing.assert_allclose(np.asarray(made.compute()), theirs(VALUES), atol=1e-12)
    receipt = str(made.receipt)
    if IS_OFF:
        assert f"SWATH_{library.upper()} is off" in receipt, receipt
    else:
        assert f"by {library} " in receipt, receipt


@pytest.mark.skipif(not IS_OFF, reason="the libraries are there")
def test_where_the_cpu_is_forbidden():
    sw.options.fallback = "error"
    try:
        with pytest.raises(NotImplementedError, match="SWATH_CUFFT is off.*forbids the CPU"):
            xp.fft.fft(xp.asarray(VALUES) + 0j).compute()
    finally:
        sw.options.fallback = "allow"


@pytest.mark.skipif(IS_OFF, reason="there are no libraries")
def test_a_singular_matrix():
    with pytest.raises(np.linalg.LinAlgError, match=r"singular matrix.*2, 2"):
        xp.linalg.inv(xp.asarray([[1.0, 2.0], [2.0, 4.0]]) + 0).compute()

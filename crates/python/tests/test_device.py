"""The tests of device memory, in a process with a simulated driver."""

import os
import pathlib
import subprocess
import sys

import pytest


def test_on_a_simulated_device(tmp_path):
    if "SWATH_TEST_DRIVER" not in os.environ:
        pytest.skip("no simulated driver was given: run `cargo xtask python-test`")
    tests = pathlib.Path(__file__).parent
    own = {
        "SWATH_DRIVER": os.environ["SWATH_TEST_DRIVER"],
        "SWATH_NVRTC": os.environ["SWATH_TEST_NVRTC"],
        "SWATH_CUBLAS": os.environ["SWATH_TEST_CUBLAS"],
        "SWATH_TEST_IN_DEVICE_PROCESS": "1",
        "CUDASIM_DEVICES": "2",
        "XDG_CACHE_HOME": str(tmp_path),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", "device"]
    ran = subprocess.run(command, cwd=tests, env={**os.environ, **own}, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stdout + ran.stderr

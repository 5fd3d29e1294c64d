"""The tests of device memory and libraries, in processes with a simulated driver."""

import os
import pathlib
import subprocess
import sys

import pytest

LIBRARIES = ["CUBLAS", "CUSOLVER", "CUFFT"]


def run(tmp_path, tests, libraries):
    if "SWATH_TEST_DRIVER" not in os.environ:
        pytest.skip("no simulated driver was given: run `cargo xtask python-test`")
    own = {
        "SWATH_DRIVER": os.environ["SWATH_TEST_DRIVER"],
        "SWATH_NVRTC": os.environ["SWATH_TEST_NVRTC"],
        "SWATH_TEST_IN_DEVICE_PROCESS": "1",
        "CUDASIM_DEVICES": "2",
        "XDG_CACHE_HOME": str(tmp_path),
    }
    own |= {f"SWATH_{name}": library for name, library in libraries.items()}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", *tests]
    folder = pathlib.Path(__file__).parent
    ran = subprocess.run(command, cwd=folder, env={**os.environ, **own}, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_on_a_simulated_device(tmp_path):
    run(tmp_path, ["device"], {name: os.environ.get(f"SWATH_TEST_{name}", "") for name in LIBRARIES})


def test_without_libraries(tmp_path):
    run(tmp_path, ["device/test_libraries.py"], dict.fromkeys(LIBRARIES, "off"))

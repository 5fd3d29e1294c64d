"""Sets the session up: arrays run on the device."""

import pytest

import swath as sw


@pytest.fixture(autouse=True)
def on_device():
    sw.options.placement = "device"
    yield

"""What all tests of arrays share: how examples are drawn."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "quick",
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
settings.register_profile(
    "thorough", parent=settings.get_profile("quick"), max_examples=500, derandomize=False, print_blob=True
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

# Tests on a device have a process of their own, which `test_device.py` starts: the driver is chosen once in a process.
collect_ignore = [] if "SWATH_TEST_IN_DEVICE_PROCESS" in os.environ else ["device"]

"""Names and signatures of the namespace are the standard's."""

import inspect

import pytest
from oracle import strict

import swath
from swath import array_api as xp

IGNORED = {"get_array_api_strict_flags", "set_array_api_strict_flags", "reset_array_api_strict_flags"}
# The standard has a default, and keyword alone, where the oracle follows a later version.
DIFFERENT = {"expand_dims"}


def functions(module):
    own = (name for name in dir(module) if not name.startswith("_") and name not in IGNORED)
    return [name for name in own if inspect.isfunction(getattr(module, name))]


def namespaces():
    for name in functions(strict):
        yield pytest.param(xp, strict, name, id=name)
    for extension in ("linalg", "fft"):
        module = getattr(strict, extension)
        for name in module.__all__:
            if name in ("eig", "eigvals"):  # of the version after
                continue
            yield pytest.param(getattr(xp, extension), module, name, id=f"{extension}.{name}")


@pytest.mark.parametrize("ours, theirs, name", namespaces())
def test_signature(ours, theirs, name):
    assert name in ours.__all__
    mine, other = (list(inspect.signature(getattr(module, name)).parameters.values()) for module in (ours, theirs))
    if name in DIFFERENT:
        return
    assert [parameter.name for parameter in mine] == [parameter.name for parameter in other]
    for one, two in zip(mine, other):
        assert one.kind == two.kind, one
        undefined = "Undef" in type(two.default).__name__
        assert one.default == (None if undefined else two.default), one


@pytest.mark.parametrize("module", [xp, xp.linalg, xp.fft, swath, swath.linalg, swath.fft, swath.random])
def test_everything_public_is_documented(module):
    for name in module.__all__:
        value = getattr(module, name)
        if callable(value):
            assert value.__doc__, name


def test_constants():
    assert xp.e == strict.e and xp.pi == strict.pi and xp.inf == float("inf")
    assert xp.nan != xp.nan and xp.newaxis is None
    assert xp.__array_api_version__ == "2024.12"


METHODS = [name for name in dir(strict.asarray(1)) if name.startswith("__") and name not in dir(object)]


@pytest.mark.parametrize("name", [*METHODS, "dtype", "device", "mT", "T", "ndim", "shape", "size", "to_device"])
def test_array_has(name):
    if name in ("__buffer__", "__annotations__", "__slots__", "__weakref__"):
        pytest.skip("not the standard's")
    assert hasattr(xp.ones((1, 1)), name)

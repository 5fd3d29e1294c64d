"""The standard's extension for discrete Fourier transforms.

`n` and `s` cut the input, or pad it with zeros; ``norm`` says which direction divides by the length: "backward", "forward",
or both by its root ("ortho").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from swath import _swath
from swath._swath import Array, DType

__all__ = [
    "fft",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfftn",
    "rfft",
    "rfftfreq",
    "rfftn",
]

Norm = Literal["backward", "ortho", "forward"]


def fft(x: Array, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Array:
    """The discrete Fourier transform along an axis.

    >>> fft(_swath.asarray([1.0, 1.0])).shape
    (2,)
    """
    return _swath.transform("fft", x, n, axis, norm)


def ifft(x: Array, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Array:
    """The inverse of `fft`.

    >>> ifft(_swath.asarray([2.0, 0.0])).shape
    (2,)
    """
    return _swath.transform("ifft", x, n, axis, norm)


def rfft(x: Array, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Array:
    """The discrete Fourier transform of real values: the half that tells the other.

    >>> rfft(_swath.asarray([1.0, 1.0])).shape
    (2,)
    """
    return _swath.transform("rfft", x, n, axis, norm)


def irfft(x: Array, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Array:
    """The inverse of `rfft`: real values.

    >>> irfft(_swath.asarray([2.0, 0.0])).shape
    (2,)
    """
    return _swath.transform("irfft", x, n, axis, norm)


def hfft(x: Array, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Array:
    """The discrete Fourier transform of values with Hermitian symmetry: real values.

    >>> hfft(_swath.asarray([1.0, 1.0])).shape
    (2,)
    """
    return _swath.transform("hfft", x, n, axis, norm)


def ihfft(x: Array, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Array:
    """The inverse of `hfft`.

    >>> ihfft(_swath.asarray([2.0, 0.0])).shape
    (2,)
    """
    return _swath.transform("ihfft", x, n, axis, norm)


def fftn(
    x: Array,
    /,
    *,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: Norm = "backward",
) -> Array:
    """The discrete Fourier transform along several axes.

    >>> fftn(_swath.full((2, 4), 1.0)).shape
    (2, 4)
    """
    return _swath.transform_axes("fftn", x, s, axes, norm)


def ifftn(
    x: Array,
    /,
    *,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: Norm = "backward",
) -> Array:
    """The inverse of `fftn`.

    >>> ifftn(_swath.full((2, 4), 1.0)).shape
    (2, 4)
    """
    return _swath.transform_axes("ifftn", x, s, axes, norm)


def rfftn(
    x: Array,
    /,
    *,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: Norm = "backward",
) -> Array:
    """The discrete Fourier transform of real values along several axes.

    >>> rfftn(_swath.full((2, 4), 1.0)).shape
    (2, 3)
    """
    return _swath.transform_axes("rfftn", x, s, axes, norm)


def irfftn(
    x: Array,
    /,
    *,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: Norm = "backward",
) -> Array:
    """The inverse of `rfftn`: real values.

    >>> irfftn(_swath.full((2, 4), 1.0)).shape
    (2, 6)
    """
    return _swath.transform_axes("irfftn", x, s, axes, norm)


def fftfreq(n: int, /, *, d: float = 1.0, dtype: DType | None = None, device: Any = None) -> Array:
    """The frequencies of `fft` for `n` samples that are `d` apart.

    >>> fftfreq(4).tolist()
    [0.0, 0.25, -0.5, -0.25]
    """
    _check(device)
    return _swath.frequencies("fftfreq", n, d, dtype)


def rfftfreq(n: int, /, *, d: float = 1.0, dtype: DType | None = None, device: Any = None) -> Array:
    """The frequencies of `rfft` for `n` samples that are `d` apart.

    >>> rfftfreq(4).tolist()
    [0.0, 0.25, 0.5]
    """
    _check(device)
    return _swath.frequencies("rfftfreq", n, d, dtype)


def fftshift(x: Array, /, *, axes: int | Sequence[int] | None = None) -> Array:
    """The frequency 0 moved to the middle.

    >>> fftshift(_swath.asarray([0.0, 1.0, -2.0, -1.0])).tolist()
    [-2.0, -1.0, 0.0, 1.0]
    """
    return _swath.shift_frequencies("fftshift", x, axes)


def ifftshift(x: Array, /, *, axes: int | Sequence[int] | None = None) -> Array:
    """The inverse of `fftshift`.

    >>> ifftshift(_swath.asarray([-2.0, -1.0, 0.0, 1.0])).tolist()
    [0.0, 1.0, -2.0, -1.0]
    """
    return _swath.shift_frequencies("ifftshift", x, axes)


def _check(device: Any) -> None:
    if device is not None and device != "cpu":
        raise ValueError(f"'cpu' is the only device of arrays, and not {device!r}")

"""Discrete Fourier transforms with NumPy's names and order of arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from swath import _swath
from swath._swath import Array

__all__ = [
    "fft",
    "fft2",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftfreq",
    "rfftn",
]


def _one_axis(name: str, doc: str) -> Callable[..., Array]:
    def transform(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Array:
        return _swath.transform(name, a, n, axis, norm or "backward")

    transform.__name__ = transform.__qualname__ = name
    transform.__doc__ = doc
    return transform


def _axes(name: str, doc: str, default: tuple[int, int] | None = None) -> Callable[..., Array]:
    def transform(
        a: Any, s: Sequence[int] | None = None, axes: Sequence[int] | None = default, norm: str | None = None
    ) -> Array:
        return _swath.transform_axes(name if default is None else name[:-1] + "n", a, s, axes, norm or "backward")

    transform.__name__ = transform.__qualname__ = name
    transform.__doc__ = doc
    return transform


fft = _one_axis("fft", "The discrete Fourier transform along an axis.")
ifft = _one_axis("ifft", "The inverse of `fft`.")
rfft = _one_axis("rfft", "The discrete Fourier transform of real values.")
irfft = _one_axis("irfft", "The inverse of `rfft`.")
hfft = _one_axis("hfft", "The discrete Fourier transform of values with Hermitian symmetry.")
ihfft = _one_axis("ihfft", "The inverse of `hfft`.")
fftn = _axes("fftn", "The discrete Fourier transform along several axes.")
ifftn = _axes("ifftn", "The inverse of `fftn`.")
rfftn = _axes("rfftn", "The discrete Fourier transform of real values along several axes.")
irfftn = _axes("irfftn", "The inverse of `rfftn`.")
fft2 = _axes("fft2", "The discrete Fourier transform along two axes.", (-2, -1))
ifft2 = _axes("ifft2", "The inverse of `fft2`.", (-2, -1))
rfft2 = _axes("rfft2", "The discrete Fourier transform of real values along two axes.", (-2, -1))
irfft2 = _axes("irfft2", "The inverse of `rfft2`.", (-2, -1))


def fftfreq(n: int, d: float = 1.0) -> Array:
    """The frequencies of `fft` for `n` samples that are `d` apart.

    >>> fftfreq(4).tolist()
    [0.0, 0.25, -0.5, -0.25]
    """
    return _swath.frequencies("fftfreq", n, d)


def rfftfreq(n: int, d: float = 1.0) -> Array:
    """The frequencies of `rfft` for `n` samples that are `d` apart.

    >>> rfftfreq(4).tolist()
    [0.0, 0.25, 0.5]
    """
    return _swath.frequencies("rfftfreq", n, d)


def fftshift(x: Any, axes: int | Sequence[int] | None = None) -> Array:
    """The frequency 0 moved to the middle.

    >>> fftshift([0.0, 1.0, -2.0, -1.0]).tolist()
    [-2.0, -1.0, 0.0, 1.0]
    """
    return _swath.shift_frequencies("fftshift", x, axes)


def ifftshift(x: Any, axes: int | Sequence[int] | None = None) -> Array:
    """The inverse of `fftshift`.

    >>> ifftshift([-2.0, -1.0, 0.0, 1.0]).tolist()
    [0.0, 1.0, -2.0, -1.0]
    """
    return _swath.shift_frequencies("ifftshift", x, axes)

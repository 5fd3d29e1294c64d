"""Random numbers by counter (Philox): the same numbers whatever the chunks, the device or the machine.

>>> a = default_rng(7).random(3)
>>> a.tolist() == default_rng(7).random(3).tolist()
True
"""

from __future__ import annotations

import itertools
import os
from typing import Any

from swath import _swath
from swath._swath import Array, DType

__all__ = [
    "Generator",
    "default_rng",
    "exponential",
    "normal",
    "rand",
    "randint",
    "randn",
    "random",
    "seed",
    "standard_normal",
    "uniform",
]


class Generator:
    """Draws arrays, each from a sequence of its own of the seed's."""

    def __init__(self, seed: int | None = None):
        self.seed = int.from_bytes(os.urandom(8), "little") if seed is None else int(seed) % 2**64
        self._streams = itertools.count()

    def __repr__(self) -> str:
        return f"Generator(seed={self.seed})"

    def _draw(
        self, name: str, size: Any, dtype: DType | None, chunks: Any, first: Any, second: Any
    ) -> Array:
        shape = () if size is None else size
        return _swath.draw(name, self.seed, next(self._streams), shape, dtype, chunks, first, second)

    def random(self, size: Any = None, dtype: DType | None = None, *, chunks: Any = None) -> Array:
        """Numbers between 0, included, and 1, excluded.

        >>> default_rng(1).random((2, 3)).shape
        (2, 3)
        """
        return self._draw("uniform", size, dtype, chunks, 0.0, 1.0)

    def uniform(
        self, low: float = 0.0, high: float = 1.0, size: Any = None, *, dtype: DType | None = None, chunks: Any = None
    ) -> Array:
        """Numbers between two bounds.

        >>> x = default_rng(1).uniform(2, 3, 100)
        >>> bool(((x >= 2) & (x < 3)).all())
        True
        """
        return self._draw("uniform", size, dtype, chunks, float(low), float(high))

    def normal(
        self, loc: float = 0.0, scale: float = 1.0, size: Any = None, *, dtype: DType | None = None, chunks: Any = None
    ) -> Array:
        """Numbers of a normal distribution.

        >>> abs(float(default_rng(1).normal(5, 1, 10000).mean()) - 5) < 0.1
        True
        """
        return self._draw("normal", size, dtype, chunks, float(loc), float(scale))

    def standard_normal(self, size: Any = None, dtype: DType | None = None, *, chunks: Any = None) -> Array:
        """Numbers of the normal distribution with mean 0 and variance 1.

        >>> default_rng(1).standard_normal(4).shape
        (4,)
        """
        return self._draw("normal", size, dtype, chunks, 0.0, 1.0)

    def exponential(
        self, scale: float = 1.0, size: Any = None, *, dtype: DType | None = None, chunks: Any = None
    ) -> Array:
        """Numbers of an exponential distribution with mean `scale`.

        >>> bool((default_rng(1).exponential(2.0, 100) >= 0).all())
        True
        """
        return self._draw("exponential", size, dtype, chunks, float(scale), 0.0)

    def integers(
        self,
        low: int,
        high: int | None = None,
        size: Any = None,
        dtype: DType | None = None,
        endpoint: bool = False,
        *,
        chunks: Any = None,
    ) -> Array:
        """Integers from `low` to before `high`; from 0 to before `low` without `high`.

        >>> x = default_rng(1).integers(3, 6, 100)
        >>> bool(((x >= 3) & (x < 6)).all())
        True
        """
        low, high = (0, low) if high is None else (low, high)
        return self._draw("integers", size, dtype, chunks, int(low), int(high) + bool(endpoint))


def default_rng(seed: int | None = None) -> Generator:
    """A generator of a seed, or of one that the system draws.

    >>> default_rng(3)
    Generator(seed=3)
    """
    return Generator(seed)


_shared: Generator | None = None


def _generator() -> Generator:
    global _shared
    if _shared is None:
        _shared = Generator()
    return _shared


def seed(seed: int | None = None) -> None:
    """Begins the sequences of the functions of this module anew."""
    global _shared
    _shared = Generator(seed)


def random(size: Any = None, *, chunks: Any = None) -> Array:
    """Numbers between 0, included, and 1, excluded."""
    return _generator().random(size, chunks=chunks)


def rand(*shape: int) -> Array:
    """Numbers between 0, included, and 1, excluded."""
    return _generator().random(shape)


def randn(*shape: int) -> Array:
    """Numbers of the normal distribution with mean 0 and variance 1."""
    return _generator().standard_normal(shape)


def randint(low: int, high: int | None = None, size: Any = None, dtype: DType | None = None) -> Array:
    """Integers from `low` to before `high`."""
    return _generator().integers(low, high, size, dtype)


def uniform(low: float = 0.0, high: float = 1.0, size: Any = None, *, chunks: Any = None) -> Array:
    """Numbers between two bounds."""
    return _generator().uniform(low, high, size, chunks=chunks)


def normal(loc: float = 0.0, scale: float = 1.0, size: Any = None, *, chunks: Any = None) -> Array:
    """Numbers of a normal distribution."""
    return _generator().normal(loc, scale, size, chunks=chunks)


def standard_normal(size: Any = None, *, chunks: Any = None) -> Array:
    """Numbers of the normal distribution with mean 0 and variance 1."""
    return _generator().standard_normal(size, chunks=chunks)


def exponential(scale: float = 1.0, size: Any = None, *, chunks: Any = None) -> Array:
    """Numbers of an exponential distribution."""
    return _generator().exponential(scale, size, chunks=chunks)

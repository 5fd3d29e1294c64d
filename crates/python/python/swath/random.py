"""Random numbers by counter (Philox): the same numbers whatever the chunks, the device or the machine.

>>> a = default_rng(7).random(3)
>>> a.tolist() == default_rng(7).random(3).tolist()
True
"""

from __future__ import annotations

import itertools
import math
import operator
import os
from typing import Any

from swath import _swath
from swath._swath import Array, DType

__all__ = [
    "Generator",
    "choice",
    "default_rng",
    "exponential",
    "normal",
    "permutation",
    "rand",
    "randint",
    "randn",
    "random",
    "seed",
    "shuffle",
    "standard_normal",
    "uniform",
]


# How far from 1 the sum of probabilities may be: NumPy's own tolerance.
_TOTAL_TOLERANCE = 1.5e-8


class Generator:
    """Draws arrays, each from a sequence of its own of the seed's."""

    def __init__(self, seed: int | None = None):
        self.seed = int.from_bytes(os.urandom(8), "little") if seed is None else operator.index(seed) % 2**64
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
        """Numbers between two bounds, of each element its own where they are arrays.

        >>> x = default_rng(1).uniform(2, 3, 100)
        >>> bool(((x >= 2) & (x < 3)).all())
        True
        """
        if _is_array(low) or _is_array(high):
            low, high = _swath.asarray(low), _swath.asarray(high)
            return low + (high - low) * self.random(_joint(size, low, high), dtype, chunks=chunks)
        return self._draw("uniform", size, dtype, chunks, float(low), float(high))

    def normal(
        self, loc: float = 0.0, scale: float = 1.0, size: Any = None, *, dtype: DType | None = None, chunks: Any = None
    ) -> Array:
        """Numbers of a normal distribution, of each element its own where the mean or the deviation are arrays.

        >>> abs(float(default_rng(1).normal(5, 1, 10000).mean()) - 5) < 0.1
        True
        """
        if _is_array(loc) or _is_array(scale):
            loc, scale = _swath.asarray(loc), _swath.asarray(scale)
            return loc + scale * self.standard_normal(_joint(size, loc, scale), dtype, chunks=chunks)
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


    def permutation(self, x: Any, axis: int = 0) -> Array:
        """The parts of an array along an axis in a random order; for a number those of ``arange``.

        >>> default_rng(1).permutation([5, 6, 7]).sum().tolist()
        18
        """
        if isinstance(x, int):
            return self._order(_count(x))
        x = _swath.asarray(x)
        if x.ndim == 0:
            return self._order(_count(x.__index__()))
        return _swath.take(x, self._order(x.shape[_axis(axis, x.ndim)]), axis)

    def _order(self, count: int) -> Array:
        return _swath.sorting("argsort", self.random(count), 0, False, True)

    def choice(
        self, a: Any, size: Any = None, replace: bool = True, p: Any = None, axis: int = 0, shuffle: bool = True
    ) -> Array:
        """Parts of an array along an axis, or numbers below `a`, drawn at random; with `replace` the same ones may be drawn
        again. `p` are the probabilities of each, equal ones by default; they are looked at at once. The order is always a
        random one.

        Source, for probabilities without replacement: Efraimidis and Spirakis, Weighted random sampling with a reservoir
        (2006).

        >>> default_rng(1).choice([5, 6], 4, p=[0.0, 1.0]).tolist()
        [6, 6, 6, 6]
        >>> default_rng(1).choice(3, 3, replace=False).sum().tolist()
        3
        """
        from_array = not isinstance(a, int)
        if from_array:
            a = _swath.asarray(a)
            if a.ndim == 0:
                from_array, a = False, a.__index__()
        count = a.shape[_axis(axis, a.ndim)] if from_array else _count(a)
        shape = _swath.as_shape(() if size is None else size)
        number = math.prod(shape)
        if count == 0 and number > 0:
            raise ValueError("choice has nothing to draw from")
        probabilities = None if p is None else _probabilities(p, count)
        if replace and probabilities is None:
            drawn = self.integers(0, max(count, 1), shape)
        elif replace:
            below = _swath.cumulative("cumulative_sum", probabilities, 0)
            drawn = _swath.searchsorted(below / below[-1], self.random(shape), "right")
        else:
            drawn = self._without_replacement(count, number, probabilities)
            drawn = _swath.reshape(drawn, shape)
        return _swath.take(a, drawn, axis) if from_array else drawn

    def _without_replacement(self, count: int, number: int, probabilities: Array | None) -> Array:
        if number > count:
            raise ValueError(f"choice draws {number} of {count} without replacement")
        if probabilities is None:
            return self._order(count)[:number]
        possible = int(_swath.reduction("count_nonzero", probabilities))
        if number > possible:
            raise ValueError(f"choice draws {number} without replacement, and {possible} have a probability above 0")
        # Of exponential waits whose rates are the probabilities the shortest; of no rate one without an end.
        waits = self.exponential(1.0, count) / probabilities
        return _swath.sorting("argsort", waits, 0, False, True)[:number]

    def shuffle(self, x: Any, axis: int = 0) -> None:
        """Refused: no array is shuffled in place. `permutation` gives a new one.

        >>> default_rng(1).shuffle([1, 2])
        Traceback (most recent call last):
        TypeError: arrays are not shuffled in place: take x = rng.permutation(x), which gives a new array
        """
        raise TypeError("arrays are not shuffled in place: take x = rng.permutation(x), which gives a new array")


def _is_array(parameter: Any) -> bool:
    return not isinstance(parameter, (int, float)) and _swath.asarray(parameter).ndim > 0


def _joint(size: Any, *parameters: Array) -> Any:
    """The shape that is asked for, or that of the parameters."""
    return _swath.broadcast_shapes([one.shape for one in parameters]) if size is None else size


def _count(count: int) -> int:
    if count < 0:
        raise ValueError(f"a number of elements is 0 or more, not {count}")
    return count


def _axis(axis: int, ndim: int) -> int:
    if not -ndim <= axis < ndim:
        raise _swath.AxisError(f"axis {axis} is out of bounds for an array of dimension {ndim}")
    return axis


def _probabilities(p: Any, count: int) -> Array:
    """Probabilities that are known, in one chunk: sums over several would differ in their last bits."""
    p = _swath.astype(_swath.asarray(p), "float64")
    if p.shape != (count,):
        raise ValueError(f"probabilities of shape {p.shape} for {count} elements")
    p = p.rechunk(-1).persist()
    if not bool(_swath.reduction("all", p >= 0.0)):
        raise ValueError("a probability is negative or NaN")
    total = float(_swath.reduction("sum", p))
    if abs(total - 1.0) > _TOTAL_TOLERANCE:
        raise ValueError(f"probabilities sum to {total}, not to 1")
    return p


def default_rng(seed: int | Generator | None = None) -> Generator:
    """A generator of a seed, or of one that the system draws; one that is given is returned.

    >>> default_rng(3)
    Generator(seed=3)
    """
    return seed if isinstance(seed, Generator) else Generator(seed)


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


def permutation(x: Any) -> Array:
    """The parts of an array along its first axis in a random order; for a number those of ``arange``."""
    return _generator().permutation(x)


def choice(a: Any, size: Any = None, replace: bool = True, p: Any = None) -> Array:
    """Elements of a vector, or numbers below `a`, drawn at random."""
    return _generator().choice(a, size, replace, p)


def shuffle(x: Any) -> None:
    """Refused: no array is shuffled in place. `permutation` gives a new one."""
    _generator().shuffle(x)

"""A bar that shows how far computations are."""

from __future__ import annotations

import sys
import time
from typing import Any, TextIO

from swath import _swath


class ProgressBar:
    """Shows, while computations run inside its ``with`` block, how many of their blocks are done.

    >>> with ProgressBar():
    ...     total = float(_swath.reduction("sum", _swath.full((2, 2), 1.0)))
    >>> total
    4.0

    Computations that end at once show nothing.
    """

    def __init__(self, width: int = 40, file: TextIO | None = None):
        self.width = width
        self.file = file
        self._before: Any = None
        self._started = 0.0
        self._shown = False

    def __enter__(self) -> ProgressBar:
        self._started = time.monotonic()
        self._before = _swath.set_progress(self._show)
        return self

    def __exit__(self, *exception: Any) -> None:
        _swath.set_progress(self._before)
        if self._shown:
            print(file=self.file or sys.stderr)

    def _show(self, counts: tuple[int, int]) -> None:
        done, expected = counts
        share = done / expected if expected else 0.0
        bar = "#" * int(share * self.width)
        elapsed = time.monotonic() - self._started
        text = f"\r[{bar:<{self.width}}] {share:4.0%} {done} of {expected} blocks, {elapsed:.1f} s"
        print(text, end="", file=self.file or sys.stderr, flush=True)
        self._shown = True

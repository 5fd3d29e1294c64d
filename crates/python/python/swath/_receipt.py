"""Receipts: what a query did, and where."""

from __future__ import annotations

import json
import warnings
from typing import Any

__all__ = ["Receipt"]


class Receipt:
    """What ran where: the operators of a query with rows, bytes and times; what fell back to the CPU; sums.

    >>> import swath as sw
    >>> receipt = sw.sql("SELECT 1 AS one").compute().receipt
    >>> receipt.totals["rows"]
    1
    >>> receipt.operators[0]["place"]
    'host'
    """

    __slots__ = ("_data", "_json", "_text")

    def __init__(self, text: str, data: str) -> None:
        self._text = text
        self._json = data
        self._data: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """All of it as dicts, lists and numbers."""
        if self._data is None:
            self._data = json.loads(self._json)
        return self._data

    @property
    def query(self) -> str | None:
        """The text of the query, where there was one."""
        return self.to_dict()["query"]

    @property
    def operators(self) -> list[dict[str, Any]]:
        """The operators of the plan, the root first."""
        return self.to_dict()["operators"]

    @property
    def fallbacks(self) -> list[dict[str, Any]]:
        """The work that was to run on a device and ran on the CPU."""
        return self.to_dict()["fallbacks"]

    @property
    def totals(self) -> dict[str, Any]:
        """Sums: times, rows, bytes moved, kernels."""
        return self.to_dict()["totals"]

    def __repr__(self) -> str:
        return self._text.rstrip("\n")

    def _repr_html_(self) -> str:
        import html

        return f"<pre>{html.escape(repr(self))}</pre>"


def warn(receipt: Receipt | None) -> None:
    """Warns of what fell back to the CPU, where the session asks for that."""
    if receipt is None or '"fallback_policy":"warn"' not in receipt._json:
        return
    for fallback in receipt.fallbacks:
        warnings.warn(
            f"{fallback['operator']} ran on the CPU: {fallback['reason']}", RuntimeWarning, stacklevel=3
        )

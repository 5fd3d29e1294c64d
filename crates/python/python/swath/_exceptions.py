"""Exceptions that NumPy's users catch.

Once NumPy is imported they are NumPy's too, so that ``except numpy.linalg.LinAlgError`` catches what is raised here; before,
nobody can name NumPy's.
"""

import functools
import sys
from typing import Any


@functools.cache
def _with(own: type, theirs: type) -> type:
    """A class that is both; it looks like the first."""
    return type(own.__name__, (own, theirs), {"__doc__": own.__doc__, "__module__": own.__module__})


class AxisError(ValueError, IndexError):
    """An axis that the array does not have."""

    __module__ = "swath"

    def __new__(cls, *args: Any) -> "AxisError":
        exceptions = sys.modules.get("numpy.exceptions")
        both = _with(cls, exceptions.AxisError) if exceptions and cls is AxisError else cls
        return super().__new__(both, *args)


class LinAlgError(ValueError):
    """A singular matrix, or an iteration that does not converge."""

    __module__ = "swath"

    def __new__(cls, *args: Any) -> "LinAlgError":
        linalg = sys.modules.get("numpy.linalg")
        both = _with(cls, linalg.LinAlgError) if linalg and cls is LinAlgError else cls
        return super().__new__(both, *args)

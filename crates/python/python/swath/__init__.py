"""Dataframes and arrays that use every GPU their user owns.

``import swath as sw`` starts nothing: no threads, no device, no other package is imported before it is needed.
"""

from swath._frame import *  # noqa: F403
from swath._frame import __all__ as _frame_names
from swath._swath import AxisError, LinAlgError

__all__ = ["AxisError", "LinAlgError", *_frame_names]

"""Arrays in files: .npy, .npz, .zarr, .safetensors."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Literal

from swath import _swath
from swath._swath import Array

__all__ = ["array_names", "load", "save", "savez"]


def load(
    file: str | os.PathLike[str],
    name: str | None = None,
    *,
    combine: Literal["concat", "stack"] = "concat",
    axis: int = 0,
) -> Array:
    """An array of a file, or of all files that a pattern matches; values are read when they are needed.

    `name` says which, where a file holds several. Several files are one array: one after the other along an axis, or
    each as one index of a new one.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(folder + "/x.npy", _swath.asarray([1, 2, 3]))
    ...     load(folder + "/*.npy").tolist()
    [1, 2, 3]
    """
    return _swath.open_array(os.fspath(file), name, combine, axis)


def array_names(file: str | os.PathLike[str]) -> list[str]:
    """The names of the arrays in a file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     savez(folder + "/x.npz", a=[1], b=[2])
    ...     array_names(folder + "/x.npz")
    ['a', 'b']
    """
    return _swath.array_names(os.fspath(file))


def save(
    file: str | os.PathLike[str],
    arr: Any,
    *,
    compression: Literal["zstd", "gzip", "none"] | None = None,
    level: int | None = None,
    chunks: Sequence[int] | None = None,
    shards: Sequence[int] | None = None,
) -> None:
    """Computes an array, or a dictionary of named ones, and saves it chunk by chunk in the format of the file's name.

    `chunks` and `shards` are those of a Zarr array. The file appears when it is whole.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(folder + "/x.zarr", _swath.full((4, 4), 1.5), chunks=(2, 2))
    ...     load(folder + "/x.zarr")[0].tolist()
    [1.5, 1.5, 1.5, 1.5]
    """
    arrays = arr if isinstance(arr, dict) else {"": arr}
    _swath.save_arrays(os.fspath(file), arrays, compression, level, chunks, shards)


def savez(file: str | os.PathLike[str], *args: Any, **kwds: Any) -> None:
    """Saves arrays under their names; those without are ``arr_0``, ``arr_1`` and so on.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     savez(folder + "/x.npz", [1, 2], b=[3])
    ...     load(folder + "/x.npz", "arr_0").tolist()
    [1, 2]
    """
    arrays = {f"arr_{number}": array for number, array in enumerate(args)} | kwds
    _swath.save_arrays(os.fspath(file), arrays, None, None, None, None)

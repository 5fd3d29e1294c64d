"""Sessions: options, SQL and files."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

from swath import _swath

if TYPE_CHECKING:
    from swath._frame import DataFrame

__all__ = [
    "Session",
    "options",
    "read_csv",
    "read_ipc",
    "read_json",
    "read_parquet",
    "session",
    "set_options",
    "sql",
]

#: One file, glob or folder, or many of them.
Paths: TypeAlias = "str | os.PathLike[str] | Iterable[str | os.PathLike[str]]"

#: Options that a session takes at any time, by the names that they have in SQL.
_CHANGEABLE = {
    "placement": "swath.placement",
    "fallback": "swath.fallback",
    "float_sums": "swath.float_sums",
    "chunk_bytes_target": "swath.chunk_bytes_target",
    "threads": "datafusion.execution.target_partitions",
    "memory_limit": "datafusion.runtime.memory_limit",
}
#: Options that are fixed when a session starts.
_FIXED = (
    "device_memory_limit",
    "pinned_memory_limit",
    "pageable_memory_limit",
    "spill_disk_limit",
    "spill_dir",
    "cache_dir",
    "cost_file",
)
#: Options that are numbers of bytes.
_BYTES = (
    "chunk_bytes_target",
    "memory_limit",
    "device_memory_limit",
    "pinned_memory_limit",
    "pageable_memory_limit",
    "spill_disk_limit",
)
_UNITS = {"": 1, "b": 1}
for _power, _letter in enumerate("kmgt", 1):
    _UNITS |= {_letter: 1024**_power, f"{_letter}ib": 1024**_power, f"{_letter}b": 1000**_power}


def _bytes(name: str, value: int | str) -> int:
    """A number of bytes: ``1024``, ``"64 MiB"``, ``"1.5G"``; G is GiB, GB is 10**9."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise TypeError(f"{name} is a number of bytes such as 1024 or '4 GiB', not {type(value).__name__}")
    if isinstance(value, int):
        number, factor = float(value), 1
        count = value
    else:
        text = value.strip().lower()
        digits = text.rstrip("abcdefghijklmnopqrstuvwxyz ")
        unit = text[len(digits) :].strip()
        factor = _UNITS.get(unit, 0)
        try:
            number = float(digits)
        except ValueError:
            number = -1.0
        count = int(number * factor)
    if number < 0 or factor == 0:
        raise ValueError(f"{name} is a number of bytes such as 1024 or '4 GiB', not {value!r}")
    return count


def _known(names: Iterable[str]) -> None:
    known = [*_CHANGEABLE, *_FIXED, "progress"]
    for name in names:
        if name not in known:
            import difflib

            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"there is no option {name!r}{hint} (the options are: {', '.join(known)})")


def _text(name: str, value: Any) -> str:
    if name in _BYTES:
        return str(_bytes(name, value))
    if name == "threads":
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"threads is an int, not {type(value).__name__}")
        if value < 1:
            raise ValueError(f"threads is at least 1, not {value}")
        return str(value)
    if name in ("spill_dir", "cache_dir", "cost_file"):
        return os.fspath(value)
    if not isinstance(value, str):
        raise TypeError(f"{name} is a str, not {type(value).__name__}")
    return value


class Session:
    """Where frames come from: a set of options, the devices, and registered tables.

    Most programs need only the one of :func:`session`, which starts when it is first used.

    >>> import swath as sw
    >>> own = sw.Session(placement="host", threads=2)
    >>> own.sql("SELECT 1 + 1 AS two").to_pydict()
    {'two': [2]}
    """

    __slots__ = ("_inner",)

    def __init__(self, **options: Any) -> None:
        """Starts a session.

        Args:
            placement: where operators run: ``"auto"``, ``"device"`` or ``"host"``.
            fallback: what running on the CPU instead of a device does: ``"allow"``, ``"warn"`` or ``"error"``.
            float_sums: ``"fast"``, or ``"exact"``: the same bits wherever and however they run.
            threads: partitions that the CPU works on at once.
            memory_limit: bytes that queries on the CPU may take; they spill or fail beyond.
            device_memory_limit, pinned_memory_limit, pageable_memory_limit, spill_disk_limit: bytes of the tiers.
            spill_dir, cache_dir, cost_file: paths.
        """
        _known(options)
        values = {name: _text(name, value) for name, value in options.items() if value is not None}
        self._inner = _swath.Session(values)

    def _set(self, name: str, text: str) -> None:
        if name == "memory_limit":
            text = f"{max(1, int(text) // 1024)}K"
        self._inner.set(_CHANGEABLE[name], text)

    def set_options(self, **options: Any) -> None:
        """Changes options from the next query on; those of memory tiers are fixed when the session starts."""
        _known(options)
        for name in options:
            if name in _FIXED:
                raise ValueError(
                    f"{name} is fixed when the session starts: give it to swath.Session, or set it before the first use"
                )
        values = {name: _text(name, value) for name, value in options.items()}
        for name, text in values.items():
            self._set(name, text)

    def set(self, option: str, value: Any) -> None:
        """Sets any option of SQL by its name, such as ``datafusion.execution.batch_size``."""
        self._inner.set(option, str(value))

    def sql(self, query: str, **tables: Any) -> DataFrame:
        """Plans a query, as :func:`sql` does."""
        from swath._frame import DataFrame

        if not isinstance(query, str):
            raise TypeError(f"a query is a str, not {type(query).__name__}")
        frames = {name: self._table(value) for name, value in tables.items()}
        # SQL takes names without quotes in small letters.
        for name, frame in list(frames.items()):
            frames.setdefault(name.lower(), frame)
        return DataFrame._wrap(self, self._inner.sql(query, list(frames.items()), options.progress))

    def _table(self, value: Any) -> _swath.Frame:
        from swath._frame import DataFrame

        if isinstance(value, DataFrame):
            return value._inner
        if isinstance(value, (str, os.PathLike)):
            return self._read(value, None)._inner
        return DataFrame(value, session=self)._inner

    def _read(self, paths: Paths, format: str | None, **how: Any) -> DataFrame:
        from swath._frame import DataFrame

        many = list(paths) if isinstance(paths, Iterable) and not isinstance(paths, str) else [paths]
        for path in many:
            if not isinstance(path, (str, os.PathLike)):
                raise TypeError(f"a path is a str or a Path, not {type(path).__name__}")
        named = [os.path.expanduser(os.fspath(path)) for path in many]
        return DataFrame._wrap(self, self._inner.read(named, format, **how))

    def read_parquet(self, paths: Paths) -> DataFrame:
        """Opens Parquet files, as :func:`read_parquet` does."""
        return self._read(paths, "parquet")

    def read_csv(
        self, paths: Paths, *, header: bool = True, delimiter: str | None = None, infer_rows: int = 1000
    ) -> DataFrame:
        """Opens CSV files, as :func:`read_csv` does."""
        return self._read(paths, "csv", header=header, delimiter=delimiter, infer_rows=infer_rows)

    def read_json(self, paths: Paths, *, infer_rows: int = 1000) -> DataFrame:
        """Opens JSON files, as :func:`read_json` does."""
        return self._read(paths, "json", infer_rows=infer_rows)

    def read_ipc(self, paths: Paths) -> DataFrame:
        """Opens Arrow IPC files, as :func:`read_ipc` does."""
        return self._read(paths, "arrow")

    def register(self, name: str, table: Any) -> None:
        """Registers a table for SQL: a frame, or what :class:`DataFrame` takes, or a path. One of the same name is replaced.

        >>> import swath as sw
        >>> own = sw.Session()
        >>> own.register("points", {"x": [1, 2]})
        >>> own.sql("SELECT sum(x) AS total FROM points").to_pydict()
        {'total': [3]}
        """
        self._inner.register(name, self._table(table))

    @property
    def tables(self) -> list[str]:
        """The names of the registered tables."""
        return self._inner.table_names()

    @property
    def device(self) -> str | None:
        """The device that queries may run on, or ``None``."""
        return self._inner.device()[0]

    def doctor(self) -> str:
        """What is found of drivers and devices."""
        return self._inner.doctor()

    def __repr__(self) -> str:
        device, absence = self._inner.device()
        shown = ", ".join(
            f"{name.removeprefix('swath.')}={value}" for name, value in self._inner.options()[:3]
        )
        return f"Session on {device or f'host ({absence})'}: {shown}"


_lock = threading.Lock()
_default: Session | None = None
_pending: dict[str, Any] = {}


def session() -> Session:
    """The session that the functions of this module use; started by the first call."""
    global _default
    with _lock:
        if _default is None:
            _default = Session(**_pending)
            _swath.use_session(_default._inner)
        return _default


_swath.set_session_factory(session)


def set_options(**values: Any) -> None:
    """Sets options of the default session, and ``progress``, which shows long runs on a terminal.

    The limits of memory tiers and the folders are fixed once the session has started; set them before. For what the options
    are, see :class:`Session`.

    >>> import swath as sw
    >>> sw.set_options(placement="auto", progress=True)
    """
    _known(values)
    rest = dict(values)
    if "progress" in rest:
        options.progress = rest.pop("progress")
    with _lock:
        if _default is None:
            _swath.Session.check({name: _text(name, value) for name, value in rest.items()})
            _pending.update(rest)
            if rest:
                _swath.want_session()
            return
    session().set_options(**rest)


class _Options:
    """The options of the default session as attributes: ``sw.options.placement = "host"``."""

    __slots__ = ("_progress",)

    def __init__(self) -> None:
        object.__setattr__(self, "_progress", True)

    @property
    def progress(self) -> bool:
        """Whether long runs show how many rows were read, on a terminal."""
        return self._progress

    @progress.setter
    def progress(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise TypeError(f"progress is a bool, not {type(value).__name__}")
        object.__setattr__(self, "_progress", value)

    def __getattr__(self, name: str) -> Any:
        if name not in _CHANGEABLE and name not in _FIXED:
            raise AttributeError(f"there is no option {name!r}")
        with _lock:
            if _default is None:
                return _pending.get(name)
        return dict(session()._inner.options()).get(f"swath.{name}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "progress":
            object.__setattr__(self, name, value)
        else:
            set_options(**{name: value})

    def __repr__(self) -> str:
        return f"options(progress={self.progress})"


options = _Options()


def sql(query: str, **tables: Any) -> DataFrame:
    """Plans a query of SQL; it runs when the frame is computed.

    Each keyword is a table of that name for this query: a frame, a dict of columns, an object with Arrow data such as a
    DataFrame of pandas or polars, or the path of a file. Statements that change something, such as ``CREATE TABLE``, run at
    once.

    >>> import swath as sw
    >>> sw.sql("SELECT k, sum(x) AS total FROM t GROUP BY k ORDER BY k", t={"k": ["a", "b", "a"], "x": [1, 2, 3]}).to_pydict()
    {'k': ['a', 'b'], 'total': [4, 2]}
    """
    return session().sql(query, **tables)


def read_parquet(paths: Paths) -> DataFrame:
    """Opens Parquet files as a frame: one, a list, a glob such as ``"data/*.parquet"``, or a folder.

    Only what a query needs is read, when it runs. Several files are one table: their columns must agree.
    """
    return session().read_parquet(paths)


def read_csv(
    paths: Paths, *, header: bool = True, delimiter: str | None = None, infer_rows: int = 1000
) -> DataFrame:
    """Opens CSV files as a frame; the types of the columns are inferred from the first ``infer_rows`` rows of each file.

    The delimiter is a tab for ``.tsv`` and a comma otherwise. Files whose names end in ``.gz``, ``.bz2``, ``.xz`` or ``.zst``
    are decompressed.
    """
    return session().read_csv(paths, header=header, delimiter=delimiter, infer_rows=infer_rows)


def read_json(paths: Paths, *, infer_rows: int = 1000) -> DataFrame:
    """Opens files of JSON, one object per line, as a frame."""
    return session().read_json(paths, infer_rows=infer_rows)


def read_ipc(paths: Paths) -> DataFrame:
    """Opens Arrow IPC files, of the file or the stream format, as a frame."""
    return session().read_ipc(paths)

"""Frames: tables that are computed when their rows are asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Self, TypeAlias

from swath import _data, _expression, _receipt, _session, _show, _swath
from swath._expression import Expr, TypeName, call_function, col, lit, row_count, when
from swath._receipt import Receipt
from swath._session import (
    Session,
    options,
    read_csv,
    read_ipc,
    read_json,
    read_parquet,
    session,
    set_options,
    sql,
)

__all__ = [
    "DataFrame",
    "Expr",
    "GroupBy",
    "Receipt",
    "Session",
    "call_function",
    "col",
    "from_arrow",
    "from_pandas",
    "lit",
    "options",
    "read_csv",
    "read_ipc",
    "read_json",
    "read_parquet",
    "row_count",
    "session",
    "set_options",
    "sql",
    "when",
]

#: A column's name, text of SQL, or an expression.
Column: TypeAlias = "str | Expr"


def _item(value: Column) -> str | _swath.Expression:
    if isinstance(value, Expr):
        return value._inner
    if isinstance(value, str):
        return value
    raise TypeError(
        f"expected a column's name, SQL or an expression, not a value of type {type(value).__name__}"
    )


def _flat(values: Iterable[Column | Iterable[Column]]) -> list[Column]:
    flat: list[Column] = []
    for value in values:
        if isinstance(value, (str, Expr)) or not isinstance(value, Iterable):
            flat.append(value)  # type: ignore[arg-type]
        else:
            flat.extend(value)
    return flat


def _names(values: Iterable[str | Iterable[str]], what: str) -> list[str]:
    names = _flat(values)  # type: ignore[arg-type]
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"{what} takes names of columns, not a value of type {type(name).__name__}")
    return names  # type: ignore[return-value]


def _rows(name: str, value: int) -> int:
    try:
        rows = value.__index__()
    except AttributeError:
        raise TypeError(f"{name} is an int, not {type(value).__name__}") from None
    if rows < 0:
        raise ValueError(f"{name} is 0 or more, not {rows}")
    return rows


# What to write in the place of names of pandas that there are not.
_PANDAS_NAMES = {
    "append": "frame.union(other)",
    "apply": "frame.with_columns(name=expression)",
    "assign": "frame.with_columns(name=expression)",
    "astype": "frame.cast({name: type})",
    "count": "frame.agg(count=swath.row_count()), or len(frame)",
    "drop_duplicates": "frame.distinct(*names)",
    "dropna": "frame.drop_nulls(*names)",
    "fillna": "frame.fill_null(value)",
    "groupby": "frame.group_by(*keys)",
    "iloc": "frame[start:stop] for rows, frame.filter(condition), frame.select(*names)",
    "isna": "swath.col(name).is_null()",
    "iterrows": "for row in frame.to_pylist()",
    "itertuples": "for row in frame.to_pylist()",
    "loc": "frame.filter(condition).select(*names)",
    "max": "frame.agg(swath.col(name).max())",
    "mean": "frame.agg(swath.col(name).mean())",
    "merge": "frame.join(other, on=names, how=...)",
    "min": "frame.agg(swath.col(name).min())",
    "nlargest": "frame.sort(name, descending=True).head(n)",
    "nsmallest": "frame.sort(name).head(n)",
    "query": "frame.filter(condition)",
    "sort_values": "frame.sort(*names)",
    "sum": "frame.agg(swath.col(name).sum())",
    "to_csv": "frame.write_csv(path)",
    "to_dict": "frame.to_pydict() or frame.to_pylist()",
    "to_json": "frame.write_json(path)",
    "to_parquet": "frame.write_parquet(path)",
    "unique": "frame.distinct(*names)",
    "values": "frame.to_numpy()",
}


class DataFrame:
    """A table whose columns have names and types, in memory or still to be computed.

    Methods such as :meth:`filter` compute nothing: they give a frame that knows what to do. :meth:`compute` runs it, and so
    does everything that hands out rows: ``len``, :meth:`to_pandas`, :meth:`write_parquet`, ... A frame that was computed
    keeps its rows, and has a :attr:`receipt` that says what ran where.

    Rows have no order but the one of :meth:`sort`, except that data of up to a few thousand rows keeps the one that it
    came in.

    Columns are named by strings or :func:`swath.col`; where an expression is expected, text that is not the name of a column
    is SQL.

    >>> import swath as sw
    >>> frame = sw.DataFrame({"k": ["a", "b", "a"], "x": [1, 2, 3]})
    >>> frame
    k       x
    string  int64
    ------  -----
    a           1
    b           2
    a           3
    [3 rows, 2 columns]
    >>> frame.filter("x > 1").group_by("k").agg(total=sw.col("x").sum()).sort("k").compute()
    k       total
    string  int64
    ------  -----
    a           3
    b           2
    [2 rows, 2 columns]
    """

    __slots__ = ("_inner", "_session", "_receipt")

    def __init__(self, data: Any = None, *, session: Session | None = None) -> None:
        """Makes a frame of data in memory.

        Args:
            data: a dict of columns (lists, arrays of NumPy, a single value for every row), a list of dicts, or an object
                with Arrow data: a table of pyarrow, a DataFrame of pandas or polars, a relation of DuckDB.
            session: the session to run in; the default one otherwise.

        Raises:
            TypeError: values of different types in a column, or of a type that no column holds.
            ValueError: columns of different lengths.
        """
        self._session = session if session is not None else _session.session()
        self._inner = _data.frame_of({} if data is None else data, self._session)
        self._receipt: Receipt | None = None

    @classmethod
    def _wrap(cls, session: Session, inner: _swath.Frame) -> Self:
        frame = cls.__new__(cls)
        frame._session = session
        frame._inner = inner
        frame._receipt = None
        return frame

    def _with(self, inner: _swath.Frame) -> Self:
        return self._wrap(self._session, inner)

    def _other(self, value: Any) -> DataFrame:
        return value if isinstance(value, DataFrame) else DataFrame(value, session=self._session)

    # What the frame is.

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return [name for name, _, _ in self._inner.schema()]

    @property
    def dtypes(self) -> list[str]:
        """The names of the columns' types."""
        return [dtype for _, dtype, _ in self._inner.schema()]

    @property
    def schema(self) -> dict[str, str]:
        """The types of the columns by their names.

        >>> import swath as sw
        >>> sw.DataFrame({"x": [1], "name": ["a"]}).schema
        {'x': 'int64', 'name': 'string'}
        """
        return {name: dtype for name, dtype, _ in self._inner.schema()}

    @property
    def shape(self) -> tuple[int, int]:
        """The numbers of rows, which may have to be counted, and of columns."""
        return len(self), len(self._inner.schema())

    @property
    def is_computed(self) -> bool:
        """Whether the rows are in memory."""
        return self._inner.is_computed()

    @property
    def receipt(self) -> Receipt | None:
        """What ran where, and how long; ``None`` before the frame is computed."""
        if self._receipt is None:
            written = self._inner.receipt()
            self._receipt = None if written is None else Receipt(*written)
        return self._receipt

    def __len__(self) -> int:
        return self._inner.count(options.progress)

    def __bool__(self) -> bool:
        raise ValueError("the truth value of a frame is ambiguous; ask for len(frame) > 0")

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def __repr__(self) -> str:
        return _show.text(self._inner)

    def _repr_html_(self) -> str:
        return _show.html(self._inner)

    def __getattr__(self, name: str) -> Any:
        message = f"a frame has no attribute {name!r}"
        if name in _PANDAS_NAMES:
            message += f": write {_PANDAS_NAMES[name]}"
        elif not name.startswith("_") and name in self.columns:
            message += f": the column is frame[{name!r}]"
        raise AttributeError(message, name=name, obj=self)

    def __getitem__(self, key: Any) -> Any:
        """``frame["x"]`` is the expression of a column, ``frame[["x", "y"]]`` selects, ``frame[frame["x"] > 1]`` filters.

        >>> import swath as sw
        >>> frame = sw.DataFrame({"x": [1, 2], "y": [3, 4]})
        >>> frame[frame["x"] > 1][["y"]].to_pydict()
        {'y': [4]}
        """
        if isinstance(key, str):
            if key not in self.columns:
                self._inner.select([_swath.Expression.column(key)])
            return col(key)
        if isinstance(key, Expr):
            return self.filter(key)
        if isinstance(key, (list, tuple)):
            return self.select(*(col(name) if isinstance(name, str) else name for name in key))
        if isinstance(key, slice):
            return self._slice(key)
        raise TypeError(
            f"a frame takes a column's name, a list of them, a condition or a slice, not {type(key).__name__}"
        )

    def _slice(self, key: slice) -> DataFrame:
        if key.step not in (None, 1):
            raise ValueError(f"rows are taken in steps of 1, not {key.step}")
        start, stop = key.start or 0, key.stop
        if start < 0 or stop is not None and stop < 0:
            start, stop, _ = key.indices(len(self))
        return self._with(self._inner.limit(start, None if stop is None else max(0, stop - start)))

    # What it becomes.

    def select(self, *columns: Column | Iterable[Column], **named: Column) -> Self:
        """Keeps these columns; ``"*"`` is all of them. Aggregates alone make one row.

        >>> import swath as sw
        >>> frame = sw.DataFrame({"x": [1, 2, 3]})
        >>> frame.select("x", "x * x AS square", half=sw.col("x") / 2).to_pydict()
        {'x': [1, 2, 3], 'square': [1, 4, 9], 'half': [0.5, 1.0, 1.5]}
        >>> frame.select(sw.col("x").max() - sw.col("x").min()).to_pydict()
        {'x': [2]}

        Raises:
            KeyError: a column that there is not.
        """
        items = [_item(value) for value in _flat(columns)]
        items += [self._named(name, value) for name, value in named.items()]
        return self._with(self._inner.select(items))

    def _named(self, name: str, value: Column) -> _swath.Expression:
        if isinstance(value, str):
            return self._inner.parse(value).alias(name)
        return lit(value).alias(name)._inner

    def with_columns(self, *columns: Column | Iterable[Column], **named: Any) -> Self:
        """Adds columns, or puts them in the place of those of the same name. All see the frame as it is.

        Aggregates stand in every row: ``frame.with_columns(share="x / sum(x)")``.

        >>> import swath as sw
        >>> frame = sw.DataFrame({"x": [1, 3]})
        >>> frame.with_columns(sw.col("x") * 10, share=sw.col("x") / sw.col("x").sum()).to_pydict()
        {'x': [10, 30], 'share': [0.25, 0.75]}
        """
        items: list[tuple[str | None, Any]] = [(None, _item(value)) for value in _flat(columns)]
        items += [
            (name, _item(value) if isinstance(value, str) else lit(value)._inner)
            for name, value in named.items()
        ]
        return self._with(self._inner.with_columns(items))

    def filter(self, *conditions: Column) -> Self:
        """Keeps the rows where every condition is true; a condition that is null is not.

        >>> import swath as sw
        >>> frame = sw.DataFrame({"x": [1, 2, 3]})
        >>> frame.filter(sw.col("x") > sw.col("x").mean()).to_pydict()
        {'x': [3]}
        """
        for condition in conditions:
            if isinstance(condition, bool):
                raise TypeError(
                    "a condition is an expression, not a bool: is a method such as .dt.year compared without being called?"
                )
        return self._with(self._inner.filter([_item(condition) for condition in conditions]))

    def drop(self, *columns: str | Iterable[str], strict: bool = True) -> Self:
        """Drops columns; one that there is not is an error unless ``strict`` is false."""
        names = _names(columns, "drop")
        if strict and names:
            self._inner.select([_swath.Expression.column(name) for name in dict.fromkeys(names)])
        kept = [name for name in self.columns if name not in names]
        return self._with(self._inner.select([_swath.Expression.column(name) for name in kept]))

    def rename(self, names: Mapping[str, str] | Callable[[str], str]) -> Self:
        """Renames columns, by a dict from old to new or by a function.

        >>> import swath as sw
        >>> sw.DataFrame({"x": [1], "y": [2]}).rename({"x": "a"}).columns
        ['a', 'y']
        """
        if callable(names):
            names = {name: names(name) for name in self.columns}
        elif names:
            self._inner.select([_swath.Expression.column(name) for name in names])
        columns = [_swath.Expression.column(name).alias(names.get(name, name)) for name in self.columns]
        return self._with(self._inner.select(columns))

    def cast(self, dtypes: Mapping[str, TypeName] | TypeName, *, strict: bool = True) -> Self:
        """Casts the columns of a dict to its types, or all columns to one type."""
        if not isinstance(dtypes, Mapping):
            dtypes = dict.fromkeys(self.columns, dtypes)
        return self.with_columns(*(col(name).cast(dtype, strict=strict) for name, dtype in dtypes.items()))

    def group_by(self, *keys: Column | Iterable[Column]) -> GroupBy:
        """Groups the rows that agree in the keys; null is a key like any other.

        >>> import swath as sw
        >>> frame = sw.DataFrame({"k": ["a", "b", "a"], "x": [1, 2, 3]})
        >>> frame.group_by("k").agg("count(*) AS n", best=sw.col("x").max()).sort("k").to_pydict()
        {'k': ['a', 'b'], 'n': [2, 1], 'best': [3, 2]}
        """
        return GroupBy(self, [_item(key) for key in _flat(keys)])

    def agg(self, *columns: Any, **named: Any) -> DataFrame:
        """Aggregates all rows to one; takes what :meth:`GroupBy.agg` takes."""
        return GroupBy(self, []).agg(*columns, **named)

    def join(
        self,
        other: Any,
        on: str | Sequence[str] | None = None,
        *,
        left_on: str | Sequence[str] | None = None,
        right_on: str | Sequence[str] | None = None,
        how: str = "inner",
        suffix: str = "_right",
    ) -> Self:
        """Joins rows that agree in their keys; null agrees with nothing.

        Args:
            other: the frame on the right, or what :class:`DataFrame` takes.
            on: the columns of both that must agree.
            left_on, right_on: those of each, where their names differ; the result has the left names.
            how: ``"inner"``, ``"left"``, ``"right"``, ``"full"``, ``"semi"`` (the rows of the left that have a partner),
                ``"anti"`` (those that have none) or ``"cross"`` (every pair).
            suffix: what columns of the right are marked with whose names the left has too.

        >>> import swath as sw
        >>> left = sw.DataFrame({"k": [1, 2], "x": ["a", "b"]})
        >>> right = sw.DataFrame({"k": [2, 3], "x": ["c", "d"]})
        >>> left.join(right, on="k", how="full").sort("k").to_pydict()
        {'k': [1, 2, 3], 'x': ['a', 'b', None], 'x_right': [None, 'c', 'd']}
        """
        if on is not None and (left_on is not None or right_on is not None):
            raise ValueError("join takes on, or left_on and right_on, not both")
        left = _names([on if on is not None else left_on or []], "join")
        right = _names([on if on is not None else right_on or []], "join")
        if how == "cross":
            if left or right:
                raise ValueError("a cross join has no keys")
        elif not left and not right:
            raise ValueError("join needs the columns that must agree: on, or left_on and right_on")
        if len(left) != len(right):
            raise ValueError(f"join has {len(left)} keys on the left and {len(right)} on the right")
        other = self._other(other)
        for frame, names in ((self, left), (other, right)):
            if names:
                frame._inner.select([_swath.Expression.column(name) for name in dict.fromkeys(names)])
        return self._with(self._inner.join(other._inner, left, right, how, suffix))

    def sort(
        self,
        *by: Column | Iterable[Column],
        descending: bool | Sequence[bool] = False,
        nulls_last: bool = True,
    ) -> Self:
        """Sorts by columns, the first before the others; NaN is greater than any number.

        >>> import swath as sw
        >>> sw.DataFrame({"x": [2, None, 3]}).sort("x", descending=True).to_pydict()
        {'x': [3, 2, None]}
        """
        keys = [_item(key) for key in _flat(by)]
        if not keys:
            raise ValueError("sort needs the columns to sort by")
        flags = [descending] * len(keys) if isinstance(descending, bool) else list(descending)
        if len(flags) != len(keys):
            raise ValueError(f"descending has {len(flags)} values for {len(keys)} columns")
        return self._with(self._inner.sort([(key, flag, nulls_last) for key, flag in zip(keys, flags)]))

    def limit(self, n: int, offset: int = 0) -> Self:
        """Keeps ``n`` rows after the first ``offset``."""
        return self._with(self._inner.limit(_rows("offset", offset), _rows("n", n)))

    def head(self, n: int = 5) -> Self:
        """Keeps the first ``n`` rows."""
        return self.limit(n)

    def tail(self, n: int = 5) -> Self:
        """Keeps the last ``n`` rows; the rows are counted at once."""
        return self._with(self._inner.limit(max(0, len(self) - _rows("n", n)), None))

    def distinct(self, *columns: str | Iterable[str]) -> Self:
        """Keeps one row of those that agree, in all columns or in these.

        >>> import swath as sw
        >>> sw.DataFrame({"x": [1, 2, 1]}).distinct().sort("x").to_pydict()
        {'x': [1, 2]}
        """
        return self._with(self._inner.distinct(_names(columns, "distinct")))

    def union(self, *others: Any, by_name: bool = True) -> Self:
        """Adds the rows of other frames. Columns are matched by name, null where a frame lacks one; or by place.

        >>> import swath as sw
        >>> sw.DataFrame({"x": [1]}).union({"x": [2.5], "y": ["new"]}).sort("x").to_pydict()
        {'x': [1.0, 2.5], 'y': [None, 'new']}
        """
        inner = self._inner
        for other in others:
            inner = inner.union(self._other(other)._inner, by_name)
        return self._with(inner)

    def explode(self, *columns: str | Iterable[str]) -> Self:
        """Makes a row for each value of the lists in these columns.

        >>> import swath as sw
        >>> sw.DataFrame({"k": ["a", "b"], "x": [[1, 2], [3]]}).explode("x").to_pydict()
        {'k': ['a', 'a', 'b'], 'x': [1, 2, 3]}
        """
        names = _names(columns, "explode")
        for name in names:
            dtype = self.schema.get(name, "list")
            if not dtype.startswith(("list", "struct")):
                raise TypeError(f"explode takes columns of lists, and {name!r} is {dtype}")
        return self._with(self._inner.unnest(names))

    def fill_null(self, value: Any, columns: Sequence[str] | None = None) -> Self:
        """Puts ``value`` for null, in the columns whose type takes it or in these; a dict has a value for each column.

        >>> import swath as sw
        >>> sw.DataFrame({"x": [1, None], "y": ["a", None]}).fill_null({"x": 0, "y": "b"}).to_pydict()
        {'x': [1, 0], 'y': ['a', 'b']}
        """
        if isinstance(value, Mapping):
            if columns is not None:
                raise ValueError("fill_null takes a dict of values, or columns beside one value, not both")
            inner = self._inner
            for name, each in value.items():
                inner = inner.fill_null(each, _names([name], "fill_null"))
            return self._with(inner)
        return self._with(self._inner.fill_null(value, _names([columns or []], "fill_null")))

    def drop_nulls(self, *columns: str | Iterable[str]) -> Self:
        """Drops the rows that have null in any column, or in these."""
        names = _names(columns, "drop_nulls") or self.columns
        return self.filter(*(col(name).is_not_null() for name in names))

    def pipe(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Calls ``function`` with the frame first."""
        return function(self, *args, **kwargs)

    def describe(self, percentiles: Sequence[float] = (0.25, 0.5, 0.75)) -> DataFrame:
        """Computes statistics of each column: count, nulls, mean, deviation, extremes and percentiles.

        >>> import swath as sw
        >>> sw.DataFrame({"x": [1, 2, 3, None]}).describe()
        statistic  x
        string     float64
        ---------  -------
        count          3.0
        nulls          1.0
        mean           2.0
        std            1.0
        min            1.0
        25%            1.5
        50%            2.0
        75%            2.5
        max            3.0
        [9 rows, 2 columns]
        """
        statistics: list[tuple[str, Callable[[Expr], Expr]]] = [
            ("count", lambda x: x.count()),
            ("nulls", lambda x: row_count() - x.count()),
            ("mean", lambda x: x.cast(float).mean()),
            ("std", lambda x: x.cast(float).std()),
            ("min", lambda x: x.min()),
            *((f"{q * 100:g}%", lambda x, q=q: x.quantile(q)) for q in percentiles),
            ("max", lambda x: x.max()),
        ]
        everywhere, ordered = ("count", "nulls"), ("count", "nulls", "min", "max")
        kinds: dict[str, str] = {}
        for name, dtype in self.schema.items():
            if dtype.startswith(("int", "uint", "float", "decimal")) and not dtype.startswith("interval"):
                kinds[name] = "number"
            elif dtype.startswith(("string", "date", "time", "duration", "bool")):
                kinds[name] = "ordered"
            else:
                kinds[name] = "other"
        expressions = {}
        for place, (name, kind) in enumerate(kinds.items()):
            known = {"number": [label for label, _ in statistics], "ordered": ordered, "other": everywhere}[
                kind
            ]
            for label, statistic in statistics:
                if label in known:
                    value = statistic(col(name))
                    expressions[f"{place} {label}"] = value.cast(float if kind == "number" else str)
        computed = self.agg(**expressions).to_pydict() if expressions else {}
        labels = [label for label, _ in statistics]
        table: dict[str, Any] = {"statistic": labels}
        for place, name in enumerate(kinds):
            table[name] = [computed.get(f"{place} {label}", [None])[0] for label in labels]
        return DataFrame(table, session=self._session)

    # What runs it.

    def compute(self) -> Self:
        """Runs the frame; the new one has the rows, and the receipt of what ran.

        Ctrl-C cancels a run.

        Raises:
            ValueError: values that cannot be computed on, with the file, line and column where they are.
            MemoryError: no room, with the option that would help.
        """
        if self._inner.is_computed():
            return self
        computed = self._with(self._inner.compute(options.progress))
        _receipt.warn(computed.receipt)
        return computed

    def collect(self) -> Self:
        """Runs the frame, as :meth:`compute` does."""
        return self.compute()

    def iter_batches(self) -> Iterator[DataFrame]:
        """Runs the frame and hands out its rows as they come, as computed frames; they need not fit in memory together.

        >>> import swath as sw
        >>> sum(len(batch) for batch in sw.sql("SELECT * FROM generate_series(1, 20000)").iter_batches())
        20000
        """
        for batch in self._inner.batches():
            yield self._with(batch)

    def show(self, n: int = 10) -> None:
        """Computes and prints the first ``n`` rows."""
        print(self.head(n).compute())

    def explain(self) -> str:
        """The physical plan: for each node where it would run, what it would cost, and why."""
        return self._inner.explain()

    def to_pydict(self) -> dict[str, list[Any]]:
        """Computes the columns as lists of Python's values; moments are as fine as Python's, to the microsecond."""
        computed = self.compute()._inner
        return {name: computed.values(place) for place, (name, _, _) in enumerate(computed.schema())}

    def to_pylist(self) -> list[dict[str, Any]]:
        """Computes the rows as dicts.

        >>> import swath as sw
        >>> sw.DataFrame({"x": [1, 2]}).to_pylist()
        [{'x': 1}, {'x': 2}]
        """
        columns = self.to_pydict()
        return [dict(zip(columns, row)) for row in zip(*columns.values())]

    def item(self) -> Any:
        """Computes the one value of a frame of one row and one column."""
        computed = self.compute()
        if computed.shape != (1, 1):
            raise ValueError(f"item is for one row and one column; there are {computed.shape}")
        return computed._inner.values(0)[0]

    def to_numpy(self, column: str | None = None) -> Any:
        """Computes a column as an array of one dimension, or all as one of two, of the type that holds them all.

        Null is NaN in floats and NaT in times; integers with nulls become floats, other columns with nulls objects. An array
        may share the memory of the frame, and is read-only then.
        """
        computed = self.compute() if column is None else self.select(col(column)).compute()
        arrays = [_data.to_numpy_column(computed._inner, place) for place in range(len(computed.columns))]
        if column is not None:
            return arrays[0]
        numpy = _data.required("numpy", "to_numpy")
        if not arrays:
            return numpy.empty((len(computed), 0))
        if any(array.dtype.kind in "OMmb" for array in arrays) and len({array.dtype for array in arrays}) > 1:
            arrays = [array.astype(object) for array in arrays]
        return numpy.column_stack(arrays)

    def to_array(self, *columns: str | Iterable[str], as_matrix: bool | None = None) -> _swath.Array:
        """Makes an array of columns of numbers: of one axis of one column, of rows and columns otherwise.

        The array is lazy: the rows are counted now, and computed with the array. The dtype is the one that all columns
        promote to. Null is NaN in floats, and an error in other columns when the array is computed.

        Args:
            columns: the names; all columns where none is named.
            as_matrix: whether one column makes two axes, too; by default it does where no column is named.

        >>> import swath as sw
        >>> frame = sw.DataFrame({"x": [1, 2], "y": [0.5, 1.5]})
        >>> (frame.to_array("x", "y") * 2).tolist()
        [[2.0, 1.0], [4.0, 3.0]]

        Raises:
            ValueError: a column whose type no array has.
        """
        names = _names(columns, "to_array")
        matrix = not names if as_matrix is None else as_matrix
        return self._inner.to_array(names or None, matrix)

    def to_pandas(self) -> Any:
        """Computes a DataFrame of pandas."""
        computed = self.compute()
        return _data.to_pandas(computed._inner, computed)

    def to_arrow(self) -> Any:
        """Computes a table of pyarrow. Without pyarrow, other packages take the frame itself, by ``__arrow_c_stream__``."""
        return _data.required("pyarrow", "to_arrow").table(self.compute())

    def to_polars(self) -> Any:
        """Computes a DataFrame of polars."""
        return _data.required("polars", "to_polars").DataFrame(self.compute())

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """The rows as a stream of Arrow's C data interface; computes the frame."""
        return self.compute()._inner.to_stream(requested_schema)

    def __arrow_c_schema__(self) -> Any:
        """The columns as a schema of Arrow's C data interface."""
        return self._inner.to_schema()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """The array of :meth:`to_numpy`."""
        array = self.to_numpy()
        if dtype is not None and array.dtype != dtype:
            if copy is False:
                raise ValueError(f"an array of {dtype} needs a copy of one of {array.dtype}")
            return array.astype(dtype)
        return array.copy() if copy else array

    def _write(self, path: str | os.PathLike[str], format: str, values: Mapping[str, Any]) -> Receipt:
        if not isinstance(path, (str, os.PathLike)):
            raise TypeError(f"a path is a str or a Path, not {type(path).__name__}")
        texts = [
            (name, str(value).lower() if isinstance(value, bool) else str(value))
            for name, value in values.items()
            if value is not None
        ]
        written = self._inner.write(os.path.expanduser(path), format, texts, options.progress)
        outcome = written.receipt()
        assert outcome is not None, "what was written was computed"
        receipt = Receipt(*outcome)
        _receipt.warn(receipt)
        return receipt

    def write_parquet(
        self,
        path: str | os.PathLike[str],
        *,
        compression: str | None = None,
        row_group_rows: int | None = None,
    ) -> Receipt:
        """Writes the rows to a Parquet file: beside its place, and renamed when it is whole, so never in part.

        Args:
            path: the file; one that is there is replaced.
            compression: ``"zstd(3)"``, ``"snappy"``, ``"lz4"``, ``"gzip(6)"``, ``"uncompressed"``, ...
            row_group_rows: the most rows of a row group.
        """
        return self._write(
            path, "parquet", {"compression": compression, "max_row_group_size": row_group_rows}
        )

    def write_csv(
        self,
        path: str | os.PathLike[str],
        *,
        header: bool = True,
        delimiter: str = ",",
        null: str | None = None,
        compression: str | None = None,
    ) -> Receipt:
        """Writes the rows to a CSV file: beside its place, and renamed when it is whole, so never in part."""
        if len(delimiter.encode()) != 1:
            raise ValueError(f"the delimiter is one ASCII character, not {delimiter!r}")
        given = {"header": header, "delimiter": delimiter, "null": null, "compression": compression}
        return self._write(path, "csv", given)

    def write_json(self, path: str | os.PathLike[str], *, compression: str | None = None) -> Receipt:
        """Writes the rows to a file of JSON, one object per line; whole or not at all."""
        return self._write(path, "json", {"compression": compression})

    def write_ipc(self, path: str | os.PathLike[str]) -> Receipt:
        """Writes the rows to an Arrow IPC file; whole or not at all."""
        return self._write(path, "arrow", {})


class GroupBy:
    """Groups of rows that wait for their aggregates; made by :meth:`DataFrame.group_by`."""

    __slots__ = ("_frame", "_keys", "_values")

    def __init__(
        self, frame: DataFrame, keys: list[str | _swath.Expression], values: list[str] | None = None
    ) -> None:
        self._frame = frame
        self._keys = keys
        self._values = values

    def __getitem__(self, names: str | Sequence[str]) -> GroupBy:
        """The same groups of fewer columns: ``frame.group_by("k")["x"].sum()``.

        >>> import swath as sw
        >>> frame = sw.DataFrame({"k": [1, 1], "x": [1, 2], "y": [3, 4]})
        >>> frame.group_by("k")["x"].sum().to_pydict()
        {'k': [1], 'x': [3]}
        """
        values = _names([names], "a group")
        self._frame._inner.select([_swath.Expression.column(name) for name in dict.fromkeys(values)])
        return GroupBy(self._frame, self._keys, values)

    def agg(self, *columns: Any, **named: Any) -> DataFrame:
        """Makes a row of each group: its keys, and aggregates.

        Args:
            columns: expressions such as ``sw.col("x").sum()``, text of SQL such as ``"sum(x) AS total"``, or dicts from a
                column to the name of an aggregate or a list of such names.
            named: the same, each under a name; ``total=("x", "sum")`` is taken as pandas does.

        >>> import swath as sw
        >>> frame = sw.DataFrame({"k": [1, 1, 2], "x": [1, 2, 3]})
        >>> frame.group_by("k").agg({"x": ["min", "max"]}, total=("x", "sum")).sort("k").to_pydict()
        {'k': [1, 2], 'x_min': [1, 3], 'x_max': [2, 3], 'total': [3, 3]}
        """
        items: list[tuple[str | None, Any]] = []
        for value in columns:
            if isinstance(value, Mapping):
                for name, aggregates in value.items():
                    if isinstance(aggregates, str):
                        items.append((None, _aggregate(name, aggregates)._inner))
                    else:
                        items += [(f"{name}_{each}", _aggregate(name, each)._inner) for each in aggregates]
            else:
                items += [(None, _item(each)) for each in _flat([value])]
        for name, value in named.items():
            if isinstance(value, tuple) and len(value) == 2:
                value = _aggregate(value[0], value[1])
            items.append((name, _item(value)))
        return self._frame._with(self._frame._inner.aggregate(self._keys, items))

    def _each(self, aggregate: str, numbers_only: bool) -> DataFrame:
        if self._values is not None:
            return self.agg(*(_aggregate(name, aggregate) for name in self._values))
        keys = set(
            self._frame._inner.aggregate(self._keys, []).schema()[place][0]
            for place in range(len(self._keys))
        )
        numbers = ("int8", "int16", "int32", "int64", "uint", "float", "decimal")
        wanted = [
            name
            for name, dtype in self._frame.schema.items()
            if name not in keys and (not numbers_only or dtype.startswith(numbers))
        ]
        return self.agg(*(_aggregate(name, aggregate) for name in wanted))

    def count(self) -> DataFrame:
        """The number of rows of each group, as the column ``count``."""
        return self.agg(count=row_count())

    def sum(self) -> DataFrame:
        """The sums of the columns of numbers."""
        return self._each("sum", True)

    def mean(self) -> DataFrame:
        """The means of the columns of numbers."""
        return self._each("mean", True)

    def std(self) -> DataFrame:
        """The standard deviations of the columns of numbers."""
        return self._each("std", True)

    def var(self) -> DataFrame:
        """The variances of the columns of numbers."""
        return self._each("var", True)

    def median(self) -> DataFrame:
        """The medians of the columns of numbers."""
        return self._each("median", True)

    def min(self) -> DataFrame:
        """The least values of the other columns."""
        return self._each("min", False)

    def max(self) -> DataFrame:
        """The greatest values of the other columns."""
        return self._each("max", False)

    def n_unique(self) -> DataFrame:
        """The numbers of different values of the other columns."""
        return self._each("n_unique", False)

    def first(self) -> DataFrame:
        """Any one value of each of the other columns."""
        return self._each("first", False)


_AGGREGATES = {"avg": "mean", "stddev": "std", "nunique": "n_unique", "list": "to_list"}
_KNOWN_AGGREGATES = (
    "sum", "mean", "min", "max", "count", "n_unique", "std", "var", "median", "first", "last", "any", "all", "to_list"
)  # fmt: skip


def _aggregate(column: str, aggregate: str) -> Expr:
    if not isinstance(aggregate, str):
        raise TypeError(f"an aggregate is named by a str, not {type(aggregate).__name__}")
    name = _AGGREGATES.get(aggregate, aggregate)
    if name not in _KNOWN_AGGREGATES:
        raise ValueError(f"{aggregate!r} is not an aggregate; use one of: {', '.join(_KNOWN_AGGREGATES)}")
    return getattr(col(column), name)()


def _array_to_frame(self: _swath.Array, names: str | Sequence[str] | None = None) -> DataFrame:
    """Makes a frame of an array of one axis, or of rows and columns; nothing is computed before the frame is.

    Args:
        names: the names of the columns; ``column_0``, ``column_1``, ... by default.

    >>> import swath as sw
    >>> (sw.arange(4).reshape(2, 2) + 1).to_frame(["x", "y"]).to_pydict()
    {'x': [1, 3], 'y': [2, 4]}
    """
    if names is None:
        names = [f"column_{place}" for place in range(self.shape[1] if self.ndim == 2 else 1)]
    owner = _session.session()
    return DataFrame._wrap(owner, owner._inner.take_array(self, _names([names], "to_frame")))


_array_to_frame.__name__ = "to_frame"
_swath.Array.to_frame = _array_to_frame  # type: ignore[method-assign]


def from_arrow(data: Any) -> DataFrame:
    """Makes a frame of an object with Arrow data, without a copy: of pyarrow, polars, pandas, DuckDB, nanoarrow, ...

    Raises:
        TypeError: an object that has neither ``__arrow_c_stream__`` nor ``__arrow_c_array__``, or whose data is no table.
    """
    owner = _session.session()
    frame = owner._inner.take_arrow(data)
    if frame is None:
        raise TypeError(
            f"a {type(data).__name__} has no Arrow data: neither __arrow_c_stream__ nor __arrow_c_array__"
        )
    return DataFrame._wrap(owner, frame)


def from_pandas(data: Any, *, index: bool = False) -> DataFrame:
    """Makes a frame of a DataFrame of pandas; its index becomes columns where ``index`` is true. Missing values are null."""
    owner = _session.session()
    return DataFrame._wrap(owner, _data.from_pandas(data, owner, index))

"""Expressions over the columns of a frame."""

from __future__ import annotations

import builtins
import datetime
import decimal
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from swath._swath import Expression, check_type_name

__all__ = ["Expr", "call_function", "col", "lit", "row_count", "when"]

#: What stands for a value in an expression.
Value: TypeAlias = "Expr | None | bool | int | float | str | bytes | datetime.date | datetime.time | datetime.timedelta | decimal.Decimal | list[Any]"
#: What names a type: ``"float64"``, ``float``, ``numpy.float32``.
TypeName: TypeAlias = "str | type | Any"

_PYTHON_TYPES = {
    bool: "bool",
    int: "int64",
    float: "float64",
    str: "string",
    bytes: "binary",
    datetime.datetime: "timestamp[us]",
    datetime.date: "date",
    datetime.time: "time[us]",
    datetime.timedelta: "duration[us]",
}


def _inner(value: Value) -> Expression:
    return value._inner if isinstance(value, Expr) else Expression.literal(value)


def _column_or_expression(value: str | Expr) -> Expression:
    if isinstance(value, str):
        return Expression.column(value)
    if isinstance(value, Expr):
        return value._inner
    raise TypeError(f"expected a column's name or an expression, not {type(value).__name__}")


def _orderings(
    keys: str | Expr | Iterable[str | Expr] | None, descending: bool | Sequence[bool]
) -> list[tuple[Expression, bool, bool]]:
    if keys is None:
        return []
    keys = [keys] if isinstance(keys, (str, Expr)) else list(keys)
    flags = [descending] * len(keys) if isinstance(descending, bool) else list(descending)
    if len(flags) != len(keys):
        raise ValueError(f"descending has {len(flags)} values for {len(keys)} keys")
    return [(_column_or_expression(key), flag, True) for key, flag in zip(keys, flags)]


def _type_name(dtype: TypeName) -> str:
    if isinstance(dtype, str):
        name = dtype
    elif dtype in _PYTHON_TYPES:
        name = _PYTHON_TYPES[dtype]
    else:
        # NumPy's types, of this package too, have names; those of scalars are called by them.
        name = getattr(dtype, "name", None) or getattr(dtype, "__name__", None) or str(dtype)
    check_type_name(name)
    return name


# What to write in the place of names of pandas that there are not.
_PANDAS_NAMES = {
    "apply": "operators and methods of expressions, or arrays by frame.to_array",
    "astype": "cast(type)",
    "cumsum": "sum().over(order_by=name)",
    "fillna": "fill_null(value)",
    "isin": "is_in(values)",
    "isna": "is_null()",
    "isnull": "is_null()",
    "map": "operators and methods of expressions, or arrays by frame.to_array",
    "notna": "is_not_null()",
    "notnull": "is_not_null()",
    "nunique": "n_unique()",
    "rank": 'swath.call_function("rank").over(order_by=name)',
    "to_numpy": "frame.to_numpy(name)",
    "tolist": "frame.to_pydict()[name]",
    "unique": "frame.distinct(name)",
    "value_counts": "frame.group_by(name).count()",
    "values": "frame.to_numpy(name)",
}


class Expr:
    """A computation over columns, which a frame runs: made by :func:`col`, :func:`lit` and operators.

    Values that are not known are null, as in SQL: arithmetic and comparisons with null give null, ``filter`` keeps only
    rows where its condition is true, aggregates leave nulls out.

    ``/`` is a true division, of integers too; ``//`` and ``%`` round down, as Python's do. An integer division by zero is an
    error, one of floats gives infinity or NaN.

    >>> import swath as sw
    >>> frame = sw.DataFrame({"x": [1, 2, None], "name": ["a", "b", "c"]})
    >>> frame.select("name", ((sw.col("x") + 1) * 10).alias("y")).to_pydict()
    {'name': ['a', 'b', 'c'], 'y': [20, 30, None]}
    """

    __slots__ = ("_inner",)
    # Arrays and scalars of NumPy leave operators to the expression.
    __array_ufunc__ = None

    def __init__(self, inner: Expression) -> None:
        if not isinstance(inner, Expression):
            raise TypeError("expressions are made by swath.col and swath.lit")
        self._inner = inner

    def _binary(self, operator: builtins.str, other: Value) -> Expr:
        return Expr(self._inner.binary(operator, _inner(other)))

    def _reflected(self, operator: builtins.str, other: Value) -> Expr:
        return Expr(_inner(other).binary(operator, self._inner))

    def _call(self, name: builtins.str, *args: Value) -> Expr:
        return Expr(Expression.call(name, [self._inner, *map(_inner, args)]))

    def __add__(self, other: Value) -> Expr:
        return self._binary("+", other)

    def __radd__(self, other: Value) -> Expr:
        return self._reflected("+", other)

    def __sub__(self, other: Value) -> Expr:
        return self._binary("-", other)

    def __rsub__(self, other: Value) -> Expr:
        return self._reflected("-", other)

    def __mul__(self, other: Value) -> Expr:
        return self._binary("*", other)

    def __rmul__(self, other: Value) -> Expr:
        return self._reflected("*", other)

    def __truediv__(self, other: Value) -> Expr:
        return self._binary("/", other)

    def __rtruediv__(self, other: Value) -> Expr:
        return self._reflected("/", other)

    def __floordiv__(self, other: Value) -> Expr:
        return self._binary("//", other)

    def __rfloordiv__(self, other: Value) -> Expr:
        return self._reflected("//", other)

    def __mod__(self, other: Value) -> Expr:
        return self._binary("%", other)

    def __rmod__(self, other: Value) -> Expr:
        return self._reflected("%", other)

    def __pow__(self, other: Value) -> Expr:
        return self._call("power", other)

    def __rpow__(self, other: Value) -> Expr:
        return Expr(Expression.call("power", [_inner(other), self._inner]))

    def __neg__(self) -> Expr:
        return Expr(self._inner.negate())

    def __pos__(self) -> Expr:
        return self

    def __abs__(self) -> Expr:
        return self.abs()

    def __invert__(self) -> Expr:
        return Expr(self._inner.invert())

    def __and__(self, other: Value) -> Expr:
        return self._binary("&", other)

    def __rand__(self, other: Value) -> Expr:
        return self._reflected("&", other)

    def __or__(self, other: Value) -> Expr:
        return self._binary("|", other)

    def __ror__(self, other: Value) -> Expr:
        return self._reflected("|", other)

    def __eq__(self, other: Value) -> Expr:  # type: ignore[override]
        return self._binary("==", other)

    def __ne__(self, other: Value) -> Expr:  # type: ignore[override]
        return self._binary("!=", other)

    def __lt__(self, other: Value) -> Expr:
        return self._binary("<", other)

    def __le__(self, other: Value) -> Expr:
        return self._binary("<=", other)

    def __gt__(self, other: Value) -> Expr:
        return self._binary(">", other)

    def __ge__(self, other: Value) -> Expr:
        return self._binary(">=", other)

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        raise TypeError(
            "an expression has no truth value before a frame computes it; combine conditions with & | ~, not and, or, not"
        )

    def __repr__(self) -> builtins.str:
        return repr(self._inner)

    def __getattr__(self, name: builtins.str) -> Any:
        instead = f": write {_PANDAS_NAMES[name]}" if name in _PANDAS_NAMES else ""
        raise AttributeError(f"an expression has no attribute {name!r}{instead}", name=name, obj=self)

    def alias(self, name: builtins.str) -> Expr:
        """Names the column that the expression becomes; without it, the name is that of the first column in it.

        >>> import swath as sw
        >>> frame = sw.DataFrame({"x": [1, 2]})
        >>> frame.select((sw.col("x") * 2).alias("twice")).columns
        ['twice']
        """
        return Expr(self._inner.alias(name))

    @property
    def name(self) -> builtins.str:
        """The name of the column that the expression becomes."""
        return self._inner.output_name()

    def cast(self, dtype: TypeName, *, strict: bool = True) -> Expr:
        """Casts to a type: ``"float32"``, ``"date"``, ``"decimal(10, 2)"``, ``float``, ``numpy.int8``, ...

        A value that does not fit the type is an error, or null where ``strict`` is false.

        >>> import swath as sw
        >>> frame = sw.DataFrame({"text": ["1", "x"]})
        >>> frame.select(sw.col("text").cast(int, strict=False)).to_pydict()
        {'text': [1, None]}
        """
        return Expr(self._inner.cast(_type_name(dtype), strict))

    def is_null(self) -> Expr:
        """Whether the value is null. NaN is a value, and not null."""
        return Expr(self._inner.is_null())

    def is_not_null(self) -> Expr:
        """Whether the value is not null."""
        return Expr(self._inner.is_not_null())

    def is_nan(self) -> Expr:
        """Whether a float is NaN; null for null."""
        return self._call("isnan")

    def eq_null(self, other: Value) -> Expr:
        """Compares as ``==`` does, but null is equal to null and to nothing else."""
        return self._binary("~=", other)

    def fill_null(self, value: Value) -> Expr:
        """Puts ``value`` where the expression is null.

        >>> import swath as sw
        >>> sw.DataFrame({"x": [1, None]}).select(sw.col("x").fill_null(0)).to_pydict()
        {'x': [1, 0]}
        """
        return self._call("coalesce", value)

    def fill_nan(self, value: Value) -> Expr:
        """Puts ``value`` where the expression is NaN."""
        return self._call("nanvl", value)

    def is_in(self, values: Iterable[Value]) -> Expr:
        """Whether the value is one of these.

        >>> import swath as sw
        >>> sw.DataFrame({"x": [1, 2, 3]}).filter(sw.col("x").is_in([1, 3])).to_pydict()
        {'x': [1, 3]}
        """
        if isinstance(values, (str, bytes, Expr)):
            raise TypeError(f"is_in takes a list of values, not {type(values).__name__}")
        return Expr(self._inner.in_list([_inner(value) for value in values]))

    def between(self, lower: Value, upper: Value) -> Expr:
        """Whether the value lies between two others, or is one of them."""
        return (self >= lower) & (self <= upper)

    def clip(self, lower: Value = None, upper: Value = None) -> Expr:
        """Moves values below ``lower`` up to it and values above ``upper`` down to it; null stays null."""
        branches = []
        if lower is not None:
            branches.append((self._binary("<", lower)._inner, _inner(lower)))
        if upper is not None:
            branches.append((self._binary(">", upper)._inner, _inner(upper)))
        return Expr(Expression.case(branches, self._inner)).alias(self.name) if branches else self

    def abs(self) -> Expr:
        """The absolute value."""
        return self._call("abs")

    def sign(self) -> Expr:
        """-1, 0 or 1 by the sign."""
        return self._call("signum")

    def round(self, digits: int = 0) -> Expr:
        """Rounds to so many digits after the point, halves away from zero."""
        return self._call("round", digits)

    def __round__(self, ndigits: int = 0) -> Expr:
        return self.round(ndigits)

    def floor(self) -> Expr:
        """Rounds down."""
        return self._call("floor")

    def ceil(self) -> Expr:
        """Rounds up."""
        return self._call("ceil")

    def sqrt(self) -> Expr:
        """The square root."""
        return self._call("sqrt")

    def exp(self) -> Expr:
        """e to the power of the value."""
        return self._call("exp")

    def log(self, base: float | None = None) -> Expr:
        """The logarithm, natural unless a base is given."""
        return self._call("ln") if base is None else Expr(Expression.call("log", [_inner(base), self._inner]))

    def sum(self) -> Expr:
        """The sum of the values that are not null; null where there is none."""
        return self._call("sum")

    def mean(self) -> Expr:
        """The mean of the values that are not null."""
        return self._call("avg")

    def min(self) -> Expr:
        """The least value."""
        return self._call("min")

    def max(self) -> Expr:
        """The greatest value."""
        return self._call("max")

    def count(self) -> Expr:
        """The number of values that are not null."""
        return self._call("count")

    def n_unique(self) -> Expr:
        """The number of different values that are not null."""
        return Expr(Expression.call("count", [self._inner], distinct=True))

    def std(self, ddof: int = 1) -> Expr:
        """The standard deviation: of a sample, or with ``ddof=0`` of a population."""
        return self._call(_by_ddof("stddev", "stddev_pop", ddof))

    def var(self, ddof: int = 1) -> Expr:
        """The variance: of a sample, or with ``ddof=0`` of a population."""
        return self._call(_by_ddof("var", "var_pop", ddof))

    def median(self) -> Expr:
        """The median, as a float, halfway between the middle values where there are two."""
        return self.cast("float64")._call("median").alias(self.name)

    def quantile(self, q: float) -> Expr:
        """The value below which the fraction ``q`` of the values lies, interpolated linearly."""
        if not 0 <= q <= 1:
            raise ValueError(f"a quantile is between 0 and 1, not {q}")
        return self.cast("float64")._call("percentile_cont", float(q)).alias(self.name)

    def first(
        self,
        order_by: builtins.str | Expr | Iterable[builtins.str | Expr] | None = None,
        *,
        descending: bool | Sequence[bool] = False,
    ) -> Expr:
        """The first value in the order of ``order_by``; without it, any one value."""
        return self._ordered("first_value", order_by, descending)

    def last(
        self,
        order_by: builtins.str | Expr | Iterable[builtins.str | Expr] | None = None,
        *,
        descending: bool | Sequence[bool] = False,
    ) -> Expr:
        """The last value in the order of ``order_by``; without it, any one value."""
        return self._ordered("last_value", order_by, descending)

    def to_list(
        self,
        order_by: builtins.str | Expr | Iterable[builtins.str | Expr] | None = None,
        *,
        descending: bool | Sequence[bool] = False,
    ) -> Expr:
        """The values as one list, in the order of ``order_by``."""
        return self._ordered("array_agg", order_by, descending)

    def _ordered(self, name: builtins.str, order_by: Any, descending: bool | Sequence[bool]) -> Expr:
        called = self._call(name)
        keys = _orderings(order_by, descending)
        return Expr(called._inner.ordered_by(keys)) if keys else called

    def any(self) -> Expr:
        """Whether any value is true."""
        return self._call("bool_or")

    def all(self) -> Expr:
        """Whether every value is true."""
        return self._call("bool_and")

    def corr(self, other: Expr) -> Expr:
        """The correlation with another column (Pearson's)."""
        return self._call("corr", other)

    def over(
        self,
        *partition_by: builtins.str | Expr,
        order_by: builtins.str | Expr | Iterable[builtins.str | Expr] | None = None,
        descending: bool | Sequence[bool] = False,
    ) -> Expr:
        """The value of an aggregate over the rows that share ``partition_by``, in each of them.

        With ``order_by``, over the rows up to this one: a running sum, for example.

        >>> import swath as sw
        >>> frame = sw.DataFrame({"k": ["a", "a", "b"], "x": [1, 2, 5]})
        >>> frame.with_columns(total=sw.col("x").sum().over("k")).sort("k", "x").to_pydict()
        {'k': ['a', 'a', 'b'], 'x': [1, 2, 5], 'total': [3, 3, 5]}
        """
        keys = [_column_or_expression(key) for key in partition_by]
        return Expr(self._inner.over(keys, _orderings(order_by, descending)))

    def shift(self, rows: int = 1, fill: Value = None) -> Expr:
        """The value so many rows before, or after where ``rows`` is negative; give the order by :meth:`over`."""
        name, offset = ("lag", rows) if rows >= 0 else ("lead", -rows)
        return self._call(name, offset) if fill is None else self._call(name, offset, fill)

    @property
    def str(self) -> StringNamespace:
        """What is done with text."""
        return StringNamespace(self)

    @property
    def dt(self) -> DateTimeNamespace:
        """What is done with dates and times."""
        return DateTimeNamespace(self)

    @property
    def list(self) -> ListNamespace:
        """What is done with lists."""
        return ListNamespace(self)


def _by_ddof(sample: str, population: str, ddof: int) -> str:
    if ddof not in (0, 1):
        raise ValueError(f"ddof is 0 or 1, not {ddof}")
    return sample if ddof == 1 else population


class StringNamespace:
    """What is done with text; made by :attr:`Expr.str`.

    >>> import swath as sw
    >>> frame = sw.DataFrame({"name": ["Ada", "Bob"]})
    >>> frame.filter(sw.col("name").str.contains("^A")).to_pydict()
    {'name': ['Ada']}
    """

    __slots__ = ("_expr",)

    def __init__(self, expr: Expr) -> None:
        self._expr = expr

    def contains(self, pattern: str, *, regex: bool = True) -> Expr:
        """Whether a regular expression matches somewhere, or with ``regex=False`` whether the text is in it."""
        return self._expr._call("regexp_like" if regex else "contains", pattern)

    def starts_with(self, prefix: str) -> Expr:
        """Whether the text begins so."""
        return self._expr._call("starts_with", prefix)

    def ends_with(self, suffix: str) -> Expr:
        """Whether the text ends so."""
        return self._expr._call("ends_with", suffix)

    def like(self, pattern: str) -> Expr:
        """Whether the text is like a pattern of SQL, with ``%`` for any letters and ``_`` for one."""
        return Expr(self._expr._inner.like(pattern))

    def lower(self) -> Expr:
        """The text in small letters."""
        return self._expr._call("lower")

    def upper(self) -> Expr:
        """The text in capitals."""
        return self._expr._call("upper")

    def title(self) -> Expr:
        """The text with a capital at the start of each word."""
        return self._expr._call("initcap")

    def strip(self, letters: str | None = None) -> Expr:
        """The text without spaces, or these letters, at both ends."""
        return self._trim("btrim", letters)

    def lstrip(self, letters: str | None = None) -> Expr:
        """The text without spaces, or these letters, at its start."""
        return self._trim("ltrim", letters)

    def rstrip(self, letters: str | None = None) -> Expr:
        """The text without spaces, or these letters, at its end."""
        return self._trim("rtrim", letters)

    def _trim(self, name: str, letters: str | None) -> Expr:
        return self._expr._call(name) if letters is None else self._expr._call(name, letters)

    def len(self) -> Expr:
        """The number of letters."""
        return self._expr._call("character_length")

    def replace(self, old: str, new: str, *, regex: bool = False) -> Expr:
        """Puts ``new`` for each ``old``, which may be a regular expression."""
        if regex:
            return self._expr._call("regexp_replace", old, new, "g")
        return self._expr._call("replace", old, new)

    def slice(self, start: int, length: int | None = None) -> Expr:
        """The letters from ``start``, counted from 0, and so many of them."""
        if start < 0:
            raise ValueError(f"a slice starts at 0 or after it, not at {start}")
        args = [start + 1] if length is None else [start + 1, length]
        return self._expr._call("substr", *args)

    def split(self, separator: str) -> Expr:
        """The list of what stands between the separators."""
        return self._expr._call("string_to_array", separator)

    def extract(self, pattern: str, group: int = 1) -> Expr:
        """What a group of a regular expression matched; null where it matched nothing."""
        return self._expr._call("regexp_match", pattern)._call("array_element", group)

    def pad_start(self, length: int, letter: str = " ") -> Expr:
        """The text at this length, with letters put before it; cut where it is longer."""
        return self._expr._call("lpad", length, letter)

    def pad_end(self, length: int, letter: str = " ") -> Expr:
        """The text at this length, with letters put after it; cut where it is longer."""
        return self._expr._call("rpad", length, letter)

    def reverse(self) -> Expr:
        """The letters from the last to the first."""
        return self._expr._call("reverse")

    def to_datetime(self, format: str | None = None) -> Expr:
        """The moment that the text names, in ISO 8601 or by a format of strftime."""
        return self._expr._call("to_timestamp_micros", *([] if format is None else [format]))


class DateTimeNamespace:
    """What is done with dates and times; made by :attr:`Expr.dt`.

    >>> import datetime
    >>> import swath as sw
    >>> frame = sw.DataFrame({"day": [datetime.date(2024, 2, 29)]})
    >>> frame.select(sw.col("day").dt.year().alias("year"), sw.col("day").dt.weekday().alias("weekday")).to_pydict()
    {'year': [2024], 'weekday': [3]}
    """

    __slots__ = ("_expr",)

    def __init__(self, expr: Expr) -> None:
        self._expr = expr

    def _part(self, name: str) -> Expr:
        return Expr(Expression.call("date_part", [Expression.literal(name), self._expr._inner]))

    def year(self) -> Expr:
        """The year."""
        return self._part("year")

    def quarter(self) -> Expr:
        """The quarter of the year, from 1."""
        return self._part("quarter")

    def month(self) -> Expr:
        """The month, from 1."""
        return self._part("month")

    def week(self) -> Expr:
        """The week of the year by ISO 8601."""
        return self._part("week")

    def day(self) -> Expr:
        """The day of the month, from 1."""
        return self._part("day")

    def day_of_year(self) -> Expr:
        """The day of the year, from 1."""
        return self._part("doy")

    def weekday(self) -> Expr:
        """The day of the week: Monday is 0, as in the datetime module."""
        return (self._part("dow") + 6).alias(self._expr.name) % 7

    def hour(self) -> Expr:
        """The hour."""
        return self._part("hour")

    def minute(self) -> Expr:
        """The minute."""
        return self._part("minute")

    def second(self) -> Expr:
        """The whole seconds of the minute."""
        return self._part("second")

    def microsecond(self) -> Expr:
        """The microseconds of the second."""
        return self._part("microsecond") % 1_000_000

    def epoch(self) -> Expr:
        """The seconds since 1970-01-01, as a float."""
        return self._part("epoch")

    def date(self) -> Expr:
        """The date without the time."""
        return self._expr.cast("date")

    def truncate(self, unit: str) -> Expr:
        """The start of the ``"year"``, ``"quarter"``, ``"month"``, ``"week"``, ``"day"``, ``"hour"``, ``"minute"`` or ``"second"``."""
        return Expr(Expression.call("date_trunc", [Expression.literal(unit), self._expr._inner]))

    def strftime(self, format: str) -> Expr:
        """The moment as text, by a format of strftime."""
        return self._expr._call("to_char", format)


class ListNamespace:
    """What is done with lists; made by :attr:`Expr.list`.

    >>> import swath as sw
    >>> frame = sw.DataFrame({"tags": [["a", "b"], []]})
    >>> frame.select(sw.col("tags").list.len()).to_pydict()
    {'tags': [2, 0]}
    """

    __slots__ = ("_expr",)

    def __init__(self, expr: Expr) -> None:
        self._expr = expr

    def len(self) -> Expr:
        """The number of values; null for a null list."""
        return self._expr._call("cardinality").cast("int64")

    def get(self, index: int) -> Expr:
        """The value at a place, from 0, or from the end where it is negative; null where there is none."""
        return self._expr._call("array_element", index + 1 if index >= 0 else index)

    def contains(self, value: Value) -> Expr:
        """Whether the value is in the list."""
        return self._expr._call("array_has", value)

    def join(self, separator: str) -> Expr:
        """The values as one text."""
        return self._expr._call("array_to_string", separator)


class When:
    """A condition that waits for its value; made by :func:`when`."""

    __slots__ = ("_branches", "_condition")

    def __init__(self, branches: list[tuple[Expression, Expression]], condition: Expr) -> None:
        if not isinstance(condition, Expr):
            raise TypeError(f"a condition is an expression, not {type(condition).__name__}")
        self._branches = branches
        self._condition = condition

    def then(self, value: Value) -> Then:
        """What the expression is where the condition is the first that holds."""
        return Then([*self._branches, (self._condition._inner, _inner(value))])


class Then(Expr):
    """A choice that is null where no condition holds; made by :meth:`When.then`."""

    __slots__ = ("_branches",)

    def __init__(self, branches: list[tuple[Expression, Expression]]) -> None:
        super().__init__(Expression.case(branches, None))
        self._branches = branches

    def when(self, condition: Expr) -> When:
        """A further condition, for where none before holds."""
        return When(self._branches, condition)

    def otherwise(self, value: Value) -> Expr:
        """What the expression is where no condition holds."""
        return Expr(Expression.case(self._branches, _inner(value)))


def col(name: str) -> Expr:
    """The column of this name; every letter counts as it is.

    >>> import swath as sw
    >>> sw.col("x") + 1
    x + 1
    """
    if not isinstance(name, str):
        raise TypeError(f"the name of a column is a str, not {type(name).__name__}")
    return Expr(Expression.column(name))


def lit(value: Value) -> Expr:
    """A value that is the same in every row.

    >>> import swath as sw
    >>> sw.DataFrame({"x": [1, 2]}).with_columns(kind=sw.lit("new")).to_pydict()
    {'x': [1, 2], 'kind': ['new', 'new']}
    """
    return value if isinstance(value, Expr) else Expr(Expression.literal(value))


def when(condition: Expr) -> When:
    """Chooses by condition: ``when(...).then(...).when(...).then(...).otherwise(...)``.

    >>> import swath as sw
    >>> x = sw.col("x")
    >>> frame = sw.DataFrame({"x": [-2, 0, 3]})
    >>> frame.select(sw.when(x > 0).then(sw.lit("+")).when(x < 0).then(sw.lit("-")).otherwise(sw.lit("0")).alias("sign")).to_pydict()
    {'sign': ['-', '0', '+']}
    """
    return When([], condition)


def row_count() -> Expr:
    """The number of rows, for an aggregation.

    >>> import swath as sw
    >>> frame = sw.DataFrame({"k": ["a", "b", "a"]})
    >>> frame.group_by("k").agg(rows=sw.row_count()).sort("k").to_pydict()
    {'k': ['a', 'b'], 'rows': [2, 1]}
    """
    return Expr(Expression.row_count())


def call_function(name: str, *args: Value, distinct: bool = False) -> Expr:
    """Calls a function of SQL by its name: a scalar function, an aggregate or a window function.

    >>> import swath as sw
    >>> sw.DataFrame({"x": [12, 18]}).select(sw.call_function("gcd", sw.col("x"), 8)).to_pydict()
    {'x': [4, 2]}
    """
    try:
        return Expr(Expression.call(name, [_inner(arg) for arg in args], distinct))
    except KeyError:
        import difflib

        from swath._swath import function_names

        near = difflib.get_close_matches(name, function_names(), n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise KeyError(f"there is no function '{name}'{hint}") from None

"""Frames: composing, computing, looking at them."""

import datetime
import decimal
import math

import numpy as np
import pytest

import swath as sw
from swath import col


@pytest.fixture
def points():
    return sw.DataFrame({
        "k": ["a", "b", "a", None, "b", "c"],
        "x": [1, 2, 3, 4, None, 6],
        "y": [0.5, math.nan, 1.5, None, 2.5, -0.0],
    })  # fmt: skip


def test_lists_have_the_types_of_their_values():
    frame = sw.DataFrame({
        "flag": [True, None],
        "whole": [1, 2**40],
        "huge": [2**63, 1],
        "mixed": [1, 2.5],
        "text": ["é", ""],
        "bytes": [b"\x00", None],
        "day": [datetime.date(1969, 12, 31), datetime.date(2024, 2, 29)],
        "moment": [datetime.datetime(1969, 12, 31, 23, 59, 59, 999999), None],
        "clock": [datetime.time(1, 2, 3, 4), None],
        "span": [datetime.timedelta(days=-1, microseconds=1), None],
        "price": [decimal.Decimal("1.50"), decimal.Decimal("-3")],
        "list": [[1, None], []],
        "struct": [{"a": 1}, {"b": "x"}],
        "none": [None, None],
    })  # fmt: skip
    assert frame.schema == {
        "flag": "bool",
        "whole": "int64",
        "huge": "uint64",
        "mixed": "float64",
        "text": "string",
        "bytes": "binary",
        "day": "date",
        "moment": "timestamp[us]",
        "clock": "time[us]",
        "span": "duration[us]",
        "price": "decimal(38, 2)",
        "list": "list<int64>",
        "struct": "struct<a: int64, b: string>",
        "none": "null",
    }
    values = frame.to_pydict()
    assert values["flag"] == [True, None]
    assert values["huge"] == [2**63, 1]
    assert values["mixed"] == [1.0, 2.5]
    assert values["bytes"] == [b"\x00", None]
    assert values["day"] == [datetime.date(1969, 12, 31), datetime.date(2024, 2, 29)]
    assert values["moment"] == [datetime.datetime(1969, 12, 31, 23, 59, 59, 999999), None]
    assert values["clock"] == [datetime.time(1, 2, 3, 4), None]
    assert values["span"] == [datetime.timedelta(days=-1, microseconds=1), None]
    assert values["price"] == [decimal.Decimal("1.50"), decimal.Decimal("-3.00")]
    assert values["list"] == [[1, None], []]
    assert values["struct"] == [{"a": 1, "b": None}, {"a": None, "b": "x"}]
    assert values["none"] == [None, None]


def test_moments_keep_their_time_zone():
    zone = datetime.timezone(datetime.timedelta(hours=2))
    moment = datetime.datetime(2024, 6, 1, 12, tzinfo=zone)
    frame = sw.DataFrame({"at": [moment]})
    assert frame.dtypes == ["timestamp[us, tz=UTC]"]
    assert frame.to_pydict()["at"] == [moment]


@pytest.mark.parametrize(
    "dtype",
    ["bool", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"],
)
def test_arrays_go_in_and_out_with_their_type(dtype):
    array = np.array([0, 1, 1, 0, 1]).astype(dtype)
    frame = sw.DataFrame({"x": array})
    assert frame.dtypes == [array.dtype.name]
    back = frame.to_numpy("x")
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize("view", [np.s_[::2], np.s_[::-1], np.s_[3:], np.s_[5:5]])
def test_arrays_of_any_strides_go_in(view):
    array = np.arange(10.0)[view]
    np.testing.assert_array_equal(sw.DataFrame({"x": array}).to_numpy("x"), array)


def test_arrays_of_times_have_nat_for_null():
    array = np.array(["2024-01-01T00:00:01", "NaT"], dtype="datetime64[ms]")
    frame = sw.DataFrame({"at": array, "span": array - array[0]})
    assert frame.dtypes == ["timestamp[ms]", "duration[ms]"]
    assert frame.to_pydict()["at"] == [datetime.datetime(2024, 1, 1, 0, 0, 1), None]
    np.testing.assert_array_equal(frame.to_numpy("at"), array)
    np.testing.assert_array_equal(frame.to_numpy("span"), array - array[0])


def test_masked_arrays_have_nulls():
    array = np.ma.MaskedArray([1, 2, 3], [False, True, False])
    assert sw.DataFrame({"x": array}).to_pydict() == {"x": [1, None, 3]}


def test_other_byte_orders_and_text_go_in():
    frame = sw.DataFrame({"x": np.array([1, 256], ">i4"), "s": np.array(["a", "bc"])})
    assert frame.to_pydict() == {"x": [1, 256], "s": ["a", "bc"]}


def test_an_array_that_changes_later_does_not_change_the_frame():
    array = np.array([1, 2])
    frame = sw.DataFrame({"x": array})
    array[0] = 99
    assert frame.to_pydict() == {"x": [1, 2]}


def test_single_values_stand_in_every_row():
    assert sw.DataFrame({"x": [1, 2], "k": "a"}).to_pydict() == {"x": [1, 2], "k": ["a", "a"]}


def test_rows_and_nothing_go_in():
    assert sw.DataFrame([{"x": 1}, {"x": 2, "y": "b"}]).to_pydict() == {"x": [1, 2], "y": [None, "b"]}
    assert sw.DataFrame().columns == []
    empty = sw.DataFrame({"x": []})
    assert len(empty) == 0
    assert empty.to_pydict() == {"x": []}


def test_select_takes_names_sql_and_expressions(points):
    chosen = points.select("x", "x + 1 AS more", col("y") * 2, less=col("x") - 1)
    assert chosen.columns == ["x", "more", "y", "less"]
    assert chosen.to_pydict()["less"] == [0, 1, 2, 3, None, 5]
    assert points.select("*", (col("x") * 0).alias("zero")).columns == ["k", "x", "y", "zero"]


def test_columns_of_any_name_are_found_as_they_are():
    frame = sw.DataFrame({"Price": [1], "a b": [2], "sum(x)": [3], "x.y": [4], "": [5], 'q"q': [6]})
    assert frame.select("Price", "a b", "sum(x)", "x.y", "", 'q"q').to_pydict() == frame.to_pydict()
    assert frame.filter(col("Price") == 1)[["a b"]].to_pydict() == {"a b": [2]}
    assert frame.filter('"Price" = 1').rename(str.lower).columns[0] == "price"
    assert frame.sort("x.y").with_columns(col("x.y") + 1).to_pydict()["x.y"] == [5]


def test_aggregates_alone_make_one_row(points):
    x = col("x")
    chosen = points.select(
        x.sum().alias("sum"),
        x.mean().alias("mean"),
        x.count().alias("count"),
        (x.max() - x.min()).alias("range"),
        sw.row_count().alias("rows"),
    )
    assert chosen.to_pydict() == {"sum": [16], "mean": [3.2], "count": [5], "range": [5], "rows": [6]}


def test_aggregates_beside_columns_stand_in_every_row(points):
    shares = points.drop_nulls("x").select("x", (col("x") / col("x").sum()).alias("share")).sort("x")
    assert shares.to_pydict()["share"] == [1 / 16, 2 / 16, 3 / 16, 4 / 16, 6 / 16]
    assert points.filter(col("x") == col("x").max()).to_pydict()["k"] == ["c"]


def test_with_columns_replaces_and_adds(points):
    changed = points.with_columns(col("x") + 1, z=col("x") * 10, w="x + y")
    assert changed.columns == ["k", "x", "y", "z", "w"]
    # All see the frame as it is.
    assert changed.to_pydict()["z"] == [10, 20, 30, 40, None, 60]
    assert changed.to_pydict()["x"] == [2, 3, 4, 5, None, 7]


def test_filter_keeps_what_is_true(points):
    assert points.filter(col("x") > 2, "k IS NOT NULL").to_pydict()["x"] == [3, 6]
    assert points.filter((col("x") < 2) | ~(col("k") != "c")).to_pydict()["x"] == [1, 6]
    assert len(points.filter()) == 6


def test_division_is_python_s():
    frame = sw.DataFrame({"a": [7, -7, 7, -7], "b": [2, 2, -2, -2]})
    a, b = col("a"), col("b")
    values = frame.select((a / b).alias("/"), (a // b).alias("//"), (a % b).alias("%")).to_pydict()
    pairs = list(zip([7, -7, 7, -7], [2, 2, -2, -2]))
    assert values["/"] == [x / y for x, y in pairs]
    assert values["//"] == [x // y for x, y in pairs]
    assert values["%"] == [x % y for x, y in pairs]
    floats = frame.cast(float).select((a // b).alias("//"), (a % b).alias("%"), (1 / (a - a)).alias("inf"))
    assert floats.to_pydict()["//"] == [float(x // y) for x, y in pairs]
    assert floats.to_pydict()["%"] == [
        math.fmod(x, y) + (y if math.fmod(x, y) * y < 0 else 0) for x, y in pairs
    ]
    assert floats.to_pydict()["inf"] == [math.inf] * 4


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint64"])
def test_floor_division_of_narrow_integers(dtype):
    frame = sw.DataFrame({"a": np.array([200 % 128, 7, 0], dtype)})
    values = frame.select((col("a") // 3).alias("q"), (col("a") % 3).alias("r")).to_pydict()
    assert values == {"q": [24, 2, 0], "r": [0, 1, 0]}


def test_operators_take_values_on_the_left():
    frame = sw.DataFrame({"x": [2, 4]})
    x = col("x")
    values = frame.select(
        (10 - x).alias("-"),
        (8 / x).alias("/"),
        (9 // x).alias("//"),
        (9 % x).alias("%"),
        (2**x).alias("**"),
        (np.float64(1) + x).alias("+"),
    ).to_pydict()
    assert values == {"-": [8, 6], "/": [4.0, 2.0], "//": [4, 2], "%": [1, 1], "**": [4, 16], "+": [3.0, 5.0]}


def test_text_is_joined_by_plus():
    frame = sw.DataFrame({"a": ["x", None], "b": ["y", "z"]})
    assert frame.select((col("a") + "-" + col("b")).alias("c")).to_pydict() == {"c": ["x-y", None]}


def test_nulls_and_nan(points):
    y = col("y")
    values = points.select(
        y.is_null().alias("null"),
        y.is_nan().alias("nan"),
        y.fill_null(9).alias("filled"),
        y.fill_nan(7).alias("numbers"),
    ).to_pydict()
    assert values["null"] == [False, False, False, True, False, False]
    assert values["nan"] == [False, True, False, None, False, False]
    assert values["filled"][3] == 9.0
    assert values["numbers"][1] == 7.0
    assert math.copysign(1, points.to_pydict()["y"][5]) == -1.0
    assert points.fill_null("?").to_pydict()["k"] == ["a", "b", "a", "?", "b", "c"]
    assert points.fill_null(0, ["x"]).to_pydict()["x"] == [1, 2, 3, 4, 0, 6]
    assert len(points.drop_nulls()) == 4
    assert len(points.drop_nulls("k")) == 5
    assert points.select(col("k").eq_null(None).alias("e")).to_pydict()["e"] == [
        False,
        False,
        False,
        True,
        False,
        False,
    ]


def test_choices_and_bounds():
    x = col("x")
    frame = sw.DataFrame({"x": [-5, 0, 5, None]})
    values = frame.select(
        x.clip(-1, 1),
        x.between(-5, 0).alias("between"),
        x.is_in([0, 5]).alias("in"),
        sw.when(x > 0).then(x).alias("positive"),
        sw.when(x > 0).then(sw.lit("+")).when(x < 0).then(sw.lit("-")).otherwise(sw.lit("0")).alias("sign"),
    ).to_pydict()
    assert values == {
        "x": [-1, 0, 1, None],
        "between": [True, True, False, None],
        "in": [False, True, True, None],
        "positive": [None, None, 5, None],
        "sign": ["-", "0", "+", "0"],
    }


def test_text_functions():
    s = col("s")
    frame = sw.DataFrame({"s": ["Hello World", "  pad ", None]})
    values = frame.select(
        s.str.contains("^H.*d$").alias("regex"),
        s.str.contains("o W", regex=False).alias("literal"),
        s.str.starts_with("He").alias("starts"),
        s.str.ends_with(" ").alias("ends"),
        s.str.like("%pad%").alias("like"),
        s.str.lower().alias("lower"),
        s.str.upper().alias("upper"),
        s.str.strip().alias("strip"),
        s.str.len().alias("len"),
        s.str.replace("l", "L").alias("replace"),
        s.str.replace("[aeo]", "_", regex=True).alias("regex_replace"),
        s.str.slice(1, 3).alias("slice"),
        s.str.split(" ").alias("split"),
        s.str.extract("(W[a-z]+)").alias("extract"),
        s.str.reverse().alias("reverse"),
        s.str.pad_end(12, "!").alias("pad"),
    ).to_pydict()
    assert {name: column[2] for name, column in values.items()} == dict.fromkeys(values)
    assert {name: column[0] for name, column in values.items()} == {
        "regex": True,
        "literal": True,
        "starts": True,
        "ends": False,
        "like": False,
        "lower": "hello world",
        "upper": "HELLO WORLD",
        "strip": "Hello World",
        "len": 11,
        "replace": "HeLLo WorLd",
        "regex_replace": "H_ll_ W_rld",
        "slice": "ell",
        "split": ["Hello", "World"],
        "extract": "World",
        "reverse": "dlroW olleH",
        "pad": "Hello World!",
    }
    assert values["strip"][1] == "pad"
    assert values["extract"][1] is None


def test_time_functions():
    moments = [
        datetime.datetime(2024, 2, 29, 13, 14, 15, 160017),
        datetime.datetime(1969, 7, 20, 20, 17, 40),
        None,
    ]
    t = col("t")
    values = (
        sw.DataFrame({"t": moments})
        .select(
            t.dt.year().alias("year"),
            t.dt.quarter().alias("quarter"),
            t.dt.month().alias("month"),
            t.dt.week().alias("week"),
            t.dt.day().alias("day"),
            t.dt.day_of_year().alias("day_of_year"),
            t.dt.weekday().alias("weekday"),
            t.dt.hour().alias("hour"),
            t.dt.minute().alias("minute"),
            t.dt.second().alias("second"),
            t.dt.microsecond().alias("microsecond"),
            t.dt.date().alias("date"),
            t.dt.truncate("month").alias("truncate"),
            t.dt.strftime("%Y/%m").alias("strftime"),
            (t + datetime.timedelta(days=1)).alias("tomorrow"),
        )
        .to_pydict()
    )
    for row, moment in enumerate(moments[:2]):
        assert {name: column[row] for name, column in values.items()} == {
            "year": moment.year,
            "quarter": (moment.month + 2) // 3,
            "month": moment.month,
            "week": moment.isocalendar().week,
            "day": moment.day,
            "day_of_year": moment.timetuple().tm_yday,
            "weekday": moment.weekday(),
            "hour": moment.hour,
            "minute": moment.minute,
            "second": moment.second,
            "microsecond": moment.microsecond,
            "date": moment.date(),
            "truncate": moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0),
            "strftime": moment.strftime("%Y/%m"),
            "tomorrow": moment + datetime.timedelta(days=1),
        }
    assert all(column[2] is None for column in values.values())
    parsed = sw.DataFrame({"s": ["2024-02-29T01:02:03"]}).select(col("s").str.to_datetime())
    assert parsed.to_pydict()["s"] == [datetime.datetime(2024, 2, 29, 1, 2, 3)]
    assert sw.DataFrame({"t": moments}).filter(t < datetime.datetime(2000, 1, 1)).to_pydict()["t"] == [
        moments[1]
    ]


def test_list_functions():
    frame = sw.DataFrame({"l": [[1, 2, 3], [], None]})
    items = col("l").list
    values = frame.select(
        items.len().alias("len"),
        items.get(0).alias("first"),
        items.get(-1).alias("last"),
        items.contains(2).alias("has"),
        items.join("-").alias("join"),
    ).to_pydict()
    assert values["len"] == [3, 0, None]
    assert values["first"] == [1, None, None]
    assert values["last"] == [3, None, None]
    assert values["has"] == [True, False, None]
    assert values["join"] == ["1-2-3", "", None]
    assert frame.explode("l").to_pydict()["l"][:3] == [1, 2, 3]


def test_group_by(points):
    grouped = points.group_by("k").agg(
        col("x").sum(),
        col("y").max().alias("most"),
        "count(*) AS n",
        mean=col("x").mean(),
        kinds=col("x").n_unique(),
    )
    assert grouped.columns == ["k", "x", "most", "n", "mean", "kinds"]
    values = grouped.sort("k").to_pydict()
    assert values["k"] == ["a", "b", "c", None]
    assert values["x"] == [4, 2, 6, 4]
    assert values["n"] == [2, 2, 1, 1]
    assert values["mean"] == [2.0, 2.0, 6.0, 4.0]
    assert values["kinds"] == [2, 1, 1, 1]


def test_group_by_expressions_and_shorthands(points):
    parity = points.group_by((col("x") % 2).alias("odd")).count().sort("odd")
    assert parity.to_pydict() == {"odd": [0, 1, None], "count": [3, 2, 1]}
    assert points.group_by("k").sum().columns == ["k", "x", "y"]
    assert points.group_by("k").max().sort("k").to_pydict()["x"] == [3, 2, 6, 4]
    dicts = points.group_by("k").agg({"x": ["min", "max"], "y": "count"}).sort("k")
    assert dicts.columns == ["k", "x_min", "x_max", "y"]
    assert points.agg(total=("x", "sum")).to_pydict() == {"total": [16]}
    assert points.group_by("k").agg().sort("k").to_pydict() == {"k": ["a", "b", "c", None]}
    ordered = points.group_by("k").agg(all=col("x").to_list("x", descending=True), first=col("x").first("x"))
    assert ordered.sort("k").to_pydict()["all"][0] == [3, 1]
    assert ordered.sort("k").to_pydict()["first"][0] == 1


def test_statistics_agree_with_numpy():
    values = np.random.default_rng(5).normal(size=1001)
    x = col("x")
    computed = sw.DataFrame({"x": values}).select(
        x.mean().alias("mean"), x.std().alias("std"), x.std(ddof=0).alias("std0"), x.var().alias("var"),
        x.median().alias("median"), x.quantile(0.1).alias("q"), x.sum().alias("sum"),
    ).to_pydict()  # fmt: skip
    expected = {
        "mean": values.mean(), "std": values.std(ddof=1), "std0": values.std(), "var": values.var(ddof=1),
        "median": np.median(values), "q": np.quantile(values, 0.1), "sum": values.sum(),
    }  # fmt: skip
    for name, value in expected.items():
        np.testing.assert_allclose(computed[name][0], value, rtol=1e-12, err_msg=name)


@pytest.mark.parametrize(
    ("how", "rows"),
    [
        ("inner", [(2, "b", "B")]),
        ("left", [(1, "a", None), (2, "b", "B"), (None, "n", None)]),
        ("right", [(2, "b", "B"), (3, None, "C"), (None, None, "N")]),
        ("full", [(1, "a", None), (2, "b", "B"), (3, None, "C"), (None, None, "N"), (None, "n", None)]),
        ("semi", [(2, "b")]),
        ("anti", [(1, "a"), (None, "n")]),
    ],
)
def test_joins(how, rows):
    left = sw.DataFrame({"k": [1, 2, None], "x": ["a", "b", "n"]})
    right = sw.DataFrame({"k": [2, 3, None], "y": ["B", "C", "N"]})
    for joined in (
        left.join(right, on="k", how=how),
        left.join(right.rename({"k": "key"}), left_on="k", right_on="key", how=how),
    ):
        assert joined.columns == (["k", "x"] if how in ("semi", "anti") else ["k", "x", "y"])
        found = sorted(
            (tuple(row.values()) for row in joined.to_pylist()), key=lambda row: [str(cell) for cell in row]
        )
        assert found == sorted(rows, key=lambda row: [str(cell) for cell in row])


def test_joins_mark_names_that_both_sides_have():
    left = sw.DataFrame({"k": [1], "x": [2]})
    assert left.join(left, on="k").columns == ["k", "x", "x_right"]
    assert left.join(left, on="k", suffix="2").columns == ["k", "x", "x2"]
    assert left.join(left, how="cross").columns == ["k", "x", "k_right", "x_right"]
    # A join of joins: no name of a side leaks.
    joined = left.join(left, on="k").join(left, on="k", suffix="_third")
    assert joined.to_pydict() == {"k": [1], "x": [2], "x_right": [2], "x_third": [2]}


def test_sort_orders_nulls_and_nan(points):
    assert points.sort("x", descending=True).to_pydict()["x"] == [6, 4, 3, 2, 1, None]
    assert points.sort("x", nulls_last=False).to_pydict()["x"] == [None, 1, 2, 3, 4, 6]
    assert points.sort("k", "x", descending=[False, True]).to_pydict()["x"][:4] == [3, 1, None, 2][:2] + [
        2,
        None,
    ]
    y = points.sort("y").to_pydict()["y"]
    assert y[:4] == [-0.0, 0.5, 1.5, 2.5] and math.isnan(y[4]) and y[5] is None
    assert points.sort(-col("x")).to_pydict()["x"][0] == 6
    assert points.sort("x * -1").to_pydict()["x"][0] == 6


def test_rows_are_taken_by_place():
    frame = sw.DataFrame({"x": list(range(10))})
    assert frame.head(3).to_pydict()["x"] == [0, 1, 2]
    assert frame.tail(3).to_pydict()["x"] == [7, 8, 9]
    assert frame.limit(2, offset=4).to_pydict()["x"] == [4, 5]
    assert frame[2:4].to_pydict()["x"] == [2, 3]
    assert frame[-2:].to_pydict()["x"] == [8, 9]
    assert len(frame.head(0)) == 0
    assert len(frame.tail(100)) == 10


def test_distinct_and_union(points):
    assert len(points.distinct("k")) == 4
    assert points.select("k").distinct().sort("k").to_pydict()["k"] == ["a", "b", "c", None]
    both = sw.DataFrame({"x": [1], "y": ["a"]}).union({"y": ["b"], "x": [2]}).sort("x")
    assert both.to_pydict() == {"x": [1, 2], "y": ["a", "b"]}
    assert sw.DataFrame({"x": [1]}).union({"z": [2]}, by_name=False).sort("x").to_pydict() == {"x": [1, 2]}


def test_names_change(points):
    assert points.rename({"x": "z"}).columns == ["k", "z", "y"]
    assert points.rename(str.upper).columns == ["K", "X", "Y"]
    assert points.drop("x", "y").columns == ["k"]
    assert points.drop(["x"], "nothing", strict=False).columns == ["k", "y"]


def test_casts(points):
    frame = sw.DataFrame({"s": ["1", "2"], "f": [1.7, -1.7]})
    assert frame.cast({"s": int, "f": np.int8}).to_pydict() == {"s": [1, 2], "f": [1, -1]}
    assert frame.select(col("s").cast("decimal(5, 2)")).dtypes == ["decimal(5, 2)"]
    assert frame.select(col("s").cast(np.dtype("float32"))).dtypes == ["float32"]
    assert frame.select(col("s").cast(datetime.datetime, strict=False)).dtypes == ["timestamp[us]"]


def test_windows():
    frame = sw.DataFrame({"k": ["a", "a", "b"], "x": [1, 2, 5]})
    x = col("x")
    computed = frame.with_columns(
        total=x.sum().over("k"),
        running=x.sum().over("k", order_by="x"),
        rank=sw.call_function("row_number").over(order_by="x", descending=True),
        before=x.shift().over(order_by="x"),
    ).sort("x")
    assert computed.to_pydict() == {
        "k": ["a", "a", "b"],
        "x": [1, 2, 5],
        "total": [3, 3, 5],
        "running": [1, 3, 5],
        "rank": [3, 2, 1],
        "before": [None, 1, 2],
    }


def test_describe(points):
    described = points.describe().to_pydict()
    assert described["statistic"] == ["count", "nulls", "mean", "std", "min", "25%", "50%", "75%", "max"]
    assert described["x"][:3] == [5.0, 1.0, 3.2]
    assert described["k"] == ["5", "1", None, None, "a", None, None, None, "c"]


def test_lazy_and_computed(points):
    lazy = points.filter("x > 1")
    assert not lazy.is_computed
    assert lazy.receipt is None
    computed = lazy.compute()
    assert computed.is_computed
    assert computed.compute() is computed
    assert computed.shape == lazy.shape == (4, 3)
    assert computed.receipt.totals["rows"] == 4
    assert any(operator["name"] == "FilterExec" for operator in computed.receipt.operators)
    assert "FilterExec" in str(computed.receipt)
    assert "FilterExec" in lazy.explain()


def test_looking_at_frames(points):
    lines = repr(points).splitlines()
    assert lines[0].split() == ["k", "x", "y"]
    assert lines[1].split() == ["string", "int64", "float64"]
    assert lines[-1] == "[6 rows, 3 columns]"
    assert "null" in lines[6]
    assert repr(points.filter("x > 1")).startswith("DataFrame, not computed; runs on ")
    assert "… 90 more" in repr(sw.DataFrame({"x": list(range(100))}))
    html = sw.DataFrame({"<b>": ["<i>"]})._repr_html_()
    assert "&lt;b&gt;" in html and "&lt;i&gt;" in html
    assert "not computed" in points.filter("x > 1")._repr_html_()
    wide = sw.DataFrame({f"c{place}": [place] for place in range(40)})
    assert "24 of them not shown" in repr(wide)
    assert len(repr(sw.DataFrame({"x": ["long" * 100]})).splitlines()[3]) <= 40


def test_batches_come_one_by_one():
    frame = sw.sql("SELECT value AS x FROM generate_series(1, 50000)")
    sizes, total = [], 0
    for batch in frame.iter_batches():
        assert batch.is_computed
        sizes.append(len(batch))
        total += sum(batch.to_pydict()["x"])
    assert sum(sizes) == 50000 and len(sizes) > 1
    assert total == 50000 * 50001 // 2
    for batch in frame.iter_batches():
        break


def test_arrays_come_out():
    frame = sw.DataFrame({"i": [1, None], "b": [True, None], "s": ["a", None], "f": [1.5, None]})
    np.testing.assert_array_equal(frame.to_numpy("i"), [1.0, np.nan])
    assert frame.to_numpy("b").tolist() == [True, None]
    assert frame.to_numpy("s").tolist() == ["a", None]
    np.testing.assert_array_equal(frame.to_numpy("f"), [1.5, np.nan])
    square = sw.DataFrame({"x": [1, 2], "y": [0.5, 1.5]}).to_numpy()
    np.testing.assert_array_equal(square, [[1, 0.5], [2, 1.5]])
    np.testing.assert_array_equal(np.asarray(sw.DataFrame({"x": [1, 2]})), [[1], [2]])
    days = sw.DataFrame({"d": [datetime.date(2024, 1, 2)]}).to_numpy("d")
    assert days[0] == np.datetime64("2024-01-02")
    assert sw.DataFrame({"x": [7]}).item() == 7
    sliced = sw.DataFrame({"x": list(range(100))})[10:20].compute()
    np.testing.assert_array_equal(sliced.to_numpy("x"), np.arange(10, 20))


def test_many_rows_agree_with_numpy():
    rng = np.random.default_rng(11)
    keys, values = rng.integers(0, 1000, 200_000), rng.normal(size=200_000)
    grouped = sw.DataFrame({"k": keys, "v": values}).group_by("k").agg(total=col("v").sum()).sort("k")
    expected = np.bincount(keys, weights=values)
    np.testing.assert_allclose(grouped.to_numpy("total"), expected, atol=1e-9)

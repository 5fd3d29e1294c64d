"""What is wrong is said, as the exception that Python's users expect."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

import swath as sw
from swath import col


@pytest.fixture
def frame():
    return sw.DataFrame({"price": [1, 2], "name": ["a", "b"]})


@pytest.mark.parametrize(
    "use",
    [
        lambda frame: frame.select("prise"),
        lambda frame: frame.select(col("prise")),
        lambda frame: frame["prise"],
        lambda frame: frame[["prise"]],
        lambda frame: frame.filter("prise > 1"),
        lambda frame: frame.filter(col("prise") > 1),
        lambda frame: frame.with_columns(x=col("prise") / 2),
        lambda frame: frame.group_by("prise").count(),
        lambda frame: frame.agg(col("prise").sum()),
        lambda frame: frame.sort("prise"),
        lambda frame: frame.drop("prise"),
        lambda frame: frame.rename({"prise": "x"}),
        lambda frame: frame.distinct("prise"),
        lambda frame: frame.join(frame, on="prise"),
        lambda frame: frame.drop_nulls("prise"),
        lambda frame: frame.to_numpy("prise"),
        lambda frame: frame.fill_null(0, ["prise"]),
        lambda frame: frame.explode("prise"),
        lambda frame: sw.sql("SELECT prise FROM t", t=frame),
    ],
)
def test_a_missing_column_is_a_key_error_that_names_a_near_one(frame, use):
    with pytest.raises(KeyError, match="prise.*did you mean 'price'"):
        use(frame)


def test_a_missing_table_is_a_key_error(frame):
    with pytest.raises(KeyError, match="there is no table 'oders'.*did you mean 'orders'"):
        sw.sql("SELECT * FROM oders", orders=frame)


@pytest.mark.parametrize("read", [sw.read_parquet, sw.read_csv, sw.read_json, sw.read_ipc])
def test_a_missing_file_is_a_file_not_found_error(read, tmp_path):
    (tmp_path / "orders.csv").write_text("a\n1\n")
    with pytest.raises(FileNotFoundError, match="ordres.csv.*did you mean 'orders.csv'"):
        read(tmp_path / "ordres.csv")
    with pytest.raises(FileNotFoundError, match="no file matches"):
        read(str(tmp_path / "*.nothing"))


def test_damaged_files_are_value_errors_that_name_them(tmp_path):
    path = tmp_path / "t.parquet"
    sw.DataFrame({"x": list(range(1000))}).write_parquet(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="t.parquet.*truncated"):
        sw.read_parquet(path)
    path.write_bytes(b"\xff" * 100 + whole[100:])
    with pytest.raises(ValueError, match="t.parquet.*damaged"):
        sw.read_parquet(path).compute()
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="empty file"):
        sw.read_parquet(path)


def test_text_that_is_not_utf8_is_a_value_error_with_its_line(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"name,x\nok,1\nM\xfcller,2\n")
    with pytest.raises(ValueError, match=r"t.csv' line 3, byte 2: not UTF-8"):
        sw.read_csv(path).compute()


def test_a_bad_value_in_csv_names_line_and_column(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x\n" + "1\n" * 2000 + "oops\n")
    with pytest.raises(ValueError, match=r"line 2002, column 'x': 'oops' is not a value of type Int64"):
        sw.read_csv(path).compute()


def test_bad_json_names_its_line(tmp_path):
    path = tmp_path / "t.json"
    path.write_text('{"x": 1}\n{"x": \n')
    with pytest.raises(ValueError, match="t.json"):
        sw.read_json(path).compute()


@pytest.mark.parametrize(
    "query", ["SELEC 1", "SELECT", "SELECT 1 +", "SELECT 'open", "SELECT nosuch(1)", "SELECT 1 FROM (", ""]
)
def test_bad_sql_is_a_value_error(query):
    with pytest.raises((ValueError, KeyError)):
        sw.sql(query)


def test_bad_sql_in_expressions(frame):
    with pytest.raises(ValueError, match="syntax error"):
        frame.filter("price >")
    with pytest.raises(ValueError):
        frame.filter(col("price") + 1).compute()
    with pytest.raises(ValueError):
        frame.select(col("price") + col("name")).compute()


def test_dividing_integers_by_zero_is_a_value_error():
    with pytest.raises(ValueError, match="division by zero"):
        sw.DataFrame({"x": [1, 0]}).select(1 // col("x")).compute()
    with pytest.raises(ValueError, match="division by zero"):
        sw.sql("SELECT 1 / x FROM t", t={"x": [0]}).compute()


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: sw.DataFrame(7), "not of a value of type int"),
        (lambda: sw.DataFrame("text"), "type str"),
        (lambda: sw.DataFrame([1, 2]), "list of dicts"),
        (lambda: sw.DataFrame({1: [1]}), "name of a column is a str"),
        (lambda: sw.DataFrame({"x": [1, "a"]}), "column 'x', row 1: a str among values of type int"),
        (lambda: sw.DataFrame({"x": [object()]}), "column 'x', row 0: a object is not a value"),
        (lambda: sw.DataFrame({"x": np.array([1j])}), "complex"),
        (lambda: sw.DataFrame({"x": {"a": 1}}), "is a dict"),
        (lambda: sw.from_arrow([1]), "__arrow_c_stream__"),
        (lambda: sw.from_pandas({"x": [1]}), "expected a DataFrame of pandas"),
        (lambda: sw.sql(1), "a query is a str"),
        (lambda: sw.read_csv(7), "not iterable|a path is a str"),
        (lambda: sw.read_csv([7]), "a path is a str"),
        (lambda: sw.col(1), "name of a column is a str"),
        (lambda: sw.lit(object()), "a literal cannot be a object"),
        (lambda: sw.DataFrame({"x": [1]}).select(1), "not a value of type int"),
        (lambda: sw.DataFrame({"x": [1]}).filter(True), "not a bool"),
        (lambda: sw.DataFrame({"x": [1]}).filter(col("x").dt.year == 1), "not a bool"),
        (lambda: sw.DataFrame({"x": [1]})[1.5], "not float"),
        (lambda: sw.DataFrame({"x": [1]}).head(1.5), "n is an int"),
        (lambda: sw.DataFrame({"x": [1]}).cast("int65"), "'int65' is not a type"),
        (lambda: sw.DataFrame({"x": [1]}).cast(object()), "is not a type"),
        (lambda: sw.DataFrame({"x": [1]}).write_csv(1), "a path is a str"),
        (lambda: sw.when(True), "a condition is an expression"),
        (lambda: col("x").is_in("abc"), "a list of values"),
        (lambda: bool(col("x") > 1), "no truth value"),
        (lambda: col("x") > 1 and col("x") < 2, "no truth value"),
        (lambda: sw.set_options(threads="two"), "threads is an int"),
        (lambda: sw.set_options(memory_limit=1.5), "number of bytes"),
        (lambda: sw.read_csv("x.csv", delimiter="ab"), "one ASCII character"),
    ],
)
def test_wrong_types_are_type_errors(make, match):
    with pytest.raises(TypeError, match=match):
        make()


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: sw.DataFrame({"x": [1, 2], "y": [1]}), "'x' has 2 rows, 'y' has 1"),
        (lambda: sw.DataFrame({"x": 1}), "single value"),
        (lambda: sw.DataFrame({"x": np.zeros((2, 2))}), r"shape \(2, 2\)"),
        (lambda: sw.DataFrame({"x": [2**64]}), "out of the range"),
        (lambda: sw.DataFrame({"x": [1]}).head(-1), "0 or more"),
        (lambda: sw.DataFrame({"x": [1]}).sort(), "columns to sort by"),
        (lambda: sw.DataFrame({"x": [1]}).sort("x", descending=[True, False]), "2 values for 1"),
        (
            lambda: sw.DataFrame({"x": [1]}).join({"x": [1]}, on="x", how="sideways"),
            "'sideways' is not a kind of join",
        ),
        (lambda: sw.DataFrame({"x": [1]}).join({"x": [1]}), "columns that must agree"),
        (lambda: sw.DataFrame({"x": [1]}).join({"x": [1]}, left_on="x"), "1 keys on the left and 0"),
        (lambda: sw.DataFrame({"x": [1]}).select("x", "x"), "two columns|unique|same name|name 'x'"),
        (lambda: sw.DataFrame({"x": [1], "y": [1]}).agg(col("x")), "neither a key"),
        (lambda: sw.DataFrame({"x": [1]}).agg({"x": "sun"}), "'sun' is not an aggregate"),
        (lambda: col("x").quantile(2), "between 0 and 1"),
        (lambda: bool(sw.DataFrame({"x": [1]})), "ambiguous"),
        (lambda: sw.DataFrame({"x": [1, 2]}).item(), "one row"),
        (lambda: sw.set_options(placement="moon"), "moon"),
        (lambda: sw.set_options(placment="host"), "did you mean 'placement'"),
        (lambda: sw.set_options(memory_limit="much"), "number of bytes"),
        (lambda: sw.set_options(threads=0), "at least 1"),
        (lambda: sw.Session(fallback="sometimes"), "sometimes"),
        (lambda: sw.session().set("swath.placment", "host"), "did you mean 'swath.placement'"),
        (lambda: sw.session().set_options(spill_dir="/"), "fixed when the session starts"),
    ],
)
def test_wrong_values_are_value_errors(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_an_unknown_function_names_a_near_one():
    with pytest.raises(KeyError, match="did you mean 'upper'"):
        sw.call_function("uper", col("x"))


def test_strict_casts_fail_and_others_give_null():
    frame = sw.DataFrame({"s": ["1", "x"]})
    with pytest.raises(ValueError, match="x"):
        frame.select(col("s").cast(int)).compute()
    assert frame.select(col("s").cast(int, strict=False)).to_pydict() == {"s": [1, None]}


def test_nothing_is_written_where_the_query_fails(tmp_path):
    path = tmp_path / "out.parquet"
    bad = sw.DataFrame({"x": [1, 0]}).select(1 // col("x"))
    for write in (bad.write_parquet, bad.write_csv, bad.write_json, bad.write_ipc):
        with pytest.raises(ValueError, match="division by zero"):
            write(path)
        assert os.listdir(tmp_path) == []
    path.write_text("before")
    with pytest.raises(ValueError):
        bad.write_parquet(path)
    assert path.read_text() == "before"
    with pytest.raises(OSError, match="no folder"):
        sw.DataFrame({"x": [1]}).write_csv(tmp_path / "missing" / "x.csv")
    with pytest.raises(OSError):
        sw.DataFrame({"x": [1]}).write_csv(tmp_path)


def test_too_little_memory_is_a_memory_error():
    tight = sw.Session(memory_limit="1 MiB", placement="host")
    grouped = tight.sql("SELECT array_agg(value) AS values FROM generate_series(1, 1000000)")
    with pytest.raises(MemoryError):
        grouped.compute()


ENDLESS = "SELECT count(*) FROM generate_series(1, 100000000) a, generate_series(1, 100000000) b WHERE a.value % 7 = b.value % 11"


def test_ctrl_c_cancels_a_query():
    """An interrupt ends the query within a moment, and the session goes on to work."""
    program = textwrap.dedent(f"""
        import sys, swath as sw
        frame = sw.sql({ENDLESS!r})
        print("running", flush=True)
        try:
            frame.compute()
        except KeyboardInterrupt:
            print("interrupted", sw.sql("SELECT 1 AS one").to_pydict(), flush=True)
    """)
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout.readline() == "running\n"
        time.sleep(1)
        sent = time.monotonic()
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=30)
        assert "interrupted {'one': [1]}" in out
        assert time.monotonic() - sent < 10
    finally:
        child.kill()


def test_other_threads_run_while_a_query_does():
    frame = sw.sql(
        "SELECT sum(a.value * b.value) AS s FROM generate_series(1, 3000) a, generate_series(1, 3000) b"
    )
    counted, stop = [0], threading.Event()

    def count():
        while not stop.is_set():
            counted[0] += 1
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    before = counted[0]
    try:
        assert frame.to_pydict()["s"] == [(3000 * 3001 // 2) ** 2]
    finally:
        stop.set()
        thread.join()
    assert counted[0] > before


def test_frames_are_used_by_many_threads():
    frame = sw.DataFrame({"x": list(range(1000))})
    results = []

    def use(number):
        results.append(
            sw.sql(f"SELECT sum(x) + {number} AS s FROM t", t=frame.filter(col("x") >= number)).item()
            - number
        )

    threads = [threading.Thread(target=use, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == sorted(sum(range(number, 1000)) for number in range(8))

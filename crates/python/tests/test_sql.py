"""SQL, files, sessions and options."""

import pathlib
import subprocess
import sys

import pytest

import swath as sw
from swath import col


def test_tables_of_a_query_are_seen_by_it_alone():
    other = sw.sql("SELECT sum(x) AS s FROM t", t={"x": [1, 2]})
    assert other.to_pydict() == {"s": [3]}
    with pytest.raises(KeyError, match="no table 't'"):
        sw.sql("SELECT * FROM t")
    # A table of the session is hidden, and there again after.
    own = sw.Session()
    own.register("t", {"x": [7]})
    assert own.sql("SELECT x FROM t", t={"x": [8]}).item() == 8
    assert own.sql("SELECT x FROM t").item() == 7
    assert own.tables == ["t"]


def test_tables_may_be_anything(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x\n5\n")
    lazy = sw.DataFrame({"x": [1, 2, 3]}).filter("x > 1")
    query = "SELECT (SELECT sum(x) FROM a) AS a, (SELECT sum(x) FROM b) AS b, (SELECT sum(x) FROM c) AS c"
    assert sw.sql(query, a=lazy, b={"x": [10]}, c=path).to_pydict() == {"a": [5], "b": [10], "c": [5]}


def test_names_with_capitals_are_found_without_quotes():
    assert sw.sql("SELECT x FROM Orders", Orders={"x": [1]}).item() == 1
    assert sw.sql('SELECT x FROM "Orders"', Orders={"x": [1]}).item() == 1


def test_a_frame_of_sql_goes_on():
    frame = sw.sql("SELECT a.x, b.y FROM a JOIN b ON a.x = b.x", a={"x": [1, 2]}, b={"x": [2], "y": ["b"]})
    assert not frame.is_computed
    assert frame.columns == ["x", "y"]
    assert frame.filter(col("x") > 1).with_columns(z=col("x") * 2).to_pydict() == {
        "x": [2],
        "y": ["b"],
        "z": [4],
    }
    assert frame.compute().receipt.query.startswith("SELECT a.x")


def test_aggregates_of_sql_have_plain_names():
    frame = sw.sql("SELECT k, sum(x), count(*) FROM t GROUP BY k", t={"k": ["a"], "x": [1]})
    assert frame.select("k", "sum(t.x)").to_pydict() == {"k": ["a"], "sum(t.x)": [1]}
    direct = sw.DataFrame({"x": [1]}).agg("sum(x)")
    assert direct.columns == ["sum(x)"]


def test_statements_act_at_once(tmp_path):
    own = sw.Session()
    own.sql("CREATE TABLE made AS SELECT 1 AS x")
    assert own.sql("SELECT x FROM made").item() == 1
    path = tmp_path / "out.csv"
    own.sql(f"COPY (SELECT 1 AS x) TO '{path}' STORED AS CSV")
    assert path.read_text() == "x\n1\n"
    own.sql("SET swath.placement = 'host'")
    own.sql("DROP TABLE made")
    assert own.tables == []
    plan = own.sql("EXPLAIN SELECT 1")
    assert plan.is_computed and "ProjectionExec" in "\n".join(plan.to_pydict()["plan"])


WRITERS = {
    "parquet": (sw.DataFrame.write_parquet, sw.read_parquet),
    "csv": (sw.DataFrame.write_csv, sw.read_csv),
    "json": (sw.DataFrame.write_json, sw.read_json),
    "arrow": (sw.DataFrame.write_ipc, sw.read_ipc),
}


@pytest.mark.parametrize("format", WRITERS)
@pytest.mark.parametrize("rows", [1, 3, 20_000])
def test_files_hold_what_was_written(tmp_path, format, rows):
    write, read = WRITERS[format]
    values = {
        "x": list(range(rows)),
        "f": [row / 8 for row in range(rows)],
        "s": [f"ä,\"{row}'\n" if row % 7 == 0 else f"s{row}" for row in range(rows)],
        "n": [None if row % 3 == 0 else row for row in range(rows)] if rows > 1 else [1],
    }
    path = tmp_path / f"t.{format}"
    receipt = write(sw.DataFrame(values).filter("x >= 0"), path)
    assert receipt.operators
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    back = read(path)
    assert back.columns == ["x", "f", "s", "n"]
    assert back.sort("x").to_pydict() == values


@pytest.mark.parametrize("format", ["parquet", "csv", "arrow"])
def test_files_without_rows_keep_their_columns(tmp_path, format):
    write, read = WRITERS[format]
    path = tmp_path / f"t.{format}"
    write(sw.DataFrame({"x": [1], "s": ["a"]}).filter("x > 1"), path)
    back = read(path)
    assert back.columns == ["x", "s"]
    assert len(back) == 0


def test_a_json_file_without_rows_is_written(tmp_path):
    path = tmp_path / "t.json"
    sw.DataFrame({"x": [1]}).filter("x > 1").write_json(path)
    assert path.read_bytes() == b""


def test_files_of_any_name_are_written_as_one(tmp_path):
    for name in ("plain", "two words.parquet", "ä.parquet", "a%20b.parquet"):
        path = tmp_path / name
        sw.DataFrame({"x": [1]}).write_parquet(path)
        assert path.is_file()
        assert sw.read_parquet(path).item() == 1


def test_how_text_is_written(tmp_path):
    path = tmp_path / "t.csv"
    frame = sw.DataFrame({"x": [1, None], "s": ["a", "b;c"]})
    frame.write_csv(path, header=False, delimiter=";", null="NA")
    assert path.read_text() == '1;a\nNA;"b;c"\n'
    frame.write_csv(tmp_path / "t.csv.gz", compression="gzip")
    assert sw.read_csv(tmp_path / "t.csv.gz").sort("s").to_pydict()["x"] == [1, None]
    frame.write_parquet(tmp_path / "t.parquet", compression="zstd(3)", row_group_rows=1)
    assert sw.read_parquet(tmp_path / "t.parquet").sort("s").to_pydict()["x"] == [1, None]
    with pytest.raises(ValueError, match="'sloth' is not a compression"):
        frame.write_csv(path, compression="sloth")
    with pytest.raises(ValueError, match="sloth"):
        frame.write_parquet(path, compression="sloth")


def test_how_text_is_read(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("1;a\n2;b\n")
    frame = sw.read_csv(path, header=False, delimiter=";")
    assert frame.shape == (2, 2)
    assert frame.dtypes == ["int64", "string"]
    late = tmp_path / "late.csv"
    late.write_text("x\n1\n2.5\n")
    assert sw.read_csv(late, infer_rows=2).dtypes == ["float64"]


def test_many_files_are_one_table(tmp_path):
    for number in range(3):
        (tmp_path / f"part{number}.csv").write_text(f"x\n{number}\n")
    for paths in (tmp_path, str(tmp_path / "*.csv"), sorted(tmp_path.glob("*.csv"))):
        assert sw.read_csv(paths).sort("x").to_pydict()["x"] == [0, 1, 2]
    (tmp_path / "part3.csv").write_text("y\n1\n")
    with pytest.raises(ValueError, match="the files differ"):
        sw.read_csv(tmp_path)


def test_the_home_folder_is_known(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    sw.DataFrame({"x": [1]}).write_csv("~/t.csv")
    assert (tmp_path / "t.csv").is_file()
    assert sw.read_csv("~/t.csv").item() == 1


def test_options_of_a_session():
    own = sw.Session(placement="host", threads=1, float_sums="exact", memory_limit="64 MiB")
    assert own.sql("SHOW swath.placement").to_pydict()["value"] == ["host"]
    assert own.sql("SHOW datafusion.execution.target_partitions").to_pydict()["value"] == ["1"]
    assert own.sql("SHOW datafusion.runtime.memory_limit").to_pydict()["value"] == ["64M"]
    own.set_options(placement="auto", threads=2)
    assert own.sql("SHOW swath.placement").to_pydict()["value"] == ["auto"]
    own.set("datafusion.execution.batch_size", 100)
    frame = own.sql("SELECT value FROM generate_series(1, 1000)")
    assert len(next(iter(frame.iter_batches()))) == 100
    # What is set counts for frames that were composed before.
    own.set_options(placement="host")
    assert "placement" in repr(own)
    assert frame.compute().receipt.operators[0]["place"] == "host"


def test_the_options_of_the_module():
    before = sw.options.progress
    sw.options.progress = False
    assert sw.options.progress is False
    sw.set_options(progress=before)
    sw.options.placement = "host"
    assert sw.options.placement == "host"
    sw.options.placement = "auto"
    with pytest.raises(AttributeError):
        sw.options.nothing
    with pytest.raises(TypeError, match="progress is a bool"):
        sw.options.progress = 1


def test_options_before_the_first_use_configure_the_session():
    program = """if True:
        import swath as sw
        sw.set_options(device_memory_limit="1 GiB", threads=1, memory_limit="32 MiB")
        assert sw.options.threads == 1
        print(sw.sql("SHOW swath.device_memory_limit").to_pydict()["value"])
        try:
            sw.set_options(device_memory_limit=1)
        except ValueError as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "['1073741824']" in done.stdout
    assert "fixed when the session starts" in done.stdout


def test_importing_starts_nothing():
    program = """if True:
        import sys, threading
        before = set(sys.modules)
        import swath as sw
        import os
        print(len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 1)
        print(sorted({name.split(".")[0] for name in set(sys.modules) - before} & {"numpy", "pandas", "pyarrow", "polars", "torch"}))
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["1", "[]"]


def test_a_fork_runs_queries_of_its_own():
    program = """if True:
        import os, sys
        import swath as sw
        assert sw.sql("SELECT 1 AS x").item() == 1
        child = os.fork()
        if child == 0:
            os._exit(0 if sw.sql("SELECT 2 AS x").item() == 2 else 1)
        _, status = os.waitpid(child, 0)
        sys.exit(os.waitstatus_to_exitcode(status))
    """
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], timeout=60, check=False)
    assert done.returncode == 0


def test_progress_stays_quiet_without_a_terminal():
    program = 'import swath as sw; sw.sql("SELECT count(*) FROM generate_series(1, 20000000)").compute()'
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_fallbacks_warn_where_asked():
    own = sw.Session(placement="device", fallback="warn")
    frame = own.sql("SELECT sum(x) AS s FROM t", t={"x": [1, 2]})
    if own.device is not None:
        assert frame.compute().receipt.operators[0]["place"] != "host"
        return
    with pytest.warns(RuntimeWarning, match="ran on the CPU"):
        computed = frame.compute()
    assert computed.item() == 3
    assert computed.receipt.fallbacks and computed.receipt.operators[0]["place"] == "host"
    own.set_options(fallback="error")
    with pytest.raises((ValueError, NotImplementedError, RuntimeError), match="no device|device"):
        frame.compute()


def test_doctor_and_sessions_show_themselves():
    assert "Session on" in repr(sw.session())
    assert sw.session() is sw.session()
    assert isinstance(sw.session().doctor(), str)


def test_examples_of_the_documentation_run():
    """The examples in the docstrings of frames, as doctests."""
    import doctest
    import importlib

    failed = attempted = 0
    for name in ("_expression", "_frame", "_receipt", "_session"):
        results = doctest.testmod(importlib.import_module(f"swath.{name}"))
        failed += results.failed
        attempted += results.attempted
    assert failed == 0
    assert attempted > 50


def test_public_names_are_documented():
    for name in sw._frame.__all__:
        value = getattr(sw, name)
        assert value.__doc__, name
        if isinstance(value, type):
            for member, function in vars(value).items():
                if not member.startswith("_") and callable(function):
                    assert function.__doc__, f"{name}.{member}"


def test_paths_may_be_path_objects(tmp_path):
    path = pathlib.Path(tmp_path) / "t.parquet"
    sw.DataFrame({"x": [1]}).write_parquet(path)
    assert sw.sql("SELECT x FROM t", t=path).item() == 1

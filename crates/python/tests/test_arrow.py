"""Arrow data in and out: the C data interface, pyarrow, pandas and polars."""

import datetime
import decimal
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest

import swath as sw
from swath import col

TABLE = pa.table({
    "i": pa.array([1, None, 3], pa.int32()),
    "u": pa.array([1, 2, None], pa.uint8()),
    "f": pa.array([0.5, float("inf"), None], pa.float32()),
    "h": pa.array(np.array([1.5, 2.5, 3.5], np.float16)),
    "b": pa.array([True, False, None]),
    "s": pa.array(["a", "", None]),
    "l": pa.array(["a", "b", None], pa.large_string()),
    "v": pa.array(["a view that is long enough not to be inlined", "b", None], pa.string_view()),
    "y": pa.array([b"\x00", b"", None]),
    "d": pa.array([datetime.date(1969, 12, 31), None, datetime.date(2024, 2, 29)]),
    "t": pa.array([1, None, -1], pa.timestamp("ns")),
    "z": pa.array([1, None, -1], pa.timestamp("us", "Europe/Berlin")),
    "m": pa.array([decimal.Decimal("1.23"), None, decimal.Decimal("-4.56")], pa.decimal128(10, 2)),
    "a": pa.array([[1, 2], [], None]),
    "r": pa.array([{"x": 1, "y": "p"}, None, {"x": 2, "y": None}]),
    "c": pa.array(["x", "y", None]).dictionary_encode(),
    "e": pa.array([datetime.timedelta(seconds=1), None, None]),
    "n": pa.nulls(3),
})  # fmt: skip


def test_tables_of_every_type_go_in_and_out():
    frame = sw.from_arrow(TABLE)
    assert frame.columns == TABLE.column_names
    assert pa.table(frame).equals(TABLE)
    assert frame.to_arrow().schema == TABLE.schema


def test_every_type_becomes_the_values_that_pyarrow_gives():
    ours = sw.from_arrow(TABLE).drop("f", "t").to_pydict()
    theirs = TABLE.drop(["f", "t"]).to_pydict()
    for name, values in theirs.items():
        if name == "z":
            assert [moment and moment.timestamp() for moment in ours[name]] == [
                m and m.timestamp() for m in values
            ]
        else:
            assert ours[name] == values, name
    # Moments are told to the microsecond.
    assert sw.from_arrow(TABLE).to_pydict()["t"][0] == datetime.datetime(1970, 1, 1)


def test_a_plan_over_every_type_gives_the_same_rows():
    frame = sw.from_arrow(TABLE)
    kept = frame.filter(col("s").is_null() | (col("s") != "none")).to_arrow()
    assert kept.cast(TABLE.schema).to_pylist()[1:] == TABLE.to_pylist()[1:]


@pytest.mark.parametrize("offset", [0, 1, 2, 3])
def test_slices_go_in(offset):
    assert pa.table(sw.from_arrow(TABLE.slice(offset))).equals(TABLE.slice(offset))
    batch = TABLE.to_batches()[0].slice(offset)
    assert pa.table(sw.from_arrow(batch)).equals(pa.Table.from_batches([batch]))


def test_chunks_and_readers_go_in():
    chunked = pa.concat_tables([TABLE, TABLE.slice(1), TABLE.slice(3)])
    assert sw.from_arrow(chunked).to_arrow().equals(chunked)
    assert sw.from_arrow(chunked.to_reader()).to_arrow().equals(chunked)
    assert len(sw.from_arrow(TABLE.schema.empty_table())) == 0
    assert sw.DataFrame(TABLE).to_arrow().equals(TABLE)


def test_a_stream_made_by_python_goes_in():
    """A producer that needs the interpreter for each batch, from whatever thread."""

    def batches():
        for number in range(5):
            yield pa.record_batch({"x": [number]})

    reader = pa.RecordBatchReader.from_batches(pa.schema({"x": pa.int64()}), batches())
    assert sw.from_arrow(reader).to_pydict() == {"x": [0, 1, 2, 3, 4]}

    def broken():
        yield pa.record_batch({"x": [1]})
        raise RuntimeError("the producer broke")

    reader = pa.RecordBatchReader.from_batches(pa.schema({"x": pa.int64()}), broken())
    with pytest.raises(ValueError, match="the producer broke"):
        sw.from_arrow(reader)


def test_what_is_no_table_is_refused():
    for data in (pa.array([1, 2]), pa.chunked_array([[1], [2]])):
        with pytest.raises(TypeError, match="expected Arrow data of a table"):
            sw.from_arrow(data)


def test_memory_lives_as_long_as_it_is_used():
    frame = sw.from_arrow(pa.table({"x": np.arange(1000)}))
    array = frame.to_numpy("x")
    table = pa.table(frame)
    del frame
    np.testing.assert_array_equal(array, np.arange(1000))
    assert table["x"].to_pylist() == list(range(1000))


def test_data_is_not_copied_on_the_way():
    table = pa.table({"x": np.arange(1000)})
    address = table["x"].chunk(0).buffers()[1].address
    frame = sw.from_arrow(table)
    assert frame.to_numpy("x").ctypes.data == address
    assert pa.table(frame)["x"].chunk(0).buffers()[1].address == address


def test_a_consumer_may_ask_for_types():
    frame = sw.DataFrame({"x": [1, 2], "s": ["a", "b"]})
    wanted = pa.schema({"x": pa.int16(), "s": pa.large_string()})
    assert pa.table(frame, schema=wanted).schema == wanted


def test_a_capsule_is_used_up_once():
    capsule = sw.DataFrame({"x": [1]}).__arrow_c_stream__()
    reader = pa.RecordBatchReader._import_from_c_capsule(capsule)
    assert reader.read_all().to_pydict() == {"x": [1]}
    # One that nobody uses frees its data.
    del capsule
    sw.DataFrame({"x": [1]}).__arrow_c_stream__()


def test_the_schema_is_handed_out_without_running():
    frame = sw.DataFrame({"x": [1]}).select((1 // (col("x") - 1)).alias("never"))
    assert pa.schema(frame).names == ["never"]


def test_pandas_goes_in_and_out():
    data = pd.DataFrame({
        "i": [1, 2, 3],
        "f": [0.5, np.nan, 2.5],
        "s": ["a", None, "c"],
        "t": pd.to_datetime(["2024-01-01", None, "2024-01-03"]),
        "k": pd.Categorical(["x", "y", "x"]),
        "N": pd.array([1, None, 3], dtype="Int64"),
    }, index=[7, 8, 9])  # fmt: skip
    frame = sw.from_pandas(data)
    assert frame.columns == list(data.columns)
    # What pandas calls missing is null.
    assert frame.to_pydict()["f"] == [0.5, None, 2.5]
    assert frame.to_pydict()["s"] == ["a", None, "c"]
    back = frame.to_pandas()
    pd.testing.assert_frame_equal(back[["i", "f"]], data[["i", "f"]].reset_index(drop=True))
    assert back["t"].tolist()[0] == pd.Timestamp("2024-01-01")
    assert sw.from_pandas(data, index=True).columns[0] == "index"
    assert sw.DataFrame(data).columns == list(data.columns)
    assert sw.sql("SELECT sum(i) AS s FROM d", d=data).item() == 6


def test_pandas_refuses_what_it_cannot_mean():
    with pytest.raises(ValueError, match="two columns of the name 'x'"):
        sw.from_pandas(pd.DataFrame([[1, 2]], columns=["x", "x"]))
    assert sw.from_pandas(pd.DataFrame([[1, 2]])).columns == ["0", "1"]


def test_polars_goes_in_and_out():
    data = pl.DataFrame(
        {"i": [1, None], "s": ["a", "b"], "l": [[1], []], "c": pl.Series(["x", "y"], dtype=pl.Categorical)}
    )
    frame = sw.from_arrow(data)
    assert frame.to_pydict()["l"] == [[1], []]
    assert pl.DataFrame(frame.select("i", "s", "l")).equals(data.select("i", "s", "l"))
    assert frame.select("i").to_polars()["i"].to_list() == [1, None]
    assert frame.filter(col("s") == "b").to_polars()["s"].to_list() == ["b"]


def test_files_are_those_of_pyarrow(tmp_path):
    path = tmp_path / "t.parquet"
    table = TABLE.drop(["h", "e", "n", "v"])
    pyarrow.parquet.write_table(table, path)
    assert sw.read_parquet(path).to_arrow().cast(table.schema).equals(table)
    sw.from_arrow(table).write_parquet(tmp_path / "u.parquet")
    assert pyarrow.parquet.read_table(tmp_path / "u.parquet").cast(table.schema).equals(table)
    sw.from_arrow(table).write_ipc(tmp_path / "u.arrow")
    with pa.ipc.open_file(tmp_path / "u.arrow") as reader:
        assert reader.read_all().cast(table.schema).equals(table)


def test_strings_of_files_reach_every_consumer(tmp_path):
    path = tmp_path / "t.parquet"
    sw.DataFrame({"s": ["a", None, "long enough to be no inlined view"]}).write_parquet(path)
    frame = sw.read_parquet(path)
    expected = ["a", None, "long enough to be no inlined view"]
    assert frame.to_pydict()["s"] == expected
    assert frame.to_arrow()["s"].to_pylist() == expected
    assert frame.to_polars()["s"].to_list() == expected
    assert frame.to_pandas()["s"].iloc[2] == expected[2]
    assert frame.to_numpy("s").tolist() == expected


WITHOUT_PYARROW = """if True:
    import sys
    sys.modules["pyarrow"] = None
    import numpy as np, pandas as pd, polars as pl
    import swath as sw
    frame = sw.DataFrame({"x": [1, 2, None], "s": ["a", None, "c"], "f": [0.5, None, 1.5]})
    # The capsules need no pyarrow: polars takes a frame, and a frame takes it back.
    assert pl.DataFrame(frame).to_dict(as_series=False) == frame.to_pydict()
    assert sw.from_arrow(pl.DataFrame(frame)).to_pydict() == frame.to_pydict()
    data = frame.to_pandas()
    assert data["x"].isna().tolist() == [False, False, True]
    assert data["s"].tolist()[0] == "a" and data["s"].isna().tolist() == [False, True, False]
    back = sw.from_pandas(data)
    assert back.to_pydict() == {"x": [1.0, 2.0, None], "s": ["a", None, "c"], "f": [0.5, None, 1.5]}
    times = pd.DataFrame({"t": pd.to_datetime(["2024-01-01", None]), "N": pd.array([1, None], dtype="Int64"), "b": [True, False]})
    assert sw.from_pandas(times).dtypes[0].startswith("timestamp") and sw.from_pandas(times).to_pydict()["N"] == [1, None]
    try:
        frame.to_arrow()
    except ImportError as error:
        assert "pip install pyarrow" in str(error)
    else:
        raise AssertionError("to_arrow without pyarrow")
    print("ok")
"""


def test_nothing_but_to_arrow_needs_pyarrow():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_PYARROW], capture_output=True, text=True, check=False
    )
    assert done.stdout == "ok\n", done.stderr

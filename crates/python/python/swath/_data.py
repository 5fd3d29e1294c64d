"""Data of other packages as columns, and columns as theirs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from swath import _swath

if TYPE_CHECKING:
    from swath._session import Session


def frame_of(data: Any, session: Session) -> _swath.Frame:
    """The frame of a dict of columns, a list of rows, or an object with Arrow data."""
    if isinstance(data, Mapping):
        return from_mapping(data, session)
    if isinstance(data, _swath.Frame):
        return data
    if _is_pandas(data):
        return from_pandas(data, session, index=False)
    frame = session._inner.take_arrow(data)
    if frame is not None:
        return frame
    if isinstance(data, (list, tuple)) and all(isinstance(row, Mapping) for row in data):
        names = dict.fromkeys(name for row in data for name in row)
        return from_mapping({name: [row.get(name) for row in data] for name in names}, session)
    if getattr(data, "ndim", None) in (1, 2):
        raise TypeError(
            f"a frame is made of {_described(data)} by swath.asarray(data).to_frame(names), which names the columns"
        )
    raise TypeError(
        "a frame is made of a dict of columns, a list of dicts, or an object with Arrow data "
        f"(__arrow_c_stream__ or __arrow_c_array__), not of {_described(data)}"
    )


def from_mapping(columns: Mapping[str, Any], session: Session) -> _swath.Frame:
    """The frame of columns by their names; a single value stands in every row."""
    for name in columns:
        if not isinstance(name, str):
            raise TypeError(f"the name of a column is a str, not {_described(name)}")
    single = {name for name, values in columns.items() if _is_single(values)}
    if single and len(single) == len(columns):
        raise ValueError(
            f"column {next(iter(columns))!r} is a single value: give a list where there is no column to tell the number of rows"
        )
    made = {name: column_of(name, values) for name, values in columns.items() if name not in single}
    if single:
        rows = max(len(column) for column in made.values())
        made |= {name: column_of(name, [columns[name]] * rows) for name in single}
    return session._inner.take_columns([(name, made[name]) for name in columns])


def _is_single(values: Any) -> bool:
    if isinstance(values, (str, bytes)) or getattr(values, "ndim", None) == 0:
        return True
    return not isinstance(values, Iterable)


def column_of(name: str, values: Any) -> _swath.Column:
    """One column: of an array of NumPy by its bytes, of anything else value by value."""
    if isinstance(values, _swath.Array):
        values = required("numpy", "a column of an array").asarray(values)
    numpy = sys.modules.get("numpy")
    if numpy is not None and not isinstance(values, numpy.ndarray) and _has_array(values):
        values = numpy.asarray(values)
    if numpy is not None and isinstance(values, numpy.ndarray):
        return _numpy_column(name, values, numpy)
    if isinstance(values, Mapping):
        raise TypeError(f"column {name!r} is a dict: give a list of values")
    return _swath.Column.from_values(name, values)


def _has_array(values: Any) -> bool:
    return hasattr(type(values), "__array__") and not isinstance(values, (list, tuple))


def _numpy_column(name: str, values: Any, numpy: Any) -> _swath.Column:
    if values.ndim != 1:
        raise ValueError(f"column {name!r} is an array of shape {values.shape}: a column has one dimension")
    mask = None
    if isinstance(values, numpy.ma.MaskedArray):
        mask = numpy.ma.getmaskarray(values)
        values = values.data
    kind = values.dtype.kind
    if kind == "c":
        raise TypeError(
            f"column {name!r} is of {values.dtype}: a column holds no complex numbers; give the real and the imaginary part"
        )
    if kind in "OUST" or values.dtype.names or values.dtype == numpy.longdouble and values.dtype.itemsize > 8:
        if mask is not None:
            values = numpy.where(mask, None, values.astype(object))
        return _swath.Column.from_values(name, values.tolist())
    if kind in "Mm":
        unit, step = numpy.datetime_data(values.dtype)
        if unit == "D" and kind == "M" and step == 1:
            days = values.astype("datetime64[s]")
            return _of_bytes("timestamp[s]", days, mask, numpy.isnat(days), numpy)
        if unit not in ("s", "ms", "us", "ns") or step != 1:
            if unit not in ("Y", "M", "W", "D", "h", "m", "s"):
                raise TypeError(
                    f"column {name!r} is of {values.dtype}: a column holds times in s, ms, us or ns"
                )
            unit = "s"
            values = values.astype(f"{'datetime64' if kind == 'M' else 'timedelta64'}[s]")
        type_name = f"{'timestamp' if kind == 'M' else 'duration'}[{unit}]"
        return _of_bytes(type_name, values, mask, numpy.isnat(values), numpy)
    if values.dtype.name not in _NUMPY_TYPES:
        raise TypeError(
            f"column {name!r} is of {values.dtype}: a column holds bool, int8 to int64, uint8 to uint64, float16 to float64, times or text"
        )
    return _of_bytes(values.dtype.name, values, mask, None, numpy)


_NUMPY_TYPES = (
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
)


def _of_bytes(type_name: str, values: Any, mask: Any, missing: Any, numpy: Any) -> _swath.Column:
    nulls = mask if missing is None else missing if mask is None else mask | missing
    values = numpy.ascontiguousarray(values, values.dtype.newbyteorder("="))
    given = None if nulls is None or not nulls.any() else memoryview(nulls.astype("u1"))
    return _swath.Column.from_bytes(type_name, memoryview(values.view("u1")), given)


def _is_pandas(data: Any) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(data, pandas.DataFrame)


def from_pandas(data: Any, session: Session, index: bool) -> _swath.Frame:
    """The frame of a DataFrame of pandas; NaN in its columns is null, as pandas means it."""
    if not _is_pandas(data):
        raise TypeError(f"expected a DataFrame of pandas, not {_described(data)}")
    if index:
        data = data.reset_index()
    names = [str(name) for name in data.columns]
    doubled = next((name for name in names if names.count(name) > 1), None)
    if doubled is not None:
        raise ValueError(f"there are two columns of the name {doubled!r}")
    pyarrow = importable("pyarrow")
    if pyarrow is not None:
        data = data.set_axis(names, axis=1)
        frame = session._inner.take_arrow(pyarrow.Table.from_pandas(data, preserve_index=False))
        assert frame is not None, "a table of pyarrow has a stream"
        return frame
    columns = [(name, _pandas_column(name, data.iloc[:, place])) for place, name in enumerate(names)]
    return session._inner.take_columns(columns)


def _pandas_column(name: str, series: Any) -> _swath.Column:
    import numpy

    missing = series.isna().to_numpy(dtype=bool)
    values = series.to_numpy()
    if values.dtype.kind == "O":
        return _swath.Column.from_values(
            name, [None if gone else value for value, gone in zip(values.tolist(), missing)]
        )
    return _numpy_column(name, numpy.ma.MaskedArray(values, missing), numpy)


def importable(name: str) -> Any:
    """The package of this name, where it is installed."""
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def required(name: str, purpose: str) -> Any:
    """The package of this name, or an error that says what it is for."""
    package = importable(name)
    if package is None:
        raise ImportError(f"{purpose} needs {name}: pip install {name}")
    return package


def to_numpy_column(frame: _swath.Frame, place: int) -> Any:
    """One column of a computed frame as an array."""
    numpy = required("numpy", "to_numpy")
    buffers = frame.buffers(place)
    if buffers is None:
        values = frame.values(place)
        array = numpy.empty(len(values), dtype=object)
        array[:] = values
        return array
    dtype, data, nulls = buffers
    array = numpy.frombuffer(data, dtype=dtype)
    if nulls is None:
        return array
    nulls = numpy.frombuffer(nulls, dtype=bool)
    kind = array.dtype.kind
    if kind in "fMm":
        array = array.copy()
        array[nulls] = numpy.array("NaT", dtype) if kind in "Mm" else numpy.nan
        return array
    if kind == "b":
        array = array.astype(object)
        array[nulls] = None
        return array
    array = array.astype("float64")
    array[nulls] = numpy.nan
    return array


def to_pandas(frame: _swath.Frame, capsule: Any) -> Any:
    """A computed frame as a DataFrame of pandas."""
    pandas = required("pandas", "to_pandas")
    pyarrow = importable("pyarrow")
    if pyarrow is not None:
        return pyarrow.table(capsule).to_pandas()
    columns = [to_numpy_column(frame, place) for place in range(len(frame.schema()))]
    data = pandas.DataFrame({place: column.copy() for place, column in enumerate(columns)})
    return data.set_axis([name for name, _, _ in frame.schema()], axis=1)


def _described(value: Any) -> str:
    return f"a value of type {type(value).__name__}"

//! Arrow columns as Python's values, NumPy's buffers, and text to show.

use std::ffi::c_int;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StructArray, downcast_integer_array,
};
use arrow::buffer::Buffer;
use arrow::compute::{cast, concat};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, DurationMicrosecondType, Float16Type, Float32Type,
    Float64Type, IntervalMonthDayNanoType, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use pyo3::exceptions::PyValueError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};

fn raise(error: ArrowError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// One column of all batches.
///
/// # Errors
/// Text of more bytes than the column's type can address.
pub fn whole_column(batches: &[RecordBatch], index: usize, data_type: &DataType) -> PyResult<ArrayRef> {
    let parts: Vec<&dyn Array> = batches.iter().map(|batch| batch.column(index).as_ref()).collect();
    match parts.is_empty() {
        true => Ok(arrow::array::new_empty_array(data_type)),
        false => concat(&parts).map_err(raise),
    }
}

/// Bytes that Python reads in place, by the buffer protocol.
#[pyclass(frozen, module = "swath._swath")]
pub struct Bytes(Buffer);

#[pymethods]
impl Bytes {
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let bytes = slf.get().0.as_slice();
        // SAFETY: the caller gives a view to be filled, which keeps a reference to this object, and this object its bytes;
        // the view is of read-only memory.
        let status = unsafe {
            ffi::PyBuffer_FillInfo(
                view,
                slf.as_ptr(),
                bytes.as_ptr().cast_mut().cast(),
                bytes.len().cast_signed(),
                1,
                flags,
            )
        };
        match status {
            0 => Ok(()),
            _ => Err(PyErr::fetch(slf.py())),
        }
    }

    unsafe fn __releasebuffer__(&self, view: *mut ffi::Py_buffer) {
        debug_assert!(!view.is_null(), "Python gives back the view that it was given");
    }
}

/// NumPy's name of a type, the values, and where they are null, a byte each.
pub type Buffers = (String, Bytes, Option<Bytes>);

/// A column as NumPy takes it; `None` for a type that NumPy has not.
pub fn buffers(column: &ArrayRef) -> PyResult<Option<Buffers>> {
    let unit = |unit: &TimeUnit| match unit {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Nanosecond => "ns",
    };
    let column = match column.data_type() {
        DataType::Dictionary(_, values) if values.is_primitive() => cast(column, values).map_err(raise)?,
        // NumPy's dates are of 64 bits.
        DataType::Date32 | DataType::Date64 => {
            cast(column, &DataType::Timestamp(TimeUnit::Second, None)).map_err(raise)?
        }
        DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => {
            return Ok(None);
        }
        _ => column.clone(),
    };
    let name = match column.data_type() {
        DataType::Boolean => "bool".to_string(),
        DataType::Int8 => "int8".into(),
        DataType::Int16 => "int16".into(),
        DataType::Int32 => "int32".into(),
        DataType::Int64 => "int64".into(),
        DataType::UInt8 => "uint8".into(),
        DataType::UInt16 => "uint16".into(),
        DataType::UInt32 => "uint32".into(),
        DataType::UInt64 => "uint64".into(),
        DataType::Float16 => "float16".into(),
        DataType::Float32 => "float32".into(),
        DataType::Float64 => "float64".into(),
        DataType::Timestamp(precision, _) => format!("datetime64[{}]", unit(precision)),
        DataType::Duration(precision) => format!("timedelta64[{}]", unit(precision)),
        _ => return Ok(None),
    };
    let values = match column.as_boolean_opt() {
        Some(flags) => bytes_of(flags.values().iter()),
        None => {
            let data = column.to_data();
            let width = data.data_type().primitive_width().unwrap_or(1);
            Bytes(data.buffers()[0].slice_with_length(data.offset() * width, data.len() * width))
        }
    };
    let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0);
    let nulls = nulls.map(|nulls| bytes_of(nulls.iter().map(|valid| !valid)));
    Ok(Some((name, values, nulls)))
}

fn bytes_of(flags: impl Iterator<Item = bool>) -> Bytes {
    Bytes(Buffer::from_vec(flags.map(u8::from).collect()))
}

/// A column as Python's values.
pub fn values<'py>(py: Python<'py>, column: &ArrayRef) -> PyResult<Bound<'py, PyList>> {
    let classes = Classes::import(py)?;
    PyList::new(py, classes.values(column)?)
}

/// The classes of the standard library that values become.
struct Classes<'py> {
    py: Python<'py>,
    date: Bound<'py, PyAny>,
    delta: Bound<'py, PyAny>,
    epoch: Bound<'py, PyAny>,
    epoch_utc: Bound<'py, PyAny>,
    decimal: Bound<'py, PyAny>,
}

impl<'py> Classes<'py> {
    fn import(py: Python<'py>) -> PyResult<Self> {
        let datetime = py.import("datetime")?;
        let utc = datetime.getattr("timezone")?.getattr("utc")?;
        let moment = datetime.getattr("datetime")?;
        Ok(Classes {
            py,
            date: datetime.getattr("date")?,
            delta: datetime.getattr("timedelta")?,
            epoch: moment.call1((1970, 1, 1))?,
            epoch_utc: moment.call1((1970, 1, 1, 0, 0, 0, 0, utc))?,
            decimal: py.import("decimal")?.getattr("Decimal")?,
        })
    }

    /// The value of each row, `None` where it is null.
    fn each(
        &self,
        column: &dyn Array,
        value: impl Fn(usize) -> PyResult<Bound<'py, PyAny>>,
    ) -> PyResult<Vec<Option<Bound<'py, PyAny>>>> {
        (0..column.len()).map(|row| column.is_valid(row).then(|| value(row)).transpose()).collect()
    }

    fn values(&self, column: &ArrayRef) -> PyResult<Vec<Option<Bound<'py, PyAny>>>> {
        let py = self.py;
        let to = |data_type: DataType| cast(column, &data_type).map_err(raise);
        match column.data_type() {
            DataType::Null => Ok(vec![None; column.len()]),
            DataType::Boolean => {
                let flags: &BooleanArray = column.as_boolean();
                self.each(flags, |row| Ok(flags.value(row).into_pyobject(py)?.to_owned().into_any()))
            }
            data_type if data_type.is_integer() => downcast_integer_array!(
                column => self.each(column, |row| Ok(column.value(row).into_pyobject(py)?.into_any())),
                _ => Ok(vec![])
            ),
            DataType::Float16 => {
                let numbers = column.as_primitive::<Float16Type>();
                self.each(numbers, |row| Ok(f64::from(numbers.value(row)).into_pyobject(py)?.into_any()))
            }
            DataType::Float32 => {
                let numbers = column.as_primitive::<Float32Type>();
                self.each(numbers, |row| Ok(f64::from(numbers.value(row)).into_pyobject(py)?.into_any()))
            }
            DataType::Float64 => {
                let numbers = column.as_primitive::<Float64Type>();
                self.each(numbers, |row| Ok(numbers.value(row).into_pyobject(py)?.into_any()))
            }
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                let text = to(DataType::LargeUtf8)?;
                let text = text.as_string::<i64>();
                self.each(text, |row| Ok(PyString::new(py, text.value(row)).into_any()))
            }
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => {
                let bytes = to(DataType::LargeBinary)?;
                let bytes = bytes.as_binary::<i64>();
                self.each(bytes, |row| Ok(PyBytes::new(py, bytes.value(row)).into_any()))
            }
            DataType::Date32 | DataType::Date64 => {
                let days = to(DataType::Date32)?;
                let days = days.as_primitive::<Date32Type>();
                self.each(days, |row| self.date.call_method1("fromordinal", (days.value(row) + 719_163,)))
            }
            DataType::Timestamp(_, zone) => self.timestamps(column, zone.as_deref()),
            DataType::Time32(_) | DataType::Time64(_) => {
                let times = to(DataType::Time64(TimeUnit::Microsecond))?;
                let times = times.as_primitive::<Time64MicrosecondType>();
                self.each(times, |row| {
                    let moment = self.epoch.call_method1("__add__", (self.delta(times.value(row))?,))?;
                    moment.call_method0("time")
                })
            }
            DataType::Duration(_) => {
                let spans = to(DataType::Duration(TimeUnit::Microsecond))?;
                let spans = spans.as_primitive::<DurationMicrosecondType>();
                self.each(spans, |row| self.delta(spans.value(row)))
            }
            DataType::Interval(_) => {
                let spans = to(DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano))?;
                let spans = spans.as_primitive::<IntervalMonthDayNanoType>();
                self.each(spans, |row| {
                    let span = spans.value(row);
                    Ok((span.months, span.days, span.nanoseconds).into_pyobject(py)?.into_any())
                })
            }
            DataType::Decimal32(_, scale)
            | DataType::Decimal64(_, scale)
            | DataType::Decimal128(_, scale) => {
                let numbers = to(DataType::Decimal128(38, *scale))?;
                let numbers = numbers.as_primitive::<Decimal128Type>();
                self.each(numbers, |row| self.decimal.call1((numbers.value_as_string(row),)))
            }
            DataType::Decimal256(..) => {
                let numbers = column.as_primitive::<Decimal256Type>();
                self.each(numbers, |row| self.decimal.call1((numbers.value_as_string(row),)))
            }
            DataType::List(item) | DataType::ListView(item) | DataType::FixedSizeList(item, _) => {
                self.lists(&to(DataType::LargeList(item.clone()))?)
            }
            DataType::LargeList(_) => self.lists(column),
            DataType::LargeListView(item) => self.lists(&to(DataType::LargeList(item.clone()))?),
            DataType::Struct(_) => {
                let rows = column.as_struct();
                let dicts = self.dicts(rows)?;
                self.each(rows, |row| Ok(dicts[row].clone().into_any()))
            }
            DataType::Map(..) => {
                let maps = column.as_map();
                self.each(maps, |row| {
                    let entries = maps.value(row);
                    let (keys, items) = (self.values(entries.column(0))?, self.values(entries.column(1))?);
                    Ok(PyList::new(py, keys.into_iter().zip(items))?.into_any())
                })
            }
            DataType::Dictionary(_, values) => self.values(&to(values.as_ref().clone())?),
            DataType::RunEndEncoded(_, values) => self.values(&to(values.data_type().clone())?),
            other => {
                let message = format!("values of type {other} have no form in Python; take them by Arrow");
                Err(PyValueError::new_err(message))
            }
        }
    }

    fn delta(&self, microseconds: i64) -> PyResult<Bound<'py, PyAny>> {
        self.delta.call1((0, 0, microseconds))
    }

    /// Moments to the microsecond, which is as fine as Python's are.
    fn timestamps(&self, column: &ArrayRef, zone: Option<&str>) -> PyResult<Vec<Option<Bound<'py, PyAny>>>> {
        let micros = DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
        let moments = cast(column, &micros).map_err(raise)?;
        let moments = moments.as_primitive::<TimestampMicrosecondType>();
        let epoch = if zone.is_some() { &self.epoch_utc } else { &self.epoch };
        let zone = match zone {
            None => None,
            Some("UTC" | "utc" | "Z" | "+00:00") => None,
            Some(name) => {
                let zones = self.py.import("zoneinfo")?;
                // An offset such as +02:00 is no name of a zone; the moment is then told in UTC.
                zones.getattr("ZoneInfo")?.call1((name,)).ok()
            }
        };
        self.each(moments, |row| {
            let moment = epoch.call_method1("__add__", (self.delta(moments.value(row))?,))?;
            match &zone {
                Some(zone) => moment.call_method1("astimezone", (zone,)),
                None => Ok(moment),
            }
        })
    }

    fn lists(&self, column: &ArrayRef) -> PyResult<Vec<Option<Bound<'py, PyAny>>>> {
        let lists = column.as_list::<i64>();
        self.each(lists, |row| Ok(PyList::new(self.py, self.values(&lists.value(row))?)?.into_any()))
    }

    fn dicts(&self, rows: &StructArray) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let dicts: Vec<Bound<'py, PyDict>> = (0..rows.len()).map(|_| PyDict::new(self.py)).collect();
        for (name, column) in rows.column_names().iter().zip(rows.columns()) {
            for (dict, value) in dicts.iter().zip(self.values(column)?) {
                dict.set_item(name, value)?;
            }
        }
        Ok(dicts)
    }
}

/// The first rows as text, cell by cell; `None` for null.
pub fn cells(batches: &[RecordBatch], rows_max: usize) -> PyResult<Vec<Vec<Option<String>>>> {
    let options = FormatOptions::default().with_display_error(true);
    let mut rows = Vec::new();
    for batch in batches {
        let shown = batch.num_rows().min(rows_max - rows.len());
        let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options));
        let columns = columns.collect::<Result<Vec<_>, _>>().map_err(raise)?;
        for row in 0..shown {
            let cell = |(column, formatter): (&ArrayRef, &ArrayFormatter<'_>)| {
                column.is_valid(row).then(|| formatter.value(row).to_string())
            };
            rows.push(batch.columns().iter().zip(&columns).map(cell).collect());
        }
    }
    Ok(rows)
}

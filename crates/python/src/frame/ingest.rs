//! Python's values as Arrow columns: lists by the types of what is in them, NumPy's arrays by their bytes.

use std::fmt::Display;
use std::sync::Arc;

use arrow::array::ArrayData;
use arrow::array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, DurationMicrosecondArray, Float64Array,
    Int64Array, LargeBinaryArray, ListArray, NullArray, StringArray, StructArray, Time64MicrosecondArray,
    TimestampMicrosecondArray, UInt64Array, make_array,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, Fields};
use datafusion::scalar::ScalarValue;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyBytes, PyDate, PyDateTime, PyDelta, PyDict, PyFloat, PyInt, PyList, PyString, PyTime, PyTuple,
};

use super::data_type;

/// A column of a frame that is being made.
#[pyclass(frozen, module = "swath._swath")]
pub struct Column(pub ArrayRef);

#[pymethods]
impl Column {
    /// The values of a sequence; `None` is null. Their types must agree; integers beside floats become floats.
    #[staticmethod]
    fn from_values(name: &str, values: &Bound<'_, PyAny>) -> PyResult<Self> {
        let values: Vec<Bound<'_, PyAny>> = values.try_iter()?.collect::<PyResult<_>>()?;
        Ok(Column(column(&format!("column '{name}'"), &values)?))
    }

    /// The bytes of a contiguous array of this type; where the bytes of `nulls` are not 0, the value is null.
    #[staticmethod]
    #[pyo3(signature = (type_name, bytes, nulls = None))]
    fn from_bytes(
        py: Python<'_>,
        type_name: &str,
        bytes: PyBuffer<u8>,
        nulls: Option<PyBuffer<u8>>,
    ) -> PyResult<Self> {
        let data_type = data_type::parse(type_name)?;
        let bytes = bytes.to_vec(py)?;
        let nulls = nulls.map(|nulls| nulls.to_vec(py)).transpose()?;
        let nulls = nulls
            .map(|nulls| NullBuffer::new(nulls.iter().map(|null| *null == 0).collect::<BooleanBuffer>()));
        if data_type == DataType::Boolean {
            let values: BooleanBuffer = bytes.iter().map(|value| *value != 0).collect();
            return Ok(Column(Arc::new(BooleanArray::new(values, nulls))));
        }
        let Some(width) = data_type.primitive_width() else {
            return Err(PyTypeError::new_err(format!("{type_name} has no fixed width")));
        };
        let data = ArrayData::builder(data_type)
            .len(bytes.len() / width)
            .add_buffer(Buffer::from_vec(bytes))
            .nulls(nulls)
            .align_buffers(true)
            .build()
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(Column(make_array(data)))
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }
}

/// What Python's values are in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Null,
    Bool,
    Int,
    Float,
    Text,
    Bytes,
    /// With a time zone, or without.
    DateTime(bool),
    Date,
    Time,
    Duration,
    Decimal,
    List,
    Struct,
}

impl Kind {
    fn of(value: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        let kind = if value.is_none() {
            Kind::Null
        } else if value.is_instance_of::<PyBool>() {
            Kind::Bool
        } else if value.is_instance_of::<PyInt>() {
            Kind::Int
        } else if value.is_instance_of::<PyFloat>() {
            Kind::Float
        } else if value.is_instance_of::<PyString>() {
            Kind::Text
        } else if value.is_instance_of::<PyBytes>() {
            Kind::Bytes
        } else if value.is_instance_of::<PyDateTime>() {
            // NaT of pandas is one, and no date.
            match value.ne(value)? {
                true => Kind::Null,
                false => Kind::DateTime(!value.getattr(intern!(value.py(), "tzinfo"))?.is_none()),
            }
        } else if value.is_instance_of::<PyDate>() {
            Kind::Date
        } else if value.is_instance_of::<PyTime>() {
            Kind::Time
        } else if value.is_instance_of::<PyDelta>() {
            Kind::Duration
        } else if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
            Kind::List
        } else if value.is_instance_of::<PyDict>() {
            Kind::Struct
        } else if value.get_type().name()? == "Decimal" {
            Kind::Decimal
        } else {
            return Ok(None);
        };
        Ok(Some(kind))
    }

    /// The kind of a column that holds both.
    fn with(self, other: Kind) -> Option<Kind> {
        match (self, other) {
            (a, b) if a == b => Some(a),
            (Kind::Null, other) | (other, Kind::Null) => Some(other),
            (Kind::Int, Kind::Float) | (Kind::Float, Kind::Int) => Some(Kind::Float),
            (Kind::Int, Kind::Decimal) | (Kind::Decimal, Kind::Int) => Some(Kind::Decimal),
            _ => None,
        }
    }
}

/// NumPy's scalars as those of Python, lists of arrays as lists; everything else as it is.
fn plain<'py>(value: &Bound<'py, PyAny>) -> PyResult<(Kind, Bound<'py, PyAny>)> {
    if let Some(kind) = Kind::of(value)? {
        return Ok((kind, value.clone()));
    }
    for method in ["item", "tolist"] {
        // An array of more than one element has no item: it is a list.
        if let Ok(plain) = value.call_method0(method)
            && let Some(kind) = Kind::of(&plain)?
        {
            return Ok((kind, plain));
        }
    }
    let class = value.get_type();
    if class.name()? == "NAType" {
        return Ok((Kind::Null, value.py().None().into_bound(value.py())));
    }
    Err(PyTypeError::new_err(format!("a {} is not a value of a column", class.name()?)))
}

/// The column of these values; `what` names it in errors.
fn column(what: &dyn Display, values: &[Bound<'_, PyAny>]) -> PyResult<ArrayRef> {
    let mut kind = Kind::Null;
    let mut plains = Vec::with_capacity(values.len());
    for (row, value) in values.iter().enumerate() {
        let (other, value) = plain(value).map_err(|error| {
            PyTypeError::new_err(format!("{what}, row {row}: {}", error.value(value.py())))
        })?;
        kind = match kind.with(other) {
            Some(both) => both,
            None => {
                return Err(PyTypeError::new_err(format!(
                    "{what}, row {row}: a {} among values of type {}",
                    value.get_type().name()?,
                    kind.python_name()
                )));
            }
        };
        plains.push((!value.is_none() && other != Kind::Null).then_some(value));
    }
    build(what, kind, &plains)
}

impl Kind {
    fn python_name(self) -> &'static str {
        match self {
            Kind::Null => "None",
            Kind::Bool => "bool",
            Kind::Int => "int",
            Kind::Float => "float",
            Kind::Text => "str",
            Kind::Bytes => "bytes",
            Kind::DateTime(true) => "datetime with a time zone",
            Kind::DateTime(false) => "datetime",
            Kind::Date => "date",
            Kind::Time => "time",
            Kind::Duration => "timedelta",
            Kind::Decimal => "Decimal",
            Kind::List => "list",
            Kind::Struct => "dict",
        }
    }
}

type Plain<'py> = Option<Bound<'py, PyAny>>;

/// Each value that is not null, converted.
fn map<'py, T>(
    values: &[Plain<'py>],
    convert: impl Fn(&Bound<'py, PyAny>) -> PyResult<T>,
) -> PyResult<Vec<Option<T>>> {
    values.iter().map(|value| value.as_ref().map(&convert).transpose()).collect()
}

fn build(what: &dyn Display, kind: Kind, values: &[Plain<'_>]) -> PyResult<ArrayRef> {
    Ok(match kind {
        Kind::Null => Arc::new(NullArray::new(values.len())),
        Kind::Bool => Arc::new(BooleanArray::from(map(values, |value| value.extract::<bool>())?)),
        Kind::Int => match map(values, |value| value.extract::<i64>()) {
            Ok(values) => Arc::new(Int64Array::from(values)),
            Err(_) => {
                Arc::new(UInt64Array::from(map(values, |value| value.extract::<u64>()).map_err(|_| {
                    PyValueError::new_err(format!(
                        "{what}: an integer is out of the range of int64 and uint64"
                    ))
                })?))
            }
        },
        Kind::Float => Arc::new(Float64Array::from(map(values, |value| value.extract::<f64>())?)),
        Kind::Text => Arc::new(StringArray::from(map(values, |value| value.extract::<String>())?)),
        Kind::Bytes => {
            let values = map(values, |value| value.extract::<Vec<u8>>())?;
            Arc::new(LargeBinaryArray::from_iter(values))
        }
        Kind::DateTime(zoned) => {
            let values = TimestampMicrosecondArray::from(map(values, |value| epoch_microseconds(value))?);
            match zoned {
                true => Arc::new(values.with_timezone("UTC")),
                false => Arc::new(values),
            }
        }
        Kind::Date => Arc::new(Date32Array::from(map(values, |value| epoch_days(value))?)),
        Kind::Time => Arc::new(Time64MicrosecondArray::from(map(values, |value| day_microseconds(value))?)),
        Kind::Duration => {
            Arc::new(DurationMicrosecondArray::from(map(values, |value| delta_microseconds(value))?))
        }
        Kind::Decimal => decimals(what, values)?,
        Kind::List => {
            let lists = map(values, |value| value.try_iter()?.collect::<PyResult<Vec<_>>>())?;
            let lengths =
                OffsetBuffer::from_lengths(lists.iter().map(|list| list.as_ref().map_or(0, Vec::len)));
            let nulls: BooleanBuffer = lists.iter().map(Option::is_some).collect();
            let items: Vec<Bound<'_, PyAny>> = lists.into_iter().flatten().flatten().collect();
            let items = column(&format!("{what}, lists"), &items)?;
            let field = Arc::new(Field::new_list_field(items.data_type().clone(), true));
            Arc::new(ListArray::new(field, lengths, items, nulls_of(nulls)))
        }
        Kind::Struct => {
            let dicts = map(values, |value| Ok(value.cast::<PyDict>()?.clone()))?;
            let mut names: Vec<String> = vec![];
            for dict in dicts.iter().flatten() {
                for key in dict.keys() {
                    let key = key.extract::<String>()?;
                    if !names.contains(&key) {
                        names.push(key);
                    }
                }
            }
            let mut fields = vec![];
            let mut columns = vec![];
            let Some(none) =
                values.iter().flatten().next().map(|value| value.py().None().into_bound(value.py()))
            else {
                return Ok(Arc::new(NullArray::new(values.len())));
            };
            for name in names {
                let item = |dict: &Bound<'_, PyDict>| -> PyResult<Py<PyAny>> {
                    Ok(dict.get_item(&name)?.map_or_else(|| dict.py().None(), Bound::unbind))
                };
                let mut values = vec![];
                for dict in &dicts {
                    values.push(match dict {
                        Some(dict) => item(dict)?.into_bound(dict.py()),
                        None => none.clone(),
                    });
                }
                let values = column(&format!("{what}, field '{name}'"), &values)?;
                fields.push(Field::new(name, values.data_type().clone(), true));
                columns.push(values);
            }
            let nulls: BooleanBuffer = dicts.iter().map(Option::is_some).collect();
            let fields = Fields::from(fields);
            let rows = StructArray::try_new_with_length(fields, columns, nulls_of(nulls), dicts.len());
            Arc::new(rows.map_err(|error| PyValueError::new_err(format!("{what}: {error}")))?)
        }
    })
}

fn nulls_of(valid: BooleanBuffer) -> Option<NullBuffer> {
    let nulls = NullBuffer::new(valid);
    (nulls.null_count() > 0).then_some(nulls)
}

/// Decimals with as many digits after the point as the finest of them.
fn decimals(what: &dyn Display, values: &[Plain<'_>]) -> PyResult<ArrayRef> {
    let out_of_range = || PyValueError::new_err(format!("{what}: a Decimal has more than 38 digits"));
    // Sign, digits and exponent, as Python keeps them.
    let parts = map(values, |value| {
        let decimal = value.py().import("decimal")?.getattr("Decimal")?.call1((value,))?;
        let parts = decimal.call_method0("as_tuple")?;
        let digits: Vec<u8> = parts.getattr("digits")?.extract()?;
        let exponent = parts.getattr("exponent")?.extract::<i32>();
        let exponent = exponent
            .map_err(|_| PyValueError::new_err(format!("{what}: {decimal} is not a finite Decimal")))?;
        Ok((parts.getattr("sign")?.extract::<u8>()? == 1, digits, exponent))
    })?;
    let scale = parts.iter().flatten().map(|(_, _, exponent)| -exponent).max().unwrap_or(0).max(0);
    let unscaled = |(negative, digits, exponent): (bool, Vec<u8>, i32)| {
        let zeros = usize::try_from(exponent + scale).ok()?;
        let digits = digits.into_iter().chain(std::iter::repeat_n(0, zeros));
        let mut number = 0i128;
        for digit in digits {
            number = number.checked_mul(10)?.checked_add(digit.into())?;
        }
        Some(if negative { -number } else { number })
    };
    let numbers = parts.into_iter().map(|part| match part {
        Some(part) => unscaled(part).ok_or_else(out_of_range).map(Some),
        None => Ok(None),
    });
    let numbers = Decimal128Array::from(numbers.collect::<PyResult<Vec<_>>>()?);
    let scale = i8::try_from(scale).map_err(|_| out_of_range())?;
    let numbers = numbers.with_precision_and_scale(38, scale).map_err(|_| out_of_range())?;
    numbers.validate_decimal_precision(38).map_err(|_| out_of_range())?;
    Ok(Arc::new(numbers))
}

/// Days from 1970-01-01.
fn epoch_days(value: &Bound<'_, PyAny>) -> PyResult<i32> {
    /// The ordinal of 1970-01-01, where 0001-01-01 is 1.
    const EPOCH_ORDINAL: i32 = 719_163;
    Ok(value.call_method0(intern!(value.py(), "toordinal"))?.extract::<i32>()? - EPOCH_ORDINAL)
}

fn attribute(value: &Bound<'_, PyAny>, name: &str) -> PyResult<i64> {
    value.getattr(name)?.extract()
}

/// Microseconds from midnight.
fn day_microseconds(value: &Bound<'_, PyAny>) -> PyResult<i64> {
    let seconds =
        (attribute(value, "hour")? * 60 + attribute(value, "minute")?) * 60 + attribute(value, "second")?;
    Ok(seconds * 1_000_000 + attribute(value, "microsecond")?)
}

/// Microseconds from 1970-01-01, in UTC where there is a time zone.
fn epoch_microseconds(value: &Bound<'_, PyAny>) -> PyResult<i64> {
    let offset = value.call_method0(intern!(value.py(), "utcoffset"))?;
    let offset = if offset.is_none() { 0 } else { delta_microseconds(&offset)? };
    Ok(i64::from(epoch_days(value)?) * 86_400_000_000 + day_microseconds(value)? - offset)
}

fn delta_microseconds(value: &Bound<'_, PyAny>) -> PyResult<i64> {
    let seconds = attribute(value, "days")? * 86_400 + attribute(value, "seconds")?;
    seconds
        .checked_mul(1_000_000)
        .and_then(|whole| whole.checked_add(attribute(value, "microseconds").ok()?))
        .ok_or_else(|| PyValueError::new_err(format!("{value} is out of the range of durations")))
}

/// A value as a literal.
///
/// # Errors
/// TypeError for a value that no column could hold.
pub fn scalar(value: &Bound<'_, PyAny>) -> PyResult<ScalarValue> {
    let values = column(&"a literal", std::slice::from_ref(value)).map_err(|error| {
        match error.is_instance_of::<PyTypeError>(value.py()) {
            true => PyTypeError::new_err(format!(
                "a literal cannot be a {}",
                value.get_type().name().map_or_else(|_| "value".into(), |name| name.to_string())
            )),
            false => error,
        }
    })?;
    ScalarValue::try_from_array(&values, 0).map_err(|error| PyTypeError::new_err(error.to_string()))
}

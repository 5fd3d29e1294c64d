//! The names of types, as Python's users know them.

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

/// The types that a cast takes, by their names.
const NAMED: &[(&str, DataType)] = &[
    ("bool", DataType::Boolean),
    ("int8", DataType::Int8),
    ("int16", DataType::Int16),
    ("int32", DataType::Int32),
    ("int64", DataType::Int64),
    ("uint8", DataType::UInt8),
    ("uint16", DataType::UInt16),
    ("uint32", DataType::UInt32),
    ("uint64", DataType::UInt64),
    ("float16", DataType::Float16),
    ("float32", DataType::Float32),
    ("float64", DataType::Float64),
    ("string", DataType::Utf8),
    ("binary", DataType::Binary),
    ("date", DataType::Date32),
    ("timestamp[s]", DataType::Timestamp(TimeUnit::Second, None)),
    ("timestamp[ms]", DataType::Timestamp(TimeUnit::Millisecond, None)),
    ("timestamp[us]", DataType::Timestamp(TimeUnit::Microsecond, None)),
    ("timestamp[ns]", DataType::Timestamp(TimeUnit::Nanosecond, None)),
    ("time[us]", DataType::Time64(TimeUnit::Microsecond)),
    ("duration[s]", DataType::Duration(TimeUnit::Second)),
    ("duration[ms]", DataType::Duration(TimeUnit::Millisecond)),
    ("duration[us]", DataType::Duration(TimeUnit::Microsecond)),
    ("duration[ns]", DataType::Duration(TimeUnit::Nanosecond)),
];

/// Other names that are taken.
const ALIASES: &[(&str, &str)] = &[
    ("boolean", "bool"),
    ("int", "int64"),
    ("integer", "int64"),
    ("bigint", "int64"),
    ("float", "float64"),
    ("double", "float64"),
    ("str", "string"),
    ("utf8", "string"),
    ("text", "string"),
    ("varchar", "string"),
    ("object", "string"),
    ("bytes", "binary"),
    ("date32", "date"),
    ("datetime", "timestamp[us]"),
    ("timestamp", "timestamp[us]"),
    ("timedelta", "duration[us]"),
    ("duration", "duration[us]"),
    ("time", "time[us]"),
];

/// The type of a name, such as `int64`, `timestamp[us, tz=UTC]` or `decimal(10, 2)`.
///
/// # Errors
/// TypeError for a name of no type, with those that there are.
pub fn parse(name: &str) -> PyResult<DataType> {
    let lower = name.trim().to_ascii_lowercase();
    // NumPy writes timestamps so.
    let lower = lower.replace("datetime64[", "timestamp[").replace("timedelta64[", "duration[");
    let plain = ALIASES.iter().find(|(alias, _)| *alias == lower).map_or(lower.as_str(), |(_, name)| name);
    if let Some((_, found)) = NAMED.iter().find(|(known, _)| *known == plain) {
        return Ok(found.clone());
    }
    parse_decimal(&lower).or_else(|| parse_zoned(name)).ok_or_else(|| {
        let known: Vec<&str> = NAMED.iter().map(|(name, _)| *name).collect();
        PyTypeError::new_err(format!(
            "'{name}' is not a type; the types are {}, decimal(precision, scale), timestamp[us, tz=UTC]",
            known.join(", ")
        ))
    })
}

fn parse_decimal(name: &str) -> Option<DataType> {
    let inner = name.strip_prefix("decimal(")?.strip_suffix(')')?;
    let (precision, scale) = inner.split_once(',').unwrap_or((inner, "0"));
    let (precision, scale) = (precision.trim().parse().ok()?, scale.trim().parse().ok()?);
    match precision {
        1..=38 => Some(DataType::Decimal128(precision, scale)),
        39..=76 => Some(DataType::Decimal256(precision, scale)),
        _ => None,
    }
}

fn parse_zoned(name: &str) -> Option<DataType> {
    let inner = name.trim().strip_prefix("timestamp[")?.strip_suffix(']')?;
    let (unit, zone) = inner.split_once(',')?;
    let unit = match unit.trim() {
        "s" => TimeUnit::Second,
        "ms" => TimeUnit::Millisecond,
        "us" => TimeUnit::Microsecond,
        "ns" => TimeUnit::Nanosecond,
        _ => return None,
    };
    let zone = zone.trim().strip_prefix("tz=")?;
    Some(DataType::Timestamp(unit, Some(zone.into())))
}

/// Raises unless the name is of a type.
#[pyfunction]
pub fn check_type_name(name: &str) -> PyResult<()> {
    parse(name).map(|_| ())
}

/// The name of a type.
pub fn name(data_type: &DataType) -> String {
    let unit = |unit: &TimeUnit| match unit {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Nanosecond => "ns",
    };
    let field = |field: &Field| format!("{}: {}", field.name(), name(field.data_type()));
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string".into(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "binary".into(),
        DataType::FixedSizeBinary(width) => format!("binary[{width}]"),
        DataType::Date32 | DataType::Date64 => "date".into(),
        DataType::Timestamp(precision, None) => format!("timestamp[{}]", unit(precision)),
        DataType::Timestamp(precision, Some(zone)) => format!("timestamp[{}, tz={zone}]", unit(precision)),
        DataType::Time32(precision) | DataType::Time64(precision) => format!("time[{}]", unit(precision)),
        DataType::Duration(precision) => format!("duration[{}]", unit(precision)),
        DataType::Interval(IntervalUnit::YearMonth) => "interval[months]".into(),
        DataType::Interval(IntervalUnit::DayTime) => "interval[days]".into(),
        DataType::Interval(IntervalUnit::MonthDayNano) => "interval".into(),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => format!("decimal({precision}, {scale})"),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => format!("list<{}>", name(item.data_type())),
        DataType::FixedSizeList(item, length) => format!("list<{}>[{length}]", name(item.data_type())),
        DataType::Struct(fields) => {
            let fields: Vec<String> = fields.iter().map(|item| field(item)).collect();
            format!("struct<{}>", fields.join(", "))
        }
        DataType::Map(entries, _) => format!("map<{}>", name(entries.data_type())),
        DataType::Dictionary(_, values) => format!("dictionary<{}>", name(values)),
        DataType::RunEndEncoded(_, values) => name(values.data_type()),
        plain => match NAMED.iter().find(|(_, known)| known == plain) {
            Some((name, _)) => (*name).into(),
            None => plain.to_string().to_ascii_lowercase(),
        },
    }
}

//! Generated tables: every type, with the values that break things, and garbage under nulls.

use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::NullBuffer;
use arrow::datatypes::*;
use arrow::record_batch::RecordBatch;

/// A small generator of its own, so that a seed gives the same table for ever (SplitMix64).
#[derive(Clone)]
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// How many nulls a column has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Nulls {
    None,
    Some,
    All,
}

fn nulls(rng: &mut Rng, rows: usize, kind: Nulls) -> Option<NullBuffer> {
    match kind {
        Nulls::None => None,
        Nulls::All => Some(NullBuffer::new_null(rows)),
        Nulls::Some => Some((0..rows).map(|_| !rng.one_in(4)).collect()),
    }
}

macro_rules! integers {
    ($rng:expr, $rows:expr, $nulls:expr, $type:ty, $native:ty) => {{
        let values: Vec<$native> = (0..$rows)
            .map(|_| match $rng.below(12) {
                0 => <$native>::MIN,
                1 => <$native>::MAX,
                2 => 0,
                3..=7 => ($rng.below(40) as i64 - 20).max(<$native>::MIN as i64) as $native,
                _ => $rng.next() as $native,
            })
            .collect();
        Arc::new(PrimitiveArray::<$type>::new(values.into(), $nulls)) as ArrayRef
    }};
}

fn floats(rng: &mut Rng, rows: usize) -> Vec<f64> {
    let special = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MIN_POSITIVE,
        1e300,
        0.5,
        -2.5,
    ];
    (0..rows)
        .map(|_| match rng.below(8) {
            0 => special[rng.below(special.len() as u64) as usize],
            1 => f64::from_bits(rng.next()),
            _ => (rng.below(2_000_001) as f64 - 1e6) / 128.0,
        })
        .collect()
}

fn words(rng: &mut Rng, rows: usize) -> Vec<String> {
    let stems = [
        "",
        "a",
        "ab",
        "abc",
        "special",
        "requests",
        "PROMO ",
        "Ünïcödé",
        "日本語",
        "%",
        "_",
        "green",
        "\\",
        "é",
    ];
    (0..rows)
        .map(|_| {
            let parts = rng.below(4);
            (0..parts).map(|_| stems[rng.below(stems.len() as u64) as usize]).collect::<String>()
        })
        .collect()
}

fn ascii_words(rng: &mut Rng, rows: usize) -> Vec<String> {
    let stems = [
        "",
        "Alpha",
        "beta",
        "GAMMA",
        "x",
        "delta epsilon ",
        "0123456789",
        "_",
        "the quick brown fox jumps over ",
    ];
    (0..rows)
        .map(|_| (0..rng.below(4)).map(|_| stems[rng.below(stems.len() as u64) as usize]).collect::<String>())
        .collect()
}

/// Makes a column; `keys` bounds the count of distinct values of integer, date and string columns, 0 leaves it open.
pub fn column(rng: &mut Rng, name: &str, data_type: &DataType, rows: usize, kind: Nulls) -> ArrayRef {
    let nulls = nulls(rng, rows, kind);
    match data_type {
        DataType::Boolean => Arc::new(BooleanArray::new((0..rows).map(|_| rng.one_in(2)).collect(), nulls)),
        DataType::Int8 => integers!(rng, rows, nulls, Int8Type, i8),
        DataType::Int16 => integers!(rng, rows, nulls, Int16Type, i16),
        DataType::Int32 => integers!(rng, rows, nulls, Int32Type, i32),
        DataType::Int64 => integers!(rng, rows, nulls, Int64Type, i64),
        DataType::UInt8 => integers!(rng, rows, nulls, UInt8Type, u8),
        DataType::UInt16 => integers!(rng, rows, nulls, UInt16Type, u16),
        DataType::UInt32 => integers!(rng, rows, nulls, UInt32Type, u32),
        DataType::UInt64 => integers!(rng, rows, nulls, UInt64Type, u64),
        DataType::Float32 => {
            let values: Vec<f32> = floats(rng, rows).into_iter().map(|v| v as f32).collect();
            Arc::new(Float32Array::new(values.into(), nulls))
        }
        DataType::Float64 => Arc::new(Float64Array::new(floats(rng, rows).into(), nulls)),
        DataType::Decimal128(precision, scale) => {
            let limit = 10i128.pow(*precision as u32);
            let values: Vec<i128> = (0..rows)
                .map(|_| {
                    let wide = ((rng.next() as i128) << 64) | rng.next() as i128;
                    match rng.below(6) {
                        0 => limit - 1,
                        1 => 1 - limit,
                        2 => 0,
                        3 => wide % 1_000.min(limit),
                        _ => wide % limit,
                    }
                })
                .collect();
            let array = Decimal128Array::new(values.into(), nulls);
            Arc::new(array.with_precision_and_scale(*precision, *scale).expect("valid"))
        }
        DataType::Date32 => {
            // From the year 1600 to 2400, with the ends of months.
            let values: Vec<i32> = (0..rows).map(|_| rng.below(292_194) as i32 - 135_140).collect();
            Arc::new(Date32Array::new(values.into(), nulls))
        }
        DataType::Timestamp(unit, _) => {
            let seconds = |rng: &mut Rng| rng.below(8_000_000_000) as i64 - 3_000_000_000;
            let values: Vec<i64> = (0..rows)
                .map(|_| {
                    let s = seconds(rng);
                    let fraction = rng.below(1_000_000_000) as i64;
                    match unit {
                        TimeUnit::Second => s,
                        TimeUnit::Millisecond => s * 1_000 + fraction / 1_000_000,
                        TimeUnit::Microsecond => s * 1_000_000 + fraction / 1_000,
                        TimeUnit::Nanosecond => s * 1_000_000_000 + fraction,
                    }
                })
                .collect();
            let array = Int64Array::new(values.into(), nulls);
            arrow::compute::cast(&array, data_type).expect("an integer is a timestamp")
        }
        DataType::Time64(_) => {
            let values: Vec<i64> = (0..rows).map(|_| rng.below(86_400_000_000) as i64).collect();
            let array = Int64Array::new(values.into(), nulls);
            arrow::compute::cast(&array, data_type).expect("an integer is a time")
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..) => {
            let values = if name.starts_with("ascii") { ascii_words(rng, rows) } else { words(rng, rows) };
            let array = StringArray::from(values);
            // The bytes stay under the nulls.
            let (offsets, bytes, _) = array.into_parts();
            let array = StringArray::new(offsets, bytes, nulls);
            arrow::compute::cast(&array, data_type).expect("a string is a string")
        }
        other => panic!("no generator for {other}"),
    }
}

/// The columns of a table with every type: two of each, so that there is something to compare.
pub fn every_type() -> Vec<(String, DataType)> {
    let types = [
        ("bool", DataType::Boolean),
        ("i8", DataType::Int8),
        ("i16", DataType::Int16),
        ("i32", DataType::Int32),
        ("i64", DataType::Int64),
        ("u8", DataType::UInt8),
        ("u16", DataType::UInt16),
        ("u32", DataType::UInt32),
        ("u64", DataType::UInt64),
        ("f32", DataType::Float32),
        ("f64", DataType::Float64),
        ("d5", DataType::Decimal128(5, 2)),
        ("d15", DataType::Decimal128(15, 2)),
        ("d18", DataType::Decimal128(18, 4)),
        ("d25", DataType::Decimal128(25, 5)),
        ("d38", DataType::Decimal128(38, 10)),
        ("date", DataType::Date32),
        ("ts_s", DataType::Timestamp(TimeUnit::Second, None)),
        ("ts_ms", DataType::Timestamp(TimeUnit::Millisecond, None)),
        ("ts_us", DataType::Timestamp(TimeUnit::Microsecond, None)),
        ("ts_ns", DataType::Timestamp(TimeUnit::Nanosecond, None)),
        ("time", DataType::Time64(TimeUnit::Microsecond)),
        ("str", DataType::Utf8),
        ("view", DataType::Utf8View),
        ("large", DataType::LargeUtf8),
        ("ascii", DataType::Utf8View),
        ("dict", DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))),
    ];
    types
        .into_iter()
        .flat_map(|(name, data_type)| ["a", "b"].map(|side| (format!("{name}_{side}"), data_type.clone())))
        .collect()
}

/// A table with every type in several batches, some of them slices with an offset.
pub fn table(seed: u64, rows: usize, kind: Nulls) -> Vec<RecordBatch> {
    let mut rng = Rng(seed);
    let columns = every_type();
    let mut fields = vec![Field::new("id", DataType::Int64, false), Field::new("k", DataType::Int64, true)];
    fields.extend(columns.iter().map(|(name, data_type)| Field::new(name, data_type.clone(), true)));
    let schema = Arc::new(Schema::new(fields));
    let mut batches = vec![];
    let mut begin = 0;
    loop {
        let part = (rows - begin).min(1 + rng.below(rows as u64 / 2 + 1) as usize);
        let skip = rng.below(9) as usize;
        let total = part + skip;
        let id: Int64Array = (0..total).map(|i| Some((begin + i) as i64 - skip as i64)).collect();
        let k: Int64Array = (0..total).map(|_| (!rng.one_in(9)).then(|| skewed(&mut rng))).collect();
        let mut arrays: Vec<ArrayRef> = vec![Arc::new(id), Arc::new(k)];
        for (name, data_type) in &columns {
            arrays.push(column(&mut rng, name, data_type, total, kind));
        }
        let batch = RecordBatch::try_new(schema.clone(), arrays).expect("columns fit the schema");
        batches.push(batch.slice(skip, part));
        begin += part;
        if begin >= rows {
            return batches;
        }
    }
}

/// A key that is 0 half of the time.
fn skewed(rng: &mut Rng) -> i64 {
    if rng.one_in(2) { 0 } else { rng.below(10) as i64 }
}

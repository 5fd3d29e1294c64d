//! Chunks go up to the device and come back as they were, whatever Arrow made of them before.

use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::*;
use arrow::record_batch::RecordBatch;
use futures::executor::block_on;
use swath::column::StagedChunk;
use swath::memory::PinnedPool;
use swath::worker::CancelToken;

use crate::simulator::{COLUMNS, exclusive};

/// SplitMix64: a sequence for a seed.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// Every type that devices take, each layout more than once.
fn types() -> Vec<DataType> {
    let dictionary = |key: DataType, value: DataType| DataType::Dictionary(Box::new(key), Box::new(value));
    vec![
        DataType::Boolean,
        DataType::Int8,
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::UInt8,
        DataType::UInt16,
        DataType::UInt32,
        DataType::UInt64,
        DataType::Float32,
        DataType::Float64,
        DataType::Decimal128(15, 2),
        DataType::Decimal128(18, 0),
        DataType::Decimal128(38, 10),
        DataType::Date32,
        DataType::Date64,
        DataType::Time32(TimeUnit::Second),
        DataType::Time64(TimeUnit::Nanosecond),
        DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Timestamp(TimeUnit::Nanosecond, Some("+02:00".into())),
        DataType::Duration(TimeUnit::Millisecond),
        DataType::Utf8,
        DataType::LargeUtf8,
        DataType::Utf8View,
        DataType::Binary,
        DataType::LargeBinary,
        DataType::BinaryView,
        dictionary(DataType::Int8, DataType::Utf8),
        dictionary(DataType::UInt8, DataType::Utf8),
        dictionary(DataType::UInt16, DataType::Utf8View),
        dictionary(DataType::Int32, DataType::LargeUtf8),
        dictionary(DataType::UInt32, DataType::Utf8),
        dictionary(DataType::Int64, DataType::Binary),
    ]
}

#[derive(Clone, Copy, Debug)]
pub enum Nulls {
    None,
    All,
    Random,
}

impl Nulls {
    fn mask(self, rows: usize, random: &mut Random) -> Option<NullBuffer> {
        let is_valid = |_| match self {
            Nulls::None => true,
            Nulls::All => false,
            Nulls::Random => random.below(3) > 0,
        };
        let mask: BooleanBuffer = (0..rows).map(is_valid).collect();
        (!matches!(self, Nulls::None)).then(|| NullBuffer::new(mask))
    }
}

/// Makes an array with garbage beneath its nulls.
pub fn array(data_type: &DataType, rows: usize, nulls: Nulls, random: &mut Random) -> ArrayRef {
    let mask = nulls.mask(rows, random);
    match data_type {
        DataType::Boolean => {
            let values: BooleanBuffer = (0..rows).map(|_| random.below(2) == 1).collect();
            Arc::new(BooleanArray::new(values, mask))
        }
        DataType::Decimal128(precision, _) => {
            let limit = 10i128.pow(u32::from(*precision));
            let is_valid = |row: usize| mask.as_ref().is_none_or(|mask| mask.is_valid(row));
            let value = |row| {
                let wide = i128::from(random.next() as i64) << 64 | i128::from(random.next());
                if is_valid(row) { wide % limit } else { wide }
            };
            let values: ScalarBuffer<i128> = (0..rows).map(value).collect();
            Arc::new(Decimal128Array::new(values, mask).with_data_type(data_type.clone()))
        }
        DataType::Dictionary(key_type, value_type) => {
            // Few or many, with repetitions and a null among them.
            let entries: ArrayRef = strings(1 + random.below(60), Nulls::Random.mask(61, random), random);
            let entries = cast(&entries, value_type).unwrap();
            let keys: Int64Array = (0..rows as i64).map(|_| random.below(entries.len()) as i64).collect();
            let keys = cast(&Int64Array::new(keys.values().clone(), mask), key_type).unwrap();
            let data = keys.into_data().into_builder().data_type(data_type.clone());
            make_array(data.add_child_data(entries.to_data()).build().unwrap())
        }
        text if text.primitive_width().is_none() => cast(&strings(rows, mask, random), text).unwrap(),
        fixed => {
            let width = fixed.primitive_width().unwrap();
            let bytes: Vec<u8> = (0..rows * width).map(|_| random.next() as u8).collect();
            let data = ArrayData::builder(fixed.clone()).len(rows).nulls(mask);
            make_array(data.add_buffer(bytes.into()).build().unwrap())
        }
    }
}

/// Makes strings: empty, short, long, not ASCII; also beneath nulls.
pub fn strings(rows: usize, mask: Option<NullBuffer>, random: &mut Random) -> ArrayRef {
    let texts: Vec<String> = (0..rows)
        .map(|_| match random.below(5) {
            0 => String::new(),
            1 => "Ŝtrato 街道 🛣".to_string(),
            2 => "x".repeat(random.below(400)),
            _ => random.below(50).to_string(),
        })
        .collect();
    let (offsets, values, _) = StringArray::from(texts).into_parts();
    Arc::new(StringArray::new(offsets, values, mask.map(|mask| mask.slice(0, rows))))
}

/// Makes a batch with a column of every type, cut out of a longer one.
pub fn batch(schema: &SchemaRef, rows: usize, nulls: Nulls, random: &mut Random) -> RecordBatch {
    let before = random.below(70);
    let after = random.below(9);
    let columns =
        schema.fields().iter().map(|field| array(field.data_type(), before + rows + after, nulls, random));
    RecordBatch::try_new(Arc::clone(schema), columns.collect()).unwrap().slice(before, rows)
}

pub fn schema() -> SchemaRef {
    let field = |(index, data_type): (usize, DataType)| Field::new(format!("c{index}"), data_type, true);
    Arc::new(Schema::new(types().into_iter().enumerate().map(field).collect::<Vec<_>>()))
}

/// Lists inputs: each is the batches of one chunk, with the seed to make it again.
fn inputs() -> Vec<(u64, Vec<RecordBatch>)> {
    let schema = schema();
    let mut inputs = Vec::new();
    for rows in [0, 1, 31, 32, 33, 65, 1000] {
        for nulls in [Nulls::None, Nulls::All, Nulls::Random] {
            let seed = inputs.len() as u64;
            inputs.push((seed, vec![batch(&schema, rows, nulls, &mut Random(seed))]));
        }
    }
    for seed in 100..108 {
        let random = &mut Random(seed);
        let several = 2 + random.below(3);
        let batches = (0..several).map(|_| {
            let nulls = [Nulls::None, Nulls::All, Nulls::Random][random.below(3)];
            let rows = random.below(80);
            batch(&schema, rows, nulls, random)
        });
        inputs.push((seed, batches.collect()));
    }
    inputs
}

/// Compares by value: dictionaries may come back with other keys for the same values.
pub fn assert_same(actual: &RecordBatch, batches: &[RecordBatch], seed: u64) {
    let schema = batches[0].schema();
    assert_eq!(actual.schema(), schema, "seed {seed}");
    for (index, field) in schema.fields().iter().enumerate() {
        let plain = match field.data_type() {
            DataType::Dictionary(_, value_type) => value_type.as_ref().clone(),
            other => other.clone(),
        };
        let plain_schema = Arc::new(Schema::new(vec![Field::new(field.name(), plain.clone(), true)]));
        let unpack = |array: &ArrayRef| cast(array, &plain).unwrap();
        let parts: Vec<RecordBatch> = batches
            .iter()
            .map(|batch| {
                RecordBatch::try_new(Arc::clone(&plain_schema), vec![unpack(batch.column(index))]).unwrap()
            })
            .collect();
        let expected = concat_batches(&plain_schema, &parts).unwrap();
        let what = format!("seed {seed}, column {} of {}", field.name(), field.data_type());
        assert_eq!(&unpack(actual.column(index)), expected.column(0), "{what}");
        let null_count = |array: &ArrayRef| array.logical_null_count();
        assert_eq!(null_count(actual.column(index)), null_count(expected.column(0)), "{what}");
        if null_count(expected.column(0)) == 0 {
            assert!(actual.column(index).nulls().is_none(), "{what}: validity that excludes nothing");
        }
    }
}

#[test]
fn staging_alone_keeps_every_value() {
    let pool = PinnedPool::new(None);
    for (seed, batches) in inputs() {
        let staged = StagedChunk::stage(&batches[0].schema(), &batches, &pool).unwrap();
        assert_same(&staged.to_batch().unwrap(), &batches, seed);
    }
}

fn round_trip(lazy: bool) {
    let device = exclusive(COLUMNS, lazy);
    let worker = device.worker();
    for (seed, batches) in inputs() {
        let staged = StagedChunk::stage(&batches[0].schema(), &batches, worker.pinned_pool()).unwrap();
        let bytes = staged.bytes() as u64;
        let there_and_back = worker.run("round trip", CancelToken::new(), |task| {
            let chunk = task.upload(staged)?;
            let batch = task.download(&chunk)?;
            Ok((batch, task.stats()))
        });
        let (batch, stats) = block_on(there_and_back).unwrap();
        assert_same(&batch, &batches, seed);
        assert_eq!(stats.bytes_up, bytes);
        assert!(stats.bytes_down > 0 || batch.num_rows() == 0);
    }
    assert_eq!(device.simulator.last_fault(), None);
}

#[test]
fn a_chunk_comes_back_as_it_went() {
    round_trip(false);
}

#[test]
fn a_chunk_comes_back_as_it_went_lazily() {
    round_trip(true);
}

#[test]
fn chunks_in_flight_do_not_overwrite_each_other() {
    let device = exclusive(COLUMNS, true);
    let worker = device.worker();
    let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
    let expected: Vec<RecordBatch> = (0..20i64)
        .map(|chunk| {
            let values: Int64Array = (0..5000).map(|row| chunk << 32 | row).collect();
            RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(values)]).unwrap()
        })
        .collect();
    let batches = expected.clone();
    let downloaded = worker.run("many chunks", CancelToken::new(), move |task| {
        let mut chunks = Vec::new();
        for batch in &batches {
            let staged =
                StagedChunk::stage(&batch.schema(), std::slice::from_ref(batch), task.pinned_pool())?;
            chunks.push(task.upload(staged)?);
        }
        chunks.iter().map(|chunk| task.download(chunk)).collect::<swath::Result<Vec<_>>>()
    });
    assert_eq!(block_on(downloaded).unwrap(), expected);
}

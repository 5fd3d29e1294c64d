//! Concat: one chunk of several (`kernels/concat.cu`).

use std::sync::{Arc, LazyLock};

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;

use crate::column::{DeviceChunk, DeviceColumn, DeviceDictionary, MergedDictionary, Storage};
use crate::device::{DeviceBuffer, KernelSource};
use crate::error::{Error, Result};
use crate::worker::Task;

use super::binding::BLOCK;
use super::fixed::{launch, read_words, write_words};

/// Rows of the largest chunk: row numbers have 32 bits, and the greatest means "no row".
const ROWS_MAX: usize = u32::MAX as usize - 1;

/// What an output of the kernel is; as in the source.
const BITS: u64 = 0;
const OFFSETS: u64 = 1;
const KEYS: u64 = 2;

static SOURCE: LazyLock<KernelSource> = LazyLock::new(|| {
    let text =
        [include_str!("../../kernels/prelude.cuh"), include_str!("../../kernels/concat.cu")].join("\n");
    KernelSource::new("concat", text, ["concat_ends", "concat"].map(String::from).to_vec())
});

/// Puts the rows of `chunks`, all of one schema, into one chunk, in their order.
///
/// A single chunk with rows is answered as it is, without a copy. Dictionaries that differ are merged on the host into
/// one without repeated values, and keys are renumbered; one that holds all the others' values already is shared.
///
/// # Shape      chunks [n₁], …, [nₖ] → one chunk [n₁ + … + nₖ].
/// # Nulls      absent validity counts as all valid; absent in all chunks, it is absent in the result.
/// # Memory     the result; 24 bytes a column and chunk.
/// # Traffic    reads and writes every byte once. At most two kernels, whatever the columns; copies for the rest.
/// # Guarantee  order preserved; deterministic.
/// # Errors     out of memory where the rows exceed 2³²−2 or a column's strings 2 GiB; unsupported where the merged
/// dictionary has more values than its keys can tell apart.
pub fn concat(task: &mut Task<'_>, chunks: &[Arc<DeviceChunk>]) -> Result<DeviceChunk> {
    let first = chunks.first().ok_or_else(|| Error::bug("concat of no chunks"))?;
    let mut filled: Vec<&DeviceChunk> =
        chunks.iter().map(Arc::as_ref).filter(|chunk| chunk.rows > 0).collect();
    if filled.len() < 2 {
        return Ok(filled.pop().unwrap_or(first).clone());
    }
    let rows: usize = filled.iter().map(|chunk| chunk.rows).sum();
    if rows > ROWS_MAX {
        return Err(Error::out_of_memory(format!("a chunk of {rows} rows: {ROWS_MAX} is the most")));
    }
    for chunk in &filled {
        task.wait_for(chunk)?;
    }
    let columns: Vec<Vec<&DeviceColumn>> = (0..first.columns.len())
        .map(|index| filled.iter().map(|chunk| chunk.columns[index].as_ref()).collect())
        .collect();
    for (parts, field) in columns.iter().zip(first.schema.fields()) {
        if let Some(other) = parts.iter().find(|part| part.storage != parts[0].storage) {
            return Err(Error::bug(format!(
                "concat of column '{}': stored as {:?} and as {:?}",
                field.name(),
                parts[0].storage,
                other.storage
            )));
        }
    }
    let mut ends = string_ends(task, &columns)?.into_iter();
    let mut work = Work::new(&filled, rows);
    let mut outputs = vec![];
    for (parts, field) in columns.iter().zip(first.schema.fields()) {
        let column = work.column(task, parts, &mut ends);
        outputs.push(Arc::new(column.map_err(|error| error.context(format!("column '{}'", field.name())))?));
    }
    work.launch(task)?;
    DeviceChunk::new(first.schema.clone(), outputs, rows)
}

/// Reads how many bytes the rows of each part of each string column have.
fn string_ends(task: &mut Task<'_>, columns: &[Vec<&DeviceColumn>]) -> Result<Vec<u64>> {
    let mut table = vec![];
    for part in columns.iter().flatten().filter(|part| part.storage == Storage::Bytes) {
        table.extend([offsets(part)?.address(), part.rows as u64]);
    }
    let count = table.len() / 2;
    if count == 0 {
        return Ok(vec![]);
    }
    let described = write_words(task, &table)?;
    let ends = task.alloc(count * 8)?;
    let words = [count as u64, described.address(), ends.address()];
    launch(task, &SOURCE, "concat_ends", count.div_ceil(BLOCK), &words)?;
    read_words(task, &ends, count)
}

fn offsets(column: &DeviceColumn) -> Result<&DeviceBuffer> {
    column.offsets.as_deref().ok_or_else(|| Error::bug("strings without offsets"))
}

/// What the kernel has to do, gathered over all columns.
struct Work {
    rows: usize,
    /// The first row of each part, and `rows`.
    starts: Vec<u64>,
    outputs: Vec<u64>,
    output_count: usize,
    parts: Vec<u64>,
    blocks: usize,
    /// Maps of keys, kept until the launch.
    maps: Vec<DeviceBuffer>,
}

impl Work {
    fn new(chunks: &[&DeviceChunk], rows: usize) -> Work {
        let mut starts = vec![0u64];
        for chunk in chunks {
            starts.push(starts[starts.len() - 1] + chunk.rows as u64);
        }
        Work { rows, starts, outputs: vec![], output_count: 0, parts: vec![], blocks: 0, maps: vec![] }
    }

    /// Adds an output of `units` units; a part is its source, a detail and the detail's size.
    fn add(&mut self, kind: u64, target: &DeviceBuffer, units: usize, key_bytes: u8, parts: &[[u64; 3]]) {
        let first_part = self.parts.len() / 3;
        self.outputs.extend([
            kind,
            target.address(),
            units as u64,
            self.blocks as u64,
            first_part as u64,
            u64::from(key_bytes),
        ]);
        self.output_count += 1;
        self.parts.extend(parts.iter().flatten());
        self.blocks += units.div_ceil(BLOCK);
    }

    /// Allocates a column of all rows and plans or enqueues what fills it; `ends` gives the bytes of string parts.
    fn column(
        &mut self,
        task: &mut Task<'_>,
        parts: &[&DeviceColumn],
        ends: &mut impl Iterator<Item = u64>,
    ) -> Result<DeviceColumn> {
        let data_type = parts[0].data_type.clone();
        let rows = self.rows;
        let validity = match parts.iter().any(|part| part.validity.is_some()) {
            true => Some(self.bits(task, parts.iter().map(|part| part.validity.as_deref()))?),
            false => None,
        };
        match parts[0].storage {
            Storage::Bits => {
                let values = self.bits(task, parts.iter().map(|part| Some(part.values.as_ref())))?;
                DeviceColumn::fixed(data_type, Storage::Bits, rows, values, validity)
            }
            Storage::Bytes => {
                let (offsets, bytes) = self.strings(task, parts, ends)?;
                DeviceColumn::bytes(data_type, rows, offsets, bytes, validity)
            }
            Storage::Dictionary { key_bytes } => {
                let (keys, dictionary) = self.keys(task, parts, key_bytes)?;
                DeviceColumn::dictionary(data_type, key_bytes, rows, keys, dictionary, validity)
            }
            fixed => {
                let width = fixed.width().ok_or_else(|| Error::bug(format!("{fixed:?} has no width")))?;
                let values = copy_parts(task, parts, rows, width)?;
                DeviceColumn::fixed(data_type, fixed, rows, values, validity)
            }
        }
    }

    fn bits<'a>(
        &mut self,
        task: &mut Task<'_>,
        parts: impl Iterator<Item = Option<&'a DeviceBuffer>>,
    ) -> Result<DeviceBuffer> {
        let target = task.alloc(self.rows.div_ceil(8))?;
        let parts: Vec<[u64; 3]> =
            parts.map(|part| [part.map_or(0, |bitmap| bitmap.address()), 0, 0]).collect();
        self.add(BITS, &target, self.rows.div_ceil(32), 0, &parts);
        Ok(target)
    }

    fn strings(
        &mut self,
        task: &mut Task<'_>,
        parts: &[&DeviceColumn],
        ends: &mut impl Iterator<Item = u64>,
    ) -> Result<(DeviceBuffer, DeviceBuffer)> {
        let lengths: Vec<u64> = ends.take(parts.len()).collect();
        let total: u64 = lengths.iter().sum();
        if total > i32::MAX as u64 {
            return Err(Error::out_of_memory(format!(
                "a chunk's strings take {total} bytes; 2 GiB is the most"
            )));
        }
        let bytes = task.alloc(total as usize)?;
        let mut described = vec![];
        let mut before = 0;
        for (part, length) in parts.iter().zip(&lengths) {
            task.copy_to(&bytes, before as usize, &part.values, *length as usize)?;
            described.push([offsets(part)?.address(), before, 0]);
            before += length;
        }
        let target = task.alloc((self.rows + 1) * 4)?;
        self.add(OFFSETS, &target, self.rows + 1, 0, &described);
        Ok((target, bytes))
    }

    fn keys(
        &mut self,
        task: &mut Task<'_>,
        parts: &[&DeviceColumn],
        key_bytes: u8,
    ) -> Result<(DeviceBuffer, Arc<DeviceDictionary>)> {
        let dictionaries = parts
            .iter()
            .map(|part| part.dictionary.as_ref().ok_or_else(|| Error::bug("keys without a dictionary")))
            .collect::<Result<Vec<_>>>()?;
        let first = dictionaries[0];
        if dictionaries.iter().all(|other| Arc::ptr_eq(first, other)) {
            let keys = copy_parts(task, parts, self.rows, usize::from(key_bytes))?;
            return Ok((keys, Arc::clone(first)));
        }
        let hosts: Vec<&ArrayRef> = dictionaries.iter().map(|dictionary| &dictionary.host).collect();
        let key_type = match &parts[0].data_type {
            DataType::Dictionary(key_type, _) => key_type.as_ref().clone(),
            _ => [DataType::Int8, DataType::Int16, DataType::Int32, DataType::Int64]
                [key_bytes.trailing_zeros().min(3) as usize]
                .clone(),
        };
        let merged = MergedDictionary::merge_values(&hosts, &key_type, first.host.data_type())?;
        let holds_all = |dictionary: &&&Arc<DeviceDictionary>| {
            dictionary.len == merged.values.len() && dictionary.host.as_ref() == merged.values.as_ref()
        };
        let dictionary = match dictionaries.iter().find(holds_all) {
            Some(dictionary) => Arc::clone(dictionary),
            None => {
                let (offsets, values) = merged.device_layout()?;
                Arc::new(DeviceDictionary {
                    values: Arc::new(task.write(&values)?),
                    offsets: Arc::new(task.write(&offsets)?),
                    len: merged.values.len(),
                    host: ArrayRef::clone(&merged.values),
                })
            }
        };
        let maps: Vec<Option<Vec<u32>>> = (0..parts.len()).map(|index| merged.new_keys(index)).collect();
        if maps.iter().all(Option::is_none) {
            return Ok((copy_parts(task, parts, self.rows, usize::from(key_bytes))?, dictionary));
        }
        let mut described = vec![];
        for (part, map) in parts.iter().zip(maps) {
            let [mut address, mut count] = [0, 0];
            if let Some(map) = map {
                let bytes: Vec<u8> = map.iter().flat_map(|key| key.to_le_bytes()).collect();
                let buffer = task.write(&bytes)?;
                [address, count] = [buffer.address(), map.len() as u64];
                self.maps.push(buffer);
            }
            described.push([part.values.address(), address, count]);
        }
        let target = task.alloc(self.rows * usize::from(key_bytes))?;
        self.add(KEYS, &target, self.rows, key_bytes, &described);
        Ok((target, dictionary))
    }

    /// Launches one kernel for everything that was added.
    fn launch(&self, task: &mut Task<'_>) -> Result<()> {
        if self.output_count == 0 {
            return Ok(());
        }
        let outputs = write_words(task, &self.outputs)?;
        let parts = write_words(task, &self.parts)?;
        let starts = write_words(task, &self.starts)?;
        let words = [
            self.output_count as u64,
            self.starts.len() as u64 - 1,
            self.rows as u64,
            outputs.address(),
            parts.address(),
            starts.address(),
        ];
        launch(task, &SOURCE, "concat", self.blocks, &words)
    }
}

/// Copies values of `width` bytes, one part behind the other.
fn copy_parts(
    task: &mut Task<'_>,
    parts: &[&DeviceColumn],
    rows: usize,
    width: usize,
) -> Result<DeviceBuffer> {
    let target = task.alloc(rows * width)?;
    let mut at = 0;
    for part in parts {
        task.copy_to(&target, at, &part.values, part.rows * width)?;
        at += part.rows * width;
    }
    Ok(target)
}

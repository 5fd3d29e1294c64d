//! Tables of chunks in Arrow IPC files: one record batch for each chunk.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufWriter;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::buffer::{Buffer, MutableBuffer};
use arrow::ipc::convert::fb_to_schema;
use arrow::ipc::reader::{FileDecoder, read_footer_length};
use arrow::ipc::writer::FileWriter;
use arrow::ipc::{Block, root_as_footer};
use swath_array::graph::Region;
use swath_array::run::Sink;
use swath_array::storage::chunked::ChunkFile;
use swath_array::{DType, Error, Result, Tensor};

use crate::array::storage::{ChunkTable, decode, failed};
use crate::session::WholeFile;

/// The key of the footer's metadata that lists the coordinates of each batch's row, so that no batch has to be read for
/// finding a chunk.
const ROWS_KEY: &str = "swath.rows";

/// Bytes behind the footer: its length, and `ARROW1`.
const TRAILER_BYTES: u64 = 10;

/// An array in an Arrow file.
#[derive(Debug)]
pub(super) struct IpcFile {
    path: PathBuf,
    file: File,
    table: ChunkTable,
    decoder: FileDecoder,
    blocks: Vec<Block>,
    /// Batch and row of each chunk.
    places: HashMap<Vec<usize>, (usize, usize)>,
}

impl IpcFile {
    /// Reads the footer; chunks are read when they are needed.
    pub(super) fn open(path: &Path) -> Result<IpcFile> {
        let file = File::open(path).map_err(|error| failed("open", path, error))?;
        let bytes = file.metadata().map_err(|error| failed("open", path, error))?.len();
        let damaged =
            |why: String| failed("read", path, format!("it is not an Arrow file, or a damaged one: {why}"));
        let end = bytes.checked_sub(TRAILER_BYTES).ok_or_else(|| damaged(format!("it has {bytes} bytes")))?;
        let mut trailer = [0; TRAILER_BYTES as usize];
        file.read_exact_at(&mut trailer, end).map_err(|error| failed("read", path, error))?;
        let length = read_footer_length(trailer).map_err(|error| damaged(error.to_string()))?;
        let start = end
            .checked_sub(length as u64)
            .ok_or_else(|| damaged(format!("its footer has {length} bytes")))?;
        let mut footer = vec![0; length];
        file.read_exact_at(&mut footer, start).map_err(|error| failed("read", path, error))?;
        let footer = root_as_footer(&footer).map_err(|error| damaged(error.to_string()))?;
        let schema = footer.schema().ok_or_else(|| damaged("it has no schema".into()))?;
        let schema = fb_to_schema(schema);
        let table = ChunkTable::of(&schema)
            .map_err(|why| Error::value(format!("cannot read '{}': {why}", path.display())))?;
        let blocks: Vec<Block> =
            footer.recordBatches().map(|blocks| blocks.iter().copied().collect()).unwrap_or_default();
        let within = |block: &Block| {
            let len = u64::try_from(block.metaDataLength())
                .ok()?
                .checked_add(u64::try_from(block.bodyLength()).ok()?)?;
            let end = u64::try_from(block.offset()).ok()?.checked_add(len)?;
            (end <= bytes).then_some(())
        };
        if blocks.iter().any(|block| within(block).is_none()) {
            return Err(damaged("a batch lies behind its end".into()));
        }
        let mut entries = footer.custom_metadata().into_iter().flatten();
        let listed = entries.find(|entry| entry.key() == Some(ROWS_KEY)).and_then(|entry| entry.value());
        let listed = listed.and_then(|text| serde_json::from_str::<Vec<Vec<usize>>>(text).ok());
        let decoder = FileDecoder::new(schema.into(), footer.version());
        let mut opened =
            IpcFile { path: path.to_path_buf(), file, table, decoder, blocks, places: HashMap::new() };
        match listed.filter(|rows| rows.len() == opened.blocks.len()) {
            Some(rows) => {
                opened.places = rows.into_iter().enumerate().map(|(batch, row)| (row, (batch, 0))).collect();
            }
            // Somebody else's file: its batches have to be read.
            None => {
                for batch in 0..opened.blocks.len() {
                    let read = opened.batch(batch)?;
                    let rows =
                        opened.table.coordinates(read.column(0)).map_err(|why| failed("read", path, why))?;
                    let rows = rows.into_iter().enumerate();
                    opened.places.extend(rows.map(|(row, coordinates)| (coordinates, (batch, row))));
                }
            }
        }
        Ok(opened)
    }

    fn batch(&self, number: usize) -> Result<RecordBatch> {
        let block = &self.blocks[number];
        let bytes = block.metaDataLength() as usize + block.bodyLength() as usize;
        let mut buffer = MutableBuffer::from_len_zeroed(bytes);
        self.file
            .read_exact_at(buffer.as_slice_mut(), block.offset() as u64)
            .map_err(|error| failed("read", &self.path, error))?;
        let batch = self.decoder.read_record_batch(block, &Buffer::from(buffer));
        let batch = batch.map_err(|error| failed("read", &self.path, format!("batch {number}: {error}")))?;
        batch.ok_or_else(|| failed("read", &self.path, format!("batch {number} is empty")))
    }
}

impl ChunkFile for IpcFile {
    fn describe(&self) -> String {
        format!("arrow '{}'", self.path.display())
    }

    fn dtype(&self) -> DType {
        self.table.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.table.shape
    }

    fn chunk(&self) -> &[usize] {
        &self.table.chunks
    }

    fn read_chunk(&self, coordinates: &[usize]) -> Result<Tensor> {
        decode(&self.path, || self.read_values(coordinates))
    }
}

impl IpcFile {
    fn read_values(&self, coordinates: &[usize]) -> Result<Tensor> {
        let missing = || failed("read", &self.path, format!("it has no chunk {coordinates:?}"));
        let &(batch, row) = self.places.get(coordinates).ok_or_else(missing)?;
        let batch = self.batch(batch)?;
        let rows = self.table.coordinates(batch.column(0)).map_err(|why| failed("read", &self.path, why))?;
        if rows.get(row).is_none_or(|found| found != coordinates) {
            return Err(failed(
                "read",
                &self.path,
                format!("its list of chunks is wrong about {coordinates:?}"),
            ));
        }
        self.table.values(batch.column(1), row, coordinates).map_err(|why| failed("read", &self.path, why))
    }
}

/// An Arrow file that is being written, chunks in the order in which they come.
pub(super) struct IpcSink<'a> {
    table: ChunkTable,
    file: &'a WholeFile,
    writer: Mutex<Writer<'a>>,
}

struct Writer<'a> {
    writer: FileWriter<BufWriter<&'a File>>,
    rows: Vec<Vec<usize>>,
}

impl<'a> IpcSink<'a> {
    pub(super) fn new(table: ChunkTable, file: &'a WholeFile) -> Result<IpcSink<'a>> {
        let writer =
            FileWriter::try_new_buffered(file.file(), &*table.schema()?).map_err(|error| wrong(&error))?;
        Ok(IpcSink { table, file, writer: Mutex::new(Writer { writer, rows: vec![] }) })
    }

    /// Writes the footer.
    pub(super) fn finish(self) -> Result<()> {
        let Writer { mut writer, rows } = self.writer.into_inner().unwrap_or_else(PoisonError::into_inner);
        let rows = serde_json::to_string(&rows).map_err(|error| Error::bug(error.to_string()))?;
        writer.write_metadata(ROWS_KEY, rows);
        writer.finish().map_err(|error| wrong(&error))?;
        let buffered = writer.into_inner().map_err(|error| wrong(&error))?;
        buffered.into_inner().map_err(|error| Error::from(self.file.failed(error.error())))?;
        Ok(())
    }
}

impl Sink for IpcSink<'_> {
    fn chunks(&self) -> Option<Vec<usize>> {
        Some(self.table.chunks.clone())
    }

    fn write(&self, region: &Region, values: &Tensor) -> Result<()> {
        for (coordinates, slices) in self.table.chunks_of(region)? {
            let row = self.table.row(&coordinates, &values.slice(&slices))?;
            let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            writer.writer.write(&row).map_err(|error| wrong(&error))?;
            writer.rows.push(coordinates);
        }
        Ok(())
    }
}

fn wrong(error: &arrow::error::ArrowError) -> Error {
    Error::io(format!("cannot write an Arrow file: {error}"))
}

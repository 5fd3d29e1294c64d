//! Tables of chunks in Parquet files: one row group for each chunk, so that each is read alone.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use arrow::array::RecordBatch;
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use datafusion::parquet::arrow::arrow_writer::{ArrowRowGroupWriterFactory, ArrowWriter, compute_leaves};
use datafusion::parquet::basic::{GzipLevel, ZstdLevel};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::WriterProperties;
use datafusion::parquet::file::writer::SerializedFileWriter;
use swath_array::graph::Region;
use swath_array::run::Sink;
use swath_array::storage::Compression;
use swath_array::storage::chunked::ChunkFile;
use swath_array::{DType, Error, Result, Tensor};

use crate::array::storage::{ChunkTable, decode, failed};
use crate::session::WholeFile;

/// Numbers compress little; the quickest level does nearly all of it.
const ZSTD_LEVEL: i32 = 1;

/// An array in a Parquet file.
#[derive(Debug)]
pub(super) struct ParquetFile {
    path: PathBuf,
    table: ChunkTable,
    metadata: ArrowReaderMetadata,
    /// Row group and row within it of each chunk.
    places: HashMap<Vec<usize>, (usize, usize)>,
}

impl ParquetFile {
    /// Reads the footer and the coordinates; chunks are read when they are needed.
    pub(super) fn open(path: &Path) -> Result<ParquetFile> {
        let file = File::open(path).map_err(|error| failed("open", path, error))?;
        let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(|error| {
            failed("read", path, format!("it is not a Parquet file, or a damaged one: {error}"))
        })?;
        let table = ChunkTable::of(metadata.schema())
            .map_err(|why| Error::value(format!("cannot read '{}': {why}", path.display())))?;
        let mut opened = ParquetFile { path: path.to_path_buf(), table, metadata, places: HashMap::new() };
        for group in 0..opened.metadata.metadata().num_row_groups() {
            let mut row = 0;
            for batch in opened.read(group, 0, 0, None)? {
                let rows =
                    opened.table.coordinates(batch.column(0)).map_err(|why| failed("read", path, why))?;
                for coordinates in rows {
                    opened.places.insert(coordinates, (group, row));
                    row += 1;
                }
            }
        }
        Ok(opened)
    }

    /// A column of a row group: of one row, or of all.
    fn read(
        &self,
        group: usize,
        column: usize,
        from: usize,
        count: Option<usize>,
    ) -> Result<Vec<RecordBatch>> {
        let wrong = |error: &dyn std::fmt::Display| failed("read", &self.path, error);
        // A handle of its own: clones of one share their position.
        let file = File::open(&self.path).map_err(|error| wrong(&error))?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone());
        let projection = ProjectionMask::roots(builder.parquet_schema(), [column]);
        let mut builder = builder.with_row_groups(vec![group]).with_projection(projection).with_offset(from);
        if let Some(count) = count {
            builder = builder.with_limit(count);
        }
        let reader = builder.build().map_err(|error| wrong(&error))?;
        reader.collect::<Result<Vec<_>, _>>().map_err(|error| wrong(&error))
    }
}

impl ChunkFile for ParquetFile {
    fn describe(&self) -> String {
        format!("parquet '{}'", self.path.display())
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

impl ParquetFile {
    fn read_values(&self, coordinates: &[usize]) -> Result<Tensor> {
        let missing = || failed("read", &self.path, format!("it has no chunk {coordinates:?}"));
        let &(group, row) = self.places.get(coordinates).ok_or_else(missing)?;
        let batches = self.read(group, 1, row, Some(1))?;
        let batch = batches.first().ok_or_else(missing)?;
        self.table.values(batch.column(0), 0, coordinates).map_err(|why| failed("read", &self.path, why))
    }
}

/// A Parquet file that is being written. Threads encode and compress chunks on their own, and append them in the order
/// in which they are done.
pub(super) struct ParquetSink {
    table: ChunkTable,
    groups: ArrowRowGroupWriterFactory,
    writer: Mutex<SerializedFileWriter<File>>,
}

impl ParquetSink {
    pub(super) fn new(table: ChunkTable, file: &WholeFile, compression: Compression) -> Result<ParquetSink> {
        use datafusion::parquet::basic::Compression as Codec;
        let value = |error: ParquetError| Error::value(error.to_string());
        let compression = match compression {
            Compression::None => Codec::UNCOMPRESSED,
            Compression::Default => Codec::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL).map_err(value)?),
            Compression::Zstd(level) => Codec::ZSTD(ZstdLevel::try_new(level).map_err(value)?),
            Compression::Gzip(level) => Codec::GZIP(GzipLevel::try_new(level).map_err(value)?),
        };
        let properties =
            WriterProperties::builder().set_compression(compression).set_dictionary_enabled(false).build();
        let handle = file.file().try_clone().map_err(|error| Error::from(file.failed(&error)))?;
        let writer = ArrowWriter::try_new(handle, table.schema()?, Some(properties)).map_err(wrong)?;
        let (writer, groups) = writer.into_serialized_writer().map_err(wrong)?;
        Ok(ParquetSink { table, groups, writer: Mutex::new(writer) })
    }

    /// Writes the footer.
    pub(super) fn finish(self) -> Result<()> {
        let writer = self.writer.into_inner().unwrap_or_else(PoisonError::into_inner);
        writer.close().map(drop).map_err(wrong)
    }

    fn append(&self, row: &RecordBatch) -> Result<(), ParquetError> {
        let mut columns = self.groups.create_column_writers(0)?;
        let mut writers = columns.iter_mut();
        for (field, column) in row.schema_ref().fields().iter().zip(row.columns()) {
            for leaf in compute_leaves(field, column)? {
                let writer = writers.next().ok_or_else(|| ParquetError::General("a leaf too many".into()))?;
                writer.write(&leaf)?;
            }
        }
        let encoded = columns.into_iter().map(|column| column.close()).collect::<Result<Vec<_>, _>>()?;
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut group = writer.next_row_group()?;
        for column in encoded {
            column.append_to_row_group(&mut group)?;
        }
        group.close().map(drop)
    }
}

impl Sink for ParquetSink {
    fn chunks(&self) -> Option<Vec<usize>> {
        Some(self.table.chunks.clone())
    }

    fn write(&self, region: &Region, values: &Tensor) -> Result<()> {
        for (coordinates, slices) in self.table.chunks_of(region)? {
            let row = self.table.row(&coordinates, &values.slice(&slices))?;
            self.append(&row).map_err(wrong)?;
        }
        Ok(())
    }
}

fn wrong(error: ParquetError) -> Error {
    Error::io(format!("cannot write a Parquet file: {error}"))
}

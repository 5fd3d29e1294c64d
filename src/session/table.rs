//! Files as tables: finds the files, checks that they agree, and hands DataFusion a listing table.
//!
//! What can be seen early is said early: a missing or empty file, a header that names a column twice, files whose
//! columns differ. DataFusion would merge or fail later, without the names of the files.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use arrow::csv::reader::Format as CsvSchemaFormat;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::arrow::ArrowFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::file_format::json::JsonFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::execution::SessionState;
use datafusion::object_store::{ObjectMeta, ObjectStore};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::parquet::errors::ParquetError;
use datafusion::prelude::SessionContext;
use futures::{StreamExt, TryStreamExt};

use super::{diagnose, error, short_path, suggest};
use crate::error::{Error, Result};

/// How many files are read at once while their schemas are checked.
const SCHEMA_READS_MAX: usize = 16;
/// How much of a CSV file is looked at for quotes.
const QUOTE_SAMPLE_BYTES: u64 = 1 << 20;

/// A file format that tables are read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Parquet,
    Csv,
    /// One JSON object per line.
    Json,
    /// Arrow IPC: the file or the stream format.
    Arrow,
}

impl Format {
    /// The file extensions that a format goes by, the usual one first.
    fn extensions(self) -> &'static [&'static str] {
        match self {
            Format::Parquet => &["parquet", "pq", "parq"],
            Format::Csv => &["csv", "tsv"],
            Format::Json => &["json", "jsonl", "ndjson"],
            Format::Arrow => &["arrow", "feather", "ipc", "arrows"],
        }
    }

    fn from_extension(extension: &str) -> Option<Self> {
        [Format::Parquet, Format::Csv, Format::Json, Format::Arrow]
            .into_iter()
            .find(|format| format.extensions().iter().any(|known| extension.eq_ignore_ascii_case(known)))
    }
}

impl FromStr for Format {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Format::from_extension(text).ok_or_else(|| {
            Error::user(format!("'{text}' is not a table format; use one of: parquet, csv, json, arrow"))
        })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.extensions()[0])
    }
}

/// The compression of a CSV or JSON file, known by its last extension.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    #[default]
    None,
    Gzip,
    Bzip2,
    Xz,
    Zstd,
}

impl Compression {
    fn from_extension(extension: &str) -> Option<Self> {
        match extension.to_ascii_lowercase().as_str() {
            "gz" | "gzip" => Some(Compression::Gzip),
            "bz2" => Some(Compression::Bzip2),
            "xz" => Some(Compression::Xz),
            "zst" | "zstd" => Some(Compression::Zstd),
            _ => None,
        }
    }

    fn as_datafusion(self) -> FileCompressionType {
        match self {
            Compression::None => FileCompressionType::UNCOMPRESSED,
            Compression::Gzip => FileCompressionType::GZIP,
            Compression::Bzip2 => FileCompressionType::BZIP2,
            Compression::Xz => FileCompressionType::XZ,
            Compression::Zstd => FileCompressionType::ZSTD,
        }
    }
}

/// How text files are read.
#[derive(Clone, Debug)]
pub struct TableOptions {
    /// CSV: the first line holds the column names.
    pub header: bool,
    /// CSV: the byte between fields; `None` takes a tab for `.tsv` and a comma otherwise.
    pub delimiter: Option<u8>,
    /// CSV and JSON: rows that the column types are inferred from, per file.
    pub infer_rows_max: usize,
}

impl Default for TableOptions {
    fn default() -> Self {
        TableOptions { header: true, delimiter: None, infer_rows_max: 1000 }
    }
}

impl TableOptions {
    /// What tells tables apart that are read from the same files in different ways; empty for the usual one.
    pub(super) fn suffix(&self) -> String {
        let usual = TableOptions::default();
        let mut suffix = String::new();
        if self.header != usual.header {
            suffix.push_str(" without header");
        }
        if let Some(delimiter) = self.delimiter {
            suffix.push_str(&format!(" by {:?}", char::from(delimiter)));
        }
        if self.infer_rows_max != usual.infer_rows_max {
            suffix.push_str(&format!(" by {} rows", self.infer_rows_max));
        }
        suffix
    }
}

/// Where a table is read from.
#[derive(Clone, Debug)]
pub struct TableSource {
    /// Files, globs or folders.
    pub paths: Vec<String>,
    /// `None` goes by the file extension.
    pub format: Option<Format>,
    pub options: TableOptions,
}

impl TableSource {
    /// One file, glob or folder, its format known by the extension.
    pub fn path(path: impl Into<String>) -> Self {
        TableSource { paths: vec![path.into()], format: None, options: TableOptions::default() }
    }
}

/// What is kept of a table for the errors that come up while it is read.
#[derive(Clone, Debug)]
pub(super) struct RegisteredTable {
    pub files: Vec<PathBuf>,
    pub format: Format,
    pub compression: Compression,
    pub schema: SchemaRef,
    pub header: bool,
    pub delimiter: u8,
}

/// Opens the files of `source` as one table.
pub(super) async fn open(
    context: &SessionContext,
    source: &TableSource,
) -> Result<(Arc<dyn TableProvider>, RegisteredTable)> {
    let state = context.state();
    let Listing { mut urls, found, hidden } = list(&state, source).await?;
    let (format, compression, files) = choose_format(source.format, &found)?;
    let first_path = &files[0].path;
    let delimiter = source.options.delimiter.unwrap_or_else(|| match has_extension(first_path, "tsv") {
        true => b'\t',
        false => b',',
    });
    if format == Format::Csv && compression == Compression::None && source.options.header {
        for file in &files {
            check_header(file, delimiter)?;
        }
    }
    let quotes = format == Format::Csv && (compression != Compression::None || files.iter().any(has_quotes));
    let reader = reader(format, compression, delimiter, quotes, &source.options);

    let csv = (format == Format::Csv && compression == Compression::None).then_some(CsvInference {
        header: source.options.header,
        delimiter,
        rows_max: source.options.infer_rows_max,
    });
    let store = state.runtime_env().object_store(&urls[0]).map_err(error::translate)?;
    let schema = common_schema(&state, &store, &reader, format, csv.as_ref(), &files).await?;

    // A folder may hold other files too; a path or glob means just what it names.
    let folder = source.paths.iter().any(|path| Path::new(path).is_dir());
    let extension = match folder {
        true => common_extension(&files),
        false => String::new(),
    };
    let mut options = ListingOptions::new(reader).with_file_extension(&extension);
    let mut partitions = Vec::new();
    for url in urls.iter().filter(|url| url.is_folder()) {
        partitions = options.infer_partitions(&state, url).await.map_err(error::translate)?;
    }
    let string_dictionary = DataType::Dictionary(Box::new(DataType::UInt16), Box::new(DataType::Utf8));
    // DataFusion lists for itself, and would read hidden files too: the others are named one by one.
    if let Some(hidden) = hidden.iter().find(|file| file.shown().ends_with(&extension)) {
        if !partitions.is_empty() {
            return Err(Error::user(format!(
                "'{}' is a hidden file among those of a partitioned table; move it away",
                hidden.shown()
            )));
        }
        urls = files.iter().map(|file| file_url(&file.path)).collect::<Result<_>>()?;
    }
    options = options.with_table_partition_cols(
        partitions.into_iter().map(|name| (name, string_dictionary.clone())).collect(),
    );
    let listing = ListingTableConfig::new_with_multi_paths(urls)
        .with_listing_options(options)
        .with_schema(Arc::clone(&schema));
    let table = ListingTable::try_new(listing)
        .map_err(error::translate)?
        .with_cache(state.runtime_env().cache_manager.get_file_statistic_cache());
    let registered = RegisteredTable {
        files: files.into_iter().map(|file| file.path).collect(),
        format,
        compression,
        schema,
        header: source.options.header,
        delimiter,
    };
    Ok((Arc::new(table), registered))
}

struct FoundFile {
    meta: ObjectMeta,
    path: PathBuf,
}

impl FoundFile {
    fn shown(&self) -> String {
        short_path(&self.path).display().to_string()
    }
}

impl From<ObjectMeta> for FoundFile {
    fn from(meta: ObjectMeta) -> Self {
        FoundFile { path: PathBuf::from(format!("/{}", meta.location)), meta }
    }
}

/// What the paths of a source lead to.
struct Listing {
    urls: Vec<ListingTableUrl>,
    found: Vec<FoundFile>,
    /// Files whose names begin with a dot or an underscore: they lie beside the data, and are no part of it.
    hidden: Vec<FoundFile>,
}

async fn list(state: &SessionState, source: &TableSource) -> Result<Listing> {
    let mut urls = Vec::new();
    let mut files = Vec::new();
    let mut hidden = Vec::new();
    for path in &source.paths {
        // What exists under the very name is meant, whatever letters are in it.
        let literal = Path::new(path).exists();
        let glob = !literal && path.contains(['*', '?', '[']);
        if !glob {
            check_exists(Path::new(path))?;
        }
        let url = match literal {
            true => file_url(Path::new(path))?,
            false => ListingTableUrl::parse(path).map_err(error::translate)?,
        };
        let store = state.runtime_env().object_store(&url).map_err(error::translate)?;
        let listed: Vec<ObjectMeta> = url
            .list_all_files(state, store.as_ref(), "")
            .await
            .map_err(error::translate)?
            .try_collect()
            .await
            .map_err(|error| error::translate(error).context(format!("cannot list '{path}'")))?;
        // A hidden file that is named is wanted.
        let named = Path::new(path).is_file();
        let (found, beside): (Vec<_>, Vec<_>) = listed
            .into_iter()
            .partition(|meta| named || !meta.location.filename().unwrap_or_default().starts_with(['.', '_']));
        hidden.extend(beside.into_iter().map(FoundFile::from));
        if found.is_empty() {
            let what = if glob { "no file matches" } else { "there is no file in" };
            return Err(Error::missing_file(format!("{what} '{path}'")));
        }
        files.extend(found);
        urls.push(url);
    }
    if urls.is_empty() {
        return Err(Error::user("no path was given"));
    }
    files.sort_by(|a, b| a.location.cmp(&b.location));
    Ok(Listing { urls, found: files.into_iter().map(FoundFile::from).collect(), hidden })
}

/// The URL of a path that exists, so that no letter of it is taken for a pattern or a scheme.
fn file_url(path: &Path) -> Result<ListingTableUrl> {
    let absolute = std::path::absolute(path)
        .map_err(|error| Error::io(format!("cannot tell where '{}' is: {error}", path.display())))?;
    let mut url = String::from("file://");
    for byte in absolute.to_string_lossy().bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                url.push(byte.into())
            }
            _ => url.push_str(&format!("%{byte:02X}")),
        }
    }
    if absolute.is_dir() && !url.ends_with('/') {
        url.push('/');
    }
    ListingTableUrl::parse(url).map_err(error::translate)
}

fn check_exists(path: &Path) -> Result<()> {
    let Err(error) = path.metadata() else { return Ok(()) };
    if error.kind() != std::io::ErrorKind::NotFound {
        return Err(Error::io(format!("cannot read '{}': {error}", path.display())));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let siblings: Vec<String> = match folder.read_dir() {
        Ok(entries) => {
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
        }
        Err(_) => Vec::new(),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let hint = suggest::did_you_mean(&name, siblings.iter().map(String::as_str))
        .replace("'\"", "'")
        .replace("\"'", "'");
    Err(Error::missing_file(format!("there is no file '{}'{hint}", path.display())))
}

/// The format and compression by extension, and the files that have it.
fn choose_format(
    given: Option<Format>,
    found: &[FoundFile],
) -> Result<(Format, Compression, Vec<FoundFile>)> {
    let known = |file: &FoundFile| {
        let mut extensions: Vec<&str> =
            file.path.file_name().and_then(OsStr::to_str).unwrap_or_default().split('.').skip(1).collect();
        let compression = extensions.last().and_then(|last| Compression::from_extension(last));
        if compression.is_some() {
            extensions.pop();
        }
        let format = extensions.last().and_then(|last| Format::from_extension(last));
        (format, compression.unwrap_or_default())
    };
    let mut chosen: Option<(Format, Compression, &FoundFile)> = None;
    let mut files = Vec::new();
    for file in found {
        let (by_extension, compression) = known(file);
        let Some(format) = given.or(by_extension) else { continue };
        match chosen {
            None => chosen = Some((format, compression, file)),
            Some((first, first_compression, first_file))
                if (first, first_compression) != (format, compression) =>
            {
                return Err(Error::user(format!(
                    "'{}' and '{}' are of different formats; name one with a glob such as '*.{first}'",
                    first_file.shown(),
                    file.shown()
                )));
            }
            Some(_) => {}
        }
        files.push(FoundFile { meta: file.meta.clone(), path: file.path.clone() });
    }
    match chosen {
        Some((format, compression, _)) => Ok((format, compression, files)),
        None => Err(Error::user(format!(
            "cannot tell the format of '{}' by its extension; expected .parquet, .csv, .tsv, .json, .jsonl or \
             .arrow, or a format that is named",
            found[0].shown()
        ))),
    }
}

fn has_extension(path: &Path, extension: &str) -> bool {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default().to_ascii_lowercase();
    name.split('.').skip(1).any(|part| part == extension)
}

/// What all names end in from the format's extension on, such as `.csv.gz`; empty where they differ.
fn common_extension(files: &[FoundFile]) -> String {
    let suffix = |file: &FoundFile| {
        let name = file.path.file_name().and_then(OsStr::to_str).unwrap_or_default().to_string();
        let parts: Vec<&str> = name.split('.').collect();
        let compressed = parts.last().is_some_and(|last| Compression::from_extension(last).is_some());
        let kept = parts.len().saturating_sub(if compressed { 2 } else { 1 }).max(1);
        parts[kept.min(parts.len())..].iter().map(|part| format!(".{part}")).collect::<String>()
    };
    let first = suffix(&files[0]);
    if files.iter().all(|file| suffix(file) == first) { first } else { String::new() }
}

fn reader(
    format: Format,
    compression: Compression,
    delimiter: u8,
    quotes: bool,
    options: &TableOptions,
) -> Arc<dyn FileFormat> {
    match format {
        Format::Parquet => Arc::new(ParquetFormat::default()),
        Format::Csv => Arc::new(
            CsvFormat::default()
                .with_has_header(options.header)
                .with_delimiter(delimiter)
                // A file that quotes may quote a newline: it must not be cut at just any of them.
                .with_newlines_in_values(quotes)
                .with_schema_infer_max_rec(options.infer_rows_max)
                .with_file_compression_type(compression.as_datafusion()),
        ),
        Format::Json => Arc::new(
            JsonFormat::default()
                .with_schema_infer_max_rec(options.infer_rows_max)
                .with_file_compression_type(compression.as_datafusion()),
        ),
        Format::Arrow => Arc::new(ArrowFormat),
    }
}

/// The schema that every file has.
async fn common_schema(
    state: &SessionState,
    store: &Arc<dyn ObjectStore>,
    reader: &Arc<dyn FileFormat>,
    format: Format,
    csv: Option<&CsvInference>,
    files: &[FoundFile],
) -> Result<SchemaRef> {
    // Made before the stream is: a closure within it would keep this future from moving between threads.
    let reads: Vec<_> = files.iter().map(|file| schema_of(state, store, reader, format, csv, file)).collect();
    let schemas: Vec<SchemaRef> =
        futures::stream::iter(reads).buffered(SCHEMA_READS_MAX).try_collect().await?;
    let mut fields: Vec<Field> = schemas[0].fields().iter().map(|field| field.as_ref().clone()).collect();
    for (file, schema) in files.iter().zip(&schemas).skip(1) {
        agree(&files[0], &mut fields, file, schema)?;
    }
    if format == Format::Csv {
        // A column without a single value in the rows looked at: text takes whatever comes later.
        for field in fields.iter_mut().filter(|field| *field.data_type() == DataType::Null) {
            *field = Field::new(field.name(), DataType::Utf8, true);
        }
    }
    Ok(Arc::new(Schema::new_with_metadata(fields, schemas[0].metadata().clone())))
}

async fn schema_of(
    state: &SessionState,
    store: &Arc<dyn ObjectStore>,
    reader: &Arc<dyn FileFormat>,
    format: Format,
    csv: Option<&CsvInference>,
    file: &FoundFile,
) -> Result<SchemaRef> {
    if file.meta.size == 0 {
        return Err(Error::user(format!(
            "'{}' is an empty file: it has no {}",
            file.shown(),
            match format {
                Format::Csv => "header and no rows",
                Format::Json => "rows to tell the columns from",
                Format::Parquet | Format::Arrow => "schema and no rows",
            }
        )));
    }
    let inferred = match csv {
        Some(csv) => infer_csv(&file.path, csv),
        None => reader.infer_schema(state, store, std::slice::from_ref(&file.meta)).await,
    };
    let schema = inferred.map_err(|error| unreadable(file, format, error))?;
    // The inferred schema has each name once; only the file itself tells.
    if format == Format::Parquet
        && let Ok(metadata) = parquet_schema(&file.path)
    {
        check_names_differ(file, metadata.fields().iter().map(|field| field.name().as_str()))?;
    }
    Ok(schema)
}

fn unreadable(file: &FoundFile, format: Format, error: datafusion::error::DataFusionError) -> Error {
    let remedy = match format {
        Format::Parquet => " (it is truncated, damaged, or not a Parquet file)",
        Format::Arrow => " (it is truncated, damaged, or not an Arrow IPC file)",
        Format::Csv | Format::Json => "",
    };
    let shown = file.shown();
    if matches!(format, Format::Csv | Format::Json)
        && let Some(found) = diagnose::invalid_utf8(&file.path)
    {
        return found;
    }
    let cause = error::translate(error);
    let message = format!("cannot read '{shown}' as {}{remedy}: {cause}", format_name(format));
    if cause.is_bug() { Error::bug(message) } else { Error::user(message) }
}

fn format_name(format: Format) -> &'static str {
    match format {
        Format::Parquet => "Parquet",
        Format::Csv => "CSV",
        Format::Json => "JSON (one object per line)",
        Format::Arrow => "Arrow IPC",
    }
}

/// How the schema of a plain CSV file is inferred.
struct CsvInference {
    header: bool,
    delimiter: u8,
    rows_max: usize,
}

/// Infers the schema of a CSV file with arrow's reader: DataFusion's inference takes a newline within quotes for the
/// end of a record.
fn infer_csv(path: &Path, csv: &CsvInference) -> datafusion::error::Result<SchemaRef> {
    let format = CsvSchemaFormat::default().with_header(csv.header).with_delimiter(csv.delimiter);
    let (schema, _) = format.infer_schema(BufReader::new(File::open(path)?), Some(csv.rows_max))?;
    Ok(Arc::new(schema))
}

fn parquet_schema(path: &Path) -> Result<SchemaRef, ParquetError> {
    Ok(Arc::clone(ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?.schema()))
}

/// Checks the names in the header of a CSV file; a file that cannot be read says so when its schema is inferred.
fn check_header(file: &FoundFile, delimiter: u8) -> Result<()> {
    match diagnose::raw_record(&file.path, 0) {
        Ok(Some(header)) => {
            let names = header.fields(delimiter);
            check_names_differ(file, names.iter().map(String::as_str))
        }
        Ok(None) | Err(_) => Ok(()),
    }
}

/// Whether the start of a CSV file has a quote.
fn has_quotes(file: &FoundFile) -> bool {
    let mut sample = Vec::new();
    let read = File::open(&file.path).and_then(|file| file.take(QUOTE_SAMPLE_BYTES).read_to_end(&mut sample));
    read.is_ok() && sample.contains(&b'"')
}

fn check_names_differ<'a>(file: &FoundFile, names: impl Iterator<Item = &'a str>) -> Result<()> {
    let names: Vec<&str> = names.collect();
    for (index, name) in names.iter().enumerate() {
        if let Some(first) = names[..index].iter().position(|other| other == name) {
            return Err(Error::user(format!(
                "'{}' has two columns of the name '{name}': columns {} and {}",
                file.shown(),
                first + 1,
                index + 1
            )));
        }
    }
    Ok(())
}

/// Checks a file's columns against those so far, widening types where nothing is lost by it.
fn agree(first: &FoundFile, fields: &mut [Field], file: &FoundFile, schema: &Schema) -> Result<()> {
    let (first_name, name) = (first.shown(), file.shown());
    for field in fields.iter() {
        if schema.field_with_name(field.name()).is_err() {
            return Err(Error::user(format!(
                "the files differ: column '{}' is in '{first_name}' but not in '{name}'",
                field.name()
            )));
        }
    }
    for field in schema.fields() {
        let Some(known) = fields.iter_mut().find(|known| known.name() == field.name()) else {
            return Err(Error::user(format!(
                "the files differ: column '{}' is in '{name}' but not in '{first_name}'",
                field.name()
            )));
        };
        let data_type = match (known.data_type(), field.data_type()) {
            (a, b) if a == b => a.clone(),
            (DataType::Null, other) | (other, DataType::Null) => other.clone(),
            (DataType::Int64, DataType::Float64) | (DataType::Float64, DataType::Int64) => DataType::Float64,
            (a, b) => {
                return Err(Error::user(format!(
                    "the files differ: column '{}' is {a} in '{first_name}' and {b} in '{name}'",
                    field.name()
                )));
            }
        };
        let nullable = known.is_nullable() || field.is_nullable();
        *known = known.clone().with_data_type(data_type).with_nullable(nullable);
    }
    Ok(())
}

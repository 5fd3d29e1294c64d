//! Arrays in files: the formats of [`swath_array::storage`], and tables of chunks in Arrow and Parquet files.
//!
//! A table of chunks has one row for each chunk: its coordinates and its values, as the canonical
//! `arrow.variable_shape_tensor`. See [`ChunkTable`].

mod chunk_table;
mod ipc;
mod parquet;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use swath_array::graph::{Array, Source};
use swath_array::run::Runner;
use swath_array::storage::chunked::Chunked;
use swath_array::storage::{self, Compression, OpenOptions, SaveOptions, chunk_lengths};
use swath_array::{Error, Result};

pub use chunk_table::ChunkTable;

use crate::array::{Watch, load_frames, runner};
use crate::session::{Session, WholeFile};

/// The formats of this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Ipc,
    Parquet,
}

impl Format {
    fn of(path: &str) -> Option<Format> {
        match Path::new(path).extension()?.to_str()? {
            "arrow" | "ipc" | "feather" => Some(Format::Ipc),
            "parquet" => Some(Format::Parquet),
            _ => None,
        }
    }
}

/// Opens an array of a file, or of the files that a pattern matches: `.npy`, `.npz`, `.zarr`, `.safetensors`, and tables
/// of chunks in `.arrow` and `.parquet`. Chunks are read when they are needed.
///
/// # Errors
/// As [`swath_array::storage::open`]; `Value` for a table that is not one of chunks.
pub fn open(path: &str, options: &OpenOptions) -> Result<Array> {
    let Some(format) = Format::of(path) else { return storage::open(path, options) };
    let files = storage::files(path)?;
    if let [file] = files.as_slice()
        && file == Path::new(path)
    {
        return Ok(Array::from_source(open_source(file, format, options)?));
    }
    open_parts(path.to_string(), &files, options)
}

/// Opens several files as one array, in the order of the list; as [`open`] otherwise.
///
/// # Errors
/// As [`open`]; `Value` for an empty list, and for one of several kinds of files.
pub fn open_files(paths: &[String], options: &OpenOptions) -> Result<Array> {
    if paths.iter().all(|path| Format::of(path).is_none()) {
        return storage::open_files(paths, options);
    }
    let files: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
    let name = format!("{} …", paths[0]);
    open_parts(name, &files, options)
}

/// What the arrays of a file are called; a table of chunks is one, without a name.
///
/// # Errors
/// As [`swath_array::storage::names`].
pub fn names(path: &str) -> Result<Vec<String>> {
    match Format::of(path) {
        Some(format) => {
            open_source(Path::new(path), format, &OpenOptions::default()).map(|_| vec![String::new()])
        }
        None => storage::names(path),
    }
}

/// Computes arrays and saves them, chunk by chunk, in parallel, whole or not at all. What frames they read has to be
/// loaded.
///
/// # Errors
/// As [`swath_array::storage::save`]; `Value` where more than one array shall be a table of chunks.
pub fn save(path: &str, arrays: &[(String, Array)], options: &SaveOptions, runner: &Runner) -> Result<()> {
    let Some(format) = Format::of(path) else { return storage::save(path, arrays, options, runner) };
    let [(_, array)] = arrays else {
        return Err(Error::value(format!(
            "'{path}' holds one array, not {}: save them as .npz, .zarr or .safetensors",
            arrays.len()
        )));
    };
    if options.shards.is_some() {
        return Err(Error::value(format!("'{path}' cannot be saved with shards: only Zarr has them")));
    }
    let table = ChunkTable::new(array.dtype(), array.shape(), &chunk_lengths(array, options)?)?;
    let file = WholeFile::create(Path::new(path))?;
    match format {
        Format::Ipc if !matches!(options.compression, Compression::Default | Compression::None) => {
            return Err(Error::value(format!("'{path}' cannot be saved with compression; .parquet can")));
        }
        Format::Ipc => {
            let sink = ipc::IpcSink::new(table, &file)?;
            runner.write(array, &sink)?;
            sink.finish()?;
        }
        Format::Parquet => {
            let sink = parquet::ParquetSink::new(table, &file, options.compression)?;
            runner.write(array, &sink)?;
            sink.finish()?;
        }
    }
    Ok(file.finish()?)
}

/// As [`save`], within a session's memory and on its devices; frames that the arrays read are run first.
///
/// # Errors
/// As [`save`]; those of the frames' plans.
pub fn save_in(
    session: &Session,
    path: &str,
    arrays: &[(String, Array)],
    options: &SaveOptions,
    watch: &Watch,
) -> Result<()> {
    let all: Vec<Array> = arrays.iter().map(|(_, array)| array.clone()).collect();
    load_frames(session, &all)?;
    save(path, arrays, options, &runner(session, watch))
}

fn open_parts(name: String, files: &[PathBuf], options: &OpenOptions) -> Result<Array> {
    let open = |path: &PathBuf| {
        let shown = path.to_string_lossy();
        let format = Format::of(&shown).ok_or_else(|| {
            Error::value(format!("'{shown}' is no table of chunks, and the files before it are: files of one array are of one kind"))
        })?;
        open_source(path, format, options)
    };
    let parts = files.iter().map(open).collect::<Result<Vec<_>>>()?;
    storage::combine(name, files, parts, options.combine)
}

fn open_source(path: &Path, format: Format, options: &OpenOptions) -> Result<Arc<dyn Source>> {
    if let Some(name) = options.name.as_deref().filter(|name| !name.is_empty()) {
        return Err(Error::value(format!(
            "'{}' has one array, without a name, not '{name}'",
            path.display()
        )));
    }
    Ok(match format {
        Format::Ipc => Arc::new(Chunked::new(decode(path, || ipc::IpcFile::open(path))?)),
        Format::Parquet => Arc::new(Chunked::new(decode(path, || parquet::ParquetFile::open(path))?)),
    })
}

/// `cannot <doing> '<path>': <why>`.
fn failed(doing: &str, path: &Path, why: impl std::fmt::Display) -> Error {
    Error::io(format!("cannot {doing} '{}': {why}", path.display()))
}

/// Decodes what a file holds; the libraries for it panic on some damages.
fn decode<T>(path: &Path, read: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(failed("read", path, "it is damaged: what it holds cannot be decoded")))
}

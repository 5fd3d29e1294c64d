//! Arrays in files: read by region where they are needed, written chunk by chunk, whole or not at all.
//!
//! | module | format | types |
//! |---|---|---|
//! | `npy` | NumPy's `.npy`: one array; row-major or column-major, little- or big-endian | all but bfloat16 |
//! | `npz` | NumPy's `.npz`: a zip file of npy files, stored or deflated | all but bfloat16 |
//! | `zarr` | Zarr v3 (v2 is read): folders of chunks, sharded or not, compressed | all |
//! | `safetensors` | safetensors: named tensors in one file | all but complex128 |
//! | `glob` | many such files as one array | |
//! | [`chunked`] | what formats share whose chunks are only read whole | |
//!
//! May be called by anything above; knows graphs and tensors, nothing of plans.

pub mod chunked;
mod file;
mod flat;
mod glob;
mod npy;
mod npz;
mod safetensors;
#[cfg(test)]
mod tests;
mod zarr;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result, show_shape};
use crate::graph::{Array, CHUNK_BYTES, Source, automatic_chunks};
use crate::run::Runner;

/// What to open, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// Which array of a file that holds several: a member of an npz file, a node of a Zarr store (`group/array`), a
    /// tensor of a safetensors file. May be left out where there is one only.
    pub name: Option<String>,
    /// How several files become one array.
    pub combine: Combine,
}

/// How several files become one array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combine {
    /// One after the other along this axis.
    Concat(i64),
    /// Each as one index of a new axis, which the result has here.
    Stack(i64),
}

impl Default for Combine {
    fn default() -> Self {
        Combine::Concat(0)
    }
}

/// How to save.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SaveOptions {
    pub compression: Compression,
    /// Of a Zarr array: the lengths of its chunks. By default the array's own.
    pub chunks: Option<Vec<usize>>,
    /// Of a Zarr array: the lengths of its shards, whole multiples of the chunks'. By default there are none.
    pub shards: Option<Vec<usize>>,
}

/// How values are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// zstd for Zarr, nothing otherwise.
    #[default]
    Default,
    None,
    /// Zarr. The level is as the library has it, −131072 to 22.
    Zstd(i32),
    /// Zarr, and npz (deflate). The level is 0 to 9.
    Gzip(u32),
}

/// The formats, by what a file is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Npy,
    Npz,
    Zarr,
    SafeTensors,
}

impl Format {
    fn of(path: &Path) -> Result<Format> {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        match extension {
            "npy" => Ok(Format::Npy),
            "npz" => Ok(Format::Npz),
            "zarr" => Ok(Format::Zarr),
            "safetensors" => Ok(Format::SafeTensors),
            _ if zarr::is_zarr(path) => Ok(Format::Zarr),
            _ => Err(Error::value(format!(
                "'{}' is of no format that is known: .npy, .npz, .zarr (or a folder with zarr.json) and .safetensors are, \
                 and in a session .arrow and .parquet",
                path.display()
            ))),
        }
    }
}

/// Opens an array of a file, or of the files that a pattern matches (`*`, `?`, `[…]`, `**`; in alphabetical order).
///
/// Headers are read and checked now; values when they are needed, and only those that are.
///
/// # Errors
/// `Io` naming the file where it is not there, is damaged or truncated; `Type` where it holds what arrays do not
/// (objects, records, strings); `Value` where it holds several arrays and none is named, or where files do not fit.
///
/// # Example
/// ```
/// use swath_array::{Array, Tensor, run::Runner, storage};
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("x.npy");
/// let path = path.to_str().unwrap();
/// let x = Array::from_tensor(Tensor::from_vec(vec![1.0, 2.0, 3.0], &[3])?);
/// storage::save(path, &[(String::new(), x)], &Default::default(), &Runner::new())?;
/// let back = storage::open(path, &Default::default())?;
/// assert_eq!(Runner::new().compute(&back)?.to_vec::<f64>()?, [1.0, 2.0, 3.0]);
/// # Ok::<(), swath_array::Error>(())
/// ```
pub fn open(path: &str, options: &OpenOptions) -> Result<Array> {
    if glob::is_pattern(path) {
        return open_parts(path.to_string(), &files(path)?, options);
    }
    Ok(Array::from_source(open_source(Path::new(path), options.name.as_deref(), false)?))
}

/// Opens several files as one array, in the order of the list; as [`open`] otherwise.
///
/// # Errors
/// As [`open`]; `Value` for an empty list.
pub fn open_files(paths: &[String], options: &OpenOptions) -> Result<Array> {
    let files: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
    let name = match paths {
        [first, .., last] => format!("{first} … {last}"),
        _ => paths.concat(),
    };
    open_parts(name, &files, options)
}

/// What the arrays of a file are called, in the file's order: members of npz files, nodes of Zarr stores, tensors of
/// safetensors files. An npy file, and a Zarr store that is one array, have one without a name.
///
/// # Errors
/// `Io` naming the file where it is not there or is damaged.
pub fn names(path: &str) -> Result<Vec<String>> {
    let path = Path::new(path);
    match Format::of(path)? {
        Format::Npy => npy::open(path).map(|_| vec![String::new()]),
        Format::Npz => npz::names(path),
        Format::Zarr => zarr::names(path),
        Format::SafeTensors => safetensors::names(path),
    }
}

/// Computes arrays and saves them under their names, chunk by chunk, in parallel.
///
/// The format follows from the path: `.npy` (one array, whose name is not kept), `.npz`, `.zarr`, `.safetensors`. The
/// file appears when it is whole; until then, and where anything fails, what has been there stays. An array without a
/// name is called `arr_0` in an npz file, and `x` in a safetensors file; alone in a Zarr store it is the store itself.
///
/// # Errors
/// Those of computing the arrays; `Io` naming the file; `Type` where the format does not have the array's type; `Value`
/// where names or options do not fit the format.
pub fn save(path: &str, arrays: &[(String, Array)], options: &SaveOptions, runner: &Runner) -> Result<()> {
    let path = Path::new(path);
    let format = Format::of(path)?;
    check_options(path, format, options)?;
    let arrays = named(format, arrays)?;
    match (format, arrays.as_slice()) {
        (Format::Npy, [(_, array)]) => npy::save(path, array, runner),
        (Format::Npy, _) => Err(Error::value(format!(
            "an npy file holds one array, not {}: save '{}' as .npz, .zarr or .safetensors",
            arrays.len(),
            path.display()
        ))),
        (Format::Npz, arrays) => npz::save(path, arrays, options.compression, runner),
        (Format::Zarr, arrays) => zarr::save(path, arrays, options, runner),
        (Format::SafeTensors, arrays) => safetensors::save(path, arrays, runner),
    }
}

fn check_options(path: &Path, format: Format, options: &SaveOptions) -> Result<()> {
    let no = |what: &str| Err(Error::value(format!("'{}' cannot be saved with {what}", path.display())));
    let plain = matches!(options.compression, Compression::Default | Compression::None);
    match format {
        Format::Npy | Format::SafeTensors if !plain => no("compression: its format has none"),
        Format::Npz if matches!(options.compression, Compression::Zstd(_)) => {
            no("zstd: npz files are stored or deflated (gzip)")
        }
        Format::Zarr => Ok(()),
        _ if options.chunks.is_some() || options.shards.is_some() => {
            no("chunks or shards: only Zarr has them")
        }
        _ => Ok(()),
    }
}

/// The lengths of an array's chunks in a file: those of the options or, where they name none, the array's own, unless
/// these are too long for each thread to hold one.
///
/// # Errors
/// `Value` where the options' do not fit the array.
pub fn chunk_lengths(array: &Array, options: &SaveOptions) -> Result<Vec<usize>> {
    if let Some(chunks) = &options.chunks {
        return check_lengths("chunks", chunks, array.shape());
    }
    let bytes = array.chunks().iter().fold(array.dtype().size(), |bytes, &len| bytes.saturating_mul(len));
    Ok(match bytes <= CHUNK_BYTES {
        true => array.chunks().to_vec(),
        false => automatic_chunks(array.dtype(), array.shape()),
    })
}

/// One length, of at least 1, for each axis.
fn check_lengths(what: &str, lengths: &[usize], shape: &[usize]) -> Result<Vec<usize>> {
    if lengths.len() != shape.len() || lengths.contains(&0) {
        return Err(Error::value(format!(
            "{what} {} do not fit an array of shape {}: one length of at least 1 is needed for each axis",
            show_shape(lengths),
            show_shape(shape)
        )));
    }
    Ok(lengths.to_vec())
}

/// The arrays under the names that they get.
fn named(format: Format, arrays: &[(String, Array)]) -> Result<Vec<(String, Array)>> {
    let default = match format {
        Format::Npz => "arr_0",
        Format::SafeTensors => "x",
        Format::Npy | Format::Zarr => "",
    };
    let mut seen = std::collections::BTreeSet::new();
    let mut all = vec![];
    for (name, array) in arrays {
        let name = if name.is_empty() { default.to_string() } else { name.clone() };
        if !seen.insert(name.clone()) {
            return Err(Error::value(format!("two arrays are called '{name}'")));
        }
        all.push((name, array.clone()));
    }
    Ok(all)
}

/// The files that a path means: those that a pattern matches, in alphabetical order, or the one.
///
/// # Errors
/// `Io` where no file matches, `Value` where the pattern is not one.
pub fn files(path: &str) -> Result<Vec<PathBuf>> {
    if glob::is_pattern(path) { glob::matches(path) } else { Ok(vec![PathBuf::from(path)]) }
}

/// Arrays of several files as one: what [`open_files`] does with those that it opens, for formats of other crates. `name`
/// is what the array is called in plans, `paths` are what errors call the parts.
///
/// # Errors
/// `Value` and `Type` where shapes or types do not fit, naming the file; `Axis` where there is no such axis.
pub fn combine(
    name: String,
    paths: &[PathBuf],
    parts: Vec<Arc<dyn Source>>,
    combine: Combine,
) -> Result<Array> {
    Ok(Array::from_source(Arc::new(glob::Files::new(name, paths, parts, combine)?)))
}

fn open_parts(name: String, paths: &[PathBuf], options: &OpenOptions) -> Result<Array> {
    let many = paths.len() > glob::OPEN_FILES_MAX;
    let open = |path: &PathBuf| open_source(path, options.name.as_deref(), many);
    let parts = paths.iter().map(open).collect::<Result<Vec<_>>>()?;
    combine(name, paths, parts, options.combine)
}

/// Opens one array of one file; `many`: among so many that it must not be held open.
fn open_source(path: &Path, name: Option<&str>, many: bool) -> Result<Arc<dyn Source>> {
    let format = Format::of(path)?;
    let flat = |mut flat: flat::Flat| -> Arc<dyn Source> {
        if many {
            flat.close_between_reads();
        }
        Arc::new(flat)
    };
    if format == Format::Npy {
        return match name {
            None | Some("") => Ok(flat(npy::open(path)?)),
            Some(name) => {
                Err(Error::value(format!("'{}' has one array, without a name, not '{name}'", path.display())))
            }
        };
    }
    let name = match (name, format) {
        // An array at the root of a store is opened without a look at what else is there.
        (None, Format::Zarr) if zarr::is_array(path) => String::new(),
        (None, _) => only_name(path)?,
        (Some(name), _) => name.to_string(),
    };
    Ok(match format {
        Format::Npz => npz::open(path, &name, many)?,
        Format::SafeTensors => flat(safetensors::open(path, &name)?),
        Format::Npy | Format::Zarr => Arc::new(zarr::open(path, &name)?),
    })
}

/// The name of a file's only array.
fn only_name(path: &Path) -> Result<String> {
    let mut names = names(&path.to_string_lossy())?;
    match names.len() {
        1 => Ok(names.remove(0)),
        0 => Err(Error::value(format!("'{}' has no arrays", path.display()))),
        count => {
            let shown: Vec<&str> = names.iter().take(20).map(String::as_str).collect();
            let more = if count > shown.len() { ", …" } else { "" };
            Err(Error::value(format!(
                "'{}' has {count} arrays; name one of {}{more}",
                path.display(),
                shown.join(", ")
            )))
        }
    }
}

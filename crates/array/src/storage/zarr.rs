//! The Zarr format: a folder with a file of metadata for each array and group, and one file for each chunk, or for each
//! shard of chunks.
//!
//! # Source
//! Zarr v3, and the part of v2 that means the same, by the crate `zarrs`. Version 3 is written.

use std::fmt::Display;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zarrs::array::codec::{GzipCodec, ZstdCodec};
use zarrs::array::{
    Array as Stored, ArrayBuilder, ArrayMetadataOptions, ArrayShardedExt, ArraySubset,
    BytesToBytesCodecTraits, CodecOptions, DataType, FillValue, data_type,
};
use zarrs::filesystem::FilesystemStore;
use zarrs::group::GroupBuilder;
use zarrs::node::{Node, NodePath};

use crate::dispatch;
use crate::dtype::DType;
use crate::error::{Error, Result, show_shape};
use crate::graph::{Array, Region, automatic_chunks};
use crate::run::{Runner, Sink};
use crate::storage::chunked::{ChunkFile, Chunked, gather};
use crate::storage::file::{failed, folder_of};
use crate::storage::flat::{Layout, check_region, check_values};
use crate::storage::{Compression, SaveOptions, check_lengths, chunk_lengths};
use crate::tensor::Tensor;

/// What `zarr-python` compresses with, and how hard.
const ZSTD_LEVEL: i32 = 3;

/// Bytes of small chunks that are read at once.
const READ_BYTES: usize = 4 << 20;

/// Whether a folder holds Zarr metadata.
pub(super) fn is_zarr(path: &Path) -> bool {
    ["zarr.json", ".zarray", ".zgroup"].iter().any(|name| path.join(name).is_file())
}

/// Whether a store is an array itself, not a group.
pub(super) fn is_array(path: &Path) -> bool {
    store(path).is_ok_and(|store| Stored::open(store, "/").is_ok())
}

/// The paths of a store's arrays, in alphabetical order; a store that is one array has the path `""`.
pub(super) fn names(path: &Path) -> Result<Vec<String>> {
    fn collect(node: &Node, names: &mut Vec<String>) {
        if matches!(node.metadata(), zarrs::node::NodeMetadata::Array(_)) {
            names.push(node.path().as_str().trim_start_matches('/').to_string());
        }
        node.children().iter().for_each(|child| collect(child, names));
    }
    let root = Node::open(&store(path)?, "/").map_err(|error| failed("read", path, error))?;
    let mut names = vec![];
    collect(&root, &mut names);
    names.sort();
    Ok(names)
}

/// Opens an array; its metadata is read and checked now, chunks when they are needed.
pub(super) fn open(path: &Path, name: &str) -> Result<Chunked<ZarrArray>> {
    let wrong = |error: &dyn Display| failed("read", path, error).context(shown(name));
    let stored = Stored::open(store(path)?, &node_path(name)?).map_err(|error| wrong(&error))?;
    let dtype =
        DType::ALL.into_iter().find(|&dtype| &type_of(dtype) == stored.data_type()).ok_or_else(|| {
            Error::dtype(format!(
                "cannot read '{}': {} is of type {}, which arrays do not have",
                path.display(),
                shown(name),
                stored.data_type()
            ))
        })?;
    let lengths =
        |lengths: &[u64]| lengths.iter().map(|&len| usize::try_from(len)).collect::<Result<Vec<_>, _>>();
    let shape = lengths(stored.shape()).map_err(|error| wrong(&error))?;
    Layout::plain(dtype, &shape, 0).bytes().map_err(|why| wrong(&why))?;
    let chunk = if shape.contains(&0) {
        automatic_chunks(dtype, &shape)
    } else {
        let shard = stored.chunk_shape(&vec![0; shape.len()]).map_err(|error| wrong(&error))?;
        let shard: Vec<u64> = shard.iter().map(|len| len.get()).collect();
        // Of a shard, chunks are read one by one.
        let inner = stored.subchunk_shape().map(|inner| inner.iter().map(|len| len.get()).collect());
        let chunk = lengths(&inner.unwrap_or(shard)).map_err(|error| wrong(&error))?;
        Layout::plain(dtype, &chunk, 0).bytes().map_err(|why| wrong(&format!("a chunk: {why}")))?;
        let chunk: Vec<usize> = chunk.iter().zip(&shape).map(|(&chunk, &len)| chunk.min(len)).collect();
        gather(dtype, &shape, &chunk, READ_BYTES)
    };
    Ok(Chunked::new(ZarrArray {
        path: path.to_path_buf(),
        name: name.to_string(),
        dtype,
        shape,
        chunk,
        stored,
    }))
}

/// An array of a store.
pub(super) struct ZarrArray {
    path: PathBuf,
    name: String,
    dtype: DType,
    shape: Vec<usize>,
    /// What is read at once: one chunk, or several small ones.
    chunk: Vec<usize>,
    stored: Stored<FilesystemStore>,
}

impl std::fmt::Debug for ZarrArray {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.describe())
    }
}

impl ChunkFile for ZarrArray {
    fn describe(&self) -> String {
        match self.name.as_str() {
            "" => format!("zarr '{}'", self.path.display()),
            name => format!("zarr '{}' '{name}'", self.path.display()),
        }
    }

    fn dtype(&self) -> DType {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn chunk(&self) -> &[usize] {
        &self.chunk
    }

    fn read_chunk(&self, coordinates: &[usize]) -> Result<Tensor> {
        let start: Vec<usize> = coordinates.iter().zip(&self.chunk).map(|(at, chunk)| at * chunk).collect();
        let len = |axis: usize| self.chunk[axis].min(self.shape[axis] - start[axis]);
        let region = Region { shape: (0..start.len()).map(len).collect(), start };
        let wrong = |error: &dyn Display| failed("read", &self.path, error).context(shown(&self.name));
        let subset = subset(&region).map_err(|error| wrong(&error))?;
        dispatch!(self.dtype, T => {
            let values = self.stored.retrieve_array_subset_opt::<Vec<T>>(&subset, &options());
            Tensor::from_vec(values.map_err(|error| wrong(&error))?, &region.shape)
        })
    }
}

/// Writes arrays: one without a name as the store itself, others as nodes of groups. The store is written next to where
/// it shall be, and takes its name when it is whole; a store that has the name is replaced, anything else is not.
pub(super) fn save(
    path: &Path,
    arrays: &[(String, Array)],
    options: &SaveOptions,
    runner: &Runner,
) -> Result<()> {
    let wrong = |error: &dyn Display| failed("write", path, error);
    if path.exists() && !is_zarr(path) {
        return Err(wrong(&"it is there already, and is not a Zarr store that could be replaced"));
    }
    let folder = folder_of(path);
    if !folder.is_dir() {
        return Err(wrong(&format!("there is no folder '{}'", folder.display())));
    }
    let beside = || {
        tempfile::Builder::new()
            .prefix(".swath-")
            .suffix(".partial")
            .permissions(Permissions::from_mode(0o777))
            .tempdir_in(folder)
            .map_err(|error| wrong(&error))
    };
    for (name, _) in arrays {
        node_path(name)?;
    }
    let new = beside()?;
    let store = store(new.path())?;
    let alone = matches!(arrays, [(name, _)] if name.is_empty());
    if !alone {
        write_groups(&store, arrays).map_err(|why| wrong(&why))?;
    }
    for (name, array) in arrays {
        let sink =
            ZarrSink::create(&store, name, array, options).map_err(|why| why.context(path.display()))?;
        runner.write(array, &sink)?;
    }
    let old = path.exists().then(beside).transpose()?;
    if let Some(old) = &old {
        std::fs::rename(path, old.path().join("old")).map_err(|error| wrong(&error))?;
    }
    let new = new.keep();
    std::fs::rename(&new, path).map_err(|error| {
        if let Some(old) = &old {
            // The error is the one to tell of; that the old one is in its place again is the best there is.
            let _ = std::fs::rename(old.path().join("old"), path);
        }
        let _ = std::fs::remove_dir_all(&new);
        wrong(&error)
    })
}

/// A group for every folder on the way to an array.
fn write_groups(store: &Arc<FilesystemStore>, arrays: &[(String, Array)]) -> Result<(), String> {
    let mut groups = std::collections::BTreeSet::from(["/".to_string()]);
    for (name, _) in arrays {
        let cuts = name.match_indices('/').map(|(at, _)| at);
        groups.extend(cuts.map(|at| format!("/{}", &name[..at])));
    }
    if let Some((name, _)) =
        arrays.iter().find(|(name, _)| name.is_empty() || groups.contains(&format!("/{name}")))
    {
        return Err(format!("'{name}' would be an array and a group"));
    }
    for group in groups {
        let group = GroupBuilder::new().build(store.clone(), &group).map_err(|error| error.to_string())?;
        group.store_metadata().map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// An array that is being written, by whole chunks.
struct ZarrSink {
    dtype: DType,
    shape: Vec<usize>,
    /// Of a file: a chunk, or a shard of chunks.
    chunks: Vec<usize>,
    stored: Stored<FilesystemStore>,
}

impl ZarrSink {
    fn create(
        store: &Arc<FilesystemStore>,
        name: &str,
        array: &Array,
        options: &SaveOptions,
    ) -> Result<ZarrSink> {
        let (dtype, shape) = (array.dtype(), array.shape().to_vec());
        let chunk = chunk_lengths(array, options)?;
        let shard =
            options.shards.as_deref().map(|shard| check_lengths("shards", shard, &shape)).transpose()?;
        if let Some(shard) = &shard
            && shard.iter().zip(&chunk).any(|(shard, chunk)| shard % chunk != 0)
        {
            let (shard, chunk) = (show_shape(shard), show_shape(&chunk));
            return Err(Error::value(format!("shards of {shard} are not made of whole chunks of {chunk}")));
        }
        let compress: Vec<Arc<dyn BytesToBytesCodecTraits>> = match options.compression {
            Compression::None => vec![],
            Compression::Default => vec![Arc::new(ZstdCodec::new(ZSTD_LEVEL, false))],
            Compression::Zstd(level) => vec![Arc::new(ZstdCodec::new(level.clamp(-131_072, 22), false))],
            Compression::Gzip(level) => {
                vec![Arc::new(GzipCodec::new(level.min(9)).map_err(|error| Error::value(error.to_string()))?)]
            }
        };
        let wide = |lengths: &[usize]| lengths.iter().map(|&len| len as u64).collect::<Vec<u64>>();
        let file = shard.as_ref().unwrap_or(&chunk);
        let zero = FillValue::new(vec![0; dtype.size()]);
        let mut builder = ArrayBuilder::new(wide(&shape), wide(file), type_of(dtype), zero);
        builder.bytes_to_bytes_codecs(compress);
        if shard.is_some() {
            builder.subchunk_shape(wide(&chunk));
        }
        let stored = builder
            .build(store.clone(), &node_path(name)?)
            .map_err(|error| Error::io(format!("cannot write {}: {error}", shown(name))))?;
        let plain = ArrayMetadataOptions::default().with_include_zarrs_metadata(false);
        stored
            .store_metadata_opt(&plain)
            .map_err(|error| Error::io(format!("cannot write {}: {error}", shown(name))))?;
        Ok(ZarrSink { dtype, chunks: file.clone(), shape, stored })
    }
}

impl Sink for ZarrSink {
    fn chunks(&self) -> Option<Vec<usize>> {
        Some(self.chunks.clone())
    }

    fn write(&self, region: &Region, values: &Tensor) -> Result<()> {
        check_region(region, &self.shape)?;
        check_values(region, values, self.dtype)?;
        let whole = |axis: usize| {
            let (start, len, chunk) = (region.start[axis], region.shape[axis], self.chunks[axis]);
            start % chunk == 0 && (len % chunk == 0 || start + len == self.shape[axis])
        };
        // Two threads must not write parts of one chunk.
        if !(0..region.ndim()).all(whole) {
            let chunks = show_shape(&self.chunks);
            return Err(Error::bug(format!("{region:?} is not made of whole chunks of {chunks}")));
        }
        if region.is_empty() {
            return Ok(());
        }
        let wrong = |error: &dyn Display| Error::io(format!("cannot write {}: {error}", self.stored.path()));
        let subset = subset(region).map_err(|error| wrong(&error))?;
        let values = values.contiguous()?;
        dispatch!(self.dtype, T => {
            let values = values.as_slice::<T>().ok_or_else(|| Error::bug("a contiguous tensor has gaps"))?;
            self.stored.store_array_subset_opt(&subset, values, &options()).map_err(|error| wrong(&error))
        })
    }
}

/// Threads are the runner's business: a call of ours uses its own only.
fn options() -> CodecOptions {
    CodecOptions::default().with_concurrent_target(1)
}

fn subset(region: &Region) -> Result<ArraySubset, impl Display> {
    let wide = |lengths: &[usize]| lengths.iter().map(|&len| len as u64).collect::<Vec<u64>>();
    ArraySubset::new_with_start_shape(wide(&region.start), wide(&region.shape))
}

fn store(path: &Path) -> Result<Arc<FilesystemStore>> {
    Ok(Arc::new(FilesystemStore::new(path).map_err(|error| failed("open", path, error))?))
}

fn node_path(name: &str) -> Result<String> {
    let path = format!("/{name}");
    NodePath::new(&path).map_err(|_| Error::value(format!("'{name}' cannot be the name of a Zarr array")))?;
    Ok(path)
}

fn shown(name: &str) -> String {
    if name.is_empty() { "the array".to_string() } else { format!("array '{name}'") }
}

fn type_of(dtype: DType) -> DataType {
    match dtype {
        DType::Bool => data_type::bool(),
        DType::I8 => data_type::int8(),
        DType::I16 => data_type::int16(),
        DType::I32 => data_type::int32(),
        DType::I64 => data_type::int64(),
        DType::U8 => data_type::uint8(),
        DType::U16 => data_type::uint16(),
        DType::U32 => data_type::uint32(),
        DType::U64 => data_type::uint64(),
        DType::F16 => data_type::float16(),
        DType::BF16 => data_type::bfloat16(),
        DType::F32 => data_type::float32(),
        DType::F64 => data_type::float64(),
        DType::C64 => data_type::complex64(),
        DType::C128 => data_type::complex128(),
    }
}

//! The npz format of NumPy: a zip file of npy files.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use npyz::npz::{array_name_from_file_name, file_name_from_array_name};
use npyz::zip::write::{FileOptions, ZipWriter};
use npyz::zip::{CompressionMethod, DateTime, ZipArchive};

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::{Array, Region, Source, automatic_chunks};
use crate::run::Runner;
use crate::storage::file::{DataFile, NewFile, failed};
use crate::storage::flat::{Flat, Layout};
use crate::storage::{Compression, npy};
use crate::tensor::Tensor;

/// From as many bytes on, a member is written with 64-bit lengths.
const LARGE_BYTES: u64 = 1 << 31;

/// What a file's arrays are called, in the file's order.
pub(super) fn names(path: &Path) -> Result<Vec<String>> {
    let mut archive = archive(path)?;
    let mut names = vec![];
    for index in 0..archive.len() {
        // Raw: names of encrypted members can be read too.
        let member = archive.by_index_raw(index).map_err(|error| failed("read", path, error))?;
        names.extend(array_name_from_file_name(member.name()).map(str::to_string));
    }
    Ok(names)
}

/// Opens an array. Stored ones are read by region where they lie, without a check of their sums; compressed ones are
/// unpacked whole into a temporary file, which has no name and goes with the array, when they are first read.
pub(super) fn open(path: &Path, name: &str, many: bool) -> Result<Arc<dyn Source>> {
    let mut archive = archive(path)?;
    let file_name = file_name_from_array_name(name);
    let mut member = archive
        .by_name(&file_name)
        .map_err(|error| failed("read", path, format!("'{file_name}': {error}")))?;
    let shown = shown(path, name);
    let layout = npy::read_header(&mut member, &shown)?;
    let bytes = layout.offset + layout.bytes().map_err(|why| failed("read", &shown, why))?;
    if member.size() < bytes {
        let why = format!("it is truncated: it has {} bytes, its npy header asks for {bytes}", member.size());
        return Err(failed("read", &shown, why));
    }
    if member.compression() == CompressionMethod::Stored {
        let layout = Layout { offset: member.data_start() + layout.offset, ..layout };
        let file = DataFile::open(path)?;
        let mut flat = Flat::new("npz", Some(name.to_string()), file, layout)?;
        if many {
            flat.close_between_reads();
        }
        return Ok(Arc::new(flat));
    }
    Ok(Arc::new(Packed {
        path: path.to_path_buf(),
        name: name.to_string(),
        layout,
        unpacked: Mutex::new(None),
    }))
}

/// Writes arrays. Each is first written to a file of its own, in parallel, and then copied into the archive.
pub(super) fn save(
    path: &Path,
    arrays: &[(String, Array)],
    compression: Compression,
    runner: &Runner,
) -> Result<()> {
    let (method, level) = match compression {
        Compression::Default | Compression::None => (CompressionMethod::Stored, None),
        Compression::Gzip(level) => (CompressionMethod::Deflated, Some(level.min(9) as i32)),
        other => {
            return Err(Error::value(format!(
                "npz files are stored or deflated (gzip), not compressed by {other:?}"
            )));
        }
    };
    let new = NewFile::create(path, 0)?;
    let mut archive = ZipWriter::new(new.file());
    let wrong = |error: npyz::zip::result::ZipError| failed("write", path, error);
    for (name, array) in arrays {
        let member = npy::write(path, array, runner)?;
        let mut from = member.file();
        let bytes = from.seek(SeekFrom::End(0)).map_err(|error| failed("write", path, error))?;
        from.rewind().map_err(|error| failed("write", path, error))?;
        let options = FileOptions::default()
            .compression_method(method)
            .compression_level(level)
            // The same arrays make the same file.
            .last_modified_time(DateTime::default())
            .large_file(bytes >= LARGE_BYTES);
        archive.start_file(file_name_from_array_name(name), options).map_err(wrong)?;
        copy(&mut from, &mut archive).map_err(|error| failed("write", path, error))?;
    }
    archive.finish().map_err(wrong)?;
    drop(archive);
    new.finish()
}

/// As `io::copy`, in larger pieces.
fn copy(from: &mut dyn Read, to: &mut dyn Write) -> std::io::Result<u64> {
    std::io::copy(&mut BufReader::with_capacity(1 << 20, from), to)
}

fn archive(path: &Path) -> Result<ZipArchive<BufReader<File>>> {
    let file = File::open(path).map_err(|error| failed("open", path, error))?;
    ZipArchive::new(BufReader::new(file))
        .map_err(|error| failed("read", path, format!("it is not an npz file, or a damaged one: {error}")))
}

/// What errors call a member.
fn shown(path: &Path, name: &str) -> PathBuf {
    let mut shown = path.as_os_str().to_owned();
    shown.push(format!("[{name}]"));
    shown.into()
}

/// A compressed member.
#[derive(Debug)]
struct Packed {
    path: PathBuf,
    name: String,
    /// Within the member.
    layout: Layout,
    unpacked: Mutex<Option<Arc<Flat>>>,
}

impl Packed {
    fn unpacked(&self) -> Result<Arc<Flat>> {
        // Who panicked within has left nothing half done.
        let mut unpacked = self.unpacked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flat) = &*unpacked {
            return Ok(flat.clone());
        }
        let shown = shown(&self.path, &self.name);
        let wrong = |error: &dyn std::fmt::Display| failed("read", &shown, error);
        let mut archive = archive(&self.path)?;
        let file_name = file_name_from_array_name(&self.name);
        let member = archive.by_name(&file_name).map_err(|error| wrong(&error))?;
        let bytes = self.layout.offset + self.layout.bytes().map_err(|why| wrong(&why))?;
        let mut temporary = tempfile::tempfile().map_err(|error| wrong(&error))?;
        // One byte more than there should be: the end has to be seen for the sum to be checked.
        let copied = copy(&mut member.take(bytes + 1), &mut temporary).map_err(|error| wrong(&error))?;
        if copied != bytes {
            return Err(wrong(&format!("{copied} bytes are unpacked where its npy header asks for {bytes}")));
        }
        let file = DataFile::of(temporary, &shown)?;
        let flat = Flat::new("npz", Some(self.name.clone()), file, self.layout.clone())?;
        Ok(unpacked.insert(Arc::new(flat)).clone())
    }
}

impl Source for Packed {
    fn describe(&self) -> String {
        format!("npz '{}' '{}' (compressed)", self.path.display(), self.name)
    }

    fn dtype(&self) -> DType {
        self.layout.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.layout.shape
    }

    fn chunks(&self) -> Vec<usize> {
        automatic_chunks(self.layout.dtype, &self.layout.shape)
    }

    fn read(&self, region: &Region) -> Result<Tensor> {
        self.unpacked()?.read(region)
    }
}

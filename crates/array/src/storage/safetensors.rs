//! The safetensors format: a JSON header that says where each tensor lies, and then the tensors.
//!
//! # Source
//! The format's description at `huggingface/safetensors`, by the crate of its authors; headers are limited as they
//! limit them.

use std::path::Path;

use safetensors::tensor::{Dtype, Metadata, TensorInfo};

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::Array;
use crate::run::Runner;
use crate::storage::file::{DataFile, NewFile, failed};
use crate::storage::flat::{Flat, FlatSink, Layout};

/// The limit that the format's authors set.
const HEADER_BYTES_MAX: u64 = 100_000_000;

/// Bytes of the header's length.
const LENGTH_BYTES: u64 = 8;

/// What a file's tensors are called, in the file's order.
pub(super) fn names(path: &Path) -> Result<Vec<String>> {
    let (metadata, _) = read_header(&DataFile::open(path)?)?;
    Ok(metadata.offset_keys())
}

/// Opens a tensor; the header is read and checked now, values when they are needed.
pub(super) fn open(path: &Path, name: &str) -> Result<Flat> {
    let file = DataFile::open(path)?;
    let (metadata, data_start) = read_header(&file)?;
    let Some(info) = metadata.info(name) else {
        return Err(failed("read", path, format!("it has no tensor '{name}'")));
    };
    let dtype = dtype_of(info.dtype).ok_or_else(|| {
        Error::dtype(format!(
            "cannot read '{}': tensor '{name}' is of type {:?}, which arrays do not have",
            path.display(),
            info.dtype
        ))
    })?;
    let layout = Layout::plain(dtype, &info.shape, data_start + info.data_offsets.0 as u64);
    Flat::new("safetensors", Some(name.to_string()), file, layout)
}

/// Writes arrays; the widest types lie first, so that each is aligned.
pub(super) fn save(path: &Path, arrays: &[(String, Array)], runner: &Runner) -> Result<()> {
    let mut order: Vec<&(String, Array)> = arrays.iter().collect();
    order.sort_by(|(a_name, a), (b_name, b)| (b.dtype().size(), a_name).cmp(&(a.dtype().size(), b_name)));
    let (mut infos, mut at) = (vec![], 0);
    for (name, array) in &order {
        let dtype = type_of(array.dtype()).ok_or_else(|| {
            Error::dtype(format!(
                "safetensors files have no {}: '{name}' cannot be saved in one",
                array.dtype()
            ))
        })?;
        let bytes = Layout::plain(array.dtype(), array.shape(), 0)
            .bytes()
            .map_err(|why| failed("write", path, why))?;
        let end = at + bytes as usize;
        infos.push((
            name.clone(),
            TensorInfo { dtype, shape: array.shape().to_vec(), data_offsets: (at, end) },
        ));
        at = end;
    }
    let metadata = Metadata::new(None, infos).map_err(|error| failed("write", path, error))?;
    let mut header = serde_json::to_vec(&metadata).map_err(|error| failed("write", path, error))?;
    header.resize(header.len().next_multiple_of(LENGTH_BYTES as usize), b' ');
    let data_start = LENGTH_BYTES + header.len() as u64;
    let new = NewFile::create(path, data_start + at as u64)?;
    new.write_at(&(header.len() as u64).to_le_bytes(), 0)?;
    new.write_at(&header, LENGTH_BYTES)?;
    for (name, array) in order {
        let info =
            metadata.info(name).ok_or_else(|| Error::bug(format!("'{name}' is not in its own header")))?;
        let layout = Layout::plain(array.dtype(), array.shape(), data_start + info.data_offsets.0 as u64);
        runner.write(array, &FlatSink::new(&new, layout))?;
    }
    new.finish()
}

/// The header, and where the tensors begin.
fn read_header(file: &DataFile) -> Result<(Metadata, u64)> {
    let damaged = |why: String| {
        failed("read", file.path(), format!("it is not a safetensors file, or a damaged one: {why}"))
    };
    if file.len() < LENGTH_BYTES {
        return Err(damaged(format!(
            "it has {} bytes; the header's length alone has {LENGTH_BYTES}",
            file.len()
        )));
    }
    let mut length = [0; LENGTH_BYTES as usize];
    file.read_at(&mut length, 0)?;
    let length = u64::from_le_bytes(length);
    if length > HEADER_BYTES_MAX || LENGTH_BYTES + length > file.len() {
        return Err(damaged(format!(
            "its header should have {length} bytes, and the file has {}",
            file.len()
        )));
    }
    let mut header = vec![0; length as usize];
    file.read_at(&mut header, LENGTH_BYTES)?;
    let metadata: Metadata = serde_json::from_slice(&header).map_err(|error| damaged(error.to_string()))?;
    let (wanted, there) = (metadata.data_len() as u64, file.len() - LENGTH_BYTES - length);
    if wanted != there {
        return Err(damaged(format!(
            "its header tells of {wanted} bytes of tensors, and the file has {there}"
        )));
    }
    Ok((metadata, LENGTH_BYTES + length))
}

fn dtype_of(dtype: Dtype) -> Option<DType> {
    DType::ALL.into_iter().find(|&ours| type_of(ours) == Some(dtype))
}

fn type_of(dtype: DType) -> Option<Dtype> {
    Some(match dtype {
        DType::Bool => Dtype::BOOL,
        DType::I8 => Dtype::I8,
        DType::I16 => Dtype::I16,
        DType::I32 => Dtype::I32,
        DType::I64 => Dtype::I64,
        DType::U8 => Dtype::U8,
        DType::U16 => Dtype::U16,
        DType::U32 => Dtype::U32,
        DType::U64 => Dtype::U64,
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        DType::F32 => Dtype::F32,
        DType::F64 => Dtype::F64,
        DType::C64 => Dtype::C64,
        DType::C128 => return None,
    })
}

//! Arrays whose elements lie in a file one after the other, without gaps: what npy files, stored members of npz files
//! and tensors of safetensors files have in common.

use crate::dispatch_size;
use crate::dtype::DType;
use crate::error::{Error, Result, show_shape};
use crate::graph::{Region, Source, automatic_chunks};
use crate::run::Sink;
use crate::storage::file::{DataFile, NewFile, failed};
use crate::tensor::{Tensor, TensorMut, count};

/// As many axes as NumPy allows.
pub(super) const AXES_MAX: usize = 64;

/// Bytes of a span that is read at once where only parts of it are wanted.
const SPAN_BYTES: usize = 1 << 20;

/// What one call of the system is worth, in bytes that could be read instead.
const CALL_BYTES: usize = 16 << 10;

/// Bytes that a write should have at least.
const WRITE_BYTES: usize = 64 << 10;

/// In which order elements lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// The last axis is the quickest.
    RowMajor,
    /// The first axis is the quickest.
    ColumnMajor,
}

/// How elements lie in a file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Layout {
    pub dtype: DType,
    pub shape: Vec<usize>,
    pub order: Order,
    pub big_endian: bool,
    /// Bytes before the first element.
    pub offset: u64,
}

impl Layout {
    /// Row-major and little-endian.
    pub(super) fn plain(dtype: DType, shape: &[usize], offset: u64) -> Layout {
        Layout { dtype, shape: shape.to_vec(), order: Order::RowMajor, big_endian: false, offset }
    }

    /// Bytes of the elements, or why there cannot be as many.
    pub(super) fn bytes(&self) -> Result<u64, String> {
        let Layout { shape, dtype, .. } = self;
        if shape.len() > AXES_MAX {
            return Err(format!("it has {} axes; at most {AXES_MAX} are possible", shape.len()));
        }
        let too_large = || format!("an array of shape {} and type {dtype} is too large", show_shape(shape));
        if shape.iter().any(|&len| len > isize::MAX as usize) {
            return Err(too_large());
        }
        let bytes = count(shape).ok().and_then(|count| count.checked_mul(dtype.size()));
        bytes.filter(|&bytes| bytes <= isize::MAX as usize).map(|bytes| bytes as u64).ok_or_else(too_large)
    }

    /// Whether the bytes of each number have to be turned around.
    fn swapped(&self) -> bool {
        self.big_endian != cfg!(target_endian = "big") && self.dtype.real().size() > 1
    }
}

/// An array that lies flat in a file.
///
/// Reads are positional; nothing but what a region covers is read, and gaps between its parts where that is quicker
/// than many small reads.
#[derive(Debug)]
pub(super) struct Flat {
    kind: &'static str,
    /// What the array is called in its file.
    name: Option<String>,
    file: DataFile,
    layout: Layout,
}

impl Flat {
    /// Looks whether the file has all the bytes.
    pub(super) fn new(
        kind: &'static str,
        name: Option<String>,
        file: DataFile,
        layout: Layout,
    ) -> Result<Flat> {
        let bytes = layout.bytes().map_err(|why| failed("read", file.path(), why))?;
        let end = layout.offset.checked_add(bytes);
        if end.is_none_or(|end| end > file.len()) {
            return Err(failed(
                "read",
                file.path(),
                format!(
                    "it is truncated: {} of shape {} needs {bytes} bytes from byte {} on, but the file ends at byte {}",
                    layout.dtype,
                    show_shape(&layout.shape),
                    layout.offset,
                    file.len()
                ),
            ));
        }
        Ok(Flat { kind, name, file, layout })
    }

    /// See [`DataFile::close_between_reads`].
    pub(super) fn close_between_reads(&mut self) {
        self.file.close_between_reads();
    }

    /// Reads a region of the row-major array of this shape.
    fn read_rows(&self, shape: &[usize], region: &Region) -> Result<TensorMut> {
        let mut values = TensorMut::uninit(self.layout.dtype, &region.shape)?;
        if region.is_empty() {
            return Ok(values);
        }
        let rows = Rows::new(self.layout.dtype.size(), shape, region);
        let first = self.layout.offset + rows.first_byte(region);
        self.fill(&rows, 0, first, values.as_mut_bytes())?;
        Ok(values)
    }

    /// Fills `values` with the part of a region behind `axis`, which begins at byte `at`.
    fn fill(&self, rows: &Rows, axis: usize, at: u64, values: &mut [u8]) -> Result<()> {
        if axis >= rows.whole_from {
            return self.file.read_at(values, at);
        }
        let (len, stride) = (rows.shape[axis], rows.strides[axis]);
        let (wanted, runs, span) = (rows.wanted[axis + 1], rows.runs[axis + 1], rows.spans[axis + 1]);
        // Many small runs that lie close are read with the gaps between them, as long as that reads less than the
        // calls are worth.
        let together = if span > SPAN_BYTES { 1 } else { (1 + (SPAN_BYTES - span) / stride).min(len) };
        let with_gaps = (together - 1) * stride + span;
        if together > 1 && with_gaps < together * (runs * CALL_BYTES + wanted) {
            let mut scratch = vec![0; with_gaps];
            for (i, values) in values.chunks_mut(together * wanted).enumerate() {
                let count = values.len() / wanted;
                let scratch = &mut scratch[..(count - 1) * stride + span];
                self.file.read_at(scratch, at + (i * together * stride) as u64)?;
                for (j, values) in values.chunks_mut(wanted).enumerate() {
                    rows.pick(axis + 1, &scratch[j * stride..], values);
                }
            }
            return Ok(());
        }
        for (i, values) in values.chunks_mut(wanted).enumerate() {
            self.fill(rows, axis + 1, at + (i * stride) as u64, values)?;
        }
        Ok(())
    }
}

impl Source for Flat {
    fn describe(&self) -> String {
        let (kind, path) = (self.kind, self.file.path().display());
        match &self.name {
            Some(name) => format!("{kind} '{path}' '{name}'"),
            None => format!("{kind} '{path}'"),
        }
    }

    fn dtype(&self) -> DType {
        self.layout.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.layout.shape
    }

    fn chunks(&self) -> Vec<usize> {
        match self.layout.order {
            Order::RowMajor => automatic_chunks(self.layout.dtype, &self.layout.shape),
            Order::ColumnMajor => {
                reversed(&automatic_chunks(self.layout.dtype, &reversed(&self.layout.shape)))
            }
        }
    }

    fn read(&self, region: &Region) -> Result<Tensor> {
        check_region(region, &self.layout.shape)?;
        let mut values = match self.layout.order {
            Order::RowMajor => self.read_rows(&self.layout.shape, region)?,
            Order::ColumnMajor => {
                let turned = Region { start: reversed(&region.start), shape: reversed(&region.shape) };
                self.read_rows(&reversed(&self.layout.shape), &turned)?
            }
        };
        to_native(&self.layout, values.as_mut_bytes());
        let values = values.freeze();
        Ok(match self.layout.order {
            Order::RowMajor => values,
            Order::ColumnMajor => values.permute(&(0..region.ndim()).rev().collect::<Vec<_>>()),
        })
    }
}

/// A new file's part in which an array shall lie flat.
pub(super) struct FlatSink<'a> {
    file: &'a NewFile,
    /// Row-major.
    layout: Layout,
}

impl<'a> FlatSink<'a> {
    pub(super) fn new(file: &'a NewFile, layout: Layout) -> FlatSink<'a> {
        FlatSink { file, layout }
    }

    fn put(&self, rows: &Rows, axis: usize, at: u64, values: &[u8]) -> Result<()> {
        if axis >= rows.whole_from {
            return self.file.write_at(values, at);
        }
        for (i, values) in values.chunks(rows.wanted[axis + 1]).enumerate() {
            self.put(rows, axis + 1, at + (i * rows.strides[axis]) as u64, values)?;
        }
        Ok(())
    }
}

impl Sink for FlatSink<'_> {
    /// So that no write is smaller than `WRITE_BYTES`.
    fn chunks(&self) -> Option<Vec<usize>> {
        let mut room = WRITE_BYTES / self.layout.dtype.size();
        let mut chunks = vec![1; self.layout.shape.len()];
        for (chunk, &len) in chunks.iter_mut().zip(&self.layout.shape).rev() {
            *chunk = len.clamp(1, room);
            room = if *chunk == len { (room / len).max(1) } else { 1 };
        }
        Some(chunks)
    }

    fn write(&self, region: &Region, values: &Tensor) -> Result<()> {
        check_region(region, &self.layout.shape)?;
        check_values(region, values, self.layout.dtype)?;
        if region.is_empty() {
            return Ok(());
        }
        let values = values.contiguous()?;
        let bytes = values.as_bytes().ok_or_else(|| Error::bug("a contiguous tensor has gaps"))?;
        let rows = Rows::new(self.layout.dtype.size(), &self.layout.shape, region);
        let first = self.layout.offset + rows.first_byte(region);
        if self.layout.swapped() {
            let mut bytes = bytes.to_vec();
            swap(self.layout.dtype, &mut bytes);
            return self.put(&rows, 0, first, &bytes);
        }
        self.put(&rows, 0, first, bytes)
    }
}

/// Where the parts of a region lie in a row-major array; all in bytes. Of vectors with one entry more than axes, entry
/// `i` is about the part that one index of the axes before `i` leaves.
struct Rows {
    shape: Vec<usize>,
    strides: Vec<usize>,
    /// Bytes that are wanted.
    wanted: Vec<usize>,
    /// Bytes from the first that is wanted to the end of the last.
    spans: Vec<usize>,
    /// Pieces without gaps.
    runs: Vec<usize>,
    /// From this axis on there are no gaps.
    whole_from: usize,
}

impl Rows {
    fn new(size: usize, shape: &[usize], region: &Region) -> Rows {
        let ndim = shape.len();
        let mut strides = vec![size; ndim];
        for axis in (1..ndim).rev() {
            strides[axis - 1] = strides[axis] * shape[axis];
        }
        let (mut wanted, mut spans, mut runs) =
            (vec![size; ndim + 1], vec![size; ndim + 1], vec![1; ndim + 1]);
        let mut whole_from = ndim;
        for axis in (0..ndim).rev() {
            let len = region.shape[axis];
            wanted[axis] = wanted[axis + 1] * len;
            spans[axis] = (len - 1) * strides[axis] + spans[axis + 1];
            runs[axis] = if wanted[axis] == spans[axis] { 1 } else { runs[axis + 1] * len };
            if wanted[axis] == spans[axis] {
                whole_from = axis;
            }
        }
        Rows { shape: region.shape.clone(), strides, wanted, spans, runs, whole_from }
    }

    fn first_byte(&self, region: &Region) -> u64 {
        region.start.iter().zip(&self.strides).map(|(&start, &stride)| (start * stride) as u64).sum()
    }

    /// Copies what is wanted behind `axis` out of a span.
    fn pick(&self, axis: usize, span: &[u8], values: &mut [u8]) {
        if axis >= self.whole_from {
            values.copy_from_slice(&span[..values.len()]);
            return;
        }
        for (i, values) in values.chunks_mut(self.wanted[axis + 1]).enumerate() {
            self.pick(axis + 1, &span[i * self.strides[axis]..], values);
        }
    }
}

/// Elements as they were read, to elements as the host has them.
fn to_native(layout: &Layout, bytes: &mut [u8]) {
    if layout.swapped() {
        swap(layout.dtype, bytes);
    }
    if layout.dtype == DType::Bool {
        // A file may say 2; a Rust `bool` must not.
        bytes.iter_mut().for_each(|byte| *byte = (*byte != 0) as u8);
    }
}

fn swap(dtype: DType, bytes: &mut [u8]) {
    dispatch_size!(dtype.real(), T => {
        bytes.chunks_exact_mut(std::mem::size_of::<T>()).for_each(<[u8]>::reverse)
    });
}

fn reversed(values: &[usize]) -> Vec<usize> {
    values.iter().rev().copied().collect()
}

/// Whether a region is one of an array of this shape.
pub(super) fn check_region(region: &Region, shape: &[usize]) -> Result<()> {
    let within = |(&(start, len), &whole): (&(usize, usize), &usize)| {
        start.checked_add(len).is_some_and(|end| end <= whole)
    };
    let spans: Vec<(usize, usize)> = region.start.iter().copied().zip(region.shape.iter().copied()).collect();
    let fits = region.start.len() == shape.len()
        && region.shape.len() == shape.len()
        && spans.iter().zip(shape).all(within);
    if fits {
        Ok(())
    } else {
        Err(Error::bug(format!("{region:?} is not within shape {}", show_shape(shape))))
    }
}

/// Whether values are those of a region of an array of this type.
pub(super) fn check_values(region: &Region, values: &Tensor, dtype: DType) -> Result<()> {
    if values.shape() == region.shape && values.dtype() == dtype {
        return Ok(());
    }
    let (shape, wanted) = (show_shape(values.shape()), show_shape(&region.shape));
    Err(Error::bug(format!(
        "{} of shape {shape} written where {dtype} of shape {wanted} belongs",
        values.dtype()
    )))
}

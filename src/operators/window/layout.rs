//! Where partitions, peers and frames begin and end: found once, shared by the functions.

use std::rc::Rc;
use std::sync::LazyLock;

use crate::column::{DeviceChunk, DeviceColumn, Storage};
use crate::device::{DeviceBuffer, KernelSource};
use crate::error::{Error, Result};
use crate::program::Literal;
use crate::worker::Task;

use super::spec::{FrameBound, FrameUnits, WindowFrame, WindowSpec};
use crate::operators::binding::BLOCK;
use crate::operators::fixed::{launch, write_words};
use crate::operators::prefix_sum::{Summand, prefix_sum};

static SOURCE: LazyLock<KernelSource> = LazyLock::new(|| {
    let text = [
        include_str!("../../../kernels/prelude.cuh"),
        include_str!("../../../kernels/decimal.cuh"),
        include_str!("../../../kernels/string.cuh"),
        include_str!("../../../kernels/column.cuh"),
        include_str!("../../../kernels/window.cu"),
    ]
    .join("\n");
    let entries = [
        "window_boundaries",
        "window_begins",
        "window_ranks",
        "window_frames",
        "window_counts",
        "window_sources",
        "window_take",
    ];
    KernelSource::new("window", text, entries.map(String::from).to_vec())
});

/// The parts of a chunk that functions see.
pub(super) struct Layout<'a> {
    pub chunk: &'a DeviceChunk,
    spec: &'a WindowSpec,
    partitions: Segments,
    /// Absent where there is no order, and every row of a partition is a peer.
    peers: Option<Segments>,
    /// By column, the set bits of its validity before each word.
    valid: Vec<(usize, Rc<DeviceBuffer>)>,
    frames: Vec<(WindowFrame, Rc<Frame>)>,
}

/// Runs of rows: a bit where one begins, the set bits before each word, and the rows of the set bits.
struct Segments {
    bits: DeviceBuffer,
    before: DeviceBuffer,
    begins: DeviceBuffer,
}

/// The first row of each row's frame, and the one behind its last.
pub(super) struct Frame {
    pub begins: DeviceBuffer,
    pub ends: DeviceBuffer,
}

impl<'a> Layout<'a> {
    /// Finds partitions and peers.
    pub fn new(task: &mut Task<'_>, chunk: &'a DeviceChunk, spec: &'a WindowSpec) -> Result<Layout<'a>> {
        let words = chunk.rows.div_ceil(32);
        let (partition_bits, peer_bits) = (task.alloc(words * 4)?, task.alloc(words * 4)?);
        let columns = spec.partition.iter().copied().chain(spec.order.iter().map(|key| key.column));
        let keys: Vec<u64> = columns.flat_map(|column| column_words(&chunk.columns[column])).collect();
        let device_keys = write_words(task, &keys)?;
        let parameters = [
            chunk.rows as u64,
            device_keys.address(),
            spec.partition.len() as u64,
            (spec.partition.len() + spec.order.len()) as u64,
            partition_bits.address(),
            peer_bits.address(),
        ];
        launch_rows(task, "window_boundaries", chunk.rows, &parameters)?;
        let partitions = Segments::new(task, chunk.rows, partition_bits)?;
        let peers = match spec.order.is_empty() {
            true => None,
            false => Some(Segments::new(task, chunk.rows, peer_bits)?),
        };
        Ok(Layout { chunk, spec, partitions, peers, valid: vec![], frames: vec![] })
    }

    pub fn partition_words(&self) -> [u64; 3] {
        self.partitions.words()
    }

    pub fn peer_words(&self) -> [u64; 3] {
        self.peers.as_ref().unwrap_or(&self.partitions).words()
    }

    /// The parameters that count a column's values; zeros where all its rows have one.
    pub fn valid_words(&mut self, task: &mut Task<'_>, column: usize) -> Result<[u64; 2]> {
        let Some(validity) = self.chunk.columns[column].validity.clone() else { return Ok([0, 0]) };
        let known = self.valid.iter().find(|(of, _)| *of == column).map(|(_, ranks)| ranks.clone());
        let ranks = match known {
            Some(ranks) => ranks,
            None => {
                let words = self.chunk.rows.div_ceil(32);
                let ranks = Rc::new(prefix_sum(task, Summand::SetBits, words, &validity)?.0);
                self.valid.push((column, ranks.clone()));
                ranks
            }
        };
        Ok([validity.address(), ranks.address()])
    }

    /// The frame of every row.
    pub fn frame(&mut self, task: &mut Task<'_>, frame: &WindowFrame) -> Result<Rc<Frame>> {
        if let Some((_, known)) = self.frames.iter().find(|(of, _)| of == frame) {
            return Ok(known.clone());
        }
        let rows = self.chunk.rows;
        let found = Frame { begins: task.alloc(rows * 4)?, ends: task.alloc(rows * 4)? };
        let mut key = [0; 4];
        let mut key_valid = [0; 2];
        let mut order = [0, 0];
        if frame.measures_key() {
            let by = self.spec.order.first().ok_or_else(|| Error::bug("a RANGE without an order"))?;
            key = column_words(&self.chunk.columns[by.column]);
            key_valid = self.valid_words(task, by.column)?;
            order = [by.descending.into(), by.nulls_first.into()];
        }
        let mut parameters = vec![rows as u64];
        parameters.extend(self.partition_words());
        parameters.extend(self.peer_words());
        parameters.push(match frame.units {
            FrameUnits::Rows => 0,
            FrameUnits::Range => 1,
            FrameUnits::Groups => 2,
        });
        parameters.extend([bound_word(&frame.start), bound_word(&frame.end)]);
        parameters.extend(offset_words(&frame.start)?);
        parameters.extend(offset_words(&frame.end)?);
        parameters.extend(key);
        parameters.extend(key_valid);
        parameters.extend(order);
        parameters.extend([found.begins.address(), found.ends.address()]);
        launch_rows(task, "window_frames", rows, &parameters)?;
        let found = Rc::new(found);
        self.frames.push((frame.clone(), found.clone()));
        Ok(found)
    }
}

impl Segments {
    /// Numbers the segments whose first rows have their bit set.
    fn new(task: &mut Task<'_>, rows: usize, bits: DeviceBuffer) -> Result<Segments> {
        let (before, count) = prefix_sum(task, Summand::SetBits, rows.div_ceil(32), &bits)?;
        let begins = task.alloc((count + 1) * 4)?;
        let parameters = [rows as u64, bits.address(), before.address(), begins.address(), count as u64];
        launch_rows(task, "window_begins", rows, &parameters)?;
        Ok(Segments { bits, before, begins })
    }

    fn words(&self) -> [u64; 3] {
        [self.bits.address(), self.before.address(), self.begins.address()]
    }
}

/// Launches `entry` of the kernels of positions with a thread a row; nothing where there are no rows.
pub(super) fn launch_rows(task: &mut Task<'_>, entry: &str, rows: usize, parameters: &[u64]) -> Result<()> {
    launch(task, &SOURCE, entry, rows.div_ceil(BLOCK), parameters)
}

/// A column as `Column` in `kernels/column.cuh`.
pub(super) fn column_words(column: &DeviceColumn) -> [u64; 4] {
    let validity = column.validity.as_ref().map_or(0, |validity| validity.address());
    let offsets = column.offsets.as_ref().map_or(0, |offsets| offsets.address());
    [column.values.address(), validity, offsets, storage_word(column.storage)]
}

/// A layout as `kernels/column.cuh` numbers it.
pub(super) fn storage_word(storage: Storage) -> u64 {
    match storage {
        Storage::Bits => 0,
        Storage::I8 => 1,
        Storage::I16 => 2,
        Storage::I32 => 3,
        Storage::I64 => 4,
        Storage::U8 | Storage::Dictionary { key_bytes: 1 } => 5,
        Storage::U16 | Storage::Dictionary { key_bytes: 2 } => 6,
        Storage::U32 | Storage::Dictionary { key_bytes: 4 } => 7,
        Storage::U64 | Storage::Dictionary { .. } => 8,
        Storage::F32 => 9,
        Storage::F64 => 10,
        Storage::I128 => 11,
        Storage::Bytes => 12,
    }
}

fn bound_word(bound: &FrameBound) -> u64 {
    match bound {
        FrameBound::UnboundedPreceding => 0,
        FrameBound::Preceding(_) => 1,
        FrameBound::CurrentRow => 2,
        FrameBound::Following(_) => 3,
        FrameBound::UnboundedFollowing => 4,
    }
}

fn offset_words(bound: &FrameBound) -> Result<[u64; 2]> {
    bound.offset().map_or(Ok([0, 0]), literal_words)
}

/// The bits of a number: two words, little end first.
pub(super) fn literal_words(literal: &Literal) -> Result<[u64; 2]> {
    Ok(match literal {
        Literal::Null => [0, 0],
        Literal::Boolean(value) => [(*value).into(), 0],
        Literal::Int(value) => [*value as u64, (*value >> 64) as u64],
        Literal::UInt(value) => [*value, 0],
        Literal::Float(value) => [value.to_bits(), 0],
        Literal::Bytes(_) => return Err(Error::bug("text where a window takes a number")),
    })
}

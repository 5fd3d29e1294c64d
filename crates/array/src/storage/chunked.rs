//! Files of chunks that can only be read whole, because they are compressed or encoded: read by region, with a cache of
//! the chunks of which parts were read.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use crate::dtype::DType;
use crate::error::Result;
use crate::graph::{CHUNK_BYTES, Region, Source};
use crate::storage::flat::check_region;
use crate::tensor::{Slice, Tensor, TensorMut, copy};

/// Bytes of decoded chunks that are kept in all: two of the longest that are made without being asked for.
pub const CACHE_BYTES_DEFAULT: usize = 2 * CHUNK_BYTES;

static CACHE_BYTES: AtomicUsize = AtomicUsize::new(CACHE_BYTES_DEFAULT);

/// Sets how many bytes of decoded chunks the process keeps; 0 keeps none, and parts of chunks then cost whole ones.
pub fn set_cache_bytes(bytes: usize) {
    CACHE_BYTES.store(bytes, Ordering::Relaxed);
    CACHE.lock().unwrap_or_else(PoisonError::into_inner).shrink();
}

/// An array whose chunks are read whole.
pub trait ChunkFile: Debug + Send + Sync + 'static {
    /// What it is, for `EXPLAIN`.
    fn describe(&self) -> String;
    fn dtype(&self) -> DType;
    fn shape(&self) -> &[usize];
    /// The lengths of a chunk, at least 1 each; chunks at the ends of axes are shorter.
    fn chunk(&self) -> &[usize];
    /// Reads the chunk at these coordinates, which count chunks.
    ///
    /// # Errors
    /// `Io`, naming the file, where it cannot be read, is missing or is damaged.
    fn read_chunk(&self, coordinates: &[usize]) -> Result<Tensor>;
}

/// The source of such an array.
///
/// Regions that cover chunks read them past the cache. Of chunks of which a part is asked for, the process keeps
/// [`CACHE_BYTES_DEFAULT`], those that were asked for last; one that several threads ask for is read once.
#[derive(Debug)]
pub struct Chunked<F> {
    file: F,
    number: u64,
    chunks: Vec<usize>,
}

impl<F: ChunkFile> Chunked<F> {
    pub fn new(file: F) -> Chunked<F> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let chunks = gather(file.dtype(), file.shape(), file.chunk(), CHUNK_BYTES);
        Chunked { file, number: NEXT.fetch_add(1, Ordering::Relaxed), chunks }
    }

    fn part(&self, coordinates: &[usize], within: &Region, chunk_shape: &[usize]) -> Result<Tensor> {
        if within.is_whole(chunk_shape) {
            return self.file.read_chunk(coordinates);
        }
        let slot = CACHE.lock().unwrap_or_else(PoisonError::into_inner).slot(self.number, coordinates);
        // Who comes second waits here, and only for this chunk.
        let mut values = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(values) = &*values {
            return Ok(values.slice(&within.slices()));
        }
        let read = self.file.read_chunk(coordinates)?;
        *values = Some(read.clone());
        drop(values);
        CACHE.lock().unwrap_or_else(PoisonError::into_inner).filled(self.number, coordinates, read.bytes());
        Ok(read.slice(&within.slices()))
    }
}

impl<F: ChunkFile> Source for Chunked<F> {
    fn describe(&self) -> String {
        self.file.describe()
    }

    fn dtype(&self) -> DType {
        self.file.dtype()
    }

    fn shape(&self) -> &[usize] {
        self.file.shape()
    }

    fn chunks(&self) -> Vec<usize> {
        self.chunks.clone()
    }

    fn read(&self, region: &Region) -> Result<Tensor> {
        let (shape, chunk) = (self.file.shape(), self.file.chunk());
        check_region(region, shape)?;
        if region.is_empty() {
            return Ok(TensorMut::zeroed(self.dtype(), &region.shape)?.freeze());
        }
        let first: Vec<usize> = region.start.iter().zip(chunk).map(|(start, chunk)| start / chunk).collect();
        let end = |axis: usize| (region.start[axis] + region.shape[axis]).div_ceil(chunk[axis]);
        let counts: Vec<usize> = (0..shape.len()).map(|axis| end(axis) - first[axis]).collect();
        let mut values = None;
        for number in 0..counts.iter().product::<usize>() {
            let mut coordinates = first.clone();
            let mut rest = number;
            for axis in (0..counts.len()).rev() {
                coordinates[axis] += rest % counts[axis];
                rest /= counts[axis];
            }
            let (mut within, mut place) = (Region::whole(chunk), vec![]);
            let mut chunk_shape = chunk.to_vec();
            for axis in 0..shape.len() {
                let start = coordinates[axis] * chunk[axis];
                chunk_shape[axis] = chunk[axis].min(shape[axis] - start);
                let from = start.max(region.start[axis]);
                let to = (start + chunk_shape[axis]).min(region.start[axis] + region.shape[axis]);
                (within.start[axis], within.shape[axis]) = (from - start, to - from);
                place.push(Slice::range(from - region.start[axis], to - from));
            }
            let part = self.part(&coordinates, &within, &chunk_shape)?;
            if counts.iter().all(|&count| count == 1) {
                return Ok(part);
            }
            let values: &mut TensorMut = match &mut values {
                Some(values) => values,
                none => none.insert(TensorMut::uninit(self.dtype(), &region.shape)?),
            };
            copy(&part, &mut values.target().slice(&place));
        }
        match values {
            Some(values) => Ok(values.freeze()),
            None => Err(crate::Error::bug("a region that is not empty has no chunks")),
        }
    }
}

impl<F> Drop for Chunked<F> {
    fn drop(&mut self) {
        CACHE.lock().unwrap_or_else(PoisonError::into_inner).forget(self.number);
    }
}

/// As many small chunks as there is room for in `bytes`, along the last axes first; never less than one.
pub fn gather(dtype: DType, shape: &[usize], chunk: &[usize], bytes: usize) -> Vec<usize> {
    let one = chunk.iter().fold(dtype.size(), |bytes, &len| bytes.saturating_mul(len));
    let mut room = bytes / one.max(1);
    let mut gathered = chunk.to_vec();
    for (gathered, &len) in gathered.iter_mut().zip(shape).rev() {
        let times = len.div_ceil((*gathered).max(1)).clamp(1, room.max(1));
        *gathered = gathered.saturating_mul(times).min(len.max(1));
        room /= times;
    }
    gathered
}

type Slot = Arc<Mutex<Option<Tensor>>>;

static CACHE: LazyLock<Mutex<Cache>> = LazyLock::new(Mutex::default);

/// Chunks by source and coordinates, the least recently used first to go.
#[derive(Default)]
struct Cache {
    slots: HashMap<u64, HashMap<Vec<usize>, Entry>>,
    /// When each was used last.
    order: BTreeMap<u64, (u64, Vec<usize>)>,
    bytes: usize,
    now: u64,
}

struct Entry {
    slot: Slot,
    bytes: usize,
    used: u64,
}

impl Cache {
    /// The place of a chunk, filled or not.
    fn slot(&mut self, source: u64, coordinates: &[usize]) -> Slot {
        self.now += 1;
        let now = self.now;
        let new = || Entry { slot: Slot::default(), bytes: 0, used: now };
        let entry = self.slots.entry(source).or_default().entry(coordinates.to_vec()).or_insert_with(new);
        self.order.remove(&entry.used);
        entry.used = now;
        self.order.insert(now, (source, coordinates.to_vec()));
        entry.slot.clone()
    }

    /// Counts a chunk that was read, and lets go of what there is no room for.
    fn filled(&mut self, source: u64, coordinates: &[usize], bytes: usize) {
        if let Some(entry) = self.slots.get_mut(&source).and_then(|slots| slots.get_mut(coordinates)) {
            self.bytes += bytes - entry.bytes;
            entry.bytes = bytes;
        }
        self.shrink();
    }

    fn shrink(&mut self) {
        while self.bytes > CACHE_BYTES.load(Ordering::Relaxed) {
            let Some((_, (source, coordinates))) = self.order.pop_first() else { return };
            let removed = self.slots.get_mut(&source).and_then(|slots| slots.remove(&coordinates));
            self.bytes -= removed.map_or(0, |entry| entry.bytes);
        }
    }

    fn forget(&mut self, source: u64) {
        for (_, entry) in self.slots.remove(&source).unwrap_or_default() {
            self.order.remove(&entry.used);
            self.bytes -= entry.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts how often chunks are read.
    #[derive(Debug, Default)]
    struct Counted(Arc<AtomicUsize>);

    impl ChunkFile for Counted {
        fn describe(&self) -> String {
            "counted".into()
        }
        fn dtype(&self) -> DType {
            DType::I64
        }
        fn shape(&self) -> &[usize] {
            &[10, 7]
        }
        fn chunk(&self) -> &[usize] {
            &[4, 3]
        }
        fn read_chunk(&self, at: &[usize]) -> Result<Tensor> {
            self.0.fetch_add(1, Ordering::Relaxed);
            let whole = Tensor::from_vec((0..70i64).collect(), &[10, 7])?;
            let part = |axis: usize, chunk: usize, len: usize| {
                Slice::range(at[axis] * chunk, chunk.min(len - at[axis] * chunk))
            };
            Ok(whole.slice(&[part(0, 4, 10), part(1, 3, 7)]))
        }
    }

    #[test]
    fn parts_of_a_chunk_are_read_once() -> Result<()> {
        let reads = Arc::new(AtomicUsize::new(0));
        let source = Chunked::new(Counted(reads.clone()));
        let whole = Tensor::from_vec((0..70i64).collect(), &[10, 7])?;
        for row in 0..10 {
            for column in 0..7 {
                let region = Region { start: vec![row, column], shape: vec![1, 1] };
                assert_eq!(source.read(&region)?.to_vec::<i64>()?, [(row * 7 + column) as i64]);
            }
        }
        // A chunk in the corner is one element: all of it is asked for.
        assert_eq!(reads.load(Ordering::Relaxed), 9);
        for (start, shape) in
            [([0, 0], [10, 7]), ([3, 2], [6, 4]), ([4, 3], [4, 3]), ([9, 6], [1, 1]), ([2, 2], [0, 3])]
        {
            let region = Region { start: start.to_vec(), shape: shape.to_vec() };
            assert_eq!(
                source.read(&region)?.to_vec::<i64>()?,
                whole.slice(&region.slices()).to_vec::<i64>()?
            );
        }
        Ok(())
    }
}

//! What a stage leaves for later ones: in memory, or in a file where that is full.

use std::any::Any;
use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::{Array, Op, Region, Source, automatic_chunks};
use crate::run::evaluate::Values;
use crate::run::region::relative;
use crate::tensor::{Target, Tensor, TensorMut};

/// The values of a region of an array.
#[derive(Debug)]
pub enum Stored {
    Memory {
        origin: Vec<usize>,
        tensor: Tensor,
    },
    Disk {
        origin: Vec<usize>,
        file: SpilledTensor,
    },
    /// Where an [`Accelerator`](crate::run::Accelerator) keeps them.
    Remote {
        origin: Vec<usize>,
        values: Arc<dyn RemoteValues>,
    },
}

/// Values in the memory of an accelerator, row-major.
pub trait RemoteValues: Any + fmt::Debug + Send + Sync {
    /// Reads a region, counted from the values' own first index.
    ///
    /// # Errors
    /// A fault of the device.
    fn read(&self, region: &Region) -> Result<Tensor>;
}

impl Stored {
    /// Reads a region that lies within what is stored.
    ///
    /// # Errors
    /// `Io` where a file cannot be read.
    pub fn read(&self, region: &Region) -> Result<Tensor> {
        match self {
            Stored::Memory { origin, tensor } => Ok(tensor.slice(&relative(region, origin).slices())),
            Stored::Disk { origin, file } => file.read(&relative(region, origin)),
            Stored::Remote { origin, values } => values.read(&relative(region, origin)),
        }
    }

    /// The whole, where it lies in memory.
    pub fn tensor(&self) -> Option<&Tensor> {
        match self {
            Stored::Memory { tensor, .. } => Some(tensor),
            Stored::Disk { .. } | Stored::Remote { .. } => None,
        }
    }
}

/// A row-major array in a file that has no name: it is gone when this is dropped.
#[derive(Debug)]
pub struct SpilledTensor {
    file: File,
    dtype: DType,
    shape: Vec<usize>,
}

impl SpilledTensor {
    /// An array of undefined values.
    ///
    /// # Errors
    /// `Io` where the folder takes no file of that size.
    pub fn create(folder: &Path, dtype: DType, shape: &[usize]) -> Result<SpilledTensor> {
        let failed = |error| Error::io(format!("cannot spill an array to '{}': {error}", folder.display()));
        let file = tempfile::tempfile_in(folder).map_err(failed)?;
        let bytes = shape.iter().product::<usize>() * dtype.size();
        file.set_len(bytes as u64).map_err(failed)?;
        Ok(SpilledTensor { file, dtype, shape: shape.to_vec() })
    }

    /// Writes a region; regions that do not overlap may be written at once.
    ///
    /// # Errors
    /// `Io` where the disk is full or fails.
    pub fn write(&self, region: &Region, values: &Tensor) -> Result<()> {
        let values = values.contiguous()?;
        let bytes = values.as_bytes().unwrap_or_default();
        let failed = |error| Error::io(format!("cannot spill an array: {error}"));
        self.for_each_run(region, |offset, run| self.file.write_all_at(&bytes[run], offset).map_err(failed))
    }

    /// Reads a region.
    ///
    /// # Errors
    /// `Io` where the disk fails.
    pub fn read(&self, region: &Region) -> Result<Tensor> {
        let mut values = TensorMut::uninit(self.dtype, &region.shape)?;
        let bytes = values.as_mut_bytes();
        let failed = |error| Error::io(format!("cannot read a spilled array: {error}"));
        self.for_each_run(region, |offset, run| {
            self.file.read_exact_at(&mut bytes[run], offset).map_err(failed)
        })?;
        Ok(values.freeze())
    }

    /// Calls `visit` for each run of neighbours in the file: its offset there, and its bytes in the region.
    fn for_each_run(
        &self,
        region: &Region,
        mut visit: impl FnMut(u64, std::ops::Range<usize>) -> Result<()>,
    ) -> Result<()> {
        if region.is_empty() {
            return Ok(());
        }
        let size = self.dtype.size();
        // Trailing axes that are taken whole belong to the run.
        let mut inner = region.ndim();
        let mut run = size;
        while inner > 0 {
            inner -= 1;
            run *= region.shape[inner];
            if region.shape[inner] != self.shape[inner] {
                break;
            }
        }
        let mut index = vec![0usize; inner];
        for number in 0..region.len() * size / run {
            let mut rest = number;
            for axis in (0..inner).rev() {
                index[axis] = rest % region.shape[axis];
                rest /= region.shape[axis];
            }
            let position = (0..region.ndim()).fold(0usize, |position, axis| {
                let own = region.start[axis] + index.get(axis).copied().unwrap_or(0);
                position * self.shape[axis] + own
            });
            visit((position * size) as u64, number * run..(number + 1) * run)?;
        }
        Ok(())
    }
}

/// An array that was computed and kept; read like a file, from memory or disk.
#[derive(Debug)]
pub struct Persisted {
    shape: Vec<usize>,
    dtype: DType,
    chunks: Vec<usize>,
    outputs: Arc<Vec<Stored>>,
    output: usize,
}

impl Persisted {
    /// What a run left of `array`.
    ///
    /// # Errors
    /// A bug where it left nothing.
    pub fn of(values: &Values, array: &Array) -> Result<Persisted> {
        let left = values.remove(array.id());
        let outputs = left.ok_or_else(|| Error::bug(format!("{array:?} was not kept")))?;
        let (shape, chunks) = (array.shape().to_vec(), array.chunks().to_vec());
        Ok(Persisted { shape, dtype: array.dtype(), chunks, outputs, output: 0 })
    }

    /// Whether an array is one that was kept.
    pub fn is(array: &Array) -> bool {
        let Op::Source(source) = array.op() else { return false };
        let any: &dyn Any = source.as_ref();
        any.is::<Persisted>()
    }

    /// An array of this shape and type whose values an accelerator has.
    pub fn remote(dtype: DType, shape: &[usize], values: Arc<dyn RemoteValues>) -> Persisted {
        let stored = Stored::Remote { origin: vec![0; shape.len()], values };
        let (chunks, outputs) = (automatic_chunks(dtype, shape), Arc::new(vec![stored]));
        Persisted { shape: shape.to_vec(), dtype, chunks, outputs, output: 0 }
    }

    /// Where it lies.
    pub fn stored(&self) -> &Stored {
        &self.outputs[self.output]
    }
}

impl Source for Persisted {
    fn describe(&self) -> String {
        let place = match self.stored() {
            Stored::Memory { .. } => "in memory",
            Stored::Disk { .. } => "on disk",
            Stored::Remote { .. } => "on a device",
        };
        format!("persisted {place}")
    }

    fn dtype(&self) -> DType {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn chunks(&self) -> Vec<usize> {
        self.chunks.clone()
    }

    fn read(&self, region: &Region) -> Result<Tensor> {
        self.outputs[self.output].read(region)
    }
}

/// Where a stage puts its blocks.
pub enum Output {
    Memory(TensorMut, Target),
    Disk(SpilledTensor),
}

impl Output {
    /// Writes a region, counted from the stage's origin.
    ///
    /// # Errors
    /// Those of the place.
    pub fn write(&self, region: &Region, values: &Tensor) -> Result<()> {
        match self {
            Output::Memory(_, target) => {
                crate::tensor::copy(values, &mut target.slice(&region.slices()));
                Ok(())
            }
            Output::Disk(file) => file.write(region, values),
        }
    }

    /// The part of memory that a region takes; `None` on disk.
    pub fn target(&self, region: &Region) -> Option<Target> {
        match self {
            Output::Memory(_, target) => Some(target.slice(&region.slices())),
            Output::Disk(_) => None,
        }
    }

    /// What later stages read.
    pub fn finish(self, origin: Vec<usize>) -> Stored {
        match self {
            Output::Memory(tensor, _) => Stored::Memory { origin, tensor: tensor.freeze() },
            Output::Disk(file) => Stored::Disk { origin, file },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spilled_regions_come_back() -> Result<()> {
        let file = SpilledTensor::create(&std::env::temp_dir(), DType::I32, &[4, 5, 6])?;
        let whole = Tensor::from_vec((0..120i32).collect(), &[4, 5, 6])?;
        for start in [0, 2] {
            let region = Region { start: vec![start, 0, 0], shape: vec![2, 5, 6] };
            file.write(&region, &whole.slice(&region.slices()))?;
        }
        let region = Region { start: vec![1, 2, 3], shape: vec![2, 2, 3] };
        assert_eq!(file.read(&region)?.to_vec::<i32>()?, whole.slice(&region.slices()).to_vec::<i32>()?);
        let region = Region { start: vec![1, 1, 0], shape: vec![1, 3, 6] };
        assert_eq!(file.read(&region)?.to_vec::<i32>()?, whole.slice(&region.slices()).to_vec::<i32>()?);
        Ok(())
    }
}

//! Values on a device: what stages leave for later ones, and what is borrowed from other libraries.
//!
//! What stages leave are chunks of the worker's store, of one column of bytes: where memory runs short the least recently
//! used leave the device for the tiers below, as those of tables do, and come back when they are read.

use std::any::Any;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use futures::executor::block_on;
use swath_array::graph::{Op, Region};
use swath_array::run::store::{Persisted, RemoteValues, Stored};
use swath_array::{Array, DType, Tensor};

use crate::column::{DeviceChunk, DeviceColumn, Storage};
use crate::error::Result;
use crate::operators::tensor::{DeviceTensor, run_copy};
use crate::worker::{CancelToken, StoredChunk, Task, Worker};

/// Values of an array on a worker's device.
#[derive(Clone, Debug)]
pub struct OnDevice {
    pub worker: Worker,
    held: Held,
}

#[derive(Clone, Debug)]
enum Held {
    /// In the worker's store.
    Stored { chunk: StoredChunk, dtype: DType, shape: Vec<usize>, strides: Vec<isize>, offset: isize },
    /// In memory that belongs to somebody else, and stays where it is.
    Lent(DeviceTensor),
}

impl OnDevice {
    /// Keeps a tensor beyond the task that made it. A view of a few elements of much memory is copied first.
    ///
    /// # Errors
    /// As [`Task::store`]; out of memory for the copy.
    pub fn keep(task: &mut Task<'_>, worker: &Worker, tensor: DeviceTensor) -> Result<OnDevice> {
        let worker = worker.clone();
        if tensor.buffer.is_lent() {
            return Ok(OnDevice { worker, held: Held::Lent(tensor) });
        }
        let tensor = match tensor.buffer.len() / 2 > tensor.bytes() {
            true => run_copy(task, &tensor)?,
            false => tensor,
        };
        let DeviceTensor { dtype, shape, strides, offset, buffer } = tensor;
        let rows = buffer.len();
        let bytes = DeviceColumn {
            data_type: DataType::UInt8,
            storage: Storage::U8,
            rows,
            values: buffer,
            validity: None,
            offsets: None,
            dictionary: None,
        };
        let schema = Arc::new(Schema::new(vec![Field::new("values", DataType::UInt8, false)]));
        let chunk = task.store(DeviceChunk::new(schema, vec![Arc::new(bytes)], rows)?)?;
        Ok(OnDevice { worker, held: Held::Stored { chunk, dtype, shape, strides, offset } })
    }

    /// What is stored, with the index of its first element, where it lies on a device.
    pub fn of(stored: &Stored) -> Option<(Vec<usize>, OnDevice)> {
        let Stored::Remote { origin, values } = stored else { return None };
        let any: &dyn Any = values.as_ref();
        Some((origin.clone(), any.downcast_ref::<OnDevice>()?.clone()))
    }

    /// The values, on the device, where they stay as long as the answer is held.
    ///
    /// # Errors
    /// As [`Task::fetch`].
    pub fn fetch(&self, task: &mut Task<'_>) -> Result<DeviceTensor> {
        match &self.held {
            Held::Lent(tensor) => Ok(tensor.clone()),
            Held::Stored { chunk, dtype, shape, strides, offset } => {
                let chunk = task.fetch(chunk)?;
                Ok(DeviceTensor {
                    dtype: *dtype,
                    shape: shape.clone(),
                    strides: strides.clone(),
                    offset: *offset,
                    buffer: Arc::clone(&chunk.columns[0].values),
                })
            }
        }
    }
}

impl RemoteValues for OnDevice {
    fn read(&self, region: &Region) -> swath_array::Result<Tensor> {
        let (values, slices) = (self.clone(), region.slices());
        let read = self.worker.run("download", CancelToken::new(), move |task| {
            values.fetch(task)?.slice(&slices).download(task)
        });
        Ok(block_on(read)?)
    }
}

/// What a persisted array keeps.
pub fn persisted(array: &Array) -> Option<&Stored> {
    let Op::Source(source) = array.op() else { return None };
    let any: &dyn Any = source.as_ref();
    Some(any.downcast_ref::<Persisted>()?.stored())
}

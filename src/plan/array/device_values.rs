//! Values in device memory: of a stage, lent to another library of this process, or borrowed from one.
//!
//! Nothing is copied either way. An address means the same to all, because workers use the primary context of their
//! device, as CUDA's runtime does, and PyTorch and CuPy with it. What is lent is complete: the task that made it has been
//! waited for, so that no stream of the borrower's has to be.

use std::any::Any;
use std::sync::Arc;

use futures::executor::block_on;
use swath_array::graph::Op;
use swath_array::run::store::Persisted;
use swath_array::{Array, DType};

use super::kept::{OnDevice, persisted};
use crate::error::{Error, Result};
use crate::operators::tensor::{DeviceTensor, run_copy};
use crate::plan::engine::Engine;
use crate::worker::{CancelToken, Worker};

/// The values of an array that lies on a device, to be lent to another library. They stay there as long as this does;
/// when it goes, the worker waits for everybody's work on the device before it frees anything.
#[derive(Debug)]
pub struct DeviceValues {
    worker: Worker,
    /// Held, so that it does not leave the device.
    tensor: DeviceTensor,
}

impl DeviceValues {
    /// Those of an array that is persisted on a device, or a view of one; nothing is computed. What had to leave the device
    /// comes back; where it cannot, it is the host's.
    pub fn of(array: &Array) -> Option<DeviceValues> {
        // Views of views that nobody computes are few.
        const VIEWS_MAX: usize = 64;
        let mut views = Vec::new();
        let mut below = array;
        while let (Op::Slice(_) | Op::Permute(_) | Op::Broadcast | Op::Reshape, [input]) =
            (below.op(), below.inputs())
        {
            if views.len() == VIEWS_MAX {
                return None;
            }
            views.push(below);
            below = input;
        }
        let (_, held) = OnDevice::of(persisted(below)?)?;
        let worker = held.worker.clone();
        let fetched = worker.run("lend", CancelToken::new(), move |task| held.fetch(task));
        let mut tensor = block_on(fetched).ok()?;
        for view in views.into_iter().rev() {
            tensor = match view.op() {
                Op::Slice(slices) => tensor.slice(slices),
                Op::Permute(axes) => tensor.permute(axes),
                Op::Broadcast => tensor.broadcast(view.shape()),
                _ => tensor.reshaped(view.shape())?,
            };
        }
        Some(DeviceValues { worker, tensor })
    }

    /// The driver's number of the device.
    pub fn ordinal(&self) -> usize {
        self.worker.info().ordinal
    }

    /// The address of the element at index 0 of every axis.
    ///
    /// # Errors
    /// `device` where the values were lost with the device's context.
    pub fn address(&self) -> Result<u64> {
        if !self.tensor.buffer.is_alive() {
            let info = self.worker.info();
            return Err(Error::device(format!("the values were lost when the context of {info} ended")));
        }
        Ok(self.tensor.address())
    }

    pub fn dtype(&self) -> DType {
        self.tensor.dtype
    }

    pub fn shape(&self) -> &[usize] {
        &self.tensor.shape
    }

    /// Elements from one to the next along each axis.
    pub fn strides(&self) -> &[isize] {
        &self.tensor.strides
    }

    /// A copy on the device, row-major; returns when it is made.
    ///
    /// # Errors
    /// Out of device memory; faults.
    pub fn copied(&self) -> Result<DeviceValues> {
        let (worker, tensor) = (self.worker.clone(), self.tensor.clone());
        let copy = worker.run("array copy", CancelToken::new(), move |task| run_copy(task, &tensor));
        Ok(DeviceValues { tensor: block_on(copy)?, worker })
    }
}

impl Drop for DeviceValues {
    fn drop(&mut self) {
        self.worker.drop_when_unused(self.tensor.clone());
    }
}

/// Takes memory of other libraries on one device.
#[derive(Clone, Debug)]
pub struct Borrower(Worker);

/// Device memory of another library.
#[derive(Clone, Debug)]
pub struct BorrowedValues {
    /// Of the element at index 0 of every axis.
    pub address: u64,
    pub dtype: DType,
    /// Without an axis of no elements.
    pub shape: Vec<usize>,
    /// Elements from one to the next along each axis.
    pub strides: Vec<isize>,
}

impl Borrower {
    /// That of the device with this number of the driver's, where the engine has it.
    pub fn of(engine: &Engine, ordinal: usize) -> Option<Borrower> {
        let mut workers = engine.workers().iter();
        workers.find(|worker| worker.info().ordinal == ordinal).cloned().map(Borrower)
    }

    /// The stream that whoever writes the values has to order that before, as the driver's handle.
    ///
    /// # Errors
    /// `device` where the worker has none.
    pub fn stream(&self) -> Result<u64> {
        block_on(self.0.run("borrow", CancelToken::new(), |task| Ok(task.stream_handle())))
    }

    /// An array whose values are this memory, or with `copy` a copy of it on the device. `lender` is dropped, on any thread,
    /// when nothing reads the memory any more; here, where it cannot be used.
    ///
    /// # Safety
    /// The elements must be readable until `lender` is dropped, and what writes them ordered before the stream of
    /// [`stream`](Borrower::stream).
    ///
    /// # Errors
    /// `user` where the driver does not know the memory as this device's, or it is of another context or not aligned to its
    /// elements; out of memory and faults where it is copied.
    pub unsafe fn array<L: Any + Send + Sync>(
        &self,
        values: BorrowedValues,
        copy: bool,
        lender: L,
    ) -> Result<Array> {
        let size = values.dtype.size();
        if !values.address.is_multiple_of(size as u64) {
            return Err(Error::user(format!("{} values that are not aligned to their size", values.dtype)));
        }
        let (before, behind) = values.reach().ok_or_else(|| Error::user("strides that leave any memory"))?;
        let worker = self.0.clone();
        let (dtype, shape) = (values.dtype, values.shape.clone());
        let borrow = self.0.run("borrow", CancelToken::new(), move |task| {
            let start = values.address.wrapping_sub((before * size) as u64);
            // SAFETY: the caller vouches for the elements, which lie in these bytes.
            let buffer = unsafe { task.borrow(start, (before + behind + 1) * size, lender) }?;
            let BorrowedValues { dtype, shape, strides, .. } = values;
            let offset = before as isize;
            let tensor = DeviceTensor { dtype, shape, strides, offset, buffer: Arc::new(buffer) };
            let tensor = if copy { run_copy(task, &tensor)? } else { tensor };
            OnDevice::keep(task, &worker, tensor)
        });
        Ok(Array::from_source(Arc::new(Persisted::remote(dtype, &shape, Arc::new(block_on(borrow)?)))))
    }
}

impl BorrowedValues {
    /// Elements before and behind that at index 0 of every axis; `None` where no memory has as many.
    fn reach(&self) -> Option<(usize, usize)> {
        let (mut before, mut behind) = (0usize, 0usize);
        for (&len, &stride) in self.shape.iter().zip(&self.strides) {
            let reach = stride.unsigned_abs().checked_mul(len.checked_sub(1)?)?;
            let side = if stride < 0 { &mut before } else { &mut behind };
            *side = side.checked_add(reach)?;
        }
        let bytes = before.checked_add(behind)?.checked_add(1)?.checked_mul(self.dtype.size())?;
        isize::try_from(bytes).is_ok().then_some((before, behind))
    }
}

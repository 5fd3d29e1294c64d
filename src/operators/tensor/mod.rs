//! Tensors on a device, and the operators over them: one file an operator.
//!
//! As everywhere here, an operator runs inside a worker's task and knows nothing of plans. Operands are strided views;
//! results are row-major buffers of their own, but where an operator says that they are views.

mod copy;
mod decompose;
mod elementwise;
mod fft;
mod gather;
mod matmul;
mod place;
mod reduce;
mod scan;
mod scatter;
mod search;
mod sort;
mod source;
mod steps;

use std::sync::Arc;

use swath_array::tensor::{
    Slice, TensorMut, broadcast_strides, is_row_major, permute_layout, row_major, slice_layout,
};
use swath_array::{DType, Tensor};

use crate::device::DeviceBuffer;
use crate::error::{Error, Result};
use crate::program::tensor::Operand;
use crate::worker::Task;

pub use copy::run_copy;
pub use decompose::{Decomposed, is_batched, run_decompose};
pub use elementwise::run_elementwise;
pub use fft::run_fft;
pub use gather::{run_gather, run_take};
pub use matmul::{MultipliedBy, Multiplier, Product, run_product};
pub use place::{run_concat, run_paste, run_place};
pub use reduce::{DevicePartial, finish_reduce, run_reduce, run_reduce_partial};
pub use scan::run_scan;
pub use scatter::{run_put, run_put_rows};
pub use search::run_search;
pub use sort::{Sorted, run_sort};

/// A strided view of device memory; cheap to clone. Strides count elements, a broadcast axis has stride 0.
#[derive(Clone, Debug)]
pub struct DeviceTensor {
    pub dtype: DType,
    pub shape: Vec<usize>,
    pub strides: Vec<isize>,
    /// Elements from the buffer's start to the element at index 0 of every axis.
    pub offset: isize,
    pub buffer: Arc<DeviceBuffer>,
}

impl DeviceTensor {
    /// A row-major tensor with undefined elements.
    ///
    /// # Errors
    /// As [`Task::alloc`].
    pub fn alloc(task: &mut Task<'_>, dtype: DType, shape: &[usize]) -> Result<DeviceTensor> {
        let len = swath_array::tensor::count(shape)?;
        let bytes = len.checked_mul(dtype.size());
        let bytes = bytes.ok_or_else(|| Error::unsupported(format!("a tensor of {len} {dtype}")))?;
        let buffer = Arc::new(task.alloc(bytes)?);
        Ok(DeviceTensor { dtype, shape: shape.to_vec(), strides: row_major(shape), offset: 0, buffer })
    }

    /// Copies a tensor to the device. Axes that it repeats are not repeated there.
    ///
    /// # Memory     the elements once, and as much pinned memory while they are copied.
    /// # Errors
    /// As [`Task::alloc`], and where the host has no memory to stage in.
    pub fn upload(task: &mut Task<'_>, tensor: &Tensor) -> Result<DeviceTensor> {
        let is_repeated = |axis: usize| tensor.strides()[axis] == 0 && tensor.shape()[axis] > 1;
        let slices: Vec<Slice> = (0..tensor.ndim())
            .map(|axis| Slice::range(0, if is_repeated(axis) { 1 } else { tensor.shape()[axis] }))
            .collect();
        let values = tensor.slice(&slices).contiguous()?;
        let bytes = values.as_bytes().ok_or_else(|| Error::bug("a contiguous tensor with gaps"))?;
        let buffer = Arc::new(task.write(bytes)?);
        let mut strides = row_major(values.shape());
        for (axis, stride) in strides.iter_mut().enumerate().filter(|&(axis, _)| is_repeated(axis)) {
            debug_assert_eq!(values.shape()[axis], 1);
            *stride = 0;
        }
        Ok(DeviceTensor { dtype: tensor.dtype(), shape: tensor.shape().to_vec(), strides, offset: 0, buffer })
    }

    /// Waits for the device and copies the tensor down.
    ///
    /// # Errors
    /// Device faults of what came before; out of memory on either side.
    pub fn download(&self, task: &mut Task<'_>) -> Result<Tensor> {
        let mut target = TensorMut::uninit(self.dtype, &self.shape)?;
        if !self.is_empty() {
            let dense = self.contiguous(task)?;
            let offset = dense.offset as usize * self.dtype.size();
            let bytes = task.read(&dense.buffer, offset, self.bytes())?;
            target.as_mut_bytes().copy_from_slice(&bytes);
        }
        Ok(target.freeze())
    }

    /// The same elements in row-major order, copied where they do not lie so.
    ///
    /// # Errors
    /// As [`Task::alloc`].
    pub fn contiguous(&self, task: &mut Task<'_>) -> Result<DeviceTensor> {
        if self.is_contiguous() { Ok(self.clone()) } else { run_copy(task, self) }
    }

    /// Elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    pub fn ndim(&self) -> usize {
        self.shape.len()
    }

    /// Bytes of its elements.
    pub fn bytes(&self) -> usize {
        self.len() * self.dtype.size()
    }

    /// Whether the elements lie in row-major order without gaps.
    pub fn is_contiguous(&self) -> bool {
        is_row_major(&self.shape, &self.strides)
    }

    /// The view that shows these slices of the axes, all of them.
    pub fn slice(&self, slices: &[Slice]) -> DeviceTensor {
        let (shape, strides, offset) = slice_layout(&self.shape, &self.strides, slices);
        DeviceTensor { shape, strides, offset: self.offset + offset, ..self.clone() }
    }

    /// The view whose axis `i` is this one's axis `axes[i]`.
    pub fn permute(&self, axes: &[usize]) -> DeviceTensor {
        let (shape, strides) = permute_layout(&self.shape, &self.strides, axes);
        DeviceTensor { shape, strides, ..self.clone() }
    }

    /// The view of this shape in which axes of one element are repeated, and axes are added in front.
    pub fn broadcast(&self, shape: &[usize]) -> DeviceTensor {
        let strides = broadcast_strides(&self.shape, &self.strides, shape);
        DeviceTensor { shape: shape.to_vec(), strides, ..self.clone() }
    }

    /// The view with axes of one element where `shape` has them and this one does not, or the other way round.
    pub fn with_unit_axes(&self, shape: &[usize]) -> DeviceTensor {
        let mut kept = self.shape.iter().zip(&self.strides).filter(|&(&len, _)| len != 1);
        let mut stride = |&len: &usize| if len == 1 { 0 } else { kept.next().map_or(0, |(_, &own)| own) };
        DeviceTensor {
            shape: shape.to_vec(),
            strides: shape.iter().map(&mut stride).collect(),
            ..self.clone()
        }
    }

    /// The same elements in row-major order in another shape of as many; copied where they do not lie so.
    ///
    /// # Errors
    /// As [`Task::alloc`]; `bug` for a shape of another number of elements.
    pub fn reshape(&self, task: &mut Task<'_>, shape: &[usize]) -> Result<DeviceTensor> {
        if shape.iter().product::<usize>() != self.len() {
            return Err(Error::bug(format!("a reshape of {:?} to {shape:?}", self.shape)));
        }
        let mut view = self.contiguous(task)?;
        view.shape = shape.to_vec();
        view.strides = row_major(shape);
        Ok(view)
    }

    /// The view of this shape, of as many elements; `None` where they do not lie in row-major order.
    pub fn reshaped(&self, shape: &[usize]) -> Option<DeviceTensor> {
        let fits = self.is_contiguous() && shape.iter().product::<usize>() == self.len();
        fits.then(|| DeviceTensor { shape: shape.to_vec(), strides: row_major(shape), ..self.clone() })
    }

    /// The address of the element at index 0 of every axis.
    pub fn address(&self) -> u64 {
        self.buffer.address().wrapping_add_signed((self.offset * self.dtype.size() as isize) as i64)
    }

    fn operand(&self) -> Operand {
        Operand { strides: self.strides.clone(), size: self.dtype.size(), address: self.address() }
    }
}

//! How the regions that a stage reads come to lie on a device: found there, sent up, or computed there.
//!
//! What lies between two stages — fused work, views, reshapes, joins — is computed on the device with the stage that
//! reads it, as it would be on the CPU.

use std::any::Any;
use std::sync::Arc;

use swath_array::graph::{Op, Region};
use swath_array::run::accelerate::Expected;
use swath_array::run::evaluate::Values;
use swath_array::run::fuse::{Fused, Leaf, is_elementwise, weight};
use swath_array::run::region::{differ_in_unit_axes, flat_bounds, input_regions, relative};
use swath_array::run::store::{RemoteValues, Stored};
use swath_array::tensor::{TensorMut, row_major};
use swath_array::{Array, DType, Tensor};

use super::cost::Work;
use super::kept::{OnDevice, persisted};
use crate::error::{Error, Result};
use crate::operators::tensor::{DeviceTensor, run_concat, run_elementwise};
use crate::worker::Task;

/// A region of an array, as a device gets it.
pub enum Operand {
    /// A part of what an earlier stage left on the device.
    There { values: Arc<dyn RemoteValues>, part: Region, dtype: DType },
    /// What the host has, or reads from a file: it goes up.
    Host { array: Array, region: Region },
    /// The same, read.
    Values(Tensor),
    /// A fused program, with its operands in the region's shape.
    Program { fused: Arc<Fused>, weight: u32, region: Region, operands: Vec<Operand> },
    /// What a program's leaf shows of its array.
    Viewed { of: Box<Operand>, leaf: Leaf, region: Region },
    /// Repeated along axes of one element and new ones.
    Broadcast { of: Box<Operand>, shape: Vec<usize> },
    /// In a shape that differs in axes of one element alone.
    UnitAxes { of: Box<Operand>, shape: Vec<usize> },
    /// In another shape: from the element at `skip` on, in row-major order.
    Reshaped { of: Box<Operand>, skip: usize, shape: Vec<usize>, strides: Vec<isize> },
    /// One after the other along an axis.
    Joined { parts: Vec<Operand>, axis: usize },
}

impl Operand {
    /// How a region of `array` is to be had, after the stages that `values` knows.
    ///
    /// # Errors
    /// `unsupported` for what only the CPU computes where it is read.
    pub fn of(array: &Array, region: &Region, values: &Values) -> Result<Operand> {
        if region.is_empty() {
            return Ok(Operand::Values(TensorMut::uninit(array.dtype(), &region.shape)?.freeze()));
        }
        if let Some((origin, there)) = on_device(array, values) {
            let part = relative(region, &origin);
            return Ok(Operand::There { values: there, part, dtype: array.dtype() });
        }
        let host = || Operand::Host { array: array.clone(), region: region.clone() };
        if values.is_known(array) {
            return Ok(host());
        }
        let input = |region: &Region| Operand::of(&array.inputs()[0], region, values).map(Box::new);
        Ok(match array.op() {
            Op::Data(_) | Op::Source(_) | Op::Output(_) => host(),
            Op::Slice(_) | Op::Permute(_) => Operand::program(array, region, values)?,
            op if is_elementwise(op) => Operand::program(array, region, values)?,
            Op::Broadcast => {
                let part = input_regions(array, region).remove(0);
                Operand::Broadcast { of: input(&part)?, shape: region.shape.clone() }
            }
            Op::Reshape => {
                let part = input_regions(array, region).remove(0);
                let (of, shape) = (input(&part)?, region.shape.clone());
                let own = array.inputs()[0].shape();
                if differ_in_unit_axes(array.shape(), own) {
                    return Ok(Operand::UnitAxes { of, shape });
                }
                let (first, last) = flat_bounds(array.shape(), region);
                let skip = first - flat_bounds(own, &part).0;
                // Elements between the region's are left out: they are strides of the array's shape.
                let is_all = last + 1 - first == region.len();
                let strides = row_major(if is_all { &region.shape } else { array.shape() });
                Operand::Reshaped { of, skip, shape, strides }
            }
            Op::Concat(axis) => {
                let parts = array.inputs().iter().zip(input_regions(array, region));
                let present = parts.filter(|(_, part)| !part.is_empty());
                let parts = present.map(|(input, part)| Operand::of(input, &part, values));
                Operand::Joined { parts: parts.collect::<Result<_>>()?, axis: *axis }
            }
            Op::Block(operator) => {
                let (name, bytes) = (operator.name(), array.bytes());
                return Err(Error::unsupported(format!(
                    "{name} of {bytes} bytes is not kept, and computed on the CPU where it is read"
                )));
            }
            op => return Err(Error::bug(format!("{op:?} was read before its stage"))),
        })
    }

    /// The operands of a fused program over a region.
    ///
    /// # Errors
    /// As [`of`](Operand::of).
    pub fn of_leaves(fused: &Fused, region: &Region, values: &Values) -> Result<Vec<Operand>> {
        fused.leaves.iter().map(|leaf| Operand::of_leaf(leaf, region, values)).collect()
    }

    fn of_leaf(leaf: &Leaf, region: &Region, values: &Values) -> Result<Operand> {
        let of = Box::new(Operand::of(&leaf.array, &leaf.region(region), values)?);
        Ok(Operand::Viewed { of, leaf: leaf.clone(), region: region.clone() })
    }

    fn program(array: &Array, region: &Region, values: &Values) -> Result<Operand> {
        let fused = values.program(array);
        if let Some(leaf) = fused.only_leaf() {
            if leaf.array.id() == array.id() {
                return Err(Error::bug(format!("{array:?} reads itself")));
            }
            return Operand::of_leaf(leaf, region, values);
        }
        let operands = Operand::of_leaves(&fused, region, values)?;
        let weight = weight(array.op()).max(1);
        Ok(Operand::Program { fused, weight, region: region.clone(), operands })
    }

    fn below(&self) -> &[Operand] {
        match self {
            Operand::There { .. } | Operand::Host { .. } | Operand::Values(_) => &[],
            Operand::Program { operands, .. } => operands,
            Operand::Joined { parts, .. } => parts,
            Operand::Viewed { of, .. }
            | Operand::Broadcast { of, .. }
            | Operand::UnitAxes { of, .. }
            | Operand::Reshaped { of, .. } => std::slice::from_ref(of),
        }
    }

    /// Whether it is a view of what the host has: nothing is computed, and nothing lies on the device.
    pub fn is_view_of_host(&self) -> bool {
        let computes =
            matches!(self, Operand::There { .. } | Operand::Program { .. } | Operand::Joined { .. });
        !computes && self.below().iter().all(Operand::is_view_of_host)
    }

    /// Adds what it takes to have it on the device.
    pub fn count(&self, work: &mut Work) {
        match self {
            Operand::There { part, dtype, .. } => {
                let bytes = (part.len() * dtype.size()) as f64;
                (work.there_bytes, work.bytes) = (work.there_bytes + bytes, work.bytes + bytes);
            }
            Operand::Host { array, region } => {
                let bytes = (region.len() * array.dtype().size()) as f64;
                (work.up_bytes, work.bytes) = (work.up_bytes + bytes, work.bytes + bytes);
            }
            Operand::Values(tensor) => work.up_bytes += tensor.bytes() as f64,
            Operand::Program { fused, weight, region, .. } => {
                work.nodes +=
                    region.len() as f64 * f64::from(*weight) * fused.program.instructions.len() as f64;
                work.kernels += 1.0;
            }
            Operand::Joined { parts, .. } => work.kernels += parts.len() as f64,
            Operand::Reshaped { .. } => work.kernels += 1.0,
            Operand::Viewed { .. } | Operand::Broadcast { .. } | Operand::UnitAxes { .. } => {}
        }
        self.below().iter().for_each(|operand| operand.count(work));
    }

    /// Reads what goes up, on the host.
    ///
    /// # Errors
    /// Those of files and of memory.
    pub fn read(self, values: &Values) -> Result<Operand> {
        let boxed = |of: Box<Operand>| of.read(values).map(Box::new);
        let each = |all: Vec<Operand>| all.into_iter().map(|one| one.read(values)).collect::<Result<_>>();
        Ok(match self {
            Operand::Host { array, region } => Operand::Values(values.region(&array, &region)?),
            Operand::Program { fused, weight, region, operands } => {
                Operand::Program { fused, weight, region, operands: each(operands)? }
            }
            Operand::Viewed { of, leaf, region } => match of.read(values)? {
                // Of what goes up, no more than is shown.
                Operand::Values(read) => Operand::Values(leaf.view(&read, &region)),
                of => Operand::Viewed { of: Box::new(of), leaf, region },
            },
            Operand::Broadcast { of, shape } => Operand::Broadcast { of: boxed(of)?, shape },
            Operand::UnitAxes { of, shape } => Operand::UnitAxes { of: boxed(of)?, shape },
            Operand::Reshaped { of, skip, shape, strides } => {
                Operand::Reshaped { of: boxed(of)?, skip, shape, strides }
            }
            Operand::Joined { parts, axis } => Operand::Joined { parts: each(parts)?, axis },
            other @ (Operand::There { .. } | Operand::Values(_)) => other,
        })
    }

    /// Has it on the device; what was [`read`](Operand::read) goes up.
    ///
    /// # Errors
    /// `unsupported` for what has no device form; out of memory.
    pub fn make(self, task: &mut Task<'_>) -> Result<DeviceTensor> {
        match self {
            Operand::There { values, part, .. } => {
                let any: &dyn Any = values.as_ref();
                let there = any.downcast_ref::<OnDevice>().ok_or_else(|| Error::bug("another's values"))?;
                Ok(there.fetch(task)?.slice(&part.slices()))
            }
            Operand::Host { .. } => Err(Error::bug("an operand was not read before it is sent up")),
            Operand::Values(tensor) => DeviceTensor::upload(task, &tensor),
            Operand::Program { fused, region, operands, .. } => {
                let inputs = make_all(task, operands)?;
                run_elementwise(task, &fused.program, &region, &inputs)
            }
            Operand::Viewed { of, leaf, region } => Ok(view(&leaf, &of.make(task)?, &region)),
            Operand::Broadcast { of, shape } => Ok(of.make(task)?.broadcast(&shape)),
            Operand::UnitAxes { of, shape } => Ok(of.make(task)?.with_unit_axes(&shape)),
            Operand::Reshaped { of, skip, shape, strides } => {
                let made = of.make(task)?;
                let dense = made.contiguous(task)?;
                Ok(DeviceTensor { shape, strides, offset: dense.offset + skip as isize, ..dense })
            }
            Operand::Joined { parts, axis } => {
                let mut parts = make_all(task, parts)?;
                match parts.len() {
                    1 => parts.pop().ok_or_else(|| Error::bug("a join of nothing")),
                    _ => run_concat(task, &parts, axis),
                }
            }
        }
    }
}

/// Has several operands on the device.
///
/// # Errors
/// As [`Operand::make`].
pub fn make_all(task: &mut Task<'_>, operands: Vec<Operand>) -> Result<Vec<DeviceTensor>> {
    operands.into_iter().map(|operand| operand.make(task)).collect()
}

/// What lies on the device of an array, or is expected to, with the index of its first element.
fn on_device(array: &Array, values: &Values) -> Option<(Vec<usize>, Arc<dyn RemoteValues>)> {
    let of = |stored: &Stored| {
        let Stored::Remote { origin, values } = stored else { return None };
        let any: &dyn Any = values.as_ref();
        let is_expected = any.downcast_ref::<Expected>().is_some_and(|expected| expected.on_device);
        (is_expected || any.is::<OnDevice>()).then(|| (origin.clone(), Arc::clone(values)))
    };
    if let Some(outputs) = values.get(array.id()) {
        return of(outputs.first()?);
    }
    // One of several outputs lies with its operator.
    if let Op::Output(output) = array.op()
        && let Some(outputs) = values.get(array.inputs()[0].id())
    {
        return of(outputs.get(*output)?);
    }
    of(persisted(array)?)
}

/// What [`Leaf::view`] shows, of values on the device.
fn view(leaf: &Leaf, read: &DeviceTensor, block: &Region) -> DeviceTensor {
    let mut strides = vec![0isize; block.ndim()];
    let mut first = read.clone();
    for (own, map) in leaf.axes.iter().enumerate() {
        let Some(axis) = map.axis.filter(|_| map.step != 0) else { continue };
        strides[axis] = read.strides[own] * map.step;
        if map.step < 0 {
            let back = (block.shape[axis].max(1) - 1) as isize * map.step.abs();
            first.offset += read.strides[own] * back;
        }
    }
    first.strides = strides;
    first.shape = block.shape.clone();
    first
}

//! The value of a region of an array: elementwise subtrees by programs, the rest by reading.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::error::{Error, Result};
use crate::graph::{Array, Op, Region};
use crate::kernel::elementwise;
use crate::run::fuse::{Fused, Leaf, fuse, is_elementwise};
use crate::run::region::{differ_in_unit_axes, flat_bounds, input_regions, relative};
use crate::run::store::Stored;
use crate::tensor::{Slice, Target, Tensor, TensorMut, copy};

/// From how many bytes on an operand that is walked across its rows is turned beforehand.
const TURNED_BYTES_MIN: usize = 4096;

/// What the stages so far have left, and the programs that were made.
#[derive(Default)]
pub struct Values {
    stored: RwLock<HashMap<u64, Arc<Vec<Stored>>>>,
    programs: Mutex<HashMap<u64, Arc<Fused>>>,
}

impl Values {
    /// Keeps the outputs of a stage.
    pub fn insert(&self, id: u64, outputs: Vec<Stored>) {
        self.stored.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::new(outputs));
    }

    /// Takes the outputs of a stage out.
    pub fn remove(&self, id: u64) -> Option<Arc<Vec<Stored>>> {
        self.stored.write().unwrap_or_else(PoisonError::into_inner).remove(&id)
    }

    /// The outputs of a stage, where they are there.
    pub fn get(&self, id: u64) -> Option<Arc<Vec<Stored>>> {
        self.stored.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// Whether an array is read rather than computed.
    pub fn is_known(&self, array: &Array) -> bool {
        array.value().is_some()
            || self.stored.read().unwrap_or_else(PoisonError::into_inner).contains_key(&array.id())
    }

    /// Whether all that was asked of an array lies in memory.
    pub fn is_in_memory(&self, array: &Array) -> bool {
        if let Some(own) = self.get(array.id()) {
            return own[0].tensor().is_some();
        }
        let (holder, output) = match array.op() {
            Op::Output(output) => (array.inputs()[0].clone(), *output),
            _ => (array.clone(), 0),
        };
        array.value().is_some()
            || self.get(holder.id()).is_some_and(|stored| stored[output].tensor().is_some())
    }

    /// The program of an array and what lies below it down to what is known.
    pub fn program(&self, array: &Array) -> Arc<Fused> {
        let mut programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        let made = || Arc::new(fuse(array, &|node| self.is_known(node)));
        Arc::clone(programs.entry(array.id()).or_insert_with(made))
    }

    /// The values of a region; a view of what lies in memory where that goes.
    ///
    /// # Errors
    /// Those of the operators and sources.
    pub fn region(&self, array: &Array, region: &Region) -> Result<Tensor> {
        // What is empty may lie outside of what a stage was asked for.
        if region.is_empty() {
            return Ok(TensorMut::uninit(array.dtype(), &region.shape)?.freeze());
        }
        if let Some(known) = self.known_region(array, region)? {
            return Ok(known);
        }
        match array.op() {
            op if is_elementwise(op) => self.computed(array, region),
            Op::Slice(_) | Op::Permute(_) => self.computed(array, region),
            Op::Broadcast => Ok(self.inputs(array, region)?.remove(0).broadcast(&region.shape)),
            Op::Reshape => self.reshaped(array, region),
            Op::Source(source) => source.read(region),
            Op::Concat(axis) => self.joined(array, *axis, region),
            Op::Block(operator) => {
                let inputs = self.inputs(array, region)?;
                let mut outputs = operator.compute(region, &inputs)?;
                let first = outputs.drain(..).next();
                first.ok_or_else(|| Error::bug(format!("{} has no output", operator.name())))
            }
            op => Err(Error::bug(format!("{op:?} was read before its stage"))),
        }
    }

    /// The regions of an array's inputs that a region of it needs.
    pub fn inputs(&self, array: &Array, region: &Region) -> Result<Vec<Tensor>> {
        let parts = input_regions(array, region);
        array.inputs().iter().zip(parts).map(|(input, part)| self.region(input, &part)).collect()
    }

    fn known_region(&self, array: &Array, region: &Region) -> Result<Option<Tensor>> {
        if let Some(value) = array.value() {
            return Ok(Some(value.slice(&region.slices())));
        }
        if let Some(own) = self.get(array.id()) {
            return own[0].read(region).map(Some);
        }
        // One of several outputs, that is not a result itself, lies with its operator.
        let Op::Output(output) = array.op() else { return Ok(None) };
        match self.get(array.inputs()[0].id()) {
            Some(stored) => stored[*output].read(region).map(Some),
            None => Ok(None),
        }
    }

    fn computed(&self, array: &Array, region: &Region) -> Result<Tensor> {
        let fused = self.program(array);
        if let Some(leaf) = fused.only_leaf() {
            return self.leaf(array, leaf, region);
        }
        let mut values = TensorMut::uninit(array.dtype(), &region.shape)?;
        self.run(array, &fused, region, &values.target())?;
        Ok(values.freeze())
    }

    /// Computes a region of an elementwise array, or of a view, into memory.
    pub fn compute_into(&self, array: &Array, region: &Region, target: &mut Target) -> Result<()> {
        let may_fuse = is_elementwise(array.op()) || matches!(array.op(), Op::Slice(_) | Op::Permute(_));
        if may_fuse && !self.is_known(array) {
            let fused = self.program(array);
            if fused.only_leaf().is_none() {
                return self.run(array, &fused, region, target);
            }
        }
        copy(&self.region(array, region)?, target);
        Ok(())
    }

    fn run(&self, array: &Array, fused: &Fused, region: &Region, target: &Target) -> Result<()> {
        let operands: Vec<Tensor> =
            fused.leaves.iter().map(|leaf| self.operand(array, leaf, region)).collect::<Result<_>>()?;
        elementwise::run(&fused.program, &operands, region, target)
    }

    fn leaf(&self, root: &Array, leaf: &Leaf, region: &Region) -> Result<Tensor> {
        if leaf.array == *root && !self.is_known(root) {
            return Err(Error::bug(format!("{root:?} reads itself")));
        }
        Ok(leaf.view(&self.region(&leaf.array, &leaf.region(region))?, region))
    }

    /// A leaf in the order in which it is walked: one that lies across is turned first, in squares.
    fn operand(&self, root: &Array, leaf: &Leaf, region: &Region) -> Result<Tensor> {
        let view = self.leaf(root, leaf, region)?;
        let across = view.strides().last().is_some_and(|stride| stride.unsigned_abs() > 1);
        if across && view.bytes() >= TURNED_BYTES_MIN && view.ndim() > 1 {
            return view.contiguous();
        }
        Ok(view)
    }

    fn joined(&self, array: &Array, axis: usize, region: &Region) -> Result<Tensor> {
        let parts = input_regions(array, region);
        let present: Vec<_> =
            array.inputs().iter().zip(&parts).filter(|(_, part)| part.shape[axis] > 0).collect();
        if let [(input, part)] = present.as_slice() {
            return self.region(input, part);
        }
        let mut values = TensorMut::uninit(array.dtype(), &region.shape)?;
        let target = values.target();
        let mut before = 0;
        for (input, part) in present {
            let mut slices = Region::whole(&part.shape).slices();
            slices[axis] = Slice::range(before, part.shape[axis]);
            before += part.shape[axis];
            self.compute_into(input, part, &mut target.slice(&slices))?;
        }
        Ok(values.freeze())
    }

    /// A region of a reshape, from what covers it; where that is much more than the region, from the parts of it that
    /// lie together.
    fn reshaped(&self, array: &Array, region: &Region) -> Result<Tensor> {
        let input = &array.inputs()[0];
        let covering = input_regions(array, region).remove(0);
        if differ_in_unit_axes(array.shape(), input.shape()) {
            let values = self.region(input, &covering)?;
            return Ok(values.with_unit_axes(&region.shape));
        }
        let cut = region.shape.iter().position(|&len| len > 1);
        if let Some(axis) = cut.filter(|_| covering.len() / 2 > region.len() && covering.len() > 1024) {
            return self.reshaped_in_parts(array, region, axis);
        }
        let (first, last) = flat_bounds(array.shape(), region);
        let covered = self.region(input, &covering)?;
        let flat = covered.reshape(&[covered.len()])?;
        // The covering region begins at a number of its own, and its elements follow each other from there.
        let begin = flat_bounds(input.shape(), &covering).0;
        let run = flat.slice(&[Slice::range(first - begin, last - first + 1)]);
        if run.len() == region.len() {
            return run.reshape(&region.shape);
        }
        // Elements between the region's are left out: they are strides of the array's shape.
        let strides = crate::tensor::row_major(array.shape());
        Ok(run.with_strides(&region.shape, strides))
    }

    fn reshaped_in_parts(&self, array: &Array, region: &Region, axis: usize) -> Result<Tensor> {
        let mut values = TensorMut::uninit(array.dtype(), &region.shape)?;
        let target = values.target();
        for index in 0..region.shape[axis] {
            let mut part = region.clone();
            part.start[axis] += index;
            part.shape[axis] = 1;
            let place = Region { start: relative(&part, &region.start).start, shape: part.shape.clone() };
            copy(&self.reshaped(array, &part)?, &mut target.slice(&place.slices()));
        }
        Ok(values.freeze())
    }
}

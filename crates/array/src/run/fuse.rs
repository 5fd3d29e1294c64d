//! Elementwise subtrees as one program.
//!
//! Slices, permutations, broadcasts and axes of one element are affine maps from the index of the result to the index
//! of what is read: they become part of how an operand is read, and cost no pass over the data.

use std::collections::HashMap;

use crate::dtype::{DType, Scalar};
use crate::graph::{Array, Op, Region};
use crate::program::{BinaryOp, Instruction, Program, Step, UnaryOp};
use crate::run::region::differ_in_unit_axes;
use crate::tensor::{Slice, Tensor};

/// Instructions of one program; what is deeper is computed by a program of its own.
const INSTRUCTIONS_MAX: usize = 400;

/// How much work may be repeated for each element of a broadcast, in the units of [`weight`].
const REPEATED_WEIGHT_MAX: u32 = 6;

/// A program and what it reads.
#[derive(Debug)]
pub struct Fused {
    pub program: Program,
    /// The operands, in the order of the program's inputs.
    pub leaves: Vec<Leaf>,
}

/// An array as a program reads it.
#[derive(Clone, Debug, PartialEq)]
pub struct Leaf {
    pub array: Array,
    /// For each axis of the array, where its index comes from.
    pub axes: Vec<AxisMap>,
}

/// The index along one axis: `start`, and where `axis` is some, `step` times the result's index along that axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AxisMap {
    pub axis: Option<usize>,
    pub start: isize,
    pub step: isize,
}

impl PartialEq for Array {
    fn eq(&self, other: &Array) -> bool {
        self.id() == other.id()
    }
}

impl AxisMap {
    fn identity(ndim: usize) -> Vec<AxisMap> {
        (0..ndim).map(|axis| AxisMap { axis: Some(axis), start: 0, step: 1 }).collect()
    }

    /// This map of an index that is itself `start + step · i`.
    fn after(self, slice: &Slice) -> AxisMap {
        AxisMap {
            axis: self.axis,
            start: slice.start as isize + slice.step * self.start,
            step: slice.step * self.step,
        }
    }
}

impl Leaf {
    /// The part of the array that a region of the result reads.
    pub fn region(&self, region: &Region) -> Region {
        let of = |map: &AxisMap| {
            let Some(axis) = map.axis else { return (map.start as usize, 1) };
            let count = region.shape[axis];
            if count == 0 {
                return (0, 0);
            }
            let first = map.start + map.step * region.start[axis] as isize;
            let last = first + map.step * (count as isize - 1);
            (first.min(last) as usize, first.abs_diff(last) + 1)
        };
        let (start, shape) = self.axes.iter().map(of).unzip();
        Region { start, shape }
    }

    /// Shows [`region`](Leaf::region), read, in the shape of the result's region.
    pub fn view(&self, read: &Tensor, region: &Region) -> Tensor {
        if region.is_empty() {
            return read.nothing(&region.shape);
        }
        // First the slice along each axis of the array, then its axes in the places of the result's.
        let slice = |map: &AxisMap| match map.axis.filter(|_| map.step != 0) {
            None => Slice::range(0, 1),
            Some(axis) => {
                let count = region.shape[axis];
                let start = if map.step < 0 { (count - 1) * map.step.unsigned_abs() } else { 0 };
                Slice { start, count, step: map.step }
            }
        };
        let slices: Vec<Slice> = self.axes.iter().map(slice).collect();
        let part = read.slice(&slices);
        let strides = (0..region.ndim()).map(|axis| {
            let own = self.axes.iter().position(|map| map.axis == Some(axis) && map.step != 0);
            own.map_or(0, |own| part.strides()[own])
        });
        part.with_strides(&region.shape, strides.collect())
    }
}

/// How much an elementwise operator costs at an element, roughly in additions.
pub fn weight(op: &Op) -> u32 {
    match op {
        Op::Random(_) => 16,
        Op::Unary(op) => match op {
            UnaryOp::Abs | UnaryOp::Negative | UnaryOp::Square | UnaryOp::LogicalNot | UnaryOp::Real => 1,
            UnaryOp::Floor | UnaryOp::Ceil | UnaryOp::Trunc | UnaryOp::IsNan | UnaryOp::IsFinite => 1,
            UnaryOp::Sqrt | UnaryOp::Reciprocal => 3,
            _ => 8,
        },
        Op::Binary(op) => match op {
            BinaryOp::Pow | BinaryOp::Atan2 | BinaryOp::Hypot | BinaryOp::LogAddExp => 12,
            BinaryOp::Divide | BinaryOp::Remainder | BinaryOp::FloorDivide | BinaryOp::Fmod => 3,
            _ => 1,
        },
        Op::Where | Op::Cast | Op::Index(_) => 1,
        _ => 0,
    }
}

/// Whether a program can compute it.
pub fn is_elementwise(op: &Op) -> bool {
    matches!(
        op,
        Op::Full(_) | Op::Index(_) | Op::Random(_) | Op::Unary(_) | Op::Binary(_) | Op::Where | Op::Cast
    )
}

/// The program that computes `root`; `is_stored` says which nodes are read rather than computed.
pub fn fuse(root: &Array, is_stored: &dyn Fn(&Array) -> bool) -> Fused {
    let mut builder = Builder {
        is_stored,
        program: Program { inputs: vec![], instructions: vec![] },
        leaves: vec![],
        known: HashMap::new(),
    };
    builder.build(root);
    Fused { program: builder.program, leaves: builder.leaves }
}

/// An array under a map, while its program is built.
type Place = (Array, Vec<AxisMap>);

struct Builder<'a> {
    is_stored: &'a dyn Fn(&Array) -> bool,
    program: Program,
    leaves: Vec<Leaf>,
    known: HashMap<(u64, Vec<AxisMap>), usize>,
}

impl Builder<'_> {
    /// Emits the instructions of `root`, inputs first; a loop, because graphs may be deep.
    fn build(&mut self, root: &Array) {
        let mut pending = vec![((root.clone(), AxisMap::identity(root.ndim())), false)];
        while let Some((place, inputs_done)) = pending.pop() {
            let place = self.through_views(place);
            let key = (place.0.id(), place.1.clone());
            if self.known.contains_key(&key) {
                continue;
            }
            let is_root =
                self.program.instructions.is_empty() && pending.is_empty() && place.0.id() == root.id();
            let too_long = self.program.instructions.len() + pending.len() > INSTRUCTIONS_MAX && !is_root;
            if !is_elementwise(place.0.op()) || (self.is_stored)(&place.0) || (too_long && !inputs_done) {
                let number = self.read(place);
                self.known.insert(key, number);
                continue;
            }
            if !inputs_done && !place.0.inputs().is_empty() {
                pending.push((place.clone(), true));
                for input in place.0.inputs().iter().rev() {
                    pending.push(((input.clone(), place.1.clone()), false));
                }
                continue;
            }
            let number = self.compute(&place);
            self.known.insert(key, number);
        }
        // The last instruction is the result, wherever it was first computed.
        let key = {
            let place = self.through_views((root.clone(), AxisMap::identity(root.ndim())));
            (place.0.id(), place.1)
        };
        let number = self.known[&key];
        if number + 1 != self.program.instructions.len() {
            self.emit(Step::Cast(number), root.dtype());
        }
    }

    fn number(&self, array: &Array, map: &[AxisMap]) -> usize {
        let place = self.through_views((array.clone(), map.to_vec()));
        self.known[&(place.0.id(), place.1)]
    }

    fn emit(&mut self, step: Step, dtype: DType) -> usize {
        self.program.instructions.push(Instruction { step, dtype });
        self.program.instructions.len() - 1
    }

    fn read(&mut self, (array, axes): Place) -> usize {
        let dtype = array.dtype();
        self.program.inputs.push(dtype);
        self.leaves.push(Leaf { array, axes });
        self.emit(Step::Input(self.leaves.len() - 1), dtype)
    }

    fn compute(&mut self, (array, map): &Place) -> usize {
        let operand = |i: usize| self.number(&array.inputs()[i], map);
        let step = match array.op() {
            Op::Full(value) => Step::Constant(*value),
            Op::Index(axis) => return self.index(map[*axis]),
            Op::Random(random) => Step::Random(*random, operand(0)),
            Op::Unary(op) => Step::Unary(*op, operand(0)),
            Op::Binary(op) => Step::Binary(*op, operand(0), operand(1)),
            Op::Where => Step::Where(operand(0), operand(1), operand(2)),
            _ => Step::Cast(operand(0)),
        };
        self.emit(step, array.dtype())
    }

    fn index(&mut self, map: AxisMap) -> usize {
        let constant = |value: isize| Step::Constant(Scalar::Int(value as i128));
        let Some(axis) = map.axis.filter(|_| map.step != 0) else {
            return self.emit(constant(map.start), DType::I64);
        };
        let mut number = self.emit(Step::Index(axis), DType::I64);
        if map.step != 1 {
            let step = self.emit(constant(map.step), DType::I64);
            number = self.emit(Step::Binary(BinaryOp::Multiply, number, step), DType::I64);
        }
        if map.start != 0 {
            let start = self.emit(constant(map.start), DType::I64);
            number = self.emit(Step::Binary(BinaryOp::Add, number, start), DType::I64);
        }
        number
    }

    /// What a chain of views shows, with the map through them.
    fn through_views(&self, (mut array, mut map): Place) -> Place {
        loop {
            if (self.is_stored)(&array) {
                return (array, map);
            }
            let next = match array.op() {
                Op::Slice(slices) => map.iter().zip(slices).map(|(map, slice)| map.after(slice)).collect(),
                Op::Permute(axes) => {
                    let mut inner = map.clone();
                    axes.iter().zip(&map).for_each(|(&axis, own)| inner[axis] = *own);
                    inner
                }
                Op::Broadcast if self.may_repeat(&array) => {
                    let input = &array.inputs()[0];
                    let added = array.ndim() - input.ndim();
                    let through = |(axis, &len): (usize, &usize)| match map[added + axis] {
                        _ if len == 1 => AxisMap { axis: None, start: 0, step: 0 },
                        own => own,
                    };
                    input.shape().iter().enumerate().map(through).collect()
                }
                Op::Reshape
                    if differ_in_unit_axes(array.shape(), array.inputs()[0].shape()) && !array.is_empty() =>
                {
                    let mut kept = array.shape().iter().zip(&map).filter(|&(&len, _)| len != 1);
                    let through = |&len: &usize| match if len == 1 { None } else { kept.next() } {
                        Some((_, own)) => *own,
                        None => AxisMap { axis: None, start: 0, step: 0 },
                    };
                    array.inputs()[0].shape().iter().map(through).collect()
                }
                _ => return (array, map),
            };
            map = next;
            array = array.inputs()[0].clone();
        }
    }

    /// Whether what a broadcast repeats may be computed for each element anew: it is read, or cheap.
    fn may_repeat(&self, broadcast: &Array) -> bool {
        let mut pending = vec![broadcast.inputs()[0].clone()];
        if !broadcast.is_empty() && pending[0].len() == broadcast.len() {
            return true;
        }
        let mut total = 0;
        let is_plain = |array: &Array| !is_elementwise(array.op()) || (self.is_stored)(array);
        while let Some(array) = pending.pop() {
            if is_plain(&array) {
                // Views of what is computed count too.
                let is_view =
                    matches!(array.op(), Op::Slice(_) | Op::Permute(_) | Op::Broadcast | Op::Reshape);
                if is_view && !(self.is_stored)(&array) {
                    pending.push(array.inputs()[0].clone());
                }
                continue;
            }
            total += weight(array.op());
            if total > REPEATED_WEIGHT_MAX {
                return false;
            }
            pending.extend(array.inputs().iter().cloned());
        }
        true
    }
}

impl Fused {
    /// The one operand, of a program that only reads.
    pub fn only_leaf(&self) -> Option<&Leaf> {
        match (self.leaves.as_slice(), self.program.instructions.as_slice()) {
            ([leaf], [only]) if only.step == Step::Input(0) => Some(leaf),
            _ => None,
        }
    }
}

//! Array expressions as data: a directed acyclic graph whose size does not depend on how many chunks an array has.
//!
//! [`Array`]s are immutable and cheap to clone. They are made by the functions of [`build`](crate::build), which
//! check shapes and types; here only what holds of every node is said.

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::dtype::{DType, Scalar};
use crate::error::Result;
use crate::kernel::fft::Transform;
use crate::kernel::linalg::Decomposition;
use crate::program::{BinaryOp, Random, ReduceOp, UnaryOp};
use crate::tensor::{Slice, Tensor};

/// A lazy n-dimensional array.
#[derive(Clone)]
pub struct Array(Arc<Node>);

/// What an array is computed from.
pub struct Node {
    id: u64,
    op: Op,
    inputs: Vec<Array>,
    dtype: DType,
    shape: Vec<usize>,
    chunks: Vec<usize>,
    /// The whole value, where it was computed and is small or was asked to be kept.
    value: OnceLock<Tensor>,
}

/// What a node does. Inputs are in the order that a variant names; unless said otherwise they have the node's shape and
/// the types that the operator takes: promotion and broadcasting are nodes of their own.
#[derive(Clone, Debug)]
pub enum Op {
    /// One value everywhere; no inputs.
    Full(Scalar),
    /// The index along an axis, `int64`; no inputs.
    Index(usize),
    /// Values in memory; no inputs.
    Data(Tensor),
    /// Values that are read where they are needed; no inputs.
    Source(Arc<dyn Source>),
    /// A random number for each number of an element (`uint64`).
    Random(Random),
    Unary(UnaryOp),
    Binary(BinaryOp),
    /// Condition, yes, no.
    Where,
    /// To the node's type.
    Cast,
    /// A slice of each axis.
    Slice(Vec<Slice>),
    /// Axis `i` is the input's axis `axes[i]`.
    Permute(Vec<usize>),
    /// To the node's shape, by NumPy's rules.
    Broadcast,
    /// To the node's shape, in row-major order.
    Reshape,
    /// Inputs one after the other along an axis.
    Concat(usize),
    /// Reduced axes stay, with one element.
    Reduce(ReduceOp, Vec<usize>),
    /// `[…, n, k] · […, k, m]`, with the same axes in front; `float16` and `bfloat16` add in `float32`.
    MatMul,
    /// An operator that works on blocks.
    Block(Arc<dyn BlockOperator>),
    /// One of the outputs of a [`Block`](Op::Block) with several.
    Output(usize),
}

/// A rectangular part of an array.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Region {
    /// The first index of each axis.
    pub start: Vec<usize>,
    /// Elements along each axis.
    pub shape: Vec<usize>,
}

impl Region {
    /// All of an array of this shape.
    pub fn whole(shape: &[usize]) -> Region {
        Region { start: vec![0; shape.len()], shape: shape.to_vec() }
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

    /// As slices of each axis.
    pub fn slices(&self) -> Vec<Slice> {
        self.start.iter().zip(&self.shape).map(|(&start, &count)| Slice::range(start, count)).collect()
    }

    /// Whether it is all of an array of this shape.
    pub fn is_whole(&self, shape: &[usize]) -> bool {
        self.shape == shape
    }
}

/// Where values come from that are read by region: a file, a store of chunks. Calls come from many threads.
pub trait Source: Any + Send + Sync + fmt::Debug {
    /// What it is, for `EXPLAIN`: a kind and a name, such as `npy 'x.npy'`.
    fn describe(&self) -> String;
    fn dtype(&self) -> DType;
    fn shape(&self) -> &[usize];
    /// The chunk length of each axis that suits it best.
    fn chunks(&self) -> Vec<usize>;
    /// Reads a region.
    ///
    /// # Errors
    /// `Io`, naming the file, where it cannot be read or is damaged.
    fn read(&self, region: &Region) -> Result<Tensor>;
}

/// An operator that needs whole axes, or neighbours, and so works on blocks: sorts, scans, transforms, linear algebra,
/// gathers, functions of the user's.
///
/// Of its outputs, the first [`cuttable`](BlockOperator::cuttable) axes are shared and may be cut anywhere; blocks are
/// regions of these axes. What comes behind is made whole.
pub trait BlockOperator: fmt::Debug + Send + Sync {
    /// Its name, as `EXPLAIN` shows it.
    fn name(&self) -> String;
    /// Type and shape of each output. A single one is the node's own; of several, [`Op::Output`] picks, and the
    /// node's shape is that of the shared axes.
    fn outputs(&self) -> Vec<(DType, Vec<usize>)>;
    /// How many leading axes may be cut.
    fn cuttable(&self) -> usize;
    /// The lengths of the tiles that it computes, whose axes may all be cut: blocks begin between tiles, and end there or
    /// with the array. `None` where any block will do.
    fn tile(&self) -> Option<&[usize]> {
        None
    }
    /// The region of input `input`, which has shape `shape`, that a block needs.
    fn needs(&self, block: &Region, input: usize, shape: &[usize]) -> Region;
    /// Computes a block of each output; `inputs` are what [`needs`](BlockOperator::needs) asked for.
    ///
    /// # Errors
    /// What the values do not allow: a singular matrix, an index out of range.
    fn compute(&self, block: &Region, inputs: &[Tensor]) -> Result<Vec<Tensor>>;
    /// Whether blocks read the same parts of an input again and again, as a gather does: what is not in memory already is
    /// then computed once, before the first block.
    fn rereads(&self, input: usize) -> bool {
        let _ = input;
        false
    }
    /// Bytes of scratch per byte of input, for choosing block sizes.
    fn scratch_factor(&self) -> usize {
        2
    }
    /// What a device has to do with the same inputs to compute a block; `None` where the CPU alone can.
    fn device_form(&self, block: &Region) -> Option<DeviceForm> {
        let _ = block;
        None
    }
}

/// A block operator as devices know it. Rows lie along the last axis.
#[derive(Clone, Debug, PartialEq)]
pub enum DeviceForm {
    /// Rows in order, or the numbers of their elements in order (`int64`). Stable; NaN is the greatest.
    Sort { descending: bool, numbers: bool },
    /// What each element of a row and those before it give; with `initial`, rows begin with what nothing gives.
    Scan { op: ReduceOp, initial: bool },
    /// `[outer…, indexed…, inner…]`, with as many indexed axes as there are `names` of them for messages, by `int64`
    /// indices of one shape, an input for each indexed axis: `[outer…, indices…, inner…]`.
    Take { outer: usize, names: Vec<usize> },
    /// The elements of each row whose numbers the same row of the second input (`int64`) has.
    TakeRows,
    /// `[outer…, indexed…, inner…]` with what `int64` indices of one shape name, an input for each indexed axis behind
    /// the second, replaced by the second input, `[outer…, indices…, inner…]`; of several values the last stays. `names`
    /// as for `Take`.
    Put { outer: usize, names: Vec<usize> },
    /// The first input, with the elements of each row whose numbers the same row of the third input (`int64`) has
    /// replaced by that row of the second; of several values the last stays.
    PutRows,
    /// For each element of the first input the number of elements of the second, a vector that ascends, that are less
    /// than it, or, with `right`, not greater (`int64`); NaN is the greatest.
    Search { right: bool },
    /// The first input, with the elements that slices of its axes name replaced by the second.
    Paste { slices: Vec<Slice> },
    /// The transform of each row to or from as many points, times `scale`. Rows may have more values than are needed, or
    /// fewer, which zeros follow.
    Fourier { transform: Transform, points: usize, scale: f64 },
    /// Outputs of each matrix of a batch, which is a block of a larger one from `start` on.
    Decompose { decomposition: Decomposition, start: Vec<usize> },
}

impl DeviceForm {
    /// The axes of the first input that are indexed; none where none are.
    pub fn indexed(&self) -> std::ops::Range<usize> {
        match self {
            DeviceForm::Take { outer, names } => *outer..*outer + names.len(),
            _ => 0..0,
        }
    }
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl Array {
    /// A node. Shapes and types are the caller's to check: this is what the functions of `build` end in.
    pub fn new(op: Op, inputs: Vec<Array>, dtype: DType, shape: Vec<usize>) -> Array {
        let chunks = chunks_of(&op, &inputs, dtype, &shape);
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        Array(Arc::new(Node { id, op, inputs, dtype, shape, chunks, value: OnceLock::new() }))
    }

    /// The same array in chunks of these lengths. It costs nothing: nothing is moved until chunks are asked for.
    pub fn with_chunks(&self, chunks: Vec<usize>) -> Array {
        let node = &self.0;
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let value = node.value.clone();
        let (op, inputs) = (node.op.clone(), node.inputs.clone());
        let chunks =
            chunks.iter().zip(&node.shape).map(|(&chunk, &len)| chunk.clamp(1, len.max(1))).collect();
        Array(Arc::new(Node { id, op, inputs, dtype: node.dtype, shape: node.shape.clone(), chunks, value }))
    }

    /// Values in memory.
    pub fn from_tensor(tensor: Tensor) -> Array {
        let (dtype, shape) = (tensor.dtype(), tensor.shape().to_vec());
        Array::new(Op::Data(tensor), vec![], dtype, shape)
    }

    /// Values that are read where they are needed.
    pub fn from_source(source: Arc<dyn Source>) -> Array {
        let (dtype, shape) = (source.dtype(), source.shape().to_vec());
        Array::new(Op::Source(source), vec![], dtype, shape)
    }

    /// The outputs of a block operator.
    pub fn block(operator: Arc<dyn BlockOperator>, inputs: Vec<Array>) -> Vec<Array> {
        let mut outputs = operator.outputs();
        if outputs.len() == 1 {
            let (dtype, shape) = outputs.remove(0);
            return vec![Array::new(Op::Block(operator), inputs, dtype, shape)];
        }
        let shared = outputs[0].1[..operator.cuttable()].to_vec();
        let node = Array::new(Op::Block(operator), inputs, outputs[0].0, shared);
        let output = |(i, (dtype, shape))| Array::new(Op::Output(i), vec![node.clone()], dtype, shape);
        outputs.into_iter().enumerate().map(output).collect()
    }

    /// A number that no other node of this process has.
    pub fn id(&self) -> u64 {
        self.0.id
    }

    pub fn op(&self) -> &Op {
        &self.0.op
    }

    pub fn inputs(&self) -> &[Array] {
        &self.0.inputs
    }

    pub fn dtype(&self) -> DType {
        self.0.dtype
    }

    pub fn shape(&self) -> &[usize] {
        &self.0.shape
    }

    pub fn ndim(&self) -> usize {
        self.0.shape.len()
    }

    /// Elements.
    pub fn len(&self) -> usize {
        self.0.shape.iter().product()
    }

    pub fn is_empty(&self) -> bool {
        self.0.shape.contains(&0)
    }

    /// Bytes of its elements; 128 bits, because a lazy array may have more than any memory.
    pub fn bytes(&self) -> u128 {
        self.0.shape.iter().fold(self.dtype().size() as u128, |bytes, &len| bytes.saturating_mul(len as u128))
    }

    /// Elements of a chunk along each axis; the last of an axis may be shorter.
    pub fn chunks(&self) -> &[usize] {
        &self.0.chunks
    }

    /// Chunks along each axis.
    pub fn chunk_counts(&self) -> Vec<usize> {
        self.shape().iter().zip(self.chunks()).map(|(&len, &chunk)| len.div_ceil(chunk.max(1))).collect()
    }

    /// The whole value, if it is known already.
    pub fn value(&self) -> Option<&Tensor> {
        match &self.0.op {
            Op::Data(tensor) => Some(tensor),
            _ => self.0.value.get(),
        }
    }

    /// Keeps the whole value with the node.
    pub fn set_value(&self, value: Tensor) {
        // Whoever came first computed the same.
        let _ = self.0.value.set(value);
    }
}

impl fmt::Debug for Array {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}: {}{}", self.op(), self.dtype(), crate::error::show_shape(self.shape()))
    }
}

/// Deep graphs are taken apart in a loop: a chain of a million nodes must not overflow the stack.
impl Drop for Node {
    fn drop(&mut self) {
        let mut rest = std::mem::take(&mut self.inputs);
        while let Some(Array(node)) = rest.pop() {
            if let Some(mut node) = Arc::into_inner(node) {
                rest.append(&mut node.inputs);
            }
        }
    }
}

/// Bytes that a chunk should have: enough for a GPU to be busy with, little enough for many to be in flight.
pub const CHUNK_BYTES: usize = 64 << 20;

fn chunks_of(op: &Op, inputs: &[Array], dtype: DType, shape: &[usize]) -> Vec<usize> {
    match (op, inputs) {
        (Op::Source(source), _) => source.chunks(),
        (Op::Permute(axes), [input]) => axes.iter().map(|&axis| input.chunks()[axis]).collect(),
        (Op::Unary(_) | Op::Binary(_) | Op::Where | Op::Cast | Op::Random(_), [first, ..]) => {
            // The finest that an operand has, axis by axis, of those that are not broadcast along it, nor constants
            // that nobody gave chunks.
            let finest = |axis: usize| {
                let own = inputs.iter().filter(|input| !is_broadcast_along(input, axis) && !is_plain(input));
                own.map(|input| input.chunks()[axis]).min().unwrap_or(first.chunks()[axis])
            };
            (0..shape.len()).map(finest).collect()
        }
        (Op::Slice(slices), [input]) => slices
            .iter()
            .zip(input.chunks())
            .map(|(slice, &chunk)| (chunk / slice.step.unsigned_abs().max(1)).clamp(1, slice.count.max(1)))
            .collect(),
        (Op::Broadcast, [input]) => {
            let added = shape.len() - input.ndim();
            let auto = automatic_chunks(dtype, shape);
            let of = |axis: usize| match axis.checked_sub(added) {
                Some(own) if input.shape()[own] == shape[axis] => input.chunks()[own],
                _ => auto[axis],
            };
            (0..shape.len()).map(of).collect()
        }
        (Op::Reduce(_, axes), [input]) => {
            (0..shape.len()).map(|axis| if axes.contains(&axis) { 1 } else { input.chunks()[axis] }).collect()
        }
        _ => automatic_chunks(dtype, shape),
    }
}

/// Whether an array is a constant, or an index, in chunks that nobody asked for.
fn is_plain(array: &Array) -> bool {
    matches!(array.op(), Op::Full(_) | Op::Index(_))
        && array.chunks() == automatic_chunks(array.dtype(), array.shape())
}

/// Whether an axis of an array is one element of another's, repeated.
fn is_broadcast_along(array: &Array, axis: usize) -> bool {
    match (array.op(), array.inputs()) {
        (Op::Broadcast, [input]) => {
            let own = axis.checked_sub(array.ndim() - input.ndim());
            own.is_none_or(|own| input.shape()[own] != array.shape()[axis])
        }
        (Op::Unary(_) | Op::Cast, [input]) => is_broadcast_along(input, axis),
        _ => false,
    }
}

/// Chunks of about [`CHUNK_BYTES`]: the first axes are cut, the last kept whole as long as that goes.
pub fn automatic_chunks(dtype: DType, shape: &[usize]) -> Vec<usize> {
    let mut room = (CHUNK_BYTES / dtype.size()).max(1);
    let mut chunks = vec![1; shape.len()];
    for (chunk, &len) in chunks.iter_mut().zip(shape).rev() {
        *chunk = len.clamp(1, room);
        room = (room / (*chunk).max(1)).max(1);
    }
    chunks
}

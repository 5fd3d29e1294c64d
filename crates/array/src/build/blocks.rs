//! Functions of the user's, called on blocks: an array's own chunks, whole, each once.
//!
//! The runner cuts arrays as it likes, so a function must not be called on what it cuts: the chunks of its result are
//! tiles, which the runner takes whole.

use std::fmt;
use std::sync::Arc;

use crate::build::axis::normalize_axes;
use crate::build::elementwise::filled;
use crate::build::manipulate::{PadMode, broadcast_shapes, pad};
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result, show_shape};
use crate::graph::{Array, BlockOperator, Region};
use crate::run::block::Grid;
use crate::run::region::relative;
use crate::tensor::{Slice, Tensor, TensorMut, copy};

/// A function of blocks. Calls come from many threads.
pub trait BlockFunction: Send + Sync + fmt::Debug {
    /// Its name, as `EXPLAIN` and errors show it.
    fn name(&self) -> String;
    /// The block of the result for one block of each input.
    ///
    /// # Errors
    /// What its values do not allow.
    fn call(&self, blocks: &[Tensor]) -> Result<Tensor>;
}

/// What lies beyond the ends of an axis, for [`map_overlap`]; names and rules are Dask's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Boundary {
    /// Nothing: blocks at the ends are smaller.
    None,
    /// The mirror image, with the outermost element.
    Reflect,
    /// The other end.
    Periodic,
    /// The outermost element.
    Nearest,
    /// One value.
    Constant(Scalar),
}

/// Calls `f` on the chunks of arrays, which broadcast; the first array that has an axis whole says how it is cut.
///
/// # Shape
/// A block of the result has the shape of the inputs' block without the axes `drop`, with an axis of one element at each
/// of the axes `new` of the result; where `chunks` is given, every block has that shape instead. An axis that is dropped
/// comes whole into each block.
/// # Errors
/// `Value` where shapes do not broadcast, and, when it is evaluated, where a block's result has another shape; `Type` where
/// it has another type; `Axis`.
pub fn map_blocks(
    f: Arc<dyn BlockFunction>,
    inputs: &[Array],
    dtype: DType,
    chunks: Option<&[usize]>,
    drop: &[i64],
    new: &[i64],
) -> Result<Array> {
    let shapes: Vec<&[usize]> = inputs.iter().map(Array::shape).collect();
    let ndim = broadcast_shapes(&shapes)?.len();
    let drop = normalize_axes(Some(drop), ndim)?;
    let new = normalize_axes(Some(new), ndim - drop.len() + new.len())?;
    let labelled: Vec<(Array, Vec<usize>)> =
        inputs.iter().map(|x| (x.clone(), (ndim - x.ndim()..ndim).collect())).collect();
    let mut kept = (0..ndim).filter(|axis| !drop.contains(axis));
    let count = ndim - drop.len() + new.len();
    let mut labels = Vec::with_capacity(count);
    let mut new_axes = Vec::new();
    for axis in 0..count {
        if new.contains(&axis) {
            new_axes.push((ndim + axis, 1));
            labels.push(ndim + axis);
        } else {
            labels.extend(kept.next());
        }
    }
    blocks(f, &labels, &labelled, dtype, chunks, &new_axes, None)
}

/// Calls `f` on blocks that the labels of axes bring together: blocks of the result go over the axes that `labels` names,
/// and each gets the inputs' blocks with the same place along the same labels. Axes whose label the result has not come
/// whole.
///
/// # Shape
/// Along a label all inputs have one length, or one element. `new_axes` gives the length of labels that no input has.
/// # Errors
/// As [`map_blocks`]; `Value` where labels do not go with axes, or lengths differ.
pub fn blockwise(
    f: Arc<dyn BlockFunction>,
    labels: &[usize],
    inputs: &[(Array, Vec<usize>)],
    dtype: DType,
    new_axes: &[(usize, usize)],
) -> Result<Array> {
    blocks(f, labels, inputs, dtype, None, new_axes, None)
}

/// Calls `f` on the chunks of an array, each with `depth` elements of its neighbours on either side of each axis, and
/// leaves those out of the result, which has the array's shape.
///
/// # Errors
/// `Value` where there is not a depth and a boundary for each axis, and, when it is evaluated, where a block's result has
/// another shape than the block; `Type` where it has another type.
pub fn map_overlap(
    f: Arc<dyn BlockFunction>,
    x: &Array,
    depth: &[usize],
    boundary: &[Boundary],
    dtype: DType,
) -> Result<Array> {
    if depth.len() != x.ndim() || boundary.len() != x.ndim() {
        return Err(Error::value(format!(
            "{} depths and {} boundaries do not go with the {} axes of shape {}",
            depth.len(),
            boundary.len(),
            x.ndim(),
            show_shape(x.shape())
        )));
    }
    let mut padded = x.clone();
    for (axis, (&depth, boundary)) in depth.iter().zip(boundary).enumerate() {
        let mode = match boundary {
            Boundary::None => continue,
            Boundary::Reflect => PadMode::Symmetric,
            Boundary::Periodic => PadMode::Wrap,
            Boundary::Nearest => PadMode::Edge,
            Boundary::Constant(value) => PadMode::Constant(*value),
        };
        let mut widths = vec![(0, 0); x.ndim()];
        widths[axis] = (depth, depth);
        padded = pad(&padded, &widths, mode)?;
    }
    let overlap = Overlap {
        depth: depth.to_vec(),
        padded: boundary.iter().map(|boundary| *boundary != Boundary::None).collect(),
        array: padded,
    };
    let labels: Vec<usize> = (0..x.ndim()).collect();
    blocks(f, &labels, &[(x.clone(), labels.clone())], dtype, None, &[], Some(overlap))
}

/// How blocks of the one input reach into their neighbours.
struct Overlap {
    depth: Vec<usize>,
    /// Whether the axis was extended, so that there is something beyond its ends.
    padded: Vec<bool>,
    array: Array,
}

/// An axis that blocks go over.
#[derive(Clone, Copy, Debug)]
struct Cut {
    len: usize,
    chunk: usize,
}

impl Cut {
    fn count(self) -> usize {
        self.len.div_ceil(self.chunk.max(1))
    }

    /// The elements of a block, or of several neighbours.
    fn range(self, first: usize, count: usize) -> (usize, usize) {
        let start = first * self.chunk;
        (start, (count * self.chunk).min(self.len - start))
    }
}

fn blocks(
    f: Arc<dyn BlockFunction>,
    labels: &[usize],
    inputs: &[(Array, Vec<usize>)],
    dtype: DType,
    chunks: Option<&[usize]>,
    new_axes: &[(usize, usize)],
    overlap: Option<Overlap>,
) -> Result<Array> {
    let name = f.name();
    for (x, own) in inputs {
        if own.len() != x.ndim() {
            return Err(Error::value(format!(
                "{name}: {} labels do not go with the axes of shape {}",
                own.len(),
                show_shape(x.shape())
            )));
        }
    }
    let cuts: Vec<Cut> =
        labels.iter().map(|&label| cut(&name, label, inputs, new_axes)).collect::<Result<_>>()?;
    let block: Vec<usize> = match chunks {
        Some(chunks) if chunks.len() != labels.len() => {
            return Err(Error::value(format!(
                "{name}: chunks {} do not go with the {} axes of the result",
                show_shape(chunks),
                labels.len()
            )));
        }
        Some(chunks) => chunks.to_vec(),
        None => cuts.iter().map(|cut| cut.chunk).collect(),
    };
    let counts: Vec<usize> = cuts.iter().map(|cut| cut.count()).collect();
    let shape: Vec<usize> = match chunks {
        Some(chunks) => counts.iter().zip(chunks).map(|(count, chunk)| count * chunk).collect(),
        None => cuts.iter().map(|cut| cut.len).collect(),
    };
    crate::tensor::count(&shape)?;
    if shape.contains(&0) {
        return Ok(filled(Scalar::Int(0), dtype, &shape));
    }
    let sources: Vec<Vec<Along>> = inputs
        .iter()
        .map(|(x, own)| {
            own.iter().zip(x.shape()).map(|(label, &len)| along(labels, *label, len, &cuts)).collect()
        })
        .collect();
    let arrays: Vec<Array> = match &overlap {
        Some(overlap) => vec![overlap.array.clone()],
        None => inputs.iter().map(|(x, _)| x.clone()).collect(),
    };
    let operator = MapBlocks {
        function: f,
        dtype,
        shape,
        cuts,
        block: block.clone(),
        sources,
        overlap: overlap.map(|overlap| overlap.depth.into_iter().zip(overlap.padded).collect()),
    };
    Ok(Array::block(Arc::new(operator), arrays).remove(0).with_chunks(block))
}

/// How the axis of a label is cut: as the first input does that has it whole.
fn cut(name: &str, label: usize, inputs: &[(Array, Vec<usize>)], new_axes: &[(usize, usize)]) -> Result<Cut> {
    if let Some(&(_, len)) = new_axes.iter().find(|(new, _)| *new == label) {
        return Ok(Cut { len, chunk: len.max(1) });
    }
    let mut found: Option<Cut> = None;
    for (x, own) in inputs {
        for (axis, _) in own.iter().enumerate().filter(|(_, other)| **other == label) {
            let (len, chunk) = (x.shape()[axis], x.chunks()[axis]);
            match found {
                Some(cut) if cut.len == len || len == 1 => {}
                Some(cut) if cut.len != 1 => {
                    return Err(Error::value(format!(
                        "{name}: axes of one label have lengths {} and {len}",
                        cut.len
                    )));
                }
                _ => found = Some(Cut { len, chunk: chunk.max(1) }),
            }
        }
    }
    found.ok_or_else(|| Error::value(format!("{name}: no input has an axis labelled {label}")))
}

/// What a block takes of an input's axis.
#[derive(Clone, Copy, Debug)]
enum Along {
    /// All of it.
    Whole,
    /// Its part along an axis of the result.
    Axis(usize),
}

fn along(labels: &[usize], label: usize, len: usize, cuts: &[Cut]) -> Along {
    match labels.iter().position(|&other| other == label) {
        Some(axis) if len == cuts[axis].len => Along::Axis(axis),
        _ => Along::Whole,
    }
}

/// A function of blocks.
#[derive(Debug)]
struct MapBlocks {
    function: Arc<dyn BlockFunction>,
    dtype: DType,
    /// The shape of the result.
    shape: Vec<usize>,
    cuts: Vec<Cut>,
    /// The shape of a block of the result; of those at its ends what is left.
    block: Vec<usize>,
    sources: Vec<Vec<Along>>,
    /// For each axis the depth, and whether the input has it beyond its ends.
    overlap: Option<Vec<(usize, bool)>>,
}

impl MapBlocks {
    /// The part of an input that neighbouring blocks need along an axis of the result: first element and count.
    fn part(&self, axis: usize, first: usize, count: usize) -> (usize, usize) {
        let (start, len) = self.cuts[axis].range(first, count);
        match self.overlap.as_ref().map(|overlap| overlap[axis]) {
            None => (start, len),
            // The input begins `depth` elements before the array.
            Some((depth, true)) => (start, len + 2 * depth),
            Some((depth, false)) => {
                let begin = start.saturating_sub(depth);
                (begin, (start + len + depth).min(self.cuts[axis].len) - begin)
            }
        }
    }

    /// The elements in front of a block's own that its neighbours lend it.
    fn lent(&self, axis: usize, number: usize) -> usize {
        match self.overlap.as_ref().map(|overlap| overlap[axis]) {
            None => 0,
            Some((depth, true)) => depth,
            Some((depth, false)) => depth.min(self.cuts[axis].range(number, 1).0),
        }
    }

    /// The part of an input that the blocks of these numbers need.
    fn region(&self, input: usize, numbers: &Region, shape: &[usize]) -> Region {
        let of = |(source, &len): (&Along, &usize)| match *source {
            Along::Whole => (0, len),
            Along::Axis(axis) => self.part(axis, numbers.start[axis], numbers.shape[axis]),
        };
        let (start, shape) = self.sources[input].iter().zip(shape).map(of).unzip();
        Region { start, shape }
    }

    /// The numbers of the blocks that a region of the result, which is made of whole ones, has.
    fn numbers(&self, region: &Region) -> Region {
        let (start, shape) = region
            .start
            .iter()
            .zip(&region.shape)
            .zip(&self.block)
            .map(|((start, len), block)| (start / block, len.div_ceil(*block)))
            .unzip();
        Region { start, shape }
    }

    /// One block of the result: what the function gives, without what the neighbours lent.
    fn one(&self, number: &Region, all: &Region, inputs: &[Tensor]) -> Result<Tensor> {
        let part = |(input, tensor): (usize, &Tensor)| {
            // Regions of the input; the tensor begins where that of all blocks together does.
            let own = self.region(input, number, tensor.shape());
            let all = self.region(input, all, tensor.shape());
            tensor.slice(&relative(&own, &all.start).slices())
        };
        let given = self.call(&number.start, &inputs.iter().enumerate().map(part).collect::<Vec<_>>())?;
        let kept = |axis: usize| {
            let lent = self.lent(axis, number.start[axis]);
            Slice::range(lent, self.own(axis, number.start[axis]))
        };
        Ok(given.slice(&(0..self.cuts.len()).map(kept).collect::<Vec<_>>()))
    }

    /// The length of a block of the result.
    fn own(&self, axis: usize, number: usize) -> usize {
        self.block[axis].min(self.shape[axis] - number * self.block[axis])
    }

    /// Calls the function for one block, and checks what it gives.
    fn call(&self, number: &[usize], blocks: &[Tensor]) -> Result<Tensor> {
        let name = self.function.name();
        let given = self
            .function
            .call(blocks)
            .map_err(|error| error.context(format!("{name} of block {}", show_shape(number))))?;
        let expected: Vec<usize> = (0..self.cuts.len())
            .map(|axis| match &self.overlap {
                Some(_) => self.part(axis, number[axis], 1).1,
                None => self.own(axis, number[axis]),
            })
            .collect();
        if given.shape() != expected {
            return Err(Error::value(format!(
                "{name} gave shape {} for block {}, where {} was expected",
                show_shape(given.shape()),
                show_shape(number),
                show_shape(&expected)
            )));
        }
        if given.dtype() != self.dtype {
            return Err(Error::dtype(format!(
                "{name} gave {} for block {}, where {} was expected",
                given.dtype(),
                show_shape(number),
                self.dtype
            )));
        }
        Ok(given)
    }
}

impl BlockOperator for MapBlocks {
    fn name(&self) -> String {
        format!("map_blocks {}", self.function.name())
    }

    fn outputs(&self) -> Vec<(DType, Vec<usize>)> {
        vec![(self.dtype, self.shape.clone())]
    }

    fn cuttable(&self) -> usize {
        self.shape.len()
    }

    fn tile(&self) -> Option<&[usize]> {
        Some(&self.block)
    }

    fn needs(&self, block: &Region, input: usize, shape: &[usize]) -> Region {
        self.region(input, &self.numbers(block), shape)
    }

    fn compute(&self, block: &Region, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let all = self.numbers(block);
        let numbers = Grid::new(&all, vec![1; all.ndim()]);
        if numbers.len() == 1 {
            return Ok(vec![self.one(&all, &all, inputs)?]);
        }
        let mut result = TensorMut::uninit(self.dtype, &block.shape)?;
        let target = result.target();
        for number in (0..numbers.len()).map(|number| numbers.block(number)) {
            let given = self.one(&number, &all, inputs)?;
            let start = number.start.iter().zip(&self.block).map(|(number, len)| number * len).collect();
            let place = relative(&Region { start, shape: given.shape().to_vec() }, &block.start);
            copy(&given, &mut target.slice(&place.slices()));
        }
        Ok(vec![result.freeze()])
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::build::manipulate::slice;
    use crate::error::ErrorKind;
    use crate::run::Runner;

    struct Called<F>(AtomicUsize, F);

    impl<F> fmt::Debug for Called<F> {
        fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("Called")
        }
    }

    impl<F: Fn(&[Tensor]) -> Result<Tensor> + Send + Sync> BlockFunction for Called<F> {
        fn name(&self) -> String {
            "called".to_string()
        }

        fn call(&self, blocks: &[Tensor]) -> Result<Tensor> {
            self.0.fetch_add(1, Ordering::Relaxed);
            (self.1)(blocks)
        }
    }

    fn called<F: Fn(&[Tensor]) -> Result<Tensor> + Send + Sync>(f: F) -> Arc<Called<F>> {
        Arc::new(Called(AtomicUsize::new(0), f))
    }

    fn counted(shape: &[usize], chunks: &[usize]) -> Array {
        let values = (0..shape.iter().product::<usize>() as i64).collect();
        let tensor = Tensor::from_vec(values, shape).expect("as many values as the shape has");
        Array::from_tensor(tensor).with_chunks(chunks.to_vec())
    }

    /// Each element of a block and the number of elements of the block.
    fn tagged(blocks: &[Tensor]) -> Result<Tensor> {
        let count = blocks[0].len() as i64;
        let values = blocks[0].to_vec::<i64>()?.into_iter().map(|x| x * 1000 + count).collect();
        Tensor::from_vec(values, blocks[0].shape())
    }

    #[test]
    fn calls_once_for_each_chunk() -> Result<()> {
        let x = counted(&[500, 400], &[120, 300]);
        let f = called(tagged);
        let y = map_blocks(f.clone(), std::slice::from_ref(&x), DType::I64, None, &[], &[])?;
        assert_eq!((y.shape(), y.chunks()), ([500, 400].as_slice(), [120, 300].as_slice()));
        let values = Runner::new().compute(&y)?;
        assert_eq!(f.0.load(Ordering::Relaxed), 10);
        for (i, j) in [(0, 0), (119, 299), (120, 300), (499, 399), (480, 0)] {
            let count = if i >= 480 { 20 } else { 120 } * if j >= 300 { 100 } else { 300 };
            assert_eq!(values.get::<i64>(&[i, j]), ((i * 400 + j) * 1000 + count) as i64);
        }
        Ok(())
    }

    #[test]
    fn parts_call_for_the_chunks_that_they_touch() -> Result<()> {
        let f = called(|blocks: &[Tensor]| Ok(blocks[0].clone()));
        let x = counted(&[10, 11], &[4, 3]);
        let y = map_blocks(f.clone(), std::slice::from_ref(&x), DType::I64, None, &[], &[])?;
        let part = |from: &Array| {
            slice(from, vec![Slice { start: 9, count: 3, step: -2 }, Slice { start: 7, count: 2, step: 3 }])
        };
        let found = Runner::new().compute(&part(&y))?.to_vec::<i64>()?;
        assert_eq!(found, Runner::new().compute(&part(&x))?.to_vec::<i64>()?);
        // Rows 5 to 9 are of two chunks, columns 7 and 10 of two.
        assert_eq!(f.0.load(Ordering::Relaxed), 4);
        Ok(())
    }

    #[test]
    fn broadcasts_drops_and_adds_axes() -> Result<()> {
        let x = counted(&[4, 6], &[3, 2]);
        let row = counted(&[6], &[6]);
        let sum = called(|blocks: &[Tensor]| {
            let (x, row) = (&blocks[0], &blocks[1]);
            let (n, m) = (x.shape()[0], x.shape()[1]);
            let at = |i: usize| x.get::<i64>(&[i / m, i % m]) + row.get::<i64>(&[i % m]);
            Tensor::from_vec((0..n * m).map(at).collect(), &[n, m])
        });
        let y = map_blocks(sum, &[x.clone(), row], DType::I64, None, &[], &[])?;
        let expected: Vec<i64> = (0..24).map(|i| i + i % 6).collect();
        assert_eq!(Runner::new().compute(&y)?.to_vec::<i64>()?, expected);
        let totals = called(|blocks: &[Tensor]| {
            let rows = blocks[0].shape()[0];
            let sums = (0..rows).map(|i| (0..6).map(|j| blocks[0].get::<i64>(&[i, j])).sum::<i64>());
            Tensor::from_vec(sums.collect(), &[1, rows])
        });
        let y = map_blocks(totals, std::slice::from_ref(&x), DType::I64, None, &[1], &[0])?;
        assert_eq!(y.shape(), [1, 4]);
        assert_eq!(Runner::new().compute(&y)?.to_vec::<i64>()?, [15, 51, 87, 123]);
        let firsts =
            called(|blocks: &[Tensor]| Tensor::from_vec(vec![blocks[0].get::<i64>(&[0, 0])], &[1, 1]));
        let y = map_blocks(firsts, std::slice::from_ref(&x), DType::I64, Some(&[1, 1]), &[], &[])?;
        assert_eq!(Runner::new().compute(&y)?.to_vec::<i64>()?, [0, 2, 4, 18, 20, 22]);
        Ok(())
    }

    /// A sum over neighbours at a distance of up to 2, for every boundary.
    #[test]
    fn overlaps_are_those_of_a_padded_array() -> Result<()> {
        let x = counted(&[11], &[4]);
        let sums = || {
            called(|blocks: &[Tensor]| {
                let values = blocks[0].to_vec::<i64>()?;
                let near =
                    |i: usize| (i.saturating_sub(2)..(i + 3).min(values.len())).map(|j| values[j]).sum();
                Tensor::from_vec((0..values.len()).map(near).collect::<Vec<i64>>(), blocks[0].shape())
            })
        };
        let beyond = |boundary: Boundary, i: i64| match boundary {
            _ if (0..11).contains(&i) => i,
            Boundary::None => 0,
            Boundary::Reflect => {
                if i < 0 {
                    -1 - i
                } else {
                    21 - i
                }
            }
            Boundary::Periodic => i.rem_euclid(11),
            Boundary::Nearest => i.clamp(0, 10),
            Boundary::Constant(value) => value.as_int() as i64,
        };
        for boundary in [
            Boundary::None,
            Boundary::Reflect,
            Boundary::Periodic,
            Boundary::Nearest,
            Boundary::Constant(Scalar::Int(50)),
        ] {
            let y = map_overlap(sums(), &x, &[2], &[boundary], DType::I64)?;
            let expected: Vec<i64> =
                (0..11).map(|i: i64| (i - 2..i + 3).map(|j| beyond(boundary, j)).sum()).collect();
            assert_eq!(Runner::new().compute(&y)?.to_vec::<i64>()?, expected, "{boundary:?}");
        }
        Ok(())
    }

    #[test]
    fn labels_bring_blocks_together() -> Result<()> {
        let (a, b) = (counted(&[4, 3], &[3, 2]), counted(&[3, 5], &[3, 2]));
        let product = called(|blocks: &[Tensor]| {
            let (a, b) = (&blocks[0], &blocks[1]);
            let (n, k, m) = (a.shape()[0], a.shape()[1], b.shape()[1]);
            assert_eq!(k, 3);
            let at = |i: usize| (0..k).map(|j| a.get::<i64>(&[i / m, j]) * b.get::<i64>(&[j, i % m])).sum();
            Tensor::from_vec((0..n * m).map(at).collect::<Vec<i64>>(), &[n, m])
        });
        let y = blockwise(product, &[0, 2], &[(a, vec![0, 1]), (b, vec![1, 2])], DType::I64, &[])?;
        let at = |i: i64, j: i64| (0..3).map(|k| (i * 3 + k) * (k * 5 + j)).sum::<i64>();
        let expected: Vec<i64> = (0..20).map(|i| at(i / 5, i % 5)).collect();
        assert_eq!(Runner::new().compute(&y)?.to_vec::<i64>()?, expected);
        Ok(())
    }

    #[test]
    fn says_what_a_function_gave() -> Result<()> {
        let x = counted(&[4], &[3]);
        let wrong = called(|_: &[Tensor]| Tensor::from_vec(vec![1i64], &[1]));
        let y = map_blocks(wrong.clone(), std::slice::from_ref(&x), DType::I64, None, &[], &[])?;
        let error = Runner::new().compute(&y).expect_err("another shape");
        assert_eq!(error.to_string(), "called gave shape (1,) for block (0,), where (3,) was expected");
        let y = map_blocks(wrong.clone(), std::slice::from_ref(&x), DType::F32, Some(&[1]), &[], &[])?;
        assert_eq!(Runner::new().compute(&y).expect_err("another type").kind(), ErrorKind::Type);
        let empty = map_blocks(wrong, &[counted(&[0, 3], &[1, 3])], DType::I64, None, &[], &[])?;
        assert_eq!(Runner::new().compute(&empty)?.shape(), [0, 3]);
        Ok(())
    }
}

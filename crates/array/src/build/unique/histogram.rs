//! How many elements fall where. Parts of an array are counted apart and added in order: what comes out does not depend
//! on chunks or threads, and the array never lies whole in memory.

use std::sync::Arc;

use crate::build::elementwise::{binary, cast};
use crate::build::index::as_i64;
use crate::build::manipulate::{flip, ravel, reshape_to};
use crate::build::reduce;
use crate::build::scan::diff;
use crate::build::sort::searchsorted;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result, show_shape};
use crate::graph::{Array, BlockOperator, Region};
use crate::program::BinaryOp;
use crate::run::Runner;
use crate::tensor::{Tensor, TensorMut};

/// Elements of a part at least.
const PART_MIN: usize = 1 << 18;

/// Parts at most: each has counts of its own.
const PARTS_MAX: usize = 256;

/// Counts that all parts together have at most, unless there is one part.
const COUNTS_MAX: usize = 1 << 23;

/// The bins of one axis of a histogram.
#[derive(Clone, Debug)]
pub enum Bins {
    /// So many of one width.
    Count(usize),
    /// Between these edges, which ascend: a vector.
    Edges(Array),
}

/// Counts the elements in bins, each of which has its lower edge, and the last one its upper edge too; what lies outside
/// is left out, and so is NaN. Gives counts and edges. Without a range, bins go from the least to the greatest element,
/// which are computed at once.
///
/// # Shape      x […], weights the same → counts [bins] (`int64`; `float64` with weights or as a density), edges [bins + 1].
/// # Errors
/// `Value` for no bins, edges that do not ascend, a range that is not finite or not ascending, weights of another shape;
/// `Type` for complex numbers.
pub fn histogram(
    x: &Array,
    bins: &Bins,
    range: Option<(f64, f64)>,
    weights: Option<&Array>,
    density: bool,
    runner: &Runner,
) -> Result<(Array, Array)> {
    if let Some(weights) = weights
        && weights.shape() != x.shape()
    {
        return Err(Error::value(format!(
            "weights of shape {} do not go with shape {}",
            show_shape(weights.shape()),
            show_shape(x.shape())
        )));
    }
    let weights = weights.map(ravel);
    let (counts, mut edges) =
        histogramdd(&[ravel(x)], std::slice::from_ref(bins), &[range], weights.as_ref(), density, runner)?;
    Ok((counts, edges.remove(0)))
}

/// Counts points, whose coordinates are vectors, in boxes, by the rules of [`histogram`].
///
/// # Shape      coordinates [n] each → counts [bins of the first, …].
/// # Errors
/// As [`histogram`]; `Value` where there are not bins for each coordinate.
pub fn histogramdd(
    coordinates: &[Array],
    bins: &[Bins],
    ranges: &[Option<(f64, f64)>],
    weights: Option<&Array>,
    density: bool,
    runner: &Runner,
) -> Result<(Array, Vec<Array>)> {
    let Some(first) = coordinates.first() else {
        return Err(Error::value("a histogram needs at least one coordinate"));
    };
    if bins.len() != coordinates.len() || ranges.len() != coordinates.len() {
        return Err(Error::value(format!(
            "{} bins and {} ranges do not go with {} coordinates",
            bins.len(),
            ranges.len(),
            coordinates.len()
        )));
    }
    if let Some(other) = coordinates.iter().chain(weights).find(|other| other.shape() != first.shape()) {
        return Err(Error::value(format!(
            "coordinates and weights are vectors of one length, not {} and {}",
            show_shape(first.shape()),
            show_shape(other.shape())
        )));
    }
    let sides = coordinates.iter().zip(bins).zip(ranges);
    let sides: Vec<Side> =
        sides.map(|((x, bins), range)| Side::of(x, bins, *range, runner)).collect::<Result<_>>()?;
    let shape: Vec<usize> = sides.iter().map(|side| side.edges.len() - 1).collect();
    let edges: Vec<Array> = coordinates
        .iter()
        .zip(&sides)
        .map(|(x, side)| {
            let edges = Tensor::from_vec(side.edges.clone(), &[side.edges.len()])?;
            let dtype = if x.dtype().is_float() { x.dtype() } else { DType::F64 };
            Ok(cast(&Array::from_tensor(edges), dtype))
        })
        .collect::<Result<_>>()?;
    let inputs = coordinates.iter().map(|x| ravel(&cast(x, DType::F64))).collect();
    let counts = counted(Place::Bins(sides), shape.iter().product(), inputs, weights)?;
    let mut counts = reshape_to(&counts, &shape);
    if density {
        let total = reduce::sum(&counts, None, Some(DType::F64), false)?;
        counts = binary(BinaryOp::Divide, &cast(&counts, DType::F64), &total)?;
        for (axis, edges) in edges.iter().enumerate() {
            let mut along = vec![1; shape.len()];
            along[axis] = shape[axis];
            let widths = reshape_to(&diff(&cast(edges, DType::F64), 0, 1, None, None)?, &along);
            counts = binary(BinaryOp::Divide, &counts, &widths)?;
        }
    }
    Ok((counts, edges))
}

/// How often each of the integers from 0 on occurs in a vector, or the sums of the weights beside them; the greatest is
/// computed at once.
///
/// # Shape      x [n], weights [n] → [max(greatest + 1, minlength)], `int64`, with weights `float64`.
/// # Errors
/// `Type` where x is not of integers; `Value` where it is not a vector or has negative elements, or weights do not fit.
pub fn bincount(x: &Array, weights: Option<&Array>, minlength: usize, runner: &Runner) -> Result<Array> {
    if !x.dtype().is_integer() && !x.dtype().is_bool() {
        return Err(Error::dtype(format!("bincount counts integers, not {}", x.dtype())));
    }
    if x.ndim() != 1 {
        return Err(Error::value(format!("bincount takes a vector, not shape {}", show_shape(x.shape()))));
    }
    if let Some(weights) = weights
        && weights.shape() != x.shape()
    {
        return Err(Error::value(format!(
            "weights of shape {} do not go with shape {}",
            show_shape(weights.shape()),
            show_shape(x.shape())
        )));
    }
    let x = as_i64(x);
    let mut length = minlength;
    if !x.is_empty() {
        let bounds = runner.compute_all(&[reduce::min(&x, None, false)?, reduce::max(&x, None, false)?])?;
        let bound = |i: usize| bounds[i].item().map_or(0, Scalar::as_int);
        if bound(0) < 0 {
            return Err(Error::value(format!("bincount takes no negative elements, such as {}", bound(0))));
        }
        length = length.max(bound(1) as usize + 1);
    }
    counted(Place::Number, length, vec![x], weights)
}

/// The number of the bin of each element, for `bins` that ascend or descend: 0 before the first. Bins have their lower
/// edge, or with `right` their upper one. The bins are computed at once.
///
/// # Errors
/// `Value` where the bins are not a vector, or neither ascend nor descend.
pub fn digitize(x: &Array, bins: &Array, right: bool, runner: &Runner) -> Result<Array> {
    if bins.ndim() != 1 {
        return Err(Error::value(format!("bins are a vector, not of shape {}", show_shape(bins.shape()))));
    }
    let values = runner.compute(&cast(bins, DType::F64))?.to_vec::<f64>()?;
    if values.is_sorted() {
        return searchsorted(bins, x, !right, None);
    }
    if !values.is_sorted_by(|a, b| a >= b) {
        return Err(Error::value("bins must be monotonically increasing or decreasing"));
    }
    let place = searchsorted(&flip(bins, None)?, x, !right, None)?;
    let count = crate::build::elementwise::filled(Scalar::Int(bins.len() as i128), DType::I64, &[]);
    binary(BinaryOp::Subtract, &count, &place)
}

/// The bins along one coordinate.
#[derive(Clone, Debug)]
struct Side {
    edges: Vec<f64>,
    /// Bins for each unit, where all have one width.
    scale: Option<f64>,
}

impl Side {
    fn of(x: &Array, bins: &Bins, range: Option<(f64, f64)>, runner: &Runner) -> Result<Side> {
        if x.dtype().is_complex() {
            return Err(Error::dtype(format!("{} has no bins: complex numbers are not ordered", x.dtype())));
        }
        let count = match bins {
            Bins::Count(0) => return Err(Error::value("a histogram needs at least one bin")),
            Bins::Count(count) => *count,
            Bins::Edges(edges) => {
                if edges.ndim() != 1 || edges.is_empty() {
                    let shape = show_shape(edges.shape());
                    return Err(Error::value(format!("edges of bins are a vector, not of shape {shape}")));
                }
                let edges = runner.compute(&cast(edges, DType::F64))?.to_vec::<f64>()?;
                if !edges.is_sorted() {
                    return Err(Error::value("edges of bins must ascend"));
                }
                return Ok(Side { edges, scale: None });
            }
        };
        let (first, last) = match range {
            Some((first, last)) if first > last => {
                return Err(Error::value(format!(
                    "the range of a histogram must ascend, not go from {first} to {last}"
                )));
            }
            Some(range) => range,
            None if x.is_empty() => (0.0, 1.0),
            None => {
                let real = cast(x, DType::F64);
                let bounds = runner
                    .compute_all(&[reduce::min(&real, None, false)?, reduce::max(&real, None, false)?])?;
                let bound = |i: usize| bounds[i].item().map_or(0.0, Scalar::as_float);
                (bound(0), bound(1))
            }
        };
        if !first.is_finite() || !last.is_finite() {
            return Err(Error::value(format!("the range [{first}, {last}] of a histogram is not finite")));
        }
        let (first, last) = if first == last { (first - 0.5, last + 0.5) } else { (first, last) };
        let step = (last - first) / count as f64;
        let mut edges: Vec<f64> = (0..=count).map(|i| first + i as f64 * step).collect();
        edges[count] = last;
        if x.dtype().is_float() {
            let rounded = |edge: f64| Scalar::Float(edge).cast(x.dtype()).as_float();
            edges.iter_mut().for_each(|edge| *edge = rounded(*edge));
        }
        Ok(Side { edges, scale: Some(count as f64 / (last - first)) })
    }

    /// The bin of a value, if it has one.
    #[inline]
    fn bin(&self, value: f64) -> Option<usize> {
        let edges = self.edges.as_slice();
        let last = edges.len() - 1;
        // So that NaN has none.
        if !(value >= edges[0] && value <= edges[last]) || last == 0 {
            return None;
        }
        let Some(scale) = self.scale else {
            return Some(edges.partition_point(|&edge| edge <= value).clamp(1, last) - 1);
        };
        // The edges decide, as they are rounded; the guess is at most one off.
        let mut bin = (((value - edges[0]) * scale) as usize).min(last - 1);
        if value < edges[bin] {
            bin -= 1;
        } else if bin + 1 < last && value >= edges[bin + 1] {
            bin += 1;
        }
        Some(bin)
    }
}

/// Where an element counts.
#[derive(Clone, Debug)]
enum Place {
    /// At the number that it is.
    Number,
    /// In the bins of its coordinates.
    Bins(Vec<Side>),
}

/// Counts of vectors of one length at `length` places, or sums of their weights.
fn counted(place: Place, length: usize, mut inputs: Vec<Array>, weights: Option<&Array>) -> Result<Array> {
    crate::tensor::count(&[length])?;
    let n = inputs[0].len();
    let dtype = if weights.is_some() { DType::F64 } else { DType::I64 };
    inputs.extend(weights.map(|weights| ravel(&cast(weights, DType::F64))));
    let parts = (COUNTS_MAX / length.max(1)).clamp(1, PARTS_MAX).min(n.div_ceil(PART_MIN)).max(1);
    let operator = Count { place, length, dtype, n, parts };
    let counts = Array::block(Arc::new(operator), inputs).remove(0);
    reduce::sum(&counts, Some(&[0]), Some(dtype), false)
}

/// Counts in parts: `[parts, length]`.
#[derive(Debug)]
struct Count {
    place: Place,
    length: usize,
    dtype: DType,
    n: usize,
    parts: usize,
}

impl Count {
    /// The first element of a part.
    fn start(&self, part: usize) -> usize {
        (self.n as u128 * part as u128 / self.parts as u128) as usize
    }

    fn count<T: Copy + std::ops::AddAssign>(
        &self,
        counts: &mut [T],
        values: &[Tensor],
        numbers: std::ops::Range<usize>,
        amount: impl Fn(usize) -> T,
    ) {
        match &self.place {
            Place::Number => {
                let values = values[0].as_slice::<i64>().unwrap_or_default();
                numbers.for_each(|i| counts[values[i] as usize] += amount(i));
            }
            Place::Bins(sides) => {
                let values: Vec<&[f64]> = values[..sides.len()].iter().filter_map(Tensor::as_slice).collect();
                if let ([side], [values]) = (sides.as_slice(), values.as_slice()) {
                    for i in numbers {
                        if let Some(bin) = side.bin(values[i]) {
                            counts[bin] += amount(i);
                        }
                    }
                    return;
                }
                for i in numbers {
                    let place = sides.iter().zip(&values).try_fold(0, |place, (side, values)| {
                        Some(place * (side.edges.len() - 1) + side.bin(values[i])?)
                    });
                    if let Some(place) = place {
                        counts[place] += amount(i);
                    }
                }
            }
        }
    }
}

impl BlockOperator for Count {
    fn name(&self) -> String {
        match self.place {
            Place::Number => "bincount".to_string(),
            Place::Bins(_) => "histogram".to_string(),
        }
    }

    fn outputs(&self) -> Vec<(DType, Vec<usize>)> {
        vec![(self.dtype, vec![self.parts, self.length])]
    }

    fn cuttable(&self) -> usize {
        1
    }

    fn needs(&self, block: &Region, _: usize, _: &[usize]) -> Region {
        let (start, end) = (self.start(block.start[0]), self.start(block.start[0] + block.shape[0]));
        Region { start: vec![start], shape: vec![end - start] }
    }

    fn compute(&self, block: &Region, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let mut result = TensorMut::zeroed(self.dtype, &[block.shape[0], self.length])?;
        let inputs: Vec<Tensor> = inputs.iter().map(Tensor::contiguous).collect::<Result<_>>()?;
        let first = self.start(block.start[0]);
        for part in 0..block.shape[0] {
            let number = block.start[0] + part;
            let numbers = self.start(number) - first..self.start(number + 1) - first;
            let own = part * self.length..(part + 1) * self.length;
            if self.dtype == DType::I64 {
                self.count(&mut result.as_mut_slice::<i64>()[own], &inputs, numbers, |_| 1);
            } else {
                let weights = inputs.last().and_then(|weights| weights.as_slice::<f64>()).unwrap_or_default();
                self.count(&mut result.as_mut_slice::<f64>()[own], &inputs, numbers, |i| weights[i]);
            }
        }
        Ok(vec![result.freeze()])
    }

    fn scratch_factor(&self) -> usize {
        1
    }
}

//! Many files as one array: the files that a pattern matches, or a list of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::build::axis::normalize_axis;
use crate::dtype::DType;
use crate::error::{Error, Result, show_shape};
use crate::graph::{Region, Source};
use crate::storage::Combine;
use crate::storage::flat::check_region;
use crate::tensor::{Slice, Tensor, TensorMut, copy};

/// With more files than this, none is held open between reads.
pub(super) const OPEN_FILES_MAX: usize = 64;

/// Whether a path is a pattern; a file that is there is never one.
pub(super) fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '[']) && !Path::new(path).exists()
}

/// The files that a pattern matches, in alphabetical order. `*`, `?` and `[…]` match within a name, `**` matches folders.
pub(super) fn matches(pattern: &str) -> Result<Vec<PathBuf>> {
    let paths = glob::glob(pattern)
        .map_err(|error| Error::value(format!("the pattern '{pattern}' is not one: {error}")))?;
    let mut all = vec![];
    for path in paths {
        all.push(path.map_err(|error| {
            Error::io(format!("cannot read '{}': {}", error.path().display(), error.error()))
        })?);
    }
    if all.is_empty() {
        return Err(Error::io(format!("no file matches '{pattern}'")));
    }
    all.sort();
    Ok(all)
}

/// Arrays of several files, one after the other along an axis.
#[derive(Debug)]
pub(super) struct Files {
    /// What the user called them.
    name: String,
    parts: Vec<Arc<dyn Source>>,
    axis: usize,
    /// Whether each part is one index of an axis of its own.
    stacked: bool,
    /// Where each part begins along the axis.
    starts: Vec<usize>,
    shape: Vec<usize>,
}

impl Files {
    /// # Errors
    /// `Value` and `Type` where shapes and types differ, naming the first file that does not fit the first one;
    /// `Axis` where the arrays have no such axis.
    pub(super) fn new(
        name: String,
        paths: &[PathBuf],
        parts: Vec<Arc<dyn Source>>,
        combine: Combine,
    ) -> Result<Files> {
        let (Some(first), Some(first_path)) = (parts.first(), paths.first()) else {
            return Err(Error::value("there are no files"));
        };
        let (axis, stacked) = match combine {
            Combine::Concat(axis) => (normalize_axis(axis, first.shape().len())?, false),
            Combine::Stack(axis) => (normalize_axis(axis, first.shape().len() + 1)?, true),
        };
        let (mut starts, mut end) = (vec![], 0usize);
        for (part, path) in parts.iter().zip(paths) {
            let differs = |what: String, first: String| {
                format!("'{}' has {what}, but '{}' has {first}", path.display(), first_path.display())
            };
            if part.dtype() != first.dtype() {
                return Err(Error::dtype(differs(part.dtype().to_string(), first.dtype().to_string())));
            }
            let fits = part.shape().len() == first.shape().len()
                && (0..part.shape().len())
                    .all(|i| part.shape()[i] == first.shape()[i] || (!stacked && i == axis));
            if !fits {
                let shape = |source: &Arc<dyn Source>| format!("shape {}", show_shape(source.shape()));
                let how = if stacked { String::new() } else { format!("; only axis {axis} may differ") };
                return Err(Error::value(differs(shape(part), shape(first)) + &how));
            }
            starts.push(end);
            let len = if stacked { 1 } else { part.shape()[axis] };
            end = end.checked_add(len).ok_or_else(|| Error::value("the files together are too large"))?;
        }
        let mut shape = first.shape().to_vec();
        match stacked {
            true => shape.insert(axis, end),
            false => shape[axis] = end,
        }
        crate::tensor::count(&shape)?;
        Ok(Files { name, axis, stacked, starts, shape, parts })
    }
}

impl Source for Files {
    fn describe(&self) -> String {
        format!("{} files '{}'", self.parts.len(), self.name)
    }

    fn dtype(&self) -> DType {
        self.parts[0].dtype()
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn chunks(&self) -> Vec<usize> {
        let mut chunks = self.parts[0].chunks();
        if self.stacked {
            chunks.insert(self.axis, 1);
        }
        chunks
    }

    fn read(&self, region: &Region) -> Result<Tensor> {
        check_region(region, &self.shape)?;
        let mut values = TensorMut::uninit(self.dtype(), &region.shape)?;
        if region.is_empty() {
            return Ok(values.freeze());
        }
        let axis = self.axis;
        let (begin, end) = (region.start[axis], region.start[axis] + region.shape[axis]);
        let first = self.starts.partition_point(|&start| start <= begin) - 1;
        let target = values.target();
        for (part, &start) in self.parts.iter().zip(&self.starts).skip(first) {
            if start >= end {
                break;
            }
            let len = if self.stacked { 1 } else { part.shape()[axis] };
            let (from, to) = (begin.max(start), end.min(start + len));
            if from >= to {
                continue;
            }
            let mut wanted = region.clone();
            if self.stacked {
                wanted.start.remove(axis);
                wanted.shape.remove(axis);
            } else {
                wanted.start[axis] = from - start;
                wanted.shape[axis] = to - from;
            }
            let read = part.read(&wanted)?;
            if !self.stacked && to - from == region.shape[axis] {
                // All of it lies in one file.
                return Ok(read);
            }
            let mut slices = Region::whole(&region.shape).slices();
            slices[axis] = Slice::range(from - begin, to - from);
            let mut place = target.slice(&slices);
            let read = if self.stacked { with_axis(&read, axis)? } else { read };
            copy(&read, &mut place);
        }
        Ok(values.freeze())
    }
}

/// The same values with an axis of one element at `axis`.
fn with_axis(values: &Tensor, axis: usize) -> Result<Tensor> {
    let mut shape = values.shape().to_vec();
    shape.insert(axis, 1);
    values.reshape(&shape)
}

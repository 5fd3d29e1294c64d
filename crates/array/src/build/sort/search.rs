//! Places in what is sorted.

use std::cmp::Ordering;
use std::sync::Arc;

use num_complex::Complex;

use crate::build::elementwise::cast;
use crate::build::index::take;
use crate::dtype::DType;
use crate::error::{Error, Result, show_shape};
use crate::graph::{Array, BlockOperator, DeviceForm, Region};
use crate::kernel::sort::{Ordered, compare_complex, dispatch_ordered};
use crate::tensor::{Tensor, TensorMut};

/// For each value the number of elements of `sorted`, a vector in ascending order, that are less than it, or, with
/// `side_right`, not greater: where it would be put in. `sorter` holds numbers that sort a vector that is not in order.
///
/// # Shape      sorted [n], values […] → int64 […]; NaN is the greatest value.
/// # Errors
/// `Value` where `sorted` is not a vector; `Type` where a sorter is not of integers.
pub fn searchsorted(
    sorted: &Array,
    values: &Array,
    side_right: bool,
    sorter: Option<&Array>,
) -> Result<Array> {
    if sorted.ndim() != 1 {
        let shape = show_shape(sorted.shape());
        return Err(Error::value(format!("searchsorted looks values up in a vector, not in shape {shape}")));
    }
    let sorted = match sorter {
        Some(sorter) if sorter.shape() != sorted.shape() => {
            return Err(Error::value(format!(
                "a sorter of shape {} does not go with shape {}",
                show_shape(sorter.shape()),
                show_shape(sorted.shape())
            )));
        }
        Some(sorter) => take(sorted, sorter, Some(0))?,
        None => sorted.clone(),
    };
    let dtype = sorted.dtype().promote(values.dtype());
    let operator = Search { shape: values.shape().to_vec(), side_right };
    let inputs = vec![cast(values, dtype), cast(&sorted, dtype)];
    Ok(Array::block(Arc::new(operator), inputs).remove(0))
}

#[derive(Debug)]
struct Search {
    shape: Vec<usize>,
    side_right: bool,
}

impl BlockOperator for Search {
    fn name(&self) -> String {
        "searchsorted".to_string()
    }

    fn outputs(&self) -> Vec<(DType, Vec<usize>)> {
        vec![(DType::I64, self.shape.clone())]
    }

    fn cuttable(&self) -> usize {
        self.shape.len()
    }

    fn rereads(&self, input: usize) -> bool {
        input == 1
    }

    fn needs(&self, block: &Region, input: usize, shape: &[usize]) -> Region {
        if input == 0 { block.clone() } else { Region::whole(shape) }
    }

    fn compute(&self, block: &Region, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let (values, sorted) = (inputs[0].contiguous()?, inputs[1].contiguous()?);
        let mut result = TensorMut::uninit(DType::I64, &block.shape)?;
        let places = result.as_mut_slice::<i64>();
        dispatch_ordered!(values.dtype(), T => {
            let sorted = sorted.as_slice::<T>().unwrap_or_default();
            for (place, value) in places.iter_mut().zip(values.as_slice::<T>().unwrap_or_default()) {
                let key = value.canonical().key();
                *place = match self.side_right {
                    true => sorted.partition_point(|other| other.canonical().key() <= key),
                    false => sorted.partition_point(|other| other.canonical().key() < key),
                } as i64;
            }
        }, complex R => {
            let sorted = sorted.as_slice::<Complex<R>>().unwrap_or_default();
            for (place, value) in places.iter_mut().zip(values.as_slice::<Complex<R>>().unwrap_or_default()) {
                *place = sorted.partition_point(|other| match compare_complex(*other, *value) {
                    Ordering::Less => true,
                    Ordering::Equal => self.side_right,
                    Ordering::Greater => false,
                }) as i64;
            }
        });
        Ok(vec![result.freeze()])
    }

    fn device_form(&self, _: &Region) -> Option<DeviceForm> {
        Some(DeviceForm::Search { right: self.side_right })
    }
}

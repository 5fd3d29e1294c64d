//! Exact sums and averages of all rows, of the distinct ones, and of frames that slide.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::compute::filter;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::Accumulator;

use super::Function;
use super::groups::{StateColumns, state_columns, values_of};
use super::sums::ExactSums;

/// One exact sum, which values can leave again.
#[derive(Debug)]
pub(super) struct ExactAccumulator {
    function: Function,
    /// Of the finite values; infinities and NaN are counted, because they cannot be taken away from a sum.
    sums: ExactSums,
    count: u64,
    nans: u64,
    positive_infinities: u64,
    negative_infinities: u64,
    /// States that were merged, which may hold infinities and NaN of their own; nothing leaves those.
    merged: ExactSums,
}

impl ExactAccumulator {
    pub fn new(function: Function) -> Self {
        let mut sums = ExactSums::default();
        sums.resize(1);
        let merged = sums.clone();
        let (nans, positive_infinities, negative_infinities) = (0, 0, 0);
        ExactAccumulator { function, sums, count: 0, nans, positive_infinities, negative_infinities, merged }
    }

    fn special(&mut self, value: f64) -> &mut u64 {
        match value {
            f64::INFINITY => &mut self.positive_infinities,
            f64::NEG_INFINITY => &mut self.negative_infinities,
            _ => &mut self.nans,
        }
    }

    /// The sum of everything, with what was no number.
    fn total(&self) -> Result<ExactSums> {
        let mut total = self.merged.clone();
        let mut state = vec![];
        self.sums.state(0, &mut state);
        if !total.merge(0, &state) {
            return Err(DataFusionError::Internal("a state of an exact sum that is none".into()));
        }
        for (count, value) in [
            (self.nans, f64::NAN),
            (self.positive_infinities, f64::INFINITY),
            (self.negative_infinities, f64::NEG_INFINITY),
        ] {
            if count > 0 {
                total.add(0, value);
            }
        }
        Ok(total)
    }
}

impl Accumulator for ExactAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = values_of(values)?;
        self.count += (values.len() - values.null_count()) as u64;
        let without_nulls = match values.nulls() {
            Some(nulls) if nulls.null_count() > 0 => {
                Some(filter(values, &arrow::array::BooleanArray::new(nulls.inner().clone(), None))?)
            }
            _ => None,
        };
        let values = without_nulls.as_ref().map_or(values, |values| values.as_primitive::<Float64Type>());
        if values.values().iter().all(|value| value.is_finite()) {
            self.sums.add_all(0, values.values());
            return Ok(());
        }
        for &value in values.values() {
            match value.is_finite() {
                true => self.sums.add(0, value),
                false => *self.special(value) += 1,
            }
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in values_of(values)?.iter().flatten() {
            self.count -= 1;
            match value.is_finite() {
                true => self.sums.retract(0, value),
                false => *self.special(value) -= 1,
            }
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let states = StateColumns::of(self.function, states)?;
        (0..states.rows()).try_for_each(|row| states.merge(row, &mut self.merged, 0, &mut self.count))
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let sum = self.total()?.value(0);
        Ok(ScalarValue::Float64((self.count > 0).then(|| self.function.result(sum, self.count))))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let columns = state_columns(self.function, &self.total()?, vec![self.count]);
        columns.iter().map(|column| ScalarValue::try_from_array(column, 0)).collect()
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.sums.bytes() + self.merged.bytes()
    }
}

/// An exact sum of the values that differ; `-0.0` is `0.0`, and every NaN the same.
#[derive(Debug)]
pub(super) struct DistinctAccumulator {
    function: Function,
    values: HashSet<u64>,
}

impl DistinctAccumulator {
    pub fn new(function: Function) -> Self {
        DistinctAccumulator { function, values: HashSet::new() }
    }

    fn insert(&mut self, values: &ArrayRef) -> Result<()> {
        let values = values_of(std::slice::from_ref(values))?;
        self.values.extend(values.iter().flatten().map(|value| match value {
            0.0 => 0.0f64.to_bits(),
            value if value.is_nan() => f64::NAN.to_bits(),
            value => value.to_bits(),
        }));
        Ok(())
    }
}

impl Accumulator for DistinctAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        values.iter().try_for_each(|values| self.insert(values))
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [lists] = states else {
            return Err(DataFusionError::Internal("a state of distinct values is one list".into()));
        };
        lists.as_list::<i32>().iter().flatten().try_for_each(|values| self.insert(&values))
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let values: Vec<f64> = self.values.iter().map(|&bits| f64::from_bits(bits)).collect();
        let count = values.len();
        let mut sum = ExactAccumulator::new(self.function);
        sum.update_batch(&[Arc::new(Float64Array::from(values))])?;
        debug_assert_eq!(sum.count, count as u64);
        sum.evaluate()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values: Vec<ScalarValue> =
            self.values.iter().map(|&bits| ScalarValue::Float64(Some(f64::from_bits(bits)))).collect();
        Ok(vec![ScalarValue::List(ScalarValue::new_list_nullable(&values, &DataType::Float64))])
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.values.capacity() * size_of::<u64>()
    }
}

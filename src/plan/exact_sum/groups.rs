//! Exact sums and averages of groups.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryBuilder, BooleanArray, Float64Array, PrimitiveArray,
    UInt64Array,
};
use arrow::datatypes::{Float64Type, UInt64Type};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};

use super::Function;
use super::sums::ExactSums;

/// Sums and counts of groups; their state is that of `ExactAccumulator`.
pub(super) struct ExactGroups {
    function: Function,
    sums: ExactSums,
    /// Values that are not null.
    counts: Vec<u64>,
}

impl ExactGroups {
    pub fn new(function: Function) -> Self {
        ExactGroups { function, sums: ExactSums::default(), counts: vec![] }
    }

    fn resize(&mut self, groups: usize) {
        self.sums.resize(groups);
        self.counts.resize(groups, 0);
    }

    fn take(&mut self, emit_to: EmitTo) -> (ExactSums, Vec<u64>) {
        let counts = emit_to.take_needed(&mut self.counts);
        (self.sums.take(counts.len()), counts)
    }
}

impl GroupsAccumulator for ExactGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.resize(total_num_groups);
        let values = values_of(values)?;
        for (row, (&group, &value)) in group_indices.iter().zip(values.values()).enumerate() {
            if values.is_valid(row) && is_kept(opt_filter, row) {
                self.counts[group] += 1;
                self.sums.add(group, value);
            }
        }
        Ok(())
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.resize(total_num_groups);
        let states = StateColumns::of(self.function, values)?;
        for (row, &group) in group_indices.iter().enumerate() {
            states.merge(row, &mut self.sums, group, &mut self.counts[group])?;
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let (sums, counts) = self.take(emit_to);
        let results = (counts.iter().enumerate())
            .map(|(group, &count)| (count > 0).then(|| self.function.result(sums.value(group), count)));
        Ok(Arc::new(results.collect::<Float64Array>()))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let (sums, counts) = self.take(emit_to);
        Ok(state_columns(self.function, &sums, counts))
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let values = values_of(values)?;
        let mut state = BinaryBuilder::new();
        let mut counts = vec![];
        let mut bytes = vec![];
        for (row, &value) in values.values().iter().enumerate() {
            let counts_row = values.is_valid(row) && is_kept(opt_filter, row);
            counts.push(u64::from(counts_row));
            if counts_row {
                // A sum of its own, so that each state is no wider than its value.
                let mut sum = ExactSums::default();
                sum.resize(1);
                sum.add(0, value);
                bytes.clear();
                sum.state(0, &mut bytes);
                state.append_value(&bytes);
            } else {
                state.append_null();
            }
        }
        Ok(with_counts(self.function, counts, state.finish()))
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.sums.bytes() + self.counts.capacity() * size_of::<u64>()
    }
}

fn is_kept(filter: Option<&BooleanArray>, row: usize) -> bool {
    filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row))
}

/// The argument of an exact sum, which was planned as a double.
pub(super) fn values_of(values: &[ArrayRef]) -> Result<&PrimitiveArray<Float64Type>> {
    (values.first().and_then(|values| values.as_primitive_opt()))
        .ok_or_else(|| DataFusionError::Internal("an exact sum of what is no double".into()))
}

/// Makes the state columns of groups: of an average the counts, then the sums; null where nothing was added.
pub(super) fn state_columns(function: Function, sums: &ExactSums, counts: Vec<u64>) -> Vec<ArrayRef> {
    let mut state = BinaryBuilder::new();
    let mut bytes = vec![];
    for (group, &count) in counts.iter().enumerate() {
        if count > 0 {
            bytes.clear();
            sums.state(group, &mut bytes);
            state.append_value(&bytes);
        } else {
            state.append_null();
        }
    }
    with_counts(function, counts, state.finish())
}

fn with_counts(function: Function, counts: Vec<u64>, state: BinaryArray) -> Vec<ArrayRef> {
    let counts = matches!(function, Function::Avg).then(|| Arc::new(UInt64Array::from(counts)) as ArrayRef);
    counts.into_iter().chain([Arc::new(state) as ArrayRef]).collect()
}

/// State columns that are read.
pub(super) struct StateColumns<'a> {
    counts: Option<&'a UInt64Array>,
    sums: &'a BinaryArray,
}

impl<'a> StateColumns<'a> {
    pub fn of(function: Function, columns: &'a [ArrayRef]) -> Result<Self> {
        let wrong = || DataFusionError::Internal("columns that are no states of exact sums".into());
        let (counts, sums) = match (function, columns) {
            (Function::Sum, [sums]) => (None, sums),
            (Function::Avg, [counts, sums]) => {
                (Some(counts.as_primitive_opt::<UInt64Type>().ok_or_else(wrong)?), sums)
            }
            _ => return Err(wrong()),
        };
        Ok(StateColumns { counts, sums: sums.as_binary_opt().ok_or_else(wrong)? })
    }

    /// Adds the state in `row` to a group.
    pub fn merge(&self, row: usize, sums: &mut ExactSums, group: usize, count: &mut u64) -> Result<()> {
        if self.sums.is_null(row) {
            return Ok(());
        }
        *count += self.counts.map_or(1, |counts| counts.value(row));
        match sums.merge(group, self.sums.value(row)) {
            true => Ok(()),
            false => Err(DataFusionError::Internal("bytes that are no state of an exact sum".into())),
        }
    }

    pub fn rows(&self) -> usize {
        self.sums.len()
    }
}

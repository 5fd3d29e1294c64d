//! Predicates on dictionaries, decided for their values before a launch over the rows.

use crate::device::DeviceBuffer;
use crate::error::Result;
use crate::program::Param;
use crate::worker::Task;

use super::binding::{BLOCK, Input, Program};

impl Program {
    /// Decides the pipeline's predicates on dictionaries for the values of those of `input`; a byte for each value.
    pub(super) fn match_dictionaries(
        &mut self,
        task: &mut Task<'_>,
        input: Option<&Input>,
    ) -> Result<Vec<DeviceBuffer>> {
        let (mut matches, mut values_max) = (vec![], 0);
        for param in self.compiled.params.clone() {
            let Param::Matches { column, .. } = param else { continue };
            let values = self.dictionary_size(column, input)?;
            values_max = values_max.max(values);
            matches.push(task.alloc(values)?);
        }
        let grid = values_max.div_ceil(BLOCK);
        if grid > 0 {
            self.launch_with(task, "dictionary", grid, 0, input, &matches, |_| 0)?;
        }
        Ok(matches)
    }

    /// The distinct values of a column of `input`.
    pub(super) fn dictionary_size(&self, column: usize, input: Option<&Input>) -> Result<usize> {
        let column = self.column(column, input)?;
        Ok(column.and_then(|column| column.dictionary.as_ref()).map_or(0, |dictionary| dictionary.len))
    }
}

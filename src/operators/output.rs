//! The columns that a kernel writes.

use std::sync::Arc;

use arrow::array::new_empty_array;
use arrow::datatypes::{DataType, SchemaRef};

use crate::column::{DeviceChunk, DeviceColumn, DeviceDictionary, Storage};
use crate::device::DeviceBuffer;
use crate::error::{Error, Result};
use crate::program::{OutputColumn, Param, output_column};
use crate::worker::Task;

use super::prefix_sum::gather_strings;

/// Bytes of a string reference: address, length, mode.
const REFERENCE_BYTES: usize = 16;

/// Buffers for the output of one launch.
pub(super) struct Outputs(Vec<Output>);

struct Output {
    column: OutputColumn,
    values: DeviceBuffer,
    validity: Option<DeviceBuffer>,
}

impl Outputs {
    /// Allocates room for `rows` rows: bits start clear, validity starts set.
    pub fn alloc(task: &mut Task<'_>, columns: &[OutputColumn], rows: usize) -> Result<Outputs> {
        let mut outputs = vec![];
        for &column in columns {
            let values = match (column.storage, column.storage.width()) {
                (Storage::Bits, _) => task.alloc_filled(rows.div_ceil(8), 0)?,
                (_, Some(width)) => task.alloc(rows * width)?,
                (_, None) => task.alloc(rows * REFERENCE_BYTES)?,
            };
            let validity = match column.nullable {
                true => Some(task.alloc_filled(rows.div_ceil(8), 0xff)?),
                false => None,
            };
            outputs.push(Output { column, values, validity });
        }
        Ok(Outputs(outputs))
    }

    /// The parameter of an output column, if `param` is one.
    pub fn word(&self, param: Param) -> Option<u64> {
        match param {
            Param::Output(index) => Some(self.0[index].values.address()),
            Param::OutputValidity(index) => {
                Some(self.0[index].validity.as_ref().map_or(0, |validity| validity.address()))
            }
            _ => None,
        }
    }

    /// Makes a chunk of the first `rows` rows; strings are gathered from where the references point.
    /// `dictionaries` answers the dictionary of a column of the pipeline.
    pub fn finish(
        self,
        task: &mut Task<'_>,
        schema: &SchemaRef,
        rows: usize,
        dictionaries: impl Fn(usize) -> Option<Arc<DeviceDictionary>>,
    ) -> Result<DeviceChunk> {
        let mut columns = vec![];
        for (output, field) in self.0.into_iter().zip(schema.fields()) {
            let data_type = field.data_type().clone();
            let Output { column, values, validity } = output;
            columns.push(Arc::new(match column.storage {
                Storage::Bytes => {
                    let (offsets, bytes) = gather_strings(task, rows, &values)?;
                    DeviceColumn::bytes(data_type, rows, offsets, bytes, validity)?
                }
                Storage::Dictionary { key_bytes } => {
                    let dictionary = column.dictionary.and_then(&dictionaries);
                    let dictionary = dictionary.ok_or_else(|| Error::bug("keys without a dictionary"))?;
                    DeviceColumn::dictionary(data_type, key_bytes, rows, values, dictionary, validity)?
                }
                storage => DeviceColumn::fixed(data_type, storage, rows, values, validity)?,
            }));
        }
        DeviceChunk::new(schema.clone(), columns, rows)
    }
}

/// Makes a chunk of no rows, as kernels write columns of `schema`.
pub fn empty(task: &mut Task<'_>, schema: &SchemaRef) -> Result<DeviceChunk> {
    let columns = schema.fields().iter().enumerate().map(|(index, field)| {
        let column = match Storage::of(field.data_type()) {
            Some(storage @ Storage::Dictionary { .. }) => {
                Some(OutputColumn { storage, nullable: field.is_nullable(), dictionary: Some(index) })
            }
            _ => output_column(field.data_type(), field.is_nullable()),
        };
        column.ok_or_else(|| Error::unsupported(format!("a column of type {}", field.data_type())))
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let (values, offsets) = (Arc::new(task.alloc(0)?), Arc::new(task.alloc_filled(4, 0)?));
    let no_values = |index: usize| {
        let DataType::Dictionary(_, value) = schema.field(index).data_type() else { return None };
        let host = new_empty_array(value);
        Some(Arc::new(DeviceDictionary { values: values.clone(), offsets: offsets.clone(), len: 0, host }))
    };
    Outputs::alloc(task, &columns, 0)?.finish(task, schema, 0, no_values)
}

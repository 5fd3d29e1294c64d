//! Arrow data in and out by the PyCapsules of the Arrow C data interface, without a copy and without pyarrow.

use std::ffi::CStr;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch, RecordBatchIterator, RecordBatchReader, StructArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi};
use arrow::ffi_stream::{ArrowArrayStreamReader, FFI_ArrowArrayStream};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyTuple};

const STREAM: &CStr = c"arrow_array_stream";
const ARRAY: &CStr = c"arrow_array";
const SCHEMA: &CStr = c"arrow_schema";

/// Takes the batches of an object that has `__arrow_c_stream__` or `__arrow_c_array__`; `None` where it has neither.
///
/// # Errors
/// TypeError for data that is no table; what the producer raises.
pub fn import(object: &Bound<'_, PyAny>) -> PyResult<Option<(SchemaRef, Vec<RecordBatch>)>> {
    let py = object.py();
    if object.hasattr("__arrow_c_stream__")? {
        let capsule = object.call_method0("__arrow_c_stream__")?.cast_into::<PyCapsule>()?;
        return import_stream(py, &capsule).map(Some);
    }
    if object.hasattr("__arrow_c_array__")? {
        let pair = object.call_method0("__arrow_c_array__")?.cast_into::<PyTuple>()?;
        let schema = pair.get_item(0)?.cast_into::<PyCapsule>()?;
        let array = pair.get_item(1)?.cast_into::<PyCapsule>()?;
        return import_array(&schema, &array).map(Some);
    }
    Ok(None)
}

fn import_stream(py: Python<'_>, capsule: &Bound<'_, PyCapsule>) -> PyResult<(SchemaRef, Vec<RecordBatch>)> {
    let pointer = capsule.pointer_checked(Some(STREAM))?.cast::<FFI_ArrowArrayStream>();
    // SAFETY: the capsule's name says what it points to; the stream is moved out, which the capsule allows for.
    let stream = unsafe { FFI_ArrowArrayStream::from_raw(pointer.as_ptr()) };
    // The producer may need the interpreter from another thread, to make the next batch.
    py.detach(move || {
        let reader =
            ArrowArrayStreamReader::try_new(stream).map_err(|error| not_a_table(&error.to_string()))?;
        let schema = reader.schema();
        let batches = reader.collect::<Result<Vec<_>, _>>();
        let failed =
            |error: ArrowError| PyValueError::new_err(format!("cannot take the Arrow stream: {error}"));
        Ok((schema, batches.map_err(failed)?))
    })
}

fn import_array(
    schema: &Bound<'_, PyCapsule>,
    array: &Bound<'_, PyCapsule>,
) -> PyResult<(SchemaRef, Vec<RecordBatch>)> {
    let schema = schema.pointer_checked(Some(SCHEMA))?.cast::<FFI_ArrowSchema>();
    let array = array.pointer_checked(Some(ARRAY))?.cast::<FFI_ArrowArray>();
    // SAFETY: the capsules' names say what they point to; the array is moved out, the schema is only read.
    let data = unsafe { from_ffi(FFI_ArrowArray::from_raw(array.as_ptr()), schema.as_ref()) };
    let data = data.map_err(|error| not_a_table(&error.to_string()))?;
    if !matches!(data.data_type(), arrow::datatypes::DataType::Struct(_)) {
        return Err(not_a_table(&format!("an array of type {}", data.data_type())));
    }
    let rows = StructArray::from(data);
    if rows.null_count() > 0 {
        return Err(PyValueError::new_err(format!("{} of the rows are null as a whole", rows.null_count())));
    }
    let batch = RecordBatch::from(rows);
    Ok((batch.schema(), vec![batch]))
}

fn not_a_table(text: &str) -> PyErr {
    PyTypeError::new_err(format!(
        "expected Arrow data of a table, such as a record batch or a stream of them: {text}"
    ))
}

/// Hands out batches as a stream in a capsule; `wanted` is the schema that the consumer would like, which is met where the
/// columns can be cast to it without loss of their names.
pub fn export<'py>(
    py: Python<'py>,
    schema: &SchemaRef,
    batches: &[RecordBatch],
    wanted: Option<&Bound<'py, PyCapsule>>,
) -> PyResult<Bound<'py, PyCapsule>> {
    let mut schema = Arc::clone(schema);
    let mut batches = batches.to_vec();
    if let Some(wanted) = wanted {
        let pointer = wanted.pointer_checked(Some(SCHEMA))?.cast::<FFI_ArrowSchema>();
        // SAFETY: the capsule's name says what it points to, and it outlives this borrow.
        let wanted = Schema::try_from(unsafe { pointer.as_ref() });
        if let Ok(wanted) = wanted
            && let Some(cast) = cast_all(&schema, &batches, Arc::new(wanted))
        {
            (schema, batches) = cast;
        }
    }
    let reader = RecordBatchIterator::new(batches.into_iter().map(Ok), schema);
    PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(Box::new(reader)), STREAM)
}

/// The batches with the wanted types; `None` where the columns differ or a value does not fit.
fn cast_all(
    schema: &SchemaRef,
    batches: &[RecordBatch],
    wanted: SchemaRef,
) -> Option<(SchemaRef, Vec<RecordBatch>)> {
    let names =
        |schema: &Schema| schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
    if names(schema) != names(&wanted) {
        return None;
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let cast_batch = |batch: &RecordBatch| {
        let columns = batch.columns().iter().zip(wanted.fields());
        let columns = columns.map(|(column, field)| cast_with_options(column, field.data_type(), &options));
        RecordBatch::try_new(Arc::clone(&wanted), columns.collect::<Result<Vec<_>, _>>()?)
    };
    let batches = batches.iter().map(cast_batch).collect::<Result<Vec<_>, _>>().ok()?;
    Some((wanted, batches))
}

/// Hands out the schema in a capsule.
pub fn export_schema<'py>(py: Python<'py>, schema: &Schema) -> PyResult<Bound<'py, PyCapsule>> {
    let exported =
        FFI_ArrowSchema::try_from(schema).map_err(|error| PyValueError::new_err(error.to_string()))?;
    PyCapsule::new_with_value(py, exported, SCHEMA)
}

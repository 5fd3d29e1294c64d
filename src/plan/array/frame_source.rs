//! The columns of a frame as an array: `[rows]` for one column, `[rows, columns]` for several.

use std::sync::OnceLock;

use arrow::array::{Array as _, ArrayRef, ArrowPrimitiveType, AsArray, RecordBatch};
use arrow::compute::cast_with_options;
use arrow::datatypes::{self, DataType, Schema};
use datafusion::logical_expr::LogicalPlan;
use swath_array::graph::{Region, Source, automatic_chunks};
use swath_array::tensor::{Slice, TensorMut, copy};
use swath_array::{DType, Tensor};

use crate::error::{Error, Result};

/// A frame that an array reads. Its rows are computed when the array first is, and stay with it.
#[derive(Debug)]
pub struct FrameSource {
    plan: LogicalPlan,
    names: Vec<String>,
    dtype: DType,
    shape: Vec<usize>,
    /// For each column, its batches with the number of the first row of each.
    columns: OnceLock<Vec<Vec<(usize, Tensor)>>>,
}

impl FrameSource {
    /// The columns of `plan`, of which there are `rows` rows. One column makes `[rows]`; `as_matrix` adds the second axis
    /// to one, too.
    ///
    /// # Errors
    /// A column whose type no array has, by name.
    pub fn new(plan: LogicalPlan, rows: usize, as_matrix: bool) -> Result<FrameSource> {
        let schema = Schema::clone(plan.schema().as_arrow());
        let mut dtype: Option<DType> = None;
        for field in schema.fields() {
            let own = array_type(field.data_type()).ok_or_else(|| {
                Error::user(format!(
                    "column '{}' is {}, which an array cannot hold: arrays hold booleans, integers and floats; cast it",
                    field.name(),
                    field.data_type()
                ))
            })?;
            dtype = Some(dtype.map_or(own, |dtype| dtype.promote(own)));
        }
        let dtype = dtype.ok_or_else(|| Error::user("an array needs one column at least"))?;
        let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        let shape = if names.len() > 1 || as_matrix { vec![rows, names.len()] } else { vec![rows] };
        Ok(FrameSource { plan, names, dtype, shape, columns: OnceLock::new() })
    }

    /// The query whose rows it shows.
    pub fn plan(&self) -> &LogicalPlan {
        &self.plan
    }

    /// Whether its rows are there.
    pub fn is_loaded(&self) -> bool {
        self.columns.get().is_some()
    }

    /// Takes the rows of the query, in order. Values that already lie as the array's are not copied.
    ///
    /// # Errors
    /// A null in a column that is not a float's, by column and row; rows that have become more or fewer.
    pub fn load(&self, batches: &[RecordBatch]) -> Result<()> {
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        if rows != self.shape[0] {
            return Err(Error::user(format!(
                "the frame had {} rows when the array was made, and has {rows} now: make the array again",
                self.shape[0]
            )));
        }
        let mut columns = Vec::new();
        for (index, name) in self.names.iter().enumerate() {
            let mut parts = Vec::new();
            let mut first = 0;
            for batch in batches.iter().filter(|batch| batch.num_rows() > 0) {
                let part = to_tensor(batch.column(index), self.dtype)
                    .map_err(|error| error.context(format!("column '{name}', rows from {first}")))?;
                parts.push((first, part));
                first += batch.num_rows();
            }
            columns.push(parts);
        }
        // Whoever came first loaded the same rows.
        let _ = self.columns.set(columns);
        Ok(())
    }

    fn column(&self, parts: &[(usize, Tensor)], start: usize, count: usize) -> swath_array::Result<Tensor> {
        let index = parts.partition_point(|(first, _)| *first <= start).saturating_sub(1);
        if let Some((first, part)) = parts.get(index)
            && start + count <= first + part.len()
        {
            return Ok(part.slice(&[Slice::range(start - first, count)]));
        }
        let mut values = TensorMut::uninit(self.dtype, &[count])?;
        let target = values.target();
        for (first, part) in &parts[index..] {
            let (from, to) = (start.max(*first), (start + count).min(first + part.len()));
            if from < to {
                let piece = part.slice(&[Slice::range(from - first, to - from)]);
                copy(&piece, &mut target.slice(&[Slice::range(from - start, to - from)]));
            }
        }
        Ok(values.freeze())
    }
}

impl Source for FrameSource {
    fn describe(&self) -> String {
        format!("frame columns {}", self.names.join(", "))
    }

    fn dtype(&self) -> DType {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn chunks(&self) -> Vec<usize> {
        automatic_chunks(self.dtype, &self.shape)
    }

    fn read(&self, region: &Region) -> swath_array::Result<Tensor> {
        let columns = self.columns.get();
        let columns = columns.ok_or_else(|| swath_array::Error::bug("a frame was read before it ran"))?;
        let (start, count) = (region.start[0], region.shape[0]);
        if self.shape.len() == 1 {
            return self.column(&columns[0], start, count);
        }
        let mut values = TensorMut::uninit(self.dtype, &region.shape)?;
        let target = values.target();
        for own in 0..region.shape[1] {
            let column = self.column(&columns[region.start[1] + own], start, count)?;
            let mut place = target.slice(&[Slice::range(0, count), Slice::range(own, 1)]);
            place.shape.pop();
            place.strides.pop();
            copy(&column, &mut place);
        }
        Ok(values.freeze())
    }
}

/// The type of an array of such a column.
pub fn array_type(data_type: &DataType) -> Option<DType> {
    Some(match data_type {
        DataType::Boolean => DType::Bool,
        DataType::Int8 => DType::I8,
        DataType::Int16 => DType::I16,
        DataType::Int32 => DType::I32,
        DataType::Int64 => DType::I64,
        DataType::UInt8 => DType::U8,
        DataType::UInt16 => DType::U16,
        DataType::UInt32 => DType::U32,
        DataType::UInt64 => DType::U64,
        DataType::Float16 => DType::F16,
        DataType::Float32 => DType::F32,
        DataType::Float64 => DType::F64,
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) => DType::F64,
        _ => return None,
    })
}

/// The Arrow type of a column of such an array; complex numbers and `bfloat16` have none.
pub fn column_type(dtype: DType) -> Option<DataType> {
    Some(match dtype {
        DType::Bool => DataType::Boolean,
        DType::I8 => DataType::Int8,
        DType::I16 => DataType::Int16,
        DType::I32 => DataType::Int32,
        DType::I64 => DataType::Int64,
        DType::U8 => DataType::UInt8,
        DType::U16 => DataType::UInt16,
        DType::U32 => DataType::UInt32,
        DType::U64 => DataType::UInt64,
        DType::F16 => DataType::Float16,
        DType::F32 => DataType::Float32,
        DType::F64 => DataType::Float64,
        DType::BF16 | DType::C64 | DType::C128 => return None,
    })
}

fn to_tensor(column: &ArrayRef, dtype: DType) -> Result<Tensor> {
    let wanted = column_type(dtype).ok_or_else(|| Error::bug(format!("no column has type {dtype}")))?;
    let column = match column.data_type() == &wanted {
        true => column.clone(),
        false => cast_with_options(column, &wanted, &Default::default())
            .map_err(|error| Error::user(error.to_string()))?,
    };
    if column.null_count() > 0 && !dtype.is_float() {
        let row = (0..column.len()).find(|&row| column.is_null(row)).unwrap_or(0);
        return Err(Error::user(format!(
            "row {row} of these is null, which {dtype} cannot say: fill the nulls or cast the column to a float"
        )));
    }
    let failed = |error: swath_array::Error| Error::bug(error.to_string());
    match dtype {
        DType::Bool => {
            Tensor::from_vec(column.as_boolean().values().iter().collect(), &[column.len()]).map_err(failed)
        }
        DType::I8 => Ok(primitive::<datatypes::Int8Type>(&column, dtype)),
        DType::I16 => Ok(primitive::<datatypes::Int16Type>(&column, dtype)),
        DType::I32 => Ok(primitive::<datatypes::Int32Type>(&column, dtype)),
        DType::I64 => Ok(primitive::<datatypes::Int64Type>(&column, dtype)),
        DType::U8 => Ok(primitive::<datatypes::UInt8Type>(&column, dtype)),
        DType::U16 => Ok(primitive::<datatypes::UInt16Type>(&column, dtype)),
        DType::U32 => Ok(primitive::<datatypes::UInt32Type>(&column, dtype)),
        DType::U64 => Ok(primitive::<datatypes::UInt64Type>(&column, dtype)),
        DType::F16 => {
            Ok(primitive::<datatypes::Float16Type>(&filled::<datatypes::Float16Type>(column), dtype))
        }
        DType::F32 => {
            Ok(primitive::<datatypes::Float32Type>(&filled::<datatypes::Float32Type>(column), dtype))
        }
        DType::F64 => {
            Ok(primitive::<datatypes::Float64Type>(&filled::<datatypes::Float64Type>(column), dtype))
        }
        other => Err(Error::bug(format!("no column has type {other}"))),
    }
}

/// The column with NaN in the places of nulls.
fn filled<T: ArrowPrimitiveType>(column: ArrayRef) -> ArrayRef
where
    T::Native: FloatNan,
{
    if column.null_count() == 0 {
        return column;
    }
    let values = column.as_primitive::<T>().iter().map(|value| value.unwrap_or(T::Native::NAN));
    std::sync::Arc::new(arrow::array::PrimitiveArray::<T>::from_iter_values(values))
}

/// Floats that have a NaN.
trait FloatNan {
    const NAN: Self;
}

impl FloatNan for half::f16 {
    const NAN: Self = half::f16::NAN;
}

impl FloatNan for f32 {
    const NAN: Self = f32::NAN;
}

impl FloatNan for f64 {
    const NAN: Self = f64::NAN;
}

/// The values of a column as a tensor over the same memory.
fn primitive<T: ArrowPrimitiveType>(column: &ArrayRef, dtype: DType) -> Tensor {
    let values = column.as_primitive::<T>().values().clone();
    let pointer = values.as_ptr().cast();
    let (shape, strides) = (vec![values.len()], vec![1]);
    // SAFETY: the buffer has so many values of this type without gaps, never changes, and is kept by the tensor.
    unsafe { Tensor::from_foreign(pointer, dtype, shape, strides, Box::new(values)) }
}

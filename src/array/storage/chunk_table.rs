//! Tables with one row for each chunk of an array.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, AsArray, BooleanArray, FixedSizeListArray, Int32Array, ListArray, PrimitiveArray,
    RecordBatch, StructArray, UInt64Array,
};
use arrow::buffer::{BooleanBuffer, Buffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{
    ArrowNativeType, ArrowPrimitiveType, DataType, Field, Fields, Float16Type, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, Schema, SchemaRef, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use serde::{Deserialize, Serialize};
use swath_array::error::show_shape;
use swath_array::graph::Region;
use swath_array::tensor::{Slice, row_major};
use swath_array::{DType, Error, Result, Tensor};

/// The key of the schema's metadata that says what array the table holds.
const METADATA_KEY: &str = "swath.array";

/// How an array lies in a table of chunks.
///
/// | column | type | |
/// |---|---|---|
/// | `coordinates` | fixed-size list of uint64 | which chunk it is, counting chunks along each axis |
/// | `values` | struct `data`, `shape` | the chunk as an `arrow.variable_shape_tensor`, in row-major order |
///
/// The schema's metadata has, under `swath.array`, the array's type, shape and chunk lengths as JSON. Rows may be in any
/// order. What Arrow has no type for is stored as one that it has: bfloat16 as the uint16 of its bits, complex numbers as
/// floats with a last axis of two, real and imaginary part. An array without axes is stored as if it had one of length 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkTable {
    pub dtype: DType,
    pub shape: Vec<usize>,
    pub chunks: Vec<usize>,
}

#[derive(Serialize, Deserialize)]
struct Metadata {
    dtype: String,
    shape: Vec<usize>,
    chunks: Vec<usize>,
}

impl ChunkTable {
    /// # Errors
    /// `Value` where a chunk has more elements than a list of Arrow's holds.
    pub fn new(dtype: DType, shape: &[usize], chunks: &[usize]) -> Result<ChunkTable> {
        if chunks.len() != shape.len() || chunks.contains(&0) {
            let (chunks, shape) = (show_shape(chunks), show_shape(shape));
            return Err(Error::value(format!("chunks {chunks} do not fit an array of shape {shape}")));
        }
        let chunks: Vec<usize> =
            chunks.iter().zip(shape).map(|(&chunk, &len)| chunk.min(len.max(1))).collect();
        let elements = swath_array::tensor::count(&chunks)?.saturating_mul(parts(dtype));
        if elements > i32::MAX as usize {
            return Err(Error::value(format!(
                "a chunk of shape {} has more elements than a row holds, {}: choose shorter chunks",
                show_shape(&chunks),
                i32::MAX
            )));
        }
        Ok(ChunkTable { dtype, shape: shape.to_vec(), chunks })
    }

    /// The table's schema, with the array's description.
    ///
    /// # Errors
    /// None but a bug.
    pub fn schema(&self) -> Result<SchemaRef> {
        let metadata = Metadata {
            dtype: self.dtype.name().to_string(),
            shape: self.shape.clone(),
            chunks: self.chunks.clone(),
        };
        let text = serde_json::to_string(&metadata).map_err(|error| Error::bug(error.to_string()))?;
        let extension = HashMap::from([
            ("ARROW:extension:name".to_string(), "arrow.variable_shape_tensor".to_string()),
            ("ARROW:extension:metadata".to_string(), "{}".to_string()),
        ]);
        let values =
            Field::new("values", DataType::Struct(self.value_fields()), false).with_metadata(extension);
        let schema = Schema::new(vec![Field::new("coordinates", self.coordinates_type(), false), values]);
        Ok(Arc::new(schema.with_metadata(HashMap::from([(METADATA_KEY.to_string(), text)]))))
    }

    /// The array that a table with this schema holds.
    ///
    /// # Errors
    /// A message where it is no table of chunks, or its columns are not those of its description.
    pub fn of(schema: &Schema) -> Result<ChunkTable, String> {
        let text = schema.metadata().get(METADATA_KEY).ok_or(
            "it is a table, but not one of an array's chunks; read it as a frame, and make an array of its columns",
        )?;
        let metadata: Metadata =
            serde_json::from_str(text).map_err(|error| format!("its description: {error}"))?;
        let dtype: DType =
            metadata.dtype.parse().map_err(|error: Error| format!("its description: {error}"))?;
        let count = swath_array::tensor::count(&metadata.shape).map_err(|error| error.to_string())?;
        if count.checked_mul(dtype.size()).is_none()
            || metadata.shape.iter().any(|&len| len > isize::MAX as usize)
        {
            return Err(format!("an array of shape {} is too large", show_shape(&metadata.shape)));
        }
        let table =
            ChunkTable::new(dtype, &metadata.shape, &metadata.chunks).map_err(|error| error.to_string())?;
        let wanted =
            [("coordinates", table.coordinates_type()), ("values", DataType::Struct(table.value_fields()))];
        for (index, (name, wanted)) in wanted.iter().enumerate() {
            let found = schema.fields().get(index).filter(|field| field.name() == name);
            if found.is_none_or(|field| !field.data_type().equals_datatype(wanted)) {
                return Err(format!("its column {index} is not '{name}' of type {wanted}"));
            }
        }
        Ok(table)
    }

    fn axes(&self) -> usize {
        self.shape.len().max(1)
    }

    fn coordinates_type(&self) -> DataType {
        let item = Arc::new(Field::new("item", DataType::UInt64, false));
        DataType::FixedSizeList(item, self.axes() as i32)
    }

    fn value_fields(&self) -> Fields {
        let item = Arc::new(Field::new("item", stored_type(self.dtype), false));
        let axes = self.axes() + (parts(self.dtype) > 1) as usize;
        let shape =
            DataType::FixedSizeList(Arc::new(Field::new("item", DataType::Int32, false)), axes as i32);
        vec![Field::new("data", DataType::List(item), false), Field::new("shape", shape, false)].into()
    }

    /// The chunks that a region covers, which has to be made of whole ones: coordinates, and where each lies in the region.
    ///
    /// # Errors
    /// `Bug` where it cuts a chunk.
    pub fn chunks_of(&self, region: &Region) -> Result<Vec<(Vec<usize>, Vec<Slice>)>> {
        let mut all = vec![(vec![], vec![])];
        for (axis, &chunk) in self.chunks.iter().enumerate() {
            let (start, len) = (region.start[axis], region.shape[axis]);
            if start % chunk != 0 || (len % chunk != 0 && start + len != self.shape[axis]) {
                return Err(Error::bug(format!("{region:?} cuts chunks of {}", show_shape(&self.chunks))));
            }
            let mut longer = vec![];
            for (coordinates, slices) in all {
                for first in (0..len).step_by(chunk) {
                    let mut next = (coordinates.clone(), slices.clone());
                    next.0.push((start + first) / chunk);
                    next.1.push(Slice::range(first, chunk.min(len - first)));
                    longer.push(next);
                }
            }
            all = longer;
        }
        Ok(all)
    }

    /// The shape of a chunk; shorter at the ends of axes. `None` for coordinates that are not in the array.
    pub fn chunk_shape(&self, coordinates: &[usize]) -> Option<Vec<usize>> {
        if coordinates.len() != self.shape.len() {
            return None;
        }
        let axis = |axis: usize| {
            let start = coordinates[axis].checked_mul(self.chunks[axis])?;
            (start < self.shape[axis]).then(|| self.chunks[axis].min(self.shape[axis] - start))
        };
        (0..self.shape.len()).map(axis).collect()
    }

    /// The row of a chunk.
    ///
    /// # Errors
    /// Out of memory.
    pub fn row(&self, coordinates: &[usize], values: &Tensor) -> Result<RecordBatch> {
        let wrong = |error: arrow::error::ArrowError| Error::bug(format!("a chunk makes no row: {error}"));
        let mut coordinates: Vec<u64> = coordinates.iter().map(|&at| at as u64).collect();
        coordinates.resize(self.axes(), 0);
        let mut shape: Vec<i32> = values.shape().iter().map(|&len| len as i32).collect();
        shape.resize(self.axes(), 1);
        if parts(self.dtype) > 1 {
            shape.push(2);
        }
        let fields = self.value_fields();
        let list = |field: &DataType, values: ArrayRef| match field {
            DataType::FixedSizeList(item, len) => {
                FixedSizeListArray::try_new(item.clone(), *len, values, None)
            }
            other => Err(arrow::error::ArrowError::SchemaError(format!("{other} is no list"))),
        };
        let data = to_arrow(values)?;
        let offsets = OffsetBuffer::from_lengths([data.len()]);
        let DataType::List(item) = fields[0].data_type() else { return Err(Error::bug("data is a list")) };
        let data = ListArray::try_new(item.clone(), offsets, data, None).map_err(wrong)?;
        let shape = list(fields[1].data_type(), Arc::new(Int32Array::from(shape))).map_err(wrong)?;
        let values =
            StructArray::try_new(fields, vec![Arc::new(data), Arc::new(shape)], None).map_err(wrong)?;
        let coordinates =
            list(&self.coordinates_type(), Arc::new(UInt64Array::from(coordinates))).map_err(wrong)?;
        RecordBatch::try_new(self.schema()?, vec![Arc::new(coordinates), Arc::new(values)]).map_err(wrong)
    }

    /// The coordinates of each row of a column of coordinates.
    pub fn coordinates(&self, column: &ArrayRef) -> Result<Vec<Vec<usize>>, String> {
        let lists = column.as_fixed_size_list_opt().ok_or("the coordinates are no lists")?;
        if lists.null_count() > 0 {
            return Err("a row has no coordinates".into());
        }
        let row = |row: usize| {
            let list = lists.value(row);
            let list = list.as_primitive_opt::<UInt64Type>().ok_or("the coordinates are not uint64")?;
            let mut coordinates: Vec<usize> = list.values().iter().map(|&at| at as usize).collect();
            coordinates.truncate(self.shape.len());
            match self.chunk_shape(&coordinates) {
                Some(_) => Ok(coordinates),
                None => Err(format!(
                    "a row is of chunk {}, which the array does not have",
                    show_shape(&coordinates)
                )),
            }
        };
        (0..lists.len()).map(row).collect()
    }

    /// The values of a row of a column of values, which are those of the chunk at `coordinates`.
    pub fn values(&self, column: &ArrayRef, row: usize, coordinates: &[usize]) -> Result<Tensor, String> {
        let chunk = self.chunk_shape(coordinates).ok_or("there is no such chunk")?;
        let tensors = column.as_struct_opt().ok_or("the values are no tensors")?;
        let data = tensors.column(0).as_list_opt::<i32>().ok_or("the data are no lists")?;
        let shapes = tensors.column(1).as_fixed_size_list_opt().ok_or("the shapes are no lists")?;
        if row >= tensors.len() || tensors.is_null(row) || data.is_null(row) || shapes.is_null(row) {
            return Err("a chunk has no values".into());
        }
        let (data, shape) = (data.value(row), shapes.value(row));
        let shape = shape.as_primitive_opt::<Int32Type>().ok_or("the shape is not int32")?;
        let mut wanted: Vec<i32> = chunk.iter().map(|&len| len as i32).collect();
        wanted.resize(self.axes(), 1);
        if parts(self.dtype) > 1 {
            wanted.push(2);
        }
        let elements: usize = wanted.iter().map(|&len| len as usize).product();
        if shape.values()[..] != wanted || data.len() != elements || data.null_count() > 0 {
            return Err(format!(
                "chunk {} should be of shape {wanted:?}; {:?} with {} values is there",
                show_shape(coordinates),
                shape.values(),
                data.len()
            ));
        }
        from_arrow(self.dtype, data, &chunk)
    }
}

/// Numbers of Arrow's that make one element.
fn parts(dtype: DType) -> usize {
    if dtype.is_complex() { 2 } else { 1 }
}

fn stored_type(dtype: DType) -> DataType {
    match dtype {
        DType::Bool => DataType::Boolean,
        DType::I8 => DataType::Int8,
        DType::I16 => DataType::Int16,
        DType::I32 => DataType::Int32,
        DType::I64 => DataType::Int64,
        DType::U8 => DataType::UInt8,
        DType::U16 | DType::BF16 => DataType::UInt16,
        DType::U32 => DataType::UInt32,
        DType::U64 => DataType::UInt64,
        DType::F16 => DataType::Float16,
        DType::F32 | DType::C64 => DataType::Float32,
        DType::F64 | DType::C128 => DataType::Float64,
    }
}

/// Runs an expression with `$T` standing for Arrow's type of the numbers that a [`DType`] is stored as; not for booleans.
macro_rules! dispatch_stored {
    ($dtype:expr, $T:ident => $body:expr, bool => $bool:expr) => {
        match $dtype {
            DType::Bool => $bool,
            DType::I8 => {
                type $T = Int8Type;
                $body
            }
            DType::I16 => {
                type $T = Int16Type;
                $body
            }
            DType::I32 => {
                type $T = Int32Type;
                $body
            }
            DType::I64 => {
                type $T = Int64Type;
                $body
            }
            DType::U8 => {
                type $T = UInt8Type;
                $body
            }
            DType::U16 | DType::BF16 => {
                type $T = UInt16Type;
                $body
            }
            DType::U32 => {
                type $T = UInt32Type;
                $body
            }
            DType::U64 => {
                type $T = UInt64Type;
                $body
            }
            DType::F16 => {
                type $T = Float16Type;
                $body
            }
            DType::F32 | DType::C64 => {
                type $T = Float32Type;
                $body
            }
            DType::F64 | DType::C128 => {
                type $T = Float64Type;
                $body
            }
        }
    };
}

/// The numbers of a tensor in row-major order, without a copy where they lie so.
fn to_arrow(values: &Tensor) -> Result<ArrayRef> {
    let values = values.contiguous()?;
    let count = values.len() * parts(values.dtype());
    fn numbers<T: ArrowPrimitiveType>(values: Tensor, count: usize) -> ArrayRef {
        if count == 0 {
            return Arc::new(PrimitiveArray::<T>::from_iter_values(std::iter::empty()));
        }
        let bytes = count * T::Native::get_byte_width();
        let start = std::ptr::NonNull::from(values.as_bytes().unwrap_or_default()).cast::<u8>();
        // SAFETY: as many bytes lie there, and the tensor, which is not written to, owns them.
        let buffer = unsafe { Buffer::from_custom_allocation(start, bytes, Arc::new(Held(values))) };
        Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::new(buffer, 0, count), None))
    }
    Ok(dispatch_stored!(values.dtype(), T => numbers::<T>(values, count), bool => {
        let bools = values.as_slice::<bool>().unwrap_or_default();
        Arc::new(BooleanArray::new(BooleanBuffer::from(bools), None))
    }))
}

/// Keeps a tensor as long as a buffer of Arrow's.
struct Held(#[expect(dead_code, reason = "held, never read")] Tensor);

impl std::panic::RefUnwindSafe for Held {}

fn from_arrow(dtype: DType, data: ArrayRef, shape: &[usize]) -> Result<Tensor, String> {
    let other = || format!("the data are {}, not {}", data.data_type(), stored_type(dtype));
    let pointer = dispatch_stored!(dtype,
        T => data.as_primitive_opt::<T>().ok_or_else(other)?.values().as_ptr().cast::<u8>(),
        bool => {
            let bits = data.as_boolean_opt().ok_or_else(other)?.values();
            return Tensor::from_vec(bits.iter().collect(), shape).map_err(|error| error.to_string());
        }
    );
    // SAFETY: the array, which is kept, has as many numbers as the shape has elements, times the parts of each; they are
    // aligned to their own size, which is a complex number's alignment too.
    Ok(unsafe { Tensor::from_foreign(pointer, dtype, shape.to_vec(), row_major(shape), Box::new(data)) })
}

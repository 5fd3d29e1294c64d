//! Columns of types that devices do not take, and that no expression reads: lists, structs, maps, wide decimals.
//!
//! They stay on the host. A number for each value goes to the device in their place, through filters, joins, sorts and
//! all else that moves rows; at the end the host puts the values together by the numbers that came out (late
//! materialisation). A number is null where the value is, so that `IS NULL` and `count` need no value.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray, UInt64Array, new_null_array};
use arrow::compute::interleave;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};

use crate::column::Storage;
use crate::error::{Error, Result};
use crate::program::{Expr, Op};

/// Whether values of a type stay on the host while others are on a device.
pub fn is_carried(data_type: &DataType) -> bool {
    // What Arrow cannot put together again row by row stays with the operators that know it.
    let is_put_together =
        !matches!(data_type, DataType::Union(..) | DataType::RunEndEncoded(..) | DataType::Null)
            && !matches!(data_type, DataType::ListView(_) | DataType::LargeListView(_));
    Storage::of(data_type).is_none() && is_put_together
}

/// Returns the schema with numbers in the place of columns that are carried.
pub fn with_numbers(schema: &Schema) -> SchemaRef {
    let number = |field: &Arc<Field>| match is_carried(field.data_type()) {
        true => Arc::new(field.as_ref().clone().with_data_type(DataType::UInt64)),
        false => field.clone(),
    };
    let fields: Vec<Arc<Field>> = schema.fields().iter().map(number).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// A field of a struct column, which goes to a device as a column of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct StructField {
    /// The struct, by its place in the schema.
    pub column: usize,
    /// The names on the way to the field.
    pub path: Vec<String>,
    pub field: Field,
}

impl StructField {
    /// Returns the fields of all structs of `schema`, of types that devices take.
    pub fn all(schema: &Schema) -> Vec<StructField> {
        let mut found = vec![];
        for (column, field) in schema.fields().iter().enumerate() {
            collect_fields(column, field, &mut vec![], false, &mut found);
        }
        found
    }

    /// Answers the field's values. As DataFusion has it, the nulls of the structs around them do not hide them.
    ///
    /// # Errors
    /// `bug` where `array` has no such field.
    pub fn of(&self, array: &ArrayRef) -> Result<ArrayRef> {
        self.path.iter().try_fold(array.clone(), |array, name| {
            let field = array.as_struct_opt().and_then(|array| array.column_by_name(name)).cloned();
            field.ok_or_else(|| Error::bug(format!("a struct without its field '{name}'")))
        })
    }
}

fn collect_fields(
    column: usize,
    field: &Field,
    path: &mut Vec<String>,
    nullable: bool,
    found: &mut Vec<StructField>,
) {
    let nullable = nullable || field.is_nullable();
    match field.data_type() {
        DataType::Struct(fields) => {
            for inner in fields {
                path.push(inner.name().clone());
                collect_fields(column, inner, path, nullable, found);
                path.pop();
            }
        }
        data_type if !path.is_empty() && Storage::of(data_type).is_some() => {
            let field = Field::new(path.join("."), data_type.clone(), nullable);
            found.push(StructField { column, path: path.clone(), field });
        }
        _ => {}
    }
}

/// Returns the schema of what devices see of rows of `schema`: numbers for columns that are carried, and then
/// [`StructField::all`].
pub fn with_fields(schema: &Schema) -> SchemaRef {
    let mut fields: Vec<Arc<Field>> = with_numbers(schema).fields().iter().cloned().collect();
    fields.extend(StructField::all(schema).into_iter().map(|field| Arc::new(field.field)));
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// Answers the column that stands for `expr` where that is a field of a struct of `schema`, as [`with_fields`] has it.
pub fn column_of_field(schema: &Schema, expr: &Expr) -> Option<Expr> {
    let (Op::Field(path), [Expr { op: Op::Column(column), .. }]) = (&expr.op, expr.args.as_slice()) else {
        return None;
    };
    let place = StructField::all(schema).iter().position(|field| {
        field.column == *column && field.path == *path && field.field.data_type() == &expr.data_type
    })?;
    Some(Expr::column(schema.fields().len() + place, expr.data_type.clone(), true))
}

/// The values of one execution that are on the host meanwhile. Clones share them.
///
/// # Memory
/// Arrays are not copied; those that went to the device stay until the end of the execution, or of the chunk where each
/// gives its own result. They are host memory that no limit counts.
#[derive(Clone, Debug, Default)]
pub struct Carried(Arc<Mutex<Arrays>>);

#[derive(Debug, Default)]
struct Arrays {
    next: u32,
    by_number: BTreeMap<u32, Kept>,
    /// The number of an array, by its address: one that comes again has the same.
    by_address: BTreeMap<usize, u32>,
}

#[derive(Clone, Debug)]
struct Kept {
    array: ArrayRef,
    /// How often it came and was not released.
    times: usize,
}

fn address(array: &ArrayRef) -> usize {
    Arc::as_ptr(array) as *const () as usize
}

impl Carried {
    /// Keeps `array` and answers its values' numbers: that of the array in the upper half, the row in the lower.
    ///
    /// # Errors
    /// Unsupported where there are too many.
    pub fn numbers(&self, array: &ArrayRef) -> Result<ArrayRef> {
        let rows = u32::try_from(array.len())
            .map_err(|_| Error::unsupported(format!("a batch of {} rows", array.len())))?;
        let number = self.lock().keep(array)?;
        let first = u64::from(number) << 32;
        let numbers = (0..rows).map(|row| first | u64::from(row)).collect::<Vec<_>>();
        Ok(Arc::new(UInt64Array::new(numbers.into(), array.logical_nulls())))
    }

    /// Answers `batch`, which came from a device, with the values of its numbers, under the names and types of `schema`.
    ///
    /// # Errors
    /// `bug` where a number is of no array.
    pub fn restore(&self, batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
        if !schema.fields().iter().any(|field| is_carried(field.data_type())) {
            return Ok(batch);
        }
        let columns = schema.fields().iter().zip(batch.columns()).map(|(field, column)| {
            match is_carried(field.data_type()) {
                true => self.values(column.as_primitive(), field.data_type()),
                false => Ok(column.clone()),
            }
        });
        let columns = columns.collect::<Result<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(schema.clone(), columns, &options)
            .map_err(|error| Error::bug(format!("carried columns are not of the result's schema: {error}")))
    }

    /// Answers the values of `numbers`, which are of `data_type`.
    ///
    /// # Errors
    /// `bug` where a number is of no array.
    pub fn values(&self, numbers: &UInt64Array, data_type: &DataType) -> Result<ArrayRef> {
        let kept = self.lock().by_number.clone();
        // Place 0 is a null, for rows that an outer join made.
        let mut sources = vec![new_null_array(data_type, 1)];
        let mut places: BTreeMap<u32, usize> = BTreeMap::new();
        let mut rows = Vec::with_capacity(numbers.len());
        for number in numbers {
            let Some(number) = number else {
                rows.push((0, 0));
                continue;
            };
            let array = (number >> 32) as u32;
            let place = match places.get(&array) {
                Some(place) => *place,
                None => {
                    let source = kept.get(&array).map(|kept| &kept.array);
                    let source = source.filter(|source| source.data_type() == data_type);
                    sources.push(source.cloned().ok_or_else(|| {
                        Error::bug(format!("number {number} is of no column of type {data_type}"))
                    })?);
                    places.insert(array, sources.len() - 1);
                    sources.len() - 1
                }
            };
            rows.push((place, number as u32 as usize));
        }
        let sources: Vec<&dyn Array> = sources.iter().map(|source| source.as_ref()).collect();
        interleave(&sources, &rows).map_err(|error| {
            Error::unsupported(format!("putting values of type {data_type} together: {error}"))
        })
    }

    /// Lets the columns of `batches` go: nothing of them will come out any more.
    pub fn release(&self, batches: &[RecordBatch]) {
        let mut arrays = self.lock();
        for column in batches.iter().flat_map(RecordBatch::columns) {
            if is_carried(column.data_type()) {
                arrays.release(column);
            }
        }
    }

    /// Lets everything go.
    pub fn clear(&self) {
        let mut arrays = self.lock();
        arrays.by_number.clear();
        arrays.by_address.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Arrays> {
        // Nothing panics while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Arrays {
    fn keep(&mut self, array: &ArrayRef) -> Result<u32> {
        if let Some(&number) = self.by_address.get(&address(array))
            && let Some(kept) = self.by_number.get_mut(&number)
        {
            kept.times += 1;
            return Ok(number);
        }
        let number = self.next;
        self.next = number
            .checked_add(1)
            .ok_or_else(|| Error::unsupported("more batches of one input than 32 bits count"))?;
        self.by_address.insert(address(array), number);
        self.by_number.insert(number, Kept { array: array.clone(), times: 1 });
        Ok(number)
    }

    fn release(&mut self, array: &ArrayRef) {
        let Some(&number) = self.by_address.get(&address(array)) else { return };
        let Some(kept) = self.by_number.get_mut(&number) else { return };
        kept.times -= 1;
        if kept.times == 0 {
            self.by_number.remove(&number);
            self.by_address.remove(&address(array));
        }
    }
}

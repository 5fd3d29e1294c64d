//! `unnest`: a row for each value of a list.
//!
//! Lists stay on the host while their rows are on a device ([`carried`](super::carried)). Where they are unnested, the
//! numbers of those that are left come down, their values go up as a table, and the device makes the pairs of rows and
//! values, as it does for a join.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array, new_null_array};
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::common::NullHandling;
use datafusion::common::runtime::SpawnedTask;
use datafusion::physical_plan::unnest::UnnestExec;

use super::carried::{is_carried, with_numbers};
use super::device_run::DeviceRun;
use super::feed::{choose, join};
use crate::column::{DeviceChunk, StagedChunk, Storage};
use crate::error::{Error, Result};
use crate::operators::{self, Execution};
use crate::program::{self, CompiledPipeline, Expand, Expr, Group, Pipeline, Sink, Step, columns_of};
use crate::worker::StoredChunk;

/// The unnesting of one column.
#[derive(Clone, Debug)]
pub struct Unnest {
    /// The list, by its place among the input's columns; its values take the same place.
    pub column: usize,
    pub list: DataType,
    pub item: FieldRef,
    /// Whether a null, and an empty list, make a row without a value.
    pub keeps_null: bool,
    pub keeps_empty: bool,
}

/// Translates an [`UnnestExec`].
///
/// # Errors
/// Unsupported for several columns at once, for structs, and for lists in lists that are unnested in one go.
pub fn translate_unnest(node: &UnnestExec) -> Result<Unnest> {
    let refuse = |reason: &str| Err(Error::unsupported(format!("no device form of {reason}")));
    let ([list], []) = (node.list_column_indices(), node.struct_column_indices()) else {
        return refuse("unnest of several columns, or of a struct");
    };
    if list.depth != 1 {
        return refuse("unnest of lists in lists at once");
    }
    let input = node.input().schema();
    let field = input.field(list.index_in_input_schema);
    let (DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _)) =
        field.data_type()
    else {
        return refuse(&format!("unnest of {}", field.data_type()));
    };
    if Storage::of(item.data_type()).is_none() && !is_carried(item.data_type()) {
        return refuse(&format!("unnest of {}", field.data_type()));
    }
    let handling = &node.options().null_handling;
    Ok(Unnest {
        column: list.index_in_input_schema,
        list: field.data_type().clone(),
        item: item.clone(),
        keeps_null: !matches!(handling, NullHandling::Drop),
        keeps_empty: matches!(handling, NullHandling::PreserveAndExpandEmpty),
    })
}

/// A stage that unnests.
#[derive(Clone, Debug)]
pub struct UnnestStage {
    unnest: Unnest,
    /// Over the input's columns, then where each row's values begin and how many there are.
    compiled: Arc<CompiledPipeline>,
    /// The table of the values.
    items: SchemaRef,
}

impl UnnestStage {
    /// Prepares to unnest rows of `layout` to rows of `output`, which is as stages write it.
    ///
    /// # Errors
    /// Those of compiling a pipeline.
    pub fn new(unnest: &Unnest, layout: &SchemaRef, output: SchemaRef) -> Result<UnnestStage> {
        let item = Field::new("item", unnest.item.data_type().clone(), true);
        let items = with_numbers(&Schema::new(vec![item]));
        let mut fields: Vec<FieldRef> = layout.fields().iter().cloned().collect();
        let (begin, count) = (fields.len(), fields.len() + 1);
        fields.extend(group_schema().fields().iter().cloned());
        let input: SchemaRef = Arc::new(Schema::new(fields));
        let mut columns = columns_of(layout, 0);
        columns[unnest.column] = Expr::column(count + 1, items.field(0).data_type().clone(), true);
        let expand = Step::Expand(Expand {
            table: 0,
            group: Some(Group { begin, count }),
            columns: items.clone(),
            residual: None,
            marks: false,
            marks_input: false,
        });
        let sink = Sink::Materialize { output, columns };
        let compiled = Arc::new(program::compile(&Pipeline { input, steps: vec![expand], sink })?);
        Ok(UnnestStage { unnest: unnest.clone(), compiled, items })
    }

    pub fn compiled(&self) -> &Arc<CompiledPipeline> {
        &self.compiled
    }
}

/// Which of the values are a row's.
fn group_schema() -> SchemaRef {
    let field = |name: &str| Field::new(name, DataType::UInt32, false);
    Arc::new(Schema::new(vec![field("group begin"), field("group count")]))
}

impl DeviceRun {
    /// Makes a row of each value of the lists of `chunks`, in their order.
    pub(super) async fn unnest(
        &self,
        stage: &UnnestStage,
        chunks: Vec<StoredChunk>,
    ) -> Result<Vec<StoredChunk>> {
        let mut unnested = vec![];
        for chunk in chunks {
            let (numbered, column) = (chunk.clone(), stage.unnest.column);
            let numbers = self.on_task("numbers", move |task| {
                let whole = task.fetch(&numbered)?;
                let schema = Arc::new(Schema::new(vec![Field::new("number", DataType::UInt64, true)]));
                task.download(&choose(&whole, &[column], &schema)?)
            });
            let numbers = numbers.await?;
            let lists = self.carried.values(numbers.column(0).as_primitive(), &stage.unnest.list)?;
            let (groups, items) = flatten(&lists, &stage.unnest)?;
            let items = if is_carried(items.data_type()) { self.carried.numbers(&items)? } else { items };
            let batch = |schema: &SchemaRef, columns| {
                RecordBatch::try_new(schema.clone(), columns)
                    .map_err(|error| Error::bug(format!("values of lists are not of their type: {error}")))
            };
            let (groups, items) = (batch(&group_schema(), groups)?, batch(&stage.items, vec![items])?);
            let pool = self.worker.pinned_pool().clone();
            let staged = SpawnedTask::spawn_blocking(move || {
                let stage = |batch: RecordBatch| StagedChunk::stage(&batch.schema(), &[batch], &pool);
                Ok((stage(groups)?, stage(items)?))
            });
            let (groups, items) = join(staged).await?;
            let compiled = stage.compiled.clone();
            let made = self.on_task("unnest", move |task| {
                let whole = task.fetch(&chunk)?;
                drop(chunk);
                let (groups, items) = (task.upload(groups)?, task.upload(items)?);
                task.wait_for(&groups)?;
                let table = operators::build(task, None, Arc::new(items), false)?;
                let mut columns = whole.columns.clone();
                columns.extend(groups.columns);
                let chunk = DeviceChunk::new(compiled.pipeline.input.clone(), columns, whole.rows)?;
                let mut execution = Execution::new(compiled, vec![Some(Arc::new(table))])?;
                let made = execution.push(task, Arc::new(chunk))?;
                drop(execution);
                made.into_iter().map(|chunk| task.store(chunk)).collect::<Result<Vec<_>>>()
            });
            unnested.extend(made.await?);
        }
        Ok(unnested)
    }
}

/// Answers where each list's values begin among all of them, how many they are, and the values.
fn flatten(lists: &ArrayRef, unnest: &Unnest) -> Result<(Vec<ArrayRef>, ArrayRef)> {
    let failed = |error| Error::unsupported(format!("unnest of {}: {error}", unnest.list));
    let lists = cast(lists, &DataType::List(unnest.item.clone())).map_err(failed)?;
    let lists = lists.as_list::<i32>();
    let offsets = lists.value_offsets();
    let (first, last) = (offsets[0] as usize, offsets[lists.len()] as usize);
    let mut items = lists.values().slice(first, last - first);
    // A null behind the values, for lists that have none but keep their row.
    let null = items.len() as u32;
    if unnest.keeps_null || unnest.keeps_empty {
        let nothing = new_null_array(items.data_type(), 1);
        items = concat(&[items.as_ref(), nothing.as_ref()]).map_err(failed)?;
    }
    let group = |row: usize| {
        let (begin, end) = (offsets[row] as u32 - first as u32, offsets[row + 1] as u32 - first as u32);
        match lists.is_null(row) {
            true if unnest.keeps_null => (null, 1),
            true => (0, 0),
            false if begin == end && unnest.keeps_empty => (null, 1),
            false => (begin, end - begin),
        }
    };
    let (begins, counts): (Vec<u32>, Vec<u32>) = (0..lists.len()).map(group).unzip();
    Ok((vec![Arc::new(UInt32Array::from(begins)), Arc::new(UInt32Array::from(counts))], items))
}

//! The materialize sink, and how any sink writes output columns.

use arrow::datatypes::{DataType, SchemaRef};

use crate::column::Storage;
use crate::error::{Error, Result};
use crate::program::expr::{Expr, Op};
use crate::program::pipeline::Step;

use super::emitter::{Emitter, ModuleOf};
use super::scan::{generate_scan, items_for};
use super::value::Value;
use super::{CompiledSink, OutputColumn, Param};

pub(super) fn generate(
    emitter: &mut Emitter,
    steps: &[Step],
    output: &SchemaRef,
    columns: &[Expr],
) -> Result<CompiledSink> {
    for param in [Param::Rows, Param::RowBegin, Param::Control, Param::Tiles] {
        emitter.param(param);
    }
    emitter.need("scan_rows");
    emitter.need("scan");
    emitter.need("materialize");
    generate_scan(emitter, steps, &columns.iter().collect::<Vec<_>>())?;
    emitter.begin_function("void emit", "const Params& p, const Row& r, u64 row, u64 out");
    let mut outputs = vec![];
    for (index, (expr, field)) in columns.iter().zip(output.fields()).enumerate() {
        if let Some(column) = emitter.passed_on(expr, field.data_type()) {
            emitter.store_key(index, column);
            outputs.push(column);
            continue;
        }
        let value = emitter.value(expr)?;
        let column = output_column(field.data_type(), value.ok.is_some())
            .ok_or_else(|| Error::unsupported(format!("{expr} has type {}", field.data_type())))?;
        emitter.store(index, column, &value);
        outputs.push(column);
    }
    emitter.end_function();
    let filtered = !steps.is_empty();
    let template = if filtered { "materialize_kept" } else { "materialize_all" };
    let items = items_for(steps, &columns.iter().collect::<Vec<_>>(), 0);
    emitter.entry(ModuleOf::Input, "materialize", format!("{template}<P, {items}>"));
    Ok(CompiledSink::Materialize { filtered, items, outputs })
}

/// How a column of the type is written; dictionaries are written out.
pub fn output_column(data_type: &DataType, nullable: bool) -> Option<OutputColumn> {
    let storage = match Storage::of(data_type)? {
        Storage::Dictionary { .. } => Storage::Bytes,
        storage => storage,
    };
    Some(OutputColumn { storage, nullable, dictionary: None })
}

/// Whether a column of the type keeps its dictionary where the expression does no more than name one.
pub fn stays_encoded(expr: &Expr, data_type: &DataType) -> bool {
    matches!(expr.op, Op::Column(_))
        && matches!(data_type, DataType::Dictionary(..))
        && expr.data_type == *data_type
}

impl Emitter {
    /// How a column of a dictionary's keys is passed on; `None` where its values have to be written out.
    fn passed_on(&self, expr: &Expr, data_type: &DataType) -> Option<OutputColumn> {
        let Op::Column(column) = expr.op else { return None };
        let storage = Storage::of(self.input.field(column).data_type())?;
        let is_key = matches!(storage, Storage::Dictionary { .. });
        (is_key && stays_encoded(expr, data_type)).then(|| OutputColumn {
            storage,
            nullable: self.input.field(column).is_nullable(),
            dictionary: Some(column),
        })
    }

    /// Writes the key of a dictionary column as row `out` of output column `index`.
    fn store_key(&mut self, index: usize, column: OutputColumn) {
        let (Storage::Dictionary { key_bytes }, Some(from)) = (column.storage, column.dictionary) else {
            return;
        };
        let to = self.param(Param::Output(index));
        self.line(&format!("((u{}*){to})[out] = r.c{from};", 8 * key_bytes as usize));
        if column.nullable {
            let validity = self.param(Param::OutputValidity(index));
            self.line(&format!("if (!r.k{from}) clear_bit({validity}, out);"));
        }
    }

    /// Writes `value` as row `out` of output column `index`.
    pub(super) fn store(&mut self, index: usize, column: OutputColumn, value: &Value) {
        let to = self.param(Param::Output(index));
        let code = &value.code;
        let store = match column.storage {
            Storage::Bits => format!("set_bit((u32*){to}, out);"),
            Storage::I128 => format!("((Wide*){to})[out] = widen({code});"),
            Storage::Bytes | Storage::Dictionary { .. } => format!("((Str*){to})[out] = {code};"),
            storage => {
                let kind = super::value::Kind::of(storage).name();
                format!("(({kind}*){to})[out] = ({kind}){code};")
            }
        };
        let store = if column.storage == Storage::Bits { format!("if ({code}) {store}") } else { store };
        if !column.nullable {
            self.line(&store);
            return;
        }
        let validity = self.param(Param::OutputValidity(index));
        let ok = value.ok();
        if column.storage == Storage::Bytes {
            // A null's reference is read when lengths are summed: it must be empty.
            self.line(&format!("((Str*){to})[out] = {ok} ? {code} : Str{{0, 0, 0}};"));
            self.line(&format!("if (!({ok})) clear_bit({validity}, out);"));
        } else {
            self.line(&format!("if ({ok}) {{ {store} }} else clear_bit({validity}, out);"));
        }
    }
}

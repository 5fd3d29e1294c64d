//! Code generation: a pipeline becomes the text of CUDA modules.
//!
//! Each text is made of the device library in `kernels/`, the parameter block, and a struct `P` whose static functions
//! evaluate the pipeline's expressions for one row; the library's templates call them. Literals, sizes and addresses
//! are parameters, so that the text, and with it the compiled kernel, is the same when only they change.

mod aggregate;
mod arithmetic;
mod cast;
mod convert;
mod emitter;
mod expression;
mod function;
mod like;
mod materialize;
mod param;
#[cfg(test)]
mod tests;
mod text;
mod value;

use std::fmt::Write as _;

use crate::column::Storage;
use crate::error::{Error, Result};

use super::expr::{Expr, Op};
use super::pipeline::{Pipeline, Sink};
use emitter::{Emitter, name_columns};
pub use param::Param;

/// Threads of a block; `BLOCK` in the device library.
pub const BLOCK: usize = 256;
/// Bytes that the parameters of a kernel may take on every architecture.
pub const PARAMS_BYTES_MAX: usize = 4096;

/// A pipeline with the source that runs it.
#[derive(Debug)]
pub struct CompiledPipeline {
    pub pipeline: Pipeline,
    /// What is compiled; pipelines that differ in literals alone have equal sources. The first reads the input.
    pub modules: Vec<Module>,
    /// The kernel's parameter struct, one 8-byte word each.
    pub params: Vec<Param>,
    /// Constants too large for a parameter; [`Param::Pool`] points into it.
    pub pool: Vec<u8>,
    /// The text of each expression that can fail, by its number in a failure.
    pub sites: Vec<String>,
    pub sink: CompiledSink,
}

/// The source of one module and the kernels in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Module {
    pub source: String,
    pub entry_points: Vec<String>,
}

/// What the host has to know to run the sink.
#[derive(Clone, Debug, PartialEq)]
pub enum CompiledSink {
    /// Entry point `materialize`.
    Materialize {
        /// Whether rows can be dropped: then the count of rows is known only after the kernel.
        filtered: bool,
        /// Rows that a thread takes in one tile.
        items: usize,
        outputs: Vec<OutputColumn>,
    },
    /// Entry points `aggregate`; `emit`; `ranges` (if `float_sums > 0`); `merge`, `strings` (if `has_strings`).
    Aggregate {
        keyed: bool,
        slot_words: usize,
        float_sums: usize,
        /// Whether slots refer to strings of the input.
        has_strings: bool,
        /// Rows that a thread takes in one tile.
        items: usize,
        outputs: Vec<OutputColumn>,
    },
}

/// A column that a kernel writes: strings as 16-byte references, the rest as [`Storage`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputColumn {
    pub storage: Storage,
    pub nullable: bool,
}

/// Generates the source for `pipeline`.
///
/// # Errors
/// `is_unsupported` where the device does not take a type or an expression: the message names it.
pub fn compile(pipeline: &Pipeline) -> Result<CompiledPipeline> {
    generate(pipeline).map_err(|error| error.reword(|text| name_columns(text, &pipeline.input)))
}

fn generate(pipeline: &Pipeline) -> Result<CompiledPipeline> {
    let mut emitter = Emitter::new(&pipeline.input);
    let sink = match &pipeline.sink {
        Sink::Materialize { output, columns } => {
            materialize::generate(&mut emitter, &pipeline.filters, output, columns)?
        }
        Sink::Aggregate { output, keys, aggregates } => {
            aggregate::generate(&mut emitter, &pipeline.filters, output, keys, aggregates)?
        }
    };
    let (modules, params, pool, sites) = emitter.finish();
    if params.len() * 8 > PARAMS_BYTES_MAX {
        return Err(Error::unsupported(format!(
            "a kernel over {} columns needs {} bytes of parameters; {PARAMS_BYTES_MAX} is the most there is",
            pipeline.columns_read().len(),
            params.len() * 8
        )));
    }
    Ok(CompiledPipeline { pipeline: pipeline.clone(), modules, params, pool, sites, sink })
}

/// Says whether the device can evaluate `expr` over columns of `input`.
///
/// # Errors
/// `is_unsupported`, naming the part that it cannot.
pub fn check(input: &arrow::datatypes::SchemaRef, expr: &Expr) -> Result<()> {
    let mut emitter = Emitter::new(input);
    emitter.begin_function("check", "const Params& p, const Row& r, u64 row");
    emitter.value(expr).map(drop).map_err(|error| error.reword(|text| name_columns(text, input)))
}

/// Chooses how many rows a thread takes at once: more loads in flight where a row is cheap, one where its code is long,
/// because every row taken at once is another copy of the code to compile.
/// `weight` is that of the work that is not in expressions.
fn items_for(exprs: &[&Expr], mut weight: usize) -> usize {
    for expr in exprs {
        expr.walk(&mut |expr| {
            let is_string = Storage::of(&expr.data_type).is_none_or(|storage| storage.width().is_none());
            weight += match expr.op {
                Op::Column(_) | Op::Literal(_) => is_string as usize,
                Op::Binary(_) => 1,
                _ => 4,
            };
        });
    }
    match weight {
        0..=12 => 4,
        13..=24 => 2,
        _ => 1,
    }
}

/// Writes the struct `Row` and the functions that load it: what the filters read first, the rest afterwards.
fn generate_scan(emitter: &mut Emitter, filters: &[Expr], rest: &[&Expr]) -> Result<()> {
    let mut early = vec![];
    let mut late = vec![];
    let collect = |expr: &Expr, into: &mut Vec<usize>, not_in: &[usize]| {
        expr.walk(&mut |expr| {
            if let Op::Column(index) = expr.op
                && !into.contains(&index)
                && !not_in.contains(&index)
            {
                into.push(index);
            }
        });
    };
    for filter in filters {
        collect(filter, &mut early, &[]);
    }
    for expr in rest {
        collect(expr, &mut late, &early);
    }
    let (mut fields, mut load_early, mut load_late) = (String::new(), String::new(), String::new());
    for (columns, body) in [(&early, &mut load_early), (&late, &mut load_late)] {
        for &column in columns {
            emitter.declare_column(column, &mut fields, body)?;
        }
    }
    emitter.text.push_str(&format!("struct Row {{\n{fields}    u32 unused;\n}};\n"));
    for (name, body) in [("load", load_early), ("load_rest", load_late)] {
        let _ = write!(
            emitter.functions,
            "    static __device__ __forceinline__ void {name}(const Params& p, u64 row, Row& r) {{\n{body}    }}\n"
        );
    }
    emitter.begin_function("bool keep", "const Params& p, const Row& r, u64 row");
    for filter in filters {
        let value = emitter.value(filter)?;
        emitter.line(&format!("if (!({})) return false;", value.is_true()));
    }
    emitter.line("return true;");
    emitter.end_function();
    Ok(())
}

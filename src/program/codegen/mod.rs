//! Code generation: a pipeline becomes the text of CUDA modules.
//!
//! Each text is made of the device library in `kernels/`, the parameter block, and a struct `P` whose static functions
//! evaluate the pipeline's expressions for one row; the library's templates call them. Literals, sizes and addresses
//! are parameters, so that the text, and with it the compiled kernel, is the same when only they change.

mod aggregate;
mod arithmetic;
mod cast;
mod convert;
mod dictionary;
mod emitter;
mod expression;
mod function;
mod join;
mod key;
mod like;
mod materialize;
mod number;
mod param;
mod scan;
#[cfg(test)]
mod tests;
mod text;
mod value;

use crate::column::Storage;
use crate::error::{Error, Result};

use super::expr::Expr;
use super::pipeline::{Origin, Pipeline, Sink};
use emitter::{Emitter, name_columns};
pub use materialize::{output_column, stays_encoded};
pub use param::Param;

/// Threads of a block; `BLOCK` in the device library.
pub const BLOCK: usize = 256;
/// Bytes that the parameters of a kernel may take on every architecture.
pub const PARAMS_BYTES_MAX: usize = 4096;

/// A pipeline with the source that runs it.
#[derive(Debug)]
pub struct CompiledPipeline {
    pub pipeline: Pipeline,
    /// Where each of the pipeline's columns comes from.
    pub origins: Vec<Origin>,
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
    /// Entry points `build` and `heads`.
    Build { key_words: usize },
}

/// A column that a kernel writes: strings as 16-byte references, the rest as [`Storage`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputColumn {
    pub storage: Storage,
    pub nullable: bool,
    /// The pipeline's column whose dictionary the keys are into, where the storage is one.
    pub dictionary: Option<usize>,
}

/// Generates the source for `pipeline`.
///
/// # Errors
/// `is_unsupported` where the device does not take a type or an expression: the message names it.
pub fn compile(pipeline: &Pipeline) -> Result<CompiledPipeline> {
    generate(pipeline).map_err(|error| error.reword(|text| name_columns(text, &pipeline.columns().0)))
}

fn generate(pipeline: &Pipeline) -> Result<CompiledPipeline> {
    let mut emitter = Emitter::of(pipeline);
    let sink = match &pipeline.sink {
        Sink::Materialize { output, columns } => {
            materialize::generate(&mut emitter, &pipeline.steps, output, columns)?
        }
        Sink::Aggregate { output, keys, aggregates } => {
            aggregate::generate(&mut emitter, &pipeline.steps, output, keys, aggregates)?
        }
        Sink::Build { keys, null_equals_null } => {
            join::generate_build(&mut emitter, keys, *null_equals_null)?
        }
    };
    let origins = pipeline.columns().1;
    let (modules, params, pool, sites) = emitter.finish();
    if params.len() * 8 > PARAMS_BYTES_MAX {
        return Err(Error::unsupported(format!(
            "a kernel over {} columns needs {} bytes of parameters; {PARAMS_BYTES_MAX} is the most there is",
            pipeline.columns_read().len(),
            params.len() * 8
        )));
    }
    Ok(CompiledPipeline { pipeline: pipeline.clone(), origins, modules, params, pool, sites, sink })
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

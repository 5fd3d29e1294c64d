//! Device programs: the intermediate representation and its code generation.
//!
//! A program is data: pipelines over columns. It knows nothing of DataFusion above it and makes no CUDA calls; what
//! comes out is source text and the layout of its parameters.

mod case_table;
pub mod codegen;
pub mod expr;
pub mod pipeline;
pub(crate) mod regex;
pub mod split;
pub mod tensor;

pub use codegen::{
    CompiledPipeline, CompiledSink, Module, OutputColumn, Param, check, compile, output_column, stays_encoded,
};
pub use expr::{BinaryOp, DatePart, Ends, Expr, Function, Literal, Op};
pub use pipeline::{
    Aggregate, AggregateFunction, Expand, Group, Origin, Phase, Pipeline, PipelineBuilder, Probe, ProbeKind,
    Regression, Sink, Step, columns_of,
};
pub use split::{Part, cut_at, split, with_partition};

//! Device operators: how the sink of a compiled pipeline runs on a worker.
//!
//! One file an operator. An operator allocates what its kernels write, binds their parameters, launches them and reads
//! back what the host has to know; it runs inside a worker's task and knows nothing of plans.

mod aggregate;
mod binding;
pub mod concat;
mod fixed;
pub mod gather;
mod materialize;
mod merge_sort;
mod output;
mod prefix_sum;
mod radix_select;
mod radix_sort;
pub mod sort;
mod sort_key;
mod sort_words;

use std::sync::Arc;

use crate::column::DeviceChunk;
use crate::error::Result;
use crate::program::{CompiledPipeline, CompiledSink};
use crate::worker::Task;

use aggregate::AggregateState;
use binding::Program;

/// A pipeline at work: chunks go in, chunks come out.
///
/// It can be moved between tasks of one worker. Results do not depend on how the input is cut into chunks, except that
/// [`relieve`](Execution::relieve) may change the last bits of float sums.
pub struct Execution {
    program: Program,
    state: State,
}

enum State {
    Materialize,
    Aggregate(Box<AggregateState>),
}

impl Execution {
    /// Prepares to run `compiled`; touches no device.
    pub fn new(compiled: Arc<CompiledPipeline>) -> Execution {
        let state = match compiled.sink {
            CompiledSink::Materialize { .. } => State::Materialize,
            CompiledSink::Aggregate { .. } => State::Aggregate(Box::default()),
        };
        Execution { program: Program::new(compiled), state }
    }

    /// Takes a chunk of the pipeline's input. Materialize answers its output at once, in chunks of input order;
    /// aggregate launches what it can, without waiting for it, and holds the chunk until
    /// [`finish`](Execution::finish).
    ///
    /// # Errors
    /// `is_user` where an expression fails for a row; `is_unsupported` where a value needs the CPU;
    /// `is_out_of_memory` where not even a part of the chunk can be done: nothing was taken then.
    pub fn push(&mut self, task: &mut Task<'_>, chunk: Arc<DeviceChunk>) -> Result<Vec<DeviceChunk>> {
        match &mut self.state {
            State::Materialize => materialize::run(task, &mut self.program, &chunk),
            State::Aggregate(state) => {
                state.push(task, &mut self.program, chunk)?;
                Ok(vec![])
            }
        }
    }

    /// Ends the input and answers what is left: for aggregate the groups, for materialize nothing.
    ///
    /// # Errors
    /// As [`push`](Execution::push).
    pub fn finish(&mut self, task: &mut Task<'_>) -> Result<Vec<DeviceChunk>> {
        match &mut self.state {
            State::Materialize => Ok(vec![]),
            State::Aggregate(state) => state.finish(task, &mut self.program),
        }
    }

    /// Frees input that is held, by folding it into the state. Returns whether there was any.
    ///
    /// # Errors
    /// As [`push`](Execution::push); what was held stays held then.
    pub fn relieve(&mut self, task: &mut Task<'_>) -> Result<bool> {
        match &mut self.state {
            State::Materialize => Ok(false),
            State::Aggregate(state) => state.fold(task, &mut self.program),
        }
    }
}

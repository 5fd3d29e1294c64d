//! Device operators: how the sink of a compiled pipeline runs on a worker.
//!
//! One file an operator. An operator allocates what its kernels write, binds their parameters, launches them and reads
//! back what the host has to know; it runs inside a worker's task and knows nothing of plans.

mod aggregate;
mod binding;
pub mod concat;
mod dictionary;
mod fixed;
pub mod gather;
mod join;
mod limit;
mod materialize;
mod merge_sort;
mod output;
mod partition;
mod prefix_sum;
mod radix_select;
mod radix_sort;
pub mod sort;
mod sort_key;
mod sort_runs;
mod sort_words;
pub mod tensor;
mod text;
pub mod window;

use std::sync::Arc;

use crate::column::DeviceChunk;
use crate::device::DeviceBuffer;
use crate::error::{Error, Result};
use crate::program::{CompiledPipeline, CompiledSink};
use crate::worker::Task;

use aggregate::AggregateState;
use binding::Program;
pub use concat::concat;
pub use gather::gather;
pub use join::{JoinTable, Tables, build, build_bytes, with_bits};
pub use limit::limit;
pub use output::empty;
pub use partition::partition;
pub use sort::{SortKey, sort};
pub use sort_runs::sort_runs;

/// A pipeline at work: chunks go in, chunks come out.
///
/// It can be moved between tasks of one worker. Results do not depend on how the input is cut into chunks, except that
/// [`relieve`](Execution::relieve) may change the last bits of float sums.
pub struct Execution {
    program: Program,
    state: State,
    /// Bits of the rows of the last chunk, where the pipeline marks them.
    marks: Option<DeviceBuffer>,
}

/// Takes a chunk that an operator made.
pub type Emit<'a> = dyn FnMut(&mut Task<'_>, DeviceChunk) -> Result<()> + 'a;

enum State {
    Materialize,
    Aggregate(Box<AggregateState>),
}

impl Execution {
    /// Prepares to run `compiled`, whose steps look into `tables` by number; touches no device.
    ///
    /// # Errors
    /// `bug` where the pipeline builds a table: that is [`build`]'s to run.
    pub fn new(compiled: Arc<CompiledPipeline>, tables: Tables) -> Result<Execution> {
        let state = match compiled.sink {
            CompiledSink::Materialize { .. } => State::Materialize,
            CompiledSink::Aggregate { .. } => State::Aggregate(Box::default()),
            CompiledSink::Build { .. } => return Err(Error::bug("a table is not built chunk by chunk")),
        };
        Ok(Execution { program: Program::new(compiled, tables), state, marks: None })
    }

    /// Takes a chunk of the pipeline's input. Materialize answers its output at once, in chunks of input order;
    /// aggregate launches what it can, without waiting for it, and holds the chunk until
    /// [`finish`](Execution::finish).
    ///
    /// # Errors
    /// `is_user` where an expression fails for a row; `is_unsupported` where a value needs the CPU;
    /// `is_out_of_memory` where not even a part of the chunk can be done: nothing was taken then.
    pub fn push(&mut self, task: &mut Task<'_>, chunk: Arc<DeviceChunk>) -> Result<Vec<DeviceChunk>> {
        let mut outputs = vec![];
        self.push_into(task, chunk, &mut |_, output| {
            outputs.push(output);
            Ok(())
        })?;
        Ok(outputs)
    }

    /// As [`push`](Execution::push), but gives each chunk of the output away as it is made: whoever takes it can have
    /// it leave the device to make room for the next.
    ///
    /// # Errors
    /// As [`push`](Execution::push), and those of `emit`; what was given away before has to be thrown away then.
    pub fn push_into(
        &mut self,
        task: &mut Task<'_>,
        chunk: Arc<DeviceChunk>,
        emit: &mut Emit<'_>,
    ) -> Result<()> {
        let input = self.program.input(task, chunk)?;
        match &mut self.state {
            State::Materialize => {
                materialize::run(task, &mut self.program, &input, emit)?;
                self.marks = input.marks;
                Ok(())
            }
            State::Aggregate(state) => state.push(task, &mut self.program, input),
        }
    }

    /// Answers which rows of the last chunk met a row, one bit each, where the pipeline's expansion marks them.
    pub fn take_marks(&mut self) -> Option<DeviceBuffer> {
        self.marks.take()
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

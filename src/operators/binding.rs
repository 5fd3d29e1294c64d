//! Binding a compiled pipeline to a chunk: parameters, launches, failures.

use std::sync::Arc;

use crate::column::{DeviceChunk, Storage};
use crate::device::{DeviceBuffer, KernelSource};
use crate::error::{Error, Result};
pub(super) use crate::program::codegen::BLOCK;
use crate::program::{CompiledPipeline, CompiledSink, Module, Param};
use crate::worker::{Kernel, Task};

/// Words of the control block, as `kernels/prelude.cuh` numbers them.
const CONTROL_WORDS: usize = 8;
const CONTROL_FAILURE: usize = 0;
const CONTROL_OVERFLOW: usize = 1;
const CONTROL_ROWS: usize = 2;
const CONTROL_BYTES: usize = 4;
const CONTROL_TEXT: usize = 7;

/// A compiled pipeline with what running it needs again and again.
pub(super) struct Program {
    pub compiled: Arc<CompiledPipeline>,
    /// A source for each module.
    sources: Vec<KernelSource>,
    /// The literal pool on the device, once it was written.
    pool: Option<DeviceBuffer>,
}

/// What the host and a kernel tell each other.
pub(super) struct Control(DeviceBuffer);

/// The control block after a kernel.
pub(super) struct Report {
    /// The table is too small.
    pub overflow: bool,
    /// Rows written, or groups.
    pub rows: usize,
    /// Bytes of strings.
    pub bytes: usize,
    /// The heap of new text is too small: everything has to be done again with a larger one.
    pub text_overflow: bool,
}

impl Control {
    pub fn new(task: &mut Task<'_>) -> Result<Control> {
        let mut words = [0u64; CONTROL_WORDS];
        words[CONTROL_FAILURE] = u64::MAX;
        Ok(Control(task.write(&to_bytes(&words))?))
    }

    pub fn address(&self) -> u64 {
        self.0.address()
    }

    /// Waits for the kernels before and reads what they report.
    ///
    /// # Errors
    /// The failure of the first row that failed, if one did; `sites` are the texts of what can fail. Unsupported where
    /// new text found no room: operators that give it some call [`read_with_text`](Control::read_with_text).
    pub fn read(&self, task: &mut Task<'_>, sites: &[String]) -> Result<Report> {
        let report = self.read_with_text(task, sites)?;
        match report.text_overflow {
            true => Err(Error::unsupported(
                "an expression that makes new text, in an operator without room for it",
            )),
            false => Ok(report),
        }
    }

    /// As [`read`](Control::read), where the caller begins again if the heap of new text was too small.
    pub fn read_with_text(&self, task: &mut Task<'_>, sites: &[String]) -> Result<Report> {
        let bytes = task.read(&self.0, 0, CONTROL_WORDS * 8)?;
        let words: Vec<u64> = bytes
            .chunks_exact(8)
            .map(|word| u64::from_le_bytes(word.try_into().expect("chunks of 8 bytes")))
            .collect();
        // What failed may have failed for want of text.
        let text_overflow = words[CONTROL_TEXT] != 0;
        if words[CONTROL_FAILURE] != u64::MAX && !text_overflow {
            return Err(failure(words[CONTROL_FAILURE], sites));
        }
        Ok(Report {
            overflow: words[CONTROL_OVERFLOW] != 0,
            rows: words[CONTROL_ROWS] as usize,
            bytes: words[CONTROL_BYTES] as usize,
            text_overflow,
        })
    }
}

/// Decodes a failure word: row, site, code.
fn failure(word: u64, sites: &[String]) -> Error {
    let site = ((word >> 8) & 0xffff) as usize;
    let what = sites.get(site).map_or("an expression", |site| site.as_str());
    match word & 0xff {
        1 => Error::user(format!("division by zero in {what}")),
        2 => Error::user(format!("arithmetic overflow in {what}")),
        3 => Error::user(format!("a value is out of range in {what}")),
        4 => Error::unsupported(format!("{what} meets text whose characters need the CPU")),
        code => Error::bug(format!("a kernel reports failure {code} in {what}")),
    }
}

impl Program {
    pub fn new(compiled: Arc<CompiledPipeline>) -> Program {
        let name = match &compiled.sink {
            CompiledSink::Materialize { .. } => "materialize",
            CompiledSink::Aggregate { .. } => "aggregate",
        };
        let source =
            |module: &Module| KernelSource::new(name, module.source.clone(), module.entry_points.clone());
        let sources = compiled.modules.iter().map(source).collect();
        Program { compiled, sources, pool: None }
    }

    /// The compiled module that holds entry point `entry`.
    fn kernel(&self, task: &mut Task<'_>, entry: &str) -> Result<Kernel> {
        let source =
            self.sources.iter().find(|source| source.entry_points().iter().any(|name| name == entry));
        task.kernel(source.ok_or_else(|| Error::bug(format!("no module has an entry point '{entry}'")))?)
    }

    /// Makes sure that a chunk's columns lie as the source reads them.
    fn check_layout(&self, chunk: &DeviceChunk) -> Result<()> {
        let fields = self.compiled.pipeline.input.fields();
        for (column, field) in chunk.columns.iter().zip(fields) {
            if Storage::of(field.data_type()) != Some(column.storage) {
                return Err(Error::bug(format!(
                    "column '{}' of type {} lies as {:?}",
                    field.name(),
                    field.data_type(),
                    column.storage
                )));
            }
        }
        Ok(())
    }

    /// Launches entry point `entry` over `chunk`. `word` gives the parameters that belong to the operator; those of
    /// the input, the constants and the pool are bound here. Without a chunk there are no rows.
    pub fn launch(
        &mut self,
        task: &mut Task<'_>,
        entry: &str,
        grid: usize,
        shared_bytes: usize,
        chunk: Option<&DeviceChunk>,
        word: impl Fn(Param) -> u64,
    ) -> Result<()> {
        if grid == 0 {
            return Ok(());
        }
        if let Some(chunk) = chunk {
            self.check_layout(chunk)?;
            task.wait_for(chunk)?;
        }
        let kernel = self.kernel(task, entry)?;
        // A pool written before the context was lost is gone with it.
        let pool = match self.pool.take().filter(|pool| pool.is_alive()) {
            Some(pool) => pool,
            None => task.write(&self.compiled.pool)?,
        };
        let column = |index: usize| chunk.map(|chunk| &chunk.columns[index]);
        let words: Vec<u64> = self
            .compiled
            .params
            .iter()
            .map(|param| match *param {
                Param::Values(index) => column(index).map_or(0, |column| column.values.address()),
                Param::Validity(index) => column(index)
                    .and_then(|column| column.validity.as_ref())
                    .map_or(0, |buffer| buffer.address()),
                Param::Offsets(index) => column(index)
                    .and_then(|column| column.offsets.as_ref())
                    .map_or(0, |buffer| buffer.address()),
                Param::DictionaryBytes(index) => column(index)
                    .and_then(|column| column.dictionary.as_ref())
                    .map_or(0, |dictionary| dictionary.values.address()),
                Param::DictionaryOffsets(index) => column(index)
                    .and_then(|column| column.dictionary.as_ref())
                    .map_or(0, |dictionary| dictionary.offsets.address()),
                Param::Word(value) => value,
                Param::Pool(offset) => pool.address() + offset as u64,
                other => word(other),
            })
            .collect();
        let grid =
            u32::try_from(grid).map_err(|_| Error::unsupported(format!("a launch of {grid} blocks")))?;
        task.launch(kernel.function(entry)?, grid, BLOCK as u32, shared_bytes as u32, &to_bytes(&words))?;
        self.pool = Some(pool);
        Ok(())
    }
}

/// The words as little-endian bytes.
pub(super) fn to_bytes(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

//! Binding a compiled pipeline to a chunk: parameters, launches, failures.

use std::sync::Arc;

use super::join::{JoinTable, Tables};
use super::prefix_sum::{Summand, prefix_sum};
use crate::column::{DeviceChunk, DeviceColumn, DeviceDictionary, Storage};
use crate::device::{DeviceBuffer, KernelSource};
use crate::error::{Error, Result};
pub(super) use crate::program::codegen::BLOCK;
use crate::program::{CompiledPipeline, CompiledSink, Module, Origin, Param, Step};
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
    /// The tables that the steps probe and expand.
    tables: Tables,
    /// The literal pool on the device, once it was written.
    pool: Option<DeviceBuffer>,
}

/// Rows for a pipeline: those of a chunk, or the pairs that its first step makes of them.
pub(super) struct Input {
    pub chunk: Arc<DeviceChunk>,
    pub rows: usize,
    /// For pairs of equal keys, the count of pairs before each row of the chunk, and of all.
    offsets: Option<DeviceBuffer>,
    /// Bits of the chunk's rows, where the step marks them.
    pub marks: Option<DeviceBuffer>,
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
        4 => Error::unsupported(format!("{what} meets a value that needs the CPU")),
        code => Error::bug(format!("a kernel reports failure {code} in {what}")),
    }
}

impl Program {
    pub fn new(compiled: Arc<CompiledPipeline>, tables: Tables) -> Program {
        let name = match &compiled.sink {
            CompiledSink::Materialize { .. } => "materialize",
            CompiledSink::Aggregate { .. } => "aggregate",
            CompiledSink::Build { .. } => "build",
        };
        let source =
            |module: &Module| KernelSource::new(name, module.source.clone(), module.entry_points.clone());
        let sources = compiled.modules.iter().map(source).collect();
        Program { compiled, sources, tables, pool: None }
    }

    /// Makes the rows of `chunk` the pipeline's, which are pairs where it begins with an expansion.
    pub fn input(&self, task: &mut Task<'_>, chunk: Arc<DeviceChunk>) -> Result<Input> {
        let Some(Step::Expand(expand)) = self.compiled.pipeline.steps.first() else {
            let rows = chunk.rows;
            return Ok(Input { chunk, rows, offsets: None, marks: None });
        };
        let (offsets, rows) = match expand.group {
            Some(group) => {
                task.wait_for(&chunk)?;
                let counts = &chunk.columns[group.count].values;
                let (offsets, rows) = prefix_sum(task, Summand::Counts, chunk.rows, counts)?;
                (Some(offsets), rows)
            }
            None => (None, chunk.rows * self.table(0)?.chunk.rows),
        };
        let marks = match expand.marks_input {
            true => Some(task.alloc_filled(chunk.rows.div_ceil(8), 0)?),
            false => None,
        };
        Ok(Input { chunk, rows, offsets, marks })
    }

    /// The table of step `step`.
    fn table(&self, step: usize) -> Result<&JoinTable> {
        let number = match self.compiled.pipeline.steps.get(step) {
            Some(Step::Probe(probe)) => probe.table,
            Some(Step::Expand(expand)) => expand.table,
            _ => return Err(Error::bug(format!("step {step} has no table"))),
        };
        let table = self.tables.get(number).and_then(Option::as_deref);
        table.ok_or_else(|| Error::bug(format!("table {number} was not given")))
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

    /// Launches entry point `entry` over `input`. `word` gives the parameters that belong to the operator; those of
    /// the input, the tables, the constants and the pool are bound here. Without an input there are no rows.
    pub fn launch(
        &mut self,
        task: &mut Task<'_>,
        entry: &str,
        grid: usize,
        shared_bytes: usize,
        input: Option<&Input>,
        word: impl Fn(Param) -> u64,
    ) -> Result<()> {
        let matches = match grid {
            0 => vec![],
            _ => self.match_dictionaries(task, input)?,
        };
        self.launch_with(task, entry, grid, shared_bytes, input, &matches, word)
    }

    /// As [`launch`](Program::launch), with what is known of the values of dictionaries.
    #[expect(clippy::too_many_arguments, reason = "what a launch needs")]
    pub fn launch_with(
        &mut self,
        task: &mut Task<'_>,
        entry: &str,
        grid: usize,
        shared_bytes: usize,
        input: Option<&Input>,
        matches: &[DeviceBuffer],
        word: impl Fn(Param) -> u64,
    ) -> Result<()> {
        if grid == 0 {
            return Ok(());
        }
        if let Some(input) = input {
            self.check_layout(&input.chunk)?;
            task.wait_for(&input.chunk)?;
        }
        let kernel = self.kernel(task, entry)?;
        // A pool written before the context was lost is gone with it.
        let pool = match self.pool.take().filter(|pool| pool.is_alive()) {
            Some(pool) => pool,
            None => task.write(&self.compiled.pool)?,
        };
        let words = self.compiled.params.iter().map(|&param| {
            Ok(match param {
                Param::Values(column)
                | Param::Validity(column)
                | Param::Offsets(column)
                | Param::DictionaryBytes(column)
                | Param::DictionaryOffsets(column) => {
                    self.column(column, input)?.map_or(0, |column| column_word(column, param))
                }
                Param::Matches { number, .. } => matches.get(number).map_or(0, DeviceBuffer::address),
                Param::DictionarySize(column) => self.dictionary_size(column, input)? as u64,
                Param::Word(value) => value,
                Param::Pool(offset) => pool.address() + offset as u64,
                Param::ExpandOffsets => {
                    input.and_then(|input| input.offsets.as_ref()).map_or(0, DeviceBuffer::address)
                }
                Param::ExpandMarks => {
                    input.and_then(|input| input.marks.as_ref()).map_or(0, DeviceBuffer::address)
                }
                Param::ExpandRows => input.map_or(0, |input| input.chunk.rows as u64),
                Param::TableSlots(step)
                | Param::TableMask(step)
                | Param::TableKeys(step)
                | Param::TableRows(step)
                | Param::TableBegins(step)
                | Param::TableEnds(step)
                | Param::TableMarks(step)
                | Param::TableSize(step) => self.table(step)?.word(param),
                other => word(other),
            })
        });
        let words = words.collect::<Result<Vec<u64>>>()?;
        let grid =
            u32::try_from(grid).map_err(|_| Error::unsupported(format!("a launch of {grid} blocks")))?;
        task.launch(kernel.function(entry)?, grid, BLOCK as u32, shared_bytes as u32, &to_bytes(&words))?;
        self.pool = Some(pool);
        Ok(())
    }

    /// What a launch may mark rows in that were met.
    pub fn marks<'a>(&'a self, input: Option<&'a Input>) -> Result<Vec<&'a DeviceBuffer>> {
        let mut marks = vec![];
        for param in &self.compiled.params {
            match *param {
                Param::ExpandMarks => marks.extend(input.and_then(|input| input.marks.as_ref())),
                Param::TableMarks(step) => marks.extend(self.table(step)?.marks.as_ref()),
                _ => {}
            }
        }
        Ok(marks)
    }

    /// The dictionary of column `number` of the pipeline.
    pub fn dictionary(&self, number: usize, input: &Input) -> Option<Arc<DeviceDictionary>> {
        self.column(number, Some(input)).ok().flatten()?.dictionary.clone()
    }

    /// The device column behind column `number` of the pipeline; none where there is no input.
    pub fn column<'a>(&'a self, number: usize, input: Option<&'a Input>) -> Result<Option<&'a DeviceColumn>> {
        Ok(match self.compiled.origins[number] {
            Origin::Input(index) => input.map(|input| input.chunk.columns[index].as_ref()),
            Origin::Table { step, column } => Some(self.table(step)?.chunk.columns[column].as_ref()),
            _ => None,
        })
    }
}

fn column_word(column: &DeviceColumn, param: Param) -> u64 {
    let address = |buffer: Option<&Arc<DeviceBuffer>>| buffer.map_or(0, |buffer| buffer.address());
    let dictionary = column.dictionary.as_ref();
    match param {
        Param::Values(_) => column.values.address(),
        Param::Validity(_) => address(column.validity.as_ref()),
        Param::Offsets(_) => address(column.offsets.as_ref()),
        Param::DictionaryBytes(_) => address(dictionary.map(|dictionary| &dictionary.values)),
        Param::DictionaryOffsets(_) => address(dictionary.map(|dictionary| &dictionary.offsets)),
        _ => 0,
    }
}

/// The words as little-endian bytes.
pub(super) fn to_bytes(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

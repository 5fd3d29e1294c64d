//! Running stages: each is cut into blocks, which threads compute side by side.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rayon::prelude::*;

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::{Array, BlockOperator, Op, Region};
use crate::kernel::matmul;
use crate::kernel::reduce::Partial;
use crate::program::ReduceOp;
use crate::run::accelerate::{Outcome, StageReport};
use crate::run::block::{Grid, block_shape};
use crate::run::evaluate::Values;
use crate::run::memory::Reservation;
use crate::run::region::{input_regions, relative};
use crate::run::stages::{Plan, Stage, is_inline};
use crate::run::store::{Output, SpilledTensor, Stored};
use crate::run::{Runner, Sink};
use crate::tensor::{Slice, Tensor, TensorMut};

/// Elements of a block: its operands and results stay within a core's second-level cache.
const BLOCK_ELEMENTS: usize = 64 << 10;

/// Elements of a block of a reduction, more than of others: each costs putting its result together with those before, which
/// takes as long as reading them where a result has thousands of elements. What is computed before it is reduced would
/// rather have half of it, but loses less. Part of what fixes the order of a sum.
const REDUCED_ELEMENTS: usize = 256 << 10;

/// Parts that a long reduction is cut into at most, for each block of its result; part of the order of a sum.
const REDUCED_PARTS_MAX: usize = 64;

/// Values of this many bytes or fewer stay with their node once they are computed whole.
const KEPT_VALUE_BYTES_MAX: usize = 64 << 10;

/// The part of the memory, as a divisor, that values which may lie on disk leave to those that are being worked on.
const WORKING_SHARE: u64 = 4;

/// Elements that a product handles on the calling thread alone.
const SMALL_PRODUCT: usize = 1 << 18;

/// Runs stages one after the other.
pub struct Execution {
    pub runner: Runner,
    pub plan: Plan,
    pub values: Values,
    reports: Mutex<Vec<StageReport>>,
}

impl Execution {
    pub fn new(runner: &Runner, plan: Plan) -> Self {
        Execution { runner: runner.clone(), plan, values: Values::default(), reports: Mutex::default() }
    }

    /// What the stages that have run did, in their order.
    pub fn take_reports(&self) -> Vec<StageReport> {
        std::mem::take(&mut self.reports.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs all stages; the results are in [`values`](Execution::values).
    pub fn run(&self) -> Result<()> {
        for number in 0..self.plan.stages.len() {
            self.run_stage(number)?;
        }
        Ok(())
    }

    /// Runs all that has to be whole before any region of the last stage's array can be asked for.
    pub fn prepare(&self) -> Result<()> {
        let Some((last, before)) = self.plan.stages.split_last() else { return Ok(()) };
        for number in 0..before.len() {
            self.run_stage(number)?;
        }
        let is_breaker = matches!(last.array.op(), Op::Reduce(..) | Op::MatMul | Op::Block(_));
        if is_breaker && !is_inline(&last.array) {
            self.run_stage(before.len())?;
        }
        Ok(())
    }

    /// Computes `array`, which is the last stage's if its values are not known already, block by block into `sink`.
    pub fn run_into(&self, array: &Array, sink: &dyn Sink) -> Result<()> {
        self.prepare()?;
        let unit = sink.chunks().unwrap_or_else(|| vec![1; array.ndim()]);
        let elements = self.block_elements(array).max(unit.iter().product());
        let grid = Grid::new(&Region::whole(array.shape()), block_shape(array.shape(), elements, &unit));
        self.for_each_block(grid.len(), |number| {
            let region = grid.block(number);
            sink.write(&region, &self.values.region(array, &region)?)
        })
    }

    fn run_stage(&self, number: usize) -> Result<()> {
        let stage = &self.plan.stages[number];
        if self.values.is_known(&stage.array) {
            return Ok(());
        }
        let started = Instant::now();
        let (outputs, mut report) = self.stage_outputs(stage)?;
        report.seconds = started.elapsed().as_secs_f64();
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).push(report);
        self.keep_small(stage, &outputs);
        self.values.insert(stage.array.id(), outputs);
        for read in self.plan.stages[..number].iter().filter(|read| read.last_reader == Some(number)) {
            if !read.is_result {
                self.values.remove(read.array.id());
            }
        }
        Ok(())
    }

    /// Has the accelerator, where there is one that takes it, run a stage; else runs it here.
    fn stage_outputs(&self, stage: &Stage) -> Result<(Vec<Stored>, StageReport)> {
        let mut note = None;
        if let Some(accelerator) = self.runner.accelerator() {
            match accelerator.run(stage, &self.values, &self.runner)? {
                Outcome::Done(outputs, report) => return Ok((outputs, report)),
                Outcome::Declined(reason) => note = Some(reason),
            }
        }
        let outputs = match stage.array.op() {
            Op::Reduce(op, axes) => vec![self.reduce(stage, *op, axes)?],
            Op::MatMul => vec![self.multiply(stage)?],
            Op::Block(operator) if !is_inline(&stage.array) => self.blocks(stage, operator)?,
            _ => vec![self.elementwise(stage)?],
        };
        let report = StageReport { note, ..StageReport::on_host(&stage.array) };
        Ok((outputs, report))
    }

    fn keep_small(&self, stage: &Stage, outputs: &[Stored]) {
        let [Stored::Memory { tensor, .. }] = outputs else { return };
        let buffer = tensor.buffer().len();
        if stage.region.is_whole(stage.array.shape())
            && buffer <= KEPT_VALUE_BYTES_MAX
            && tensor.ndim() == stage.array.ndim()
        {
            stage.array.set_value(tensor.clone());
        }
    }

    /// Calls `run` for each block; one that is alone runs on the calling thread.
    fn for_each_block(&self, count: usize, run: impl Fn(usize) -> Result<()> + Sync) -> Result<()> {
        let step = |number: usize| {
            self.runner.check_cancelled()?;
            run(number)?;
            self.runner.advance();
            Ok(())
        };
        self.runner.expect(count);
        if count <= 1 || self.runner.threads() == 1 {
            return (0..count).try_for_each(step);
        }
        self.runner.pool()?.install(|| (0..count).into_par_iter().with_max_len(1).try_for_each(step))
    }

    /// Elements of a block, fewer where memory is short.
    fn block_elements(&self, array: &Array) -> usize {
        let limit = self.runner.memory().limit();
        let each = limit / (self.runner.threads() as u64 * 16 * array.dtype().size() as u64);
        BLOCK_ELEMENTS.min(each.max(1024) as usize)
    }

    /// Memory for a stage's result, or a file where there is none.
    fn output(&self, array: &Array, dtype: DType, shape: &[usize]) -> Result<Output> {
        let bytes = crate::tensor::count(shape)? as u64 * dtype.size() as u64;
        // A result that was asked for in memory has to be there.
        let folder = self.runner.spill_folder().filter(|_| !self.is_result_in_memory(array));
        let memory = self.runner.memory();
        let what = format!("an array of shape {}", crate::error::show_shape(shape));
        let reserved = match folder {
            Some(_) => {
                memory.reserve(bytes.saturating_add(memory.limit() / WORKING_SHARE), &what).and_then(|both| {
                    drop(both);
                    memory.reserve(bytes, &what)
                })
            }
            None => memory.reserve(bytes, &what),
        };
        match (reserved, folder) {
            (Ok(reservation), _) => {
                let mut tensor = TensorMut::uninit(dtype, shape)?.keep(reservation);
                let target = tensor.target();
                Ok(Output::Memory(tensor, target))
            }
            (Err(_), Some(folder)) => SpilledTensor::create(folder, dtype, shape).map(Output::Disk),
            (Err(error), None) => Err(error),
        }
    }

    fn is_result_in_memory(&self, array: &Array) -> bool {
        !self.runner.may_spill_results()
            && self.plan.stages.iter().any(|s| s.is_result && s.array.id() == array.id())
    }

    fn elementwise(&self, stage: &Stage) -> Result<Stored> {
        let array = &stage.array;
        // What only shows memory is not copied.
        if stage.is_result && stage.region.is_whole(array.shape()) && self.is_view(array) {
            let tensor = self.values.region(array, &stage.region)?;
            return Ok(Stored::Memory { origin: stage.region.start.clone(), tensor });
        }
        let output = self.output(array, array.dtype(), &stage.region.shape)?;
        let grid =
            Grid::new(&stage.region, block_shape(&stage.region.shape, self.block_elements(array), &[]));
        self.for_each_block(grid.len(), |number| {
            let region = grid.block(number);
            let place = relative(&region, &stage.region.start);
            match output.target(&place) {
                Some(mut target) => self.values.compute_into(array, &region, &mut target),
                None => output.write(&place, &self.values.region(array, &region)?),
            }
        })?;
        Ok(output.finish(stage.region.start.clone()))
    }

    /// Whether an array is a view of values in memory.
    fn is_view(&self, array: &Array) -> bool {
        let mut array = array.clone();
        loop {
            if array.value().is_some() {
                return true;
            }
            match array.op() {
                Op::Slice(_) | Op::Permute(_) | Op::Broadcast | Op::Reshape | Op::Output(_) => {
                    let input = array.inputs()[0].clone();
                    // Reshaping what does not lie in order copies, and that is for blocks to do.
                    if matches!(array.op(), Op::Reshape) && !input.value().is_some_and(Tensor::is_contiguous)
                    {
                        return self.values.is_in_memory(&input);
                    }
                    if self.values.is_in_memory(&array) {
                        return true;
                    }
                    array = input;
                }
                _ => return self.values.is_in_memory(&array),
            }
        }
    }

    fn reduce(&self, stage: &Stage, op: ReduceOp, axes: &[usize]) -> Result<Stored> {
        let input = &stage.array.inputs()[0];
        let whole = input_regions(&stage.array, &stage.region).remove(0);
        let dtype = input.dtype();
        let output = self.output(&stage.array, stage.array.dtype(), &stage.region.shape)?;
        if whole.is_empty() {
            if !stage.region.is_empty() {
                let empty = Partial::empty(op, dtype, &stage.region.shape)?.finish()?;
                output.write(&Region::whole(&stage.region.shape), &empty)?;
            }
            return Ok(output.finish(stage.region.start.clone()));
        }
        // Blocks of the input, in the order of their results and then of what is reduced.
        let block = block_shape(&whole.shape, REDUCED_ELEMENTS, &[]);
        let kept_axes = |shape: &[usize], other: usize| -> Vec<usize> {
            shape
                .iter()
                .enumerate()
                .map(|(axis, &len)| if axes.contains(&axis) { other } else { len })
                .collect()
        };
        let kept = Grid::new(&stage.region, kept_axes(&block, 1));
        let mut reduced_region = whole.clone();
        (0..whole.ndim()).filter(|axis| !axes.contains(axis)).for_each(|axis| reduced_region.shape[axis] = 1);
        let reduced_block =
            block.iter().enumerate().map(|(axis, &len)| if axes.contains(&axis) { len } else { 1 });
        let reduced = Grid::new(&reduced_region, reduced_block.collect());
        let parts = (REDUCED_PARTS_MAX / kept.len().max(1)).clamp(1, reduced.len());
        let partial = |kept_block: &Region, number: usize| -> Result<Partial> {
            let along = reduced.block(number);
            let mut region = kept_block.clone();
            for &axis in axes {
                region.start[axis] = along.start[axis];
                region.shape[axis] = along.shape[axis];
            }
            Partial::of(op, &self.values.region(input, &region)?, axes, &region, input.shape())
        };
        let merged: Vec<Mutex<Option<Partial>>> = (0..kept.len() * parts).map(|_| Mutex::new(None)).collect();
        self.for_each_block(kept.len() * parts, |task| {
            let (kept_number, part) = (task / parts, task % parts);
            let kept_block = kept.block(kept_number);
            let numbers = reduced.len() * part / parts..reduced.len() * (part + 1) / parts;
            let mut tree = MergeTree::default();
            for number in numbers {
                self.runner.check_cancelled()?;
                tree.push(partial(&kept_block, number)?)?;
            }
            match (parts, tree.finish()?) {
                (1, Some(result)) => {
                    output.write(&relative(&kept_block, &stage.region.start), &result.finish()?)
                }
                (_, result) => {
                    *merged[task].lock().unwrap_or_else(PoisonError::into_inner) = result;
                    Ok(())
                }
            }
        })?;
        if parts > 1 {
            for kept_number in 0..kept.len() {
                let mut tree = MergeTree::default();
                for slot in &merged[kept_number * parts..(kept_number + 1) * parts] {
                    if let Some(partial) = slot.lock().unwrap_or_else(PoisonError::into_inner).take() {
                        tree.push(partial)?;
                    }
                }
                let place = relative(&kept.block(kept_number), &stage.region.start);
                if let Some(result) = tree.finish()? {
                    output.write(&place, &result.finish()?)?;
                }
            }
        }
        Ok(output.finish(stage.region.start.clone()))
    }

    fn multiply(&self, stage: &Stage) -> Result<Stored> {
        let array = &stage.array;
        let [left, right] = array.inputs() else {
            return Err(Error::bug("a product of other than two".to_string()));
        };
        let batch_axes = array.ndim() - 2;
        let output = self.output(array, array.dtype(), &stage.region.shape)?;
        let batch = Region {
            start: stage.region.start[..batch_axes].into(),
            shape: stage.region.shape[..batch_axes].into(),
        };
        let batches = Grid::new(&batch, vec![1; batch_axes]);
        let (rows, columns) = (stage.region.shape[batch_axes], stage.region.shape[batch_axes + 1]);
        let depth = left.shape()[batch_axes + 1];
        let (side, _working) = self.product_side(array, &output, rows.max(columns).max(depth))?;
        let multiply_one = |number: usize, threads: usize| -> Result<()> {
            let at = batches.block(number);
            let block = |of: &Region, row: (usize, usize), column: (usize, usize)| Region {
                start: [of.start.as_slice(), &[row.0, column.0]].concat(),
                shape: [of.shape.as_slice(), &[row.1, column.1]].concat(),
            };
            for row in (0..rows).step_by(side) {
                for column in (0..columns).step_by(side) {
                    let (height, width) = (side.min(rows - row), side.min(columns - column));
                    let (first_row, first_column) =
                        (stage.region.start[batch_axes] + row, stage.region.start[batch_axes + 1] + column);
                    let place = relative(
                        &block(&at, (first_row, height), (first_column, width)),
                        &stage.region.start,
                    );
                    let mut scratch = match output.target(&place) {
                        Some(_) => None,
                        None => Some(TensorMut::uninit(array.dtype(), &[height, width])?),
                    };
                    let target = match &mut scratch {
                        Some(scratch) => scratch.target(),
                        None => without_batch(output.target(&place), batch_axes)?,
                    };
                    for begin in (0..depth.max(1)).step_by(side) {
                        self.runner.check_cancelled()?;
                        let deep = side.min(depth - begin);
                        let a = self.matrix(left, &block(&at, (first_row, height), (begin, deep)))?;
                        let b = self.matrix(right, &block(&at, (begin, deep), (first_column, width)))?;
                        matmul::multiply(&a, &b, &target, begin > 0, threads)?;
                    }
                    if let Some(scratch) = scratch {
                        let values = scratch.freeze().with_unit_axes(&place.shape);
                        output.write(&place, &values)?;
                    }
                }
            }
            Ok(())
        };
        if !stage.region.is_empty() {
            let threads = self.runner.threads();
            let many = batches.len() >= 2 * threads;
            if many || rows.saturating_mul(columns).saturating_mul(depth) <= SMALL_PRODUCT || threads == 1 {
                self.for_each_block(batches.len(), |number| multiply_one(number, 1))?;
            } else {
                self.runner.expect(batches.len());
                self.runner
                    .pool()?
                    .install(|| (0..batches.len()).try_for_each(|number| multiply_one(number, threads)))?;
            }
        }
        Ok(output.finish(stage.region.start.clone()))
    }

    /// The side of the squares in which a product is made, and the memory that they take: all of it where what does not
    /// lie in memory fits.
    fn product_side(&self, array: &Array, output: &Output, longest: usize) -> Result<(usize, Reservation)> {
        let made = array.inputs().iter().filter(|input| !self.is_view(input)).count()
            + usize::from(matches!(output, Output::Disk(_)));
        let memory = self.runner.memory();
        let bytes = |side: usize| (side as u128).pow(2) * (made * array.dtype().size()) as u128;
        let room = u128::from(memory.limit() / WORKING_SHARE);
        let mut side = longest.max(1);
        if bytes(side) > room {
            let fitting = (room as f64 / (made * array.dtype().size()) as f64).sqrt() as usize;
            side = (fitting / 64 * 64).max(64).min(side);
        }
        loop {
            match memory.reserve(bytes(side) as u64, "blocks of a product") {
                Ok(reservation) => return Ok((side, reservation)),
                // Blocks this small go uncounted, as those of other operators do.
                Err(_) if side <= 64 => return Ok((side, Box::new(()))),
                Err(_) => side = (side / 128 * 64).max(64),
            }
        }
    }

    /// The values of a region; where they have to be computed and are many, all threads do that.
    fn region_by_all(&self, array: &Array, region: &Region) -> Result<Tensor> {
        if self.is_view(array) || region.len() <= BLOCK_ELEMENTS {
            return self.values.region(array, region);
        }
        let mut values = TensorMut::uninit(array.dtype(), &region.shape)?;
        let target = values.target();
        let grid = Grid::new(region, block_shape(&region.shape, self.block_elements(array), &[]));
        (0..grid.len()).into_par_iter().with_max_len(1).try_for_each(|number| {
            let block = grid.block(number);
            let place = relative(&block, &region.start);
            self.values.compute_into(array, &block, &mut target.slice(&place.slices()))
        })?;
        Ok(values.freeze())
    }

    /// The values of a matrix, computed by all threads where they have to be computed.
    fn matrix(&self, array: &Array, region: &Region) -> Result<Tensor> {
        let values = self.region_by_all(array, region)?;
        let (rows, columns) = (region.shape[region.ndim() - 2], region.shape[region.ndim() - 1]);
        let batch = region.ndim() - 2;
        let strides = values.strides()[batch..].to_vec();
        Ok(values.with_strides(&[rows, columns], strides))
    }

    fn blocks(&self, stage: &Stage, operator: &Arc<dyn BlockOperator>) -> Result<Vec<Stored>> {
        let array = &stage.array;
        let cuttable = operator.cuttable();
        let shared = Region {
            start: stage.region.start[..cuttable].into(),
            shape: stage.region.shape[..cuttable].into(),
        };
        let specs = operator.outputs();
        let origin = |shape: &[usize]| -> Vec<usize> {
            shared.start.iter().copied().chain(std::iter::repeat_n(0, shape.len() - cuttable)).collect()
        };
        let place_for = |(dtype, shape): &(DType, Vec<usize>)| {
            let own: Vec<usize> = shared.shape.iter().chain(&shape[cuttable..]).copied().collect();
            self.output(array, *dtype, &own)
        };
        let empty = shared.is_empty() || specs.iter().all(|(_, shape)| shape[cuttable..].contains(&0));
        let grid = Grid::new(&shared, self.operator_block(array, operator.as_ref(), &shared));
        if !empty && grid.len() == 1 {
            let run = || operator.compute(&shared, &self.block_inputs(array, operator.as_ref(), &shared)?);
            self.runner.expect(1);
            self.runner.check_cancelled()?;
            // A block alone has all threads to itself.
            let results = match array.inputs().iter().any(|input| input.len() > BLOCK_ELEMENTS) {
                true => self.runner.pool()?.install(run)?,
                false => run()?,
            };
            self.runner.advance();
            let stored = results.into_iter().zip(&specs).map(|(result, spec)| {
                let origin = origin(&spec.1);
                match self.adopted(result) {
                    Ok(tensor) => Ok(Stored::Memory { origin, tensor }),
                    Err(result) => {
                        let output = place_for(spec)?;
                        output.write(&Region::whole(result.shape()), &result)?;
                        Ok(output.finish(origin))
                    }
                }
            });
            return stored.collect();
        }
        let outputs: Vec<Output> = specs.iter().map(place_for).collect::<Result<_>>()?;
        if !empty {
            self.for_each_block(grid.len(), |number| {
                let block = grid.block(number);
                let inputs = self.block_inputs(array, operator.as_ref(), &block)?;
                let results = operator.compute(&block, &inputs)?;
                for ((result, output), (_, shape)) in results.iter().zip(&outputs).zip(&specs) {
                    let mut place = relative(&block, &shared.start);
                    place.start.extend(std::iter::repeat_n(0, shape.len() - cuttable));
                    place.shape.extend(&shape[cuttable..]);
                    output.write(&place, result)?;
                }
                Ok(())
            })?;
        }
        Ok(outputs.into_iter().zip(&specs).map(|(output, (_, shape))| output.finish(origin(shape))).collect())
    }

    /// A result as it is, where its memory is its own and there is room for it; otherwise it has to be copied.
    fn adopted(&self, result: Tensor) -> std::result::Result<Tensor, Tensor> {
        match self.runner.memory().reserve(result.bytes() as u64, "a result") {
            Ok(reservation) => result.try_keep(reservation),
            Err(_) => Err(result),
        }
    }

    /// What a block needs of the inputs; where the block is large, all threads compute it.
    fn block_inputs(
        &self,
        array: &Array,
        operator: &dyn BlockOperator,
        block: &Region,
    ) -> Result<Vec<Tensor>> {
        let each = |(i, input): (usize, &Array)| {
            let region = operator.needs(block, i, input.shape());
            self.region_by_all(input, &region)
        };
        array.inputs().iter().enumerate().map(each).collect()
    }

    /// The block in which an operator runs: large enough to be worth a call, small enough for all threads to have some
    /// and for memory.
    fn operator_block(&self, array: &Array, operator: &dyn BlockOperator, shared: &Region) -> Vec<usize> {
        let all = shared.len().max(1);
        let elements: usize = array.inputs().iter().map(Array::len).sum::<usize>().max(array.len());
        let each = (elements / array.shape()[..operator.cuttable()].iter().product::<usize>().max(1)).max(1);
        let wanted = (4 * BLOCK_ELEMENTS / each).max(1);
        let fair = all.div_ceil(4 * self.runner.threads());
        let limit = self.runner.memory().limit()
            / (self.runner.threads() * 4 * operator.scratch_factor().max(1)) as u64;
        let fitting = (limit / (each as u64 * 16)).clamp(1, usize::MAX as u64) as usize;
        let small = each.saturating_mul(all) <= BLOCK_ELEMENTS / 4;
        let count = if small { all } else { wanted.min(fair.max(1)) }.min(fitting);
        match operator.tile() {
            Some(tile) if tile.iter().product::<usize>() >= count => tile.to_vec(),
            tile => block_shape(&shared.shape, count, tile.unwrap_or_default()),
        }
    }
}

fn without_batch(target: Option<crate::tensor::Target>, batch_axes: usize) -> Result<crate::tensor::Target> {
    let mut target = target.ok_or_else(|| Error::bug("a product without a place".to_string()))?;
    let slices: Vec<Slice> = target.shape.iter().map(|&len| Slice::range(0, len)).collect();
    target = target.slice(&slices);
    target.shape.drain(..batch_axes);
    target.strides.drain(..batch_axes);
    Ok(target)
}

/// Merges a sequence pairwise, by a tree whose form depends on its length alone, and holds log₂ of them.
#[derive(Default)]
struct MergeTree {
    /// Merged runs with the number of pushed values in each, longest first.
    runs: Vec<(usize, Partial)>,
}

impl MergeTree {
    fn push(&mut self, partial: Partial) -> Result<()> {
        let mut run = (1, partial);
        while self.runs.last().is_some_and(|(len, _)| *len == run.0) {
            if let Some((len, before)) = self.runs.pop() {
                run = (len + run.0, before.merge(run.1)?);
            }
        }
        self.runs.push(run);
        Ok(())
    }

    fn finish(mut self) -> Result<Option<Partial>> {
        let Some((_, mut merged)) = self.runs.pop() else { return Ok(None) };
        while let Some((_, before)) = self.runs.pop() {
            merged = before.merge(merged)?;
        }
        Ok(Some(merged))
    }
}

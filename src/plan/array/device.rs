//! Stages of arrays on a device.
//!
//! What a stage reads goes up unless it is there already, kernels run over chunks of it, and the result stays on the
//! device for later stages, or comes down where it is asked for. What lies between two stages is fused, or computed with
//! the stage that reads it (`operand.rs`).

use std::sync::Arc;

use futures::executor::block_on;
use swath_array::graph::{BlockOperator, DeviceForm, Op, Region};
use swath_array::program::ReduceOp;
use swath_array::run::Runner;
use swath_array::run::accelerate::{Accelerator, Expectation, Outcome, StageReport, TierMoves};
use swath_array::run::block::{Grid, block_shape};
use swath_array::run::evaluate::Values;
use swath_array::run::region::{input_regions, relative};
use swath_array::run::stages::Stage;
use swath_array::run::store::{RemoteValues, Stored};
use swath_array::tensor::{TensorMut, copy};
use swath_array::{Array, DType, Tensor};

use super::cost::{Work, sooner_on_host};
use super::kept::OnDevice;
use super::operand::{Operand, make_all};
use crate::config::{Fallback, Placement};
use crate::device::MathLibrary;
use crate::error::{Error, Result};
use crate::operators::tensor::{
    DevicePartial, DeviceTensor, Multiplier, Sorted, finish_reduce, run_decompose, run_fft, run_gather,
    run_paste, run_product, run_put, run_put_rows, run_reduce_partial, run_scan, run_search, run_sort,
    run_take,
};
use crate::plan::engine::Engine;
use crate::plan::tier_metrics::tiers_of;
use crate::worker::{CancelToken, Task, TaskStats, Worker};

/// Results of reductions of this many bytes or fewer come down, where they stay with their node.
const SMALL_BYTES: usize = 64 << 10;

/// The share of a device's memory that a stage which leaves its result there may take with what it reads.
const STAYING_SHARE: usize = 4;

/// The share of a device's memory that a chunk may take, and the bytes that it may take in any case.
const CHUNK_SHARE: usize = 16;
const CHUNK_BYTES_MIN: usize = 64 << 10;

/// A device that runs stages where that is asked for, or where it is expected to be sooner done.
#[derive(Debug)]
pub struct DeviceStages {
    pub engine: Arc<Engine>,
    pub placement: Placement,
    pub fallback: Fallback,
    pub chunk_bytes_target: usize,
}

/// The name of a stage's tasks.
const TASK: &str = "array stage";

/// What is to become of a stage.
enum Verdict {
    Runs,
    /// The CPU is to run it, as it should.
    Stays(String),
    /// The device should and cannot.
    Fails(String),
}

/// What was decided of a stage.
struct Decision {
    verdict: Verdict,
    /// Those that it is expected to take on the CPU and on the device.
    seconds: Option<(f64, f64)>,
    /// Whether what it makes stays on the device.
    stays: bool,
}

impl Accelerator for DeviceStages {
    fn run(&self, stage: &Stage, values: &Values, runner: &Runner) -> swath_array::Result<Outcome> {
        let Some(worker) = self.engine.worker() else {
            return Ok(Outcome::Declined(self.engine.absence().unwrap_or("there is no device").to_string()));
        };
        let Decision { verdict, stays, .. } = self.decide(stage, values, runner);
        match verdict {
            Verdict::Runs => {}
            Verdict::Stays(reason) => return Ok(Outcome::Declined(reason)),
            Verdict::Fails(reason) => return self.decline(reason),
        }
        let mut run = StageRun {
            device: self,
            worker,
            stage,
            values,
            runner,
            stays,
            stats: TaskStats::default(),
            note: None,
            is_from_device: false,
        };
        let outputs = match stage.array.op() {
            Op::Reduce(op, axes) => run.reduce(*op, axes),
            Op::MatMul => run.multiply(),
            Op::Block(operator) => run.blocks(operator.as_ref()),
            _ => run.regions(),
        };
        match outputs {
            Ok(stored) => {
                let report = self.report(worker, stage, &run.stats);
                Ok(Outcome::Done(stored, StageReport { note: run.note, ..report }))
            }
            Err(error) if error.is_retryable() => self.decline(error.to_string()),
            Err(error) if error.is_user() && run.is_from_device => Err(mistake(stage, error)),
            Err(error) => Err(error.into()),
        }
    }

    fn expect(&self, stage: &Stage, values: &Values, runner: &Runner) -> Expectation {
        let Decision { verdict, seconds, stays } = self.decide(stage, values, runner);
        let (host_s, device_s) = seconds.unzip();
        match verdict {
            Verdict::Runs => {
                Expectation { place: self.engine.place(), host_s, device_s, reason: None, stays }
            }
            Verdict::Stays(reason) | Verdict::Fails(reason) => Expectation {
                place: "host".to_string(),
                host_s,
                device_s,
                reason: Some(reason),
                stays: false,
            },
        }
    }
}

impl DeviceStages {
    /// What was asked to run on a device and cannot: an error, or the CPU's, as the policy says.
    fn decline(&self, reason: String) -> swath_array::Result<Outcome> {
        match (self.placement, self.fallback) {
            (Placement::Device, Fallback::Error) => Err(swath_array::Error::unsupported(format!(
                "{reason}, and swath.fallback = error forbids the CPU"
            ))),
            _ => Ok(Outcome::Declined(reason)),
        }
    }

    fn decide(&self, stage: &Stage, values: &Values, runner: &Runner) -> Decision {
        let without = |verdict| Decision { verdict, seconds: None, stays: false };
        let work = match self.work(stage, values, runner) {
            Ok(Some(work)) => work,
            Ok(None) => return without(Verdict::Stays(nothing_to_do(stage).to_string())),
            Err(error) => return without(Verdict::Fails(error.to_string())),
        };
        let (host_s, device_s) = work.seconds(&self.engine.costs().model, runner.threads());
        let verdict = match self.placement {
            _ if self.engine.worker().is_none() => Verdict::Stays("there is no device".to_string()),
            Placement::Host => Verdict::Stays("swath.placement = host".to_string()),
            Placement::Auto if host_s <= device_s => Verdict::Stays(sooner_on_host(host_s, device_s)),
            _ => Verdict::Runs,
        };
        Decision { verdict, seconds: Some((host_s, device_s)), stays: work.down_bytes == 0.0 }
    }

    /// A stage in units of work; none where nothing is computed.
    fn work(&self, stage: &Stage, values: &Values, runner: &Runner) -> Result<Option<Work>> {
        let array = &stage.array;
        let regions = input_regions(array, &stage.region);
        if stage.region.is_empty() {
            return Ok(None);
        }
        let mut work = Work::default();
        let mut form = None;
        let operands = match array.op() {
            Op::Reduce(..) if regions[0].is_empty() => return Ok(None),
            Op::Reduce(..) => {
                let fused = values.program(&array.inputs()[0]);
                work.nodes += regions[0].len() as f64 * (fused.program.instructions.len() - 1) as f64;
                Operand::of_leaves(&fused, &regions[0], values)?
            }
            Op::Block(operator) => {
                let wanted = form_of(operator.as_ref(), &shared(operator.as_ref(), &stage.region))?;
                if let Some(library) = library_of(&wanted) {
                    if regions.iter().any(Region::is_empty) {
                        return Ok(None);
                    }
                    self.engine
                        .worker()
                        .map_or(Ok(()), |worker| library.load(worker.info().is_simulated()))?;
                }
                form = Some(wanted);
                self.operands(array, &regions, values)?
            }
            Op::MatMul => self.operands(array, &regions, values)?,
            _ => {
                let operand = Operand::of(array, &stage.region, values)?;
                if operand.is_view_of_host() {
                    return Ok(None);
                }
                vec![operand]
            }
        };
        operands.iter().for_each(|operand| operand.count(&mut work));
        work.add_operator(stage, form.as_ref());
        let read = work.up_bytes + work.there_bytes;
        if !self.stays(stage, read as usize, runner) {
            work.down_bytes = made_bytes(stage) as f64;
        }
        Ok(Some(work))
    }

    fn operands(&self, array: &Array, regions: &[Region], values: &Values) -> Result<Vec<Operand>> {
        let inputs = array.inputs().iter().zip(regions);
        inputs.map(|(input, region)| Operand::of(input, region, values)).collect()
    }

    /// Whether what a stage makes stays on the device: it fits well, with what it is made of, and memory need not hold it.
    fn stays(&self, stage: &Stage, read_bytes: usize, runner: &Runner) -> bool {
        let made = made_bytes(stage);
        let room = self.memory_limit() / STAYING_SHARE;
        let fits = match stage.array.op() {
            Op::MatMul => true,
            // What is reduced is read in chunks.
            Op::Reduce(..) => made > SMALL_BYTES && made <= room,
            _ => made.saturating_add(read_bytes) <= room,
        };
        fits && (!stage.is_result || runner.may_spill_results())
    }

    fn memory_limit(&self) -> usize {
        self.engine.worker().map_or(0, |worker| worker.memory_limit() as usize)
    }

    /// Bytes of a chunk: several, and what is made of them, have to fit the device at a time.
    fn chunk_bytes(&self) -> usize {
        self.chunk_bytes_target.clamp(1, (self.memory_limit() / CHUNK_SHARE).max(CHUNK_BYTES_MIN))
    }

    /// The chunks in which a stage is computed region by region.
    fn grid(&self, stage: &Stage) -> Grid {
        let elements = (self.chunk_bytes() / stage.array.dtype().size()).max(1);
        Grid::new(&stage.region, block_shape(&stage.region.shape, elements, &[]))
    }

    /// The chunks of a block operator: of the axes that may be cut, so that neither its first input nor its outputs have
    /// more than a chunk's bytes, where that goes.
    fn operator_grid(&self, operator: &dyn BlockOperator, stage: &Stage) -> Grid {
        let shared = shared(operator, &stage.region);
        let outputs = outputs_behind(operator);
        let made =
            outputs.iter().map(|(dtype, behind)| dtype.size() * behind.iter().product::<usize>()).sum();
        let has_rows = outputs.iter().any(|(_, behind)| !behind.is_empty());
        let read = match (stage.array.inputs().first(), has_rows) {
            (Some(input), true) => {
                let region = operator.needs(&shared, 0, input.shape());
                region.len() / shared.len().max(1) * input.dtype().size()
            }
            _ => 0,
        };
        let elements = (self.chunk_bytes() / read.max(made).max(1)).max(1);
        Grid::new(&shared, block_shape(&shared.shape, elements, &[]))
    }

    fn report(&self, worker: &Worker, stage: &Stage, stats: &TaskStats) -> StageReport {
        let moves = tiers_of(stats).into_iter().map(|moved| TierMoves {
            tier: moved.tier,
            spilled_bytes: moved.spilled_bytes,
            fetched_bytes: moved.fetched_bytes,
        });
        StageReport {
            place: self.engine.place(),
            device_name: Some(worker.info().name.clone()),
            bytes_up: stats.bytes_up,
            bytes_down: stats.bytes_down,
            kernels_launched: stats.kernels_launched,
            kernels_compiled: stats.kernels_compiled,
            tiers: moves.collect(),
            ..StageReport::on_host(&stage.array)
        }
    }
}

fn nothing_to_do(stage: &Stage) -> &'static str {
    let is_nothing =
        stage.region.is_empty() || matches!(stage.array.op(), Op::Reduce(..) | Op::Block(_) | Op::MatMul);
    if is_nothing { "nothing to compute" } else { "a view computes nothing" }
}

/// The part of a region that a block operator's outputs share.
fn shared(operator: &dyn BlockOperator, region: &Region) -> Region {
    let axes = operator.cuttable();
    Region { start: region.start[..axes].into(), shape: region.shape[..axes].into() }
}

/// The types of a block operator's outputs, and their axes behind those that they share.
fn outputs_behind(operator: &dyn BlockOperator) -> Vec<(DType, Vec<usize>)> {
    let shared = operator.cuttable();
    operator.outputs().into_iter().map(|(dtype, shape)| (dtype, shape[shared..].to_vec())).collect()
}

/// Bytes of all that a stage makes.
fn made_bytes(stage: &Stage) -> usize {
    match stage.array.op() {
        Op::Block(operator) => {
            let shared = shared(operator.as_ref(), &stage.region).len();
            let outputs = outputs_behind(operator.as_ref());
            let bytes = outputs.iter().map(|(dtype, behind)| dtype.size() * behind.iter().product::<usize>());
            shared * bytes.sum::<usize>()
        }
        _ => stage.region.len() * stage.array.dtype().size(),
    }
}

fn form_of(operator: &dyn BlockOperator, block: &Region) -> Result<DeviceForm> {
    let form = operator.device_form(block);
    form.ok_or_else(|| Error::unsupported(format!("no kernel for {}", operator.name())))
}

/// The library that does the work of a form.
fn library_of(form: &DeviceForm) -> Option<MathLibrary> {
    match form {
        DeviceForm::Fourier { .. } => Some(MathLibrary::Cufft),
        DeviceForm::Decompose { .. } => Some(MathLibrary::Cusolver),
        _ => None,
    }
}

/// What a device found wrong with the values of a stage: matrices that have no decomposition, else a number that an axis
/// has not.
fn mistake(stage: &Stage, error: Error) -> swath_array::Error {
    let form = match stage.array.op() {
        Op::Block(operator) => form_of(operator.as_ref(), &shared(operator.as_ref(), &stage.region)).ok(),
        _ => None,
    };
    let message = error.to_string();
    // Said as the CPU says it: a task's name tells the user nothing.
    let message = message.strip_prefix(TASK).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&message);
    match form {
        Some(DeviceForm::Decompose { .. }) => swath_array::Error::linear_algebra(message),
        _ => swath_array::Error::index(message),
    }
}

/// One stage on its way.
struct StageRun<'a> {
    device: &'a DeviceStages,
    worker: &'a Worker,
    stage: &'a Stage,
    values: &'a Values,
    runner: &'a Runner,
    /// Whether the result is left on the device.
    stays: bool,
    stats: TaskStats,
    /// What did the work, where there is a choice.
    note: Option<String>,
    /// Whether it failed on the device, rather than where its operands were read.
    is_from_device: bool,
}

impl StageRun<'_> {
    /// What is computed region by region: fused programs, views of what lies on the device, joins.
    fn regions(&mut self) -> Result<Vec<Stored>> {
        let array = &self.stage.array;
        let region = &self.stage.region;
        if self.stays {
            let operand = Operand::of(array, region, self.values)?.read(self.values)?;
            return self.keep(vec![region.start.clone()], one(move |task| operand.make(task)));
        }
        self.bring_down(&self.device.grid(self.stage), &[(array.dtype(), vec![])], |run, block| {
            let operand = Operand::of(array, block, run.values)?.read(run.values)?;
            Ok(one(move |task| operand.make(task)))
        })
    }

    /// A product of matrices, whole.
    fn multiply(&mut self) -> Result<Vec<Stored>> {
        let (array, region) = (&self.stage.array, &self.stage.region);
        let operands = self.operands(&input_regions(array, region))?;
        let compute: Compute = Box::new(move |task| {
            let inputs = make_all(task, operands)?;
            let [left, right] = inputs.as_slice() else {
                return Err(Error::bug("a product of other than two"));
            };
            let product = run_product(task, left, right, Multiplier::Auto)?;
            Ok(Made { tensors: vec![product.tensor], by: Some(product.by.to_string()) })
        });
        if self.stays {
            return self.keep(vec![region.start.clone()], compute);
        }
        let mut compute = Some(compute);
        let whole = Grid::new(region, region.shape.clone());
        self.bring_down(&whole, &[(array.dtype(), vec![])], |_, _| {
            compute.take().ok_or_else(|| Error::bug("a product is one block"))
        })
    }

    /// An operator on whole rows or matrices, or on elements by number.
    fn blocks(&mut self, operator: &dyn BlockOperator) -> Result<Vec<Stored>> {
        let stage = self.stage;
        let grid = self.device.operator_grid(operator, stage);
        let all = shared(operator, &stage.region);
        let behind = outputs_behind(operator);
        if self.stays {
            let compute = self.operator(operator, &all, &[])?;
            let origins = behind.iter().map(|(_, behind)| with_whole(&all, behind).start);
            return self.keep(origins.collect(), compute);
        }
        // What blocks read again and again goes up once.
        let mut placed = vec![None; stage.array.inputs().len()];
        if grid.len() > 1 {
            for (i, input) in stage.array.inputs().iter().enumerate() {
                let needs = |block: &Region| operator.needs(block, i, input.shape());
                let region = needs(&all);
                let read: usize = (0..grid.len()).map(|number| needs(&grid.block(number)).len()).sum();
                if read > 2 * region.len() {
                    let operand = Operand::of(input, &region, self.values)?.read(self.values)?;
                    let kept = self.kept(one(move |task| operand.make(task)))?.swap_remove(0);
                    placed[i] = Some((region, kept));
                }
            }
        }
        self.bring_down(&grid, &behind, |run, block| run.operator(operator, block, &placed))
    }

    /// The work of an operator on a block; `placed` has inputs that are on the device already, with their regions.
    fn operator(
        &self,
        operator: &dyn BlockOperator,
        block: &Region,
        placed: &[Option<(Region, Arc<OnDevice>)>],
    ) -> Result<Compute> {
        let inputs = self.stage.array.inputs();
        let form = form_of(operator, block)?;
        let mut operands = Vec::with_capacity(inputs.len());
        let mut regions = Vec::with_capacity(inputs.len());
        for (i, input) in inputs.iter().enumerate() {
            let region = operator.needs(block, i, input.shape());
            let operand = match placed.get(i).and_then(Option::as_ref) {
                Some((origin, kept)) if !region.is_empty() => Operand::There {
                    values: Arc::clone(kept) as Arc<dyn RemoteValues>,
                    part: relative(&region, &origin.start),
                    dtype: input.dtype(),
                },
                _ => Operand::of(input, &region, self.values)?.read(self.values)?,
            };
            operands.push(operand);
            regions.push(region);
        }
        let (first, shape) = (regions.swap_remove(0), inputs[0].shape().to_vec());
        Ok(Box::new(move |task| {
            let mut inputs = make_all(task, operands)?;
            // Numbers count from the start of their axis, of which a part may be there.
            for axis in form.indexed() {
                let from = &mut inputs[0];
                from.offset -= first.start[axis] as isize * from.strides[axis];
                from.shape[axis] = shape[axis];
            }
            run_form(task, &form, &inputs)
        }))
    }

    fn reduce(&mut self, op: ReduceOp, axes: &[usize]) -> Result<Vec<Stored>> {
        let (region, array) = (&self.stage.region, &self.stage.array);
        let body = &array.inputs()[0];
        let fused = self.values.program(body);
        let whole = input_regions(array, region).remove(0);
        let elements = (self.device.chunk_bytes() / body.dtype().size()).max(1);
        let block = block_shape(&whole.shape, elements, &[]);
        let side = |keep: bool| -> Vec<usize> {
            block
                .iter()
                .enumerate()
                .map(|(a, &len)| if axes.contains(&a) == keep { 1 } else { len })
                .collect()
        };
        let mut along = whole.clone();
        (0..whole.ndim()).filter(|axis| !axes.contains(axis)).for_each(|axis| along.shape[axis] = 1);
        let stays = self.stays;
        let (kept, reduced) = match stays {
            // All results at once, of as much along the reduced axes as goes.
            true => {
                let each = (elements / region.len().max(1)).max(1);
                (
                    Grid::new(region, region.shape.clone()),
                    Grid::new(&along, block_shape(&along.shape, each, &[])),
                )
            }
            false => (Grid::new(region, side(true)), Grid::new(&along, side(false))),
        };
        let partials = |run: &mut Self, kept_block: &Region| -> Result<Vec<DevicePartial>> {
            let mut partials = Vec::new();
            for number in 0..reduced.len() {
                run.check_cancelled()?;
                let part = reduced.block(number);
                let mut block = kept_block.clone();
                for &axis in axes {
                    (block.start[axis], block.shape[axis]) = (part.start[axis], part.shape[axis]);
                }
                let operands = Operand::of_leaves(&fused, &block, run.values)?;
                let operands: Vec<Operand> =
                    operands.into_iter().map(|operand| operand.read(run.values)).collect::<Result<_>>()?;
                let (fused, axes, of) = (Arc::clone(&fused), axes.to_vec(), body.shape().to_vec());
                partials.push(run.on_task(move |task| {
                    let inputs = make_all(task, operands)?;
                    run_reduce_partial(task, op, &axes, &fused.program, &block, &of, &inputs)
                })?);
            }
            Ok(partials)
        };
        if stays {
            let partials = partials(self, region)?;
            return self.keep(vec![region.start.clone()], one(move |task| finish_reduce(task, &partials)));
        }
        self.bring_down(&kept, &[(array.dtype(), vec![])], |run, block| {
            let partials = partials(run, block)?;
            Ok(one(move |task| finish_reduce(task, &partials)))
        })
    }

    /// Leaves what `compute` makes on the device: outputs that start at `origins`.
    fn keep(&mut self, origins: Vec<Vec<usize>>, compute: Compute) -> Result<Vec<Stored>> {
        let kept = self.kept(compute)?;
        Ok(origins.into_iter().zip(kept).map(|(origin, values)| Stored::Remote { origin, values }).collect())
    }

    fn kept(&mut self, compute: Compute) -> Result<Vec<Arc<OnDevice>>> {
        let worker = self.worker.clone();
        let (kept, by) = self.on_task(move |task| {
            let made = compute(task)?;
            let keep = |tensor| Ok(Arc::new(OnDevice::keep(task, &worker, tensor)?));
            Ok((made.tensors.into_iter().map(keep).collect::<Result<_>>()?, made.by))
        })?;
        self.note = by.or(self.note.take());
        Ok(kept)
    }

    /// Computes outputs block by block into memory: each has the grid's axes and, whole, those behind them.
    fn bring_down(
        &mut self,
        grid: &Grid,
        outputs: &[(DType, Vec<usize>)],
        mut compute: impl FnMut(&mut Self, &Region) -> Result<Compute>,
    ) -> Result<Vec<Stored>> {
        let mut results = Vec::with_capacity(outputs.len());
        for (dtype, behind) in outputs {
            let region = with_whole(grid.region(), behind);
            let bytes = region.len() as u64 * dtype.size() as u64;
            let reservation = self.runner.memory().reserve(bytes, "a result of a device")?;
            results.push((TensorMut::uninit(*dtype, &region.shape)?.keep(reservation), region));
        }
        let targets: Vec<_> = results.iter_mut().map(|(result, _)| result.target()).collect();
        for number in 0..grid.len() {
            self.check_cancelled()?;
            let block = grid.block(number);
            let compute = compute(self, &block)?;
            let (parts, by): (Vec<Tensor>, _) = self.on_task(move |task| {
                let made = compute(task)?;
                let parts = made.tensors.iter().map(|tensor| tensor.download(task));
                Ok((parts.collect::<Result<_>>()?, made.by))
            })?;
            self.note = by.or(self.note.take());
            for ((part, target), (_, behind)) in parts.iter().zip(&targets).zip(outputs) {
                let place = relative(&with_whole(&block, behind), &with_whole(grid.region(), behind).start);
                copy(part, &mut target.slice(&place.slices()));
            }
        }
        let finished = |(result, region): (TensorMut, Region)| Stored::Memory {
            origin: region.start,
            tensor: result.freeze(),
        };
        Ok(results.into_iter().map(finished).collect())
    }

    fn operands(&self, regions: &[Region]) -> Result<Vec<Operand>> {
        let operands = self.device.operands(&self.stage.array, regions, self.values)?;
        operands.into_iter().map(|operand| operand.read(self.values)).collect()
    }

    fn on_task<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Task<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let run = self.worker.run(TASK, CancelToken::new(), move |task| {
            let value = work(task)?;
            task.synchronize()?;
            Ok((value, task.stats()))
        });
        let (value, stats) = block_on(run).inspect_err(|_| self.is_from_device = true)?;
        self.stats += &stats;
        Ok(value)
    }

    fn check_cancelled(&self) -> Result<()> {
        Ok(self.runner.check_cancelled()?)
    }
}

/// A region, and all of the axes behind it.
fn with_whole(region: &Region, behind: &[usize]) -> Region {
    let start = region.start.iter().copied().chain(behind.iter().map(|_| 0)).collect();
    Region { start, shape: [region.shape.as_slice(), behind].concat() }
}

/// What work on a device makes.
struct Made {
    tensors: Vec<DeviceTensor>,
    /// What did it, where there is a choice.
    by: Option<String>,
}

/// Work on a worker's thread that makes tensors.
type Compute = Box<dyn FnOnce(&mut Task<'_>) -> Result<Made> + Send>;

/// Work that makes one.
fn one(work: impl FnOnce(&mut Task<'_>) -> Result<DeviceTensor> + Send + 'static) -> Compute {
    Box::new(move |task| Ok(Made { tensors: vec![work(task)?], by: None }))
}

/// Runs the kernels of a block operator.
fn run_form(task: &mut Task<'_>, form: &DeviceForm, inputs: &[DeviceTensor]) -> Result<Made> {
    let mut by = None;
    let made = match (form, inputs) {
        (DeviceForm::Decompose { decomposition, start }, inputs) => {
            let made = run_decompose(task, *decomposition, inputs, start)?;
            return Ok(Made { tensors: made.outputs, by: Some(format!("by {}", made.by)) });
        }
        (DeviceForm::Sort { descending, numbers }, [rows]) => {
            let wanted = if *numbers { Sorted::Indices } else { Sorted::Values };
            run_sort(task, rows, *descending, wanted)
        }
        (DeviceForm::Scan { op, initial }, [rows]) => run_scan(task, *op, rows, *initial),
        (DeviceForm::Take { outer, names }, [from, indices @ ..]) => {
            run_take(task, from, *outer, indices, names)
        }
        (DeviceForm::TakeRows, [from, indices]) => {
            let last = from.ndim() - 1;
            run_gather(task, from, last, std::slice::from_ref(indices), &[last])
        }
        (DeviceForm::Put { outer, names }, [into, values, indices @ ..]) => {
            run_put(task, into, *outer, indices, values, names)
        }
        (DeviceForm::PutRows, [into, values, indices]) => run_put_rows(task, into, indices, values),
        (DeviceForm::Search { right }, [values, sorted]) => run_search(task, values, sorted, *right),
        (DeviceForm::Paste { slices }, [into, values]) => run_paste(task, into, slices, values),
        (DeviceForm::Fourier { transform, points, scale }, [rows]) => {
            by = Some(format!("by {}", task.fft()?));
            run_fft(task, rows, *transform, *points, *scale)
        }
        _ => Err(Error::bug(format!("{form:?} of {} inputs", inputs.len()))),
    }?;
    Ok(Made { tensors: vec![made], by })
}

//! Stages of arrays on a device.
//!
//! A stage is fused into one program, which runs over chunks of the array: what it reads goes up unless it is there
//! already, one kernel runs, and the result stays on the device for later stages, or comes down where it is asked for.

use std::sync::Arc;

use super::device_values::{OnDevice, persisted};
use crate::config::{Fallback, Placement};
use crate::error::Result;
use crate::operators::tensor::{
    DeviceTensor, Multiplier, finish_reduce, run_elementwise, run_product, run_reduce_partial,
};
use crate::plan::cost::CostModel;
use crate::plan::engine::Engine;
use crate::worker::{CancelToken, Task, TaskStats, Worker};
use futures::executor::block_on;
use swath_array::graph::{Op, Region};
use swath_array::program::ReduceOp;
use swath_array::run::Runner;
use swath_array::run::accelerate::{Accelerator, Outcome, StageReport};
use swath_array::run::block::{Grid, block_shape};
use swath_array::run::evaluate::Values;
use swath_array::run::fuse::{Fused, Leaf, weight};
use swath_array::run::region::{input_regions, relative};
use swath_array::run::stages::Stage;
use swath_array::run::store::Stored;
use swath_array::tensor::{TensorMut, copy};
use swath_array::{Array, Tensor};

/// A device that runs stages where that is asked for, or where it is expected to be sooner done.
#[derive(Debug)]
pub struct DeviceStages {
    pub engine: Arc<Engine>,
    pub placement: Placement,
    pub fallback: Fallback,
    pub chunk_bytes: usize,
}

/// An operand of a program: on the device, or on the host.
enum Operand {
    Device(DeviceTensor),
    Host(Tensor),
}

impl Accelerator for DeviceStages {
    fn run(&self, stage: &Stage, values: &Values, runner: &Runner) -> swath_array::Result<Outcome> {
        let Some(worker) = self.engine.worker() else { return Ok(self.absent()) };
        if stage.region.is_empty() {
            return Ok(Outcome::Declined("nothing to compute".to_string()));
        }
        let (body, reduction) = match stage.array.op() {
            Op::Reduce(op, axes) => (stage.array.inputs()[0].clone(), Some((*op, axes.clone()))),
            Op::MatMul => return self.multiply(worker, stage, values, runner),
            Op::Block(_) | Op::Concat(_) => {
                return self.decline(format!("no kernel for {}", short(stage.array.op())));
            }
            _ => (stage.array.clone(), None),
        };
        let fused = values.program(&body);
        if reduction.is_none() && fused.only_leaf().is_some() {
            return Ok(Outcome::Declined("a view computes nothing".to_string()));
        }
        if let Some(reason) = self.is_sooner_on_host(stage, &body, &fused, values) {
            return Ok(Outcome::Declined(reason));
        }
        let run = StageRun { device: self, worker, stage, values, runner, body, fused: &fused };
        let outcome = match reduction {
            None => run.elementwise(),
            Some((op, axes)) => run.reduce(op, &axes),
        };
        match outcome {
            Ok((outputs, stats)) => Ok(Outcome::Done(outputs, self.report(worker, stage, &stats))),
            Err(error) if error.is_retryable() => self.decline(error.to_string()),
            Err(error) => Err(error.into()),
        }
    }
}

impl DeviceStages {
    fn absent(&self) -> Outcome {
        Outcome::Declined(self.engine.absence().unwrap_or("there is no device").to_string())
    }

    /// What was asked to run on a device and cannot: an error, or the CPU's, as the policy says.
    fn decline(&self, reason: String) -> swath_array::Result<Outcome> {
        match (self.placement, self.fallback) {
            (Placement::Device, Fallback::Error) => Err(swath_array::Error::unsupported(format!(
                "{reason}, and swath.fallback = error forbids the CPU"
            ))),
            _ => Ok(Outcome::Declined(reason)),
        }
    }

    /// Under `auto`, why the CPU is expected to be done sooner; `None` where the device is.
    fn is_sooner_on_host(
        &self,
        stage: &Stage,
        body: &Array,
        fused: &Fused,
        values: &Values,
    ) -> Option<String> {
        if self.placement == Placement::Device {
            return None;
        }
        let CostModel { host, device, .. } = &self.engine.costs().model;
        let read = input_regions(&stage.array, &stage.region).iter().map(Region::len).max().unwrap_or(0);
        let elements = read.max(stage.region.len()) as f64;
        let is_there = |leaf: &&Leaf| on_device(&leaf.array, values).is_some();
        let bytes =
            |leaf: &Leaf| (leaf.array.bytes() as f64).min(elements * leaf.array.dtype().size() as f64);
        let up: f64 = fused.leaves.iter().filter(|leaf| !is_there(leaf)).map(bytes).sum();
        let down = stage.region.len() as f64 * stage.array.dtype().size() as f64;
        let all: f64 = fused.leaves.iter().map(bytes).sum::<f64>() + down;
        let nodes = elements * f64::from(weight(body.op()).max(1)) * fused.program.instructions.len() as f64;
        let there =
            (up / device.upload_bytes_per_s).max(all / device.bytes_per_s).max(nodes / device.nodes_per_s)
                + down / device.download_bytes_per_s
                + device.task_s
                + 2.0 * device.launch_s;
        let here = (all / host.copy_bytes_per_s).max(nodes / host.nodes_per_s);
        (here <= there).then(|| {
            format!("the CPU is expected to take {:.2} ms, the device {:.2}", here * 1e3, there * 1e3)
        })
    }

    /// A product of matrices: both operands go up, unless they are there.
    fn multiply(
        &self,
        worker: &Worker,
        stage: &Stage,
        values: &Values,
        runner: &Runner,
    ) -> swath_array::Result<Outcome> {
        let [left, right] = stage.array.inputs() else {
            return Err(swath_array::Error::bug("a product of other than two"));
        };
        let regions = input_regions(&stage.array, &stage.region);
        if self.placement == Placement::Auto {
            let CostModel { host, device, .. } = &self.engine.costs().model;
            let bytes: f64 = regions.iter().map(|region| (region.len() * left.dtype().size()) as f64).sum();
            let depth = left.shape().last().copied().unwrap_or(1) as f64;
            let flops = 2.0 * stage.region.len() as f64 * depth;
            // A core multiplies and adds some 16 numbers while it handles one row of an expression; so does a device.
            let here = flops / (16.0 * host.nodes_per_s);
            let there =
                bytes / device.upload_bytes_per_s + flops / (16.0 * device.nodes_per_s) + device.task_s;
            if let Some(reason) = sooner_on_host(here, there) {
                return Ok(Outcome::Declined(reason));
            }
        }
        let mut operands = Vec::new();
        for (array, region) in [left, right].into_iter().zip(&regions) {
            operands.push(match on_device(array, values) {
                Some((origin, tensor)) => Operand::Device(tensor.slice(&relative(region, &origin).slices())),
                None => Operand::Host(values.region(array, region)?),
            });
        }
        let is_kept = !stage.is_result || runner.may_spill_results();
        let run = worker.run("array product", CancelToken::new(), move |task| {
            let inputs = upload(task, operands)?;
            let product = run_product(task, &inputs[0], &inputs[1], Multiplier::Auto)?;
            let values = if is_kept { None } else { Some(product.tensor.download(task)?) };
            task.synchronize()?;
            Ok((product, values, task.stats()))
        });
        let origin = stage.region.start.clone();
        match block_on(run) {
            Ok((product, values, stats)) => {
                let note = Some(product.by.to_string());
                let stored = match values {
                    Some(tensor) => Stored::Memory { origin, tensor },
                    None => {
                        let values = OnDevice { worker: worker.clone(), tensor: product.tensor };
                        Stored::Remote { origin, values: Arc::new(values) }
                    }
                };
                let report = StageReport { note, ..self.report(worker, stage, &stats) };
                Ok(Outcome::Done(vec![stored], report))
            }
            Err(error) if error.is_retryable() => self.decline(error.to_string()),
            Err(error) => Err(error.into()),
        }
    }

    fn report(&self, worker: &Worker, stage: &Stage, stats: &TaskStats) -> StageReport {
        StageReport {
            place: self.engine.place(),
            device_name: Some(worker.info().name.clone()),
            bytes_up: stats.bytes_up,
            bytes_down: stats.bytes_down,
            kernels_launched: stats.kernels_launched,
            kernels_compiled: stats.kernels_compiled,
            ..StageReport::on_host(&stage.array)
        }
    }
}

/// One stage on its way.
struct StageRun<'a> {
    device: &'a DeviceStages,
    worker: &'a Worker,
    stage: &'a Stage,
    values: &'a Values,
    runner: &'a Runner,
    /// What the program computes: the stage's array, or what it reduces.
    body: Array,
    fused: &'a Fused,
}

impl StageRun<'_> {
    fn elementwise(&self) -> Result<(Vec<Stored>, TaskStats)> {
        let (region, dtype) = (&self.stage.region, self.stage.array.dtype());
        let elements = (self.device.chunk_bytes / dtype.size()).max(1);
        let grid = Grid::new(region, block_shape(&region.shape, elements, &[]));
        let origin = region.start.clone();
        let mut total = TaskStats::default();
        // One chunk may stay where it is, unless it is a result that memory is to hold.
        if grid.len() == 1 && (!self.stage.is_result || self.runner.may_spill_results()) {
            let operands = self.operands(region)?;
            let (program, whole) = (self.fused.program.clone(), region.clone());
            let tensor = self.on_task(&mut total, move |task| {
                let inputs = upload(task, operands)?;
                run_elementwise(task, &program, &whole, &inputs)
            })?;
            let values = Arc::new(OnDevice { worker: self.worker.clone(), tensor });
            return Ok((vec![Stored::Remote { origin, values }], total));
        }
        let bytes = region.len() as u64 * dtype.size() as u64;
        let reservation = self.runner.memory().reserve(bytes, "a result of a device")?;
        let mut result = TensorMut::uninit(dtype, &region.shape)?.keep(reservation);
        let target = result.target();
        for number in 0..grid.len() {
            self.check_cancelled()?;
            let block = grid.block(number);
            let operands = self.operands(&block)?;
            let (program, whole) = (self.fused.program.clone(), block.clone());
            let part = self.on_task(&mut total, move |task| {
                let inputs = upload(task, operands)?;
                run_elementwise(task, &program, &whole, &inputs)?.download(task)
            })?;
            copy(&part, &mut target.slice(&relative(&block, &origin).slices()));
        }
        Ok((vec![Stored::Memory { origin, tensor: result.freeze() }], total))
    }

    fn reduce(&self, op: ReduceOp, axes: &[usize]) -> Result<(Vec<Stored>, TaskStats)> {
        let (region, array) = (&self.stage.region, &self.stage.array);
        let whole = input_regions(array, region).remove(0);
        if whole.is_empty() {
            return Err(crate::Error::unsupported("a reduction of nothing"));
        }
        let elements = (self.device.chunk_bytes / self.body.dtype().size()).max(1);
        let block = block_shape(&whole.shape, elements, &[]);
        let side = |keep: bool| -> Vec<usize> {
            block
                .iter()
                .enumerate()
                .map(|(a, &len)| if axes.contains(&a) == keep { 1 } else { len })
                .collect()
        };
        let kept = Grid::new(region, side(true));
        let mut along = whole.clone();
        (0..whole.ndim()).filter(|axis| !axes.contains(axis)).for_each(|axis| along.shape[axis] = 1);
        let reduced = Grid::new(&along, side(false));
        let mut result = TensorMut::uninit(array.dtype(), &region.shape)?;
        let target = result.target();
        let mut total = TaskStats::default();
        for kept_number in 0..kept.len() {
            let kept_block = kept.block(kept_number);
            let mut partials = Vec::new();
            for number in 0..reduced.len() {
                self.check_cancelled()?;
                let part = reduced.block(number);
                let mut block = kept_block.clone();
                for &axis in axes {
                    (block.start[axis], block.shape[axis]) = (part.start[axis], part.shape[axis]);
                }
                let operands = self.operands(&block)?;
                let (program, axes, of) =
                    (self.fused.program.clone(), axes.to_vec(), self.body.shape().to_vec());
                partials.push(self.on_task(&mut total, move |task| {
                    let inputs = upload(task, operands)?;
                    run_reduce_partial(task, op, &axes, &program, &block, &of, &inputs)
                })?);
            }
            let part =
                self.on_task(&mut total, move |task| finish_reduce(task, &partials)?.download(task))?;
            copy(&part, &mut target.slice(&relative(&kept_block, &region.start).slices()));
        }
        Ok((vec![Stored::Memory { origin: region.start.clone(), tensor: result.freeze() }], total))
    }

    /// What the program reads for a block: from the device where an earlier stage left it there.
    fn operands(&self, block: &Region) -> Result<Vec<Operand>> {
        let operand = |leaf: &Leaf| {
            let part = leaf.region(block);
            if let Some((origin, tensor)) = on_device(&leaf.array, self.values) {
                let read = tensor.slice(&relative(&part, &origin).slices());
                return Ok(Operand::Device(device_view(leaf, &read, block)));
            }
            let read = self.values.region(&leaf.array, &part)?;
            Ok(Operand::Host(leaf.view(&read, block)))
        };
        self.fused.leaves.iter().map(operand).collect()
    }

    fn on_task<T: Send + 'static>(
        &self,
        total: &mut TaskStats,
        work: impl FnOnce(&mut Task<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let run = self.worker.run("array stage", CancelToken::new(), move |task| {
            let value = work(task)?;
            task.synchronize()?;
            Ok((value, task.stats().clone()))
        });
        let (value, stats) = block_on(run)?;
        *total += &stats;
        Ok(value)
    }

    fn check_cancelled(&self) -> Result<()> {
        Ok(self.runner.check_cancelled()?)
    }
}

/// Why the CPU is to run what takes it so many seconds, and the device so many; `None` where it is not.
fn sooner_on_host(here: f64, there: f64) -> Option<String> {
    let expected =
        || format!("the CPU is expected to take {:.2} ms, the device {:.2}", here * 1e3, there * 1e3);
    (here <= there).then(expected)
}

fn upload(task: &mut Task<'_>, operands: Vec<Operand>) -> Result<Vec<DeviceTensor>> {
    let each = |operand| match operand {
        Operand::Device(tensor) => Ok(tensor),
        Operand::Host(tensor) => DeviceTensor::upload(task, &tensor),
    };
    operands.into_iter().map(each).collect()
}

/// Where an array lies on the device, with the index of its first element.
fn on_device(array: &Array, values: &Values) -> Option<(Vec<usize>, DeviceTensor)> {
    let (origin, held) = match values.get(array.id()) {
        Some(outputs) => OnDevice::of(outputs.first()?),
        None => OnDevice::of(persisted(array)?),
    }?;
    Some((origin, held.tensor))
}

/// What [`Leaf::view`] shows, of values on the device.
fn device_view(leaf: &Leaf, read: &DeviceTensor, block: &Region) -> DeviceTensor {
    let mut strides = vec![0isize; block.ndim()];
    let mut first = read.clone();
    for (own, map) in leaf.axes.iter().enumerate() {
        let Some(axis) = map.axis.filter(|_| map.step != 0) else { continue };
        strides[axis] = read.strides[own] * map.step;
        if map.step < 0 {
            let back = (block.shape[axis].max(1) - 1) as isize * map.step.abs();
            first.offset += read.strides[own] * back;
        }
    }
    first.strides = strides;
    first.shape = block.shape.clone();
    first
}

fn short(op: &Op) -> String {
    match op {
        Op::Block(operator) => operator.name(),
        Op::Concat(_) => "a join of arrays".to_string(),
        _ => "this operator".to_string(),
    }
}

//! Stages that something else than the CPU runs, and what stages report.

use std::fmt;

use crate::error::{Error, Result};
use crate::graph::{Array, Op, Region};
use crate::run::Runner;
use crate::run::evaluate::Values;
use crate::run::stages::Stage;
use crate::run::store::{RemoteValues, Stored};
use crate::tensor::Tensor;

/// Something that can run stages in place of the CPU: a device.
pub trait Accelerator: fmt::Debug + Send + Sync {
    /// Runs a stage, or says why it does not. `values` has what earlier stages left, and evaluates on the CPU what the
    /// stage reads.
    ///
    /// # Errors
    /// Those of the stage's operators, and faults that the policy does not let the CPU make good.
    fn run(&self, stage: &Stage, values: &Values, runner: &Runner) -> Result<Outcome>;
    /// What would become of a stage, without running anything; `values` has [`Expected`] outputs of earlier stages.
    fn expect(&self, stage: &Stage, values: &Values, runner: &Runner) -> Expectation;
}

/// Where a stage would run, and why.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expectation {
    /// `host`, or a device.
    pub place: String,
    /// The seconds that it is expected to take on the CPU and on the device, where that can be said.
    pub host_s: Option<f64>,
    pub device_s: Option<f64>,
    /// Why it would run on the CPU.
    pub reason: Option<String>,
    /// Whether what it makes would stay on the device.
    pub stays: bool,
}

/// In the place of what a stage would leave, while nothing runs.
#[derive(Debug)]
pub struct Expected {
    /// Whether it would lie with the accelerator, rather than on the host.
    pub on_device: bool,
}

impl RemoteValues for Expected {
    fn read(&self, _: &Region) -> Result<Tensor> {
        Err(Error::bug("what has not run has no values"))
    }
}

/// What an accelerator made of a stage.
#[derive(Debug)]
pub enum Outcome {
    /// Its outputs.
    Done(Vec<Stored>, StageReport),
    /// Why the CPU is to run it.
    Declined(String),
}

/// What a stage did.
#[derive(Clone, Debug, Default)]
pub struct StageReport {
    /// The operator that ends the stage, as `EXPLAIN` names it.
    pub name: String,
    /// Shape and type of what it made.
    pub detail: String,
    /// `host`, or a device.
    pub place: String,
    pub device_name: Option<String>,
    /// Elements that the stage made.
    pub elements: u64,
    pub seconds: f64,
    pub bytes_up: u64,
    pub bytes_down: u64,
    pub kernels_launched: u64,
    pub kernels_compiled: u64,
    /// What moved between the accelerator's memory and the tiers below it, for want of room.
    pub tiers: Vec<TierMoves>,
    /// Why it ran where it ran.
    pub note: Option<String>,
}

/// What moved to and from one tier below an accelerator's memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TierMoves {
    pub tier: String,
    pub spilled_bytes: u64,
    pub fetched_bytes: u64,
}

impl StageReport {
    /// The report of a stage on the CPU, but for its time.
    pub fn on_host(array: &Array) -> StageReport {
        StageReport {
            name: name(array),
            detail: format!("{}{}", array.dtype(), crate::error::show_shape(array.shape())),
            place: "host".to_string(),
            elements: array.len() as u64,
            ..StageReport::default()
        }
    }
}

/// The operator of a node, as `EXPLAIN` names it.
pub fn name(array: &Array) -> String {
    match array.op() {
        Op::Reduce(op, axes) => format!("{op:?} over axes {axes:?}"),
        Op::Block(operator) => operator.name(),
        Op::Source(source) => source.describe(),
        Op::Unary(op) => format!("{op:?}"),
        Op::Binary(op) => format!("{op:?}"),
        Op::Full(value) => format!("Full {value:?}"),
        Op::Data(_) => "Data".to_string(),
        Op::Slice(_) => "Slice".to_string(),
        Op::Random(random) => format!("Random {:?}", random.distribution),
        other => format!("{other:?}"),
    }
}

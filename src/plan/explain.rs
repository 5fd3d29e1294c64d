//! The text of a placed plan: for every node where it runs, what both places would cost, and why.

use std::fmt::Write as _;
use std::sync::Arc;

use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::{ExecutionPlan, displayable};

use super::cost::Seconds;
use super::device_exec::DeviceExec;
use super::engine::{Engine, SwathOptions};
use super::exact_sum;
use super::lower::{Lowered, NodeNote, lower};
use super::placement::PlacementExec;
use crate::config::Placement;
use crate::device::cpu_cores;

const NO_DEVICE: &str = "there is no device";

/// Writes a plan with, for every node, where it runs, the estimated cost of both places, and the reason.
pub fn explain(plan: &Arc<dyn ExecutionPlan>, engine: &Arc<Engine>) -> String {
    let placed = plan.is::<PlacementExec>();
    let (plan, notes, fallbacks) = match plan.downcast_ref::<PlacementExec>() {
        Some(placed) => (placed.input(), placed.notes(), placed.fallbacks()),
        None => (plan, [].as_slice(), [].as_slice()),
    };
    // What was not placed has no costs yet.
    let estimated = match notes {
        [] if fallbacks.is_empty() => estimate(plan, engine),
        _ => None,
    };
    let (plan, notes) = match &estimated {
        Some(estimated) => (&estimated.plan, estimated.notes.as_slice()),
        None => (plan, notes),
    };
    let unplaced = match (placed, engine.worker()) {
        (true, Some(_)) => None,
        (_, None) => Some(NO_DEVICE),
        (false, Some(_)) => Some("swath.placement = host"),
    };
    let mut text = match (engine.worker(), engine.absence()) {
        (Some(worker), _) => format!("device: {} {}\n", engine.place(), worker.info().name),
        (None, reason) => format!("device: none ({})\n", reason.unwrap_or("none was started")),
    };
    let _ = writeln!(text, "costs:  {}", engine.costs());
    let mut notes = notes.iter();
    node(plan, 0, &mut notes, unplaced, &mut text);
    for fallback in fallbacks {
        let _ = writeln!(text, "falls back: {}: {}", fallback.operator, fallback.reason);
    }
    text
}

/// Finds out what a plan that stays on the CPU costs there, and would cost on a device; `None` where it cannot be said.
fn estimate(plan: &Arc<dyn ExecutionPlan>, engine: &Arc<Engine>) -> Option<Lowered> {
    let options = SwathOptions { placement: Placement::Host, ..SwathOptions::from_config(engine.config()) };
    let cores = engine.config().target_partitions.unwrap_or_else(cpu_cores);
    lower(plan.clone(), engine, &options, cores).ok()
}

fn node(
    plan: &Arc<dyn ExecutionPlan>,
    depth: usize,
    notes: &mut std::slice::Iter<'_, NodeNote>,
    unplaced: Option<&str>,
    text: &mut String,
) {
    let note = notes.next().cloned().unwrap_or_default();
    let indent = "  ".repeat(depth);
    let place = if note.place.is_empty() { "host" } else { &note.place };
    let margin = " ".repeat(9);
    match plan.downcast_ref::<DeviceExec>() {
        Some(device) => {
            let _ = writeln!(text, "{place:<8} {indent}DeviceExec");
            for (operator, (on_host, kernels)) in device.operators().iter().zip(&device.decision().steps) {
                let costs = format!("(kernels {}, host {})", Seconds(*kernels), Seconds(*on_host));
                let _ = writeln!(text, "{margin}{indent}    {operator} {costs}");
            }
        }
        None => {
            let mut line = displayable(plan.as_ref()).one_line().to_string();
            if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
                let of = aggregate.aggr_expr().iter();
                let (names, shown): (Vec<_>, Vec<_>) =
                    of.map(|of| (of.name().to_string(), exact_sum::shown_name(of))).unzip();
                let list = |names: Vec<String>| format!("aggr=[{}]", names.join(", "));
                line = line.replace(&list(names), &list(shown));
            }
            let _ = writeln!(text, "{place:<8} {indent}{}", line.trim_end());
        }
    }
    let costs = match (note.device_s, note.host_s) {
        // Without a device its constants are guesses.
        (_, Some(host)) if unplaced == Some(NO_DEVICE) => format!("host {}; ", Seconds(host)),
        (Some(device), Some(host)) => format!("device {}, host {}; ", Seconds(device), Seconds(host)),
        _ => String::new(),
    };
    let reason = match (note.reason.as_str(), unplaced) {
        ("", _) if is_first_half(plan) => "counted with its other half above",
        ("", unplaced) => unplaced.unwrap_or_else(|| hosts_part(plan)),
        (_, Some(unplaced)) if note.host_s.is_some() => unplaced,
        (reason, _) => reason,
    };
    let _ = writeln!(text, "{margin}{indent}    ({costs}{reason})");
    for child in plan.children() {
        node(child, depth + 1, notes, unplaced, text);
    }
}

/// Whether a node is the part of an aggregate that placement takes together with the one above.
fn is_first_half(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let aggregate = plan.downcast_ref::<AggregateExec>();
    aggregate.is_some_and(|aggregate| *aggregate.mode() == AggregateMode::Partial)
}

/// Why a node that placement has nothing to say of is on the CPU.
fn hosts_part(plan: &Arc<dyn ExecutionPlan>) -> &'static str {
    match plan.children().is_empty() {
        true => "reading is the host's part",
        false => "hands rows on: the host's part",
    }
}

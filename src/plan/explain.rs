//! The text of a placed plan: for every node where it runs, what both places would cost, and why.

use std::fmt::Write as _;
use std::sync::Arc;

use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::{ExecutionPlan, displayable};

use super::cost::Seconds;
use super::device_exec::DeviceExec;
use super::engine::Engine;
use super::exact_sum;
use super::lower::NodeNote;
use super::placement::PlacementExec;

/// Writes a plan with, for every node, where it runs, the estimated cost of both places, and the reason.
pub fn explain(plan: &Arc<dyn ExecutionPlan>, engine: &Engine) -> String {
    let (plan, notes, fallbacks) = match plan.downcast_ref::<PlacementExec>() {
        Some(placed) => (placed.input(), placed.notes(), placed.fallbacks()),
        None => (plan, [].as_slice(), [].as_slice()),
    };
    let unplaced = match (notes, engine.worker()) {
        ([], None) => Some("there is no device"),
        ([], Some(_)) if fallbacks.is_empty() => Some("swath.placement = host"),
        _ => None,
    };
    let mut text = match (engine.worker(), engine.absence()) {
        (Some(worker), _) => format!("device: {} {}\n", engine.place(), worker.info().name),
        (None, reason) => format!("device: none ({})\n", reason.unwrap_or("none was started")),
    };
    let mut notes = notes.iter();
    node(plan, 0, &mut notes, unplaced, &mut text);
    for fallback in fallbacks {
        let _ = writeln!(text, "falls back: {}: {}", fallback.operator, fallback.reason);
    }
    text
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
            for operator in device.operators() {
                let _ = writeln!(text, "{margin}{indent}    {operator}");
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
        (Some(device), Some(host)) => format!("device {}, host {}; ", Seconds(device), Seconds(host)),
        _ => String::new(),
    };
    let reason = match note.reason.as_str() {
        "" => unplaced.unwrap_or_else(|| hosts_part(plan)),
        reason => reason,
    };
    let _ = writeln!(text, "{margin}{indent}    ({costs}{reason})");
    for child in plan.children() {
        node(child, depth + 1, notes, unplaced, text);
    }
}

/// Why a node that placement has nothing to say of is on the CPU.
fn hosts_part(plan: &Arc<dyn ExecutionPlan>) -> &'static str {
    match plan.children().is_empty() {
        true => "reading is the host's part",
        false => "hands rows on: the host's part",
    }
}

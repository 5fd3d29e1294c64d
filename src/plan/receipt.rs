//! The receipt of an executed plan.

use std::sync::Arc;
use std::time::Duration;

use datafusion::physical_plan::metrics::{MetricValue, MetricsSet};
use datafusion::physical_plan::{ExecutionPlan, displayable};

use super::device_exec::DeviceExec;
use super::engine::Engine;
use super::lower::NodeNote;
use super::placement::PlacementExec;
use super::tier_metrics::tier_receipts;
use crate::observe::receipt::sum_tiers;
use crate::observe::{FallbackReceipt, OperatorReceipt, Receipt, Totals};

/// What the session measured around a query.
#[derive(Clone, Debug, Default)]
pub struct QueryTimes {
    /// The text of the query, where there was one.
    pub query: Option<String>,
    /// From the call to the last row.
    pub wall: Duration,
    /// From the text to the physical plan.
    pub planning: Duration,
    /// Rows of the result.
    pub rows: u64,
}

/// Reads the receipt off a plan after its streams have ended.
pub fn receipt(plan: &Arc<dyn ExecutionPlan>, engine: &Engine, times: QueryTimes) -> Receipt {
    let placed = plan.downcast_ref::<PlacementExec>();
    let plan = placed.map_or(plan, PlacementExec::input);
    let notes = placed.map_or([].as_slice(), PlacementExec::notes);
    let policy = placed.map_or(engine.config().fallback, PlacementExec::fallback);
    let mut receipt = Receipt {
        query: times.query,
        fallback_policy: policy.to_string(),
        fallbacks: placed.map_or(vec![], |placed| placed.fallbacks().to_vec()),
        ..Receipt::default()
    };
    let mut notes = notes.iter();
    operator(plan, 0, &mut notes, &mut receipt);
    let sum = |field: fn(&OperatorReceipt) -> u64| receipt.operators.iter().map(field).sum();
    receipt.totals = Totals {
        wall_ms: milliseconds(times.wall),
        planning_ms: milliseconds(times.planning),
        bytes_up: sum(|operator| operator.bytes_up),
        bytes_down: sum(|operator| operator.bytes_down),
        kernels_launched: sum(|operator| operator.kernels_launched),
        kernels_compiled: sum(|operator| operator.kernels_compiled),
        compile_ms: receipt.operators.iter().map(|operator| operator.compile_ms).sum(),
        tiers: sum_tiers(&receipt.operators),
        rows: times.rows,
    };
    receipt
}

/// Adds `plan` and what lies below it; answers the rows that it gave.
fn operator(
    plan: &Arc<dyn ExecutionPlan>,
    depth: usize,
    notes: &mut std::slice::Iter<'_, NodeNote>,
    receipt: &mut Receipt,
) -> u64 {
    let note = notes.next().cloned().unwrap_or_default();
    let metrics = plan.metrics().unwrap_or_default();
    let index = receipt.operators.len();
    let line = displayable(plan.as_ref()).one_line().to_string();
    let detail = line.trim().strip_prefix(plan.name()).unwrap_or(line.trim());
    receipt.operators.push(OperatorReceipt {
        depth,
        name: plan.name().to_string(),
        detail: detail.trim_start_matches(':').trim().to_string(),
        place: "host".into(),
        rows_out: metrics.output_rows().unwrap_or(0) as u64,
        elapsed_ms: metrics.elapsed_compute().unwrap_or(0) as f64 / 1e6,
        note: (!note.reason.is_empty()).then_some(note.reason),
        ..OperatorReceipt::default()
    });
    let mut rows_in = 0;
    for child in plan.children() {
        rows_in += operator(child, depth + 1, notes, receipt);
    }
    let entry = &mut receipt.operators[index];
    entry.rows_in = rows_in;
    if metrics.output_rows().is_none() {
        // Nodes without counts of their own, such as unions, hand on what comes in.
        entry.rows_out = rows_in;
    }
    if let Some(device) = plan.downcast_ref::<DeviceExec>() {
        fill_device(entry, device, &metrics);
        receipt.fallbacks.extend(device.incidents());
    }
    receipt.operators[index].rows_out
}

fn fill_device(entry: &mut OperatorReceipt, device: &DeviceExec, metrics: &MetricsSet) {
    let sum = |name: &str| metrics.sum_by_name(name).map_or(0, |value| value.as_usize() as u64);
    let time = |name: &str| match metrics.sum_by_name(name) {
        Some(MetricValue::Time { time, .. }) => time.value() as f64 / 1e6,
        _ => 0.0,
    };
    entry.detail = device.operators().join(" → ");
    entry.rows_in = sum("rows_in");
    entry.bytes_up = sum("bytes_up");
    entry.bytes_down = sum("bytes_down");
    entry.kernels_launched = sum("kernels_launched");
    entry.kernels_compiled = sum("kernels_compiled");
    entry.cache_hits = sum("cache_hits");
    entry.peak_bytes = sum("peak_bytes");
    entry.compile_ms = time("compile_time");
    entry.kernel_ms = time("kernel_time");
    entry.upload_ms = time("upload_time");
    entry.download_ms = time("download_time");
    entry.elapsed_ms = time("device_elapsed");
    entry.tiers = tier_receipts(metrics);
    // An operator is called a device operator only if a kernel did its work.
    if entry.kernels_launched > 0 {
        entry.place = device.place();
        entry.device_name = device.device_name();
    } else if entry.rows_in == 0 {
        entry.note = Some("no rows came in".into());
    }
    let incidents: Vec<String> = device
        .incidents()
        .into_iter()
        .map(|FallbackReceipt { reason, .. }| format!("on the CPU: {reason}"))
        .collect();
    if !incidents.is_empty() {
        entry.note = Some(incidents.join("; "));
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

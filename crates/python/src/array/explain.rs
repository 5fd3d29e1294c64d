//! What would run, and what ran, as text.

use std::time::Duration;

use pyo3::prelude::*;
use swath::array::stage_line;
use swath_array::Array;
use swath_array::error::show_shape;
use swath_array::run::Runner;
use swath_array::run::accelerate::StageReport;

use super::run::{place, started_session};
use super::show::bytes;

/// The stages of an array, in the order in which they would run: a line for each, and, once a session has started, one for
/// where it would run, with the expected costs of both places.
pub fn explain(array: &Array) -> PyResult<String> {
    let arrays = std::slice::from_ref(array);
    let mut lines = vec![format!("{}, on {}", title(array), place())];
    match started_session() {
        Some(session) => lines.push(swath::array::explain(&session, arrays)),
        None => {
            let stages = Runner::new().plan(arrays).stages;
            lines.extend(stages.iter().enumerate().map(|(number, stage)| stage_line(number, stage)));
        }
    }
    lines.retain(|line| !line.is_empty());
    if lines.len() == 1 {
        lines.push("     nothing to compute: the values are known".to_string());
    }
    Ok(lines.join("\n"))
}

fn title(array: &Array) -> String {
    let chunks: usize = array.chunk_counts().iter().product();
    format!(
        "{}{}, {}, {chunks} chunk{}",
        array.dtype(),
        show_shape(array.shape()),
        bytes(array.bytes()),
        if chunks == 1 { "" } else { "s" }
    )
}

/// What each stage did.
pub fn receipt(array: &Array, reports: &[StageReport], elapsed: Duration) -> String {
    let mut lines = vec![format!("{} in {:.3} ms", title(array), elapsed.as_secs_f64() * 1e3)];
    for (number, report) in reports.iter().enumerate() {
        let place = report.device_name.as_deref().unwrap_or(&report.place);
        let mut line = format!(
            "{:>3}  {}: {}, {} elements, {:.3} ms on {place}",
            number + 1,
            report.name,
            report.detail,
            report.elements,
            report.seconds * 1e3
        );
        if let Some(note) = &report.note {
            line.push_str(&format!(" ({note})"));
        }
        for moved in &report.tiers {
            let (spilled, fetched) = (bytes(moved.spilled_bytes.into()), bytes(moved.fetched_bytes.into()));
            line.push_str(&format!("\n     {}: {spilled} spilled, {fetched} fetched", moved.tier));
        }
        lines.push(line);
    }
    lines.join("\n")
}

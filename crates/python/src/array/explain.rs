//! What would run, and what ran, as text.

use std::time::Duration;

use pyo3::prelude::*;
use swath_array::Array;
use swath_array::error::show_shape;
use swath_array::run::Runner;
use swath_array::run::accelerate::{StageReport, name};

use super::run::place;
use super::show::bytes;

/// The stages of an array: a line for each, in the order in which they would run.
pub fn explain(array: &Array) -> PyResult<String> {
    let plan = Runner::new().plan(std::slice::from_ref(array));
    let mut lines = vec![format!("{}, on {}", title(array), place())];
    for (number, stage) in plan.stages.iter().enumerate() {
        let made = &stage.array;
        let mut line = format!(
            "{:>3}  {}: {}{} in chunks of {}",
            number + 1,
            name(made),
            made.dtype(),
            show_shape(&stage.region.shape),
            show_shape(made.chunks())
        );
        if let Some(reader) = stage.last_reader {
            line.push_str(&format!(", kept until stage {}", reader + 1));
        }
        if stage.is_result {
            line.push_str(", the result");
        }
        lines.push(line);
    }
    if plan.stages.is_empty() {
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
        lines.push(line);
    }
    lines.join("\n")
}

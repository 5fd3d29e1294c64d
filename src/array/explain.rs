//! The stages of arrays as text: where each would run, what both places would cost, and why.

use std::fmt::Write as _;

use swath_array::error::show_shape;
use swath_array::graph::Array;
use swath_array::run::accelerate::{Expectation, name};
use swath_array::run::stages::Stage;

use super::{Watch, runner, stages_of};
use crate::plan::cost::Seconds;
use crate::session::Session;

/// Writes the stages in which arrays would be computed, in their order: a line for what each makes, and one for where
/// it would run, with the expected costs of both places and the reason. Nothing is read or computed.
pub fn explain(session: &Session, arrays: &[Array]) -> String {
    let has_device = session.engine().worker().is_some();
    let stages = runner(session, &Watch::default()).expectations(arrays, &stages_of(session));
    let lines = stages.iter().enumerate().map(|(number, (stage, expected))| {
        format!("{}\n     on {}", stage_line(number, stage), reason(expected, has_device))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What a stage makes, and for how long it is kept, after its number, counted from 1.
pub fn stage_line(number: usize, stage: &Stage) -> String {
    let made = &stage.array;
    let (shape, chunks) = (show_shape(&stage.region.shape), show_shape(made.chunks()));
    let mut line =
        format!("{:>3}  {}: {}{shape} in chunks of {chunks}", number + 1, name(made), made.dtype());
    if let Some(reader) = stage.last_reader {
        let _ = write!(line, ", kept until stage {}", reader + 1);
    }
    if stage.is_result {
        line.push_str(", the result");
    }
    line
}

/// The costs of both places and why it runs where it runs, as `EXPLAIN` of a query has them.
fn reason(expected: &Expectation, has_device: bool) -> String {
    let costs = match (expected.device_s, expected.host_s) {
        // Without a device its constants are guesses.
        (_, Some(host)) if !has_device => format!("host {}; ", Seconds(host)),
        (Some(device), Some(host)) => format!("device {}, host {}; ", Seconds(device), Seconds(host)),
        _ => String::new(),
    };
    let reason = expected.reason.as_deref().unwrap_or(match expected.stays {
        true => "stays on the device for what reads it",
        false => "comes down for what reads it",
    });
    format!("{} ({costs}{reason})", expected.place)
}

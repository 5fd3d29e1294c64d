//! Measures this machine for the cost model: what `swath calibrate` runs.
//!
//! | module | what lives there |
//! |---|---|
//! | [`probe`] | queries whose work is known in the units of the cost model |
//! | [`host`] | their times on one core and on all, through DataFusion's operators |
//! | [`device`] | the times of their kernels, of copies, launches, tasks and compiling |
//! | [`fit`] | the constants that explain the times best |

pub mod device;
pub mod fit;
pub mod host;
pub mod probe;

use serde::Serialize;

use self::fit::{Sample, residual};

/// A time that was measured, and what the fitted constants make of the same work.
#[derive(Clone, Debug, Serialize)]
pub struct Observation {
    pub what: &'static str,
    pub measured_s: f64,
    pub fitted_s: f64,
}

/// Constants, and how well they explain what was measured.
#[derive(Clone, Debug)]
pub struct Fitted<C> {
    pub costs: C,
    pub observations: Vec<Observation>,
    /// The root of the mean square of the relative errors; `None` where nothing was to be explained.
    pub residual: Option<f64>,
}

impl<C> Fitted<C> {
    /// Puts `costs` beside how well `found`, the seconds per unit that they come from, explain each sample.
    fn of(costs: C, whats: &[&'static str], samples: &[Sample], found: &[f64]) -> Fitted<C> {
        let observation = |(what, sample): (&&'static str, &Sample)| Observation {
            what,
            measured_s: sample.seconds,
            fitted_s: sample.predicted(found),
        };
        let observations = whats.iter().zip(samples).map(observation).collect();
        Fitted { costs, observations, residual: residual(samples, found) }
    }
}

//! Least squares of relative errors within bounds, by coordinate descent: a handful of unknowns, a score of times.

/// How far a constant may go from where it starts, either way: what takes it further is noise, or work that the
/// operators do in another way than the model thinks.
const FACTOR_MAX: f64 = 50.0;
const SWEEPS_MAX: usize = 20_000;
/// A sweep that changes no constant by more than this share is the last.
const CONVERGED: f64 = 1e-10;

/// A time, and how many units of each kind of work it is for.
#[derive(Clone, Debug)]
pub struct Sample {
    pub units: Vec<f64>,
    pub seconds: f64,
}

impl Sample {
    /// What so many seconds for a unit of each kind make of it.
    pub fn predicted(&self, seconds_per_unit: &[f64]) -> f64 {
        self.units.iter().zip(seconds_per_unit).map(|(units, each)| units * each).sum()
    }
}

/// Finds the seconds for a unit of each kind of work that explain `samples` best, from those in `start`. What no sample
/// has any of stays as it was. Samples without a time are left out.
///
/// Errors are relative, so that a short time counts as much as a long one.
pub fn fit(samples: &[Sample], start: &[f64]) -> Vec<f64> {
    let rows: Vec<Vec<f64>> = samples
        .iter()
        .filter(|sample| sample.seconds > 0.0)
        .map(|sample| sample.units.iter().map(|units| units / sample.seconds).collect())
        .collect();
    let mut found = start.to_vec();
    for _ in 0..SWEEPS_MAX {
        let mut moved = 0.0_f64;
        for index in 0..found.len() {
            let (mut product, mut square) = (0.0, 0.0);
            for row in &rows {
                let others: f64 = row.iter().zip(&found).map(|(units, each)| units * each).sum::<f64>()
                    - row[index] * found[index];
                product += row[index] * (1.0 - others);
                square += row[index] * row[index];
            }
            if square > 0.0 {
                let best = (product / square).clamp(start[index] / FACTOR_MAX, start[index] * FACTOR_MAX);
                moved = moved.max((best / found[index] - 1.0).abs());
                found[index] = best;
            }
        }
        if moved < CONVERGED {
            break;
        }
    }
    found
}

/// The root of the mean square of the relative errors; `None` without a time.
pub fn residual(samples: &[Sample], seconds_per_unit: &[f64]) -> Option<f64> {
    let errors: Vec<f64> = samples
        .iter()
        .filter(|sample| sample.seconds > 0.0)
        .map(|sample| sample.predicted(seconds_per_unit) / sample.seconds - 1.0)
        .collect();
    let squares: f64 = errors.iter().map(|error| error * error).sum();
    (!errors.is_empty()).then(|| (squares / errors.len() as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(units: &[f64], of: &[f64]) -> Sample {
        let sample = Sample { units: units.to_vec(), seconds: 0.0 };
        Sample { seconds: sample.predicted(of), ..sample }
    }

    #[test]
    fn exact_times_are_explained_exactly() {
        let truth = [2e-9, 5e-8, 1e-10, 3e-5];
        let samples = [
            sample(&[1e6, 0.0, 0.0, 1.0], &truth),
            sample(&[1e6, 1e6, 0.0, 2.0], &truth),
            sample(&[0.0, 2e5, 3e7, 2.0], &truth),
            sample(&[3e5, 0.0, 1e8, 1.0], &truth),
            sample(&[0.0, 0.0, 0.0, 6.0], &truth),
        ];
        let found = fit(&samples, &[1e-9, 1e-8, 1e-9, 1e-5]);
        for (found, truth) in found.iter().zip(truth) {
            assert!((found / truth - 1.0).abs() < 1e-3, "{found:?} {truth:?}");
        }
        assert!(residual(&samples, &found).is_some_and(|residual| residual < 1e-3));
    }

    #[test]
    fn what_was_not_measured_stays_and_noise_keeps_within_bounds() {
        let samples =
            [Sample { units: vec![1e6, 0.0], seconds: 1e9 }, Sample { units: vec![1.0, 1.0], seconds: 0.0 }];
        assert_eq!(fit(&samples, &[2.0_f64.powi(-30), 7.0]), [FACTOR_MAX * 2.0_f64.powi(-30), 7.0]);
        assert_eq!(fit(&[], &[1.0]), [1.0]);
        assert_eq!(residual(&[], &[1.0]), None);
    }
}

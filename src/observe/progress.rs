//! Progress on standard error, where a person watches: a terminal, and work that takes more than a moment.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::JoinHandle;

/// Work shorter than this shows nothing.
const QUIET: Duration = Duration::from_millis(500);
const TICK: Duration = Duration::from_millis(100);

/// A bar over a known number of steps; invisible where standard error is no terminal.
pub fn bar(steps: u64, what: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg:<24} [{bar:30}] {pos}/{len} {elapsed}")
        .expect("the template is valid")
        .progress_chars("=> ");
    let bar = ProgressBar::new(steps).with_style(style).with_message(what.to_string());
    bar.enable_steady_tick(TICK);
    bar
}

/// A spinner with a count of rows that goes on growing.
pub struct RowSpinner {
    task: Option<JoinHandle<()>>,
    spinner: ProgressBar,
}

impl RowSpinner {
    /// Shows `rows_read()` until it is cleared or dropped. Must be called within a Tokio runtime.
    pub fn start(rows_read: impl Fn() -> u64 + Send + 'static) -> Self {
        let spinner = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        if !std::io::stderr().is_terminal() {
            return RowSpinner { task: None, spinner };
        }
        let shown = spinner.clone();
        let task = tokio::spawn(async move {
            tokio::time::sleep(QUIET).await;
            shown.set_draw_target(ProgressDrawTarget::stderr());
            shown.set_style(ProgressStyle::default_spinner());
            loop {
                shown.set_message(format!("{} rows read", HumanCount(rows_read())));
                shown.tick();
                tokio::time::sleep(TICK).await;
            }
        });
        RowSpinner { task: Some(task), spinner }
    }

    /// Removes the spinner.
    pub fn clear(&self) {
        if let Some(task) = &self.task {
            task.abort();
            self.spinner.finish_and_clear();
        }
    }
}

impl Drop for RowSpinner {
    fn drop(&mut self) {
        self.clear();
    }
}

//! Runs the engine's futures: the interpreter is released meanwhile, and Ctrl-C ends them.

use std::future::Future;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use swath::Error;
use tokio::runtime::Runtime;

use super::raise::Raise;

/// How often a waiting call looks for Ctrl-C.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(50);

/// The threads of this process, and the process that they were started in: a fork has none of them.
static RUNTIME: Mutex<Option<(u32, &'static Runtime)>> = Mutex::new(None);

/// The runtime; started by the first call.
fn runtime() -> swath::Result<&'static Runtime> {
    let mut kept = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    if let Some((owner, runtime)) = *kept
        && owner == process
    {
        return Ok(runtime);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("swath")
        .build()
        .map_err(|error| Error::io(format!("cannot start threads: {error}")))?;
    // A runtime lives as long as the process: its threads may be within a query when Python exits.
    let runtime: &'static Runtime = Box::leak(Box::new(runtime));
    *kept = Some((process, runtime));
    Ok(runtime)
}

/// Waits for `work` with the interpreter released. An interrupt drops the future, which cancels what it runs.
///
/// # Errors
/// Those of the work; what a signal handler raises.
pub fn wait_for<T, F>(py: Python<'_>, work: F) -> PyResult<T>
where
    T: Send + 'static,
    F: Future<Output = swath::Result<T>> + Send + 'static,
{
    let (sender, receiver) = sync_channel(1);
    let task = runtime().raise()?.spawn(async move {
        // Nobody receives after an interrupt.
        let _ = sender.send(work.await);
    });
    // The receiver is not to be shared, and is moved in and out of the calls without the interpreter.
    let receiver = Mutex::new(receiver);
    loop {
        let received = py
            .detach(|| receiver.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(SIGNAL_INTERVAL));
        match received {
            Ok(outcome) => return outcome.raise(),
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Error::bug("a task of the query panicked")).raise();
            }
            Err(RecvTimeoutError::Timeout) => {
                if let Err(raised) = py.check_signals() {
                    task.abort();
                    return Err(raised);
                }
            }
        }
    }
}

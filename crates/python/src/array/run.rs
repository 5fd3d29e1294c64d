//! Evaluation from Python: the interpreter is released meanwhile, Ctrl-C stops the work, and a failure inside is an
//! exception.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use swath::array::Watch;
use swath::config::Placement;
use swath::session::Session;
use swath_array::graph::Op;
use swath_array::run::{Progress, Runner};
use swath_array::{Array, Tensor};

use super::AllMade;
use super::class::PyArray;
use super::convert::arrays_argument;
use crate::error::IntoPython;
use crate::frame;
use crate::frame::session::PySession;

/// Work on fewer bytes than this ends before anybody could stop it, and is done on the calling thread.
const QUICK_BYTES: u128 = 4 << 20;

/// Nodes that are looked at to tell whether work is quick.
const QUICK_NODES: usize = 256;

/// How often signals, and what reports progress, are looked after.
const POLL: Duration = Duration::from_millis(50);

/// Views of arrays up to this size compute the whole array, so that reading element after element computes it once.
const WHOLE_BYTES_MAX: u128 = 1 << 20;

/// The default session, once there is one: its threads, memory and devices are those of arrays.
static SESSION: Mutex<Option<Arc<Session>>> = Mutex::new(None);

/// What starts the default session, from Python.
static FACTORY: Mutex<Option<Py<PyAny>>> = Mutex::new(None);

/// Whether options were set that arrays have to follow, so that even small work waits for the session.
static WANTED: AtomicBool = AtomicBool::new(false);

/// Makes a session the one that arrays run in.
#[pyfunction]
pub fn use_session(session: &PySession) {
    *SESSION.lock().unwrap_or_else(PoisonError::into_inner) = Some(session.session());
}

/// Sets what starts the default session, and calls [`use_session`] with it.
#[pyfunction]
pub fn set_session_factory(factory: Py<PyAny>) {
    *FACTORY.lock().unwrap_or_else(PoisonError::into_inner) = Some(factory);
}

/// Has the next work wait for the default session, however small it is.
#[pyfunction]
pub fn want_session() {
    WANTED.store(true, Ordering::Relaxed);
}

/// The default session, if it has started.
pub fn started_session() -> Option<Arc<Session>> {
    SESSION.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Where arrays would be computed, as far as that is known before a session has started.
pub fn place() -> String {
    let Some(session) = started_session().filter(|session| session.engine().worker().is_some()) else {
        return "the host".to_string();
    };
    let device = session.engine().place();
    match swath::array::placement(&session) {
        Placement::Host => "the host".to_string(),
        Placement::Device => device,
        Placement::Auto => format!("the host or {device}, by cost"),
    }
}

/// The default session, which is started if it `is_needed`.
pub fn session(py: Python<'_>, is_needed: bool) -> PyResult<Option<Arc<Session>>> {
    let session = started_session();
    if session.is_some() || !is_needed {
        return Ok(session);
    }
    let factory = FACTORY.lock().unwrap_or_else(PoisonError::into_inner);
    let factory = factory.as_ref().map(|factory| factory.clone_ref(py));
    if let Some(factory) = factory {
        factory.call0(py)?;
    }
    Ok(started_session())
}

/// The runner of the default session. Small work does not start one: it needs neither devices nor a limit.
fn runner(py: Python<'_>, is_quick: bool) -> PyResult<Runner> {
    let session = session(py, !is_quick || WANTED.load(Ordering::Relaxed))?;
    Ok(session.map_or_else(Runner::new, |session| swath::array::runner(&session, &Watch::default())))
}

/// What is called between whiles with the blocks that are done and those that are expected.
static PROGRESS: Mutex<Option<Py<PyAny>>> = std::sync::Mutex::new(None);

/// Sets what is called with the counts of blocks done and expected while work runs, and returns what was set.
#[pyfunction]
#[pyo3(signature = (callback))]
pub fn set_progress(callback: Option<Py<PyAny>>) -> Option<Py<PyAny>> {
    let mut current = PROGRESS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    std::mem::replace(&mut *current, callback)
}

/// The whole value of an array.
pub fn compute(py: Python<'_>, array: &Array) -> PyResult<Tensor> {
    if let Some(value) = array.value() {
        return Ok(value.clone());
    }
    if let (Op::Slice(_) | Op::Reshape | Op::Permute(_) | Op::Broadcast, [input]) =
        (array.op(), array.inputs())
    {
        if input.value().is_none() && input.bytes() <= WHOLE_BYTES_MAX {
            input.set_value(compute(py, input)?);
        }
        if let Some(value) = input.value() {
            return view(array, value);
        }
    }
    with_runner(py, &[array], |runner| runner.compute(array))
}

/// Arrays with their values; what they share is computed once.
#[pyfunction]
pub fn compute_all(py: Python<'_>, arrays: &Bound<'_, PyAny>) -> AllMade {
    let arrays = arrays_argument(arrays)?;
    let values = with_runner(py, &arrays.iter().collect::<Vec<_>>(), |runner| runner.compute_all(&arrays))?;
    let computed = |(value, array): (Tensor, &Array)| {
        PyArray::from(Array::from_tensor(value).with_chunks(array.chunks().to_vec()))
    };
    Ok(values.into_iter().zip(&arrays).map(computed).collect())
}

/// The view that a node is of the value of its input.
fn view(array: &Array, value: &Tensor) -> PyResult<Tensor> {
    Ok(match array.op() {
        Op::Slice(slices) => value.slice(slices),
        Op::Permute(axes) => value.permute(axes),
        Op::Broadcast => value.broadcast(array.shape()),
        _ => value.reshape(array.shape()).py()?,
    })
}

/// Runs work on `arrays`, without the interpreter's lock; large work on a thread of its own while signals are looked
/// after.
pub fn with_runner<T: Send>(
    py: Python<'_>,
    arrays: &[&Array],
    work: impl FnOnce(&Runner) -> swath_array::Result<T> + Send,
) -> PyResult<T> {
    frame::arrays::load(py, arrays)?;
    let is_quick = arrays.iter().all(|array| is_quick(array));
    let runner = runner(py, is_quick)?;
    if is_quick {
        let outcome = py.detach(|| catch_unwind(AssertUnwindSafe(|| work(&runner))));
        return outcome.unwrap_or_else(|_| Err(failed())).py();
    }
    let cancelled = Arc::new(AtomicBool::new(false));
    let progress = Arc::new(Progress::default());
    let own = runner.with_cancel(cancelled.clone()).with_progress(progress.clone());
    py.detach(|| {
        std::thread::scope(|scope| {
            let (sender, receiver) = mpsc::channel();
            let spawned = std::thread::Builder::new().stack_size(16 << 20).spawn_scoped(scope, move || {
                let outcome = catch_unwind(AssertUnwindSafe(|| work(&own)));
                // The receiver waits for exactly this.
                let _ = sender.send(outcome.unwrap_or_else(|_| Err(failed())));
            });
            if let Err(error) = spawned {
                return Err(PyRuntimeError::new_err(format!("no thread for the work: {error}")));
            }
            let mut stopped = None;
            loop {
                match receiver.recv_timeout(POLL) {
                    Ok(outcome) => return stopped.map_or_else(|| outcome.py(), Err),
                    Err(mpsc::RecvTimeoutError::Disconnected) => return Err(failed()).py(),
                    Err(mpsc::RecvTimeoutError::Timeout) if stopped.is_none() => {
                        if let Err(error) = Python::attach(|py| attend(py, &progress)) {
                            cancelled.store(true, Ordering::Relaxed);
                            stopped = Some(error);
                        }
                    }
                    Err(mpsc::RecvTimeoutError::Timeout) => {}
                }
            }
        })
    })
}

fn attend(py: Python<'_>, progress: &Progress) -> PyResult<()> {
    py.check_signals()?;
    let callback = PROGRESS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let callback = callback.as_ref().map(|callback| callback.clone_ref(py));
    if let Some(callback) = callback {
        callback.call1(py, progress.now())?;
    }
    Ok(())
}

fn failed() -> swath_array::Error {
    swath_array::Error::bug("the evaluation failed; its message is above")
}

/// Whether little is computed for an array.
fn is_quick(array: &Array) -> bool {
    let (mut open, mut bytes, mut nodes) = (vec![array], 0u128, 0usize);
    while let Some(array) = open.pop() {
        bytes = bytes.saturating_add(array.bytes());
        nodes += 1;
        if bytes > QUICK_BYTES || nodes > QUICK_NODES {
            return false;
        }
        if array.value().is_none() {
            open.extend(array.inputs());
        }
    }
    true
}

/// Calls what builds an array; a failure inside is an exception rather than a panic.
pub fn guarded<T>(build: impl FnOnce() -> swath_array::Result<T>) -> PyResult<T> {
    catch_unwind(AssertUnwindSafe(build)).unwrap_or_else(|_| Err(failed())).py()
}

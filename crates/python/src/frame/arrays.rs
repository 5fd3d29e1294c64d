//! Arrays that read frames: what runs the frames before the arrays are computed.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use swath::array::load_frames;
use swath::plan::array::sources_of;
use swath::session::Session;
use swath_array::Array;

use super::run::wait_for;
use crate::error::IntoPython;

/// The session of the frame that was last made an array of; `None` where none was, and no array reads a frame. The plans of
/// frames hold their tables, so any session runs them.
static SESSION: Mutex<Option<Arc<Session>>> = Mutex::new(None);

/// Keeps the session that frames of arrays run in.
pub fn remember(session: &Arc<Session>) {
    *SESSION.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(session));
}

/// Runs the frames that these arrays read and that have not run yet.
///
/// # Errors
/// Those of the frames.
pub fn load(py: Python<'_>, arrays: &[&Array]) -> PyResult<()> {
    let Some(session) = SESSION.lock().unwrap_or_else(PoisonError::into_inner).clone() else { return Ok(()) };
    let arrays: Vec<Array> = arrays.iter().copied().cloned().collect();
    if sources_of(&arrays).iter().all(|source| source.is_loaded()) {
        return Ok(());
    }
    let loaded = wait_for(py, async move {
        let loading = tokio::task::spawn_blocking(move || load_frames(&session, &arrays));
        loading.await.map_err(|_| swath::Error::bug("a query of an array's frame panicked"))
    })?;
    loaded.py()
}

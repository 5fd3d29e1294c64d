//! Graphs: the operations that a stream was given while it was captured, in that order.

use super::{driver_api, put};
use crate::driver::state::{Handle, state};
use crate::driver::status;
use crate::driver::stream;
use std::ffi::{c_int, c_ulonglong};

/// Handles up to this are default streams, which cannot be captured.
const DEFAULT_STREAM_LAST: usize = 2;

driver_api! {
    fn cuStreamBeginCapture_v2(stream: Handle, _mode: c_int) {
        if stream as usize <= DEFAULT_STREAM_LAST {
            return Err(status::STREAM_CAPTURE_UNSUPPORTED);
        }
        let mut state = state();
        let key = state.stream_key(stream)?;
        state.stream(key)?.capture.get_or_insert_default();
    }

    fn cuStreamEndCapture(stream: Handle, graph: *mut Handle) {
        let mut state = state();
        let key = state.stream_key(stream)?;
        let operations = state.stream(key)?.capture.take().ok_or(status::INVALID_VALUE)?;
        let handle = state.new_handle();
        state.graphs.insert(handle, operations);
        put(graph, handle as Handle)?;
    }

    fn cuStreamIsCapturing(stream: Handle, capturing: *mut c_int) {
        let mut state = state();
        let key = state.stream_key(stream)?;
        put(capturing, state.stream(key)?.capture.is_some() as c_int)?;
    }

    fn cuGraphInstantiateWithFlags(executable: *mut Handle, graph: Handle, _flags: c_ulonglong) {
        let mut state = state();
        let operations = state.graphs.get(&(graph as usize)).ok_or(status::INVALID_HANDLE)?.clone();
        let handle = state.new_handle();
        state.graphs.insert(handle, operations);
        put(executable, handle as Handle)?;
    }

    fn cuGraphUpload(executable: Handle, stream: Handle) {
        let mut state = state();
        state.stream_key(stream)?;
        state.graphs.get(&(executable as usize)).ok_or(status::INVALID_HANDLE)?;
    }

    fn cuGraphLaunch(executable: Handle, stream: Handle) {
        let (key, operations) = {
            let mut state = state();
            let key = state.stream_key(stream)?;
            (key, state.graphs.get(&(executable as usize)).ok_or(status::INVALID_HANDLE)?.clone())
        };
        for operation in operations {
            stream::submit(key, operation)?;
        }
    }

    fn cuGraphExecDestroy(executable: Handle) {
        state().graphs.remove(&(executable as usize)).ok_or(status::INVALID_HANDLE)?;
    }

    fn cuGraphDestroy(graph: Handle) {
        state().graphs.remove(&(graph as usize)).ok_or(status::INVALID_HANDLE)?;
    }
}

//! Streams, events, host functions and graphs, eager and lazy.

use crate::harness::{assert_fails, function, harness, shape};
use crate::launch;
use cudarc::driver::result;
use cudarc::driver::sys::{self, CUresult};
use std::sync::atomic::{AtomicU32, Ordering};

const BASICS: &str = include_str!("kernels/basics.cu");

#[test]
fn a_missing_wait_shows_in_lazy_mode() {
    let harness = harness();
    let context = harness.context(0);
    let (writer, reader) = (context.new_stream().unwrap(), context.new_stream().unwrap());
    for lazy in [false, true] {
        harness.simulator.set_lazy(lazy);
        let mut values = writer.alloc_zeros::<u32>(4).unwrap();
        writer.synchronize().unwrap();
        writer.memcpy_htod(&[9u32; 4], &mut values).unwrap();
        let without_wait = reader.clone_dtoh(&values).unwrap();
        reader.join(&writer).unwrap();
        let with_wait = reader.clone_dtoh(&values).unwrap();
        assert_eq!(without_wait, if lazy { [0; 4] } else { [9; 4] });
        assert_eq!(with_wait, [9; 4]);
    }
}

#[test]
fn pinned_sources_are_read_when_the_copy_runs_and_pageable_ones_at_the_call() {
    let harness = harness();
    let context = harness.context(0);
    let stream = context.new_stream().unwrap();
    harness.simulator.set_lazy(true);
    let target = stream.alloc_zeros::<u32>(2).unwrap();
    let to = crate::harness::address(&target, &stream);
    // SAFETY: the pinned memory holds a number, and outlives the copy.
    unsafe {
        let pinned = result::malloc_host(4, 0).unwrap().cast::<u32>();
        *pinned = 1;
        let mut pageable = [1u32];
        result::memcpy_htod_async(to, std::slice::from_raw_parts(pinned, 1), stream.cu_stream()).unwrap();
        result::memcpy_htod_async(to + 4, &pageable, stream.cu_stream()).unwrap();
        *pinned = 2;
        pageable[0] = 2;
        std::hint::black_box(&pageable);
        assert_eq!(stream.clone_dtoh(&target).unwrap(), [2, 1]);
        result::free_host(pinned.cast()).unwrap();
    }
}

#[test]
fn memory_freed_before_queued_work_uses_it_is_found_in_lazy_mode() {
    let harness = harness();
    let context = harness.context(0);
    let (user, owner) = (context.new_stream().unwrap(), context.new_stream().unwrap());
    let kernel = function(&context, BASICS, "increment");
    harness.simulator.set_lazy(true);
    let values = owner.alloc_zeros::<u32>(64).unwrap();
    user.join(&owner).unwrap();
    let at = crate::harness::address(&values, &owner);
    launch!(user, kernel, shape(1, 64), &at, &64u32).unwrap();
    drop(values);
    owner.synchronize().unwrap();
    assert_fails(user.synchronize(), CUresult::CUDA_ERROR_ILLEGAL_ADDRESS);
    harness.assert_reported("which was freed");
}

#[test]
fn the_default_stream_orders_itself_with_blocking_streams() {
    let harness = harness();
    let context = harness.context(0);
    context.bind_to_thread().unwrap();
    harness.simulator.set_lazy(true);
    // SAFETY: plain calls of the driver with valid arguments.
    unsafe {
        let pointer = result::malloc_sync(4).unwrap();
        let mut blocking = std::ptr::null_mut();
        sys::cuStreamCreate(&mut blocking, 0).result().unwrap();
        sys::cuMemsetD8Async(pointer, 7, 4, blocking).result().unwrap();
        let mut value = [0u8; 4];
        result::memcpy_dtoh_sync(&mut value, pointer).unwrap();
        assert_eq!(value, [7; 4]);
        sys::cuStreamDestroy_v2(blocking).result().unwrap();
        result::free_sync(pointer).unwrap();
    }
}

#[test]
fn events_say_when_work_is_done() {
    let harness = harness();
    let context = harness.context(0);
    let stream = context.new_stream().unwrap();
    let timed = Some(sys::CUevent_flags::CU_EVENT_DEFAULT);
    harness.simulator.set_lazy(true);
    let mut values = stream.alloc_zeros::<u32>(1 << 16).unwrap();
    let start = stream.record_event(timed).unwrap();
    stream.memset_zeros(&mut values).unwrap();
    let end = stream.record_event(timed).unwrap();
    assert!(!end.is_complete());
    // Whoever polls comes to an end.
    while !end.is_complete() {}
    assert!(start.elapsed_ms(&end).unwrap() >= 0.0);
}

/// Doubles the counter and adds one; and tries to use the driver, which a host function must not.
unsafe extern "C" fn count(counter: *mut std::ffi::c_void) {
    // SAFETY: the test passes its counter.
    let counter = unsafe { &*counter.cast::<AtomicU32>() };
    counter.store(counter.load(Ordering::Relaxed) * 2 + 1, Ordering::Relaxed);
    assert_fails(result::device::get_count(), CUresult::CUDA_ERROR_NOT_PERMITTED);
}

#[test]
fn host_functions_run_in_order() {
    let harness = harness();
    let context = harness.context(0);
    let stream = context.new_stream().unwrap();
    let counter = AtomicU32::new(0);
    for lazy in [false, true] {
        harness.simulator.set_lazy(lazy);
        counter.store(0, Ordering::Relaxed);
        for _ in 0..3 {
            let data = (&raw const counter).cast_mut().cast();
            // SAFETY: the counter outlives the stream's work.
            unsafe { sys::cuLaunchHostFunc(stream.cu_stream(), Some(count), data) }.result().unwrap();
        }
        assert_eq!(counter.load(Ordering::Relaxed), if lazy { 0 } else { 7 });
        stream.synchronize().unwrap();
        assert_eq!(counter.load(Ordering::Relaxed), 7);
    }
}

#[test]
fn a_graph_repeats_what_was_captured() {
    let harness = harness();
    let context = harness.context(0);
    let stream = context.new_stream().unwrap();
    let kernel = function(&context, BASICS, "increment");
    let mut values = stream.alloc_zeros::<u32>(64).unwrap();
    stream.begin_capture(sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL).unwrap();
    for _ in 0..3 {
        launch!(stream, kernel, shape(1, 64), &mut values, &64u32).unwrap();
    }
    let flags = sys::CUgraphInstantiate_flags::CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH;
    let graph = stream.end_capture(flags).unwrap().expect("something was captured");
    assert_eq!(harness.simulator.launches(0), 0);
    graph.launch().unwrap();
    graph.launch().unwrap();
    assert_eq!(stream.clone_dtoh(&values).unwrap(), [6; 64]);
}

#[test]
fn threads_use_devices_side_by_side() {
    let harness = harness();
    let contexts = [harness.context(0), harness.context(1)];
    for lazy in [false, true] {
        harness.simulator.set_lazy(lazy);
        std::thread::scope(|scope| {
            for worker in 0..6 {
                let context = contexts[worker % 2].clone();
                scope.spawn(move || {
                    let kernel = function(&context, BASICS, "increment");
                    let stream = context.new_stream().unwrap();
                    for round in 0..30u32 {
                        let n = 1 + round * 97;
                        let mut values = stream.clone_htod(&vec![worker as u32; n as usize]).unwrap();
                        launch!(stream, kernel, shape(n.div_ceil(64), 64), &mut values, &n).unwrap();
                        assert_eq!(stream.clone_dtoh(&values).unwrap(), vec![worker as u32 + 1; n as usize]);
                    }
                });
            }
        });
    }
}

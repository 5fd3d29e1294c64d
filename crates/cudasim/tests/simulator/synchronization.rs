//! Barriers, warp operations and waiting inside a kernel.

use crate::harness::{Harness, assert_fails, function, harness, shape};
use crate::launch;
use cudarc::driver::sys::CUresult;
use std::time::{Duration, Instant};

const KERNELS: &str = include_str!("kernels/synchronization.cu");

#[test]
fn warp_operations_exchange_values() {
    let harness = harness();
    let context = harness.context(0);
    let stream = context.default_stream();
    let kernel = function(&context, KERNELS, "warp_operations");
    let mut out = stream.alloc_zeros::<i32>(64 * 10).unwrap();
    launch!(stream, kernel, shape(1, 64), &mut out).unwrap();
    let out = stream.clone_dtoh(&out).unwrap();
    for thread in 0..64usize {
        let lane = thread as i32 % 32;
        let mixed = if lane < 16 { (lane ^ 1) + 3 } else { 31 };
        let expected = [
            mixed,
            (0..32).filter(|l| l % 3 == 0).fold(0u32, |mask, l| mask | 1 << l) as i32,
            (0xffu32 << (lane / 8 * 8)) as i32,
            496,
            10,
            (lane - 1).max(0),
            0,
            3,
            -31,
            1,
        ];
        assert_eq!(out[thread * 10..][..10], expected, "thread {thread}");
    }
}

#[test]
fn a_lock_among_the_threads_of_a_block_makes_progress() {
    let harness = harness();
    let context = harness.context(0);
    let stream = context.default_stream();
    let kernel = function(&context, KERNELS, "spin_lock");
    let lock = stream.alloc_zeros::<u32>(1).unwrap();
    let count = stream.alloc_zeros::<u32>(1).unwrap();
    launch!(stream, kernel, shape(4, 256), &lock, &count).unwrap();
    assert_eq!(stream.clone_dtoh(&count).unwrap(), [1024]);
}

#[test]
fn blocks_of_a_cooperative_launch_wait_for_each_other() {
    let harness = harness();
    let context = harness.context(0);
    let stream = context.default_stream();
    let kernel = function(&context, KERNELS, "grid_barrier");
    let mut arrived = stream.alloc_zeros::<u32>(1).unwrap();
    let mut out = stream.alloc_zeros::<u32>(8).unwrap();
    let mut builder = stream.launch_builder(&kernel);
    use cudarc::driver::PushKernelArg;
    builder.arg(&mut arrived).arg(&mut out);
    // SAFETY: the arguments are the kernel's.
    unsafe { builder.launch_cooperative(shape(8, 64)) }.unwrap();
    assert_eq!(stream.clone_dtoh(&out).unwrap(), [8; 8]);
}

/// Runs a kernel over one warp, which must fail with a code and a message.
fn expect_fault(harness: &Harness, name: &str, code: CUresult, message: &str) {
    let context = harness.context(0);
    let stream = context.default_stream();
    let kernel = function(&context, KERNELS, name);
    let mut out = stream.alloc_zeros::<i32>(32).unwrap();
    launch!(stream, kernel, shape(1, 32), &mut out).unwrap();
    assert_fails(stream.synchronize(), code);
    harness.assert_reported(name);
    harness.assert_reported(message);
    harness.simulator.reset();
}

#[test]
fn divergent_synchronisation_is_reported() {
    let harness = harness();
    let failed = CUresult::CUDA_ERROR_LAUNCH_FAILED;
    expect_fault(&harness, "barrier_after_return", failed, "have already returned");
    expect_fault(
        &harness,
        "barrier_against_warp",
        failed,
        "16 wait at __syncthreads, 16 at a warp operation",
    );
    expect_fault(&harness, "mask_without_self", failed, "does not name the calling lane");
    expect_fault(&harness, "different_operations", failed, "meet in __syncwarp and in __ballot_sync");
}

#[test]
fn the_watchdog_stops_kernels_that_spin() {
    let harness = harness();
    let timeout = CUresult::CUDA_ERROR_LAUNCH_TIMEOUT;
    for name in ["spin_on_atomic", "spin_on_volatile"] {
        harness.simulator.set_timeout(Duration::from_millis(50));
        let started = Instant::now();
        expect_fault(&harness, name, timeout, "watchdog");
        assert!(started.elapsed() < Duration::from_secs(2));
    }
}

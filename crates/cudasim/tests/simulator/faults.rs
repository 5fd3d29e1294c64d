//! Kernels that go wrong, and faults that a test asks for.

use crate::harness::{Harness, assert_fails, function, harness, load, shape};
use crate::launch;
use cudarc::driver::sys::CUresult;
use cudarc::driver::{CudaContext, LaunchConfig};

const KERNELS: &str = include_str!("kernels/faults.cu");
const BASICS: &str = include_str!("kernels/basics.cu");

/// Writes to an index of an array of 100 integers and expects a fault with a message.
fn expect_write_found(harness: &Harness, index: i64, message: &str) {
    let context = harness.context(0);
    let stream = context.default_stream();
    let kernel = function(&context, KERNELS, "write_at");
    let mut out = stream.alloc_zeros::<i32>(100).unwrap();
    launch!(stream, kernel, shape(1, 1), &mut out, &index).unwrap();
    assert_fails(stream.synchronize(), CUresult::CUDA_ERROR_ILLEGAL_ADDRESS);
    harness.assert_reported("kernel write_at");
    harness.assert_reported(message);
    // Sticky: nothing works until the context is reset.
    assert_fails(stream.alloc_zeros::<i32>(1), CUresult::CUDA_ERROR_ILLEGAL_ADDRESS);
    harness.simulator.reset();
}

#[test]
fn writes_outside_an_allocation_are_found() {
    let harness = harness();
    expect_write_found(&harness, 100, "0 bytes past the end of an allocation of 400 bytes");
    expect_write_found(&harness, -1, "4 bytes before an allocation of 400 bytes");
    expect_write_found(&harness, 5000, "past the end of an allocation of 400 bytes");
    expect_write_found(&harness, -5000, "before an allocation of 400 bytes");
    expect_write_found(&harness, -(1 << 40), "write at address");
    expect_write_found(&harness, 1 << 60, "an address that no memory can have");
}

#[test]
fn writes_inside_are_not() {
    let harness = harness();
    let context = harness.context(0);
    let stream = context.default_stream();
    let kernel = function(&context, KERNELS, "write_at");
    for length in [1usize, 63, 64, 65, 1024, 5000] {
        let mut out = stream.alloc_zeros::<i32>(length).unwrap();
        let last = length as i64 - 1;
        launch!(stream, kernel, shape(1, 1), &mut out, &last).unwrap();
        launch!(stream, kernel, shape(1, 1), &mut out, &0i64).unwrap();
        stream.synchronize().unwrap();
    }
    assert_eq!(harness.simulator.last_fault(), None);
}

#[test]
fn reads_of_freed_memory_and_null_are_found() {
    let harness = harness();
    let context = harness.context(0);
    let stream = context.default_stream();
    let kernel = function(&context, KERNELS, "read_at");
    for (freed, message) in [(true, "which was freed"), (false, "a null pointer")] {
        let mut out = stream.alloc_zeros::<i32>(1).unwrap();
        let input = stream.alloc_zeros::<i32>(100).unwrap();
        let pointer = if freed { crate::harness::address(&input, &stream) } else { 0 };
        drop(input);
        launch!(stream, kernel, shape(1, 1), &pointer, &3i64, &mut out).unwrap();
        assert_fails(stream.synchronize(), CUresult::CUDA_ERROR_ILLEGAL_ADDRESS);
        harness.assert_reported("read at address");
        harness.assert_reported(message);
        harness.simulator.reset();
    }
}

#[test]
fn other_faults_of_a_kernel_have_their_codes() {
    let harness = harness();
    let context = harness.context(0);
    let stream = context.default_stream();
    let module = load(&context, KERNELS);
    let kernel = |name: &str| module.load_function(name).unwrap();
    let mut out = stream.alloc_zeros::<i32>(1).unwrap();

    launch!(stream, kernel("failing_assert"), shape(1, 4), &1i32).unwrap();
    assert_fails(stream.synchronize(), CUresult::CUDA_ERROR_ASSERT);
    harness.assert_reported("block (0,0,0) thread (0,0,0): assertion failed: n == 0");
    harness.simulator.reset();

    launch!(stream, kernel("trapping"), shape(1, 1)).unwrap();
    assert_fails(stream.synchronize(), CUresult::CUDA_ERROR_LAUNCH_FAILED);
    harness.assert_reported("__trap()");
    harness.simulator.reset();

    launch!(stream, kernel("divide"), shape(1, 1), &1i32, &0i32, &mut out).unwrap();
    assert_fails(stream.synchronize(), CUresult::CUDA_ERROR_LAUNCH_FAILED);
    harness.assert_reported("division of 'int' by zero");
    harness.simulator.reset();

    launch!(stream, kernel("recurse"), shape(1, 1), &mut out, &100_000i32).unwrap();
    assert_fails(stream.synchronize(), CUresult::CUDA_ERROR_LAUNCH_FAILED);
    harness.assert_reported("stack overflow");
    harness.simulator.reset();

    let dynamic = LaunchConfig { shared_mem_bytes: 1000, ..shape(1, 1) };
    launch!(stream, kernel("past_dynamic_shared"), dynamic, &mut out).unwrap();
    assert_fails(stream.synchronize(), CUresult::CUDA_ERROR_ILLEGAL_ADDRESS);
    harness.simulator.reset();

    // The simulator itself is unharmed.
    launch!(stream, kernel("divide"), shape(1, 1), &12i32, &4i32, &mut out).unwrap();
    assert_eq!(stream.clone_dtoh(&out).unwrap(), [3]);
}

#[test]
fn rules_that_the_compiler_checks_name_the_line() {
    let harness = harness();
    let context = harness.context(0);
    let stream = context.default_stream();
    let module = load(&context, KERNELS);
    let input = stream.alloc_zeros::<u32>(64).unwrap();
    let mut out = stream.alloc_zeros::<u32>(16).unwrap();
    let mut run = |name: &str, offset: u32, code: CUresult, message: &str| {
        let kernel = module.load_function(name).unwrap();
        match name {
            "shift" => launch!(stream, kernel, shape(1, 1), &1u32, &offset, &mut out),
            "past_fixed_shared" => launch!(stream, kernel, shape(1, 1), &offset, &mut out),
            _ => launch!(stream, kernel, shape(1, 1), &input, &offset, &mut out),
        }
        .unwrap();
        if code == CUresult::CUDA_SUCCESS {
            stream.synchronize().unwrap();
            return;
        }
        assert_fails(stream.synchronize(), code);
        harness.assert_reported("default_program:");
        harness.assert_reported(message);
        harness.simulator.reset();
    };
    let misaligned = CUresult::CUDA_ERROR_MISALIGNED_ADDRESS;
    run("load_wide", 8, CUresult::CUDA_SUCCESS, "");
    run("load_wide", 4, misaligned, "misaligned access to");
    run("load_vector", 4, CUresult::CUDA_SUCCESS, "");
    run("load_vector", 2, misaligned, "uint4");
    run("past_fixed_shared", 63, CUresult::CUDA_SUCCESS, "");
    run("past_fixed_shared", 64, CUresult::CUDA_ERROR_ILLEGAL_ADDRESS, "index 64 is outside of");
    run("shift", 31, CUresult::CUDA_SUCCESS, "");
    run("shift", 32, CUresult::CUDA_ERROR_LAUNCH_FAILED, "by 32");
}

#[test]
fn a_fault_of_one_block_ends_those_that_wait_for_it() {
    let harness = harness();
    let context = harness.context(0);
    let stream = context.default_stream();
    let kernel = function(&context, KERNELS, "one_block_faults");
    let mut flag = stream.alloc_zeros::<u32>(1).unwrap();
    let started = std::time::Instant::now();
    launch!(stream, kernel, shape(64, 256), &mut flag).unwrap();
    assert_fails(stream.synchronize(), CUresult::CUDA_ERROR_LAUNCH_FAILED);
    harness.assert_reported("__trap()");
    assert!(started.elapsed() < std::time::Duration::from_secs(2));
}

#[test]
fn shared_memory_starts_poisoned() {
    let harness = harness();
    let context = harness.context(0);
    let stream = context.default_stream();
    let kernel = function(&context, KERNELS, "uninitialized_shared");
    let mut out = stream.alloc_zeros::<u8>(32).unwrap();
    let dynamic = LaunchConfig { shared_mem_bytes: 64, ..shape(1, 32) };
    launch!(stream, kernel, dynamic, &mut out).unwrap();
    assert_eq!(stream.clone_dtoh(&out).unwrap(), [0xA5; 32]);
}

#[test]
fn the_nth_launch_fails_and_the_context_can_be_rebuilt() {
    let harness = harness();
    let n = 64u32;
    {
        let context = harness.context(0);
        let stream = context.default_stream();
        let kernel = function(&context, BASICS, "increment");
        let mut values = stream.alloc_zeros::<u32>(n as usize).unwrap();
        harness.simulator.fail_launch_in(0, 2);
        launch!(stream, kernel, shape(1, 64), &mut values, &n).unwrap();
        stream.synchronize().unwrap();
        launch!(stream, kernel, shape(1, 64), &mut values, &n).unwrap();
        assert_fails(stream.synchronize(), CUresult::CUDA_ERROR_LAUNCH_FAILED);
        assert_fails(
            launch!(stream, kernel, shape(1, 64), &mut values, &n),
            CUresult::CUDA_ERROR_LAUNCH_FAILED,
        );
        harness.assert_reported("kernel increment");
    }
    assert_eq!(harness.simulator.live_allocations(0), 0);
    let context = harness.context(0);
    let stream = context.default_stream();
    let kernel = function(&context, BASICS, "increment");
    let mut values = stream.alloc_zeros::<u32>(n as usize).unwrap();
    launch!(stream, kernel, shape(1, 64), &mut values, &n).unwrap();
    assert_eq!(stream.clone_dtoh(&values).unwrap(), [1; 64]);
}

#[test]
fn a_lost_device_answers_nothing_until_its_context_is_gone() {
    let harness = harness();
    let lost = CUresult::CUDA_ERROR_DEVICE_UNAVAILABLE;
    let other = harness.context(1);
    {
        let context = harness.context(0);
        let stream = context.new_stream().unwrap();
        let module = load(&context, BASICS);
        let kernel = module.load_function("increment").unwrap();
        let mut values = stream.alloc_zeros::<u32>(4).unwrap();
        harness.simulator.lose_device(0);
        assert_fails(launch!(stream, kernel, shape(1, 4), &mut values, &4u32), lost);
        assert_fails(stream.synchronize(), lost);
        assert_fails(stream.alloc_zeros::<u32>(4), lost);
        assert_fails(context.new_stream(), lost);
        assert_fails(context.synchronize(), lost);
        assert_fails(context.mem_get_info(), lost);
        // The other device does not notice.
        other.default_stream().clone_htod(&[1u32]).unwrap();
    }
    // All references to the context are gone, so the next one begins anew, modules included.
    let context = CudaContext::new(0).unwrap();
    let stream = context.default_stream();
    let kernel = function(&context, BASICS, "increment");
    let mut values = stream.alloc_zeros::<u32>(4).unwrap();
    launch!(stream, kernel, shape(1, 4), &mut values, &4u32).unwrap();
    assert_eq!(stream.clone_dtoh(&values).unwrap(), [1; 4]);
}

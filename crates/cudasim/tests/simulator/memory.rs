//! Allocation, limits, pools and pinned memory.

use crate::harness::{address, assert_fails, harness};
use cudarc::driver::result;
use cudarc::driver::sys::{self, CUresult};
use std::mem::MaybeUninit;

const OUT_OF_MEMORY: CUresult = CUresult::CUDA_ERROR_OUT_OF_MEMORY;
const INVALID_VALUE: CUresult = CUresult::CUDA_ERROR_INVALID_VALUE;

#[test]
fn fresh_memory_is_poisoned_every_time() {
    let harness = harness();
    let context = harness.context(0);
    let stream = context.default_stream();
    for _ in 0..3 {
        // SAFETY: any bytes are valid.
        let mut fresh = unsafe { stream.alloc::<u8>(1000) }.unwrap();
        assert_eq!(stream.clone_dtoh(&fresh).unwrap(), [0xCB; 1000]);
        stream.memset_zeros(&mut fresh).unwrap();
        assert_eq!(stream.clone_dtoh(&fresh).unwrap(), [0; 1000]);
    }
    assert_eq!(harness.simulator.live_allocations(0), 0);
}

#[test]
fn memory_has_a_limit() {
    let harness = harness();
    let context = harness.context(0);
    let stream = context.default_stream();
    harness.simulator.set_memory_limit(0, 1 << 20);
    assert_eq!(context.mem_get_info().unwrap(), (1 << 20, 1 << 20));
    let most = stream.alloc_zeros::<u8>(1 << 19).unwrap();
    assert_eq!(harness.simulator.memory_used(0), 1 << 19);
    assert_fails(stream.alloc_zeros::<u8>((1 << 19) + 1), OUT_OF_MEMORY);
    drop(most);
    stream.alloc_zeros::<u8>(1 << 20).unwrap();
    assert_eq!(harness.simulator.memory_peak(0), 1 << 20);
    // The other device has its own.
    harness.context(1).default_stream().alloc_zeros::<u8>(2 << 20).unwrap();
}

#[test]
fn an_allocation_waits_for_queued_frees_before_it_fails() {
    let harness = harness();
    let context = harness.context(0);
    let stream = context.new_stream().unwrap();
    harness.simulator.set_memory_limit(0, 1 << 20);
    harness.simulator.set_lazy(true);
    let first = stream.alloc_zeros::<u8>(1 << 20).unwrap();
    drop(first);
    assert_eq!(harness.simulator.live_allocations(0), 1);
    let _second = stream.alloc_zeros::<u8>(1 << 20).unwrap();
    stream.synchronize().unwrap();
    assert_eq!(harness.simulator.live_allocations(0), 1);
}

#[test]
fn the_nth_allocation_fails() {
    let harness = harness();
    let context = harness.context(0);
    let stream = context.default_stream();
    let before = harness.simulator.allocations(0);
    harness.simulator.fail_allocation_in(0, 2);
    let _first = stream.alloc_zeros::<u8>(8).unwrap();
    assert_fails(stream.alloc_zeros::<u8>(8), OUT_OF_MEMORY);
    stream.alloc_zeros::<u8>(8).unwrap();
    assert_eq!(harness.simulator.allocations(0) - before, 3);
}

#[test]
fn several_allocations_fail_and_pinned_ones_count() {
    let harness = harness();
    let context = harness.context(0);
    let stream = context.default_stream();
    harness.simulator.fail_allocations_in(0, 2, 3);
    let _first = stream.alloc_zeros::<u8>(8).unwrap();
    assert_fails(stream.alloc_zeros::<u8>(8), OUT_OF_MEMORY);
    // SAFETY: plain calls of the driver with valid arguments.
    unsafe {
        assert_fails(result::malloc_host(64, 0), OUT_OF_MEMORY);
        let pageable = [0u64; 8];
        let registered = sys::cuMemHostRegister_v2(pageable.as_ptr() as *mut _, 64, 0).result();
        assert_fails(registered, OUT_OF_MEMORY);
    }
    stream.alloc_zeros::<u8>(8).unwrap();
    harness.simulator.fail_allocations_in(0, 1, 5);
    harness.simulator.fail_allocations_in(0, 0, 0);
    stream.alloc_zeros::<u8>(8).unwrap();
}

#[test]
fn frees_of_the_wrong_thing_are_reported() {
    let harness = harness();
    let context = harness.context(0);
    context.bind_to_thread().unwrap();
    // SAFETY: plain calls of the driver, whose mistakes are the test.
    unsafe {
        let pointer = result::malloc_sync(100).unwrap();
        result::free_sync(pointer).unwrap();
        assert_fails(result::free_sync(pointer), INVALID_VALUE);
        harness.assert_reported("a second time");
        let pointer = result::malloc_sync(100).unwrap();
        assert_fails(result::free_sync(pointer + 4), INVALID_VALUE);
        harness.assert_reported("byte 4 of an allocation of 100 bytes");
        result::free_sync(pointer).unwrap();
        let local = 0u64;
        assert_fails(result::free_sync(&raw const local as u64), INVALID_VALUE);
        harness.assert_reported("memory of no allocation");
        let pinned = result::malloc_host(64, 0).unwrap();
        assert_fails(result::free_sync(pinned as u64), INVALID_VALUE);
        harness.assert_reported("of another kind");
        result::free_host(pinned).unwrap();
    }
}

#[test]
fn copies_stay_within_their_allocations() {
    let harness = harness();
    let context = harness.context(0);
    context.bind_to_thread().unwrap();
    let stream = context.default_stream();
    let values = stream.clone_htod(&[1u32; 16]).unwrap();
    let start = address(&values, &stream);
    let mut host = [0u32; 32];
    // SAFETY: the host's side of the copies is large enough.
    unsafe {
        assert_fails(result::memcpy_dtoh_sync(&mut host, start), INVALID_VALUE);
        harness.assert_reported("copy or fill of 128 bytes");
        assert_fails(result::memset_d8_sync(start + 60, 0, 5), INVALID_VALUE);
        result::memcpy_dtoh_sync(&mut host[..16], start).unwrap();
        sys::cuMemsetD32_v2(start + 4, 9, 3).result().unwrap();
        sys::cuMemsetD16_v2(start + 2, 5, 1).result().unwrap();
        result::memcpy_dtoh_sync(&mut host[..16], start).unwrap();
    }
    assert_eq!(host[..6], [0x5_0001, 9, 9, 9, 1, 1]);
}

#[test]
fn pools_answer_for_their_memory() {
    let harness = harness();
    let context = harness.context(0);
    context.bind_to_thread().unwrap();
    let stream = context.new_stream().unwrap();
    // SAFETY: plain calls of the driver with valid arguments.
    unsafe {
        let mut pool = MaybeUninit::uninit();
        sys::cuDeviceGetDefaultMemPool(pool.as_mut_ptr(), 0).result().unwrap();
        let pool = pool.assume_init();
        let mut threshold = u64::MAX;
        let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
        sys::cuMemPoolSetAttribute(pool, attribute, (&raw mut threshold).cast()).result().unwrap();
        threshold = 0;
        sys::cuMemPoolGetAttribute(pool, attribute, (&raw mut threshold).cast()).result().unwrap();
        assert_eq!(threshold, u64::MAX);
        let used = || {
            let mut used = 0u64;
            let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_CURRENT;
            sys::cuMemPoolGetAttribute(pool, attribute, (&raw mut used).cast()).result().unwrap();
            used
        };
        let slice = stream.alloc::<u8>(513).unwrap();
        assert_eq!(used(), 1024);
        drop(slice);
        stream.synchronize().unwrap();
        assert_eq!(used(), 0);
        sys::cuMemPoolTrimTo(pool, 0).result().unwrap();
    }
}

#[test]
fn pinned_memory_and_pointers_are_told_apart() {
    let harness = harness();
    let context = harness.context(1);
    context.bind_to_thread().unwrap();
    let stream = context.default_stream();
    let device = stream.alloc_zeros::<u64>(8).unwrap();
    // SAFETY: plain calls of the driver with valid arguments.
    unsafe {
        let pinned = result::malloc_host(64, 0).unwrap();
        let kind = |address: u64| {
            let mut kind = 0u32;
            let attribute = sys::CUpointer_attribute::CU_POINTER_ATTRIBUTE_MEMORY_TYPE;
            sys::cuPointerGetAttribute((&raw mut kind).cast(), attribute, address).result().map(|()| kind)
        };
        assert_eq!(kind(pinned as u64), Ok(1));
        assert_eq!(kind(address(&device, &stream) + 8), Ok(2));
        let pageable = [0u64; 8];
        assert_fails(kind(pageable.as_ptr() as u64), INVALID_VALUE);
        sys::cuMemHostRegister_v2(pageable.as_ptr() as *mut _, 64, 0).result().unwrap();
        assert_eq!(kind(pageable.as_ptr() as u64), Ok(1));
        sys::cuMemHostUnregister(pageable.as_ptr() as *mut _).result().unwrap();
        let mut ordinal = 0i32;
        let attribute = sys::CUpointer_attribute::CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL;
        let at = address(&device, &stream);
        sys::cuPointerGetAttribute((&raw mut ordinal).cast(), attribute, at).result().unwrap();
        assert_eq!(ordinal, 1);
        result::free_host(pinned).unwrap();
    }
}

#[test]
fn a_registration_ends_with_the_context() {
    let harness = harness();
    let memory = vec![0u8; 4096];
    let at = memory.as_ptr() as u64;
    let kind = || {
        let mut kind = 0u32;
        let attribute = sys::CUpointer_attribute::CU_POINTER_ATTRIBUTE_MEMORY_TYPE;
        // SAFETY: the attribute is a 32-bit number.
        unsafe { sys::cuPointerGetAttribute((&raw mut kind).cast(), attribute, at) }.result().map(|()| kind)
    };
    let context = harness.context(0);
    context.bind_to_thread().unwrap();
    // SAFETY: the memory outlives the registration.
    unsafe { sys::cuMemHostRegister_v2(at as *mut _, 4096, 0) }.result().unwrap();
    assert_eq!(kind(), Ok(1));
    drop(context);
    assert_fails(kind(), INVALID_VALUE);
}

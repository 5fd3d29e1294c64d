//! More than one device, and what devices say of themselves.

use crate::harness::{address, assert_fails, function, harness, shape};
use crate::launch;
use cudarc::driver::sys::{self, CUresult};
use cudarc::driver::{CudaContext, result};

const BASICS: &str = include_str!("kernels/basics.cu");

#[test]
fn devices_describe_themselves() {
    let harness = harness();
    assert_eq!(CudaContext::device_count().unwrap(), 2);
    assert_eq!(harness.simulator.devices(), 2);
    let context = harness.context(1);
    assert_eq!(context.name().unwrap(), "Simulated GPU (cudasim) 1");
    assert_eq!(context.compute_capability().unwrap(), (9, 0));
    assert_eq!(context.total_mem().unwrap(), 256 << 20);
    assert_ne!(context.uuid().unwrap().bytes, harness.context(0).uuid().unwrap().bytes);
    let warp = context.attribute(sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_WARP_SIZE).unwrap();
    assert_eq!(warp, 32);
    assert_fails(CudaContext::new(2), CUresult::CUDA_ERROR_INVALID_DEVICE);
}

#[test]
fn memory_is_copied_between_devices() {
    let harness = harness();
    let (first, second) = (harness.context(0), harness.context(1));
    let (from, to) = (first.new_stream().unwrap(), second.new_stream().unwrap());
    let values: Vec<u32> = (0..1000).collect();
    let source = from.clone_htod(&values).unwrap();
    from.synchronize().unwrap();
    let target = to.clone_dtod(&source).unwrap();
    assert_eq!(to.clone_dtoh(&target).unwrap(), values);

    let more = to.alloc_zeros::<u32>(1000).unwrap();
    let (at_source, at_more) = (address(&source, &from), address(&more, &to));
    second.bind_to_thread().unwrap();
    // SAFETY: plain calls of the driver with valid arguments.
    unsafe {
        let (there, here) = (second.cu_ctx(), first.cu_ctx());
        sys::cuMemcpyPeerAsync(at_more, there, at_source, here, 4000, to.cu_stream()).result().unwrap();
        assert_eq!(to.clone_dtoh(&more).unwrap(), values);
        let swapped = sys::cuMemcpyPeerAsync(at_more, here, at_source, there, 4000, to.cu_stream()).result();
        assert_fails(swapped, CUresult::CUDA_ERROR_INVALID_VALUE);
        harness.assert_reported("peer copy names device 0");
    }
}

#[test]
fn memory_of_another_device_needs_peer_access() {
    let harness = harness();
    let illegal = CUresult::CUDA_ERROR_ILLEGAL_ADDRESS;
    let (first, second) = (harness.context(0), harness.context(1));
    let here = first.default_stream();
    let kernel = function(&first, BASICS, "increment");
    second.bind_to_thread().unwrap();
    // SAFETY: plain calls of the driver with valid arguments.
    let remote = unsafe {
        let remote = result::malloc_sync(256).unwrap();
        result::memset_d8_sync(remote, 0, 256).unwrap();
        remote
    };
    assert_fails(launch!(here, kernel, shape(1, 64), &remote, &64u32), illegal);
    harness.assert_reported("without peer access from device 0");
    harness.simulator.reset();

    first.bind_to_thread().unwrap();
    // SAFETY: as above.
    unsafe { sys::cuCtxEnablePeerAccess(second.cu_ctx(), 0) }.result().unwrap();
    launch!(here, kernel, shape(1, 64), &remote, &64u32).unwrap();
    here.synchronize().unwrap();
    let mut values = [0u32; 64];
    // SAFETY: as above.
    unsafe { result::memcpy_dtoh_sync(&mut values, remote) }.unwrap();
    assert_eq!(values, [1; 64]);

    // Memory from a pool has access rights of its own.
    let there = second.default_stream();
    let pooled = there.alloc_zeros::<u32>(64).unwrap();
    let at = address(&pooled, &there);
    assert_fails(launch!(here, kernel, shape(1, 64), &at, &64u32), illegal);
    harness.simulator.reset();
    // SAFETY: as above.
    unsafe {
        let mut pool = std::ptr::null_mut();
        sys::cuDeviceGetDefaultMemPool(&mut pool, 1).result().unwrap();
        let location =
            sys::CUmemLocation { type_: sys::CUmemLocationType::CU_MEM_LOCATION_TYPE_DEVICE, id: 0 };
        let flags = sys::CUmemAccess_flags::CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
        sys::cuMemPoolSetAccess(pool, &sys::CUmemAccessDesc { location, flags }, 1).result().unwrap();
    }
    launch!(here, kernel, shape(1, 64), &at, &64u32).unwrap();
    here.synchronize().unwrap();
    assert_eq!(there.clone_dtoh(&pooled).unwrap(), [1; 64]);
}

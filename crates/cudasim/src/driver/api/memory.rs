//! Allocation: device, pinned and pooled memory, and questions about pointers.

use super::{driver_api, put, put_if_wanted};
use crate::driver::memory::Kind;
use crate::driver::state::{Handle, context_of, current_device, state};
use crate::driver::status::{self, Outcome};
use crate::driver::stream;
use std::ffi::{c_int, c_uint, c_ulonglong, c_void};
use std::sync::Arc;

// `CUpointer_attribute`
const CONTEXT: c_int = 1;
const MEMORY_TYPE: c_int = 2;
const DEVICE_POINTER: c_int = 3;
const HOST_POINTER: c_int = 4;
const IS_MANAGED: c_int = 8;
const DEVICE_ORDINAL: c_int = 9;
const RANGE_START_ADDR: c_int = 11;
const RANGE_SIZE: c_int = 12;
const MAPPED: c_int = 13;
const MEMPOOL_HANDLE: c_int = 17;

// `CUmemorytype`
const MEMORY_TYPE_HOST: c_uint = 1;
const MEMORY_TYPE_DEVICE: c_uint = 2;

// `CUmemPool_attribute`
const REUSE_FIRST: c_int = 1;
const REUSE_LAST: c_int = 3;
const RELEASE_THRESHOLD: c_int = 4;
const RESERVED_MEM_CURRENT: c_int = 5;
const RESERVED_MEM_HIGH: c_int = 6;
const USED_MEM_CURRENT: c_int = 7;
const USED_MEM_HIGH: c_int = 8;

const ACCESS_NONE: c_uint = 0;
const ACCESS_READ_WRITE: c_uint = 3;

/// `CUmemLocation`
#[repr(C)]
pub struct Location {
    kind: c_uint,
    id: c_int,
}

/// `CUmemAccessDesc`
#[repr(C)]
pub struct AccessDescription {
    location: Location,
    flags: c_uint,
}

/// The beginning of `CUmemPoolProps`
#[repr(C)]
pub struct PoolProperties {
    allocation_kind: c_uint,
    handle_kinds: c_uint,
    location: Location,
}

driver_api! {
    fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize) {
        let device = current_device()?;
        let state = state();
        state.check_sticky(device)?;
        let device = &state.devices[device];
        put(free, device.memory_limit.saturating_sub(device.memory_used))?;
        put(total, device.memory_limit)?;
    }

    fn cuMemAlloc_v2(address: *mut u64, bytes: usize) {
        let device = current_device()?;
        put(address, allocate(device, bytes, Kind::Device, None)? as u64)?;
    }

    fn cuMemAllocManaged(address: *mut u64, bytes: usize, _flags: c_uint) {
        let device = current_device()?;
        put(address, allocate(device, bytes, Kind::Managed, None)? as u64)?;
    }

    fn cuMemFree_v2(address: u64) {
        if address != 0 {
            let device = current_device()?;
            stream::synchronize_device(device)?;
            state().free(address as usize, device, |kind| matches!(kind, Kind::Device | Kind::Managed))?;
        }
    }

    fn cuMemAllocAsync(address: *mut u64, bytes: usize, stream: Handle) {
        let (device, pool) = {
            let mut state = state();
            let key = state.stream_key(stream)?;
            let stream = state.stream(key)?;
            if stream.capture.is_some() {
                return Err(status::STREAM_CAPTURE_UNSUPPORTED);
            }
            let device = stream.device;
            (device, state.devices[device].pool)
        };
        put(address, allocate(device, bytes, Kind::Device, Some(pool))? as u64)?;
    }

    fn cuMemAllocFromPoolAsync(address: *mut u64, bytes: usize, pool: Handle, stream: Handle) {
        let device = {
            let mut state = state();
            state.stream_key(stream)?;
            state.pools.get(&(pool as usize)).ok_or(status::INVALID_HANDLE)?.device
        };
        put(address, allocate(device, bytes, Kind::Device, Some(pool as usize))? as u64)?;
    }

    fn cuMemFreeAsync(address: u64, stream: Handle) {
        if address != 0 {
            let address = address as usize;
            let (key, device) = {
                let mut state = state();
                let key = state.stream_key(stream)?;
                let device = state.stream(key)?.device;
                if !state.memory.at(address).is_some_and(|allocation| allocation.is_device()) {
                    // Nothing to free: this only reports it.
                    state.free(address, device, |kind| matches!(kind, Kind::Device | Kind::Managed))?;
                }
                (key, device)
            };
            stream::submit(key, Arc::new(move || {
                let is_device = |kind| matches!(kind, Kind::Device | Kind::Managed);
                // Whatever is wrong has been reported, and a damaged red zone is sticky.
                let _ = state().free(address, device, is_device);
            }))?;
        }
    }

    fn cuMemHostAlloc(address: *mut *mut c_void, bytes: usize, _flags: c_uint) {
        put(address, allocate_pinned(bytes)? as *mut c_void)?;
    }

    fn cuMemAllocHost_v2(address: *mut *mut c_void, bytes: usize) {
        put(address, allocate_pinned(bytes)? as *mut c_void)?;
    }

    fn cuMemFreeHost(address: *mut c_void) {
        let device = current_device().unwrap_or(0);
        state().free(address as usize, device, |kind| kind == Kind::Pinned)?;
    }

    fn cuMemHostRegister_v2(address: *mut c_void, bytes: usize, _flags: c_uint) {
        let device = current_device()?;
        if address.is_null() || bytes == 0 {
            return Err(status::INVALID_VALUE);
        }
        let mut state = state();
        if state.memory.holding(address as usize).is_some() {
            return Err(status::HOST_MEMORY_ALREADY_REGISTERED);
        }
        if state.injected_allocation_failure(device) {
            return Err(status::OUT_OF_MEMORY);
        }
        state.memory.adopt(address as usize, bytes, device, Kind::Registered, None);
    }

    fn cuMemHostUnregister(address: *mut c_void) {
        let mut state = state();
        if state.memory.at(address as usize).is_none_or(|found| found.kind != Kind::Registered) {
            return Err(status::HOST_MEMORY_NOT_REGISTERED);
        }
        state.memory.free(address as usize);
    }

    fn cuMemHostGetDevicePointer_v2(device_address: *mut u64, address: *mut c_void, _flags: c_uint) {
        let state = state();
        match state.memory.holding(address as usize) {
            Some((_, allocation)) if allocation.is_pinned() => put(device_address, address as u64)?,
            _ => return Err(status::INVALID_VALUE),
        }
    }

    fn cuMemHostGetFlags(flags: *mut c_uint, address: *mut c_void) {
        let state = state();
        match state.memory.holding(address as usize) {
            Some((_, allocation)) if allocation.is_pinned() => put(flags, 0)?,
            _ => return Err(status::INVALID_VALUE),
        }
    }

    fn cuMemGetAddressRange_v2(start: *mut u64, bytes: *mut usize, address: u64) {
        let state = state();
        let (found, allocation) = state.memory.holding(address as usize).ok_or(status::NOT_FOUND)?;
        put_if_wanted(start, found as u64);
        put_if_wanted(bytes, allocation.bytes);
    }

    fn cuPointerGetAttribute(value: *mut c_void, attribute: c_int, address: u64) {
        pointer_attribute(value, attribute, address as usize)?;
    }

    fn cuPointerGetAttributes(
        count: c_uint,
        attributes: *mut c_int,
        values: *mut *mut c_void,
        address: u64,
    ) {
        for i in 0..count as usize {
            // What does not apply to the pointer is left as it is, as the driver does.
            let _ = pointer_attribute(*values.add(i), *attributes.add(i), address as usize);
        }
    }

    fn cuMemPrefetchAsync_v2(_address: u64, _bytes: usize, _location: Location, _flags: c_uint, stream: Handle) {
        state().stream_key(stream)?;
    }

    fn cuMemAdvise_v2(_address: u64, _bytes: usize, _advice: c_int, _location: Location) {}

    fn cuDeviceGetDefaultMemPool(pool: *mut Handle, device: c_int) {
        let state = state();
        put(pool, state.device(device)?.pool as Handle)?;
    }

    fn cuDeviceGetMemPool(pool: *mut Handle, device: c_int) {
        let state = state();
        put(pool, state.device(device)?.pool as Handle)?;
    }

    fn cuDeviceSetMemPool(device: c_int, pool: Handle) {
        let mut state = state();
        let pool = pool as usize;
        if state.pools.get(&pool).ok_or(status::INVALID_HANDLE)?.device as c_int != device {
            return Err(status::INVALID_VALUE);
        }
        state.device_mut(device)?.pool = pool;
    }

    fn cuMemPoolCreate(pool: *mut Handle, properties: *const PoolProperties) {
        let properties = properties.as_ref().ok_or(status::INVALID_VALUE)?;
        let mut state = state();
        state.device(properties.location.id)?;
        put(pool, state.new_pool(properties.location.id as usize) as Handle)?;
    }

    fn cuMemPoolDestroy(pool: Handle) {
        let mut state = state();
        let pool = pool as usize;
        let device = state.pools.get(&pool).ok_or(status::INVALID_HANDLE)?.device;
        if state.devices[device].pool == pool {
            return Err(status::INVALID_VALUE);
        }
        // Live allocations stay, as if the pool were kept until the last one is freed.
        state.pools.remove(&pool);
    }

    fn cuMemPoolTrimTo(pool: Handle, _bytes: usize) {
        state().pools.get(&(pool as usize)).ok_or(status::INVALID_HANDLE)?;
    }

    fn cuMemPoolGetAttribute(pool: Handle, attribute: c_int, value: *mut c_void) {
        let state = state();
        let pool = state.pools.get(&(pool as usize)).ok_or(status::INVALID_HANDLE)?;
        match attribute {
            REUSE_FIRST..=REUSE_LAST => put(value.cast(), pool.attributes[&attribute] as c_int)?,
            RELEASE_THRESHOLD => put(value.cast(), pool.attributes[&attribute])?,
            RESERVED_MEM_CURRENT | USED_MEM_CURRENT => put(value.cast(), pool.memory_used as u64)?,
            RESERVED_MEM_HIGH | USED_MEM_HIGH => put(value.cast(), pool.memory_peak as u64)?,
            _ => return Err(status::INVALID_VALUE),
        }
    }

    fn cuMemPoolSetAttribute(pool: Handle, attribute: c_int, value: *mut c_void) {
        let mut state = state();
        let pool = state.pools.get_mut(&(pool as usize)).ok_or(status::INVALID_HANDLE)?;
        if value.is_null() {
            return Err(status::INVALID_VALUE);
        }
        let value = match attribute {
            REUSE_FIRST..=REUSE_LAST => *value.cast::<c_int>() as u64,
            RELEASE_THRESHOLD => *value.cast::<c_ulonglong>(),
            RESERVED_MEM_HIGH | USED_MEM_HIGH => {
                pool.memory_peak = pool.memory_used;
                return Ok(());
            }
            _ => return Err(status::INVALID_VALUE),
        };
        pool.attributes.insert(attribute, value);
    }

    fn cuMemPoolSetAccess(pool: Handle, descriptions: *const AccessDescription, count: usize) {
        let mut state = state();
        for i in 0..count {
            let description = &*descriptions.add(i);
            let device = description.location.id;
            state.device(device)?;
            let pool = state.pools.get_mut(&(pool as usize)).ok_or(status::INVALID_HANDLE)?;
            if description.flags != ACCESS_NONE {
                pool.access.insert(device as usize);
            } else if device as usize == pool.device {
                return Err(status::INVALID_VALUE);
            } else {
                pool.access.remove(&(device as usize));
            }
        }
    }

    fn cuMemPoolGetAccess(flags: *mut c_uint, pool: Handle, location: *const Location) {
        let state = state();
        let pool = state.pools.get(&(pool as usize)).ok_or(status::INVALID_HANDLE)?;
        let device = location.as_ref().ok_or(status::INVALID_VALUE)?.id as usize;
        put(flags, if pool.access.contains(&device) { ACCESS_READ_WRITE } else { ACCESS_NONE })?;
    }
}

/// Allocates device memory. When there is none left, what is queued may free some, so that is run
/// before giving up.
fn allocate(device: usize, bytes: usize, kind: Kind, pool: Option<usize>) -> Outcome<usize> {
    if bytes == 0 {
        return Err(status::INVALID_VALUE);
    }
    let first = {
        let mut state = state();
        state.check_sticky(device)?;
        if state.injected_allocation_failure(device) {
            return Err(status::OUT_OF_MEMORY);
        }
        state.allocate_device(device, bytes, kind, pool)
    };
    match first {
        Err(status::OUT_OF_MEMORY) => {
            stream::synchronize_device(device)?;
            state().allocate_device(device, bytes, kind, pool)
        }
        other => other,
    }
}

fn allocate_pinned(bytes: usize) -> Outcome<usize> {
    let device = current_device()?;
    let mut state = state();
    state.check_sticky(device)?;
    if bytes == 0 {
        return Err(status::INVALID_VALUE);
    }
    if state.injected_allocation_failure(device) {
        return Err(status::OUT_OF_MEMORY);
    }
    state.memory.allocate(bytes, device, Kind::Pinned, None).ok_or(status::OUT_OF_MEMORY)
}

/// # Safety
/// `value` must be valid for a write of the attribute's type.
unsafe fn pointer_attribute(value: *mut c_void, attribute: c_int, address: usize) -> Outcome {
    let state = state();
    let (start, found) = state.memory.holding(address).ok_or(status::INVALID_VALUE)?;
    let on_host = found.is_pinned();
    // SAFETY: as promised by the caller.
    unsafe {
        match attribute {
            CONTEXT => put(value.cast(), context_of(found.device)),
            MEMORY_TYPE => put(value.cast(), if on_host { MEMORY_TYPE_HOST } else { MEMORY_TYPE_DEVICE }),
            DEVICE_POINTER => put(value.cast(), address as u64),
            HOST_POINTER if on_host || found.kind == Kind::Managed => put(value.cast(), address as u64),
            IS_MANAGED => put(value.cast(), (found.kind == Kind::Managed) as c_int),
            DEVICE_ORDINAL => put(value.cast(), found.device as c_int),
            RANGE_START_ADDR => put(value.cast(), start as u64),
            RANGE_SIZE => put(value.cast(), found.bytes),
            MAPPED => put(value.cast(), 1 as c_int),
            MEMPOOL_HANDLE => put(value.cast(), found.pool.unwrap_or(0) as Handle),
            _ => Err(status::INVALID_VALUE),
        }
    }
}

//! Modules, kernels and their launches.

use super::{driver_api, put, put_if_wanted};
use crate::driver::launch::{self, DYNAMIC_SHARED_LIMIT, Launch};
use crate::driver::module::{self, c_string};
use crate::driver::state::{Handle, MULTIPROCESSORS, current_device, state};
use crate::driver::status::{self, Outcome};
use crate::driver::stream;
use crate::exec::Dim3;
use std::ffi::{c_char, c_int, c_uint, c_void};

const THREADS_OF_MULTIPROCESSOR: c_int = 2048;
const BLOCKS_OF_MULTIPROCESSOR: c_int = 32;
const SHARED_OF_MULTIPROCESSOR: usize = 233_472;

// `CUfunction_attribute`
const MAX_THREADS_PER_BLOCK: c_int = 0;
const SHARED_SIZE_BYTES: c_int = 1;
const NUM_REGS: c_int = 4;
const PTX_VERSION: c_int = 5;
const BINARY_VERSION: c_int = 6;
const MAX_DYNAMIC_SHARED_SIZE_BYTES: c_int = 8;

/// `CUlaunchConfig`
#[repr(C)]
pub struct LaunchConfig {
    grid_dim: Dim3,
    block_dim: Dim3,
    dynamic_shared_bytes: c_uint,
    stream: Handle,
    attributes: *const LaunchAttribute,
    attribute_count: c_uint,
}

/// `CUlaunchAttribute`
#[repr(C)]
pub struct LaunchAttribute {
    id: c_uint,
    _padding: c_uint,
    value: [u64; 8],
}

const LAUNCH_ATTRIBUTE_COOPERATIVE: c_uint = 2;

driver_api! {
    fn cuModuleLoadData(module: *mut Handle, image: *const u8) {
        put(module, module::load(image)? as Handle)?;
    }

    fn cuModuleLoadDataEx(
        module: *mut Handle,
        image: *const u8,
        _option_count: c_uint,
        _options: *mut c_int,
        _values: *mut *mut c_void,
    ) {
        put(module, module::load(image)? as Handle)?;
    }

    fn cuModuleLoadFatBinary(module: *mut Handle, image: *const u8) {
        put(module, module::load(image)? as Handle)?;
    }

    fn cuModuleLoad(module: *mut Handle, path: *const c_char) {
        let path = c_string(path)?.to_string_lossy().into_owned();
        let mut image = std::fs::read(path).map_err(|_| status::FILE_NOT_FOUND)?;
        image.push(0);
        put(module, module::load(image.as_ptr())? as Handle)?;
    }

    fn cuModuleUnload(module: Handle) {
        let device = state().modules.get(&(module as usize)).ok_or(status::INVALID_HANDLE)?.device;
        let outcome = stream::synchronize_device(device);
        let removed = state().remove_module(module as usize);
        // Unloading code takes the dynamic loader's lock, so it happens outside of ours.
        drop(removed);
        outcome?;
    }

    fn cuModuleGetFunction(function: *mut Handle, module: Handle, name: *const c_char) {
        put(function, module::function(module as usize, c_string(name)?)? as Handle)?;
    }

    fn cuModuleGetFunctionCount(count: *mut c_uint, module: Handle) {
        let state = state();
        state.modules.get(&(module as usize)).ok_or(status::INVALID_HANDLE)?;
        put(count, state.functions.values().filter(|f| f.module == module as usize).count() as c_uint)?;
    }

    fn cuModuleGetGlobal_v2(address: *mut u64, bytes: *mut usize, module: Handle, name: *const c_char) {
        let (start, length) = module::global(module as usize, c_string(name)?)?;
        put_if_wanted(address, start as u64);
        put_if_wanted(bytes, length);
    }

    fn cuFuncGetName(name: *mut *const c_char, function: Handle) {
        let state = state();
        let found = state.functions.get(&(function as usize)).ok_or(status::INVALID_HANDLE)?;
        put(name, found.name.as_ptr())?;
    }

    fn cuFuncGetModule(module: *mut Handle, function: Handle) {
        let state = state();
        let found = state.functions.get(&(function as usize)).ok_or(status::INVALID_HANDLE)?;
        put(module, found.module as Handle)?;
    }

    fn cuFuncGetParamInfo(function: Handle, index: usize, offset: *mut usize, bytes: *mut usize) {
        let state = state();
        let found = state.functions.get(&(function as usize)).ok_or(status::INVALID_HANDLE)?;
        let (length, _) = *found.parameters.get(index).ok_or(status::INVALID_VALUE)?;
        put(offset, found.layout().0[index])?;
        put_if_wanted(bytes, length);
    }

    fn cuFuncGetAttribute(value: *mut c_int, attribute: c_int, function: Handle) {
        let state = state();
        let found = state.functions.get(&(function as usize)).ok_or(status::INVALID_HANDLE)?;
        put(value, match attribute {
            MAX_THREADS_PER_BLOCK => 1024,
            SHARED_SIZE_BYTES => (found.shared.before + found.shared.after) as c_int,
            NUM_REGS => 32,
            PTX_VERSION | BINARY_VERSION => 90,
            MAX_DYNAMIC_SHARED_SIZE_BYTES => found.dynamic_shared_max as c_int,
            _ => 0,
        })?;
    }

    fn cuFuncSetAttribute(function: Handle, attribute: c_int, value: c_int) {
        let mut state = state();
        let found = state.functions.get_mut(&(function as usize)).ok_or(status::INVALID_HANDLE)?;
        if attribute == MAX_DYNAMIC_SHARED_SIZE_BYTES {
            let bytes = u32::try_from(value).map_err(|_| status::INVALID_VALUE)?;
            if bytes > DYNAMIC_SHARED_LIMIT {
                return Err(status::INVALID_VALUE);
            }
            found.dynamic_shared_max = bytes;
        }
    }

    fn cuFuncSetCacheConfig(function: Handle, _config: c_int) {
        state().functions.get(&(function as usize)).ok_or(status::INVALID_HANDLE)?;
    }

    fn cuFuncLoad(function: Handle) {
        state().functions.get(&(function as usize)).ok_or(status::INVALID_HANDLE)?;
    }

    fn cuOccupancyMaxActiveBlocksPerMultiprocessor(
        count: *mut c_int,
        function: Handle,
        block_threads: c_int,
        dynamic_shared_bytes: usize,
    ) {
        put(count, active_blocks(function, block_threads, dynamic_shared_bytes)?)?;
    }

    fn cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
        count: *mut c_int,
        function: Handle,
        block_threads: c_int,
        dynamic_shared_bytes: usize,
        _flags: c_uint,
    ) {
        put(count, active_blocks(function, block_threads, dynamic_shared_bytes)?)?;
    }

    fn cuOccupancyMaxPotentialBlockSize(
        grid_min: *mut c_int,
        block_threads: *mut c_int,
        function: Handle,
        _shared_of_block: *mut c_void,
        dynamic_shared_bytes: usize,
        block_limit: c_int,
    ) {
        best_block(grid_min, block_threads, function, dynamic_shared_bytes, block_limit)?;
    }

    fn cuOccupancyMaxPotentialBlockSizeWithFlags(
        grid_min: *mut c_int,
        block_threads: *mut c_int,
        function: Handle,
        _shared_of_block: *mut c_void,
        dynamic_shared_bytes: usize,
        block_limit: c_int,
        _flags: c_uint,
    ) {
        best_block(grid_min, block_threads, function, dynamic_shared_bytes, block_limit)?;
    }

    fn cuOccupancyAvailableDynamicSMemPerBlock(
        bytes: *mut usize,
        function: Handle,
        block_count: c_int,
        _block_threads: c_int,
    ) {
        state().functions.get(&(function as usize)).ok_or(status::INVALID_HANDLE)?;
        let share = SHARED_OF_MULTIPROCESSOR / block_count.max(1) as usize;
        put(bytes, share.min(DYNAMIC_SHARED_LIMIT as usize))?;
    }

    fn cuLaunchKernel(
        function: Handle,
        grid_x: c_uint,
        grid_y: c_uint,
        grid_z: c_uint,
        block_x: c_uint,
        block_y: c_uint,
        block_z: c_uint,
        dynamic_shared_bytes: c_uint,
        stream: Handle,
        parameters: *mut *mut c_void,
        extra: *mut *mut c_void,
    ) {
        launch::launch(Launch {
            function,
            grid_dim: Dim3 { x: grid_x, y: grid_y, z: grid_z },
            block_dim: Dim3 { x: block_x, y: block_y, z: block_z },
            dynamic_shared_bytes,
            stream,
            parameters,
            extra,
            cooperative: false,
        })?;
    }

    fn cuLaunchKernelEx(
        config: *const LaunchConfig,
        function: Handle,
        parameters: *mut *mut c_void,
        extra: *mut *mut c_void,
    ) {
        let config = config.as_ref().ok_or(status::INVALID_VALUE)?;
        let cooperative = (0..config.attribute_count as usize).any(|i| {
            let attribute = &*config.attributes.add(i);
            attribute.id == LAUNCH_ATTRIBUTE_COOPERATIVE && attribute.value[0] as c_int != 0
        });
        launch::launch(Launch {
            function,
            grid_dim: config.grid_dim,
            block_dim: config.block_dim,
            dynamic_shared_bytes: config.dynamic_shared_bytes,
            stream: config.stream,
            parameters,
            extra,
            cooperative,
        })?;
    }

    fn cuLaunchCooperativeKernel(
        function: Handle,
        grid_x: c_uint,
        grid_y: c_uint,
        grid_z: c_uint,
        block_x: c_uint,
        block_y: c_uint,
        block_z: c_uint,
        dynamic_shared_bytes: c_uint,
        stream: Handle,
        parameters: *mut *mut c_void,
    ) {
        launch::launch(Launch {
            function,
            grid_dim: Dim3 { x: grid_x, y: grid_y, z: grid_z },
            block_dim: Dim3 { x: block_x, y: block_y, z: block_z },
            dynamic_shared_bytes,
            stream,
            parameters,
            extra: std::ptr::null_mut(),
            cooperative: true,
        })?;
    }
}

fn active_blocks(function: Handle, block_threads: c_int, dynamic_shared_bytes: usize) -> Outcome<c_int> {
    let state = state();
    let found = state.functions.get(&(function as usize)).ok_or(status::INVALID_HANDLE)?;
    if block_threads <= 0 {
        return Err(status::INVALID_VALUE);
    }
    let shared = (found.shared.before + found.shared.after + dynamic_shared_bytes).max(1024);
    let by_shared = (SHARED_OF_MULTIPROCESSOR / shared) as c_int;
    Ok((THREADS_OF_MULTIPROCESSOR / block_threads).min(BLOCKS_OF_MULTIPROCESSOR).min(by_shared))
}

/// # Safety
/// Both pointers must be null or valid for a write.
unsafe fn best_block(
    grid_min: *mut c_int,
    block_threads: *mut c_int,
    function: Handle,
    dynamic_shared_bytes: usize,
    limit: c_int,
) -> Outcome {
    current_device()?;
    let threads = if limit > 0 { limit.min(256) } else { 256 };
    let blocks = active_blocks(function, threads, dynamic_shared_bytes)? * MULTIPROCESSORS as c_int;
    // SAFETY: as promised by the caller.
    unsafe {
        put(grid_min, blocks)?;
        put(block_threads, threads)
    }
}

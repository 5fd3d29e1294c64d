//! Kernel launches: what the driver checks before, and what it looks at after.

use super::module::Function;
use super::state::{Handle, State, counts_down_to_zero, current_device, state};
use super::status::{self, Outcome, Status};
use super::stream;
use crate::exec::{Dim3, Fault, FaultKind, KernelRun};
use std::ffi::c_void;
use std::sync::Arc;

/// The most threads of a block.
const BLOCK_THREADS_MAX: u64 = 1024;
/// The most dynamic shared memory that a kernel may be allowed.
pub const DYNAMIC_SHARED_LIMIT: u32 = 232_448;
/// Blocks of a cooperative launch that fit on the device together.
const COOPERATIVE_BLOCKS_MAX: u64 = 8 * super::state::MULTIPROCESSORS as u64;

// Keys of the `extra` argument, which hands over all parameters in one buffer.
const PARAM_END: usize = 0;
const PARAM_BUFFER_POINTER: usize = 1;
const PARAM_BUFFER_SIZE: usize = 2;

/// What the launch functions of the API have in common.
pub struct Launch {
    pub function: Handle,
    pub grid_dim: Dim3,
    pub block_dim: Dim3,
    pub dynamic_shared_bytes: u32,
    pub stream: Handle,
    pub parameters: *mut *mut c_void,
    pub extra: *mut *mut c_void,
    pub cooperative: bool,
}

/// Checks a launch, copies its parameters and queues it.
///
/// # Safety
/// `parameters` or `extra` must be as `cuLaunchKernel` asks.
pub unsafe fn launch(launch: Launch) -> Outcome {
    let (key, function) = {
        let mut state = state();
        let key = state.stream_key(launch.stream)?;
        let device = state.stream(key)?.device;
        state.check_sticky(device)?;
        let function =
            state.functions.get(&(launch.function as usize)).ok_or(status::INVALID_HANDLE)?.clone();
        if function.device != device || current_device()? != device {
            state.report(
                device,
                format!("launch of {} on another device's stream or context", title(&function)),
            );
            return Err(status::INVALID_HANDLE);
        }
        check_shape(&mut state, &launch, &function)?;
        (key, function)
    };
    // SAFETY: as promised by the caller.
    let parameters = unsafe { Parameters::copy(&launch, &function)? };
    let foreign = find_foreign_pointer(&state(), &function, &parameters);
    if let Some(message) = foreign {
        return Err(state().fault(function.device, status::ILLEGAL_ADDRESS, message));
    }
    let (grid_dim, block_dim) = (launch.grid_dim, launch.block_dim);
    let (dynamic_shared_bytes, cooperative) = (launch.dynamic_shared_bytes as usize, launch.cooperative);
    let operation = move || {
        let title = title(&function);
        let device = function.device;
        {
            let mut state = state();
            let owner = &mut state.devices[device];
            owner.launches += 1;
            if counts_down_to_zero(&mut owner.launches_to_failure) {
                state.fault(device, status::LAUNCH_FAILED, format!("{title}: made to fail by the test"));
                return;
            }
        }
        let run = KernelRun {
            grid_dim,
            block_dim,
            dynamic_shared_bytes,
            call: function.call,
            attach: function.attach,
            shared: function.shared,
            parameters: parameters.pointers(),
            cooperative,
        };
        let result = run.run();
        let mut state = state();
        if let Err(fault) = result {
            report_fault(&mut state, device, &title, &fault);
        }
        // Reported and sticky, which is all there is to do about it.
        let _ = state.check_red_zones(device, &title);
    };
    stream::submit(key, Arc::new(operation))
}

fn title(function: &Function) -> String {
    format!("kernel {}", function.name.to_string_lossy())
}

fn check_shape(state: &mut State, launch: &Launch, function: &Function) -> Outcome {
    let (grid, block) = (launch.grid_dim, launch.block_dim);
    let refused = if grid.count() == 0 || grid.x > i32::MAX as u32 || grid.y > 65_535 || grid.z > 65_535 {
        Some(format!("grid of ({},{},{}) blocks", grid.x, grid.y, grid.z))
    } else if block.count() == 0 || block.count() > BLOCK_THREADS_MAX || block.z > 64 {
        Some(format!("block of ({},{},{}) threads", block.x, block.y, block.z))
    } else if launch.dynamic_shared_bytes > function.dynamic_shared_max {
        let (bytes, max) = (launch.dynamic_shared_bytes, function.dynamic_shared_max);
        Some(format!("{bytes} bytes of dynamic shared memory where {max} are allowed"))
    } else {
        None
    };
    if let Some(what) = refused {
        state.report(function.device, format!("launch of {} refused: {what}", title(function)));
        return Err(status::INVALID_VALUE);
    }
    if launch.cooperative && grid.count() > COOPERATIVE_BLOCKS_MAX {
        return Err(status::COOPERATIVE_LAUNCH_TOO_LARGE);
    }
    Ok(())
}

/// A copy of a launch's parameters, made when it is queued.
struct Parameters {
    /// Aligned for any parameter.
    storage: Box<[Aligned]>,
    offsets: Vec<usize>,
}

#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Aligned([u8; 64]);

impl Parameters {
    /// # Safety
    /// As for [`launch`].
    unsafe fn copy(launch: &Launch, function: &Function) -> Outcome<Parameters> {
        let (offsets, bytes) = function.layout();
        let mut storage = vec![Aligned([0; 64]); bytes.div_ceil(64)].into_boxed_slice();
        let start = storage.as_mut_ptr().cast::<u8>();
        if function.parameters.is_empty() {
            return Ok(Parameters { storage, offsets });
        }
        // SAFETY: each source is as large as its parameter by the caller's promise, and the storage has
        // room for all of them.
        unsafe {
            if !launch.parameters.is_null() {
                for (i, (bytes, _)) in function.parameters.iter().enumerate() {
                    let source = *launch.parameters.add(i);
                    if source.is_null() {
                        return Err(status::INVALID_VALUE);
                    }
                    std::ptr::copy_nonoverlapping(source.cast(), start.add(offsets[i]), *bytes);
                }
            } else if !launch.extra.is_null() {
                let buffer = ParameterBuffer::read(launch.extra);
                if buffer.pointer.is_null() || buffer.bytes < bytes {
                    return Err(status::INVALID_VALUE);
                }
                std::ptr::copy_nonoverlapping(buffer.pointer, start, bytes);
            } else {
                return Err(status::INVALID_VALUE);
            }
        }
        Ok(Parameters { storage, offsets })
    }

    fn pointers(&self) -> Vec<*const c_void> {
        let start = self.storage.as_ptr().cast::<u8>();
        // SAFETY: the offsets lie within the storage.
        self.offsets.iter().map(|offset| unsafe { start.add(*offset) }.cast()).collect()
    }

    /// All aligned 64-bit words, any of which may be a pointer.
    fn words(&self) -> impl Iterator<Item = usize> {
        self.storage
            .iter()
            .flat_map(|aligned| aligned.0.chunks_exact(8))
            .map(|word| word.iter().rev().fold(0, |value, byte| value << 8 | *byte as usize))
    }
}

struct ParameterBuffer {
    pointer: *const u8,
    bytes: usize,
}

impl ParameterBuffer {
    /// # Safety
    /// `extra` must be a list of keys and values that ends with `PARAM_END`.
    unsafe fn read(mut extra: *mut *mut c_void) -> ParameterBuffer {
        let mut buffer = ParameterBuffer { pointer: std::ptr::null(), bytes: 0 };
        // SAFETY: as promised by the caller.
        unsafe {
            loop {
                match *extra as usize {
                    PARAM_BUFFER_POINTER => buffer.pointer = (*extra.add(1)).cast(),
                    PARAM_BUFFER_SIZE => buffer.bytes = *(*extra.add(1)).cast(),
                    PARAM_END => return buffer,
                    _ => return ParameterBuffer { pointer: std::ptr::null(), bytes: 0 },
                }
                extra = extra.add(2);
            }
        }
    }
}

/// Looks through the parameters for an address in memory that the device has no access to.
fn find_foreign_pointer(state: &State, function: &Function, parameters: &Parameters) -> Option<String> {
    if state.devices.len() < 2 {
        return None;
    }
    let device = function.device;
    parameters.words().find_map(|word| {
        let (_, allocation) = state.memory.holding(word)?;
        (!state.is_accessible(device, allocation)).then(|| {
            format!(
                "{}: a parameter points to {}, without peer access from device {device}",
                title(function),
                state.memory.describe(word)
            )
        })
    })
}

/// Turns a fault of a kernel into a fault of its device.
fn report_fault(state: &mut State, device: usize, title: &str, fault: &Fault) {
    let place = match fault.kind {
        FaultKind::Address { address, .. } => format!(", which is {}", state.memory.describe(address)),
        _ => String::new(),
    };
    state.fault(device, status_of(&fault.kind), format!("{title}: {fault}{place}"));
}

fn status_of(kind: &FaultKind) -> Status {
    match kind {
        FaultKind::Address { .. } | FaultKind::GeneralProtection | FaultKind::OutOfBounds { .. } => {
            status::ILLEGAL_ADDRESS
        }
        FaultKind::Misaligned { .. } => status::MISALIGNED_ADDRESS,
        FaultKind::IllegalInstruction => status::ILLEGAL_INSTRUCTION,
        FaultKind::Timeout => status::LAUNCH_TIMEOUT,
        FaultKind::Trap(why) if why.starts_with("assertion") => status::ASSERT,
        FaultKind::Trap(_)
        | FaultKind::StackOverflow
        | FaultKind::Arithmetic
        | FaultKind::Synchronization(_) => status::LAUNCH_FAILED,
    }
}

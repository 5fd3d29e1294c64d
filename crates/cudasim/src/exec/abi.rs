//! The binary interface between compiled kernels and the simulator: the structures and functions that
//! `shim/cudasim_device.h` declares for the C++ side. Change both together and raise [`ABI_VERSION`].

use super::block::Worker;
use std::ffi::{c_char, c_int, c_void};

/// Stamped into every compiled kernel module.
pub const ABI_VERSION: u32 = 2;

/// The oldest stamp whose modules still run, because what came since was appended. Others are refused.
pub const ABI_VERSION_OLDEST: u32 = 1;

/// `dim3` and `uint3`.
#[repr(C)]
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Dim3 {
    pub x: u32,
    pub y: u32,
    pub z: u32,
}

impl Dim3 {
    /// The number of elements, which the caller keeps within 64 bits by CUDA's own limits.
    pub fn count(self) -> u64 {
        self.x as u64 * self.y as u64 * self.z as u64
    }

    /// The coordinates of element `linear` in a shape `self`, x running fastest.
    pub fn unravel(self, linear: u64) -> Dim3 {
        let (x, y) = (self.x as u64, self.y as u64);
        Dim3 { x: (linear % x) as u32, y: (linear / x % y) as u32, z: (linear / (x * y)) as u32 }
    }
}

/// What distinguishes one CUDA thread of a block from the next.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct ThreadState {
    pub index: Dim3,
    pub lane: u32,
    /// Counts atomics, so that every so many of them let other threads run.
    pub spins: u32,
}

/// A thread-local of each kernel module, one for every CPU thread that runs its blocks.
#[repr(C)]
pub struct KernelContext {
    pub thread: *mut ThreadState,
    pub block_index: Dim3,
    pub block_dim: Dim3,
    pub grid_dim: Dim3,
    pub dynamic_shared: *mut c_void,
    pub worker: *mut Worker,
}

/// The simulator's functions that kernels call.
#[repr(C)]
pub struct Runtime {
    /// `__syncthreads` and its counting variants; answers the reduction over the block.
    pub barrier: unsafe extern "C" fn(*mut Worker, kind: u32, predicate: c_int) -> c_int,
    /// All warp-wide operations.
    pub warp: unsafe extern "C" fn(*mut Worker, op: u32, mask: u32, value: u64, argument: u64) -> u64,
    /// Lets other threads of the block run; also where a cancelled kernel stops.
    pub yield_now: unsafe extern "C" fn(*mut Worker),
    /// Ends the kernel with a fault.
    pub trap: unsafe extern "C" fn(*mut Worker, why: *const c_char),
    /// Brackets code that must not be interrupted, such as `printf`.
    pub protect: unsafe extern "C" fn(*mut Worker, on: c_int),
    /// Ends the kernel because it broke a rule that the compiler checks; see [`VIOLATION_MISALIGNED`]
    /// and those after it for what `kind` and `detail` mean.
    pub violation: unsafe extern "C" fn(
        *mut Worker,
        kind: u32,
        file: *const c_char,
        line: u32,
        type_name: *const c_char,
        detail: u64,
    ),
}

/// A value of a type at an address, the detail, that its alignment does not allow.
pub const VIOLATION_MISALIGNED: u32 = 0;
/// An index, the detail, outside of an array type.
pub const VIOLATION_OUT_OF_BOUNDS: u32 = 1;
/// A shift of a type by a count, the detail, that is not less than its width.
pub const VIOLATION_SHIFT: u32 = 2;

/// One entry of the table of kernels that a module exports.
#[repr(C)]
pub struct KernelEntry {
    pub name: *const c_char,
    pub call: KernelCall,
    pub parameter_count: u32,
    pub parameter_sizes: *const u32,
    pub parameter_alignments: *const u32,
}

/// Runs a kernel's body for the current CUDA thread; the argument points to one pointer per parameter.
pub type KernelCall = unsafe extern "C" fn(*const *const c_void);

/// A module's function that stores the runtime's table and answers the calling thread's context.
pub type Attach = unsafe extern "C" fn(*const Runtime) -> *mut KernelContext;

/// A module's function that answers its kernels.
pub type ListKernels = unsafe extern "C" fn(*mut u32) -> *const KernelEntry;

/// A module's function that answers [`ABI_VERSION`] as it was when the module was compiled.
pub type AbiVersion = unsafe extern "C" fn() -> u32;

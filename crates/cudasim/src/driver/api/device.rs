//! Initialisation, errors, and what devices are.

use super::{driver_api, put, put_if_wanted};
use crate::driver::launch::DYNAMIC_SHARED_LIMIT;
use crate::driver::state::{MULTIPROCESSORS, state};
use crate::driver::status::{self, Status};
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};

const DRIVER_VERSION: c_int = 13_000;
const COMPUTE_CAPABILITY: (c_int, c_int) = (9, 0);
/// What a device's name begins with. The ordinal follows.
const NAME: &str = "Simulated GPU (cudasim)";

driver_api! {
    @anytime fn cuInit(flags: c_uint) {
        if flags != 0 {
            return Err(status::INVALID_VALUE);
        }
        let mut state = state();
        if state.devices.is_empty() {
            return Err(status::NO_DEVICE);
        }
        state.initialized = true;
    }

    @anytime fn cuDriverGetVersion(version: *mut c_int) {
        put(version, DRIVER_VERSION)?;
    }

    @anytime fn cuGetErrorName(code: Status, name: *mut *const c_char) {
        let found = status::name(code);
        put(name, found.map_or(std::ptr::null(), CStr::as_ptr))?;
        found.ok_or(status::INVALID_VALUE)?;
    }

    @anytime fn cuGetErrorString(code: Status, text: *mut *const c_char) {
        let found = status::text(code);
        put(text, found.map_or(std::ptr::null(), CStr::as_ptr))?;
        found.ok_or(status::INVALID_VALUE)?;
    }

    /// Finds the functions of this library, whatever version is asked for.
    @anytime fn cuGetProcAddress_v2(
        symbol: *const c_char,
        function: *mut *mut c_void,
        _version: c_int,
        _flags: u64,
        result: *mut c_int,
    ) {
        const FOUND: c_int = 0;
        const SYMBOL_NOT_FOUND: c_int = 1;
        let address = find_symbol(symbol);
        put(function, address.unwrap_or(std::ptr::null_mut()))?;
        put_if_wanted(result, if address.is_some() { FOUND } else { SYMBOL_NOT_FOUND });
        address.ok_or(status::NOT_FOUND)?;
    }

    fn cuDeviceGetCount(count: *mut c_int) {
        put(count, state().devices.len() as c_int)?;
    }

    fn cuDeviceGet(device: *mut c_int, ordinal: c_int) {
        state().device(ordinal)?;
        put(device, ordinal)?;
    }

    fn cuDeviceGetName(name: *mut c_char, length: c_int, device: c_int) {
        state().device(device)?;
        copy_string(&format!("{NAME} {device}"), name, length)?;
    }

    fn cuDeviceGetUuid(uuid: *mut [u8; 16], device: c_int) {
        state().device(device)?;
        put(uuid, uuid_of(device))?;
    }

    fn cuDeviceGetUuid_v2(uuid: *mut [u8; 16], device: c_int) {
        state().device(device)?;
        put(uuid, uuid_of(device))?;
    }

    fn cuDeviceGetPCIBusId(id: *mut c_char, length: c_int, device: c_int) {
        state().device(device)?;
        copy_string(&format!("0000:{:02X}:00.0", pci_bus(device)), id, length)?;
    }

    fn cuDeviceGetByPCIBusId(device: *mut c_int, id: *const c_char) {
        let id = crate::driver::module::c_string(id)?.to_string_lossy().to_uppercase();
        let count = state().devices.len() as c_int;
        let found = (0..count).find(|device| id == format!("0000:{:02X}:00.0", pci_bus(*device)));
        put(device, found.ok_or(status::INVALID_DEVICE)?)?;
    }

    fn cuDeviceTotalMem_v2(bytes: *mut usize, device: c_int) {
        let limit = state().device(device)?.memory_limit;
        put(bytes, limit)?;
    }

    fn cuDeviceComputeCapability(major: *mut c_int, minor: *mut c_int, device: c_int) {
        state().device(device)?;
        put(major, COMPUTE_CAPABILITY.0)?;
        put(minor, COMPUTE_CAPABILITY.1)?;
    }

    fn cuDeviceGetAttribute(value: *mut c_int, attribute: c_int, device: c_int) {
        state().device(device)?;
        put(value, attribute_of(attribute, device))?;
    }

    fn cuDeviceCanAccessPeer(answer: *mut c_int, device: c_int, peer: c_int) {
        let state = state();
        state.device(device)?;
        state.device(peer)?;
        put(answer, (device != peer) as c_int)?;
    }

    fn cuDeviceGetP2PAttribute(value: *mut c_int, attribute: c_int, source: c_int, destination: c_int) {
        const PERFORMANCE_RANK: c_int = 1;
        let state = state();
        state.device(source)?;
        state.device(destination)?;
        if source == destination {
            return Err(status::INVALID_DEVICE);
        }
        put(value, (attribute != PERFORMANCE_RANK) as c_int)?;
    }

    @anytime fn cuProfilerStart() {}

    @anytime fn cuProfilerStop() {}
}

/// # Safety
/// `symbol` must be null or a C string.
unsafe fn find_symbol(symbol: *const c_char) -> Option<*mut c_void> {
    // SAFETY: as promised by the caller; `dladdr` and `dlsym` take any arguments.
    unsafe {
        let name = crate::driver::module::c_string(symbol).ok()?.to_string_lossy().into_owned();
        let mut info: libc::Dl_info = std::mem::zeroed();
        libc::dladdr(cuInit as *const c_void, &mut info);
        let library = libc::dlopen(info.dli_fname, libc::RTLD_NOW | libc::RTLD_NOLOAD);
        // The newest version of a function goes by the plain name.
        ["_v4", "_v3", "_v2", ""].iter().find_map(|version| {
            let versioned = std::ffi::CString::new(format!("{name}{version}")).ok()?;
            let address = libc::dlsym(library, versioned.as_ptr());
            (!address.is_null()).then_some(address)
        })
    }
}

/// # Safety
/// `to` must have room for `length` characters.
unsafe fn copy_string(text: &str, to: *mut c_char, length: c_int) -> crate::driver::status::Outcome {
    let room = usize::try_from(length).ok().filter(|room| *room > 0).ok_or(status::INVALID_VALUE)?;
    if to.is_null() {
        return Err(status::INVALID_VALUE);
    }
    let copied = text.len().min(room - 1);
    // SAFETY: as promised by the caller.
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr().cast(), to, copied);
        *to.add(copied) = 0;
    }
    Ok(())
}

fn uuid_of(device: c_int) -> [u8; 16] {
    let mut uuid = *b"cudasim device  ";
    uuid[15] = device as u8;
    uuid
}

fn pci_bus(device: c_int) -> c_int {
    device + 1
}

/// The value of a `CUdevice_attribute`: a small data-centre device of compute capability 9.0. What is
/// not listed is 0.
fn attribute_of(attribute: c_int, device: c_int) -> c_int {
    match attribute {
        1..=3 => 1024,                         // threads of a block; its x and y dimension
        4 => 64,                               // z dimension of a block
        5 => c_int::MAX,                       // x dimension of a grid
        6 | 7 => 65_535,                       // y and z dimension of a grid
        8 => 49_152,                           // shared memory of a block
        9 => 65_536,                           // constant memory
        10 => 32,                              // warp size
        11 => c_int::MAX,                      // pitch
        12 | 82 => 65_536,                     // registers of a block and of a multiprocessor
        13 => 1_500_000,                       // clock in kHz
        14 => 512,                             // texture alignment
        15 | 19 | 31 | 41 | 78 | 79 | 80 => 1, // overlap, mapped host memory, concurrent kernels, unified addresses, priorities, caches
        16 => MULTIPROCESSORS as c_int,
        33 => pci_bus(device),
        36 => 2_600_000, // memory clock in kHz
        37 => 256,       // memory bus in bits
        38 => 4 << 20,   // L2 cache in bytes
        39 => 2048,      // threads of a multiprocessor
        40 => 2,         // copy engines
        75 => COMPUTE_CAPABILITY.0,
        76 => COMPUTE_CAPABILITY.1,
        81 => 233_472,               // shared memory of a multiprocessor
        83 | 90 | 91 | 95 | 99 => 1, // managed memory, preemption, registered pointers, cooperative launch, registration
        97 => DYNAMIC_SHARED_LIMIT as c_int,
        106 => 32,   // blocks of a multiprocessor
        111 => 1024, // shared memory reserved in each block
        115 => 1,    // memory pools
        _ => 0,
    }
}

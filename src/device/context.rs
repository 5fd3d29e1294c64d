//! The context of one GPU, and what is known of the GPU.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, Weak};

use cudarc::driver::sys::{self, CUdevice_attribute as Attribute};
use serde::Serialize;

use super::compile::Architecture;
use super::driver::check;
use super::library::available;
use crate::{Error, Result};

/// What a GPU is; read once, when its context is made.
#[derive(Clone, Debug, Serialize)]
pub struct DeviceInfo {
    /// The driver's number for the device, from 0.
    pub ordinal: usize,
    /// The maker's name, such as `NVIDIA H200`.
    pub name: String,
    /// Bytes of device memory there are.
    pub memory_bytes: u64,
    /// The compute capability.
    pub architecture: Architecture,
    /// Streaming multiprocessors.
    pub sm_count: u32,
    /// Threads that one multiprocessor holds at a time.
    pub threads_per_sm_max: u32,
    /// Bytes of shared memory that one block may ask for, with opt-in.
    pub shared_bytes_max: u32,
    /// Bytes of the second-level cache.
    pub l2_bytes: u32,
    /// Peak memory bandwidth in bytes per second as far as the driver tells, or 0.
    pub bandwidth_bytes: u64,
}

impl DeviceInfo {
    /// Whether the device is a simulated one, whose times mean nothing.
    pub fn is_simulated(&self) -> bool {
        self.name.to_lowercase().contains("simulat")
    }
}

impl fmt::Display for DeviceInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "device {} ({})", self.ordinal, self.name)
    }
}

/// Lists every device that the driver offers; makes no context.
///
/// # Errors
/// As [`available`].
pub fn devices() -> Result<Vec<DeviceInfo>> {
    (0..available()?).map(describe).collect()
}

fn describe(ordinal: usize) -> Result<DeviceInfo> {
    let device = handle(ordinal)?;
    let mut name = [0u8; 256];
    // SAFETY: the driver writes at most the length given, NUL included.
    check("cuDeviceGetName", unsafe {
        sys::cuDeviceGetName(name.as_mut_ptr().cast(), name.len() as i32, device)
    })?;
    let name = name.iter().take_while(|byte| **byte != 0).copied().collect::<Vec<u8>>();
    let mut memory = 0usize;
    // SAFETY: writes one size.
    check("cuDeviceTotalMem", unsafe { sys::cuDeviceTotalMem_v2(&mut memory, device) })?;
    let required = |which| attribute(device, which);
    let optional = |which| attribute(device, which).unwrap_or(0);
    let bus_bits = optional(Attribute::CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH);
    let clock_khz = optional(Attribute::CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE);
    Ok(DeviceInfo {
        ordinal,
        name: String::from_utf8_lossy(&name).into_owned(),
        memory_bytes: memory as u64,
        architecture: Architecture {
            major: required(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            minor: required(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
        },
        sm_count: required(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?.max(1),
        threads_per_sm_max: optional(Attribute::CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR).max(1024),
        shared_bytes_max: optional(Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)
            .max(SHARED_BYTES_WITHOUT_OPT_IN),
        l2_bytes: optional(Attribute::CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE),
        // Data moves on both edges of the memory clock.
        bandwidth_bytes: 2 * u64::from(clock_khz) * 1000 * u64::from(bus_bits) / 8,
    })
}

/// Shared memory that every block may have without asking.
pub(super) const SHARED_BYTES_WITHOUT_OPT_IN: u32 = 48 << 10;

pub(super) fn handle(ordinal: usize) -> Result<sys::CUdevice> {
    let count = available()?;
    if ordinal >= count {
        return Err(Error::user(format!(
            "there is no device {ordinal}: the driver offers {count}, numbered from 0"
        )));
    }
    let mut device = 0;
    // SAFETY: writes one handle.
    check("cuDeviceGet", unsafe { sys::cuDeviceGet(&mut device, ordinal as i32) })?;
    Ok(device)
}

fn attribute(device: sys::CUdevice, which: Attribute) -> Result<u32> {
    let mut value = 0;
    // SAFETY: writes one integer.
    check("cuDeviceGetAttribute", unsafe { sys::cuDeviceGetAttribute(&mut value, which, device) })?;
    Ok(u32::try_from(value).unwrap_or(0))
}

/// One GPU and its context. Cheap to clone: clones share the context.
///
/// The context is the device's primary one (`cuDevicePrimaryCtxRetain`), the one that CUDA's runtime uses: so PyTorch and
/// CuPy in the same process share it, addresses mean the same to them, and so does everyone here who opens the device. When a fault has made it useless, [`Device::close`] ends it with all that lives in it,
/// and [`Device::open`] makes the next. Buffers, modules and events of a context that ended free nothing and answer
/// [`is_alive`](Device::is_alive) with `false`.
#[derive(Clone)]
pub struct Device(Arc<Context>);

struct Context {
    info: DeviceInfo,
    device: sys::CUdevice,
    raw: sys::CUcontext,
    /// Held for reading by whoever works in the context, so that nobody ends it in the middle of that.
    work: RwLock<()>,
    /// False once the context was ended; held for reading, and briefly, by whoever is about to free something in it.
    /// Taken after `work`.
    alive: RwLock<bool>,
}

/// The contexts that live, by device: one each, because the primary context is.
static CONTEXTS: Mutex<BTreeMap<usize, Weak<Context>>> = Mutex::new(BTreeMap::new());

// SAFETY: a context handle may be used from any thread; the driver locks inside.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

impl Device {
    /// Opens device `ordinal` and makes its context current on the calling thread.
    ///
    /// # Errors
    /// `unsupported` without a driver; `user` where there is no such device; `device` or `out_of_memory` where the
    /// context cannot be made.
    pub fn open(ordinal: usize) -> Result<Device> {
        let mut contexts = CONTEXTS.lock().unwrap_or_else(PoisonError::into_inner);
        let known = contexts.get(&ordinal).and_then(Weak::upgrade).map(Device);
        let device = match known.filter(Device::is_alive) {
            Some(device) => device,
            None => {
                let device = Device::retain(ordinal)?;
                contexts.insert(ordinal, Arc::downgrade(&device.0));
                device
            }
        };
        device.bind()?;
        device.keep_freed_memory()?;
        Ok(device)
    }

    fn retain(ordinal: usize) -> Result<Device> {
        let device = handle(ordinal)?;
        let info = describe(ordinal)?;
        let mut raw = std::ptr::null_mut();
        // SAFETY: writes one handle; released in `Context::drop` or ended in `close`.
        check("cuDevicePrimaryCtxRetain", unsafe { sys::cuDevicePrimaryCtxRetain(&mut raw, device) })?;
        Ok(Device(Arc::new(Context { info, device, raw, work: RwLock::new(()), alive: RwLock::new(true) })))
    }

    /// What the GPU is.
    pub fn info(&self) -> &DeviceInfo {
        &self.0.info
    }

    /// Whether the context lives: false after [`Device::close`].
    pub fn is_alive(&self) -> bool {
        *self.alive()
    }

    /// Keeps the context from being ended by others for as long as the guard lives; ask whether it lives afterwards.
    /// Not to be taken twice by one thread, which could wait for itself.
    pub fn hold(&self) -> RwLockReadGuard<'_, ()> {
        self.0.work.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the context current on the calling thread; needed once on each thread that calls the driver.
    pub fn bind(&self) -> Result<()> {
        // SAFETY: the handle is the driver's own; a destroyed one is refused with an error.
        check("cuCtxSetCurrent", unsafe { sys::cuCtxSetCurrent(self.0.raw) })
    }

    /// Waits until all work of the context is done, whoever in this process enqueued it.
    pub fn synchronize(&self) -> Result<()> {
        // SAFETY: concerns the current context.
        check("cuCtxSynchronize", unsafe { sys::cuCtxSynchronize() })
    }

    /// Checks that `address` is memory of this device that this context may use.
    ///
    /// # Errors
    /// `user` where the driver does not know it as such.
    pub fn check_address(&self, address: u64) -> Result<()> {
        use sys::CUpointer_attribute as Pointer;
        let (mut kind, mut ordinal, mut owner) = (0u32, -1i32, std::ptr::null_mut::<sys::CUctx_st>());
        // SAFETY: each attribute is of the type of what it is written to; the driver looks the address up.
        let known = unsafe {
            let ask = |what, to: *mut c_void| {
                check("cuPointerGetAttribute", sys::cuPointerGetAttribute(to, what, address))
            };
            ask(Pointer::CU_POINTER_ATTRIBUTE_MEMORY_TYPE, (&raw mut kind).cast())
                .and_then(|()| ask(Pointer::CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, (&raw mut ordinal).cast()))
                .inspect(|()| {
                    // Memory of pools belongs to no context, and then the driver need not answer.
                    let _ = ask(Pointer::CU_POINTER_ATTRIBUTE_CONTEXT, (&raw mut owner).cast());
                })
        };
        let is_on_device = kind == sys::CUmemorytype::CU_MEMORYTYPE_DEVICE as u32;
        if known.is_err() || !is_on_device || ordinal != self.0.device {
            return Err(Error::user(format!(
                "{address:#x} is no memory of {} that this process has",
                self.0.info
            )));
        }
        if !owner.is_null() && owner != self.0.raw {
            return Err(Error::user(format!(
                "the memory at {address:#x} belongs to another context than the primary one of {}",
                self.0.info
            )));
        }
        Ok(())
    }

    /// Returns the bytes of device memory that are free and that there are.
    pub fn memory(&self) -> Result<(u64, u64)> {
        let (mut free, mut total) = (0usize, 0usize);
        // SAFETY: writes two sizes.
        check("cuMemGetInfo", unsafe { sys::cuMemGetInfo_v2(&mut free, &mut total) })?;
        Ok((free as u64, total as u64))
    }

    /// Gives memory that was freed but kept in the pool back to the system, all but `keep_bytes` of it.
    pub fn trim(&self, keep_bytes: usize) -> Result<()> {
        // SAFETY: the pool belongs to the device and lives as long as the driver.
        check("cuMemPoolTrimTo", unsafe { sys::cuMemPoolTrimTo(self.pool()?, keep_bytes) })
    }

    /// Ends the context with everything in it, after a fault, once nobody holds it any more. Everyone who shares it
    /// sees it as not alive.
    ///
    /// # Errors
    /// `device` where the driver cannot even do that; the context counts as ended all the same.
    pub fn close(&self) -> Result<()> {
        let _work = self.0.work.write().unwrap_or_else(PoisonError::into_inner);
        let mut alive = self.0.alive.write().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::replace(&mut *alive, false) {
            return Ok(());
        }
        // SAFETY: the locks keep everyone else of this process out of the dying context; what they hold frees nothing
        // afterwards, because `alive` is false.
        unsafe {
            let reset = check("cuDevicePrimaryCtxReset", sys::cuDevicePrimaryCtxReset_v2(self.0.device));
            let release =
                check("cuDevicePrimaryCtxRelease", sys::cuDevicePrimaryCtxRelease_v2(self.0.device));
            reset.and(release)
        }
    }

    /// Locks the context against being ended; the guard says whether it lives.
    pub(super) fn alive(&self) -> RwLockReadGuard<'_, bool> {
        self.0.alive.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `release` with the context current, if it lives: how everything of the context is given back.
    ///
    /// May be called on any thread, so a buffer can be dropped anywhere; the context that was current there is again
    /// afterwards, because other libraries take the current device from it. Errors are left to the next call that needs
    /// the context: a failed free has no one to tell.
    pub(super) fn release(&self, release: impl FnOnce()) {
        let alive = self.alive();
        // SAFETY: the handle is the driver's own, of a context that lives.
        if *alive && unsafe { sys::cuCtxPushCurrent_v2(self.0.raw) } == sys::CUresult::CUDA_SUCCESS {
            release();
            let mut popped = std::ptr::null_mut();
            // SAFETY: takes back what was pushed right above.
            unsafe { sys::cuCtxPopCurrent_v2(&mut popped) };
        }
    }

    fn pool(&self) -> Result<sys::CUmemoryPool> {
        let mut pool = std::ptr::null_mut();
        // SAFETY: writes one handle.
        check("cuDeviceGetDefaultMemPool", unsafe {
            sys::cuDeviceGetDefaultMemPool(&mut pool, self.0.device)
        })?;
        Ok(pool)
    }

    /// Lets the pool keep freed memory across synchronisation; [`trim`](Device::trim) gives it back when idle.
    fn keep_freed_memory(&self) -> Result<()> {
        let mut threshold = u64::MAX;
        let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
        // SAFETY: the attribute takes a pointer to one 64-bit integer.
        check("cuMemPoolSetAttribute", unsafe {
            sys::cuMemPoolSetAttribute(self.pool()?, attribute, (&raw mut threshold).cast())
        })
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.info)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if *self.alive.get_mut().unwrap_or_else(PoisonError::into_inner) {
            // SAFETY: retained once in `open`; nothing that uses the context outlives this last holder.
            unsafe { sys::cuDevicePrimaryCtxRelease_v2(self.device) };
        }
    }
}

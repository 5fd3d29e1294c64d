//! Loaded code: modules, the kernels in them, and launches.

use std::ffi::CString;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use cudarc::driver::sys::{self, CUfunction_attribute as Attribute};

use super::compile::Image;
use super::context::{Device, SHARED_BYTES_WITHOUT_OPT_IN};
use super::driver::check;
use super::stream::Stream;
use crate::{Error, Result};

static LAUNCHES: AtomicU64 = AtomicU64::new(0);

/// Kernels that this process has launched so far, on any device.
pub fn launch_count() -> u64 {
    LAUNCHES.load(Ordering::Relaxed)
}

/// Bytes of parameters that every kernel may take.
const PARAMETER_BYTES_MAX: usize = 4096;

/// Compiled code, loaded into a context.
#[derive(Debug)]
pub struct Module {
    device: Device,
    raw: sys::CUmodule,
}

// SAFETY: a module handle may be used from any thread on which the context is current.
unsafe impl Send for Module {}
// SAFETY: as above; the driver locks inside.
unsafe impl Sync for Module {}

impl Module {
    /// Loads `image` into the context of `device`, which must be current.
    ///
    /// # Errors
    /// `unsupported` where the driver does not take the code: it is damaged, for another architecture, or from an NVRTC
    /// that is newer than the driver.
    pub fn load(device: &Device, image: &Image) -> Result<Arc<Module>> {
        // The driver reads PTX up to a NUL and CUBIN by its own header; one NUL more suits both.
        let mut bytes = image.bytes().to_vec();
        bytes.push(0);
        let mut raw = std::ptr::null_mut();
        // SAFETY: writes one handle, unloaded in `drop`; the driver copies the image.
        check("cuModuleLoadData", unsafe { sys::cuModuleLoadData(&mut raw, bytes.as_ptr().cast()) })?;
        Ok(Arc::new(Module { device: device.clone(), raw }))
    }

    /// Returns the kernel called `name`.
    ///
    /// # Errors
    /// `bug` where there is none: the entry points are named by whoever wrote the source.
    pub fn function(self: &Arc<Module>, name: &str) -> Result<Function> {
        let c_name = CString::new(name).map_err(|_| Error::bug(format!("'{name}' is no kernel name")))?;
        let mut raw = std::ptr::null_mut();
        // SAFETY: writes one handle, which lives as long as the module.
        check("cuModuleGetFunction", unsafe {
            sys::cuModuleGetFunction(&mut raw, self.raw, c_name.as_ptr())
        })
        .map_err(|error| error.context(format!("kernel '{name}'")))?;
        Ok(Function {
            module: Arc::clone(self),
            raw,
            name: name.to_string(),
            shared_bytes_allowed: AtomicU32::new(SHARED_BYTES_WITHOUT_OPT_IN),
        })
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        // SAFETY: loaded in `load`, unloaded once, in a context that lives.
        self.device.release(|| unsafe {
            sys::cuModuleUnload(self.raw);
        });
    }
}

/// One kernel.
///
/// Every kernel of this crate takes exactly one parameter, a struct by value.
#[derive(Debug)]
pub struct Function {
    module: Arc<Module>,
    raw: sys::CUfunction,
    name: String,
    /// Dynamic shared memory that the kernel was allowed so far.
    shared_bytes_allowed: AtomicU32,
}

// SAFETY: a function handle may be used from any thread on which the context is current.
unsafe impl Send for Function {}
// SAFETY: as above; the driver locks inside.
unsafe impl Sync for Function {}

/// Parameters at the strictest alignment that a field of them can have.
#[repr(C, align(16))]
struct Parameters([u8; PARAMETER_BYTES_MAX]);

impl Function {
    /// The kernel's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the context that the kernel was loaded into lives.
    pub fn is_alive(&self) -> bool {
        self.module.device.is_alive()
    }

    /// Returns the registers that one thread takes.
    pub fn registers(&self) -> Result<u32> {
        let mut value = 0;
        // SAFETY: writes one integer; the handle lives with the module.
        check("cuFuncGetAttribute", unsafe {
            sys::cuFuncGetAttribute(&mut value, Attribute::CU_FUNC_ATTRIBUTE_NUM_REGS, self.raw)
        })?;
        Ok(u32::try_from(value).unwrap_or(0))
    }

    /// Returns how many blocks of `block` threads with `shared_bytes` of dynamic shared memory one multiprocessor
    /// runs at a time: what a kernel that fills the device exactly once multiplies with
    /// [`sm_count`](super::DeviceInfo::sm_count). At least 1.
    pub fn blocks_per_sm(&self, block: u32, shared_bytes: u32) -> Result<u32> {
        self.allow_shared(shared_bytes)?;
        let mut blocks = 0;
        // SAFETY: writes one integer; the handle lives with the module; flags 0 is the default.
        check("cuOccupancyMaxActiveBlocksPerMultiprocessor", unsafe {
            sys::cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
                &mut blocks,
                self.raw,
                block as i32,
                shared_bytes as usize,
                0,
            )
        })?;
        Ok(u32::try_from(blocks).unwrap_or(0).max(1))
    }

    /// Enqueues the kernel in `stream` with `grid` blocks of `block` threads; `parameters` are the bytes of its one
    /// by-value struct.
    ///
    /// # Errors
    /// `unsupported` where the parameters exceed 4,096 bytes or the launch exceeds what the device has; `device`
    /// where the launch fails, or an earlier one did.
    ///
    /// # Safety
    /// `parameters` must be what the kernel expects, with addresses that stay allocated until it has run.
    pub unsafe fn launch(
        &self,
        grid: u32,
        block: u32,
        shared_bytes: u32,
        parameters: &[u8],
        stream: &Stream,
    ) -> Result<()> {
        if parameters.len() > PARAMETER_BYTES_MAX {
            return Err(Error::unsupported(format!(
                "kernel parameters of {} bytes for '{}': {PARAMETER_BYTES_MAX} is the limit",
                parameters.len(),
                self.name
            )));
        }
        if !self.is_alive() {
            return Err(Error::device(format!(
                "kernel '{}' was lost when the device's context ended",
                self.name
            )));
        }
        self.allow_shared(shared_bytes)?;
        let mut aligned = Parameters([0; PARAMETER_BYTES_MAX]);
        aligned.0[..parameters.len()].copy_from_slice(parameters);
        let mut pointers = [(&raw mut aligned).cast()];
        // SAFETY: the handle lives; the driver copies the parameters before it returns, as many bytes as the kernel's
        // struct has; the caller vouches for their meaning.
        let result = unsafe {
            sys::cuLaunchKernel(
                self.raw,
                grid,
                1,
                1,
                block,
                1,
                1,
                shared_bytes,
                stream.raw(),
                pointers.as_mut_ptr(),
                std::ptr::null_mut(),
            )
        };
        check("cuLaunchKernel", result)
            .map_err(|error| error.context(format!("kernel '{}' ({grid} × {block})", self.name)))?;
        LAUNCHES.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Opts in to more dynamic shared memory than every block may have.
    fn allow_shared(&self, shared_bytes: u32) -> Result<()> {
        if shared_bytes <= self.shared_bytes_allowed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let limit = self.module.device.info().shared_bytes_max;
        if shared_bytes > limit {
            return Err(Error::unsupported(format!(
                "kernel '{}' asks for {shared_bytes} bytes of shared memory per block; the device has {limit}",
                self.name
            )));
        }
        // SAFETY: the handle lives with the module.
        check("cuFuncSetAttribute", unsafe {
            sys::cuFuncSetAttribute(
                self.raw,
                Attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                shared_bytes as i32,
            )
        })?;
        self.shared_bytes_allowed.store(shared_bytes, Ordering::Relaxed);
        Ok(())
    }
}

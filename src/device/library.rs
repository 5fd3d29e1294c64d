//! Finding the driver and NVRTC at run time, so that nothing of CUDA is needed to build or to start.
//!
//! `SWATH_DRIVER` and `SWATH_NVRTC` name libraries by absolute path. They are opened by that path and never closed; the loader
//! then answers later requests for the same SONAME with them. Libraries that may be missing are found the same way, by
//! [`math_library`](super::math_library).

use std::env;
use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use cudarc::driver::sys as driver_sys;
use cudarc::nvrtc::sys as nvrtc_sys;
use libloading::Library;

use super::driver::check;
use crate::{Error, Result};

/// Environment variable with the absolute path of the driver library.
pub(super) const DRIVER_VARIABLE: &str = "SWATH_DRIVER";
/// Environment variable with the absolute path of the NVRTC library.
pub(super) const NVRTC_VARIABLE: &str = "SWATH_NVRTC";

/// The oldest driver that has all we call, as the driver counts: CUDA 12.8.
pub(super) const DRIVER_VERSION_MIN: i32 = 12_080;

/// Every function of the driver that this crate calls; a driver that lacks one is too old.
const DRIVER_SYMBOLS: &[&str] = &[
    "cuCtxPopCurrent_v2",
    "cuCtxPushCurrent_v2",
    "cuCtxSetCurrent",
    "cuCtxSynchronize",
    "cuDeviceCanAccessPeer",
    "cuDeviceGet",
    "cuDeviceGetAttribute",
    "cuDeviceGetCount",
    "cuDeviceGetDefaultMemPool",
    "cuDeviceGetName",
    "cuDevicePrimaryCtxRelease_v2",
    "cuDevicePrimaryCtxReset_v2",
    "cuDevicePrimaryCtxRetain",
    "cuDeviceTotalMem_v2",
    "cuDriverGetVersion",
    "cuEventCreate",
    "cuEventDestroy_v2",
    "cuEventElapsedTime_v2",
    "cuEventQuery",
    "cuEventRecord",
    "cuEventSynchronize",
    "cuFuncGetAttribute",
    "cuFuncSetAttribute",
    "cuGetErrorString",
    "cuInit",
    "cuLaunchKernel",
    "cuMemAllocAsync",
    "cuMemFreeAsync",
    "cuMemGetInfo_v2",
    "cuMemHostRegister_v2",
    "cuMemHostUnregister",
    "cuMemPoolSetAttribute",
    "cuMemPoolTrimTo",
    "cuMemcpyDtoDAsync_v2",
    "cuMemcpyDtoHAsync_v2",
    "cuMemcpyHtoDAsync_v2",
    "cuMemsetD8Async",
    "cuModuleGetFunction",
    "cuModuleLoadData",
    "cuModuleUnload",
    "cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags",
    "cuPointerGetAttribute",
    "cuStreamCreate",
    "cuStreamDestroy_v2",
    "cuStreamSynchronize",
    "cuStreamWaitEvent",
];

/// Every function of NVRTC that this crate calls.
const NVRTC_SYMBOLS: &[&str] = &[
    "nvrtcCompileProgram",
    "nvrtcCreateProgram",
    "nvrtcDestroyProgram",
    "nvrtcGetCUBIN",
    "nvrtcGetCUBINSize",
    "nvrtcGetErrorString",
    "nvrtcGetNumSupportedArchs",
    "nvrtcGetPTX",
    "nvrtcGetPTXSize",
    "nvrtcGetProgramLog",
    "nvrtcGetProgramLogSize",
    "nvrtcGetSupportedArchs",
    "nvrtcVersion",
];

/// Where wheels put NVRTC, of each version of CUDA.
const NVRTC_WHEELS: [&str; 2] = ["nvidia/cu13/lib/libnvrtc.so.13", "nvidia/cuda_nvrtc/lib/libnvrtc.so.12"];

/// Returns how many devices the driver offers, starting it if there is one.
///
/// Costs under a millisecond where no driver is installed, and starts nothing there. The first call that finds a
/// driver initialises it; later calls answer from memory.
///
/// # Errors
/// `unsupported` where the driver is absent, too old or offers no device; `device` where it fails to start.
pub fn available() -> Result<usize> {
    static COUNT: OnceLock<Result<usize>> = OnceLock::new();
    COUNT.get_or_init(|| load_driver().and_then(|()| guarded("driver", start_driver))).clone()
}

/// Loads the driver library and checks that it has every function we call; initialises nothing.
pub(super) fn load_driver() -> Result<()> {
    static LOADED: OnceLock<Result<()>> = OnceLock::new();
    LOADED.get_or_init(|| guarded("driver", find_driver)).clone()
}

/// Loads NVRTC and checks that it has every function we call.
pub(super) fn load_nvrtc() -> Result<()> {
    static LOADED: OnceLock<Result<()>> = OnceLock::new();
    LOADED.get_or_init(|| guarded("NVRTC", find_nvrtc)).clone()
}

/// Runs a first use of a library; cudarc panics where a library or a function in it is missing.
pub(super) fn guarded<T>(
    library: &str,
    first_use: impl FnOnce() -> Result<T> + std::panic::UnwindSafe,
) -> Result<T> {
    std::panic::catch_unwind(first_use)
        .unwrap_or_else(|_| Err(Error::unsupported(format!("loading the CUDA {library} library failed"))))
}

fn find_driver() -> Result<()> {
    let named = open_named(DRIVER_VARIABLE)?;
    // SAFETY: only opens shared libraries by the driver's well-known names.
    if !unsafe { driver_sys::is_culib_present() } {
        not_of_the_kind(named, DRIVER_VARIABLE, "a CUDA driver (libcuda.so.1)")?;
        return Err(Error::unsupported(format!(
            "no CUDA driver found (libcuda.so.1): install the NVIDIA driver, or name the library in {DRIVER_VARIABLE}"
        )));
    }
    // SAFETY: presence was just checked.
    let library = unsafe { driver_sys::culib() };
    check_chosen(named, library, "cuInit", DRIVER_VARIABLE)?;
    check_symbols(library, DRIVER_SYMBOLS, "the CUDA driver", "CUDA 12.8 (driver 570) or newer is needed")
}

fn start_driver() -> Result<usize> {
    let version = driver_version()?;
    if version < DRIVER_VERSION_MIN {
        return Err(Error::unsupported(format!(
            "the driver supports CUDA {}, but CUDA 12.8 or newer is needed: update the NVIDIA driver",
            version_text(version)
        )));
    }
    // SAFETY: the library is loaded; flags must be 0.
    check("cuInit", unsafe { driver_sys::cuInit(0) })
        .map_err(|error| Error::unsupported(format!("the CUDA driver does not start: {error}")))?;
    let mut count = 0;
    // SAFETY: writes one integer.
    check("cuDeviceGetCount", unsafe { driver_sys::cuDeviceGetCount(&mut count) })?;
    match usize::try_from(count) {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(Error::unsupported("the CUDA driver is installed but offers no device")),
    }
}

/// Returns the CUDA version that the loaded driver supports, as it counts: `1000 · major + 10 · minor`.
pub(super) fn driver_version() -> Result<i32> {
    let mut version = 0;
    // SAFETY: writes one integer; callable before `cuInit`.
    check("cuDriverGetVersion", unsafe { driver_sys::cuDriverGetVersion(&mut version) })?;
    Ok(version)
}

/// Writes a version as the driver counts it the way people do: `13000` is `13.0`.
pub(super) fn version_text(version: i32) -> String {
    format!("{}.{}", version / 1000, version % 1000 / 10)
}

fn find_nvrtc() -> Result<()> {
    let mut named = open_named(NVRTC_VARIABLE)?;
    // SAFETY: only opens shared libraries by NVRTC's well-known names.
    let mut present = unsafe { nvrtc_sys::is_culib_present() };
    if !present && named.is_none() {
        named = wheel_candidates(&NVRTC_WHEELS).into_iter().find_map(|path| open(&path).ok());
        // SAFETY: as above.
        present = unsafe { nvrtc_sys::is_culib_present() };
    }
    if !present {
        not_of_the_kind(named, NVRTC_VARIABLE, "NVRTC (libnvrtc.so.13 or .12)")?;
        return Err(Error::unsupported(format!(
            "no NVRTC found (libnvrtc.so.13 or .12): install it with `pip install nvidia-cuda-nvrtc`, or name the \
             library in {NVRTC_VARIABLE}"
        )));
    }
    // SAFETY: presence was just checked.
    let library = unsafe { nvrtc_sys::culib() };
    check_chosen(named, library, "nvrtcVersion", NVRTC_VARIABLE)?;
    if named.is_some()
        && let Some(path) = nvrtc_path()
    {
        open_builtins(&path);
    }
    check_symbols(library, NVRTC_SYMBOLS, "NVRTC", "version 12.0 or newer is needed")
}

/// Opens the library that `variable` names, if it is set, and keeps it open for good.
pub(super) fn open_named(variable: &str) -> Result<Option<&'static Library>> {
    let Some(path) = env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from) else {
        return Ok(None);
    };
    if !path.is_absolute() {
        return Err(Error::user(format!("{variable} must be an absolute path, but is '{}'", path.display())));
    }
    open(&path).map(Some).map_err(|error| error.context(variable))
}

/// Fails where a library was named and opened, but is not known to the loader by any name of what was wanted.
pub(super) fn not_of_the_kind(named: Option<&Library>, variable: &str, wanted: &str) -> Result<()> {
    match named {
        Some(_) => Err(Error::user(format!("the library in {variable} does not call itself {wanted}"))),
        None => Ok(()),
    }
}

/// Opens the builtins that lie beside an NVRTC: it asks for them by name when it compiles, and a wheel's folder is not
/// one that the loader searches.
fn open_builtins(nvrtc: &Path) {
    let files = nvrtc.parent().and_then(|folder| std::fs::read_dir(folder).ok());
    for file in files.into_iter().flatten().flatten() {
        let name = file.file_name().to_string_lossy().into_owned();
        if name.starts_with("libnvrtc-builtins.so") && !name.contains(".alt.") {
            // What cannot be opened here, NVRTC itself reports when it needs it.
            let _ = open(&file.path());
        }
    }
}

pub(super) fn open(path: &Path) -> Result<&'static Library> {
    // SAFETY: runs the library's initialisers; the user named it, or it lies where NVRTC is installed.
    let library = unsafe { Library::new(path) }.map_err(|error| {
        // The loader's own words come as the source.
        let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        Error::user(format!("cannot load '{}': {cause}", path.display()))
    })?;
    Ok(Box::leak(Box::new(library)))
}

/// Fails where the loader would give another library than the one that was named.
pub(super) fn check_chosen(
    named: Option<&Library>,
    used: &Library,
    symbol: &str,
    variable: &str,
) -> Result<()> {
    let Some(named) = named else { return Ok(()) };
    match (address(named, symbol), address(used, symbol)) {
        (Some(wanted), Some(found)) if wanted == found => Ok(()),
        (None, _) => Err(Error::user(format!("the library in {variable} has no function {symbol}"))),
        _ => Err(Error::user(format!(
            "another library of the same kind is found before the one in {variable}: remove it from the loader's \
             search path (LD_LIBRARY_PATH, ldconfig) or unset {variable}"
        ))),
    }
}

pub(super) fn check_symbols(library: &Library, symbols: &[&str], what: &str, remedy: &str) -> Result<()> {
    match symbols.iter().find(|symbol| address(library, symbol).is_none()) {
        None => Ok(()),
        Some(symbol) => Err(Error::unsupported(format!("{what} is too old: it lacks {symbol}; {remedy}"))),
    }
}

pub(super) fn address(library: &Library, symbol: &str) -> Option<usize> {
    // SAFETY: the symbol is only compared as an address, never called through this type.
    unsafe { library.get::<unsafe extern "C" fn()>(symbol.as_bytes()) }.ok().map(|found| *found as usize)
}

/// Returns the path of the file that holds `symbol`'s library, where the system tells.
pub(super) fn nvrtc_path() -> Option<PathBuf> {
    mapped_file("libnvrtc.so")
}

/// Returns the path of the loaded driver library, where the system tells.
pub(super) fn driver_path() -> Option<PathBuf> {
    mapped_file("libcuda.so")
}

/// Looks in this process's memory map for a shared library whose file name starts with `start`.
fn mapped_file(start: &str) -> Option<PathBuf> {
    let map = std::fs::read_to_string("/proc/self/maps").ok()?;
    map.lines().filter_map(|line| line.find('/').map(|start| Path::new(&line[start..]))).find_map(|path| {
        let name = path.file_name()?.to_str()?;
        name.starts_with(start).then(|| path.to_path_buf())
    })
}

/// Lists where wheels put these files, for each Python that the `PATH` leads to; runs no Python.
pub(super) fn wheel_candidates(in_site_packages: &[&str]) -> Vec<PathBuf> {
    let mut prefixes: Vec<PathBuf> = env::var_os("VIRTUAL_ENV").map(PathBuf::from).into_iter().collect();
    let path = env::var_os("PATH").unwrap_or_default();
    prefixes.extend(
        env::split_paths(&path)
            .filter(|folder| folder.join("python3").exists())
            .filter_map(|folder| folder.parent().map(Path::to_path_buf)),
    );
    prefixes.extend(dirs::home_dir().map(|home| home.join(".local")));
    let mut found = Vec::new();
    for prefix in prefixes {
        let Ok(entries) = std::fs::read_dir(prefix.join("lib")) else { continue };
        for python in
            entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with("python3"))
        {
            for packages in ["site-packages", "dist-packages"] {
                let files = in_site_packages.iter().map(|file| python.path().join(packages).join(file));
                found.extend(files.filter(|file| file.exists()));
            }
        }
    }
    found
}

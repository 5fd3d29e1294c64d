//! The Rust side: finds the shared library, names it, loads it, and wraps its controls.

use crate::elf;
use crate::exec::abi::ABI_VERSION;
use crate::settings::{self, RawSettings};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

/// The file that cargo builds from this crate.
const BUILT_NAME: &str = "libcudasim.so";
/// Names the shared library where it is not beside the running program.
const LIBRARY_VARIABLE: &str = "CUDASIM_LIBRARY";
/// The folder beside the built library that holds the named copies. No search path leads there. The
/// version of the interface to kernels follows, so that programs which keep compiled kernels by the path
/// of their compiler do not offer those of an older simulator.
const COPIES: &str = "cudasim-libraries";
const DRIVER_SONAME: &str = "libcuda.so";
const NVRTC_SONAME: &str = "libnvrtc.so";

/// The libraries of mathematics that are simulated. They have nothing to configure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MathLibrary {
    Cublas,
    Cusolver,
    Cufft,
}

impl MathLibrary {
    const ALL: [MathLibrary; 3] = [MathLibrary::Cublas, MathLibrary::Cusolver, MathLibrary::Cufft];

    fn soname(self) -> &'static str {
        match self {
            MathLibrary::Cublas => "libcublas.so",
            MathLibrary::Cusolver => "libcusolver.so",
            MathLibrary::Cufft => "libcufft.so",
        }
    }
}

/// What is simulated. Everything but the number of devices can be changed later.
#[derive(Clone, Debug)]
pub struct Config {
    /// Devices, 0 to 64.
    pub devices: usize,
    /// Memory of each device.
    pub memory_bytes: usize,
    /// Whether work runs only when something waits for it.
    pub lazy: bool,
    /// CPU threads that run blocks; 0 for what `CUDASIM_THREADS` says, else one per core.
    pub threads: usize,
    /// How long a kernel may run.
    pub timeout: Duration,
    /// Where compiled kernels are kept; what `CUDASIM_CACHE` says, else beside the library, if absent.
    pub cache: Option<PathBuf>,
    /// The C++ compiler; `CUDASIM_CXX`, else `g++`, if absent.
    pub compiler: Option<PathBuf>,
}

impl Default for Config {
    /// One device with 1 GiB, eager, a thread per core, and a minute for every kernel.
    fn default() -> Config {
        Config {
            devices: 1,
            memory_bytes: 1 << 30,
            lazy: false,
            threads: 0,
            timeout: Duration::from_secs(60),
            cache: None,
            compiler: None,
        }
    }
}

impl Config {
    /// The environment variables that give another process this configuration. It still has to be
    /// pointed at the libraries: see [`library_paths`].
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            (settings::DEVICES, self.devices.to_string()),
            (settings::MEMORY_BYTES, self.memory_bytes.to_string()),
            (settings::LAZY, (self.lazy as u8).to_string()),
            (settings::THREADS, self.threads.to_string()),
            (settings::TIMEOUT_MS, self.timeout.as_millis().to_string()),
        ];
        let paths = [(settings::CACHE, &self.cache), (settings::CXX, &self.compiler)];
        variables.extend(
            paths.into_iter().filter_map(|(name, path)| Some((name, path.as_ref()?.display().to_string()))),
        );
        variables
    }
}

/// Why the simulator cannot be loaded.
#[derive(Clone, Debug)]
pub struct LoadError(String);

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LoadError {}

/// The simulator in this process.
#[derive(Clone, Copy, Debug)]
pub struct Simulator {
    controls: &'static Controls,
}

/// Loads the simulator into this process, so that a later `dlopen("libcuda.so")` or
/// `dlopen("libnvrtc.so")`, cudarc's included, finds it. The first call decides the configuration;
/// later ones answer the same simulator.
///
/// # Panics
/// With a message that says what is missing; see [`try_load`].
pub fn load(config: Config) -> Simulator {
    try_load(config).unwrap_or_else(|error| panic!("cudasim: {error}"))
}

/// As [`load`].
///
/// # Errors
/// If the shared library is not beside the running program, cannot be copied or loaded, or another
/// driver was loaded before.
pub fn try_load(config: Config) -> Result<Simulator, LoadError> {
    static LOADED: OnceLock<Result<Controls, LoadError>> = OnceLock::new();
    match LOADED.get_or_init(|| load_once(&config)) {
        Ok(controls) => Ok(Simulator { controls }),
        Err(error) => Err(error.clone()),
    }
}

/// The simulated driver and NVRTC as files, for another process to open by absolute path.
///
/// # Panics
/// With a message, if the shared library cannot be found or copied.
pub fn library_paths() -> (PathBuf, PathBuf) {
    let folder = named_copies().unwrap_or_else(|error| panic!("cudasim: {error}"));
    (folder.join(DRIVER_SONAME), folder.join(NVRTC_SONAME))
}

/// A simulated library of mathematics as a file, as [`library_paths`].
///
/// # Panics
/// With a message, if the shared library cannot be found or copied.
pub fn math_library_path(library: MathLibrary) -> PathBuf {
    named_copies().unwrap_or_else(|error| panic!("cudasim: {error}")).join(library.soname())
}

fn load_once(config: &Config) -> Result<Controls, LoadError> {
    let folder = named_copies()?;
    for soname in sonames() {
        if is_loaded(soname) {
            return Err(LoadError(format!("{soname} was loaded into this process before the simulator")));
        }
    }
    let driver = open(&folder.join(DRIVER_SONAME))?;
    let nvrtc = open(&folder.join(NVRTC_SONAME))?;
    for library in MathLibrary::ALL {
        open(&folder.join(library.soname()))?;
    }
    let text = |path: &Option<PathBuf>| {
        path.as_ref().and_then(|path| CString::new(path.as_os_str().as_bytes()).ok())
    };
    let (cache, compiler) = (text(&config.cache), text(&config.compiler));
    let pointer = |text: &Option<CString>| text.as_ref().map_or(std::ptr::null(), |text| text.as_ptr());
    let raw = RawSettings {
        devices: config.devices,
        memory_bytes: config.memory_bytes,
        lazy: config.lazy as c_int,
        threads: config.threads,
        timeout_ms: config.timeout.as_millis() as u64,
        cache: pointer(&cache),
        compiler: pointer(&compiler),
    };
    for library in [driver, nvrtc] {
        // SAFETY: the function has this type in the library that was built with this code.
        unsafe {
            let configure: unsafe extern "C" fn(*const RawSettings) =
                std::mem::transmute(symbol(library, c"cudasim_configure")?);
            configure(&raw);
        }
    }
    Controls::of(driver)
}

/// The names that programs look for.
fn sonames() -> impl Iterator<Item = &'static str> {
    [DRIVER_SONAME, NVRTC_SONAME].into_iter().chain(MathLibrary::ALL.map(MathLibrary::soname))
}

/// Puts the built library under all names, and answers the folder.
fn named_copies() -> Result<PathBuf, LoadError> {
    // Tests of one process must not see each other's half-written files.
    static WRITING: Mutex<()> = Mutex::new(());
    let _guard = WRITING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let built = find_built()?;
    let library =
        std::fs::read(&built).map_err(|error| LoadError(format!("{}: {error}", built.display())))?;
    let copies = format!("{COPIES}-{ABI_VERSION}");
    let beside = built.parent().unwrap_or(Path::new("/")).join(&copies);
    // SAFETY: asks for a number.
    let user = unsafe { libc::getuid() };
    let elsewhere = std::env::temp_dir().join(format!("{copies}-{user}"));
    let copy_all = |folder: PathBuf| -> Result<PathBuf, LoadError> {
        sonames().try_for_each(|soname| named_copy(&library, &folder, soname))?;
        Ok(folder)
    };
    copy_all(beside).or_else(|_| copy_all(elsewhere))
}

fn find_built() -> Result<PathBuf, LoadError> {
    if let Some(path) = std::env::var_os(LIBRARY_VARIABLE) {
        return Ok(PathBuf::from(path));
    }
    let program =
        std::env::current_exe().map_err(|error| LoadError(format!("where is this program? {error}")))?;
    let folders: Vec<&Path> = program.ancestors().skip(1).take(3).collect();
    // The one among the dependencies is always as new as the program; the one above may not be.
    let candidates =
        folders.iter().flat_map(|folder| [folder.join("deps").join(BUILT_NAME), folder.join(BUILT_NAME)]);
    let mut tried = Vec::new();
    for candidate in candidates {
        if candidate.is_file() {
            return Ok(candidate);
        }
        tried.push(candidate.display().to_string());
    }
    Err(LoadError(format!(
        "{BUILT_NAME} is not beside this program. Cargo builds it where the crate is a dependency; otherwise name \
         it in {LIBRARY_VARIABLE}. Looked for: {}",
        tried.join(", ")
    )))
}

/// Writes a copy with another SONAME, unless it is there already. The file appears whole.
fn named_copy(library: &[u8], folder: &Path, soname: &str) -> Result<(), LoadError> {
    let mut copy = library.to_vec();
    elf::rename(&mut copy, soname).map_err(LoadError)?;
    let path = folder.join(soname);
    if std::fs::read(&path).is_ok_and(|present| present == copy) {
        return Ok(());
    }
    let partial = folder.join(format!("{soname}.{}", std::process::id()));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&partial, &copy))
        .and_then(|()| std::fs::rename(&partial, &path))
        .map_err(|error| LoadError(format!("{}: {error}", path.display())))
}

fn is_loaded(soname: &str) -> bool {
    let Ok(name) = CString::new(soname) else { return false };
    // SAFETY: only asks whether the name is known.
    unsafe { !libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_NOLOAD).is_null() }
}

/// Loads a library for the rest of the process.
fn open(path: &Path) -> Result<*mut c_void, LoadError> {
    let name = CString::new(path.as_os_str().as_bytes()).map_err(|error| LoadError(error.to_string()))?;
    // SAFETY: the library's initialisation does nothing. The message is valid until the next call.
    unsafe {
        let handle = libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL);
        if handle.is_null() {
            return Err(LoadError(CStr::from_ptr(libc::dlerror()).to_string_lossy().into_owned()));
        }
        Ok(handle)
    }
}

/// The address of a function of ours.
fn symbol(library: *mut c_void, name: &CStr) -> Result<*mut c_void, LoadError> {
    // SAFETY: the library stays loaded.
    let address = unsafe { libc::dlsym(library, name.as_ptr()) };
    if address.is_null() {
        return Err(LoadError(format!(
            "the library has no function {}: is it of another version?",
            name.to_string_lossy()
        )));
    }
    Ok(address)
}

/// Declares the control functions and how to find them.
macro_rules! controls {
    ($($field:ident = $symbol:literal: $type:ty,)*) => {
        #[derive(Debug)]
        struct Controls {
            $($field: $type,)*
        }

        impl Controls {
            fn of(library: *mut c_void) -> Result<Controls, LoadError> {
                Ok(Controls {
                    // SAFETY: the functions have these types in the library that was built with this
                    // code.
                    $($field: unsafe { std::mem::transmute::<*mut c_void, $type>(symbol(library, $symbol)?) },)*
                })
            }
        }
    };
}

controls! {
    devices = c"cudasim_devices": extern "C" fn() -> c_int,
    set_lazy = c"cudasim_set_lazy": extern "C" fn(c_int),
    set_timeout = c"cudasim_set_timeout": extern "C" fn(u64),
    set_memory_limit = c"cudasim_set_memory_limit": extern "C" fn(c_int, usize),
    fail_launch_in = c"cudasim_fail_launch_in": extern "C" fn(c_int, u64),
    fail_allocations_in = c"cudasim_fail_allocations_in": extern "C" fn(c_int, u64, u64),
    allocations = c"cudasim_allocations": extern "C" fn(c_int) -> u64,
    lose_device = c"cudasim_lose_device": extern "C" fn(c_int),
    last_fault = c"cudasim_last_fault": unsafe extern "C" fn(*mut c_char, usize) -> usize,
    live_allocations = c"cudasim_live_allocations": extern "C" fn(c_int) -> usize,
    memory_used = c"cudasim_memory_used": extern "C" fn(c_int) -> usize,
    memory_peak = c"cudasim_memory_peak": extern "C" fn(c_int) -> usize,
    launches = c"cudasim_launches": extern "C" fn(c_int) -> u64,
    reset = c"cudasim_reset": extern "C" fn(),
}

/// Devices are named by their ordinals; what concerns one that does not exist does nothing.
impl Simulator {
    /// The number of devices.
    pub fn devices(&self) -> usize {
        (self.controls.devices)() as usize
    }

    /// Sets whether work runs only when something waits for it: a stream, event or context that is
    /// synchronised, a blocking copy, or an allocation that finds no memory.
    pub fn set_lazy(&self, lazy: bool) {
        (self.controls.set_lazy)(lazy as c_int);
    }

    /// Sets how long a kernel may run before it is stopped with `CUDA_ERROR_LAUNCH_TIMEOUT`.
    pub fn set_timeout(&self, timeout: Duration) {
        (self.controls.set_timeout)(timeout.as_millis() as u64);
    }

    /// Sets a device's memory. What is allocated beyond a lower limit stays.
    pub fn set_memory_limit(&self, device: usize, bytes: usize) {
        (self.controls.set_memory_limit)(device as c_int, bytes);
    }

    /// Makes the `n`th kernel from now fault with `CUDA_ERROR_LAUNCH_FAILED`, which is sticky: 1 is
    /// the next. 0 takes it back.
    pub fn fail_launch_in(&self, device: usize, n: u64) {
        (self.controls.fail_launch_in)(device as c_int, n);
    }

    /// Makes the `n`th allocation from now fail with `CUDA_ERROR_OUT_OF_MEMORY`: 1 is the next. 0
    /// takes it back. Device memory, pinned memory and registrations of host memory count.
    pub fn fail_allocation_in(&self, device: usize, n: u64) {
        self.fail_allocations_in(device, n, 1);
    }

    /// As [`fail_allocation_in`](Simulator::fail_allocation_in), and those after it too, `count`
    /// altogether: so that trying again fails as well.
    pub fn fail_allocations_in(&self, device: usize, n: u64, count: u64) {
        (self.controls.fail_allocations_in)(device as c_int, n, count);
    }

    /// Allocations that were asked for so far, those that failed too.
    pub fn allocations(&self, device: usize) -> u64 {
        (self.controls.allocations)(device as c_int)
    }

    /// Makes every call that concerns the device answer `CUDA_ERROR_DEVICE_UNAVAILABLE` until its
    /// primary context is released or reset.
    pub fn lose_device(&self, device: usize) {
        (self.controls.lose_device)(device as c_int);
    }

    /// The last fault or misuse that was reported, in words.
    pub fn last_fault(&self) -> Option<String> {
        let mut message = vec![0u8; 4096];
        // SAFETY: the buffer has that many bytes.
        let length = unsafe { (self.controls.last_fault)(message.as_mut_ptr().cast(), message.len()) };
        message.truncate(length);
        (length > 0).then(|| String::from_utf8_lossy(&message).into_owned())
    }

    /// Allocations of device memory that have not been freed.
    pub fn live_allocations(&self, device: usize) -> usize {
        (self.controls.live_allocations)(device as c_int)
    }

    /// Bytes that live allocations count for, in multiples of 512 for each.
    pub fn memory_used(&self, device: usize) -> usize {
        (self.controls.memory_used)(device as c_int)
    }

    /// The most that `memory_used` has been since the beginning or the last reset.
    pub fn memory_peak(&self, device: usize) -> usize {
        (self.controls.memory_peak)(device as c_int)
    }

    /// Kernels that the device has run.
    pub fn launches(&self, device: usize) -> u64 {
        (self.controls.launches)(device as c_int)
    }

    /// Runs what is queued, then puts all controls, counters and faults back to how they began. What
    /// programs have allocated stays.
    pub fn reset(&self) {
        (self.controls.reset)();
    }
}

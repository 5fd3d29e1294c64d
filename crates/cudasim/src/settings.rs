//! What the simulated libraries are told by the process that loads them: by environment variables, or
//! by [`cudasim_configure`] before anything else is called.

use std::ffi::{CStr, OsString, c_char, c_int};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

pub const DEVICES: &str = "CUDASIM_DEVICES";
pub const MEMORY_BYTES: &str = "CUDASIM_MEMORY_BYTES";
pub const LAZY: &str = "CUDASIM_LAZY";
pub const THREADS: &str = "CUDASIM_THREADS";
pub const TIMEOUT_MS: &str = "CUDASIM_TIMEOUT_MS";
pub const CACHE: &str = "CUDASIM_CACHE";
pub const CXX: &str = "CUDASIM_CXX";
pub const FAIL_ALLOCATION: &str = "CUDASIM_FAIL_ALLOCATION";

/// The most devices that can be simulated.
pub const DEVICES_MAX: usize = 64;

#[derive(Clone, Debug)]
pub struct Settings {
    pub devices: usize,
    pub memory_bytes: usize,
    pub lazy: bool,
    /// CPU threads that run blocks; 0 means one per core.
    pub threads: usize,
    pub timeout: Duration,
    /// Where compiled kernels are kept; beside the library if not given.
    pub cache: Option<PathBuf>,
    pub compiler: OsString,
    /// The first allocation of each device that fails, from 1, and how many do from there; 0 is none.
    pub fail_allocations: (u64, u64),
}

impl Settings {
    fn from_environment() -> Settings {
        let number = |name: &str, default: usize| match std::env::var(name) {
            Err(_) => default,
            Ok(text) => parse_size(&text).unwrap_or_else(|| {
                eprintln!(
                    "cudasim: {name}={text} is not a number (K, M and G are understood): using {default}"
                );
                default
            }),
        };
        Settings {
            devices: number(DEVICES, 1).min(DEVICES_MAX),
            memory_bytes: number(MEMORY_BYTES, 1 << 30),
            lazy: number(LAZY, 0) != 0,
            threads: number(THREADS, 0),
            timeout: Duration::from_millis(number(TIMEOUT_MS, 60_000) as u64),
            cache: std::env::var_os(CACHE).map(PathBuf::from),
            compiler: std::env::var_os(CXX).unwrap_or_else(|| "g++".into()),
            fail_allocations: std::env::var(FAIL_ALLOCATION).map_or((0, 0), |text| {
                parse_failures(&text).unwrap_or_else(|| {
                    eprintln!(
                        "cudasim: {FAIL_ALLOCATION}={text} is not N or N:COUNT: no allocation is made to fail"
                    );
                    (0, 0)
                })
            }),
        }
    }
}

/// The first that fails, and after a colon how many, 1 by default.
fn parse_failures(text: &str) -> Option<(u64, u64)> {
    let (first, count) = text.split_once(':').unwrap_or((text, "1"));
    Some((first.trim().parse().ok()?, count.trim().parse().ok()?))
}

/// A number of bytes with an optional binary suffix.
fn parse_size(text: &str) -> Option<usize> {
    let text = text.trim();
    let (digits, unit) = match text.as_bytes().last()? {
        b'K' => (&text[..text.len() - 1], 1 << 10),
        b'M' => (&text[..text.len() - 1], 1 << 20),
        b'G' => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    digits.parse::<usize>().ok()?.checked_mul(unit)
}

static SETTINGS: Mutex<Option<Settings>> = Mutex::new(None);

fn lock() -> MutexGuard<'static, Option<Settings>> {
    SETTINGS.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The settings in force; read from the environment at first use.
pub fn settings() -> Settings {
    lock().get_or_insert_with(Settings::from_environment).clone()
}

/// The C form of `Config`, shared by the loader and the libraries.
#[repr(C)]
pub struct RawSettings {
    pub devices: usize,
    pub memory_bytes: usize,
    pub lazy: c_int,
    /// 0 for the default.
    pub threads: usize,
    pub timeout_ms: u64,
    /// Null for the default.
    pub cache: *const c_char,
    /// Null for the default.
    pub compiler: *const c_char,
}

/// Sets what environment variables would otherwise say; to be called before any other function.
///
/// # Safety
/// `raw` and the strings in it must be valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cudasim_configure(raw: *const RawSettings) {
    let mut settings = Settings::from_environment();
    // SAFETY: as promised by the caller.
    let (raw, text) = unsafe {
        let text = |pointer: *const c_char| {
            (!pointer.is_null()).then(|| OsString::from_vec(CStr::from_ptr(pointer).to_bytes().to_vec()))
        };
        (&*raw, text)
    };
    settings.devices = raw.devices.min(DEVICES_MAX);
    settings.memory_bytes = raw.memory_bytes;
    settings.lazy = raw.lazy != 0;
    if raw.threads != 0 {
        settings.threads = raw.threads;
    }
    settings.timeout = Duration::from_millis(raw.timeout_ms);
    if let Some(cache) = text(raw.cache) {
        settings.cache = Some(PathBuf::from(cache));
    }
    if let Some(compiler) = text(raw.compiler) {
        settings.compiler = compiler;
    }
    *lock() = Some(settings);
}

/// The folder that the running library was loaded from.
pub fn library_folder() -> Option<PathBuf> {
    // SAFETY: `dladdr` fills in the structure, whose file name lives as long as the library.
    let path = unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        if libc::dladdr(cudasim_configure as *const libc::c_void, &mut info) == 0 || info.dli_fname.is_null()
        {
            return None;
        }
        PathBuf::from(std::ffi::OsStr::from_bytes(CStr::from_ptr(info.dli_fname).to_bytes()))
    };
    path.parent().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    #[test]
    fn failures_have_a_place_and_a_count() {
        assert_eq!(super::parse_failures("3"), Some((3, 1)));
        assert_eq!(super::parse_failures("3:2"), Some((3, 2)));
        assert_eq!(super::parse_failures("all"), None);
    }

    #[test]
    fn sizes_take_binary_suffixes() {
        assert_eq!(super::parse_size(" 512M "), Some(512 << 20));
        assert_eq!(super::parse_size("7"), Some(7));
        assert_eq!(super::parse_size("many"), None);
        assert_eq!(super::parse_size(""), None);
    }
}

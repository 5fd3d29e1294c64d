//! The loader: names, files, and another process.

use crate::harness::harness;
use cudasim::MathLibrary;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::process::Command;
use std::time::Duration;

unsafe extern "C" {
    fn dlopen(name: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}
const RTLD_NOW: c_int = 2;

#[test]
fn the_library_paths_have_the_names_that_programs_look_for() {
    let _harness = harness();
    let (driver, nvrtc) = cudasim::library_paths();
    assert!(driver.is_absolute() && driver.ends_with("libcuda.so"));
    assert!(nvrtc.is_absolute() && nvrtc.ends_with("libnvrtc.so"));
    for (library, name) in [
        (MathLibrary::Cublas, "libcublas.so"),
        (MathLibrary::Cusolver, "libcusolver.so"),
        (MathLibrary::Cufft, "libcufft.so"),
    ] {
        assert_eq!(cudasim::math_library_path(library), driver.with_file_name(name));
    }
    // None lies in a folder that cargo puts on the search path of libraries.
    let program = std::env::current_exe().unwrap();
    let on_search_path: Vec<_> = program.ancestors().skip(1).take(2).collect();
    assert!(!on_search_path.contains(&driver.parent().unwrap()));
}

#[test]
fn loading_again_answers_the_same_simulator() {
    let harness = harness();
    let again = cudasim::load(cudasim::Config { devices: 5, ..cudasim::Config::default() });
    assert_eq!(again.devices(), harness.simulator.devices());
}

#[test]
fn functions_are_found_by_address() {
    let _harness = harness();
    let (driver, _) = cudasim::library_paths();
    let path = CString::new(driver.to_str().unwrap()).unwrap();
    // SAFETY: the library is loaded, and the functions have these types.
    unsafe {
        let library = dlopen(path.as_ptr(), RTLD_NOW);
        let by_name: &CStr = c"cuGetProcAddress_v2";
        type GetProcAddress =
            unsafe extern "C" fn(*const c_char, *mut *mut c_void, c_int, u64, *mut c_int) -> c_int;
        let find: GetProcAddress = std::mem::transmute(dlsym(library, by_name.as_ptr()));
        let (mut found, mut status) = (std::ptr::null_mut(), -1);
        assert_eq!(find(c"cuMemAlloc".as_ptr(), &mut found, 13000, 0, &mut status), 0);
        assert_eq!(found, dlsym(library, c"cuMemAlloc_v2".as_ptr()));
        assert_ne!(find(c"cuNotAFunction".as_ptr(), &mut found, 13000, 0, &mut status), 0);
    }
}

#[test]
fn a_configuration_becomes_environment_variables() {
    let config = cudasim::Config {
        devices: 3,
        lazy: true,
        timeout: Duration::from_secs(2),
        cache: Some("/somewhere".into()),
        ..cudasim::Config::default()
    };
    let variables = config.environment();
    for (name, value) in [
        ("CUDASIM_DEVICES", "3"),
        ("CUDASIM_LAZY", "1"),
        ("CUDASIM_TIMEOUT_MS", "2000"),
        ("CUDASIM_CACHE", "/somewhere"),
    ] {
        assert!(variables.contains(&(name, value.to_string())), "{name}");
    }
    assert!(!variables.iter().any(|(name, _)| *name == "CUDASIM_CXX"));
}

/// What the test below runs in another process: opens the driver by its path, as a program would that
/// is told so, and looks at what the environment configured.
#[test]
fn child_process() {
    let Ok(path) = std::env::var("CUDASIM_TEST_DRIVER") else { return };
    let path = CString::new(path).unwrap();
    // SAFETY: the functions have these types.
    unsafe {
        let library = dlopen(path.as_ptr(), RTLD_NOW);
        assert!(!library.is_null());
        let function = |name: &CStr| dlsym(library, name.as_ptr());
        let init: unsafe extern "C" fn(u32) -> c_int = std::mem::transmute(function(c"cuInit"));
        let count: unsafe extern "C" fn(*mut c_int) -> c_int =
            std::mem::transmute(function(c"cuDeviceGetCount"));
        let memory: unsafe extern "C" fn(*mut usize, c_int) -> c_int =
            std::mem::transmute(function(c"cuDeviceTotalMem_v2"));
        let (mut devices, mut bytes) = (0, 0);
        assert_eq!((init(0), count(&mut devices), memory(&mut bytes, 2)), (0, 0, 0));
        assert_eq!((devices, bytes), (3, 5 << 20));
        // cudarc asks for the library by name, and gets the one that is loaded.
        assert_eq!(cudarc::driver::CudaContext::device_count().unwrap(), 3);
    }
}

#[test]
fn another_process_is_configured_by_its_environment() {
    let _harness = harness();
    let config = cudasim::Config { devices: 3, memory_bytes: 5 << 20, ..cudasim::Config::default() };
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "loading::child_process"])
        .env("CUDASIM_TEST_DRIVER", cudasim::library_paths().0)
        .envs(config.environment())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn processes_share_the_cache_of_compiled_kernels() {
    let _harness = harness();
    let cache = std::env::temp_dir().join(format!("cudasim-cache-test-{}", std::process::id()));
    let mut children: Vec<_> = (0..3)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "basics::multiplies_in_128_bits"])
                .env("CUDASIM_CACHE", &cache)
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    let entries: Vec<_> = std::fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(entries.len(), 1, "one module and nothing half-made: {entries:?}");
    assert!(entries[0].extension().is_some_and(|extension| extension == "so"));

    // An entry that was cut short is made again.
    let whole = std::fs::read(&entries[0]).unwrap();
    std::fs::write(&entries[0], &whole[..whole.len() / 2]).unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "basics::multiplies_in_128_bits"])
        .env("CUDASIM_CACHE", &cache)
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    assert_eq!(std::fs::read(&entries[0]).unwrap(), whole);
    std::fs::remove_dir_all(&cache).unwrap();
}

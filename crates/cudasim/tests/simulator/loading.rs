//! The loader: names, files, and another process.

use crate::harness::harness;
use std::ffi::{CStr, CString, c_char, c_int};
use std::time::Duration;

#[test]
fn the_library_paths_have_the_names_that_programs_look_for() {
    let _harness = harness();
    let (driver, nvrtc) = cudasim::library_paths();
    assert!(driver.is_absolute() && driver.ends_with("libcuda.so"));
    assert!(nvrtc.is_absolute() && nvrtc.ends_with("libnvrtc.so"));
    // Neither lies in a folder that cargo puts on the search path of libraries.
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
        unsafe extern "C" {
            fn dlopen(name: *const c_char, flags: c_int) -> *mut std::ffi::c_void;
            fn dlsym(library: *mut std::ffi::c_void, name: *const c_char) -> *mut std::ffi::c_void;
        }
        const RTLD_NOW: c_int = 2;
        let library = dlopen(path.as_ptr(), RTLD_NOW);
        let by_name: &CStr = c"cuGetProcAddress_v2";
        type GetProcAddress =
            unsafe extern "C" fn(*const c_char, *mut *mut std::ffi::c_void, c_int, u64, *mut c_int) -> c_int;
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

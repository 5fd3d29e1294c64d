//! A simulated CUDA driver and NVRTC, for tests on machines without a GPU. `README.md` tells how it
//! works, what it checks and what it cannot.
//!
//! The crate is two things at once. As a shared library it exports the functions of `libcuda` and
//! `libnvrtc`, and of `libcublas`, `libcusolver` and `libcufft` those that `README.md` lists. As a Rust library it finds
//! that shared library, puts it under the names that programs look for, and loads it into the calling process:
//!
//! ```no_run
//! let simulator = cudasim::load(cudasim::Config { devices: 2, ..cudasim::Config::default() });
//! simulator.set_memory_limit(0, 64 << 20);
//! // From here on, whoever opens libcuda.so in this process gets the simulator.
//! ```

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
compile_error!(
    "cudasim runs on x86-64 Linux only: its fibers, signal handlers and loader are written for it. On other \
     hosts, leave out the tests that need a device."
);

mod compiler;
mod driver;
mod elf;
mod exec;
mod load;
mod math;
mod settings;

pub use load::{Config, LoadError, MathLibrary, Simulator, library_paths, load, math_library_path, try_load};

/// Compiles the examples of the manual.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Manual;

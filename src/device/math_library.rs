//! NVIDIA's mathematical libraries, each of which is used where it is installed.
//!
//! They are loaded when they are first needed. Where one is missing, too old or switched off, that is an error that says so,
//! and whoever asked has another way.

use std::env;
use std::fmt;
use std::sync::OnceLock;

use cudarc::{cublas, cufft, cusolver};
use libloading::Library;

use super::library::{
    address, check_chosen, check_symbols, guarded, not_of_the_kind, open, open_named, wheel_candidates,
};
use crate::{Error, Result};

/// A library that may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MathLibrary {
    /// Products of matrices.
    Cublas,
    /// Factorizations of matrices.
    Cusolver,
    /// Fourier transforms.
    Cufft,
}

/// How a library is found.
struct Search {
    /// Environment variable with its absolute path, or `off` to do without.
    variable: &'static str,
    /// Its file, for messages.
    file: &'static str,
    /// Where wheels put it, of each version of CUDA.
    wheels: [&'static str; 2],
    /// Every function of it that this crate cannot do without.
    symbols: &'static [&'static str],
    /// Whether the loader finds it by its names, and what it finds. As cudarc does.
    is_present: unsafe fn() -> bool,
    library: unsafe fn() -> &'static Library,
    found: OnceLock<Result<()>>,
}

static CUBLAS: Search = Search {
    variable: "SWATH_CUBLAS",
    file: "libcublas.so.13 or .12",
    wheels: ["nvidia/cu13/lib/libcublas.so.13", "nvidia/cublas/lib/libcublas.so.12"],
    symbols: &[
        "cublasCgetrfBatched",
        "cublasCgetrsBatched",
        "cublasCreate_v2",
        "cublasDestroy_v2",
        "cublasDgetrfBatched",
        "cublasDgetrsBatched",
        "cublasGemmStridedBatchedEx_64",
        "cublasGetVersion_v2",
        "cublasSetMathMode",
        "cublasSetStream_v2",
        "cublasSetWorkspace_v2",
        "cublasSgetrfBatched",
        "cublasSgetrsBatched",
        "cublasZgetrfBatched",
        "cublasZgetrsBatched",
    ],
    is_present: cublas::sys::is_culib_present,
    library: cublas::sys::culib,
    found: OnceLock::new(),
};

static CUSOLVER: Search = Search {
    variable: "SWATH_CUSOLVER",
    file: "libcusolver.so.12 or .11",
    wheels: ["nvidia/cu13/lib/libcusolver.so.12", "nvidia/cusolver/lib/libcusolver.so.11"],
    symbols: &[
        "cusolverDnCpotrfBatched",
        "cusolverDnCreate",
        "cusolverDnCreateParams",
        "cusolverDnCungqr",
        "cusolverDnCungqr_bufferSize",
        "cusolverDnDestroy",
        "cusolverDnDestroyParams",
        "cusolverDnDorgqr",
        "cusolverDnDorgqr_bufferSize",
        "cusolverDnDpotrfBatched",
        "cusolverDnSetStream",
        "cusolverDnSorgqr",
        "cusolverDnSorgqr_bufferSize",
        "cusolverDnSpotrfBatched",
        "cusolverDnXgeqrf",
        "cusolverDnXgeqrf_bufferSize",
        "cusolverDnXgesvd",
        "cusolverDnXgesvd_bufferSize",
        "cusolverDnXgetrf",
        "cusolverDnXgetrf_bufferSize",
        "cusolverDnXgetrs",
        "cusolverDnXpotrf",
        "cusolverDnXpotrf_bufferSize",
        "cusolverDnXsyevd",
        "cusolverDnXsyevd_bufferSize",
        "cusolverDnZpotrfBatched",
        "cusolverDnZungqr",
        "cusolverDnZungqr_bufferSize",
        "cusolverGetVersion",
    ],
    is_present: cusolver::sys::is_culib_present,
    library: cusolver::sys::culib,
    found: OnceLock::new(),
};

static CUFFT: Search = Search {
    variable: "SWATH_CUFFT",
    file: "libcufft.so.12 or .11",
    wheels: ["nvidia/cu13/lib/libcufft.so.12", "nvidia/cufft/lib/libcufft.so.11"],
    symbols: &[
        "cufftCreate",
        "cufftDestroy",
        "cufftExecC2C",
        "cufftExecC2R",
        "cufftExecD2Z",
        "cufftExecR2C",
        "cufftExecZ2D",
        "cufftExecZ2Z",
        "cufftGetVersion",
        "cufftMakePlanMany64",
        "cufftSetAutoAllocation",
        "cufftSetStream",
        "cufftSetWorkArea",
    ],
    is_present: cufft::sys::is_culib_present,
    library: cufft::sys::culib,
    found: OnceLock::new(),
};

impl MathLibrary {
    fn search(self) -> &'static Search {
        match self {
            MathLibrary::Cublas => &CUBLAS,
            MathLibrary::Cusolver => &CUSOLVER,
            MathLibrary::Cufft => &CUFFT,
        }
    }

    /// Loads the library and checks that it has every function we call.
    ///
    /// # Errors
    /// `unsupported` where it is absent, too old or switched off, and where it is a real one for a simulated device.
    pub fn load(self, is_simulated: bool) -> Result<()> {
        let search = self.search();
        search.found.get_or_init(|| guarded(&self.to_string(), || self.find())).clone()?;
        // SAFETY: it was just found.
        let library = unsafe { (search.library)() };
        // The simulator's libraries are one, which has the driver's functions too.
        match is_simulated && address(library, "cuInit").is_none() {
            true => Err(Error::unsupported(format!("the device is simulated, and {self} is not"))),
            false => Ok(()),
        }
    }

    /// Whether the library, which was loaded, has a function that others of its kind lack.
    pub(super) fn has(self, symbol: &str) -> bool {
        // SAFETY: it was found.
        address(unsafe { (self.search().library)() }, symbol).is_some()
    }

    fn find(self) -> Result<()> {
        let Search { variable, file, wheels, symbols, is_present, library, .. } = self.search();
        if env::var_os(variable).is_some_and(|value| value == "off") {
            return Err(Error::unsupported(format!("{variable} is off")));
        }
        let mut named = open_named(variable)?;
        // SAFETY: only opens shared libraries by their well-known names.
        let mut present = unsafe { is_present() };
        if !present && named.is_none() {
            named = wheel_candidates(wheels).into_iter().find_map(|path| open(&path).ok());
            // SAFETY: as above.
            present = unsafe { is_present() };
        }
        if !present {
            not_of_the_kind(named, variable, &format!("{self} ({file})"))?;
            return Err(Error::unsupported(format!("no {self} found ({file})")));
        }
        // SAFETY: presence was just checked.
        let library = unsafe { library() };
        check_chosen(named, library, symbols[0], variable)?;
        check_symbols(library, symbols, &self.to_string(), "that of CUDA 12.0 or newer is needed")
    }
}

/// As NVIDIA writes it.
impl fmt::Display for MathLibrary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MathLibrary::Cublas => "cuBLAS",
            MathLibrary::Cusolver => "cuSOLVER",
            MathLibrary::Cufft => "cuFFT",
        })
    }
}

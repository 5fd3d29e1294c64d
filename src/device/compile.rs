//! Run-time compilation by NVRTC.

use std::ffi::{CStr, CString};
use std::fmt;
use std::sync::Arc;

use cudarc::nvrtc::sys::{self, nvrtcResult};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::library::load_nvrtc;
use crate::{Error, Result};

/// A device's compute capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Architecture {
    pub major: u32,
    pub minor: u32,
}

impl Architecture {
    /// The number that compilers know it by: 90 for 9.0.
    pub(super) fn number(self) -> u32 {
        self.major * 10 + self.minor
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// CUDA C++ source with the kernels that are called from the host. Cheap to clone.
///
/// Complete in itself: it includes nothing. Sizes and literals are not in it but in the kernels' parameters, so that
/// one source serves many queries.
#[derive(Clone, Debug)]
pub struct KernelSource(Arc<SourceText>);

#[derive(Debug)]
struct SourceText {
    name: String,
    text: String,
    entry_points: Vec<String>,
    digest: [u8; 32],
}

impl KernelSource {
    /// Takes the source `text`; `name` is the operator's stem, for messages and traces; `entry_points` are the
    /// `extern "C" __global__` functions in it.
    pub fn new(name: impl Into<String>, text: impl Into<String>, entry_points: Vec<String>) -> KernelSource {
        let text = text.into();
        let digest = Sha256::digest(text.as_bytes()).into();
        KernelSource(Arc::new(SourceText { name: name.into(), text, entry_points, digest }))
    }

    /// The operator's stem.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The CUDA C++.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The kernels that the host calls.
    pub fn entry_points(&self) -> &[String] {
        &self.0.entry_points
    }

    /// SHA-256 of the text.
    pub fn digest(&self) -> &[u8; 32] {
        &self.0.digest
    }
}

/// Code that a driver can load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Image {
    /// Machine code for exactly one architecture.
    Cubin(Vec<u8>),
    /// Assembly that the driver compiles on: for devices newer than the NVRTC in use.
    Ptx(Vec<u8>),
}

impl Image {
    /// The bytes, without the NUL that PTX ends with.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Image::Cubin(bytes) | Image::Ptx(bytes) => bytes,
        }
    }
}

/// Options for every compilation, one a line. There is no fused multiply-add, so that floating-point results equal the
/// CPU's.
pub(super) const OPTIONS: &str = include_str!("../../kernels/nvrtc_options.txt");

/// Compiles `source` for `architecture`: to machine code where NVRTC knows it, else to the newest assembly that the
/// device runs.
///
/// # Errors
/// `unsupported` where NVRTC is absent, too old, or knows no architecture that the device runs; `bug` with the
/// compiler's log where it refuses the source.
pub fn compile(source: &KernelSource, architecture: Architecture) -> Result<Image> {
    let target = Target::choose(architecture, &supported_architectures()?)?;
    let program = Program::new(source)?;
    program.compile(&target)?;
    match target {
        Target::Cubin(_) => {
            program.output("nvrtcGetCUBIN", sys::nvrtcGetCUBINSize, sys::nvrtcGetCUBIN).map(Image::Cubin)
        }
        Target::Ptx(_) => {
            program.output("nvrtcGetPTX", sys::nvrtcGetPTXSize, sys::nvrtcGetPTX).map(|mut ptx| {
                ptx.truncate(ptx.iter().position(|byte| *byte == 0).unwrap_or(ptx.len()));
                Image::Ptx(ptx)
            })
        }
    }
}

/// Returns NVRTC's version, major and minor.
///
/// # Errors
/// `unsupported` where NVRTC is absent or too old.
pub(super) fn nvrtc_version() -> Result<(i32, i32)> {
    load_nvrtc()?;
    let (mut major, mut minor) = (0, 0);
    // SAFETY: loaded; writes two integers.
    check("nvrtcVersion", unsafe { sys::nvrtcVersion(&mut major, &mut minor) })?;
    Ok((major, minor))
}

/// Lists the architectures that NVRTC generates machine code for, as it numbers them.
pub(super) fn supported_architectures() -> Result<Vec<u32>> {
    load_nvrtc()?;
    let mut count = 0;
    // SAFETY: loaded; writes one integer.
    check("nvrtcGetNumSupportedArchs", unsafe { sys::nvrtcGetNumSupportedArchs(&mut count) })?;
    let mut numbers = vec![0i32; usize::try_from(count).unwrap_or(0)];
    // SAFETY: writes as many integers as it just said.
    check("nvrtcGetSupportedArchs", unsafe { sys::nvrtcGetSupportedArchs(numbers.as_mut_ptr()) })?;
    Ok(numbers.into_iter().filter_map(|number| u32::try_from(number).ok()).collect())
}

/// What to compile to.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    Cubin(u32),
    Ptx(u32),
}

impl Target {
    fn choose(architecture: Architecture, supported: &[u32]) -> Result<Target> {
        let wanted = architecture.number();
        if supported.contains(&wanted) {
            return Ok(Target::Cubin(wanted));
        }
        match supported.iter().filter(|number| **number < wanted).max() {
            Some(newest) => Ok(Target::Ptx(*newest)),
            None => Err(Error::unsupported(format!(
                "this NVRTC compiles for compute capability {} and newer; the device has {architecture}",
                supported.iter().min().map_or("none".to_string(), |n| format!("{}.{}", n / 10, n % 10)),
            ))),
        }
    }

    fn option(&self) -> String {
        match self {
            Target::Cubin(number) => format!("--gpu-architecture=sm_{number}"),
            Target::Ptx(number) => format!("--gpu-architecture=compute_{number}"),
        }
    }
}

/// A program of NVRTC's, destroyed with the value.
struct Program {
    raw: sys::nvrtcProgram,
    name: String,
}

impl Program {
    fn new(source: &KernelSource) -> Result<Program> {
        let text = CString::new(source.text())
            .map_err(|_| Error::bug(format!("the source of kernel '{}' holds a NUL", source.name())))?;
        let name = CString::new(format!("{}.cu", source.name()))
            .map_err(|_| Error::bug(format!("kernel name '{}' holds a NUL", source.name())))?;
        let mut raw = std::ptr::null_mut();
        // SAFETY: both strings live over the call, and NVRTC copies them; no headers.
        check("nvrtcCreateProgram", unsafe {
            sys::nvrtcCreateProgram(
                &mut raw,
                text.as_ptr(),
                name.as_ptr(),
                0,
                std::ptr::null(),
                std::ptr::null(),
            )
        })?;
        Ok(Program { raw, name: source.name().to_string() })
    }

    fn compile(&self, target: &Target) -> Result<()> {
        let lines = OPTIONS.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_string);
        let options: Vec<CString> = lines
            .chain([target.option()])
            .map(|option| CString::new(option).expect("the options are text without NUL"))
            .collect();
        let pointers: Vec<_> = options.iter().map(|option| option.as_ptr()).collect();
        // SAFETY: the program lives; the options live over the call.
        let result = unsafe { sys::nvrtcCompileProgram(self.raw, pointers.len() as i32, pointers.as_ptr()) };
        if result == nvrtcResult::NVRTC_ERROR_COMPILATION {
            let log =
                self.output("nvrtcGetProgramLog", sys::nvrtcGetProgramLogSize, sys::nvrtcGetProgramLog)?;
            let log = String::from_utf8_lossy(&log);
            let log = log.trim_end_matches('\0').trim();
            return Err(Error::bug(format!(
                "kernel '{}' does not compile ({}):\n{log}",
                self.name,
                target.option()
            )));
        }
        check("nvrtcCompileProgram", result).map_err(|error| error.context(format!("kernel '{}'", self.name)))
    }

    /// Reads one of the program's outputs, which NVRTC hands out by size and copy.
    fn output(
        &self,
        call: &str,
        size: unsafe fn(sys::nvrtcProgram, *mut usize) -> nvrtcResult,
        copy: unsafe fn(sys::nvrtcProgram, *mut std::ffi::c_char) -> nvrtcResult,
    ) -> Result<Vec<u8>> {
        let mut len = 0;
        // SAFETY: the program lives; writes one size.
        check(call, unsafe { size(self.raw, &mut len) })?;
        let mut bytes = vec![0u8; len];
        // SAFETY: writes as many bytes as it just said.
        check(call, unsafe { copy(self.raw, bytes.as_mut_ptr().cast()) })?;
        Ok(bytes)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: created in `new`, destroyed once.
        unsafe { sys::nvrtcDestroyProgram(&mut self.raw) };
    }
}

fn check(call: &str, result: nvrtcResult) -> Result<()> {
    if result == nvrtcResult::NVRTC_SUCCESS {
        return Ok(());
    }
    // SAFETY: loaded, or there would be no result; answers a static string for any code.
    let text = unsafe { sys::nvrtcGetErrorString(result) };
    let text = match text.is_null() {
        true => "unknown".into(),
        // SAFETY: not null, static, NUL-terminated.
        false => unsafe { CStr::from_ptr(text) }.to_string_lossy(),
    };
    let message = format!("{call}: {text}");
    Err(match result {
        nvrtcResult::NVRTC_ERROR_OUT_OF_MEMORY => Error::out_of_memory(format!("host memory: {message}")),
        _ => Error::bug(message),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const H200: Architecture = Architecture { major: 9, minor: 0 };

    #[test]
    fn a_known_architecture_gets_machine_code() {
        assert_eq!(Target::choose(H200, &[75, 80, 90, 100]).unwrap(), Target::Cubin(90));
        assert_eq!(Target::Cubin(90).option(), "--gpu-architecture=sm_90");
    }

    #[test]
    fn a_newer_device_gets_the_newest_assembly() {
        assert_eq!(Target::choose(H200, &[80, 89, 75]).unwrap(), Target::Ptx(89));
    }

    #[test]
    fn a_device_older_than_the_compiler_knows_is_unsupported() {
        let error = Target::choose(Architecture { major: 5, minor: 2 }, &[75, 80]).unwrap_err();
        assert!(error.is_unsupported());
        assert!(error.to_string().contains("7.5"), "{error}");
    }

    #[test]
    fn the_digest_is_of_the_text_alone() {
        let source = |name: &str, text: &str| KernelSource::new(name, text, vec![]);
        assert_eq!(source("a", "x").digest(), source("b", "x").digest());
        assert_ne!(source("a", "x").digest(), source("a", "y").digest());
    }
}

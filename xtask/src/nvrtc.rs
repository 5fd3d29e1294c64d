//! Compiles every kernel that the tests used with NVIDIA's own compiler, for the architectures that are supported.
//!
//! The simulator takes things that NVRTC refuses. NVRTC runs without a GPU, from its package on PyPI.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use libloading::{Library, Symbol};

use crate::{Outcome, kernel_dump, python, root, target};

/// The package, at the version that the results are known for.
const PACKAGE: &str = "nvidia-cuda-nvrtc==13.0.88";
const LIBRARY: &str = "nvidia/cu13/lib/libnvrtc.so.13";
const ARCHITECTURES: [&str; 3] = ["sm_80", "sm_90", "sm_100"];
/// The most refusals that are printed.
const SHOWN_MAX: usize = 5;

/// `cargo xtask nvrtc`.
pub fn run() -> Outcome {
    let library = install()?;
    compile_all(&library, &kernel_dump())
}

/// Installs NVRTC below the target folder; returns the path of the library.
pub fn install() -> Outcome<PathBuf> {
    let library = python::environment(&target().join("nvrtc-venv"), &[PACKAGE])?.join(LIBRARY);
    match library.exists() {
        true => Ok(library),
        false => Err(format!("{PACKAGE} has no {LIBRARY}")),
    }
}

/// Compiles every source in `dump`, and fails with the compiler's words if it refuses one.
pub fn compile_all(library: &Path, dump: &Path) -> Outcome {
    let sources = sources(dump)?;
    if sources.is_empty() {
        return Err(format!("no kernel was used: '{}' has none; run `cargo xtask test`", dump.display()));
    }
    let options_file = root().join("kernels/nvrtc_options.txt");
    let options: Vec<String> = std::fs::read_to_string(&options_file)
        .map_err(|error| format!("cannot read '{}': {error}", options_file.display()))?
        .split_whitespace()
        .map(String::from)
        .collect();
    let nvrtc = Nvrtc::load(library)?;
    let jobs: Vec<(&String, &String, &str)> = sources
        .iter()
        .flat_map(|(name, source)| ARCHITECTURES.map(|architecture| (name, source, architecture)))
        .collect();
    let next = AtomicUsize::new(0);
    let results = Mutex::new((Vec::new(), Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((name, source, architecture)) = jobs.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let compiled = nvrtc.compile(name, source, architecture, &options);
                    let mut results = results.lock().expect("no thread panics while it holds this lock");
                    match compiled {
                        Ok(elapsed) => results.0.push(elapsed),
                        Err(log) => results.1.push(format!("{name} for {architecture}:\n{log}")),
                    }
                }
            });
        }
    });
    let (mut times, refusals) = results.into_inner().expect("no thread panics while it holds this lock");
    if !refusals.is_empty() {
        let shown = refusals.iter().take(SHOWN_MAX).cloned().collect::<Vec<_>>().join("\n");
        return Err(format!("NVRTC refuses {} of {} compilations:\n{shown}", refusals.len(), jobs.len()));
    }
    times.sort();
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "    {} kernels for {}: median {:.0} ms, slowest {:.0} ms a compilation ({PACKAGE}, {threads} at a time)",
        sources.len(),
        ARCHITECTURES.join(", "),
        milliseconds(times[times.len() / 2]),
        milliseconds(times[times.len() - 1]),
    );
    Ok(())
}

/// The sources in a folder, by file name.
fn sources(dump: &Path) -> Outcome<BTreeMap<String, String>> {
    let Ok(entries) = std::fs::read_dir(dump) else { return Ok(BTreeMap::new()) };
    let mut sources = BTreeMap::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.extension().is_some_and(|extension| extension == "cu") {
            let source = std::fs::read_to_string(&path)
                .map_err(|error| format!("cannot read '{}': {error}", path.display()))?;
            sources.insert(path.file_name().unwrap_or_default().to_string_lossy().into_owned(), source);
        }
    }
    Ok(sources)
}

type Program = *mut c_void;
type Create = unsafe extern "C" fn(
    *mut Program,
    *const c_char,
    *const c_char,
    c_int,
    *const *const c_char,
    *const *const c_char,
) -> c_int;
type Compile = unsafe extern "C" fn(Program, c_int, *const *const c_char) -> c_int;
type LogSize = unsafe extern "C" fn(Program, *mut usize) -> c_int;
type Log = unsafe extern "C" fn(Program, *mut c_char) -> c_int;
type Destroy = unsafe extern "C" fn(*mut Program) -> c_int;
type ErrorText = unsafe extern "C" fn(c_int) -> *const c_char;

/// The library, as far as it is used here.
struct Nvrtc {
    library: Library,
    /// Loaded before NVRTC asks for it by name: the package is in no folder that is searched.
    _builtins: Vec<Library>,
}

impl Nvrtc {
    fn load(path: &Path) -> Outcome<Self> {
        let failed =
            |path: &Path, error: &dyn std::fmt::Display| format!("cannot load '{}': {error}", path.display());
        let folder = path.parent().expect("a file is in a folder");
        let entries = std::fs::read_dir(folder).map_err(|error| failed(folder, &error))?;
        let mut builtins = Vec::new();
        for file in entries.flatten().map(|entry| entry.path()) {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with("libnvrtc-builtins.so") && !name.contains(".alt.") {
                // SAFETY: the initialisers of NVRTC's libraries ask nothing of the process.
                builtins.push(unsafe { Library::new(&file) }.map_err(|error| failed(&file, &error))?);
            }
        }
        // SAFETY: as above.
        let library = unsafe { Library::new(path) }.map_err(|error| failed(path, &error))?;
        Ok(Nvrtc { library, _builtins: builtins })
    }

    fn symbol<T>(&self, name: &str) -> Outcome<Symbol<'_, T>> {
        // SAFETY: each caller gives the type that NVRTC's header declares for the name.
        unsafe { self.library.get(name.as_bytes()) }.map_err(|error| format!("NVRTC has no {name}: {error}"))
    }

    /// Compiles one source; the time that took, or the compiler's log.
    fn compile(&self, name: &str, source: &str, architecture: &str, options: &[String]) -> Outcome<Duration> {
        let text = |text: &str| CString::new(text).map_err(|_| format!("a NUL byte in '{name}'"));
        let create: Symbol<Create> = self.symbol("nvrtcCreateProgram")?;
        let compile: Symbol<Compile> = self.symbol("nvrtcCompileProgram")?;
        let destroy: Symbol<Destroy> = self.symbol("nvrtcDestroyProgram")?;
        let (name, source) = (text(name)?, text(source)?);
        let mut words = options.iter().map(|option| text(option)).collect::<Outcome<Vec<_>>>()?;
        words.push(text(&format!("--gpu-architecture={architecture}"))?);
        let pointers: Vec<*const c_char> = words.iter().map(|word| word.as_ptr()).collect();
        let started = Instant::now();
        let mut program: Program = std::ptr::null_mut();
        // SAFETY: the strings outlive the calls; no header is given.
        let created = unsafe {
            create(&mut program, source.as_ptr(), name.as_ptr(), 0, std::ptr::null(), std::ptr::null())
        };
        if created != 0 {
            return Err(self.error(created));
        }
        // SAFETY: the program is the one just made; the options outlive the call.
        let compiled = unsafe { compile(program, pointers.len() as c_int, pointers.as_ptr()) };
        let elapsed = started.elapsed();
        let outcome = match compiled {
            0 => Ok(elapsed),
            code => Err(format!("{}\n{}", self.error(code), self.log(program).unwrap_or_default())),
        };
        // SAFETY: the program is used no more.
        unsafe { destroy(&mut program) };
        outcome
    }

    fn log(&self, program: Program) -> Outcome<String> {
        let size: Symbol<LogSize> = self.symbol("nvrtcGetProgramLogSize")?;
        let log: Symbol<Log> = self.symbol("nvrtcGetProgramLog")?;
        let mut bytes = 0;
        // SAFETY: the program lives; one size is written.
        unsafe { size(program, &mut bytes) };
        let mut text = vec![0u8; bytes.max(1)];
        // SAFETY: the buffer has the size that NVRTC asked for, the final NUL included.
        unsafe { log(program, text.as_mut_ptr().cast()) };
        Ok(CStr::from_bytes_until_nul(&text)
            .map(|text| text.to_string_lossy().into_owned())
            .unwrap_or_default())
    }

    fn error(&self, code: c_int) -> String {
        let Ok(text) = self.symbol::<ErrorText>("nvrtcGetErrorString") else {
            return format!("error {code}");
        };
        // SAFETY: NVRTC answers with a string that it never frees, for every code.
        unsafe { CStr::from_ptr(text(code)) }.to_string_lossy().into_owned()
    }
}

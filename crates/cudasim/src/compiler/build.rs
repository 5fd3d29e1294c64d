//! From source to shared object: preprocess, translate, compile, and keep the result on disk.

use super::translate::{kernel_table, translate};
use crate::settings::{library_folder, settings};
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex};

const SHIM: &str = include_str!("../../shim/cudasim_device.h");
const SHIM_NAME: &str = "cudasim_device.h";

/// How modules are compiled. `-O1` gives the best sum of compile and run time for kernels that run
/// over test data. No operation is fused or reordered, so that floating point comes out as written. The
/// compiler checks what a device faults on or leaves undefined; the shim has the functions it calls then.
const FLAGS: &[&str] = &[
    "-O1",
    "-w",
    "-fPIC",
    "-shared",
    "-nostdinc",
    "-fvisibility=hidden",
    "-fvisibility-inlines-hidden",
    "-fno-semantic-interposition",
    "-fno-strict-aliasing",
    "-fno-exceptions",
    "-fno-rtti",
    "-fno-threadsafe-statics",
    "-fno-gnu-unique",
    "-fno-asynchronous-unwind-tables",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=off",
    "-fwrapv",
    "-fsanitize=alignment,bounds,shift-exponent,integer-divide-by-zero",
    "-fno-sanitize-recover=all",
    "-pipe",
];

/// One thing to compile, as the caller of NVRTC gave it.
#[derive(Default, Hash)]
pub struct Source {
    pub text: String,
    pub name: String,
    /// Named headers that the source may include.
    pub headers: Vec<(String, String)>,
    /// C++ expressions for instances of kernel templates, each with the name it gets.
    pub instances: Vec<(String, String)>,
}

/// NVRTC's options, as far as they mean something here.
#[derive(Hash)]
pub struct Options {
    pub architecture: u32,
    /// Whether the architecture is a virtual one, for which NVRTC makes no CUBIN.
    pub is_virtual: bool,
    standard: String,
    preprocessor: Vec<String>,
}

impl Options {
    /// # Errors
    /// Names the option that cannot be understood.
    pub fn parse(options: &[String]) -> Result<Options, String> {
        let mut parsed = Options {
            architecture: 75,
            is_virtual: true,
            standard: "-std=c++17".to_string(),
            preprocessor: Vec::new(),
        };
        let mut words = options.iter();
        while let Some(word) = words.next() {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value.to_string())),
                None => (word.as_str(), None),
            };
            let mut argument = || value.clone().or_else(|| words.next().cloned()).unwrap_or_default();
            match name {
                "--gpu-architecture" | "-arch" => {
                    let architecture = argument();
                    let digits = architecture.trim_start_matches(|c: char| !c.is_ascii_digit());
                    let digits = digits.trim_end_matches(|c: char| c.is_ascii_alphabetic());
                    parsed.is_virtual = architecture.starts_with("compute");
                    parsed.architecture = digits.parse().map_err(|_| {
                        format!("nvrtc: error: invalid value for --gpu-architecture (-arch): {architecture}")
                    })?;
                }
                "--std" | "-std" => parsed.standard = format!("-std={}", argument()),
                "--include-path" | "-I" => parsed.preprocessor.push(format!("-I{}", argument())),
                "--define-macro" | "-D" => parsed.preprocessor.push(format!("-D{}", argument())),
                "--undefine-macro" | "-U" => parsed.preprocessor.push(format!("-U{}", argument())),
                _ if ["-I", "-D", "-U"].iter().any(|prefix| word.starts_with(prefix)) => {
                    parsed.preprocessor.push(word.to_string());
                }
                _ if word.starts_with('-') => {}
                _ => return Err(format!("nvrtc: error: unrecognized option {word}")),
            }
        }
        Ok(parsed)
    }
}

/// Why there is no module.
pub enum Failure {
    /// The compiler's messages.
    Compilation(String),
    /// Something around it went wrong.
    Environment(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Environment(format!("cudasim: {error}"))
    }
}

/// Compiles a source, or finds it in the cache.
///
/// # Errors
/// The compiler's messages, or what kept it from running.
pub fn compile(source: &Source, options: &Options) -> Result<Vec<u8>, Failure> {
    let compiler = Compiler::chosen()?;
    let cache = cache_folder()?;
    // A file that is included from elsewhere may change without notice.
    let has_fixed_text = !source.text.contains("#include") && source.headers.is_empty();
    let source_key = cache_key(&(source, options), &compiler);
    if has_fixed_text && let Some(module) = read_cached(&cache, &source_key) {
        return Ok(module);
    }
    let folder = WorkFolder::create(&cache)?;
    let preprocessed = preprocess(source, options, &compiler, &folder.0)?;
    let key = if has_fixed_text { source_key } else { cache_key(&(&preprocessed, options), &compiler) };
    if !has_fixed_text && let Some(module) = read_cached(&cache, &key) {
        return Ok(module);
    }
    let translation = translate(&preprocessed);
    let code = translation.source + &kernel_table(&translation.kernels, &source.instances);
    fs::write(folder.0.join("module.cpp"), code)?;
    let mut arguments: Vec<&str> = vec![&options.standard];
    arguments.extend(FLAGS);
    arguments.extend(["module.cpp", "-o", "module.so", "-Wl,-Bsymbolic,-z,now"]);
    compiler.run(&arguments, &folder.0)?;
    // Renaming makes the entry appear whole, whoever else is compiling the same.
    let module = folder.0.join("module.so");
    let bytes = fs::read(&module)?;
    fs::rename(&module, cache.join(entry_name(&key)))?;
    Ok(bytes)
}

fn preprocess(
    source: &Source,
    options: &Options,
    compiler: &Compiler,
    folder: &Path,
) -> Result<String, Failure> {
    fs::write(folder.join(SHIM_NAME), SHIM)?;
    for (name, text) in &source.headers {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)?;
    }
    let name = if source.name.is_empty() { "default_program" } else { &source.name };
    let escaped = name.replace('\\', "\\\\").replace('"', "\\\"");
    let text = format!("#include \"{SHIM_NAME}\"\n#line 1 \"{escaped}\"\n{}\n", source.text);
    fs::write(folder.join("source.cpp"), text)?;
    let architecture = format!("-D__CUDA_ARCH__={}", options.architecture * 10);
    let mut arguments = vec!["-E", "-w", "-nostdinc", &options.standard, &architecture, "-I."];
    arguments.extend(options.preprocessor.iter().map(String::as_str));
    arguments.push("source.cpp");
    compiler.run(&arguments, folder)
}

/// The host's compiler and what tells it from another.
struct Compiler {
    program: OsString,
    version: String,
}

impl Compiler {
    fn chosen() -> Result<Compiler, Failure> {
        static VERSIONS: LazyLock<Mutex<HashMap<OsString, String>>> = LazyLock::new(Mutex::default);
        let program = settings().compiler;
        let mut versions = VERSIONS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(version) = versions.get(&program) {
            return Ok(Compiler { program, version: version.clone() });
        }
        let mut compiler = Compiler { program: program.clone(), version: String::new() };
        compiler.version = compiler.run(&["--version"], Path::new("/"))?;
        versions.insert(program, compiler.version.clone());
        Ok(compiler)
    }

    /// Runs the compiler and answers what it prints.
    fn run(&self, arguments: &[&str], folder: &Path) -> Result<String, Failure> {
        let output = Command::new(&self.program)
            .args(arguments)
            .current_dir(folder)
            .env("LC_ALL", "C")
            .env_remove("LD_LIBRARY_PATH")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| {
                Failure::Environment(format!(
                    "cudasim: the C++ compiler {} cannot be run: {error} (set CUDASIM_CXX to another)",
                    self.program.display()
                ))
            })?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(Failure::Compilation(String::from_utf8_lossy(&output.stderr).into_owned()))
        }
    }
}

/// A folder for one compilation, removed at its end.
struct WorkFolder(PathBuf);

impl WorkFolder {
    fn create(cache: &Path) -> io::Result<WorkFolder> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = cache.join(format!("work-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder)?;
        Ok(WorkFolder(folder))
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        // What is left behind does no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The folder of compiled modules: as configured, else beside the library, else in the system's
/// temporary folder.
fn cache_folder() -> io::Result<PathBuf> {
    if let Some(folder) = settings().cache {
        return fs::create_dir_all(&folder).map(|()| folder);
    }
    if let Some(folder) = library_folder().map(|folder| folder.join("kernels"))
        && fs::create_dir_all(&folder).is_ok()
        && fs::metadata(&folder).is_ok_and(|metadata| !metadata.permissions().readonly())
    {
        return Ok(folder);
    }
    // SAFETY: asks for a number.
    let user = unsafe { libc::getuid() };
    let folder = std::env::temp_dir().join(format!("cudasim-kernels-{user}"));
    fs::create_dir_all(&folder).map(|()| folder)
}

fn cache_key(what: &impl Hash, compiler: &Compiler) -> String {
    let hash = |seed: u64| {
        let mut hasher = DefaultHasher::new();
        (seed, what, SHIM, FLAGS, &compiler.program, &compiler.version).hash(&mut hasher);
        hasher.finish()
    };
    format!("{:016x}{:016x}", hash(0), hash(1))
}

fn entry_name(key: &str) -> String {
    format!("{key}.so")
}

fn read_cached(cache: &Path, key: &str) -> Option<Vec<u8>> {
    let module = fs::read(cache.join(entry_name(key))).ok()?;
    // A file cut short, by a full disk for one, is compiled again.
    (crate::elf::file_size(&module) == Some(module.len())).then_some(module)
}

#[cfg(test)]
mod tests {
    use super::Options;

    fn parse(words: &[&str]) -> Result<Options, String> {
        Options::parse(&words.iter().map(|word| word.to_string()).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_understood_in_both_spellings() {
        for words in [&["--gpu-architecture=sm_90a", "--define-macro=A=1"][..], &["-arch", "sm_90", "-DA=1"]]
        {
            let options = parse(words).unwrap_or_else(|message| panic!("{message}"));
            assert_eq!((options.architecture, options.is_virtual), (90, false));
            assert_eq!(options.preprocessor, ["-DA=1"]);
        }
        assert!(parse(&["--gpu-architecture=new"]).is_err());
        assert!(parse(&["stray"]).is_err());
    }
}

//! The `nvrtc*` functions.

use super::TEXT_IMAGE_MARK;
use super::base64;
use super::build::{self, Failure, Options, Source};
use std::ffi::{CStr, CString, c_char, c_int};

type NvrtcResult = c_int;

const SUCCESS: NvrtcResult = 0;
const PROGRAM_CREATION_FAILURE: NvrtcResult = 2;
const INVALID_INPUT: NvrtcResult = 3;
const INVALID_PROGRAM: NvrtcResult = 4;
const INVALID_OPTION: NvrtcResult = 5;
const COMPILATION: NvrtcResult = 6;
const NO_NAME_EXPRESSIONS_AFTER_COMPILATION: NvrtcResult = 8;
const NO_LOWERED_NAMES_BEFORE_COMPILATION: NvrtcResult = 9;
const NAME_EXPRESSION_NOT_VALID: NvrtcResult = 10;
const INTERNAL_ERROR: NvrtcResult = 11;

const ARCHITECTURES: [c_int; 8] = [75, 80, 86, 89, 90, 100, 103, 120];

/// What an `nvrtcProgram` points to.
#[derive(Default)]
pub struct Program {
    source: Source,
    /// The expressions as the caller wrote them, and the names under which the module has them.
    names: Vec<(CString, CString)>,
    log: CString,
    compiled: bool,
    /// Ends with a zero, as PTX does.
    text_image: Vec<u8>,
    binary_image: Vec<u8>,
}

/// # Safety
/// `program` must be null or come from `nvrtcCreateProgram`.
unsafe fn program_mut<'a>(program: *mut Program) -> Result<&'a mut Program, NvrtcResult> {
    // SAFETY: as promised by the caller.
    unsafe { program.as_mut() }.ok_or(INVALID_PROGRAM)
}

/// # Safety
/// `text` must be null or a C string.
unsafe fn string_at(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: as promised by the caller.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// Defines exported functions whose bodies end early with an error code by `?`.
macro_rules! nvrtc_api {
    ($($(#[$doc:meta])* fn $name:ident($($argument:ident: $type:ty),* $(,)?) $body:block)*) => { $(
        $(#[$doc])*
        /// # Safety
        /// As for the function of the same name in NVRTC.
        #[unsafe(no_mangle)]
        #[allow(non_snake_case)]
        pub unsafe extern "C" fn $name($($argument: $type),*) -> NvrtcResult {
            // SAFETY: the pointers are as the caller promised.
            let body = || -> Result<(), NvrtcResult> { unsafe { $body } Ok(()) };
            body().err().unwrap_or(SUCCESS)
        }
    )* };
}

nvrtc_api! {
    fn nvrtcVersion(major: *mut c_int, minor: *mut c_int) {
        *major = 13;
        *minor = 0;
    }

    fn nvrtcGetNumSupportedArchs(count: *mut c_int) {
        *count = ARCHITECTURES.len() as c_int;
    }

    fn nvrtcGetSupportedArchs(architectures: *mut c_int) {
        std::ptr::copy_nonoverlapping(ARCHITECTURES.as_ptr(), architectures, ARCHITECTURES.len());
    }

    fn nvrtcCreateProgram(
        program: *mut *mut Program,
        source: *const c_char,
        name: *const c_char,
        header_count: c_int,
        headers: *const *const c_char,
        header_names: *const *const c_char,
    ) {
        if program.is_null() || source.is_null() || header_count < 0 {
            return Err(INVALID_INPUT);
        }
        if header_count > 0 && (headers.is_null() || header_names.is_null()) {
            return Err(PROGRAM_CREATION_FAILURE);
        }
        let headers = (0..header_count as usize)
            .map(|i| (string_at(*header_names.add(i)), string_at(*headers.add(i))))
            .collect();
        let source = Source { text: string_at(source), name: string_at(name), headers, instances: Vec::new() };
        *program = Box::into_raw(Box::new(Program { source, ..Program::default() }));
    }

    fn nvrtcDestroyProgram(program: *mut *mut Program) {
        if program.is_null() || (*program).is_null() {
            return Err(INVALID_PROGRAM);
        }
        drop(Box::from_raw(*program));
        *program = std::ptr::null_mut();
    }

    fn nvrtcAddNameExpression(program: *mut Program, expression: *const c_char) {
        let program = program_mut(program)?;
        if program.compiled {
            return Err(NO_NAME_EXPRESSIONS_AFTER_COMPILATION);
        }
        let written = CStr::from_ptr(expression).to_owned();
        let lowered = format!("_cudasim_instance_{}", program.names.len());
        let plain = written.to_string_lossy().trim().trim_start_matches('&').to_string();
        program.source.instances.push((lowered.clone(), plain));
        program.names.push((written, CString::new(lowered).map_err(|_| INVALID_INPUT)?));
    }

    fn nvrtcGetLoweredName(program: *mut Program, expression: *const c_char, lowered: *mut *const c_char) {
        let program = program_mut(program)?;
        if !program.compiled {
            return Err(NO_LOWERED_NAMES_BEFORE_COMPILATION);
        }
        let wanted = CStr::from_ptr(expression);
        let found = program.names.iter().find(|(written, _)| written.as_c_str() == wanted);
        *lowered = found.ok_or(NAME_EXPRESSION_NOT_VALID)?.1.as_ptr();
    }

    fn nvrtcCompileProgram(program: *mut Program, count: c_int, options: *const *const c_char) {
        let program = program_mut(program)?;
        let options: Vec<String> = (0..count.max(0) as usize).map(|i| string_at(*options.add(i))).collect();
        program.compile(&options)?;
    }

    fn nvrtcGetProgramLogSize(program: *mut Program, size: *mut usize) {
        *size = program_mut(program)?.log.as_bytes_with_nul().len();
    }

    fn nvrtcGetProgramLog(program: *mut Program, log: *mut c_char) {
        copy_out(program_mut(program)?.log.as_bytes_with_nul(), log);
    }

    fn nvrtcGetPTXSize(program: *mut Program, size: *mut usize) {
        *size = program_mut(program)?.text_image.len();
    }

    fn nvrtcGetPTX(program: *mut Program, image: *mut c_char) {
        copy_out(&program_mut(program)?.text_image, image);
    }

    fn nvrtcGetCUBINSize(program: *mut Program, size: *mut usize) {
        *size = program_mut(program)?.binary_image.len();
    }

    fn nvrtcGetCUBIN(program: *mut Program, image: *mut c_char) {
        copy_out(&program_mut(program)?.binary_image, image);
    }
}

/// Copies bytes to memory that the caller has made large enough.
///
/// # Safety
/// `to` must have room for all of `bytes`.
unsafe fn copy_out(bytes: &[u8], to: *mut c_char) {
    // SAFETY: as promised by the caller.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr().cast(), to, bytes.len()) }
}

impl Program {
    fn compile(&mut self, options: &[String]) -> Result<(), NvrtcResult> {
        let options = Options::parse(options).map_err(|message| self.fail(INVALID_OPTION, message))?;
        let module = build::compile(&self.source, &options).map_err(|failure| match failure {
            Failure::Compilation(log) => self.fail(COMPILATION, log),
            Failure::Environment(message) => {
                eprintln!("{message}");
                self.fail(INTERNAL_ERROR, message)
            }
        })?;
        self.compiled = true;
        self.text_image = TEXT_IMAGE_MARK.to_vec();
        self.text_image.extend(format!(" sm_{}\n", options.architecture).bytes());
        self.text_image.extend(base64::encode(&module));
        self.text_image.push(0);
        self.binary_image = if options.is_virtual { Vec::new() } else { module };
        Ok(())
    }

    fn fail(&mut self, code: NvrtcResult, log: String) -> NvrtcResult {
        self.log = CString::new(log.replace('\0', " ")).unwrap_or_default();
        code
    }
}

/// # Safety
/// None: any number is taken.
#[unsafe(no_mangle)]
#[allow(non_snake_case)]
pub unsafe extern "C" fn nvrtcGetErrorString(result: NvrtcResult) -> *const c_char {
    match result {
        SUCCESS => c"NVRTC_SUCCESS",
        PROGRAM_CREATION_FAILURE => c"NVRTC_ERROR_PROGRAM_CREATION_FAILURE",
        INVALID_INPUT => c"NVRTC_ERROR_INVALID_INPUT",
        INVALID_PROGRAM => c"NVRTC_ERROR_INVALID_PROGRAM",
        INVALID_OPTION => c"NVRTC_ERROR_INVALID_OPTION",
        COMPILATION => c"NVRTC_ERROR_COMPILATION",
        NO_NAME_EXPRESSIONS_AFTER_COMPILATION => c"NVRTC_ERROR_NO_NAME_EXPRESSIONS_AFTER_COMPILATION",
        NO_LOWERED_NAMES_BEFORE_COMPILATION => c"NVRTC_ERROR_NO_LOWERED_NAMES_BEFORE_COMPILATION",
        NAME_EXPRESSION_NOT_VALID => c"NVRTC_ERROR_NAME_EXPRESSION_NOT_VALID",
        _ => c"NVRTC_ERROR_INTERNAL_ERROR",
    }
    .as_ptr()
}

//! Modules: shared objects that the simulated NVRTC made, loaded into the process.

use super::memory::Kind;
use super::state::{State, current_device, state};
use super::status::{self, Outcome};
use crate::compiler::{TEXT_IMAGE_MARK, base64};
use crate::elf;
use crate::exec::abi::{
    ABI_VERSION, ABI_VERSION_OLDEST, AbiVersion, Attach, KernelCall, KernelContext, ListKernels,
};
use crate::exec::{RUNTIME, SharedLayout};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of shared memory that a launch may ask for without being allowed to by an attribute.
const DYNAMIC_SHARED_DEFAULT: u32 = 49_152;

/// Code in the process, unloaded when nothing refers to it any more.
pub struct Library(*mut c_void);

// SAFETY: a handle of the dynamic loader may be used from any thread.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

impl Library {
    fn symbol(&self, name: &CStr) -> Option<*mut c_void> {
        // SAFETY: the library is loaded.
        let address = unsafe { libc::dlsym(self.0, name.as_ptr()) };
        (!address.is_null()).then_some(address)
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // SAFETY: the last reference is gone, so none of its functions runs.
        unsafe { libc::dlclose(self.0) };
    }
}

pub struct Module {
    pub device: usize,
    library: Arc<Library>,
}

#[derive(Clone)]
pub struct Function {
    pub name: CString,
    pub module: usize,
    pub device: usize,
    pub call: KernelCall,
    pub attach: Attach,
    pub shared: SharedLayout,
    /// Size and alignment of each parameter.
    pub parameters: Arc<[(usize, usize)]>,
    pub dynamic_shared_max: u32,
    /// Keeps the code loaded while a launch is under way.
    _library: Arc<Library>,
}

impl Function {
    /// Where each parameter lies when all are laid out one after the other, and the bytes they take.
    pub fn layout(&self) -> (Vec<usize>, usize) {
        let mut end = 0usize;
        let offsets = self
            .parameters
            .iter()
            .map(|(bytes, alignment)| {
                let offset = end.next_multiple_of(*alignment);
                end = offset + bytes;
                offset
            })
            .collect();
        (offsets, end)
    }
}

/// Loads an image for the current device and answers the module's handle.
///
/// # Safety
/// `image` must point to a whole image.
pub unsafe fn load(image: *const u8) -> Outcome<usize> {
    if image.is_null() {
        return Err(status::INVALID_VALUE);
    }
    let device = current_device()?;
    state().check_sticky(device)?;
    // SAFETY: as promised by the caller; text images end with a zero.
    let bytes = unsafe {
        if let Some(bytes) = elf::image_at(image) {
            bytes.to_vec()
        } else if is_text_image(image) {
            let text = CStr::from_ptr(image.cast()).to_bytes();
            let body = text.iter().position(|byte| *byte == b'\n').map_or(text.len(), |end| end + 1);
            base64::decode(&text[body..])
        } else {
            let message = "a module image that was not made by the simulated NVRTC cannot run here";
            state().report(device, message.to_string());
            return Err(status::NO_BINARY_FOR_GPU);
        }
    };
    let library = Arc::new(open(&bytes).map_err(|message| {
        state().report(device, format!("module not loaded: {message}"));
        status::INVALID_IMAGE
    })?);
    register(&mut state(), device, library)
}

/// # Safety
/// `image` must point to at least one byte, and to a zero before its end if it is not an image.
unsafe fn is_text_image(image: *const u8) -> bool {
    // SAFETY: stops at the first difference, which the ending zero is at the latest.
    TEXT_IMAGE_MARK.iter().enumerate().all(|(i, byte)| unsafe { *image.add(i) } == *byte)
}

/// Loads a shared object from memory.
fn open(bytes: &[u8]) -> Result<Library, String> {
    // The dynamic loader identifies files by name, so each has one of its own.
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("cudasim-module-{}-{number}.so", std::process::id()));
    std::fs::write(&path, bytes).map_err(|error| format!("{}: {error}", path.display()))?;
    let name = CString::new(path.as_os_str().as_encoded_bytes()).map_err(|error| error.to_string())?;
    // SAFETY: the file is a module made by the simulated NVRTC, whose initialisation does nothing.
    let (handle, error) = unsafe {
        let handle = libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL);
        let error = if handle.is_null() { last_loader_error() } else { String::new() };
        (handle, error)
    };
    // Once loaded, the mapping holds the file.
    let _ = std::fs::remove_file(&path);
    if handle.is_null() { Err(error) } else { Ok(Library(handle)) }
}

fn last_loader_error() -> String {
    // SAFETY: `dlerror` answers null or a string that is valid until the next call of the loader.
    unsafe {
        let message = libc::dlerror();
        if message.is_null() {
            return "unknown error of the dynamic loader".to_string();
        }
        CStr::from_ptr(message).to_string_lossy().into_owned()
    }
}

/// Enters a loaded library and its kernels into the state.
fn register(state: &mut State, device: usize, library: Arc<Library>) -> Outcome<usize> {
    let symbol = |name: &CStr| library.symbol(name).ok_or(status::INVALID_IMAGE);
    // SAFETY: these are the types of these symbols in modules with our ABI, which is checked before
    // anything that depends on it is called.
    let (abi_version, attach, list): (AbiVersion, Attach, ListKernels) = unsafe {
        (
            std::mem::transmute::<*mut c_void, AbiVersion>(symbol(c"__cudasim_abi")?),
            std::mem::transmute::<*mut c_void, Attach>(symbol(c"__cudasim_attach")?),
            std::mem::transmute::<*mut c_void, ListKernels>(symbol(c"__cudasim_kernels")?),
        )
    };
    // SAFETY: see above.
    let version = unsafe { abi_version() };
    if !(ABI_VERSION_OLDEST..=ABI_VERSION).contains(&version) {
        let message = format!(
            "module not loaded: it was compiled for version {version} of the simulator, not {ABI_VERSION}"
        );
        state.report(device, message);
        return Err(status::INVALID_IMAGE);
    }
    // SAFETY: see above.
    let context = unsafe { attach(&RUNTIME) } as usize;
    let shared = shared_layout(attach as usize, context);
    let module = state.new_handle();
    let mut count = 0;
    // SAFETY: see above; the table has `count` entries, and lives as long as the library.
    let entries = unsafe { std::slice::from_raw_parts(list(&mut count), count as usize) };
    for entry in entries {
        let parameters = (0..entry.parameter_count as usize)
            // SAFETY: both arrays have an element for each parameter.
            .map(|i| unsafe {
                (*entry.parameter_sizes.add(i) as usize, *entry.parameter_alignments.add(i) as usize)
            })
            .collect();
        let function = Function {
            // SAFETY: a literal of the module.
            name: unsafe { CStr::from_ptr(entry.name) }.to_owned(),
            module,
            device,
            call: entry.call,
            attach,
            shared,
            parameters,
            dynamic_shared_max: DYNAMIC_SHARED_DEFAULT,
            _library: library.clone(),
        };
        let handle = state.new_handle();
        state.functions.insert(handle, function);
    }
    state.modules.insert(module, Module { device, library });
    Ok(module)
}

/// Finds how far a module's thread-local block reaches around its context, on the calling thread.
fn shared_layout(code: usize, context: usize) -> SharedLayout {
    struct Search {
        code: usize,
        block: Option<(usize, usize)>,
    }
    unsafe extern "C" fn visit(info: *mut libc::dl_phdr_info, _size: usize, data: *mut c_void) -> c_int {
        // SAFETY: the loader passes a valid structure, and `data` is the search below.
        unsafe {
            let (info, search) = (&*info, &mut *data.cast::<Search>());
            let headers = std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum as usize);
            let holds_code = headers.iter().any(|header| {
                let start = (info.dlpi_addr + header.p_vaddr) as usize;
                header.p_type == libc::PT_LOAD
                    && (start..start + header.p_memsz as usize).contains(&search.code)
            });
            if !holds_code {
                return 0;
            }
            if let Some(header) = headers.iter().find(|header| header.p_type == libc::PT_TLS) {
                search.block = Some((info.dlpi_tls_data as usize, header.p_memsz as usize));
            }
            1
        }
    }
    let mut search = Search { code, block: None };
    // SAFETY: the callback gets what it expects.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut search).cast()) };
    match search.block {
        Some((start, bytes)) if start != 0 && start <= context => SharedLayout {
            before: context - start,
            after: (start + bytes).saturating_sub(context + size_of::<KernelContext>()),
        },
        _ => SharedLayout::default(),
    }
}

/// The handle of a kernel.
pub fn function(module: usize, name: &CStr) -> Outcome<usize> {
    let state = state();
    if !state.modules.contains_key(&module) {
        return Err(status::INVALID_HANDLE);
    }
    let found = state.functions.iter().find(|(_, f)| f.module == module && f.name.as_c_str() == name);
    found.map(|(handle, _)| *handle).ok_or(status::NOT_FOUND)
}

/// The address and size of a module's variable.
pub fn global(module: usize, name: &CStr) -> Outcome<(usize, usize)> {
    /// `Elf64_Sym`.
    #[repr(C)]
    struct Symbol {
        name: u32,
        info: u8,
        other: u8,
        section: u16,
        value: u64,
        size: u64,
    }
    const RTLD_DL_SYMENT: c_int = 1;
    unsafe extern "C" {
        fn dladdr1(
            address: *const c_void,
            info: *mut libc::Dl_info,
            extra: *mut *const Symbol,
            flags: c_int,
        ) -> c_int;
    }
    let mut state = state();
    let owner = state.modules.get(&module).ok_or(status::INVALID_HANDLE)?;
    let device = owner.device;
    let address = owner.library.symbol(name).ok_or(status::NOT_FOUND)?;
    // SAFETY: `dladdr1` fills in both structures, or answers 0.
    let bytes = unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        let mut symbol: *const Symbol = std::ptr::null();
        if dladdr1(address, &mut info, &mut symbol, RTLD_DL_SYMENT) == 0 || symbol.is_null() {
            return Err(status::NOT_FOUND);
        }
        (*symbol).size as usize
    };
    if state.memory.at(address as usize).is_none() {
        state.memory.adopt(address as usize, bytes, device, Kind::Global, Some(module));
    }
    Ok((address as usize, bytes))
}

/// A string argument of an API function.
///
/// # Safety
/// `text` must be null or a C string.
pub unsafe fn c_string<'a>(text: *const c_char) -> Outcome<&'a CStr> {
    if text.is_null() {
        return Err(status::INVALID_VALUE);
    }
    // SAFETY: as promised by the caller.
    Ok(unsafe { CStr::from_ptr(text) })
}

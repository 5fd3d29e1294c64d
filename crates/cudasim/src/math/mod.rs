//! The simulated libraries of mathematics: cuBLAS, cuSOLVER and cuFFT on host memory, in the order of a stream of the
//! simulated driver.
//!
//! They take what the real ones document and refuse the rest with the same codes. Each is a file of its own, so it reaches
//! the driver as the real one does: through the functions of whatever calls itself `libcuda.so`. This module is what
//! they share; none knows of another's handles.

mod cublas;
mod cufft;
mod cusolver;
mod factorization;
mod matrix;
mod number;

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::mem::transmute;

/// What functions answer: `cublasStatus_t`, `cusolverStatus_t`, `cufftResult`.
type Status = c_int;
/// What functions work with: their exported forms turn it into a code.
type Outcome<T = ()> = Result<T, Status>;
const SUCCESS: Status = 0;

/// The byte that work areas are filled with when work runs, so that whoever keeps something there loses it.
const SCRIBBLE: u8 = 0xEE;

/// Defines exported functions of a library. A body ends early with a code by `?`, and succeeds at its end.
macro_rules! math_api {
    ($(fn $name:ident($($argument:ident: $type:ty),* $(,)?) $body:block)*) => { $(
        /// # Safety
        /// As for the function of the same name in NVIDIA's library.
        #[unsafe(no_mangle)]
        #[allow(non_snake_case, clippy::too_many_arguments)]
        pub unsafe extern "C" fn $name($($argument: $type),*) -> $crate::math::Status {
            #[allow(clippy::redundant_closure_call, unused_unsafe)]
            // SAFETY: the arguments are as the caller promised.
            let outcome = (|| -> $crate::math::Outcome { unsafe { $body } Ok(()) })();
            outcome.err().unwrap_or($crate::math::SUCCESS)
        }
    )* };
}
use math_api;

/// The functions of the driver that are needed, and the device that they are asked about.
#[derive(Clone, Copy)]
struct Driver {
    device: c_int,
    launch_host_function: LaunchHostFunction,
    holds: Holds,
    fault: Fault,
}

type LaunchHostFunction = unsafe extern "C" fn(*mut c_void, extern "C" fn(*mut c_void), *mut c_void) -> c_int;
type Holds = unsafe extern "C" fn(c_int, usize, usize) -> c_int;
type Fault = unsafe extern "C" fn(c_int, usize, *const c_char);
type CurrentDevice = unsafe extern "C" fn(*mut c_int) -> c_int;

/// Why work was not enqueued.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// An operand is not where it may be.
    Operand,
    /// The driver takes no work.
    Driver,
}

/// An operand: memory that work reads or writes, part of one allocation.
#[derive(Clone, Copy)]
struct Span {
    name: &'static str,
    address: usize,
    bytes: usize,
    /// What the address must be a multiple of.
    alignment: usize,
}

impl Span {
    fn overlaps(&self, other: &Span) -> bool {
        let is_before_end = |a: &Span, b: &Span| a.bytes > 0 && a.address < b.address + b.bytes;
        is_before_end(self, other) && is_before_end(other, self)
    }
}

/// Pointers in device memory to the matrices of a batch, to be read when the work runs.
#[derive(Clone, Copy)]
struct Pointers {
    address: usize,
    count: usize,
}

impl Pointers {
    fn span(&self, name: &'static str) -> Span {
        let size = size_of::<usize>();
        Span { name, address: self.address, bytes: self.count.saturating_mul(size), alignment: size }
    }

    /// # Safety
    /// The pointers must be there.
    unsafe fn get(&self, item: usize) -> usize {
        // SAFETY: as promised by the caller.
        unsafe { (self.address as *const usize).add(item).read() }
    }
}

/// Codes in device memory, one to a matrix.
#[derive(Clone, Copy)]
struct Codes {
    address: usize,
    count: usize,
}

/// The code of a matrix that is not in an allocation. The real libraries have none for it.
const NOT_THERE: c_int = -1;

impl Codes {
    fn span(&self) -> Span {
        let size = size_of::<c_int>();
        Span { name: "info", address: self.address, bytes: self.count.saturating_mul(size), alignment: size }
    }

    /// # Safety
    /// The codes must be nobody else's.
    unsafe fn write(&self, item: usize, code: c_int) {
        // SAFETY: as promised by the caller.
        unsafe { (self.address as *mut c_int).add(item).write(code) };
    }
}

/// Work as a stream keeps it.
struct Work {
    driver: Driver,
    function: &'static str,
    operands: Vec<Span>,
    run: Box<dyn FnOnce()>,
}

impl Driver {
    /// The simulated one that is loaded, if a context is current on this thread.
    fn find() -> Option<Driver> {
        // SAFETY: the functions are of these types in the library that was built with this code; it stays loaded.
        unsafe {
            let library = libc::dlopen(c"libcuda.so".as_ptr(), libc::RTLD_NOW | libc::RTLD_NOLOAD);
            if library.is_null() {
                return None;
            }
            let function = |name: &CStr| {
                let address = libc::dlsym(library, name.as_ptr());
                (!address.is_null()).then_some(address)
            };
            let current = transmute::<*mut c_void, CurrentDevice>(function(c"cuCtxGetDevice")?);
            let mut device = 0;
            if current(&mut device) != 0 {
                return None;
            }
            Some(Driver {
                device,
                launch_host_function: transmute::<*mut c_void, LaunchHostFunction>(function(
                    c"cuLaunchHostFunc",
                )?),
                holds: transmute::<*mut c_void, Holds>(function(c"cudasim_holds")?),
                fault: transmute::<*mut c_void, Fault>(function(c"cudasim_fault_at")?),
            })
        }
    }

    /// Whether all of a range is one allocation's that the device may use. No bytes are anybody's.
    fn holds(&self, address: usize, bytes: usize) -> bool {
        // SAFETY: looks a range up.
        bytes == 0 || unsafe { (self.holds)(self.device, address, bytes) } != 0
    }

    /// Whether an operand is where it may be; if not, says so.
    fn accepts(&self, function: &str, operand: &Span) -> bool {
        let Span { name, address, bytes, alignment } = *operand;
        if bytes > 0 && !address.is_multiple_of(alignment) {
            eprintln!(
                "cudasim: {function}: {name} at {address:#x} is not at a multiple of {alignment} bytes"
            );
            return false;
        }
        if !self.holds(address, bytes) {
            eprintln!(
                "cudasim: {function}: {name}, {bytes} bytes at {address:#x}, is not part of an allocation"
            );
            return false;
        }
        true
    }

    /// Enqueues work for `function`, whose operands are looked for now and again before it runs: what was freed meanwhile
    /// is a fault of the device, as it is for a copy.
    fn enqueue(
        &self,
        stream: *mut c_void,
        function: &'static str,
        operands: Vec<Span>,
        run: impl FnOnce() + 'static,
    ) -> Result<(), Refusal> {
        if !operands.iter().all(|operand| self.accepts(function, operand)) {
            return Err(Refusal::Operand);
        }
        let work = Box::new(Work { driver: *self, function, operands, run: Box::new(run) });
        // SAFETY: the function takes the box back, once.
        match unsafe { (self.launch_host_function)(stream, run_work, Box::into_raw(work).cast()) } {
            0 => Ok(()),
            _ => Err(Refusal::Driver),
        }
    }
}

/// Does the work whose box `data` is: a host function of a stream.
extern "C" fn run_work(data: *mut c_void) {
    // SAFETY: each box is handed to one host function, which runs once.
    let Work { driver, function, operands, run } = *unsafe { Box::from_raw(data.cast::<Work>()) };
    match operands.iter().find(|operand| !driver.holds(operand.address, operand.bytes)) {
        None => run(),
        Some(operand) => {
            let text = CString::new(format!("{function}: {}", operand.name)).unwrap_or_default();
            // SAFETY: the text lives for the call.
            unsafe { (driver.fault)(driver.device, operand.address, text.as_ptr()) };
        }
    }
}

//! What can go wrong inside a kernel, and the signals by which the CPU reports some of it.
//!
//! A fault in kernel code does not end the process: the handler makes the interrupted thread continue
//! where its block was started, and the kernel's frames are dropped. That is sound because kernels own
//! nothing that needs cleaning up, and because the simulator's own code, which does, is never left
//! this way (`Worker::in_kernel`).

use super::abi::Dim3;
use super::block::{self, Worker};
use std::ffi::{c_int, c_void};
use std::fmt;
use std::sync::Once;

/// The signal that asks a CPU thread to leave a kernel that the watchdog gave up on. By default it is
/// ignored, so it harms nothing if it comes late.
pub const CANCEL_SIGNAL: c_int = libc::SIGURG;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// An access to memory that is not mapped, or not writable.
    Address {
        address: usize,
        write: bool,
    },
    /// An access to an address that no memory can have, or by a wide instruction to one that is not
    /// aligned for it: the CPU does not tell which.
    GeneralProtection,
    /// An access that the type's alignment does not allow, with the line of the source.
    Misaligned {
        address: usize,
        type_name: String,
        place: String,
    },
    /// An index outside of an array of known length, with the line of the source.
    OutOfBounds {
        index: i64,
        type_name: String,
        place: String,
    },
    StackOverflow,
    /// Integer division by zero, or of the most negative number by −1.
    Arithmetic,
    IllegalInstruction,
    /// A barrier or warp operation that cannot complete.
    Synchronization(String),
    /// `__trap` or a failed `assert`.
    Trap(String),
    Timeout,
}

/// A fault and the CUDA thread that ran into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub kind: FaultKind,
    pub block: Dim3,
    pub thread: Dim3,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (b, t) = (self.block, self.thread);
        write!(f, "block ({},{},{}) thread ({},{},{}): ", b.x, b.y, b.z, t.x, t.y, t.z)?;
        match &self.kind {
            FaultKind::Address { address, write } => {
                write!(f, "{} at address {address:#x}", if *write { "write" } else { "read" })
            }
            FaultKind::GeneralProtection => {
                write!(f, "access to an address that no memory can have, or not aligned for a wide access")
            }
            FaultKind::Misaligned { address, type_name, place } => {
                write!(f, "{place}: misaligned access to {type_name} at address {address:#x}")
            }
            FaultKind::OutOfBounds { index, type_name, place } => {
                write!(f, "{place}: index {index} is outside of {type_name}")
            }
            FaultKind::StackOverflow => write!(f, "stack overflow: more than 256 KiB of local memory"),
            FaultKind::Arithmetic => {
                write!(f, "integer division by zero or overflow (its result is undefined on a device)")
            }
            FaultKind::IllegalInstruction => write!(f, "illegal instruction (unreachable code was reached)"),
            FaultKind::Synchronization(message) | FaultKind::Trap(message) => f.write_str(message),
            FaultKind::Timeout => write!(f, "stopped by the watchdog: the kernel ran longer than allowed"),
        }
    }
}

/// Installs the handlers once per process, in front of those that are there.
pub fn install_handlers() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, CANCEL_SIGNAL] {
            // SAFETY: `handle` has the signature that SA_SIGINFO asks for.
            unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = handle as *const () as usize;
                action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
                libc::sigemptyset(&mut action.sa_mask);
                libc::sigaction(signal, &action, &mut (*PREVIOUS.0.get())[signal as usize]);
            }
        }
    });
}

/// Gives the calling thread a signal stack if it has none: a fault on a fiber may leave no room on it.
pub fn ensure_signal_stack() {
    thread_local!(static CHECKED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) });
    if CHECKED.replace(true) {
        return;
    }
    // SAFETY: queries and sets the calling thread's own signal stack; the memory is never freed, as the
    // thread may take signals until its very end.
    unsafe {
        let mut current: libc::stack_t = std::mem::zeroed();
        libc::sigaltstack(std::ptr::null(), &mut current);
        if current.ss_flags & libc::SS_DISABLE != 0 {
            let memory: &'static mut [u8] = Vec::leak(vec![0; 64 << 10]);
            let stack =
                libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size: memory.len() };
            libc::sigaltstack(&stack, std::ptr::null_mut());
        }
    }
}

/// The handlers that were installed before ours, by signal number.
struct Previous(std::cell::UnsafeCell<[libc::sigaction; 65]>);

// SAFETY: written once under `Once` before the handlers that read it exist.
unsafe impl Sync for Previous {}

// SAFETY: an all-zero sigaction means SIG_DFL without flags.
static PREVIOUS: Previous = Previous(std::cell::UnsafeCell::new(unsafe { std::mem::zeroed() }));

unsafe extern "C" fn handle(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes valid pointers; `info` and `context` are used as SA_SIGINFO defines.
    unsafe {
        let registers = &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs;
        let write = registers[libc::REG_ERR as usize] & 2 != 0;
        let escape = block::escape_kernel(|worker| describe(worker, signal, &*info, write));
        if let Some(escape) = escape {
            registers[libc::REG_RSP as usize] = escape.stack_pointer as i64;
            registers[libc::REG_RIP as usize] = escape.instruction as i64;
            // The direction flag must be clear at every return, and the kernel may have set it.
            registers[libc::REG_EFL as usize] &= !0x400;
            return;
        }
        if signal == CANCEL_SIGNAL && (*PREVIOUS.0.get())[signal as usize].sa_sigaction == libc::SIG_DFL {
            return;
        }
        forward(signal, info, context);
    }
}

fn describe(worker: &Worker, signal: c_int, info: &libc::siginfo_t, write: bool) -> Option<FaultKind> {
    // SAFETY: for the signals that use it, the kernel fills in the address.
    let address = unsafe { info.si_addr() } as usize;
    match signal {
        CANCEL_SIGNAL => worker.is_cancelled().then_some(FaultKind::Timeout),
        libc::SIGFPE => Some(FaultKind::Arithmetic),
        libc::SIGILL => Some(FaultKind::IllegalInstruction),
        _ if worker.is_stack_overflow(address) => Some(FaultKind::StackOverflow),
        // A general protection fault carries no address.
        libc::SIGSEGV if info.si_code == 128 => Some(FaultKind::GeneralProtection),
        _ => Some(FaultKind::Address { address, write }),
    }
}

/// Passes a signal that is not ours to whoever handled it before.
///
/// # Safety
/// Only from a signal handler, with its arguments.
unsafe fn forward(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: see `Previous`; a handler is called with the signature its flags ask for.
    unsafe {
        let previous = &(*PREVIOUS.0.get())[signal as usize];
        match previous.sa_sigaction {
            libc::SIG_DFL => {
                // Returning executes the faulting instruction again, now with the default action.
                libc::sigaction(signal, previous, std::ptr::null_mut());
            }
            libc::SIG_IGN => {}
            handler if previous.sa_flags & libc::SA_SIGINFO != 0 => {
                let handler: unsafe extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) =
                    std::mem::transmute(handler);
                handler(signal, info, context);
            }
            handler => {
                let handler: unsafe extern "C" fn(c_int) = std::mem::transmute(handler);
                handler(signal);
            }
        }
    }
}

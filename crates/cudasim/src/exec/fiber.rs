//! Stacks and the switch between them. A fiber is a stack pointer with the callee-saved registers
//! pushed below a return address; switching is a call that returns on another stack.

use std::ffi::c_void;

/// Local memory of one CUDA thread. Only pages that are touched cost anything.
const STACK_BYTES: usize = 256 << 10;
/// Inaccessible bytes below a stack: more than the frame of a function is likely to skip.
const STACK_GUARD_BYTES: usize = 64 << 10;
/// Inaccessible bytes after dynamic shared memory.
const SHARED_GUARD_BYTES: usize = 1 << 20;
const PAGE: usize = 4096;

std::arch::global_asm!(
    ".globl cudasim_fiber_switch",
    ".hidden cudasim_fiber_switch",
    ".type cudasim_fiber_switch, @function",
    "cudasim_fiber_switch:",
    "push rbp",
    "push rbx",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "mov [rdi], rsp",
    "mov rsp, rsi",
    ".globl cudasim_fiber_resume",
    ".hidden cudasim_fiber_resume",
    "cudasim_fiber_resume:",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbx",
    "pop rbp",
    "pop rax",
    "jmp rax",
    ".size cudasim_fiber_switch, .-cudasim_fiber_switch",
);

unsafe extern "C" {
    fn cudasim_fiber_switch(save: *mut StackPointer, to: StackPointer);
    fn cudasim_fiber_resume();
}

/// A suspended fiber: the value of its stack pointer.
pub type StackPointer = usize;

/// Suspends the caller in `*save` and resumes `to`; returns when something switches back to `*save`.
///
/// # Safety
/// `to` must be a suspended fiber of this CPU thread, and no reference to data that other fibers
/// change may be used across the call.
pub unsafe fn switch(save: *mut StackPointer, to: StackPointer) {
    // SAFETY: as promised by the caller; the routine saves all that the C calling convention wants.
    unsafe { cudasim_fiber_switch(save, to) }
}

/// Where a signal handler continues after setting the stack pointer to a suspended fiber.
pub fn resume_address() -> usize {
    cudasim_fiber_resume as *const () as usize
}

/// A mapped stack with inaccessible memory below it.
pub struct Stack {
    base: *mut u8,
    index: usize,
}

impl Stack {
    /// Maps a stack. `index` staggers the tops, so that the hot ends of many stacks do not compete
    /// for the same cache sets.
    pub fn map(index: usize) -> Stack {
        // SAFETY: a fresh anonymous mapping; its low end is made inaccessible.
        let base = unsafe {
            let base = libc::mmap(
                std::ptr::null_mut(),
                STACK_BYTES + STACK_GUARD_BYTES,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK,
                -1,
                0,
            );
            assert!(base != libc::MAP_FAILED, "cudasim: no memory for the stack of a CUDA thread");
            libc::mprotect(base, STACK_GUARD_BYTES, libc::PROT_NONE);
            base as *mut u8
        };
        Stack { base, index }
    }

    /// Prepares the stack to start `entry` at the next switch to the answered pointer.
    pub fn prime(&self, entry: unsafe extern "C" fn() -> !) -> StackPointer {
        let stagger = (self.index & 31) * 256 + (self.index >> 5 & 3) * 64;
        let top = (self.base as usize + STACK_GUARD_BYTES + STACK_BYTES) - stagger;
        // Six callee-saved registers, the return address, and a word that leaves the stack aligned as
        // after a call.
        let pointer = top - 16 - 6 * 8;
        // SAFETY: the eight words lie within the mapping.
        unsafe {
            std::ptr::write_bytes(pointer as *mut u8, 0, 64);
            *((pointer + 48) as *mut usize) = entry as *const () as usize;
        }
        pointer
    }

    /// Whether an address lies in the inaccessible memory below the stack.
    pub fn overflowed_at(&self, address: usize) -> bool {
        (self.base as usize..self.base as usize + STACK_GUARD_BYTES).contains(&address)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and no fiber runs on it once its worker is dropped.
        unsafe { libc::munmap(self.base as *mut c_void, STACK_BYTES + STACK_GUARD_BYTES) };
    }
}

/// Dynamic shared memory of the running block, followed by inaccessible memory.
pub struct SharedMemory {
    base: *mut u8,
    capacity: usize,
}

impl SharedMemory {
    pub fn map(bytes: usize) -> SharedMemory {
        let capacity = bytes.next_multiple_of(PAGE).max(64 << 10);
        // SAFETY: a fresh anonymous mapping; its high end is made inaccessible.
        let base = unsafe {
            let base = libc::mmap(
                std::ptr::null_mut(),
                capacity + SHARED_GUARD_BYTES,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            );
            assert!(base != libc::MAP_FAILED, "cudasim: no memory for dynamic shared memory");
            libc::mprotect(base.add(capacity), SHARED_GUARD_BYTES, libc::PROT_NONE);
            base as *mut u8
        };
        SharedMemory { base, capacity }
    }

    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Answers `bytes` bytes that end, but for alignment, at the inaccessible memory, filled with poison.
    pub fn poisoned(&mut self, bytes: usize, poison: u8) -> *mut c_void {
        debug_assert!(bytes <= self.capacity);
        let start = (self.capacity - bytes) & !127;
        // SAFETY: start + bytes is within the mapping.
        unsafe {
            let pointer = self.base.add(start);
            std::ptr::write_bytes(pointer, poison, bytes);
            pointer as *mut c_void
        }
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours.
        unsafe { libc::munmap(self.base as *mut c_void, self.capacity + SHARED_GUARD_BYTES) };
    }
}

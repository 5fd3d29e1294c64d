//! Runs one block: its CUDA threads are fibers of one CPU thread, so a barrier or a warp operation is
//! a switch to the next fiber that can run. A fiber whose CUDA thread ends without having waited takes
//! the next thread that has not started, so a kernel that never waits runs as a plain loop.
//!
//! The worker decides; `runtime` has the functions by which kernels reach it, and acts on the decisions.

use super::abi::{Dim3, KernelCall, KernelContext, ThreadState};
use super::fault::{Fault, FaultKind};
use super::fiber::{self, SharedMemory, Stack, StackPointer};
use super::warp::{Lanes, WarpOp};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicBool, Ordering};

/// The byte that fills shared memory before a block starts.
pub const SHARED_POISON: u8 = 0xA5;

const WARP: usize = 32;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Not started, running, or queued in `ready`.
    Runnable,
    AtBarrier,
    AtWarp,
    Exited,
}

/// Lanes of a warp on their way to one operation, identified by its mask.
struct Rendezvous {
    mask: u32,
    op: WarpOp,
    arrived: u32,
}

/// The reductions of the barrier that is being gathered.
#[derive(Clone, Copy)]
pub(super) struct BarrierVotes {
    pub count: c_int,
    pub all: c_int,
    pub any: c_int,
}

impl BarrierVotes {
    const NONE: BarrierVotes = BarrierVotes { count: 0, all: 1, any: 0 };
}

/// What a callback does after it has released its borrow of the worker.
pub(super) enum Decision {
    Continue,
    Switch {
        save: *mut StackPointer,
        to: StackPointer,
    },
    /// Leave the kernel for good: the fiber's stack is simply used again.
    Abandon {
        to: StackPointer,
    },
}

/// Everything that a kernel launch asks of a worker; the same for all its blocks.
#[derive(Clone, Copy)]
pub struct BlockTask {
    pub grid_dim: Dim3,
    pub block_dim: Dim3,
    pub dynamic_shared_bytes: usize,
    pub call: KernelCall,
    pub parameters: *const *const c_void,
    /// The kernel module's context for this CPU thread.
    pub context: *mut KernelContext,
    pub cancelled: *const AtomicBool,
}

/// The state of one CPU thread that runs blocks. Vectors are indexed by the thread's linear index in
/// the block and keep their capacity from block to block.
pub struct Worker {
    threads: Vec<ThreadState>,
    threads_shape: Dim3,
    states: Vec<State>,
    saved: Vec<StackPointer>,
    stack_of: Vec<usize>,
    values: Vec<u64>,
    arguments: Vec<u64>,
    results: Vec<u64>,
    rendezvous: Vec<Vec<Rendezvous>>,
    live_lanes: Vec<u32>,
    ready: VecDeque<u32>,
    stacks: Vec<Stack>,
    free_stacks: Vec<usize>,
    thread_count: u32,
    /// The first thread that has not started.
    next: u32,
    live: u32,
    current: u32,
    waiting: u32,
    votes: BarrierVotes,
    pub(super) barrier_result: BarrierVotes,
    main: StackPointer,
    task: Option<BlockTask>,
    shared: SharedMemory,
    /// Whether kernel code is running, as opposed to the simulator's own: only then may a signal
    /// handler leave the fiber.
    in_kernel: AtomicBool,
    fault: Option<Fault>,
}

thread_local! {
    static CURRENT: Cell<*mut Worker> = const { Cell::new(std::ptr::null_mut()) };
    static OWNER: RefCell<Option<OwnedWorker>> = const { RefCell::new(None) };
}

/// Frees a thread's worker, stacks and all, when the thread ends.
struct OwnedWorker(*mut Worker);

impl Drop for OwnedWorker {
    fn drop(&mut self) {
        CURRENT.with(|current| current.set(std::ptr::null_mut()));
        // SAFETY: made by Box::into_raw in `current_worker`, and no kernel runs at thread exit.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

/// The calling CPU thread's worker, made at first use.
pub fn current_worker() -> *mut Worker {
    CURRENT.with(|current| {
        if current.get().is_null() {
            let worker = Box::into_raw(Box::new(Worker::new()));
            OWNER.with(|owner| *owner.borrow_mut() = Some(OwnedWorker(worker)));
            current.set(worker);
        }
        current.get()
    })
}

/// Where a signal handler sends a CPU thread that was interrupted in kernel code.
pub struct Escape {
    pub stack_pointer: StackPointer,
    pub instruction: usize,
}

/// Called by the signal handlers: if this CPU thread is in kernel code, notes the fault that `describe`
/// answers, if any, and answers how to leave the kernel.
pub fn escape_kernel(describe: impl FnOnce(&Worker) -> Option<FaultKind>) -> Option<Escape> {
    let worker = CURRENT.with(|current| current.get());
    if worker.is_null() {
        return None;
    }
    // SAFETY: the worker belongs to this thread, and while `in_kernel` is set no other code of this
    // thread holds a reference to it.
    unsafe {
        if !(*worker).in_kernel.load(Ordering::Relaxed) {
            return None;
        }
        let kind = describe(&*worker)?;
        let worker = &mut *worker;
        let fault = worker.fault_here(kind);
        std::ptr::write(&mut worker.fault, Some(fault));
        worker.in_kernel.store(false, Ordering::Relaxed);
        Some(Escape { stack_pointer: worker.main, instruction: fiber::resume_address() })
    }
}

impl Worker {
    fn new() -> Worker {
        Worker {
            threads: Vec::new(),
            threads_shape: Dim3::default(),
            states: Vec::new(),
            saved: Vec::new(),
            stack_of: Vec::new(),
            values: Vec::new(),
            arguments: Vec::new(),
            results: Vec::new(),
            rendezvous: Vec::new(),
            live_lanes: Vec::new(),
            ready: VecDeque::new(),
            stacks: Vec::new(),
            free_stacks: Vec::new(),
            thread_count: 0,
            next: 0,
            live: 0,
            current: 0,
            waiting: 0,
            votes: BarrierVotes::NONE,
            barrier_result: BarrierVotes::NONE,
            main: 0,
            task: None,
            shared: SharedMemory::map(0),
            in_kernel: AtomicBool::new(false),
            fault: None,
        }
    }

    /// Whether an address lies just below the stack of a CUDA thread.
    pub fn is_stack_overflow(&self, address: usize) -> bool {
        self.stacks.iter().any(|stack| stack.overflowed_at(address))
    }

    /// Whether the kernel that runs here has been told to stop.
    pub fn is_cancelled(&self) -> bool {
        // SAFETY: the flag belongs to the job, which outlives its blocks.
        self.task.is_some_and(|task| unsafe { (*task.cancelled).load(Ordering::Relaxed) })
    }

    /// Readies all per-block state and answers the fiber that starts the first thread.
    fn prepare(&mut self, task: BlockTask, block_index: Dim3) -> (*mut StackPointer, StackPointer) {
        let count = task.block_dim.count() as usize;
        let warps = count.div_ceil(WARP);
        if self.threads_shape != task.block_dim {
            self.threads_shape = task.block_dim;
            self.threads.clear();
            self.threads.extend((0..count as u64).map(|linear| ThreadState {
                index: task.block_dim.unravel(linear),
                lane: (linear % WARP as u64) as u32,
                spins: 0,
            }));
        }
        self.states.clear();
        self.states.resize(count, State::Runnable);
        for lanes in [&mut self.values, &mut self.arguments, &mut self.results] {
            lanes.resize(warps * WARP, 0);
        }
        self.saved.resize(count, 0);
        self.stack_of.resize(count, 0);
        self.rendezvous.iter_mut().for_each(Vec::clear);
        self.rendezvous.resize_with(warps.max(self.rendezvous.len()), Vec::new);
        self.live_lanes.clear();
        self.live_lanes.extend((0..warps).map(|warp| match count - warp * WARP {
            rest if rest >= WARP => u32::MAX,
            rest => (1 << rest) - 1,
        }));
        self.ready.clear();
        self.free_stacks.clear();
        self.free_stacks.extend(0..self.stacks.len());
        self.thread_count = count as u32;
        self.next = 0;
        self.live = count as u32;
        self.current = 0;
        self.waiting = 0;
        self.votes = BarrierVotes::NONE;
        self.fault = None;
        if self.shared.capacity() < task.dynamic_shared_bytes {
            self.shared = SharedMemory::map(task.dynamic_shared_bytes);
        }
        let dynamic_shared = self.shared.poisoned(task.dynamic_shared_bytes, SHARED_POISON);
        let worker: *mut Worker = self;
        // SAFETY: the context is this thread's, and lives as long as the module is loaded.
        unsafe {
            *task.context = KernelContext {
                thread: self.threads.as_mut_ptr(),
                block_index,
                block_dim: task.block_dim,
                grid_dim: task.grid_dim,
                dynamic_shared,
                worker,
            };
        }
        self.task = Some(task);
        let to = self.new_fiber();
        (&mut self.main, to)
    }

    /// Primes a stack for the next thread that has not started.
    fn new_fiber(&mut self) -> StackPointer {
        let stack = self.free_stacks.pop().unwrap_or_else(|| {
            self.stacks.push(Stack::map(self.stacks.len()));
            self.stacks.len() - 1
        });
        self.stack_of[self.next as usize] = stack;
        self.stacks[stack].prime(fiber_entry)
    }

    fn make_current(&mut self, thread: u32) {
        self.current = thread;
        if let Some(task) = &self.task {
            // SAFETY: see `prepare`; the index is below the thread count.
            unsafe { (*task.context).thread = self.threads.as_mut_ptr().add(thread as usize) };
        }
    }

    /// Takes the next thread that has not started onto the running fiber.
    fn start_next(&mut self) -> Option<(KernelCall, *const *const c_void)> {
        if self.fault.is_some() || self.next >= self.thread_count {
            return None;
        }
        let thread = self.next;
        self.next += 1;
        self.make_current(thread);
        self.task.map(|task| (task.call, task.parameters))
    }

    /// Notes that the current thread returned from the kernel. Its fiber goes on with the next.
    fn finish_current(&mut self) {
        let thread = self.current as usize;
        self.states[thread] = State::Exited;
        self.live -= 1;
        if self.waiting > 0 {
            self.fault_divergent_barrier();
            return;
        }
        let warp = thread / WARP;
        self.live_lanes[warp] &= !(1 << (thread % WARP));
        if !self.rendezvous[warp].is_empty() {
            self.complete_rendezvous(warp);
        }
        if self.next < self.thread_count {
            self.stack_of[self.next as usize] = self.stack_of[thread];
        }
    }

    /// Gives up the running fiber's stack and answers what to resume.
    fn retire(&mut self) -> StackPointer {
        if self.fault.is_none() {
            if let Some(thread) = self.ready.pop_front() {
                self.free_stacks.push(self.stack_of[self.current as usize]);
                self.make_current(thread);
                return self.saved[thread as usize];
            }
            if self.live > 0 {
                self.fault_stuck();
            }
        }
        self.main
    }

    /// Decides what runs while the current thread waits; it must be queued or registered already.
    fn suspend(&mut self) -> Decision {
        let current = self.current;
        if self.fault.is_some() {
            return Decision::Abandon { to: self.main };
        }
        if let Some(thread) = self.ready.pop_front() {
            if thread == current {
                return Decision::Continue;
            }
            self.make_current(thread);
            let to = self.saved[thread as usize];
            Decision::Switch { save: &mut self.saved[current as usize], to }
        } else if self.next < self.thread_count {
            let to = self.new_fiber();
            Decision::Switch { save: &mut self.saved[current as usize], to }
        } else {
            self.fault_stuck();
            Decision::Abandon { to: self.main }
        }
    }

    pub(super) fn arrive_at_barrier(&mut self, predicate: c_int) -> Decision {
        let vote = (predicate != 0) as c_int;
        self.votes.count += vote;
        self.votes.all &= vote;
        self.votes.any |= vote;
        self.waiting += 1;
        self.states[self.current as usize] = State::AtBarrier;
        if self.live < self.thread_count {
            self.fault_divergent_barrier();
        } else if self.waiting == self.live {
            self.release_barrier();
            return Decision::Continue;
        }
        self.suspend()
    }

    fn release_barrier(&mut self) {
        self.barrier_result = self.votes;
        self.votes = BarrierVotes::NONE;
        self.waiting = 0;
        for (thread, state) in self.states.iter_mut().enumerate() {
            if *state == State::AtBarrier {
                *state = State::Runnable;
                if thread as u32 != self.current {
                    self.ready.push_back(thread as u32);
                }
            }
        }
    }

    pub(super) fn arrive_at_warp(&mut self, op: WarpOp, mask: u32, value: u64, argument: u64) -> Decision {
        let thread = self.current as usize;
        let (warp, bit) = (thread / WARP, 1u32 << (thread % WARP));
        if mask & bit == 0 {
            let name = op.name();
            self.set_fault(format!("{name} with mask {mask:#010x}, which does not name the calling lane"));
            return Decision::Abandon { to: self.main };
        }
        self.values[thread] = value;
        self.arguments[thread] = argument;
        self.states[thread] = State::AtWarp;
        match self.rendezvous[warp].iter_mut().find(|meeting| meeting.mask == mask) {
            Some(meeting) if meeting.op != op => {
                let (here, there) = (op.name(), meeting.op.name());
                self.set_fault(format!("lanes of mask {mask:#010x} meet in {here} and in {there}"));
                return Decision::Abandon { to: self.main };
            }
            Some(meeting) => meeting.arrived |= bit,
            None => self.rendezvous[warp].push(Rendezvous { mask, op, arrived: bit }),
        }
        self.complete_rendezvous(warp);
        if self.states[thread] == State::AtWarp { self.suspend() } else { Decision::Continue }
    }

    /// Completes every operation of a warp whose named lanes have all arrived or exited.
    fn complete_rendezvous(&mut self, warp: usize) {
        let live = self.live_lanes[warp];
        let lanes = warp * WARP..(warp + 1) * WARP;
        let mut i = 0;
        while i < self.rendezvous[warp].len() {
            let Rendezvous { mask, op, arrived } = self.rendezvous[warp][i];
            if arrived & mask & live != mask & live {
                i += 1;
                continue;
            }
            self.rendezvous[warp].swap_remove(i);
            op.compute(
                arrived,
                &self.values[lanes.clone()],
                &self.arguments[lanes.clone()],
                &mut self.results[lanes.clone()],
            );
            for lane in Lanes(arrived) {
                let thread = lanes.start + lane;
                self.states[thread] = State::Runnable;
                if thread as u32 != self.current {
                    self.ready.push_back(thread as u32);
                }
            }
        }
    }

    /// Lets all other threads of the block have a turn.
    pub(super) fn yield_turn(&mut self) -> Decision {
        if self.is_cancelled() {
            return self.abandon(FaultKind::Timeout);
        }
        if self.next < self.thread_count {
            // A thread that has not started may be the one that the current thread waits for.
            self.ready.push_back(self.current);
            let to = self.new_fiber();
            return Decision::Switch { save: &mut self.saved[self.current as usize], to };
        }
        if self.ready.is_empty() {
            // What this thread waits for must come from another block.
            std::thread::yield_now();
            return Decision::Continue;
        }
        self.ready.push_back(self.current);
        self.suspend()
    }

    pub(super) fn fault_here(&self, kind: FaultKind) -> Fault {
        let thread = self.threads.get(self.current as usize).map(|thread| thread.index).unwrap_or_default();
        // SAFETY: see `prepare`.
        let block = self.task.map(|task| unsafe { (*task.context).block_index }).unwrap_or_default();
        Fault { kind, block, thread }
    }

    /// What a warp operation answered the current thread.
    pub(super) fn warp_result(&self) -> u64 {
        self.results[self.current as usize]
    }

    /// Marks where kernel code begins and ends; see `in_kernel`.
    pub(super) fn set_in_kernel(&self, in_kernel: bool) {
        self.in_kernel.store(in_kernel, Ordering::Relaxed);
    }

    /// Ends the kernel with a fault of the current thread.
    pub(super) fn abandon(&mut self, kind: FaultKind) -> Decision {
        self.fault = Some(self.fault_here(kind));
        Decision::Abandon { to: self.main }
    }

    fn set_fault(&mut self, message: String) {
        self.fault = Some(self.fault_here(FaultKind::Synchronization(message)));
    }

    fn fault_divergent_barrier(&mut self) {
        let (waiting, exited, count) = (self.waiting, self.thread_count - self.live, self.thread_count);
        self.set_fault(format!(
            "divergent barrier: {waiting} of the block's {count} threads wait at __syncthreads, but {exited} \
             have already returned from the kernel"
        ));
    }

    /// No thread can run: say who waits for what.
    fn fault_stuck(&mut self) {
        let count = |wanted| self.states.iter().filter(|state| **state == wanted).count();
        let (at_barrier, at_warp) = (count(State::AtBarrier), count(State::AtWarp));
        let waiting_for = self.rendezvous.iter().enumerate().find_map(|(warp, meetings)| {
            meetings.first().map(|m| {
                let missing = m.mask & self.live_lanes[warp] & !m.arrived;
                format!("; lanes {missing:#010x} of warp {warp} never reach its {}", m.op.name())
            })
        });
        self.set_fault(format!(
            "divergent synchronisation: of the block's {} threads {at_barrier} wait at __syncthreads, {at_warp} at \
             a warp operation, and {} have returned{}",
            self.thread_count,
            self.thread_count - self.live,
            waiting_for.unwrap_or_default(),
        ));
    }
}

/// Runs one block to its end or to its first fault.
pub fn run_block(worker: *mut Worker, task: BlockTask, block_index: Dim3) -> Result<(), Fault> {
    // SAFETY: the worker is this thread's own; the borrow ends before the switch. When the switch
    // returns, either all threads have ended or the kernel was abandoned, so no fiber is left that
    // would use the worker.
    unsafe {
        let (save, to) = (*worker).prepare(task, block_index);
        fiber::switch(save, to);
        (*worker).in_kernel.store(false, Ordering::Relaxed);
        (*worker).task = None;
        match (*worker).fault.take() {
            None => Ok(()),
            Some(fault) => Err(fault),
        }
    }
}

/// The body of every fiber: runs threads that have not started until none is left.
unsafe extern "C" fn fiber_entry() -> ! {
    let worker = current_worker();
    // SAFETY: fibers never change CPU threads, so this is their worker. No borrow lives across the
    // kernel call or the switch.
    unsafe {
        while let Some((call, parameters)) = (*worker).start_next() {
            (*worker).in_kernel.store(true, Ordering::Relaxed);
            call(parameters);
            (*worker).in_kernel.store(false, Ordering::Relaxed);
            (*worker).finish_current();
        }
        let to = (*worker).retire();
        let mut never_resumed = 0;
        fiber::switch(&mut never_resumed, to);
    }
    unreachable!("a retired fiber is never resumed")
}

//! Spreads the blocks of a launch over CPU threads, and watches that it ends.

use super::abi::{Attach, Dim3, KernelCall};
use super::block::{self, BlockTask, SHARED_POISON};
use super::fault::{self, Fault, FaultKind};
use super::runtime::RUNTIME;
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// A launch below this many CUDA threads runs on the calling thread alone: waking others costs more.
const THREADS_WORTH_SHARING: u64 = 2048;

/// Where a module's static `__shared__` variables lie, relative to its context: both are in the
/// module's block of thread-local storage.
#[derive(Clone, Copy, Debug, Default)]
pub struct SharedLayout {
    /// Bytes of the block that precede the context.
    pub before: usize,
    /// Bytes of the block that follow the context.
    pub after: usize,
}

/// One launch of a kernel.
pub struct KernelRun {
    pub grid_dim: Dim3,
    pub block_dim: Dim3,
    pub dynamic_shared_bytes: usize,
    pub call: KernelCall,
    pub attach: Attach,
    pub shared: SharedLayout,
    /// One pointer per parameter, into memory that outlives the run.
    pub parameters: Vec<*const c_void>,
    /// Whether the blocks wait for each other: each then gets a CPU thread of its own.
    pub cooperative: bool,
}

// SAFETY: the parameters are only read, and the pointers in them are as global as device memory is.
unsafe impl Send for KernelRun {}
// SAFETY: as above.
unsafe impl Sync for KernelRun {}

impl KernelRun {
    /// Runs all blocks and returns when no CPU thread works on them any more.
    pub fn run(self) -> Result<(), Fault> {
        fault::install_handlers();
        let blocks = self.grid_dim.count();
        let helpers = if self.cooperative {
            blocks - 1
        } else if blocks * self.block_dim.count() < THREADS_WORTH_SHARING {
            0
        } else {
            (blocks - 1).min(thread_count() as u64 - 1)
        };
        let cooperative = self.cooperative;
        let job = Arc::new(Job {
            run: self,
            blocks,
            next_block: AtomicU64::new(0),
            cancelled: AtomicBool::new(false),
            progress: Mutex::new(Progress::default()),
            left: Condvar::new(),
        });
        watchdog().add(&job);
        if cooperative {
            for _ in 0..helpers {
                let job = job.clone();
                std::thread::spawn(move || job.help());
            }
        } else {
            POOL.send(&job, helpers as usize);
        }
        job.help();
        let fault = job.close();
        watchdog().remove(&job);
        fault.map_or(Ok(()), Err)
    }
}

/// A launch that CPU threads work on together.
struct Job {
    run: KernelRun,
    blocks: u64,
    next_block: AtomicU64,
    cancelled: AtomicBool,
    progress: Mutex<Progress>,
    left: Condvar,
}

#[derive(Default)]
struct Progress {
    /// The CPU threads at work, for the watchdog to signal.
    threads: Vec<libc::pthread_t>,
    /// No thread may join any more.
    closed: bool,
    fault: Option<Fault>,
}

impl Job {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Runs blocks until none is left to start.
    fn help(&self) {
        // SAFETY: asks for the calling thread's own identity.
        let me = unsafe { libc::pthread_self() };
        {
            let mut progress = self.progress();
            if progress.closed {
                return;
            }
            progress.threads.push(me);
        }
        fault::ensure_signal_stack();
        self.run_blocks();
        let mut progress = self.progress();
        progress.threads.retain(|thread| *thread != me);
        self.left.notify_all();
    }

    fn run_blocks(&self) {
        let worker = block::current_worker();
        // SAFETY: `attach` is the module's own function, and the module stays loaded while its kernels
        // run.
        let context = unsafe { (self.run.attach)(&RUNTIME) };
        let task = BlockTask {
            grid_dim: self.run.grid_dim,
            block_dim: self.run.block_dim,
            dynamic_shared_bytes: self.run.dynamic_shared_bytes,
            call: self.run.call,
            parameters: self.run.parameters.as_ptr(),
            context,
            cancelled: &self.cancelled,
        };
        loop {
            let index = self.next_block.fetch_add(1, Ordering::Relaxed);
            if index >= self.blocks || self.cancelled.load(Ordering::Relaxed) {
                return;
            }
            // SAFETY: the layout says what of the module's thread-local block surrounds the context.
            unsafe {
                let SharedLayout { before, after } = self.run.shared;
                std::ptr::write_bytes(context.cast::<u8>().sub(before), SHARED_POISON, before);
                std::ptr::write_bytes(context.add(1).cast::<u8>(), SHARED_POISON, after);
            }
            if let Err(fault) = block::run_block(worker, task, self.run.grid_dim.unravel(index)) {
                // Noted first: blocks that stop because of it have faults of their own to tell.
                self.progress().fault.get_or_insert(fault);
                self.cancelled.store(true, Ordering::Relaxed);
                return;
            }
        }
    }

    /// Waits until every thread has left and answers the first fault.
    fn close(&self) -> Option<Fault> {
        let mut progress = self.progress();
        progress.closed = true;
        while !progress.threads.is_empty() {
            progress = self.left.wait(progress).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
        let unfinished = self.next_block.load(Ordering::Relaxed) < self.blocks;
        let between_blocks =
            || Fault { kind: FaultKind::Timeout, block: Dim3::default(), thread: Dim3::default() };
        progress.fault.take().or_else(|| unfinished.then(between_blocks))
    }
}

static THREADS: AtomicU64 = AtomicU64::new(0);

/// Sets how many CPU threads run blocks, the caller's included; 0 means one per core. Takes effect if
/// called before the first launch.
pub fn set_threads(count: usize) {
    THREADS.store(count as u64, Ordering::Relaxed);
}

fn thread_count() -> usize {
    match THREADS.load(Ordering::Relaxed) as usize {
        0 => std::thread::available_parallelism().map_or(1, |cores| cores.get()),
        count => count,
    }
}

/// Threads that wait for jobs, beside those that launch.
struct Pool(Vec<Sender<Arc<Job>>>);

static POOL: LazyLock<Pool> = LazyLock::new(|| {
    Pool(
        (1..thread_count())
            .map(|_| {
                let (sender, receiver) = channel::<Arc<Job>>();
                std::thread::spawn(move || receiver.iter().for_each(|job| job.help()));
                sender
            })
            .collect(),
    )
});

impl Pool {
    fn send(&self, job: &Arc<Job>, helpers: usize) {
        for sender in self.0.iter().take(helpers) {
            // A pool thread that died only means less help.
            let _ = sender.send(job.clone());
        }
    }
}

static TIMEOUT_MS: AtomicU64 = AtomicU64::new(60_000);

/// Sets how long a kernel may run before it is stopped and reported.
pub fn set_timeout(timeout: Duration) {
    TIMEOUT_MS.store(timeout.as_millis() as u64, Ordering::Relaxed);
}

/// Stops kernels that run for too long, and the other blocks of one that has faulted: by a flag that
/// yielding threads look at, and by a signal for those that do not yield.
struct Watchdog {
    jobs: Mutex<Vec<(Instant, Arc<Job>)>>,
    added: Condvar,
}

fn watchdog() -> &'static Watchdog {
    static WATCHDOG: LazyLock<&'static Watchdog> = LazyLock::new(|| {
        let watchdog = Box::leak(Box::new(Watchdog { jobs: Mutex::new(Vec::new()), added: Condvar::new() }));
        std::thread::spawn(|| watchdog.watch());
        watchdog
    });
    &WATCHDOG
}

impl Watchdog {
    fn jobs(&self) -> MutexGuard<'_, Vec<(Instant, Arc<Job>)>> {
        self.jobs.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn add(&self, job: &Arc<Job>) {
        let mut jobs = self.jobs();
        jobs.push((Instant::now(), job.clone()));
        if jobs.len() == 1 {
            self.added.notify_one();
        }
    }

    fn remove(&self, job: &Arc<Job>) {
        self.jobs().retain(|(_, other)| !Arc::ptr_eq(job, other));
    }

    fn watch(&self) {
        let mut jobs = self.jobs();
        loop {
            if jobs.is_empty() {
                jobs = self.added.wait(jobs).unwrap_or_else(|poisoned| poisoned.into_inner());
            }
            let timeout = Duration::from_millis(TIMEOUT_MS.load(Ordering::Relaxed));
            for (started, job) in jobs.iter() {
                if started.elapsed() > timeout {
                    job.cancelled.store(true, Ordering::Relaxed);
                }
                if job.cancelled.load(Ordering::Relaxed) {
                    // A thread leaves the list under this lock, so all in it are alive.
                    for thread in &job.progress().threads {
                        // SAFETY: the thread is alive, and the handler of the signal is installed.
                        unsafe { libc::pthread_kill(*thread, fault::CANCEL_SIGNAL) };
                    }
                }
            }
            drop(jobs);
            std::thread::sleep(Duration::from_millis(20));
            jobs = self.jobs();
        }
    }
}

//! The worker threads and the handles to them.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::oneshot;

use super::cancel::CancelToken;
use super::engine::{Engine, EngineSlot, Shared};
use super::resident::ResidentInfo;
use super::task::Task;
use crate::config::Config;
use crate::device::{DeviceInfo, KernelSource};
use crate::memory::{PinnedPool, Tier};
use crate::{Error, Result};

/// How long a worker waits for work before it gives back memory that it kept to be quick.
const IDLE: Duration = Duration::from_secs(10);

/// Every worker of a session. Cheap to clone; the threads end with the last clone.
#[derive(Clone, Debug, Default)]
pub struct Workers(Arc<Vec<Worker>>);

impl Workers {
    /// Starts no worker: everything runs on the CPU.
    pub fn none() -> Workers {
        Workers::default()
    }

    /// Starts one worker for each device in `ordinals`; [`devices`](crate::device::devices) lists what there is.
    ///
    /// # Errors
    /// The first device's that cannot be opened.
    pub fn start(ordinals: &[usize], config: &Config) -> Result<Workers> {
        let workers =
            ordinals.iter().map(|ordinal| Worker::start(*ordinal, config)).collect::<Result<Vec<_>>>()?;
        Ok(Workers(Arc::new(workers)))
    }

    /// The workers, in the order they were asked for.
    pub fn iter(&self) -> std::slice::Iter<'_, Worker> {
        self.0.iter()
    }

    /// The first worker, if there is any.
    pub fn first(&self) -> Option<&Worker> {
        self.0.first()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A handle to one worker. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Worker {
    shared: Arc<Shared>,
    thread: Arc<WorkerThread>,
}

/// Something to do on a worker's thread.
type Job = Box<dyn FnOnce(&mut EngineSlot) + Send>;

#[derive(Debug)]
struct WorkerThread {
    /// Present until dropped.
    queue: Mutex<Option<Sender<Job>>>,
    handle: Mutex<Option<JoinHandle<()>>>,
}

impl Worker {
    fn start(ordinal: usize, config: &Config) -> Result<Worker> {
        let (queue, jobs) = channel::<Job>();
        let (opened, open) = channel();
        let config = config.clone();
        let handle = thread::Builder::new()
            .name(format!("swath-device-{ordinal}"))
            .spawn(move || {
                let slot = Engine::open(ordinal).and_then(|engine| {
                    let shared = Arc::new(Shared::new(&engine.device, &config)?);
                    Ok(EngineSlot { shared, engine: Some(engine) })
                });
                match slot {
                    Ok(slot) => {
                        if opened.send(Ok(Arc::clone(&slot.shared))).is_ok() {
                            work(slot, &jobs);
                        }
                    }
                    Err(error) => drop(opened.send(Err(error))),
                }
            })
            .map_err(|error| Error::io(format!("cannot start a thread for device {ordinal}: {error}")))?;
        let shared = open
            .recv()
            .map_err(|_| Error::bug(format!("opening device {ordinal} panicked")))
            .and_then(|opened| opened)?;
        let thread = WorkerThread { queue: Mutex::new(Some(queue)), handle: Mutex::new(Some(handle)) };
        Ok(Worker { shared, thread: Arc::new(thread) })
    }

    /// What the device is.
    pub fn info(&self) -> &DeviceInfo {
        &self.shared.info
    }

    /// The pool to stage uploads in, from any thread.
    pub fn pinned_pool(&self) -> &PinnedPool {
        &self.shared.pool
    }

    /// Bytes of device memory that may be used: the limit of the configuration, or what was free at the start.
    pub fn memory_limit(&self) -> u64 {
        self.shared.store.budget().lock().limit()
    }

    /// Bytes that could be allocated now, if every stored chunk left the device.
    pub fn free_bytes(&self) -> u64 {
        self.shared.store.budget().lock().free_after_eviction()
    }

    /// Bytes that are reserved now, those of stored chunks that could leave the device too.
    pub fn reserved_bytes(&self) -> u64 {
        self.shared.store.budget().lock().reserved()
    }

    /// Counts the contexts that the worker lost: rises by one with each fault, and buffers from before are lost.
    pub fn generation(&self) -> u64 {
        self.shared.generation.load(Ordering::Acquire)
    }

    /// Whether `source` was compiled for this device before, by this process or another, and is kept on disk.
    pub fn is_kept(&self, source: &KernelSource) -> bool {
        self.shared.cache.contains(source, self.shared.info.architecture)
    }

    /// Returns what last kept the kernel cache on disk from working, if anything did.
    pub fn cache_warning(&self) -> Option<String> {
        self.shared.cache.warning()
    }

    /// Runs `work` on the worker's thread, after what was queued before, and answers what it answers.
    ///
    /// The work is queued at once, whether the future is polled or not. `label` names it in messages. Dropping the
    /// future, or `cancel`, stops it at its next step; what it holds is released. When the answer comes, all that the
    /// work enqueued on the device is done.
    ///
    /// # Errors
    /// What `work` answers; `bug` where it panics; `device` where the device failed under it, even if `work` did not
    /// notice; `cancelled`.
    pub fn run<R, F>(
        &self,
        label: impl Into<String>,
        cancel: CancelToken,
        work: F,
    ) -> impl Future<Output = Result<R>> + Send + 'static
    where
        R: Send + 'static,
        F: FnOnce(&mut Task<'_>) -> Result<R> + Send + 'static,
    {
        let label = label.into();
        let (answer, answered) = oneshot::channel();
        let abandoned = CancelToken::new();
        let guard = CancelOnDrop(abandoned.clone());
        let queued = self.thread.send(Box::new(move |slot| {
            // Nobody waits for the answer once the future was dropped.
            let _ = answer.send(run_task(slot, &label, [cancel, abandoned], work));
        }));
        async move {
            let _guard = guard;
            queued?;
            answered.await.unwrap_or_else(|_| Err(Error::bug("a worker thread ended with work left")))
        }
    }

    /// Drops `garbage` on the worker's thread once all work on the device is done, that of other libraries of this
    /// process too: what they were lent they may give back before they have finished with it. Does not wait.
    pub fn drop_when_unused(&self, garbage: impl Send + 'static) {
        // A worker that has ended has nothing left to wait for: then the garbage goes with the refused job, here.
        let _ = self.thread.send(Box::new(move |slot| {
            slot.wait_for_everybody();
            drop(garbage);
        }));
    }

    /// Whether the resident table `key` is there: on the device, or where it was moved to make room.
    pub fn has_resident(&self, key: &str) -> bool {
        self.shared.store.has_table(key)
    }

    /// Returns the share of the bytes of the resident table `key` that had to leave the device; 0 where there is none.
    pub fn spilled_share(&self, key: &str) -> f64 {
        self.shared.store.spilled_share(key)
    }

    /// Lets the resident table `key` go; answers whether there was one. Memory is freed when nobody uses it.
    pub fn drop_resident(&self, key: &str) -> bool {
        self.shared.store.drop_table(key)
    }

    /// Bytes that stored chunks take in `tier`, which is below the device, and the limit there.
    pub fn tier_bytes(&self, tier: Tier) -> (u64, u64) {
        let inner = self.shared.store.lock();
        (inner.tiers.used(tier), inner.tiers.limit(tier))
    }

    /// Lists the resident tables by key.
    pub fn residents(&self) -> Vec<ResidentInfo> {
        self.shared.store.list_tables()
    }
}

impl WorkerThread {
    fn send(&self, job: Job) -> Result<()> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = queue.as_ref().is_some_and(|queue| queue.send(job).is_ok());
        if sent { Ok(()) } else { Err(Error::bug("a worker thread has ended")) }
    }
}

impl Drop for WorkerThread {
    fn drop(&mut self) {
        drop(self.queue.get_mut().unwrap_or_else(PoisonError::into_inner).take());
        let handle = self.handle.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // The last handle may be dropped by a task, on the very thread.
        if let Some(handle) = handle.filter(|handle| handle.thread().id() != thread::current().id()) {
            // A panic there was reported to the task that it happened in.
            let _ = handle.join();
        }
    }
}

/// Cancels a task when its future goes.
struct CancelOnDrop(CancelToken);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Does what is queued until every handle is gone.
fn work(mut slot: EngineSlot, jobs: &Receiver<Job>) {
    let mut is_trimmed = false;
    loop {
        let next = match is_trimmed {
            true => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            false => jobs.recv_timeout(IDLE),
        };
        is_trimmed = next.is_err();
        match next {
            Ok(job) => job(&mut slot),
            Err(RecvTimeoutError::Timeout) => slot.trim(),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    slot.shared.store.close();
}

/// Runs one task to its end on the device, and replaces the context where a fault ended it.
fn run_task<R>(
    slot: &mut EngineSlot,
    label: &str,
    cancel: [CancelToken; 2],
    work: impl FnOnce(&mut Task<'_>) -> Result<R>,
) -> Result<R> {
    cancel.iter().try_for_each(CancelToken::check)?;
    let shared = Arc::clone(&slot.shared);
    let device = slot.engine()?.device.clone();
    let held = device.hold();
    if !device.is_alive() {
        // Another worker that shares the device met a fault between the two lines above.
        return Err(Error::device(format!("{label}: {} was lost to another task's fault", shared.info)));
    }
    let engine = slot.engine()?;
    let mut task = Task::new(engine, &shared, cancel);
    let outcome = catch_unwind(AssertUnwindSafe(|| work(&mut task)))
        .unwrap_or_else(|panic| Err(Error::bug(format!("panicked: {}", panic_message(&*panic)))));
    drop(task);
    let finished = engine.synchronize();
    engine.timeline.clear();
    drop(held);
    let outcome = match finished {
        Ok(()) => outcome,
        Err(fault) => {
            // The task's own answer goes first: its buffers are of the context that ends now.
            let told = outcome.err().filter(Error::is_device_fault);
            slot.rebuild();
            Err(told.unwrap_or_else(|| Error::device(format!("{}: {fault}", shared.info))))
        }
    };
    outcome.map_err(|error| error.context(label))
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(message), _) => message,
        (_, Some(message)) => message,
        _ => "no message",
    }
}

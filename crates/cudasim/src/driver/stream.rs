//! Streams, events and the order of work.
//!
//! Work is always queued first. In eager mode the call that queues it then runs the stream up to it; in
//! lazy mode nothing runs until something waits for it. A stream is run by whichever thread asks, one
//! at a time, and never while that thread holds another stream, so waits between streams cannot lock
//! each other out: a wait only ever names work that was queued before it.

use super::state::{Handle, State, current_device, state};
use super::status::{self, Outcome};
use crate::settings::DEVICES_MAX;
use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar};
use std::time::Instant;

/// Work of a stream. It may run more than once, as part of a graph, and reports its own faults.
pub type Operation = Arc<dyn Fn() + Send + Sync>;

pub enum Item {
    Run(Operation),
    Record(usize),
    /// Waits for another stream to have done what it had queued.
    Wait {
        stream: usize,
        sequence: u64,
    },
}

/// A stream. Its items are numbered from 1 in the order they were queued.
pub struct Stream {
    pub device: usize,
    pub priority: i32,
    /// Whether it orders itself with the legacy default stream.
    pub blocking: bool,
    queue: VecDeque<(u64, Item)>,
    pub queued: u64,
    pub done: u64,
    running: bool,
    /// The operations recorded so far, while it is being captured.
    pub capture: Option<Vec<Operation>>,
}

impl Stream {
    pub fn new(device: usize, blocking: bool, priority: i32) -> Stream {
        Stream {
            device,
            priority,
            blocking,
            queue: VecDeque::new(),
            queued: 0,
            done: 0,
            running: false,
            capture: None,
        }
    }

    /// Drops what is queued, as if it were done.
    pub fn abandon(&mut self) {
        self.queue.clear();
        self.done = self.queued;
        self.capture = None;
    }

    fn push(&mut self, item: Item) -> u64 {
        self.queued += 1;
        self.queue.push_back((self.queued, item));
        self.queued
    }
}

pub struct Event {
    pub device: usize,
    pub timing: bool,
    /// The stream and the number of the last recording.
    pub recorded: Option<(usize, u64)>,
    pub time: Option<Instant>,
    /// Recorded into a stream under capture.
    pub captured: bool,
}

// Default streams exist per context and are addressed by small handles.
const LEGACY_HANDLES: [usize; 2] = [0, 1];
const PER_THREAD_HANDLE: usize = 2;
const DEFAULT_STREAMS_BASE: usize = 0x1000;

/// Whether a stream is one of a context's default streams, which live as long as the device.
pub fn is_default(key: usize) -> bool {
    (DEFAULT_STREAMS_BASE..DEFAULT_STREAMS_BASE + 2 * DEVICES_MAX).contains(&key)
}

fn legacy_key(device: usize) -> usize {
    DEFAULT_STREAMS_BASE + device * 2
}

thread_local! {
    /// Whether this thread is inside a host function, which must not call the driver.
    pub static IN_HOST_FUNCTION: Cell<bool> = const { Cell::new(false) };
}

static FINISHED: Condvar = Condvar::new();

impl State {
    /// The number by which `streams` knows a stream.
    pub fn stream_key(&mut self, handle: Handle) -> Outcome<usize> {
        let handle = handle as usize;
        if handle > PER_THREAD_HANDLE {
            return self.streams.contains_key(&handle).then_some(handle).ok_or(status::INVALID_HANDLE);
        }
        let device = current_device()?;
        let key = legacy_key(device) + !LEGACY_HANDLES.contains(&handle) as usize;
        self.streams.entry(key).or_insert_with(|| Stream::new(device, true, 0));
        Ok(key)
    }

    pub fn stream(&mut self, key: usize) -> Outcome<&mut Stream> {
        self.streams.get_mut(&key).ok_or(status::INVALID_HANDLE)
    }

    /// Queues the waits by which the legacy default stream and the blocking streams of a device keep
    /// their order.
    fn order_with_default_stream(&mut self, key: usize) {
        let Some(stream) = self.streams.get(&key) else { return };
        let (device, blocking) = (stream.device, stream.blocking);
        if !blocking {
            return;
        }
        let legacy = legacy_key(device);
        let waits: Vec<(usize, u64)> = self
            .streams
            .iter()
            .filter(|(other, stream)| {
                let concerns = if key == legacy { stream.blocking } else { **other == legacy };
                **other != key && concerns && stream.device == device && stream.done < stream.queued
            })
            .map(|(other, stream)| (*other, stream.queued))
            .collect();
        if let Some(stream) = self.streams.get_mut(&key) {
            for (stream_key, sequence) in waits {
                stream.push(Item::Wait { stream: stream_key, sequence });
            }
        }
    }

    /// Queues an item and answers its number, or nothing if it became part of a graph.
    fn enqueue(&mut self, key: usize, item: Item) -> Outcome<Option<u64>> {
        let device = self.stream(key)?.device;
        self.check_sticky(device)?;
        if let (Some(capture), Item::Run(operation)) = (&mut self.stream(key)?.capture, &item) {
            capture.push(operation.clone());
            return Ok(None);
        }
        self.order_with_default_stream(key);
        Ok(Some(self.stream(key)?.push(item)))
    }

    fn is_done(&self, key: usize, sequence: u64) -> bool {
        self.streams.get(&key).is_none_or(|stream| stream.done >= sequence)
    }
}

/// Queues an operation; in eager mode, runs it.
pub fn submit(key: usize, operation: Operation) -> Outcome {
    submit_item(key, Item::Run(operation))
}

fn submit_item(key: usize, item: Item) -> Outcome {
    let (sequence, lazy) = {
        let mut state = state();
        (state.enqueue(key, item)?, state.lazy)
    };
    if let Some(sequence) = sequence
        && !lazy
    {
        run_until(key, sequence);
    }
    Ok(())
}

/// Records an event in a stream.
pub fn record(event: Handle, stream: Handle) -> Outcome {
    let (key, sequence, lazy) = {
        let mut state = state();
        let key = state.stream_key(stream)?;
        let (device, capturing) = {
            let stream = state.stream(key)?;
            (stream.device, stream.capture.is_some())
        };
        let event_key = event as usize;
        let known = state.events.get_mut(&event_key).ok_or(status::INVALID_HANDLE)?;
        if known.device != device {
            return Err(status::INVALID_HANDLE);
        }
        known.captured = capturing;
        if capturing {
            return Ok(());
        }
        let sequence = state.enqueue(key, Item::Record(event_key))?;
        if let (Some(known), Some(sequence)) = (state.events.get_mut(&event_key), sequence) {
            known.recorded = Some((key, sequence));
            known.time = None;
        }
        (key, sequence, state.lazy)
    };
    if let Some(sequence) = sequence
        && !lazy
    {
        run_until(key, sequence);
    }
    Ok(())
}

/// Makes later work of a stream wait for an event's last recording.
pub fn wait_event(stream: Handle, event: Handle) -> Outcome {
    let (key, recorded) = {
        let mut state = state();
        let key = state.stream_key(stream)?;
        let event = state.events.get(&(event as usize)).ok_or(status::INVALID_HANDLE)?;
        let (recorded, captured) = (event.recorded, event.captured);
        if state.stream(key)?.capture.is_some() {
            return if captured { Ok(()) } else { Err(status::STREAM_CAPTURE_ISOLATION) };
        }
        (key, recorded)
    };
    match recorded {
        Some((other, sequence)) if other != key => submit_item(key, Item::Wait { stream: other, sequence }),
        _ => Ok(()),
    }
}

/// Runs a stream up to an item, and whatever that has to wait for.
pub fn run_until(key: usize, sequence: u64) {
    loop {
        let mut state = state();
        let Some(stream) = state.streams.get_mut(&key) else { return };
        if stream.done >= sequence {
            return;
        }
        if stream.running {
            // Another thread runs it: look again when something has finished.
            drop(FINISHED.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner()));
            continue;
        }
        let Some((_, item)) = stream.queue.front() else { return };
        if let Item::Wait { stream: other, sequence } = *item
            && !state.is_done(other, sequence)
        {
            drop(state);
            run_until(other, sequence);
            continue;
        }
        let Some(stream) = state.streams.get_mut(&key) else { return };
        let Some((number, item)) = stream.queue.pop_front() else { return };
        stream.running = true;
        let device = stream.device;
        // A device that has faulted does nothing more.
        let runs = state.devices[device].sticky.is_none();
        drop(state);
        run_item(item, runs, (key, number));
        let mut state = self::state();
        if let Some(stream) = state.streams.get_mut(&key) {
            stream.running = false;
            // A context that was reset meanwhile has counted further.
            stream.done = stream.done.max(number);
        }
        FINISHED.notify_all();
    }
}

fn run_item(item: Item, runs: bool, place: (usize, u64)) {
    match item {
        Item::Run(operation) if runs => operation(),
        Item::Record(event) => {
            if let Some(event) = state().events.get_mut(&event)
                && event.recorded == Some(place)
            {
                event.time = Some(Instant::now());
            }
        }
        Item::Run(_) | Item::Wait { .. } => {}
    }
}

/// Waits for all work of a stream.
pub fn synchronize_stream(key: usize) -> Outcome {
    let (queued, device) = {
        let mut state = state();
        let stream = state.stream(key)?;
        if stream.capture.is_some() {
            return Err(status::STREAM_CAPTURE_UNSUPPORTED);
        }
        (stream.queued, stream.device)
    };
    run_until(key, queued);
    state().check_sticky(device)
}

/// Waits for all work of a device.
pub fn synchronize_device(device: usize) -> Outcome {
    let streams: Vec<(usize, u64)> = state()
        .streams
        .iter()
        .filter(|(_, stream)| stream.device == device && stream.capture.is_none())
        .map(|(key, stream)| (*key, stream.queued))
        .collect();
    for (key, queued) in streams {
        run_until(key, queued);
    }
    state().check_sticky(device)
}

/// Whether the work of a stream up to an item is done. If not, the next piece of it is run, so that a
/// program which polls comes to an end in lazy mode too.
pub fn poll(key: usize, sequence: u64) -> Outcome {
    let (done, device) = {
        let state = state();
        let Some(stream) = state.streams.get(&key) else { return Ok(()) };
        (stream.done, stream.device)
    };
    state().check_sticky(device)?;
    if done >= sequence {
        return Ok(());
    }
    run_until(key, done + 1);
    Err(status::NOT_READY)
}

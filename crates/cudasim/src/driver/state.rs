//! All that the simulated driver remembers, behind one lock. Kernels, copies and host functions run
//! without the lock, so whatever they need is taken out first.

use super::memory::{Allocation, Kind, Memory};
use super::module::{Function, Module};
use super::status::{self, Outcome, Status};
use super::stream::{self, Event, Operation, Stream};
use crate::exec;
use crate::settings::settings;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::c_void;
use std::sync::{LazyLock, Mutex, MutexGuard};

/// A handle as programs see it: `CUstream`, `CUevent`, `CUmodule` and so on.
pub type Handle = *mut c_void;

/// Streaming multiprocessors of every simulated device.
pub const MULTIPROCESSORS: u32 = 4;

#[derive(Default)]
pub struct Device {
    pub memory_limit: usize,
    pub memory_used: usize,
    pub memory_peak: usize,
    pub primary_retained: u32,
    pub primary_flags: u32,
    /// The devices whose memory this one may use, by `cuCtxEnablePeerAccess`.
    pub peers: BTreeSet<usize>,
    /// What every call answers after a fault, until the context is reset.
    pub sticky: Option<Status>,
    pub pool: usize,
    pub launches: u64,
    /// Counts down to the launch that is to fail; 0 is off.
    pub launches_to_failure: u64,
    /// Allocations that were asked for: of device memory, pinned memory and registrations.
    pub allocations: u64,
    /// Counts down to the allocation that is to fail; 0 is off.
    pub allocations_to_failure: u64,
    /// How many are to fail from there on.
    pub allocations_failing: u64,
}

pub struct Pool {
    pub device: usize,
    pub access: BTreeSet<usize>,
    pub attributes: BTreeMap<i32, u64>,
    pub memory_used: usize,
    pub memory_peak: usize,
}

pub struct State {
    pub initialized: bool,
    pub lazy: bool,
    pub devices: Vec<Device>,
    pub memory: Memory,
    pub streams: BTreeMap<usize, Stream>,
    pub events: BTreeMap<usize, Event>,
    pub modules: BTreeMap<usize, Module>,
    pub functions: BTreeMap<usize, Function>,
    pub pools: BTreeMap<usize, Pool>,
    pub graphs: BTreeMap<usize, Vec<Operation>>,
    pub last_fault: Option<String>,
    next_handle: usize,
}

static STATE: LazyLock<Mutex<State>> = LazyLock::new(|| Mutex::new(State::new()));

/// Locks the state.
pub fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl State {
    fn new() -> State {
        let settings = settings();
        exec::set_threads(settings.threads);
        exec::set_timeout(settings.timeout);
        let mut state = State {
            initialized: false,
            lazy: settings.lazy,
            devices: Vec::new(),
            memory: Memory::default(),
            streams: BTreeMap::new(),
            events: BTreeMap::new(),
            modules: BTreeMap::new(),
            functions: BTreeMap::new(),
            pools: BTreeMap::new(),
            graphs: BTreeMap::new(),
            last_fault: None,
            next_handle: 0x10_0000,
        };
        for device in 0..settings.devices {
            let pool = state.new_pool(device);
            let (allocations_to_failure, allocations_failing) = settings.fail_allocations;
            state.devices.push(Device {
                memory_limit: settings.memory_bytes,
                pool,
                allocations_to_failure,
                allocations_failing,
                ..Device::default()
            });
        }
        state
    }

    /// A number that no other handle has.
    pub fn new_handle(&mut self) -> usize {
        self.next_handle += 16;
        self.next_handle
    }

    pub fn new_pool(&mut self, device: usize) -> usize {
        let handle = self.new_handle();
        let access = BTreeSet::from([device]);
        let attributes = BTreeMap::from([(1, 1), (2, 1), (3, 1), (4, 0)]);
        self.pools.insert(handle, Pool { device, access, attributes, memory_used: 0, memory_peak: 0 });
        handle
    }

    pub fn device(&self, ordinal: i32) -> Outcome<&Device> {
        usize::try_from(ordinal).ok().and_then(|i| self.devices.get(i)).ok_or(status::INVALID_DEVICE)
    }

    pub fn device_mut(&mut self, ordinal: i32) -> Outcome<&mut Device> {
        usize::try_from(ordinal).ok().and_then(|i| self.devices.get_mut(i)).ok_or(status::INVALID_DEVICE)
    }

    /// Fails if the device has faulted.
    pub fn check_sticky(&self, device: usize) -> Outcome {
        self.devices[device].sticky.map_or(Ok(()), Err)
    }

    /// Notes a misuse or a fault for people to read.
    pub fn report(&mut self, device: usize, message: String) {
        eprintln!("cudasim: device {device}: {message}");
        self.last_fault = Some(message);
    }

    /// Makes the device fail from now on. The first fault stays.
    pub fn fault(&mut self, device: usize, code: Status, message: String) -> Status {
        self.report(device, message);
        *self.devices[device].sticky.get_or_insert(code)
    }

    /// Allocates device memory within the limit.
    pub fn allocate_device(
        &mut self,
        device: usize,
        bytes: usize,
        kind: Kind,
        pool: Option<usize>,
    ) -> Outcome<usize> {
        let charge = super::memory::charge(bytes);
        let owner = &self.devices[device];
        if owner.memory_used.checked_add(charge).is_none_or(|used| used > owner.memory_limit) {
            return Err(status::OUT_OF_MEMORY);
        }
        let address = self.memory.allocate(bytes, device, kind, pool).ok_or(status::OUT_OF_MEMORY)?;
        let owner = &mut self.devices[device];
        owner.memory_used += charge;
        owner.memory_peak = owner.memory_peak.max(owner.memory_used);
        if let Some(pool) = pool.and_then(|pool| self.pools.get_mut(&pool)) {
            pool.memory_used += charge;
            pool.memory_peak = pool.memory_peak.max(pool.memory_used);
        }
        Ok(address)
    }

    /// Counts an allocation, and down to those that are to fail; true for one of them.
    pub fn injected_allocation_failure(&mut self, device: usize) -> bool {
        let device = &mut self.devices[device];
        device.allocations += 1;
        match device.allocations_to_failure {
            0 => false,
            1 => {
                device.allocations_failing = device.allocations_failing.saturating_sub(1);
                if device.allocations_failing == 0 {
                    device.allocations_to_failure = 0;
                }
                true
            }
            _ => {
                device.allocations_to_failure -= 1;
                false
            }
        }
    }

    /// Frees what `wanted` admits; anything else is a misuse, which is reported.
    pub fn free(&mut self, address: usize, device: usize, wanted: impl Fn(Kind) -> bool) -> Outcome {
        match self.memory.at(address) {
            Some(allocation) if wanted(allocation.kind) => {}
            found => {
                let what = match found {
                    Some(_) => "of another kind of memory".to_string(),
                    None if self.memory.was_freed(address) => "a second time".to_string(),
                    None => format!("that no allocation has: it is {}", self.memory.describe(address)),
                };
                self.report(device, format!("free of address {address:#x} {what}"));
                return Err(status::INVALID_VALUE);
            }
        }
        let Some((allocation, damage)) = self.memory.free(address) else { return Ok(()) };
        if allocation.is_device() {
            self.devices[allocation.device].memory_used -= allocation.charge();
            if let Some(pool) = allocation.pool.and_then(|pool| self.pools.get_mut(&pool)) {
                pool.memory_used -= allocation.charge();
            }
        }
        match damage {
            None => Ok(()),
            Some(place) => {
                let message = format!("write outside of an allocation, found when it was freed: {place}");
                Err(self.fault(allocation.device, status::ILLEGAL_ADDRESS, message))
            }
        }
    }

    /// Looks for red zones of a device that were written to, after the work that `culprit` names.
    pub fn check_red_zones(&mut self, device: usize, culprit: &str) -> Outcome {
        match self.memory.find_damage(device) {
            None => Ok(()),
            Some(place) => {
                let message = format!("{culprit}: write outside of an allocation: {place}");
                Err(self.fault(device, status::ILLEGAL_ADDRESS, message))
            }
        }
    }

    /// Whether kernels of `device` may use an allocation of another one.
    pub fn is_accessible(&self, device: usize, allocation: &Allocation) -> bool {
        if !allocation.is_device() && allocation.kind != Kind::Global || allocation.device == device {
            return true;
        }
        match allocation.pool {
            Some(pool) => self.pools.get(&pool).is_some_and(|pool| pool.access.contains(&device)),
            None => self.devices[device].peers.contains(&allocation.device),
        }
    }

    /// Destroys all that belongs to a device's context, queued work included, and forgets its faults.
    pub fn reset_context(&mut self, ordinal: usize) {
        // Registrations end with the context, and their memory may be somebody else's next.
        let ends = |a: &Allocation| a.device == ordinal && (a.is_device() || a.kind == Kind::Registered);
        for address in self.memory.addresses(ends) {
            self.memory.free(address);
        }
        self.streams.retain(|key, stream| stream.device != ordinal || stream::is_default(*key));
        self.streams.values_mut().filter(|stream| stream.device == ordinal).for_each(Stream::abandon);
        self.events.retain(|_, event| event.device != ordinal);
        let gone: Vec<usize> = self
            .modules
            .iter()
            .filter(|(_, module)| module.device == ordinal)
            .map(|(handle, _)| *handle)
            .collect();
        for module in gone {
            self.remove_module(module);
        }
        let default_pool = self.devices[ordinal].pool;
        self.pools.retain(|handle, pool| pool.device != ordinal || *handle == default_pool);
        if let Some(pool) = self.pools.get_mut(&default_pool) {
            pool.memory_used = 0;
        }
        let device = &mut self.devices[ordinal];
        device.memory_used = 0;
        device.peers.clear();
        device.sticky = None;
    }

    /// Forgets a module and its functions; its code stays loaded until nothing runs it.
    pub fn remove_module(&mut self, handle: usize) -> Option<Module> {
        let module = self.modules.remove(&handle)?;
        self.functions.retain(|_, function| function.module != handle);
        for address in self.memory.addresses(|a| a.module == Some(handle)) {
            self.memory.free(address);
        }
        Some(module)
    }
}

/// Counts a fault injection down; true when it is due.
pub fn counts_down_to_zero(count: &mut u64) -> bool {
    if *count == 0 {
        return false;
    }
    *count -= 1;
    *count == 0
}

// A context's handle says which device it is of. There is one context to a device, the primary one.
const CONTEXT_BASE: usize = 0x5100_0000;
const CONTEXT_STRIDE: usize = 0x100;

pub fn context_of(device: usize) -> Handle {
    (CONTEXT_BASE + device * CONTEXT_STRIDE) as Handle
}

/// The device of a context.
pub fn device_of(context: Handle) -> Outcome<usize> {
    let offset = (context as usize).checked_sub(CONTEXT_BASE).ok_or(status::INVALID_CONTEXT)?;
    let device = offset / CONTEXT_STRIDE;
    (offset.is_multiple_of(CONTEXT_STRIDE) && device < crate::settings::DEVICES_MAX)
        .then_some(device)
        .ok_or(status::INVALID_CONTEXT)
}

thread_local! {
    /// The calling thread's stack of contexts.
    pub static CONTEXTS: RefCell<Vec<Handle>> = const { RefCell::new(Vec::new()) };
}

/// The context that is current to the calling thread, or null.
pub fn current_context() -> Handle {
    CONTEXTS.with_borrow(|contexts| contexts.last().copied().unwrap_or(std::ptr::null_mut()))
}

/// The device of the current context.
pub fn current_device() -> Outcome<usize> {
    device_of(current_context())
}

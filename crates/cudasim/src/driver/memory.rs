//! Allocations of all devices and of the host, in mappings of their own:
//!
//! ```text
//! | inaccessible | red zone | data, filled with poison | red zone | inaccessible |
//! ```
//!
//! The data ends as close to the inaccessible pages as its alignment allows, so a write past its end
//! either faults at once or damages the red zone. Freed mappings stay reserved and inaccessible for a
//! while, so that a late access faults too.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::c_void;
use std::sync::{RwLock, RwLockReadGuard};

/// The byte that fills memory nothing has been written to.
pub const POISON: u8 = 0xCB;
/// The byte that fills red zones.
const RED_ZONE: u8 = 0xFB;

const PAGE: usize = 4096;
/// What device addresses are multiples of.
const ALIGNMENT: usize = 256;
/// What an allocation counts against the limit in multiples of.
pub const GRANULE: usize = 512;
/// Inaccessible bytes on each side. They cost address space alone.
const GUARD_BYTES: usize = 1 << 20;
/// The least number of red-zone bytes ahead of the data.
const FRONT_BYTES: usize = 256;
/// A red zone as it should be; the longest one is ahead of the data.
const INTACT: [u8; FRONT_BYTES] = [RED_ZONE; FRONT_BYTES];
/// How many freed mappings stay reserved.
const QUARANTINE_COUNT: usize = 4096;

/// What an allocation is, which decides who may free it and what copies may use it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Device,
    Managed,
    /// From `cuMemHostAlloc`.
    Pinned,
    /// Pageable memory made pinned by `cuMemHostRegister`.
    Registered,
    /// A variable of a module.
    Global,
}

/// Live memory that the driver knows.
#[derive(Clone, Debug)]
pub struct Allocation {
    pub bytes: usize,
    pub device: usize,
    pub kind: Kind,
    /// The pool it came from.
    pub pool: Option<usize>,
    /// The module that owns a global.
    pub module: Option<usize>,
    /// The mapping, guards included; absent for memory of others.
    mapping: Option<Mapping>,
}

impl Allocation {
    /// Whether it counts as device memory.
    pub fn is_device(&self) -> bool {
        matches!(self.kind, Kind::Device | Kind::Managed)
    }

    /// Whether a copy may use it without staging.
    pub fn is_pinned(&self) -> bool {
        matches!(self.kind, Kind::Pinned | Kind::Registered)
    }

    /// What it counts against its device's limit.
    pub fn charge(&self) -> usize {
        if self.is_device() { charge(self.bytes) } else { 0 }
    }
}

/// What an allocation of `bytes` counts against a limit.
pub fn charge(bytes: usize) -> usize {
    bytes.max(1).saturating_add(GRANULE - 1) / GRANULE * GRANULE
}

#[derive(Clone, Copy, Debug)]
struct Mapping {
    base: usize,
    bytes: usize,
}

impl Mapping {
    fn contains(&self, address: usize) -> bool {
        (self.base..self.base + self.bytes).contains(&address)
    }

    fn unmap(self) {
        // SAFETY: the mapping was made by `Memory::allocate` and is nobody's any more.
        unsafe { libc::munmap(self.base as *mut c_void, self.bytes) };
    }
}

/// A mapping that was freed, with what it held.
struct Freed {
    mapping: Mapping,
    start: usize,
    bytes: usize,
    device: usize,
}

/// Held by copies and fills while they use memory, so that no free of another thread takes it away
/// under them. Taken under the lock of the state, and given back without it.
static IN_USE: RwLock<()> = RwLock::new(());

/// Keeps all allocations in place.
pub type InUse = RwLockReadGuard<'static, ()>;

/// All allocations, by address.
#[derive(Default)]
pub struct Memory {
    live: BTreeMap<usize, Allocation>,
    quarantine: VecDeque<Freed>,
}

impl Memory {
    /// Makes a poisoned allocation; `None` if the host has no memory for it.
    pub fn allocate(
        &mut self,
        bytes: usize,
        device: usize,
        kind: Kind,
        pool: Option<usize>,
    ) -> Option<usize> {
        let span = bytes.max(1).checked_next_multiple_of(ALIGNMENT)?;
        let accessible = (span + FRONT_BYTES).checked_next_multiple_of(PAGE)?;
        let total = accessible.checked_add(2 * GUARD_BYTES)?;
        // SAFETY: fresh anonymous mappings; all writes are within the accessible part.
        unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
            let base = libc::mmap(std::ptr::null_mut(), total, libc::PROT_NONE, flags, -1, 0);
            if base == libc::MAP_FAILED {
                return None;
            }
            let first = base.cast::<u8>().add(GUARD_BYTES);
            if libc::mprotect(first.cast(), accessible, libc::PROT_READ | libc::PROT_WRITE) != 0 {
                libc::munmap(base, total);
                return None;
            }
            let start = first.add(accessible - span);
            std::ptr::write_bytes(start.sub(FRONT_BYTES), RED_ZONE, FRONT_BYTES);
            std::ptr::write_bytes(start, POISON, bytes);
            std::ptr::write_bytes(start.add(bytes), RED_ZONE, span - bytes);
            let mapping = Some(Mapping { base: base as usize, bytes: total });
            self.live.insert(start as usize, Allocation { bytes, device, kind, pool, module: None, mapping });
            Some(start as usize)
        }
    }

    /// Takes note of memory that others own.
    pub fn adopt(&mut self, address: usize, bytes: usize, device: usize, kind: Kind, module: Option<usize>) {
        self.live.insert(address, Allocation { bytes, device, kind, pool: None, module, mapping: None });
    }

    /// Forgets an allocation and makes its memory inaccessible. Answers it, and what was found wrong
    /// with its red zones.
    pub fn free(&mut self, address: usize) -> Option<(Allocation, Option<String>)> {
        let allocation = self.live.remove(&address)?;
        let damage = damage(address, &allocation);
        if let Some(mapping) = allocation.mapping {
            let _nobody_copies = IN_USE.write().unwrap_or_else(|poisoned| poisoned.into_inner());
            // SAFETY: replaces our own mapping; its pages go back to the system, its addresses do not.
            unsafe {
                let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED;
                libc::mmap(mapping.base as *mut c_void, mapping.bytes, libc::PROT_NONE, flags, -1, 0);
            }
            let (bytes, device) = (allocation.bytes, allocation.device);
            self.quarantine.push_back(Freed { mapping, start: address, bytes, device });
            if self.quarantine.len() > QUARANTINE_COUNT
                && let Some(oldest) = self.quarantine.pop_front()
            {
                oldest.mapping.unmap();
            }
        }
        Some((allocation, damage))
    }

    /// The allocation that starts at an address.
    pub fn at(&self, address: usize) -> Option<&Allocation> {
        self.live.get(&address)
    }

    /// The allocation that holds an address, and where it starts.
    pub fn holding(&self, address: usize) -> Option<(usize, &Allocation)> {
        let (start, allocation) = self.live.range(..=address).next_back()?;
        (address < start + allocation.bytes.max(1)).then_some((*start, allocation))
    }

    /// The allocation that holds a whole range.
    pub fn holding_range(&self, address: usize, bytes: usize) -> Option<&Allocation> {
        let (start, allocation) = self.holding(address)?;
        (address - start <= allocation.bytes && bytes <= allocation.bytes - (address - start))
            .then_some(allocation)
    }

    /// Keeps all allocations in place until the answer is dropped.
    pub fn hold(&self) -> InUse {
        IN_USE.read().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Live allocations with their addresses.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Allocation)> {
        self.live.iter().map(|(start, allocation)| (*start, allocation))
    }

    /// The addresses of live allocations for which `wanted` holds.
    pub fn addresses(&self, wanted: impl Fn(&Allocation) -> bool) -> Vec<usize> {
        self.iter().filter(|(_, allocation)| wanted(allocation)).map(|(start, _)| start).collect()
    }

    /// The first allocation of a device whose red zone was written to, and how. The zone is mended, so
    /// that it is reported once.
    pub fn find_damage(&self, device: usize) -> Option<String> {
        self.iter()
            .filter(|(_, allocation)| allocation.device == device)
            .find_map(|(start, allocation)| damage(start, allocation))
    }

    /// Describes an address for a message about an access to it.
    pub fn describe(&self, address: usize) -> String {
        if let Some((start, allocation)) = self.holding(address) {
            return format!("byte {} of {}", address - start, title(allocation));
        }
        let mapped = |mapping: &Option<Mapping>| mapping.is_some_and(|mapping| mapping.contains(address));
        if let Some((start, allocation)) = self.iter().find(|(_, allocation)| mapped(&allocation.mapping)) {
            return position(address, start, allocation.bytes, &title(allocation));
        }
        if let Some(freed) = self.quarantine.iter().rev().find(|freed| freed.mapping.contains(address)) {
            let title =
                format!("an allocation of {} bytes of device {}, which was freed", freed.bytes, freed.device);
            return position(address, freed.start, freed.bytes, &title);
        }
        if address < PAGE {
            return "a null pointer".to_string();
        }
        "memory of no allocation".to_string()
    }

    /// Whether an address is that of an allocation that was freed lately.
    pub fn was_freed(&self, address: usize) -> bool {
        self.quarantine.iter().any(|freed| freed.start == address)
    }
}

fn title(allocation: &Allocation) -> String {
    let bytes = allocation.bytes;
    match allocation.kind {
        Kind::Device | Kind::Managed => {
            format!("an allocation of {bytes} bytes of device {}", allocation.device)
        }
        Kind::Pinned => format!("a pinned allocation of {bytes} bytes"),
        Kind::Registered => format!("registered host memory of {bytes} bytes"),
        Kind::Global => format!("a module's variable of {bytes} bytes"),
    }
}

fn position(address: usize, start: usize, bytes: usize, title: &str) -> String {
    if address < start {
        format!("{} bytes before {title}", start - address)
    } else if address < start + bytes {
        format!("byte {} of {title}", address - start)
    } else {
        format!("{} bytes past the end of {title}", address - start - bytes)
    }
}

/// What is wrong with an allocation's red zones, which are mended.
fn damage(start: usize, allocation: &Allocation) -> Option<String> {
    allocation.mapping?;
    let end = start + allocation.bytes;
    let zones =
        [(start - FRONT_BYTES, start), (end, start + allocation.bytes.max(1).next_multiple_of(ALIGNMENT))];
    for (from, to) in zones {
        // SAFETY: both zones are accessible parts of the mapping, and no reference to them is kept.
        let zone = unsafe { std::slice::from_raw_parts_mut(from as *mut u8, to - from) };
        // Comparing whole zones is quick, and nearly all are whole.
        if zone == &INTACT[..zone.len()] {
            continue;
        }
        if let Some(offset) = zone.iter().position(|byte| *byte != RED_ZONE) {
            zone.fill(RED_ZONE);
            return Some(position(from + offset, start, allocation.bytes, &title(allocation)));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_past_the_end_is_found_once() {
        let mut memory = Memory::default();
        let start = memory.allocate(100, 0, Kind::Device, None).expect("the host has 100 bytes");
        assert_eq!(memory.find_damage(0), None);
        // SAFETY: byte 103 lies in the allocation's red zone.
        unsafe { *((start + 103) as *mut u8) = 1 };
        let found = memory.find_damage(0).expect("the write is found");
        assert_eq!(found, "3 bytes past the end of an allocation of 100 bytes of device 0");
        assert_eq!(memory.find_damage(0), None);
    }

    #[test]
    fn addresses_are_described_after_the_memory_is_freed() {
        let mut memory = Memory::default();
        let start = memory.allocate(64, 1, Kind::Device, None).expect("the host has 64 bytes");
        assert_eq!(memory.describe(start + 8), "byte 8 of an allocation of 64 bytes of device 1");
        let (allocation, damage) = memory.free(start).expect("it is live");
        assert_eq!((allocation.charge(), damage), (GRANULE, None));
        assert!(memory.was_freed(start) && memory.free(start).is_none());
        assert!(memory.describe(start + 8).ends_with("which was freed"));
        assert_eq!(memory.describe(0), "a null pointer");
    }
}

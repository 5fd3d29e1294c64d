//! What a task did, for receipts.

use std::ops::AddAssign;
use std::time::Duration;

use serde::Serialize;

use crate::memory::Tier;

/// Counts and times of one task, or of several added up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TaskStats {
    pub kernels_launched: u64,
    /// Kernel sources compiled by NVRTC, because neither memory nor disk had them.
    pub kernels_compiled: u64,
    pub compile_time: Duration,
    /// Kernel sources found in memory or on disk.
    pub cache_hits: u64,
    pub bytes_up: u64,
    pub bytes_down: u64,
    /// Time on the device from the start to the end of each kernel, summed; measured by events.
    pub kernel_time: Duration,
    /// Time on the device of the copies up; overlaps with kernels.
    pub upload_time: Duration,
    /// Time on the device of the copies down.
    pub download_time: Duration,
    /// The most device memory that was reserved at a time, residents included; the greatest, when added up.
    pub peak_bytes: u64,
    /// Stored chunks, of resident tables too, that had to leave the device to make room.
    pub evictions: u64,
    /// Bytes of stored chunks that were moved to each tier to make room, whichever tier they came from.
    pub spilled: TierTraffic,
    /// Bytes of stored chunks that came back to the device from each tier.
    pub fetched: TierTraffic,
}

/// Bytes moved to or from each tier below the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TierTraffic {
    pub pinned_bytes: u64,
    pub pageable_bytes: u64,
    pub disk_bytes: u64,
}

impl TierTraffic {
    /// Counts one move.
    pub fn add(&mut self, tier: Tier, bytes: usize) {
        let count = match tier {
            Tier::Device => return,
            Tier::Pinned => &mut self.pinned_bytes,
            Tier::Pageable => &mut self.pageable_bytes,
            Tier::Disk => &mut self.disk_bytes,
        };
        *count += bytes as u64;
    }

    /// Whether nothing moved.
    pub fn is_zero(&self) -> bool {
        *self == TierTraffic::default()
    }
}

impl AddAssign<&TierTraffic> for TierTraffic {
    fn add_assign(&mut self, other: &TierTraffic) {
        self.pinned_bytes += other.pinned_bytes;
        self.pageable_bytes += other.pageable_bytes;
        self.disk_bytes += other.disk_bytes;
    }
}

impl AddAssign<&TaskStats> for TaskStats {
    fn add_assign(&mut self, other: &TaskStats) {
        self.kernels_launched += other.kernels_launched;
        self.kernels_compiled += other.kernels_compiled;
        self.compile_time += other.compile_time;
        self.cache_hits += other.cache_hits;
        self.bytes_up += other.bytes_up;
        self.bytes_down += other.bytes_down;
        self.kernel_time += other.kernel_time;
        self.upload_time += other.upload_time;
        self.download_time += other.download_time;
        self.peak_bytes = self.peak_bytes.max(other.peak_bytes);
        self.evictions += other.evictions;
        self.spilled += &other.spilled;
        self.fetched += &other.fetched;
    }
}

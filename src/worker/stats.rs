//! What a task did, for receipts.

use std::ops::AddAssign;
use std::time::Duration;

use serde::Serialize;

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
    /// Resident tables that were evicted to make room.
    pub evictions: u64,
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
    }
}

//! How much each tier below the device may take.

use crate::config::Config;
use crate::memory::TierLimits;

/// The part of the free host memory that each of its tiers may take where the configuration does not say: the rest is
/// for everything else that the process and the machine do.
const HOST_TIER_SHARE: u64 = 4;
/// The free host memory where the system does not tell.
const HOST_BYTES_UNKNOWN: u64 = 8 << 30;

/// The limits that `config` sets, or those that suit the machine as it is now.
pub(super) fn tier_limits(config: &Config) -> TierLimits {
    let share = free_host_bytes().unwrap_or(HOST_BYTES_UNKNOWN) / HOST_TIER_SHARE;
    TierLimits {
        pinned: config.pinned_memory_limit.unwrap_or(share),
        pageable: config.pageable_memory_limit.unwrap_or(share),
        disk: config.spill_disk_limit.unwrap_or(u64::MAX),
    }
}

/// Bytes of host memory that may be taken without pushing others out, as far as the system tells.
fn free_host_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kibibytes = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    kibibytes.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

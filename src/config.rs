//! The options of a session, under the `swath.` prefix in SQL (`SET swath.placement = 'device'`).

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::error::Error;

/// Where operators run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// Each operator where the cost model expects it to be faster.
    #[default]
    Auto,
    /// On the device wherever the device can do it, whatever it costs.
    Device,
    /// On the CPU.
    Host,
}

/// What happens when work that was to run on a device runs on the CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fallback {
    /// It runs on the CPU; the receipt says why.
    #[default]
    Allow,
    /// It runs on the CPU, with a warning.
    Warn,
    /// The query fails.
    Error,
}

/// How floats are summed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FloatSums {
    /// As the CPU or the device does it sooner: the last bits may differ between them, and on the CPU from run to run.
    #[default]
    Fast,
    /// A sum is the exact sum, rounded once, and an average that, divided by the count: the same bits wherever and however
    /// they run.
    Exact,
}

macro_rules! option_names {
    ($type:ident, $option:literal, $($name:literal => $variant:ident),+) => {
        impl FromStr for $type {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self, Error> {
                match text.to_ascii_lowercase().as_str() {
                    $($name => Ok($type::$variant),)+
                    _ => Err(Error::user(format!(
                        concat!("'{}' is not a value of ", $option, "; use one of: {}"),
                        text,
                        [$($name),+].join(", ")
                    ))),
                }
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $($type::$variant => $name),+ })
            }
        }
    };
}

option_names!(Placement, "swath.placement", "auto" => Auto, "device" => Device, "host" => Host);
option_names!(Fallback, "swath.fallback", "allow" => Allow, "warn" => Warn, "error" => Error);
option_names!(FloatSums, "swath.float_sums", "fast" => Fast, "exact" => Exact);

/// How a [`Session`](crate::session::Session) is set up. `Config::default()` suits most programs.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Where operators run.
    pub placement: Placement,
    /// What a fallback to the CPU does.
    pub fallback: Fallback,
    /// How floats are summed.
    pub float_sums: FloatSums,
    /// Bytes of host memory for what the CPU's operators and arrays hold at once; `None` sets no limit. What does not fit
    /// is spilled below `spill_dir`, where an operator can do that.
    pub memory_limit: Option<u64>,
    /// Bytes of device memory that may be used per device; `None` takes 90 % of what is free at the start.
    pub device_memory_limit: Option<u64>,
    /// Bytes of pinned host memory, for each device, that chunks may take which have no room on it; `None` takes a
    /// quarter of the host memory that is free at the start.
    pub pinned_memory_limit: Option<u64>,
    /// Bytes of pageable host memory, for each device, that chunks may take which have no room in pinned memory
    /// either; `None` takes a quarter of the host memory that is free at the start.
    pub pageable_memory_limit: Option<u64>,
    /// Bytes on disk, for each device, that chunks may take which have no room in memory; `None` sets no limit but the
    /// disk's own.
    pub spill_disk_limit: Option<u64>,
    /// The folder that chunks without room in memory are written below; `None` takes the system's temporary folder,
    /// which some systems keep in memory: then name one on a disk.
    pub spill_dir: Option<PathBuf>,
    /// Where compiled kernels are kept; `None` takes the user's cache folder.
    pub cache_dir: Option<PathBuf>,
    /// The file with the cost constants of this machine, as `swath calibrate` writes it; `None` takes the user's, where
    /// there is one and it can be used.
    pub cost_file: Option<PathBuf>,
    /// CPU partitions of a plan; `None` takes the number of cores.
    pub target_partitions: Option<usize>,
    /// Bytes of input gathered on the host before a chunk is sent to a device; `None` takes 64 MiB.
    pub chunk_bytes_target: Option<usize>,
}

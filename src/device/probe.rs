//! What a machine offers: the driver, NVRTC and the devices, for `swath doctor`.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::compile::{nvrtc_version, supported_architectures};
use super::context::{DeviceInfo, devices, handle};
use super::driver::check;
use super::kernel_cache::KernelCache;
use super::library::{available, driver_path, driver_version, load_driver, nvrtc_path, version_text};

/// What was found, and for each thing that is missing why it matters and what to do.
#[derive(Clone, Debug, Serialize)]
pub struct DriverReport {
    pub driver: Component,
    pub nvrtc: Component,
    pub devices: Vec<DeviceInfo>,
    /// `peer_access[from][to]`: whether device `from` reads the memory of device `to` directly.
    pub peer_access: Vec<Vec<bool>>,
    /// Where compiled kernels are kept, unless the configuration says otherwise.
    pub cache_folder: Option<PathBuf>,
    pub problems: Vec<Problem>,
}

/// A library that is loaded at run time.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Component {
    /// The version of CUDA that it supports or belongs to; absent where the library is missing or useless.
    pub version: Option<String>,
    /// The file that is loaded, where the system tells.
    pub path: Option<PathBuf>,
}

/// Something that keeps devices from being used.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    /// What is missing or wrong.
    pub what: String,
    /// Why that matters.
    pub why: String,
    /// What the user can do.
    pub remedy: String,
}

impl DriverReport {
    /// Whether queries can run on a device here.
    pub fn is_usable(&self) -> bool {
        !self.devices.is_empty() && self.nvrtc.version.is_some()
    }

    /// Returns the devices that queries can run on here.
    pub fn usable(&self) -> &[DeviceInfo] {
        if self.is_usable() { &self.devices } else { &[] }
    }
}

/// CPU threads that this process may use.
pub fn cpu_cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Looks at the machine. Never fails: what is missing is part of the report.
pub fn probe() -> DriverReport {
    let mut report = DriverReport {
        driver: Component::default(),
        nvrtc: Component::default(),
        devices: Vec::new(),
        peer_access: Vec::new(),
        cache_folder: KernelCache::default_folder(),
        problems: Vec::new(),
    };
    probe_driver(&mut report);
    probe_nvrtc(&mut report);
    report
}

fn probe_driver(report: &mut DriverReport) {
    if load_driver().is_ok() {
        report.driver.path = driver_path();
        report.driver.version = driver_version().ok().map(version_text);
    }
    let remedy = "install or update the NVIDIA driver (`nvidia-smi` shows whether it works), or name the library by \
                  absolute path in SWATH_DRIVER; in a container, start it with the devices (`--gpus all`)";
    match available().and_then(|_| devices()) {
        Ok(devices) => {
            report.peer_access = peer_access(devices.len());
            report.devices = devices;
        }
        Err(error) => report.problems.push(Problem {
            what: error.to_string(),
            why: "without a driver and a device everything runs on the CPU; results are the same".to_string(),
            remedy: remedy.to_string(),
        }),
    }
}

fn probe_nvrtc(report: &mut DriverReport) {
    let problem = |what: String| {
        Problem {
        what,
        why: "kernels are compiled at run time: without NVRTC no device can be used".to_string(),
        remedy: "`pip install nvidia-cuda-nvrtc` (58 MB, needs no toolkit), or name the library by absolute path in \
                 SWATH_NVRTC"
            .to_string(),
    }
    };
    let supported = match nvrtc_version().and_then(|version| Ok((version, supported_architectures()?))) {
        Ok(((major, minor), supported)) => {
            report.nvrtc = Component { version: Some(format!("{major}.{minor}")), path: nvrtc_path() };
            supported
        }
        Err(error) => return report.problems.push(problem(error.to_string())),
    };
    if let (Some(driver), Some(nvrtc)) = (major(&report.driver), major(&report.nvrtc))
        && nvrtc > driver
    {
        report.problems.push(Problem {
            what: format!("NVRTC is of CUDA {nvrtc}, the driver of CUDA {driver}"),
            why: "the driver may refuse code that a newer compiler made; queries then run on the CPU"
                .to_string(),
            remedy: format!("update the driver, or `pip install nvidia-cuda-nvrtc-cu{driver}`"),
        });
    }
    let too_old =
        |device: &&DeviceInfo| supported.iter().all(|number| *number > device.architecture.number());
    for device in report.devices.iter().filter(too_old) {
        report.problems.push(Problem {
            what: format!(
                "NVRTC {major_minor} has no code for {device} (compute capability {architecture})",
                major_minor = report.nvrtc.version.as_deref().unwrap_or("?"),
                architecture = device.architecture
            ),
            why: "queries will not use this device".to_string(),
            remedy: "use an older NVRTC: `pip install nvidia-cuda-nvrtc-cu12`".to_string(),
        });
    }
}

fn major(component: &Component) -> Option<u32> {
    component.version.as_deref()?.split('.').next()?.parse().ok()
}

fn peer_access(count: usize) -> Vec<Vec<bool>> {
    (0..count).map(|from| (0..count).map(|to| can_access(from, to)).collect()).collect()
}

fn can_access(from: usize, to: usize) -> bool {
    let (Ok(from_device), Ok(to_device)) = (handle(from), handle(to)) else { return false };
    let mut can = 0;
    // SAFETY: writes one integer.
    let result = unsafe { cudarc::driver::sys::cuDeviceCanAccessPeer(&mut can, from_device, to_device) };
    from == to || (check("cuDeviceCanAccessPeer", result).is_ok() && can != 0)
}

impl fmt::Display for DriverReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "driver   {}", self.driver)?;
        writeln!(f, "NVRTC    {}", self.nvrtc)?;
        match &self.cache_folder {
            Some(folder) => writeln!(f, "cache    {}", folder.display())?,
            None => writeln!(
                f,
                "cache    none: there is no home folder, so kernels are compiled in each process"
            )?,
        }
        match self.devices.len() {
            0 => writeln!(f, "devices  none")?,
            count => writeln!(f, "devices  {count}")?,
        }
        for device in &self.devices {
            writeln!(
                f,
                "  {}  {}, {:.1} GiB, compute capability {}, {} multiprocessors{}",
                device.ordinal,
                device.name,
                device.memory_bytes as f64 / (1u64 << 30) as f64,
                device.architecture,
                device.sm_count,
                self.peers_text(device.ordinal),
            )?;
        }
        for problem in &self.problems {
            writeln!(
                f,
                "\nmissing: {}\n  why it matters: {}\n  what to do: {}",
                problem.what, problem.why, problem.remedy
            )?;
        }
        Ok(())
    }
}

impl DriverReport {
    fn peers_text(&self, from: usize) -> String {
        let row = self.peer_access.get(from).map(Vec::as_slice).unwrap_or_default();
        let peers: Vec<String> = row
            .iter()
            .enumerate()
            .filter(|(to, can)| **can && *to != from)
            .map(|(to, _)| to.to_string())
            .collect();
        match (row.len(), peers.is_empty()) {
            (0 | 1, _) => String::new(),
            (_, true) => ", no peer access".to_string(),
            (_, false) => format!(", peer access to {}", peers.join(", ")),
        }
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.version, &self.path) {
            (Some(version), Some(path)) => write!(f, "CUDA {version} ({})", path.display()),
            (Some(version), None) => write!(f, "CUDA {version}"),
            (None, Some(path)) => write!(f, "unusable ({})", path.display()),
            (None, None) => write!(f, "not found"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds on any machine: with a driver, without one, or with half of one.
    #[test]
    fn a_report_says_what_is_missing_and_what_to_do() {
        let report = probe();
        assert!(report.is_usable() || !report.problems.is_empty(), "{report}");
        for problem in &report.problems {
            assert!(!problem.what.is_empty() && !problem.why.is_empty() && !problem.remedy.is_empty());
            assert!(report.to_string().contains(&problem.what));
        }
        assert_eq!(report.peer_access.len(), report.devices.len());
        assert!(serde_json::to_string(&report).is_ok());
    }
}

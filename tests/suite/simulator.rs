//! The simulated devices that the tests of this process share.
//!
//! Devices are given out so that one test's faults do not reach another's: 0 is for queries and operators, which
//! inject none; 1 for the worker's faults; 2 for columns.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cudasim::Simulator;
use swath::config::Config;
use swath::worker::{Worker, Workers};

/// The device of the tests that inject faults.
pub const FAULTY: usize = 1;
/// The device of the tests of columns.
pub const COLUMNS: usize = 2;

/// Loads the simulator, with the devices that all tests together need.
pub fn simulator() -> Simulator {
    cudasim::load(cudasim::Config { devices: 3, ..cudasim::Config::default() })
}

/// Where the tests keep compiled kernels.
pub fn kernel_folder() -> PathBuf {
    std::env::temp_dir().join("swath-test-kernels")
}

/// A worker on a simulated device, and the simulator's controls, for one test at a time.
pub struct Exclusive {
    pub simulator: Simulator,
    pub workers: Workers,
    device: usize,
    _turn: MutexGuard<'static, ()>,
}

/// Waits for the turn to use `device` alone, and starts a worker on it. `lazy` has work run only where something waits
/// for it, so that a missing wait shows.
pub fn exclusive(device: usize, lazy: bool) -> Exclusive {
    exclusive_with(device, lazy, Config::default())
}

/// As [`exclusive`], with a configuration.
pub fn exclusive_with(device: usize, lazy: bool, config: Config) -> Exclusive {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let simulator = simulator();
    simulator.set_lazy(lazy);
    let config = Config { cache_dir: config.cache_dir.or(Some(kernel_folder())), ..config };
    let workers = Workers::start(&[device], &config).expect("the simulated device starts");
    Exclusive { simulator, workers, device, _turn: turn }
}

impl Exclusive {
    pub fn worker(&self) -> &Worker {
        self.workers.first().expect("one worker was started")
    }
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        self.simulator.fail_launch_in(self.device, 0);
        self.simulator.fail_allocation_in(self.device, 0);
        self.simulator.set_memory_limit(self.device, 1 << 30);
        self.simulator.set_lazy(false);
    }
}

//! The simulated devices that the tests of this process share.
//!
//! Devices are given out so that one test's faults do not reach another's: 0 is for queries and operators, which
//! inject none; 1 for the worker's faults; 2 for columns.

use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use cudasim::Simulator;
use swath::config::Config;
use swath::worker::{Worker, Workers};

/// The device of the tests that inject faults.
pub const FAULTY: usize = 1;
/// The device of the tests of columns.
pub const COLUMNS: usize = 2;

/// Set to run the tests that inject nothing on the machine's own device instead of simulated ones.
const REAL_DEVICE: &str = "SWATH_TEST_REAL_DEVICE";

/// Whether the machine's own device is to be tested.
fn is_real() -> bool {
    std::env::var_os(REAL_DEVICE).is_some()
}

/// Makes device 0 usable: a simulated one, unless the environment asks for the real one. Without a device the tests
/// that need one fail; none is skipped.
pub fn use_device() {
    if !is_real() {
        simulator();
    }
}

/// Loads the simulator, with the devices that all tests together need.
pub fn simulator() -> Simulator {
    cudasim::load(cudasim::Config { devices: 3, ..cudasim::Config::default() })
}

/// Keeps all simulated devices eager, or lazy: then work runs only where something waits for it, so that a missing
/// wait shows. Tests of one mode run side by side; those of the other wait for them.
pub struct Mode {
    simulated: bool,
}

static MODE: Mutex<(bool, usize)> = Mutex::new((false, 0));
static MODE_IS_FREE: Condvar = Condvar::new();

/// Waits until no test needs the other mode.
pub fn mode(lazy: bool) -> Mode {
    if is_real() {
        return Mode { simulated: false };
    }
    let simulator = simulator();
    let state = MODE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut state = MODE_IS_FREE
        .wait_while(state, |(current, users)| *users > 0 && *current != lazy)
        .unwrap_or_else(PoisonError::into_inner);
    *state = (lazy, state.1 + 1);
    simulator.set_lazy(lazy);
    Mode { simulated: true }
}

impl Drop for Mode {
    fn drop(&mut self) {
        if !self.simulated {
            return;
        }
        MODE.lock().unwrap_or_else(PoisonError::into_inner).1 -= 1;
        MODE_IS_FREE.notify_all();
    }
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
    _mode: Mode,
    _turn: MutexGuard<'static, ()>,
}

/// Waits for the turn to use `device` alone, in the given [`Mode`], and starts a worker on it.
pub fn exclusive(device: usize, lazy: bool) -> Exclusive {
    exclusive_with(device, lazy, Config::default())
}

/// As [`exclusive`], with a configuration.
pub fn exclusive_with(device: usize, lazy: bool, config: Config) -> Exclusive {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mode = mode(lazy);
    let simulator = simulator();
    let config = Config { cache_dir: config.cache_dir.or(Some(kernel_folder())), ..config };
    let workers = Workers::start(&[device], &config).expect("the simulated device starts");
    Exclusive { simulator, workers, device, _mode: mode, _turn: turn }
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
    }
}

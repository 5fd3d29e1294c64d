//! What the tests share: one simulator for the process, and one test at a time, because its controls
//! and faults concern everybody.

use cudarc::driver::{CudaContext, CudaFunction, CudaModule, LaunchConfig};
use cudarc::nvrtc::{CompileOptions, Ptx, compile_ptx_with_opts};
use std::sync::{Arc, Mutex, MutexGuard};

pub struct Harness {
    pub simulator: cudasim::Simulator,
    _one_at_a_time: MutexGuard<'static, ()>,
}

/// Loads the simulator with two devices of 256 MiB, with all controls as they begin.
pub fn harness() -> Harness {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let guard = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let simulator =
        cudasim::load(cudasim::Config { devices: 2, memory_bytes: 256 << 20, ..cudasim::Config::default() });
    simulator.reset();
    Harness { simulator, _one_at_a_time: guard }
}

impl Harness {
    pub fn context(&self, device: usize) -> Arc<CudaContext> {
        CudaContext::new(device).expect("the device exists")
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        self.simulator.reset();
    }
}

pub fn compile(source: &str) -> Ptx {
    let options = CompileOptions { arch: Some("sm_90"), ..CompileOptions::default() };
    compile_ptx_with_opts(source, options).expect("the kernels compile")
}

pub fn load(context: &Arc<CudaContext>, source: &str) -> Arc<CudaModule> {
    context.load_module(compile(source)).expect("the module loads")
}

pub fn function(context: &Arc<CudaContext>, source: &str, name: &str) -> CudaFunction {
    load(context, source).load_function(name).expect("the kernel exists")
}

pub fn shape(blocks: u32, threads: u32) -> LaunchConfig {
    LaunchConfig { grid_dim: (blocks, 1, 1), block_dim: (threads, 1, 1), shared_mem_bytes: 0 }
}

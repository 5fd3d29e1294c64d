//! What the tests share: one simulator for the process, and one test at a time, because its controls
//! and faults concern everybody.

use cudarc::driver::sys::CUresult;
use cudarc::driver::{CudaContext, CudaFunction, CudaModule, CudaStream, DriverError, LaunchConfig};
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
    /// A device's primary context, without cudarc's own ordering by events.
    pub fn context(&self, device: usize) -> Arc<CudaContext> {
        let context = CudaContext::new(device).unwrap();
        // SAFETY: the tests order their streams themselves.
        unsafe { context.disable_event_tracking() };
        context
    }

    /// The last message of the simulator, which must contain `part`.
    pub fn assert_reported(&self, part: &str) {
        let message = self.simulator.last_fault().expect("a fault is reported");
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        self.simulator.reset();
    }
}

/// Checks that an operation fails with a code.
#[track_caller]
pub fn assert_fails<T>(result: Result<T, DriverError>, code: CUresult) {
    match result {
        Ok(_) => panic!("succeeded, where {code:?} was expected"),
        Err(DriverError(found)) => assert_eq!(found, code),
    }
}

pub fn compile(source: &str) -> Ptx {
    let options = CompileOptions { arch: Some("sm_90"), ..CompileOptions::default() };
    compile_ptx_with_opts(source, options).unwrap_or_else(|error| panic!("the kernels compile: {error:?}"))
}

pub fn load(context: &Arc<CudaContext>, source: &str) -> Arc<CudaModule> {
    context.load_module(compile(source)).unwrap()
}

pub fn function(context: &Arc<CudaContext>, source: &str, name: &str) -> CudaFunction {
    load(context, source).load_function(name).unwrap()
}

pub fn shape(blocks: u32, threads: u32) -> LaunchConfig {
    LaunchConfig { grid_dim: (blocks, 1, 1), block_dim: (threads, 1, 1), shared_mem_bytes: 0 }
}

/// Launches a kernel: `launch!(stream, function, shape, arguments...)`.
#[macro_export]
macro_rules! launch {
    ($stream:expr, $function:expr, $shape:expr $(, $argument:expr)* $(,)?) => {{
        #[allow(unused_imports)]
        use cudarc::driver::PushKernelArg as _;
        let function = &$function;
        let mut builder = $stream.launch_builder(function);
        $(builder.arg($argument);)*
        let shape = $shape;
        // SAFETY: the arguments are those of the kernel; where they are not, that is the test.
        unsafe { builder.launch(shape) }.map(|_| ())
    }};
}

/// The bits of a device pointer, for a kernel's structure.
pub fn address<T>(slice: &cudarc::driver::CudaSlice<T>, stream: &Arc<CudaStream>) -> u64 {
    use cudarc::driver::DevicePtr;
    slice.device_ptr(stream).0
}

//! How fast the simulator runs kernels: `cargo bench -p cudasim --profile dev`.

use cudarc::driver::{CudaContext, CudaFunction, CudaStream, LaunchConfig, PushKernelArg};
use cudarc::nvrtc::{CompileOptions, compile_ptx_with_opts};
use std::sync::Arc;
use std::time::Instant;

const KERNELS: &str = r#"
typedef unsigned long long u64;
extern "C" __global__ void threads(unsigned* out, unsigned n) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] = i * 3;
}
extern "C" __global__ void barriers(unsigned* out, unsigned rounds) {
  for (unsigned i = 0; i < rounds; i++) __syncthreads();
  out[0] = 1;
}
extern "C" __global__ void shuffles(unsigned* out, unsigned rounds) {
  unsigned sum = threadIdx.x;
  for (unsigned i = 0; i < rounds; i++) sum += __shfl_xor_sync(~0u, sum, 1);
  out[threadIdx.x] = sum;
}
extern "C" __global__ void group(u64* slots, u64* counts, unsigned n) {
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
    u64 key = (i * 2654435761u) & 1023, slot = key * 7 & 2047;
    for (;; slot = (slot + 1) & 2047) {
      u64 seen = atomicCAS(&slots[slot], 0xcbcbcbcbcbcbcbcbULL, key);
      if (seen == 0xcbcbcbcbcbcbcbcbULL || seen == key) break;
    }
    atomicAdd(&counts[slot], 1ULL);
  }
}
"#;

struct Bench {
    stream: Arc<CudaStream>,
    context: Arc<CudaContext>,
}

impl Bench {
    fn kernel(&self, name: &str) -> CudaFunction {
        let options = CompileOptions { arch: Some("sm_90"), ..CompileOptions::default() };
        let image = compile_ptx_with_opts(KERNELS, options).unwrap();
        self.context.load_module(image).unwrap().load_function(name).unwrap()
    }

    /// Times a launch and prints how many of something it did in a second.
    fn measure(&self, what: &str, name: &str, shape: (u32, u32), argument: u32, count: f64) {
        let kernel = self.kernel(name);
        // SAFETY: any bytes are valid.
        let mut out = unsafe { self.stream.alloc::<u64>(4 << 20) }.unwrap();
        let mut counts = self.stream.alloc_zeros::<u64>(2048).unwrap();
        let config =
            LaunchConfig { grid_dim: (shape.0, 1, 1), block_dim: (shape.1, 1, 1), shared_mem_bytes: 0 };
        let best = (0..3)
            .map(|_| {
                let started = Instant::now();
                let mut builder = self.stream.launch_builder(&kernel);
                builder.arg(&mut out);
                if name == "group" {
                    builder.arg(&mut counts);
                }
                builder.arg(&argument);
                // SAFETY: the arguments are the kernel's.
                unsafe { builder.launch(config) }.unwrap();
                self.stream.synchronize().unwrap();
                started.elapsed().as_secs_f64()
            })
            .fold(f64::MAX, f64::min);
        println!("{:8.1} M {what}/s", count / best / 1e6);
    }
}

fn main() {
    cudasim::load(cudasim::Config::default());
    let context = CudaContext::new(0).unwrap();
    let bench = Bench { stream: context.default_stream(), context };

    let started = Instant::now();
    let unique = format!("{KERNELS}// {:?}", std::time::SystemTime::now());
    cudarc::nvrtc::compile_ptx(&unique).unwrap();
    println!("{:8.0} ms to compile four kernels", started.elapsed().as_secs_f64() * 1e3);
    let started = Instant::now();
    cudarc::nvrtc::compile_ptx(&unique).unwrap();
    println!("{:8.1} ms to find them compiled", started.elapsed().as_secs_f64() * 1e3);

    bench.measure("threads", "threads", (16384, 256), 4 << 20, (4 << 20) as f64);
    bench.measure("barrier arrivals", "barriers", (16, 256), 1000, 16.0 * 256.0 * 1000.0);
    bench.measure("shuffles", "shuffles", (16, 256), 1000, 16.0 * 256.0 * 1000.0);
    bench.measure("rows grouped", "group", (64, 256), 4 << 20, (4 << 20) as f64);
    let kernel = bench.kernel("threads");
    let mut out = bench.stream.alloc_zeros::<u32>(32).unwrap();
    let started = Instant::now();
    let config = LaunchConfig { grid_dim: (1, 1, 1), block_dim: (32, 1, 1), shared_mem_bytes: 0 };
    for _ in 0..10_000 {
        let mut builder = bench.stream.launch_builder(&kernel);
        builder.arg(&mut out).arg(&32u32);
        // SAFETY: the arguments are the kernel's.
        unsafe { builder.launch(config) }.unwrap();
    }
    println!("{:8.1} us for a launch of one warp", started.elapsed().as_secs_f64() * 1e6 / 1e4);
}

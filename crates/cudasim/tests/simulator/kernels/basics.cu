// Kernels for what every program does: vectors, reductions, scans, tables.
typedef unsigned long long u64;

extern "C" __global__ void vector_add(const float* __restrict__ a, const float* __restrict__ b, float* c, size_t n) {
  size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x;
  if (i < n) c[i] = a[i] + b[i];
}

// 128-bit loads in a grid-stride loop.
extern "C" __global__ void vector_add4(const float4* a, const float4* b, float4* c, unsigned n4) {
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < n4; i += gridDim.x * blockDim.x) {
    float4 x = __ldg(&a[i]), y = __ldg(&b[i]);
    c[i] = make_float4(x.x + y.x, x.y + y.y, x.z + y.z, x.w + y.w);
  }
}

template <typename T> struct Sum {
  __device__ __forceinline__ T operator()(T a, T b) const { return a + b; }
};

template <typename T, int THREADS, typename Op> __device__ T block_reduce(T v, T identity, Op op) {
  __shared__ T partial[THREADS / 32];
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
#pragma unroll
  for (int offset = 16; offset > 0; offset >>= 1) v = op(v, __shfl_down_sync(0xffffffffu, v, offset));
  if (lane == 0) partial[warp] = v;
  __syncthreads();
  v = threadIdx.x < THREADS / 32 ? partial[lane] : identity;
  if (warp == 0) {
    for (int offset = 16; offset > 0; offset >>= 1) v = op(v, __shfl_down_sync(0xffffffffu, v, offset));
  }
  return v;
}

#define DEFINE_SUM(NAME, T, TOTAL) \
  extern "C" __global__ void __launch_bounds__(256) NAME(const T* in, TOTAL* out, u64 n) { \
    TOTAL sum = 0; \
    for (u64 i = blockIdx.x * 256ull + threadIdx.x; i < n; i += gridDim.x * 256ull) sum += (TOTAL)in[i]; \
    sum = block_reduce<TOTAL, 256>(sum, (TOTAL)0, Sum<TOTAL>{}); \
    if (threadIdx.x == 0) atomicAdd(out, sum); \
  }
DEFINE_SUM(sum_f32, float, double)
DEFINE_SUM(sum_u32, unsigned, u64)

// A tree in dynamic shared memory.
extern "C" __global__ void sum_dynamic(const float* in, float* out, int n) {
  extern __shared__ __align__(16) float values[];
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  values[threadIdx.x] = i < n ? in[i] : 0.0f;
  __syncthreads();
  for (unsigned width = blockDim.x / 2; width > 0; width >>= 1) {
    if (threadIdx.x < width) values[threadIdx.x] += values[threadIdx.x + width];
    __syncthreads();
  }
  if (threadIdx.x == 0) out[blockIdx.x] = values[0];
}

// An exclusive scan in one pass: every block looks back at those before it, which it knows by ticket.
struct ScanParameters {
  const unsigned* in;
  unsigned* out;
  unsigned* ticket;
  u64* state;
  unsigned n;
};

extern "C" __global__ void scan_lookback(ScanParameters p) {
  const u64 PARTIAL = 1ull << 32, TOTAL = 2ull << 32;
  __shared__ unsigned tile, before;
  __shared__ unsigned values[256];
  if (threadIdx.x == 0) tile = atomicAdd(p.ticket, 1u);
  __syncthreads();
  unsigned i = tile * 256 + threadIdx.x;
  unsigned own = i < p.n ? p.in[i] : 0;
  values[threadIdx.x] = own;
  __syncthreads();
  for (unsigned offset = 1; offset < 256; offset <<= 1) {
    unsigned left = threadIdx.x >= offset ? values[threadIdx.x - offset] : 0;
    __syncthreads();
    values[threadIdx.x] += left;
    __syncthreads();
  }
  if (threadIdx.x == 0) {
    unsigned total = values[255], sum = 0;
    atomicExch(&p.state[tile], (tile == 0 ? TOTAL : PARTIAL) | total);
    for (int look = (int)tile - 1; look >= 0;) {
      u64 seen = *(volatile u64*)&p.state[look];
      if (seen == 0) { __nanosleep(20); continue; }
      sum += (unsigned)seen;
      if (seen >= TOTAL) break;
      --look;
    }
    __threadfence();
    if (tile) atomicExch(&p.state[tile], TOTAL | (sum + total));
    before = sum;
  }
  __syncthreads();
  if (i < p.n) p.out[i] = before + values[threadIdx.x] - own;
}

// Group-by with a slot claimed by 64-bit compare-and-swap, and a wider aggregate under a lock of its own.
struct Aggregate {
  double sum;
  u64 count;
  __int128 exact;
  unsigned lock;
};
struct GroupByParameters {
  const u64* keys;
  const double* values;
  u64 n;
  u64* slots;
  Aggregate* aggregates;
  u64 capacity;
  unsigned* overflow;
};

__device__ __forceinline__ u64 mix(u64 x) {
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccdULL;
  x ^= x >> 33;
  return x;
}

extern "C" __global__ void group_by(const __grid_constant__ GroupByParameters p) {
  const u64 EMPTY = ~0ULL, mask = p.capacity - 1;
  for (u64 i = blockIdx.x * (u64)blockDim.x + threadIdx.x; i < p.n; i += (u64)gridDim.x * blockDim.x) {
    const u64 key = p.keys[i];
    u64 slot = mix(key) & mask, probes = 0;
    for (; probes < p.capacity; ++probes, slot = (slot + 1) & mask) {
      u64 previous = atomicCAS(&p.slots[slot], EMPTY, key);
      if (previous != EMPTY && previous != key) continue;
      Aggregate* aggregate = &p.aggregates[slot];
      atomicAdd(&aggregate->sum, p.values[i]);
      atomicAdd(&aggregate->count, 1ULL);
      bool done = false;
      while (!done) {
        if (atomicCAS(&aggregate->lock, 0u, 1u) == 0u) {
          __threadfence();
          aggregate->exact += (__int128)key << 64 | 1;
          __threadfence();
          atomicExch(&aggregate->lock, 0u);
          done = true;
        }
      }
      break;
    }
    if (probes == p.capacity) atomicOr(p.overflow, 1u);
  }
}

// One by-value structure of 4 KiB, as wide as a classic launch allows.
struct Large {
  unsigned weights[1023];
  unsigned n;
};
struct LargeParameters {
  unsigned* out;
  Large large;
};
extern "C" __global__ void sum_large(LargeParameters p) {
  if (threadIdx.x < p.large.n) atomicAdd(p.out, p.large.weights[threadIdx.x]);
}

extern "C" __global__ void multiply_wide(const long long* a, const long long* b, __int128* out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] = (__int128)a[i] * b[i];
}

__constant__ float coefficients[4];
extern "C" __global__ void use_constant(float* out) { out[threadIdx.x] = coefficients[threadIdx.x & 3]; }

extern "C" __global__ void increment(unsigned* values, unsigned n) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) values[i] += 1;
}

// Kernels that go wrong.
extern "C" __global__ void write_at(int* out, long long index) { out[index] = 7; }
extern "C" __global__ void read_at(const int* in, long long index, int* out) { out[0] = in[index]; }
extern "C" __global__ void failing_assert(int n) { assert(n == 0); }
extern "C" __global__ void trapping() { __trap(); }
extern "C" __global__ void divide(int a, int b, int* out) { out[0] = a / b; }
extern "C" __global__ void recurse(int* out, int depth) {
  volatile int frame[1024];
  frame[depth & 1023] = depth;
  if (depth > 0) {
    // The call is opaque to the compiler, so that it stays one.
    void (*volatile again)(int*, int) = recurse;
    again(out, depth - 1);
  }
  out[0] = frame[0];
}
extern "C" __global__ void uninitialized_shared(unsigned char* out) {
  __shared__ unsigned char fixed[32];
  extern __shared__ unsigned char dynamic[];
  if (threadIdx.x == 999) fixed[0] = dynamic[0] = 1;
  __syncthreads();
  out[threadIdx.x] = threadIdx.x & 1 ? fixed[threadIdx.x] : dynamic[threadIdx.x];
}
extern "C" __global__ void past_dynamic_shared(unsigned* out) {
  extern __shared__ unsigned words[];
  words[1 << 14] = 1;
  out[0] = words[0];
}

extern "C" __global__ void load_wide(const unsigned char* bytes, unsigned offset, unsigned long long* out) {
  out[0] = *(const unsigned long long*)(bytes + offset);
}
extern "C" __global__ void load_vector(const unsigned* words, unsigned offset, uint4* out) {
  out[0] = *(const uint4*)(words + offset);
}
extern "C" __global__ void past_fixed_shared(unsigned index, unsigned* out) {
  __shared__ unsigned values[64];
  values[index] = 1;
  out[0] = values[0];
}
extern "C" __global__ void shift(unsigned value, unsigned count, unsigned* out) { out[0] = value << count; }
extern "C" __global__ void one_block_faults(unsigned* flag) {
  if (blockIdx.x == 0) __trap();
  while (*(volatile unsigned*)flag == 0) {}
}

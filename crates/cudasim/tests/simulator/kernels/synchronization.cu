// Barriers, warp operations and waiting, right and wrong.

// Half-warps with masks of their own, then votes, matches and reductions over the whole warp.
extern "C" __global__ void warp_operations(int* out) {
  int lane = threadIdx.x & 31, mixed;
  if (lane < 16) {
    mixed = __shfl_xor_sync(0x0000ffffu, lane, 1);
    mixed += __shfl_sync(0x0000ffffu, lane, 3, 16);
  } else {
    mixed = __shfl_sync(0xffff0000u, lane, 31);
    __syncwarp(0xffff0000u);
  }
  int all_equal;
  int* mine = out + threadIdx.x * 10;
  mine[0] = mixed;
  mine[1] = (int)__ballot_sync(~0u, lane % 3 == 0);
  mine[2] = (int)__match_any_sync(~0u, (unsigned long long)(lane / 8));
  mine[3] = __reduce_add_sync(~0u, lane);
  mine[4] = __syncthreads_count(lane < 5);
  mine[5] = __shfl_up_sync(~0u, lane, 1);
  mine[6] = (int)__match_all_sync(~0u, 7, &all_equal) + all_equal;
  mine[7] = __any_sync(~0u, lane == 31) * 2 + __all_sync(~0u, lane >= 0);
  mine[8] = __reduce_min_sync(~0u, -lane);
  mine[9] = __syncthreads_or(threadIdx.x == 63) + 2 * __syncthreads_and(threadIdx.x < 63);
}

// Every thread takes a lock that all of the block want.
extern "C" __global__ void spin_lock(unsigned* lock, unsigned* count) {
  bool done = false;
  while (!done) {
    if (atomicCAS(lock, 0u, 1u) == 0u) {
      *(volatile unsigned*)count += 1;
      __threadfence();
      atomicExch(lock, 0u);
      done = true;
    }
  }
}

// Waits for every other block of a cooperative launch.
extern "C" __global__ void grid_barrier(unsigned* arrived, unsigned* out) {
  if (threadIdx.x == 0) {
    atomicAdd(arrived, 1u);
    while (atomicAdd(arrived, 0u) < gridDim.x) {}
  }
  __syncthreads();
  if (threadIdx.x == 0) out[blockIdx.x] = *(volatile unsigned*)arrived;
}

extern "C" __global__ void barrier_after_return(int* out) {
  if (threadIdx.x >= 16) return;
  __syncthreads();
  out[threadIdx.x] = 1;
}

extern "C" __global__ void barrier_against_warp(int* out) {
  if (threadIdx.x < 16) {
    __syncthreads();
    out[0] = 1;
  } else {
    __syncwarp(0xffffffffu);
  }
}

extern "C" __global__ void mask_without_self() { __syncwarp(1u); }

extern "C" __global__ void different_operations() {
  if (threadIdx.x & 1) __syncwarp(0xffffffffu);
  else __ballot_sync(0xffffffffu, 1);
}

// Waits for what nobody writes: with and without giving others a turn.
extern "C" __global__ void spin_on_atomic(unsigned* flag) { while (atomicAdd(flag, 0u) == 0u) {} }
extern "C" __global__ void spin_on_volatile(unsigned* flag) { while (*(volatile unsigned*)flag == 0u) {} }

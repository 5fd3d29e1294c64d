// Fixed kernels: elements along axes by their numbers. Elements are moved and not looked at.

struct TensorGatherParams {
    Numbers numbers;
    const u8* input;
    u8* output;
    Batch<2> batch;  // of input, without the indexed axes, and indices
};

template <class E> DEVICE void gather(const TensorGatherParams& p) {
    u64 at = (u64)blockIdx.x * BLOCK + threadIdx.x;
    if (at >= p.numbers.count) return;
    i64 offsets[2];
    walk_batch(p.batch, at, offsets);
    i64 from = offsets[0];
    if (!add_numbers(p.numbers, at, offsets[1], from)) return;
    ((E*)p.output)[at] = ((const E*)p.input)[from];
}
#define GATHER(NAME, E)                                                                                              \
    extern "C" __global__ void __launch_bounds__(BLOCK) NAME(const __grid_constant__ TensorGatherParams p) {         \
        gather<E>(p);                                                                                                \
    }
GATHER(tensor_gather_1, u8)
GATHER(tensor_gather_2, u16)
GATHER(tensor_gather_4, u32)
GATHER(tensor_gather_8, u64)
GATHER(tensor_gather_16, Sixteen)

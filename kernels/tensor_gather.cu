// Fixed kernels: elements along an axis by their numbers. Elements are moved and not looked at.

struct __align__(16) Sixteen {
    u64 low, high;
};

struct TensorGatherParams {
    u64 count;
    u64 length;  // of the axis
    const u8* input;
    i64 input_step;
    const i64* indices;
    u8* output;
    u64* failed;  // the first place whose index is out of range
    Batch<2> batch;  // of input, without the axis, and indices
};

template <class E> DEVICE void gather(const TensorGatherParams& p) {
    u64 at = (u64)blockIdx.x * BLOCK + threadIdx.x;
    if (at >= p.count) return;
    i64 offsets[2];
    walk_batch(p.batch, at, offsets);
    i64 index = p.indices[offsets[1]];
    if (index < 0) index += (i64)p.length;
    if (index < 0 || index >= (i64)p.length) {
        atomicMin(p.failed, at);
        return;
    }
    ((E*)p.output)[at] = ((const E*)p.input)[offsets[0] + index * p.input_step];
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

// Fixed kernels: elements along axes by their numbers. Elements are moved and not looked at.

#define GATHER_AXES 6

struct TensorGatherParams {
    u64 count;
    u64 axes;                          // that are indexed
    u64 lengths[GATHER_AXES];          // of them
    i64 steps[GATHER_AXES];            // of the input along them
    const i64* indices[GATHER_AXES];   // laid out alike
    const u8* input;
    u8* output;
    u64* failed;  // of the first index out of range: the number of its axis times `count`, and its place
    Batch<2> batch;  // of input, without the indexed axes, and indices
};

template <class E> DEVICE void gather(const TensorGatherParams& p) {
    u64 at = (u64)blockIdx.x * BLOCK + threadIdx.x;
    if (at >= p.count) return;
    i64 offsets[2];
    walk_batch(p.batch, at, offsets);
    i64 from = offsets[0];
    for (u64 axis = 0; axis < p.axes; axis++) {
        i64 index = p.indices[axis][offsets[1]], length = (i64)p.lengths[axis];
        if (index < 0) index += length;
        if (index < 0 || index >= length) {
            atomicMin(p.failed, axis * p.count + at);
            return;
        }
        from += index * p.steps[axis];
    }
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

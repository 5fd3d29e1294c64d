// Fixed kernels: strided elements copied to strided places. Elements are moved and not looked at.

struct TensorPlaceParams {
    u64 count;
    const u8* input;
    u8* output;
    Batch<2> batch;  // of input and output
};

template <class E> DEVICE void place(const TensorPlaceParams& p) {
    u64 at = (u64)blockIdx.x * BLOCK + threadIdx.x;
    if (at >= p.count) return;
    i64 offsets[2];
    walk_batch(p.batch, at, offsets);
    ((E*)p.output)[offsets[1]] = ((const E*)p.input)[offsets[0]];
}
#define PLACE(NAME, E)                                                                                               \
    extern "C" __global__ void __launch_bounds__(BLOCK) NAME(const __grid_constant__ TensorPlaceParams p) {          \
        place<E>(p);                                                                                                 \
    }
PLACE(tensor_place_1, u8)
PLACE(tensor_place_2, u16)
PLACE(tensor_place_4, u32)
PLACE(tensor_place_8, u64)
PLACE(tensor_place_16, Sixteen)

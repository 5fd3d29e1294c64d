// Fixed kernels: values put by the numbers of elements into a copy. Elements are moved and not looked at.
//
// Of several values for one element the last stays, whatever the schedule: first each element gets to know the greatest
// number of its values, and only then is anything written.

struct TensorScatterMarkParams {
    Numbers numbers;
    u64 values;    // that a row of elements is given
    u64 elements;  // of a row
    u32* last;     // for each element the number of its last value, from 1 on; 0 where it has none
};

extern "C" __global__ void __launch_bounds__(BLOCK)
    tensor_scatter_mark(const __grid_constant__ TensorScatterMarkParams p) {
    u64 at = (u64)blockIdx.x * BLOCK + threadIdx.x;
    if (at >= p.numbers.count) return;
    u64 row = at / p.values;
    i64 element = (i64)(row * p.elements);
    if (!add_numbers(p.numbers, at, (i64)at, element)) return;
    atomicMax(&p.last[element], (u32)(at - row * p.values) + 1);
}

struct TensorScatterParams {
    u64 count;
    const u8* input;
    const u8* values;
    i64 step;  // of the values, from one number to the next
    const u32* last;
    u8* output;
    Batch<3> batch;  // of input, of values without their numbers, and of `last`
};

template <class E> DEVICE void scatter(const TensorScatterParams& p) {
    u64 at = (u64)blockIdx.x * BLOCK + threadIdx.x;
    if (at >= p.count) return;
    i64 offsets[3];
    walk_batch(p.batch, at, offsets);
    u32 last = p.last[offsets[2]];
    const E* from = last ? (const E*)p.values + offsets[1] + (i64)(last - 1) * p.step : (const E*)p.input + offsets[0];
    ((E*)p.output)[at] = *from;
}
#define SCATTER(NAME, E)                                                                                             \
    extern "C" __global__ void __launch_bounds__(BLOCK) NAME(const __grid_constant__ TensorScatterParams p) {        \
        scatter<E>(p);                                                                                               \
    }
SCATTER(tensor_scatter_1, u8)
SCATTER(tensor_scatter_2, u16)
SCATTER(tensor_scatter_4, u32)
SCATTER(tensor_scatter_8, u64)
SCATTER(tensor_scatter_16, Sixteen)

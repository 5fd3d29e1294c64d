// Fixed kernels: prefix sums, strings from references to column layout, the first rows of groups.

#define SCAN_ITEMS 8
#define SCAN_TILE (BLOCK * SCAN_ITEMS)

struct ScanParams {
    u64 count;
    const u8* input;
    u8* output;
    u64* tiles;
    u64* control;
};

struct Lengths {
    static __device__ __forceinline__ u64 at(const u8* input, u64 i) { return ((const Str*)input)[i].length; }
    static __device__ __forceinline__ void put(u8* output, u64 i, u64 v) { ((i32*)output)[i] = (i32)v; }
};
struct SetBits {
    static __device__ __forceinline__ u64 at(const u8* input, u64 i) { return __popc(((const u32*)input)[i]); }
    static __device__ __forceinline__ void put(u8* output, u64 i, u64 v) { ((u64*)output)[i] = v; }
};
struct Counts {
    static __device__ __forceinline__ u64 at(const u8* input, u64 i) { return ((const u32*)input)[i]; }
    static __device__ __forceinline__ void put(u8* output, u64 i, u64 v) { ((u64*)output)[i] = v; }
};

// Exclusive prefix sums of `count` values; the total goes one past the end and into the control block.
template <class V> static __device__ void scan(const ScanParams& p) {
    __shared__ u64 before_tile;
    u64 tile = take_tile(&p.control[CONTROL_TICKET]);
    u64 base = tile * SCAN_TILE + (u64)threadIdx.x * SCAN_ITEMS;
    u64 values[SCAN_ITEMS], sum = 0, total;
    for (int i = 0; i < SCAN_ITEMS; i++) {
        values[i] = base + i < p.count ? V::at(p.input, base + i) : 0;
        sum += values[i];
    }
    u64 prefix = block_prefix(sum, total);
    if (threadIdx.x < 32) {
        u64 before = look_back(p.tiles, tile, total);
        if (threadIdx.x == 0) {
            before_tile = before;
            if ((tile + 1) * SCAN_TILE >= p.count) {
                p.control[CONTROL_BYTES] = before + total;
                V::put(p.output, p.count, before + total);
            }
        }
    }
    __syncthreads();
    prefix += before_tile;
    for (int i = 0; i < SCAN_ITEMS; i++) {
        if (base + i < p.count) V::put(p.output, base + i, prefix);
        prefix += values[i];
    }
}

extern "C" __global__ void __launch_bounds__(BLOCK) scan_lengths(const __grid_constant__ ScanParams p) {
    scan<Lengths>(p);
}
extern "C" __global__ void __launch_bounds__(BLOCK) scan_set_bits(const __grid_constant__ ScanParams p) {
    scan<SetBits>(p);
}
extern "C" __global__ void __launch_bounds__(BLOCK) scan_counts(const __grid_constant__ ScanParams p) {
    scan<Counts>(p);
}

struct GatherParams {
    u64 rows;
    const Str* references;
    const i32* offsets;
    u8* bytes;
};

// A warp takes 32 strings; short ones are copied by their lane, long ones by all lanes together.
extern "C" __global__ void __launch_bounds__(BLOCK) gather_strings(const __grid_constant__ GatherParams p) {
    u64 row = (u64)blockIdx.x * BLOCK + threadIdx.x;
    u32 lane = threadIdx.x & 31;
    Str s = row < p.rows ? p.references[row] : Str{0, 0, 0};
    u8* to = row < p.rows ? p.bytes + p.offsets[row] : 0;
    bool is_long = s.length > 32;
    if (!is_long)
        for (u32 i = 0; i < s.length; i++) to[i] = byte_at(s, i);
    for (u32 todo = __ballot_sync(ALL_LANES, is_long); todo; todo &= todo - 1) {
        int from = __ffs((int)todo) - 1;
        Str shared_string = Str{(const u8*)__shfl_sync(ALL_LANES, (u64)s.data, from),
                                __shfl_sync(ALL_LANES, s.length, from), __shfl_sync(ALL_LANES, s.mode, from)};
        u8* shared_to = (u8*)__shfl_sync(ALL_LANES, (u64)to, from);
        for (u32 i = lane; i < shared_string.length; i += 32) shared_to[i] = byte_at(shared_string, i);
    }
}

struct MarkParams {
    u64 slot_count;
    u64 slot_words;
    const u64* slots;
    u32* first_rows;
};

// Sets a bit for the first row of every group of a hash table; see aggregate.cuh for the slots.
extern "C" __global__ void __launch_bounds__(BLOCK) mark_first_rows(const __grid_constant__ MarkParams p) {
    u64 s = (u64)blockIdx.x * BLOCK + threadIdx.x;
    if (s >= p.slot_count) return;
    const u64* slot = p.slots + s * p.slot_words;
    if (slot[0] != 0) set_bit(p.first_rows, slot[1]);
}

// Sums and averages of integers and decimals over frames: differences of prefix sums, exact because they wrap.

struct PrefixParams {
    u64 rows;
    Column input;
    u64 wide;        // 16 bytes a sum instead of 8
    u64* output;     // rows + 1 sums
    u64* tiles;      // PREFIX_WORDS words a tile
    u64* control;
};

#define PREFIX_ITEMS 8
#define PREFIX_TILE (BLOCK * PREFIX_ITEMS)
#define PREFIX_WORDS 5  // state, the tile's sum, the sum up to and with the tile
#define PREFIX_EMPTY 0ull
#define PREFIX_SUM 1ull
#define PREFIX_WHOLE 2ull

DEVICE u128 shuffle_up(u128 v, u32 step) {
    u64 low = __shfl_up_sync(ALL_LANES, (u64)v, step), high = __shfl_up_sync(ALL_LANES, (u64)(v >> 64), step);
    return ((u128)high << 64) | low;
}
DEVICE u128 shuffle_xor(u128 v, u32 step) {
    u64 low = __shfl_xor_sync(ALL_LANES, (u64)v, (int)step), high = __shfl_xor_sync(ALL_LANES, (u64)(v >> 64), (int)step);
    return ((u128)high << 64) | low;
}
DEVICE u128 load_sum(const volatile u64* words) { return ((u128)words[1] << 64) | words[0]; }
DEVICE void store_sum(volatile u64* words, u128 v) {
    words[0] = (u64)v;
    words[1] = (u64)(v >> 64);
}

// The sum of all tiles before; the first warp calls it. As look_back in scan.cuh, but sums have 128 bits, so that a
// state does not fit the word beside it: the sum is written first, and a fence stands between.
static __device__ u128 look_back_wide(u64* tiles, u64 tile, u128 sum) {
    u32 lane = threadIdx.x & 31;
    volatile u64* mine = tiles + tile * PREFIX_WORDS;
    if (lane == 0) {
        store_sum(mine + 1, sum);
        __threadfence();
        atomicExch((u64*)mine, PREFIX_SUM);
    }
    u128 before = 0;
    for (i64 last = (i64)tile - 1; last >= 0; last -= 32) {
        i64 at = last - (i64)lane;
        u64 state = PREFIX_WHOLE;
        u128 part = 0;
        if (at >= 0) {
            volatile u64* other = tiles + at * PREFIX_WORDS;
            while ((state = other[0]) == PREFIX_EMPTY) __nanosleep(32);
            __threadfence();
            part = load_sum(other + (state == PREFIX_WHOLE ? 3 : 1));
        }
        u32 ends = __ballot_sync(ALL_LANES, state == PREFIX_WHOLE);
        if (lane > (ends ? (u32)__ffs((int)ends) - 1 : 32)) part = 0;
        for (u32 step = 16; step; step >>= 1) part += shuffle_xor(part, step);
        before += part;
        if (ends) break;
    }
    if (lane == 0) {
        store_sum(mine + 3, before + sum);
        __threadfence();
        atomicExch((u64*)mine, PREFIX_WHOLE);
    }
    return before;
}

// Sums of the values before each row, and of all behind the last; a null adds nothing.
extern "C" __global__ void __launch_bounds__(BLOCK) window_prefix(const __grid_constant__ PrefixParams p) {
    __shared__ u64 warp_low[WARPS], warp_high[WARPS], tile_low, tile_high;
    u64 tile = take_tile(&p.control[CONTROL_TICKET]);
    u64 base = tile * PREFIX_TILE + (u64)threadIdx.x * PREFIX_ITEMS;
    u128 values[PREFIX_ITEMS], sum = 0;
    for (int i = 0; i < PREFIX_ITEMS; i++) {
        u64 row = base + i;
        values[i] = row < p.rows && is_valid(p.input, row) ? (u128)load_integer(p.input, row) : 0;
        sum += values[i];
    }
    u32 lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    u128 inclusive = sum;
    for (u32 step = 1; step < 32; step <<= 1) {
        u128 below = shuffle_up(inclusive, step);
        if (lane >= step) inclusive += below;
    }
    if (lane == 31) {
        warp_low[warp] = (u64)inclusive;
        warp_high[warp] = (u64)(inclusive >> 64);
    }
    __syncthreads();
    u128 prefix = inclusive - sum, total = 0;
    for (u32 w = 0; w < WARPS; w++) {
        u128 of_warp = ((u128)warp_high[w] << 64) | warp_low[w];
        if (w < warp) prefix += of_warp;
        total += of_warp;
    }
    if (threadIdx.x < 32) {
        u128 before = look_back_wide(p.tiles, tile, total);
        if (threadIdx.x == 0) {
            tile_low = (u64)before;
            tile_high = (u64)(before >> 64);
        }
    }
    __syncthreads();
    prefix += ((u128)tile_high << 64) | tile_low;
    for (int i = 0; i < PREFIX_ITEMS; i++) {
        u64 row = base + i;
        if (row <= p.rows) {
            if (p.wide) store_sum(p.output + 2 * row, prefix);
            else p.output[row] = (u64)prefix;
        }
        prefix += values[i];
    }
    if (base + PREFIX_ITEMS == p.rows) {
        if (p.wide) store_sum(p.output + 2 * p.rows, prefix);
        else p.output[p.rows] = (u64)prefix;
    }
}

struct SumParams {
    u64 rows;
    const u32* begins;
    const u32* ends;
    Ranks valid;
    const u64* prefix;
    u64 wide;
    u64 average;   // instead of the sum
    Wide scale;    // what the sum is multiplied with for an average
    Wide limit;    // what an average has to stay below
    u64 storage;   // of the output
    u8* output;
    u32* validity;
    u64* control;
};

extern "C" __global__ void __launch_bounds__(BLOCK) window_sums(const __grid_constant__ SumParams p) {
    u64 row = (u64)blockIdx.x * BLOCK + threadIdx.x;
    u64 count = 0, begin = 0, end = 0;
    if (row < p.rows) {
        begin = p.begins[row];
        end = p.ends[row];
        count = rank_of(p.valid, end) - rank_of(p.valid, begin);
    }
    put_bit(p.validity, row, p.rows, count != 0);
    if (row >= p.rows) return;
    i128 sum = 0;
    if (p.wide) sum = (i128)(load_sum(p.prefix + 2 * end) - load_sum(p.prefix + 2 * begin));
    else sum = (i64)(p.prefix[end] - p.prefix[begin]);
    if (p.average && count) {
        i128 result = 0;
        if (!average(sum, count, narrow(p.scale), narrow(p.limit), result)) fail(p.control, row, 0, FAIL_OVERFLOW);
        sum = result;
    }
    if (p.storage == STORAGE_I128) store_wide(p.output, row, widen(sum));
    else store_raw(p.output, p.storage, row, (u64)sum);
}

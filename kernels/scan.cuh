// Prefix sums over tiles in one pass, with decoupled look-back (Merrill and Garland, 2016).

// One word a tile: the upper two bits say what the lower 62 are.
#define TILE_EMPTY 0ull
#define TILE_SUM (1ull << 62)
#define TILE_PREFIX (2ull << 62)
#define TILE_VALUE ((1ull << 62) - 1)

// Takes the block's next tile; tiles are taken in order, so that the tiles before are running or done and the look-back
// ends. Every thread of the block calls it.
DEVICE u64 take_tile(u64* ticket) {
    __shared__ u64 tile;
    __syncthreads();
    if (threadIdx.x == 0) tile = atomicAdd(ticket, 1ull);
    __syncthreads();
    return tile;
}

// Publishes the tile's sum and returns the sum of all tiles before; the first warp calls it, all lanes get the result.
DEVICE u64 look_back(u64* tiles, u64 tile, u64 sum) {
    u32 lane = threadIdx.x & 31;
    if (lane == 0) atomicExch(&tiles[tile], (tile == 0 ? TILE_PREFIX : TILE_SUM) | sum);
    u64 before = 0;
    if (tile > 0) {
        i64 last = (i64)tile - 1;
        while (true) {
            i64 at = last - (i64)lane;
            u64 word = TILE_PREFIX;
            if (at >= 0) {
                while (((word = *(volatile u64*)&tiles[at]) & ~TILE_VALUE) == TILE_EMPTY) __nanosleep(32);
            }
            u32 ends = __ballot_sync(ALL_LANES, (word & ~TILE_VALUE) == TILE_PREFIX);
            u32 first_end = ends ? (u32)__ffs((int)ends) - 1 : 32;
            u64 part = lane <= first_end ? word & TILE_VALUE : 0;
            for (u32 step = 16; step; step >>= 1) part += __shfl_xor_sync(ALL_LANES, part, (int)step);
            before += part;
            if (ends) break;
            last -= 32;
        }
        if (lane == 0) atomicExch(&tiles[tile], TILE_PREFIX | (before + sum));
    }
    return before;
}

// Exclusive prefix over the block's threads, and the block's total. Every thread calls it.
DEVICE u64 block_prefix(u64 value, u64& total) {
    __shared__ u64 of_warps[WARPS];
    u32 lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    u64 inclusive = value;
    for (u32 step = 1; step < 32; step <<= 1) {
        u64 below = __shfl_up_sync(ALL_LANES, inclusive, step);
        if (lane >= step) inclusive += below;
    }
    __syncthreads();
    if (lane == 31) of_warps[warp] = inclusive;
    __syncthreads();
    u64 base = 0;
    total = 0;
    for (u32 w = 0; w < WARPS; w++) {
        if (w < warp) base += of_warps[w];
        total += of_warps[w];
    }
    return base + inclusive - value;
}

// Materialize: writes the rows that the filters keep, in input order.
//
// `P` is the generated program: P::emit(p, r, row, out) writes row `row` of the input as row `out` of the output.

// Rows keep their numbers: nothing is filtered.
template <class P, int ITEMS> static __device__ void materialize_all(const typename P::Params& p) {
    u64 base = (u64)blockIdx.x * TILE_ROWS;
    typename P::Row rows[ITEMS];
#pragma unroll
    for (int item = 0; item < ITEMS; item++) {
        u64 row = base + item * BLOCK + threadIdx.x;
        if (row < p.rows) P::load_rest(p, p.row_begin + row, rows[item]);
    }
#pragma unroll
    for (int item = 0; item < ITEMS; item++) {
        u64 row = base + item * BLOCK + threadIdx.x;
        if (row < p.rows) P::emit(p, rows[item], p.row_begin + row, row);
    }
}

// Stable compaction: a row's number is the count of rows kept before it.
template <class P, int ITEMS> static __device__ void materialize_kept(const typename P::Params& p) {
    __shared__ u32 counts[ITEMS * WARPS];
    __shared__ u64 before_tile;
    u32 lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    u64 tile = take_tile(&p.control[CONTROL_TICKET]);
    u64 base = tile * TILE_ROWS;

    typename P::Row rows[ITEMS];
    u32 mine = load_kept<P, ITEMS>(p, base, rows);
    u32 kept[ITEMS];
#pragma unroll
    for (int item = 0; item < ITEMS; item++) {
        kept[item] = __ballot_sync(ALL_LANES, (mine >> item) & 1);
        if (lane == 0) counts[item * WARPS + warp] = __popc(kept[item]);
    }
    __syncthreads();
    if (warp == 0) {
        // ITEMS * WARPS is at most 32: one lane a count.
        u32 count = lane < ITEMS * WARPS ? counts[lane] : 0, inclusive = count;
        for (u32 step = 1; step < 32; step <<= 1) {
            u32 below = __shfl_up_sync(ALL_LANES, inclusive, step);
            if (lane >= step) inclusive += below;
        }
        if (lane < ITEMS * WARPS) counts[lane] = inclusive - count;
        u64 total = __shfl_sync(ALL_LANES, inclusive, 31);
        u64 before = look_back(p.tiles, tile, total);
        if (lane == 0) {
            before_tile = before;
            if (base + TILE_ROWS >= p.rows) p.control[CONTROL_ROWS] = before + total;
        }
    }
    __syncthreads();
#pragma unroll
    for (int item = 0; item < ITEMS; item++) {
        u64 row = base + item * BLOCK + threadIdx.x;
        if (!((kept[item] >> lane) & 1)) continue;
        u64 out = before_tile + counts[item * WARPS + warp] + __popc(kept[item] & ((1u << lane) - 1));
        P::emit(p, rows[item], p.row_begin + row, out);
    }
}

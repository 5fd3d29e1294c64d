// Inclusive scans along an axis: a block takes a tile of a row. Rows of several tiles are scanned in three steps, whose
// order is fixed: totals of tiles, totals before each, values. (One pass with look-back would add floats in whatever
// order tiles are done.)

#define SCAN_ITEMS 8
#define SCAN_TILE (BLOCK * SCAN_ITEMS)

struct TensorScanParams {
    u64 length;
    u64 tiles;    // of a row
    u64 initial;  // 1 where rows of the output begin with one value more: `one`
    u64 one;      // 1 or 0
    const u8* input;
    i64 input_step;
    u8* output;
    u8* states;  // [row][tile], where a row has several
    Batch<1> batch;
};

// What comes before each thread, and the block's total; every thread calls it.
template <class Reduce>
DEVICE void scan_block(typename Reduce::State own, typename Reduce::State& before, typename Reduce::State& total) {
    typedef typename Reduce::State State;
    __shared__ __align__(16) u8 memory[BLOCK * sizeof(State)];
    State* states = (State*)memory;
    __syncthreads();
    states[threadIdx.x] = own;
    for (u32 step = 1; step < BLOCK; step <<= 1) {
        __syncthreads();
        State sum = own;
        if (threadIdx.x >= step) {
            sum = states[threadIdx.x - step];
            Reduce::merge(sum, own);
        }
        __syncthreads();
        own = sum;
        states[threadIdx.x] = own;
    }
    __syncthreads();
    before = threadIdx.x ? states[threadIdx.x - 1] : Reduce::empty();
    total = states[BLOCK - 1];
}

template <class Reduce, class T, bool writes> DEVICE void scan_tile(const TensorScanParams& p) {
    typedef typename Reduce::State State;
    const u64 tile = blockIdx.x % p.tiles, row = blockIdx.x / p.tiles;
    i64 offsets[1];
    walk_batch(p.batch, row, offsets);
    const u64 first = tile * SCAN_TILE + threadIdx.x * SCAN_ITEMS;
    State own = Reduce::empty(), before, total;
    for (u64 i = first; i < first + SCAN_ITEMS && i < p.length; i++)
        Reduce::push(own, load<T>(p.input, offsets[0] + (i64)i * p.input_step), (i64)i);
    scan_block<Reduce>(own, before, total);
    if constexpr (writes) {
        if (p.tiles > 1) {
            State of_row = ((State*)p.states)[row * p.tiles + tile];
            Reduce::merge(of_row, before);
            before = of_row;
        }
        const u64 start = row * (p.length + p.initial);
        if (p.initial && tile == 0 && threadIdx.x == 0)
            store<T>(p.output, (i64)start, convert<T>(p.one != 0));
        for (u64 i = first; i < first + SCAN_ITEMS && i < p.length; i++) {
            Reduce::push(before, load<T>(p.input, offsets[0] + (i64)i * p.input_step), (i64)i);
            store<T>(p.output, (i64)(start + p.initial + i), Reduce::finish(before));
        }
    } else if (threadIdx.x == 0) {
        ((State*)p.states)[row * p.tiles + tile] = total;
    }
}

// Each tile's total becomes that of the tiles before it.
template <class Reduce> DEVICE void scan_totals(const TensorScanParams& p) {
    typedef typename Reduce::State State;
    State* states = (State*)p.states + (u64)blockIdx.x * p.tiles;
    State carried = Reduce::empty();
    for (u64 first = 0; first < p.tiles; first += BLOCK) {
        u64 at = first + threadIdx.x;
        State own = at < p.tiles ? states[at] : Reduce::empty(), before, total;
        scan_block<Reduce>(own, before, total);
        State all = carried;
        Reduce::merge(all, before);
        if (at < p.tiles) states[at] = all;
        Reduce::merge(carried, total);
    }
}

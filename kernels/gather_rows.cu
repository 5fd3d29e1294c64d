// Fixed kernels: the rows of a chunk that an index names, all columns at once.
//
// Three launches whatever the columns: values, bitmaps and lengths of strings; prefix sums of the lengths; bytes.

#define GATHER_BITS 0      // width of a column of bits
#define GATHER_STRINGS 32  // width of a column of strings

struct GatherColumn {
    const u8* values;
    const u8* validity;  // or 0
    const i32* offsets;  // of strings
    u8* target;          // of strings: offsets, which begin as lengths
    u32* target_validity;  // or 0
    u64 width;
};
struct GatherRowsParams {
    u64 count;
    u64 rows;  // of the source; an index that is not below gives null
    const u32* index;
    u64 column_count;
    const GatherColumn* columns;
};

#define GATHER_ITEMS 4

template <class T>
DEVICE void gather_values(const GatherColumn& c, const u32 (&from)[GATHER_ITEMS], u32 taken, u64 first) {
    T values[GATHER_ITEMS];
    // All loads are under way before the first store.
#pragma unroll
    for (int i = 0; i < GATHER_ITEMS; i++)
        if ((taken >> i) & 1) values[i] = ((const T*)c.values)[from[i]];
#pragma unroll
    for (int i = 0; i < GATHER_ITEMS; i++)
        if ((taken >> i) & 1) ((T*)c.target)[first + i * BLOCK] = values[i];
}

// The warp's 32 neighbouring rows make one word of a bitmap.
DEVICE void put_bits(u32* bitmap, u64 row, u64 count, bool set) {
    u32 word = __ballot_sync(ALL_LANES, set);
    if ((threadIdx.x & 31) == 0 && row < count) bitmap[row >> 5] = word;
}

extern "C" __global__ void __launch_bounds__(BLOCK) gather_rows(const __grid_constant__ GatherRowsParams p) {
    u64 first = (u64)blockIdx.x * BLOCK * GATHER_ITEMS + threadIdx.x;
    u32 from[GATHER_ITEMS];
    u32 taken = 0;  // a bit for each item that has a source row
#pragma unroll
    for (int i = 0; i < GATHER_ITEMS; i++) {
        u64 row = first + i * BLOCK;
        from[i] = row < p.count ? p.index[row] : ALL_LANES;
        if (from[i] < p.rows) taken |= 1u << i;
    }
    for (u64 column = 0; column < p.column_count; column++) {
        const GatherColumn c = p.columns[column];
        u32 valid = 0;
#pragma unroll
        for (int i = 0; i < GATHER_ITEMS; i++)
            if (((taken >> i) & 1) && valid_at(c.validity, from[i])) valid |= 1u << i;
        if (c.target_validity)
            for (int i = 0; i < GATHER_ITEMS; i++)
                put_bits(c.target_validity, first + i * BLOCK, p.count, (valid >> i) & 1);
        switch (c.width) {
            case GATHER_BITS:
                for (int i = 0; i < GATHER_ITEMS; i++)
                    put_bits((u32*)c.target, first + i * BLOCK, p.count,
                             ((valid >> i) & 1) && bit(c.values, from[i]));
                break;
            case GATHER_STRINGS:
                // Nulls have no bytes, whatever lies beneath them.
                for (int i = 0; i < GATHER_ITEMS; i++) {
                    u64 row = first + i * BLOCK;
                    if (row >= p.count) continue;
                    bool has = (valid >> i) & 1;
                    ((u32*)c.target)[row] = has ? (u32)(c.offsets[from[i] + 1] - c.offsets[from[i]]) : 0;
                }
                break;
            case 1: gather_values<u8>(c, from, taken, first); break;
            case 2: gather_values<u16>(c, from, taken, first); break;
            case 4: gather_values<u32>(c, from, taken, first); break;
            case 8: gather_values<u64>(c, from, taken, first); break;
            default: gather_values<Wide>(c, from, taken, first); break;
        }
    }
}

struct GatherOffsetsParams {
    u64 count;
    u64 tiles_each;
    u32** columns;  // the offsets of each string column
    u64* tiles;     // `tiles_each` for each column
    u64* tickets;   // one a column
    u64* totals;    // one a column
};

#define OFFSETS_ITEMS 8
#define OFFSETS_TILE (BLOCK * OFFSETS_ITEMS)

// Turns lengths into offsets, in place: exclusive prefix sums, the total one past the end.
extern "C" __global__ void __launch_bounds__(BLOCK) gather_offsets(const __grid_constant__ GatherOffsetsParams p) {
    __shared__ u64 before_tile;
    u64 column = blockIdx.x / p.tiles_each;
    u32* offsets = p.columns[column];
    u64 tile = take_tile(&p.tickets[column]);
    u64 base = tile * OFFSETS_TILE + (u64)threadIdx.x * OFFSETS_ITEMS;
    u64 lengths[OFFSETS_ITEMS], sum = 0, total;
    for (int i = 0; i < OFFSETS_ITEMS; i++) {
        lengths[i] = base + i < p.count ? offsets[base + i] : 0;
        sum += lengths[i];
    }
    u64 prefix = block_prefix(sum, total);
    if (threadIdx.x < 32) {
        u64 before = look_back(p.tiles + column * p.tiles_each, tile, total);
        if (threadIdx.x == 0) {
            before_tile = before;
            if ((tile + 1) * OFFSETS_TILE >= p.count) {
                p.totals[column] = before + total;
                offsets[p.count] = (u32)(before + total);
            }
        }
    }
    __syncthreads();
    prefix += before_tile;
    for (int i = 0; i < OFFSETS_ITEMS; i++) {
        if (base + i < p.count) offsets[base + i] = (u32)prefix;
        prefix += lengths[i];
    }
}

struct GatherStringColumn {
    u64 first_block;
    u64 total;
    const u8* bytes;
    const i32* offsets;
    const u32* target_offsets;
    u8* target;
};
struct GatherBytesParams {
    u64 count;
    const u32* index;
    u64 column_count;
    const GatherStringColumn* columns;
};

#define BYTES_EACH 16
#define BYTES_TILE (BLOCK * BYTES_EACH)

// The last row of [low, high) whose offset is not above `at`; the offset of `low` is not.
DEVICE u64 row_of_byte(const u32* offsets, u64 low, u64 high, u64 at) {
    while (high - low > 1) {
        u64 middle = (low + high) / 2;
        if (offsets[middle] <= at) low = middle;
        else high = middle;
    }
    return low;
}

// A thread makes 16 bytes of the output, whatever strings they belong to: one long string keeps no warp waiting.
extern "C" __global__ void __launch_bounds__(BLOCK) gather_bytes(const __grid_constant__ GatherBytesParams p) {
    __shared__ u64 row_range[2];
    u64 column = 0;
    while (column + 1 < p.column_count && p.columns[column + 1].first_block <= blockIdx.x) column++;
    const GatherStringColumn c = p.columns[column];
    u64 begin = (blockIdx.x - c.first_block) * BYTES_TILE;
    u64 end = begin + BYTES_TILE < c.total ? begin + BYTES_TILE : c.total;
    // The rows that the block's bytes are of, so that its threads search among few.
    if (threadIdx.x < 2)
        row_range[threadIdx.x] = row_of_byte(c.target_offsets, 0, p.count, threadIdx.x == 0 ? begin : end - 1);
    __syncthreads();
    u64 at = begin + (u64)threadIdx.x * BYTES_EACH;
    if (at >= end) return;
    u64 last = row_range[1] + 1;
    u64 row = row_of_byte(c.target_offsets, row_range[0], last, at);
    u64 low = 0, high = 0;
    u32 made = 0, wanted = end - at < BYTES_EACH ? (u32)(end - at) : BYTES_EACH;
    while (made < wanted) {
        u64 string_end = c.target_offsets[row + 1];
        if (string_end <= at + made) {
            // Behind a string mostly comes the next; runs of empty ones are skipped at once.
            row++;
            if (c.target_offsets[row + 1] <= at + made) row = row_of_byte(c.target_offsets, row, last, at + made);
            continue;
        }
        const u8* source = c.bytes + c.offsets[p.index[row]] + (at + made - c.target_offsets[row]);
        // Up to the end of the string, of what is wanted, and of the word.
        u32 count = wanted - made < 8 - (made & 7) ? wanted - made : 8 - (made & 7);
        if (string_end - (at + made) < count) count = (u32)(string_end - (at + made));
        u64 bytes = load_bytes(source, count) << (8 * (made & 7));
        if (made < 8) low |= bytes;
        else high |= bytes;
        made += count;
    }
    // Buffers are multiples of 16 bytes.
    ((u64*)(c.target + at))[0] = low;
    ((u64*)(c.target + at))[1] = high;
}

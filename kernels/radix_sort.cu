// Fixed kernels: stable radix sort of row numbers by words, least significant digit first. Every digit's histogram is
// taken beforehand in one read; then each digit is one pass that reads and writes once, with decoupled look-back for
// each of the 256 buckets (Adinets and Merrill, "Onesweep", 2022).

#define DIGIT_BITS 8
#define BUCKETS 256  // one a thread of the block
#define WORD_DIGITS 8

struct RadixWord {
    const u8* keys;
    u64 key_bytes;  // 4 or 8
    u64 bits;       // the low bits that are sorted by
};
struct RadixCountParams {
    u64 count;
    u64 blocks_each;
    const RadixWord* words;
    u32* counts;  // [word][digit][bucket]
};

DEVICE u32 digit_mask(u64 bits, u32 shift) {
    return bits - shift >= DIGIT_BITS ? BUCKETS - 1 : (1u << (bits - shift)) - 1;
}

template <class K>
static __device__ void radix_count_word(const RadixCountParams& p, u64 word, u64 block, u32* counts) {
    const RadixWord w = p.words[word];
    u32 digits = (u32)((w.bits + DIGIT_BITS - 1) / DIGIT_BITS);
    for (u32 i = threadIdx.x; i < digits * BUCKETS; i += BLOCK) counts[i] = 0;
    __syncthreads();
    for (u64 at = block * BLOCK + threadIdx.x; at < p.count; at += p.blocks_each * BLOCK) {
        K key = ((const K*)w.keys)[at];
        for (u32 d = 0; d < digits; d++) {
            u32 digit = (u32)(key >> (d * DIGIT_BITS)) & digit_mask(w.bits, d * DIGIT_BITS);
            atomicAdd(&counts[d * BUCKETS + digit], 1u);
        }
    }
    __syncthreads();
    u32* to = p.counts + word * WORD_DIGITS * BUCKETS;
    for (u32 i = threadIdx.x; i < digits * BUCKETS; i += BLOCK)
        if (counts[i]) atomicAdd(&to[i], counts[i]);
}

extern "C" __global__ void __launch_bounds__(BLOCK) radix_count(const __grid_constant__ RadixCountParams p) {
    __shared__ u32 counts[WORD_DIGITS * BUCKETS];
    u64 word = blockIdx.x / p.blocks_each, block = blockIdx.x % p.blocks_each;
    if (p.words[word].key_bytes == 4) radix_count_word<u32>(p, word, block, counts);
    else radix_count_word<u64>(p, word, block, counts);
}

struct RadixPassParams {
    u64 count;
    const u8* keys;
    const u32* rows;  // 0 stands for 0, 1, 2, …
    u64 by_row;       // whether `keys` is indexed by row and not by place
    u8* keys_out;     // 0 in the last pass of a word
    u32* rows_out;
    u64 shift;
    u64 mask;
    const u64* bases;  // where each bucket begins
    u64* tiles;        // BUCKETS words a tile, TILE_EMPTY
    u64* ticket;
};

#define RADIX_ITEMS 16
#define RADIX_TILE (BLOCK * RADIX_ITEMS)

// Publishes the tile's count for one bucket and returns the count of all tiles before; each thread has its own bucket.
DEVICE u64 bucket_look_back(u64* tiles, u64 tile, u64 count) {
    u64* own = &tiles[tile * BUCKETS + threadIdx.x];
    atomicExch(own, (tile == 0 ? TILE_PREFIX : TILE_SUM) | count);
    u64 before = 0;
    for (u64 at = tile; at-- > 0;) {
        u64 word;
        while (((word = *(volatile u64*)&tiles[at * BUCKETS + threadIdx.x]) & ~TILE_VALUE) == TILE_EMPTY)
            __nanosleep(32);
        before += word & TILE_VALUE;
        if ((word & ~TILE_VALUE) == TILE_PREFIX) break;
    }
    if (tile > 0) atomicExch(own, TILE_PREFIX | (before + count));
    return before;
}

template <class K> static __device__ void radix_pass(const RadixPassParams& p) {
    __shared__ u32 warp_counts[WARPS * BUCKETS];
    __shared__ u64 bases[BUCKETS];
    __shared__ K staged_keys[RADIX_TILE];
    u32* staged_rows = (u32*)staged_keys;  // once the keys are out
    u32 lane = threadIdx.x & 31, warp = threadIdx.x >> 5, mask = (u32)p.mask;
    u64 tile = take_tile(p.ticket);
    u64 begin = tile * RADIX_TILE;
    u32 tile_rows = p.count - begin < RADIX_TILE ? (u32)(p.count - begin) : RADIX_TILE;
    for (u32 i = threadIdx.x; i < WARPS * BUCKETS; i += BLOCK) warp_counts[i] = 0;

    // A warp takes neighbouring rows, so that the order within a bucket is warp, item, lane.
    K keys[RADIX_ITEMS];
    u32 rows[RADIX_ITEMS];
    u64 first = begin + warp * (32 * RADIX_ITEMS) + lane;
#pragma unroll
    for (int i = 0; i < RADIX_ITEMS; i++) {
        u64 at = first + i * 32;
        rows[i] = at < p.count ? (p.rows ? p.rows[at] : (u32)at) : 0;
        // What lies behind the last row comes into the last bucket behind all others there, and is not written.
        keys[i] = at < p.count ? ((const K*)p.keys)[p.by_row ? rows[i] : at] : ~(K)0;
    }
    __syncthreads();
    u32* counts = warp_counts + warp * BUCKETS;
    u32 places[RADIX_ITEMS];
#pragma unroll
    for (int i = 0; i < RADIX_ITEMS; i++) {
        u32 digit = (u32)(keys[i] >> p.shift) & mask;
        u32 peers = __match_any_sync(ALL_LANES, digit);
        int leader = __ffs((int)peers) - 1;
        u32 before = 0;
        if ((int)lane == leader) {
            before = counts[digit];
            counts[digit] = before + (u32)__popc(peers);
        }
        before = __shfl_sync(ALL_LANES, before, leader);
        places[i] = before + (u32)__popc(peers & ((1u << lane) - 1));
        __syncwarp();
    }
    __syncthreads();

    // From here on each thread stands for a bucket.
    u32 of_bucket = 0;
    for (u32 w = 0; w < WARPS; w++) {
        u32 count = warp_counts[w * BUCKETS + threadIdx.x];
        warp_counts[w * BUCKETS + threadIdx.x] = of_bucket;
        of_bucket += count;
    }
    u64 all;
    u32 start = (u32)block_prefix(of_bucket, all);
    for (u32 w = 0; w < WARPS; w++) warp_counts[w * BUCKETS + threadIdx.x] += start;
    bases[threadIdx.x] = p.bases[threadIdx.x] + bucket_look_back(p.tiles, tile, of_bucket) - start;
    __syncthreads();

    // Sorted within the block first, so that what goes to one bucket is written together.
#pragma unroll
    for (int i = 0; i < RADIX_ITEMS; i++) {
        places[i] += counts[(u32)(keys[i] >> p.shift) & mask];
        staged_keys[places[i]] = keys[i];
    }
    __syncthreads();
    u32 to[RADIX_ITEMS];
#pragma unroll
    for (int i = 0; i < RADIX_ITEMS; i++) {
        u32 place = i * BLOCK + threadIdx.x;
        if (place >= tile_rows) continue;
        K key = staged_keys[place];
        to[i] = (u32)(bases[(u32)(key >> p.shift) & mask] + place);
        if (p.keys_out) ((K*)p.keys_out)[to[i]] = key;
    }
    __syncthreads();
#pragma unroll
    for (int i = 0; i < RADIX_ITEMS; i++) staged_rows[places[i]] = rows[i];
    __syncthreads();
#pragma unroll
    for (int i = 0; i < RADIX_ITEMS; i++) {
        u32 place = i * BLOCK + threadIdx.x;
        if (place < tile_rows) p.rows_out[to[i]] = staged_rows[place];
    }
}

extern "C" __global__ void __launch_bounds__(BLOCK) radix_pass_32(const __grid_constant__ RadixPassParams p) {
    radix_pass<u32>(p);
}
extern "C" __global__ void __launch_bounds__(BLOCK) radix_pass_64(const __grid_constant__ RadixPassParams p) {
    radix_pass<u64>(p);
}

struct RadixIotaParams {
    u64 count;
    u32* rows;
};

extern "C" __global__ void __launch_bounds__(BLOCK) radix_iota(const __grid_constant__ RadixIotaParams p) {
    u64 row = (u64)blockIdx.x * BLOCK + threadIdx.x;
    if (row < p.count) p.rows[row] = (u32)row;
}

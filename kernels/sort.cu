// Fixed kernels: what a sort knows of its key, the words that it sorts by, and the rows that words cannot tell apart.

struct SpanColumn {
    const u8* values;
    const u8* validity;
    const i32* offsets;
    u64* result;  // the first valid row, the greatest length, the common prefix of all
};
struct SpanParams {
    u64 count;
    u64 blocks_each;
    const SpanColumn* columns;
};

// Finds the first valid row and the greatest length of each string column.
extern "C" __global__ void __launch_bounds__(BLOCK) sort_lengths(const __grid_constant__ SpanParams p) {
    const SpanColumn c = p.columns[blockIdx.x / p.blocks_each];
    u64 block = blockIdx.x % p.blocks_each;
    u64 first = ~0ull, longest = 0;
    for (u64 row = block * BLOCK + threadIdx.x; row < p.count; row += p.blocks_each * BLOCK) {
        if (!valid_at(c.validity, row)) continue;
        if (first > row) first = row;
        u64 length = (u32)(c.offsets[row + 1] - c.offsets[row]);
        if (longest < length) longest = length;
    }
    for (u32 step = 16; step; step >>= 1) {
        u64 other_first = __shfl_xor_sync(ALL_LANES, first, (int)step);
        u64 other_longest = __shfl_xor_sync(ALL_LANES, longest, (int)step);
        if (first > other_first) first = other_first;
        if (longest < other_longest) longest = other_longest;
    }
    if ((threadIdx.x & 31) == 0 && first != ~0ull) {
        atomicMin(&c.result[0], first);
        atomicMax(&c.result[1], longest);
    }
}

// How many bytes from `at` on are equal, up to `limit` bytes in all.
DEVICE u32 common_bytes(const Str& a, const Str& b, u32 at, u32 limit) {
    while (at < limit) {
        u64 difference = string_word(a, at) ^ string_word(b, at);
        if (difference) {
            at += (u32)__clzll((i64)difference) / 8;
            break;
        }
        at += 8;
    }
    return at < limit ? at : limit;
}

#define ALONE_BYTES 64  // what a lane compares by itself; of longer strings a warp compares 256 bytes at a time

// Finds how many first bytes all valid strings of each column share.
extern "C" __global__ void __launch_bounds__(BLOCK) sort_prefixes(const __grid_constant__ SpanParams p) {
    const SpanColumn c = p.columns[blockIdx.x / p.blocks_each];
    u64 block = blockIdx.x % p.blocks_each;
    u64 first = c.result[0];
    // Short strings are sorted whole.
    if (first == ~0ull || c.result[1] <= 8) return;
    Str reference = string_at(c.offsets, c.values, first);
    u32 lane = threadIdx.x & 31;
    u32 best = reference.length;
    for (u64 base = block * BLOCK + (threadIdx.x & ~31u); base < p.count && best > 0; base += p.blocks_each * BLOCK) {
        u64 row = base + lane;
        bool has = row < p.count && valid_at(c.validity, row);
        Str s = has ? string_at(c.offsets, c.values, row) : reference;
        u32 limit = s.length < best ? s.length : best;
        u32 same = common_bytes(s, reference, 0, limit < ALONE_BYTES ? limit : ALONE_BYTES);
        bool goes_on = same == ALONE_BYTES && limit > ALONE_BYTES && has;
        for (u32 todo = __ballot_sync(ALL_LANES, goes_on); todo; todo &= todo - 1) {
            int from = __ffs((int)todo) - 1;
            Str other = Str{(const u8*)__shfl_sync(ALL_LANES, (u64)s.data, from),
                            __shfl_sync(ALL_LANES, s.length, from), 0};
            u32 other_limit = __shfl_sync(ALL_LANES, limit, from);
            for (u32 at = ALONE_BYTES; at < other_limit; at += 256) {
                u32 mine = at + 8 * lane;
                u32 mine_limit = mine + 8 < other_limit ? mine + 8 : other_limit;
                bool differs = mine < other_limit && common_bytes(other, reference, mine, mine_limit) < mine_limit;
                u32 differing = __ballot_sync(ALL_LANES, differs);
                if (differing) {
                    u32 at_least = at + 8 * ((u32)__ffs((int)differing) - 1);
                    other_limit = common_bytes(other, reference, at_least, other_limit);
                    break;
                }
            }
            if ((int)lane == from) same = other_limit;
        }
        if (has && same < best) best = same;
        for (u32 step = 16; step; step >>= 1) {
            u32 other = __shfl_xor_sync(ALL_LANES, best, (int)step);
            if (other < best) best = other;
        }
    }
    if (lane == 0) atomicMin(&c.result[2], (u64)best);
}

struct RangeParams {
    u64 count;
    u64 blocks_each;
    const SortField* fields;
    u64* ranges;  // of each field: least, greatest, bits set in any, bits set in all
};

// Finds the range of each field over the rows that have a value.
extern "C" __global__ void __launch_bounds__(BLOCK) sort_ranges(const __grid_constant__ RangeParams p) {
    __shared__ u64 of_block[4];
    if (threadIdx.x == 0) {
        of_block[0] = of_block[3] = ~0ull;
        of_block[1] = of_block[2] = 0;
    }
    __syncthreads();
    u64 field = blockIdx.x / p.blocks_each, block = blockIdx.x % p.blocks_each;
    const SortField f = p.fields[field];
    u64 least = ~0ull, greatest = 0, any = 0, all = ~0ull;
    for (u64 row = block * BLOCK + threadIdx.x; row < p.count; row += p.blocks_each * BLOCK) {
        if (!sort_has_value(f, row)) continue;
        u64 value = sort_raw(f, row);
        if (least > value) least = value;
        if (greatest < value) greatest = value;
        any |= value;
        all &= value;
    }
    for (u32 step = 16; step; step >>= 1) {
        u64 other_least = __shfl_xor_sync(ALL_LANES, least, (int)step);
        u64 other_greatest = __shfl_xor_sync(ALL_LANES, greatest, (int)step);
        if (least > other_least) least = other_least;
        if (greatest < other_greatest) greatest = other_greatest;
        any |= __shfl_xor_sync(ALL_LANES, any, (int)step);
        all &= __shfl_xor_sync(ALL_LANES, all, (int)step);
    }
    if ((threadIdx.x & 31) == 0) {
        atomicMin(&of_block[0], least);
        atomicMax(&of_block[1], greatest);
        atomicOr(&of_block[2], any);
        atomicAnd(&of_block[3], all);
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        u64* range = p.ranges + 4 * field;
        atomicMin(&range[0], of_block[0]);
        atomicMax(&range[1], of_block[1]);
        atomicOr(&range[2], of_block[2]);
        atomicAnd(&range[3], of_block[3]);
    }
}

struct EncodePiece {
    u64 field;
    u64 left, right;  // how far the field's value is moved up or down in the word
};
struct EncodeWord {
    u8* target;
    u64 bytes;  // 4 or 8
    u64 piece_begin, piece_end;
};
struct EncodeParams {
    u64 count;
    const u32* rows;  // the row of each place; 0 where places are rows
    const SortField* fields;
    const EncodePiece* pieces;
    u64 word_count;
    const EncodeWord* words;
};

// Writes the words of each place.
extern "C" __global__ void __launch_bounds__(BLOCK) sort_encode(const __grid_constant__ EncodeParams p) {
    u64 place = (u64)blockIdx.x * BLOCK + threadIdx.x;
    if (place >= p.count) return;
    u64 row = p.rows ? p.rows[place] : place;
    for (u64 w = 0; w < p.word_count; w++) {
        const EncodeWord& word = p.words[w];
        u64 bits = 0;
        for (u64 i = word.piece_begin; i < word.piece_end; i++) {
            const EncodePiece& piece = p.pieces[i];
            bits |= (sort_value(p.fields[piece.field], row) << piece.left) >> piece.right;
        }
        if (word.bytes == 4) ((u32*)word.target)[place] = (u32)bits;
        else ((u64*)word.target)[place] = bits;
    }
}

struct TiesParams {
    u64 count;
    const u32* places;  // in order
    u64 word_count;
    const EncodeWord* words;
    u32* tied_at;      // where tied places stand
    u32* tied_places;  // and which they are
    u64* tiles;
    u64* control;
};

#define TIES_ITEMS 8
#define TIES_TILE (BLOCK * TIES_ITEMS)

DEVICE bool same_words(const TiesParams& p, u32 a, u32 b) {
    for (u64 w = 0; w < p.word_count; w++) {
        const EncodeWord& word = p.words[w];
        if (word.bytes == 4 ? ((const u32*)word.target)[a] != ((const u32*)word.target)[b]
                            : ((const u64*)word.target)[a] != ((const u64*)word.target)[b])
            return false;
    }
    return true;
}

// The block's share of a stable compaction: the number of kept items before the thread's; the last block reports all.
DEVICE u64 compact(u64* tiles, u64* control, u64 tile, u64 kept, bool is_last) {
    __shared__ u64 before_tile;
    u64 total;
    u64 prefix = block_prefix(kept, total);
    if (threadIdx.x < 32) {
        u64 before = look_back(tiles, tile, total);
        if (threadIdx.x == 0) {
            before_tile = before;
            if (is_last) control[CONTROL_ROWS] = before + total;
        }
    }
    __syncthreads();
    return before_tile + prefix;
}

// Lists the places whose words are those of a neighbour.
extern "C" __global__ void __launch_bounds__(BLOCK) sort_ties(const __grid_constant__ TiesParams p) {
    u64 tile = take_tile(&p.control[CONTROL_TICKET]);
    u64 first = tile * TIES_TILE + (u64)threadIdx.x * TIES_ITEMS;
    u32 tied = 0;
    bool before = first > 0 && first < p.count && same_words(p, p.places[first - 1], p.places[first]);
    for (int i = 0; i < TIES_ITEMS; i++) {
        u64 at = first + i;
        bool after = at + 1 < p.count && same_words(p, p.places[at], p.places[at + 1]);
        if (before || after) tied |= 1u << i;
        before = after;
    }
    u64 to = compact(p.tiles, p.control, tile, (u64)__popc(tied), (tile + 1) * TIES_TILE >= p.count);
    for (int i = 0; i < TIES_ITEMS; i++) {
        if (!((tied >> i) & 1)) continue;
        p.tied_at[to] = (u32)(first + i);
        p.tied_places[to++] = p.places[first + i];
    }
}

struct MoveParams {
    u64 count;
    const u32* from;
    const u32* index;
    u32* to;
};

// Puts tied places, now in order, back to where they stand.
extern "C" __global__ void __launch_bounds__(BLOCK) sort_scatter(const __grid_constant__ MoveParams p) {
    u64 i = (u64)blockIdx.x * BLOCK + threadIdx.x;
    if (i < p.count) p.to[p.index[i]] = p.from[i];
}

// Turns places into rows.
extern "C" __global__ void __launch_bounds__(BLOCK) sort_gather(const __grid_constant__ MoveParams p) {
    u64 i = (u64)blockIdx.x * BLOCK + threadIdx.x;
    if (i < p.count) p.to[i] = p.from[p.index[i]];
}

#define SELECT_BUCKETS 2048

struct SelectCountParams {
    u64 count;
    const u8* words;
    u64 bytes;   // of a word: 4 or 8
    u64 prefix;  // words with other bits above `shift` + `bits` are left out
    u64 shift;
    u64 bits;
    u32* counts;
};

DEVICE u64 select_word(const u8* words, u64 bytes, u64 at) {
    return bytes == 4 ? ((const u32*)words)[at] : ((const u64*)words)[at];
}

// Counts words by `bits` bits from `shift` on.
extern "C" __global__ void __launch_bounds__(BLOCK) select_count(const __grid_constant__ SelectCountParams p) {
    __shared__ u32 counts[SELECT_BUCKETS];
    for (u32 i = threadIdx.x; i < SELECT_BUCKETS; i += BLOCK) counts[i] = 0;
    __syncthreads();
    u32 buckets = 1u << p.bits;
    for (u64 at = (u64)blockIdx.x * BLOCK + threadIdx.x; at < p.count; at += (u64)gridDim.x * BLOCK) {
        u64 word = select_word(p.words, p.bytes, at) >> p.shift;
        if (word >> p.bits == p.prefix) atomicAdd(&counts[(u32)word & (buckets - 1)], 1u);
    }
    __syncthreads();
    for (u32 i = threadIdx.x; i < buckets; i += BLOCK)
        if (counts[i]) atomicAdd(&p.counts[i], counts[i]);
}

struct SelectParams {
    u64 count;
    const u8* words;
    u64 bytes;
    u64 shift;
    u64 greatest;  // the words that are not above it, without the bits below `shift`, are kept
    u32* rows;
    u64* tiles;
    u64* control;
};

#define SELECT_ITEMS 16
#define SELECT_TILE (BLOCK * SELECT_ITEMS)

// Lists the rows whose words are small enough, in their order.
extern "C" __global__ void __launch_bounds__(BLOCK) select_rows(const __grid_constant__ SelectParams p) {
    u64 tile = take_tile(&p.control[CONTROL_TICKET]);
    // A warp takes neighbouring words, item by item; each lane keeps what it has for every item.
    u32 lane = threadIdx.x & 31;
    u64 first = tile * SELECT_TILE + (u64)(threadIdx.x >> 5) * (32 * SELECT_ITEMS) + lane;
    u32 kept = 0, of_warp = 0;
    for (int i = 0; i < SELECT_ITEMS; i++) {
        u64 at = first + i * 32;
        bool keep = at < p.count && select_word(p.words, p.bytes, at) >> p.shift <= p.greatest;
        if (keep) kept |= 1u << i;
        of_warp += (u32)__popc(__ballot_sync(ALL_LANES, keep));
    }
    // One lane brings the warp's count, so that the prefix of lane 0 is the warp's.
    u64 to = compact(p.tiles, p.control, tile, lane == 0 ? of_warp : 0, (tile + 1) * SELECT_TILE >= p.count);
    to = __shfl_sync(ALL_LANES, to, 0);
    for (int i = 0; i < SELECT_ITEMS; i++) {
        u32 keeps = __ballot_sync(ALL_LANES, (kept >> i) & 1);
        if ((kept >> i) & 1) p.rows[to + (u32)__popc(keeps & ((1u << lane) - 1))] = (u32)(first + i * 32);
        to += (u32)__popc(keeps);
    }
}

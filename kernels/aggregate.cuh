// Aggregate: with no keys, and by keys into an open-addressing hash table.
//
// `P` is the generated program:
//   P::load, P::keep, P::load_rest  as for materialize
//   P::key(p, r, row, words)        the key's words: null bits first, strings as put_key_string makes them
//   P::key_hash, P::key_equal       over key words
//   P::start(words)                 the neutral accumulators
//   P::add(p, r, row, words)        adds one row to accumulators that nobody else sees
//   P::combine(into, from)          adds accumulators that nobody else sees
//   P::merge(slot, from, locked)    adds accumulators to those of a slot that others see: the ones that atomics can
//                                   do where `locked` is false, the rest, under the slot's lock, where it is true
//   P::LOCKED                       whether there is such a rest
//   P::KEY_WORDS, P::WORDS          words of a key, words of the accumulators
//
// A slot is [state, first row, key words, accumulator words]. The state is EMPTY, LOCKED, or READY with 62 bits of the
// hash. Everything that merges is an integer operation that commutes, so the result does not depend on the schedule.

#define SLOT_EMPTY 0ull
#define SLOT_LOCKED 1ull
#define SLOT_READY 2ull
#define SLOT_HEAD 2

// Parts of a block's shared slots; a lane's number modulo the parts is its part.
#define SHARED_PARTS 8

#define SLOT_WORDS(P) (SLOT_HEAD + P::KEY_WORDS + P::WORDS)

DEVICE void put_wide(u64* words, Wide v) {
    words[0] = v.low;
    words[1] = v.high;
}
DEVICE void add_wide(u64* words, Wide v) {
    u64 low = words[0] + v.low;
    words[1] += v.high + (low < v.low);
    words[0] = low;
}
// Two words, each added atomically: the carry is added by whoever caused it, so the sum is right when all are done.
DEVICE void atomic_add_wide(u64* words, u64 low, u64 high) {
    u64 carry = 0;
    if (low) {
        u64 before = atomicAdd(&words[0], low);
        carry = before + low < before;
    }
    if (high + carry) atomicAdd(&words[1], high + carry);
}

// Extremes of two words: 128-bit ordered words, and strings, of which address 0 is none; an empty one may lie nowhere.
#define EMPTY_STRING 1ull
template <bool MAX> DEVICE void keep_wide_extreme(u64* words, u128 v) {
    u128 seen = ((u128)words[1] << 64) | words[0];
    if (MAX ? v > seen : v < seen) put_wide(words, widen((i128)v));
}
template <bool MAX> DEVICE void merge_wide_extreme(u64* into, const u64* from) {
    keep_wide_extreme<MAX>(into, ((u128)from[1] << 64) | from[0]);
}
template <bool MAX> DEVICE void keep_string_extreme(u64* words, const Str& s) {
    i32 order = words[0] ? compare(s, string_of(words[0], words[1])) : (MAX ? 1 : -1);
    if (MAX ? order > 0 : order < 0) {
        words[0] = s.length ? (u64)s.data : EMPTY_STRING;
        words[1] = word_of(s);
    }
}
template <bool MAX> DEVICE void merge_string_extreme(u64* into, const u64* from) {
    if (from[0]) keep_string_extreme<MAX>(into, string_of(from[0], from[1]));
}

// Finds the key's slot or makes it; null where `probes` slots are others'. `made` is set for a new slot.
template <class P>
static __device__ u64* find_slot(u64* slots, u64 mask, u32 probes, const u64* key, u64 hash, bool& made) {
    u64 ready = SLOT_READY | (hash & ~3ull);
    u64 at = hash >> 7;
    for (u32 probe = 0; probe < probes; probe++) {
        u64* slot = slots + (at & mask) * SLOT_WORDS(P);
        u64 state = *(volatile u64*)slot;
        if (state == SLOT_EMPTY) {
            state = atomicCAS(slot, SLOT_EMPTY, SLOT_LOCKED);
            if (state == SLOT_EMPTY) {
                volatile u64* words = slot;
                words[1] = ~0ull;
                for (int w = 0; w < P::KEY_WORDS; w++) words[SLOT_HEAD + w] = key[w];
                u64 start[P::WORDS + 1];
                P::start(start);
                for (int w = 0; w < P::WORDS; w++) words[SLOT_HEAD + P::KEY_WORDS + w] = start[w];
                __threadfence();
                atomicExch(slot, ready);
                made = true;
                return slot;
            }
        }
        while (state == SLOT_LOCKED) {
            __nanosleep(32);
            state = *(volatile u64*)slot;
        }
        if (state == ready) {
            __threadfence();
            u64 words[P::KEY_WORDS + 1];
            for (int w = 0; w < P::KEY_WORDS; w++) words[w] = ((volatile u64*)slot)[SLOT_HEAD + w];
            if (P::key_equal(words, key)) return slot;
        }
        at++;
    }
    return 0;
}

// Adds accumulators and a first row to a slot that others see too.
template <class P> static __device__ void merge_slot(u64* slot, u64 first_row, const u64* from) {
    if (first_row < *(volatile u64*)&slot[1]) atomicMin(&slot[1], first_row);
    u64* into = slot + SLOT_HEAD + P::KEY_WORDS;
    P::merge(into, from, false);
    if (P::LOCKED) {
        while (true) {
            u64 state = *(volatile u64*)slot;
            if (state != SLOT_LOCKED && atomicCAS(slot, state, SLOT_LOCKED) == state) {
                __threadfence();
                P::merge(into, from, true);
                __threadfence();
                atomicExch(slot, state);
                return;
            }
            __nanosleep(32);
        }
    }
}

// Counts a new group of the global table, and raises a flag when the table is more than half full.
DEVICE void count_group(u64* control, u64 slot_mask) {
    if (atomicAdd(&control[CONTROL_ROWS], 1ull) * 2 > slot_mask) control[CONTROL_OVERFLOW] = 1;
}

// Adds a group with its key and accumulators to the global table. Not inlined: it is off the path of the rows, and one
// copy of the search compiles faster than three.
template <class P>
static __device__ __noinline__ void merge_group(const typename P::Params& p, const u64* key, u64 first_row, const u64* words) {
    bool made = false;
    u64 hash = P::KEY_WORDS ? P::key_hash(key) : 0;
    u64* slot = find_slot<P>(p.slots, p.slot_mask, (u32)p.slot_mask + 1, key, hash, made);
    if (made) count_group(p.control, p.slot_mask);
    if (slot) merge_slot<P>(slot, first_row, words);
}

template <class P, int ITEMS> static __device__ void aggregate_one(const typename P::Params& p) {
    u64 words[P::WORDS + 1];
    P::start(words);
    u64 tiles = (p.rows + TILE_ROWS - 1) / TILE_ROWS;
    for (u64 tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
        typename P::Row rows[ITEMS];
        u32 kept = load_kept<P, ITEMS>(p, tile * TILE_ROWS, rows);
#pragma unroll
        for (int item = 0; item < ITEMS; item++) {
            u64 row = p.row_begin + tile * TILE_ROWS + item * BLOCK + threadIdx.x;
            if ((kept >> item) & 1) P::add(p, rows[item], row, words);
        }
    }
    // Lanes, then warps, then the block's first thread adds to the table's only slot.
    for (u32 step = 16; step; step >>= 1) {
        u64 other[P::WORDS + 1];
        for (int w = 0; w < P::WORDS; w++) other[w] = __shfl_down_sync(ALL_LANES, words[w], step);
        if ((threadIdx.x & 31) < step) P::combine(words, other);
    }
    __shared__ u64 of_warps[WARPS * (P::WORDS + 1)];
    if ((threadIdx.x & 31) == 0)
        for (int w = 0; w < P::WORDS; w++) of_warps[(threadIdx.x >> 5) * P::WORDS + w] = words[w];
    __syncthreads();
    if (threadIdx.x == 0) {
        for (u32 warp = 1; warp < WARPS; warp++) P::combine(words, of_warps + warp * P::WORDS);
        u64 key[1] = {0};
        merge_group<P>(p, key, 0, words);
    }
}

// `p.shared_slots` slots in shared memory take what they can; the rest, and they at the end, go to the global table.
// They are parted among the lanes: where groups are few, the lanes of a warp would otherwise wait for each other at the
// same accumulators.
//
// One loop takes the block's rows and then its shared slots, so that there is one copy of the search to compile.
template <class P> static __device__ void aggregate_groups(const typename P::Params& p) {
    extern __shared__ u64 shared_slots[];
    u32 shared_count = (u32)p.shared_slots;
    u32 part_count = shared_count >= 8 * SHARED_PARTS ? shared_count / SHARED_PARTS : (shared_count < 8 ? shared_count : 8);
    u64* part = shared_slots;
    if (shared_count) part += (threadIdx.x & (shared_count / part_count - 1)) * part_count * SLOT_WORDS(P);
    for (u32 s = threadIdx.x; s < shared_count; s += BLOCK) shared_slots[s * SLOT_WORDS(P)] = SLOT_EMPTY;
    __syncthreads();

    u64 tiles = (p.rows + BLOCK - 1) / BLOCK;
    u64 row_steps = blockIdx.x < tiles ? (tiles - blockIdx.x + gridDim.x - 1) / gridDim.x : 0;
    u64 steps = row_steps + (shared_count + BLOCK - 1) / BLOCK;
#pragma unroll 1
    for (u64 step = 0; step < steps; step++) {
        u64 key[P::KEY_WORDS + 1], words[P::WORDS + 1], first_row;
        u32 global = shared_count == 0;
        if (step < row_steps) {
            if (*(volatile u64*)&p.control[CONTROL_OVERFLOW]) {
                // The host begins again: on to the barrier, which every thread has to meet.
                step = row_steps - 1;
                continue;
            }
            u64 row = (blockIdx.x + step * gridDim.x) * BLOCK + threadIdx.x;
            typename P::Row rows[1];
            if (row >= p.rows) continue;
            P::load(p, p.row_begin + row, rows[0]);
            if (!P::keep(p, rows[0], p.row_begin + row)) continue;
            P::load_rest(p, p.row_begin + row, rows[0]);
            P::key(p, rows[0], p.row_begin + row, key);
            P::start(words);
            P::add(p, rows[0], p.row_begin + row, words);
            first_row = p.first_row + row;
        } else {
            if (step == row_steps) __syncthreads();
            u64 s = (step - row_steps) * BLOCK + threadIdx.x;
            const u64* from = shared_slots + s * SLOT_WORDS(P);
            if (s >= shared_count || from[0] == SLOT_EMPTY) continue;
            for (int w = 0; w < P::KEY_WORDS; w++) key[w] = from[SLOT_HEAD + w];
            for (int w = 0; w < P::WORDS; w++) words[w] = from[SLOT_HEAD + P::KEY_WORDS + w];
            first_row = from[1];
            global = 1;
        }
        u64 hash = P::key_hash(key);
        u64* slot = 0;
#pragma unroll 1
        for (; global < 2 && slot == 0; global++) {
            bool made = false;
            u64 mask = global ? p.slot_mask : part_count - 1;
            slot = find_slot<P>(global ? p.slots : part, mask, global ? (u32)mask + 1 : 8, key, hash, made);
            if (global && made) count_group(p.control, p.slot_mask);
        }
        if (slot) merge_slot<P>(slot, first_row, words);
    }
}

// The largest exponent of every float that will be summed; see fixed_sum.cuh.
template <class P> static __device__ void exponent_ranges(const typename P::Params& p) {
    u32 exponents[P::FLOAT_SUMS + 1];
    for (int i = 0; i < P::FLOAT_SUMS; i++) exponents[i] = 0;
    for (u64 row = (u64)blockIdx.x * BLOCK + threadIdx.x; row < p.rows; row += (u64)gridDim.x * BLOCK) {
        typename P::Row r;
        P::load(p, p.row_begin + row, r);
        if (!P::keep(p, r, p.row_begin + row)) continue;
        P::load_rest(p, p.row_begin + row, r);
        P::exponents(p, r, p.row_begin + row, exponents);
    }
    for (int i = 0; i < P::FLOAT_SUMS; i++) {
        u32 largest = exponents[i];
        for (u32 step = 16; step; step >>= 1) {
            u32 other = __shfl_xor_sync(ALL_LANES, largest, (int)step);
            if (other > largest) largest = other;
        }
        if ((threadIdx.x & 31) == 0 && largest) atomicMax(&p.exponent_max[i], largest);
    }
}

// Groups come out in the order of their first rows: the rank of a group's first row among the bits that
// `mark_first_rows` set is the group's number.
template <class P> static __device__ void emit_groups(const typename P::Params& p) {
    u64 s = (u64)blockIdx.x * BLOCK + threadIdx.x;
    if (s > p.slot_mask) return;
    const u64* slot = p.slots + s * SLOT_WORDS(P);
    if (slot[0] == SLOT_EMPTY) return;
    u64 out = 0;
    if (P::KEY_WORDS) {
        u64 first = slot[1];
        out = p.ranks[first >> 5] + __popc(p.first_rows[first >> 5] & ((1u << (first & 31)) - 1));
    }
    P::output(p, slot + SLOT_HEAD, slot + SLOT_HEAD + P::KEY_WORDS, out);
}

// Folds another table into the global one: `p.from_slots`, whose float sums have the quanta of `p.from_exponents`.
template <class P> static __device__ void merge_table(const typename P::Params& p) {
    u64 s = (u64)blockIdx.x * BLOCK + threadIdx.x;
    if (s > p.from_mask) return;
    const u64* from = p.from_slots + s * SLOT_WORDS(P);
    if (from[0] == SLOT_EMPTY) return;
    u64 words[P::WORDS + 1];
    for (int w = 0; w < P::WORDS; w++) words[w] = from[SLOT_HEAD + P::KEY_WORDS + w];
    P::rescale(words, p.from_exponents, p.exponent_max);
    merge_group<P>(p, from + SLOT_HEAD, from[1], words);
}

// Copies the strings that slots refer to into `p.heap`, so that the input they lie in can be freed. Called with no heap
// it only counts their bytes.
template <class P> static __device__ void keep_strings(const typename P::Params& p) {
    u64 s = (u64)blockIdx.x * BLOCK + threadIdx.x;
    if (s > p.slot_mask) return;
    u64* slot = p.slots + s * SLOT_WORDS(P);
    if (slot[0] == SLOT_EMPTY) return;
    P::strings(p, slot + SLOT_HEAD, slot + SLOT_HEAD + P::KEY_WORDS);
}
template <class Params> static __device__ void keep_string(const Params& p, u64* word) {
    if (word[1] & SHORT_STRING) return;
    Str s = string_of(word[0], word[1]);
    if (word[0] == 0 || s.length == 0) return;
    u64 at = atomicAdd(&p.control[CONTROL_BYTES], (u64)s.length);
    if (p.heap == 0) return;
    for (u32 i = 0; i < s.length; i++) p.heap[at + i] = byte_at(s, i);
    word[0] = (u64)(p.heap + at);
    word[1] = s.length;
}

// Join tables: the build, the look-up of a key, and the expansion of rows to pairs.
//
// A slot is one word: the upper half of the key's hash, then the number of the first row of the table that has the key.
// A key's words lie at that number times their count in a buffer of their own: a look-up reads one slot, and the key
// only where the tags agree. Rows of equal keys are a group, known by its first row.

#define NONE 0xffffffffu
#define SLOT_FREE (~0ull)

// Words that begin a string are marked in STRINGS.
template <int WORDS, u64 STRINGS> DEVICE u64 hash_key(const u64* words) {
    u64 hash = 0;
#pragma unroll
    for (int w = 0; w < WORDS; w++) {
        if ((STRINGS >> w) & 1) {
            hash = hash_key_string(hash, words + w);
            w++;
        } else {
            hash = hash_word(hash, words[w]);
        }
    }
    return hash;
}
template <int WORDS, u64 STRINGS> DEVICE bool keys_equal(const u64* a, const u64* b) {
    bool same = true;
#pragma unroll
    for (int w = 0; w < WORDS; w++) {
        if ((STRINGS >> w) & 1) {
            same = same && key_strings_equal(a + w, b + w);
            w++;
        } else {
            same = same && a[w] == b[w];
        }
    }
    return same;
}

// The partition of a key, by other bits than those that choose its slot.
template <int WORDS, u64 STRINGS> static __device__ u32 partition_of(const u64* words, u32 count) {
    return (u32)(mix(hash_key<WORDS, STRINGS>(words) + 1) >> 32) % count;
}

// The first row of the table with the key, or NONE.
template <int WORDS, u64 STRINGS>
static __device__ u32 find_row(const u64* slots, u64 mask, const u64* keys, const u64* words) {
    u64 hash = hash_key<WORDS, STRINGS>(words);
    u32 tag = (u32)(hash >> 32);
    for (u64 at = hash & mask;; at = (at + 1) & mask) {
        u64 slot = slots[at];
        if (slot == SLOT_FREE) return NONE;
        if ((u32)(slot >> 32) != tag) continue;
        u32 row = (u32)slot;
        if (keys_equal<WORDS, STRINGS>(keys + (u64)row * WORDS, words)) return row;
    }
}

// Bits that many threads set: most find them set already.
DEVICE void mark_row(u32* marks, u64 row) {
    u32 mine = 1u << (row & 31);
    if (!(*(volatile u32*)&marks[row >> 5] & mine)) atomicOr(&marks[row >> 5], mine);
}

// The input row of pair number `pair`: the last whose offset is not greater. Rows without pairs have the offset of the
// row behind them.
DEVICE u64 expanded_row(const u64* offsets, u64 rows, u64 pair) {
    u64 low = 0, high = rows;
    while (high - low > 1) {
        u64 middle = (low + high) / 2;
        if (offsets[middle] <= pair) low = middle;
        else high = middle;
    }
    return low;
}

// Puts the rows of a chunk into a table.
//
// `P` is the generated program: P::key(p, r, row, words) makes the key's words and says whether it can equal any.
// A row of a key that is there already lowers the slot's row to its own, if that is smaller: so the slot ends up with
// the group's first row whatever the schedule. `p.slot_of` gets the slot of each row, NONE for keys that equal none.
template <class P, int WORDS, u64 STRINGS> static __device__ void build_table(const typename P::Params& p) {
    u64 row = (u64)blockIdx.x * BLOCK + threadIdx.x;
    if (row >= p.rows) return;
    typename P::Row r;
    P::load(p, row, r);
    P::load_rest(p, row, r);
    u64 words[WORDS];
    if (!P::key(p, r, row, words)) {
        p.slot_of[row] = NONE;
        return;
    }
    for (int w = 0; w < WORDS; w++) ((volatile u64*)p.keys)[row * WORDS + w] = words[w];
    __threadfence();
    u64 hash = hash_key<WORDS, STRINGS>(words);
    u64 mine = (hash & ~0xffffffffull) | row;
    for (u64 at = hash & p.slot_mask;; at = (at + 1) & p.slot_mask) {
        u64 slot = *(volatile u64*)&p.slots[at];
        if (slot == SLOT_FREE) slot = atomicCAS(&p.slots[at], SLOT_FREE, mine);
        if (slot == SLOT_FREE) {
            p.slot_of[row] = (u32)at;
            return;
        }
        if ((slot ^ mine) >> 32) continue;
        __threadfence();
        // Others write keys meanwhile: what this processor has in its cache may be old.
        const volatile u64* theirs = p.keys + (u64)(u32)slot * WORDS;
        u64 key[WORDS];
        for (int w = 0; w < WORDS; w++) key[w] = theirs[w];
        if (!keys_equal<WORDS, STRINGS>(key, words)) continue;
        if (mine < slot) atomicMin(&p.slots[at], mine);
        p.slot_of[row] = (u32)at;
        if (!*(volatile u64*)&p.control[CONTROL_OVERFLOW]) p.control[CONTROL_OVERFLOW] = 1;
        return;
    }
}

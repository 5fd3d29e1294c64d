// A column of any layout, as fixed kernels read it: by a switch that goes the same way for every thread.

#define STORAGE_BITS 0
#define STORAGE_I8 1
#define STORAGE_I16 2
#define STORAGE_I32 3
#define STORAGE_I64 4
#define STORAGE_U8 5
#define STORAGE_U16 6
#define STORAGE_U32 7
#define STORAGE_U64 8
#define STORAGE_F32 9
#define STORAGE_F64 10
#define STORAGE_I128 11
#define STORAGE_BYTES 12

// The keys of a dictionary are read as unsigned integers.
struct Column {
    const u8* values;
    const u8* validity;
    const i32* offsets;
    u64 storage;
};

DEVICE bool is_valid(const Column& c, u64 row) { return valid_at(c.validity, row); }
DEVICE Str load_string(const Column& c, u64 row) { return string_at(c.offsets, c.values, row); }
DEVICE Wide load_wide(const Column& c, u64 row) {
    return Wide{((const u64*)c.values)[2 * row], ((const u64*)c.values)[2 * row + 1]};
}

// The bits of a value of up to 8 bytes.
DEVICE u64 load_raw(const Column& c, u64 row) {
    switch (c.storage) {
        case STORAGE_BITS: return bit(c.values, row);
        case STORAGE_I8:
        case STORAGE_U8: return c.values[row];
        case STORAGE_I16:
        case STORAGE_U16: return ((const u16*)c.values)[row];
        case STORAGE_I32:
        case STORAGE_U32:
        case STORAGE_F32: return ((const u32*)c.values)[row];
        default: return ((const u64*)c.values)[row];
    }
}

// A signed or unsigned integer or decimal.
DEVICE i128 load_integer(const Column& c, u64 row) {
    switch (c.storage) {
        case STORAGE_I8: return ((const i8*)c.values)[row];
        case STORAGE_I16: return ((const i16*)c.values)[row];
        case STORAGE_I32: return ((const i32*)c.values)[row];
        case STORAGE_I64: return ((const i64*)c.values)[row];
        case STORAGE_I128: return narrow(load_wide(c, row));
        default: return (i128)(u128)load_raw(c, row);
    }
}

DEVICE f64 load_float(const Column& c, u64 row) {
    if (c.storage == STORAGE_F32) return ((const f32*)c.values)[row];
    return ((const f64*)c.values)[row];
}

// A word that compares as the value does; not for 16 bytes and strings.
DEVICE u64 ordered_word(u64 storage, u64 raw) {
    switch (storage) {
        case STORAGE_I8: return ordered((i8)raw);
        case STORAGE_I16: return ordered((i16)raw);
        case STORAGE_I32: return ordered((i32)raw);
        case STORAGE_I64: return ordered((i64)raw);
        case STORAGE_F32: return ordered(__uint_as_float((u32)raw));
        case STORAGE_F64: return ordered(__longlong_as_double((i64)raw));
        default: return raw;
    }
}

// The bits of the value that `ordered_word` made `word` of.
DEVICE u64 raw_of_ordered(u64 storage, u64 word) {
    switch (storage) {
        case STORAGE_I8:
        case STORAGE_I16:
        case STORAGE_I32:
        case STORAGE_I64: return word ^ (1ull << 63);
        case STORAGE_F32: return bits_of(Unordered<f32>::from(word));
        case STORAGE_F64: return bits_of(Unordered<f64>::from(word));
        default: return word;
    }
}

DEVICE void store_raw(u8* values, u64 storage, u64 row, u64 raw) {
    switch (storage) {
        case STORAGE_I8:
        case STORAGE_U8: values[row] = (u8)raw; break;
        case STORAGE_I16:
        case STORAGE_U16: ((u16*)values)[row] = (u16)raw; break;
        case STORAGE_I32:
        case STORAGE_U32:
        case STORAGE_F32: ((u32*)values)[row] = (u32)raw; break;
        default: ((u64*)values)[row] = raw; break;
    }
}
DEVICE void store_wide(u8* values, u64 row, Wide v) {
    ((u64*)values)[2 * row] = v.low;
    ((u64*)values)[2 * row + 1] = v.high;
}

// Writes one bit for each row of a warp; all lanes call it, also those behind the last row.
DEVICE void put_bit(u32* bitmap, u64 row, u64 rows, bool value) {
    u32 word = __ballot_sync(ALL_LANES, value && row < rows);
    if ((threadIdx.x & 31) == 0 && row < rows) bitmap[row >> 5] = word;
}

// Whether two rows hold the same value: null is null's equal, floats are compared by their bits (as Arrow's partition
// kernel does).
DEVICE bool same_value(const Column& c, u64 a, u64 b) {
    bool valid = is_valid(c, a);
    if (valid != is_valid(c, b)) return false;
    if (!valid) return true;
    if (c.storage == STORAGE_BYTES) return equal(load_string(c, a), load_string(c, b));
    if (c.storage == STORAGE_I128) {
        Wide x = load_wide(c, a), y = load_wide(c, b);
        return x.low == y.low && x.high == y.high;
    }
    return load_raw(c, a) == load_raw(c, b);
}

// Set bits before a row, and the row of a set bit; without words every bit is set. `before` comes from scan_set_bits.
struct Ranks {
    const u32* words;
    const u64* before;
};
DEVICE u64 rank_of(const Ranks& r, u64 row) {
    if (r.words == 0) return row;
    u32 in_word = (u32)row & 31;
    return r.before[row >> 5] + (in_word ? __popc(r.words[row >> 5] & ((1u << in_word) - 1)) : 0);
}
// There must be more than `rank` set bits below `rows`.
DEVICE u64 row_of_rank(const Ranks& r, u64 rank, u64 rows) {
    if (r.words == 0) return rank;
    u64 low = 0, high = (rows + 31) >> 5;
    while (high - low > 1) {
        u64 middle = (low + high) >> 1;
        if (r.before[middle] <= rank) low = middle;
        else high = middle;
    }
    u32 word = r.words[low];
    for (u64 skip = rank - r.before[low]; skip; skip--) word &= word - 1;
    return low * 32 + (u64)__ffs((int)word) - 1;
}

// Window functions by position: partitions, peers, frames, ranks, and which row a value comes from.
//
// The rows are sorted by partition and order keys, so that partitions and peers are segments. A segment's start is a
// bit; the set bits before a row number its segment, and the rows of the set bits say where each begins.

struct Segments {
    Ranks starts;
    const u32* begins;  // of each segment, and behind the last the number of rows
};
DEVICE u64 segment_of(const Segments& s, u64 row) {
    return s.starts.before[row >> 5] + __popc(s.starts.words[row >> 5] & (0xffffffffu >> (31 - ((u32)row & 31)))) - 1;
}
struct Range {
    u64 begin, end;
};
DEVICE Range segment(const Segments& s, u64 row) {
    u64 at = segment_of(s, row);
    return Range{s.begins[at], s.begins[at + 1]};
}

struct BoundaryParams {
    u64 rows;
    const Column* keys;  // those of the partition first
    u64 partition_keys;
    u64 all_keys;
    u32* partitions;
    u32* peers;
};

extern "C" __global__ void __launch_bounds__(BLOCK) window_boundaries(const __grid_constant__ BoundaryParams p) {
    u64 row = (u64)blockIdx.x * BLOCK + threadIdx.x;
    bool partition = row == 0, peers = row == 0;
    if (row > 0 && row < p.rows) {
        for (u64 k = 0; k < p.all_keys && !peers; k++) {
            if (same_value(p.keys[k], row - 1, row)) continue;
            peers = true;
            partition = k < p.partition_keys;
        }
    }
    put_bit(p.partitions, row, p.rows, partition);
    put_bit(p.peers, row, p.rows, peers);
}

struct BeginsParams {
    u64 rows;
    Ranks starts;
    u32* begins;
    u64 segments;
};

extern "C" __global__ void __launch_bounds__(BLOCK) window_begins(const __grid_constant__ BeginsParams p) {
    u64 row = (u64)blockIdx.x * BLOCK + threadIdx.x;
    if (row == 0) p.begins[p.segments] = (u32)p.rows;
    if (row < p.rows && bit((const u8*)p.starts.words, row)) p.begins[rank_of(p.starts, row)] = (u32)row;
}

#define RANK_ROW_NUMBER 0
#define RANK_RANK 1
#define RANK_DENSE 2
#define RANK_PERCENT 3
#define RANK_CUMULATIVE 4
#define RANK_TILE 5

struct RankParams {
    u64 rows;
    Segments partitions;
    Segments peers;
    u64 kind;
    u64 tiles;
    u64* output;
};

extern "C" __global__ void __launch_bounds__(BLOCK) window_ranks(const __grid_constant__ RankParams p) {
    u64 row = (u64)blockIdx.x * BLOCK + threadIdx.x;
    if (row >= p.rows) return;
    Range of = segment(p.partitions, row);
    u64 size = of.end - of.begin, at = row - of.begin, result = 0;
    switch (p.kind) {
        case RANK_ROW_NUMBER: result = at + 1; break;
        case RANK_RANK: result = segment(p.peers, row).begin - of.begin + 1; break;
        case RANK_DENSE: result = segment_of(p.peers, row) - segment_of(p.peers, of.begin) + 1; break;
        case RANK_PERCENT: {
            f64 others = size > 1 ? (f64)(size - 1) : 1.0;
            result = bits_of((f64)(segment(p.peers, row).begin - of.begin) / others);
            break;
        }
        case RANK_CUMULATIVE: result = bits_of((f64)(segment(p.peers, row).end - of.begin) / (f64)size); break;
        default: {
            // The first size % tiles buckets have a row more than the others.
            u64 base = size / p.tiles, larger = size % p.tiles, in_larger = larger * (base + 1);
            result = at < in_larger ? at / (base + 1) + 1 : larger + (at - in_larger) / base + 1;
        }
    }
    p.output[row] = result;
}

#define FRAME_ROWS 0
#define FRAME_RANGE 1
#define FRAME_GROUPS 2
#define BOUND_UNBOUNDED_PRECEDING 0
#define BOUND_PRECEDING 1
#define BOUND_CURRENT 2
#define BOUND_FOLLOWING 3
#define BOUND_UNBOUNDED_FOLLOWING 4

struct FrameParams {
    u64 rows;
    Segments partitions;
    Segments peers;
    u64 units;
    u64 begin_kind;
    u64 end_kind;
    Wide begin_offset;  // rows, groups, or a distance in the key's units (for floats the bits of the distance)
    Wide end_offset;
    Column key;  // the order key of RANGE with offsets
    Ranks key_valid;
    u64 descending;
    u64 nulls_first;
    u32* begins;
    u32* ends;
};

// A key as an integer that compares as the key does.
DEVICE u128 range_word(const Column& c, u64 row) {
    if (c.storage == STORAGE_F32 || c.storage == STORAGE_F64) return ordered_word(c.storage, load_raw(c, row));
    return ordered(load_integer(c, row));
}

// The word of the key of `row` plus or minus the offset; false where that leaves the key's type.
DEVICE bool range_target(const Column& c, u64 row, bool add, Wide offset, u128& word) {
    bool is_float = c.storage == STORAGE_F64 || c.storage == STORAGE_F32;
    if (is_float && load_float(c, row) != load_float(c, row)) {  // a sum with NaN may be another NaN
        word = range_word(c, row);
        return true;
    }
    if (c.storage == STORAGE_F64) {
        f64 v = load_float(c, row), d = __longlong_as_double((i64)offset.low);
        word = ordered(add ? v + d : v - d);
        return true;
    }
    if (c.storage == STORAGE_F32) {
        f32 v = ((const f32*)c.values)[row], d = (f32)__longlong_as_double((i64)offset.low);
        word = ordered(add ? v + d : v - d);
        return true;
    }
    i128 v = load_integer(c, row), d = narrow(offset), target, low = I128_MIN, high = I128_MAX;
    if (add ? add_overflows(v, d, target) : subtract_overflows(v, d, target)) return false;
    switch (c.storage) {
        case STORAGE_I8: low = -128, high = 127; break;
        case STORAGE_I16: low = -32768, high = 32767; break;
        case STORAGE_I32: low = -2147483648ll, high = 2147483647ll; break;
        case STORAGE_I64: low = (i128)(i64)(1ull << 63), high = 0x7fffffffffffffffll; break;
        case STORAGE_U8: low = 0, high = 255; break;
        case STORAGE_U16: low = 0, high = 65535; break;
        case STORAGE_U32: low = 0, high = 4294967295ll; break;
        case STORAGE_U64: low = 0, high = (i128)~0ull; break;
    }
    // What is less than no unsigned number is the least one.
    if (low == 0 && target < 0) target = 0;
    word = ordered(target);
    return target >= low && target <= high;
}

// Where a frame of RANGE begins (or ends) that lies `offset` before or after the row's key.
DEVICE u64 range_bound(const FrameParams& p, Range of, u64 row, bool is_begin, bool preceding, Wide offset) {
    u64 valid = rank_of(p.key_valid, of.end) - rank_of(p.key_valid, of.begin);
    Range keys = p.nulls_first ? Range{of.end - valid, of.end} : Range{of.begin, of.begin + valid};
    u128 target;
    if (!is_valid(p.key, row)) {
        // Nulls are their own frame. But DataFusion searches on from where the last search ended: behind keys whose
        // distance left the type, that is the partition's end.
        bool is_behind = is_begin && !preceding && !p.nulls_first && valid > 0;
        if (is_behind && !range_target(p.key, keys.end - 1, p.descending == 0, offset, target)) return of.end;
        Range nulls = p.nulls_first ? Range{of.begin, keys.begin} : Range{keys.end, of.end};
        return is_begin ? nulls.begin : nulls.end;
    }
    if (!range_target(p.key, row, preceding == (p.descending != 0), offset, target)) {
        if (!preceding) return of.end;
        return is_begin ? of.begin : keys.begin;
    }
    // The first row whose key is not before the target (is behind it, for an end).
    u64 low = keys.begin, high = keys.end;
    while (low < high) {
        u64 middle = (low + high) >> 1;
        u128 word = range_word(p.key, middle);
        bool before = p.descending ? word > target : word < target;
        if (before || (!is_begin && word == target)) low = middle + 1;
        else high = middle;
    }
    return low;
}

DEVICE u64 frame_bound(const FrameParams& p, Range of, u64 row, bool is_begin, u64 kind, Wide offset) {
    if (kind == BOUND_UNBOUNDED_PRECEDING) return of.begin;
    if (kind == BOUND_UNBOUNDED_FOLLOWING) return of.end;
    u64 n = offset.low, size = of.end - of.begin;
    if (p.units == FRAME_ROWS) {
        u64 at = row - of.begin + (is_begin ? 0 : 1);
        if (kind == BOUND_PRECEDING) at = at > n ? at - n : 0;
        if (kind == BOUND_FOLLOWING) at = n < size - at ? at + n : size;
        return of.begin + at;
    }
    if (kind == BOUND_CURRENT) {
        Range peers = segment(p.peers, row);
        return is_begin ? peers.begin : peers.end;
    }
    if (p.units == FRAME_RANGE) return range_bound(p, of, row, is_begin, kind == BOUND_PRECEDING, offset);
    u64 group = segment_of(p.peers, row), first = segment_of(p.peers, of.begin), last = segment_of(p.peers, of.end - 1);
    if (kind == BOUND_PRECEDING) {
        if (n > group - first) return of.begin;
        return p.peers.begins[group - n + (is_begin ? 0 : 1)];
    }
    if (n > last - group) return of.end;
    return p.peers.begins[group + n + (is_begin ? 0 : 1)];
}

extern "C" __global__ void __launch_bounds__(BLOCK) window_frames(const __grid_constant__ FrameParams p) {
    u64 row = (u64)blockIdx.x * BLOCK + threadIdx.x;
    if (row >= p.rows) return;
    Range of = segment(p.partitions, row);
    u64 begin = frame_bound(p, of, row, true, p.begin_kind, p.begin_offset);
    u64 end = frame_bound(p, of, row, false, p.end_kind, p.end_offset);
    p.begins[row] = (u32)begin;
    p.ends[row] = (u32)(end > begin ? end : begin);
}

struct CountParams {
    u64 rows;
    const u32* begins;
    const u32* ends;
    Ranks valid;
    u64* output;
};

extern "C" __global__ void __launch_bounds__(BLOCK) window_counts(const __grid_constant__ CountParams p) {
    u64 row = (u64)blockIdx.x * BLOCK + threadIdx.x;
    if (row >= p.rows) return;
    p.output[row] = rank_of(p.valid, p.ends[row]) - rank_of(p.valid, p.begins[row]);
}

#define NO_ROW 0xffffffffu
#define FROM_ROWS_BEFORE 0  // the nth row before this one in the partition; after it where n is negative
#define FROM_FRAME_BEGIN 1  // the nth row of the frame, from 1
#define FROM_FRAME_END 2    // the nth row from the frame's end, from 1

struct SourceParams {
    u64 rows;
    Segments partitions;
    const u32* begins;
    const u32* ends;
    Ranks valid;  // with words, rows without a value do not count
    u64 kind;
    i64 n;
    u32* output;
};

// The row that each row's value comes from.
extern "C" __global__ void __launch_bounds__(BLOCK) window_sources(const __grid_constant__ SourceParams p) {
    u64 row = (u64)blockIdx.x * BLOCK + threadIdx.x;
    if (row >= p.rows) return;
    u64 steps = p.n < 0 ? (u64)0 - (u64)p.n : (u64)p.n, rank = 0;
    bool found = false;
    if (p.kind == FROM_ROWS_BEFORE) {
        Range of = segment(p.partitions, row);
        if (steps == 0) {
            p.output[row] = (u32)row;
            return;
        }
        if (p.n > 0) {
            u64 before = rank_of(p.valid, row);
            found = steps <= before - rank_of(p.valid, of.begin);
            rank = before - steps;
        } else {
            u64 behind = rank_of(p.valid, row + 1);
            found = steps <= rank_of(p.valid, of.end) - behind;
            rank = behind + steps - 1;
        }
    } else {
        u64 begin = rank_of(p.valid, p.begins[row]), end = rank_of(p.valid, p.ends[row]);
        found = steps > 0 && steps <= end - begin;
        rank = p.kind == FROM_FRAME_BEGIN ? begin + steps - 1 : end - steps;
    }
    p.output[row] = found ? (u32)row_of_rank(p.valid, rank, p.rows) : NO_ROW;
}

struct TakeParams {
    u64 rows;
    const u32* sources;
    Column input;
    u64 has_fallback;
    Wide fallback;  // what a row without a source gets: its bits, or a string's address and length
    u8* output;     // values, references for strings
    u32* validity;
};

extern "C" __global__ void __launch_bounds__(BLOCK) window_take(const __grid_constant__ TakeParams p) {
    u64 row = (u64)blockIdx.x * BLOCK + threadIdx.x;
    bool inside = row < p.rows;
    u32 source = inside ? p.sources[row] : NO_ROW;
    bool taken = source != NO_ROW && is_valid(p.input, source);
    bool fallback = source == NO_ROW && p.has_fallback;
    put_bit(p.validity, row, p.rows, taken || fallback);
    u64 storage = p.input.storage;
    if (storage == STORAGE_BITS) {
        put_bit((u32*)p.output, row, p.rows, taken ? load_raw(p.input, source) != 0 : fallback && p.fallback.low);
        return;
    }
    if (!inside) return;
    if (storage == STORAGE_BYTES) {
        Str none = fallback ? Str{(const u8*)p.fallback.low, (u32)p.fallback.high, 0} : Str{0, 0, 0};
        ((Str*)p.output)[row] = taken ? load_string(p.input, source) : none;
    } else if (storage == STORAGE_I128) {
        store_wide(p.output, row, taken ? load_wide(p.input, source) : p.fallback);
    } else {
        store_raw(p.output, storage, row, taken ? load_raw(p.input, source) : p.fallback.low);
    }
}

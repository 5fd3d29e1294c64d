// Fixed kernels: what concatenating chunks cannot leave to plain copies.
//
// A part is one chunk's share of an output. Outputs and parts are described in device memory, so that one launch does
// every column of every chunk.

// Reads the last offset of each of `count` string columns: the bytes that its rows have.
struct EndsParams {
    u64 count;
    const u64* columns;  // pairs: offsets, rows
    u64* ends;
};

extern "C" __global__ void __launch_bounds__(BLOCK) concat_ends(const __grid_constant__ EndsParams p) {
    u64 i = (u64)blockIdx.x * BLOCK + threadIdx.x;
    if (i >= p.count) return;
    const i32* offsets = (const i32*)p.columns[2 * i];
    p.ends[i] = (u64)(u32)offsets[p.columns[2 * i + 1]];
}

#define CONCAT_BITS 0     // parts: bitmap, or 0 where all bits are set
#define CONCAT_OFFSETS 1  // parts: offsets, and the bytes of the parts before
#define CONCAT_KEYS 2     // parts: keys, and the new key for each old one, or 0 where they stay

struct ConcatOutput {
    u64 kind;
    u8* target;
    u64 units;        // words of 32 bits, offsets, keys
    u64 first_block;  // of those that write this output
    u64 parts;        // the first of `part_count` parts
    u64 key_bytes;
};
struct ConcatPart {
    const u8* source;
    u64 detail;
    u64 detail_count;  // entries of a map
};
struct ConcatParams {
    u64 output_count;
    u64 part_count;
    u64 rows;
    const ConcatOutput* outputs;
    const ConcatPart* parts;
    const u64* starts;  // the first row of each part, and `rows`
};

// The last of `count` ascending values that is not above `v`; the first is not.
DEVICE u64 last_not_above(const u64* values, u64 count, u64 v) {
    u64 low = 0, high = count;
    while (high - low > 1) {
        u64 middle = (low + high) / 2;
        if (values[middle] <= v) low = middle;
        else high = middle;
    }
    return low;
}

// 32 bits from bit `at` on, of which the first `count` count; words beyond those are not touched.
DEVICE u32 bits_at(const u32* bitmap, u64 at, u32 count) {
    u32 shift = at & 31;
    u32 low = bitmap[at >> 5] >> shift;
    if (shift + count <= 32) return low;
    return low | (bitmap[(at >> 5) + 1] << (32 - shift));
}

DEVICE u32 concat_bits(const ConcatParams& p, const ConcatPart* parts, u64 word) {
    u64 row = word * 32, end = row + 32 < p.rows ? row + 32 : p.rows;
    u64 part = last_not_above(p.starts, p.part_count, row);
    u32 result = 0;
    while (row < end) {
        u64 part_end = p.starts[part + 1] < end ? p.starts[part + 1] : end;
        if (part_end > row) {
            u32 count = (u32)(part_end - row);
            u32 mask = count == 32 ? ALL_LANES : (1u << count) - 1;
            const u32* source = (const u32*)parts[part].source;
            u32 bits = source ? bits_at(source, row - p.starts[part], count) : ALL_LANES;
            result |= (bits & mask) << (row & 31);
            row = part_end;
        }
        part++;
    }
    return result;
}

template <class K> DEVICE void concat_key(const ConcatPart& part, u8* target, u64 row, u64 from) {
    K key = ((const K*)part.source)[from];
    // Beneath a null a key may be anything.
    if (part.detail) key = (u64)key < part.detail_count ? (K)((const u32*)part.detail)[key] : (K)0;
    ((K*)target)[row] = key;
}

extern "C" __global__ void __launch_bounds__(BLOCK) concat(const __grid_constant__ ConcatParams p) {
    u64 o = 0;
    while (o + 1 < p.output_count && p.outputs[o + 1].first_block <= blockIdx.x) o++;
    const ConcatOutput& output = p.outputs[o];
    const ConcatPart* parts = p.parts + output.parts;
    u64 unit = (blockIdx.x - output.first_block) * BLOCK + threadIdx.x;
    if (unit >= output.units) return;
    if (output.kind == CONCAT_BITS) {
        ((u32*)output.target)[unit] = concat_bits(p, parts, unit);
        return;
    }
    u64 index = last_not_above(p.starts, p.part_count, unit);
    const ConcatPart& part = parts[index];
    u64 from = unit - p.starts[index];
    if (output.kind == CONCAT_OFFSETS) {
        ((i32*)output.target)[unit] = (i32)(part.detail + (u32)((const i32*)part.source)[from]);
        return;
    }
    switch (output.key_bytes) {
        case 1: concat_key<u8>(part, output.target, unit, from); break;
        case 2: concat_key<u16>(part, output.target, unit, from); break;
        case 4: concat_key<u32>(part, output.target, unit, from); break;
        default: concat_key<u64>(part, output.target, unit, from); break;
    }
}

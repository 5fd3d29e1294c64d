// The fields of a sort key: unsigned words that compare as the column does.
//
// A column gives one field that says whether it is null, and one or more for its value. Strings give words of 8 bytes
// from some depth on, zeros behind the end, and a length: where all words are equal, the shorter string is the lesser.

#define SORT_NULL 0
#define SORT_BITS 1
#define SORT_I8 2
#define SORT_I16 3
#define SORT_I32 4
#define SORT_I64 5
#define SORT_U8 6
#define SORT_U16 7
#define SORT_U32 8
#define SORT_U64 9
#define SORT_F32 10
#define SORT_F64 11
#define SORT_WIDE_HIGH 12
#define SORT_WIDE_LOW 13
#define SORT_STRING_WORD 14    // detail: depth
#define SORT_STRING_LENGTH 15  // detail: depth; limit: the most that is told apart
#define SORT_STRING_REST 16    // detail: depth; compared, never a word
#define SORT_KEY_1 17          // detail: the rank of each dictionary value
#define SORT_KEY_2 18
#define SORT_KEY_4 19
#define SORT_KEY_8 20

struct SortField {
    u64 kind;
    const u8* values;
    const u8* validity;
    const i32* offsets;
    u64 detail;
    u64 limit;
    u64 descending;
    u64 origin;  // the least value, or the greatest of a descending field
    u64 shift;   // low bits that all values share
};

// The 8 bytes from `at` on, first byte highest, zeros behind the end.
DEVICE u64 string_word(const Str& s, u32 at) {
    if (at >= s.length) return 0;
    u64 bytes = load_bytes(s.data + at, s.length - at < 8 ? s.length - at : 8);
    return (u64)__byte_perm((u32)bytes, 0, 0x0123) << 32 | __byte_perm((u32)(bytes >> 32), 0, 0x0123);
}

DEVICE Str sort_string(const SortField& f, u64 row) { return string_at(f.offsets, f.values, row); }

// Compares from depth `at` on: negative, zero or positive. Four words at a time, so that loads are under way together.
static __device__ __noinline__ i32 compare_from(const Str& a, const Str& b, u32 at) {
    u32 shorter = a.length < b.length ? a.length : b.length;
    for (; at < shorter; at += 32) {
        u64 of_a[4], of_b[4];
#pragma unroll
        for (u32 i = 0; i < 4; i++) {
            of_a[i] = string_word(a, at + 8 * i);
            of_b[i] = string_word(b, at + 8 * i);
        }
#pragma unroll
        for (u32 i = 0; i < 4; i++)
            if (of_a[i] != of_b[i]) return of_a[i] < of_b[i] ? -1 : 1;
    }
    return a.length < b.length ? -1 : a.length > b.length;
}

// The field's value before it is shifted to where its range begins; the row is valid, or the field says whether it is.
static __device__ __noinline__ u64 sort_raw(const SortField& f, u64 row) {
    const u32* ranks = (const u32*)f.detail;
    switch (f.kind) {
        case SORT_NULL: return valid_at(f.validity, row) == (f.detail != 0);
        case SORT_BITS: return bit(f.values, row);
        case SORT_I8: return ordered(((const i8*)f.values)[row]);
        case SORT_I16: return ordered(((const i16*)f.values)[row]);
        case SORT_I32: return ordered(((const i32*)f.values)[row]);
        case SORT_I64: return ordered(((const i64*)f.values)[row]);
        case SORT_U8: return ((const u8*)f.values)[row];
        case SORT_U16: return ((const u16*)f.values)[row];
        case SORT_U32: return ((const u32*)f.values)[row];
        case SORT_U64: return ((const u64*)f.values)[row];
        case SORT_F32: return ordered(((const f32*)f.values)[row]);
        case SORT_F64: return ordered(((const f64*)f.values)[row]);
        case SORT_WIDE_HIGH: return ((const Wide*)f.values)[row].high ^ (1ull << 63);
        case SORT_WIDE_LOW: return ((const Wide*)f.values)[row].low;
        case SORT_STRING_WORD: return string_word(sort_string(f, row), (u32)f.detail);
        case SORT_STRING_LENGTH: {
            u64 length = sort_string(f, row).length - f.detail;
            return length < f.limit ? length : f.limit;
        }
        case SORT_KEY_1: return ranks[((const u8*)f.values)[row]];
        case SORT_KEY_2: return ranks[((const u16*)f.values)[row]];
        case SORT_KEY_4: return ranks[((const u32*)f.values)[row]];
        default: return ranks[((const u64*)f.values)[row]];
    }
}

DEVICE bool sort_has_value(const SortField& f, u64 row) {
    return f.kind == SORT_NULL || valid_at(f.validity, row);
}

// The field's value, from 0 on; 0 for nulls, which another field sets apart.
DEVICE u64 sort_value(const SortField& f, u64 row) {
    if (!sort_has_value(f, row)) return 0;
    u64 raw = sort_raw(f, row);
    return (f.descending ? f.origin - raw : raw - f.origin) >> f.shift;
}

// Types, bits, failures and loads: what every generated kernel stands on.
//
// No header is included, neither here nor anywhere in this folder: header-free sources compile in tens of
// milliseconds, and the same text goes through NVRTC and through the simulator.

typedef signed char i8;
typedef short i16;
typedef int i32;
typedef long long i64;
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef float f32;
typedef double f64;
typedef __int128 i128;
typedef unsigned __int128 u128;

#define DEVICE static __device__ __forceinline__
#define BLOCK 256
#define WARPS (BLOCK / 32)
#define ALL_LANES 0xffffffffu

// 128-bit values in parameters and table slots are pairs of words, so that nothing needs 16-byte alignment.
struct Wide {
    u64 low, high;
};
DEVICE i128 narrow(Wide w) { return (i128)(((u128)w.high << 64) | w.low); }
DEVICE Wide widen(i128 v) { return Wide{(u64)v, (u64)((u128)v >> 64)}; }

// A string in someone's buffer. `mode` is applied byte by byte where the string is read: 0 as it is, 1 upper case,
// 2 lower case; only ASCII strings get a mode other than 0.
struct Str {
    const u8* data;
    u32 length;
    u32 mode;
};

// Words of the control block that host and kernel share.
#define CONTROL_FAILURE 0   // smallest (row << 24 | site << 8 | code) of the failures, all ones if none
#define CONTROL_OVERFLOW 1  // not 0: the hash table is too small
#define CONTROL_ROWS 2      // rows written, or groups found
#define CONTROL_TICKET 3    // next tile of a scan
#define CONTROL_BYTES 4     // bytes of a string column
#define CONTROL_TEXT 7      // not 0: the heap of new text is too small
#define CONTROL_WORDS 8

#define FAIL_DIVIDE_BY_ZERO 1
#define FAIL_OVERFLOW 2
#define FAIL_CAST 3
#define FAIL_NEEDS_HOST 4

// Records a failure; the one of the first row wins, so the message does not depend on the schedule.
static __device__ __noinline__ void fail(u64* control, u64 row, u32 site, u32 code) {
    atomicMin(&control[CONTROL_FAILURE], (row << 24) | ((u64)site << 8) | code);
}

DEVICE bool bit(const u8* bitmap, u64 index) { return (bitmap[index >> 3] >> (index & 7)) & 1; }
DEVICE bool valid_at(const u8* validity, u64 index) { return validity == 0 || bit(validity, index); }
DEVICE void clear_bit(u32* bitmap, u64 index) { atomicAnd(&bitmap[index >> 5], ~(1u << (index & 31))); }
DEVICE void set_bit(u32* bitmap, u64 index) { atomicOr(&bitmap[index >> 5], 1u << (index & 31)); }

DEVICE Str string_at(const i32* offsets, const u8* bytes, u64 row) {
    i32 begin = offsets[row];
    return Str{bytes + begin, (u32)(offsets[row + 1] - begin), 0};
}

DEVICE u64 bits_of(f64 v) { return (u64)__double_as_longlong(v); }
DEVICE u32 bits_of(f32 v) { return __float_as_uint(v); }

// Order-preserving maps to unsigned words: comparing words compares values. Floats follow IEEE 754 totalOrder, as
// Arrow's comparisons do.
DEVICE u64 ordered(bool v) { return v; }
DEVICE u64 ordered(u8 v) { return v; }
DEVICE u64 ordered(u16 v) { return v; }
DEVICE u64 ordered(u32 v) { return v; }
DEVICE u64 ordered(u64 v) { return v; }
DEVICE u64 ordered(i8 v) { return (u64)(i64)v ^ (1ull << 63); }
DEVICE u64 ordered(i16 v) { return (u64)(i64)v ^ (1ull << 63); }
DEVICE u64 ordered(i32 v) { return (u64)(i64)v ^ (1ull << 63); }
DEVICE u64 ordered(i64 v) { return (u64)v ^ (1ull << 63); }
DEVICE u64 ordered(f64 v) {
    u64 b = bits_of(v);
    return (b >> 63) ? ~b : b | (1ull << 63);
}
DEVICE u64 ordered(f32 v) {
    u32 b = bits_of(v);
    return (b >> 31) ? (u32)~b : (u64)(b | (1u << 31));
}
// SQL compares and groups -0.0 as 0.0.
DEVICE f64 positive_zero(f64 v) { return v == 0 ? 0.0 : v; }
DEVICE f32 positive_zero(f32 v) { return v == 0 ? 0.0f : v; }
DEVICE u128 ordered(i128 v) { return (u128)v ^ ((u128)1 << 127); }

template <class T> struct Unordered {
    static __device__ __forceinline__ T from(u64 w) { return (T)w; }
};
#define SIGNED_UNORDERED(T)                                                                                          \
    template <> struct Unordered<T> {                                                                                \
        static __device__ __forceinline__ T from(u64 w) { return (T)(i64)(w ^ (1ull << 63)); }                                           \
    };
SIGNED_UNORDERED(i8)
SIGNED_UNORDERED(i16)
SIGNED_UNORDERED(i32)
SIGNED_UNORDERED(i64)
template <> struct Unordered<f64> {
    static __device__ __forceinline__ f64 from(u64 w) {
        return __longlong_as_double((i64)((w >> 63) ? w ^ (1ull << 63) : ~w));
    }
};
template <> struct Unordered<f32> {
    static __device__ __forceinline__ f32 from(u64 w) {
        u32 b = (u32)w;
        return __uint_as_float((b >> 31) ? b ^ (1u << 31) : ~b);
    }
};

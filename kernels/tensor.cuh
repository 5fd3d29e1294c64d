// Elements of tensors: how each type lies in memory, how it is computed with, conversions, and walking strided axes.
//
// A half-precision number is held as the single-precision number that it equals; whoever makes one rounds. A boolean is
// a byte, 0 or 1.

struct f16 {
    f32 v;
};
struct bf16 {
    f32 v;
};
template <class R> struct __align__(2 * sizeof(R)) Complex {
    R re, im;
};
typedef Complex<f32> c64;
typedef Complex<f64> c128;

template <class A, class B> struct Same {
    static constexpr bool value = false;
};
template <class A> struct Same<A, A> {
    static constexpr bool value = true;
};
template <class A, class B> constexpr bool is_same = Same<A, B>::value;

template <class T> constexpr bool is_bool = is_same<T, bool>;
template <class T> constexpr bool is_small = is_same<T, f16> || is_same<T, bf16>;
template <class T> constexpr bool is_complex = is_same<T, c64> || is_same<T, c128>;
template <class T> constexpr bool is_float = is_same<T, f32> || is_same<T, f64>;
template <class T> constexpr bool is_signed =
    is_same<T, i8> || is_same<T, i16> || is_same<T, i32> || is_same<T, i64>;
template <class T> constexpr bool is_unsigned =
    is_same<T, u8> || is_same<T, u16> || is_same<T, u32> || is_same<T, u64>;
template <class T> constexpr bool is_integer = is_signed<T> || is_unsigned<T>;

// The type of the parts.
template <class T> struct PartOf {
    typedef T type;
};
template <class R> struct PartOf<Complex<R>> {
    typedef R type;
};
template <class T> using Part = typename PartOf<T>::type;

// Arithmetic of integers that wraps: unsigned, and of at least 32 bits, because narrow ones would become `int`.
template <bool wide> struct WrappingOf {
    typedef u32 type;
};
template <> struct WrappingOf<true> {
    typedef u64 type;
};
template <class T> using Wrapping = typename WrappingOf<(sizeof(T) > 4)>::type;

template <class T> struct Limits {
    static constexpr bool has_sign = (T)~(T)0 < (T)1;
    static constexpr T high = (T)(has_sign ? (1ull << (8 * sizeof(T) - 1)) - 1 : ~0ull >> (64 - 8 * sizeof(T)));
    static constexpr T low = (T)(has_sign ? 1ull << (8 * sizeof(T) - 1) : 0ull);
};

#define F32_NAN __uint_as_float(0x7fc00000u)
#define F64_NAN __longlong_as_double(0x7ff8000000000000ll)
#define F32_INFINITY __uint_as_float(0x7f800000u)
#define F64_INFINITY __longlong_as_double(0x7ff0000000000000ll)
template <class R> DEVICE R infinity() {
    if constexpr (is_same<R, f32>) return F32_INFINITY;
    else return F64_INFINITY;
}
template <class R> DEVICE R not_a_number() {
    if constexpr (is_same<R, f32>) return F32_NAN;
    else return F64_NAN;
}

// Half precision: to nearest, half to even. What has no PTX on every architecture, and all for the simulator, is done
// with integers.
DEVICE u16 f16_bits(f32 x) {
#ifdef __CUDASIM__
    u32 b = __float_as_uint(x), sign = b >> 16 & 0x8000u, m = b & 0x7fffffffu;
    if (m > 0x7f800000u) return (u16)(sign | 0x7e00u);
    if (m >= 0x47800000u) return (u16)(sign | 0x7c00u);
    if (m < 0x33000000u) return (u16)sign;
    u32 result, rest, half;
    if (m < 0x38800000u) {  // subnormal
        u32 shift = 126u - (m >> 23), significand = (m & 0x7fffffu) | 0x800000u;
        result = significand >> shift;
        rest = significand & ((1u << shift) - 1u);
        half = 1u << (shift - 1u);
    } else {
        result = (m - 0x38000000u) >> 13;
        rest = m & 0x1fffu;
        half = 0x1000u;
    }
    if (rest > half || (rest == half && (result & 1u))) result++;
    return (u16)(sign | result);
#else
    u16 h;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(x));
    return h;
#endif
}
DEVICE f32 f16_value(u16 h) {
#ifdef __CUDASIM__
    u32 sign = (u32)(h & 0x8000u) << 16, exponent = h >> 10 & 31u, fraction = h & 0x3ffu;
    if (exponent == 31u) return __uint_as_float(sign | 0x7f800000u | fraction << 13);
    if (exponent) return __uint_as_float(sign | (exponent + 112u) << 23 | fraction << 13);
    f32 small = (f32)fraction * __uint_as_float(0x33800000u);  // 2⁻²⁴
    return sign ? -small : small;
#else
    f32 x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(h));
    return x;
#endif
}
DEVICE u16 bf16_bits(f32 x) {
    u32 b = __float_as_uint(x);
    if ((b & 0x7fffffffu) > 0x7f800000u) return (u16)(b >> 16 | 0x40u);
    return (u16)((b + 0x7fffu + (b >> 16 & 1u)) >> 16);
}
DEVICE f32 bf16_value(u16 h) { return __uint_as_float((u32)h << 16); }

// A double to single precision, to odd: a second rounding then is as if there had been no first.
DEVICE f32 to_odd(f64 x) {
    f32 near = (f32)x;
    f64 back = (f64)near;
    if (back == x || x != x) return near;
    u32 b = __float_as_uint(near);
    if (fabs(back) > fabs(x)) b--;
    return __uint_as_float(b | 1u);
}

template <class T> DEVICE T rounded(f32 x) {
    if constexpr (is_same<T, f16>) return f16{f16_value(f16_bits(x))};
    else return bf16{bf16_value(bf16_bits(x))};
}

// How an element lies in memory.
template <class T> struct Stored {
    typedef T type;
    static __device__ __forceinline__ T load(type s) { return s; }
    static __device__ __forceinline__ type store(T v) { return v; }
};
template <> struct Stored<bool> {
    typedef u8 type;
    static __device__ __forceinline__ bool load(type s) { return s != 0; }
    static __device__ __forceinline__ type store(bool v) { return v ? 1 : 0; }
};
template <> struct Stored<f16> {
    typedef u16 type;
    static __device__ __forceinline__ f16 load(type s) { return f16{f16_value(s)}; }
    static __device__ __forceinline__ type store(f16 v) { return f16_bits(v.v); }
};
template <> struct Stored<bf16> {
    typedef u16 type;
    static __device__ __forceinline__ bf16 load(type s) { return bf16{bf16_value(s)}; }
    static __device__ __forceinline__ type store(bf16 v) { return bf16_bits(v.v); }
};
template <class T> using Memory = typename Stored<T>::type;

template <class T> DEVICE T load(const u8* address, i64 at) { return Stored<T>::load(((const Memory<T>*)address)[at]); }
template <class T> DEVICE void store(u8* address, i64 at, T value) {
    ((Memory<T>*)address)[at] = Stored<T>::store(value);
}

// Neighbours that are read or written at once.
template <class T, int N> struct __align__(sizeof(T) * N) Pack {
    T at[N];
};
template <class T, int N> DEVICE Pack<Memory<T>, N> load_pack(const u8* address, i64 at) {
    return *(const Pack<Memory<T>, N>*)((const Memory<T>*)address + at);
}
template <class T, int N> DEVICE void store_pack(u8* address, i64 at, const Pack<Memory<T>, N>& pack) {
    *(Pack<Memory<T>, N>*)((Memory<T>*)address + at) = pack;
}

// A constant of the program, in two words of the parameters.
template <class T> DEVICE T constant(const u64* words) {
    if constexpr (is_complex<T>) {
        return T{constant<Part<T>>(words), constant<Part<T>>(words + 1)};
    } else if constexpr (is_same<T, f64>) {
        return __longlong_as_double((i64)words[0]);
    } else if constexpr (is_same<T, f32>) {
        return __uint_as_float((u32)words[0]);
    } else if constexpr (is_small<T>) {
        return T{__uint_as_float((u32)words[0])};
    } else {
        return (T)words[0];
    }
}

// Conversions: floats to integers toward zero, saturating, NaN to 0; integers wrap; complex to real drops the
// imaginary part; what is not 0 is true.
template <class To, class From> DEVICE To convert(From x) {
    if constexpr (is_same<To, From>) {
        return x;
    } else if constexpr (is_bool<To>) {
        if constexpr (is_complex<From>) return x.re != 0 || x.im != 0;
        else if constexpr (is_small<From>) return x.v != 0;
        else return x != 0;
    } else if constexpr (is_complex<To>) {
        if constexpr (is_complex<From>) return To{convert<Part<To>>(x.re), convert<Part<To>>(x.im)};
        else return To{convert<Part<To>>(x), 0};
    } else if constexpr (is_complex<From>) {
        return convert<To>(x.re);
    } else if constexpr (is_small<From>) {
        return convert<To>(x.v);
    } else if constexpr (is_small<To>) {
        if constexpr (is_same<From, f32>) return rounded<To>(x);
        else return rounded<To>(to_odd((f64)x));
    } else if constexpr (is_integer<To> && is_float<From>) {
        if (x != x) return 0;
        if (x <= (From)Limits<To>::low) return Limits<To>::low;
        if (x >= (From)Limits<To>::high) return Limits<To>::high;
        return (To)x;
    } else {
        return (To)x;
    }
}

// Division by the length of an axis, prepared by the host: Granlund and Montgomery, 1994. For dividends below 2³¹.
struct Length {
    u64 length;
    u64 magic;  // the multiplier below 2³², the shift above
};
DEVICE u32 divided(u32 n, const Length& by) { return (u32)(((u64)__umulhi(n, (u32)by.magic) + n) >> (by.magic >> 32)); }
DEVICE u64 divided(u64 n, const Length& by) { return n / by.length; }

// An element of 16 bytes that is moved and not looked at.
struct __align__(16) Sixteen {
    u64 low, high;
};

// Axes that fixed kernels walk one element at a time, outermost first, with the strides of some operands.
#define BATCH_AXES 6
template <int operands> struct Batch {
    u64 rank;
    u64 lengths[BATCH_AXES];
    i64 strides[operands][BATCH_AXES];
};
// The operands' offsets at element `number`, in row-major order.
template <int operands> DEVICE void walk_batch(const Batch<operands>& batch, u64 number, i64 (&offsets)[operands]) {
#pragma unroll
    for (int o = 0; o < operands; o++) offsets[o] = 0;
    for (i32 axis = (i32)batch.rank - 1; axis >= 0; axis--) {
        u64 length = batch.lengths[axis], next;
        if (number >> 32) next = number / length;
        else next = (u32)number / (u32)length;
        i64 at = (i64)(number - next * length);
        number = next;
#pragma unroll
        for (int o = 0; o < operands; o++) offsets[o] += at * batch.strides[o][axis];
    }
}

// Sums of floats that do not depend on the order of addition.
//
// Every addend is rounded once to a multiple of 2^(E-86), where 2^E bounds the largest magnitude of the whole column
// (found by a pass before), and added as a 128-bit integer. Integer addition is associative, so the sum is the same
// whatever the schedule; 2^40 addends cannot overflow. The error is at most n·2^-87·max|x|, far under that of
// summing doubles one by one. The idea is that of reproducible summation by pre-rounding (Demmel and Nguyen, 2015).

#define SUM_NAN 1
#define SUM_POSITIVE_INFINITY 2
#define SUM_NEGATIVE_INFINITY 4

DEVICE u32 exponent_of(f64 v) { return (u32)(bits_of(v) >> 52) & 0x7ff; }

// What a column's largest exponent becomes: infinities and NaN do not count.
DEVICE u32 exponent_for_range(f64 v) {
    u32 e = exponent_of(v);
    return e == 0x7ff ? 0 : e;
}

DEVICE u64 special_of(f64 v) {
    if (exponent_of(v) != 0x7ff) return 0;
    if (bits_of(v) << 12) return SUM_NAN;
    return (bits_of(v) >> 63) ? SUM_NEGATIVE_INFINITY : SUM_POSITIVE_INFINITY;
}

// Not inlined: its 128-bit shifts would be compiled again for every term of every sum.
static __device__ __noinline__ i128 to_fixed(f64 v, u32 exponent_max) {
    u64 b = bits_of(v);
    u32 exponent = exponent_of(v);
    if (exponent == 0x7ff) return 0;
    u64 m = b & 0xfffffffffffffull;
    if (exponent) m |= 1ull << 52;
    else exponent = 1;
    int shift = (int)exponent - (int)(exponent_max ? exponent_max : 1) + 33;
    i128 fixed = 0;
    if (shift >= 0) fixed = (i128)m << shift;
    else if (shift > -60) fixed = (i128)((m + (1ull << (-shift - 1))) >> -shift);
    return (b >> 63) ? -fixed : fixed;
}

// 2^n, also where it is not a normal number; 0 or infinity beyond.
DEVICE f64 power_of_two(int n) {
    if (n > 1023) return __longlong_as_double(0x7ffll << 52);
    if (n >= -1022) return __longlong_as_double((i64)(n + 1023) << 52);
    return n < -1074 ? 0.0 : __longlong_as_double(1ll << (n + 1074));
}

DEVICE f64 scale_by_power_of_two(f64 v, int n) {
    int half = n / 2;
    return v * power_of_two(half) * power_of_two(n - half);
}

DEVICE int fixed_quantum(u32 exponent_max) { return (int)(exponent_max ? exponent_max : 1) - 1022 - 86; }

DEVICE f64 from_fixed(i128 fixed, u64 special, u32 exponent_max) {
    if (special) {
        bool both = (special & SUM_POSITIVE_INFINITY) && (special & SUM_NEGATIVE_INFINITY);
        if ((special & SUM_NAN) || both) return __longlong_as_double(0x7ff8ll << 48);
        return __longlong_as_double((i64)((special & SUM_NEGATIVE_INFINITY) ? 0xfff0ull << 48 : 0x7ff0ull << 48));
    }
    return scale_by_power_of_two(to_f64(fixed), fixed_quantum(exponent_max));
}

// Brings a sum with one quantum to the coarser one of a larger exponent.
DEVICE i128 rescale_fixed(i128 fixed, u32 exponent_from, u32 exponent_to) {
    int shift = (int)(exponent_to ? exponent_to : 1) - (int)(exponent_from ? exponent_from : 1);
    if (shift <= 0) return fixed;
    if (shift > 126) return 0;
    u128 m = magnitude(fixed);
    i128 r = (i128)((m + ((u128)1 << (shift - 1))) >> shift);
    return fixed < 0 ? -r : r;
}

// A sum of two doubles without rounding error (Dekker 1971, Knuth): high + low.
struct Double2 {
    f64 high, low;
};
DEVICE Double2 two_sum(f64 a, f64 b) {
    f64 s = __dadd_rn(a, b), t = __dadd_rn(s, -a);
    return Double2{s, __dadd_rn(__dadd_rn(a, -__dadd_rn(s, -t)), __dadd_rn(b, -t))};
}
DEVICE Double2 two_product(f64 a, f64 b) {
    f64 p = __dmul_rn(a, b);
    return Double2{p, __fma_rn(a, b, -p)};
}
DEVICE Double2 fixed_to_double2(i128 fixed, u32 exponent_max) {
    f64 high = to_f64(fixed);
    i128 back;
    f64 low = to_i128(high, back) ? to_f64(fixed - back) : 0.0;
    int q = fixed_quantum(exponent_max);
    return Double2{scale_by_power_of_two(high, q), scale_by_power_of_two(low, q)};
}

// Whether a sum with these special values is NaN.
DEVICE bool is_nan_sum(u64 special) {
    return (special & SUM_NAN) || ((special & SUM_POSITIVE_INFINITY) && (special & SUM_NEGATIVE_INFINITY));
}

// Σ(x - mean of x)·(y - mean of y) from n, Σx, Σy and Σxy, in twice the precision of a double so that the difference
// does not cancel. What is within the rounding of the n products of Σxy to multiples of their quantum is 0: whether it
// is decides whether there is a line through points, say. Not inlined: it is called for several results of a row.
static __device__ __noinline__ f64 deviation_products(f64 n, Double2 x, Double2 y, Double2 products, u32 exponent_max) {
    f64 mean = y.high / n;
    Double2 back = two_product(mean, n);
    f64 mean_low = ((y.high - back.high) - back.low + y.low) / n;
    // Σx·mean, with both as high + low.
    Double2 p = two_product(x.high, mean);
    f64 p_low = p.low + x.high * mean_low + x.low * mean;
    Double2 d = two_sum(products.high, -p.high);
    f64 r = d.high + (d.low + products.low - p_low);
    f64 noise =
        scale_by_power_of_two(2 * n, fixed_quantum(exponent_max)) + scale_by_power_of_two(fabs(products.high), -98);
    return fabs(r) <= noise ? 0.0 : r;
}

// Σ(x - mean)² from n, Σx and Σx².
DEVICE f64 squared_deviations(f64 n, Double2 sum, Double2 squares, u32 exponent_max) {
    f64 r = deviation_products(n, sum, sum, squares, exponent_max);
    return r < 0 ? 0.0 : r;
}

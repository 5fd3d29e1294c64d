// 128-bit integers with overflow checks: the arithmetic of decimals.

#define I128_MAX ((i128)(~(u128)0 >> 1))
#define I128_MIN (-I128_MAX - 1)

DEVICE bool add_overflows(i128 a, i128 b, i128& out) {
    out = (i128)((u128)a + (u128)b);
    return ((a ^ out) & (b ^ out)) < 0;
}

DEVICE bool subtract_overflows(i128 a, i128 b, i128& out) {
    out = (i128)((u128)a - (u128)b);
    return ((a ^ b) & (a ^ out)) < 0;
}

DEVICE u128 magnitude(i128 v) { return v < 0 ? (u128)0 - (u128)v : (u128)v; }

static __device__ __noinline__ bool multiply_overflows(i128 a, i128 b, i128& out) {
    u128 x = magnitude(a), y = magnitude(b);
    bool negative = (a < 0) != (b < 0);
    out = (i128)((u128)a * (u128)b);
    u64 x_high = (u64)(x >> 64), y_high = (u64)(y >> 64);
    if (x_high == 0 && y_high == 0) {
        u128 product = x * y;
        return negative ? product > (u128)1 << 127 : product > (u128)I128_MAX;
    }
    if (x_high != 0 && y_high != 0) return true;
    // One factor has a high half: cross + low must fit 128 bits.
    u64 wide_high = x_high ? x_high : y_high, wide_low = x_high ? (u64)x : (u64)y, small = x_high ? (u64)y : (u64)x;
    u128 cross = (u128)wide_high * small;
    if (cross >> 64) return true;
    u128 product = (cross << 64) + (u128)wide_low * small;
    if (product < (cross << 64)) return true;
    return negative ? product > (u128)1 << 127 : product > (u128)I128_MAX;
}

// Not inlined: a 128-bit division is some hundred instructions, and slow to compile at every use.
static __device__ __noinline__ i128 divide(i128 a, i128 b) {
    if ((i64)a == a && (i64)b == b && b != -1) return (i64)a / (i64)b;
    return a / b;
}
DEVICE i128 remainder_of(i128 a, i128 b) { return a - divide(a, b) * b; }

// |v| < 10^digits
DEVICE bool fits_precision(i128 v, i128 ten_to_digits) { return v < ten_to_digits && v > -ten_to_digits; }

// Divides by a power of ten, half away from zero.
DEVICE i128 divide_rounded(i128 v, i128 divisor) {
    i128 quotient = divide(v, divisor), remainder = v - quotient * divisor, half = divide(divisor, 2);
    if (v >= 0) return remainder >= half ? quotient + 1 : quotient;
    return remainder <= -half ? quotient - 1 : quotient;
}

// Correctly rounded for magnitudes below 2^128: the bits under the 64 that are kept become one sticky bit.
DEVICE f64 to_f64(i128 v) {
    u128 m = magnitude(v);
    u64 high = (u64)(m >> 64);
    f64 r;
    if (high == 0) {
        r = (f64)(u64)m;
    } else {
        int shift = 64 - __clzll((i64)high);
        u64 top = (u64)(m >> shift);
        if (m & (((u128)1 << shift) - 1)) top |= 1;
        r = (f64)top * __longlong_as_double((i64)(1023 + shift) << 52);
    }
    return v < 0 ? -r : r;
}

// Truncates towards zero; false if the value is not finite or does not fit.
DEVICE bool to_i128(f64 v, i128& out) {
    if (!(v > -1.7014118346046923e38 && v < 1.7014118346046923e38)) return v == -1.7014118346046923e38 && (out = I128_MIN, true);
    u64 b = bits_of(v);
    int exponent = (int)((b >> 52) & 0x7ff) - 1075;
    u128 m = (b & 0xfffffffffffffull) | ((b >> 52) & 0x7ff ? 1ull << 52 : 0);
    if (exponent >= 0) m <<= exponent;
    else m = exponent > -64 ? m >> -exponent : 0;
    out = (b >> 63) ? -(i128)m : (i128)m;
    return true;
}

// sum·scale / count, truncated, without the overflow of the product; false if it does not stay below the limit.
static __device__ __noinline__ bool average(i128 sum, u64 count, i128 scale, i128 limit, i128& out) {
    i128 whole = divide(sum, (i128)count), rest = sum - whole * (i128)count;
    if (multiply_overflows(whole, scale, out)) return false;
    return !add_overflows(out, divide(rest * scale, (i128)count), out) && fits_precision(out, limit);
}

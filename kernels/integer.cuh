// Functions of 64-bit integers that may not have a result of 64 bits: they answer whether they have one.

DEVICE u64 magnitude(i64 v) { return v < 0 ? 0 - (u64)v : (u64)v; }
DEVICE bool fits_i64(u64 v) { return v <= 0x7fffffffffffffffull; }

static __device__ __noinline__ u64 common_divisor(u64 a, u64 b) {
    while (b) {
        u64 rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

DEVICE bool gcd_of(i64 a, i64 b, i64& out) {
    u64 divisor = common_divisor(magnitude(a), magnitude(b));
    out = (i64)divisor;
    return fits_i64(divisor);
}

DEVICE bool lcm_of(i64 a, i64 b, i64& out) {
    out = 0;
    if (a == 0 || b == 0) return true;
    u64 x = magnitude(a), y = magnitude(b);
    u64 share = x / common_divisor(x, y);
    if (__umul64hi(share, y)) return false;
    out = (i64)(share * y);
    return fits_i64(share * y);
}

DEVICE bool factorial_of(i64 n, i64& out) {
    out = 1;
    if (n < 0 || n > 20) return false;
    for (i64 factor = 2; factor <= n; factor++) out *= factor;
    return true;
}

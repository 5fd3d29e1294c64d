// Sums of doubles without any rounding but the last: the correctly rounded value of the exact sum, whatever the order.
//
// A superaccumulator (Kulisch 1971; Neal 2015): one fixed-point number that holds every double and 2^77 of the
// largest. Its unit is 2^-1074, the least subnormal, and its words are 64 bits. Each word begins in the middle of its
// range: the value is Σ (word[i] - 2^63)·2^(64·i). So sums that swing around zero do not send a carry through all words,
// and adding is an atomic addition of two words, of which one that wraps carries one on to the next. All of that is
// integer addition modulo 2^2176, which commutes: once everyone is done, the number is right.
//
// After the number comes a word of what was no number: `special_of` in fixed_sum.cuh.

#define EXACT_SUM_WORDS 34
#define EXACT_MIDDLE (1ull << 63)

DEVICE void exact_start(u64* words) {
#pragma unroll 1
    for (int w = 0; w < EXACT_SUM_WORDS; w++) words[w] = EXACT_MIDDLE;
    words[EXACT_SUM_WORDS] = 0;
}

// Adds 1 or -1 to the word and those above it.
DEVICE void exact_carry(u64* words, int w, i64 carry) {
    while (carry && w < EXACT_SUM_WORDS) {
        u64 before = words[w];
        words[w] = before + (u64)carry;
        carry = carry > 0 ? (words[w] < before ? 1 : 0) : (words[w] > before ? -1 : 0);
        w++;
    }
}

// One double, to a number that nobody else sees. Not inlined: once for each sum of a query is enough.
static __device__ __noinline__ void exact_add(u64* words, f64 v) {
    u64 b = bits_of(v);
    u32 exponent = exponent_of(v);
    if (exponent == 0x7ff) {
        words[EXACT_SUM_WORDS] |= special_of(v);
        return;
    }
    u64 m = b & 0xfffffffffffffull;
    if (exponent) m |= 1ull << 52;
    else exponent = 1;
    u32 place = exponent - 1;
    int w = (int)(place >> 6);
    u32 shift = place & 63;
    u64 low = m << shift, high = shift ? m >> (64 - shift) : 0;
    u64 before = words[w];
    if (b >> 63) {
        words[w] = before - low;
        high += before < low;
        before = words[w + 1];
        words[w + 1] = before - high;
        if (before < high) exact_carry(words, w + 2, -1);
    } else {
        words[w] = before + low;
        high += words[w] < low;
        before = words[w + 1];
        words[w + 1] = before + high;
        if (words[w + 1] < high) exact_carry(words, w + 2, 1);
    }
}

// What a word that was `before` carries on when `delta` is added.
DEVICE i64 exact_carry_of(u64 before, i64 delta) {
    u64 after = before + (u64)delta;
    if (delta >= 0) return after < before ? 1 : 0;
    return after > before ? -1 : 0;
}

// A number to another, neither of which others see.
static __device__ __noinline__ void exact_combine(u64* into, const u64* from) {
    i64 carry = 0;
#pragma unroll 1
    for (int w = 0; w < EXACT_SUM_WORDS; w++) {
        i64 delta = (i64)(from[w] ^ EXACT_MIDDLE);
        i64 next = exact_carry_of(into[w], carry);
        into[w] += (u64)carry;
        next += exact_carry_of(into[w], delta);
        into[w] += (u64)delta;
        carry = next;
    }
    into[EXACT_SUM_WORDS] |= from[EXACT_SUM_WORDS];
}

// A number to one that others add to at the same time. Words that stay as they are cost no atomic.
static __device__ __noinline__ void exact_merge(u64* into, const u64* from) {
    i64 carry = 0;
#pragma unroll 1
    for (int w = 0; w < EXACT_SUM_WORDS; w++) {
        i64 delta = (i64)(from[w] ^ EXACT_MIDDLE);
        i64 next = 0;
        if (carry) next += exact_carry_of(atomicAdd(&into[w], (u64)carry), carry);
        if (delta) next += exact_carry_of(atomicAdd(&into[w], (u64)delta), delta);
        carry = next;
    }
    if (from[EXACT_SUM_WORDS]) atomicOr(&into[EXACT_SUM_WORDS], from[EXACT_SUM_WORDS]);
}

// The double nearest to the number, of two as near the even one. Zero is +0.0, and NaN is the quiet one without sign.
static __device__ __noinline__ f64 exact_round(const u64* words) {
    u64 special = words[EXACT_SUM_WORDS];
    if (special) return from_fixed(0, special, 1);
    // To two's complement, then to sign and magnitude.
    u64 number[EXACT_SUM_WORDS];
    i64 carry = 0;
#pragma unroll 1
    for (int w = 0; w < EXACT_SUM_WORDS; w++) {
        i64 delta = (i64)(words[w] ^ EXACT_MIDDLE);
        // As 128 bits, so that the sign goes on to the word above.
        i128 sum = (i128)delta + carry;
        number[w] = (u64)sum;
        carry = (i64)(sum >> 64);
    }
    bool negative = number[EXACT_SUM_WORDS - 1] >> 63;
    u64 one = negative;
    int top = -1;
#pragma unroll 1
    for (int w = 0; w < EXACT_SUM_WORDS; w++) {
        if (negative) {
            number[w] = ~number[w] + one;
            one = one && number[w] == 0;
        }
        if (number[w]) top = w;
    }
    if (top < 0) return 0.0;
    int top_bit = top * 64 + 63 - __clzll((i64)number[top]);
    int shift = top_bit > 52 ? top_bit - 52 : 0;
    int w = shift >> 6;
    u32 rest = shift & 63;
    u64 m = number[w] >> rest;
    if (rest && w + 1 < EXACT_SUM_WORDS) m |= number[w + 1] << (64 - rest);
    bool half = false, more = false;
    if (shift) {
        int below = shift - 1;
        half = (number[below >> 6] >> (below & 63)) & 1;
        more = number[below >> 6] & ((1ull << (below & 63)) - 1);
#pragma unroll 1
        for (int i = 0; i < (below >> 6) && !more; i++) more = number[i] != 0;
    }
    // With the exponent above it, a significand that rounds up to 2^53 gives the next exponent by itself.
    u64 bits = ((u64)shift << 52) + m + (half && (more || (m & 1)));
    if (bits >= 0x7ffull << 52) bits = 0x7ffull << 52;
    if (negative) bits |= 1ull << 63;
    return __longlong_as_double((i64)bits);
}

// What is no number stays the same bits.
DEVICE f64 exact_average(f64 sum, u64 count) { return exponent_of(sum) == 0x7ff ? sum : sum / (f64)count; }

// Random numbers by counter: Philox 4×32-10 (Salmon, Moraes, Dror and Shaw, 2011). A number depends on the seed, the
// stream and the number of the element alone.

struct Philox {
    u32 x[4];
};

DEVICE Philox philox(u64 key, u64 low, u64 high) {
    u32 k0 = (u32)key, k1 = (u32)(key >> 32);
    Philox c = {{(u32)low, (u32)(low >> 32), (u32)high, (u32)(high >> 32)}};
#pragma unroll
    for (int round = 0; round < 10; round++) {
        u32 high0 = __umulhi(0xD2511F53u, c.x[0]), low0 = 0xD2511F53u * c.x[0];
        u32 high1 = __umulhi(0xCD9E8D57u, c.x[2]), low1 = 0xCD9E8D57u * c.x[2];
        c = Philox{{high1 ^ c.x[1] ^ k0, low1, high0 ^ c.x[3] ^ k1, low0}};
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return c;
}

// A block of four words serves several elements: two of 64 bits, four of 32.
DEVICE u64 philox_64(u64 seed, u64 stream, u64 element, u32 word) {
    Philox block = philox(seed, element / 2, stream);
    return (u64)block.x[2 * word] | (u64)block.x[2 * word + 1] << 32;
}
// In [0, 1), of 53 bits, and of 24.
DEVICE f64 unit(u64 bits) { return (f64)(bits >> 11) * 0x1p-53; }
DEVICE f32 unit(u32 bits) { return (f32)(bits >> 8) * 0x1p-24f; }

template <class T> DEVICE T random_bits(u64 seed, u64 stream, u64 element) {
    return philox_64(seed, stream, element, (u32)(element & 1));
}
template <class T> DEVICE T random_uniform(u64 seed, u64 stream, u64 element) {
    if constexpr (is_same<T, f64>) return unit(random_bits<u64>(seed, stream, element));
    else return unit(philox(seed, element / 4, stream).x[element & 3]);
}
// Elements 2i and 2i + 1 are the cosine and the sine of one pair (Box and Muller, 1958).
template <class T> DEVICE T random_normal(u64 seed, u64 stream, u64 element) {
    T first, second;
    if constexpr (is_same<T, f64>) {
        first = unit(philox_64(seed, stream, element, 0));
        second = unit(philox_64(seed, stream, element, 1));
    } else {
        Philox block = philox(seed, element / 4, stream);
        u32 pair = (u32)(element & 2);
        first = unit(block.x[pair]);
        second = unit(block.x[pair + 1]);
    }
    // 1 − u is in (0, 1], whose logarithm is finite.
    T radius = sqrt((T)-2 * log((T)1 - first)), angle = (T)6.283185307179586476925286766559005768 * second;
    return radius * ((element & 1) ? sin(angle) : cos(angle));
}
template <class T> DEVICE T random_exponential(u64 seed, u64 stream, u64 element) {
    return -log1p(-random_uniform<T>(seed, stream, element));
}

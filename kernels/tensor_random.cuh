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

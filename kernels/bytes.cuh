// Loads of several bytes at once from where nothing is aligned.

// The `count` (1 to 8) bytes from `from` on, the first lowest. Only words of 8 bytes that hold a wanted byte are read:
// buffers are multiples of 16.
DEVICE u64 load_bytes(const u8* from, u32 count) {
    u64 address = (u64)from;
    const u64* words = (const u64*)(address & ~7ull);
    u32 skipped = (u32)address & 7;
    u64 bytes = words[0] >> (8 * skipped);
    if (skipped + count > 8) bytes |= words[1] << (64 - 8 * skipped);
    return count == 8 ? bytes : bytes & ((1ull << (8 * count)) - 1);
}

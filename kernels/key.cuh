// Keys of groups and joins: their hashes, and strings in them.

DEVICE u64 mix(u64 h) {  // the finalizer of MurmurHash3
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccdull;
    h ^= h >> 33;
    h *= 0xc4ceb9fe1a85ec53ull;
    return h ^ (h >> 33);
}
DEVICE u64 hash_word(u64 hash, u64 word) { return mix(hash ^ (word + 0x9e3779b97f4a7c15ull + (hash << 6) + (hash >> 2))); }
static __device__ __noinline__ u64 hash_string(u64 hash, const Str& s) {
    for (u32 i = 0; i < s.length; i += 8) hash = hash_word(hash, word_at(s, i));
    return hash_word(hash, s.length);
}
DEVICE Str string_of(u64 address, u64 length_and_mode) {
    return Str{(const u8*)address, (u32)length_and_mode, (u32)(length_and_mode >> 32)};
}
DEVICE u64 word_of(const Str& s) { return (u64)s.length | ((u64)s.mode << 32); }

// Strings as keys. Up to 8 bytes lie in the key itself, so that most comparisons follow no address; longer ones are
// (address, length | mode << 32).
#define SHORT_STRING (1ull << 63)
static __device__ __noinline__ Wide pack_key_string(Str s) {
    if (s.length > 8) return Wide{(u64)s.data, word_of(s)};
    return Wide{s.length ? word_at(s, 0) : 0, SHORT_STRING | s.length};
}
DEVICE void put_key_string(u64* words, const Str& s) {
    Wide packed = pack_key_string(s);
    words[0] = packed.low;
    words[1] = packed.high;
}
// The string may lie in `words`, which have to live as long as it does.
DEVICE Str key_string(const u64* words) {
    if (words[1] & SHORT_STRING) return Str{(const u8*)words, (u32)words[1], 0};
    return string_of(words[0], words[1]);
}
DEVICE u64 hash_key_string(u64 hash, const u64* words) {
    if (words[1] & SHORT_STRING) return hash_word(hash_word(hash, words[0]), words[1]);
    return hash_string(hash, string_of(words[0], words[1]));
}
DEVICE bool key_strings_equal(const u64* a, const u64* b) {
    if ((a[1] | b[1]) & SHORT_STRING) return a[0] == b[0] && a[1] == b[1];
    return equal(string_of(a[0], a[1]), string_of(b[0], b[1]));
}

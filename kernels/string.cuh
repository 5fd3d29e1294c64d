// Strings: comparison, search, LIKE, characters of UTF-8.

DEVICE u8 byte_at(const Str& s, u32 i) {
    u8 c = s.data[i];
    if (s.mode == 1 && c >= 'a' && c <= 'z') c -= 32;
    if (s.mode == 2 && c >= 'A' && c <= 'Z') c += 32;
    return c;
}

static __device__ __noinline__ bool is_ascii(const Str& s) {
    for (u32 i = 0; i < s.length; i++)
        if (s.data[i] & 0x80) return false;
    return true;
}

// Negative, zero or positive, by bytes: the order of UTF-8 code points.
static __device__ __noinline__ i32 compare(const Str& a, const Str& b) {
    u32 n = a.length < b.length ? a.length : b.length;
    for (u32 i = 0; i < n; i++) {
        i32 d = (i32)byte_at(a, i) - (i32)byte_at(b, i);
        if (d) return d;
    }
    return a.length < b.length ? -1 : a.length > b.length;
}

// Not inlined, as are the other loops over bytes: a call costs less than what compiling copies does.
static __device__ __noinline__ bool matches_at(const Str& s, u32 at, const Str& part) {
    for (u32 i = 0; i < part.length; i++)
        if (byte_at(s, at + i) != byte_at(part, i)) return false;
    return true;
}

DEVICE bool equal(const Str& a, const Str& b) { return a.length == b.length && matches_at(a, 0, b); }
DEVICE bool starts_with(const Str& s, const Str& p) { return p.length <= s.length && matches_at(s, 0, p); }
DEVICE bool ends_with(const Str& s, const Str& p) {
    return p.length <= s.length && matches_at(s, s.length - p.length, p);
}
DEVICE bool contains(const Str& s, const Str& p) {
    for (u32 at = 0; at + p.length <= s.length; at++)
        if (matches_at(s, at, p)) return true;
    return false;
}

DEVICE bool is_continuation(u8 c) { return (c & 0xc0) == 0x80; }

static __device__ __noinline__ u32 character_length(const Str& s) {
    u32 n = 0;
    for (u32 i = 0; i < s.length; i++) n += !is_continuation(s.data[i]);
    return n;
}

// SQL substring: `start` counts characters from 1 and may be less; `count` characters from there, cut at both ends.
static __device__ __noinline__ Str substring(Str s, i64 start, i64 count) {
    i64 end = count > 0x7fffffffffffffffll - (start > 0 ? start : 0) ? 0x7fffffffffffffffll : start + count;
    i64 character = 0;
    u32 from = s.length, to = s.length, i = 0;
    for (; i < s.length; i++) {
        if (is_continuation(s.data[i])) continue;
        character++;
        if (character >= end) {
            to = i;
            break;
        }
        if (character >= start && from == s.length) from = i;
    }
    if (from > to) from = to;
    return Str{s.data + from, to - from, s.mode};
}

// A LIKE pattern is a run of (kind, byte) pairs: kind 0 is that byte, 1 one character, 2 any run of characters.
#define LIKE_BYTE 0
#define LIKE_ONE 1
#define LIKE_ANY 2
static __device__ __noinline__ bool like(const Str& s, const Str& pattern) {
    u32 n = pattern.length / 2, i = 0, j = 0, star = ALL_LANES, resume = 0;
    while (i < s.length) {
        u8 kind = j < n ? pattern.data[2 * j] : 3;
        if (kind == LIKE_ANY) {
            star = j++;
            resume = i;
        } else if (kind == LIKE_ONE) {
            i++;
            while (i < s.length && is_continuation(s.data[i])) i++;
            j++;
        } else if (kind == LIKE_BYTE && pattern.data[2 * j + 1] == byte_at(s, i)) {
            i++;
            j++;
        } else if (star != ALL_LANES) {
            // Backtrack: let the last % take one character more.
            resume++;
            while (resume < s.length && is_continuation(s.data[resume])) resume++;
            i = resume;
            j = star + 1;
        } else {
            return false;
        }
    }
    while (j < n && pattern.data[2 * j] == LIKE_ANY) j++;
    return j == n;
}

// A list of strings is `count + 1` offsets of 4 bytes, then the bytes.
DEVICE bool in_strings(const Str& s, const u8* list, u32 count) {
    const u32* offsets = (const u32*)list;
    const u8* bytes = list + 4 * (count + 1);
    for (u32 i = 0; i < count; i++)
        if (equal(s, Str{bytes + offsets[i], offsets[i + 1] - offsets[i], 0})) return true;
    return false;
}

// A list of numbers, by their ordered words.
DEVICE bool in_words(u64 word, const u8* list, u32 count) {
    const u64* words = (const u64*)list;
    for (u32 i = 0; i < count; i++)
        if (words[i] == word) return true;
    return false;
}
DEVICE bool in_words(u128 word, const u8* list, u32 count) {
    const u64* words = (const u64*)list;
    for (u32 i = 0; i < count; i++)
        if (words[2 * i] == (u64)word && words[2 * i + 1] == (u64)(word >> 64)) return true;
    return false;
}

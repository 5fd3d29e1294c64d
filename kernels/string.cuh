// Strings: comparison, search, LIKE, characters of UTF-8.
//
// Loops go by words of 8 bytes, which aligned loads put together wherever the string begins: the aligned words around a
// string lie in its buffer, whose length is a multiple of 16 bytes. They are not inlined, as are the other loops over
// bytes: a call costs less than what compiling copies does.

#define EACH_BYTE 0x0101010101010101ull
#define HIGH_BITS 0x8080808080808080ull
#define NOT_FOUND 0xffffffffu

DEVICE u8 byte_at(const Str& s, u32 i) {
    u8 c = s.data[i];
    if (s.mode == 1 && c >= 'a' && c <= 'z') c -= 32;
    if (s.mode == 2 && c >= 'A' && c <= 'Z') c += 32;
    return c;
}

// The first `n` bytes at `data`, 1 to 8, the first lowest; zeros above.
DEVICE u64 load_bytes(const u8* data, u32 n) {
    const u64* at = (const u64*)((u64)data & ~7ull);
    u32 skipped = (u32)((u64)data & 7) * 8;
    u64 word = at[0] >> skipped;
    if (skipped + n * 8 > 64) word |= at[1] << (64 - skipped);
    return n < 8 ? word & ((1ull << (n * 8)) - 1) : word;
}

// Applies a string's mode to eight ASCII bytes at once.
DEVICE u64 in_case(u64 word, u32 mode) {
    u64 first = mode == 1 ? 'a' : 'A';
    u64 letters = (word + EACH_BYTE * (0x80 - first)) & ~(word + EACH_BYTE * (0x80 - first - 26)) & HIGH_BITS;
    return word ^ (letters >> 2);
}

// Up to 8 bytes of a string from byte `i` < length on, as its mode shows them; zeros above.
DEVICE u64 word_at(const Str& s, u32 i) {
    u32 n = s.length - i;
    u64 word = load_bytes(s.data + i, n < 8 ? n : 8);
    return s.mode ? in_case(word, s.mode) : word;
}

DEVICE u32 lowest_byte(u64 marks) { return (u32)(__ffsll((i64)marks) - 1) >> 3; }

static __device__ __noinline__ bool is_ascii(const Str& s) {
    u64 seen = 0;
    for (u32 i = 0; i < s.length; i += 8) seen |= load_bytes(s.data + i, s.length - i < 8 ? s.length - i : 8);
    return (seen & HIGH_BITS) == 0;
}

// Negative, zero or positive, by bytes: the order of UTF-8 code points.
static __device__ __noinline__ i32 compare(const Str& a, const Str& b) {
    u32 n = a.length < b.length ? a.length : b.length;
    for (u32 i = 0; i < n; i += 8) {
        u64 x = word_at(a, i), y = word_at(b, i);
        if (n - i < 8) {
            u64 shared_bytes = (1ull << ((n - i) * 8)) - 1;
            x &= shared_bytes;
            y &= shared_bytes;
        }
        if (x != y) {
            u32 bits = lowest_byte(x ^ y) * 8;
            return (i32)((x >> bits) & 0xff) - (i32)((y >> bits) & 0xff);
        }
    }
    return a.length < b.length ? -1 : a.length > b.length;
}

// Whether `part` lies in `s` at byte `at`; there must be room for it.
static __device__ __noinline__ bool matches_at(const Str& s, u32 at, const Str& part) {
    Str within = Str{s.data + at, part.length, s.mode};
    for (u32 i = 0; i < part.length; i += 8)
        if (word_at(within, i) != word_at(part, i)) return false;
    return true;
}

DEVICE bool equal(const Str& a, const Str& b) { return a.length == b.length && matches_at(a, 0, b); }
DEVICE bool starts_with(const Str& s, const Str& p) { return p.length <= s.length && matches_at(s, 0, p); }
DEVICE bool ends_with(const Str& s, const Str& p) {
    return p.length <= s.length && matches_at(s, s.length - p.length, p);
}

// The first byte from `from` on at which `p` lies in `s`. Eight bytes at a time are compared with the first of `p`.
static __device__ __noinline__ u32 find(const Str& s, const Str& p, u32 from) {
    if (p.length > s.length || from > s.length - p.length) return NOT_FOUND;
    if (p.length == 0) return from;
    u32 last = s.length - p.length;
    u64 first = byte_at(p, 0) * EACH_BYTE;
    for (u32 at = from; at <= last; at += 8) {
        u64 differs = word_at(s, at) ^ first;
        // Marks every byte that is equal, and perhaps one above it that is not.
        for (u64 hits = (differs - EACH_BYTE) & ~differs & HIGH_BITS; hits; hits &= hits - 1) {
            u32 hit = at + lowest_byte(hits);
            if (hit > last) return NOT_FOUND;
            if (matches_at(s, hit, p)) return hit;
        }
    }
    return NOT_FOUND;
}
DEVICE bool contains(const Str& s, const Str& p) { return find(s, p, 0) != NOT_FOUND; }

DEVICE bool is_continuation(u8 c) { return (c & 0xc0) == 0x80; }

// Characters that begin in `word`, whose lowest `n` bytes count.
DEVICE u32 characters_in(u64 word, u32 n) { return n - (u32)__popcll(word & ~(word << 1) & HIGH_BITS); }

static __device__ __noinline__ u32 character_length(const Str& s) {
    u32 characters = 0;
    for (u32 i = 0; i < s.length; i += 8) {
        u32 n = s.length - i < 8 ? s.length - i : 8;
        characters += characters_in(load_bytes(s.data + i, n), n);
    }
    return characters;
}

// The byte at which character `count` from byte `from` on begins; the length where there are not so many.
static __device__ __noinline__ u32 skip_characters(const Str& s, u32 from, u64 count) {
    u32 i = from;
    while (i < s.length) {
        u32 n = s.length - i < 8 ? s.length - i : 8;
        u64 word = load_bytes(s.data + i, n);
        u32 characters = characters_in(word, n);
        if (characters > count) {
            for (;; i++, word >>= 8) {
                if (is_continuation((u8)word)) continue;
                if (count-- == 0) return i;
            }
        }
        count -= characters;
        i += n;
    }
    return s.length;
}

// SQL substring: `start` counts characters from 1 and may be less; `count` characters from there, cut at both ends.
static __device__ __noinline__ Str substring(Str s, i64 start, i64 count) {
    i64 end = count > 0x7fffffffffffffffll - (start > 0 ? start : 0) ? 0x7fffffffffffffffll : start + count;
    if (start < 1) start = 1;
    if (end <= start) return Str{s.data, 0, s.mode};
    u32 from = skip_characters(s, 0, (u64)(start - 1));
    u32 to = skip_characters(s, from, (u64)(end - start));
    return Str{s.data + from, to - from, s.mode};
}

// A list of strings is `count + 1` offsets of 4 bytes, then the bytes.
DEVICE Str in_list(const u8* list, u32 count, u32 i) {
    const u32* offsets = (const u32*)list;
    return Str{list + 4 * (count + 1) + offsets[i], offsets[i + 1] - offsets[i], 0};
}

// LIKE without `_`: a list of what lies between the `%`. The first begins the string, the last ends it, and the others
// come in order between these.
static __device__ __noinline__ bool like_parts(const Str& s, const u8* list, u32 count) {
    Str begin = in_list(list, count, 0), end = in_list(list, count, count - 1);
    if (begin.length + end.length > s.length || !starts_with(s, begin) || !ends_with(s, end)) return false;
    Str rest = Str{s.data, s.length - end.length, s.mode};
    u32 at = begin.length;
    for (u32 i = 1; i + 1 < count; i++) {
        Str part = in_list(list, count, i);
        at = find(rest, part, at);
        if (at == NOT_FOUND) return false;
        at += part.length;
    }
    return true;
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

// The same with a pattern as it is written: % and _, and a backslash before what stands for itself.
static __device__ __noinline__ bool like_text(const Str& s, const Str& pattern) {
    u32 n = pattern.length, i = 0, j = 0, star = ALL_LANES, resume = 0;
    while (i < s.length) {
        u8 c = j < n ? byte_at(pattern, j) : 0;
        if (j < n && c == '%') {
            star = j++;
            resume = i;
            continue;
        }
        if (j < n && c == '_') {
            i++;
            while (i < s.length && is_continuation(s.data[i])) i++;
            j++;
            continue;
        }
        u32 escaped = c == '\\' && j + 1 < n;
        if (j < n && byte_at(pattern, j + escaped) == byte_at(s, i)) {
            i++;
            j += 1 + escaped;
        } else if (star != ALL_LANES) {
            resume++;
            while (resume < s.length && is_continuation(s.data[resume])) resume++;
            i = resume;
            j = star + 1;
        } else {
            return false;
        }
    }
    while (j < n && byte_at(pattern, j) == '%') j++;
    return j == n;
}

DEVICE bool in_strings(const Str& s, const u8* list, u32 count) {
    for (u32 i = 0; i < count; i++)
        if (equal(s, in_list(list, count, i))) return true;
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

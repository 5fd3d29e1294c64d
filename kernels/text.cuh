// Functions of strings: slices of their arguments, and new text.
//
// New text lies in the heap of the launch: a cursor, the bytes there are, then these bytes. A launch whose heap is too
// small goes on with empty strings, raises a flag, and counts on what it would have needed; the host then begins again
// with a larger one. So the heap's order depends on the schedule, and what is in it does not.

struct Heap {
    u64* words;
    u64* control;
};
#define HEAP_HEAD 2

// Room for `length` bytes, which begins at a multiple of 8; null where there is none.
static __device__ __noinline__ u8* new_text(Heap heap, u64 length) {
    u64 room = (length + 7) & ~7ull;
    u64 at = heap.words ? atomicAdd(&heap.words[0], room) : 0;
    if (heap.words == 0 || at + room > heap.words[1]) {
        heap.control[CONTROL_TEXT] = 1;
        return 0;
    }
    return (u8*)(heap.words + HEAP_HEAD) + at;
}
DEVICE Str nothing() { return Str{0, 0, 0}; }

static __device__ __noinline__ u64 put_text(u8* to, u64 at, const Str& s) {
    if (to)
        for (u32 i = 0; i < s.length; i++) to[at + i] = byte_at(s, i);
    return at + s.length;
}

DEVICE Str slice(const Str& s, u32 from, u32 to) { return Str{s.data + from, to - from, s.mode}; }

// One character.
struct Character {
    u32 code, bytes;
};
DEVICE Character character_at(const Str& s, u32 i) {
    u32 c = byte_at(s, i);
    if (c < 0x80) return Character{c, 1};
    u32 n = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    u32 code = c & (0x7f >> n);
    for (u32 k = 1; k < n; k++) code = (code << 6) | (s.data[i + k] & 0x3f);
    return Character{code, n};
}
DEVICE u32 put_character(u8* to, u32 at, u32 code) {
    u32 n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (to) {
        for (u32 k = n - 1; k > 0; k--, code >>= 6) to[at + k] = (u8)(0x80 | (code & 0x3f));
        to[at] = (u8)(code | (n == 1 ? 0 : n == 2 ? 0xc0 : n == 3 ? 0xe0 : 0xf0));
    }
    return at + n;
}

// Joins what is not null; a part that is has NULL_PART as its mode.
#define NULL_PART 0xffu
static __device__ __noinline__ Str join_text(Heap heap, const Str* parts, u32 count, const Str& separator) {
    u64 length = 0;
    u32 joined = 0, only = 0;
    for (u32 i = 0; i < count; i++) {
        if (parts[i].mode == NULL_PART) continue;
        length += parts[i].length + (joined++ ? separator.length : 0);
        if (parts[i].length) only = i;
    }
    if (length == 0) return nothing();
    if (parts[only].mode != NULL_PART && parts[only].length == length) return parts[only];
    u8* to = new_text(heap, length);
    if (to == 0) return nothing();
    u64 at = 0;
    for (u32 i = 0; i < count; i++) {
        if (parts[i].mode == NULL_PART) continue;
        at = put_text(to, at, parts[i]);
        if (--joined) at = put_text(to, at, separator);
    }
    return Str{to, (u32)length, 0};
}

// Cuts the characters that are in `set` off the ends that `ends` names: 1 the beginning, 2 the end.
static __device__ __noinline__ Str trim_text(const Str& s, const Str& set, u32 ends) {
    u32 from = 0, to = s.length;
    while ((ends & 1) && from < to) {
        u32 next = from + character_at(s, from).bytes;
        if (find(set, slice(s, from, next), 0) == NOT_FOUND) break;
        from = next;
    }
    while ((ends & 2) && from < to) {
        u32 last = to - 1;
        while (is_continuation(s.data[last])) last--;
        if (find(set, slice(s, last, to), 0) == NOT_FOUND) break;
        to = last;
    }
    return slice(s, from, to);
}

static __device__ __noinline__ Str replace_text(Heap heap, const Str& s, const Str& from, const Str& with) {
    if (from.length == 0) return s;
    u64 count = 0;
    for (u32 at = find(s, from, 0); at != NOT_FOUND; at = find(s, from, at + from.length)) count++;
    if (count == 0) return s;
    u64 length = s.length + count * with.length - count * from.length;
    u8* to = new_text(heap, length);
    if (to == 0) return nothing();
    u64 out = 0;
    u32 copied = 0;
    for (u32 at = find(s, from, 0); at != NOT_FOUND; at = find(s, from, copied)) {
        out = put_text(to, out, slice(s, copied, at));
        out = put_text(to, out, with);
        copied = at + from.length;
    }
    put_text(to, out, slice(s, copied, s.length));
    return Str{to, (u32)length, 0};
}

static __device__ __noinline__ Str reverse_text(Heap heap, const Str& s) {
    if (s.length == 0) return s;
    u8* to = new_text(heap, s.length);
    if (to == 0) return nothing();
    for (u32 at = 0; at < s.length;) {
        u32 n = character_at(s, at).bytes;
        put_text(to, s.length - at - n, slice(s, at, at + n));
        at += n;
    }
    return Str{to, s.length, 0};
}

#define TEXT_BYTES_MAX 0x7fffffffll
static __device__ __noinline__ Str repeat_text(Heap heap, const Str& s, i64 count) {
    if (count <= 0 || s.length == 0) return nothing();
    u8* to = new_text(heap, s.length * (u64)count);
    if (to == 0) return nothing();
    u64 at = 0;
    for (i64 i = 0; i < count; i++) at = put_text(to, at, s);
    return Str{to, (u32)at, 0};
}
DEVICE bool repeats_too_long(const Str& s, i64 count) { return count > 0 && s.length && count > TEXT_BYTES_MAX / (i64)s.length; }

// Makes `s` `count` characters long: cut at the end, or filled up with `fill` again and again, in front where `left`.
static __device__ __noinline__ Str pad_text(Heap heap, const Str& s, i64 count, const Str& fill, bool left) {
    if (count <= 0) return slice(s, 0, 0);
    u32 characters = character_length(s);
    if (count <= (i64)characters) return slice(s, 0, skip_characters(s, 0, (u64)count));
    if (fill.length == 0) return s;
    u64 missing = (u64)count - characters, in_fill = character_length(fill);
    u32 rest = skip_characters(fill, 0, missing % in_fill);
    u64 filled = missing / in_fill * fill.length + rest;
    u8* to = new_text(heap, filled + s.length);
    if (to == 0) return nothing();
    u64 at = left ? 0 : put_text(to, 0, s);
    for (u64 i = 0; i < missing / in_fill; i++) at = put_text(to, at, fill);
    at = put_text(to, at, slice(fill, 0, rest));
    if (left) put_text(to, at, s);
    return Str{to, (u32)(filled + s.length), 0};
}

// The first characters, or all but the last where `count` is negative.
static __device__ __noinline__ Str left_of(const Str& s, i64 count) {
    if (count >= 0) return slice(s, 0, skip_characters(s, 0, (u64)count));
    u64 all = character_length(s), but = (u64)0 - (u64)count;
    return slice(s, 0, but >= all ? 0 : skip_characters(s, 0, all - but));
}
static __device__ __noinline__ Str right_of(const Str& s, i64 count) {
    if (count == 0 || (u64)count == 1ull << 63) return slice(s, 0, 0);
    if (count < 0) return slice(s, skip_characters(s, 0, (u64)0 - (u64)count), s.length);
    u64 all = character_length(s);
    return slice(s, (u64)count >= all ? 0 : skip_characters(s, 0, all - (u64)count), s.length);
}

// The last byte before `end` at which `p` begins that ends there at the latest.
static __device__ __noinline__ u32 find_last(const Str& s, const Str& p, u32 end) {
    if (p.length > end) return NOT_FOUND;
    for (u32 at = end - p.length;; at--) {
        if (matches_at(s, at, p)) return at;
        if (at == 0) return NOT_FOUND;
    }
}

// Part `n` between delimiters, from 1, or from the end where negative; empty where there is none.
static __device__ __noinline__ Str split_part(const Str& s, const Str& delimiter, i64 n) {
    if (delimiter.length == 0) return n == 1 || n == -1 ? s : slice(s, 0, 0);
    if (n > 0) {
        u32 begin = 0;
        while (true) {
            u32 at = find(s, delimiter, begin);
            if (--n == 0) return slice(s, begin, at == NOT_FOUND ? s.length : at);
            if (at == NOT_FOUND) return slice(s, 0, 0);
            begin = at + delimiter.length;
        }
    }
    u32 end = s.length;
    while (true) {
        u32 at = find_last(s, delimiter, end);
        if (++n == 0) return slice(s, at == NOT_FOUND ? 0 : at + delimiter.length, end);
        if (at == NOT_FOUND) return slice(s, 0, 0);
        end = at;
    }
}

// What comes before occurrence `n` of the delimiter, or after occurrence -n from the end; all where there is none.
static __device__ __noinline__ Str before_delimiter(const Str& s, const Str& delimiter, i64 n) {
    if (n == 0 || s.length == 0 || delimiter.length == 0) return slice(s, 0, 0);
    if (n > 0) {
        for (u32 begin = 0;;) {
            u32 at = find(s, delimiter, begin);
            if (at == NOT_FOUND) return s;
            if (--n == 0) return slice(s, 0, at);
            begin = at + delimiter.length;
        }
    }
    for (u32 end = s.length;;) {
        u32 at = find_last(s, delimiter, end);
        if (at == NOT_FOUND) return s;
        if (++n == 0) return slice(s, at + delimiter.length, s.length);
        end = at;
    }
}

// The character at which `p` lies in `s`, from 1; 0 where it does not.
static __device__ __noinline__ u32 position_of(const Str& s, const Str& p) {
    u32 at = find(s, p, 0);
    return at == NOT_FOUND ? 0 : character_length(slice(s, 0, at)) + 1;
}

// ASCII: a letter or digit after a letter or digit in lower case, others in upper case.
static __device__ __noinline__ Str capitalize(Heap heap, const Str& s) {
    u8* to = s.length ? new_text(heap, s.length) : 0;
    if (to == 0) return nothing();
    bool within = false;
    for (u32 i = 0; i < s.length; i++) {
        u8 c = byte_at(s, i);
        bool upper = c >= 'A' && c <= 'Z', lower = c >= 'a' && c <= 'z';
        to[i] = within && upper ? c + 32 : !within && lower ? c - 32 : c;
        within = upper || lower || (c >= '0' && c <= '9');
    }
    return Str{to, s.length, 0};
}

// Puts characters of `with` in the place of those of `from`; what has no counterpart goes.
static __device__ __noinline__ Str translate_text(Heap heap, const Str& s, const Str& from, const Str& with) {
    u8* to = 0;
    for (u32 pass = 0;; pass++) {
        u32 out = 0;
        for (u32 i = 0; i < s.length;) {
            Character c = character_at(s, i);
            u32 at = find(from, slice(s, i, i + c.bytes), 0);
            if (at == NOT_FOUND) {
                out = put_character(to, out, c.code);
            } else {
                u32 there = skip_characters(with, 0, character_length(slice(from, 0, at)));
                if (there < with.length) out = put_character(to, out, character_at(with, there).code);
            }
            i += c.bytes;
        }
        if (pass == 1 || out == 0) return Str{to, out, 0};
        to = new_text(heap, out);
        if (to == 0) return nothing();
    }
}

// A table of a case: for each 64 characters the number of a page, 0xffff where all stay as they are; pages of up to
// three characters in 21 bits each, the top bit for what depends on its surroundings.
#define CASE_PAGES 2048
static __device__ __noinline__ bool change_case(Heap heap, const Str& s, const u8* table, Str& changed) {
    const u16* page_of = (const u16*)table;
    const u64* pages = (const u64*)(table + 2 * CASE_PAGES);
    u8* to = 0;
    for (u32 pass = 0;; pass++) {
        u32 out = 0;
        for (u32 i = 0; i < s.length;) {
            Character c = character_at(s, i);
            u32 page = c.code < CASE_PAGES * 64 ? page_of[c.code / 64] : 0xffff;
            u64 codes = page == 0xffff ? c.code : pages[page * 64 + c.code % 64];
            if (codes >> 63) return false;
            out = put_character(to, out, (u32)(codes & 0x1fffff));
            for (codes >>= 21; codes; codes >>= 21) out = put_character(to, out, (u32)(codes & 0x1fffff));
            i += c.bytes;
        }
        changed = Str{to, out, 0};
        if (pass == 1) return true;
        to = new_text(heap, out);
        if (to == 0) {
            changed = nothing();
            return true;
        }
    }
}

DEVICE i32 first_character(const Str& s) { return s.length ? (i32)character_at(s, 0).code : 0; }
DEVICE bool is_character(i64 code) { return code >= 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff); }
static __device__ __noinline__ Str text_of_character(Heap heap, i64 code) {
    u8* to = new_text(heap, 4);
    if (to == 0) return nothing();
    return Str{to, put_character(to, 0, (u32)code), 0};
}

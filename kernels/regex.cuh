// Regular expressions, as the tables that src/program/regex.rs makes.

#define REGEX_DEAD 0
#define REGEX_MATCHED 1
#define REGEX_QUIT 2

// Whether a string has a match: REGEX_DEAD, REGEX_MATCHED, or REGEX_QUIT where the table does not know.
// The table: [classes, first state, states, 0], the class of each byte, whether each state may end the string, and for
// each state and class the state after it.
static __device__ __noinline__ u32 regex_run(const Str& s, const u8* table) {
    const u32* head = (const u32*)table;
    const u8 *class_of = table + 16, *ends = class_of + 256;
    const u16* next = (const u16*)(ends + ((head[2] + 1) & ~1u));
    u32 classes = head[0], state = head[1];
    for (u32 i = 0; i < s.length && state > REGEX_QUIT; i += 8) {
        u32 n = s.length - i < 8 ? s.length - i : 8;
        u64 word = word_at(s, i);
        for (; n && state > REGEX_QUIT; n--, word >>= 8) state = next[state * classes + class_of[word & 0xff]];
    }
    return ends[state];
}

#define REGEX_SLOTS 20
#define NO_SLOT 0xffffffffu
// Notes of strings shorter than this do not need the heap.
#define REGEX_NOTES_LOCAL 256

#define REGEX_BYTE 0
#define REGEX_UNION 1
#define REGEX_GO 2
#define REGEX_MATCH 3

// The table: [classes, start, words, offsets of the parts below].
struct Finder {
    u32 classes, start, words;
    const u8* class_of;
    const u32* program;       // for each state its kind and arguments, four words
    const u64* viable;        // for each note the states from which a match can come, `words` words
    const u16* steps;         // for each state that reads a byte, and each class, the state after it
    const u16* alternatives;  // of unions, the preferred first
    const u8* rows;           // for each note, inside the string and at its first byte, and each class, the note before
};
DEVICE Finder finder_of(const u8* table) {
    const u32* head = (const u32*)table;
    return Finder{head[0],
                  head[1],
                  head[2],
                  table + head[3],
                  (const u32*)(table + head[4]),
                  (const u64*)(table + head[5]),
                  (const u16*)(table + head[6]),
                  (const u16*)(table + head[7]),
                  table + head[8]};
}
DEVICE bool regex_viable(const Finder& f, u32 note, u32 state) {
    return (f.viable[note * f.words + state / 64] >> (state % 64)) & 1;
}

// Notes for each byte, and the end, from which states a match can come there.
static __device__ __noinline__ void regex_note(const Finder& f, const Str& s, u8* notes) {
    u32 note = s.length == 0;
    notes[s.length] = (u8)note;
    for (u32 i = s.length; i-- > 0;) {
        note = f.rows[(note * 2 + (i == 0)) * f.classes + f.class_of[byte_at(s, i)]];
        notes[i] = (u8)note;
    }
}

// The first match from byte `from` on, and its groups.
static __device__ __noinline__ bool regex_find(const Finder& f, const Str& s, const u8* notes, u32 from, u32* slots) {
    u32 i = from;
    while (i <= s.length && (!regex_viable(f, notes[i], f.start) || (i < s.length && is_continuation(s.data[i])))) i++;
    if (i > s.length) return false;
    for (u32 slot = 0; slot < REGEX_SLOTS; slot++) slots[slot] = NO_SLOT;
    for (u32 state = f.start;;) {
        const u32* does = f.program + 4 * state;
        if (does[0] == REGEX_MATCH) return true;
        if (does[0] == REGEX_BYTE) {
            state = f.steps[does[1] + f.class_of[byte_at(s, i)]];
            i++;
        } else if (does[0] == REGEX_GO) {
            if (does[2] < REGEX_SLOTS) slots[does[2]] = i;
            state = does[1];
        } else {
            u32 k = 0;
            while (k + 1 < does[2] && !regex_viable(f, notes[i], f.alternatives[does[1] + k])) k++;
            state = f.alternatives[does[1] + k];
        }
    }
}

// The template: the count of parts; for each its group and its literal's length; the tail's length; the literals.
static __device__ __noinline__ u64 put_template(u8* to, u64 at, const Str& s, const u32* slots, const u8* pattern) {
    const u32* head = (const u32*)pattern;
    u32 count = head[0];
    const u8* literal = pattern + 4 * (2 * count + 2);
    for (u32 part = 0; part < count; part++) {
        u32 group = head[1 + 2 * part], length = head[2 + 2 * part];
        at = put_text(to, at, Str{literal, length, 0});
        literal += length;
        u32 begin = slots[2 * group], end = slots[2 * group + 1];
        if (begin != NO_SLOT && end != NO_SLOT) at = put_text(to, at, slice(s, begin, end));
    }
    return put_text(to, at, Str{literal, head[2 * count + 1], 0});
}

// Replaces the first match, or every one.
static __device__ __noinline__ Str regex_replace(Heap heap, const Str& s, const u8* table, const u8* pattern, bool all) {
    u8 local[REGEX_NOTES_LOCAL];
    u8* notes = local;
    if (s.length >= REGEX_NOTES_LOCAL) notes = new_text(heap, (u64)s.length + 1);
    if (notes == 0) return nothing();
    Finder f = finder_of(table);
    regex_note(f, s, notes);
    u32 slots[REGEX_SLOTS];
    u8* to = 0;
    for (u32 pass = 0;; pass++) {
        u32 from = 0, copied = 0, last_end = NO_SLOT;
        u64 out = 0;
        bool found = false;
        while (from <= s.length && regex_find(f, s, notes, from, slots)) {
            u32 begin = slots[0], end = slots[1];
            if (begin == end && end == last_end) {
                // An empty match does not follow another match at once.
                from = end + 1;
                continue;
            }
            const u32* head = (const u32*)pattern;
            if (!all && begin == 0 && end == s.length && head[0] == 1 && head[2] == 0 && head[3] == 0) {
                // All is replaced by a group: that is a slice.
                u32 group = 2 * head[1];
                return slots[group] == NO_SLOT ? slice(s, 0, 0) : slice(s, slots[group], slots[group + 1]);
            }
            found = true;
            out = put_text(to, out, slice(s, copied, begin));
            out = put_template(to, out, s, slots, pattern);
            copied = from = last_end = end;
            if (!all) break;
        }
        if (!found) return s;
        out = put_text(to, out, slice(s, copied, s.length));
        if (pass == 1 || out == 0) return Str{to, (u32)out, 0};
        to = new_text(heap, out);
        if (to == 0) return nothing();
    }
}

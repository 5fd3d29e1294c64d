// Sorts along the last axis: words that compare as the values do, for the radix sort of `radix_sort.cu`, and what is
// made of the order that it finds. NaN is greatest, −0.0 equals 0.0, complex numbers go by their real part first, and
// those with a NaN by which part it is, the imaginary one first, then by the other.

struct TensorSortParams {
    u64 count;
    u64 length;  // of a row
    const u8* input;
    u8* words;  // of the values, the last of each
    u8* more;   // of complex numbers the first ones
    u32* rows;  // the row of each value
    u64 flip;   // all ones for the greatest first
};

template <class T> DEVICE u64 sort_word(T x) {
    if constexpr (is_bool<T>) {
        return x;
    } else if constexpr (is_small<T>) {
        u32 b = Stored<T>::store(x);
        if (x.v != x.v) return 0xffffu;
        if (x.v == 0) b = 0;
        return b >> 15 ? ~b & 0xffffu : b | 0x8000u;
    } else if constexpr (is_same<T, f32>) {
        return x != x ? 0xffffffffull : ordered(positive_zero(x));
    } else if constexpr (is_same<T, f64>) {
        return x != x ? ~0ull : ordered(positive_zero(x));
    } else if constexpr (is_signed<T>) {
        return ((u64)(i64)x ^ 1ull << (8 * sizeof(T) - 1)) & (~0ull >> (64 - 8 * sizeof(T)));
    } else {
        return x;
    }
}
template <class T> using SortWord = Wrapping<Part<T>>;

// What elements are compared by, the first word before the second.
template <class T> constexpr int key_words = is_complex<T> ? 2 : 1;
template <class T> struct SortKey {
    u64 words[key_words<T>];
};
template <class T> DEVICE SortKey<T> sort_key(T x) {
    if constexpr (is_complex<T>) {
        // No number's word is among the last three, also of 32 bits.
        bool re = x.re != x.re, im = x.im != x.im;
        u64 first = re || im ? ~0ull - 3 + (2 * re + im) : sort_word(x.re);
        return SortKey<T>{{first, re && im ? 0 : sort_word(im ? x.re : x.im)}};
    } else {
        return SortKey<T>{{sort_word(x)}};
    }
}

template <class T> DEVICE void sort_words(const TensorSortParams& p) {
    u64 at = (u64)blockIdx.x * BLOCK + threadIdx.x;
    if (at >= p.count) return;
    SortKey<T> key = sort_key(load<T>(p.input, (i64)at));
    constexpr u64 bits = ~0ull >> (64 - 8 * sizeof(Part<T>));
    if constexpr (is_complex<T>) ((SortWord<T>*)p.more)[at] = (SortWord<T>)((key.words[0] ^ p.flip) & bits);
    ((SortWord<T>*)p.words)[at] = (SortWord<T>)((key.words[key_words<T> - 1] ^ p.flip) & bits);
    if (p.rows) p.rows[at] = (u32)(at / p.length);
}

struct TensorSortedParams {
    u64 count;
    u64 length;
    const u8* input;
    const u32* order;
    u8* values;    // in order, or absent
    i64* indices;  // of the axis, in order, or absent
};
template <class T> DEVICE void sorted(const TensorSortedParams& p) {
    u64 at = (u64)blockIdx.x * BLOCK + threadIdx.x;
    if (at >= p.count) return;
    u32 from = p.order[at];
    if (p.values) ((Memory<T>*)p.values)[at] = ((const Memory<T>*)p.input)[from];
    if (p.indices) p.indices[at] = (i64)(from - at / p.length * p.length);
}

// Places of values in a vector that is in order, that of `tensor_sort.cuh`, by halving what is left of it.

template <class T> DEVICE bool is_before(const SortKey<T>& a, const SortKey<T>& b) {
#pragma unroll
    for (int word = 0; word + 1 < key_words<T>; word++)
        if (a.words[word] != b.words[word]) return a.words[word] < b.words[word];
    return a.words[key_words<T> - 1] < b.words[key_words<T> - 1];
}

struct TensorSearchParams {
    u64 count;
    u64 length;  // of the vector
    const u8* sorted;
    i64 step;  // of the vector
    const u8* values;
    u64 right;  // not 0: behind what equals the value
    i64* output;
    Batch<1> batch;  // of the values
};

template <class T> DEVICE void search(const TensorSearchParams& p) {
    u64 at = (u64)blockIdx.x * BLOCK + threadIdx.x;
    if (at >= p.count) return;
    i64 offsets[1];
    walk_batch(p.batch, at, offsets);
    SortKey<T> key = sort_key(load<T>(p.values, offsets[0]));
    u64 first = 0, end = p.length;
    while (first < end) {
        u64 middle = first + (end - first) / 2;
        SortKey<T> other = sort_key(load<T>(p.sorted, (i64)middle * p.step));
        bool is_left = p.right ? !is_before(key, other) : is_before(other, key);
        if (is_left) first = middle + 1;
        else end = middle;
    }
    p.output[at] = (i64)first;
}

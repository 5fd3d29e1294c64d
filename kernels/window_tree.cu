// Aggregates over frames of what cannot be subtracted: sums of floats, extremes, moments.
//
// A node of a tree holds the aggregate of NODE_FAN nodes below it, and a frame is put together from the few nodes that
// cover it. A frame so sees its own rows alone, and the result depends neither on the schedule nor on any other
// partition. The host appends one TREE line for the tree that it needs, so that the others are not compiled.

#define NODE_FAN 4
#define NODE_TILE (BLOCK * NODE_FAN)
#define NODE_LEVELS 16

// Float sums, to twice the precision of a double: the rounding that is left is that of the result.
struct FloatSum {
    typedef Double2 Node;
    static __device__ __forceinline__ Node none() { return Double2{0.0, 0.0}; }
    static __device__ __forceinline__ Node leaf(const Column& c, u64 row, u64) {
        return is_valid(c, row) ? Double2{load_float(c, row), 0.0} : none();
    }
    static __device__ __forceinline__ Node join(const Column&, Node a, Node b, u64) {
        Double2 s = two_sum(a.high, b.high);
        // Infinities and NaN have no rounding error.
        if (exponent_of(s.high) == 0x7ff) return Double2{s.high, 0.0};
        return two_sum(s.high, s.low + a.low + b.low);
    }
};

// Extremes of words that compare as the values do; of the complements, for the largest.
struct WordExtreme {
    typedef u64 Node;
    static __device__ __forceinline__ Node none() { return ~0ull; }
    static __device__ __forceinline__ Node leaf(const Column& c, u64 row, u64 largest) {
        if (!is_valid(c, row)) return ~0ull;
        u64 word = ordered_word(c.storage, load_raw(c, row));
        return largest ? ~word : word;
    }
    static __device__ __forceinline__ Node join(const Column&, Node a, Node b, u64) { return a < b ? a : b; }
};
struct WideExtreme {
    typedef Wide Node;
    static __device__ __forceinline__ Node none() { return Wide{~0ull, ~0ull}; }
    static __device__ __forceinline__ Node leaf(const Column& c, u64 row, u64 largest) {
        if (!is_valid(c, row)) return none();
        Wide word = load_wide(c, row);
        word.high ^= 1ull << 63;
        return largest ? Wide{~word.low, ~word.high} : word;
    }
    static __device__ __forceinline__ Node join(const Column&, Node a, Node b, u64) {
        return a.high < b.high || (a.high == b.high && a.low < b.low) ? a : b;
    }
};

// Extremes of strings: the row that holds one.
struct StringExtreme {
    typedef u32 Node;
    static __device__ __forceinline__ Node none() { return 0xffffffffu; }
    static __device__ __forceinline__ Node leaf(const Column& c, u64 row, u64) {
        return is_valid(c, row) ? (u32)row : none();
    }
    static __device__ Node join(const Column& c, Node a, Node b, u64 largest) {
        if (a == none()) return b;
        if (b == none()) return a;
        i32 order = compare(load_string(c, a), load_string(c, b));
        return (largest ? order >= 0 : order <= 0) ? a : b;
    }
};

// Count, mean and squared deviations (Chan, Golub and LeVeque, 1979).
struct Moments {
    f64 count, mean, squares;
};
struct MomentSum {
    typedef Moments Node;
    static __device__ __forceinline__ Node none() { return Moments{0.0, 0.0, 0.0}; }
    static __device__ __forceinline__ Node leaf(const Column& c, u64 row, u64) {
        return is_valid(c, row) ? Moments{1.0, load_float(c, row), 0.0} : none();
    }
    static __device__ __forceinline__ Node join(const Column&, Node a, Node b, u64) {
        if (a.count == 0) return b;
        if (b.count == 0) return a;
        f64 count = a.count + b.count, delta = b.mean - a.mean;
        return Moments{count, a.mean + delta * (b.count / count),
                       a.squares + b.squares + delta * delta * (a.count * b.count / count)};
    }
};

struct TreeParams {
    u64 rows;
    Column input;
    u64 largest;
    u8* nodes;
    u64 level;                 // whose nodes are joined; 0 is the column
    u64 levels;                // that there are above the column
    u64 begins[NODE_LEVELS + 1];  // where a level's nodes begin; [0] is not used
    u64 counts[NODE_LEVELS + 1];
};

template <class T>
DEVICE typename T::Node tree_node(const Column& input, u64 largest, const u8* nodes, const u64* begins, u64 level, u64 at) {
    if (level == 0) return T::leaf(input, at, largest);
    return ((const typename T::Node*)nodes)[begins[level] + at];
}

// Joins a tile of NODE_TILE nodes up to one.
template <class T> static __device__ void tree_build(const TreeParams& p) {
    __shared__ typename T::Node shared[BLOCK];
    typename T::Node* nodes = (typename T::Node*)p.nodes;
    u64 level = p.level, first = (u64)blockIdx.x * NODE_TILE + (u64)threadIdx.x * NODE_FAN;
    typename T::Node node = T::none();
    for (u32 i = 0; i < NODE_FAN; i++)
        if (first + i < p.counts[level])
            node = T::join(p.input, node, tree_node<T>(p.input, p.largest, p.nodes, p.begins, level, first + i), p.largest);
    u32 width = BLOCK;
    while (true) {
        level++;
        u64 at = (u64)blockIdx.x * width + threadIdx.x;
        if (threadIdx.x < width && level <= p.levels && at < p.counts[level]) nodes[p.begins[level] + at] = node;
        if (width == 1) break;
        if (threadIdx.x < width) shared[threadIdx.x] = node;
        __syncthreads();
        width /= NODE_FAN;
        if (threadIdx.x < width) {
            node = shared[threadIdx.x * NODE_FAN];
            for (u32 i = 1; i < NODE_FAN; i++) node = T::join(p.input, node, shared[threadIdx.x * NODE_FAN + i], p.largest);
        }
        __syncthreads();
    }
}

struct QueryParams {
    TreeParams tree;
    const u32* begins;
    const u32* ends;
    Ranks valid;
    u64 kind;
    u64 storage;  // of the output
    u8* output;
    u32* validity;
};
#define QUERY_SUM 0
#define QUERY_AVERAGE 1
#define QUERY_EXTREME 2
#define QUERY_VARIANCE_SAMPLE 3
#define QUERY_VARIANCE_POPULATION 4
#define QUERY_DEVIATION_SAMPLE 5
#define QUERY_DEVIATION_POPULATION 6

// The aggregate of the rows from `begin` up to `end`: from both ends, the nodes that stick out of the next level's.
template <class T> DEVICE typename T::Node tree_query(const TreeParams& p, u64 begin, u64 end) {
    typename T::Node left = T::none(), right = T::none();
    for (u64 level = 0; begin < end; level++) {
        for (; begin < end && begin % NODE_FAN; begin++)
            left = T::join(p.input, left, tree_node<T>(p.input, p.largest, p.nodes, p.begins, level, begin), p.largest);
        for (; begin < end && end % NODE_FAN; end--)
            right = T::join(p.input, tree_node<T>(p.input, p.largest, p.nodes, p.begins, level, end - 1), right, p.largest);
        begin /= NODE_FAN;
        end /= NODE_FAN;
    }
    return T::join(p.input, left, right, p.largest);
}

DEVICE u64 query_result(const QueryParams& p, Double2 sum, u64 count) {
    return bits_of(p.kind == QUERY_AVERAGE ? sum.high / (f64)count : sum.high);
}
DEVICE u64 query_result(const QueryParams& p, u64 word, u64) {
    return raw_of_ordered(p.storage, p.tree.largest ? ~word : word);
}
DEVICE u64 query_result(const QueryParams&, u32 row, u64) { return row; }
DEVICE Wide query_result(const QueryParams& p, Wide word, u64) {
    if (p.tree.largest) word = Wide{~word.low, ~word.high};
    return Wide{word.low, word.high ^ (1ull << 63)};
}
DEVICE u64 query_result(const QueryParams& p, Moments m, u64) {
    bool sample = p.kind == QUERY_VARIANCE_SAMPLE || p.kind == QUERY_DEVIATION_SAMPLE;
    bool root = p.kind == QUERY_DEVIATION_SAMPLE || p.kind == QUERY_DEVIATION_POPULATION;
    f64 variance = m.squares / (sample ? m.count - 1 : m.count);
    return bits_of(root ? sqrt(variance) : variance);
}
DEVICE void store_result(const QueryParams& p, u64 row, u64 raw) { store_raw(p.output, p.storage, row, raw); }
DEVICE void store_result(const QueryParams& p, u64 row, Wide v) { store_wide(p.output, row, v); }

// Only words are of booleans.
template <class N> DEVICE bool query_is_set(const QueryParams&, N) { return false; }
DEVICE bool query_is_set(const QueryParams& p, u64 word) { return (p.tree.largest ? ~word : word) & 1; }

template <class T> static __device__ void tree_answer(const QueryParams& p) {
    u64 row = (u64)blockIdx.x * BLOCK + threadIdx.x;
    u64 count = 0, begin = 0, end = 0;
    if (row < p.tree.rows) {
        begin = p.begins[row];
        end = p.ends[row];
        count = rank_of(p.valid, end) - rank_of(p.valid, begin);
    }
    bool sample = p.kind == QUERY_VARIANCE_SAMPLE || p.kind == QUERY_DEVIATION_SAMPLE;
    if (p.validity) put_bit(p.validity, row, p.tree.rows, count > (sample ? 1 : 0));
    typename T::Node node = T::none();
    if (count) node = tree_query<T>(p.tree, begin, end);
    if (p.storage == STORAGE_BITS) {
        put_bit((u32*)p.output, row, p.tree.rows, query_is_set(p, node));
    } else if (row < p.tree.rows) {
        store_result(p, row, query_result(p, node, count));
    }
}

#define TREE(NAME, T)                                                                                                \
    extern "C" __global__ void __launch_bounds__(BLOCK) build_##NAME(const __grid_constant__ TreeParams p) {         \
        tree_build<T>(p);                                                                                            \
    }                                                                                                                \
    extern "C" __global__ void __launch_bounds__(BLOCK) query_##NAME(const __grid_constant__ QueryParams p) {        \
        tree_answer<T>(p);                                                                                           \
    }

// Matrix products in tiles through shared memory: a block makes a square of the result, a thread a square of that. Terms
// are added in the order of the inner axis. Floats are multiplied and added at once, integers wrap, half precision is
// added in single; of booleans, any of both.

template <class T> struct TermOf {
    typedef T type;
};
template <> struct TermOf<f16> {
    typedef f32 type;
};
template <> struct TermOf<bf16> {
    typedef f32 type;
};
#define WRAPPING_TERM(T)                                                                                             \
    template <> struct TermOf<T> {                                                                                   \
        typedef Wrapping<T> type;                                                                                    \
    };
WRAPPING_TERM(i8)
WRAPPING_TERM(i16)
WRAPPING_TERM(i32)
WRAPPING_TERM(i64)
WRAPPING_TERM(u8)
WRAPPING_TERM(u16)
template <class T> using Term = typename TermOf<T>::type;
template <class T> DEVICE Term<T> term(T x) {
    if constexpr (is_small<T>) return x.v;
    else if constexpr (is_integer<T>) return (Term<T>)x;
    else return x;
}
template <class T> DEVICE T of_term(Term<T> x) {
    if constexpr (is_small<T>) return rounded<T>(x);
    else if constexpr (is_integer<T>) return (T)x;
    else return x;
}
DEVICE f32 add_product(f32 sum, f32 a, f32 b) { return fma(a, b, sum); }
DEVICE f64 add_product(f64 sum, f64 a, f64 b) { return fma(a, b, sum); }
DEVICE u32 add_product(u32 sum, u32 a, u32 b) { return sum + a * b; }
DEVICE u64 add_product(u64 sum, u64 a, u64 b) { return sum + a * b; }
DEVICE bool add_product(bool sum, bool a, bool b) { return sum || (a && b); }
template <class R> DEVICE Complex<R> add_product(Complex<R> sum, Complex<R> a, Complex<R> b) {
    return Complex<R>{fma(-a.im, b.im, fma(a.re, b.re, sum.re)), fma(a.im, b.re, fma(a.re, b.im, sum.im))};
}

struct MatmulParams {
    u64 n, k, m;
    u64 row_tiles, column_tiles;
    const u8* a;
    i64 a_row, a_column;
    const u8* b;
    i64 b_row, b_column;
    u8* output;
    Batch<2> batch;  // of a and b
};

#define MATMUL_SIDE 16  // threads along each side of a block
template <class T, int tile, int depth> DEVICE void matmul(const MatmulParams& p) {
    constexpr int each = tile / MATMUL_SIDE, items = tile * depth / BLOCK;
    __shared__ __align__(16) u8 memory[2 * depth * (tile + 1) * sizeof(Term<T>)];
    Term<T>* a_tile = (Term<T>*)memory;  // [depth][tile + 1]
    Term<T>* b_tile = a_tile + depth * (tile + 1);
    u64 number = blockIdx.x;
    const u64 column_tile = number % p.column_tiles;
    number /= p.column_tiles;
    const u64 row_tile = number % p.row_tiles;
    number /= p.row_tiles;
    i64 offsets[2];
    walk_batch(p.batch, number, offsets);
    const u32 x = threadIdx.x % MATMUL_SIDE, y = threadIdx.x / MATMUL_SIDE;
    const u64 first_row = row_tile * tile, first_column = column_tile * tile;
    const bool a_along = p.a_column == 1, b_along = p.b_row == 1;

    Term<T> sums[each][each];
#pragma unroll
    for (int i = 0; i < each; i++)
#pragma unroll
        for (int j = 0; j < each; j++) sums[i][j] = convert<Term<T>>(false);
    for (u64 first = 0; first < p.k; first += depth) {
        // Neighbouring threads read neighbours, whichever way the matrix lies.
#pragma unroll
        for (int i = 0; i < items; i++) {
            u32 item = i * BLOCK + threadIdx.x;
            u32 inner = a_along ? item % depth : item / tile, row = a_along ? item / depth : item % tile;
            bool there = first_row + row < p.n && first + inner < p.k;
            i64 at = offsets[0] + (i64)(first_row + row) * p.a_row + (i64)(first + inner) * p.a_column;
            a_tile[inner * (tile + 1) + row] = there ? term(load<T>(p.a, at)) : convert<Term<T>>(false);
            inner = b_along ? item % depth : item / tile;
            u32 column = b_along ? item / depth : item % tile;
            there = first_column + column < p.m && first + inner < p.k;
            at = offsets[1] + (i64)(first + inner) * p.b_row + (i64)(first_column + column) * p.b_column;
            b_tile[inner * (tile + 1) + column] = there ? term(load<T>(p.b, at)) : convert<Term<T>>(false);
        }
        __syncthreads();
        // What lies behind the inner axis must not be added: 0 times infinity is NaN.
        const int end = p.k - first < depth ? (int)(p.k - first) : depth;
        for (int inner = 0; inner < end; inner++) {
            Term<T> a[each], b[each];
#pragma unroll
            for (int i = 0; i < each; i++) {
                a[i] = a_tile[inner * (tile + 1) + y + MATMUL_SIDE * i];
                b[i] = b_tile[inner * (tile + 1) + x + MATMUL_SIDE * i];
            }
#pragma unroll
            for (int i = 0; i < each; i++)
#pragma unroll
                for (int j = 0; j < each; j++) sums[i][j] = add_product(sums[i][j], a[i], b[j]);
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < each; i++)
#pragma unroll
        for (int j = 0; j < each; j++) {
            u64 row = first_row + y + MATMUL_SIDE * i, column = first_column + x + MATMUL_SIDE * j;
            if (row < p.n && column < p.m)
                store<T>(p.output, (i64)((number * p.n + row) * p.m + column), of_term<T>(sums[i][j]));
        }
}

// Reading the rows of a tile: the head of every pipeline.
//
// `P` is the generated program, over P::Params and P::Row:
//   P::load(p, row, r)       reads the columns that the first steps need
//   P::keep(p, r, row)       takes the row through the steps, and says whether it goes on
//   P::load_rest(p, row, r)  reads the other columns of fixed width
//
// A thread takes ITEMS rows, BLOCK apart, so that neighbours read neighbouring values, and all loads of a step are
// under way before the first is used. Columns that only kept rows need are read for those alone.

#define TILE_ROWS (BLOCK * ITEMS)

// Returns one bit for each of the thread's rows, set where the row is kept.
template <class P, int ITEMS>
DEVICE u32 load_kept(const typename P::Params& p, u64 base, typename P::Row (&rows)[ITEMS]) {
    u32 kept = 0;
#pragma unroll
    for (int item = 0; item < ITEMS; item++) {
        u64 row = base + item * BLOCK + threadIdx.x;
        if (row < p.rows) P::load(p, p.row_begin + row, rows[item]);
    }
#pragma unroll
    for (int item = 0; item < ITEMS; item++) {
        u64 row = base + item * BLOCK + threadIdx.x;
        if (row < p.rows && P::keep(p, rows[item], p.row_begin + row)) kept |= 1u << item;
    }
#pragma unroll
    for (int item = 0; item < ITEMS; item++) {
        u64 row = base + item * BLOCK + threadIdx.x;
        if ((kept >> item) & 1) P::load_rest(p, p.row_begin + row, rows[item]);
    }
    return kept;
}

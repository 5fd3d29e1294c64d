// Copies that turn axes around: tiles of 32 × 32 go through shared memory, so that reads and writes are both of
// neighbours. Elements are moved and not looked at.

struct TransposeParams {
    u64 rows;     // along the axis that the source reads quickly
    u64 columns;  // along the axis that the output writes quickly
    u64 row_tiles, column_tiles;
    const u8* input;
    i64 input_row, input_column;
    u8* output;
    i64 output_row;
    Batch<2> batch;  // of input and output
};

#define SQUARE 32
template <class E> DEVICE void transpose(const TransposeParams& p) {
    // One column more, so that neither rows nor columns meet in one bank.
    __shared__ __align__(16) u8 memory[SQUARE * (SQUARE + 1) * sizeof(E)];
    E* tile = (E*)memory;
    u64 number = blockIdx.x;
    u64 column_tile = number % p.column_tiles;
    number /= p.column_tiles;
    u64 row_tile = number % p.row_tiles;
    number /= p.row_tiles;
    i64 offsets[2];
    walk_batch(p.batch, number, offsets);
    const E* input = (const E*)p.input + offsets[0];
    E* output = (E*)p.output + offsets[1];
    u32 quick = threadIdx.x & 31, slow = threadIdx.x >> 5;
    u64 row = row_tile * SQUARE + quick, column = column_tile * SQUARE + slow;
    for (u32 i = 0; i < SQUARE; i += BLOCK / 32)
        if (row < p.rows && column + i < p.columns)
            tile[(slow + i) * (SQUARE + 1) + quick] = input[(i64)row * p.input_row + (i64)(column + i) * p.input_column];
    __syncthreads();
    row = row_tile * SQUARE + slow;
    column = column_tile * SQUARE + quick;
    for (u32 i = 0; i < SQUARE; i += BLOCK / 32)
        if (row + i < p.rows && column < p.columns)
            output[(i64)(row + i) * p.output_row + (i64)column] = tile[quick * (SQUARE + 1) + slow + i];
}

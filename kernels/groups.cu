// The groups of a join table: the rows of each key, together and in order.

#define NONE 0xffffffffu

struct HeadParams {
    u64 rows;
    const u64* slots;
    const u32* slot_of;
    u32* heads;
};
// The first row of each row's group; NONE for rows of no group.
extern "C" __global__ void __launch_bounds__(BLOCK) group_heads(const __grid_constant__ HeadParams p) {
    u64 row = (u64)blockIdx.x * BLOCK + threadIdx.x;
    if (row >= p.rows) return;
    u32 slot = p.slot_of[row];
    p.heads[row] = slot == NONE ? NONE : (u32)p.slots[slot];
}

struct BoundsParams {
    u64 rows;
    const u32* heads;
    const u32* sorted;
    u32* begins;
    u32* ends;
};
// Where each group begins and ends among the rows sorted by group, at the group's first row.
extern "C" __global__ void __launch_bounds__(BLOCK) group_bounds(const __grid_constant__ BoundsParams p) {
    u64 at = (u64)blockIdx.x * BLOCK + threadIdx.x;
    if (at >= p.rows) return;
    u32 head = p.heads[p.sorted[at]];
    if (head == NONE) return;
    if (at == 0 || p.heads[p.sorted[at - 1]] != head) p.begins[head] = (u32)at;
    if (at + 1 == p.rows || p.heads[p.sorted[at + 1]] != head) p.ends[head] = (u32)at + 1;
}

struct SpreadParams {
    u64 rows;
    const u32* heads;
    const u32* marks;
    u32* spread;
};
// Marks every row of the groups whose first row is marked. A thread makes a word.
extern "C" __global__ void __launch_bounds__(BLOCK) spread_marks(const __grid_constant__ SpreadParams p) {
    u64 first = ((u64)blockIdx.x * BLOCK + threadIdx.x) * 32;
    if (first >= p.rows) return;
    u32 word = 0;
    for (u32 i = 0; i < 32 && first + i < p.rows; i++) {
        u32 head = p.heads[first + i];
        if (head != NONE && (p.marks[head >> 5] >> (head & 31)) & 1) word |= 1u << i;
    }
    p.spread[first >> 5] = word;
}

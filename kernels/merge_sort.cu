// Fixed kernels: stable merge sort by comparison, for few rows and for what words could not tell apart.
//
// What is sorted are places: numbers of rows, or places in a list of rows.

#define MERGE_ITEMS 8
#define MERGE_TILE (BLOCK * MERGE_ITEMS)

struct MergeWord {
    const u8* words;
    u64 bytes;
};
struct MergeParams {
    u64 count;
    const u32* from;  // 0 stands for 0, 1, 2, …
    u32* to;
    u64 run;          // of places that are in order already
    const u32* rows;  // the row of each place; 0 where places are rows
    u64 word_count;   // words of each place, compared first
    const MergeWord* words;
    u64 field_count;  // compared then, where words are equal
    const SortField* fields;
};

static __device__ __noinline__ bool merge_less(const MergeParams& p, u32 a, u32 b) {
    for (u64 w = 0; w < p.word_count; w++) {
        MergeWord word = p.words[w];
        u64 of_a = word.bytes == 4 ? ((const u32*)word.words)[a] : ((const u64*)word.words)[a];
        u64 of_b = word.bytes == 4 ? ((const u32*)word.words)[b] : ((const u64*)word.words)[b];
        if (of_a != of_b) return of_a < of_b;
    }
    if (p.rows) {
        a = p.rows[a];
        b = p.rows[b];
    }
    for (u64 i = 0; i < p.field_count; i++) {
        const SortField& f = p.fields[i];
        if (f.kind == SORT_STRING_REST) {
            // Whether they are null was compared before.
            if (!valid_at(f.validity, a) || !valid_at(f.validity, b)) continue;
            i32 order = compare_from(sort_string(f, a), sort_string(f, b), (u32)f.detail);
            if (order != 0) return f.descending ? order > 0 : order < 0;
            continue;
        }
        u64 of_a = sort_value(f, a), of_b = sort_value(f, b);
        if (of_a != of_b) return of_a < of_b;
    }
    return false;
}

// Writes MERGE_ITEMS places of the output, from `first` on, of merging neighbouring runs. Where two are equal the left
// one comes first.
static __device__ void merge_step(const MergeParams& p, const u32* from, u32* to, u64 count, u64 run, u64 first) {
    if (first >= count) return;
    u64 begin = first / (2 * run) * (2 * run);
    u64 middle = begin + run < count ? begin + run : count;
    u64 end = begin + 2 * run < count ? begin + 2 * run : count;
    u64 diagonal = first - begin, left_count = middle - begin, right_count = end - middle;
    // How many of the first `diagonal` come from the left.
    u64 low = diagonal > right_count ? diagonal - right_count : 0;
    u64 high = diagonal < left_count ? diagonal : left_count;
    while (low < high) {
        u64 half = (low + high) / 2;
        if (merge_less(p, from[middle + diagonal - 1 - half], from[begin + half])) high = half;
        else low = half + 1;
    }
    u64 left = begin + low, right = middle + diagonal - low;
    for (u64 at = first; at < first + MERGE_ITEMS && at < end; at++) {
        bool takes_right = left >= middle || (right < end && merge_less(p, from[right], from[left]));
        to[at] = from[takes_right ? right++ : left++];
    }
}

// Sorts each tile.
extern "C" __global__ void __launch_bounds__(BLOCK) merge_tiles(const __grid_constant__ MergeParams p) {
    __shared__ u32 places[2][MERGE_TILE];
    u64 begin = (u64)blockIdx.x * MERGE_TILE;
    u64 count = p.count - begin < MERGE_TILE ? p.count - begin : MERGE_TILE;
    for (u64 i = threadIdx.x; i < count; i += BLOCK)
        places[0][i] = p.from ? p.from[begin + i] : (u32)(begin + i);
    __syncthreads();
    u64 first = (u64)threadIdx.x * MERGE_ITEMS;
    for (u64 i = first + 1; i < first + MERGE_ITEMS && i < count; i++) {
        u32 place = places[0][i];
        u64 at = i;
        for (; at > first && merge_less(p, place, places[0][at - 1]); at--) places[0][at] = places[0][at - 1];
        places[0][at] = place;
    }
    __syncthreads();
    u32 now = 0;
    for (u64 run = MERGE_ITEMS; run < count; run *= 2) {
        merge_step(p, places[now], places[1 - now], count, run, first);
        now = 1 - now;
        __syncthreads();
    }
    for (u64 i = threadIdx.x; i < count; i += BLOCK) p.to[begin + i] = places[now][i];
}

// Merges neighbouring runs of `run` places.
extern "C" __global__ void __launch_bounds__(BLOCK) merge_runs(const __grid_constant__ MergeParams p) {
    merge_step(p, p.from, p.to, p.count, p.run, ((u64)blockIdx.x * BLOCK + threadIdx.x) * MERGE_ITEMS);
}

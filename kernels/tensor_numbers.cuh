// Elements that are found along axes by their numbers: what reads and what writes by index stand on.

#define INDEXED_AXES 6

struct Numbers {
    u64 count;                         // of the places that are looked at
    u64 axes;                          // that are indexed
    u64 lengths[INDEXED_AXES];         // of them
    i64 steps[INDEXED_AXES];           // along them, of what is indexed
    const i64* indices[INDEXED_AXES];  // laid out alike
    u64* failed;  // of the first index out of range: the number of its axis times `count`, and its place
};

// Adds to `offset` what the indices of place `at`, which lie at `from`, give; `false` where one is out of range.
DEVICE bool add_numbers(const Numbers& numbers, u64 at, i64 from, i64& offset) {
    for (u64 axis = 0; axis < numbers.axes; axis++) {
        i64 index = numbers.indices[axis][from], length = (i64)numbers.lengths[axis];
        if (index < 0) index += length;
        if (index < 0 || index >= length) {
            atomicMin(numbers.failed, axis * numbers.count + at);
            return false;
        }
        offset += index * numbers.steps[axis];
    }
    return true;
}

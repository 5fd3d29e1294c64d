// Predicates on dictionaries: a byte for each distinct value, which the rows then look up by their keys.
//
// `P` is the generated program: P::dictionary(p, i) decides value `i` of every dictionary that has so many.
template <class P> static __device__ void match_dictionaries(const typename P::Params& p) {
    P::dictionary(p, (u64)blockIdx.x * BLOCK + threadIdx.x);
}

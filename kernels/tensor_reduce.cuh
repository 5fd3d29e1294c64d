// Reductions: what is made of values, in an order that shapes and layouts fix. Each thread folds the values that it
// comes by, threads are merged by a tree of fixed shape, and so are the blocks that share a result.

// Half precision is folded in single.
template <class T> struct WideOf {
    typedef T type;
};
template <> struct WideOf<f16> {
    typedef f32 type;
};
template <> struct WideOf<bf16> {
    typedef f32 type;
};
template <class T> using WideType = typename WideOf<T>::type;
template <class T> DEVICE WideType<T> widened(T x) {
    if constexpr (is_small<T>) return x.v;
    else return x;
}

template <class T> struct ReduceSum {
    typedef WideType<T> State;
    typedef T Result;
    // Of floats −0, so that sums of −0 stay so.
    static __device__ __forceinline__ State empty() {
        if constexpr (is_complex<T>) return State{(Part<T>)-0.0, (Part<T>)-0.0};
        else if constexpr (is_integer<State>) return 0;
        else return (State)-0.0;
    }
    static __device__ __forceinline__ void push(State& s, T x, i64) { s = op_add(s, widened(x)); }
    static __device__ __forceinline__ void merge(State& s, State later) { s = op_add(s, later); }
    static __device__ __forceinline__ T finish(State s) { return convert<T>(s); }
};
template <class T> struct ReduceProduct {
    typedef WideType<T> State;
    typedef T Result;
    static __device__ __forceinline__ State empty() { return convert<State>(true); }
    static __device__ __forceinline__ void push(State& s, T x, i64) { s = op_multiply(s, widened(x)); }
    static __device__ __forceinline__ void merge(State& s, State later) { s = op_multiply(s, later); }
    static __device__ __forceinline__ T finish(State s) { return convert<T>(s); }
};
// The least or the greatest; NaN where there is one.
template <class T, bool greatest> struct ReduceExtreme {
    typedef WideType<T> State;
    typedef T Result;
    static __device__ __forceinline__ State empty() {
        if constexpr (is_bool<T>) return !greatest;
        else if constexpr (is_integer<T>) return greatest ? Limits<T>::low : Limits<T>::high;
        else return greatest ? -infinity<State>() : infinity<State>();
    }
    static __device__ __forceinline__ void push(State& s, T x, i64) { merge(s, widened(x)); }
    static __device__ __forceinline__ void merge(State& s, State later) {
        s = greatest ? op_maximum(s, later) : op_minimum(s, later);
    }
    static __device__ __forceinline__ T finish(State s) { return convert<T>(s); }
};
template <class T> struct Position {
    T value;
    i64 index;  // −1: nothing was seen
};
// The index of the first least or greatest, of the first NaN if any: whoever comes when.
template <class T, bool greatest> struct ReducePosition {
    typedef WideType<T> Value;
    typedef Position<Value> State;
    typedef i64 Result;
    static __device__ __forceinline__ State empty() { return State{convert<Value>(false), -1}; }
    static __device__ __forceinline__ void push(State& s, T x, i64 index) { merge(s, State{widened(x), index}); }
    static __device__ __forceinline__ void merge(State& s, State later) {
        if (later.index < 0) return;
        bool nan = op_is_nan(s.value), later_nan = op_is_nan(later.value), take;
        if (s.index < 0) take = true;
        else if (nan || later_nan) take = nan && later_nan ? later.index < s.index : later_nan;
        else if (s.value == later.value) take = later.index < s.index;
        else take = greatest ? later.value > s.value : later.value < s.value;
        if (take) s = later;
    }
    static __device__ __forceinline__ i64 finish(State s) { return s.index; }
};
template <class T> struct Moments {
    T mean;
    Part<T> deviations;
    Part<T> count;
};
template <class R> DEVICE R product_of_parts(R x, R y) { return x * y; }
template <class R> DEVICE R product_of_parts(Complex<R> x, Complex<R> y) { return x.re * y.re + x.im * y.im; }
template <class R> DEVICE R scaled(R x, R by) { return x * by; }
template <class R> DEVICE Complex<R> scaled(Complex<R> x, R by) { return Complex<R>{x.re * by, x.im * by}; }
// Sums of squared deviations from the mean: Welford, 1962, merged as Chan, Golub and LeVeque have it, 1979.
template <class T> struct ReduceDeviations {
    typedef WideType<T> Value;
    typedef Moments<Value> State;
    typedef Part<T> Result;
    static __device__ __forceinline__ State empty() { return State{convert<Value>(false), 0, 0}; }
    static __device__ __forceinline__ void push(State& s, T narrow_x, i64) {
        Value x = widened(narrow_x);
        s.count += 1;
        Value distance = op_subtract(x, s.mean);
        s.mean = op_add(s.mean, scaled(distance, 1 / s.count));
        s.deviations += product_of_parts(distance, op_subtract(x, s.mean));
    }
    static __device__ __forceinline__ void merge(State& s, State later) {
        if (later.count == 0) return;
        if (s.count == 0) {
            s = later;
            return;
        }
        Part<Value> count = s.count + later.count, share = later.count / count;
        Value distance = op_subtract(later.mean, s.mean);
        s.mean = op_add(s.mean, scaled(distance, share));
        s.deviations += later.deviations + product_of_parts(distance, distance) * s.count * share;
        s.count = count;
    }
    static __device__ __forceinline__ Result finish(State s) { return convert<Result>(s.deviations); }
};

// Merges the states of the `lanes` threads of a column, `step` threads from one to the next; the first has the result.
// Every thread of the block calls it.
template <class Reduce> DEVICE void merge_lanes(typename Reduce::State& state, u32 lane, u32 lanes, u32 step) {
    typedef typename Reduce::State State;
    // Not an array of states: shared memory has no constructors.
    __shared__ __align__(16) u8 memory[BLOCK * sizeof(State)];
    State* states = (State*)memory;
    if (lanes == 1) return;
    __syncthreads();
    states[threadIdx.x] = state;
    for (u32 half = lanes >> 1; half; half >>= 1) {
        __syncthreads();
        if (lane < half) {
            Reduce::merge(state, states[threadIdx.x + half * step]);
            states[threadIdx.x] = state;
        }
    }
}

// The last step: each result's states, of several parts, one after the other.
struct ReducePart {
    const u8* states;  // [result][split]
    u64 splits;
};
struct ReduceFinishParams {
    u64 count;
    u64 parts;
    const ReducePart* part;
    u8* output;
};
template <class Reduce> DEVICE void reduce_finish(const ReduceFinishParams& p) {
    typedef typename Reduce::State State;
    u32 lane = threadIdx.x & 31;
    u64 result = (u64)blockIdx.x * (BLOCK / 32) + (threadIdx.x >> 5);
    State state = Reduce::empty();
    for (u64 i = 0; i < p.parts; i++) {
        u64 splits = p.part[i].splits;
        const State* states = (const State*)p.part[i].states + result * splits;
        State of_part = Reduce::empty();
        if (result < p.count)
            for (u64 split = lane; split < splits; split += 32) Reduce::merge(of_part, states[split]);
        merge_lanes<Reduce>(of_part, lane, 32, 1);
        if (lane == 0) Reduce::merge(state, of_part);
    }
    if (lane == 0 && result < p.count) store<typename Reduce::Result>(p.output, (i64)result, Reduce::finish(state));
}

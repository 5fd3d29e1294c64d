// The parts of CUDA C++ that NVRTC provides without a header, for the host's compiler.
//
// Included before every kernel source. It offers what NVRTC offers and, where that costs nothing, no
// more: what compiles here should compile there. There are no standard headers, as in NVRTC.
#pragma once
#define __CUDASIM__ 1
#define __CUDACC__ 1
#define __CUDACC_RTC__ 1
#ifndef __CUDA_ARCH__
#define __CUDA_ARCH__ 900
#endif
#define NULL 0

typedef decltype(sizeof(0)) size_t;
typedef decltype((char*)0 - (char*)0) ptrdiff_t;

// ---- Qualifiers -------------------------------------------------------------------------------
// The first two survive preprocessing as marks for the translator: it lists the kernels, and makes
// shared variables thread-local to the CPU thread that runs the block.
#define __global__ __cudasim_global__
#define __shared__ __cudasim_shared__
#define __device__
#define __host__
#define __constant__ __attribute__((used, visibility("default")))
#define __managed__ __attribute__((used, visibility("default")))
#define __grid_constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __maxnreg__(...)
#define __cluster_dims__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __builtin_align__(n) __attribute__((aligned(n)))
#define __builtin_assume(x) do { if (!(x)) __builtin_unreachable(); } while (0)
#define __CS_API static inline __attribute__((always_inline, unused))

// ---- Vector types -----------------------------------------------------------------------------
#define __CS_VECTOR(T, N) \
  struct N##1 { T x; }; \
  struct __align__(2 * sizeof(T)) N##2 { T x, y; }; \
  struct N##3 { T x, y, z; }; \
  struct __align__(4 * sizeof(T) > 16 ? 16 : 4 * sizeof(T)) N##4 { T x, y, z, w; }; \
  __CS_API N##1 make_##N##1(T x) { return {x}; } \
  __CS_API N##2 make_##N##2(T x, T y) { return {x, y}; } \
  __CS_API N##3 make_##N##3(T x, T y, T z) { return {x, y, z}; } \
  __CS_API N##4 make_##N##4(T x, T y, T z, T w) { return {x, y, z, w}; }
__CS_VECTOR(signed char, char)
__CS_VECTOR(unsigned char, uchar)
__CS_VECTOR(short, short)
__CS_VECTOR(unsigned short, ushort)
__CS_VECTOR(int, int)
__CS_VECTOR(unsigned, uint)
__CS_VECTOR(long, long)
__CS_VECTOR(unsigned long, ulong)
__CS_VECTOR(long long, longlong)
__CS_VECTOR(unsigned long long, ulonglong)
__CS_VECTOR(float, float)
__CS_VECTOR(double, double)
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};

// ---- The simulator's interface: src/exec/abi.rs says the same in Rust --------------------------
#define __CUDASIM_ABI 2
struct __cs_thread { uint3 index; unsigned lane; unsigned spins; };
struct __cs_context {
  __cs_thread* thread;
  uint3 block_index, block_dim, grid_dim;
  void* dynamic_shared;
  void* worker;
};
struct __cs_runtime {
  int (*barrier)(void* worker, unsigned kind, int predicate);
  unsigned long long (*warp)(void* worker, unsigned op, unsigned mask, unsigned long long value,
                             unsigned long long argument);
  void (*yield_now)(void* worker);
  void (*trap)(void* worker, const char* why);
  void (*protect)(void* worker, int on);
  void (*violation)(void* worker, unsigned kind, const char* file, unsigned line, const char* type,
                    unsigned long long detail);
};
static thread_local __cs_context __cs;
static const __cs_runtime* __cs_rt;
#define __CS_EXPORT extern "C" __attribute__((used, visibility("default")))
__CS_EXPORT void* __cudasim_attach(const __cs_runtime* runtime) { __cs_rt = runtime; return &__cs; }
__CS_EXPORT unsigned __cudasim_abi() { return __CUDASIM_ABI; }

// The compiler checks some rules of the language at run time, and calls these functions, whose names and
// arguments are its own, where one is broken.
struct __cs_place { const char* file; unsigned line, column; };
struct __cs_type { unsigned short kind, detail; char name[1]; };
struct __cs_check { __cs_place place; const __cs_type* type; };
enum { __CS_MISALIGNED, __CS_OUT_OF_BOUNDS, __CS_SHIFT, __CS_DIVISION };
#define __CS_CHECK extern "C" __attribute__((used, noinline, cold))
static inline void __cs_violation(unsigned kind, const __cs_check* check, unsigned long long detail) {
  __cs_rt->violation(__cs.worker, kind, check->place.file, check->place.line, check->type->name, detail);
}
__CS_CHECK void __ubsan_handle_type_mismatch_v1_abort(const __cs_check* check, unsigned long long address) {
  __cs_violation(__CS_MISALIGNED, check, address);
}
__CS_CHECK void __ubsan_handle_out_of_bounds_abort(const __cs_check* check, unsigned long long index) {
  __cs_violation(__CS_OUT_OF_BOUNDS, check, index);
}
__CS_CHECK void __ubsan_handle_shift_out_of_bounds_abort(const __cs_check* check, unsigned long long,
                                                         unsigned long long count) {
  __cs_violation(__CS_SHIFT, check, count);
}
__CS_CHECK void __ubsan_handle_divrem_overflow_abort(const __cs_check* check, unsigned long long,
                                                     unsigned long long) {
  __cs_violation(__CS_DIVISION, check, 0);
}

#define threadIdx (__cs.thread->index)
#define blockIdx (__cs.block_index)
#define blockDim (__cs.block_dim)
#define gridDim (__cs.grid_dim)
static const int warpSize = 32;

// ---- Barriers and warp operations -------------------------------------------------------------
__CS_API void __syncthreads() { __cs_rt->barrier(__cs.worker, 0, 0); }
__CS_API int __syncthreads_count(int p) { return __cs_rt->barrier(__cs.worker, 1, p); }
__CS_API int __syncthreads_and(int p) { return __cs_rt->barrier(__cs.worker, 2, p); }
__CS_API int __syncthreads_or(int p) { return __cs_rt->barrier(__cs.worker, 3, p); }

enum {
  __CS_SYNC, __CS_SHUFFLE, __CS_BALLOT, __CS_ANY, __CS_ALL, __CS_MATCH_ANY, __CS_MATCH_ALL, __CS_ADD,
  __CS_MINU, __CS_MAXU, __CS_MINS, __CS_MAXS, __CS_AND, __CS_OR, __CS_XOR
};
__CS_API unsigned long long __cs_warp(unsigned op, unsigned mask, unsigned long long value,
                                      unsigned long long argument) {
  return __cs_rt->warp(__cs.worker, op, mask, value, argument);
}
__CS_API void __syncwarp(unsigned m = ~0u) { __cs_warp(__CS_SYNC, m, 0, 0); }
__CS_API unsigned __ballot_sync(unsigned m, int p) { return (unsigned)__cs_warp(__CS_BALLOT, m, p != 0, 0); }
__CS_API int __any_sync(unsigned m, int p) { return (int)__cs_warp(__CS_ANY, m, p != 0, 0); }
__CS_API int __all_sync(unsigned m, int p) { return (int)__cs_warp(__CS_ALL, m, p != 0, 0); }
// No convergence is promised by the language, so a lane may see itself alone.
__CS_API unsigned __activemask() { return 1u << __cs.thread->lane; }

template <class T> __CS_API unsigned long long __cs_bits(T v) {
  static_assert(sizeof(T) <= 8, "warp operations take values of at most 8 bytes");
  unsigned long long bits = 0;
  __builtin_memcpy(&bits, &v, sizeof v);
  return bits;
}
template <class T> __CS_API T __cs_from_bits(unsigned long long bits) {
  T v;
  __builtin_memcpy(&v, &bits, sizeof v);
  return v;
}
template <class T> __CS_API T __cs_shuffle(unsigned m, T v, int source) {
  return __cs_from_bits<T>(__cs_warp(__CS_SHUFFLE, m, __cs_bits(v), (unsigned)source));
}
#define __CS_SHUFFLES(T) \
  __CS_API T __shfl_sync(unsigned m, T v, int source, int width = 32) { \
    int lane = __cs.thread->lane; \
    return __cs_shuffle(m, v, (lane & ~(width - 1)) | (source & (width - 1))); \
  } \
  __CS_API T __shfl_up_sync(unsigned m, T v, unsigned delta, int width = 32) { \
    int lane = __cs.thread->lane, source = lane - (int)delta; \
    return __cs_shuffle(m, v, source < (lane & ~(width - 1)) ? lane : source); \
  } \
  __CS_API T __shfl_down_sync(unsigned m, T v, unsigned delta, int width = 32) { \
    int lane = __cs.thread->lane, source = lane + (int)delta; \
    return __cs_shuffle(m, v, source > (lane | (width - 1)) ? lane : source); \
  } \
  __CS_API T __shfl_xor_sync(unsigned m, T v, int bits, int width = 32) { \
    int lane = __cs.thread->lane, source = lane ^ bits; \
    return __cs_shuffle(m, v, source > (lane | (width - 1)) ? lane : source); \
  }
__CS_SHUFFLES(int)
__CS_SHUFFLES(unsigned)
__CS_SHUFFLES(long)
__CS_SHUFFLES(unsigned long)
__CS_SHUFFLES(long long)
__CS_SHUFFLES(unsigned long long)
__CS_SHUFFLES(float)
__CS_SHUFFLES(double)
#define __CS_MATCHES(T) \
  __CS_API unsigned __match_any_sync(unsigned m, T v) { \
    return (unsigned)__cs_warp(__CS_MATCH_ANY, m, __cs_bits(v), 0); \
  } \
  __CS_API unsigned __match_all_sync(unsigned m, T v, int* all) { \
    unsigned mask = (unsigned)__cs_warp(__CS_MATCH_ALL, m, __cs_bits(v), 0); \
    *all = mask != 0; \
    return mask; \
  }
__CS_MATCHES(int)
__CS_MATCHES(unsigned)
__CS_MATCHES(long)
__CS_MATCHES(unsigned long)
__CS_MATCHES(long long)
__CS_MATCHES(unsigned long long)
__CS_MATCHES(float)
__CS_MATCHES(double)
__CS_API unsigned __reduce_add_sync(unsigned m, unsigned v) { return (unsigned)__cs_warp(__CS_ADD, m, v, 0); }
__CS_API int __reduce_add_sync(unsigned m, int v) { return (int)__cs_warp(__CS_ADD, m, (unsigned)v, 0); }
__CS_API unsigned __reduce_min_sync(unsigned m, unsigned v) { return (unsigned)__cs_warp(__CS_MINU, m, v, 0); }
__CS_API unsigned __reduce_max_sync(unsigned m, unsigned v) { return (unsigned)__cs_warp(__CS_MAXU, m, v, 0); }
__CS_API int __reduce_min_sync(unsigned m, int v) { return (int)__cs_warp(__CS_MINS, m, (long long)v, 0); }
__CS_API int __reduce_max_sync(unsigned m, int v) { return (int)__cs_warp(__CS_MAXS, m, (long long)v, 0); }
__CS_API unsigned __reduce_and_sync(unsigned m, unsigned v) { return (unsigned)__cs_warp(__CS_AND, m, v, 0); }
__CS_API unsigned __reduce_or_sync(unsigned m, unsigned v) { return (unsigned)__cs_warp(__CS_OR, m, v, 0); }
__CS_API unsigned __reduce_xor_sync(unsigned m, unsigned v) { return (unsigned)__cs_warp(__CS_XOR, m, v, 0); }

// ---- Atomics, fences, waiting -----------------------------------------------------------------
// Threads of a block take turns, so whatever a loop may wait with has to end the turn now and then.
__CS_API void __cs_turn() {
  if (__builtin_expect((++__cs.thread->spins & 127u) == 0, 0)) __cs_rt->yield_now(__cs.worker);
}
#define __CS_ATOMIC(NAME, T, BODY) \
  __CS_API T NAME(T* p, T v) { __cs_turn(); BODY } \
  __CS_API T NAME##_block(T* p, T v) { __cs_turn(); BODY } \
  __CS_API T NAME##_system(T* p, T v) { __cs_turn(); BODY }
// Replaces *p by NEXT, an expression in `old` and `v`, and answers the old value.
#define __CS_REPLACE(T, NEXT) \
  T old = __atomic_load_n(p, __ATOMIC_RELAXED); \
  while (!__atomic_compare_exchange_n(p, &old, (T)(NEXT), false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {} \
  return old;
#define __CS_FETCH(OP) return __atomic_fetch_##OP(p, v, __ATOMIC_RELAXED);
#define __CS_EACH_ATOMIC(T) \
  __CS_ATOMIC(atomicAdd, T, __CS_FETCH(add)) \
  __CS_ATOMIC(atomicExch, T, return __atomic_exchange_n(p, v, __ATOMIC_RELAXED);) \
  __CS_ATOMIC(atomicAnd, T, __CS_FETCH(and)) \
  __CS_ATOMIC(atomicOr, T, __CS_FETCH(or)) \
  __CS_ATOMIC(atomicXor, T, __CS_FETCH(xor))
__CS_EACH_ATOMIC(int)
__CS_EACH_ATOMIC(unsigned)
__CS_EACH_ATOMIC(unsigned long long)
__CS_ATOMIC(atomicSub, int, __CS_FETCH(sub))
__CS_ATOMIC(atomicSub, unsigned, __CS_FETCH(sub))
__CS_ATOMIC(atomicInc, unsigned, __CS_REPLACE(unsigned, old >= v ? 0u : old + 1u))
__CS_ATOMIC(atomicDec, unsigned, __CS_REPLACE(unsigned, old == 0u || old > v ? v : old - 1u))
#define __CS_EACH_MINMAX(T) \
  __CS_ATOMIC(atomicMin, T, __CS_REPLACE(T, v < old ? v : old)) \
  __CS_ATOMIC(atomicMax, T, __CS_REPLACE(T, v > old ? v : old))
__CS_EACH_MINMAX(int)
__CS_EACH_MINMAX(unsigned)
__CS_EACH_MINMAX(long long)
__CS_EACH_MINMAX(unsigned long long)
#define __CS_CAS(NAME, T) \
  __CS_API T NAME(T* p, T expected, T v) { \
    __cs_turn(); \
    __atomic_compare_exchange_n(p, &expected, v, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED); \
    return expected; \
  }
#define __CS_EACH_CAS(T) __CS_CAS(atomicCAS, T) __CS_CAS(atomicCAS_block, T) __CS_CAS(atomicCAS_system, T)
__CS_EACH_CAS(int)
__CS_EACH_CAS(unsigned)
__CS_EACH_CAS(unsigned long long)
__CS_EACH_CAS(unsigned short)
template <class T, class Bits> __CS_API T __cs_add_float(T* p, T v) {
  Bits old = __atomic_load_n((Bits*)p, __ATOMIC_RELAXED);
  for (;;) {
    T before = __cs_from_bits<T>(old);
    Bits next = (Bits)__cs_bits<T>(before + v);
    if (__atomic_compare_exchange_n((Bits*)p, &old, next, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) return before;
  }
}
__CS_ATOMIC(atomicAdd, float, return (__cs_add_float<float, unsigned>(p, v));)
__CS_ATOMIC(atomicAdd, double, return (__cs_add_float<double, unsigned long long>(p, v));)
__CS_ATOMIC(atomicExch, float,
            return __cs_from_bits<float>(__atomic_exchange_n((unsigned*)p, (unsigned)__cs_bits(v), __ATOMIC_RELAXED));)
__CS_API void __cs_fence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); __cs_turn(); }
__CS_API void __threadfence() { __cs_fence(); }
__CS_API void __threadfence_block() { __cs_fence(); }
__CS_API void __threadfence_system() { __cs_fence(); }
__CS_API void __nanosleep(unsigned) { __cs_rt->yield_now(__cs.worker); }
__CS_API void __trap() { __cs_rt->trap(__cs.worker, "__trap() was reached"); __builtin_unreachable(); }
#define assert(condition) \
  do { if (!(condition)) __cs_rt->trap(__cs.worker, "assertion failed: " #condition); } while (0)
__CS_API long long clock64() { return (long long)__builtin_ia32_rdtsc(); }
__CS_API long clock() { return (long)__builtin_ia32_rdtsc(); }
extern "C" int printf(const char*, ...);
template <class... A> static int __cs_printf(const char* format, A... values) {
  __cs_rt->protect(__cs.worker, 1);
  int written = __builtin_printf(format, values...);
  __cs_rt->protect(__cs.worker, 0);
  return written;
}
#define printf __cs_printf

// ---- Loads and stores -------------------------------------------------------------------------
template <class T> __CS_API T __ldg(const T* p) { return *p; }
template <class T> __CS_API T __ldca(const T* p) { return *p; }
template <class T> __CS_API T __ldcs(const T* p) { return *p; }
template <class T> __CS_API T __ldlu(const T* p) { return *p; }
template <class T> __CS_API T __ldcg(const T* p) { __cs_turn(); __asm__ volatile("" ::: "memory"); return *p; }
template <class T> __CS_API T __ldcv(const T* p) { __cs_turn(); __asm__ volatile("" ::: "memory"); return *p; }
template <class T> struct __cs_same { typedef T type; };
#define __CS_STORE(NAME) template <class T> __CS_API void NAME(T* p, typename __cs_same<T>::type v) { *p = v; }
__CS_STORE(__stwb)
__CS_STORE(__stcg)
__CS_STORE(__stcs)
__CS_STORE(__stwt)

// ---- Integers ---------------------------------------------------------------------------------
__CS_API int __popc(unsigned x) { return __builtin_popcount(x); }
__CS_API int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
__CS_API int __ffs(int x) { return __builtin_ffs(x); }
__CS_API int __ffsll(long long x) { return __builtin_ffsll(x); }
__CS_API int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
__CS_API int __clzll(long long x) { return x ? __builtin_clzll((unsigned long long)x) : 64; }
__CS_API unsigned __brev(unsigned x) {
  x = (x >> 1 & 0x55555555u) | (x & 0x55555555u) << 1;
  x = (x >> 2 & 0x33333333u) | (x & 0x33333333u) << 2;
  x = (x >> 4 & 0x0f0f0f0fu) | (x & 0x0f0f0f0fu) << 4;
  return __builtin_bswap32(x);
}
__CS_API unsigned long long __brevll(unsigned long long x) {
  return (unsigned long long)__brev((unsigned)x) << 32 | __brev((unsigned)(x >> 32));
}
__CS_API unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((unsigned long long)a * b >> 32); }
__CS_API int __mulhi(int a, int b) { return (int)((long long)a * b >> 32); }
__CS_API unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned long long)((unsigned __int128)a * b >> 64);
}
__CS_API long long __mul64hi(long long a, long long b) { return (long long)((__int128)a * b >> 64); }
__CS_API int __mul24(int a, int b) { return (a << 8 >> 8) * (b << 8 >> 8); }
__CS_API unsigned __umul24(unsigned a, unsigned b) { return (a & 0xffffffu) * (b & 0xffffffu); }
__CS_API unsigned __sad(int a, int b, unsigned c) { return c + (a > b ? (unsigned)a - (unsigned)b : (unsigned)b - (unsigned)a); }
__CS_API unsigned __usad(unsigned a, unsigned b, unsigned c) { return c + (a > b ? a - b : b - a); }
__CS_API int __hadd(int a, int b) { return (int)(((long long)a + b) >> 1); }
__CS_API int __rhadd(int a, int b) { return (int)(((long long)a + b + 1) >> 1); }
__CS_API unsigned __byte_perm(unsigned a, unsigned b, unsigned selector) {
  unsigned long long bytes = (unsigned long long)b << 32 | a;
  unsigned result = 0;
  for (int i = 0; i < 4; i++) {
    unsigned pick = selector >> (4 * i);
    unsigned byte = (unsigned)(bytes >> (8 * (pick & 7))) & 0xff;
    if (pick & 8) byte = byte & 0x80 ? 0xff : 0;
    result |= byte << (8 * i);
  }
  return result;
}
__CS_API unsigned __funnelshift_l(unsigned lo, unsigned hi, unsigned s) {
  return (unsigned)(((unsigned long long)hi << 32 | lo) << (s & 31) >> 32);
}
__CS_API unsigned __funnelshift_r(unsigned lo, unsigned hi, unsigned s) {
  return (unsigned)(((unsigned long long)hi << 32 | lo) >> (s & 31));
}
__CS_API unsigned __funnelshift_lc(unsigned lo, unsigned hi, unsigned s) {
  return s >= 32 ? lo : __funnelshift_l(lo, hi, s);
}
__CS_API unsigned __funnelshift_rc(unsigned lo, unsigned hi, unsigned s) {
  return s >= 32 ? hi : __funnelshift_r(lo, hi, s);
}
__CS_API unsigned __fns(unsigned mask, unsigned base, int offset) {
  for (int bit = (int)base, step = offset < 0 ? -1 : 1; bit >= 0 && bit < 32; bit += step)
    if (mask >> bit & 1) {
      if (offset == 0 || offset == step) return (unsigned)bit;
      offset -= step;
    } else if (offset == 0) {
      break;
    }
  return 0xffffffffu;
}
#define __CS_MINMAX(A, B, T) \
  __CS_API T min(A a, B b) { return (T)b < (T)a ? (T)b : (T)a; } \
  __CS_API T max(A a, B b) { return (T)a < (T)b ? (T)b : (T)a; }
#define __CS_MINMAX_MIXED(S, U) __CS_MINMAX(S, S, S) __CS_MINMAX(U, U, U) __CS_MINMAX(S, U, U) __CS_MINMAX(U, S, U)
__CS_MINMAX_MIXED(int, unsigned)
__CS_MINMAX_MIXED(long, unsigned long)
__CS_MINMAX_MIXED(long long, unsigned long long)
__CS_API int abs(int x) { return x < 0 ? -x : x; }
__CS_API long abs(long x) { return x < 0 ? -x : x; }
__CS_API long long abs(long long x) { return x < 0 ? -x : x; }
__CS_API long labs(long x) { return x < 0 ? -x : x; }
__CS_API long long llabs(long long x) { return x < 0 ? -x : x; }
__CS_API int umin(unsigned a, unsigned b) { return a < b ? a : b; }
__CS_API int umax(unsigned a, unsigned b) { return a < b ? b : a; }
__CS_API long long llmin(long long a, long long b) { return a < b ? a : b; }
__CS_API long long llmax(long long a, long long b) { return a < b ? b : a; }
__CS_API unsigned long long ullmin(unsigned long long a, unsigned long long b) { return a < b ? a : b; }
__CS_API unsigned long long ullmax(unsigned long long a, unsigned long long b) { return a < b ? b : a; }

// ---- Memory -----------------------------------------------------------------------------------
extern "C" void* memcpy(void*, const void*, size_t) noexcept;
extern "C" void* memset(void*, int, size_t) noexcept;
extern "C" void* memmove(void*, const void*, size_t) noexcept;
extern "C" int memcmp(const void*, const void*, size_t) noexcept;

// ---- Floating point ---------------------------------------------------------------------------
__CS_API float __int_as_float(int v) { return __cs_from_bits<float>((unsigned)v); }
__CS_API float __uint_as_float(unsigned v) { return __cs_from_bits<float>(v); }
__CS_API int __float_as_int(float v) { return (int)__cs_bits(v); }
__CS_API unsigned __float_as_uint(float v) { return (unsigned)__cs_bits(v); }
__CS_API long long __double_as_longlong(double v) { return (long long)__cs_bits(v); }
__CS_API double __longlong_as_double(long long v) { return __cs_from_bits<double>((unsigned long long)v); }
__CS_API int __double2hiint(double v) { return (int)(__cs_bits(v) >> 32); }
__CS_API int __double2loint(double v) { return (int)__cs_bits(v); }
__CS_API double __hiloint2double(int hi, int lo) {
  return __cs_from_bits<double>((unsigned long long)(unsigned)hi << 32 | (unsigned)lo);
}
#define __CS_MATH1(N) extern "C" double N(double) noexcept; extern "C" float N##f(float) noexcept; \
  __CS_API float N(float x) { return N##f(x); }
#define __CS_MATH2(N) extern "C" double N(double, double) noexcept; extern "C" float N##f(float, float) noexcept; \
  __CS_API float N(float x, float y) { return N##f(x, y); }
__CS_MATH1(sqrt) __CS_MATH1(cbrt) __CS_MATH1(exp) __CS_MATH1(exp2) __CS_MATH1(expm1) __CS_MATH1(log)
__CS_MATH1(log2) __CS_MATH1(log10) __CS_MATH1(log1p) __CS_MATH1(sin) __CS_MATH1(cos) __CS_MATH1(tan)
__CS_MATH1(asin) __CS_MATH1(acos) __CS_MATH1(atan) __CS_MATH1(sinh) __CS_MATH1(cosh) __CS_MATH1(tanh)
__CS_MATH1(asinh) __CS_MATH1(acosh) __CS_MATH1(atanh) __CS_MATH1(floor) __CS_MATH1(ceil) __CS_MATH1(trunc)
__CS_MATH1(round) __CS_MATH1(rint) __CS_MATH1(nearbyint) __CS_MATH1(fabs) __CS_MATH1(erf) __CS_MATH1(erfc)
__CS_MATH1(tgamma) __CS_MATH1(lgamma)
__CS_MATH2(pow) __CS_MATH2(fmod) __CS_MATH2(atan2) __CS_MATH2(hypot) __CS_MATH2(fmin) __CS_MATH2(fmax)
__CS_MATH2(copysign) __CS_MATH2(remainder) __CS_MATH2(nextafter) __CS_MATH2(fdim)
extern "C" double fma(double, double, double) noexcept;
extern "C" float fmaf(float, float, float) noexcept;
__CS_API float fma(float a, float b, float c) { return fmaf(a, b, c); }
extern "C" double ldexp(double, int) noexcept;
extern "C" float ldexpf(float, int) noexcept;
extern "C" double frexp(double, int*) noexcept;
extern "C" float frexpf(float, int*) noexcept;
extern "C" double modf(double, double*) noexcept;
extern "C" float modff(float, float*) noexcept;
extern "C" long long llrint(double) noexcept;
extern "C" long long llround(double) noexcept;
extern "C" long lrint(double) noexcept;
extern "C" long lround(double) noexcept;
__CS_API float abs(float x) { return __builtin_fabsf(x); }
__CS_API double abs(double x) { return __builtin_fabs(x); }
__CS_API float min(float a, float b) { return fminf(a, b); }
__CS_API float max(float a, float b) { return fmaxf(a, b); }
__CS_API double min(double a, double b) { return fmin(a, b); }
__CS_API double max(double a, double b) { return fmax(a, b); }
__CS_API double min(float a, double b) { return fmin((double)a, b); }
__CS_API double max(float a, double b) { return fmax((double)a, b); }
__CS_API double min(double a, float b) { return fmin(a, (double)b); }
__CS_API double max(double a, float b) { return fmax(a, (double)b); }
__CS_API float rsqrtf(float x) { return 1.0f / sqrtf(x); }
__CS_API double rsqrt(double x) { return 1.0 / sqrt(x); }
__CS_API float __saturatef(float x) { return x > 1.0f ? 1.0f : x > 0.0f ? x : 0.0f; }
__CS_API float __fdividef(float a, float b) { return a / b; }
#define isnan(x) __builtin_isnan(x)
#define isinf(x) (__builtin_isinf(x) != 0)
#define isfinite(x) __builtin_isfinite(x)
#define signbit(x) __builtin_signbit(x)
// The host's compiler knows some of these names as its own, so they are macros.
#define __expf(x) expf(x)
#define __exp10f(x) powf(10.0f, x)
#define __logf(x) logf(x)
#define __log2f(x) log2f(x)
#define __log10f(x) log10f(x)
#define __sinf(x) sinf(x)
#define __cosf(x) cosf(x)
#define __tanf(x) tanf(x)
#define __powf(x, y) powf(x, y)
#define exp10(x) pow(10.0, x)
#define exp10f(x) powf(10.0f, x)
// Each operation rounds to nearest, and none is fused with its neighbour.
__CS_API double __dadd_rn(double a, double b) { return a + b; }
__CS_API double __dsub_rn(double a, double b) { return a - b; }
__CS_API double __dmul_rn(double a, double b) { return a * b; }
__CS_API double __ddiv_rn(double a, double b) { return a / b; }
__CS_API double __drcp_rn(double a) { return 1.0 / a; }
__CS_API double __dsqrt_rn(double a) { return sqrt(a); }
__CS_API double __fma_rn(double a, double b, double c) { return fma(a, b, c); }
__CS_API float __fadd_rn(float a, float b) { return a + b; }
__CS_API float __fsub_rn(float a, float b) { return a - b; }
__CS_API float __fmul_rn(float a, float b) { return a * b; }
__CS_API float __fdiv_rn(float a, float b) { return a / b; }
__CS_API float __frcp_rn(float a) { return 1.0f / a; }
__CS_API float __fsqrt_rn(float a) { return sqrtf(a); }
__CS_API float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
// Conversions saturate, and NaN becomes zero, or the sign bit alone in 64 bits.
#define __CS_CONVERT(NAME, T, F, LOW, HIGH, NAN_VALUE) \
  __CS_API T NAME##_cs(F x) { return x != x ? (T)(NAN_VALUE) : x <= (F)(LOW) ? (T)(LOW) : x >= (F)(HIGH) ? (T)(HIGH) : (T)x; }
__CS_CONVERT(__cs_i32_from_f32, int, float, -2147483647 - 1, 2147483647, 0)
__CS_CONVERT(__cs_i32_from_f64, int, double, -2147483647 - 1, 2147483647, 0)
__CS_CONVERT(__cs_u32_from_f32, unsigned, float, 0u, 4294967295u, 0)
__CS_CONVERT(__cs_u32_from_f64, unsigned, double, 0u, 4294967295u, 0)
__CS_CONVERT(__cs_i64_from_f32, long long, float, -9223372036854775807LL - 1, 9223372036854775807LL, 1ULL << 63)
__CS_CONVERT(__cs_i64_from_f64, long long, double, -9223372036854775807LL - 1, 9223372036854775807LL, 1ULL << 63)
__CS_CONVERT(__cs_u64_from_f32, unsigned long long, float, 0ULL, 18446744073709551615ULL, 1ULL << 63)
__CS_CONVERT(__cs_u64_from_f64, unsigned long long, double, 0ULL, 18446744073709551615ULL, 1ULL << 63)
#define __CS_ROUNDED(PREFIX, T, F, CONVERT) \
  __CS_API T PREFIX##_rn(F x) { return CONVERT##_cs(rint(x)); } \
  __CS_API T PREFIX##_rz(F x) { return CONVERT##_cs(trunc(x)); } \
  __CS_API T PREFIX##_rd(F x) { return CONVERT##_cs(floor(x)); } \
  __CS_API T PREFIX##_ru(F x) { return CONVERT##_cs(ceil(x)); }
__CS_ROUNDED(__float2int, int, float, __cs_i32_from_f32)
__CS_ROUNDED(__float2uint, unsigned, float, __cs_u32_from_f32)
__CS_ROUNDED(__float2ll, long long, float, __cs_i64_from_f32)
__CS_ROUNDED(__float2ull, unsigned long long, float, __cs_u64_from_f32)
__CS_ROUNDED(__double2int, int, double, __cs_i32_from_f64)
__CS_ROUNDED(__double2uint, unsigned, double, __cs_u32_from_f64)
__CS_ROUNDED(__double2ll, long long, double, __cs_i64_from_f64)
__CS_ROUNDED(__double2ull, unsigned long long, double, __cs_u64_from_f64)
__CS_API float __double2float_rn(double x) { return (float)x; }
__CS_API float __int2float_rn(int x) { return (float)x; }
__CS_API float __uint2float_rn(unsigned x) { return (float)x; }
__CS_API float __ll2float_rn(long long x) { return (float)x; }
__CS_API float __ull2float_rn(unsigned long long x) { return (float)x; }
__CS_API double __int2double_rn(int x) { return (double)x; }
__CS_API double __uint2double_rn(unsigned x) { return (double)x; }
__CS_API double __ll2double_rn(long long x) { return (double)x; }
__CS_API double __ull2double_rn(unsigned long long x) { return (double)x; }

// ---- The table of kernels, which the translator appends ----------------------------------------
struct __cs_kernel {
  const char* name;
  void (*call)(void* const*);
  unsigned parameter_count;
  const unsigned* parameter_sizes;
  const unsigned* parameter_alignments;
};
template <class T> struct __cs_plain { typedef T type; };
template <class T> struct __cs_plain<const T> { typedef T type; };
template <unsigned...> struct __cs_indices {};
template <unsigned N, unsigned... I> struct __cs_count : __cs_count<N - 1, N - 1, I...> {};
template <unsigned... I> struct __cs_count<0, I...> { typedef __cs_indices<I...> type; };
template <class> struct __cs_signature;
template <class... A> struct __cs_signature<void (*)(A...)> {
  static constexpr unsigned sizes[] = {(unsigned)sizeof(A)..., 0u};
  static constexpr unsigned alignments[] = {(unsigned)alignof(A)..., 0u};
  template <void (*F)(A...), unsigned... I> static void spread(void* const* p, __cs_indices<I...>) {
    F(*(A*)p[I]...);
  }
  template <void (*F)(A...)> static void call(void* const* p) {
    spread<F>(p, typename __cs_count<sizeof...(A)>::type{});
  }
  template <void (*F)(A...)> static constexpr __cs_kernel entry(const char* name) {
    return {name, &call<F>, sizeof...(A), sizes, alignments};
  }
};

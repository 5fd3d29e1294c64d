// One result for each intrinsic, checked on the host.
typedef unsigned long long u64;
extern "C" __global__ void integers(u64* out, unsigned a, unsigned b, u64 c, u64 d) {
  int i = 0;
  asm volatile("" ::: "memory");
  out[i++] = __popc(a);
  out[i++] = __popcll(c);
  out[i++] = __clz((int)a);
  out[i++] = __clzll((long long)c);
  out[i++] = __ffs((int)a);
  out[i++] = __ffsll((long long)c);
  out[i++] = __brev(a);
  out[i++] = __brevll(c);
  out[i++] = __byte_perm(a, b, 0x7531);
  out[i++] = __umulhi(a, b);
  out[i++] = __umul64hi(c, d);
  out[i++] = (u64)__mul64hi((long long)c, -(long long)d);
  out[i++] = __funnelshift_l(a, b, 8);
  out[i++] = __funnelshift_r(a, b, 8);
  out[i++] = min(a, b);
  out[i++] = max((long long)c, -1ll);
  out[i++] = (u64)__double_as_longlong(__dadd_rn(1.0, 0x1p-53));
  out[i++] = (u64)__double_as_longlong(__fma_rn(3.0, 5.0, 0.25));
  out[i++] = (u64)__double2ll_rz(1e30);
  out[i++] = (u64)__float2int_rn(2.5f);
  out[i++] = __float_as_uint(sqrtf(2.0f));
}

extern "C" __global__ void atomics(unsigned* words, u64* longs, double* reals, unsigned short* halves) {
  atomicAdd(&words[0], 1u);
  atomicSub(&words[1], 1u);
  atomicMin(&words[2], threadIdx.x);
  atomicMax(&words[3], threadIdx.x);
  atomicAnd(&words[4], ~(1u << (threadIdx.x & 31)));
  atomicOr_block(&words[5], 1u << (threadIdx.x & 31));
  atomicXor(&words[6], threadIdx.x);
  atomicInc(&words[7], 9u);
  atomicAdd_system(&longs[0], (u64)threadIdx.x);
  atomicMax(&longs[1], (u64)threadIdx.x << 32);
  atomicMin((long long*)&longs[2], -(long long)threadIdx.x);
  atomicAdd(&reals[0], 0.5);
  for (unsigned short seen = halves[1];;) {
    unsigned short found = atomicCAS(&halves[1], seen, (unsigned short)(seen + 1));
    if (found == seen) break;
    seen = found;
  }
}

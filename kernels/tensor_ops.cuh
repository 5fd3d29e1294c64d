// What a fused program does at each element: the operators of `swath_array::program`, with the special cases of the
// Python array API standard. Integers wrap; half precision is computed in single and rounded after each operator.

// One definition for booleans, integers, floats, half precision and complex numbers would hide what each does, so an
// operator names the kinds that it takes; the host asks for no others.
#define OF_SMALL(expression)                                                                                         \
    if constexpr (is_small<T>) return rounded<T>(expression);                                                        \
    else
#define FLOAT_FUNCTION(NAME, FUNCTION)                                                                               \
    template <class T> DEVICE T NAME(T x) {                                                                          \
        OF_SMALL(FUNCTION(x.v)) return FUNCTION(x);                                                                  \
    }
#define FLOAT_FUNCTION_OF_TWO(NAME, FUNCTION)                                                                        \
    template <class T> DEVICE T NAME(T x, T y) {                                                                     \
        OF_SMALL(FUNCTION(x.v, y.v)) return FUNCTION(x, y);                                                          \
    }
// The functions that have a definition for complex numbers in `tensor_complex.cuh`.
#define FUNCTION_OF_BOTH(NAME, FUNCTION)                                                                             \
    template <class T> DEVICE T NAME(T x) {                                                                          \
        OF_SMALL(FUNCTION(x.v)) if constexpr (is_complex<T>) return complex_##FUNCTION(x);                           \
        else return FUNCTION(x);                                                                                     \
    }
template <class R> static __device__ Complex<R> complex_acos(Complex<R> z);
template <class R> static __device__ Complex<R> complex_acosh(Complex<R> z);
template <class R> static __device__ Complex<R> complex_asin(Complex<R> z);
template <class R> static __device__ Complex<R> complex_asinh(Complex<R> z);
template <class R> static __device__ Complex<R> complex_atan(Complex<R> z);
template <class R> static __device__ Complex<R> complex_atanh(Complex<R> z);
template <class R> static __device__ Complex<R> complex_cos(Complex<R> z);
template <class R> static __device__ Complex<R> complex_cosh(Complex<R> z);
template <class R> static __device__ Complex<R> complex_exp(Complex<R> z);
template <class R> static __device__ Complex<R> complex_expm1(Complex<R> z);
template <class R> static __device__ Complex<R> complex_log(Complex<R> z);
template <class R> static __device__ Complex<R> complex_log1p(Complex<R> z);
template <class R> static __device__ Complex<R> complex_log2(Complex<R> z);
template <class R> static __device__ Complex<R> complex_log10(Complex<R> z);
template <class R> static __device__ Complex<R> complex_sin(Complex<R> z);
template <class R> static __device__ Complex<R> complex_sinh(Complex<R> z);
template <class R> static __device__ Complex<R> complex_sqrt(Complex<R> z);
template <class R> static __device__ Complex<R> complex_tan(Complex<R> z);
template <class R> static __device__ Complex<R> complex_tanh(Complex<R> z);
template <class R> static __device__ Complex<R> complex_exp2(Complex<R> z);
template <class R> static __device__ Complex<R> complex_pow(Complex<R> x, Complex<R> y);
template <class R> static __device__ Complex<R> complex_multiply(Complex<R> x, Complex<R> y);
template <class R> static __device__ Complex<R> complex_divide(Complex<R> x, Complex<R> y);
template <class R> static __device__ Complex<R> complex_sign(Complex<R> z);
template <class R> static __device__ R complex_abs(Complex<R> z);

FUNCTION_OF_BOTH(op_acos, acos)
FUNCTION_OF_BOTH(op_acosh, acosh)
FUNCTION_OF_BOTH(op_asin, asin)
FUNCTION_OF_BOTH(op_asinh, asinh)
FUNCTION_OF_BOTH(op_atan, atan)
FUNCTION_OF_BOTH(op_atanh, atanh)
FUNCTION_OF_BOTH(op_cos, cos)
FUNCTION_OF_BOTH(op_cosh, cosh)
FUNCTION_OF_BOTH(op_exp, exp)
FUNCTION_OF_BOTH(op_expm1, expm1)
FUNCTION_OF_BOTH(op_log, log)
FUNCTION_OF_BOTH(op_log1p, log1p)
FUNCTION_OF_BOTH(op_log2, log2)
FUNCTION_OF_BOTH(op_log10, log10)
FUNCTION_OF_BOTH(op_sin, sin)
FUNCTION_OF_BOTH(op_sinh, sinh)
FUNCTION_OF_BOTH(op_sqrt, sqrt)
FUNCTION_OF_BOTH(op_tan, tan)
FUNCTION_OF_BOTH(op_tanh, tanh)
FUNCTION_OF_BOTH(op_exp2, exp2)
FLOAT_FUNCTION(op_cbrt, cbrt)
FLOAT_FUNCTION_OF_TWO(op_atan2, atan2)
FLOAT_FUNCTION_OF_TWO(op_hypot, hypot)
FLOAT_FUNCTION_OF_TWO(op_copysign, copysign)

// Whole numbers: the identity of integers and booleans.
#define ROUNDING(NAME, FUNCTION)                                                                                     \
    template <class T> DEVICE T NAME(T x) {                                                                          \
        if constexpr (is_small<T>) return T{FUNCTION(x.v)};                                                          \
        else if constexpr (is_float<T>) return FUNCTION(x);                                                          \
        else if constexpr (is_complex<T>) return T{FUNCTION(x.re), FUNCTION(x.im)};                                  \
        else return x;                                                                                               \
    }
ROUNDING(op_ceil, ceil)
ROUNDING(op_floor, floor)
ROUNDING(op_trunc, trunc)
ROUNDING(op_round, rint)

// Also of −0.0.
DEVICE bool has_sign(f32 x) { return __float_as_uint(x) >> 31; }
DEVICE bool has_sign(f64 x) { return (u64)__double_as_longlong(x) >> 63; }
template <class T> DEVICE T op_negative(T x) {
    if constexpr (is_small<T>) return T{-x.v};
    else if constexpr (is_complex<T>) return T{-x.re, -x.im};
    else if constexpr (is_integer<T>) return (T)((Wrapping<T>)0 - (Wrapping<T>)x);
    else return -x;
}
template <class T> DEVICE Part<T> op_abs(T x) {
    if constexpr (is_small<T>) return T{fabs(x.v)};
    else if constexpr (is_complex<T>) return complex_abs(x);
    else if constexpr (is_float<T>) return fabs(x);
    else if constexpr (is_signed<T>) return x < 0 ? op_negative(x) : x;
    else return x;
}
template <class T> DEVICE T op_bitwise_invert(T x) {
    if constexpr (is_bool<T>) return !x;
    else return (T)~x;
}
template <class T> DEVICE bool op_logical_not(T x) { return !convert<bool>(x); }
template <class T> DEVICE T op_conj(T x) {
    if constexpr (is_complex<T>) return T{x.re, -x.im};
    else return x;
}
template <class T> DEVICE Part<T> op_real(T x) {
    if constexpr (is_complex<T>) return x.re;
    else return x;
}
template <class T> DEVICE Part<T> op_imag(T x) {
    if constexpr (is_complex<T>) return x.im;
    else return convert<T>(false);
}
template <class T> DEVICE Part<T> op_angle(T x) {
    if constexpr (is_complex<T>) return atan2(x.im, x.re);
    else if constexpr (is_small<T>) return rounded<T>(op_angle(x.v));
    else return x != x ? x : has_sign(x) ? (T)3.141592653589793238462643383279502884 : (T)0;
}
template <class T> DEVICE bool op_is_nan(T x) {
    if constexpr (is_small<T>) return x.v != x.v;
    else if constexpr (is_complex<T>) return x.re != x.re || x.im != x.im;
    else return x != x;
}
template <class R> DEVICE bool is_infinite(R x) { return fabs(x) == infinity<R>(); }
template <class T> DEVICE bool op_is_inf(T x) {
    if constexpr (is_small<T>) return is_infinite(x.v);
    else if constexpr (is_complex<T>) return is_infinite(x.re) || is_infinite(x.im);
    else if constexpr (is_float<T>) return is_infinite(x);
    else return false;
}
template <class T> DEVICE bool op_is_finite(T x) {
    if constexpr (is_small<T>) return fabs(x.v) < F32_INFINITY;
    else if constexpr (is_complex<T>) return fabs(x.re) < infinity<Part<T>>() && fabs(x.im) < infinity<Part<T>>();
    else if constexpr (is_float<T>) return fabs(x) < infinity<T>();
    else return true;
}
template <class T> DEVICE bool op_sign_bit(T x) {
    if constexpr (is_small<T>) return has_sign(x.v);
    else if constexpr (is_float<T>) return has_sign(x);
    else if constexpr (is_signed<T>) return x < 0;
    else return false;
}
template <class T> DEVICE T op_sign(T x) {
    if constexpr (is_small<T>) return T{op_sign(x.v)};
    else if constexpr (is_complex<T>) return complex_sign(x);
    else if constexpr (is_float<T>) return x > 0 ? (T)1 : x < 0 ? (T)-1 : x == 0 ? (T)0 : x;
    else if constexpr (is_signed<T>) return (T)((x > 0) - (x < 0));
    else return x != 0;
}
template <class T> DEVICE T op_multiply(T x, T y) {
    OF_SMALL(x.v * y.v)
    if constexpr (is_complex<T>) return complex_multiply(x, y);
    else if constexpr (is_integer<T>) return (T)((Wrapping<T>)x * (Wrapping<T>)y);
    else if constexpr (is_bool<T>) return x && y;
    else return x * y;
}
template <class T> DEVICE T op_square(T x) { return op_multiply(x, x); }
template <class T> DEVICE T op_add(T x, T y) {
    OF_SMALL(x.v + y.v)
    if constexpr (is_complex<T>) return T{x.re + y.re, x.im + y.im};
    else if constexpr (is_integer<T>) return (T)((Wrapping<T>)x + (Wrapping<T>)y);
    else if constexpr (is_bool<T>) return x || y;
    else return x + y;
}
template <class T> DEVICE T op_subtract(T x, T y) {
    OF_SMALL(x.v - y.v)
    if constexpr (is_complex<T>) return T{x.re - y.re, x.im - y.im};
    else if constexpr (is_integer<T>) return (T)((Wrapping<T>)x - (Wrapping<T>)y);
    else if constexpr (is_bool<T>) return x != y;
    else return x - y;
}
// Toward zero; by 0 it is 0, and the least by −1 wraps.
template <class T> DEVICE T integer_quotient(T x, T y) {
    if (y == 0) return 0;
    if constexpr (is_signed<T>) {
        if (y == (T)-1) return op_negative(x);
    }
    return (T)(x / y);
}
template <class T> DEVICE T op_divide(T x, T y) {
    OF_SMALL(x.v / y.v)
    if constexpr (is_complex<T>) return complex_divide(x, y);
    else if constexpr (is_integer<T>) return integer_quotient(x, y);
    else return x / y;
}
template <class T> DEVICE T op_reciprocal(T x) {
    OF_SMALL(1.0f / x.v)
    if constexpr (is_complex<T>) return complex_divide(T{1, 0}, x);
    else if constexpr (is_integer<T>) return integer_quotient((T)1, x);
    else return 1 / x;
}
template <class T> DEVICE T op_fmod(T x, T y) {
    OF_SMALL(fmod(x.v, y.v))
    if constexpr (is_integer<T>) return (T)((Wrapping<T>)x - (Wrapping<T>)integer_quotient(x, y) * (Wrapping<T>)y) * (y != 0);
    else return fmod(x, y);
}
template <class T> DEVICE T op_remainder(T x, T y) {
    OF_SMALL(op_remainder(x.v, y.v))
    if constexpr (is_integer<T>) {
        T rest = op_fmod(x, y);
        if constexpr (is_signed<T>) {
            if (rest != 0 && (rest < 0) != (y < 0)) rest = (T)(rest + y);
        }
        return rest;
    } else {
        T rest = fmod(x, y);
        if (rest == 0) return copysign(rest, y);
        return (rest < 0) != (y < 0) ? rest + y : rest;
    }
}
template <class T> DEVICE T op_floor_divide(T x, T y) {
    OF_SMALL(op_floor_divide(x.v, y.v))
    if constexpr (is_integer<T>) {
        T quotient = integer_quotient(x, y);
        if constexpr (is_signed<T>) {
            if (op_fmod(x, y) != 0 && (x < 0) != (y < 0)) quotient = (T)(quotient - 1);
        }
        return quotient;
    } else {
        T plain = x / y;
        if (y == 0 || !op_is_finite(x) || !op_is_finite(y)) return plain;
        T rest = fmod(x, y), quotient = (x - rest) / y;
        if (rest != 0 && (rest < 0) != (y < 0)) quotient -= 1;
        if (quotient == 0) return copysign((T)0, plain);
        T whole = floor(quotient);
        return quotient - whole > (T)0.5 ? whole + 1 : whole;
    }
}
template <class T> DEVICE T op_pow(T x, T y) {
    OF_SMALL(pow(x.v, y.v))
    if constexpr (is_complex<T>) {
        return complex_pow(x, y);
    } else if constexpr (is_integer<T>) {
        if constexpr (is_signed<T>) {
            if (y < 0) return x == 1 ? 1 : x == (T)-1 ? ((y & 1) ? (T)-1 : (T)1) : 0;
        }
        Wrapping<T> result = 1, base = (Wrapping<T>)x;
        for (Wrapping<T> left = (Wrapping<T>)y; left; left >>= 1) {
            if (left & 1) result *= base;
            base *= base;
        }
        return (T)result;
    } else {
        return pow(x, y);
    }
}
// The neighbour of a half-precision number: the next of the 16-bit patterns.
template <class T> DEVICE T small_next_after(T x, T y) {
    if (x.v != x.v || y.v != y.v) return T{F32_NAN};
    if (x.v == y.v) return y;
    u16 b = Stored<T>::store(x);
    if (x.v == 0) b = y.v > 0 ? 1 : 0x8001;
    else if ((x.v < y.v) == (x.v > 0)) b++;
    else b--;
    return Stored<T>::load(b);
}
template <class T> DEVICE T op_next_after(T x, T y) {
    if constexpr (is_small<T>) return small_next_after(x, y);
    else return nextafter(x, y);
}
template <class T> DEVICE T op_log_add_exp(T x, T y) {
    OF_SMALL(op_log_add_exp(x.v, y.v)) {
        if (x == y) return x + (T)0.693147180559945309417232121458176568;
        T difference = x - y;
        if (difference > 0) return x + log1p(exp(-difference));
        if (difference <= 0) return y + log1p(exp(difference));
        return difference;
    }
}
template <class T> DEVICE bool op_less(T x, T y) {
    if constexpr (is_small<T>) return x.v < y.v;
    else return x < y;
}
template <class T> DEVICE bool op_less_equal(T x, T y) {
    if constexpr (is_small<T>) return x.v <= y.v;
    else return x <= y;
}
template <class T> DEVICE bool op_greater(T x, T y) { return op_less(y, x); }
template <class T> DEVICE bool op_greater_equal(T x, T y) { return op_less_equal(y, x); }
template <class T> DEVICE bool op_equal(T x, T y) {
    if constexpr (is_small<T>) return x.v == y.v;
    else if constexpr (is_complex<T>) return x.re == y.re && x.im == y.im;
    else return x == y;
}
template <class T> DEVICE bool op_not_equal(T x, T y) { return !op_equal(x, y); }
// NaN where one is.
template <class T> DEVICE T op_maximum(T x, T y) { return op_is_nan(x) || op_greater(x, y) ? x : y; }
template <class T> DEVICE T op_minimum(T x, T y) { return op_is_nan(x) || op_less(x, y) ? x : y; }
// The other where one is NaN.
template <class T> DEVICE T op_fmax(T x, T y) { return op_is_nan(y) || op_greater_equal(x, y) ? x : y; }
template <class T> DEVICE T op_fmin(T x, T y) { return op_is_nan(y) || op_less_equal(x, y) ? x : y; }

template <class T> DEVICE T op_bitwise_and(T x, T y) {
    if constexpr (is_bool<T>) return x && y;
    else return (T)(x & y);
}
template <class T> DEVICE T op_bitwise_or(T x, T y) {
    if constexpr (is_bool<T>) return x || y;
    else return (T)(x | y);
}
template <class T> DEVICE T op_bitwise_xor(T x, T y) {
    if constexpr (is_bool<T>) return x != y;
    else return (T)(x ^ y);
}
// By the width of the type or more, or by less than nothing, all bits go.
template <class T> DEVICE T op_shift_left(T x, T y) {
    return (Wrapping<T>)y < 8 * sizeof(T) ? (T)((Wrapping<T>)x << (Wrapping<T>)y) : (T)0;
}
template <class T> DEVICE T op_shift_right(T x, T y) {
    if ((Wrapping<T>)y < 8 * sizeof(T)) return (T)(x >> (int)y);
    if constexpr (is_signed<T>) return x < 0 ? (T)-1 : (T)0;
    else return 0;
}
template <class T> DEVICE bool op_logical_and(T x, T y) { return convert<bool>(x) && convert<bool>(y); }
template <class T> DEVICE bool op_logical_or(T x, T y) { return convert<bool>(x) || convert<bool>(y); }
template <class T> DEVICE bool op_logical_xor(T x, T y) { return convert<bool>(x) != convert<bool>(y); }
template <class T> DEVICE auto op_complex(T x, T y) {
    if constexpr (is_small<T>) return c64{x.v, y.v};
    else return Complex<T>{x, y};
}

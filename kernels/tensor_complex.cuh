// Functions of complex numbers, computed in double precision: Kahan, "Branch cuts for complex elementary functions, or
// much ado about nothing's sign bit", 1987; special cases as annex G of C99 has them, which the array API standard
// follows.

#define PI 3.141592653589793238462643383279502884
#define LN2 0.693147180559945309417232121458176568
#define LN10 2.302585092994045684017991454684364208

DEVICE bool finite(f64 x) { return fabs(x) < F64_INFINITY; }
DEVICE c128 i_times(c128 z) { return c128{-z.im, z.re}; }
DEVICE c128 minus_i_times(c128 z) { return c128{z.im, -z.re}; }

static __device__ __noinline__ c128 z_exp(c128 z) {
    if (z.im == 0) return c128{exp(z.re), z.im};
    if (!finite(z.re) && !finite(z.im)) {
        if (z.re < 0) return c128{0, 0};
        if (z.re > 0) return c128{z.re, F64_NAN};
    }
    if (z.re > 700 && finite(z.re)) {
        f64 half = exp(z.re / 2);
        return c128{half * cos(z.im) * half, half * sin(z.im) * half};
    }
    f64 length = exp(z.re);
    return c128{length * cos(z.im), length * sin(z.im)};
}
static __device__ __noinline__ c128 z_log(c128 z) { return c128{log(hypot(z.re, z.im)), atan2(z.im, z.re)}; }
static __device__ __noinline__ c128 z_sqrt(c128 z) {
    f64 x = z.re, y = z.im;
    if (x == 0 && y == 0) return c128{0, y};
    if (is_infinite(y)) return c128{F64_INFINITY, y};
    if (x != x) return c128{x, x};
    if (is_infinite(x)) {
        if (x > 0) return c128{x, y != y ? y : copysign(0.0, y)};
        return c128{fabs(y - y), copysign(x, y)};
    }
    f64 scale = 1;
    if (fabs(x) > 1e300 || fabs(y) > 1e300) {
        x *= 0.25;
        y *= 0.25;
        scale = 2;
    } else if (fabs(x) < 1e-290 && fabs(y) < 1e-290) {
        x *= 0x1p108;
        y *= 0x1p108;
        scale = 0x1p-54;
    }
    f64 t = sqrt((hypot(x, y) + fabs(x)) * 0.5), other = y / (2 * t);
    if (x >= 0) return c128{scale * t, scale * other};
    return c128{scale * fabs(other), scale * copysign(t, y)};
}
static __device__ __noinline__ c128 z_sinh(c128 z) {
    if (z.im == 0) return c128{sinh(z.re), z.im};
    if (z.re == 0) return c128{z.re, sin(z.im)};
    if (is_infinite(z.re) && !finite(z.im)) return c128{z.re, F64_NAN};
    return c128{sinh(z.re) * cos(z.im), cosh(z.re) * sin(z.im)};
}
static __device__ __noinline__ c128 z_cosh(c128 z) {
    if (z.im == 0) return c128{cosh(z.re), has_sign(z.re) ? -z.im : z.im};
    if (z.re == 0) return c128{cos(z.im), has_sign(z.im) ? -z.re : z.re};
    if (is_infinite(z.re) && !finite(z.im)) return c128{F64_INFINITY, F64_NAN};
    return c128{cosh(z.re) * cos(z.im), sinh(z.re) * sin(z.im)};
}
static __device__ __noinline__ c128 z_tanh(c128 z) {
    f64 x = z.re, y = z.im;
    if (is_infinite(x)) return c128{copysign(1.0, x), finite(y) ? copysign(0.0, sin(2 * y)) : 0.0};
    if (y == 0) return c128{tanh(x), y};
    if (!finite(y)) return c128{x == 0 ? x : F64_NAN, F64_NAN};
    if (fabs(x) > 22) return c128{copysign(1.0, x), 4 * sin(y) * cos(y) * exp(-2 * fabs(x))};
    f64 t = tan(y), beta = 1 + t * t, s = sinh(x), rho = sqrt(1 + s * s), scale = 1 + beta * s * s;
    if (is_infinite(t)) return c128{rho / s, 1 / t};
    return c128{beta * rho * s / scale, t / scale};
}
static __device__ __noinline__ c128 z_asinh(c128 z) {
    f64 x = z.re, y = z.im;
    if (!finite(x) || !finite(y)) {
        if (is_infinite(x)) return c128{x, y != y ? y : copysign(is_infinite(y) ? PI / 4 : 0.0, y)};
        if (is_infinite(y)) return c128{copysign(F64_INFINITY, x), x != x ? x : copysign(PI / 2, y)};
        return c128{F64_NAN, y == 0 ? y : F64_NAN};
    }
    if (fabs(x) > 1e150 || fabs(y) > 1e150) {
        f64 length = log(hypot(x * 0.5, y * 0.5)) + 2 * LN2;
        return c128{copysign(length, x), atan2(y, fabs(x))};
    }
    // asin(iz) = i asinh(z)
    c128 w = c128{-y, x}, minus = z_sqrt(c128{1 - w.re, -w.im}), plus = z_sqrt(c128{1 + w.re, w.im});
    f64 re = atan2(w.re, minus.re * plus.re - minus.im * plus.im);
    f64 im = asinh(minus.re * plus.im - minus.im * plus.re);
    return c128{im, -re};
}
static __device__ __noinline__ c128 z_asin(c128 z) { return minus_i_times(z_asinh(i_times(z))); }
static __device__ __noinline__ c128 z_acos(c128 z) {
    f64 x = z.re, y = z.im;
    if (!finite(x) || !finite(y)) {
        if (is_infinite(y)) {
            f64 re = x != x ? x : is_infinite(x) ? (x > 0 ? PI / 4 : 3 * PI / 4) : PI / 2;
            return c128{re, -y};
        }
        if (is_infinite(x)) return y != y ? c128{y, x} : c128{x > 0 ? 0.0 : PI, has_sign(y) ? F64_INFINITY : -F64_INFINITY};
        return c128{x == 0 ? PI / 2 : F64_NAN, F64_NAN};
    }
    if (fabs(x) > 1e150 || fabs(y) > 1e150) {
        f64 length = log(hypot(x * 0.5, y * 0.5)) + 2 * LN2;
        return c128{atan2(fabs(y), x), has_sign(y) ? length : -length};
    }
    c128 minus = z_sqrt(c128{1 - x, -y}), plus = z_sqrt(c128{1 + x, y});
    return c128{2 * atan2(minus.re, plus.re), asinh(plus.re * minus.im - plus.im * minus.re)};
}
static __device__ __noinline__ c128 z_acosh(c128 z) {
    c128 w = z_acos(z);
    if (w.re != w.re && w.im != w.im) return w;
    return c128{fabs(w.im), copysign(w.re, z.im)};
}
static __device__ __noinline__ c128 z_atanh(c128 z) {
    f64 x = z.re, y = z.im;
    if (!finite(x) || !finite(y)) {
        if (is_infinite(y)) return c128{copysign(0.0, x), copysign(PI / 2, y)};
        if (is_infinite(x)) return c128{copysign(0.0, x), y != y ? y : copysign(PI / 2, y)};
        return c128{x == 0 ? x : F64_NAN, F64_NAN};
    }
    if (fabs(x) > 1e150 || fabs(y) > 1e150) {
        f64 length = hypot(x, y);
        return c128{x / length / length, copysign(PI / 2, y)};
    }
    if (fabs(x) == 1 && y == 0) return c128{copysign(F64_INFINITY, x), y};
    f64 a = fabs(x);
    f64 re = 0.25 * log1p(4 * a / ((1 - a) * (1 - a) + y * y));
    return c128{copysign(re, x), 0.5 * atan2(2 * y, (1 - a) * (1 + a) - y * y)};
}

// Smith, 1962; by 0 as the parts divide.
DEVICE c128 z_divide(c128 x, c128 y) {
    if (fabs(y.re) >= fabs(y.im)) {
        if (y.re == 0 && y.im == 0) return c128{x.re / fabs(y.re), x.im / fabs(y.re)};
        f64 ratio = y.im / y.re, scale = 1 / (y.re + y.im * ratio);
        return c128{(x.re + x.im * ratio) * scale, (x.im - x.re * ratio) * scale};
    }
    f64 ratio = y.re / y.im, scale = 1 / (y.im + y.re * ratio);
    return c128{(x.re * ratio + x.im) * scale, (x.im * ratio - x.re) * scale};
}
template <class R> static __device__ Complex<R> complex_multiply(Complex<R> x, Complex<R> y) {
    return Complex<R>{x.re * y.re - x.im * y.im, x.re * y.im + x.im * y.re};
}
// Whole exponents by multiplication.
static __device__ __noinline__ c128 z_pow(c128 x, c128 y) {
    const c128 one = {1, 0};
    if (y.re == 0 && y.im == 0) return one;
    if (x.re == 0 && x.im == 0) {
        if (y.re > 0 && y.im == 0) return c128{0, 0};
        return c128{F64_NAN, F64_NAN};
    }
    if (y.im == 0 && trunc(y.re) == y.re && fabs(y.re) < 100) {
        u32 exponent = (u32)fabs(y.re);
        c128 base = x, product = one;
        bool begun = false;
        while (exponent) {
            if (exponent & 1) {
                product = begun ? complex_multiply(product, base) : base;
                begun = true;
            }
            exponent >>= 1;
            if (exponent) base = complex_multiply(base, base);
        }
        return y.re < 0 ? z_divide(one, product) : product;
    }
    return z_exp(complex_multiply(y, z_log(x)));
}

#define COMPLEX_FUNCTION(NAME, RESULT)                                                                               \
    template <class R> static __device__ Complex<R> complex_##NAME(Complex<R> narrow_z) {                            \
        c128 z = convert<c128>(narrow_z);                                                                            \
        return convert<Complex<R>>(RESULT);                                                                          \
    }
DEVICE c128 z_scaled(c128 z, f64 by) { return c128{z.re * by, z.im * by}; }
DEVICE c128 z_parts_by(c128 z, f64 by) { return c128{z.re / by, z.im / by}; }
DEVICE c128 z_plus(c128 z, f64 x) { return c128{z.re + x, z.im}; }
COMPLEX_FUNCTION(acos, z_acos(z))
COMPLEX_FUNCTION(acosh, z_acosh(z))
COMPLEX_FUNCTION(asin, z_asin(z))
COMPLEX_FUNCTION(asinh, z_asinh(z))
COMPLEX_FUNCTION(atan, minus_i_times(z_atanh(i_times(z))))
COMPLEX_FUNCTION(atanh, z_atanh(z))
COMPLEX_FUNCTION(cos, z_cosh(i_times(z)))
COMPLEX_FUNCTION(cosh, z_cosh(z))
COMPLEX_FUNCTION(exp, z_exp(z))
COMPLEX_FUNCTION(expm1, z_plus(z_exp(z), -1))
COMPLEX_FUNCTION(log, z_log(z))
COMPLEX_FUNCTION(log1p, z_log(z_plus(z, 1)))
COMPLEX_FUNCTION(log2, z_parts_by(z_log(z), LN2))
COMPLEX_FUNCTION(log10, z_parts_by(z_log(z), LN10))
COMPLEX_FUNCTION(exp2, z_exp(z_scaled(z, LN2)))
COMPLEX_FUNCTION(sin, minus_i_times(z_sinh(i_times(z))))
COMPLEX_FUNCTION(sinh, z_sinh(z))
COMPLEX_FUNCTION(sqrt, z_sqrt(z))
COMPLEX_FUNCTION(tan, minus_i_times(z_tanh(i_times(z))))
COMPLEX_FUNCTION(tanh, z_tanh(z))
COMPLEX_FUNCTION(sign, z.re == 0 && z.im == 0 ? (c128{0, 0}) : z_parts_by(z, hypot(z.re, z.im)))
template <class R> static __device__ Complex<R> complex_divide(Complex<R> x, Complex<R> y) {
    return convert<Complex<R>>(z_divide(convert<c128>(x), convert<c128>(y)));
}
template <class R> static __device__ Complex<R> complex_pow(Complex<R> x, Complex<R> y) {
    return convert<Complex<R>>(z_pow(convert<c128>(x), convert<c128>(y)));
}
DEVICE f32 length_of(f32 x, f32 y) {
    if (is_infinite(x) || is_infinite(y)) return F32_INFINITY;
    return (f32)sqrt((f64)x * (f64)x + (f64)y * (f64)y);
}
DEVICE f64 length_of(f64 x, f64 y) { return hypot(x, y); }
template <class R> static __device__ R complex_abs(Complex<R> z) { return length_of(z.re, z.im); }

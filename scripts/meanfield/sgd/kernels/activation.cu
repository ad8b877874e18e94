// sigma(z) and sigma'(z): the text of sgd/activation_kernels.py and sgd/special_kernels.py.
//
// Macros: ACTIVATION_PIECES with PIECES, SLOPES, INTERCEPTS (one a piece) and KNOTS (one fewer), or
// ACTIVATION_TANH, or ACTIVATION_ERF.

#if defined(ACTIVATION_PIECES)

// By selection, without branches; at a knot, sigma' is the slope on its left.
__device__ __forceinline__ float evaluate(float z, float *slope)
{
    const float slopes[PIECES] = {SLOPES}, intercepts[PIECES] = {INTERCEPTS};
    const float knots[PIECES - 1] = {KNOTS};
    float m = slopes[0], c = intercepts[0];
#pragma unroll
    for (int p = 1; p < PIECES; ++p) {
        m = z > knots[p - 1] ? slopes[p] : m;
        c = z > knots[p - 1] ? intercepts[p] : c;
    }
    *slope = m;
    return __fmaf_rn(m, z, c);
}

#else

// p and q with exp(y) = q + q p, q a power of two, for y <= 0.
__device__ __forceinline__ float power_parts(float y, float *q)
{
    y = y < -87.0f ? -87.0f : y;
    const float shifter = __fmaf_rn(y, 0x1.715476p+0f, 0x1.8p+23f);
    const float k = SUB(shifter, 0x1.8p+23f);
    const float r = __fmaf_rn(k, 1.9046542121259336e-09f, __fmaf_rn(k, -0.6931471824645996f, y));
    float series = __fmaf_rn(0.0001989198131397769f, r, 0.0013934541928270264f);
    series = __fmaf_rn(series, r, 0.008333310024225292f);
    series = __fmaf_rn(series, r, 0.04166645680967788f);
    series = __fmaf_rn(series, r, 0.16666666682534356f);
    series = __fmaf_rn(series, r, 0.5f);
    *q = __int_as_float(0x3F800000 + (int)((u32)__float_as_int(shifter) << 23));
    return __fmaf_rn(MUL(r, r), series, r);
}

__device__ __forceinline__ float copy_sign(float value, float z)
{
    return __int_as_float(
        (__float_as_int(value) & 0x7FFFFFFF) | (__float_as_int(z) & (int)0x80000000));
}

#if defined(ACTIVATION_TANH)

// tanh z = -m / (2 + m), m = exp(-2 |z|) - 1, and 1 - tanh^2 = 4 (1 + m) / (2 + m)^2.
__device__ __forceinline__ float evaluate(float z, float *slope)
{
    float q;
    const float p = power_parts(MUL(-2.0f, fabsf(z)), &q);
    const float m = __fmaf_rn(q, p, SUB(q, 1.0f));
    const float ratio = __fdiv_rn(1.0f, ADD(2.0f, m));
    *slope = MUL(MUL(4.0f, __fmaf_rn(q, p, q)), MUL(ratio, ratio));
    return copy_sign(MUL(m, ratio), z);
}

#elif defined(ACTIVATION_ERF)

__device__ __forceinline__ float exponential(float y)
{
    float q;
    const float p = power_parts(y, &q);
    return __fmaf_rn(q, p, q);
}

__device__ __forceinline__ float evaluate(float z, float *slope)
{
    const float a = fabsf(z);
    // exp(-a^2) without the rounding of a^2, which exp would magnify.
    const float b = a > 40.0f ? 40.0f : a;
    const float square = MUL(b, b);
    const float rest = MUL(-1.0f, __fmaf_rn(b, b, SUB(0.0f, square)));
    const float power = exponential(MUL(-1.0f, square));
    const float gauss = __fmaf_rn(power, rest, power);
    // erf(a) / a - 1 in powers of a^2 for a <= 1.
    const float s = MUL(a, a);
    float small = __fmaf_rn(7.875875062685488e-05f, s, -0.000801686428716587f);
    small = __fmaf_rn(small, s, 0.005189087423433974f);
    small = __fmaf_rn(small, s, -0.026854212010626412f);
    small = __fmaf_rn(small, s, 0.11283594715160218f);
    small = __fmaf_rn(small, s, -0.37612626666720334f);
    small = __fmaf_rn(small, s, 0.12837916584835093f);
    small = __fmaf_rn(a, small, a);
    // erfc(a) exp(a^2) in powers of (a - 5/2) / (a + 5/2) for 1 <= a <= 13/2.
    const float e = a > 6.5f ? 6.5f : a;
    const float t = __fdiv_rn(SUB(e, 2.5f), ADD(e, 2.5f));
    float scaled = __fmaf_rn(0.00020597973430909334f, t, 0.0008229517887976576f);
    scaled = __fmaf_rn(scaled, t, -0.0026375544166569813f);
    scaled = __fmaf_rn(scaled, t, -0.003986231451864524f);
    scaled = __fmaf_rn(scaled, t, 0.0399221427482776f);
    scaled = __fmaf_rn(scaled, t, -0.1250334459907729f);
    scaled = __fmaf_rn(scaled, t, 0.25171320407311326f);
    scaled = __fmaf_rn(scaled, t, -0.3717367283214924f);
    scaled = __fmaf_rn(scaled, t, 0.21080636401599537f);
    *slope = MUL(0x1.20dd76p+0f, gauss);
    return copy_sign(a > 1.0f ? SUB(1.0f, MUL(gauss, scaled)) : small, z);
}

#endif
#endif

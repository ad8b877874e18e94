// Counter-based random numbers: the text of meanfield/random.py, and its bits.
//
//     key     = (seed mod 2^32, seed div 2^32)
//     counter = (coordinate div 4, step mod 2^32, step div 2^32, stream)
//
// Every float operation rounds once: the compiler would contract a plain a * b + c.
// Macros: STREAM_SAMPLE, STREAM_LABEL, STREAM_NOISE.

typedef unsigned int u32;
typedef unsigned long long u64;

#define MUL(a, b) __fmul_rn(a, b)
#define ADD(a, b) __fadd_rn(a, b)
#define SUB(a, b) __fsub_rn(a, b)

struct Words {
    u32 word[4];
};

struct Normals {
    float value[4];
};

// Ten rounds of Philox4x32 (Salmon, Moraes, Dror & Shaw 2011).
__device__ __forceinline__ Words philox(u32 c0, u64 step, u32 stream, u64 seed)
{
    u32 c1 = (u32)step, c2 = (u32)(step >> 32), c3 = stream;
    u32 k0 = (u32)seed, k1 = (u32)(seed >> 32);
#pragma unroll
    for (int round = 0; round < 10; ++round) {
        const u32 high0 = __umulhi(c0, 0xD2511F53u), low0 = c0 * 0xD2511F53u;
        const u32 high1 = __umulhi(c2, 0xCD9E8D57u), low1 = c2 * 0xCD9E8D57u;
        c0 = high1 ^ c1 ^ k0;
        c1 = low1;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return {{c0, c1, c2, c3}};
}

// The Box-Muller radius sqrt(-2 log u), u = (word div 256 + 1) 2^-24 in (0, 1].
__device__ __forceinline__ float box_muller_radius(u32 word)
{
    const float u = MUL(__int2float_rn((int)((word >> 8) + 1u)), 0x1p-24f);
    const int bits = __float_as_int(u);
    const int exponent = (bits - 0x3F3504F3) >> 23;
    const float mantissa = __int_as_float(bits - exponent * (1 << 23));
    const float power = __int2float_rn(exponent);
    const float f = SUB(mantissa, 1.0f);
    const float z = MUL(f, f);
    float series = ADD(MUL(7.0376836292e-2f, f), -1.1514610310e-1f);
    series = ADD(MUL(series, f), 1.1676998740e-1f);
    series = ADD(MUL(series, f), -1.2420140846e-1f);
    series = ADD(MUL(series, f), 1.4249322787e-1f);
    series = ADD(MUL(series, f), -1.6668057665e-1f);
    series = ADD(MUL(series, f), 2.0000714765e-1f);
    series = ADD(MUL(series, f), -2.4999993993e-1f);
    series = ADD(MUL(series, f), 3.3333331174e-1f);
    const float small = SUB(
        ADD(MUL(MUL(series, f), z), MUL(power, -2.12194440e-4f)), MUL(0.5f, z));
    const float log = ADD(ADD(small, f), MUL(power, 0.693359375f));
    return __fsqrt_rn(SUB(0.0f, MUL(2.0f, log)));
}

// Cosine and sine of the angle 2 pi u, u as above, reduced to [-pi/4, pi/4] in integers.
__device__ __forceinline__ void box_muller_direction(u32 word, float *cosine, float *sine)
{
    const int n = (int)((word >> 8) + 1u);
    const int quarter = (n + (1 << 21)) >> 22;
    const float a = MUL(__int2float_rn(n - quarter * (1 << 22)), 0x1.921fb6p-22f);
    const float z = MUL(a, a);
    float s = ADD(MUL(-1.9515295891e-4f, z), 8.3321608736e-3f);
    s = ADD(MUL(s, z), -1.6666654611e-1f);
    s = ADD(MUL(MUL(s, z), a), a);
    float c = ADD(MUL(2.443315711809948e-5f, z), -1.388731625493765e-3f);
    c = ADD(MUL(c, z), 4.166664568298827e-2f);
    c = ADD(SUB(MUL(MUL(c, z), z), MUL(0.5f, z)), 1.0f);
    // Quarter turns map (c, s) to (c, s), (-s, c), (-c, -s), (s, -c).
    const float first = (quarter & 1) ? s : c, second = (quarter & 1) ? c : s;
    *cosine = ((quarter + 1) & 2) ? -first : first;
    *sine = (quarter & 2) ? -second : second;
}

__device__ __forceinline__ Normals four_normals(Words words)
{
    Normals normals;
#pragma unroll
    for (int pair = 0; pair < 4; pair += 2) {
        const float radius = box_muller_radius(words.word[pair]);
        float cosine, sine;
        box_muller_direction(words.word[pair + 1], &cosine, &sine);
        normals.value[pair] = MUL(radius, cosine);
        normals.value[pair + 1] = MUL(radius, sine);
    }
    return normals;
}

// Coordinates 4 quad ... 4 quad + 3 of a step in a stream.
__device__ __forceinline__ Normals draw_normals(u32 quad, u64 step, u32 stream, u64 seed)
{
    return four_normals(philox(quad, step, stream, seed));
}

// The fair label +1 or -1 of a step: word step % 4 of the call with counter step div 4.
__device__ __forceinline__ float draw_label(u64 step, u64 seed)
{
    const Words words = philox(0u, step >> 2, STREAM_LABEL, seed);
    const int index = (int)(step & 3);
    const u32 even = index & 2 ? words.word[2] : words.word[0];
    const u32 odd = index & 2 ? words.word[3] : words.word[1];
    return (index & 1 ? odd : even) < 0x80000000u ? 1.0f : -1.0f;
}

// Coordinates 4 quad ... 4 quad + 3 of the sample of a step with label y: the first `informative`
// coordinates are scaled by the label, those from `dimension` on are zero.
__device__ __forceinline__ Normals draw_inputs(
    int quad, u64 step, u64 seed, float scale, int informative, int dimension)
{
    Normals x = draw_normals((u32)quad, step, STREAM_SAMPLE, seed);
#pragma unroll
    for (int q = 0; q < 4; ++q) {
        const int j = 4 * quad + q;
        x.value[q] = j < informative ? MUL(scale, x.value[q]) : j < dimension ? x.value[q] : 0.0f;
    }
    return x;
}

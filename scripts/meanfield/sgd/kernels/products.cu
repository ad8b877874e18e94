// What surrounds the matrix products of blocked SGD: samples as rows, and what of a step does not
// depend on them.
//
// Macros: THREADS, DIMENSION, PARAMETERS, BLOCK, and, 0 or 1, PERCEPTRON, NOISY.

#define EXTRA (2 * PERCEPTRON)
#define QUADS ((DIMENSION + 3) / 4)

// Draw the samples of consecutive blocks: x (blocks, R, BLOCK, PARAMETERS), in rows x or (0, 1, x),
// and y (blocks, R, BLOCK), from seeds, wide and narrow (R,).  One thread a quad of coordinates.
extern "C" __global__ void __launch_bounds__(THREADS) draw(
    float *x, float *y, const u64 *seeds, const float *wide, const float *narrow, int informative,
    int replicas, u64 first_step, int blocks)
{
    const long long item = (long long)blockIdx.x * THREADS + threadIdx.x;
    const int quad = (int)(item % QUADS);
    const long long sample = item / QUADS;
    const long long block = sample / ((long long)BLOCK * replicas);
    if (block >= blocks)
        return;
    const int k = (int)(sample % BLOCK), replica = (int)(sample / BLOCK % replicas);
    const u64 step = first_step + block * BLOCK + k;
    const float label = draw_label(step, seeds[replica]);
    const Normals drawn = draw_inputs(quad, step, seeds[replica],
                                      label > 0 ? wide[replica] : narrow[replica], informative,
                                      DIMENSION);
    float *row = x + sample * PARAMETERS;
    for (int p = 0; p < 4; ++p)
        if (4 * quad + p < DIMENSION)
            row[EXTRA + 4 * quad + p] = drawn.value[p];
    if (quad == 0) {
        y[sample] = label;
        if (PERCEPTRON) {
            row[0] = 0.0f;
            row[1] = 1.0f;
        }
    }
}

// theta <- Gamma theta + sqrt(4 s / beta) g, but for output weights, which `recurrence` has shrunk:
// they only get their noise.  theta (R, size); shrink (R,) is Gamma; scales (G, steps) has
// sqrt(4 s / beta) of the steps from first_step on, of which this is number `offset`.  One thread a
// quad of parameters, a row of blocks a replica.
extern "C" __global__ void __launch_bounds__(THREADS) decay_and_noise(
    float *theta, const float *shrink, long long size, const int *group, const float *scales,
    int steps, const u64 *seeds, u64 first_step, int offset)
{
    const int replica = blockIdx.y;
    const long long quad = (long long)blockIdx.x * THREADS + threadIdx.x;
    if (4 * quad >= size)
        return;
    theta += replica * size;
#if NOISY
    const float scale = scales[(long long)group[replica] * steps + offset];
    const Normals g =
        draw_normals((u32)quad, first_step + offset, STREAM_NOISE, seeds[replica]);
#endif
    for (int p = 0; p < 4; ++p) {
        const long long at = 4 * quad + p;
        if (at < size) {
            float w = theta[at];
            if (!PERCEPTRON || at % PARAMETERS != 0)
                w *= shrink[replica];
#if NOISY
            w = __fmaf_rn(scale, g.value[p], w);
#endif
            theta[at] = w;
        }
    }
}

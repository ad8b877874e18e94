// One-pass SGD with the weights in registers: one block a replica, thousands of steps a launch.
//
//     theta_i <- gamma_k theta_i + 2 s_k (y_k - yhat_k) grad sigma_*(x_k; theta_i)
//                + sqrt(4 s_k / beta) g_ik
//
// Thread t holds the neurons q THREADS + t, q < NEURONS, whole: a dot product needs no exchange.
// The update of a step and the products of the next are one pass over the weights, and a step has
// one barrier.  Samples lie in shared memory, BATCH steps at a time, in two buffers: a batch is
// filled while the one before is used.
//
// Macros: THREADS, NEURONS, DIMENSION, BATCH, and, 0 or 1, PERCEPTRON (theta = (a, b, w) instead of
// w), DECAYING, NOISY, DRAWN (samples are drawn here; else they are read).

#define INPUTS ((DIMENSION + 3) / 4 * 4)
#define QUADS (INPUTS / 4)
#define EXTRA (2 * PERCEPTRON)
#define PARAMETERS (DIMENSION + EXTRA)
#define PIECE 16

struct __align__(16) Batch {
    float x[BATCH][INPUTS];
    float y[BATCH];
};

// Where a launch finds its samples.
struct Source {
    u64 seed, first_step;  // of the launch
    float wide, narrow;    // scales of x given y = +1 and -1
    int informative;       // leading coordinates that are scaled
    const float *x, *y;    // samples of the launch, if they are read: (count, INPUTS), (count,)
    int count;
};

// Fill a batch with the samples of the steps from `start` on, a multiple of BATCH.
__device__ __forceinline__ void fill(Batch *batch, u64 start, Source source)
{
    for (int item = threadIdx.x; item < BATCH * QUADS; item += THREADS) {
        const int k = item / QUADS, quad = item % QUADS;
#if DRAWN
        const u64 step = start + k;
        const float y = draw_label(step, source.seed);
        const Normals x = draw_inputs(quad, step, source.seed, y > 0 ? source.wide : source.narrow,
                                      source.informative, DIMENSION);
#pragma unroll
        for (int q = 0; q < 4; ++q)
            batch->x[k][4 * quad + q] = x.value[q];
        if (quad == 0)
            batch->y[k] = y;
#else
        // A launch may begin or end inside a batch.
        const long long at = (long long)(start + k) - (long long)source.first_step;
        const bool known = at >= 0 && at < source.count;
#pragma unroll
        for (int q = 0; q < 4; ++q)
            batch->x[k][4 * quad + q] = known ? source.x[at * INPUTS + 4 * quad + q] : 0.0f;
        if (quad == 0)
            batch->y[k] = known ? source.y[at] : 0.0f;
#endif
    }
}

// Args: theta (R, neurons, PARAMETERS), changed in place; seeds, wide, narrow, group (R,), where
// group r is the row of rates = 2 s_k, gammas and scales = sqrt(4 s_k / beta), each (G, count);
// squares (R,) gains the sum of (y - yhat)^2; failed (R,) becomes the first step whose prediction
// is not finite.
extern "C" __global__ void __launch_bounds__(THREADS, 1) resident(
    float *theta, int neurons, const u64 *seeds, const float *wide, const float *narrow,
    int informative, const float *host_x, const float *host_y, const int *group,
    const float *rates, const double *gammas, const float *scales, u64 first_step, int count,
    double *squares, long long *failed)
{
    __shared__ Batch batches[2];
    __shared__ float partials[2][WARPS];
#if NOISY
    __shared__ float noise[PIECE][THREADS];
#endif
    const int replica = blockIdx.x;
    const long long row = (long long)group[replica] * count;
    const float size = (float)neurons;
    const Source source = {
        seeds[replica], first_step, wide[replica], narrow[replica], informative,
        host_x + (long long)replica * count * INPUTS, host_y + (long long)replica * count, count};
    theta += (long long)replica * neurons * PARAMETERS;
    rates += row;
    gammas += row;
    scales += row;

    float w[NEURONS][INPUTS], a[NEURONS], b[NEURONS], c[NEURONS];
#pragma unroll
    for (int q = 0; q < NEURONS; ++q) {
        // A neuron that is padding has zero weights and never enters a sum.
        const int i = q * THREADS + threadIdx.x;
        const float *unit = theta + (long long)i * PARAMETERS;
        a[q] = PERCEPTRON && i < neurons ? unit[0] : 1.0f;
        b[q] = PERCEPTRON && i < neurons ? unit[1] : 0.0f;
        c[q] = 0.0f;
#pragma unroll
        for (int j = 0; j < INPUTS; ++j)
            w[q][j] = j < DIMENSION && i < neurons ? unit[EXTRA + j] : 0.0f;
    }
    const u64 start = first_step / BATCH * BATCH;
    fill(&batches[start / BATCH % 2], start, source);
    fill(&batches[(start / BATCH + 1) % 2], start + BATCH, source);
    __syncthreads();

    double sum_of_squares = 0.0;
    float gamma = 1.0f;
    // The last step's sample; before the first step c = 0.
    const float *last = batches[start / BATCH % 2].x[0];
    for (int k = 0; k < count; ++k) {
        const u64 step = first_step + k;
        Batch *batch = &batches[step / BATCH % 2];
        const float *x = batch->x[step % BATCH];
        const float rate = rates[k];
        float z[NEURONS];
#pragma unroll
        for (int q = 0; q < NEURONS; ++q) {
            if (PERCEPTRON)
                b[q] = __fmaf_rn(DECAYING && !NOISY ? gamma : 1.0f, b[q], c[q]);
            z[q] = b[q];
        }
#pragma unroll
        for (int j = 0; j < INPUTS; j += 4) {
            const float4 before = *(const float4 *)(last + j), now = *(const float4 *)(x + j);
            const float old_x[4] = {before.x, before.y, before.z, before.w};
            const float new_x[4] = {now.x, now.y, now.z, now.w};
#pragma unroll
            for (int q = 0; q < NEURONS; ++q)
#pragma unroll
                for (int p = 0; p < 4; ++p) {
                    const float kept = DECAYING && !NOISY ? gamma * w[q][j + p] : w[q][j + p];
                    w[q][j + p] = __fmaf_rn(c[q], old_x[p], kept);
                    z[q] = __fmaf_rn(w[q][j + p], new_x[p], z[q]);
                }
        }
        float value[NEURONS], sum = 0.0f;
#pragma unroll
        for (int q = 0; q < NEURONS; ++q) {
            float slope;
            value[q] = evaluate(z[q], &slope);
            const bool live = q * THREADS + (int)threadIdx.x < neurons;
            sum += live ? a[q] * value[q] : 0.0f;
            c[q] = live ? a[q] * slope : 0.0f;
        }
        const float residual = batch->y[step % BATCH] - block_sum(sum, partials, k % 2) / size;
        const float error = rate * residual;
        if (!is_finite(error)) {
            if (threadIdx.x == 0)
                failed[replica] = (long long)step;
            return;
        }
        if (threadIdx.x == 0)
            sum_of_squares += (double)residual * (double)residual;
        if (DECAYING)
            gamma = (float)gammas[k];
#pragma unroll
        for (int q = 0; q < NEURONS; ++q) {
            c[q] *= error;
            if (PERCEPTRON)
                a[q] = __fmaf_rn(error, value[q], DECAYING ? gamma * a[q] : a[q]);
        }
#if NOISY
        // The noise of a step does not wait for its error; decay goes with it.  Each thread draws
        // its coordinates into its own column of shared memory, PIECE at a time: a loop over
        // calls of the generator cannot index registers.
        const float scale = scales[k];
#pragma unroll
        for (int q = 0; q < NEURONS; ++q)
#pragma unroll
            for (int piece = 0; piece < PARAMETERS; piece += PIECE) {
                const int length = PARAMETERS - piece < PIECE ? PARAMETERS - piece : PIECE;
                const u64 begin =
                    (u64)(q * THREADS + threadIdx.x) * PARAMETERS + piece;
                const u32 first_quad = (u32)(begin / 4), last_quad = (u32)((begin + length - 1) / 4);
#pragma unroll 1
                for (u32 quad = first_quad; quad <= last_quad; ++quad) {
                    const Normals g = draw_normals(quad, step, STREAM_NOISE, source.seed);
#pragma unroll
                    for (int p = 0; p < 4; ++p) {
                        const int at = (int)((long long)quad * 4 + p - (long long)begin);
                        if (at >= 0 && at < length)
                            noise[at][threadIdx.x] = g.value[p];
                    }
                }
#pragma unroll
                for (int at = 0; at < length; ++at) {
                    const float move = scale * noise[at][threadIdx.x];
                    const int j = piece + at - EXTRA;
                    if (j >= 0)
                        w[q][j] = (DECAYING ? gamma * w[q][j] : w[q][j]) + move;
                    else if (j == -1)
                        b[q] = (DECAYING ? gamma * b[q] : b[q]) + move;
                    else
                        a[q] += move;
                }
            }
#endif
        // Everybody has read the batch before: the barrier of this step came after its last use.
        if (step % BATCH == 0 && step > start && k + BATCH < count)
            fill(&batches[(step / BATCH + 1) % 2], step + BATCH, source);
        last = x;
    }
#pragma unroll
    for (int q = 0; q < NEURONS; ++q) {
        const int i = q * THREADS + threadIdx.x;
        float *unit = theta + (long long)i * PARAMETERS;
        const float kept = DECAYING && !NOISY ? gamma : 1.0f;
        if (i < neurons) {
            if (PERCEPTRON) {
                unit[0] = a[q];
                unit[1] = __fmaf_rn(kept, b[q], c[q]);
            }
#pragma unroll
            for (int j = 0; j < DIMENSION; ++j)
                unit[EXTRA + j] = __fmaf_rn(c[q], last[j], kept * w[q][j]);
        }
    }
    if (threadIdx.x == 0)
        squares[replica] += sum_of_squares;
}

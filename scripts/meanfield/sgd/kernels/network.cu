// The output of networks on many inputs, with every sum in the order of sgd/prediction.py, and so
// with its bits:
//
//     z_si = sum_j x_sj w_ij (+ b_i),   a chain of fused multiply-adds in increasing j, the offset
//                                       last;
//     total_s = sum_i a_i sigma(z_si),  neuron by neuron into the partial sum i mod TILE, and these
//                                       then folded in halves.
//
// A block of threads has ROWS samples and goes through the neurons of a part TILE at a time.  Each
// thread has SAMPLES of the samples and UNITS of the neurons, whose products stay in its registers.
//
// Macros: THREADS, DIMENSION, PARAMETERS, TILE, PART (neurons of a part, a multiple of TILE), and,
// 0 or 1, PERCEPTRON.

#define EXTRA (2 * PERCEPTRON)
#define INPUTS (DIMENSION + PERCEPTRON)
#define UNITS 4
#define SAMPLES 8
#define COLUMNS (TILE / UNITS)
#define ROWS (THREADS / COLUMNS * SAMPLES)
// Inputs of a neuron that are in shared memory at once.
#define PIECE 16
// Neurons or samples of which all threads read an input at once.
#define LINES (THREADS / PIECE)

static_assert(ROWS == THREADS, "a launch has a thread for every sample");

// Args: totals (members, parts, samples); theta (R, neurons, PARAMETERS); replicas (members,), which
// of the R networks are evaluated; x (samples, DIMENSION).  The blocks of threads for one part of a
// network, and all samples, follow one another.  Without a word on their number on a multiprocessor
// NVRTC spills for sm_100.
extern "C" __global__ void __launch_bounds__(THREADS, 4) network(
    float *totals, const float *theta, const int *replicas, const float *x, int neurons,
    int samples, int parts)
{
    // One more in a row than is used: else all that a warp writes would go to one bank or two.
    __shared__ float4 w[PIECE][TILE / 4 + 1], v[PIECE][ROWS / 4 + 1];
    const int column = threadIdx.x % COLUMNS * UNITS, row = threadIdx.x / COLUMNS * SAMPLES;
    const int place = threadIdx.x % PIECE, line = threadIdx.x / PIECE;
    const int blocks = (samples + ROWS - 1) / ROWS, task = blockIdx.x / blocks;
    const int first_sample = blockIdx.x % blocks * ROWS, first = task % parts * PART;
    const int last = neurons - first < PART ? neurons : first + PART;
    theta += (long long)replicas[task / parts] * neurons * PARAMETERS;

    float sums[UNITS][SAMPLES] = {};
    for (int base = first; base < last; base += TILE) {
        float z[UNITS][SAMPLES] = {};
        for (int piece = 0; piece < INPUTS; piece += PIECE) {
            // The piece before has been used.
            __syncthreads();
            const int j = piece + place;
            const float *unit = theta + (long long)(base + line) * PARAMETERS +
                                (j < DIMENSION ? EXTRA + j : 1);
#pragma unroll
            for (int i = 0; i < TILE; i += LINES)
                ((float *)w[place])[line + i] =
                    j < INPUTS && base + line + i < last ? unit[i * PARAMETERS] : 0.0f;
            const float *input = x + (long long)(first_sample + line) * DIMENSION + j;
#pragma unroll
            for (int s = 0; s < ROWS; s += LINES)
                ((float *)v[place])[line + s] =
                    j < DIMENSION && first_sample + line + s < samples ? input[s * DIMENSION]
                                                                       : 1.0f;
            __syncthreads();
            const int length = INPUTS - piece < PIECE ? INPUTS - piece : PIECE;
#pragma unroll 4
            for (int k = 0; k < length; ++k) {
                const float4 p = w[k][column / 4], q = v[k][row / 4], r = v[k][row / 4 + 1];
                const float weights[UNITS] = {p.x, p.y, p.z, p.w};
                const float values[SAMPLES] = {q.x, q.y, q.z, q.w, r.x, r.y, r.z, r.w};
#pragma unroll
                for (int i = 0; i < UNITS; ++i)
#pragma unroll
                    for (int s = 0; s < SAMPLES; ++s)
                        z[i][s] = __fmaf_rn(values[s], weights[i], z[i][s]);
            }
        }
#pragma unroll
        for (int i = 0; i < UNITS; ++i) {
            const int unit = base + column + i;
            if (unit >= last)
                break;
            const float a = PERCEPTRON ? theta[(long long)unit * PARAMETERS] : 1.0f;
#pragma unroll
            for (int s = 0; s < SAMPLES; ++s) {
                float slope;
                // With a = 1 the product is exact.
                sums[i][s] = __fmaf_rn(a, evaluate(z[i][s], &slope), sums[i][s]);
            }
        }
    }
    // Partial sums q and q + 16, q and q + 8, ...: of other threads, and then of one.
#pragma unroll
    for (int s = 0; s < SAMPLES; ++s) {
#pragma unroll
        for (int offset = COLUMNS / 2; offset > 0; offset /= 2)
#pragma unroll
            for (int i = 0; i < UNITS; ++i)
                sums[i][s] =
                    ADD(sums[i][s], __shfl_xor_sync(0xFFFFFFFFu, sums[i][s], offset));
        const float total = ADD(ADD(sums[0][s], sums[2][s]), ADD(sums[1][s], sums[3][s]));
        const int sample = first_sample + row + s;
        if (column == 0 && sample < samples)
            totals[(long long)task * samples + sample] = total;
    }
}

// The recurrence of exact blocked SGD (sgd/blocks.py), one thread block a replica.
//
// With H = W X^T and G = X X^T of the BLOCK samples of a block, found by matrix products,
//
//     z_ik = Gamma_k H_ik + sum_{l<k} R_lk G_lk e_l S_il,   S_il = a_il sigma'(z_il),
//     e_l = 2 s_l (y_l - yhat_l),   a_i,l+1 = gamma_l a_il + e_l sigma(z_il),
//     R_lk = prod_{l<m<k} gamma_m,   Gamma_k = prod_{m<k} gamma_m
//
// and C_il = R_lB e_l S_il takes the place of H, so that W <- Gamma_B W + C^T X is one more product.
// A sample is a row of the length of theta_i: x, or (0, 1, x) for theta = (a, b, w).
//
// Macros: THREADS, PARAMETERS, BLOCK, and, 0 or 1, PERCEPTRON, DECAYING, IN_REGISTERS: whether a
// thread holds its pre-activations, of at most NEURONS neurons, or reads them again and again.

// Args: h (R, BLOCK, neurons), H and then C, zero for samples that are not used; theta (R, neurons,
// PARAMETERS), of which a changes; outer (R, 2, neurons), scratch; gram (blocks, R, BLOCK, BLOCK);
// y (blocks, R, BLOCK); group (R,), the row of rates = 2 s_k and gammas, each (G, steps), of the
// steps from first_step on, of which the last block may have fewer than it has samples; squares (R,)
// gains (y - yhat)^2 from the step `counted` on; failed (R,), at first -1, becomes the first step
// whose prediction is not finite; shrink (R,) becomes Gamma of all steps of this block, which begins
// at first_step + offset, a multiple of BLOCK later.
extern "C" __global__ void __launch_bounds__(THREADS, 1) recurrence(
    float *h, float *theta, float *outer, int neurons, const float *gram, const float *y,
    const int *group, const float *rates, const double *gammas, int steps, u64 first_step,
    u64 counted, float *shrink, double *squares, long long *failed, int offset)
{
    __shared__ float factor[BLOCK][BLOCK];  // R_lk G_lk
    __shared__ float lead[BLOCK], tail[BLOCK];  // Gamma_k, R_lB
    __shared__ float partials[2][WARPS];
    const int replica = blockIdx.x;
    if (failed[replica] >= 0)
        return;
    const float size = (float)neurons;
    const int count = steps - offset < BLOCK ? steps - offset : BLOCK;
    first_step += offset;
    const long long row = (long long)group[replica] * steps + offset;
    rates += row;
    gammas += row;
    h += (long long)replica * BLOCK * neurons;
    theta += (long long)replica * neurons * PARAMETERS;
    outer += (long long)replica * 2 * neurons;
    const long long samples = (long long)(offset / BLOCK) * gridDim.x + replica;
    gram += samples * BLOCK * BLOCK;
    y += samples * BLOCK;
    for (int item = threadIdx.x; item < BLOCK * BLOCK; item += THREADS) {
        const int l = item / BLOCK, k = item % BLOCK;
        double ratio = 1.0;
        for (int m = l + 1; DECAYING && m < k && m < count; ++m)
            ratio *= gammas[m];
        factor[l][k] = gram[item] * (float)ratio;
    }
    for (int l = threadIdx.x; l < BLOCK; l += THREADS) {
        double before = 1.0, after = 1.0;
        for (int m = 0; DECAYING && m < count; ++m) {
            if (m < l)
                before *= gammas[m];
            if (m > l)
                after *= gammas[m];
        }
        lead[l] = (float)before;
        tail[l] = (float)after;
        if (l == count - 1)
            shrink[replica] = DECAYING ? (float)(before * gammas[l]) : 1.0f;
    }
    __syncthreads();

    double sum_of_squares = 0.0;
#if IN_REGISTERS
    float hidden[NEURONS][BLOCK], a[NEURONS];
#pragma unroll
    for (int q = 0; q < NEURONS; ++q) {
        const int i = q * THREADS + threadIdx.x;
        a[q] = PERCEPTRON && i < neurons ? theta[(long long)i * PARAMETERS] : 1.0f;
#pragma unroll
        for (int k = 0; k < BLOCK; ++k)
            hidden[q][k] = i < neurons ? lead[k] * h[(long long)k * neurons + i] : 0.0f;
    }
#pragma unroll
    for (int k = 0; k < BLOCK; ++k) {
        if (k >= count)
            break;
        float value[NEURONS], c[NEURONS], sum = 0.0f;
#pragma unroll
        for (int q = 0; q < NEURONS; ++q) {
            float slope;
            value[q] = evaluate(hidden[q][k], &slope);
            const bool live = q * THREADS + (int)threadIdx.x < neurons;
            sum += live ? a[q] * value[q] : 0.0f;
            c[q] = live ? a[q] * slope : 0.0f;
        }
        const float residual = y[k] - block_sum(sum, partials, k % 2) / size;
        const float error = rates[k] * residual;
        if (!is_finite(error)) {
            if (threadIdx.x == 0)
                failed[replica] = (long long)first_step + k;
            return;
        }
        if (threadIdx.x == 0 && first_step + k >= counted)
            sum_of_squares += (double)residual * (double)residual;
#pragma unroll
        for (int q = 0; q < NEURONS; ++q) {
            const int i = q * THREADS + threadIdx.x;
            c[q] *= error;
            if (i < neurons)
                h[(long long)k * neurons + i] = DECAYING ? tail[k] * c[q] : c[q];
            if (PERCEPTRON)
                a[q] = __fmaf_rn(error, value[q], DECAYING ? (float)gammas[k] * a[q] : a[q]);
        }
#pragma unroll
        for (int l = k + 1; l < BLOCK; ++l) {
            const float f = factor[k][l];
#pragma unroll
            for (int q = 0; q < NEURONS; ++q)
                hidden[q][l] = __fmaf_rn(f, c[q], hidden[q][l]);
        }
    }
    if (PERCEPTRON) {
#pragma unroll
        for (int q = 0; q < NEURONS; ++q) {
            const int i = q * THREADS + threadIdx.x;
            if (i < neurons)
                theta[(long long)i * PARAMETERS] = a[q];
        }
    }
#else
    // What needs the error of a sample, known after its sum, follows one pass behind: the output
    // weights, and e_l S_il in the place of S_il.
    float error = 0.0f, gamma = 1.0f;
    if (PERCEPTRON)
        for (int i = threadIdx.x; i < neurons; i += THREADS) {
            outer[i] = theta[(long long)i * PARAMETERS];
            outer[neurons + i] = 0.0f;
        }
    for (int k = 0; k < count; ++k) {
        float sum = 0.0f;
        for (int i = threadIdx.x; i < neurons; i += THREADS) {
            float *column = h + i;
            if (k > 0)
                column[(long long)(k - 1) * neurons] *= error;
            float z = lead[k] * column[(long long)k * neurons];
#pragma unroll 8
            for (int l = 0; l < k; ++l)
                z = __fmaf_rn(factor[l][k], column[(long long)l * neurons], z);
            float slope, a = 1.0f;
            const float value = evaluate(z, &slope);
            if (PERCEPTRON) {
                a = __fmaf_rn(error, outer[neurons + i], gamma * outer[i]);
                outer[i] = a;
                outer[neurons + i] = value;
            }
            sum += a * value;
            column[(long long)k * neurons] = a * slope;
        }
        const float residual = y[k] - block_sum(sum, partials, k % 2) / size;
        error = rates[k] * residual;
        if (!is_finite(error)) {
            if (threadIdx.x == 0)
                failed[replica] = (long long)first_step + k;
            return;
        }
        if (DECAYING)
            gamma = (float)gammas[k];
        if (threadIdx.x == 0 && first_step + k >= counted)
            sum_of_squares += (double)residual * (double)residual;
    }
    for (int i = threadIdx.x; i < neurons; i += THREADS) {
        if (PERCEPTRON)
            theta[(long long)i * PARAMETERS] =
                __fmaf_rn(error, outer[neurons + i], gamma * outer[i]);
        h[(long long)(count - 1) * neurons + i] *= error;
        for (int k = 0; DECAYING && k < count; ++k)
            h[(long long)k * neurons + i] *= tail[k];
    }
#endif
    for (int k = count; k < BLOCK; ++k)
        for (int i = threadIdx.x; i < neurons; i += THREADS)
            h[(long long)k * neurons + i] = 0.0f;
    if (threadIdx.x == 0)
        squares[replica] += sum_of_squares;
}

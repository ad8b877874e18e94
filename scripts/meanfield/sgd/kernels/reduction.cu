// Sums over a block, and tests.  Macro: THREADS, a multiple of 32.

#define WARPS (THREADS / 32)

// The sum of a number of every thread, the same bits in all of them.  There is one barrier: the
// caller alternates `parity`, so nobody writes the partial sums that another still reads.
__device__ __forceinline__ float block_sum(float value, float (*partials)[WARPS], int parity)
{
#pragma unroll
    for (int offset = 16; offset > 0; offset >>= 1)
        value += __shfl_xor_sync(0xFFFFFFFFu, value, offset);
    if (threadIdx.x % 32 == 0)
        partials[parity][threadIdx.x / 32] = value;
    __syncthreads();
    float total = partials[parity][0];
#pragma unroll
    for (int warp = 1; warp < WARPS; ++warp)
        total += partials[parity][warp];
    return total;
}

__device__ __forceinline__ bool is_finite(float value)
{
    return (__float_as_int(value) & 0x7F800000) != 0x7F800000;
}

// G = X X^T of the samples of each block, for all blocks of a window in one launch.
//
// By own sums, not by cuBLAS: it may choose the order of its sums by the number of products of a
// call, which here is the distance to the next snapshot.
//
// Macros: THREADS, PARAMETERS, BLOCK.

#define SIDE 8
#define TILE ((BLOCK + SIDE - 1) / SIDE)
#define CHUNK 32

static_assert(THREADS == SIDE * SIDE, "a thread has TILE x TILE entries");

// x (blocks, R, BLOCK, PARAMETERS), products (blocks, R, BLOCK, BLOCK); one thread block for each
// product.  An entry is one chain of fused multiply-adds over the coordinates.
extern "C" __global__ void __launch_bounds__(THREADS) gram(float *products, const float *x)
{
    __shared__ float rows[SIDE * TILE][CHUNK + 1];  // a column of it has all banks of the memory
    const int top = threadIdx.x / SIDE * TILE, left = threadIdx.x % SIDE * TILE;
    x += (long long)blockIdx.x * BLOCK * PARAMETERS;
    products += (long long)blockIdx.x * BLOCK * BLOCK;
    float sum[TILE][TILE] = {};
    for (int begin = 0; begin < PARAMETERS; begin += CHUNK) {
        for (int item = threadIdx.x; item < SIDE * TILE * CHUNK; item += THREADS) {
            const int row = item / CHUNK, j = begin + item % CHUNK;
            const bool inside = row < BLOCK && j < PARAMETERS;
            rows[row][item % CHUNK] = inside ? x[(long long)row * PARAMETERS + j] : 0.0f;
        }
        __syncthreads();
#pragma unroll 8
        for (int j = 0; j < CHUNK; ++j)
#pragma unroll
            for (int p = 0; p < TILE; ++p)
#pragma unroll
                for (int q = 0; q < TILE; ++q)
                    sum[p][q] = __fmaf_rn(rows[top + p][j], rows[left + q][j], sum[p][q]);
        __syncthreads();
    }
#pragma unroll
    for (int p = 0; p < TILE; ++p)
#pragma unroll
        for (int q = 0; q < TILE; ++q)
            if (top + p < BLOCK && left + q < BLOCK)
                products[(top + p) * BLOCK + left + q] = sum[p][q];
}

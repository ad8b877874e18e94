// Runs CUDA kernels on the CPU, their text unchanged: each thread of a block is a fibre that runs
// until it has to wait for others.
//
// A missing barrier shows: warps run as far ahead of others as barriers let them, in an order that is
// drawn from a seed at each barrier, so what a fibre finds in memory differs between seeds where
// nothing orders it.  Threads of a block that do not all meet at a barrier are an error.
// So is memory that is not the process's to reach.
// Shared memory is filled with NaN when a block starts.  Where the CPU can, numbers below the normal
// ones are flushed to 0, as CuPy has it done on a GPU.

#pragma once
#include <stdint.h>

struct Index {
    unsigned x, y, z;
};
struct alignas(16) float4 {
    float x, y, z, w;
};

extern Index threadIdx, blockIdx, blockDim, gridDim;

#define __device__
#define __global__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(n) alignas(n)
// The variables of all kernels lie in one section, between symbols that the linker makes.
#define __shared__ static __attribute__((section("cuda_shared")))

void __syncthreads();
float __shfl_xor_sync(unsigned mask, float value, int offset);

// One rounding each: the file is compiled without contraction.
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fsqrt_rn(float a) { return __builtin_sqrtf(a); }
inline float __fmaf_rn(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline float __int2float_rn(int a) { return (float)a; }
inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((uint64_t)a * b >> 32); }
inline float fabsf(float a) { return __builtin_fabsf(a); }
inline int __float_as_int(float a) { int b; __builtin_memcpy(&b, &a, 4); return b; }
inline float __int_as_float(int a) { float b; __builtin_memcpy(&b, &a, 4); return b; }

enum Outcome { FINISHED, DEADLOCK, FAULT };

// A thread that reached for memory it may not have, and the address.
struct Fault {
    uint64_t address;
    Index block, thread;
};

// Run a grid; body(context) is what a thread does.  Returns DEADLOCK if a barrier is never reached by
// all threads of a block or a warp, and FAULT, once `fault` says more, when a thread has one.
int run_grid(void (*body)(const void *), const void *context, Index grid, unsigned threads,
             uint64_t seed, Fault *fault);

// A kernel with pointers to its arguments.
template <class... A> struct Bound {
    void (*kernel)(A...);
    void **pointers;
};

template <unsigned... I> struct Places {};

template <class... A, unsigned... I> void call(const Bound<A...> *bound, Places<I...>)
{
    bound->kernel(*(A *)bound->pointers[I]...);
}

template <class... A>
int launch(void (*kernel)(A...), void **pointers, Index grid, unsigned threads, uint64_t seed,
           Fault *fault)
{
    const Bound<A...> bound = {kernel, pointers};
    return run_grid(
        [](const void *context) {
            // __integer_pack: what std::make_index_sequence is made of, without its header.
            call((const Bound<A...> *)context, Places<__integer_pack(sizeof...(A))...>());
        },
        &bound, grid, threads, seed, fault);
}

#define EXPORT(kernel)                                                                             \
    extern "C" int launch_##kernel(void **pointers, unsigned x, unsigned y, unsigned threads,      \
                                   uint64_t seed, Fault *fault)                                    \
    {                                                                                              \
        return launch(kernel, pointers, {x, y, 1}, threads, seed, fault);                          \
    }

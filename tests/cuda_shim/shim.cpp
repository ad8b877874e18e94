#include "shim.h"
#ifdef __SSE__
#include <xmmintrin.h>
#endif
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <ucontext.h>
#include <utility>
#include <vector>

Index threadIdx, blockIdx, blockDim, gridDim;

// Kernels without shared memory have no such section: then the two are null.
extern "C" char __start_cuda_shared[] __attribute__((weak));
extern "C" char __stop_cuda_shared[] __attribute__((weak));

namespace {

enum State { READY, AT_BLOCK, AT_WARP, DONE, FAULTY };

const size_t STACK = 1 << 17;

struct Fibre {
    ucontext_t beginning;
    jmp_buf place;  // where it waits, once it has begun
    bool begun;
    std::vector<char> stack;
    State state;
    unsigned exchanges;
    float slots[2];  // a lane may be one exchange ahead of another
};

std::vector<Fibre> fibres;
jmp_buf scheduler;
void (*body)(const void *);
const void *arguments;
uint64_t randomness;
unsigned current;
uint64_t address;

uint64_t next_random()
{
    randomness ^= randomness << 13;
    randomness ^= randomness >> 7;
    randomness ^= randomness << 17;
    return randomness;
}

void enter()
{
    body(arguments);
    fibres[current].state = DONE;
    _longjmp(scheduler, 1);
}

// Contexts begin a fibre, and jumps go from one to another: they make no calls of the system.
void wait(State state)
{
    fibres[current].state = state;
    if (!_setjmp(fibres[current].place))
        _longjmp(scheduler, 1);
}

// Run the current thread until it waits, or is done.  A function of its own: local variables of one
// that is jumped back to may be lost.
__attribute__((noinline)) void resume()
{
    Fibre &fibre = fibres[current];
    if (_setjmp(scheduler))
        return;
    if (fibre.begun)
        _longjmp(fibre.place, 1);
    fibre.begun = true;
    setcontext(&fibre.beginning);
}

// Free the threads from..to if all wait for the same.
bool release(unsigned from, unsigned to, State state)
{
    for (unsigned t = from; t < to; ++t)
        if (fibres[t].state != state)
            return false;
    for (unsigned t = from; t < to; ++t)
        fibres[t].state = READY;
    return true;
}

int run_block(unsigned threads)
{
    for (char *at = __start_cuda_shared; at < __stop_cuda_shared; ++at)
        *at = (char)0xFF;
    for (auto &fibre : fibres) {
        getcontext(&fibre.beginning);
        fibre.beginning.uc_stack.ss_sp = fibre.stack.data();
        fibre.beginning.uc_stack.ss_size = STACK;
        fibre.beginning.uc_link = nullptr;
        makecontext(&fibre.beginning, enter, 0);
        fibre.begun = false;
        fibre.state = READY;
        fibre.exchanges = 0;
    }
    // From barrier to barrier the warps run one after the other, in an order drawn anew, each as far
    // as it can; the lanes of a warp in a random order.
    const unsigned warps = threads / 32;
    std::vector<std::vector<unsigned>> ready(warps);
    std::vector<unsigned> order(warps);
    for (unsigned warp = 0; warp < warps; ++warp)
        order[warp] = warp;
    bool released = true;
    for (unsigned done = 0; done < threads;) {
        if (released) {
            for (unsigned t = 0; t < threads; ++t)
                ready[t / 32].push_back(t);
            for (unsigned warp = warps; warp > 1; --warp)
                std::swap(order[warp - 1], order[next_random() % warp]);
            released = false;
        }
        unsigned place = 0;
        while (place < warps && ready[order[place]].empty())
            ++place;
        if (place == warps) {
            released = release(0, threads, AT_BLOCK);
            if (!released)
                return DEADLOCK;
            continue;
        }
        const unsigned warp = order[place];
        std::swap(ready[warp][next_random() % ready[warp].size()], ready[warp].back());
        current = ready[warp].back();
        ready[warp].pop_back();
        threadIdx = {current, 0, 0};
        resume();
        if (fibres[current].state == FAULTY)
            return FAULT;
        if (fibres[current].state == DONE)
            ++done;
        const unsigned first = 32 * warp;
        if (fibres[current].state == AT_WARP && release(first, first + 32, AT_WARP))
            for (unsigned t = first; t < first + 32; ++t)
                ready[warp].push_back(t);
    }
    return FINISHED;
}

// While a grid runs, a fault of one of its threads ends the grid, not the process.
struct FaultHandler {
    FaultHandler()
    {
        runner = pthread_self();
        struct sigaction handler = {};
        handler.sa_sigaction = handle;
        handler.sa_flags = SA_SIGINFO | SA_NODEFER;  // a jump unblocks no signal
        sigaction(SIGSEGV, &handler, &before);
    }
    ~FaultHandler() { sigaction(SIGSEGV, &before, nullptr); }

    static void handle(int, siginfo_t *information, void *)
    {
        if (!pthread_equal(pthread_self(), runner)) {
            // Another's fault, which comes again on return, and meets the handler of before.
            sigaction(SIGSEGV, &before, nullptr);
            return;
        }
        address = (uint64_t)information->si_addr;
        fibres[current].state = FAULTY;
        _longjmp(scheduler, 1);
    }

    static pthread_t runner;
    static struct sigaction before;
};

pthread_t FaultHandler::runner;
struct sigaction FaultHandler::before;

}  // namespace

void __syncthreads() { wait(AT_BLOCK); }

float __shfl_xor_sync(unsigned, float value, int offset)
{
    const unsigned self = current;
    const unsigned parity = fibres[self].exchanges++ % 2;
    fibres[self].slots[parity] = value;
    wait(AT_WARP);
    return fibres[self ^ offset].slots[parity];
}

namespace {

// CuPy compiles with -ftz=true: float32 numbers below the normal ones are 0, as operands and as
// results.
struct FlushToZero {
#ifdef __SSE__
    unsigned before = _mm_getcsr();
    FlushToZero() { _mm_setcsr(before | 0x8040); }
    ~FlushToZero() { _mm_setcsr(before); }
#endif
};

}  // namespace

int run_grid(void (*function)(const void *), const void *context, Index grid, unsigned threads,
             uint64_t seed, Fault *fault)
{
    const FlushToZero mode;
    const FaultHandler handler;
    body = function;
    arguments = context;
    randomness = (2 * seed + 1) * 0x9E3779B97F4A7C15u;
    blockDim = {threads, 1, 1};
    gridDim = grid;
    fibres.resize(threads);
    for (auto &fibre : fibres)
        fibre.stack.resize(STACK);
    for (unsigned y = 0; y < grid.y; ++y)
        for (unsigned x = 0; x < grid.x; ++x) {
            blockIdx = {x, y, 0};
            if (int code = run_block(threads)) {
                *fault = {address, blockIdx, threadIdx};
                return code;
            }
        }
    return FINISHED;
}

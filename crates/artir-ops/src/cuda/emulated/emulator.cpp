// Runs the CUDA kernels on a CPU, to check their indices, barriers and sums where there is no GPU.
//
// The blocks of a grid go one after the other, the threads of a block as coroutines of one host thread: each runs up to
// its next barrier. The order of the threads between barriers is the caller's, so that a missing barrier shows as a
// result that depends on it. Shared memory is filled with NaN before a block and has guards at both ends.

#include <ucontext.h>

#include <cstdlib>
#include <limits>
#include <vector>

#include "../kernels.cu"

uint3 threadIdx, blockIdx, blockDim, gridDim;

namespace {

constexpr std::size_t STACK = 64 * 1024;
constexpr std::size_t GUARD = 64;
constexpr float GUARDED = 12345.678f;

struct Thread {
    ucontext_t context;
    std::vector<char> stack = std::vector<char>(STACK);
    uint3 index;
    bool ended;
};

ucontext_t scheduler;
Thread *running;
float *memory;
void (*body)(const void *);
const void *arguments;

void enter() {
    body(arguments);
    running->ended = true;
    swapcontext(&running->context, &scheduler);
}

struct Kernel {
    const char *name;
    void (*call)(const void *);
};

#define KERNEL(NAME, ARGUMENTS) {#NAME, [](const void *a) { NAME(*static_cast<const ARGUMENTS *>(a)); }}

const Kernel KERNELS[] = {
    KERNEL(large_kernel_f32_8, LargeKernelArguments), KERNEL(large_kernel_f32_2, LargeKernelArguments),
    KERNEL(large_kernel_f16_8, LargeKernelArguments), KERNEL(large_kernel_f16_2, LargeKernelArguments),
    KERNEL(gated_mixer_f32_8, GatedArguments),        KERNEL(gated_mixer_f32_4, GatedArguments),
    KERNEL(gated_mixer_f16_8, GatedArguments),        KERNEL(gated_mixer_f16_4, GatedArguments),
    KERNEL(gated_feed_f32_8, GatedArguments),         KERNEL(gated_feed_f32_4, GatedArguments),
    KERNEL(gated_feed_f16_8, GatedArguments),         KERNEL(gated_feed_f16_4, GatedArguments),
    KERNEL(modulation_f32, ModulationArguments),      KERNEL(modulation_f32_refined, ModulationArguments),
    KERNEL(modulation_f16, ModulationArguments),      KERNEL(modulation_f16_refined, ModulationArguments),
};

}  // namespace

void __syncthreads() { swapcontext(&running->context, &scheduler); }

float *shared_memory() { return memory; }

/// 0: done; 1: no such kernel; 2: threads of a block disagree on the number of barriers; 3: a write beyond shared memory.
extern "C" int emulate(const char *name, const unsigned *grid, const unsigned *block, unsigned shared, const void *args,
                       int backwards) {
    body = nullptr;
    for (const Kernel &kernel : KERNELS) {
        if (std::strcmp(kernel.name, name) == 0) body = kernel.call;
    }
    if (!body) return 1;
    arguments = args;
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {block[0], block[1], block[2]};
    const std::size_t floats = shared / sizeof(float), count = std::size_t(block[0]) * block[1] * block[2];
    std::vector<float4> held((floats + 3) / 4 + 2 * GUARD / 4);
    float *const start = reinterpret_cast<float *>(held.data()), *const end = start + GUARD + floats;
    memory = start + GUARD;
    std::vector<Thread> threads(count);
    for (std::size_t number = 0; number < std::size_t(grid[0]) * grid[1] * grid[2]; number++) {
        std::fill(start, start + GUARD, GUARDED);
        std::fill(memory, end, std::numeric_limits<float>::quiet_NaN());
        std::fill(end, end + GUARD, GUARDED);
        blockIdx = {unsigned(number % grid[0]), unsigned(number / grid[0] % grid[1]),
                    unsigned(number / grid[0] / grid[1])};
        for (std::size_t i = 0; i < count; i++) {
            Thread &thread = threads[i];
            thread.index = {unsigned(i % block[0]), unsigned(i / block[0] % block[1]), unsigned(i / block[0] / block[1])};
            thread.ended = false;
            getcontext(&thread.context);
            thread.context.uc_stack.ss_sp = thread.stack.data();
            thread.context.uc_stack.ss_size = STACK;
            thread.context.uc_link = nullptr;
            makecontext(&thread.context, enter, 0);
        }
        for (std::size_t ended = 0; ended < count;) {
            ended = 0;
            for (std::size_t i = 0; i < count; i++) {
                running = &threads[backwards ? count - 1 - i : i];
                threadIdx = running->index;
                swapcontext(&scheduler, &running->context);
                ended += running->ended;
            }
            if (ended != 0 && ended != count) return 2;
        }
        for (std::size_t i = 0; i < GUARD; i++) {
            if (start[i] != GUARDED || end[i] != GUARDED) return 3;
        }
    }
    return 0;
}

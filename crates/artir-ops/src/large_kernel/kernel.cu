// The dynamic large kernel on a GPU: Y[p] = X[p] (w * X)[p] + (b * X)[p], both correlations in one pass.
//
// A block makes a tile of 32 columns and 4 ROWS rows; a lane keeps one column, a thread ROWS rows of it. Taps go by in
// chunks of CHUNK rows, so that map and taps of a chunk fit 48 KiB of shared memory whatever the kernel's size. Going
// down a column of taps, a thread needs one new value of the map for each tap: it keeps ROWS of them in registers and
// spends two reads of shared memory (one without bank conflicts, one broadcast) on 2 ROWS multiply-adds.
//
// Sums of a chunk are kept apart from the total: a chain of at most CHUNK K additions and K / CHUNK more, not K * K.

#include <device.cuh>

struct LargeKernelArguments {
    const void *map;    // [batch, height, width]
    const void *scale;  // w, [size, size]
    const void *add;    // b, [size, size], or null
    void *out;          // as the map
    int batch, height, width, size;
};

namespace large_kernel {

constexpr int LANES = 32;
constexpr int WARPS = 4;
constexpr int CHUNK = 16;

// One tap for all rows of a thread. `first` is where the window's ring starts; it is known when the loop is unrolled.
template <int ROWS>
__device__ __forceinline__ void one_tap(const float (&window)[ROWS], int first, float2 tap, float (&scaled)[ROWS],
                                        float (&added)[ROWS]) {
#pragma unroll
    for (int row = 0; row < ROWS; row++) {
        const float value = window[(first + row) % ROWS];
        scaled[row] += tap.x * value;
        added[row] += tap.y * value;
    }
}

template <typename T, int ROWS>
__device__ __forceinline__ void run(const LargeKernelArguments &a) {
    const int size = a.size, radius = size / 2, pitch = LANES + size - 1;
    const int lane = threadIdx.x, warp = threadIdx.y, thread = warp * LANES + lane;
    const int left = blockIdx.x * LANES, top = blockIdx.y * (WARPS * ROWS);
    float2 *const taps = reinterpret_cast<float2 *>(shared_memory());
    float *const tile = shared_memory() + 2 * CHUNK * size;
    const T *const scale = static_cast<const T *>(a.scale), *const add = static_cast<const T *>(a.add);
    const size_t area = static_cast<size_t>(a.height) * a.width;

    for (int image = blockIdx.z; image < a.batch; image += gridDim.z) {
        const T *const map = static_cast<const T *>(a.map) + image * area;
        T *const out = static_cast<T *>(a.out) + image * area;
        float total_scaled[ROWS] = {}, total_added[ROWS] = {};

        for (int start = 0; start < size; start += CHUNK) {
            const int count = min(CHUNK, size - start);
            __syncthreads();
            for (int i = thread; i < count * size; i += WARPS * LANES) {
                const int from = start * size + i;
                taps[i] = make_float2(widen(scale[from]), add ? widen(add[from]) : 0.0f);
            }
            const int rows = WARPS * ROWS + count - 1;
            for (int row = warp; row < rows; row += WARPS) {
                const int y = top + start - radius + row;
                for (int column = lane; column < pitch; column += LANES) {
                    const int x = left - radius + column;
                    const bool inside = y >= 0 && y < a.height && x >= 0 && x < a.width;
                    tile[row * pitch + column] = inside ? widen(map[static_cast<size_t>(y) * a.width + x]) : 0.0f;
                }
            }
            __syncthreads();

            float scaled[ROWS] = {}, added[ROWS] = {};
            for (int j = 0; j < size; j++) {
                const float *const column = tile + warp * ROWS * pitch + lane + j;
                float window[ROWS];
#pragma unroll
                for (int row = 0; row < ROWS - 1; row++) window[row] = column[row * pitch];
                int i = 0;
                for (; i + ROWS <= count; i += ROWS) {
#pragma unroll
                    for (int u = 0; u < ROWS; u++) {
                        window[(u + ROWS - 1) % ROWS] = column[(i + u + ROWS - 1) * pitch];
                        one_tap<ROWS>(window, u, taps[(i + u) * size + j], scaled, added);
                    }
                }
                for (; i < count; i++) {
                    window[ROWS - 1] = column[(i + ROWS - 1) * pitch];
                    one_tap<ROWS>(window, 0, taps[i * size + j], scaled, added);
#pragma unroll
                    for (int row = 0; row < ROWS - 1; row++) window[row] = window[row + 1];
                }
            }
#pragma unroll
            for (int row = 0; row < ROWS; row++) {
                total_scaled[row] += scaled[row];
                total_added[row] += added[row];
            }
        }

        const int x = left + lane;
#pragma unroll
        for (int row = 0; row < ROWS; row++) {
            const int y = top + warp * ROWS + row;
            if (x < a.width && y < a.height) {
                const size_t at = static_cast<size_t>(y) * a.width + x;
                narrow(widen(map[at]) * total_scaled[row] + total_added[row], out[at]);
            }
        }
    }
}

}  // namespace large_kernel

#define LARGE_KERNEL(NAME, T, ROWS)                                                         \
    extern "C" __global__ void __launch_bounds__(128) NAME(const LargeKernelArguments a) { \
        large_kernel::run<T, ROWS>(a);                                                      \
    }

// Eight rows a thread do the most work for each read; two fill a GPU when the map is small.
LARGE_KERNEL(large_kernel_f32_8, float, 8)
LARGE_KERNEL(large_kernel_f32_2, float, 2)
LARGE_KERNEL(large_kernel_f16_8, Half, 8)
LARGE_KERNEL(large_kernel_f16_2, Half, 2)

// A step of the large-kernel cascade on a GPU, from the large kernel's own result on: m = Xs X Wc local(F), and between two
// steps refine(every channel of m twice).
//
// A block makes a tile of 32 columns and 16 rows of one channel (of two that come of it, where m is refined). The products
// m stay in shared memory, with the border that the 7x7 convolution needs; both of its channels read them in one pass, so
// that doubling the channels costs nothing. A thread keeps ROWS rows of a column: ten reads of shared memory serve 56
// multiply-adds. All sums are in single precision.

#include <device.cuh>

struct ModulationArguments {
    const void *map;          // X, [batch, channels, height, width]
    const void *spatial;      // Xs, [batch, 1, height, width]
    const void *weigh;        // Wc, [batch, channels, 1, 1]
    const void *segment;      // F, [batch, channels, height, width]
    const void *local;        // [channels, 3, 3]
    const void *local_bias;   // [channels]
    const void *refine;       // [2 channels, 7, 7], or null
    const void *refine_bias;  // [2 channels], or null
    void *out;                // as the map; [batch, 2 channels, height, width] where it is refined
    int batch, channels, height, width;
};

namespace modulation {

constexpr int LANES = 32;
constexpr int WARPS = 4;
constexpr int ROWS = 4;
constexpr int SIDE = 7;

template <typename T, bool REFINED>
__device__ __forceinline__ void run(const ModulationArguments &a) {
    constexpr int RADIUS = REFINED ? SIDE / 2 : 0;
    constexpr int WIDE = LANES + 2 * RADIUS, HIGH = WARPS * ROWS + 2 * RADIUS;
    constexpr int BORDERED = WIDE + 2;
    const int lane = threadIdx.x, warp = threadIdx.y, thread = warp * LANES + lane;
    const int left = blockIdx.x * LANES, top = blockIdx.y * (WARPS * ROWS);
    const size_t area = static_cast<size_t>(a.height) * a.width;
    const size_t planes = static_cast<size_t>(a.batch) * a.channels;

    float2 *const taps = reinterpret_cast<float2 *>(shared_memory());  // [SIDE][SIDE]: of the even and the odd channel
    float *const segment = shared_memory() + (REFINED ? 2 * SIDE * SIDE : 0);  // [HIGH + 2][BORDERED]
    float *const product = segment + (HIGH + 2) * BORDERED;                    // [HIGH][WIDE], where it is refined

    for (size_t plane = blockIdx.z; plane < planes; plane += gridDim.z) {
        const size_t image = plane / a.channels, channel = plane % a.channels;
        const T *const map = static_cast<const T *>(a.map) + plane * area;
        const T *const spatial = static_cast<const T *>(a.spatial) + image * area;
        const T *const from = static_cast<const T *>(a.segment) + plane * area;

        __syncthreads();
        for (int i = thread; i < (HIGH + 2) * BORDERED; i += WARPS * LANES) {
            const int y = top - RADIUS - 1 + i / BORDERED, x = left - RADIUS - 1 + i % BORDERED;
            const bool inside = y >= 0 && y < a.height && x >= 0 && x < a.width;
            segment[i] = inside ? widen(from[static_cast<size_t>(y) * a.width + x]) : 0.0f;
        }
        if (REFINED) {
            const T *const refine = static_cast<const T *>(a.refine) + 2 * channel * SIDE * SIDE;
            for (int i = thread; i < SIDE * SIDE; i += WARPS * LANES) {
                taps[i] = make_float2(widen(refine[i]), widen(refine[SIDE * SIDE + i]));
            }
        }
        __syncthreads();

        float local[9];
#pragma unroll
        for (int i = 0; i < 9; i++) local[i] = widen(static_cast<const T *>(a.local)[channel * 9 + i]);
        const float bias = widen(static_cast<const T *>(a.local_bias)[channel]);
        const float weigh = widen(static_cast<const T *>(a.weigh)[plane]);
        for (int i = thread; i < HIGH * WIDE; i += WARPS * LANES) {
            const int row = i / WIDE, column = i % WIDE, y = top - RADIUS + row, x = left - RADIUS + column;
            const bool inside = y >= 0 && y < a.height && x >= 0 && x < a.width;
            const size_t at = static_cast<size_t>(y) * a.width + x;
            float sum = bias;
#pragma unroll
            for (int tap = 0; tap < 9; tap++) {
                sum += local[tap] * segment[(row + tap / 3) * BORDERED + column + tap % 3];
            }
            const float m = inside ? widen(spatial[at]) * widen(map[at]) * weigh * sum : 0.0f;
            if (REFINED) {
                product[i] = m;
            } else if (inside) {
                narrow(m, static_cast<T *>(a.out)[plane * area + at]);
            }
        }
        if (!REFINED) continue;
        __syncthreads();

        float sums[2][ROWS];
#pragma unroll
        for (int row = 0; row < ROWS; row++) {
            sums[0][row] = widen(static_cast<const T *>(a.refine_bias)[2 * channel]);
            sums[1][row] = widen(static_cast<const T *>(a.refine_bias)[2 * channel + 1]);
        }
        for (int j = 0; j < SIDE; j++) {
            float window[ROWS + SIDE - 1];
#pragma unroll
            for (int i = 0; i < ROWS + SIDE - 1; i++) window[i] = product[(warp * ROWS + i) * WIDE + lane + j];
#pragma unroll
            for (int i = 0; i < SIDE; i++) {
                const float2 tap = taps[i * SIDE + j];
#pragma unroll
                for (int row = 0; row < ROWS; row++) {
                    sums[0][row] += tap.x * window[row + i];
                    sums[1][row] += tap.y * window[row + i];
                }
            }
        }
        const int x = left + lane;
#pragma unroll
        for (int row = 0; row < ROWS; row++) {
            const int y = top + warp * ROWS + row;
            if (x < a.width && y < a.height) {
                T *const out = static_cast<T *>(a.out) + 2 * plane * area + static_cast<size_t>(y) * a.width + x;
                narrow(sums[0][row], out[0]);
                narrow(sums[1][row], out[area]);
            }
        }
    }
}

}  // namespace modulation

#define MODULATION(NAME, T, REFINED)                                                      \
    extern "C" __global__ void __launch_bounds__(128) NAME(const ModulationArguments a) { \
        modulation::run<T, REFINED>(a);                                                   \
    }

MODULATION(modulation_f32, float, false)
MODULATION(modulation_f16, Half, false)
MODULATION(modulation_f32_refined, float, true)
MODULATION(modulation_f16_refined, Half, true)

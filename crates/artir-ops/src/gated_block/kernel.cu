// One half of a gated block on a GPU: out = x + project(gate(local(expand(norm(x))))), in one pass over the map.
//
// A block makes a tile of 16 columns and ROWS rows of all C channels. It keeps the normalised tile with a border of one
// pixel in shared memory and goes through the hidden channels C / 4 at a time: expand them (and those that they are
// gated with) over tile and border, 3x3 and gate over the tile, and add what they give to the sums of the C output
// channels, which stay in registers. Nothing wider than the map leaves the multiprocessor.
//
// Threads: 4 C of them, so that everything comes out even. A warp makes 8 output channels of the whole tile, a lane
// ROWS / 2 pixels of it; weights are then broadcast reads. All sums are in single precision, and no tensor core rounds
// their factors.

#include <device.cuh>

struct GatedArguments {
    const void *in;            // [batch, channels, height, width]
    const void *norm_weight;   // [channels]
    const void *norm_bias;     // [channels]
    const void *expand;        // [2 hidden, channels]
    const void *expand_bias;   // [2 hidden], or null
    const void *local;         // [2 hidden, 3, 3]
    const void *local_bias;    // [2 hidden], or null
    const void *project;       // [channels, hidden]
    const void *project_bias;  // [channels], or null
    void *out;                 // as the input
    int batch, channels, hidden, height, width;
};

namespace gated {

constexpr int COLUMNS = 16;
constexpr int BORDERED = COLUMNS + 2;
constexpr float EPSILON = 1e-6f;

// What follows from the tile's height.
template <int ROWS>
struct Tile {
    static constexpr int PIXELS = COLUMNS * ROWS;
    static constexpr int WIDE = BORDERED * (ROWS + 2);
    // Channels of the widened tile are this far apart: 16 banks, so that two of them meet in none.
    static constexpr int STRIDE = (WIDE + 15) / 32 * 32 + 16;
    // Pixels that a thread widens at once; their number divides WIDE.
    static constexpr int AT_ONCE = ROWS == 8 ? 3 : 2;
    static_assert(WIDE % AT_ONCE == 0 && STRIDE >= WIDE, "a widened tile falls into equal parts");
};

// x (1 + erf(x / sqrt 2)) / 2
__device__ __forceinline__ float gelu(float x) { return 0.5f * x * (1.0f + erff(x * 0.70710678118654752f)); }

template <typename T>
__device__ __forceinline__ float optional(const T *values, int index) {
    return values ? widen(values[index]) : 0.0f;
}

// 3x3 at ROWS pixels, one below the other; `from` is the pixel above and to the left of the first.
template <int ROWS>
__device__ __forceinline__ void local(const float *from, const float *taps, float bias, float (&to)[ROWS]) {
#pragma unroll
    for (int row = 0; row < ROWS; row++) to[row] = bias;
#pragma unroll
    for (int row = 0; row < ROWS + 2; row++) {
        const float *const at = from + row * BORDERED;
        const float left = at[0], centre = at[1], right = at[2];
#pragma unroll
        for (int tap = 0; tap < 3; tap++) {
            const int target = row - tap;
            if (target >= 0 && target < ROWS) {
                to[target] += taps[3 * tap] * left + taps[3 * tap + 1] * centre + taps[3 * tap + 2] * right;
            }
        }
    }
}

// T: weights; In, Out: maps.
template <typename T, typename In, typename Out, bool GELU, int ROWS>
__device__ __forceinline__ void run(const GatedArguments &a) {
    using Of = Tile<ROWS>;
    constexpr int EACH = ROWS / 2;
    const int channels = a.channels, part = channels / 4, thread = threadIdx.x, threads = 4 * channels;
    const int left = blockIdx.x * COLUMNS, top = blockIdx.y * ROWS;
    const size_t area = static_cast<size_t>(a.height) * a.width;

    float *const normed = shared_memory();                  // [channels][WIDE]
    float *const wide = normed + channels * Of::WIDE;       // [2 part][STRIDE]: gated ones, then their gates
    float *const gated = wide + 2 * part * Of::STRIDE;      // [part][PIXELS]
    float *const expand = gated + part * Of::PIXELS;        // [channels][2 part]
    float *const project = expand + channels * 2 * part;    // [part][channels]
    float *const taps = project + part * channels;          // [2 part][9]
    float *const expand_bias = taps + 2 * part * 9;         // [2 part]
    float *const local_bias = expand_bias + 2 * part;       // [2 part]

    const int group = thread / 32 * 8, lane = thread % 32;

    for (int image = blockIdx.z; image < a.batch; image += gridDim.z) {
        const In *const in = static_cast<const In *>(a.in) + image * channels * area;
        Out *const out = static_cast<Out *>(a.out) + image * channels * area;

        __syncthreads();
        for (int i = thread; i < channels * Of::WIDE; i += threads) {
            const int channel = i / Of::WIDE, pixel = i % Of::WIDE;
            const int y = top - 1 + pixel / BORDERED, x = left - 1 + pixel % BORDERED;
            const bool inside = y >= 0 && y < a.height && x >= 0 && x < a.width;
            normed[i] = inside ? widen(in[channel * area + static_cast<size_t>(y) * a.width + x]) : 0.0f;
        }
        __syncthreads();
        for (int pixel = thread; pixel < Of::WIDE; pixel += threads) {
            float *const at = normed + pixel;
            float sum = 0.0f, squares = 0.0f;
            for (int c = 0; c < channels; c++) sum += at[c * Of::WIDE];
            const float mean = sum / channels;
            for (int c = 0; c < channels; c++) {
                const float difference = at[c * Of::WIDE] - mean;
                squares += difference * difference;
            }
            const float scale = 1.0f / sqrtf(squares / channels + EPSILON);
            for (int c = 0; c < channels; c++) {
                const float weight = widen(static_cast<const T *>(a.norm_weight)[c]);
                const float bias = widen(static_cast<const T *>(a.norm_bias)[c]);
                at[c * Of::WIDE] = (at[c * Of::WIDE] - mean) * scale * weight + bias;
            }
        }

        float sums[EACH][8] = {};
        for (int first = 0; first < a.hidden; first += part) {
            __syncthreads();
            // The hidden channel whose weights stand at `i`; beyond the last one, weights are zero.
            for (int i = thread; i < 2 * part * channels; i += threads) {
                const int c = i % channels, of = i / channels, h = first + of % part;
                const size_t row = of < part ? h : a.hidden + h;
                expand[c * 2 * part + of] =
                    h < a.hidden ? widen(static_cast<const T *>(a.expand)[row * channels + c]) : 0.0f;
            }
            for (int i = thread; i < part * channels; i += threads) {
                const int h = i % part, c = i / part;
                project[h * channels + c] =
                    first + h < a.hidden
                        ? widen(static_cast<const T *>(a.project)[static_cast<size_t>(c) * a.hidden + first + h])
                        : 0.0f;
            }
            for (int i = thread; i < 2 * part * 9; i += threads) {
                const int of = i / 9, h = first + of % part;
                const size_t row = of < part ? h : a.hidden + h;
                taps[i] = h < a.hidden ? widen(static_cast<const T *>(a.local)[row * 9 + i % 9]) : 0.0f;
            }
            for (int of = thread; of < 2 * part; of += threads) {
                const int h = first + of % part, row = of < part ? h : a.hidden + h;
                expand_bias[of] = h < a.hidden ? optional(static_cast<const T *>(a.expand_bias), row) : 0.0f;
                local_bias[of] = h < a.hidden ? optional(static_cast<const T *>(a.local_bias), row) : 0.0f;
            }
            __syncthreads();

            constexpr int ITEMS = Of::WIDE / Of::AT_ONCE;
            for (int item = thread; item < ITEMS * (part / 4); item += threads) {
                const int pixel = item % ITEMS, eight = item / ITEMS * 8;
                float widened[Of::AT_ONCE][8];
#pragma unroll
                for (int p = 0; p < Of::AT_ONCE; p++) {
#pragma unroll
                    for (int e = 0; e < 8; e++) widened[p][e] = expand_bias[eight + e];
                }
                for (int c = 0; c < channels; c++) {
                    const float4 *const weights = reinterpret_cast<const float4 *>(expand + c * 2 * part + eight);
                    const float4 low = weights[0], high = weights[1];
#pragma unroll
                    for (int p = 0; p < Of::AT_ONCE; p++) {
                        const float value = normed[c * Of::WIDE + pixel + p * ITEMS];
                        widened[p][0] += low.x * value, widened[p][1] += low.y * value;
                        widened[p][2] += low.z * value, widened[p][3] += low.w * value;
                        widened[p][4] += high.x * value, widened[p][5] += high.y * value;
                        widened[p][6] += high.z * value, widened[p][7] += high.w * value;
                    }
                }
#pragma unroll
                for (int p = 0; p < Of::AT_ONCE; p++) {
                    // The 3x3 convolution pads the widened map with zeros, whatever the biases before it.
                    const int at = pixel + p * ITEMS;
                    const int y = top - 1 + at / BORDERED, x = left - 1 + at % BORDERED;
                    const bool inside = y >= 0 && y < a.height && x >= 0 && x < a.width;
#pragma unroll
                    for (int e = 0; e < 8; e++) {
                        wide[(eight + e) * Of::STRIDE + at] = inside ? widened[p][e] : 0.0f;
                    }
                }
            }
            __syncthreads();

            {
                // COLUMNS times `part` columns of the tile: one for each thread.
                const int x = thread % COLUMNS, h = thread / COLUMNS;
                float value[ROWS], gate[ROWS];
                local<ROWS>(wide + h * Of::STRIDE + x, taps + h * 9, local_bias[h], value);
                local<ROWS>(wide + (part + h) * Of::STRIDE + x, taps + (part + h) * 9, local_bias[part + h], gate);
#pragma unroll
                for (int row = 0; row < ROWS; row++) {
                    const float first_factor = GELU ? gelu(value[row]) : value[row];
                    gated[h * Of::PIXELS + row * COLUMNS + x] = first_factor * gate[row];
                }
            }
            __syncthreads();

            for (int h = 0; h < part; h++) {
                const float4 *const weights = reinterpret_cast<const float4 *>(project + h * channels + group);
                const float4 low = weights[0], high = weights[1];
#pragma unroll
                for (int p = 0; p < EACH; p++) {
                    const float value = gated[h * Of::PIXELS + lane + 32 * p];
                    sums[p][0] += low.x * value, sums[p][1] += low.y * value;
                    sums[p][2] += low.z * value, sums[p][3] += low.w * value;
                    sums[p][4] += high.x * value, sums[p][5] += high.y * value;
                    sums[p][6] += high.z * value, sums[p][7] += high.w * value;
                }
            }
        }

#pragma unroll
        for (int p = 0; p < EACH; p++) {
            const int pixel = lane + 32 * p;
            const int y = top + pixel / COLUMNS, x = left + pixel % COLUMNS;
            if (y < a.height && x < a.width) {
#pragma unroll
                for (int e = 0; e < 8; e++) {
                    const int c = group + e;
                    const size_t at = c * area + static_cast<size_t>(y) * a.width + x;
                    const float bias = optional(static_cast<const T *>(a.project_bias), c);
                    narrow(widen(in[at]) + (sums[p][e] + bias), out[at]);
                }
            }
        }
    }
}

}  // namespace gated

#define GATED(NAME, T, IN, OUT, GELU, ROWS)                                            \
    extern "C" __global__ void __launch_bounds__(512) NAME(const GatedArguments a) { \
        gated::run<T, IN, OUT, GELU, ROWS>(a);                                         \
    }

// The map between the halves is in single precision.
GATED(gated_mixer_f32_8, float, float, float, false, 8)
GATED(gated_mixer_f32_4, float, float, float, false, 4)
GATED(gated_mixer_f16_8, Half, Half, float, false, 8)
GATED(gated_mixer_f16_4, Half, Half, float, false, 4)
GATED(gated_feed_f32_8, float, float, float, true, 8)
GATED(gated_feed_f32_4, float, float, float, true, 4)
GATED(gated_feed_f16_8, Half, float, Half, true, 8)
GATED(gated_feed_f16_4, Half, float, Half, true, 4)

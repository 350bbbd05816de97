// The kernels' surroundings for a compiler for the CPU: the language's words, the indices, the barrier, half precision.
// A thread of the GPU is a coroutine here (emulator.cpp), which other threads take turns with at every barrier.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)

struct uint3 {
    unsigned x, y, z;
};

struct float2 {
    float x, y;
};

struct alignas(16) float4 {
    float x, y, z, w;
};

inline float2 make_float2(float x, float y) { return {x, y}; }

extern uint3 threadIdx, blockIdx, blockDim, gridDim;

void __syncthreads();
float *shared_memory();

using std::min;

struct Half {
    std::uint16_t bits;
};

inline float widen(float value) { return value; }

inline float widen(Half value) {
    const std::uint32_t sign = (value.bits & 0x8000u) << 16, exponent = value.bits >> 10 & 31, rest = value.bits & 0x3ffu;
    if (exponent == 0) return (sign ? -1.0f : 1.0f) * std::ldexp(static_cast<float>(rest), -24);
    const std::uint32_t bits = sign | (exponent == 31 ? 255u : exponent + 112) << 23 | rest << 13;
    float wide;
    std::memcpy(&wide, &bits, sizeof wide);
    return wide;
}

inline void narrow(float value, float &to) { to = value; }

inline void narrow(float value, Half &to) {
    const std::uint16_t sign = std::signbit(value) ? 0x8000 : 0;
    const float size = std::fabs(value);
    if (std::isnan(value)) {
        to.bits = sign | 0x7e00;
    } else if (size >= 65520.0f) {
        to.bits = sign | 0x7c00;
    } else {
        int exponent = 0;
        std::frexp(size, &exponent);
        // The distance of halves at this size; below 2^-14 they are all 2^-24 apart.
        const int unit = std::max(exponent - 11, -24);
        // The default rounding mode is to nearest even; a carry runs into the exponent as it should.
        const int steps = static_cast<int>(std::nearbyint(std::ldexp(size, -unit)));
        to.bits = sign | static_cast<std::uint16_t>(unit == -24 ? steps : (unit + 24) * 1024 + steps);
    }
}

// What the kernels need of a GPU beside the language itself. NVRTC comes without CUDA's headers, so that the two
// conversions of half precision are written out. `emulated/device.cuh` says the same to a compiler for the CPU.
#pragma once

/// IEEE half precision, as it lies in memory.
struct Half {
    unsigned short bits;
};

__device__ __forceinline__ float widen(float value) { return value; }

__device__ __forceinline__ float widen(Half value) {
    float wide;
    asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(value.bits));
    return wide;
}

__device__ __forceinline__ void narrow(float value, float &to) { to = value; }

/// Rounds to nearest even.
__device__ __forceinline__ void narrow(float value, Half &to) {
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(to.bits) : "f"(value));
}

/// The block's dynamic shared memory, aligned for vectors of four.
__device__ __forceinline__ float *shared_memory() {
    extern __shared__ float4 memory[];
    return reinterpret_cast<float *>(memory);
}

// All kernels, as one unit of compilation: scripts/compile_kernels.py makes kernels.ptx of it.
#include "../large_kernel/kernel.cu"

#include "../gated_block/kernel.cu"

#include "../modulation/kernel.cu"

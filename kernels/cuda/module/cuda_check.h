#pragma once
#include <driver_types.h>

// Every return code of CUDA goes through here.
namespace cotenant::cuda {

// Throws OutOfGpuMemory or GpuError unless `code` is cudaSuccess: "cudaMalloc(...): out of memory
// (file:line)".
void check_cuda(cudaError_t code, const char* call, const char* file, int line);
#define COTENANT_CUDA(call) ::cotenant::cuda::check_cuda((call), #call, __FILE__, __LINE__)

}  // namespace cotenant::cuda

#pragma once
#include <cublas_v2.h>

// Every return code of cuBLAS and cuBLASLt goes through here.
namespace cotenant::cuda {

// Throws OutOfGpuMemory or GpuError unless `code` is CUBLAS_STATUS_SUCCESS, with the call and its place.
void check_cublas(cublasStatus_t code, const char* call, const char* file, int line);
#define COTENANT_CUBLAS(call) ::cotenant::cuda::check_cublas((call), #call, __FILE__, __LINE__)

}  // namespace cotenant::cuda

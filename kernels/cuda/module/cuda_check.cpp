// Public here: check_cuda, check_cublas.
#include "kernels/cuda/module/cuda_check.h"

#include <cublas_v2.h>
#include <cuda_runtime_api.h>

#include <string>

#include "kernels/cuda/gpu.h"
#include "kernels/cuda/module/cublas_check.h"

namespace cotenant::cuda {
namespace {

std::string message(const char* call, const char* text, const char* file, int line) {
  return std::string(call) + ": " + text + " (" + file + ":" + std::to_string(line) + ")";
}

}  // namespace

void check_cuda(cudaError_t code, const char* call, const char* file, int line) {
  if (code == cudaSuccess) return;
  // Takes the error off the thread, so that the next call does not report it again; one that broke the device
  // comes back by itself.
  (void)cudaGetLastError();
  const std::string text = message(call, cudaGetErrorString(code), file, line);
  if (code == cudaErrorMemoryAllocation) throw OutOfGpuMemory(text);
  throw GpuError(text);
}

void check_cublas(cublasStatus_t code, const char* call, const char* file, int line) {
  if (code == CUBLAS_STATUS_SUCCESS) return;
  const std::string text = message(call, cublasGetStatusString(code), file, line);
  if (code == CUBLAS_STATUS_ALLOC_FAILED) throw OutOfGpuMemory(text);
  throw GpuError(text);
}

}  // namespace cotenant::cuda

// Public here: the module's entry.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <string>

#include "kernels/cuda/module/device_gpu.h"
#include "kernels/cuda/module_entry.h"

namespace cotenant::cuda {
namespace {

// Device 0, or why not.
const char* problem_of_device(int* device, std::string* text) {
  int count = 0;
  int driver = 0;
  // Without a driver the version is 0 and no call fails.
  if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0) return "no NVIDIA driver";
  const cudaError_t code = cudaGetDeviceCount(&count);
  if (code == cudaErrorNoDevice || (code == cudaSuccess && count == 0)) return "no GPU";
  if (code == cudaErrorInsufficientDriver) {
    *text = "the NVIDIA driver is too old: it knows CUDA " + std::to_string(driver / 1000) + "." +
            std::to_string(driver % 1000 / 10);
    return text->c_str();
  }
  if (code != cudaSuccess) return cudaGetErrorString(code);
  *device = 0;
  int major = 0;
  if (cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0) != cudaSuccess || major < 8) {
    return "the GPU is older than compute capability 8.0";
  }
  return nullptr;
}

Gpu* open(std::string* reason) {
  int device = 0;
  std::string text;
  if (const char* problem = problem_of_device(&device, &text)) {
    *reason = problem;
    return nullptr;
  }
  try {
    return std::make_unique<DeviceGpu>(device).release();
  } catch (const std::exception& error) {
    *reason = std::string("the GPU can not be opened: ") + error.what();
    return nullptr;
  }
}

}  // namespace
}  // namespace cotenant::cuda

extern "C" __attribute__((visibility("default"))) cotenant::cuda::Gpu* cotenant_open_gpu(
    cotenant::cuda::ModuleRequest* request) {
  const uint32_t wanted = request->interface_number;
  request->interface_number = cotenant::cuda::kGpuInterface;
  if (wanted != cotenant::cuda::kGpuInterface) return nullptr;
  std::string reason;
  cotenant::cuda::Gpu* gpu = cotenant::cuda::open(&reason);
  if (gpu == nullptr && request->reason_bytes > 0) {
    const size_t length = std::min(reason.size(), request->reason_bytes - 1);
    std::memcpy(request->reason, reason.data(), length);
    request->reason[length] = '\0';
  }
  return gpu;
}

// Public here: has_green_contexts, make_partition.
#include "kernels/cuda/module/green_contexts.h"

#include <cuda.h>
#include <cuda_runtime_api.h>

#include <string>

#include "kernels/cuda/module/cuda_check.h"
#include "kernels/cuda/module/device_objects.h"
#include "sim/core/check.h"

namespace cotenant::cuda {
namespace {

// The runtime library finds the driver's functions, so that the module needs no libcuda to be loaded.
template <class Function>
Function driver_function(const char* name) {
  void* found = nullptr;
  cudaDriverEntryPointQueryResult result = cudaDriverEntryPointSymbolNotFound;
  // cuGreenCtxStreamCreate came with 12.5, the others with 12.4.
  constexpr unsigned kVersion = 12050;
  const cudaError_t code =
      cudaGetDriverEntryPointByVersion(name, &found, kVersion, cudaEnableDefault, &result);
  if (code != cudaSuccess) (void)cudaGetLastError();
  return code == cudaSuccess && result == cudaDriverEntryPointSuccess ? reinterpret_cast<Function>(found)
                                                                      : nullptr;
}

struct Driver {
  decltype(&cuDeviceGetDevResource) get_resource = nullptr;
  decltype(&cuDevSmResourceSplitByCount) split = nullptr;
  decltype(&cuDevResourceGenerateDesc) describe = nullptr;
  decltype(&cuGreenCtxCreate) create = nullptr;
  decltype(&cuGreenCtxDestroy) destroy = nullptr;
  decltype(&cuGreenCtxStreamCreate) make_stream = nullptr;
  [[nodiscard]] bool complete() const {
    return get_resource != nullptr && split != nullptr && describe != nullptr && create != nullptr &&
           destroy != nullptr && make_stream != nullptr;
  }
};
const Driver& driver() {
  static const Driver found = {
      driver_function<decltype(&cuDeviceGetDevResource)>("cuDeviceGetDevResource"),
      driver_function<decltype(&cuDevSmResourceSplitByCount)>("cuDevSmResourceSplitByCount"),
      driver_function<decltype(&cuDevResourceGenerateDesc)>("cuDevResourceGenerateDesc"),
      driver_function<decltype(&cuGreenCtxCreate)>("cuGreenCtxCreate"),
      driver_function<decltype(&cuGreenCtxDestroy)>("cuGreenCtxDestroy"),
      driver_function<decltype(&cuGreenCtxStreamCreate)>("cuGreenCtxStreamCreate"),
  };
  return found;
}

void check_driver(CUresult code, const char* call, int line) {
  if (code == CUDA_SUCCESS) return;
  throw GpuError(std::string(call) + ": driver error " + std::to_string(code) + " (" + __FILE__ + ":" +
                 std::to_string(line) + ")");
}
#define COTENANT_DRIVER(call) check_driver((call), #call, __LINE__)

class GreenContext {
 public:
  GreenContext(CUdevResource resource, CUdevice device) {
    CUdevResourceDesc description = nullptr;
    COTENANT_DRIVER(driver().describe(&description, &resource, 1));
    COTENANT_DRIVER(driver().create(&context_, description, device, CU_GREEN_CTX_DEFAULT_STREAM));
  }
  GreenContext(const GreenContext&) = delete;
  GreenContext& operator=(const GreenContext&) = delete;
  ~GreenContext() { (void)driver().destroy(context_); }
  [[nodiscard]] cudaStream_t make_stream() const {
    CUstream stream = nullptr;
    COTENANT_DRIVER(driver().make_stream(&stream, context_, CU_STREAM_NON_BLOCKING, 0));
    return stream;
  }

 private:
  CUgreenCtx context_ = nullptr;
};

std::unique_ptr<GpuStream> stream_on(CUdevResource resource, CUdevice device) {
  const auto context = std::make_shared<GreenContext>(resource, device);
  return std::make_unique<DeviceStream>(context->make_stream(), resource.sm.smCount, context);
}

}  // namespace

bool has_green_contexts() {
  return driver().complete();
}

Gpu::Partition make_partition(int64_t sms) {
  CHECK(has_green_contexts());
  int device = 0;
  COTENANT_CUDA(cudaGetDevice(&device));
  CUdevResource all{};
  COTENANT_DRIVER(driver().get_resource(device, &all, CU_DEV_RESOURCE_TYPE_SM));
  CHECK(sms > 0 && sms < all.sm.smCount);
  CUdevResource first{};
  CUdevResource rest{};
  unsigned groups = 1;
  COTENANT_DRIVER(driver().split(&first, &groups, &all, &rest, 0, static_cast<unsigned>(sms)));
  if (groups != 1 || rest.sm.smCount == 0) {
    throw GpuError("the device can not be split into " + std::to_string(sms) + " multiprocessors and a rest");
  }
  Gpu::Partition out;
  out.first = stream_on(first, device);
  out.second = stream_on(rest, device);
  return out;
}

}  // namespace cotenant::cuda

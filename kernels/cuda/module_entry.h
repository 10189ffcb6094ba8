#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels/cuda/gpu.h"

// The one symbol of the GPU module.
namespace cotenant::cuda {

struct ModuleRequest {
  // In: what the caller was built with. Out: what the module was built with. If they differ, nothing is
  // opened.
  uint32_t interface_number = 0;
  // Filled with a text that ends in zero if no device is opened.
  char* reason = nullptr;
  size_t reason_bytes = 0;
};
// Throws nothing. Returns a device that the caller deletes, or null.
using ModuleEntry = Gpu* (*)(ModuleRequest*);
inline constexpr const char* kModuleEntryName = "cotenant_open_gpu";

}  // namespace cotenant::cuda

#pragma once
#include "kernels/cuda/open_gpu.h"

namespace cotenant::cuda {

// A device of the module beside the program, or of the module that was built with it: a build tree keeps that
// one folder above its tests and benchmarks. The reason is that of the module that there is.
inline OpenedGpu open_device() {
  OpenedGpu opened = open_gpu();
  if (opened.gpu != nullptr || opened.reason.rfind("no GPU module", 0) != 0) return opened;
  return open_gpu({COTENANT_BINARY_DIR});
}

}  // namespace cotenant::cuda

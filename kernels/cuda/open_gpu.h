#pragma once
#include <memory>
#include <string>
#include <vector>

#include "kernels/cuda/gpu.h"

namespace cotenant::cuda {

// The device, or in plain words why there is none: "no GPU module (libcotenant_cuda.so) beside the program",
// "no cuBLAS: libcublas.so.13: cannot open shared object file", "no NVIDIA driver", "no GPU", "the GPU module
// has interface 2, this program needs 1".
struct OpenedGpu {
  std::unique_ptr<Gpu> gpu;  // null if there is a reason
  std::string reason;
};

// Looks for the module beside the program, in ../lib/cotenant and in ../lib, and nowhere else: neither the
// environment nor the working folder matters. The first file that exists is taken. Device 0 is opened; the
// module stays loaded until the process ends.
OpenedGpu open_gpu();
// The same in the given folders.
OpenedGpu open_gpu(const std::vector<std::string>& folders);

}  // namespace cotenant::cuda

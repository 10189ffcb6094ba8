#pragma once
#include "kernels/cuda/device/portable.cuh"
#include "kernels/cuda/module/cuda_check.h"

// How a kernel of kernels/cuda/device gets onto a stream.
namespace cotenant::cuda {

template <class Kernel>
__global__ void __launch_bounds__(Kernel::kThreads) run_kernel(const __grid_constant__ Kernel kernel) {
  kernel();
}

struct KernelLaunch {
  cudaStream_t stream;

  // An empty grid is no work.
  template <class Kernel>
  void operator()(const device::Grid& grid, const Kernel& kernel) const {
    if (grid.x <= 0 || grid.y <= 0 || grid.z <= 0) return;
    const auto bytes = static_cast<int>(grid.shared_bytes);
    // More than 48 KiB must be asked for; the device refuses what it does not have.
    constexpr int kWithoutAsking = 48 * 1024;
    if (bytes > kWithoutAsking) {
      COTENANT_CUDA(
          cudaFuncSetAttribute(run_kernel<Kernel>, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes));
    }
    const dim3 blocks(static_cast<unsigned>(grid.x), static_cast<unsigned>(grid.y),
                      static_cast<unsigned>(grid.z));
    run_kernel<Kernel><<<blocks, Kernel::kThreads, static_cast<size_t>(bytes), stream>>>(kernel);
    COTENANT_CUDA(cudaGetLastError());
  }
};

}  // namespace cotenant::cuda

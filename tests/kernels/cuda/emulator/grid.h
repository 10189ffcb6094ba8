#pragma once
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>

#include "kernels/cuda/device/portable.cuh"

// Runs a kernel of kernels/cuda/device on the host: block after block, the threads of a block in turns. It
// defines the functions that portable.cuh declares, and is stricter than a GPU: shared memory begins as NaN
// and has exactly the size of the launch, every index into it and every wide access to global memory is
// looked up, asynchronous copies happen as late as they may, and a barrier or warp operation that some thread
// does not reach is a fault.
namespace cotenant::cuda::emulator {

// What a GPU would have answered with an error, a hang or a wrong number.
class Fault : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Global memory: the ranges that wide accesses may touch. Not owned.
void add_range(const void* begin, int64_t bytes);
void remove_range(const void* begin);

// Runs `body` as every thread of every block. Throws Fault. Requires: threads is a multiple of 32.
void run_grid(const device::Grid& grid, int threads, const std::function<void()>& body);

// What the launch functions of kernels/cuda/device are given.
struct EmulatedLaunch {
  template <class Kernel>
  void operator()(const device::Grid& grid, const Kernel& kernel) const {
    run_grid(grid, Kernel::kThreads, [&kernel] { kernel(); });
  }
};

}  // namespace cotenant::cuda::emulator

#pragma once
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "kernels/cuda/gpu.h"

namespace cotenant {

// Fills device memory with random bf16 values at the speed of device copies: for each bound a block of up to
// four million values is drawn on the host, and every array is tiled with it, from another place of the block
// each time. Values repeat every kBlockValues, which no cache notices and no kernel does: addresses
// differ. The host would need minutes to draw the 8 G values of a large model one by one. The same seed and
// the same calls, the same bits.
class DeviceRandom {
 public:
  // Not a multiple of any width, so that neighbouring rows differ.
  static constexpr int64_t kBlockValues = (int64_t{1} << 22) + 1032;
  DeviceRandom(cuda::Gpu* gpu, uint64_t seed) : gpu_(gpu), seed_(seed) {}
  // Uniform in (-bound, bound). Queued on the main stream; this object must live until it is done.
  void fill(cuda::Bf16* to, int64_t count, float bound);

 private:
  // A block that is no shorter than the array, or as long as blocks get.
  const cuda::DeviceArray<cuda::Bf16>& block(float bound, int64_t count);

  cuda::Gpu* gpu_;
  uint64_t seed_;
  int64_t next_ = 0;   // place in the block
  int64_t drawn_ = 0;  // blocks
  std::map<float, cuda::DeviceArray<cuda::Bf16>> blocks_;
};

// Rounded to bf16 and copied; waits.
void copy_rounded(cuda::Gpu* gpu, std::span<const float> from, cuda::Bf16* to);
// Copied; waits.
template <class T>
void copy_values(cuda::Gpu* gpu, std::span<const T> from, T* to) {
  gpu->copy_to_device(gpu->main_stream(), to, from.data(), static_cast<int64_t>(from.size_bytes()));
  gpu->synchronize(gpu->main_stream());
}

}  // namespace cotenant

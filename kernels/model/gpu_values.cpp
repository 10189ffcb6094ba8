// Public here: DeviceRandom, copy_rounded.
#include "kernels/model/gpu_values.h"

#include <algorithm>

#include "kernels/model/random_values.h"

namespace cotenant {
namespace {

using cuda::Bf16;

constexpr int64_t kBf16Bytes = sizeof(Bf16);
// From one filled array to the next; a multiple of 8 keeps copies aligned to 16 bytes.
constexpr int64_t kShift = 8 * 104'729;
// A block is longer than what it fills, so that fills of equal length differ.
constexpr int64_t kLeastRest = 1032;

std::vector<Bf16> rounded(std::span<const float> from) {
  std::vector<Bf16> out(from.size());
  std::transform(from.begin(), from.end(), out.begin(), cuda::to_bf16);
  return out;
}

}  // namespace

void copy_rounded(cuda::Gpu* gpu, std::span<const float> from, Bf16* to) {
  const std::vector<Bf16> values = rounded(from);
  copy_values<Bf16>(gpu, values, to);
}

const cuda::DeviceArray<Bf16>& DeviceRandom::block(float bound, int64_t count) {
  const int64_t wanted = std::min(kBlockValues, count + kLeastRest);
  cuda::DeviceArray<Bf16>& block = blocks_[bound];
  if (block.size() >= wanted) return block;
  const auto tensor = static_cast<uint32_t>(drawn_++);
  const std::vector<Bf16> values = rounded(random_values(wanted, bound, {seed_, tensor}));
  // Copies out of the shorter block may still be queued.
  gpu_->synchronize(gpu_->main_stream());
  block = cuda::to_device<Bf16>(gpu_, values);
  return block;
}

void DeviceRandom::fill(Bf16* to, int64_t count, float bound) {
  const cuda::DeviceArray<Bf16>& from = block(bound, count);
  next_ = next_ % from.size() / 8 * 8;
  for (int64_t done = 0; done < count;) {
    const int64_t piece = std::min(count - done, from.size() - next_);
    gpu_->copy_on_device(gpu_->main_stream(), to + done, from.data() + next_, piece * kBf16Bytes);
    done += piece;
    next_ = (next_ + piece) % from.size() / 8 * 8;
  }
  next_ += kShift;
}

}  // namespace cotenant

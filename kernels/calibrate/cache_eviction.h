#pragma once
#include <cstdint>
#include <vector>

#include "kernels/cpu/huge_pages.h"

namespace cotenant {

// Empties the caches by reading a block of 96 MiB, or three times the last-level cache if that is more (up to
// 512 MiB). Reads only: written lines would have to be written back inside the next timed call.
//
// The other way, rotating over copies of the data, needs no reading between samples but a copy of every
// model, cache and buffer, and leaves the small ones (activations, scratch memory) warm. Both were measured
// side by side (docs/kernels.md): they agree within 5 %, a block of twice the cache reads up to 11 % too
// fast, and one read of the block costs 3.5 ms. It doubles as the bandwidth half of the reference kernel.
class CacheEviction {
 public:
  explicit CacheEviction(int64_t last_level_cache_bytes);
  void run();
  [[nodiscard]] int64_t bytes() const { return static_cast<int64_t>(block_.size()) * 8; }

 private:
  std::vector<int64_t, cpu::LargeAllocator<int64_t>> block_;
  volatile int64_t sink_ = 0;
};

}  // namespace cotenant

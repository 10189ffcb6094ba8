#pragma once
#include <cstdint>
#include <vector>

namespace cotenant {

// Empties the caches by reading a block of 96 MiB, or three times the last-level cache if that is more (up to
// 512 MiB). Reads only: written lines would have to be written back inside the next timed call.
class CacheEviction {
 public:
  explicit CacheEviction(int64_t last_level_cache_bytes);
  void run();
  [[nodiscard]] int64_t bytes() const { return static_cast<int64_t>(block_.size()) * 8; }

 private:
  std::vector<int64_t> block_;
  volatile int64_t sink_ = 0;
};

}  // namespace cotenant

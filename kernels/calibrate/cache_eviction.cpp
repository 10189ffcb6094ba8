// Public here: CacheEviction.
#include "kernels/calibrate/cache_eviction.h"

#include <algorithm>

namespace cotenant {
namespace {

constexpr int64_t kLeastBytes = 96LL << 20;
constexpr int64_t kMostBytes = 512LL << 20;
constexpr size_t kValuesPerLine = 8;

}  // namespace

CacheEviction::CacheEviction(int64_t last_level_cache_bytes)
    : block_(static_cast<size_t>(std::clamp(3 * last_level_cache_bytes, kLeastBytes, kMostBytes) / 8), 1) {}

void CacheEviction::run() {
  int64_t sum = 0;
  for (size_t i = 0; i < block_.size(); i += kValuesPerLine) sum += block_[i];
  sink_ = sum;
}

}  // namespace cotenant

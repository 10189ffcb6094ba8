#include "sim/serving/counted_pool.h"

#include <algorithm>

#include "sim/core/check.h"

namespace cotenant {

CountedPool::CountedPool(int64_t blocks) : total_(blocks), free_(blocks) {
  CHECK(blocks >= 0);
  if (blocks > 0) runs_.push_back({TenantId{}, blocks});
}

int64_t CountedPool::allocate(int64_t blocks, TenantId tenant) {
  CHECK(blocks >= 0 && blocks <= free_);
  int64_t from_others = 0;
  for (int64_t left = blocks; left > 0;) {
    Run& front = runs_.front();
    const int64_t taken = std::min(left, front.blocks);
    if (front.writer.valid() && front.writer != tenant) from_others += taken;
    left -= taken;
    front.blocks -= taken;
    if (front.blocks == 0) runs_.pop_front();
  }
  free_ -= blocks;
  allocated_ += blocks;
  return from_others;
}

void CountedPool::release(int64_t blocks, TenantId tenant) {
  CHECK(blocks >= 0 && blocks <= held());
  if (blocks == 0) return;
  free_ += blocks;
  freed_ += blocks;
  if (!runs_.empty() && runs_.back().writer == tenant) {
    runs_.back().blocks += blocks;
  } else {
    runs_.push_back({tenant, blocks});
  }
}

}  // namespace cotenant

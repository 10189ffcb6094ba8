#include "sim/serving/counted_pool.h"

#include <algorithm>
#include <utility>

#include "sim/core/check.h"

namespace cotenant {

CountedPool::CountedPool(int64_t blocks) : total_(blocks), free_(blocks) {
  CHECK(blocks >= 0);
  first_.blocks = blocks;
}

int64_t CountedPool::allocate(int64_t blocks, TenantId tenant) {
  CHECK(blocks >= 0 && blocks <= free_);
  int64_t from_others = 0;
  for (int64_t left = blocks; left > 0;) {
    const int64_t taken = std::min(left, first_.blocks);
    if (first_.writer.valid() && first_.writer != tenant) from_others += taken;
    left -= taken;
    first_.blocks -= taken;
    if (first_.blocks == 0) first_ = next_run();
  }
  free_ -= blocks;
  allocated_ += blocks;
  return from_others;
}

// Takes out the run behind the first.
CountedPool::Run CountedPool::next_run() {
  if (between_.empty()) return std::exchange(last_, {});
  const Run next = between_.front();
  between_.pop_front();
  return next;
}

void CountedPool::release(int64_t blocks, TenantId tenant) {
  CHECK(blocks >= 0 && blocks <= held());
  if (blocks == 0) return;
  free_ += blocks;
  freed_ += blocks;
  const Run freed{tenant, blocks};
  if (first_.blocks == 0) {
    first_ = freed;
  } else if (last_.blocks > 0 && last_.writer == tenant) {
    last_.blocks += blocks;
  } else {
    if (last_.blocks > 0) between_.push_back(last_);
    last_ = freed;
  }
}

}  // namespace cotenant

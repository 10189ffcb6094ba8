#include "sim/serving/kv_pool.h"

#include <algorithm>

#include "sim/core/check.h"

namespace cotenant {

KvPool::KvPool(int64_t blocks) : total_(blocks), free_(blocks) {
  CHECK(blocks >= 0);
  if (blocks > 0) runs_.push_back({TenantId{}, blocks});
}

int64_t KvPool::take_runs(int64_t blocks, TenantId tenant) {
  int64_t from_others = 0;
  for (int64_t left = blocks; left > 0;) {
    Run& front = runs_.front();
    const int64_t taken = std::min(left, front.blocks);
    if (front.writer.valid() && front.writer != tenant) from_others += taken;
    left -= taken;
    front.blocks -= taken;
    if (front.blocks == 0) runs_.pop_front();
  }
  return from_others;
}

int64_t KvPool::allocate(int64_t blocks, TenantId tenant) {
  CHECK(blocks >= 0 && blocks <= free_);
  free_ -= blocks;
  allocated_ += blocks;
  return take_runs(blocks, tenant);
}

void KvPool::grow(int64_t blocks) {
  CHECK(blocks >= 0 && blocks <= free_);
  free_ -= blocks;
  allocated_ += blocks;
  unsettled_ += blocks;
}

int64_t KvPool::settle(int64_t blocks, TenantId tenant) {
  CHECK(blocks >= 0 && blocks <= unsettled_);
  unsettled_ -= blocks;
  return take_runs(blocks, tenant);
}

void KvPool::release(int64_t blocks, TenantId tenant) {
  CHECK(blocks >= 0 && blocks <= held() - unsettled_);
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

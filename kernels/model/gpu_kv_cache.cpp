// Public here: GpuKvPool, GpuKvCache.
#include "kernels/model/gpu_kv_cache.h"

#include "sim/core/check.h"

namespace cotenant {

using cuda::kKvBlockTokens;

GpuKvPool::GpuKvPool(cuda::Gpu* gpu, const DecoderConfig& c, int64_t blocks)
    : blocks_(blocks),
      block_values_(c.kv_heads * kKvBlockTokens * c.head_dim),
      values_(gpu, 2 * c.layers * blocks * block_values_) {
  CHECK(blocks > 0 && blocks <= INT32_MAX / kKvBlockTokens);
  for (int64_t block = blocks; block-- > 0;) free_.push_back(static_cast<int32_t>(block));
}

int32_t GpuKvPool::take() {
  CHECK(!free_.empty());
  const int32_t block = free_.back();
  free_.pop_back();
  return block;
}

void GpuKvPool::give_back(int32_t block) {
  CHECK(block >= 0 && block < blocks_ && free_blocks() < blocks_);
  free_.push_back(block);
}

cuda::KvPool GpuKvPool::layer(int64_t layer) const {
  const int64_t one = blocks_ * block_values_;
  cuda::Bf16* keys = values_.data() + 2 * layer * one;
  return {.keys = keys, .values = keys + one};
}

void GpuKvPool::fill(DeviceRandom* random) {
  random->fill(values_.data(), values_.size(), 1);
}

GpuKvCache::GpuKvCache(GpuKvPool* pool, int64_t capacity) : pool_(pool), capacity_(capacity) {
  for (int64_t tokens = 0; tokens < capacity; tokens += kKvBlockTokens) table_.push_back(pool_->take());
}

// The last block first, so that the pool hands them out in order again. What was moved from has none.
GpuKvCache::~GpuKvCache() {
  for (size_t i = table_.size(); i-- > 0;) pool_->give_back(table_[i]);
}

int32_t GpuKvCache::slot(int64_t token) const {
  CHECK(token >= 0 && token < capacity_);
  const auto block = static_cast<size_t>(token / kKvBlockTokens);
  return table_[block] * static_cast<int32_t>(kKvBlockTokens) + static_cast<int32_t>(token % kKvBlockTokens);
}

void GpuKvCache::set_length(int64_t length) {
  CHECK(length >= 0 && length <= capacity_);
  length_ = length;
}

}  // namespace cotenant

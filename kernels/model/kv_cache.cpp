// Public here: KvPool, KvCache.
#include "kernels/model/kv_cache.h"

#include <algorithm>

#include "kernels/model/decoder.h"
#include "sim/core/check.h"

namespace cotenant {
namespace {

int64_t blocks_for(int64_t tokens) {
  return (tokens + cpu::kKvBlockTokens - 1) / cpu::kKvBlockTokens;
}

}  // namespace

KvPool::KvPool(const DecoderConfig& c, int64_t blocks)
    : layers_(c.layers),
      blocks_(blocks),
      block_values_(cpu::kv_block_values(c.kv_heads, c.head_dim)),
      values_(static_cast<size_t>(layers_ * blocks * block_values_)) {
  CHECK(blocks >= 0 && blocks <= INT32_MAX);
  for (int64_t block = blocks; block-- > 0;) free_.push_back(static_cast<int32_t>(block));
}

int32_t KvPool::take() {
  CHECK(!free_.empty());
  const int32_t block = free_.back();
  free_.pop_back();
  return block;
}

void KvPool::give_back(int32_t block) {
  CHECK(block >= 0 && block < blocks_ && free_blocks() < blocks_);
  free_.push_back(block);
}

float* KvPool::layer(int64_t layer) {
  return values_.data() + layer * blocks_ * block_values_;
}

std::span<float> KvPool::block(int64_t l, int32_t block) {
  return {layer(l) + block * block_values_, static_cast<size_t>(block_values_)};
}

KvCache::KvCache(const DecoderConfig& config, int64_t capacity)
    : own_(std::make_unique<KvPool>(config, blocks_for(capacity))), pool_(own_.get()), capacity_(capacity) {
  for (int64_t i = 0; i < blocks_for(capacity); ++i) table_.push_back(pool_->take());
}

KvCache::KvCache(KvPool* pool, int64_t capacity) : pool_(pool), capacity_(capacity) {
  CHECK(blocks_for(capacity) <= pool->free_blocks());
  for (int64_t i = 0; i < blocks_for(capacity); ++i) table_.push_back(pool_->take());
}

// In reverse, so that the next sequence finds neighbours in rising order again. What was moved from has no
// blocks.
KvCache::~KvCache() {
  for (size_t i = table_.size(); i-- > 0;) pool_->give_back(table_[i]);
}

cpu::PagedKv KvCache::layer(int64_t layer) const {
  return {.pool = pool_->layer(layer), .table = table_.data(), .blocks = static_cast<int64_t>(table_.size())};
}

void KvCache::set_length(int64_t length) {
  CHECK(length >= 0 && length <= capacity_);
  length_ = length;
}

void KvCache::fill(std::span<const float> pattern) {
  CHECK(!pattern.empty());
  size_t next = 0;
  for (int64_t l = 0; l < pool_->layers(); ++l) {
    for (const int32_t block : table_) {
      for (float& value : pool_->block(l, block)) {
        value = pattern[next];
        next = next + 1 == pattern.size() ? 0 : next + 1;
      }
    }
  }
}

}  // namespace cotenant

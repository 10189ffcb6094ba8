// Public here: PrefixPool.
#include "sim/serving/prefix_pool.h"

#include <bit>

#include "sim/core/check.h"

namespace cotenant {

PrefixPool::PrefixPool(int64_t blocks) : blocks_(static_cast<size_t>(blocks)) {
  CHECK(blocks >= 0 && blocks < INT32_MAX);
  const size_t slots = std::bit_ceil(static_cast<size_t>(2 * blocks + 2));
  index_.resize(slots);
  shift_ = 64 - std::countr_zero(slots);
  for (uint32_t b = 0; b < blocks_.size(); ++b) append_free(b);
  freed_ = 0;
}

void PrefixPool::append_free(uint32_t block) {
  blocks_[block].before = last_free_;
  blocks_[block].after = kNone;
  (last_free_ == kNone ? first_free_ : blocks_[last_free_].after) = block;
  last_free_ = block;
  ++free_;
  ++freed_;
}

void PrefixPool::unlink_free(uint32_t block) {
  const Block& b = blocks_[block];
  (b.before == kNone ? first_free_ : blocks_[b.before].after) = b.after;
  (b.after == kNone ? last_free_ : blocks_[b.after].before) = b.before;
  --free_;
  ++allocated_;
}

uint32_t PrefixPool::lookup(PrefixKey key) const {
  for (size_t i = slot_of(key); index_[i].block != kNone; i = (i + 1) & (index_.size() - 1)) {
    if (index_[i].key == key) return index_[i].block;
  }
  return kNone;
}

void PrefixPool::insert(PrefixKey key, uint32_t block) {
  size_t i = slot_of(key);
  while (index_[i].block != kNone) i = (i + 1) & (index_.size() - 1);
  index_[i] = {key, block};
}

// Removes an entry and closes the gap, so that probing never meets a hole in its way.
void PrefixPool::erase(PrefixKey key) {
  const size_t mask = index_.size() - 1;
  size_t hole = slot_of(key);
  while (index_[hole].key != key) hole = (hole + 1) & mask;
  for (size_t i = (hole + 1) & mask; index_[i].block != kNone; i = (i + 1) & mask) {
    const size_t wanted = slot_of(index_[i].key);
    if (((i - wanted) & mask) < ((i - hole) & mask)) continue;
    index_[hole] = index_[i];
    hole = i;
  }
  index_[hole] = {};
}

PrefixPool::Hit PrefixPool::find(std::span<const PrefixKey> keys) const {
  Hit hit;
  for (const PrefixKey key : keys) {
    const uint32_t block = key == 0 ? kNone : lookup(key);
    if (block == kNone) break;
    ++hit.blocks;
    hit.idle += blocks_[block].holders == 0 ? 1 : 0;
  }
  hit.kept = hit.blocks;
  if (!remembers_) return hit;
  while (hit.kept < static_cast<int64_t>(keys.size())) {
    const PrefixKey key = keys[static_cast<size_t>(hit.kept)];
    if (key == 0 || (lookup(key) == kNone && evicted_.count(key) == 0)) break;
    ++hit.kept;
  }
  return hit;
}

PrefixReuse PrefixPool::hold(std::span<const PrefixKey> keys, const BlockOrigin& user, Table& table) {
  PrefixReuse reuse;
  for (const PrefixKey key : keys) {
    const uint32_t block = lookup(key);
    CHECK(block != kNone);
    if (blocks_[block].holders++ == 0) unlink_free(block);
    table.push_back(block);
    const BlockOrigin& writer = blocks_[block].writer;
    reuse.of_others += writer.tenant == user.tenant ? 0 : 1;
    if (writer.same_model(user)) continue;
    if (reuse.of_other_models++ == 0) reuse.other_model = writer;
  }
  return reuse;
}

bool PrefixPool::take(const BlockOrigin& writer, Table& table) {
  CHECK(free_ > 0);
  const uint32_t block = first_free_;
  unlink_free(block);
  Block& b = blocks_[block];
  const bool from_other = b.writer.tenant.valid() && b.writer.tenant != writer.tenant;
  if (b.key != 0) {
    erase(b.key);
    if (remembers_ && from_other) remember(b.key);
  }
  b.key = 0;
  b.holders = 1;
  b.writer = writer;
  table.push_back(block);
  return from_other;
}

// The oldest is forgotten where there are too many.
void PrefixPool::remember(PrefixKey key) {
  if (!evicted_.insert(key).second) return;
  evicted_in_order_.push_back(key);
  if (evicted_in_order_.size() <= kMostEvicted) return;
  evicted_.erase(evicted_in_order_.front());
  evicted_in_order_.pop_front();
}

void PrefixPool::seal(uint32_t block, PrefixKey key) {
  Block& b = blocks_[block];
  CHECK(b.holders > 0);
  if (key == 0 || b.key != 0 || lookup(key) != kNone) return;
  b.key = key;
  insert(key, block);
}

void PrefixPool::unseal(uint32_t block) {
  PrefixKey& key = blocks_[block].key;
  if (key != 0) erase(key);
  key = 0;
}

void PrefixPool::give_back(Table& table) {
  while (!table.empty()) {
    const uint32_t block = table.back();
    table.pop_back();
    CHECK(blocks_[block].holders > 0);
    if (--blocks_[block].holders == 0) append_free(block);
  }
}

}  // namespace cotenant

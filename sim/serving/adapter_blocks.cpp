#include "sim/serving/adapter_blocks.h"

#include <algorithm>

#include "sim/core/check.h"

namespace cotenant {

const AdapterBlocks::Entry* AdapterBlocks::find(ModelId adapter) const {
  const auto at = std::find_if(entries_.begin(), entries_.end(),
                               [adapter](const Entry& e) { return e.adapter == adapter; });
  return at == entries_.end() ? nullptr : &*at;
}

AdapterBlocks::Entry& AdapterBlocks::entry(ModelId adapter) {
  const auto at = std::find_if(entries_.begin(), entries_.end(),
                               [adapter](const Entry& e) { return e.adapter == adapter; });
  CHECK(at != entries_.end());
  return *at;
}

int64_t AdapterBlocks::idle_blocks(ModelId but) const {
  const Entry* kept = idle_blocks_ == 0 ? nullptr : find(but);
  return idle_blocks_ - (kept != nullptr && kept->pins == 0 ? kept->holding.blocks : 0);
}

bool AdapterBlocks::evict(int64_t blocks) {
  while (memory_->free() < blocks && idle_blocks_ > 0) {
    const auto goes = std::min_element(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
      if ((a.pins == 0) != (b.pins == 0)) return a.pins == 0;
      return a.last_use < b.last_use;
    });
    idle_blocks_ -= goes->holding.blocks;
    memory_->leave(goes->holding, goes->loaded_for);
    entries_.erase(goes);
  }
  return memory_->free() >= blocks;
}

void AdapterBlocks::load(ModelId adapter, int64_t blocks, const BlockOrigin& user) {
  CHECK(!holds(adapter));
  entries_.push_back({.adapter = adapter, .loaded_for = user.tenant, .holding = {}, .last_use = ++uses_});
  memory_->grow(entries_.back().holding, blocks, user);
  idle_blocks_ += blocks;
}

void AdapterBlocks::pin(ModelId adapter) {
  Entry& pinned = entry(adapter);
  if (pinned.pins++ == 0) idle_blocks_ -= pinned.holding.blocks;
  pinned.last_use = ++uses_;
}

void AdapterBlocks::unpin(ModelId adapter) {
  Entry& unpinned = entry(adapter);
  CHECK(unpinned.pins > 0);
  if (--unpinned.pins == 0) idle_blocks_ += unpinned.holding.blocks;
}

}  // namespace cotenant

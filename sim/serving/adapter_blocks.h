#pragma once
#include <vector>

#include "sim/core/amounts.h"
#include "sim/serving/kv_memory.h"

namespace cotenant {

// The adapters that live in a replica's KV memory, as in S-LoRA's unified paging (Sheng et al., "S-LoRA:
// Serving Thousands of Concurrent LoRA Adapters", MLSys 2024): each takes whole KV blocks; those that no
// running sequence uses stay until their blocks are needed, the least recently used goes first. A load
// overwrites all that it takes over, so it exposes nothing; who gets the blocks next does. One owner, one
// thread.
class AdapterBlocks {
 public:
  // Requires: `memory` outlives this.
  explicit AdapterBlocks(KvMemory& memory) : memory_(&memory) {}
  AdapterBlocks(const AdapterBlocks&) = delete;  // it belongs to one memory
  AdapterBlocks& operator=(const AdapterBlocks&) = delete;

  [[nodiscard]] bool holds(ModelId adapter) const { return find(adapter) != nullptr; }
  // Blocks that could be made free without touching `but`.
  [[nodiscard]] int64_t idle_blocks(ModelId but) const;
  // Evicts until `blocks` are free or nothing is left that may go; returns whether they are.
  bool make_free(int64_t blocks) { return memory_->free() >= blocks || evict(blocks); }
  // Evicts all that no running sequence uses.
  void drop_idle() { evict(memory_->total() + 1); }
  template <class Visit>
  void for_each(const Visit& visit) const {
    for (const Entry& entry : entries_) visit(entry.adapter);
  }
  // Takes `blocks`, on behalf of `user`. Requires: they are free; !holds(adapter).
  void load(ModelId adapter, int64_t blocks, const BlockOrigin& user);
  // A running sequence begins or ends to need it. Requires: holds(adapter).
  void pin(ModelId adapter);
  void unpin(ModelId adapter);

 private:
  struct Entry {
    ModelId adapter;
    TenantId loaded_for;
    KvHolding holding;
    int64_t pins = 0;
    int64_t last_use = 0;
  };
  bool evict(int64_t blocks);
  [[nodiscard]] const Entry* find(ModelId adapter) const;
  Entry& entry(ModelId adapter);

  KvMemory* memory_;
  std::vector<Entry> entries_;  // in no order that matters
  int64_t idle_blocks_ = 0;
  int64_t uses_ = 0;
};

}  // namespace cotenant

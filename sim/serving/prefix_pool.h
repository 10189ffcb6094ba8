#pragma once
#include <cstdint>
#include <deque>
#include <span>
#include <unordered_set>
#include <vector>

#include "sim/core/ids.h"
#include "sim/serving/prefix_use.h"

namespace cotenant {

// Says what a block of 16 tokens holds: made of its tokens and of everything before them, so that equal keys
// mean equal prefixes. 0 = no key.
using PrefixKey = uint64_t;

// The KV memory of one replica that keeps what it has computed: blocks of 16 tokens, found again by key. A
// block that nobody holds stays in the cache until its place is needed; the one given back longest ago goes
// first, and of one request its last block. Rules: vLLM's automatic prefix caching. One owner, one thread; no
// call but the constructor and a growing index allocates. Invariant: free + held = total.
class PrefixPool {
 public:
  using Table = std::vector<uint32_t>;  // the blocks of one sequence, in order
  explicit PrefixPool(int64_t blocks);

  [[nodiscard]] int64_t total() const { return static_cast<int64_t>(blocks_.size()); }
  [[nodiscard]] int64_t free() const { return free_; }            // cached or not
  [[nodiscard]] int64_t allocated() const { return allocated_; }  // times that a block was no longer free
  [[nodiscard]] int64_t freed() const { return freed_; }
  // How many keys from the first on are here; `idle` of these blocks count as free now.
  struct Hit {
    int64_t blocks = 0;
    int64_t idle = 0;
    int64_t kept = 0;  // as `blocks`, with what was evicted for others and is remembered
  };
  [[nodiscard]] Hit find(std::span<const PrefixKey> keys) const;
  // Appends the blocks of `keys`, all of which are here, to `table`; says which `user` should not have found.
  PrefixReuse hold(std::span<const PrefixKey> keys, const BlockOrigin& user, Table& table);
  // Appends a block of unknown content; returns whether another tenant wrote it last. Requires: free() > 0.
  bool take(const BlockOrigin& writer, Table& table);
  // The block is full: others may find it. A second block of the same content stays without a key.
  void seal(uint32_t block, PrefixKey key);
  // From now on the keys of blocks that are evicted for another tenant than their writer are remembered: the
  // last kMostEvicted.
  static constexpr size_t kMostEvicted = size_t{1} << 20;
  void remember_evicted() { remembers_ = true; }
  // Nobody finds the block any more.
  void unseal(uint32_t block);
  // Visits who wrote the blocks last, some of them several times.
  template <class Visit>
  void for_each_writer(const Visit& visit) const {
    for (const Block& block : blocks_) {
      if (block.writer.tenant.valid()) visit(block.writer.tenant);
    }
  }
  // Gives the blocks of a sequence back and empties the table.
  void give_back(Table& table);

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Block {
    PrefixKey key = 0;
    uint32_t holders = 0;
    uint32_t before = kNone;  // in the list of free blocks
    uint32_t after = kNone;
    BlockOrigin writer;
  };
  void append_free(uint32_t block);
  void unlink_free(uint32_t block);
  [[nodiscard]] uint32_t lookup(PrefixKey key) const;
  void insert(PrefixKey key, uint32_t block);
  void erase(PrefixKey key);
  void remember(PrefixKey key);
  [[nodiscard]] size_t slot_of(PrefixKey key) const { return (key * 0x9E3779B97F4A7C15U) >> shift_; }

  std::vector<Block> blocks_;
  uint32_t first_free_ = kNone;  // given back longest ago
  uint32_t last_free_ = kNone;
  int64_t free_ = 0;
  int64_t allocated_ = 0;
  int64_t freed_ = 0;
  // Open addressing with linear probing, at most half full: at most one entry a block.
  struct Entry {
    PrefixKey key = 0;
    uint32_t block = kNone;
  };
  std::vector<Entry> index_;
  int shift_ = 0;
  bool remembers_ = false;
  std::unordered_set<PrefixKey> evicted_;  // for other tenants
  std::deque<PrefixKey> evicted_in_order_;
};

}  // namespace cotenant

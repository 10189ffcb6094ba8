#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "sim/serving/counted_pool.h"
#include "sim/serving/prefix_pool.h"

namespace cotenant {

// What a running sequence holds of a replica's KV memory.
struct KvHolding {
  int64_t blocks = 0;
  int64_t sealed = 0;       // cached memory: of these, from the front, whose content is known to others
  int64_t from_others = 0;  // blocks grown by that another tenant wrote last
  PrefixPool::Table table;  // cached memory: which they are
};

// The KV memory of one replica, in one of two ways: counted (CountedPool; costs nothing a block) or cached
// (PrefixPool; what was computed is found again). One owner, one thread.
class KvMemory {
 public:
  KvMemory(int64_t blocks, bool cached);
  [[nodiscard]] bool cached() const { return caches_; }
  [[nodiscard]] int64_t total() const { return cached() ? cache_.total() : counted_.total(); }
  [[nodiscard]] int64_t free() const { return cached() ? cache_.free() : counted_.free(); }
  [[nodiscard]] int64_t held() const { return total() - free(); }
  [[nodiscard]] int64_t allocated() const { return cached() ? cache_.allocated() : counted_.allocated(); }
  [[nodiscard]] int64_t freed() const { return cached() ? cache_.freed() : counted_.freed(); }

  // From now on what is evicted for other tenants counts as kept in find(). Nothing in counted memory.
  void remember_evicted() { cache_.remember_evicted(); }
  // The blocks of `keys`, from the front, that are here; none in counted memory.
  [[nodiscard]] PrefixPool::Hit find(std::span<const PrefixKey> keys) const;
  struct Admission {
    int64_t from_others = 0;  // blocks beyond the found ones that another tenant wrote last
    PrefixReuse reuse;        // among the found ones
  };
  // Gives an empty holding `blocks`, the first of them those of `keys`, which were found.
  Admission admit(KvHolding& holding, int64_t blocks, const BlockOrigin& user,
                  std::span<const PrefixKey> keys);
  // Adds `blocks`; whose they were is told by leave().
  void grow(KvHolding& holding, int64_t blocks, const BlockOrigin& user);
  // Whether the next free blocks, this many, were written last by one and the same, or by nobody: then it
  // does not matter in which order holdings take them. Requires: not cached.
  [[nodiscard]] bool next_of_one_writer(int64_t blocks) const { return counted_.next_of_one_writer(blocks); }
  // The next blocks of the holding, those after the sealed ones, are full. Nothing in counted memory.
  void seal(KvHolding& holding, std::span<const PrefixKey> keys);
  // Of the sealed blocks only the first `blocks` keep their content.
  void unseal(KvHolding& holding, int64_t blocks);
  // Visits who wrote the blocks last that nobody holds, some of them several times.
  template <class Visit>
  void for_each_writer(const Visit& visit) const {
    if (cached()) return cache_.for_each_writer(visit);
    counted_.for_each_writer(visit);
  }
  // Gives everything back. Returns how many of the blocks grown by another tenant wrote last.
  int64_t leave(KvHolding& holding, TenantId tenant);

 private:
  CountedPool counted_;
  bool caches_;  // else `cache_` has no blocks, and the other way round
  PrefixPool cache_;
};

}  // namespace cotenant

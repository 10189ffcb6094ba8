#pragma once
#include <cstdint>
#include <deque>

#include "sim/core/ids.h"

namespace cotenant {

inline constexpr int64_t kKvBlockTokens = 16;

// The KV memory of one replica: blocks of 16 tokens, handed out from the front of a first-in-first-out free
// list that remembers who wrote each block last. Freed blocks of one request stay together, so a hand-over
// costs O(runs), not O(blocks). Invariant: free + held = total; allocated = freed + held.
class CountedPool {
 public:
  explicit CountedPool(int64_t blocks);

  [[nodiscard]] static int64_t blocks_for(int64_t tokens) {
    return (tokens + kKvBlockTokens - 1) / kKvBlockTokens;
  }
  [[nodiscard]] int64_t total() const { return total_; }
  [[nodiscard]] int64_t free() const { return free_; }
  [[nodiscard]] int64_t held() const { return total_ - free_; }
  [[nodiscard]] int64_t allocated() const { return allocated_; }  // over the pool's life
  [[nodiscard]] int64_t freed() const { return freed_; }

  // Takes `blocks` for `tenant`; returns how many of them another tenant wrote last.
  // Requires: blocks <= free().
  int64_t allocate(int64_t blocks, TenantId tenant);
  // Whether the next free blocks, this many, were all written last by one and the same, or by nobody.
  [[nodiscard]] bool next_of_one_writer(int64_t blocks) const { return first_.blocks >= blocks; }
  // Visits who wrote the free blocks last, some of them several times.
  template <class Visit>
  void for_each_writer(const Visit& visit) const {
    for (const Run* run : {&first_, &last_}) {
      if (run->blocks > 0 && run->writer.valid()) visit(run->writer);
    }
    for (const Run& run : between_) {
      if (run.writer.valid()) visit(run.writer);
    }
  }
  // Gives `blocks` of `tenant` back. Requires: they are held.
  void release(int64_t blocks, TenantId tenant);

 private:
  struct Run {
    TenantId writer;  // invalid = never written
    int64_t blocks = 0;
  };
  Run next_run();

  int64_t total_;
  int64_t free_;
  int64_t allocated_ = 0;
  int64_t freed_ = 0;
  // In order; one is empty only if all behind it are. The ends stand here, so that most calls touch nothing
  // else.
  Run first_;
  std::deque<Run> between_;
  Run last_;
};

}  // namespace cotenant

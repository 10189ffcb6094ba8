#pragma once
#include <cstdint>
#include <functional>

#include "sim/serving/work.h"

namespace cotenant {

// A run of equal decode rounds, skipped exactly: n rounds cost n base + growth n (n-1) / 2 picoseconds.
// Whole nanoseconds come out; the rest below 1 ns is carried by the replica, so that skipping and stepping
// give the same times bit for bit.
struct StepBlock {
  int64_t base_ps = 0;
  int64_t growth_ps = 0;  // how much longer each next round is
  int64_t steps = 1;      // rounds until the batch changes or the line ends

  [[nodiscard]] __int128 cost_ps(int64_t n) const {
    return static_cast<__int128>(n) * base_ps + static_cast<__int128>(growth_ps) * n * (n - 1) / 2;
  }
  // Nanoseconds from the block's start to the end of round n, for a carried rest below 1,000 ps.
  [[nodiscard]] int64_t elapsed_ns(int64_t n, int64_t carry_ps) const {
    const __int128 total = cost_ps(n) + carry_ps;
    // Nearly always it fits the division that the processor has.
    return total <= INT64_MAX ? static_cast<int64_t>(total) / 1000 : static_cast<int64_t>(total / 1000);
  }
  // The first round that ends later than `ns` after the start, at most `steps`.
  [[nodiscard]] int64_t first_round_after(int64_t ns, int64_t carry_ps) const;
};

// The block of `work` (kind steps) under `times`, a look-up by weights; `scrub_ps` is added to the first
// round, which is then a block of its own.
StepBlock make_step_block(const Work& work, const std::function<const ServiceTimes&(ModelId)>& times,
                          int64_t scrub_ps);

}  // namespace cotenant

#pragma once
#include <vector>

#include "sim/ledger/rows.h"
#include "sim/run/unit.h"

namespace cotenant {

// The latencies of all units by tenancy entry, kept apart by replication, for percentiles with intervals.
// Beyond kGroups replications several share a group, so memory does not grow further; the intervals lose
// nothing that shows (Student's t at 31 degrees is 2.04, at infinity 1.96). One owner, one thread.
class LatencyPool {
 public:
  static constexpr size_t kGroups = 32;
  explicit LatencyPool(const Scenario& scenario);

  void add(UnitKey key, const std::vector<TierLatency>& by_tier);
  // 50, 90, 95, 99 and 99.9 of every metric of every tier and of all.
  [[nodiscard]] std::vector<PercentileRow> rows() const;

 private:
  const Scenario& scenario_;
  std::vector<std::vector<std::vector<TierLatency>>> groups_;  // by entry, group, tier
};

}  // namespace cotenant

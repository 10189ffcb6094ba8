#pragma once
#include <cstdint>
#include <limits>
#include <map>
#include <string>

namespace cotenant {

// The mean over replications of the replication's value, and its 95 % interval by Student's t; of latency
// percentiles the percentile of all replications together, and its interval by order statistics
// (PercentileRow). NaN = not known: a replication without a value makes the mean NaN, one replication has no
// interval.
struct Figure {
  double mean = std::numeric_limits<double>::quiet_NaN();
  double low = std::numeric_limits<double>::quiet_NaN();
  double high = std::numeric_limits<double>::quiet_NaN();
  std::map<int64_t, double> by_replication;
  std::string not_estimable;  // why `mean`, or else the interval, is not known; empty where nobody can say

  [[nodiscard]] bool known() const { return mean == mean; }
  [[nodiscard]] bool has_interval() const { return low == low && high == high; }
};
Figure figure_of(std::map<int64_t, double> by_replication);
// Paired: the difference a - b, and the ratio a / b, within each replication that both have.
Figure difference(const Figure& a, const Figure& b);
Figure ratio(const Figure& a, const Figure& b);

}  // namespace cotenant

#pragma once
#include <cstdint>
#include <limits>
#include <span>

#include "sim/stats/histogram.h"

namespace cotenant {

// A quantile of values from several independent replications, and its 95 % interval. In the unit of the
// values; NaN = not estimable.
struct QuantileInterval {
  int64_t count = 0;  // values in all
  // Independent values that would say as much about this quantile. NaN with fewer than two replications.
  double effective = std::numeric_limits<double>::quiet_NaN();
  double value = std::numeric_limits<double>::quiet_NaN();
  double low = std::numeric_limits<double>::quiet_NaN();
  double high = std::numeric_limits<double>::quiet_NaN();
  [[nodiscard]] bool has_interval() const { return low == low && high == high; }
};

// The p-quantile of all values together, with an interval by order statistics (quantile_ranks in
// sim/stats/interval.h), so without assuming a distribution.
//
// Values of one replication hang together (requests wait in the same queue), so n of them say less than n
// independent ones. How much less is measured: the share F of values at or below the quantile found is a mean
// over replications, whose variance v between replications is known from them; as many independent values as
// would give that variance, F (1 - F) / v, are the effective number. With R replications v itself is
// uncertain, by Student's t with R - 1 degrees; the number is taken (1.96 / t)^2 times. Where nothing varies
// it is the true one. The ranks for so many values are then found at the same shares of all values; with
// independent ones they are about the order statistics themselves. Source: Korn and Graubard, "Confidence
// intervals for proportions with small expected number of positive counts estimated from survey data", Survey
// Methodology 24, 1998, for the effective number; Woodruff, JASA 47, 1952, for quantiles from it.
//
// The value is not estimable with fewer values than quantile_is_estimable asks for, if p > 0.95; the interval
// also not with fewer effective ones, whatever p, nor with one replication. Ends are as exact as the
// histogram: 0.2 %.
// Requires: 0 < p < 1.
QuantileInterval quantile_interval(std::span<const Histogram> replications, double p);

// The least number of values from which the p-quantile can be estimated: 299 for p99, 2,995 for p99.9.
int64_t least_values_for(double p);

}  // namespace cotenant

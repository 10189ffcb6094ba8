#pragma once
#include <cstdint>
#include <span>

namespace cotenant {

// A mean and its 95 % confidence interval. low and high are NaN where there is no interval.
struct MeanInterval {
  double mean = 0;
  double low = 0;
  double high = 0;
  int64_t count = 0;
};

// The quantile at 0.975 of Student's t with so many degrees of freedom: 12.706 at 1, falling to 1.960.
// Accurate to 3e-8. Requires: degrees >= 1.
double student_t_975(int64_t degrees);

// Mean +- t(n - 1) s / sqrt(n) of independent values, one for each replication or batch. The sums run in the
// order given. n = 1: no interval; n = 0 or a NaN among the values: all NaN, because a replication without a
// value must not vanish from an average.
MeanInterval mean_interval(std::span<const double> values);

// The share successes / trials with Wilson's 95 % score interval (JASA 22, 1927), which stays within [0, 1]
// and is sensible at 0 and at `trials` successes. No trials: all NaN. Requires: 0 <= successes <= trials.
MeanInterval wilson_interval(int64_t successes, int64_t trials);

// Whether n independent values admit a two-sided distribution-free 95 % interval for the p-quantile at all:
// the chance that it lies between the least and the greatest, 1 - p^n - (1 - p)^n, is at least 0.95. p99
// needs 299 values, p99.9 needs 2,995. Below that a report says "not estimable". Requires: 0 < p < 1, n >= 0.
bool quantile_is_estimable(double p, int64_t n);

// Ranks (from 1, in rising order) whose values enclose the p-quantile with at least 95 % confidence, whatever
// the distribution: P(low <= Bin(n, p) < high) >= 0.95 (David and Nagaraja, Order Statistics, section 7.1).
// Where there are enough values each tail has at most 2.5 %; near the edge of what is estimable the interval
// ends at the least or greatest value and the other end takes what is left. {0, 0} if not estimable.
// Requires: 0 < p < 1, n >= 0. Time grows with sqrt(n p (1 - p)).
struct RankInterval {
  int64_t low = 0;
  int64_t high = 0;
  friend bool operator==(RankInterval, RankInterval) = default;
};
RankInterval quantile_ranks(int64_t n, double p);

}  // namespace cotenant

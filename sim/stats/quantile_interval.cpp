#include "sim/stats/quantile_interval.h"

#include <algorithm>
#include <cmath>

#include "sim/stats/interval.h"

namespace cotenant {
namespace {

// Up to here the middle of a distribution, of which any few values give some idea.
constexpr double kTailBegins = 0.95;
constexpr double kZ975 = 1.959963984540054;

// A variance that is so much smaller than that of independent values is chance, or all values are alike.
constexpr double kMostPerValue = 4;

// Independent values that give as certain a share at or below `limit`.
double effective_count(std::span<const Histogram> replications, int64_t limit, double count) {
  double below = 0;
  int64_t used = 0;
  for (const Histogram& h : replications) {
    below += static_cast<double>(h.count_up_to(limit));
    used += h.count() > 0 ? 1 : 0;
  }
  if (used < 2) return std::numeric_limits<double>::quiet_NaN();
  const double share = below / count;
  double squares = 0;  // of what each replication has beyond its share
  for (const Histogram& h : replications) {
    const double beyond = static_cast<double>(h.count_up_to(limit)) - share * static_cast<double>(h.count());
    squares += beyond * beyond;
  }
  const auto n = static_cast<double>(used);
  const double variance = n / (n - 1) * squares / (count * count);
  const double shrink = kZ975 / student_t_975(used - 1);
  const double independent = share * (1 - share) * shrink * shrink;
  if (variance == 0) return count;
  return std::min(independent / variance, kMostPerValue * count);
}

}  // namespace

int64_t least_values_for(double p) {
  int64_t n = 1;
  while (!quantile_is_estimable(p, n)) n *= 2;
  int64_t below = n / 2;
  while (n - below > 1) {
    const int64_t middle = below + (n - below) / 2;
    (quantile_is_estimable(p, middle) ? n : below) = middle;
  }
  return n;
}

QuantileInterval quantile_interval(std::span<const Histogram> replications, double p) {
  Histogram all;
  for (const Histogram& h : replications) all.merge(h);
  QuantileInterval q;
  q.count = static_cast<int64_t>(all.count());
  if (q.count == 0 || (p > kTailBegins && !quantile_is_estimable(p, q.count))) return q;
  const int64_t value = all.quantile(p);
  q.value = static_cast<double>(value);
  q.effective = effective_count(replications, value, static_cast<double>(q.count));
  if (q.effective != q.effective) return q;
  const double n = std::floor(q.effective);
  const RankInterval ranks = quantile_ranks(static_cast<int64_t>(n), p);
  if (ranks.low == 0) return q;
  const auto at = [&](int64_t rank) {
    return static_cast<double>(all.quantile((static_cast<double>(rank) - 0.5) / n));
  };
  q.low = at(ranks.low);
  q.high = at(ranks.high);
  return q;
}

}  // namespace cotenant

#include "sim/stats/quantile_interval.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "sim/core/math.h"
#include "sim/core/sampling.h"
#include "sim/stats/interval.h"

using namespace cotenant;

namespace {

constexpr double kScale = 1e6;

// Replications of a process with exponential values of mean 1, in 1e-6: each value is kept with probability
// `again`, so that one new value says as much as 1 / (1 - again) of them.
std::vector<Histogram> runs(uint32_t experiment, size_t replications, int64_t each, double again) {
  std::vector<Histogram> out(replications);
  for (size_t r = 0; r < replications; ++r) {
    RandomStream stream(stream_key(31, static_cast<uint32_t>(r)), experiment, Purpose::sampling);
    double value = exponential(stream, 1);
    for (int64_t i = 0; i < each; ++i) {
      out[r].add(static_cast<int64_t>(value * kScale));
      if (stream.uniform() >= again) value = exponential(stream, 1);
    }
  }
  return out;
}

double share_covered(double p, size_t replications, int64_t each, double again) {
  const double truth = -log_of(1 - p) * kScale;
  int covered = 0;
  constexpr int kExperiments = 1000;
  for (uint32_t e = 0; e < kExperiments; ++e) {
    const QuantileInterval q = quantile_interval(runs(e, replications, each, again), p);
    REQUIRE(q.has_interval());
    covered += q.low <= truth && truth <= q.high ? 1 : 0;
  }
  return covered / static_cast<double>(kExperiments);
}

}  // namespace

TEST_CASE("with independent values the interval is the order statistics of all of them") {
  // Two replications alike leave no variance between them: as many values as there are count.
  Histogram h;
  for (int64_t v = 1; v <= 200; ++v) h.add(v);
  const std::vector<Histogram> two = {h, h};
  const QuantileInterval q = quantile_interval(two, 0.5);
  REQUIRE(q.count == 400);
  REQUIRE(q.effective == 400);
  REQUIRE(q.value == 100);
  const RankInterval ranks = quantile_ranks(400, 0.5);
  REQUIRE(static_cast<int64_t>(q.low) == (ranks.low + 1) / 2);
  REQUIRE(static_cast<int64_t>(q.high) == (ranks.high + 1) / 2);
}

TEST_CASE("intervals of quantiles cover the truth about 95 times in 100, also where values hang together") {
  for (const double again : {0.0, 0.9}) {
    INFO(again);
    REQUIRE(share_covered(0.5, 10, 2000, again) == Approx(0.955).margin(0.02));
    REQUIRE(share_covered(0.99, 20, 4000, again) == Approx(0.955).margin(0.02));
  }
}

TEST_CASE("values that hang together count for less") {
  const QuantileInterval q = quantile_interval(runs(1, 32, 10'000, 0.9), 0.5);
  // A value is kept 10 times on average; the variance of the share is (1 + 0.9) / (1 - 0.9) as large.
  REQUIRE(q.effective < 2.0 * 320'000 / 19);
  REQUIRE(q.effective > 0.4 * 320'000 / 19);
}

TEST_CASE("a tail is estimated from 299 values for p99 and 2,995 for p99.9, not from fewer") {
  REQUIRE(least_values_for(0.99) == 299);
  REQUIRE(least_values_for(0.999) == 2995);
  REQUIRE(least_values_for(0.5) == 6);
  const std::vector<Histogram> few = runs(0, 2, 149, 0);
  REQUIRE(few[0].count() + few[1].count() == 298);
  REQUIRE(std::isnan(quantile_interval(few, 0.99).value));
  std::vector<Histogram> enough = few;
  enough[0].add(1);
  REQUIRE(quantile_interval(enough, 0.99).value > 0);
  REQUIRE(quantile_interval(few, 0.95).value > 0);
}

TEST_CASE("one replication gives a quantile and no interval; no value gives neither") {
  const QuantileInterval one = quantile_interval(runs(0, 1, 5000, 0), 0.99);
  REQUIRE(one.value > 0);
  REQUIRE_FALSE(one.has_interval());
  REQUIRE(std::isnan(one.effective));
  const QuantileInterval none = quantile_interval({}, 0.5);
  REQUIRE(none.count == 0);
  REQUIRE(std::isnan(none.value));
  // A replication in which nothing happened is no second one.
  std::vector<Histogram> with_empty = runs(0, 1, 5000, 0);
  with_empty.emplace_back();
  REQUIRE_FALSE(quantile_interval(with_empty, 0.99).has_interval());
}

TEST_CASE("the order of replications changes nothing") {
  std::vector<Histogram> h = runs(3, 8, 1000, 0.5);
  const QuantileInterval a = quantile_interval(h, 0.9);
  std::swap(h[0], h[5]);
  const QuantileInterval b = quantile_interval(h, 0.9);
  REQUIRE(a.low == b.low);
  REQUIRE(a.high == b.high);
  REQUIRE(a.value == b.value);
}

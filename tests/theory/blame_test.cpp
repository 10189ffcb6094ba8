// Four tenants at one first-come-first-served server. What they do to the first of them is known from
// queueing theory: direct overlap, leave-one-out and Shapley values are held against it.
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <map>
#include <numeric>

#include "sim/isolation/shapley.h"
#include "sim/run/overlap_watch.h"
#include "sim/run/serving_run.h"
#include "tests/theory/queue_world.h"

using namespace cotenant;

namespace {

constexpr size_t kTenants = 4;
constexpr std::array<double, kTenants> kRates = {20, 20, 2, 0.4};   // 1/s
constexpr std::array<int64_t, kTenants> kSteps = {4, 4, 120, 500};  // mean service, ms

// Delay of tenant 0 from its arrival to its first token's step, in ns over all its requests that finish.
class WaitSink : public ObservationSink {
 public:
  void request(const RequestObservation& o) override {
    if (o.tenant != TenantId{0} || o.first_token.ns < 0) return;
    waits[o.number] = (o.admitted - o.queued).ns;
  }
  std::map<uint32_t, int64_t> waits;
};

Scenario four_tenants(double horizon_s) {
  Scenario s = theory::generative_queue(1, theory::exponential_steps(), 1, horizon_s);
  s.warmup_auto = false;
  s.tiers.clear();
  for (size_t t = 0; t < kTenants; ++t) {
    const LengthLaw law = theory::exponential_steps(kSteps[t]);
    s.tiers.push_back(theory::queue_tier("t" + std::to_string(t), kRates[t], law, true));
  }
  return s;
}

struct Blame {
  double wait_s = 0;
  std::array<double, kTenants> direct{};
  std::array<double, kTenants> without{};  // leave-one-out
  std::array<double, kTenants> shapley{};
  double excess_s = 0;  // over tenant 0 alone
  int64_t requests = 0;
};

Blame blame_of(const World& world, uint32_t replication) {
  const PhiloxKey key = stream_key(world.scenario.seed, replication);
  const TrainingOutcome training = run_training(training_spec(world, 0));
  // Waits of tenant 0 beside the coalition of the three others.
  std::map<Coalition, std::map<uint32_t, int64_t>> known;
  const auto waits = [&](Coalition others) -> const std::map<uint32_t, int64_t>& {
    if (known.count(others) > 0) return known[others];
    Variant variant;
    variant.absent.assign(kTenants, false);
    for (size_t t = 1; t < kTenants; ++t) variant.absent[t] = (others >> (t - 1) & 1) == 0;
    WaitSink sink;
    run_serving(world, 0, key, training, variant, sink);
    return known[others] = sink.waits;
  };
  const std::map<uint32_t, int64_t>& together = waits(7);
  const auto total_s = [&](Coalition others) {
    int64_t ns = 0;
    for (const auto& [number, wait] : together) ns += waits(others).at(number);
    return static_cast<double>(ns) * 1e-9;
  };

  Blame blame;
  blame.requests = static_cast<int64_t>(together.size());
  blame.wait_s = total_s(7);
  blame.excess_s = total_s(7) - total_s(0);
  OverlapWatch overlap(
      [&](TenantId t, uint32_t number) { return t.index == 0 && together.count(number) > 0; });
  WaitSink sink;
  run_serving(world, 0, key, training, {.watches = {&overlap}}, sink);
  int64_t split_ns = 0;
  for (const auto& [pair, found] : overlap.overlaps()) {
    REQUIRE(pair.first == 0);
    split_ns += found.waiting_ns;
    if (pair.second < kTenants) blame.direct[pair.second] = static_cast<double>(found.waiting_ns) * 1e-9;
  }
  const int64_t wait_ns = std::accumulate(together.begin(), together.end(), int64_t{0},
                                          [](int64_t sum, const auto& one) { return sum + one.second; });
  REQUIRE(split_ns == wait_ns);  // to the nanosecond
  for (size_t t = 1; t < kTenants; ++t) blame.without[t] = blame.wait_s - total_s(7 & ~(1U << (t - 1)));
  const ShapleyValues values = shapley_exact(3, [&](Coalition c) { return total_s(c); });
  for (size_t t = 1; t < kTenants; ++t) blame.shapley[t] = values.value[t - 1];
  return blame;
}

}  // namespace

TEST_CASE(
    "blame at a first-come server is what theory says: direct = wait, Shapley = excess, leave-one-out more") {
  const auto world = theory::queue_world(four_tenants(6000));
  Blame sum;
  for (uint32_t replication = 0; replication < 4; ++replication) {
    const Blame one = blame_of(*world, replication);
    const double shapley = std::accumulate(one.shapley.begin(), one.shapley.end(), 0.0);
    REQUIRE(shapley == Approx(one.excess_s).epsilon(1e-12));
    sum.requests += one.requests;
    sum.wait_s += one.wait_s;
    sum.excess_s += one.excess_s;
    for (size_t t = 0; t < kTenants; ++t) {
      sum.direct[t] += one.direct[t];
      sum.without[t] += one.without[t];
      sum.shapley[t] += one.shapley[t];
    }
  }
  const auto ms = [&](double s) { return 1000 * s / static_cast<double>(sum.requests); };
  // Pollaczek and Khinchine: lambda E[S^2] / (2 (1 - rho)); a geometric number n of steps of 1 ms has
  // E[n^2] = m (2 m - 1).
  double second_moment = 0;
  double load = 0;
  for (size_t t = 0; t < kTenants; ++t) {
    const double m = static_cast<double>(kSteps[t]) * 1e-3;
    second_moment += kRates[t] * m * (2 * m - 1e-3);
    load += kRates[t] * m;
  }
  const double wait_ms = 1000 * second_moment / (2 * (1 - load));
  // Each tenant's work in front of an arrival: what is in service, and what waits (Little's law on its
  // queue).
  std::array<double, kTenants> direct_ms{};
  for (size_t t = 0; t < kTenants; ++t) {
    const double m = static_cast<double>(kSteps[t]) * 1e-3;
    direct_ms[t] = 1000 * kRates[t] * m * (2 * m - 1e-3) / 2 + kRates[t] * m * wait_ms;
  }
  INFO("wait " << ms(sum.wait_s) << " of " << wait_ms << ", direct " << ms(sum.direct[0]) << " "
               << ms(sum.direct[1]) << " " << ms(sum.direct[2]) << " " << ms(sum.direct[3])
               << ", leave-one-out " << ms(sum.without[1]) << " " << ms(sum.without[2]) << " "
               << ms(sum.without[3]) << ", Shapley " << ms(sum.shapley[1]) << " " << ms(sum.shapley[2]) << " "
               << ms(sum.shapley[3]) << ", excess " << ms(sum.excess_s));
  REQUIRE(ms(sum.wait_s) == Approx(wait_ms).epsilon(0.05));
  for (size_t t = 0; t < kTenants; ++t) REQUIRE(ms(sum.direct[t]) == Approx(direct_ms[t]).epsilon(0.08));
  // The marginal effects overlap: they sum to about half as much again as there is.
  const double without = std::accumulate(sum.without.begin(), sum.without.end(), 0.0);
  REQUIRE(without / sum.excess_s == Approx(1.53).margin(0.06));
  // The rare huge tenant is blamed too little by overlap alone.
  REQUIRE(sum.shapley[3] > 1.1 * sum.direct[3]);
}

// What must hold exactly between runs of the whole stack, whatever the numbers.
#include <catch2/catch.hpp>

#include "sim/run/unit.h"
#include "tests/theory/queue_world.h"

using namespace cotenant;
using namespace cotenant::theory;

namespace {

// Two tenants of different demand, for half the horizon: it begins and ends empty.
Scenario two_tenants(Scenario s, double rate_a, double rate_b) {
  const LengthLaw steps = s.tiers[0].output.parts.empty() ? s.tiers[0].prompt : s.tiers[0].output;
  const bool generative = s.models[0].kind == Model::Kind::generative;
  s.tiers = {queue_tier("often", rate_a, steps, generative), queue_tier("rarely", rate_b, steps, generative)};
  for (Tier& tier : s.tiers) {
    tier.arrivals.kind = ArrivalKind::burst;
    tier.arrivals.on = {s.horizon.ns / 2};
    tier.arrivals.off = s.horizon;
  }
  s.record.kind = RecordRequests::Kind::all;
  s.replications = 1;
  s.warmup_auto = false;
  return s;
}

const LatencyRow& latency_of(const RunResults& results, const std::string& tier, const std::string& metric) {
  for (const LatencyRow& row : results.latency) {
    if (row.tier == tier && row.metric == metric) return row;
  }
  FAIL("no such latency");
  return results.latency.front();
}

}  // namespace

// Little's law of the server: the integral of "busy", metered at the device, is the sum of the services,
// stamped on the requests.
TEST_CASE("a device is busy for exactly as long as its requests are served, one at a time") {
  const Scenario s = two_tenants(generative_queue(0.8, exponential_steps(), 1, 8'000), 0.5, 0.3);
  const RunResults r = run_unit(*queue_world(s), {0, 0});
  REQUIRE(r.units[0].in_flight == 0);
  REQUIRE(r.units[0].served > 2'000);
  int64_t served_ns = 0;
  int64_t used_ns = 0;
  for (const RequestRow& row : r.requests) {
    served_ns += row.arrival_ns + row.e2e_ns - row.admitted_ns;
    used_ns += row.device_ns;
  }
  int64_t busy_ns = 0;
  for (const PoolRow& row : r.pools) busy_ns += row.busy_ns;
  REQUIRE(busy_ns == served_ns);
  REQUIRE(used_ns <= busy_ns);
  REQUIRE(used_ns >= busy_ns - static_cast<int64_t>(r.requests.size()));  // rounded down, each
}

TEST_CASE("with all times doubled every request takes twice as long, to the rounding of its arrival") {
  const auto run = [](int64_t scale) {
    Scenario s = two_tenants(generative_queue(0.8, exponential_steps(), 1, 4'000), 0.5, 0.3);
    s.horizon = s.window = s.horizon * scale;
    for (Tier& tier : s.tiers) {
      tier.arrivals.rate_per_s /= static_cast<double>(scale);
      tier.arrivals.on = tier.arrivals.on * scale;
      tier.arrivals.off = tier.arrivals.off * scale;
    }
    return run_unit(*queue_world(s, {.step_s = kStepS * static_cast<double>(scale)}), {0, 0});
  };
  const RunResults once = run(1);
  const RunResults twice = run(2);
  REQUIRE(once.requests.size() > 1'000);
  REQUIRE(twice.requests.size() == once.requests.size());
  int64_t off = 0;
  for (size_t i = 0; i < once.requests.size(); ++i) {
    REQUIRE(twice.requests[i].tenant == once.requests[i].tenant);
    for (const auto member : {&RequestRow::arrival_ns, &RequestRow::ttft_ns, &RequestRow::e2e_ns})
      off = std::max(off, std::abs(twice.requests[i].*member - 2 * once.requests[i].*member));
  }
  REQUIRE(off <= 4);
}

TEST_CASE("the order of tenants in the scenario permutes the results and changes none") {
  for (const bool generative : {true, false}) {
    Scenario s = two_tenants(generative ? generative_queue(0.8, exponential_steps(), 2, 8'000)
                                        : scoring_queue(0.8, exponential_steps(), 2, 8'000),
                             0.9, 0.5);
    const RunResults forth = run_unit(*queue_world(s), {0, 0});
    std::swap(s.tiers[0], s.tiers[1]);
    const RunResults back = run_unit(*queue_world(s), {0, 0});
    for (const char* tier : {"all", "often", "rarely"}) {
      for (const char* metric : {"ttft", "e2e"}) {
        const LatencyRow& a = latency_of(forth, tier, metric);
        const LatencyRow& b = latency_of(back, tier, metric);
        REQUIRE(a.count > 1'000);
        REQUIRE(a.count == b.count);
        REQUIRE(a.mean_s == b.mean_s);
        REQUIRE(a.p99_s == b.p99_s);
      }
    }
    REQUIRE(forth.requests.size() == back.requests.size());
    for (size_t i = 0; i < forth.requests.size(); ++i) {
      REQUIRE(forth.requests[i].tenant == 1 - back.requests[i].tenant);
      REQUIRE(forth.requests[i].arrival_ns == back.requests[i].arrival_ns);
      REQUIRE(forth.requests[i].e2e_ns == back.requests[i].e2e_ns);
    }
  }
}

// Of G/G/c with one line, first come first served, on the same arrivals and services. It need not hold for
// continuous or dynamic batching, where who shares a step changes its time.
TEST_CASE("one more server in a first-come line lets no request finish later") {
  const auto run = [](int64_t servers) {
    const Scenario s = two_tenants(scoring_queue(0.8, exponential_steps(), servers, 4'000), 1.2, 0.9);
    return run_unit(*queue_world(s, {.slowdown = 1}), {0, 0});
  };
  RunResults fewer = run(2);
  for (int64_t servers = 3; servers <= 6; ++servers) {
    RunResults more = run(servers);
    REQUIRE(more.requests.size() == fewer.requests.size());
    int64_t sooner = 0;
    for (size_t i = 0; i < more.requests.size(); ++i) {
      REQUIRE(more.requests[i].arrival_ns == fewer.requests[i].arrival_ns);
      if (fewer.requests[i].e2e_ns < 0) continue;  // unfinished at the horizon
      REQUIRE(more.requests[i].e2e_ns >= 0);
      REQUIRE(more.requests[i].e2e_ns <= fewer.requests[i].e2e_ns);
      sooner += more.requests[i].e2e_ns < fewer.requests[i].e2e_ns ? 1 : 0;
    }
    REQUIRE(sooner > 0);
    fewer = std::move(more);
  }
}

// What it costs to know why requests missed their objectives: CPU time of a whole unit with its re-runs
// (alone, without platform delays, under watch, without each of six tenants) over that of the plain run of
// the same requests. A measurement, not a test (docs/performance.md).
//
// 100 replicas of bench_serving's load, 1.2 requests a second each from 20 tenants; one more tenant floods
// them in bursts, so that about a tenth of the requests is late.
//
// Usage: bench_attribution [REQUESTS]   (default 1000000)
#include <fmt/format.h>

#include <cstdlib>

#include "sim/run/collector.h"
#include "sim/run/serving_run.h"
#include "sim/run/unit.h"
#include "sim/training/training_run.h"
#include "tests/bench/affine_world.h"

namespace cotenant {
namespace {

using namespace bench;

Scenario flooded(double requests, int64_t loud_tenants) {
  Scenario s = scenario_of({.replicas = 100, .requests = requests, .per_replica_per_s = 1.2});
  s.tiers[0].count = 20;
  s.tiers[0].arrivals.rate_per_s *= 0.8 * 100 / 20;
  s.tiers[0].slo.ttft = {99, kSecond};
  Tier loud = s.tiers[0];
  loud.name = "loud";
  loud.count = loud_tenants;
  loud.slo = {};
  loud.arrivals.kind = ArrivalKind::burst;
  loud.arrivals.rate_per_s = 1.2 * 100 * 12 / static_cast<double>(loud_tenants);
  loud.arrivals.on = kSecond * 10;
  loud.arrivals.off = kSecond * 290;
  s.tiers.push_back(loud);
  return s;
}

void measure(double requests, int64_t loud_tenants) {
  Scenario s = flooded(requests, loud_tenants);
  const std::unique_ptr<World> plain = affine_world(s);
  s.counterfactuals = true;
  const std::unique_ptr<World> world = affine_world(s);
  const TrainingOutcome training = run_training(training_spec(*plain, 0));
  const PhiloxKey key = stream_key(s.seed, 0);
  const double start = cpu_s();
  Collector collector(*plain, 0, key, training);
  const ServingTotals totals = run_serving(*plain, 0, key, training, {}, collector);
  const double plain_s = cpu_s() - start;
  const double again = cpu_s();
  const RunResults results = run_unit(*world, {0, 0});
  const double whole_s = cpu_s() - again;
  const ServiceRow& all = results.service[0];
  fmt::print("{} requests, {} missed: {} by one neighbour, {} by several, {} alone too, {} by the platform\n",
             totals.requests, all.slo_missed, all.neighbour_single, all.neighbour_collective,
             all.missed_under_provisioned, all.missed_platform);
  fmt::print(
      "plain run {:.2f} s CPU; with causes and blame {:.2f} s: {:.1f} times; {:.1f} requests re-run for "
      "each\n",
      plain_s, whole_s, whole_s / plain_s,
      static_cast<double>(results.units[0].counterfactual_requests) / static_cast<double>(totals.requests));
}

}  // namespace
}  // namespace cotenant

int main(int argc, char** argv) {
  const double requests = argc == 2 ? std::atof(argv[1]) : 1e6;
  if (argc > 2 || !(requests >= 1000 && requests <= 1e8)) {
    fmt::print(stderr, "usage: bench_attribution [REQUESTS], 1000 to 1e8\n");
    return 2;
  }
  cotenant::measure(requests, 1);
  cotenant::measure(requests, 12);
  return 0;
}

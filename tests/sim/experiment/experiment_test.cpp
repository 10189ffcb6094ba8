#include <catch2/catch.hpp>
#include <cmath>

#include "sim/experiment/experiment.h"
#include "sim/ledger/digest.h"
#include "tests/sim/run/small_world.h"

using namespace cotenant;

namespace {

uint64_t digest_of(const RunResults& results) {
  uint64_t hash = 0;
  RunResults::tables(results, [&](const char*, const auto& rows) { hash = digest_rows(hash, rows); });
  return hash;
}

const PercentileRow& percentile(const RunResults& results, const std::string& tenancy,
                                const std::string& tier, double p) {
  for (const PercentileRow& row : results.percentiles) {
    if (row.tenancy == tenancy && row.tier == tier && row.metric == "ttft" && row.percentile == p) return row;
  }
  FAIL("no such percentile");
  return results.percentiles.front();
}

// An hour that begins with a load of 100 s, in which requests pile up.
Scenario filling_scenario() {
  Scenario s = testing::small_scenario();
  s.tenancies = {testing::entry("pretrained", TenancyKind::shared_pretrained),
                 testing::entry("dedicated", TenancyKind::shared_pretrained, Placement::dedicated)};
  s.tiers = {testing::small_tier("gold", 12, 0.06)};
  s.skus[0].load_byte_per_s = 1'000'000;
  s.horizon = kHour;
  s.warmup = {};
  s.warmup_auto = true;
  s.counterfactuals = false;
  return s;
}

}  // namespace

TEST_CASE("the number of threads changes nothing in the results") {
  Scenario s = testing::small_scenario();
  s.horizon = kHour;
  s.replications = 3;
  const auto world = testing::small_world(s);
  const RunResults one = run_experiment(*world, {.threads = 1});
  REQUIRE(one.units.size() == 15);
  for (const int64_t threads : {2, 16}) {
    const RunResults many = run_experiment(*world, {.threads = threads});
    REQUIRE(many.digest == one.digest);
    REQUIRE(digest_of(many) == digest_of(one));
  }
}

TEST_CASE("units come in key order and the seed changes the digest") {
  Scenario s = testing::small_scenario();
  s.horizon = kHour;
  const RunResults first = run_experiment(*testing::small_world(s), {.threads = 2});
  for (size_t i = 0; i < first.units.size(); ++i) REQUIRE(first.units[i].unit == static_cast<int64_t>(i));
  s.seed += 1;
  REQUIRE(run_experiment(*testing::small_world(s), {}).digest != first.digest);
}

TEST_CASE("a stopped experiment keeps whole units and says that it is not complete") {
  Scenario s = testing::small_scenario();
  s.horizon = kHour;
  const auto world = testing::small_world(s);
  std::atomic<bool> stop = false;
  ExperimentOptions options;
  options.stop = &stop;
  options.progress = [&](const ExperimentProgress& p) { stop = p.done == 4; };
  const RunResults results = run_experiment(*world, options);
  REQUIRE_FALSE(results.complete);
  REQUIRE(results.units.size() == 4);
}

TEST_CASE("percentiles are of all replications together, with an interval only where there are several") {
  Scenario s = testing::small_scenario();
  s.horizon = kHour;
  s.counterfactuals = false;
  s.replications = 40;  // more than there are groups
  s.tenancies = {testing::entry("pretrained", TenancyKind::shared_pretrained)};
  const RunResults many = run_experiment(*testing::small_world(s), {.threads = 2});
  REQUIRE(many.percentiles.size() == 3 * 5 * 5);  // all and two tiers, five metrics, five percentiles
  int64_t count = 0;
  double least = 1e9;
  double most = 0;
  for (const LatencyRow& row : many.latency) {
    if (row.tier != "gold" || row.metric != "ttft") continue;
    count += row.count;
    least = std::min(least, row.p90_s);
    most = std::max(most, row.p90_s);
  }
  const PercentileRow& p90 = percentile(many, "pretrained", "gold", 90);
  REQUIRE(p90.count == count);
  REQUIRE((least < p90.low_s && p90.low_s <= p90.value_s && p90.value_s <= p90.high_s && p90.high_s < most));
  REQUIRE(percentile(many, "pretrained", "all", 90).count > percentile(many, "pretrained", "gold", 90).count);

  s.replications = 1;
  const RunResults one = run_experiment(*testing::small_world(s), {});
  const PercentileRow& single = percentile(one, "pretrained", "gold", 90);
  REQUIRE(single.value_s == one.latency[5].p90_s);
  REQUIRE(one.latency[5].tier == "gold");
  REQUIRE(std::isnan(single.low_s));
  // Some 480 requests: enough for p99, too few for p99.9.
  REQUIRE(percentile(one, "pretrained", "gold", 99).value_s > 0);
  REQUIRE(std::isnan(percentile(one, "pretrained", "gold", 99.9).value_s));
}

TEST_CASE(
    "an automatic warm-up is the same for all entries, whatever the threads, and says how it was found") {
  const auto world = testing::small_world(filling_scenario());
  const RunResults one = run_experiment(*world, {.threads = 1});
  REQUIRE(one.warmup_rule == kWarmupFound);
  REQUIRE(one.warmup_ns > kMinute.ns);
  REQUIRE(one.warmup_ns <= one.horizon_ns / 2);
  for (const ServiceRow& row : one.service)
    REQUIRE(row.observed_s == seconds(Duration{kHour.ns - one.warmup_ns}));
  REQUIRE(digest_of(run_experiment(*world, {.threads = 3})) == digest_of(one));

  // The same as that warm-up stated, but for the word.
  Scenario stated = filling_scenario();
  stated.warmup_auto = false;
  stated.warmup = {one.warmup_ns};
  const RunResults again = run_experiment(*testing::small_world(stated), {});
  REQUIRE(again.warmup_rule == kWarmupStated);
  REQUIRE(digest_of(again) == digest_of(one));
}

TEST_CASE("a warm-up that does not settle leaves half the run out and says so") {
  Scenario s = filling_scenario();
  s.tiers = {testing::small_tier("gold", 12, 5)};  // far more than can be served: latencies only grow
  s.horizon = kMinute * 10;
  const RunResults results = run_experiment(*testing::small_world(s), {});
  REQUIRE(results.warmup_rule == kWarmupUnsettled);
  REQUIRE(results.warmup_ns == results.horizon_ns / 2);
  s.tiers = {testing::small_tier("gold", 1, 0.02)};  // some 20 requests say nothing
  const RunResults few = run_experiment(*testing::small_world(s), {});
  REQUIRE(few.warmup_rule == kWarmupUnsettled);
  REQUIRE(few.warmup_ns == few.horizon_ns / 2);
}

TEST_CASE("replications double until the precision is reached or the limit, and then it is as if stated") {
  Scenario s = filling_scenario();
  s.warmup_auto = false;
  s.warmup = kMinute * 10;
  s.horizon = kMinute * 30;
  s.replications = 3;
  s.precision = 0.1;
  s.precision_of = "latency.e2e.mean";
  s.replications_limit = 20;
  const auto world = testing::small_world(s);
  std::vector<int64_t> looks;
  const auto look_until = [&](int64_t enough, int64_t threads) {
    looks.clear();
    return run_experiment(*world,
                          {.threads = threads, .progress = {}, .precise = [&](const RunResults& so_far) {
                             REQUIRE(static_cast<int64_t>(so_far.units.size()) == 2 * so_far.replications);
                             looks.push_back(so_far.replications);
                             return so_far.replications >= enough;
                           }});
  };
  const RunResults twelve = look_until(12, 1);
  REQUIRE(looks == std::vector<int64_t>{3, 6, 12});
  REQUIRE(twelve.replications == 12);
  REQUIRE(twelve.complete);
  REQUIRE(digest_of(look_until(12, 4)) == digest_of(twelve));
  REQUIRE(look_until(1000, 2).replications == 20);
  REQUIRE(looks == std::vector<int64_t>{3, 6, 12});  // at the limit nobody is asked any more

  s.precision = 0;
  s.replications = 12;
  const RunResults stated = run_experiment(*testing::small_world(s), {.threads = 2});
  REQUIRE(stated.latency.size() == twelve.latency.size());
  for (size_t i = 0; i < stated.latency.size(); ++i) {
    REQUIRE(stated.latency[i].mean_s == twelve.latency[i].mean_s);
    REQUIRE(stated.latency[i].count == twelve.latency[i].count);
  }
  for (size_t i = 0; i < stated.percentiles.size(); ++i)
    REQUIRE(stated.percentiles[i].count == twelve.percentiles[i].count);
}

#include <catch2/catch.hpp>
#include <map>

#include "sim/run/admission.h"
#include "sim/run/serving_run.h"
#include "sim/run/unit.h"
#include "tests/sim/run/small_world.h"

using namespace cotenant;

namespace {

// One device, two tiers of the same load; a full batch of 8 rows takes 200 us.
Scenario scoring_scenario(double requests_per_s) {
  Scenario s = testing::small_scenario();
  s.models[0] = {.name = "chat", .kind = Model::Kind::scoring, .shape = "ranker"};
  s.tenancies = {testing::entry("shared", TenancyKind::shared_pretrained)};
  s.tiers = {testing::small_tier("gold", 2, requests_per_s / 4),
             testing::small_tier("plain", 2, requests_per_s / 4)};
  for (Tier& tier : s.tiers) {
    tier.prompt = {{{1, Law::uniform, 1, 4}}, 1, 100};
    tier.output = {};
    tier.slo = {.e2e = {99, kMillisecond * 20}};
  }
  s.tiers[0].priority = 7;
  s.pools[0].size = 1;
  s.pools[0].max_batch = 8;
  s.pools[0].max_delay = kMillisecond;
  s.horizon = kSecond * 10;
  s.warmup = kSecond;
  s.window = kSecond * 5;
  s.record.kind = RecordRequests::Kind::all;
  return s;
}

std::unique_ptr<World> world_with_corun(const Scenario& scenario, double slowdown) {
  WorldInputs inputs;
  Profile profile = testing::small_profile();
  CoRun pair;
  pair.a = pair.b = "ranker/score/rows:32";
  pair.mode = "one core";
  pair.slowdown_a_p50 = pair.slowdown_b_p50 = slowdown;
  pair.validity = std::string(kCoRunValid);
  profile.coruns.push_back(pair);
  inputs.profiles.emplace("made-up", std::move(profile));
  Result<std::unique_ptr<World>> world = build_world(scenario, std::move(inputs));
  REQUIRE(world.ok());
  return std::move(world).value();
}

double mean_e2e_s(const RunResults& results, const std::string& tier) {
  for (const LatencyRow& row : results.latency) {
    if (row.tier == tier && row.metric == "e2e") return row.mean_s;
  }
  return -1;
}

}  // namespace

TEST_CASE(
    "requests that a full queue refuses or that wait too long are dropped, counted by reason, and missed") {
  for (const int64_t instances : {1, 3}) {
    for (const auto action : {Pool::TimeoutAction::reject, Pool::TimeoutAction::delay}) {
      Scenario s = scoring_scenario(25'000);  // some 60,000 rows a second; 40,000 are scored at best
      s.pools[0].instances = instances;
      s.pools[0].queue_timeout = kMillisecond * 3;
      s.pools[0].timeout_action = action;
      s.pools[0].max_queue = 30;
      s.horizon = kSecond * 4;
      s.counterfactuals = false;
      const RunResults results = run_unit(*testing::small_world(s), {}, nullptr);
      const UnitRow& row = results.units[0];
      INFO("instances " << instances << ", full " << row.queue_full << ", timed out " << row.timed_out);
      REQUIRE(row.dropped == row.queue_full + row.timed_out);
      REQUIRE(row.queue_full > 0);
      REQUIRE((row.timed_out > 0) == (action == Pool::TimeoutAction::reject));
      REQUIRE(row.arrived == row.served + row.rejected + row.dropped + row.in_flight);
      REQUIRE(row.rejected == 0);
      std::map<std::string, int64_t> words;
      for (const RequestRow& request : results.requests) {
        words[request.outcome] += 1;
        REQUIRE((request.outcome == "dropped" ? request.e2e_ns == -1 : true));
      }
      REQUIRE(words["dropped"] == row.dropped);
      REQUIRE(words["served"] == row.served);
      REQUIRE(results.service[0].slo_missed >= row.dropped / 2);  // the warm-up is left out
      REQUIRE(results.service[0].over_quota == 0);
    }
  }
}

TEST_CASE("a tier of higher priority is served before the other when the device is short") {
  const RunResults results = run_unit(*testing::small_world(scoring_scenario(15'000)), {}, nullptr);
  REQUIRE(mean_e2e_s(results, "gold") < 0.003);
  REQUIRE(mean_e2e_s(results, "plain") > 10 * mean_e2e_s(results, "gold"));
}

TEST_CASE("instances that hardly slow each other serve what one instance can not") {
  const auto served = [](int64_t instances, double slowdown) {
    Scenario s = scoring_scenario(20'000);
    s.pools[0].instances = instances;
    s.horizon = kSecond * 3;
    s.counterfactuals = false;
    return run_unit(*world_with_corun(s, slowdown), {}, nullptr).units[0].served;
  };
  const int64_t one = served(1, 1.2);
  REQUIRE(served(2, 1.2) > one * 5 / 4);
  REQUIRE(served(1, 1.9) == one);            // a batch alone is not slowed
  REQUIRE(served(2, 2) <= one * 101 / 100);  // sharing the device's time gains nothing
}

TEST_CASE("a pool's capacity counts the batches that its instances finish together") {
  Scenario s = scoring_scenario(100);
  s.pools[0].instances = 3;
  const double together = pool_capacity_per_s(*world_with_corun(s, 1.25), 0, 0);
  const double by_time = pool_capacity_per_s(*testing::small_world(s), 0, 0);
  s.pools[0].instances = 1;
  const double alone = pool_capacity_per_s(*world_with_corun(s, 1.25), 0, 0);
  REQUIRE(together == Approx(alone * 3 / 1.5));
  REQUIRE(by_time == Approx(alone));
}

TEST_CASE(
    "with several instances the time of all devices and the bills still add up, for every tenancy model") {
  for (const TenancyKind kind : {TenancyKind::tenant_specific, TenancyKind::shared_pretrained}) {
    for (const Placement placement : {Placement::shared, Placement::dedicated}) {
      Scenario s = scoring_scenario(4'000);
      s.tenancies = {testing::entry("one", kind, placement)};
      s.tenancies[0].choice.resident_models = placement == Placement::shared ? 2 : 0;  // loads come and go
      s.pools[0].instances = 4;
      s.pools[0].preferred_batch = {4, 8};
      s.horizon = kSecond * 6;
      const auto world = testing::small_world(s);
      const RunResults a = run_unit(*world, {}, nullptr);
      const RunResults b = run_unit(*world, {}, nullptr);
      REQUIRE(a.units[0].digest == b.units[0].digest);
      REQUIRE(a.units[0].served > 0);
      int64_t busy = 0;
      for (const PoolRow& row : a.pools) busy += row.pool == "serve" ? row.busy_ns : 0;
      REQUIRE(busy > 0);
      const auto money = [](const auto& row) {
        return row.serving_nano + row.training_nano + row.storage_nano + row.idle_nano;
      };
      int64_t billed = 0;
      for (const TenantRow& row : a.tenants) billed += money(row);
      for (const WindowRow& row : a.windows) billed -= money(row);
      REQUIRE(billed == 0);
      for (const PoolRow& row : a.pools) {
        const Duration window = std::min(s.window, s.horizon - s.window * row.window);
        REQUIRE(row.busy_ns + row.idle_ns + row.starting_ns + row.down_ns == row.devices * window.ns);
      }
    }
  }
}

TEST_CASE("a request's share of the device sums to no more than the device was busy") {
  class Usage : public ObservationSink {
   public:
    void request(const RequestObservation& o) override { ns += o.usage_ns; }
    int64_t ns = 0;
  };
  for (const int64_t instances : {1, 3}) {
    Scenario s = scoring_scenario(6'000);
    s.pools[0].instances = instances;
    const auto world = testing::small_world(s);
    Usage usage;
    const ServingTotals totals =
        run_serving(*world, 0, stream_key(s.seed, 0), run_training(training_spec(*world, 0)), {}, usage);
    int64_t busy = 0;
    for (const auto& window : totals.windows) busy += window[0].shared.of(DeviceState::busy);
    REQUIRE(usage.ns <= busy);
    REQUIRE(usage.ns > busy * 99 / 100);
  }
}

#include "sim/run/attribution.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <map>

#include "sim/run/admission.h"
#include "sim/run/collector.h"
#include "sim/run/serving_run.h"
#include "sim/run/unit.h"
#include "tests/sim/run/everything.h"
#include "tests/sim/run/small_world.h"

using namespace cotenant;
using testing::Everything;

namespace {

// Quiet tenants with an objective, and `loud` ones without that share a flood in bursts.
Scenario flood(int64_t loud, double rate_per_s = 60) {
  Scenario s = testing::small_scenario();
  s.tenancies = {testing::entry("shared", TenancyKind::shared_pretrained)};
  s.tiers = {testing::small_tier("quiet", 3, 0.02), testing::small_tier("loud", loud, 1)};
  for (Tier& tier : s.tiers) {
    tier.prompt = {{{1, Law::fixed, 200, 0}}, 1, 1000};
    tier.output = {{{1, Law::fixed, 50, 0}}, 1, 1000};
  }
  s.tiers[1].arrivals.kind = ArrivalKind::burst;
  s.tiers[1].arrivals.rate_per_s = rate_per_s / static_cast<double>(loud);
  s.tiers[1].arrivals.on = kMinute * 2;
  s.tiers[1].arrivals.off = kMinute * 10;
  s.tiers[1].slo = {};
  s.horizon = kMinute * 30;
  s.window = kMinute * 10;
  s.warmup = {};
  return s;
}

int64_t count_of(const RunResults& results, const std::string& code) {
  for (const BreachRow& row : results.breaches) {
    if (row.code == code) return row.count;
  }
  return -1;
}

std::vector<std::string> raised(const RunResults& results) {
  std::vector<std::string> codes;
  for (const BreachRow& row : results.breaches) {
    if (row.count > 0) codes.push_back(row.code);
  }
  return codes;
}

RunResults run(const Scenario& s, const BlameSettings& blame = {}) {
  return simulate_unit(*testing::small_world(s), {0, 0}, {.warmup = {}, .blame = blame}).rows;
}

// What the base variant and one without some tenants make of the neighbour misses of a unit.
struct Delays {
  std::map<std::string, double> at_replicas_s;
  std::map<std::string, double> e2e_s;
};
Delays delays(const World& world, const std::vector<Miss>& misses, const Variant& variant) {
  Everything seen;
  run_serving(world, 0, stream_key(world.scenario.seed, 0), run_training(training_spec(world, 0)), variant,
              seen);
  Delays d;
  for (const RequestObservation& o : seen.all) {
    const size_t at = find_miss(misses, o.tenant, o.number);
    if (at == misses.size() || cause_of(misses[at]) != MissCause::neighbour) continue;
    if (misses[at].outcome != RequestOutcome::served) continue;
    const std::string& name = world.tenants[o.tenant.index].name;
    d.at_replicas_s[name] += seconds(o.finished - o.queued);
    d.e2e_s[name] += seconds(o.finished - o.arrival);
  }
  return d;
}

Attribution attribution_of(const World& world, const BlameSettings& blame = {}) {
  const PhiloxKey key = stream_key(world.scenario.seed, 0);
  const TrainingOutcome training = run_training(training_spec(world, 0));
  Collector collector(world, 0, key, training);
  run_serving(world, 0, key, training, {}, collector);
  return attribute({.world = &world, .tenancy = 0, .streams = key, .training = &training},
                   collector.take_misses(), blame);
}

}  // namespace

TEST_CASE("one loud tenant is named guilty, and without it every miss is gone") {
  const RunResults results = run(flood(1));
  REQUIRE(count_of(results, "P1") > 10);
  REQUIRE(results.service[0].neighbour_single == results.service[0].missed_neighbour);
  REQUIRE(results.service[0].neighbour_collective == 0);
  REQUIRE(raised(results) == std::vector<std::string>{"P1"});
  for (const BreachEventRow& event : results.breach_events) {
    REQUIRE(event.actor == "loud-1");
    REQUIRE(fires(event.code, Witness::parse(event.witness).value()) == true);
  }
  for (const TenantRow& row : results.tenants)
    REQUIRE(row.guilty_of == (row.name == "loud-1" ? results.service[0].missed_neighbour : 0));
}

TEST_CASE("where no single tenant is enough to blame, a miss is collective") {
  const RunResults results = run(flood(12));
  REQUIRE(results.service[0].missed_neighbour > 10);
  REQUIRE(results.service[0].neighbour_collective > results.service[0].neighbour_single);
  for (const BreachEventRow& event : results.breach_events) {
    if (!event.actor.empty()) continue;
    REQUIRE(Witness::parse(event.witness)->whole("missed without each of") == 6);
  }
}

TEST_CASE("direct blame sums to the time at replicas, for loads and idle devices too") {
  for (const TenancyKind kind : {TenancyKind::shared_pretrained, TenancyKind::tenant_specific}) {
    Scenario s = flood(2);
    s.tenancies = {testing::entry("only", kind)};
    const auto world = testing::small_world(s);
    const Attribution attribution = attribution_of(*world);
    const Delays truth = delays(*world, attribution.misses, {});
    REQUIRE(truth.at_replicas_s.size() == 3);
    std::map<std::string, double> direct;
    for (const BlameRow& row : attribution.blame) direct[row.victim] += row.waiting_s + row.beside_s;
    for (const auto& [victim, seconds] : truth.at_replicas_s)
      REQUIRE(direct.at(victim) == Approx(seconds).epsilon(1e-9));
  }
}

TEST_CASE("leave-one-out is what a run without the tenant says") {
  const auto world = testing::small_world(flood(2));
  const Attribution attribution = attribution_of(*world);
  const Delays base = delays(*world, attribution.misses, {});
  size_t compared = 0;
  for (const BlameRow& row : attribution.blame) {
    if (std::isnan(row.leave_one_out_s) || row.actor.front() == '(') continue;
    Variant variant;
    for (const Tenant& tenant : world->tenants) variant.absent.push_back(tenant.name == row.actor);
    const Delays without = delays(*world, attribution.misses, variant);
    REQUIRE(row.leave_one_out_s ==
            Approx(base.e2e_s.at(row.victim) - without.e2e_s.at(row.victim)).margin(1e-9));
    ++compared;
  }
  REQUIRE(compared >= 6);
}

TEST_CASE("Shapley values sum to the delay over the victim alone, exact or sampled, and with others as one") {
  struct Case {
    int64_t loud;
    int64_t groups;
  };
  for (const Case c : {Case{2, 7}, Case{12, 5}, Case{12, 9}}) {
    Scenario s = flood(c.loud);
    s.horizon = kMinute * 10;
    const auto world = testing::small_world(s);
    const Attribution attribution = attribution_of(*world, {.shapley = true, .groups = c.groups});
    std::map<std::string, double> values;
    double error = 0;
    for (const BlameRow& row : attribution.blame) {
      if (!std::isnan(row.shapley_s)) values[row.victim] += row.shapley_s;
      error += row.shapley_error_s;
    }
    REQUIRE((error > 0) == (c.groups > BlameSettings::kExactGroups));
    REQUIRE(values.size() == 3);
    const Delays base = delays(*world, attribution.misses, {});
    for (const auto& [victim, sum] : values) {
      Variant alone;
      for (const Tenant& tenant : world->tenants) alone.absent.push_back(tenant.name != victim);
      const Delays solo = delays(*world, attribution.misses, alone);
      INFO(victim << " of " << c.loud << " loud ones, " << c.groups << " groups");
      REQUIRE(sum == Approx(base.e2e_s.at(victim) - solo.e2e_s.at(victim)).epsilon(1e-9));
    }
  }
}

TEST_CASE(
    "a tenant that is passed over for ten times its objective starves; one that waits its turn does not") {
  // Objectives that nobody could meet: misses are not the neighbours'.
  Scenario s = flood(1);
  s.tiers[0].slo.ttft = {99, kMillisecond};
  s.tiers[0].priority = 1;
  s.tiers[1].priority = 2;
  s.pools[0].max_sequences = 4;
  REQUIRE(raised(run(s)) == std::vector<std::string>{});
  s.pools[0].scheduler = LineOrder::priority;
  const RunResults results = run(s);
  REQUIRE(raised(results) == std::vector<std::string>{"P2"});
  for (const BreachEventRow& event : results.breach_events) REQUIRE(event.subject.rfind("quiet-", 0) == 0);
  REQUIRE(results.fairness.size() == 1);
  REQUIRE(results.fairness[0].starved == count_of(results, "P2"));
  REQUIRE(results.fairness[0].longest_starved_s > 0.01);
}

TEST_CASE("tenants on devices of their own are in nobody's way, and nobody is watched") {
  Scenario s = flood(1);
  s.tiers[1].slo.ttft = {99, kSecond};  // the flood is late by its own doing
  s.tenancies = {testing::entry("own", TenancyKind::shared_pretrained, Placement::dedicated)};
  const RunResults results = run(s);
  REQUIRE(results.service[0].slo_missed > 100);
  REQUIRE(results.service[0].missed_neighbour == 0);
  REQUIRE(results.fairness.empty());
  REQUIRE(count_of(results, "P2") == 0);
  // Alone, and once without loads: each request at most twice.
  REQUIRE(results.units[0].counterfactual_requests <= 2 * results.units[0].arrived);
}

TEST_CASE("a request that others' queue keeps out is a collateral throttle") {
  Scenario s = flood(1, 20'000);
  s.models[0] = {.name = "chat", .kind = Model::Kind::scoring, .shape = "ranker"};
  for (Tier& tier : s.tiers) {
    tier.prompt = {{{1, Law::fixed, 8, 0}}, 1, 100};
    tier.output = {};
    tier.slo = {};
  }
  s.tiers[0].arrivals.rate_per_s = 1;
  s.tiers[1].arrivals.on = kSecond * 2;
  s.tiers[1].arrivals.off = kSecond * 20;
  s.pools[0].size = 1;
  s.pools[0].max_batch = 8;
  s.pools[0].max_queue = 50;
  s.horizon = kMinute;
  s.window = kMinute;
  const RunResults results = run(s);
  REQUIRE(raised(results) == std::vector<std::string>{"P4"});
  for (const BreachEventRow& event : results.breach_events) REQUIRE(event.actor != event.subject);
  s.tiers[1].count = 0;
  REQUIRE(raised(run(s)) == std::vector<std::string>{});
}

TEST_CASE("a miss that a kept cache would have saved is eviction harm") {
  Scenario s = flood(1, 0.2);
  s.tiers[0].count = 1;
  s.tiers[0].arrivals.rate_per_s = 0.02;
  s.tiers[0].prompt = {{{1, Law::fixed, 20, 0}}, 1, 100};
  s.tiers[0].system_prompt =
      SystemPrompt{.tokens = 1500, .variants = 1, .across = SystemPrompt::Across::tenant};
  s.tiers[0].slo.ttft = {99, kMillisecond * 100};
  s.tiers[1].prompt = {{{1, Law::fixed, 900, 0}}, 1, 2000};
  s.tiers[1].arrivals.kind = ArrivalKind::poisson;
  s.pools[0].size = 1;
  s.models[0].context_limit = 1700;
  s.pools[0].kv_blocks = 130;
  s.pools[0].prefix_cache = Pool::PrefixCache::tenant;
  const RunResults results = run(s);
  INFO("P1 " << count_of(results, "P1") << ", P6 " << count_of(results, "P6"));
  REQUIRE(count_of(results, "P6") > 0);
  REQUIRE(results.service[0].missed_neighbour == count_of(results, "P1") + count_of(results, "P6"));
  for (const BreachEventRow& event : results.breach_events)
    REQUIRE(fires(event.code, Witness::parse(event.witness).value()) == true);
  // With room for both nothing is evicted.
  s.pools[0].kv_blocks = 20'000;
  REQUIRE(count_of(run(s), "P6") == 0);
}

TEST_CASE("fair queueing keeps the gap in service within its bound, first come does not") {
  Scenario s = flood(2, 80);
  s.tiers[0].arrivals.rate_per_s = 3;
  s.pools[0].size = 1;
  s.models[0].context_limit = 1000;
  s.pools[0].kv_blocks = 100;
  s.pools[0].max_sequences = 4;
  const auto gap_over_bound = [&](LineOrder order) {
    s.pools[0].scheduler = order;
    const RunResults results = run(s);
    REQUIRE(results.fairness.size() == 1);
    REQUIRE(results.fairness[0].pairs > 0);
    REQUIRE(count_of(results, "P3") == 0);  // first come, first served promises nothing
    return results.fairness[0].gap / results.fairness[0].bound;
  };
  REQUIRE(gap_over_bound(LineOrder::weighted_fair) <= 1);
  REQUIRE(gap_over_bound(LineOrder::fcfs) > 1);
}

TEST_CASE("a stated entitlement takes the place of the share by weight") {
  Scenario s = flood(1);
  const auto world = testing::small_world(s);
  const TrainingOutcome training = run_training(training_spec(*world, 0));
  const double by_weight = entitled_tokens(ServingPlan(*world, 0, training), Time{0})[0];
  REQUIRE(by_weight > 0);
  for (Tier& tier : s.tiers) tier.entitlement = 0.125;  // four tenants: half of the quarter
  const auto promised = testing::small_world(s);
  REQUIRE(entitled_tokens(ServingPlan(*promised, 0, training), Time{0})[0] == Approx(by_weight / 2));
  // So little that the tenant's own requests miss alone, too.
  s.tiers[0].entitlement = 1e-5;
  const RunResults results = run(s);
  REQUIRE(results.service[0].missed_neighbour <= 6);  // what the bucket of each of three holds at first
  REQUIRE(results.service[0].missed_under_provisioned > 10);
}

TEST_CASE("what a cache spares a tenant is not charged to it, and fair queueing still keeps its bound") {
  // Both wait all the time; one's long prompts are found but for 20 tokens, the other's are all new.
  Scenario s = flood(1, 30);
  s.tiers[0].count = 1;
  s.tiers[0].arrivals.rate_per_s = 30;
  s.tiers[0].slo = {};
  for (Tier& tier : s.tiers) tier.output = {{{1, Law::fixed, 10, 0}}, 1, 10};
  s.tiers[0].prompt = {{{1, Law::fixed, 20, 0}}, 1, 20};
  s.tiers[0].system_prompt =
      SystemPrompt{.tokens = 1500, .variants = 1, .across = SystemPrompt::Across::tenant};
  s.tiers[1].prompt = {{{1, Law::fixed, 1520, 0}}, 1, 1520};
  s.tiers[1].arrivals.kind = ArrivalKind::poisson;
  s.pools[0].size = 1;
  s.models[0].context_limit = 1700;
  s.pools[0].kv_blocks = 400;
  s.pools[0].scheduler = LineOrder::weighted_fair;
  s.pools[0].prefix_cache = Pool::PrefixCache::tenant;
  const RunResults results = run(s);
  REQUIRE(results.fairness.at(0).pairs > 0);
  REQUIRE(results.fairness.at(0).gap <= results.fairness.at(0).bound);
  REQUIRE(count_of(results, "P3") == 0);
  // Equal service is many more requests of the one whose work is less.
  REQUIRE(results.tenants[0].served > 10 * results.tenants[1].served);
}

TEST_CASE("who had nothing in the cache lost nothing to eviction") {
  // The victim's prompts are new each time; two others push each other's out of the cache, and so delay it.
  Scenario s = flood(2, 0.4);
  s.tiers[0].count = 1;
  s.tiers[0].arrivals.rate_per_s = 0.02;
  s.tiers[0].prompt = {{{1, Law::fixed, 900, 0}}, 1, 900};
  s.tiers[0].slo.ttft = {99, kMillisecond * 500};
  s.tiers[1].prompt = {{{1, Law::fixed, 20, 0}}, 1, 20};
  s.tiers[1].system_prompt =
      SystemPrompt{.tokens = 1400, .variants = 1, .across = SystemPrompt::Across::tenant};
  s.tiers[1].arrivals.kind = ArrivalKind::poisson;
  s.pools[0].size = 1;
  s.models[0].context_limit = 1700;
  s.pools[0].kv_blocks = 130;
  s.pools[0].prefix_cache = Pool::PrefixCache::tenant;
  const RunResults results = run(s);
  REQUIRE(count_of(results, "P1") > 0);
  REQUIRE(count_of(results, "P6") == 0);
}

TEST_CASE("no more re-runs are made for Shapley values than were told") {
  REQUIRE(BlameSettings{}.most_reruns() == 0);
  REQUIRE(BlameSettings{.shapley = true, .groups = 8}.most_reruns() == 255);
  REQUIRE(BlameSettings{.shapley = true, .groups = 9}.most_reruns() == 511);
  REQUIRE(BlameSettings{.shapley = true, .groups = 32}.most_reruns() == 32 * 32 * 200);
}

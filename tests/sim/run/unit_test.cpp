#include <catch2/catch.hpp>

#include "sim/ledger/digest.h"
#include "sim/ledger/witness.h"
#include "sim/run/serving_run.h"
#include "sim/run/unit.h"
#include "tests/sim/run/small_world.h"

using namespace cotenant;

namespace {

int64_t breaches(const RunResults& results, const std::string& code) {
  for (const BreachRow& row : results.breaches) {
    if (row.code == code) return row.count;
  }
  FAIL("no such code: " << code);
  return -1;
}

}  // namespace

TEST_CASE("the same unit twice has the same digest; another replication has another") {
  const Scenario s = testing::small_scenario();
  const auto world = testing::small_world(s);
  const std::string once = run_unit(*world, {3, 0}).units[0].digest;
  REQUIRE(run_unit(*world, {3, 0}).units[0].digest == once);
  REQUIRE(run_unit(*world, {3, 1}).units[0].digest != once);
}

TEST_CASE("bills of all tenants sum to the price of the leases and the storage, to the nano-dollar") {
  Scenario s = testing::small_scenario();
  s.prices.storage_nano_per_gb_month = 0;
  const auto world = testing::small_world(s);
  for (size_t tenancy = 0; tenancy < s.tenancies.size(); ++tenancy) {
    const RunResults results = run_unit(*world, {tenancy, 0});
    int64_t billed = 0;
    for (const TenantRow& row : results.tenants) {
      billed += row.serving_nano + row.training_nano + row.storage_nano + row.idle_nano;
    }
    // Rate x horizon x devices, rounded down once a lease.
    const int64_t serving = s.tenancies[tenancy].choice.placement == Placement::dedicated ? 12 : 2;
    const int64_t training = s.tenancies[tenancy].choice.kind == TenancyKind::shared_pretrained ? 0 : 1;
    REQUIRE(billed == 50'000'000 * 2 * (serving + training));
    int64_t by_window = 0;
    for (const WindowRow& row : results.windows) {
      by_window += row.serving_nano + row.training_nano + row.storage_nano + row.idle_nano;
    }
    REQUIRE(by_window == billed);
  }
}

TEST_CASE("stored bytes cost their price per GB and month") {
  Scenario s = testing::small_scenario();
  s.skus[0].rate_nano_per_hour = 0;
  s.tiers[0].data = {1'000'000'000'000};
  s.tiers[1].count = 0;
  s.horizon = kHour * 8;
  s.prices.storage_nano_per_gb_month = 1e9;  // one dollar
  s.tenancies = {testing::entry("pretrained", TenancyKind::shared_pretrained)};
  const RunResults results = run_unit(*testing::small_world(s), {0, 0});
  double storage = 0;
  for (const TenantRow& row : results.tenants) storage += static_cast<double>(row.storage_nano) * 1e-9;
  const double months = 8.0 / (365.25 * 24 / 12);
  REQUIRE(storage == Approx((3 * 1000 + 0.1) * months).epsilon(1e-9));
}

TEST_CASE("device time is busy, idle, starting or down, and nothing else") {
  const Scenario s = testing::small_scenario();
  const auto world = testing::small_world(s);
  for (size_t tenancy = 0; tenancy < s.tenancies.size(); ++tenancy) {
    for (const PoolRow& row : run_unit(*world, {tenancy, 0}).pools) {
      REQUIRE(row.busy_ns + row.idle_ns + row.starting_ns + row.down_ns == row.devices * s.window.ns);
    }
  }
}

TEST_CASE("every miss has exactly one cause") {
  Scenario s = testing::small_scenario();
  for (Tier& tier : s.tiers) tier.arrivals.rate_per_s = 0.25;
  s.tiers[0].quota_per_s = 0.2;
  s.tiers[0].quota_burst = 2;
  const auto world = testing::small_world(s);
  for (size_t tenancy = 0; tenancy < s.tenancies.size(); ++tenancy) {
    const RunResults results = run_unit(*world, {tenancy, 0});
    for (const ServiceRow& row : results.service) {
      REQUIRE(row.slo_missed == row.missed_over_quota + row.missed_under_provisioned + row.missed_platform +
                                    row.missed_neighbour);
      REQUIRE(row.unattributed == 0);
    }
    REQUIRE(results.service[0].slo_missed > 0);
  }
}

TEST_CASE("without counterfactuals misses stay unattributed and P1 is not measured") {
  Scenario s = testing::small_scenario();
  for (Tier& tier : s.tiers) tier.arrivals.rate_per_s = 0.25;
  s.counterfactuals = false;
  const RunResults results = run_unit(*testing::small_world(s), {2, 0});
  REQUIRE(results.service[0].unattributed == results.service[0].slo_missed);
  REQUIRE(results.units[0].counterfactual_requests == 0);
  for (const BreachRow& row : results.breaches) REQUIRE(row.code != "P1");
}

TEST_CASE("a short cache key mixes nothing up where one model serves all and is never trained") {
  Scenario s = testing::small_scenario();
  for (Tier& tier : s.tiers) {
    tier.slo = {};
    testing::add_sessions(tier, SystemPrompt::Across::all);
  }
  s.pools[0].prefix_cache = Pool::PrefixCache::tenant;
  s.disturbances.push_back({.kind = Disturbance::Kind::short_cache_key});
  const RunResults results = run_unit(*testing::small_world(s), {2, 0});
  for (const BreachRow& row : results.breaches) REQUIRE(row.count == 0);
}

TEST_CASE("a zero count says out of how many checks") {
  Scenario s = testing::small_scenario();
  s.pools[0].prefix_cache = Pool::PrefixCache::tenant;
  s.pools[0].scheduler = LineOrder::weighted_fair;
  s.pools[0].max_sequences = 1;  // so that tenants wait together
  testing::add_sessions(s.tiers[0], SystemPrompt::Across::tenant);
  s.tiers[1].topics = TopicLaw{.count = 100};
  s.pools[0].response_cache = CacheScope::tenant;
  s.pools[0].response_cache_entries = 1000;
  const RunResults results = run_unit(*testing::small_world(s), {3, 0});
  size_t implemented = 0;
  for (const BreachCode& code : breach_codes()) implemented += code.implemented ? 1 : 0;
  REQUIRE(results.breaches.size() == implemented);
  for (const BreachRow& row : results.breaches) {
    INFO(row.code);
    REQUIRE(find_breach_code(row.code)->implemented);
    const bool nothing_to_check = row.code == "R3" || row.code == "R4";  // nothing scored, no node taken away
    REQUIRE((row.checks > 0) != nothing_to_check);
    // Two tiers on one cached pool; each request is one check.
    const ServiceRow& all = results.service[0];
    if (row.code == "P6" || row.code == "P1") REQUIRE(row.checks == all.arrived - all.over_quota);
  }
}

TEST_CASE("state of another model names both models, the request and what it used") {
  Scenario s = testing::small_scenario();
  s.pools[0].prefix_cache = Pool::PrefixCache::tenant;
  s.training.every = kMinute * 20;
  s.disturbances.push_back({.kind = Disturbance::Kind::short_cache_key});
  for (Tier& tier : s.tiers) testing::add_sessions(tier, SystemPrompt::Across::tenant);
  const RunResults results = run_unit(*testing::small_world(s), {4, 0});
  double blocks = 0;
  for (const BreachRow& row : results.breaches) {
    if (row.code != "C3") continue;
    blocks = row.quantity;
    REQUIRE(row.quantity >= static_cast<double>(row.count));
    REQUIRE(row.count <= row.checks);
  }
  REQUIRE(blocks > 0);
  for (const BreachEventRow& event : results.breach_events) {
    INFO(event.witness);
    REQUIRE(event.code == "C3");
    REQUIRE(event.subject == event.actor);  // the cache is closed: its own older version
    const auto witness = Witness::parse(event.witness);
    REQUIRE(witness.has_value());
    REQUIRE(fires("C3", *witness) == true);
    REQUIRE(witness->word("tenant") == event.actor);
  }
}

TEST_CASE(
    "sessions behind a prefix cache compute less and answer sooner, and the share that was found is told") {
  Scenario s = testing::small_scenario();
  s.tenancies = {testing::entry("pretrained", TenancyKind::shared_pretrained)};
  for (Tier& tier : s.tiers) testing::add_sessions(tier, SystemPrompt::Across::tenant);
  const RunResults without = run_unit(*testing::small_world(s), {0, 0});
  s.pools[0].prefix_cache = Pool::PrefixCache::tenant;
  const RunResults with = run_unit(*testing::small_world(s), {0, 0});
  REQUIRE(with.units[0].arrived == without.units[0].arrived);
  REQUIRE(with.latency[0].metric == "ttft");
  REQUIRE(with.latency[0].mean_s < 0.8 * without.latency[0].mean_s);
  REQUIRE(without.units[0].prefix_tokens_asked == 0);
  REQUIRE(with.units[0].prefix_tokens_hit > with.units[0].prefix_tokens_asked / 3);
  REQUIRE(with.units[0].prefix_tokens_hit < with.units[0].prefix_tokens_asked);
}

TEST_CASE("recorded requests are a keyed sample with weights") {
  Scenario s = testing::small_scenario();
  s.record = {RecordRequests::Kind::all, 0};
  const RunResults all = run_unit(*testing::small_world(s), {0, 0});
  REQUIRE(static_cast<int64_t>(all.requests.size()) == all.units[0].arrived);
  s.record = {RecordRequests::Kind::sample, 200};
  const RunResults some = run_unit(*testing::small_world(s), {0, 0});
  REQUIRE(some.requests.size() > 120);
  REQUIRE(some.requests.size() < 300);
  double stands_for = 0;
  for (const RequestRow& row : some.requests) stands_for += row.weight;
  REQUIRE(stands_for == Approx(static_cast<double>(all.units[0].arrived)).epsilon(0.3));
}

TEST_CASE("a world that could not be served is refused with the reason, before anything runs") {
  const auto refused = [](const Scenario& s) {
    WorldInputs inputs;
    inputs.profiles.emplace("made-up", testing::small_profile());
    const Result<std::unique_ptr<World>> world = build_world(s, std::move(inputs));
    return world.ok() ? std::string() : to_text(world.problems());
  };
  const auto contains = [](const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
  };
  const Scenario good = testing::small_scenario();
  REQUIRE(refused(good).empty());
  Scenario s = good;
  s.tenancies[4].choice.resident_models = 1;
  REQUIRE(contains(refused(s), "the base and its adapter"));
  s = good;
  s.pools[0].max_sequences = 512;
  REQUIRE(contains(refused(s), "token-budget"));
  s = good;
  s.pools[0].kv_share = 0.9874;  // room for the base, not for base and adapter
  REQUIRE(contains(refused(s), "does not fit"));
  s = good;
  s.tiers[0].quota_per_s = 1e-11;
  REQUIRE(contains(refused(s), "quota"));
  s = good;
  s.tiers[0].name = "all";
  REQUIRE(contains(refused(s), "'all'"));
  s = good;
  s.training.pool = "serve";
  REQUIRE(contains(refused(s), "for serving and for training"));
  s = good;
  s.models[0].shape = "missing-1b";
  REQUIRE(contains(refused(s), "missing-1b"));
}

TEST_CASE("a race between adapters is seen although models are retrained") {
  Scenario s = testing::small_scenario();
  s.tenancies = {testing::entry("tuned", TenancyKind::tuned_shared)};
  s.training.every = kMinute * 10;
  s.disturbances.push_back({.kind = Disturbance::Kind::adapter_race, .share = 0.5});
  REQUIRE(breaches(run_unit(*testing::small_world(s), {0, 0}), "A1") > 100);
}

TEST_CASE("one tier may pool everybody's data without touching another tier's consent") {
  Scenario s = testing::small_scenario();
  s.tenancies = {testing::entry("shared", TenancyKind::shared_trained)};
  for (Tier& tier : s.tiers) tier.consent_train_shared = false;
  s.tenancies[0].tiers["gold"] = s.tenancies[0].choice;
  s.tenancies[0].tiers["gold"].train_on_all = true;
  s.training.every = {};
  REQUIRE(breaches(run_unit(*testing::small_world(s), {0, 0}), "D1") == 3);
}

TEST_CASE("a stopped unit ends early") {
  const auto world = testing::small_world(testing::small_scenario());
  const std::atomic<bool> stop = true;
  REQUIRE_THROWS_AS(run_unit(*world, {0, 0}, &stop), UnitStopped);
}

TEST_CASE("tenants that all join late leave what was leased before to nobody, and every sum still holds") {
  Scenario s = testing::small_scenario();
  for (Tier& tier : s.tiers) tier.starts = kHour;
  s.warmup = kMinute;
  const RunResults results = run_unit(*testing::small_world(s), {2, 0});
  int64_t by_tenant = 0;
  int64_t nobody = 0;
  for (const TenantRow& row : results.tenants) {
    const int64_t money = row.serving_nano + row.training_nano + row.storage_nano + row.idle_nano;
    by_tenant += money;
    if (row.name == kNoTenant) nobody += money;
  }
  int64_t by_window = 0;
  for (const WindowRow& row : results.windows) {
    by_window += row.serving_nano + row.training_nano + row.storage_nano + row.idle_nano;
  }
  REQUIRE(by_window == by_tenant);
  REQUIRE(nobody >= 100'000'000);  // two devices for an hour
}

TEST_CASE("growth from nobody reaches somebody") {
  Tier tier = testing::small_tier("t", 0, 1);
  tier.growth = {.kind = Growth::Kind::linear, .add = 2, .every = kHour};
  REQUIRE(join_times(tier, kHour * 3).size() == 4);
  tier.count = 4;
  tier.growth = {.kind = Growth::Kind::logistic, .limit = 100, .midpoint = kHour * 10};
  const std::vector<Time> joins = join_times(tier, kHour * 40);
  REQUIRE(joins.size() == 99);
  REQUIRE(joins[49] <= Time{(kHour * 10).ns});
  REQUIRE(joins[50] >= Time{(kHour * 10).ns});
}

TEST_CASE("lengths far beyond any context are refused like any that is too long") {
  Scenario s = testing::small_scenario();
  s.horizon = kMinute * 30;
  for (Tier& tier : s.tiers) {
    tier.prompt = {{{1, Law::lognormal, 6, 10}}};
    tier.output = {{{1, Law::lognormal, 6, 10}}};
    tier.arrivals.rate_per_s = 1;
  }
  const UnitOutcome unit = simulate_unit(*testing::small_world(s), {2, 0}, {.warmup = {}, .blame = {}});
  REQUIRE(unit.rows.units.at(0).over_context > 1000);
}

TEST_CASE("a tenant entitled to almost nothing waits for ever alone, and the run goes on") {
  Scenario s = testing::small_scenario();
  s.horizon = kMinute * 30;
  s.warmup = {};
  s.tiers[0].weight = 1e-6;
  s.tiers[1].weight = 1e6;
  s.tiers[0].slo.ttft = {99, kMillisecond};
  const UnitOutcome unit = simulate_unit(*testing::small_world(s), {2, 0}, {.warmup = {}, .blame = {}});
  REQUIRE(unit.rows.service[0].missed_under_provisioned > 0);
}

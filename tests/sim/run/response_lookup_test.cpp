#include "sim/run/response_lookup.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "sim/run/serving_run.h"
#include "sim/run/unit.h"
#include "tests/sim/run/everything.h"
#include "tests/sim/run/small_world.h"

using namespace cotenant;
using testing::check_equal;
using testing::Everything;
using testing::sorted;

namespace {

const Duration kLookup = kMillisecond * 20;

// Few topics, of which tenants share some, and a cache that is too small for all of them.
Scenario cached(CacheScope scope) {
  Scenario s = testing::small_scenario();
  s.horizon = kMinute * 40;
  s.warmup = {};
  for (Tier& tier : s.tiers) {
    tier.topics = TopicLaw{.count = 40, .zipf_s = 0.9, .common = 0.4};
    tier.arrivals.rate_per_s = 0.2;
  }
  s.pools[0].response_cache = scope;
  s.pools[0].response_cache_entries = 100;
  s.pools[0].response_cache_lifetime = kMinute * 10;
  s.pools[0].response_cache_lookup = kLookup;
  return s;
}

struct Ran {
  Everything seen;
  ServingTotals totals;
};

Ran run(const Scenario& s, size_t tenancy, const Variant& variant = {}) {
  const auto world = testing::small_world(s);
  const TrainingOutcome training = run_training(training_spec(*world, tenancy));
  Ran ran;
  ran.totals = run_serving(*world, tenancy, stream_key(s.seed, 0), training, variant, ran.seen);
  return ran;
}

constexpr size_t kPretrained = 2;

}  // namespace

TEST_CASE("an answer of the cache comes after the look-up, whole, and no device works for it") {
  const Ran ran = run(cached(CacheScope::tenant), kPretrained);
  int64_t hits = 0;
  for (const RequestObservation& o : ran.seen.all) {
    if (o.outcome != RequestOutcome::served) continue;
    if (!is_from_response_cache(o)) {
      REQUIRE(o.queued == o.arrival + kLookup);  // a miss pays for the look-up too
      continue;
    }
    ++hits;
    REQUIRE(o.finished == o.arrival + kLookup);
    REQUIRE(o.first_token == o.finished);
    REQUIRE(o.usage_ns == 0);
    REQUIRE_FALSE(o.replica.valid());
    REQUIRE(o.delivered_to == o.tenant);
  }
  REQUIRE(hits == ran.totals.responses.hits);
  REQUIRE(hits > ran.totals.responses.lookups / 5);
  REQUIRE(hits < ran.totals.responses.lookups);
  REQUIRE(ran.totals.responses.lookups == static_cast<int64_t>(ran.seen.all.size()));
}

TEST_CASE("with a response cache skipping decode steps gives the same times and the same hits as stepping") {
  for (const CacheScope scope : {CacheScope::tenant, CacheScope::tier, CacheScope::open}) {
    Scenario s = cached(scope);
    s.pools[0].kv_share = 0.005;  // requests wait for memory
    s.models[0].context_limit = 2000;
    for (const double rate : {0.05, 0.5}) {
      for (Tier& tier : s.tiers) tier.arrivals.rate_per_s = rate;
      for (size_t tenancy = 0; tenancy < s.tenancies.size(); ++tenancy) {
        INFO("scope " << static_cast<int>(scope) << ", rate " << rate << ", tenancy " << tenancy);
        const Ran skipped = run(s, tenancy);
        const Ran stepped = run(s, tenancy, {.single_steps = true});
        check_equal(sorted(skipped.seen.all), sorted(stepped.seen.all));
        REQUIRE(skipped.totals.events < stepped.totals.events);
        REQUIRE(skipped.totals.responses.hits == stepped.totals.responses.hits);
        REQUIRE(skipped.totals.responses.not_shared == stepped.totals.responses.not_shared);
        REQUIRE(skipped.totals.responses.hits > 0);
      }
    }
  }
}

TEST_CASE("the wider the scope the more is found, and a closed cache never answers from another tenant") {
  int64_t before = 0;
  for (const CacheScope scope : {CacheScope::tenant, CacheScope::tier, CacheScope::open}) {
    const Ran ran = run(cached(scope), kPretrained);
    REQUIRE(ran.totals.responses.hits > before);
    before = ran.totals.responses.hits;
    REQUIRE((ran.totals.responses.not_shared == 0) == (scope == CacheScope::tenant));
  }
}

TEST_CASE("answers of other weights or another adapter are not found in an open cache") {
  const Ran own = run(cached(CacheScope::open), 0);
  REQUIRE(own.totals.responses.hits > 0);
  const auto first_own = kMinute * 10;  // from then on every tenant has its own model
  REQUIRE(static_cast<int64_t>(own.totals.responses.examples.size()) == own.totals.responses.not_shared);
  for (const SharedResponse& hit : own.totals.responses.examples) REQUIRE(hit.at < Time{first_own.ns});
}

TEST_CASE("what a request asks about does not depend on who else is there") {
  Scenario s = cached(CacheScope::tenant);
  s.pools[0].response_cache_entries = 100'000;  // nobody evicts
  s.pools[0].response_cache_lifetime = kDay;
  for (Tier& tier : s.tiers) tier.output = {{{1, Law::fixed, 1, 0}}, 1, 10}, tier.prompt = tier.output;
  const Ran all = run(s, kPretrained);
  std::vector<bool> absent(12, false);
  absent[5] = absent[11] = true;
  const Ran some = run(s, kPretrained, {.absent = absent});
  size_t compared = 0;
  for (const RequestObservation& o : some.seen.all) {
    const auto same = std::find_if(all.seen.all.begin(), all.seen.all.end(), [&](const auto& other) {
      return other.tenant == o.tenant && other.number == o.number;
    });
    REQUIRE(same != all.seen.all.end());
    compared += is_from_response_cache(*same) == is_from_response_cache(o) ? 1 : 0;
  }
  // A request that comes while the first of its topic is answered may find it or not.
  REQUIRE(compared > some.seen.all.size() * 98 / 100);
}

TEST_CASE("alone on its entitlement a tenant finds its own answers, and they cost nothing of it") {
  const Ran alone =
      run(cached(CacheScope::open), kPretrained, {.kind = Variant::Kind::alone, .tenant = TenantId{0}});
  REQUIRE(alone.totals.responses.hits > 0);
  REQUIRE(alone.totals.responses.not_shared == 0);
  for (const RequestObservation& o : alone.seen.all) {
    if (is_from_response_cache(o)) REQUIRE(o.finished == o.arrival + kLookup);
  }
}

TEST_CASE("tenants who agreed share their answers without a breach, and the others' are C2") {
  Scenario s = cached(CacheScope::open);
  s.tenancies = {testing::entry("pretrained", TenancyKind::shared_pretrained)};
  s.tiers[0].consent_share_answers = true;
  const RunResults results = run_unit(*testing::small_world(s), {0, 0});
  const auto c2 = std::find_if(results.breaches.begin(), results.breaches.end(),
                               [](const BreachRow& row) { return row.code == "C2"; });
  REQUIRE(c2 != results.breaches.end());
  REQUIRE((c2->count > 0 && c2->checks == results.units[0].response_lookups));
  REQUIRE(c2->quantity == static_cast<double>(c2->count));
  size_t events = 0;
  for (const BreachEventRow& event : results.breach_events) {
    if (event.code != "C2") continue;
    ++events;
    REQUIRE(event.severity == 3);
    REQUIRE(event.subject.starts_with("standard-"));
    REQUIRE(fires("C2", Witness::parse(event.witness).value()) == true);
  }
  REQUIRE(events == std::min<size_t>(static_cast<size_t>(c2->count), ResponseUse::kHitsKept));
  s.tiers[1].consent_share_answers = true;
  const RunResults agreed = run_unit(*testing::small_world(s), {0, 0});
  for (const BreachRow& row : agreed.breaches) REQUIRE((row.code != "C2" || row.count == 0));
}

TEST_CASE("answers of the cache are not in the engine's times, and the bills sum without them") {
  Scenario s = cached(CacheScope::tenant);
  s.tenancies = {testing::entry("pretrained", TenancyKind::shared_pretrained)};
  const RunResults results = run_unit(*testing::small_world(s), {0, 0});
  const UnitRow& unit = results.units[0];
  const auto count = [&](const char* metric) {
    for (const LatencyRow& row : results.latency) {
      if (row.tier == "all" && row.metric == metric) return row.count;
    }
    return int64_t{-1};
  };
  REQUIRE(unit.response_hits > 0);
  REQUIRE(count("ttft") == unit.served);
  REQUIRE(count("ttft_engine") == unit.served - unit.response_hits);
}

TEST_CASE("what a short key had let in is not found when the key is whole again") {
  Scenario s = cached(CacheScope::tenant);
  for (Tier& tier : s.tiers) tier.arrivals.rate_per_s = 0.02;
  s.pools[0].response_cache_lifetime = kDay;
  const Duration until = kMinute * 15;
  s.disturbances = {{.kind = Disturbance::Kind::short_cache_key, .from = kMinute * 5, .until = until}};
  const Ran ran = run(s, kPretrained);
  const std::vector<SharedResponse>& shared = ran.totals.responses.examples;
  REQUIRE(!shared.empty());
  REQUIRE(static_cast<int64_t>(shared.size()) ==
          ran.totals.responses.not_shared);  // all were kept to look at
  for (const SharedResponse& hit : shared) {
    REQUIRE(hit.at < Time{until.ns});
    INFO(hit.at.ns << " made " << hit.response.made.ns << " by " << hit.response.owner.index << " for "
                   << hit.requester.index);
    REQUIRE(hit.response.made >= Time{(kMinute * 5).ns});  // nor what was made before, under the whole key
  }
}

TEST_CASE("an answer out of the cache has no time per token") {
  Scenario s = cached(CacheScope::open);
  s.pools[0].response_cache_entries = 100'000;
  for (Tier& tier : s.tiers) tier.arrivals.rate_per_s = 0.05;
  const auto unit = simulate_unit(*testing::small_world(s), {kPretrained, 0}, {.warmup = {}, .blame = {}});
  for (const LatencyRow& row : unit.rows.latency) {
    if (row.metric == "tpot" && row.count > 0) REQUIRE(row.p50_s > 0);
  }
}

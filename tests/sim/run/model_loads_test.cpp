#include <catch2/catch.hpp>

#include "sim/run/serving_run.h"
#include "tests/sim/run/everything.h"
#include "tests/sim/run/small_world.h"

using namespace cotenant;
using testing::Everything;

namespace {

// Twelve tenants with weights of their own; one device holds three sets, so that they come and go.
Scenario many_models() {
  Scenario s = testing::small_scenario();
  s.horizon = kMinute * 40;
  s.warmup = {};
  s.training.every = {};
  s.pools[0].size = 1;
  s.models[0].context_limit = 2000;
  s.pools[0].kv_share = 0.01;
  for (Tier& tier : s.tiers) tier.arrivals.rate_per_s = 0.02;
  s.tenancies = {testing::entry("specific", TenancyKind::tenant_specific)};
  s.tenancies[0].choice.resident_models = 3;
  return s;
}

std::vector<RequestObservation> run(const Scenario& s, Variant variant = {}) {
  const auto world = testing::small_world(s);
  Everything seen;
  run_serving(*world, 0, stream_key(s.seed, 0), run_training(training_spec(*world, 0)), variant, seen);
  return testing::sorted(seen.all);
}

int64_t load_ns(const std::vector<RequestObservation>& all) {
  int64_t sum = 0;
  for (const RequestObservation& o : all) sum += o.load_ns;
  return sum;
}

}  // namespace

TEST_CASE("the first load of weights comes from the store, later ones from the host while it has them") {
  Scenario s = many_models();
  const int64_t copies = load_ns(run(s));
  s.skus[0].store_byte_per_s = 1'000'000'000;
  s.skus[0].store_latency = kMillisecond * 20;
  const int64_t fetch_ns = 120'000'000;  // 100 MB at 1 GB/s, and the latency
  s.skus[0].host_memory = {2'000'000'000};
  const auto kept = run(s);
  s.skus[0].host_memory = {};
  const auto never_kept = run(s);
  REQUIRE(load_ns(kept) > copies);
  REQUIRE(load_ns(never_kept) > load_ns(kept) + 20 * fetch_ns);
  int64_t fetched = 0;
  int64_t copied = 0;
  for (const RequestObservation& o : kept) {
    if (o.load_ns == 0) continue;
    (o.load_ns >= fetch_ns ? fetched : copied) += 1;
  }
  INFO(fetched << " fetched, " << copied << " copied");
  REQUIRE(fetched <= 13);  // twelve tenants' and the base
  REQUIRE(fetched >= 12);
  REQUIRE(copied > fetched);
  for (const RequestObservation& o : never_kept) REQUIRE((o.load_ns == 0 || o.load_ns >= fetch_ns));
  testing::check_equal(kept, [&] {
    s.skus[0].host_memory = {2'000'000'000};
    return run(s, {.single_steps = true});
  }());
}

TEST_CASE("pinned tenants stop waiting for loads once theirs are there, and everybody is served") {
  Scenario s = many_models();
  s.tiers[0].count = 2;  // gold; beside two pinned sets of weights there is room for one more
  const auto plain = run(s);
  s.tenancies[0].tiers["gold"] = s.tenancies[0].choice;
  s.tenancies[0].tiers["gold"].pinned = true;
  const auto pinned = run(s);
  const auto loads = [](const std::vector<RequestObservation>& all, bool gold) {
    return std::count_if(all.begin(), all.end(), [&](const RequestObservation& o) {
      return o.load_ns > 0 && (o.tenant.index < 2) == gold;
    });
  };
  INFO(loads(plain, true) << " loads without, " << loads(pinned, true) << " with");
  REQUIRE(loads(plain, true) > 20);
  REQUIRE(loads(pinned, true) <= 4);  // the base until they are trained, and their own
  for (const RequestObservation& o : pinned) {
    REQUIRE((o.outcome == RequestOutcome::served || o.arrival.ns > kMinute.ns * 38));
  }
  testing::check_equal(pinned, run(s, {.single_steps = true}));
}

TEST_CASE("pins never keep others out, however many tenants are pinned") {
  Scenario s = many_models();
  s.tenancies[0].choice.pinned = true;
  for (const int64_t limit : {0, 1, 2, 3}) {
    s.tenancies[0].choice.resident_models = limit;
    s.skus[0].memory = limit == 0 ? Bytes{300'000'000} : Bytes{8'000'000'000};
    s.pools[0].kv_share = limit == 0 ? 0.1 : 0.01;
    for (const RequestObservation& o : run(s)) {
      REQUIRE((o.outcome == RequestOutcome::served || o.arrival.ns > kMinute.ns * 36));
    }
  }
}

#include <catch2/catch.hpp>
#include <numeric>

#include "sim/run/collector.h"
#include "sim/run/serving_run.h"
#include "sim/run/unit.h"
#include "tests/sim/run/everything.h"
#include "tests/sim/run/small_world.h"

using namespace cotenant;
using testing::Everything;

namespace {

using Kind = Disturbance::Kind;

struct Seen {
  ServingTotals totals;
  std::vector<RequestObservation> requests;
  [[nodiscard]] int64_t lost() const {
    return std::count_if(requests.begin(), requests.end(),
                         [](const auto& o) { return o.outcome == RequestOutcome::lost; });
  }
};

Seen run(const Scenario& s, size_t tenancy, Variant variant = {}) {
  const auto world = testing::small_world(s);
  Everything seen;
  ServingTotals totals = run_serving(*world, tenancy, stream_key(s.seed, 0),
                                     run_training(training_spec(*world, tenancy)), variant, seen);
  REQUIRE(totals.requests == static_cast<int64_t>(seen.all.size()));
  REQUIRE(totals.kv_allocated == totals.kv_freed + totals.kv_held);
  return {std::move(totals), testing::sorted(std::move(seen.all))};
}

Scenario busy(double rate_per_s) {
  Scenario s = testing::small_scenario();
  s.horizon = kMinute * 15;
  s.window = kMinute * 5;
  s.warmup = kMinute;
  s.training.every = kMinute * 4;
  s.models[0].context_limit = 2000;
  s.pools[0].kv_share = 0.006;
  for (Tier& tier : s.tiers) tier.arrivals.rate_per_s = rate_per_s, tier.slo = {};
  return s;
}

const Disturbance kLoss = {.kind = Kind::node_loss,
                           .from = kMinute * 3 + Duration{123'456'789},
                           .pool = "serve",
                           .replica = 2,
                           .down = kMinute};
const Disturbance kReclaim = {
    .kind = Kind::node_reclaim, .from = kMinute * 6, .pool = "serve", .notice = kSecond * 5, .down = kMinute};
const Disturbance kCrash = {
    .kind = Kind::process_crash, .from = kMinute * 9, .tier = "standard", .down = kSecond * 10};
const Disturbance kStorm = {
    .kind = Kind::adapter_storm, .until = kMinute * 14, .pool = "serve", .every = kSecond * 7};

}  // namespace

TEST_CASE("skipping decode steps gives the same times as stepping where replicas fail and come back") {
  int64_t lost = 0;
  for (const auto cache : {Pool::PrefixCache::off, Pool::PrefixCache::tenant}) {
    for (const int64_t depth : {1, 2}) {
      for (const auto memory : {Pool::AdapterMemory::reserved, Pool::AdapterMemory::kv}) {
        Scenario s = busy(0.25);
        s.pools[0].prefix_cache = cache;
        s.pools[0].pipeline_depth = depth;
        s.pools[0].adapter_memory = memory;
        s.disturbances = {kLoss, kReclaim, kCrash, kStorm};
        if (cache == Pool::PrefixCache::tenant) {
          for (Tier& tier : s.tiers) testing::add_sessions(tier, SystemPrompt::Across::all, kSecond * 2);
        }
        for (size_t tenancy = 0; tenancy < s.tenancies.size(); ++tenancy) {
          INFO("depth " << depth << ", " << s.tenancies[tenancy].label);
          const Seen skipped = run(s, tenancy);
          const Seen stepped = run(s, tenancy, {.single_steps = true});
          testing::check_equal(skipped.requests, stepped.requests);
          REQUIRE(skipped.totals.kv_freed == stepped.totals.kv_freed);
          REQUIRE(skipped.totals.prefix.hit_tokens == stepped.totals.prefix.hit_tokens);
          REQUIRE(skipped.totals.hand_overs.count == stepped.totals.hand_overs.count);
          REQUIRE(skipped.totals.reclaims.count == stepped.totals.reclaims.count);
          for (size_t w = 0; w < skipped.totals.windows.size(); ++w)
            REQUIRE(skipped.totals.windows[w][0].shared.ns == stepped.totals.windows[w][0].shared.ns);
          lost += skipped.lost();
        }
      }
    }
  }
  REQUIRE(lost > 200);
}

TEST_CASE("a replica that failed is down for its time and gets nothing until it is back, empty") {
  Scenario s = busy(0.1);
  s.disturbances = {kLoss};
  const Seen seen = run(s, 4);
  int64_t down_ns = 0;
  for (const auto& window : seen.totals.windows) down_ns += window[0].shared.of(DeviceState::down);
  REQUIRE(down_ns == kMinute.ns);
  const Time from{kLoss.from.ns};
  const Time back = from + kLoss.down;
  bool first_after = true;
  for (const RequestObservation& o : seen.requests) {
    if (o.replica != ReplicaId{1}) continue;
    REQUIRE((o.queued <= from || o.queued >= back));
    if (o.outcome == RequestOutcome::lost) REQUIRE_FALSE(o.fault_of.valid());
  }
  std::vector<RequestObservation> by_time = seen.requests;
  std::sort(by_time.begin(), by_time.end(), [](const auto& a, const auto& b) { return a.queued < b.queued; });
  for (const RequestObservation& o : by_time) {
    if (o.replica != ReplicaId{1} || o.queued < back || !first_after) continue;
    first_after = false;
    REQUIRE(o.load_ns > 0);
  }
  REQUIRE_FALSE(first_after);
}

TEST_CASE(
    "a node that is reclaimed finishes what it can within the notice, and requests wait for its return") {
  Scenario s = busy(0.5);
  s.disturbances = {kReclaim};  // both replicas
  s.disturbances[0].notice = kMillisecond;
  const Seen short_notice = run(s, 2);
  s.disturbances[0].notice = kMinute;
  const Seen long_notice = run(s, 2);
  REQUIRE(short_notice.lost() > 0);
  REQUIRE(long_notice.lost() == 0);
  REQUIRE(long_notice.totals.reclaims.count == 2);
  const Time closed{kReclaim.from.ns};
  const Time back = closed + kMinute * 2;
  for (const RequestObservation& o : long_notice.requests) {
    if (o.arrival >= closed && o.arrival < back && o.outcome == RequestOutcome::served)
      REQUIRE(o.queued == back);
  }
}

TEST_CASE("a crash takes everybody's requests on one replica along, in its own tenant's name") {
  Scenario s = busy(1.0);
  s.disturbances = {kCrash};
  const auto world = testing::small_world(s);
  for (const size_t tenancy : {size_t{1}, size_t{2}}) {  // dedicated, shared
    const Seen seen = run(s, tenancy);
    REQUIRE(seen.lost() > 0);
    bool others = false;
    for (const RequestObservation& o : seen.requests) {
      if (o.outcome != RequestOutcome::lost) continue;
      REQUIRE(world->tier_of(o.fault_of).name == "standard");
      REQUIRE((o.failed >= o.queued && o.failed >= Time{kCrash.from.ns}));
      others = others || o.fault_of != o.tenant;
    }
    REQUIRE(others == (tenancy == 2));
  }
}

TEST_CASE("fault propagation happens when the process fails, whenever the lost requests were queued") {
  Scenario s = busy(1.0);
  s.disturbances = {kCrash};
  size_t events = 0;
  for (const BreachEventRow& event : run_unit(*testing::small_world(s), {2, 0}).breach_events) {
    if (event.code != "P5") continue;
    ++events;
    REQUIRE(event.time_s == seconds(kCrash.from));
  }
  REQUIRE(events > 0);
}

TEST_CASE("a crash of an idle tenant waits for its next request") {
  Scenario s = busy(0.25);
  s.tiers[1].arrivals.rate_per_s = 0.002;
  s.disturbances = {kCrash};
  const Seen seen = run(s, 2);
  REQUIRE(seen.lost() >= 1);
  for (const RequestObservation& o : seen.requests) {
    if (o.outcome == RequestOutcome::lost && o.tenant == o.fault_of)
      REQUIRE(o.queued >= Time{kCrash.from.ns});
  }
}

TEST_CASE("alone nothing fails, and without platform delays only processes do") {
  Scenario s = busy(1.0);
  s.disturbances = {kLoss, kReclaim};
  REQUIRE(run(s, 2).lost() > 0);
  REQUIRE(run(s, 2, {.kind = Variant::Kind::no_platform}).lost() == 0);
  s.disturbances = {kCrash};
  REQUIRE(run(s, 2, {.kind = Variant::Kind::no_platform}).lost() > 0);
  REQUIRE(run(s, 2, {.kind = Variant::Kind::alone, .tenant = TenantId{5}}).lost() == 0);
}

TEST_CASE("a request whose KV cache is on its way from a node that fails is lost once") {
  Scenario s = busy(0.3);
  s.pools.push_back({.name = "decode", .sku = "cpu", .size = 2});
  s.pools[0].kv_share = 0.0025;
  s.pools[2].kv_share = 0.0022;
  s.pools[0].decode_pool = "decode";
  s.pools[0].kv_link_byte_per_s = 300'000;
  s.pools[0].kv_link_latency = kMillisecond;
  s.disturbances = {kLoss, kReclaim, kReclaim};
  s.disturbances[2].pool = "decode";
  s.disturbances[2].from = kMinute * 10;
  const Seen skipped = run(s, 2);
  testing::check_equal(skipped.requests, run(s, 2, {.single_steps = true}).requests);
  const auto on_its_way = std::count_if(skipped.requests.begin(), skipped.requests.end(), [](const auto& o) {
    return o.outcome == RequestOutcome::lost && o.transfer_ns > 0 && o.decode_wait_ns == 0;
  });
  REQUIRE(on_its_way > 0);
}

TEST_CASE("a scoring replica that fails loses what waits and what is scored, and goes on") {
  Scenario s = testing::small_scenario();
  s.models[0] = {.name = "chat", .kind = Model::Kind::scoring, .shape = "ranker"};
  s.tenancies = {testing::entry("shared", TenancyKind::shared_pretrained)};
  for (Tier& tier : s.tiers) {
    tier.arrivals.rate_per_s = 300;
    tier.prompt = {{{1, Law::uniform, 1, 4}}, 1, 100};
    tier.output = {};
    tier.slo = {};
  }
  s.pools[0].instances = 2;
  s.horizon = kSecond * 10;
  s.warmup = kSecond;
  s.window = kSecond * 5;
  s.disturbances = {{.kind = Kind::node_loss, .from = kSecond * 3, .pool = "serve", .down = kSecond}};
  const RunResults results = run_unit(*testing::small_world(s), {0, 0});
  REQUIRE(results.units[0].lost > 0);
  REQUIRE(results.units[0].dropped == results.units[0].lost);
  REQUIRE(results.pools[0].down_ns == 2 * kSecond.ns);
  REQUIRE(results.units[0].served > results.units[0].arrived * 98 / 100);  // what came meanwhile waited
}

TEST_CASE("lost nodes, slow stores and storms of loads are the platform's doing, and no breach") {
  for (const Kind kind : {Kind::node_loss, Kind::slow_store, Kind::adapter_storm}) {
    Scenario s = busy(0.02);
    s.horizon = kMinute * 40;
    for (Tier& tier : s.tiers) {
      tier.slo.ttft = {99, kMillisecond * 500};
      tier.prompt = {{{1, Law::fixed, 100, 0}}, 1, 1000};
    }
    s.skus[0].store_byte_per_s = 100'000'000;
    s.pools[0].kv_share = 0.02;
    Disturbance fault = kind == Kind::node_loss ? kLoss : kStorm;
    fault.kind = kind;
    fault.replica = 0;
    fault.factor = 100;
    fault.until = kDay;
    fault.down = kMinute * 2;
    const RunResults without = run_unit(*testing::small_world(s), {4, 0});
    s.disturbances = {fault};
    const RunResults with = run_unit(*testing::small_world(s), {4, 0});
    INFO(static_cast<int>(kind) << ": " << with.service[0].slo_missed << " missed, "
                                << with.service[0].missed_platform << " by the platform");
    REQUIRE(with.service[0].missed_platform > without.service[0].missed_platform);
    for (const BreachRow& row : with.breaches) {
      INFO(row.code);
      REQUIRE(row.count == 0);
    }
  }
}

TEST_CASE("what a lost request cost is billed in the window in which its replica failed") {
  Scenario s = busy(0.5);
  s.disturbances = {kLoss};
  const auto world = testing::small_world(s);
  const TrainingOutcome training = run_training(training_spec(*world, 2));
  Collector collector(*world, 2, stream_key(s.seed, 0), training);
  const Seen seen = run(s, 2);
  REQUIRE(seen.lost() > 0);
  for (const RequestObservation& o : seen.requests) {
    if (o.outcome == RequestOutcome::lost) collector.request(o);
  }
  const auto& windows = collector.usage_ns();
  REQUIRE(std::accumulate(windows[0].begin(), windows[0].end(), int64_t{0}) > 0);
  for (size_t w = 1; w < windows.size(); ++w)
    REQUIRE(std::accumulate(windows[w].begin(), windows[w].end(), int64_t{0}) == 0);
}

TEST_CASE("a share of a pool that comes to a whole number of replicas hits that many") {
  for (const auto& [share, size, hit] :
       {std::tuple{0.07, 100, 7}, {0.28, 25, 7}, {0.5, 3, 2}, {0.01, 2, 1}}) {
    Scenario s = busy(0.01);
    s.horizon = kMinute * 5;
    s.pools[0].size = size;
    s.disturbances = {kLoss};
    s.disturbances[0].replica = 0;
    s.disturbances[0].share = share;
    const Seen seen = run(s, 2);
    int64_t down_ns = 0;
    for (const auto& window : seen.totals.windows) down_ns += window[0].shared.of(DeviceState::down);
    REQUIRE(down_ns == hit * kMinute.ns);
  }
}

TEST_CASE("whose process took requests along is blamed for each of them, in every table alike") {
  Scenario s = busy(0.25);
  s.disturbances = {kCrash};
  for (Tier& tier : s.tiers) tier.slo.e2e = {99, kMinute * 5}, tier.arrivals.rate_per_s = 1;
  const RunResults r = simulate_unit(*testing::small_world(s), {2, 0}, {.warmup = {}, .blame = {}}).rows;
  int64_t blamed = 0;
  for (const BlameRow& row : r.blame) blamed += row.single;
  REQUIRE(r.service[0].neighbour_single > 0);
  REQUIRE(blamed == r.service[0].neighbour_single);
}

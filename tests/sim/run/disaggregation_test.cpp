#include <catch2/catch.hpp>
#include <map>

#include "sim/run/serving_run.h"
#include "sim/run/timeline.h"
#include "sim/run/unit.h"
#include "sim/serving/counted_pool.h"
#include "tests/sim/run/everything.h"
#include "tests/sim/run/small_world.h"

using namespace cotenant;
using testing::check_equal;
using testing::Everything;

namespace {

// Pool 0 computes prompts, pool 2 decodes.
Scenario apart(double rate_per_s, int64_t link_byte_per_s = 100'000'000) {
  Scenario s = testing::small_scenario();
  s.horizon = kMinute * 40;
  s.models[0].context_limit = 2000;
  s.pools.push_back({.name = "decode", .sku = "cpu", .size = 2});
  s.pools[0].kv_share = 0.0025;
  s.pools[2].kv_share = 0.0022;  // 134 blocks
  s.pools[0].decode_pool = "decode";
  s.pools[0].kv_link_byte_per_s = link_byte_per_s;
  s.pools[0].kv_link_latency = kMillisecond;
  for (Tier& tier : s.tiers) tier.arrivals.rate_per_s = rate_per_s;
  s.tenancies = {testing::entry("pretrained", TenancyKind::shared_pretrained),
                 testing::entry("tuned", TenancyKind::tuned_shared)};
  return s;
}

Duration transfer_of(int32_t prompt, int64_t link_byte_per_s) {
  const int64_t bytes = CountedPool::blocks_for(prompt) * kKvBlockTokens * 8192;
  return kMillisecond + Duration{bytes * kSecond.ns / link_byte_per_s};
}

std::vector<RequestObservation> run(const Scenario& s, size_t tenancy, Variant variant = {}) {
  const auto world = testing::small_world(s);
  Everything seen;
  const ServingTotals totals = run_serving(*world, tenancy, stream_key(s.seed, 0),
                                           run_training(training_spec(*world, tenancy)), variant, seen);
  REQUIRE(totals.requests == static_cast<int64_t>(seen.all.size()));
  REQUIRE(totals.kv_allocated == totals.kv_freed + totals.kv_held);
  return testing::sorted(seen.all);
}

}  // namespace

TEST_CASE("skipping decode steps gives the same times as stepping where another pool decodes") {
  int64_t hits = 0;
  int64_t waits = 0;
  int64_t preempted = 0;
  for (const double rate : {0.05, 0.3}) {
    for (const int64_t depth : {1, 2}) {
      for (const LineOrder order : {LineOrder::fcfs, LineOrder::weighted_fair}) {
        Scenario s = apart(rate);
        for (Pool& pool : s.pools) pool.pipeline_depth = depth, pool.scheduler = order;
        if (order == LineOrder::weighted_fair && rate < 0.1) {
          s.pools[0].prefix_cache = Pool::PrefixCache::tenant;
          for (Tier& tier : s.tiers) testing::add_sessions(tier, SystemPrompt::Across::tenant);
        }
        for (size_t tenancy = 0; tenancy < s.tenancies.size(); ++tenancy) {
          INFO(rate << ", depth " << depth << ", " << s.tenancies[tenancy].label);
          const auto skipped = run(s, tenancy);
          check_equal(skipped, run(s, tenancy, {.single_steps = true}));
          for (const RequestObservation& o : skipped) {
            hits += o.prefilled_by.valid() && o.hit_tokens > 0 ? 1 : 0;
            waits += o.decode_wait_ns > 0 ? 1 : 0;
            preempted += o.prefilled_by.valid() && o.lost_ns > o.lost_before_first_ns ? 1 : 0;
          }
        }
      }
    }
  }
  REQUIRE(hits > 0);
  REQUIRE(waits > 0);
  REQUIRE(preempted > 0);
}

TEST_CASE("a KV cache takes the latency and its bytes over the link, and each replica sends one at a time") {
  const int64_t link = 20'000'000;
  for (const double rate : {0.003, 0.3}) {
    const Scenario s = apart(rate, link);
    int64_t alone = 0;
    int64_t behind = 0;
    for (const RequestObservation& o : run(s, 0)) {
      if (o.outcome != RequestOutcome::served) continue;
      REQUIRE(o.prefilled_by.valid() == (o.output > 1));
      if (o.output == 1) {
        REQUIRE(o.finished == o.first_token);
        REQUIRE(o.transfer_ns + o.decode_wait_ns == 0);
        continue;
      }
      REQUIRE(o.prefilled_by.index < 2);  // replicas of the pool of prompts come first
      REQUIRE(o.replica.index >= 2);
      REQUIRE(o.transfer_ns >= transfer_of(o.prompt, link).ns);
      REQUIRE(o.decode_wait_ns >= 0);
      REQUIRE((o.finished - o.first_token).ns >
              o.transfer_ns + o.decode_wait_ns + o.lost_ns - o.lost_before_first_ns);
      (o.transfer_ns == transfer_of(o.prompt, link).ns ? alone : behind) += 1;
    }
    INFO(rate << ": " << alone << " alone, " << behind << " behind others");
    REQUIRE(alone > 0);
    REQUIRE((behind > 0) == (rate > 0.1));
  }
}

TEST_CASE("a timeline holds every transfer once, on the replica that sends, for as long as its bytes move") {
  const int64_t link = 20'000'000;
  const Scenario s = apart(0.3, link);
  const auto world = testing::small_world(s);
  Timeline all{.from = Time{}, .until = Time{s.horizon.ns}, .limit = 1'000'000};
  record_timeline(*world, 0, all);
  std::map<std::pair<uint32_t, uint32_t>, TransferSpan> sent;
  std::map<uint32_t, Time> link_free;
  for (const TransferSpan& span : all.transfers) {
    REQUIRE(sent.emplace(std::pair(span.tenant.index, span.number), span).second);
    REQUIRE(span.from >= link_free[span.replica]);  // one at a time; the latency of two may overlap
    link_free[span.replica] = span.until - kMillisecond;
  }
  size_t moved = 0;
  for (const RequestObservation& o : all.requests) {
    if (!o.prefilled_by.valid() || o.outcome != RequestOutcome::served) continue;
    ++moved;
    const TransferSpan& span = sent.at({o.tenant.index, o.number});
    REQUIRE(span.replica == o.prefilled_by.index);
    REQUIRE(span.pool == 0);
    REQUIRE(span.bytes.count == CountedPool::blocks_for(o.prompt) * kKvBlockTokens * 8192);
    REQUIRE(span.until - span.from == transfer_of(o.prompt, link));
    REQUIRE(span.until == o.first_token + Duration{o.transfer_ns - o.client_out_ns});
  }
  REQUIRE(moved > 1000);
  REQUIRE(sent.size() >= moved);
  Timeline part{.from = Time{} + kMinute, .until = Time{} + kMinute * 2, .limit = 1'000'000};
  record_timeline(*world, 0, part);
  std::erase_if(all.transfers,
                [&](const TransferSpan& t) { return t.until <= part.from || t.from >= part.until; });
  REQUIRE(part.transfers.size() == all.transfers.size());
  REQUIRE_FALSE(part.transfers.empty());
}

TEST_CASE("at the horizon a KV cache on its way is a request in flight, with its time until then") {
  Scenario s = apart(0.05, 1'000'000);  // up to a quarter of a minute
  s.horizon = kMinute * 12;
  int64_t moving = 0;
  for (const RequestObservation& o : run(s, 0)) {
    if (o.outcome != RequestOutcome::in_flight || !o.prefilled_by.valid() || o.replica.valid()) continue;
    ++moving;
    REQUIRE(o.first_token.ns >= 0);
    REQUIRE(o.finished.ns == -1);
    REQUIRE(o.output > 1);
    REQUIRE(o.transfer_ns == s.horizon.ns - o.first_token.ns + o.client_out_ns);
    REQUIRE(o.decode_wait_ns == 0);
  }
  REQUIRE(moving > 0);
}

TEST_CASE("what would come to hold more KV than a replica of the decode pool has is refused at once") {
  Scenario s = apart(0.05);
  s.pools[2].tenant_kv = 0.3;
  int64_t refused = 0;
  for (const RequestObservation& o : run(s, 0)) {
    if (o.outcome == RequestOutcome::too_large) {
      ++refused;
      REQUIRE(o.first_token.ns == -1);
      REQUIRE(o.prompt + o.output > 16 * 30);
    }
  }
  REQUIRE(refused > 0);
}

TEST_CASE("the devices of a decode pool are paid by those who decoded there") {
  Scenario s = apart(0.05);
  s.counterfactuals = false;
  s.prices.storage_nano_per_gb_month = 0;
  s.tiers[0].output = {{{1, Law::fixed, 1, 0}}, 1, 1};  // gold: one token a request
  const auto billed = [&](int64_t decode_rate) {
    s.skus.push_back(
        {.name = "dear", .rate_nano_per_hour = decode_rate, .memory = {8'000'000'000}, .profile = "made-up"});
    s.pools[2].sku = "dear";
    const RunResults results = run_unit(*testing::small_world(s), {0, 0});
    s.skus.pop_back();
    int64_t busy = 0;
    for (const PoolRow& row : results.pools) busy += row.pool == "decode" ? row.busy_ns : 0;
    REQUIRE(busy > 0);
    std::map<std::string, int64_t> sums;
    for (const TenantRow& row : results.tenants) sums[row.tier] += row.serving_nano + row.idle_nano;
    return sums;
  };
  auto cheap = billed(50'000'000);
  auto dear = billed(500'000'000);
  REQUIRE(cheap["gold"] > 0);
  REQUIRE(dear["gold"] == cheap["gold"]);
  REQUIRE(dear["standard"] == cheap["standard"] + 2 * 450'000'000LL * 2 / 3);
}

TEST_CASE("misses where another pool decodes get their causes, and nothing is lost on the way") {
  Scenario s = apart(0.3);
  for (Tier& tier : s.tiers) tier.slo = {.ttft = {99, kMillisecond * 150}, .e2e = {99, kSecond * 5}};
  const auto world = testing::small_world(s);
  for (size_t tenancy = 0; tenancy < 2; ++tenancy) {
    const RunResults results = run_unit(*world, {tenancy, 0});
    REQUIRE(results.service[0].slo_missed > 0);
    const ServiceRow& all = results.service[0];
    REQUIRE(all.unattributed == 0);
    REQUIRE(results.units[0].counterfactual_requests > 0);
  }
}

TEST_CASE("a tenant's dominant share is of each pool by itself, and no share is above the whole") {
  Scenario s = apart(0.3);
  s.pools[0].size = 1;
  s.pools[2].size = 4;
  for (Tier& tier : s.tiers) tier.slo.ttft = {99, kMillisecond};
  const auto unit = simulate_unit(*testing::small_world(s), {0, 0}, {.warmup = {}, .blame = {}});
  double sum = 0;
  for (const TenantRow& row : unit.rows.tenants) {
    REQUIRE(row.dominant_share > 0);
    sum += row.dominant_share;
  }
  REQUIRE(sum <= 3);  // each tenant's is of one of three: device time, memory, slots
  REQUIRE(std::all_of(unit.rows.tenants.begin(), unit.rows.tenants.end(),
                      [](const TenantRow& row) { return row.dominant_share <= 1; }));
}

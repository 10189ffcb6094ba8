// Whole runs under policies drawn at random: what holds for each of them must hold for any mix.
#include <catch2/catch.hpp>
#include <numeric>
#include <sstream>

#include "sim/core/philox.h"
#include "sim/run/serving_run.h"
#include "tests/sim/run/everything.h"
#include "tests/sim/run/small_world.h"

using namespace cotenant;

namespace {

// Draws a scenario, and says what was drawn.
class Draw {
 public:
  explicit Draw(uint32_t number) : stream_(stream_key(2026, 0), number, Purpose::faults) {}

  Scenario scenario() {
    Scenario s = testing::small_scenario();
    s.seed = stream_.bits() % 1000;
    s.horizon = kMinute * 6;
    s.warmup = kMinute;
    s.window = kMinute * 2;
    s.training.every = kMinute * 2;  // new weights come meanwhile
    s.models[0].context_limit = one_of("context", {500, 2000});
    const double rate = 0.01 * static_cast<double>(one_of("rate", {5, 20, 60}));
    for (Tier& tier : s.tiers) tier.arrivals.rate_per_s = rate;
    s.tiers[0].priority = 3;
    s.tiers[0].weight = 2.5;
    Pool& pool = s.pools[0];
    pool.kv_share = 0.0001 * static_cast<double>(one_of("kv-share", {24, 35, 80}));
    set_policies(pool);
    set_cache(s, pool);
    pool.adapter_memory = static_cast<Pool::AdapterMemory>(one_of("adapter-memory", {0, 1}));
    if (one_of("faults", {0, 1}) == 1) set_faults(s);
    if (one_of("answers", {1, 0}) == 1) set_response_cache(s, pool);
    return s;
  }
  [[nodiscard]] std::string text() const { return said_.str(); }

 private:
  int64_t one_of(const char* name, const std::vector<int64_t>& values) {
    const int64_t value = values[stream_.bits() % values.size()];
    said_ << name << " " << value << ", ";
    return value;
  }
  void set_policies(Pool& pool) {
    pool.batching = static_cast<Batching>(one_of("batching", {0, 0, 1, 2}));
    pool.scheduler = static_cast<LineOrder>(one_of("scheduler", {0, 1, 2, 3}));
    pool.ageing = kSecond * one_of("ageing", {0, 1, 20});
    pool.quantum = one_of("quantum", {16, 2048});
    pool.pipeline_depth = one_of("depth", {1, 2});
    pool.max_sequences = one_of("sequences", {2, 5, 16});
    pool.token_budget = one_of("budget", {16, 64, 256});
    pool.chunk_cap = one_of("cap", {0, 0, 24});
    pool.tenant_sequences = one_of("tenant-sequences", {0, 0, 1, 3});
    pool.tenant_kv = 0.1 * static_cast<double>(one_of("tenant-kv", {0, 0, 4, 7}));
    pool.adapters_per_batch = one_of("adapters", {0, 0, 1, 2});
  }
  void set_cache(Scenario& s, Pool& pool) {
    pool.prefix_cache = static_cast<Pool::PrefixCache>(one_of("cache", {0, 1, 2, 3}));
    pool.router = static_cast<RouteRule>(one_of("router", {0, 1, 2, 3, 4}));
    if (one_of("sessions", {0, 1}) == 0) return;
    for (Tier& tier : s.tiers) testing::add_sessions(tier, SystemPrompt::Across::all, kSecond * 2);
  }

  void set_response_cache(Scenario& s, Pool& pool) {
    pool.response_cache = static_cast<CacheScope>(one_of("response-cache", {1, 2, 3}));
    pool.response_cache_entries = one_of("entries", {1, 20, 1000});
    pool.response_cache_lifetime = kSecond * one_of("lifetime", {5, 1000});
    pool.response_cache_lookup = kMillisecond * one_of("lookup", {0, 20, 700});
    for (Tier& tier : s.tiers) tier.topics = TopicLaw{.count = 30, .zipf_s = 0.9, .common = 0.5};
  }

  void set_faults(Scenario& s) {
    using Kind = Disturbance::Kind;
    const auto soon = [&](const char* name) {
      return kMillisecond * one_of(name, {10'001, 77'777, 150'003});
    };
    s.disturbances = {
        {.kind = Kind::node_loss, .from = soon("loss"), .pool = "serve", .replica = 1, .down = kSecond * 9},
        {.kind = Kind::node_reclaim,
         .from = soon("reclaim"),
         .pool = "serve",
         .notice = kSecond,
         .down = kSecond},
        {.kind = Kind::process_crash, .from = soon("crash"), .tier = "gold", .down = kSecond * 2},
        {.kind = Kind::adapter_storm, .from = soon("storm"), .pool = "serve", .every = kSecond * 3},
        {.kind = Kind::skip_scrub, .share = 0.5}};
  }

  RandomStream stream_;
  std::ostringstream said_;
};

struct Seen {
  ServingTotals totals;
  std::vector<RequestObservation> requests;
};

Seen seen_of(const World& world, size_t tenancy, const Variant& variant) {
  testing::Everything everything;
  ServingTotals totals = run_serving(world, tenancy, stream_key(world.scenario.seed, 0),
                                     run_training(training_spec(world, tenancy)), variant, everything);
  return {std::move(totals), testing::sorted(std::move(everything.all))};
}

void check_conserved(const Seen& seen) {
  REQUIRE(seen.totals.requests == static_cast<int64_t>(seen.requests.size()));
  REQUIRE(seen.totals.kv_allocated == seen.totals.kv_freed + seen.totals.kv_held);
  for (const RequestObservation& o : seen.requests) {
    if (o.outcome == RequestOutcome::served && !is_from_response_cache(o)) testing::check_parts(o);
    REQUIRE(o.lost_ns >= 0);
  }
  for (size_t i = 1; i < seen.requests.size(); ++i) {
    const RequestObservation& a = seen.requests[i - 1];
    const RequestObservation& b = seen.requests[i];
    REQUIRE((a.tenant != b.tenant || a.number != b.number));
  }
}

void check_same(const Seen& a, const Seen& b) {
  testing::check_equal(a.requests, b.requests);
  REQUIRE(a.totals.kv_freed == b.totals.kv_freed);  // what is under way at the end has not grown yet
  REQUIRE(a.totals.prefix.asked_tokens == b.totals.prefix.asked_tokens);
  REQUIRE(a.totals.prefix.hit_tokens == b.totals.prefix.hit_tokens);
  REQUIRE(a.totals.prefix.cross_tenant_tokens == b.totals.prefix.cross_tenant_tokens);
  REQUIRE(a.totals.responses.hits == b.totals.responses.hits);
  REQUIRE(a.totals.responses.not_shared == b.totals.responses.not_shared);
  for (size_t w = 0; w < a.totals.windows.size(); ++w)
    REQUIRE(a.totals.windows[w][0].shared.ns == b.totals.windows[w][0].shared.ns);
}

}  // namespace

namespace {

// Draws that found something once.
const std::vector<uint32_t> kRemembered = {145};

std::vector<uint32_t> draws() {
  std::vector<uint32_t> numbers(60);
  std::iota(numbers.begin(), numbers.end(), 0);
  numbers.insert(numbers.end(), kRemembered.begin(), kRemembered.end());
  return numbers;
}

}  // namespace

TEST_CASE("any mix of policies skips exactly, loses no request and keeps all parts of its time") {
  int64_t served = 0;
  int64_t preempted = 0;
  int64_t lost = 0;
  int64_t hits = 0;
  for (const uint32_t number : draws()) {
    Draw draw(number);
    const Scenario s = draw.scenario();
    const auto world = testing::small_world(s);
    const size_t tenancy = number % s.tenancies.size();
    INFO("draw " << number << ": " << draw.text() << s.tenancies[tenancy].label);
    const Seen skipped = seen_of(*world, tenancy, {});
    const Seen stepped = seen_of(*world, tenancy, {.single_steps = true});
    check_conserved(skipped);
    check_same(skipped, stepped);
    hits += skipped.totals.responses.hits;
    for (const RequestObservation& o : skipped.requests) {
      served += o.outcome == RequestOutcome::served ? 1 : 0;
      preempted += o.preempted > 0 ? 1 : 0;
      lost += o.outcome == RequestOutcome::lost ? 1 : 0;
    }
  }
  INFO(served << " served, " << preempted << " preempted");
  REQUIRE(served > 5000);
  REQUIRE(preempted > 100);
  REQUIRE(lost > 300);
  REQUIRE(hits > 300);
}

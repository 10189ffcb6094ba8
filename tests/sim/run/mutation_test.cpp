// The ledger tested by mutation: for every code that is implemented a fault is planted, which must raise that
// code and no other, and taken away again, which must leave nothing.
#include <catch2/catch.hpp>
#include <functional>
#include <map>
#include <set>

#include "sim/ledger/witness.h"
#include "sim/run/unit.h"
#include "tests/sim/run/small_world.h"

using namespace cotenant;

namespace {

using Kind = Disturbance::Kind;

struct Mutant {
  const char* code;
  const char* fault;
  size_t tenancy;  // of testing::small_scenario(): specific, dedicated, pretrained, shared, tuned
  std::function<void(Scenario&)> prepare;  // harmless by itself
  std::function<void(Scenario&)> plant;
};

Scenario clean() {
  Scenario s = testing::small_scenario();
  s.horizon = kMinute * 50;
  s.warmup = kMinute;
  s.training.every = kMinute * 15;
  for (Tier& tier : s.tiers) tier.slo = {};
  return s;
}

void nothing(Scenario&) {}

std::function<void(Scenario&)> planted(const Disturbance& fault) {
  return [fault](Scenario& s) { s.disturbances.push_back(fault); };
}

void with_sessions(Scenario& s) {
  s.pools[0].prefix_cache = Pool::PrefixCache::tenant;
  for (Tier& tier : s.tiers) testing::add_sessions(tier, SystemPrompt::Across::all);
}

void with_topics(Scenario& s) {
  s.pools[0].response_cache = CacheScope::tenant;
  s.pools[0].response_cache_entries = 1000;
  s.pools[0].response_cache_lookup = kMillisecond * 20;
  for (Tier& tier : s.tiers) tier.topics = TopicLaw{.count = 100, .zipf_s = 0.9, .common = 0.5};
}

// Tenants that may be processed where the pools are, and nowhere else.
void in_regions(Scenario& s) {
  for (Pool& pool : s.pools) pool.region = "eu-west";
  for (Tier& tier : s.tiers) tier.regions = {"eu-north", "eu-west"};
}

void beside_nobody_noisy(Scenario& s) {
  s.tiers = {testing::small_tier("quiet", 4, 0.01), testing::small_tier("noisy", 0, 0.02)};
  for (Tier& tier : s.tiers) {
    tier.prompt = {{{1, Law::fixed, 200, 0}}, 1, 1000};
    tier.output = {{{1, Law::fixed, 50, 0}}, 1, 1000};
  }
  s.tiers[1].arrivals = {
      .kind = ArrivalKind::burst, .rate_per_s = 60, .on = kMinute * 5, .off = kMinute * 10};
  s.tiers[1].slo = {};
  s.training.stated = false;
}

std::vector<Mutant> model_mutants() {
  return {
      {"A1", "adapter-race", 0, nothing, planted({.kind = Kind::adapter_race, .share = 0.1})},
      {"A1", "adapter-race", 4, nothing, planted({.kind = Kind::adapter_race, .share = 0.1})},
      {"A2", "stale-version", 3, nothing, planted({.kind = Kind::stale_version, .share = 0.1})},
      {"A2", "stale-version", 4, nothing, planted({.kind = Kind::stale_version, .share = 0.1})},
      {"A3", "pooled-connection", 2, nothing, planted({.kind = Kind::pooled_connection, .share = 0.02})},
      {"C1", "an open prefix cache", 2, with_sessions,
       [](Scenario& s) { s.pools[0].prefix_cache = Pool::PrefixCache::open; }},
      {"C2", "an open response cache", 2, with_topics,
       [](Scenario& s) { s.pools[0].response_cache = CacheScope::open; }},
      {"C2", "short-cache-key", 3, with_topics, planted({.kind = Kind::short_cache_key})},
      {"C3", "short-cache-key", 0, with_sessions, planted({.kind = Kind::short_cache_key})},
      {"C3", "short-cache-key", 3, with_sessions, planted({.kind = Kind::short_cache_key})},
      {"C3", "short-cache-key", 4, with_sessions, planted({.kind = Kind::short_cache_key})},
      {"D1", "ignore-consent", 3, [](Scenario& s) { s.tiers[0].consent_train_shared = false; },
       planted({.kind = Kind::ignore_consent})},
      {"D4", "a model for others whose owners object", 3, nothing,
       [](Scenario& s) { s.tiers[0].consent_serve_others = false; }},
      {"D5", "mislabelled-region of a serving pool", 2, in_regions,
       planted({.kind = Kind::mislabelled_region, .pool = "serve", .region = "us-east"})},
      {"D5", "mislabelled-region of a training pool", 3, in_regions,
       planted({.kind = Kind::mislabelled_region, .pool = "train", .region = "us-east"})},
      {"D8", "tenants who were not told", 3, nothing, [](Scenario& s) { s.tiers[1].notice = false; }},
  };
}

// So little KV memory that it goes from hand to hand.
void little_memory(Scenario& s) {
  s.models[0].context_limit = 2000;
  s.pools[0].kv_share = 0.005;
}

// Of the gold tenants alone.
void with_an_objective(Scenario& s) {
  s.tiers[0].slo.ttft = {99, kSecond * 3};
  s.tiers[1].arrivals.rate_per_s = 0.2;
}

void scoring(Scenario& s) {
  s.models[0] = {.name = "chat", .kind = Model::Kind::scoring, .shape = "ranker"};
  s.tenancies = {testing::entry("shared", TenancyKind::shared_pretrained)};
  for (Tier& tier : s.tiers) {
    tier.prompt = {{{1, Law::uniform, 1, 12}}, 1, 100};
    tier.output = {};
  }
  s.pools[0].max_delay = kMillisecond;
}

// So much of it that a replica is never idle.
void short_work(Scenario& s) {
  for (Tier& tier : s.tiers) tier.arrivals.rate_per_s = 0.7;
}

std::vector<Mutant> resource_mutants() {
  return {
      {"P1", "a tenant that fills the pool", 2, beside_nobody_noisy,
       [](Scenario& s) { s.tiers[1].count = 1; }},
      {"P5", "process-crash", 2, short_work,
       planted({.kind = Kind::process_crash, .from = kMinute * 20, .tier = "gold", .down = kSecond})},
      {"P1", "noisy-tenant", 2, with_an_objective,
       planted({.kind = Kind::noisy_tenant,
                .from = kMinute * 20,
                .until = kMinute * 30,
                .tier = "standard",
                .factor = 15})},
      {"P1", "flood", 2, with_an_objective,
       planted({.kind = Kind::flood,
                .from = kMinute * 20,
                .until = kMinute * 30,
                .tier = "standard",
                .prompt = 3500})},
      {"R3", "padding that is not overwritten", 0, scoring,
       [](Scenario& s) { s.pools[0].zero_padding = false; }},
      {"R4", "a node that is not wiped", 4,
       [](Scenario& s) {
         s.disturbances.push_back({.kind = Kind::node_reclaim,
                                   .from = kMinute * 20,
                                   .pool = "serve",
                                   .replica = 1,
                                   .down = kMinute});
       },
       [](Scenario& s) { s.pools[0].wipe = false; }},
      {"R1", "a pool that does not scrub", 2, little_memory, [](Scenario& s) { s.pools[0].scrub = false; }},
      {"R1", "skip-scrub", 2, little_memory, planted({.kind = Kind::skip_scrub, .share = 0.2})},
      {"R5", "a pool of processes for tenants who require a VM", 2,
       [](Scenario& s) { s.pools[0].boundary = Boundary::vm, s.tiers[0].boundary = Boundary::vm; },
       [](Scenario& s) { s.pools[0].boundary = Boundary::process; }},
  };
}

// Quiet tenants, and a loud one without an objective that comes in bursts.
void loud(Scenario& s, double rate_per_s) {
  beside_nobody_noisy(s);
  s.tiers[0].count = 3;
  s.tiers[1].count = 1;
  s.tiers[1].arrivals.rate_per_s = rate_per_s;
  s.tiers[1].arrivals.on = kMinute * 2;
  s.tiers[1].priority = 2;
  s.pools[0].max_sequences = 4;
}

// Whoever waits at all misses an objective that nobody could meet, so that no miss is a neighbour's.
void impatient(Scenario& s) {
  loud(s, 60);
  s.tiers[0].slo.ttft = {99, kMillisecond};
}

// One device that two tenants always want more of, the second one from later on.
void fairly(Scenario& s) {
  loud(s, 20);
  s.horizon = kMinute * 15;
  s.tiers[0].count = 1;
  s.tiers[0].slo = {};
  s.tiers[0].arrivals.rate_per_s = 20;
  s.tiers[1].arrivals = {.kind = ArrivalKind::poisson, .rate_per_s = 20};
  s.tiers[1].starts = kMinute * 5;
  s.models[0].context_limit = 1000;
  s.pools[0].size = 1;
  s.pools[0].kv_blocks = 100;
  s.pools[0].scheduler = LineOrder::weighted_fair;
}

// The same, and the first one was promised half of what is its own, as far as the other gets that.
void above_a_floor(Scenario& s) {
  fairly(s);
  s.tiers[0].fairness_floor = 0.5;
}

void scored_in_bursts(Scenario& s) {
  scoring(s);
  s.horizon = kMinute;
  s.window = kMinute;
  s.warmup = {};
  s.training.stated = false;
  s.tiers = {testing::small_tier("quiet", 2, 1), testing::small_tier("loud", 1, 1)};
  for (Tier& tier : s.tiers) {
    tier.prompt = {{{1, Law::fixed, 8, 0}}, 1, 100};
    tier.output = {};
    tier.slo = {};
  }
  s.tiers[1].arrivals = {
      .kind = ArrivalKind::burst, .rate_per_s = 20'000, .on = kSecond * 2, .off = kSecond * 20};
  s.pools[0].size = 1;
  s.pools[0].max_batch = 8;
}

// A tenant whose long opening is in the cache, beside one that asks for much memory now and then.
void cached_opening(Scenario& s) {
  beside_nobody_noisy(s);
  s.tiers[0].count = 1;
  s.tiers[0].arrivals.rate_per_s = 0.05;
  s.tiers[0].prompt = {{{1, Law::fixed, 20, 0}}, 1, 100};
  s.tiers[0].system_prompt =
      SystemPrompt{.tokens = 1500, .variants = 1, .across = SystemPrompt::Across::tenant};
  s.tiers[0].slo.ttft = {99, kMillisecond * 200};
  s.tiers[1].count = 1;
  s.tiers[1].prompt = {{{1, Law::fixed, 900, 0}}, 1, 2000};
  s.tiers[1].arrivals = {.kind = ArrivalKind::poisson, .rate_per_s = 0.02};
  s.models[0].context_limit = 1700;
  s.pools[0].size = 1;
  s.pools[0].kv_blocks = 20'000;
  s.pools[0].prefix_cache = Pool::PrefixCache::tenant;
}

std::vector<Mutant> sharing_mutants() {
  return {
      {"P2", "a priority that never ages", 2, impatient,
       [](Scenario& s) { s.pools[0].scheduler = LineOrder::priority; }},
      {"P3", "no-lift", 2, fairly, planted({.kind = Kind::no_lift})},
      {"P3", "a priority that leaves a tier below its floor", 2, above_a_floor,
       [](Scenario& s) { s.pools[0].scheduler = LineOrder::priority; }},
      {"P4", "a queue that others fill", 0, scored_in_bursts, [](Scenario& s) { s.pools[0].max_queue = 50; }},
      {"P6", "a cache too small for two", 2, cached_opening, [](Scenario& s) { s.pools[0].kv_blocks = 130; }},
  };
}

std::vector<Mutant> mutants() {
  std::vector<Mutant> all = model_mutants();
  for (auto more : {resource_mutants(), sharing_mutants()}) {
    for (Mutant& mutant : more) all.push_back(std::move(mutant));
  }
  return all;
}

// What was raised, each with the number of its breaches.
std::map<std::string, int64_t> raised(const Scenario& s, size_t tenancy) {
  std::map<std::string, int64_t> counts;
  const RunResults results = run_unit(*testing::small_world(s), {tenancy, 0});
  for (const BreachRow& row : results.breaches) {
    if (row.count == 0) continue;
    counts[row.code] = row.count;
    REQUIRE(row.count <= row.checks);
    REQUIRE(row.quantity > 0);
  }
  for (const BreachEventRow& event : results.breach_events) {
    INFO(event.code << " " << event.witness);
    REQUIRE(fires(event.code, Witness::parse(event.witness).value()) == true);
  }
  return counts;
}

using Counts = std::map<std::string, int64_t>;

// Raises its code, alone, and nothing is raised without it.
void check(const Mutant& mutant) {
  INFO(mutant.code << ": " << mutant.fault << ", tenancy " << mutant.tenancy);
  Scenario s = clean();
  mutant.prepare(s);
  REQUIRE(raised(s, mutant.tenancy) == Counts{});
  mutant.plant(s);
  const Counts counts = raised(s, mutant.tenancy);
  UNSCOPED_INFO(counts.size() << " codes raised, the first "
                              << (counts.empty() ? "none" : counts.begin()->first));
  REQUIRE(counts.contains(mutant.code));
  REQUIRE(counts.size() == 1);
}

}  // namespace

TEST_CASE("every implemented code is raised by its planted fault, alone, and by nothing without it") {
  std::set<std::string> caught;
  for (const Mutant& mutant : mutants()) {
    check(mutant);
    caught.insert(mutant.code);
  }
  int64_t implemented = 0;
  for (const BreachCode& code : breach_codes()) {
    if (!code.implemented) continue;
    INFO(code.code << " has no mutant");
    REQUIRE(caught.contains(code.code));
    ++implemented;
  }
  WARN("mutation score: " << caught.size() << " of " << implemented << " codes");
}

namespace {

// Nothing is planted, whatever else is drawn: every rule has something to look at.
Scenario harmless(uint32_t number) {
  RandomStream draw(stream_key(number, 0), 0, Purpose::faults);
  const auto one_in = [&](uint64_t n) { return draw.bits() % n == 0; };
  Scenario s = clean();
  s.seed = number;
  for (Tier& tier : s.tiers) tier.arrivals.rate_per_s = 0.02 * static_cast<double>(1 + draw.bits() % 10);
  if (one_in(2)) in_regions(s);
  if (one_in(2)) with_sessions(s);
  if (one_in(2)) with_topics(s);
  if (one_in(3)) little_memory(s);
  if (one_in(3)) s.pools[0].adapter_memory = Pool::AdapterMemory::kv;
  if (one_in(3)) s.pools[0].boundary = s.tiers[0].boundary = Boundary::mig;
  const auto plant = [&](const Disturbance& trouble) {
    if (one_in(3)) s.disturbances.push_back(trouble);
  };
  plant({.kind = Kind::node_loss, .from = kMinute * 5, .pool = "serve", .replica = 1, .down = kMinute});
  plant({.kind = Kind::node_reclaim, .from = kMinute * 20, .pool = "serve", .down = kMinute});
  plant({.kind = Kind::adapter_storm, .pool = "serve", .every = kSecond * 20});
  return s;
}

void no_alarm(int64_t events) {
  int64_t looked_at = 0;
  for (uint32_t number = 0; looked_at < events; ++number) {
    const Scenario s = harmless(number);
    const RunResults results = run_unit(*testing::small_world(s), {number % s.tenancies.size(), 0});
    looked_at += results.units[0].events;
    for (const BreachRow& row : results.breaches) {
      INFO("draw " << number << ": " << row.code);
      REQUIRE(row.count == 0);
    }
  }
}

}  // namespace

TEST_CASE("scenarios without a planted breach raise no code") {
  no_alarm(200'000);
}

TEST_CASE("ten million events of scenarios without a planted breach raise no code", "[.long]") {
  no_alarm(10'000'000);
}

#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>

#include "sim/run/serving_run.h"
#include "tests/sim/run/everything.h"
#include "tests/sim/run/small_world.h"

using namespace cotenant;
using testing::check_equal;
using testing::check_parts;
using testing::Everything;
using testing::sorted;

TEST_CASE("skipping decode steps gives the same times as stepping, for every tenancy model and load") {
  struct Case {
    double rate;
    int64_t depth;
    int64_t chunk_cap;
    Pool::PrefixCache cache = Pool::PrefixCache::off;
    bool sessions = false;
    Duration think = kSecond * 30;
  };
  int64_t loads = 0;
  int64_t lost = 0;
  int64_t lost_before_first = 0;
  int64_t hits = 0;
  for (const Case& c :
       {Case{0.01, 2, 0}, Case{0.05, 2, 100}, Case{0.3, 2, 0}, Case{1.0, 2, 0}, Case{0.3, 1, 0},
        Case{0.5, 1, 64}, Case{0.3, 2, 0, Pool::PrefixCache::tenant},
        Case{1.0, 1, 0, Pool::PrefixCache::open}, Case{0.1, 2, 0, Pool::PrefixCache::off, true},
        Case{0.02, 2, 0, Pool::PrefixCache::tenant, true}, Case{0.2, 2, 100, Pool::PrefixCache::tier, true},
        Case{0.3, 1, 0, Pool::PrefixCache::open, true},
        Case{0.1, 2, 0, Pool::PrefixCache::tenant, true, kSecond},
        Case{0.3, 2, 0, Pool::PrefixCache::open, true, kMillisecond * 100},
        Case{0.2, 1, 0, Pool::PrefixCache::tenant, true, kSecond}}) {
    const double rate = c.rate;
    Scenario s = testing::small_scenario();
    s.horizon = kMinute * 40;
    s.pools[0].pipeline_depth = c.depth;
    s.pools[0].chunk_cap = c.chunk_cap;
    s.pools[0].prefix_cache = c.cache;
    for (Tier& tier : s.tiers) tier.arrivals.rate_per_s = rate;
    for (Tier& tier : s.tiers) {
      if (c.sessions) testing::add_sessions(tier, SystemPrompt::Across::all, c.think);
    }
    s.models[0].context_limit = 2000;
    s.pools[0].kv_share = 0.005;  // few KV blocks, so that admission waits for completions too
    const auto world = testing::small_world(s);
    for (size_t tenancy = 0; tenancy < s.tenancies.size(); ++tenancy) {
      const TrainingOutcome training = run_training(training_spec(*world, tenancy));
      const PhiloxKey key = stream_key(s.seed, 0);
      Everything skipped;
      Everything stepped;
      const ServingTotals fast = run_serving(*world, tenancy, key, training, {}, skipped);
      const ServingTotals slow = run_serving(*world, tenancy, key, training, {.single_steps = true}, stepped);
      INFO("rate " << rate << ", depth " << c.depth << ", cap " << c.chunk_cap << ", tenancy "
                   << s.tenancies[tenancy].label);
      check_equal(sorted(skipped.all), sorted(stepped.all));
      REQUIRE(fast.events < slow.events);
      REQUIRE(fast.prefix.asked_tokens == slow.prefix.asked_tokens);
      REQUIRE(fast.prefix.hit_tokens == slow.prefix.hit_tokens);
      REQUIRE(fast.prefix.cross_tenant_tokens == slow.prefix.cross_tenant_tokens);
      if (c.sessions) REQUIRE((fast.prefix.hit_tokens > 0) == (c.cache != Pool::PrefixCache::off));
      for (size_t w = 0; w < fast.windows.size(); ++w) {
        REQUIRE(fast.windows[w][0].shared.ns == slow.windows[w][0].shared.ns);
      }
      for (const RequestObservation& o : skipped.all) {
        loads += o.load_ns > 0 ? 1 : 0;
        lost += o.lost_ns > o.lost_before_first_ns ? 1 : 0;
        lost_before_first += o.lost_before_first_ns > 0 ? 1 : 0;
        hits += o.hit_tokens > 0 ? 1 : 0;
      }
    }
  }
  INFO(loads << " with loads, " << lost << " and " << lost_before_first << " preempted, " << hits << " hits");
  REQUIRE(std::min({loads, lost, lost_before_first, hits}) > 0);
}

TEST_CASE("what a request waited for and what preemption cost it lie within its times") {
  Scenario s = testing::small_scenario();
  s.horizon = kMinute * 40;
  s.pools[0].kv_share = 0.005;
  s.models[0].context_limit = 2000;
  for (Tier& tier : s.tiers) tier.arrivals.rate_per_s = 0.5;
  for (const Pool::PrefixCache cache : {Pool::PrefixCache::off, Pool::PrefixCache::tenant}) {
    s.pools[0].prefix_cache = cache;
    const auto world = testing::small_world(s);
    for (size_t tenancy = 0; tenancy < s.tenancies.size(); ++tenancy) {
      const TrainingOutcome training = run_training(training_spec(*world, tenancy));
      Everything seen;
      run_serving(*world, tenancy, stream_key(s.seed, 0), training, {}, seen);
      for (const RequestObservation& o : seen.all) {
        if (o.outcome == RequestOutcome::served) check_parts(o);
        REQUIRE((o.preempted > 0) == (o.lost_ns > 0));
        REQUIRE(o.lost_ns >= 0);
      }
    }
  }
}

TEST_CASE("what lies between client and engine delays the queue and the tokens, and nothing else") {
  Scenario s = testing::small_scenario();
  s.horizon = kMinute * 40;
  for (Tier& tier : s.tiers) tier.arrivals.rate_per_s = 0.2;
  const auto served = [&](double request_s, double token_s, double output_s) {
    Profile profile = testing::small_profile();
    const auto given = [&](const char* name, double value) {
      profile.parameters.push_back({"toy", name, value, "assumed", "made up"});
    };
    given("client_request_s", request_s), given("client_input_token_s", token_s);
    given("client_output_s", output_s);
    WorldInputs inputs;
    inputs.profiles.emplace("made-up", std::move(profile));
    auto world = build_world(s, std::move(inputs));
    REQUIRE(world.ok());
    Everything seen;
    const ServingTotals totals = run_serving(*world.value(), 2, stream_key(s.seed, 0),
                                             run_training(training_spec(*world.value(), 2)), {}, seen);
    REQUIRE(totals.requests == static_cast<int64_t>(seen.all.size()));
    return sorted(seen.all);
  };
  const auto plain = served(0, 0, 0);
  const auto output = served(0, 0, 0.5e-3);
  const auto all = served(1e-3, 2.5e-6, 0.5e-3);
  REQUIRE(output.size() == plain.size());
  for (size_t i = 0; i < plain.size(); ++i) {
    if (plain[i].outcome != RequestOutcome::served) continue;
    REQUIRE(plain[i].queued == plain[i].arrival);
    REQUIRE(output[i].finished == plain[i].finished + Duration{500'000});
    REQUIRE(output[i].first_token == plain[i].first_token + Duration{500'000});
    REQUIRE(output[i].admitted == plain[i].admitted);
  }
  for (const RequestObservation& o : all) {
    if (o.queued.ns < 0) continue;
    REQUIRE(o.queued - o.arrival == kMillisecond + Duration{2500 * o.prompt});
    if (o.outcome == RequestOutcome::served) check_parts(o);
  }
}

TEST_CASE("a request larger than the KV memory is rejected with another reason than one beyond the context") {
  Scenario s = testing::small_scenario();
  // A second model with KV blocks of ten times the size shares the pool: its blocks are the pool's blocks.
  s.models.push_back({.name = "wide", .kind = Model::Kind::generative, .shape = "wide"});
  s.models[0].context_limit = 1000;
  s.models[1].context_limit = 100;
  s.pools[0].kv_share = 0.0024;  // 19.2 MB: 14 of the wide blocks
  s.tenancies = {testing::entry("two", TenancyKind::shared_pretrained)};
  s.tenancies[0].tiers["gold"] = s.tenancies[0].choice;
  s.tenancies[0].tiers["gold"].model = "wide";
  Profile profile = testing::small_profile();
  ModelFacts wide = profile.models[0];
  wide.name = "wide";
  wide.kv_bytes_per_token *= 10;
  profile.models.push_back(wide);
  const std::vector<KernelTimes> kernels = profile.kernels;
  for (KernelTimes kernel : kernels) {
    if (kernel.name.rfind("toy/", 0) != 0) continue;
    kernel.name = "wide/" + kernel.name.substr(4);
    profile.kernels.push_back(std::move(kernel));
  }
  WorldInputs inputs;
  inputs.profiles.emplace("made-up", std::move(profile));
  auto world = build_world(s, std::move(inputs));
  if (!world.ok()) FAIL(to_text(world.problems()));
  Everything seen;
  run_serving(*world.value(), 0, stream_key(s.seed, 0), run_training(training_spec(*world.value(), 0)), {},
              seen);
  int64_t too_large = 0;
  for (const RequestObservation& o : seen.all) {
    const bool on_wide = world.value()->tier_of(o.tenant).name == "gold";
    const int64_t tokens = o.prompt + o.output;
    REQUIRE((o.outcome == RequestOutcome::too_long) == (tokens > (on_wide ? 100 : 1000)));
    too_large += o.outcome == RequestOutcome::too_large ? 1 : 0;
    if (o.outcome == RequestOutcome::too_large) REQUIRE(tokens > 13 * 16);
  }
  REQUIRE(too_large > 0);
}

TEST_CASE("skipping decode steps gives the same times as stepping, for every policy") {
  struct Case {
    const char* name;
    std::function<void(Pool&)> set;
  };
  const std::vector<Case> cases = {
      {"prefill first", [](Pool& p) { p.batching = Batching::prefill_first; }},
      {"static", [](Pool& p) { p.batching = Batching::static_batch; }},
      {"priority", [](Pool& p) { p.scheduler = LineOrder::priority; }},
      {"priority with ageing", [](Pool& p) { p.scheduler = LineOrder::priority, p.ageing = kSecond * 5; }},
      {"weighted fair", [](Pool& p) { p.scheduler = LineOrder::weighted_fair; }},
      {"weighted fair with a cache and turns of replicas",
       [](Pool& p) {
         p.scheduler = LineOrder::weighted_fair, p.router = RouteRule::prefix_affinity;
         p.prefix_cache = Pool::PrefixCache::tenant;
       }},
      {"deficit round robin",
       [](Pool& p) { p.scheduler = LineOrder::deficit_round_robin, p.router = RouteRule::two_choices; }},
      {"limits of sequences", [](Pool& p) { p.tenant_sequences = 2, p.router = RouteRule::tenant_sticky; }},
      {"limits of memory", [](Pool& p) { p.tenant_kv = 0.4; }},
      {"limits of memory, fair, all at once",
       [](Pool& p) {
         p.tenant_kv = 0.5, p.tenant_sequences = 3, p.scheduler = LineOrder::weighted_fair;
         p.batching = Batching::prefill_first;
       }},
      {"few adapters", [](Pool& p) { p.adapters_per_batch = 2, p.scheduler = LineOrder::priority; }}};
  for (const Case& c : cases) {
    for (const int64_t depth : {1, 2}) {
      Scenario s = testing::small_scenario();
      s.horizon = kMinute * 15;
      s.pools[0].pipeline_depth = depth;
      s.pools[0].max_sequences = 8;
      c.set(s.pools[0]);
      s.tiers[0].arrivals.rate_per_s = 0.3;
      s.tiers[1].arrivals.rate_per_s = 0.2;
      s.tiers[0].priority = 2;
      s.tiers[0].weight = 3;
      s.models[0].context_limit = 2000;
      s.pools[0].kv_share = 0.005;
      const auto world = testing::small_world(s);
      for (const size_t tenancy : {size_t{2}, size_t{4}}) {  // one base, and one with adapters
        const TrainingOutcome training = run_training(training_spec(*world, tenancy));
        Everything skipped;
        Everything stepped;
        const PhiloxKey key = stream_key(s.seed, 0);
        const ServingTotals fast = run_serving(*world, tenancy, key, training, {}, skipped);
        const ServingTotals slow =
            run_serving(*world, tenancy, key, training, {.single_steps = true}, stepped);
        INFO(c.name << ", depth " << depth << ", " << s.tenancies[tenancy].label);
        check_equal(sorted(skipped.all), sorted(stepped.all));
        REQUIRE(fast.events <= slow.events);
      }
    }
  }
}

TEST_CASE("every request is observed once, with its times in order") {
  const Scenario s = testing::small_scenario();
  const auto world = testing::small_world(s);
  for (size_t tenancy = 0; tenancy < s.tenancies.size(); ++tenancy) {
    const TrainingOutcome training = run_training(training_spec(*world, tenancy));
    Everything seen;
    const ServingTotals totals = run_serving(*world, tenancy, stream_key(s.seed, 0), training, {}, seen);
    REQUIRE(totals.requests == static_cast<int64_t>(seen.all.size()));
    std::vector<std::pair<uint32_t, uint32_t>> names;
    for (const RequestObservation& o : seen.all) {
      names.emplace_back(o.tenant.index, o.number);
      if (o.outcome != RequestOutcome::served) continue;
      REQUIRE(o.arrival < o.first_token);
      REQUIRE(o.first_token <= o.finished);
      REQUIRE(o.usage_ns > 0);
    }
    std::sort(names.begin(), names.end());
    REQUIRE(std::adjacent_find(names.begin(), names.end()) == names.end());
    REQUIRE(totals.kv_allocated == totals.kv_freed + totals.kv_held);
  }
}

TEST_CASE("all tenancy models see the same arrivals, and one tenant alone sees its own of them") {
  Scenario s = testing::small_scenario();
  testing::add_sessions(s.tiers[1], SystemPrompt::Across::tier);
  const auto world = testing::small_world(s);
  const auto arrivals = [&](size_t tenancy, const Variant& variant) {
    const TrainingOutcome training = run_training(training_spec(*world, tenancy));
    Everything seen;
    run_serving(*world, tenancy, stream_key(s.seed, 1), training, variant, seen);
    std::vector<std::tuple<uint32_t, uint32_t, int64_t, int32_t, int32_t>> made;
    for (const RequestObservation& o : seen.all) {
      made.emplace_back(o.tenant.index, o.number, o.arrival.ns, o.prompt, o.output);
    }
    std::sort(made.begin(), made.end());
    return made;
  };
  const auto base = arrivals(0, {});
  for (size_t tenancy = 1; tenancy < s.tenancies.size(); ++tenancy) REQUIRE(arrivals(tenancy, {}) == base);
  auto own = base;
  std::erase_if(own, [](const auto& a) { return std::get<0>(a) != 5; });
  REQUIRE(arrivals(3, {Variant::Kind::alone, TenantId{5}}) == own);
}

TEST_CASE("adding a tenant leaves every other tenant's arrivals bit-identical") {
  Scenario s = testing::small_scenario();
  for (Tier& tier : s.tiers) testing::add_sessions(tier, SystemPrompt::Across::tenant);
  const auto arrivals_of_standard = [](const Scenario& scenario) {
    const auto world = testing::small_world(scenario);
    Everything seen;
    run_serving(*world, 2, stream_key(scenario.seed, 0), run_training(training_spec(*world, 2)), {}, seen);
    std::vector<std::tuple<std::string, uint32_t, int64_t, int32_t>> made;
    for (const RequestObservation& o : seen.all) {
      const Tenant& tenant = world->tenants[o.tenant.index];
      if (world->tier_of(o.tenant).name == "standard")
        made.emplace_back(tenant.name, o.number, o.arrival.ns, o.prompt);
    }
    std::sort(made.begin(), made.end());
    return made;
  };
  const auto before = arrivals_of_standard(s);
  s.tiers[0].count += 1;
  REQUIRE(arrivals_of_standard(s) == before);
}

TEST_CASE("a request beyond its tenant's quota is rejected, and only that one") {
  Scenario s = testing::small_scenario();
  s.tiers[1].quota_per_s = 0.03;
  s.tiers[1].quota_burst = 1;
  const auto world = testing::small_world(s);
  Everything seen;
  run_serving(*world, 2, stream_key(s.seed, 0), run_training(training_spec(*world, 2)), {}, seen);
  int64_t rejected = 0;
  for (const RequestObservation& o : seen.all) {
    if (o.outcome != RequestOutcome::over_quota) continue;
    ++rejected;
    REQUIRE(world->tier_of(o.tenant).name == "standard");
    REQUIRE(o.first_token.ns == -1);
  }
  REQUIRE(rejected > 0);
}

TEST_CASE("a prompt beyond the context limit is rejected with its reason, before a replica is chosen") {
  Scenario s = testing::small_scenario();
  s.models[0].context_limit = 600;
  s.pools[0].router = RouteRule::round_robin;
  const auto world = testing::small_world(s);
  Everything seen;
  run_serving(*world, 2, stream_key(s.seed, 0), run_training(training_spec(*world, 2)), {}, seen);
  std::sort(seen.all.begin(), seen.all.end(),
            [](const auto& a, const auto& b) { return a.arrival < b.arrival; });
  uint32_t turn = 0;
  for (const RequestObservation& o : seen.all) {
    const bool too_long = o.prompt + o.output > 600;
    REQUIRE((o.outcome == RequestOutcome::too_long) == too_long);
    if (too_long) {
      REQUIRE(!o.replica.valid());
    } else {
      REQUIRE(o.replica.index == turn++ % 2);
    }
  }
  REQUIRE(turn < seen.all.size());
}

TEST_CASE("a scoring model is served in batches within the largest delay") {
  Scenario s = testing::small_scenario();
  s.models[0] = {.name = "chat", .kind = Model::Kind::scoring, .shape = "ranker"};
  s.tenancies = {testing::entry("shared", TenancyKind::shared_pretrained)};
  for (Tier& tier : s.tiers) {
    tier.prompt = {{{1, Law::uniform, 1, 6}}, 1, 100};
    tier.output = {};
    tier.arrivals.rate_per_s = 3;
  }
  s.horizon = kMinute * 12;
  const auto world = testing::small_world(s);
  Everything seen;
  run_serving(*world, 0, stream_key(s.seed, 0), run_training(training_spec(*world, 0)), {}, seen);
  REQUIRE(seen.all.size() > 10'000);
  int64_t in_the_steady_state = 0;
  for (const RequestObservation& o : seen.all) {
    if (o.outcome != RequestOutcome::served || o.arrival.ns < kMinute.ns) continue;
    ++in_the_steady_state;
    // At most the largest delay, one running batch, and its own batch.
    REQUIRE((o.finished - o.arrival).ns <= (s.pools[0].max_delay + kMillisecond * 2).ns);
  }
  REQUIRE(in_the_steady_state > 10'000);
}

TEST_CASE("a model that does not fit its device is refused before the run, with the sum that says so") {
  Scenario s = testing::small_scenario();
  s.skus[0].memory = {110'000'000};
  s.models[0].context_limit = 2000;
  WorldInputs inputs;
  inputs.profiles.emplace("made-up", testing::small_profile());
  const auto world = build_world(s, std::move(inputs));
  REQUIRE_FALSE(world.ok());
  const std::string text = to_text(world.problems());
  INFO(text);
  for (const char* part :
       {"weights 100000000", "KV of one sequence of 2000 tokens 16515072", "memory 110000000"})
    REQUIRE(text.find(part) != std::string::npos);
}

TEST_CASE("fair scheduling and limits keep a flood from the others' first tokens") {
  // The mean time to the first token of the quiet tier beside a tenant that asks for more than the devices
  // give.
  const auto quiet_mean_s = [](const std::function<void(Pool&)>& set) {
    Scenario s = testing::small_scenario();
    s.horizon = kMinute * 10;
    s.tiers[0].count = 1;
    s.tiers[0].arrivals.rate_per_s = 40;
    s.tiers[1].arrivals.rate_per_s = 0.02;
    s.tiers[1].priority = 2;
    s.pools[0].max_sequences = 8;
    s.pools[0].chunk_cap = 64;
    set(s.pools[0]);
    const auto world = testing::small_world(s);
    const TrainingOutcome training = run_training(training_spec(*world, 2));
    Everything seen;
    run_serving(*world, 2, stream_key(s.seed, 0), training, {}, seen);
    double sum = 0;
    int64_t count = 0;
    for (const RequestObservation& o : seen.all) {
      if (world->tenants[o.tenant.index].tier.index != 1) continue;
      const Time first = o.first_token.ns < 0 ? Time{s.horizon.ns} : o.first_token;
      sum += seconds(first - o.arrival), ++count;
    }
    REQUIRE(count > 30);
    return sum / static_cast<double>(count);
  };
  const double first_come = quiet_mean_s([](Pool&) {});
  REQUIRE(quiet_mean_s([](Pool& p) { p.scheduler = LineOrder::priority; }) < first_come / 10);
  REQUIRE(quiet_mean_s([](Pool& p) { p.scheduler = LineOrder::weighted_fair; }) < first_come / 10);
  REQUIRE(quiet_mean_s([](Pool& p) { p.scheduler = LineOrder::deficit_round_robin; }) < first_come / 10);
  REQUIRE(quiet_mean_s([](Pool& p) { p.tenant_sequences = 2; }) < first_come / 10);
}

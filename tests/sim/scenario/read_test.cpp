#include "sim/scenario/read.h"

#include <catch2/catch.hpp>

#include "tests/sim/scenario/small_scenario.h"

using namespace cotenant;

namespace {

const Diagnostic& first(const Result<Scenario>& result) {
  REQUIRE_FALSE(result.ok());
  return result.problems().front();
}

}  // namespace

TEST_CASE("a scenario is read with units resolved and defaults filled in") {
  const Result<Scenario> result = read_text(small_scenario());
  REQUIRE(result.ok());
  const Scenario& s = result.value();
  REQUIRE(s.name == "small");
  REQUIRE(s.file == "s.yaml");
  REQUIRE(s.seed == 7);
  REQUIRE(s.horizon == kDay * 2);
  REQUIRE(s.warmup == kHour * 2);
  REQUIRE(s.window == kDay);
  REQUIRE(s.prices.storage_nano_per_gb_month == 2e7);
  REQUIRE(s.skus[0].rate_nano_per_hour == 50'000'000);
  REQUIRE(s.skus[0].memory.count == 8'000'000'000);
  REQUIRE(s.skus[0].line == 8);
  REQUIRE(s.models[0].context_limit == 4096);
  REQUIRE(s.tiers.size() == 2);
  REQUIRE(s.tiers[0].name == "gold");
  REQUIRE(s.tiers[0].line == 12);
  REQUIRE(s.tiers[0].slo.ttft.percentile == 99);
  REQUIRE(s.tiers[0].slo.ttft.below == kMillisecond * 500);
  REQUIRE(s.tiers[0].shape.name == "flat");
  REQUIRE(s.tiers[1].arrivals.rate_per_s == 1.0 / 60);
  REQUIRE(s.tenancies[1].label == "shared");
  REQUIRE(s.tenancies[1].choice.kind == TenancyKind::shared_trained);
  REQUIRE(s.training.stated);
  REQUIRE(s.training.every == kDay);
  REQUIRE(s.expectations.size() == 1);
  REQUIRE(s.expectations[0].severity == "fail");
  REQUIRE(s.expectations[0].line == 30);
}

TEST_CASE("a warm-up may be found, and a precision says of what; both read back") {
  std::string text = small_with("warmup: 2 h", "warmup: auto");
  text.replace(text.find("horizon: 2 days\n"), 16, "horizon: 2 days\nreplications: 12\nprecision: 2.5 %\n");
  const Result<Scenario> usual = read_text(text);
  REQUIRE(usual.ok());
  REQUIRE(usual.value().warmup_auto);
  REQUIRE(usual.value().warmup == Duration{});
  REQUIRE(usual.value().precision == 0.025);
  REQUIRE(usual.value().precision_of == "latency.e2e.mean");
  REQUIRE(usual.value().replications_limit == 160);
  text.replace(text.find("precision: 2.5 %\n"), 17,
               "precision: 2.5 %\nprecision-of: latency.ttft.p99\nreplications-limit: 48\n");
  const Result<Scenario> full = read_text(text);
  REQUIRE(full.ok());
  REQUIRE(full.value().precision_of == "latency.ttft.p99");
  REQUIRE(most_replications(full.value()) == 48);
  const std::string resolved = resolved_text(full.value());
  REQUIRE(resolved.find("warmup: auto") != std::string::npos);
  REQUIRE(resolved_text(read_scenario(resolved, "resolved", {}).value()) == resolved);
  REQUIRE(most_replications(read_text(small_scenario()).value()) == 1);
}

TEST_CASE("every scalar of a tier, a pool and an entry reaches the scenario") {
  std::string text =
      small_with("    slo: { ttft: p99 < 500 ms }",
                 "    growth: { kind: linear, add: 2, every: 30 days }\n    starts: 1 h\n    priority: 2\n"
                 "    weight: 2.5\n    quota: 2/s\n"
                 "    slo: { ttft: p99 < 500 ms, tpot: p90 < 20 ms, e2e: p95 < 4 s, availability: 99.9 % }");
  text.replace(text.find("size: 2 }"), 9,
               "size: 2, router: round-robin, token-budget: 256, max-sequences: 8, kv-share: 40 %,\n"
               "           scrub: off }");
  text.replace(text.find("model: chat, pool: serve }"), 26,
               "model: chat, pool: serve, resident-models: 3, tiers: { plain: { placement: dedicated } } }");
  const Result<Scenario> result = read_text(text);
  INFO(only_problem(result));
  REQUIRE(result.ok());
  const Tier& gold = result.value().tiers[0];
  REQUIRE(gold.growth.kind == Growth::Kind::linear);
  REQUIRE(gold.growth.add == 2);
  REQUIRE(gold.growth.every == kDay * 30);
  REQUIRE(gold.starts == kHour);
  REQUIRE(gold.priority == 2);
  REQUIRE(gold.weight == 2.5);
  REQUIRE(gold.quota_per_s == 2);
  REQUIRE(gold.quota_burst == 2);
  REQUIRE(gold.slo.tpot.below == kMillisecond * 20);
  REQUIRE(gold.slo.e2e.percentile == 95);
  REQUIRE(gold.slo.availability == 0.999);
  const Pool& pool = result.value().pools[0];
  REQUIRE(pool.router == RouteRule::round_robin);
  REQUIRE(pool.token_budget == 256);
  REQUIRE(pool.max_sequences == 8);
  REQUIRE(pool.kv_share == 0.4);
  REQUIRE_FALSE(pool.scrub);
  const TenancyEntry& own = result.value().tenancies[0];
  REQUIRE(own.choice.resident_models == 3);
  REQUIRE(own.tiers.contains("plain"));
  REQUIRE(own.tiers.at("plain").placement == Placement::dedicated);
  REQUIRE(own.tiers.at("plain").kind == TenancyKind::tenant_specific);
  REQUIRE(own.tiers.at("plain").pool == "serve");
}

TEST_CASE(
    "a pool that hands over to a decode pool, a store and pins reach the scenario, and resolve to "
    "themselves") {
  std::string text = small_with("size: 2 }",
                                "size: 2, decode-pool: go, kv-link: 50 GB/s, kv-link-latency: 10 us }\n"
                                "  go: { sku: cpu }");
  text.replace(text.find("profile: local-cpu }"), 20,
               "profile: local-cpu, store-bandwidth: 1 GB/s, store-latency: 20 ms, host-memory: 64 GB }");
  text.replace(text.find("model: chat, pool: serve }"), 26,
               "model: chat, pool: serve, pinned: yes, tiers: { plain: { pinned: no } } }");
  const Result<Scenario> result = read_text(text);
  INFO(only_problem(result));
  REQUIRE(result.ok());
  const Scenario& s = result.value();
  REQUIRE(s.pools[0].decode_pool == "go");
  REQUIRE(s.pools[0].kv_link_byte_per_s == 50'000'000'000);
  REQUIRE(s.pools[0].kv_link_latency == Duration{10'000});
  REQUIRE(s.skus[0].store_byte_per_s == 1'000'000'000);
  REQUIRE(s.skus[0].store_latency == kMillisecond * 20);
  REQUIRE(s.skus[0].host_memory == Bytes{64'000'000'000});
  REQUIRE(s.tenancies[0].choice.pinned);
  REQUIRE_FALSE(s.tenancies[0].tiers.at("plain").pinned);
  const std::string resolved = resolved_text(s);
  const Result<Scenario> again = read_text(resolved);
  INFO(only_problem(again));
  REQUIRE(again.ok());
  REQUIRE(resolved_text(again.value()) == resolved);
}

TEST_CASE("KV blocks and a tenant of a request log reach the scenario, and resolve to themselves") {
  std::string text = small_with("size: 2 }", "size: 2, kv-blocks: 18038 }");
  text.replace(text.find("arrivals: poisson rate=1/s, prompt: fixed 10, output: fixed 5"), 61,
               "trace: { file: log.csv, format: requests, tenant: team a }");
  const Result<Scenario> result = read_text(text);
  INFO(only_problem(result));
  REQUIRE(result.ok());
  const std::string resolved = resolved_text(result.value());
  for (const Scenario& s : {result.value(), read_text(resolved).value()}) {
    REQUIRE(s.pools[0].kv_blocks == 18038);
    REQUIRE(s.tiers[0].trace->format == "requests");
    REQUIRE(s.tiers[0].trace->tenant == "team a");
  }
  REQUIRE_FALSE(read_text(small_with("size: 2 }", "size: 2, kv-blocks: 1 }")).ok());
  REQUIRE_FALSE(read_text(small_with("size: 2 }", "size: 2, kv-share: 40 %, kv-blocks: 100 }")).ok());
  text.replace(text.find("format: requests, "), 18, "");
  REQUIRE_FALSE(read_text(text).ok());  // other traces have no tenants
}

TEST_CASE("consent to serve others follows consent to train unless it is stated") {
  const auto consent = [](const std::string& text) {
    const Result<Scenario> r = read_text(small_with("consent: { train-shared: true }", text));
    REQUIRE(r.ok());
    return std::pair(r.value().tiers[0].consent_train_shared, r.value().tiers[0].consent_serve_others);
  };
  REQUIRE(consent("consent: { train-shared: true }") == std::pair(true, true));
  REQUIRE(consent("consent: { train-shared: true, serve-others: false }") == std::pair(true, false));
  REQUIRE(read_text(small_scenario()).value().tiers[1].consent_serve_others == false);
}

TEST_CASE("a quota has a burst of one second of its rate, at least one request") {
  const auto burst = [](const std::string& quota) {
    const Result<Scenario> r =
        read_text(small_with("    data: 1 MB", "    quota: " + quota + "\n    data: 1 MB"));
    REQUIRE(r.ok());
    return r.value().tiers[0].quota_burst;
  };
  REQUIRE(burst("5/s") == 5);
  REQUIRE(burst("6/min") == 1);
  REQUIRE(burst("2/s burst=10") == 10);
}

TEST_CASE("disturbances, policy and expectations are read") {
  const Result<Scenario> result = read_text(small_with(
      "", R"(  - { that: cost.total < 110 % of own, for: { tenancy: shared, tenants: gold }, severity: warn }
disturbances:
  - { kind: skip-scrub, share: 5 %, from: 1 h, until: 2 h, tenancy: own }
  - { kind: ignore-consent }
policy: { P1: fail, R1: ignore }
record: { requests: 1000 }
counterfactuals: off
)"));
  INFO(only_problem(result));
  REQUIRE(result.ok());
  const Scenario& s = result.value();
  REQUIRE(s.disturbances.size() == 2);
  REQUIRE(s.disturbances[0].kind == Disturbance::Kind::skip_scrub);
  REQUIRE(s.disturbances[0].share == 0.05);
  REQUIRE(s.disturbances[0].until == kHour * 2);
  REQUIRE(s.disturbances[0].tenancy == "own");
  REQUIRE(s.disturbances[1].until.ns == INT64_MAX);
  REQUIRE((s.policy == std::map<std::string, std::string>{{"P1", "fail"}, {"R1", "ignore"}}));
  REQUIRE(s.expectations.size() == 2);
  REQUIRE(s.expectations[1].baseline == "own");
  REQUIRE(s.expectations[1].tenancy == "shared");
  REQUIRE(s.expectations[1].tier == "gold");
  REQUIRE(s.expectations[1].severity == "warn");
  REQUIRE(s.record.kind == RecordRequests::Kind::sample);
  REQUIRE(s.record.sample == 1000);
  REQUIRE_FALSE(s.counterfactuals);
}

TEST_CASE("an unknown key names the nearest one and lists the rest") {
  const Result<Scenario> result = read_text(small_with("seed: 7", "sede: 7"));
  const Diagnostic& d = first(result);
  REQUIRE(d.message == "unknown key `sede`");
  REQUIRE(d.help.find("did you mean `seed`? one of: apiVersion, name") == 0);
  REQUIRE(d.file == "s.yaml");
  REQUIRE(d.line == 3);
  REQUIRE(d.column == 1);
  REQUIRE(d.width == 4);
  REQUIRE(d.excerpt == "sede: 7");
}

TEST_CASE("a problem inside a value is underlined where it stands") {
  const Result<Scenario> result = read_text(small_with("poisson rate=1/s", "poisson rte=1/s"));
  const Diagnostic& d = first(result);
  REQUIRE(d.line == 16);
  REQUIRE(d.excerpt.substr(static_cast<size_t>(d.column) - 1, static_cast<size_t>(d.width)) == "rte=1/s");
  const Result<Scenario> quoted = read_text(small_with("p99 < 500 ms", "\"p99 < 500 parsec\""));
  const Diagnostic& q = first(quoted);
  REQUIRE(q.excerpt.substr(static_cast<size_t>(q.column) - 1, static_cast<size_t>(q.width)) == "parsec");
}

TEST_CASE("all problems are reported in one pass, in the order of the file") {
  std::string text = small_with("seed: 7", "sede: 7");
  text.replace(text.find("count: 3"), 8, "count: x");
  text.replace(text.find("sku: cpu, size: 1"), 17, "sku: gpu, size: 0");
  const std::vector<std::string> found = problems_in(read_text(text));
  REQUIRE(found.size() == 4);
  REQUIRE(found[0] == "3:1 unknown key `sede`");
  REQUIRE(found[1] == "19:12 `x` is not a number");
  REQUIRE(found[2] == "24:17 there is no SKU `gpu`");
  REQUIRE(found[3] == "24:28 the value is out of range");
}

TEST_CASE("a missing required key is reported at the map that lacks it") {
  REQUIRE(only_problem(read_text(small_with("horizon: 2 days\n", ""))) == "0:0 `horizon` is missing");
  REQUIRE(only_problem(read_text(small_with(", model: chat", ""))) == "26:3 `model` is missing");
  REQUIRE(only_problem(read_text(small_with("prompt: fixed 10, ", ""))) == "16:5 `prompt` is missing");
  REQUIRE(only_problem(read_text(small_with("apiVersion: cotenant/v1", "apiVersion: cotenant/v2"))) ==
          "1:13 `cotenant/v2` is not accepted here");
}

namespace {

struct Wrong {
  const char* from;
  const char* to;
  const char* problem;
};

}  // namespace

TEST_CASE("what does not fit together is refused with its place") {
  const Wrong table[] = {
      {"name: small", "name: Small", "2:7 this is no name"},
      {"name: small", "name: ../x", "2:7 this is no name"},
      {"warmup: 2 h", "warmup: 2 days", "5:19 the warm-up does not end before the horizon"},
      {"horizon: 2 days\n", "horizon: 2 days\nprecision: 2 %\n",
       "5:12 a precision needs at least 10 replications before the first look"},
      {"horizon: 2 days\n", "horizon: 2 days\nreplications: 5\nprecision: 2 %\n",
       "5:15 a precision needs at least 10 replications before the first look"},
      {"horizon: 2 days\n", "horizon: 2 days\nreplications: 20\nprecision: 2 %\nreplications-limit: 12\n",
       "7:21 replications-limit is below the replications before the first look"},
      {"horizon: 2 days\n", "horizon: 2 days\nprecision-of: latency.ttft.p99\n",
       "5:1 `precision-of` has no meaning here"},
      {"horizon: 2 days\n",
       "horizon: 2 days\nreplications: 10\nprecision: 2 %\nprecision-of: requests.served\n",
       "7:15 `requests.served` is not accepted here"},
      {"report: 1 day", "report: 1 s", "5:32 the horizon holds more than 100,000 report windows"},
      {"slo: { ttft: p99 < 500 ms }", "slo: { ttft: p98 < 500 ms }",
       "17:18 p98 is not among the percentiles that are kept, so it could not be judged"},
      {"2026-11-01", "2026-02-29", "6:33 this is no date"},
      {"currency: USD", "currency: usd", "6:21 a currency is three capital letters"},
      {"rate: $0.05/h", "rate: 0.05 EUR/h", "8:16 `EUR` is not the currency of the prices, USD"},
      {"memory: 8 GB", "memory: 8", "8:33 a size needs a unit"},
      {"model: chat, pool: serve }", "model: caht, pool: serve }", "26:40 there is no model `caht`"},
      {"pool: serve }", "pool: srve }", "26:52 there is no pool `srve`"},
      {"pool: serve }", "pool: train }", "26:52 pool `train` serves and trains"},
      {"pool: serve }", "pool: serve, tuning: lora }", "26:59 `tuning` has no meaning here"},
      {"pool: serve }", "pool: serve, train-on: all }", "26:59 `train-on` has no meaning here"},
      {"pool: serve }", "pool: serve, placement: dedicated, resident-models: 2 }",
       "26:81 `resident-models` has no meaning here"},
      {"pool: serve }", "pool: serve, tiers: { glod: { placement: dedicated } } }",
       "26:68 there is no tier `glod`"},
      {"training: { every: 1 day, pool: train }\n", "",
       "24:3 no tenancy entry and no training uses this pool\n26:16 tenant-specific needs trained weights, "
       "and `training` is missing"},
      {"  plain:\n    count: 3\n    data: 1 MB\n", "  plain:\n    count: 3\n", "18:3 `data` is missing"},
      {"consent: { train-shared: true }", "consent: { train-shared: false }",
       "27:19 nobody's data trains this shared model"},
      {"    data: 1 MB\n", "    data: 1 MB\n    growth: { kind: logistic, limit: 10, midpoint: 1 day }\n",
       "16:38 the limit must be above twice the count"},
      {"    data: 1 MB\n", "    data: 1 MB\n    growth: { kind: linear, add: 2 }\n",
       "16:5 `every` is missing"},
      {"    data: 1 MB\n", "    data: 1 MB\n    growth: { kind: none, add: 2 }\n",
       "16:27 `add` has no meaning here"},
      {"    data: 1 MB\n", "    data: 1 MB\n    starts: 2 days\n",
       "16:13 the tier starts at or after the horizon"},
      {", output: fixed 5", "", "16:5 `output` is missing"},
      {"arrivals: poisson rate=1/s", "trace: { file: x.csv }, arrivals: poisson rate=1/s",
       "16:37 `arrivals` has no meaning here\n16:65 `prompt` has no meaning here\n16:83 `output` has no "
       "meaning here"},
      {"  train: { sku: cpu, size: 1 }", "  train: { sku: cpu, size: 1 }\n  idle: { sku: cpu }",
       "25:3 no tenancy entry and no training uses this pool"},
      {"  - breaches.D1 == 0", "  - cost.total < 10 % of own2", "30:26 there is no tenancy entry `own2`"},
      {"  - breaches.D1 == 0", "  - { that: breaches.D1 == 0, for: { tenants: glod } }",
       "30:47 there is no tier `glod`"},
      {"  - breaches.D1 == 0", "  - breaches.D1 = 0", "30:17 `=` is no comparison"},
      {"    data: 1 MB\n", "    data: 1 MB\n    entitlement: 10 %\n",
       "16:18 tier `plain` shares pool `serve` in entry `own` and states no entitlement"},
      {"    data: 1 MB\n    load: { arrivals: poisson rate=1/min",
       "    data: 1 MB\n    entitlement: 10 %\n    load: { arrivals: poisson rate=1/min",
       "21:18 tier `gold` shares pool `serve` in entry `own` and states no entitlement"},
      {"    slo: { ttft: p99 < 500 ms }\n  plain:\n    count: 3\n",
       "    entitlement: 15 %\n  plain:\n    count: 3\n    entitlement: 10 %\n",
       "20:18 entitlements on pool `serve` sum to 105 % of it in entry `own`, with the tenants of the end of "
       "the "
       "horizon"},
      {"expect:", "policy: { P9: warn }\nexpect:", "29:11 `P9` is no breach code"},
      {"expect:", "policy: { P1: wran }\nexpect:", "29:15 `wran` is not accepted here"},
      {"expect:", "disturbances: [ { kind: adapter-race, from: 2 h, until: 1 h } ]\nexpect:",
       "29:57 the disturbance ends before it begins"},
      {"expect:", "disturbances: [ { kind: ignore-consent, share: 5 % } ]\nexpect:",
       "29:41 `share` has no meaning here"},
      {"expect:", "disturbances: [ { kind: adapter-race, tenancy: onw } ]\nexpect:",
       "29:48 there is no tenancy entry `onw`"},
      {"expect:", "disturbances: adapter-race\nexpect:", "29:15 expected a list, found a value"},
      {", output: fixed 5", ", output: fixed 5, system-prompt: { tokens: 5000 }",
       "16:101 the system prompt leaves no room in the context of model `chat`"},
      {", output: fixed 5", ", output: fixed 5, sessions: { turns: fixed 3 }", "16:76 `think` is missing"},
      {", output: fixed 5", ", output: fixed 5, sessions: { turns: fixed 3, think: exponential mean=30 }",
       "16:123 a duration needs a unit"},
      {"expect:", "disturbances: [ { kind: node-loss, down: 1 s } ]\nexpect:", "29:17 `pool` is missing"},
      {"expect:", "disturbances: [ { kind: node-loss, pool: train, down: 1 s } ]\nexpect:",
       "29:42 no tenant shares the devices of pool `train`"},
      {"expect:", "disturbances: [ { kind: node-loss, pool: serve, replica: 3, down: 1 s } ]\nexpect:",
       "29:58 pool `serve` has 2 replicas"},
      {"expect:",
       "disturbances: [ { kind: node-loss, pool: serve, replica: 1, share: 5 %, down: 1 s } ]\nexpect:",
       "29:61 `share` has no meaning here"},
      {"expect:", "disturbances: [ { kind: node-reclaim, pool: serve, down: 1 s, until: 2 h } ]\nexpect:",
       "29:63 `until` has no meaning here"},
      {"expect:", "disturbances: [ { kind: process-crash, tier: glod, down: 1 s } ]\nexpect:",
       "29:46 there is no tier `glod`"},
      {"expect:", "disturbances: [ { kind: slow-store, factor: 2 } ]\nexpect:",
       "29:25 no SKU has a store that could be slow"},
      {"expect:", "disturbances: [ { kind: adapter-storm, pool: serve } ]\nexpect:",
       "29:17 `every` is missing"},
      {"expect:", "disturbances: [ { kind: mislabelled-region, pool: serve, region: mars } ]\nexpect:",
       "29:51 the pool states no region that could be wrong"},
      {"expect:", "disturbances: [ { kind: noisy-tenant, tier: gold, factor: 2, tenancy: own } ]\nexpect:",
       "29:62 `tenancy` has no meaning here"},
      {"expect:",
       "disturbances: [ { kind: flood, tier: gold, prompt: 90 }, { kind: flood, tier: gold, prompt: 80 } "
       "]\nexpect:",
       "29:66 it overlaps another one of the same kind and tier"},
      {"expect:", "disturbances: [ { kind: flood, tier: gold, prompt: 4096 } ]\nexpect:",
       "29:52 the prompt leaves no room in the context of model `chat`"},
      {"    data: 1 MB\n    load: { arrivals: poisson rate=1/s",
       "    data: 1 MB\n    regions: mars moon\n    load: { arrivals: poisson rate=1/s",
       "27:16 pool `train` states no region, and tier `gold` may not be processed there\n27:52 pool `serve` "
       "states no region, and tier `gold` may not be processed there\n28:19 pool `train` states no region, "
       "and tier `gold` may not be processed there\n28:54 pool `serve` states no region, and tier `gold` may "
       "not be processed there"},
      {"expect:", "disturbances: [ { kind: short-cache-key } ]\nexpect:",
       "29:25 no pool has a cache whose keys could be short"},
      {"size: 2 }", "size: 2, response-cache: open, response-cache-entries: 9, response-cache-lookup: 1 ms }",
       "23:47 no tier that the pool serves has topics that it could find"},
      {"size: 2 }", "size: 2, response-cache-entries: 9 }",
       "23:31 `response-cache-entries` has no meaning here"},
      {", output: fixed 5", ", output: fixed 5, topics: { popularity: equal }", "16:76 `count` is missing"},
      {", output: fixed 5",
       ", output: fixed 5, sessions: { turns: fixed 3, think: fixed 3s }, topics: { count: 9 }",
       "16:123 `topics` has no meaning here"},
      {"size: 2 }", "size: 2, decode-pool: sevre, kv-link: 1 GB/s }", "23:44 there is no pool `sevre`"},
      {"size: 2 }", "size: 2, kv-link: 1 GB/s }", "23:31 `kv-link` has no meaning here"},
      {"size: 2 }", "size: 2, decode-pool: serve, kv-link: 1 GB/s }",
       "23:44 a pool cannot be its own decode pool"},
      {"size: 2 }", "size: 2, decode-pool: train, kv-link: 1 GB/s }",
       "23:44 pool `train` decodes and trains"},
      {"size: 2 }",
       "size: 2, decode-pool: go, kv-link: 1 GB/s }\n  go: { sku: cpu, decode-pool: on, kv-link: 1 GB/s }\n"
       "  on: { sku: cpu }",
       "23:44 pool `go` has a decode pool itself"},
      {"size: 2 }", "size: 2, decode-pool: go, kv-link: 1 GB/s }\n  go: { sku: cpu, prefix-cache: tenant }",
       "24:33 `prefix-cache` has no meaning here"},
      {"size: 2 }\n  train: { sku: cpu, size: 1 }\ntenancy:\n  own: { kind: tenant-specific,",
       "size: 2, decode-pool: go, kv-link: 1 GB/s }\n  go: { sku: cpu }\n  train: { sku: cpu, size: 1 }\n"
       "tenancy:\n  own: { kind: tenant-specific, placement: dedicated,",
       "27:44 pool `serve` has a decode pool, which is shared"},
      {"size: 2 }\n  train: { sku: cpu, size: 1 }\ntenancy:\n  own: { kind: tenant-specific,",
       "size: 2, decode-pool: go, kv-link: 1 GB/s }\n  go: { sku: cpu }\n  train: { sku: cpu, size: 1 }\n"
       "tenancy:\n  own: { tiers: { plain: { pool: go } }, kind: tenant-specific,",
       "27:84 pool `go` decodes for pool `serve` and serves tier `plain` itself"},
      {"profile: local-cpu }", "profile: local-cpu, store-latency: 1 ms }",
       "8:59 `store-latency` has no meaning here"},
      {"pool: serve }", "pool: serve, placement: dedicated, pinned: yes }",
       "26:81 `pinned` has no meaning here"},
      {"slo: { ttft: p99 < 500 ms }", "slo:", "17:5 expected a map, found nothing"},
      {"kind: generative", "kind: generativ", "10:17 `generativ` is not accepted here"},
  };
  std::string differences;
  for (const Wrong& wrong : table) {
    REQUIRE(small_scenario().find(wrong.from) != std::string::npos);
    const std::string found = only_problem(read_text(small_with(wrong.from, wrong.to)));
    if (found != wrong.problem) differences += std::string(wrong.to) + "\n  " + found + "\n";
  }
  REQUIRE(differences == "");
}

TEST_CASE("a scoring model takes rows, and neither output nor time per token") {
  std::string text =
      small_with("kind: generative, shape: decoder-25m", "kind: scoring, shape: recommender-small");
  const std::vector<std::string> outputs = {"16:59 `output` has no meaning here",
                                            "21:61 `output` has no meaning here"};
  REQUIRE(problems_in(read_text(text)) == outputs);
  const std::string session = "sessions: { turns: fixed 2, think: fixed 3s }, ";
  REQUIRE(problems_in(read_text(std::string(text).insert(text.find("arrivals:"), session)))[0] ==
          "16:13 `sessions` has no meaning here");
  while (text.find(", output: fixed 5") != std::string::npos) text.erase(text.find(", output: fixed 5"), 17);
  REQUIRE(read_text(text).ok());
  text.replace(text.find("slo: { ttft:"), 12, "slo: { tpot:");
  REQUIRE(only_problem(read_text(text)) == "17:12 `tpot` has no meaning for a scoring model");
  REQUIRE(
      only_problem(read_text(small_with("shape: decoder-25m", "shape: decoder-25m\n         , context: 4")))
          .find("out of range") != std::string::npos);
}

namespace {

// small_scenario() with a scoring model and these keys on its pool.
Result<Scenario> scoring_pool(const std::string& keys) {
  std::string text =
      small_with("kind: generative, shape: decoder-25m", "kind: scoring, shape: recommender-small");
  for (size_t at = text.find(", output: fixed 5"); at != std::string::npos;
       at = text.find(", output: fixed 5"))
    text.erase(at, 17);
  text.replace(text.find("size: 2 }"), 9, "size: 2, " + keys + " }");
  return read_text(text);
}

}  // namespace

TEST_CASE("a response cache, topics and a floor are read, and a resolved scenario says the same") {
  std::string text =
      small_with(", output: fixed 5", ", output: fixed 5, topics: { count: 50, common: 30 % }");
  text.replace(text.find("size: 2 }"), 9,
               "size: 2, response-cache: tier, response-cache-entries: 9, response-cache-lookup: 20 ms }");
  text.replace(text.find("{ train-shared: true }"), 22, "{ train-shared: true, share-answers: true }");
  text.replace(text.find("    data: 1 MB"), 14, "    data: 1 MB\n    fairness-floor: 80 %");
  const Result<Scenario> result = read_text(text);
  INFO(only_problem(result));
  REQUIRE(result.ok());
  for (const Scenario& s : {result.value(), read_text(resolved_text(result.value())).value()}) {
    REQUIRE(s.pools[0].response_cache == CacheScope::tier);
    REQUIRE(s.pools[0].response_cache_entries == 9);
    REQUIRE(s.pools[0].response_cache_lookup == kMillisecond * 20);
    REQUIRE(s.pools[0].response_cache_lifetime == Duration{INT64_MAX});
    REQUIRE(s.tiers[0].topics->count == 50);
    REQUIRE(s.tiers[0].topics->zipf_s == 1);
    REQUIRE(s.tiers[0].topics->common == 0.3);
    REQUIRE(s.tiers[0].consent_share_answers);
    REQUIRE(s.tiers[0].fairness_floor == 0.8);
    REQUIRE_FALSE(s.tiers[1].topics);
  }
}

TEST_CASE("a scoring pool says how it batches, and a resolved scenario says the same") {
  const Result<Scenario> result = scoring_pool(
      "max-batch: 64, max-delay: 2 ms, preferred-batch: 8 16  64, queue-timeout: 40 ms, timeout-action: "
      "delay, "
      "max-queue: 500, instances: 3");
  INFO(only_problem(result));
  REQUIRE(result.ok());
  for (const Scenario& s : {result.value(), read_text(resolved_text(result.value())).value()}) {
    const Pool& pool = s.pools[0];
    REQUIRE(pool.preferred_batch == std::vector<int64_t>{8, 16, 64});
    REQUIRE(pool.queue_timeout == kMillisecond * 40);
    REQUIRE(pool.timeout_action == Pool::TimeoutAction::delay);
    REQUIRE(pool.max_queue == 500);
    REQUIRE(pool.instances == 3);
  }
  REQUIRE(scoring_pool("preferred-batch: 8").value().pools[0].preferred_batch == std::vector<int64_t>{8});
}

TEST_CASE("batching that does not fit together, or has no meaning, is refused with its place") {
  const std::string place = "23:";
  const auto problem = [&](const std::string& keys) {
    const std::string said = only_problem(scoring_pool(keys));
    INFO(said);
    REQUIRE(said.starts_with(place));
    return said.substr(said.find(' ') + 1);
  };
  REQUIRE(problem("max-batch: 16, preferred-batch: 8 32") ==
          "a preferred size is above max-batch, which is 16");
  REQUIRE(problem("preferred-batch: 8 8") == "each size must be larger than the one before");
  REQUIRE(problem("preferred-batch: 16 8") == "each size must be larger than the one before");
  REQUIRE(problem("max-delay: 5 ms, queue-timeout: 5 ms") ==
          "a request would time out while it waits for a fuller batch");
  REQUIRE(problem("timeout-action: delay") == "`timeout-action` has no meaning here");
  for (const char* keys :
       {"preferred-batch: 0", "preferred-batch: -8", "preferred-batch: 8,16", "preferred-batch: 8 x",
        "preferred-batch: \"\"", "preferred-batch: [8]", "preferred-batch: 99999999999999999999 1",
        "instances: 0", "instances: 65", "instances: 1.5", "max-queue: 0", "queue-timeout: 0 s",
        "queue-timeout: -1 s", "queue-timeout: 2 days", "timeout-action: later, queue-timeout: 50 ms"}) {
    INFO(keys);
    REQUIRE_FALSE(scoring_pool(keys).ok());
  }
  for (const char* key : {"preferred-batch: 8", "queue-timeout: 50 ms", "max-queue: 9", "instances: 2",
                          "max-batch: 9", "max-delay: 3 ms"}) {
    const std::string name(key, std::string(key).find(':'));
    REQUIRE(only_problem(read_text(small_with("size: 2 }", std::string("size: 2, ") + key + " }")))
                .find("`" + name + "` has no meaning here") != std::string::npos);
  }
}

TEST_CASE("policies of generative replicas are refused on a scoring pool, and defaults are not") {
  for (const char* key : {"batching: static", "scheduler: priority", "tenant-sequences: 2", "tenant-kv: 20 %",
                          "adapters-per-batch: 4", "token-budget: 256", "max-sequences: 8", "chunk-cap: 100",
                          "pipeline-depth: 1", "prefix-cache: tenant", "adapter-memory: kv", "kv-share: 40 %",
                          "response-cache: open, response-cache-entries: 9, response-cache-lookup: 1 ms"}) {
    const std::string name(key, std::string(key).find(':'));
    REQUIRE(only_problem(scoring_pool(key)).find("`" + name + "` has no meaning here") != std::string::npos);
  }
  REQUIRE(scoring_pool("scheduler: fcfs, token-budget: 512, prefix-cache: off").ok());
}

TEST_CASE("adapters in KV blocks cannot be pinned or counted: the memory alone says how many there are") {
  const std::string text = small_with("size: 2 }", "size: 2, adapter-memory: kv }");
  REQUIRE(read_text(text).value().pools[0].adapter_memory == Pool::AdapterMemory::kv);
  for (const std::string key : {"resident-models: 3", "pinned: yes"}) {
    std::string with = text;
    with.replace(with.find("model: chat, pool: serve }"), 26, "model: chat, pool: serve, " + key + " }");
    REQUIRE(only_problem(read_text(with)).find("needs memory that is kept for adapters") !=
            std::string::npos);
  }
}

TEST_CASE("policies that lack what they need are refused with their place") {
  const auto problem = [](const std::string& keys) {
    return only_problem(read_text(small_with("size: 2 }", "size: 2, " + keys + " }")));
  };
  REQUIRE(problem("router: prefix-affinity") ==
          "23:39 the pool has no prefix cache whose content could be preferred");
  REQUIRE(problem("batching: prefill-first, chunk-cap: 64") == "23:67 `chunk-cap` has no meaning here");
  for (const char* good :
       {"router: prefix-affinity, prefix-cache: tenant", "batching: static, chunk-cap: 64"}) {
    REQUIRE(read_text(small_with("size: 2 }", std::string("size: 2, ") + good + " }")).ok());
  }
}

TEST_CASE("a trace stands for arrivals, prompt and output") {
  const Result<Scenario> result =
      read_text(small_with("arrivals: poisson rate=1/s, prompt: fixed 10, output: fixed 5",
                           "trace: { file: data:x.csv, popularity: zipf s=0.9 }"));
  REQUIRE(result.ok());
  const Tier& gold = result.value().tiers[0];
  REQUIRE(gold.trace.has_value());
  REQUIRE(gold.trace->file == "data:x.csv");
  REQUIRE(gold.trace->format == "azure-llm");
  REQUIRE(gold.trace->zipf_s == 0.9);
}

TEST_CASE("tenants of a tier with a long name are no more than memory takes") {
  const std::string name = "  ? " + std::string(9'000, 'x') + "\n  :\n    count: ";
  REQUIRE(read_text(small_with("  plain:\n    count: 3", name + "3")).ok());
  const std::string problem = only_problem(read_text(small_with("  plain:\n    count: 3", name + "500000")));
  REQUIRE(problem.find("would take 9 GB of memory, more than 8 GB") != std::string::npos);
}

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "sim/core/philox.h"
#include "tests/sim/scenario/small_scenario.h"

using namespace cotenant;

namespace {

// The property: the resolved text reads, and resolves to itself.
void check_round_trip(const Result<Scenario>& result) {
  INFO(only_problem(result));
  REQUIRE(result.ok());
  const std::string text = resolved_text(result.value());
  const Result<Scenario> again = read_scenario(text, "resolved", {});
  INFO(text);
  INFO(only_problem(again));
  REQUIRE(again.ok());
  REQUIRE(resolved_text(again.value()) == text);
}

// Random values for keys of small_scenario(), in random units.
class RandomOverrides {
 public:
  explicit RandomOverrides(uint32_t seed) : random_(stream_key(seed, 0), 0, Purpose::sampling) {}

  std::vector<Override> draw() {
    std::vector<Override> out = {
        {"seed", fmt::format("{}", random_.bits())},
        {"horizon", fmt::format("{} days", 2 + below(500))},
        {"window.warmup", fmt::format("{} {}", below(60), pick({"s", "min", "ms", "us"}))},
        {"prices.storage", fmt::format("{} USD/GB/month", decimal())},
        {"skus.cpu.rate", fmt::format("${}/h", decimal())},
        {"skus.cpu.memory", fmt::format("{} {}", 1 + below(999), pick({"GB", "GiB", "MB", "TB"}))},
        {"tenants.gold.weight", decimal()},
        {"tenants.gold.quota",
         fmt::format("{}/{} burst={}", decimal(), pick({"s", "min", "h"}), 1 + below(50))},
        {"tenants.gold.slo.availability", fmt::format("{} %", decimal())},
        {"tenants.gold.slo.e2e",
         fmt::format("{} < {} ms", pick({"p50", "p90", "p95", "p99", "p99.9"}), decimal())},
        {"tenants.gold.load.arrivals", arrivals()},
        {"tenants.gold.load.prompt", length()},
        {"tenants.plain.load.output", length()},
        {"tenants.plain.load.shape", pick({"flat", "office-hours", "evening"})},
        {"pools.serve.kv-share", fmt::format("{} %", decimal())},
        {"record.requests", pick({"auto", "none", "all", "17"})}};
    return out;
  }

 private:
  uint64_t below(uint64_t n) { return random_.bits() % n; }
  std::string pick(const std::vector<std::string>& words) { return words[below(words.size())]; }
  // In (0, 100), with up to 9 digits behind the point.
  std::string decimal() { return fmt::format("{}.{}", below(99), 1 + below(999'999'999)); }
  std::string arrivals() {
    return pick({fmt::format("poisson rate={}/s", decimal()),
                 fmt::format("gamma rate={}/min cv={}", decimal(), 1 + below(9)),
                 fmt::format("cox rate={}/h cv=0.{} window={}s", decimal(), 1 + below(9), 1 + below(900)),
                 fmt::format("burst rate={}/s on={}s off={}min", decimal(), 1 + below(90), below(90))});
  }
  std::string length() {
    return pick({fmt::format("fixed {}", 1 + below(900)),
                 fmt::format("exponential mean={} max={}", decimal(), 10 + below(900)),
                 fmt::format("lognormal mean=1{} cv={}", decimal(), decimal()),
                 fmt::format("gamma mean=1{} cv=1.{}", decimal(), below(99)),
                 fmt::format("uniform {}..{} min=3", below(9), 10 + below(90)),
                 fmt::format("mixture 0.{} fixed 3 | {} lognormal mu={} sigma=0.5 max=1k", 1 + below(9),
                             decimal(), below(9))});
  }
  RandomStream random_;
};

}  // namespace

TEST_CASE("a resolved scenario reads back to itself, whatever its values") {
  check_round_trip(read_text(small_scenario()));
  for (uint32_t seed = 1; seed <= 40; ++seed) {
    INFO("seed " << seed);
    check_round_trip(read_scenario(small_scenario(), "s.yaml", RandomOverrides(seed).draw()));
  }
}

TEST_CASE("every optional part of a scenario survives the round trip") {
  std::string text = small_with(
      "", R"(  - { that: cost.total < 110 % of own, for: { tenancy: shared, tenants: gold }, severity: warn }
  - { that: latency.e2e.p95 <= 4 s, for: { tenants: plain } }
about: "a: b # c, 'd' \"e\" \\ {f} null"
limits: { requests: 2M }
record: { requests: none }
report: { tenants: 0 }
counterfactuals: false
policy: { P1: fail, D4: ignore }
disturbances:
  - { kind: adapter-race, share: 3.7 %, from: 1 h, until: 2 h, tenancy: own }
  - { kind: ignore-consent }
  - { kind: stale-version, share: 2 % }
  - { kind: pooled-connection }
  - { kind: mislabelled-region, pool: serve, region: us-east }
  - { kind: node-loss, pool: serve, replica: 2, from: 1 h, down: 5 min }
  - { kind: node-reclaim, pool: serve, share: 50 %, from: 3 h, notice: 2 min, down: 5 min, tenancy: shared }
  - { kind: process-crash, tier: gold, from: 90 min, down: 30 s }
  - { kind: adapter-storm, pool: serve, every: 10 s }
  - { kind: noisy-tenant, tier: plain, factor: 12.5, from: 5 h, until: 6 h }
  - { kind: flood, tier: plain, prompt: 90 }
)");
  text.replace(text.find("serve: { sku: cpu, size: 2 }"), 28,
               "serve: { sku: cpu, size: 2, region: eu-west, boundary: mig, wipe: off }");
  text.replace(text.find("train: { sku: cpu, size: 1 }"), 28,
               "train: { sku: cpu, size: 1, region: eu-north }");
  text.replace(
      text.find("consent: { train-shared: true }"), 31,
      "consent: { train-shared: true, notice: false }\n    regions: eu-west eu-north\n    boundary: vm");
  text.replace(text.find("memory: 8 GB"), 12, "memory: 8 GiB, load-bandwidth: 2 GB/s");
  text.replace(text.find("    data: 1 MB"), 14,
               "    data: 1 MB\n    growth: { kind: logistic, limit: 50, midpoint: 36 h }\n    starts: 90 "
               "min\n    quota: 7/min burst=3");
  text.replace(
      text.find("{ kind: shared-trained, model: chat, pool: serve }"), 50,
      "{ kind: shared-trained, model: chat, pool: serve, train-on: all, resident-models: 4,\n"
      "            tiers: { gold: { kind: tuned-shared, tuning: full }, plain: { placement: dedicated } } }");
  check_round_trip(read_text(text));
  check_round_trip(read_text(small_with(
      "output: fixed 5",
      "output: geometric mean=5.5, sessions: { turns: geometric mean=3.5, think: lognormal mean=90s cv=1.5 "
      "},\n"
      "            system-prompt: { tokens: 500, variants: 3, popularity: equal, across: tier }")));
  check_round_trip(read_text(small_with("arrivals: poisson rate=1/s, prompt: fixed 10, output: fixed 5",
                                        "trace: { file: data:x.csv, popularity: equal }")));
}

TEST_CASE("any tier name survives the round trip") {
  for (const std::string& name :
       {std::string("null"), std::string("a: b"), std::string("- x"), std::string("'"), std::string("\\\\"),
        std::string("# c"), std::string("\xE4\xBA\xBA"), std::string(5'000, 'y'), std::string("true"),
        std::string(" a "), std::string("?"), std::string("*a"), std::string("&a !b")}) {
    INFO(name);
    const Result<Scenario> result = read_text(small_with("  plain:", "  ? \"" + name + "\"\n  :"));
    check_round_trip(result);
    const Result<Scenario> again = read_text(resolved_text(result.value()));
    REQUIRE(again.value().tiers[1].name == result.value().tiers[1].name);
  }
}

TEST_CASE("the resolved text states every default in readable units") {
  const std::string text = resolved_text(read_text(small_scenario()).value());
  for (const char* line :
       {"horizon: 2 days\n", "  warmup: 2 h\n", "  requests: 100000000\n", "    rate: 0.05 USD/h\n",
        "    memory: 8 GB\n", "    scrub: on\n", "      serve-others: true\n", "    max-delay: 5 ms\n",
        "  storage: 0.02 USD/GB/month\n", "      ttft: p99 < 500 ms\n"}) {
    INFO(line);
    REQUIRE(text.find(line) != std::string::npos);
  }
  REQUIRE(text.find("resident-models") == std::string::npos);
}

#include <catch2/catch.hpp>

#include "tests/sim/scenario/small_scenario.h"

using namespace cotenant;

namespace {

Result<Scenario> read_set(const std::vector<Override>& overrides) {
  return read_scenario(small_scenario(), "s.yaml", overrides);
}

}  // namespace

TEST_CASE("an override replaces, adds and reaches into lists, and the last one wins") {
  const Result<Scenario> result = read_set({{"seed", "8"},
                                            {"seed", "9"},
                                            {"window.warmup", "3 h"},
                                            {"tenants.gold.slo.e2e", "p95 < 4 s"},
                                            {"tenants.plain.slo.e2e", "p95 < 5 s"},
                                            {"limits.requests", "5k"},
                                            {"expect.0", "breaches.P1 == 0"},
                                            {"policy.P1", "fail"},
                                            {"pools.serve", "{ sku: cpu, size: 4 }"}});
  INFO(only_problem(result));
  REQUIRE(result.ok());
  const Scenario& s = result.value();
  REQUIRE(s.seed == 9);
  REQUIRE(s.warmup == kHour * 3);
  REQUIRE(s.tiers[0].slo.e2e.below == kSecond * 4);
  REQUIRE(s.tiers[0].slo.ttft.below == kMillisecond * 500);
  REQUIRE(s.tiers[1].slo.e2e.below == kSecond * 5);
  REQUIRE(s.limit_requests == 5'000);
  REQUIRE(s.expectations[0].metric == "breaches.P1");
  REQUIRE(s.policy.at("P1") == "fail");
  REQUIRE(s.pools[0].size == 4);
}

TEST_CASE("a tier whose name holds dots can be overridden") {
  const Result<Scenario> result =
      read_scenario(small_with("  plain:", "  v1.2.x:"), "s.yaml", {{"tenants.v1.2.x.count", "9"}});
  REQUIRE(result.ok());
  REQUIRE(result.value().tiers[1].count == 9);
}

TEST_CASE("an unknown path is an error of --set, with the nearest name") {
  const auto problem = [](const std::string& path, const std::string& value) {
    const Result<Scenario> result = read_set({{path, value}});
    REQUIRE_FALSE(result.ok());
    REQUIRE(result.problems().size() == 1);
    const Diagnostic& d = result.problems()[0];
    REQUIRE(d.file == "--set");
    REQUIRE(d.excerpt == path + "=" + value);
    return std::to_string(d.column) + " " + d.message + " | " + d.help.substr(0, d.help.find('?') + 1);
  };
  REQUIRE(problem("sede", "1") == "1 unknown path: there is no key `sede` here | did you mean `seed`?");
  REQUIRE(problem("tenants.glod.count", "1") ==
          "9 unknown path: there is no tier `glod` | did you mean `gold`?");
  REQUIRE(problem("tenants.gold.cout", "1") ==
          "14 unknown path: there is no key `cout` here | did you mean `count`?");
  REQUIRE(problem("seed.x", "1") == "6 unknown path: there is nothing below this key | ");
  REQUIRE(problem("expect.7", "x") == "8 unknown path: the list has no item `7` | ");
  REQUIRE(problem("expect.x", "x") == "8 unknown path: the list has no item `x` | ");
  REQUIRE(problem("", "x") == "1 a dotted path is missing | ");
  REQUIRE(problem("seed.", "x") == "1 a dotted path is missing | ");
}

TEST_CASE("a wrong value is an error of --set, underlined in its text") {
  const auto problem = [](const std::string& path, const std::string& value) {
    const Result<Scenario> result = read_set({{path, value}});
    REQUIRE_FALSE(result.ok());
    const Diagnostic& d = result.problems()[0];
    REQUIRE(d.file == "--set");
    return std::to_string(d.line) + ":" + std::to_string(d.column) + " " + d.message;
  };
  REQUIRE(problem("tenants.gold.count", "x") == "0:20 `x` is not a number");
  REQUIRE(problem("tenants.gold.load.arrivals", "gamma rate=1/s cv=x") == "0:43 `x` is not a number");
  REQUIRE(problem("window.warmup", "5 days") == "0:15 the warm-up does not end before the horizon");
  REQUIRE(problem("seed", "") == "0:1 expected a value, found nothing");
  REQUIRE(problem("seed", "*a").find("this is not YAML") != std::string::npos);
  REQUIRE(problem("seed", "!x 3") == "0:6 tags are not accepted");
  REQUIRE(problem("seed", "[").find("this is not YAML") != std::string::npos);
  REQUIRE(problem("seed", "1\n---\n2").find("a second document begins here") != std::string::npos);
  REQUIRE(problem("seed", std::string("\0", 1)).find("byte 0x00") != std::string::npos);
}

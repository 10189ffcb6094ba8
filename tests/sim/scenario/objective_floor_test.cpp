#include "sim/scenario/objective_floor.h"

#include <catch2/catch.hpp>

#include "tests/sim/run/small_world.h"

using namespace cotenant;

namespace {

// Prompts of 100 tokens: a first token takes 22 ms and more, a further one 5 ms and more.
Scenario one_tier() {
  Scenario s = testing::small_scenario();
  s.tiers.resize(1);
  s.tiers[0].prompt = {{{1, Law::fixed, 100, 0}}, 1, 1000};
  s.tiers[0].output = {{{1, Law::fixed, 11, 0}}, 1, 1000};
  s.tiers[0].slo = {};
  s.tenancies = {testing::entry("shared", TenancyKind::shared_pretrained)};
  return s;
}

std::vector<std::string> warnings(const Scenario& s) {
  return objective_warnings(*testing::small_world(s));
}

}  // namespace

TEST_CASE("an objective that an idle device meets is no reason to warn") {
  Scenario s = one_tier();
  REQUIRE(warnings(s).empty());
  s.tiers[0].slo = {.ttft = {99, kMillisecond * 60}, .tpot = {99, kMillisecond * 20}, .e2e = {99, kSecond}};
  REQUIRE(warnings(s).empty());
}

TEST_CASE("an objective that no request can meet is told, each by itself") {
  Scenario s = one_tier();
  s.tiers[0].slo = {
      .ttft = {99, kMillisecond * 5}, .tpot = {99, kMillisecond}, .e2e = {99, kMillisecond * 50}};
  const std::vector<std::string> told = warnings(s);
  REQUIRE(told.size() == 3);
  REQUIRE(told[0].find("tier 'gold': no request can meet ttft < 5 ms") != std::string::npos);
  REQUIRE(told[1].find("tpot < 1 ms") != std::string::npos);
  REQUIRE(told[2].find("e2e < 50 ms") != std::string::npos);
}

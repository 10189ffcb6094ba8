#include "sim/scenario/objective_floor.h"

#include <catch2/catch.hpp>

#include "sim/run/unit.h"
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

TEST_CASE("where no request can meet its objective every miss is under-provisioned, as told") {
  Scenario s = one_tier();
  s.tiers[0].slo = {.ttft = {99, kMillisecond * 5}};
  REQUIRE(warnings(s).size() == 1);
  const RunResults results = run_unit(*testing::small_world(s), {0, 0});
  REQUIRE(results.service[0].slo_missed == results.service[0].arrived);
  REQUIRE(results.service[0].missed_under_provisioned == results.service[0].slo_missed);
}

TEST_CASE("a floor is below what a run ever sees, and close to its best") {
  Scenario s = one_tier();
  s.record.kind = RecordRequests::Kind::all;
  const auto world = testing::small_world(s);
  int64_t best = INT64_MAX;
  for (const RequestRow& row : run_unit(*world, {0, 0}).requests) best = std::min(best, row.ttft_ns);
  s.tiers[0].slo.ttft = {99, Duration{best * 95 / 100}};
  REQUIRE(warnings(s).size() == 1);
  s.tiers[0].slo.ttft = {99, Duration{best + 1}};
  REQUIRE(warnings(s).empty());
}

#include <algorithm>
#include <catch2/catch.hpp>

#include "sim/run/fairness.h"
#include "tests/sim/run/small_world.h"

using namespace cotenant;

namespace {

// Tenants 0 to 2 are of tier gold, which states the floor, all others of another tier on the same pool.
std::vector<BreachEventRow> below(double floor, const std::vector<TokensOfTenant>& first,
                                  size_t tenancy = 2) {
  Scenario s = testing::small_scenario();
  s.tiers[0].fairness_floor = floor;
  const auto world = testing::small_world(s);
  const TrainingOutcome training = run_training(training_spec(*world, tenancy));
  std::vector<TokensOfTenant> tokens = first;
  tokens.resize(world->tenants.size());
  BreachLog log;
  log_below_floor(ServingPlan(*world, tenancy, training), tokens, log);
  for (const BreachRow& row : log.rows(0, {})) REQUIRE((row.code == "P3" && row.count <= row.checks));
  return log.events(0);
}

}  // namespace

TEST_CASE("a tenant below its tier's floor is P3, by as many tokens as it would have had to get") {
  const std::vector<TokensOfTenant> tokens = {{300, 1000}, {450, 1000}, {500, 1000}, {600, 1000}};
  const std::vector<BreachEventRow> events = below(0.8, tokens);
  REQUIRE(events.size() == 2);  // 0.3 and 0.45 are below 0.8 x 0.6
  REQUIRE((events[0].subject == "gold-1" && events[1].subject == "gold-2"));
  REQUIRE(events[0].quantity == Approx(180));
  REQUIRE(below(0.5, tokens).empty());
}

TEST_CASE("the tenants of a tier without a floor are judged by nobody") {
  REQUIRE(below(0.8, {{900, 1000}, {900, 1000}, {900, 1000}, {100, 1000}}).empty());
}

TEST_CASE("what a tenant gets beyond its own takes nothing from anybody") {
  REQUIRE(below(0.9, {{95, 100}, {0, 0}, {100, 100}, {9000, 1000}}).empty());
}

TEST_CASE("on devices of one's own no floor holds") {
  REQUIRE(below(0.9, {{1, 100}, {100, 100}, {100, 100}}, 1).empty());
}

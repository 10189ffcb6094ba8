#include <catch2/catch.hpp>

#include "sim/experiment/experiment.h"
#include "sim/ledger/digest.h"
#include "tests/sim/run/small_world.h"

using namespace cotenant;

namespace {

uint64_t digest_of(const RunResults& results) {
  uint64_t hash = 0;
  RunResults::tables(results, [&](const char*, const auto& rows) { hash = digest_rows(hash, rows); });
  return hash;
}

}  // namespace

TEST_CASE("the number of threads changes nothing in the results") {
  Scenario s = testing::small_scenario();
  s.horizon = kHour;
  s.replications = 3;
  const auto world = testing::small_world(s);
  const RunResults one = run_experiment(*world, {.threads = 1});
  REQUIRE(one.units.size() == 15);
  for (const int64_t threads : {2, 16}) {
    const RunResults many = run_experiment(*world, {.threads = threads});
    REQUIRE(many.digest == one.digest);
    REQUIRE(digest_of(many) == digest_of(one));
  }
}

TEST_CASE("units come in key order and the seed changes the digest") {
  Scenario s = testing::small_scenario();
  s.horizon = kHour;
  const RunResults first = run_experiment(*testing::small_world(s), {.threads = 2});
  for (size_t i = 0; i < first.units.size(); ++i) REQUIRE(first.units[i].unit == static_cast<int64_t>(i));
  s.seed += 1;
  REQUIRE(run_experiment(*testing::small_world(s), {}).digest != first.digest);
}

TEST_CASE("a stopped experiment keeps whole units and says that it is not complete") {
  Scenario s = testing::small_scenario();
  s.horizon = kHour;
  const auto world = testing::small_world(s);
  std::atomic<bool> stop = false;
  ExperimentOptions options;
  options.stop = &stop;
  options.progress = [&](const ExperimentProgress& p) { stop = p.done == 4; };
  const RunResults results = run_experiment(*world, options);
  REQUIRE_FALSE(results.complete);
  REQUIRE(results.units.size() == 4);
}

#include <catch2/catch.hpp>
#include <string>

#include "sim/run/serving_run.h"
#include "sim/scenario/tenant_kv_warnings.h"
#include "tests/sim/run/everything.h"
#include "tests/sim/run/small_world.h"

using namespace cotenant;

TEST_CASE("the told share of a law is the share that a run rejects, of sessions too") {
  for (const bool sessions : {false, true}) {
    Scenario s = testing::small_scenario();
    s.tiers = {testing::small_tier("gold", 6, 0.5)};
    s.tenancies.resize(1);
    s.models[0].context_limit = 1600;
    s.pools[0].kv_blocks = 101;
    s.pools[0].tenant_kv = 0.1;
    if (sessions) testing::add_sessions(s.tiers[0], SystemPrompt::Across::tenant);
    s.pools[0].size = 8;
    const auto world = testing::small_world(s);
    const std::vector<std::string> told = tenant_kv_warnings(*world);
    REQUIRE(told.size() == 1);
    const size_t bracket = told[0].find('(');
    const double percent = std::stod(told[0].substr(bracket + 1));
    testing::Everything everything;
    run_serving(*world, 0, stream_key(s.seed, 0), run_training(training_spec(*world, 0)), {}, everything);
    double rejected = 0;
    for (const RequestObservation& o : everything.all)
      rejected += o.outcome == RequestOutcome::too_large ? 1 : 0;
    REQUIRE(everything.all.size() > 1000);
    REQUIRE(100 * rejected / static_cast<double>(everything.all.size()) == Approx(percent).margin(2));
  }
}

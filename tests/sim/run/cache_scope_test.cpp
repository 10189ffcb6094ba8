#include "sim/run/cache_scope.h"

#include <catch2/catch.hpp>

#include "sim/run/serving_run.h"
#include "tests/sim/run/small_world.h"

using namespace cotenant;

namespace {

using Scope = Pool::PrefixCache;

// Whether two requests with the same words find each other's blocks.
bool meet(const Request& a, const Request& b, Scope scope, std::pair<uint32_t, uint32_t> tiers = {0, 0}) {
  return scoped_content(a, scope, TierId{tiers.first}, false).id(0) ==
         scoped_content(b, scope, TierId{tiers.second}, false).id(0);
}

Request says(uint32_t tenant, uint32_t number) {
  Request r;
  r.tenant = TenantId{tenant};
  r.number = number;
  r.weights = ModelId{0};
  r.content = {.opening = 5, .opening_blocks = 10};
  return r;
}

class Nothing : public ObservationSink {
 public:
  void request(const RequestObservation& /*observation*/) override {}
};

Scenario talkative(Scope scope) {
  Scenario s = testing::small_scenario();
  s.tenancies = {testing::entry("pretrained", TenancyKind::shared_pretrained)};
  s.pools[0].prefix_cache = scope;
  for (Tier& tier : s.tiers) testing::add_sessions(tier, SystemPrompt::Across::all);
  return s;
}

PrefixUse use_of(const Scenario& s) {
  const auto world = testing::small_world(s);
  Nothing nothing;
  return run_serving(*world, 0, stream_key(s.seed, 0), run_training(training_spec(*world, 0)), {}, nothing)
      .prefix;
}

}  // namespace

TEST_CASE("equal words meet within the scope of the cache and nowhere else") {
  REQUIRE(meet(says(1, 0), says(1, 1), Scope::tenant));
  REQUIRE_FALSE(meet(says(1, 0), says(2, 0), Scope::tenant));
  REQUIRE(meet(says(1, 0), says(2, 0), Scope::tier));
  REQUIRE_FALSE(meet(says(1, 0), says(2, 0), Scope::tier, {0, 1}));
  REQUIRE(meet(says(1, 0), says(2, 0), Scope::open, {0, 1}));
}

TEST_CASE("equal words meet only where the same weights and the same adapter compute them") {
  for (const Scope scope : {Scope::tenant, Scope::tier, Scope::open}) {
    Request tuned = says(1, 1);
    tuned.adapter = ModelId{7};
    Request newer = tuned;
    newer.adapter = ModelId{8};
    Request own = says(1, 2);
    own.weights = ModelId{3};
    REQUIRE_FALSE(meet(says(1, 0), tuned, scope));
    REQUIRE_FALSE(meet(newer, tuned, scope));
    REQUIRE_FALSE(meet(says(1, 0), own, scope));
    REQUIRE(scoped_content(newer, scope, TierId{0}, true).id(0) ==
            scoped_content(tuned, scope, TierId{0}, true).id(0));
  }
}

TEST_CASE("what is a request's own is its own, also where it belongs to no session") {
  const BlockContent one = scoped_content(says(1, 0), Scope::tenant, TierId{0}, false);
  const BlockContent other = scoped_content(says(1, 1), Scope::tenant, TierId{0}, false);
  REQUIRE(one.id(9) == other.id(9));
  REQUIRE(one.id(10) != other.id(10));
  REQUIRE(one.id(10) != 0);
}

TEST_CASE("a closed cache never uses another tenant's blocks, an open one does, a tier's lies between") {
  const PrefixUse closed = use_of(talkative(Scope::tenant));
  const PrefixUse tier = use_of(talkative(Scope::tier));
  const PrefixUse open = use_of(talkative(Scope::open));
  REQUIRE(use_of(talkative(Scope::off)).asked_tokens == 0);
  REQUIRE(closed.hits > 100);
  REQUIRE(closed.cross_tenant_hits == 0);
  REQUIRE(closed.cross_tenant_tokens == 0);
  REQUIRE(tier.cross_tenant_hits > 0);
  REQUIRE(open.cross_tenant_hits > tier.cross_tenant_hits);
  REQUIRE(open.cross_tenant_tokens <= open.hit_tokens);
  REQUIRE(closed.hit_tokens < open.hit_tokens);
  REQUIRE(open.hit_tokens < open.asked_tokens);
  REQUIRE(open.asked_tokens == Approx(static_cast<double>(closed.asked_tokens)).epsilon(0.05));
  for (const PrefixUse& use : {closed, tier, open}) REQUIRE(use.cross_model_hits == 0);
}

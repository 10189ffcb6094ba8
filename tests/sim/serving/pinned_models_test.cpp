#include "sim/serving/pinned_models.h"

#include <catch2/catch.hpp>

using namespace cotenant;

namespace {

Request served_by(uint32_t tenant, uint32_t weights, ModelId adapter) {
  return {.tenant = TenantId{tenant}, .weights = ModelId{weights}, .adapter = adapter};
}

}  // namespace

TEST_CASE("what served a pinned tenant before its new version is no longer kept, unless for others") {
  ResidentSet set({100}, 0, {.bytes = {30}});
  for (uint32_t model = 0; model < 4; ++model) REQUIRE(set.admit(ModelId{model}, {10}));
  PinnedModels pinned(false);
  pinned.renew(served_by(0, 0, ModelId{1}), set);
  pinned.renew(served_by(5, 0, ModelId{}), set);
  pinned.renew(served_by(0, 3, ModelId{2}), set);  // weights 0 are still kept for tenant 5
  REQUIRE(set.admit(ModelId{9}, {70}));
  REQUIRE(set.holds(ModelId{0}));
  REQUIRE_FALSE(set.holds(ModelId{1}));
  REQUIRE(set.holds(ModelId{2}));
  REQUIRE(set.holds(ModelId{3}));
}

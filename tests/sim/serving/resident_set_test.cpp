#include <catch2/catch.hpp>

#include "sim/serving/resident_set.h"

using namespace cotenant;

TEST_CASE("the least recently used idle model makes room") {
  ResidentSet set({100}, 0);
  for (uint32_t m = 0; m < 4; ++m) {
    REQUIRE(set.admit(ModelId{m}, {25}));
    set.pin(ModelId{m});
    set.unpin(ModelId{m});
  }
  set.pin(ModelId{0});
  set.unpin(ModelId{0});
  REQUIRE(set.admit(ModelId{9}, {25}));
  REQUIRE(set.holds(ModelId{0}));
  REQUIRE_FALSE(set.holds(ModelId{1}));
  REQUIRE(set.used() == Bytes{100});
}

TEST_CASE("what running requests need is never evicted, and a refusal changes nothing") {
  ResidentSet set({100}, 0);
  REQUIRE(set.admit(ModelId{1}, {60}));
  set.pin(ModelId{1});
  REQUIRE(set.admit(ModelId{2}, {30}));
  REQUIRE_FALSE(set.admit(ModelId{3}, {50}));
  REQUIRE(set.holds(ModelId{1}));
  REQUIRE(set.holds(ModelId{2}));
  REQUIRE(set.used() == Bytes{90});
  REQUIRE(set.admit(ModelId{3}, {40}));
  REQUIRE_FALSE(set.holds(ModelId{2}));
}

TEST_CASE("the limit on the number of resident models holds beside the bytes") {
  ResidentSet set({1000}, 2);
  REQUIRE(set.admit(ModelId{1}, {1}));
  REQUIRE(set.admit(ModelId{2}, {1}));
  REQUIRE(set.admit(ModelId{3}, {1}));
  REQUIRE(set.count() == 2);
}

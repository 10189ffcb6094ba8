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

TEST_CASE("what is kept is never evicted, used or not, until all who keep it let go") {
  ResidentSet set({100}, 0, {.bytes = {40}});
  REQUIRE(set.admit(ModelId{1}, {30}));
  REQUIRE(set.keep(ModelId{1}));
  REQUIRE(set.keep(ModelId{1}));
  for (uint32_t other = 2; other < 10; ++other) REQUIRE(set.admit(ModelId{other}, {40}));
  REQUIRE(set.holds(ModelId{1}));
  set.unkeep(ModelId{1});
  REQUIRE_FALSE(set.admit(ModelId{10}, {80}));
  set.unkeep(ModelId{1});
  REQUIRE(set.admit(ModelId{10}, {80}));
  REQUIRE_FALSE(set.holds(ModelId{1}));
}

TEST_CASE("nothing is kept where that would leave less than the largest need of a request") {
  ResidentSet by_bytes({100}, 0, {.bytes = {40}});
  for (uint32_t model = 0; model < 3; ++model) REQUIRE(by_bytes.admit(ModelId{model}, {25}));
  REQUIRE(by_bytes.keep(ModelId{0}));
  REQUIRE(by_bytes.keep(ModelId{1}));
  REQUIRE_FALSE(by_bytes.keep(ModelId{2}));
  by_bytes.unkeep(ModelId{0});
  REQUIRE(by_bytes.keep(ModelId{2}));
  ResidentSet by_number({100}, 3, {.bytes = {10}, .models = 2});
  REQUIRE(by_number.admit(ModelId{0}, {1}));
  REQUIRE(by_number.admit(ModelId{1}, {1}));
  REQUIRE(by_number.keep(ModelId{0}));
  REQUIRE_FALSE(by_number.keep(ModelId{1}));
}

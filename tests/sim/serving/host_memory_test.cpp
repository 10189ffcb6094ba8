#include "sim/serving/host_memory.h"

#include <catch2/catch.hpp>

using namespace cotenant;

TEST_CASE("a host fetches a model once, and again when others that were used later took its place") {
  HostMemory host({100});
  REQUIRE(host.must_fetch(ModelId{1}, {40}));
  REQUIRE(host.must_fetch(ModelId{2}, {40}));
  REQUIRE_FALSE(host.must_fetch(ModelId{1}, {40}));
  REQUIRE(host.must_fetch(ModelId{3}, {40}));  // in place of 2
  REQUIRE_FALSE(host.must_fetch(ModelId{1}, {40}));
  REQUIRE(host.must_fetch(ModelId{2}, {40}));
}

TEST_CASE("what is larger than the host's memory is fetched each time and takes nobody's place") {
  HostMemory host({100});
  REQUIRE(host.must_fetch(ModelId{1}, {40}));
  REQUIRE(host.must_fetch(ModelId{2}, {101}));
  REQUIRE(host.must_fetch(ModelId{2}, {101}));
  REQUIRE_FALSE(host.must_fetch(ModelId{1}, {40}));
  HostMemory none({0});
  REQUIRE(none.must_fetch(ModelId{1}, {1}));
  REQUIRE(none.must_fetch(ModelId{1}, {1}));
}

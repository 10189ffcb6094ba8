#include "sim/serving/response_cache.h"

#include <catch2/catch.hpp>

using namespace cotenant;

namespace {

ResponseKey about(uint64_t topic, uint64_t group = 0) {
  return {.topic = topic, .group = group, .weights = {}, .adapter = {}};
}

}  // namespace

TEST_CASE("an answer is found under its own key alone, until its lifetime is over") {
  ResponseCache cache(10, kMinute);
  cache.keep(about(1), {TenantId{3}, 7, Time{0}});
  const KeptResponse* found = cache.find(about(1), Time{kMinute.ns - 1});
  REQUIRE(found != nullptr);
  REQUIRE((found->owner == TenantId{3} && found->request == 7));
  REQUIRE(cache.find(about(2), Time{1}) == nullptr);
  REQUIRE(cache.find(about(1, 1), Time{1}) == nullptr);
  ResponseKey of_a_model = about(1);
  of_a_model.adapter = ModelId{0};
  REQUIRE(cache.find(of_a_model, Time{1}) == nullptr);
  REQUIRE(cache.find(about(1), Time{kMinute.ns}) == nullptr);
}

TEST_CASE("the least recently used answer makes room, and a newer one takes the place of its older one") {
  ResponseCache cache(2, kDay);
  cache.keep(about(1), {TenantId{0}, 0, Time{0}});
  cache.keep(about(2), {TenantId{0}, 1, Time{1}});
  REQUIRE(cache.find(about(1), Time{2}) != nullptr);  // used: 2 is next to go
  cache.keep(about(3), {TenantId{0}, 2, Time{3}});
  REQUIRE(cache.find(about(2), Time{4}) == nullptr);
  cache.keep(about(1), {TenantId{5}, 3, Time{5}});
  REQUIRE(cache.find(about(3), Time{6}) != nullptr);
  REQUIRE(cache.find(about(1), Time{6})->owner == TenantId{5});
}

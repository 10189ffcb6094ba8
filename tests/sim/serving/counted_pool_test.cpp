#include <catch2/catch.hpp>
#include <map>

#include "sim/core/philox.h"
#include "sim/serving/counted_pool.h"

using namespace cotenant;

TEST_CASE("KV blocks are conserved whatever is taken and given back") {
  CountedPool pool(100);
  RandomStream stream(stream_key(1, 0), 1, Purpose::faults);
  std::map<int, std::pair<int64_t, TenantId>> held;
  for (int i = 0; i < 5000; ++i) {
    const auto blocks = static_cast<int64_t>(stream.bits() % 12);
    const TenantId tenant{static_cast<uint32_t>(stream.bits() % 4)};
    if (blocks <= pool.free() && stream.bits() % 2 == 0) {
      pool.allocate(blocks, tenant);
      held[i] = {blocks, tenant};
    } else if (!held.empty()) {
      pool.release(held.begin()->second.first, held.begin()->second.second);
      held.erase(held.begin());
    }
    int64_t sum = 0;
    for (const auto& [key, value] : held) sum += value.first;
    REQUIRE(pool.held() == sum);
    REQUIRE(pool.free() + pool.held() == pool.total());
    REQUIRE(pool.allocated() == pool.freed() + pool.held());
  }
}

TEST_CASE("a hand-over counts the blocks that another tenant wrote last, and only those") {
  CountedPool pool(10);
  REQUIRE(pool.allocate(6, TenantId{1}) == 0);  // never written
  pool.release(6, TenantId{1});
  REQUIRE(pool.allocate(4, TenantId{2}) == 0);  // the four that were never written come first
  REQUIRE(pool.allocate(2, TenantId{1}) == 0);  // its own
  REQUIRE(pool.allocate(4, TenantId{2}) == 4);  // written by tenant 1
}

TEST_CASE("tokens are rounded up to blocks of 16") {
  REQUIRE(CountedPool::blocks_for(0) == 0);
  REQUIRE(CountedPool::blocks_for(1) == 1);
  REQUIRE(CountedPool::blocks_for(16) == 1);
  REQUIRE(CountedPool::blocks_for(17) == 2);
}

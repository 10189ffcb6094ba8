#include "sim/serving/prefix_pool.h"

#include <catch2/catch.hpp>
#include <map>

#include "sim/core/philox.h"

using namespace cotenant;

namespace {

using Keys = std::vector<PrefixKey>;

// Computes a sequence whose blocks have these keys.
PrefixPool::Table computed(PrefixPool& pool, const Keys& keys, TenantId tenant = TenantId{1}) {
  PrefixPool::Table table;
  const PrefixPool::Hit hit = pool.find(keys);
  pool.hold(std::span(keys).first(static_cast<size_t>(hit.blocks)), {tenant}, table);
  for (size_t i = table.size(); i < keys.size(); ++i) {
    pool.take({tenant}, table);
    pool.seal(table.back(), keys[i]);
  }
  return table;
}

}  // namespace

TEST_CASE("a prefix is found block by block up to the first that differs") {
  PrefixPool pool(10);
  PrefixPool::Table a = computed(pool, {11, 12, 13});
  REQUIRE(pool.find(Keys{11, 12, 99, 13}).blocks == 2);
  REQUIRE(pool.find(Keys{12}).blocks == 1);
  REQUIRE(pool.find(Keys{0, 11}).blocks == 0);
  PrefixPool::Table b = computed(pool, {11, 12, 20});
  REQUIRE(b[0] == a[0]);
  REQUIRE(b[1] == a[1]);
  REQUIRE(pool.free() == 10 - 4);  // two are shared
  pool.give_back(a);
  REQUIRE(pool.free() == 10 - 3);
  pool.give_back(b);
  REQUIRE(pool.free() == 10);
  REQUIRE(pool.find(Keys{11, 12, 13}).blocks == 3);
  REQUIRE(pool.find(Keys{11, 12, 13}).idle == 3);
}

TEST_CASE("what was given back longest ago goes first, of one request its last block") {
  PrefixPool pool(6);
  PrefixPool::Table a = computed(pool, {1, 2, 3});
  PrefixPool::Table b = computed(pool, {4, 5, 6});
  pool.give_back(a);
  pool.give_back(b);
  PrefixPool::Table c;
  pool.take({TenantId{1}}, c);
  REQUIRE(pool.find(Keys{1, 2, 3}).blocks == 2);
  pool.take({TenantId{1}}, c);
  pool.take({TenantId{1}}, c);
  REQUIRE(pool.find(Keys{1}).blocks == 0);
  REQUIRE(pool.find(Keys{4, 5, 6}).blocks == 3);
}

TEST_CASE("a block that is held is never taken, and being held again renews it") {
  PrefixPool pool(3);
  PrefixPool::Table a = computed(pool, {1});
  PrefixPool::Table b = computed(pool, {2});
  pool.give_back(a);
  pool.give_back(b);
  PrefixPool::Table again = computed(pool, {1});
  pool.give_back(again);
  PrefixPool::Table c;
  pool.take({TenantId{1}}, c);  // never used
  pool.take({TenantId{1}}, c);  // key 2: given back before key 1 was
  REQUIRE(pool.find(Keys{2}).blocks == 0);
  REQUIRE(pool.find(Keys{1}).blocks == 1);
}

TEST_CASE("equal content computed twice is kept under one key") {
  PrefixPool pool(4);
  PrefixPool::Table a;
  PrefixPool::Table b;
  pool.take({TenantId{1}}, a);
  pool.take({TenantId{1}}, b);
  pool.seal(a[0], 7);
  pool.seal(b[0], 7);
  pool.give_back(b);
  REQUIRE(pool.find(Keys{7}).idle == 0);  // the first one
  pool.give_back(a);
  REQUIRE(pool.find(Keys{7}).idle == 1);
}

TEST_CASE("memory of another tenant is noticed when it is taken") {
  PrefixPool pool(1);
  PrefixPool::Table table;
  REQUIRE(!pool.take({TenantId{1}}, table));
  pool.give_back(table);
  REQUIRE(!pool.take({TenantId{1}}, table));
  pool.give_back(table);
  REQUIRE(pool.take({TenantId{2}}, table));
}

TEST_CASE("using a block says whether another tenant, other weights or another adapter computed it") {
  PrefixPool pool(10);
  const BlockOrigin first{TenantId{1}, ModelId{0}, ModelId{5}};
  PrefixPool::Table table;
  for (const PrefixKey key : {11, 12, 13}) {
    pool.take(first, table);
    pool.seal(table.back(), key);
  }
  const auto used_by = [&](const BlockOrigin& user) {
    PrefixPool::Table held;
    const PrefixReuse reuse = pool.hold(Keys{11, 12, 13}, user, held);
    pool.give_back(held);
    return std::pair(reuse.of_others, reuse.of_other_models);
  };
  REQUIRE(used_by(first) == std::pair<int64_t, int64_t>(0, 0));
  REQUIRE(used_by({TenantId{2}, ModelId{0}, ModelId{5}}) == std::pair<int64_t, int64_t>(3, 0));
  REQUIRE(used_by({TenantId{1}, ModelId{0}, ModelId{6}}) == std::pair<int64_t, int64_t>(0, 3));
  REQUIRE(used_by({TenantId{2}, ModelId{1}, ModelId{5}}) == std::pair<int64_t, int64_t>(3, 3));
  // Who used it in between did not compute it.
  REQUIRE(used_by(first) == std::pair<int64_t, int64_t>(0, 0));
}

TEST_CASE("random sequences: every block is found while it is held, and all come back") {
  PrefixPool pool(40);
  RandomStream random(stream_key(5, 0), 0, Purpose::faults);
  const auto draw = [&](uint64_t n) { return random.bits() % n; };
  std::vector<PrefixPool::Table> held;
  for (int i = 0; i < 20'000; ++i) {
    if (!held.empty() && (draw(2) == 0 || pool.free() < 8)) {
      const size_t which = draw(held.size());
      pool.give_back(held[which]);
      held.erase(held.begin() + static_cast<std::ptrdiff_t>(which));
      continue;
    }
    if (pool.free() < 8) continue;
    Keys keys;
    PrefixKey chain = 1 + draw(4);
    for (size_t b = 0; b < 1 + draw(6); ++b) keys.push_back(chain = chain * 31 + draw(2));
    held.push_back(computed(pool, keys));
    REQUIRE(held.back().size() == keys.size());
    REQUIRE(pool.find(keys).blocks == static_cast<int64_t>(keys.size()));
    REQUIRE(pool.find(keys).idle == 0);
  }
  std::map<uint32_t, int> holders;
  for (const PrefixPool::Table& table : held) {
    for (const uint32_t block : table) ++holders[block];
  }
  REQUIRE(pool.free() == pool.total() - static_cast<int64_t>(holders.size()));
  for (PrefixPool::Table& table : held) pool.give_back(table);
  REQUIRE(pool.free() == pool.total());
}

TEST_CASE("of what was evicted for others so much is remembered, and the oldest is forgotten") {
  PrefixPool pool(2);
  pool.remember_evicted();
  const auto pushed_out = [&](PrefixKey key) {
    PrefixPool::Table mine = computed(pool, {key});
    pool.give_back(mine);
    for (const PrefixKey other : {PrefixKey{1}, PrefixKey{2}}) {
      PrefixPool::Table table;
      pool.take({TenantId{9}}, table);
      pool.seal(table.back(), other);
      pool.give_back(table);
    }
  };
  constexpr PrefixKey kFirst = 1000;
  for (PrefixKey i = 0; i <= PrefixPool::kMostEvicted; ++i) pushed_out(kFirst + i);
  REQUIRE(pool.find(Keys{kFirst}).kept == 0);
  REQUIRE(pool.find(Keys{kFirst + 1}).kept == 1);
  REQUIRE(pool.find(Keys{kFirst + PrefixPool::kMostEvicted}).kept == 1);
}

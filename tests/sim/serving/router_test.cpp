#include <algorithm>
#include <catch2/catch.hpp>
#include <numeric>

#include "sim/serving/router.h"

using namespace cotenant;

namespace {

Router router_of(RouteRule rule, size_t replicas, double load_cap = 1.25) {
  Router router({rule, load_cap}, stream_key(5, 0), [](TenantId t) { return t.index; });
  for (size_t i = 0; i < replicas; ++i) router.add();
  return router;
}

Request request(uint32_t tenant, uint32_t number) {
  Request r;
  r.tenant = TenantId{tenant};
  r.number = number;
  return r;
}

}  // namespace

TEST_CASE("the least load is found as by looking at all, and of equals the first") {
  RandomStream random(stream_key(1, 0), 0, Purpose::faults);
  LoadTree tree;
  std::vector<int64_t> loads;
  for (int i = 0; i < 3000; ++i) {
    if (loads.empty() || random.bits() % 40 == 0) {
      tree.add();
      loads.push_back(0);
    }
    const size_t slot = random.bits() % loads.size();
    loads[slot] = static_cast<int64_t>(random.bits() % 6);
    tree.set(slot, loads[slot]);
    REQUIRE(tree.least() ==
            static_cast<size_t>(std::min_element(loads.begin(), loads.end()) - loads.begin()));
    REQUIRE(tree.total() == std::accumulate(loads.begin(), loads.end(), int64_t{0}));
  }
}

TEST_CASE("each rule picks a replica by what it knows") {
  Router least = router_of(RouteRule::least_loaded, 3);
  least.set_load(0, 2), least.set_load(1, 1), least.set_load(2, 1);
  REQUIRE(least.choose(request(1, 0)) == 1);
  Router turn = router_of(RouteRule::round_robin, 3);
  for (size_t i = 0; i < 7; ++i) REQUIRE(turn.choose(request(1, 0)) == i % 3);
}

TEST_CASE("a tenant's requests stay on its replica, and tenants spread") {
  Router sticky = router_of(RouteRule::tenant_sticky, 8);
  std::vector<int> tenants(8, 0);
  for (uint32_t tenant = 0; tenant < 400; ++tenant) {
    const size_t own = sticky.choose(request(tenant, 0));
    ++tenants[own];
    sticky.set_load(own, 1000);
    for (uint32_t n = 1; n < 4; ++n) REQUIRE(sticky.choose(request(tenant, n)) == own);
  }
  for (const int n : tenants) REQUIRE(n > 20);
}

TEST_CASE("two choices keep the highest load near the mean, one choice does not") {
  constexpr size_t kReplicas = 64;
  const auto highest = [](RouteRule rule) {
    Router router = router_of(rule, kReplicas);
    std::vector<int64_t> loads(kReplicas, 0);
    for (uint32_t i = 0; i < 64 * 100; ++i) {
      // A tenant of its own for each request: sticky is one choice at random then.
      const size_t r = router.choose(request(i, i));
      router.set_load(r, ++loads[r]);
    }
    return *std::max_element(loads.begin(), loads.end());
  };
  REQUIRE(highest(RouteRule::two_choices) <= 104);
  REQUIRE(highest(RouteRule::tenant_sticky) > 112);
  REQUIRE(highest(RouteRule::least_loaded) == 100);
}

TEST_CASE("the draws of two choices belong to the request") {
  Router a = router_of(RouteRule::two_choices, 16);
  Router b = router_of(RouteRule::two_choices, 16);
  for (uint32_t n = 0; n < 50; ++n) REQUIRE(a.choose(request(9, n)) < 16);  // others change nothing
  for (uint32_t n = 0; n < 50; ++n) {
    REQUIRE(a.choose(request(3, n)) == b.choose(request(3, n)));
  }
}

TEST_CASE("the replica that got the longest prefix is preferred until it has its share of the load") {
  Router router = router_of(RouteRule::prefix_affinity, 4, 1.5);
  // Two conversations that begin alike: three blocks in common, then their own.
  const std::vector<uint64_t> first = {11, 12, 13, 14, 15};
  const std::vector<uint64_t> second = {11, 12, 13, 24, 25};
  const auto turn = [](const std::vector<uint64_t>& ids, int32_t blocks) {
    Request r = request(1, static_cast<uint32_t>(blocks));
    r.prompt = 16 * blocks + 3;
    r.content.listed = ids.data();
    r.content.opening_blocks = static_cast<uint32_t>(ids.size());
    return r;
  };
  router.set_load(0, 1);
  const size_t home = router.choose(turn(first, 4));
  REQUIRE(home == 1);
  for (size_t r = 0; r < 4; ++r) router.set_load(r, r == 0 ? 0 : 1);
  REQUIRE(router.choose(turn(second, 3)) == home);
  for (size_t r = 0; r < 4; ++r) router.set_load(r, 10);
  router.set_load(home, 15);  // 1.5 times (45 + 1) / 4 is 17.25
  REQUIRE(router.choose(turn(first, 5)) == home);
  router.set_load(home, 30);  // beyond 1.5 times the mean of 15.25: another, which is remembered from then on
  REQUIRE(router.choose(turn(second, 5)) == 0);
  router.set_load(home, 5);
  REQUIRE(router.choose(turn(second, 5)) == 0);
  // Nothing known: the least loaded.
  const std::vector<uint64_t> new_words = {31, 32};
  REQUIRE(router.choose(turn(new_words, 2)) == home);
}

TEST_CASE("a closed replica gets nothing under any rule, and everything is as before once it is open again") {
  for (const RouteRule rule : {RouteRule::least_loaded, RouteRule::round_robin, RouteRule::two_choices,
                               RouteRule::prefix_affinity, RouteRule::tenant_sticky}) {
    INFO(static_cast<int>(rule));
    Router router = router_of(rule, 5);
    Router untouched = router_of(rule, 5);
    std::vector<uint32_t> sent(5, 0);
    for (const size_t closed : {size_t{1}, size_t{4}}) router.close(closed);
    router.set_load(1, 7);  // it still works on what it had
    for (uint32_t n = 0; n < 200; ++n) ++sent[router.choose(request(n % 20, n))];
    REQUIRE(sent[1] + sent[4] == 0);
    for (const size_t replica : {0, 2, 3})
      REQUIRE((sent[replica] > 0 || rule == RouteRule::least_loaded || rule == RouteRule::prefix_affinity));
    router.open(1);
    router.open(4);
    if (rule == RouteRule::round_robin) continue;  // its turn has gone on
    for (uint32_t n = 0; n < 50; ++n)
      REQUIRE(router.choose(request(n, n)) == untouched.choose(request(n, n)));
  }
  Router router = router_of(RouteRule::round_robin, 1);
  router.close(0);
  REQUIRE_FALSE(router.has_open());
}

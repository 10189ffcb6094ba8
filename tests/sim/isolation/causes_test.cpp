#include <catch2/catch.hpp>

#include "sim/isolation/breach_log.h"
#include "sim/isolation/causes.h"
#include "sim/isolation/lineage_rules.h"

using namespace cotenant;

TEST_CASE("a miss has the first cause that explains it") {
  REQUIRE(cause_of({.met_alone = false, .met_without_platform_delays = false}) ==
          MissCause::under_provisioned);
  REQUIRE(cause_of({.met_alone = false, .met_without_platform_delays = true}) ==
          MissCause::under_provisioned);
  REQUIRE(cause_of({.met_alone = true, .met_without_platform_delays = true}) == MissCause::platform);
  REQUIRE(cause_of({.met_alone = true, .met_without_platform_delays = false}) == MissCause::neighbour);
}

TEST_CASE(
    "a request that a tenant's fault took along is that tenant's doing, whatever re-runs lost elsewhere") {
  Miss lost{
      .tenant = TenantId{1}, .lost_by = TenantId{2}, .met_alone = true, .met_without_platform_delays = true};
  REQUIRE(cause_of(lost) == MissCause::neighbour);
  lost.lost_by = lost.tenant;
  REQUIRE(cause_of(lost) == MissCause::under_provisioned);
  lost.lost_by = {};
  REQUIRE(cause_of(lost) == MissCause::platform);
}

TEST_CASE("a miss is found by tenant and number, and nothing else is") {
  const std::vector<Miss> misses = {{TenantId{1}, 3}, {TenantId{1}, 9}, {TenantId{4}, 0}};
  REQUIRE(find_miss(misses, TenantId{1}, 9) == 1);
  REQUIRE(find_miss(misses, TenantId{4}, 0) == 2);
  REQUIRE(find_miss(misses, TenantId{1}, 4) == misses.size());
  REQUIRE(find_miss(misses, TenantId{2}, 0) == misses.size());
}

TEST_CASE("the log counts every breach and keeps the first hundred as events") {
  BreachLog log;
  const BreachLog::Event event{
      .code = "D1",
      .at = {},
      .subject = "a",
      .actor = {},
      .quantity = 2,
      .witness = Witness().add("for others", true).add("agreed to train shared models", false)};
  log.checked("D1", 1000);
  for (int i = 0; i < 250; ++i) log.breach(event);
  REQUIRE(log.events(5).size() == 100);
  for (const BreachRow& row : log.rows(5, {{"D1", "fail"}})) {
    REQUIRE(row.unit == 5);
    REQUIRE(row.code == "D1");
    REQUIRE(row.count == 250);
    REQUIRE(row.checks == 1000);
    REQUIRE(row.quantity == 500);
    REQUIRE(row.policy == "fail");
  }
}

TEST_CASE("a code has a row if it was looked at, also when nothing was found") {
  BreachLog log;
  log.checked("A1", 12);
  log.checked("D1", 0);
  const std::vector<BreachRow> rows = log.rows(0, {});
  REQUIRE(rows.size() == 2);
  REQUIRE(rows[0].code == "A1");
  REQUIRE(rows[0].checks == 12);
  REQUIRE(rows[1].code == "D1");
}

TEST_CASE("only a model for others needs consent beyond its owner's contract") {
  std::vector<Tenant> tenants(1);
  tenants[0].name = "a";
  tenants[0].data = {400};
  Lineage lineage;
  const ModelId model = lineage.add({.name = "m", .trained_on = {TenantId{0}}});
  BreachLog own;
  check_consent({.made = model, .for_others = false, .bytes_per_record = 4}, lineage, tenants, own);
  REQUIRE(own.events(0).empty());
  BreachLog pooled;
  check_consent({.made = model, .for_others = true, .bytes_per_record = 4}, lineage, tenants, pooled);
  REQUIRE(pooled.events(0).size() == 1);
  REQUIRE(pooled.events(0)[0].quantity == 100);
  REQUIRE(pooled.events(0)[0].subject == "a");
}

TEST_CASE("a model for one tenant may serve only that tenant") {
  Lineage lineage;
  const ModelId base = lineage.add({.name = "base"});
  const ModelId own = lineage.add({.name = "own", .audience = TenantId{3}});
  REQUIRE(may_be_served(lineage, base, TenantId{1}));
  REQUIRE(may_be_served(lineage, own, TenantId{3}));
  REQUIRE_FALSE(may_be_served(lineage, own, TenantId{1}));
}

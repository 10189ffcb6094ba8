#include <catch2/catch.hpp>

#include "sim/tenancy/lineage.h"

using namespace cotenant;

namespace {

std::vector<Tenant> three_tenants() {
  std::vector<Tenant> tenants(3);
  for (size_t t = 0; t < 3; ++t) tenants[t].name = std::string(1, static_cast<char>('a' + t));
  tenants[0].consent = {true, true};
  tenants[1].consent = {true, false};
  tenants[2].consent = {true, true};
  return tenants;
}

std::vector<TenantId> ids(std::initializer_list<uint32_t> list) {
  std::vector<TenantId> made;
  for (const uint32_t i : list) made.push_back(TenantId{i});
  return made;
}

std::vector<TenantId> owners(const Lineage& lineage, ModelId m) {
  const auto span = lineage.owners(m);
  return {span.begin(), span.end()};
}

}  // namespace

TEST_CASE("a model's owners are all whose data is in it or in its ancestors") {
  Lineage lineage;
  const ModelId base = lineage.add({.name = "base"});
  const ModelId pooled = lineage.add({.name = "pooled", .parent = base, .trained_on = ids({0, 1})});
  const ModelId child = lineage.add({.name = "child", .parent = pooled, .trained_on = ids({1, 2})});
  REQUIRE(owners(lineage, base).empty());
  REQUIRE(owners(lineage, pooled) == ids({0, 1}));
  REQUIRE(owners(lineage, child) == ids({0, 1, 2}));
}

TEST_CASE("an objecting owner is found through a parent, with the path as evidence") {
  const std::vector<Tenant> tenants = three_tenants();
  Lineage lineage;
  const ModelId pooled = lineage.add({.name = "pooled v1", .trained_on = ids({1, 2})});
  const ModelId child = lineage.add({.name = "adapter of a", .parent = pooled, .trained_on = ids({0})});
  REQUIRE(objecting_owners(lineage, child, TenantId{0}, tenants) == ids({1}));
  REQUIRE(lineage.path(child, TenantId{1}, tenants) == "adapter of a <- pooled v1 <- data of b");
}

TEST_CASE("nobody needs its own consent to be served by its own data") {
  const std::vector<Tenant> tenants = three_tenants();
  Lineage lineage;
  const ModelId own = lineage.add({.name = "model of b", .trained_on = ids({1})});
  REQUIRE(objecting_owners(lineage, own, TenantId{1}, tenants).empty());
  REQUIRE(objecting_owners(lineage, own, TenantId{0}, tenants) == ids({1}));
}

TEST_CASE("a tier's entities do not depend on other tiers") {
  REQUIRE(tier_entity("gold") != tier_entity("standard"));
  REQUIRE(tier_entity("gold") % kTenantsPerTier == 0);
}

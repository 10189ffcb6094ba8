#include "sim/run/co_residency.h"

#include <algorithm>
#include <optional>

namespace cotenant {
namespace {

// Whether a pool's shared devices serve the tiers of this plan.
bool shares(const TierPlan& plan, uint32_t pool) {
  return plan.decode_pool == pool || (plan.pool == pool && plan.choice.placement == Placement::shared);
}

// The first two tenants to join a pool: whoever it is, one of them is the first other one.
struct First {
  std::optional<uint32_t> one;
  std::optional<uint32_t> two;
};

First first_on(const World& world, size_t tenancy, uint32_t pool) {
  First first;
  const auto before = [&](uint32_t t, const std::optional<uint32_t>& other) {
    return !other || world.tenants[t].joined < world.tenants[*other].joined;
  };
  for (uint32_t t = 0; t < world.tenants.size(); ++t) {
    if (!shares(world.plans[tenancy][world.tenants[t].tier.index], pool)) continue;
    if (before(t, first.one)) {
      first.two = first.one;
      first.one = t;
    } else if (before(t, first.two)) {
      first.two = t;
    }
  }
  return first;
}

void check_tenant(const World& world, const Pool& pool, std::pair<uint32_t, uint32_t> pair, BreachLog& log) {
  const Tenant& tenant = world.tenants[pair.first];
  const Tenant& other = world.tenants[pair.second];
  const Boundary required = world.tier_of(TenantId{pair.first}).boundary;
  if (pool.boundary >= required) return;
  const Time from = std::max(tenant.joined, other.joined);
  const Duration beside = Time{world.scenario.horizon.ns} - from;
  log.breach({.code = "R5",
              .at = from,
              .subject = tenant.name,
              .actor = "pool " + pool.name,
              .quantity = seconds(beside) / 3600,
              .witness = Witness()
                             .add("tenant", tenant.name)
                             .add("requires", to_word(required))
                             .add("boundary", to_word(pool.boundary))
                             .add("pool", pool.name)
                             .add("beside", other.name)
                             .add("for", beside)});
}

}  // namespace

void check_boundaries(const World& world, size_t tenancy, BreachLog& log) {
  for (uint32_t p = 0; p < world.scenario.pools.size(); ++p) {
    const First first = first_on(world, tenancy, p);
    for (uint32_t t = 0; t < world.tenants.size(); ++t) {
      const TierPlan& plan = world.plans[tenancy][world.tenants[t].tier.index];
      log.checked("R5", plan.uses(p) ? 1 : 0);
      if (!shares(plan, p)) continue;
      const std::optional<uint32_t> other = first.one == t ? first.two : first.one;
      if (other) check_tenant(world, world.scenario.pools[p], {t, *other}, log);
    }
  }
}

}  // namespace cotenant

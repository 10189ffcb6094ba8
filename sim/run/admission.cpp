#include "sim/run/admission.h"

#include <algorithm>
#include <limits>
#include <map>

#include "sim/serving/shared_device.h"

namespace cotenant {
namespace {

std::optional<TokenBucket> quota_of(const Tier& tier) {
  if (tier.quota_per_s <= 0) return std::nullopt;
  return TokenBucket(Duration{static_cast<int64_t>(1e9 / tier.quota_per_s)}, std::max(tier.quota_burst, 1.0));
}

std::optional<Entitlement> entitlement_of(const ServingPlan& plan, TenantId tenant) {
  const TierPlan& own = plan.of(tenant);
  if (own.choice.placement == Placement::dedicated) return std::nullopt;
  const Pool& pool = plan.pool(own.pool);
  const bool generative = plan.scenario().models[own.model].kind == Model::Kind::generative;
  const auto burst = static_cast<double>((generative ? pool.token_budget : pool.max_batch) * pool.size);
  const double stated = plan.world().tier_of(tenant).entitlement;
  const double capacity = pool_capacity_per_s(plan.world(), own.model, own.pool);
  if (stated > 0) return Entitlement(capacity * stated, burst, 1, {});
  std::vector<Entitlement::Joining> joinings;
  for (uint32_t t = 0; t < plan.world().tenants.size(); ++t) {
    const Tenant& other = plan.tenant(TenantId{t});
    if (plan.of(TenantId{t}).pool == own.pool && !plan.dedicated(TenantId{t}))
      joinings.push_back({other.joined, other.weight});
  }
  std::stable_sort(joinings.begin(), joinings.end(),
                   [](const auto& a, const auto& b) { return a.at < b.at; });
  return Entitlement(capacity, burst, plan.tenant(tenant).weight, std::move(joinings));
}

}  // namespace

Admission::Admission(const ServingPlan& plan, TenantId alone) {
  for (uint32_t t = 0; t < plan.world().tenants.size(); ++t)
    quotas_.push_back(quota_of(plan.world().tier_of(TenantId{t})));
  if (alone.valid()) entitlement_ = entitlement_of(plan, alone);
}

bool Admission::within_quota(const Request& request, Time now) {
  std::optional<TokenBucket>& quota = quotas_[request.tenant.index];
  return !quota || quota->try_take(now);
}

Time Admission::entitled_at(const Request& request, Time now) {
  if (!entitlement_) return now;
  return entitlement_->admit(now, static_cast<double>(request.prompt + request.output));
}

std::vector<double> entitled_tokens(const ServingPlan& plan, Time from) {
  const World& world = plan.world();
  std::vector<double> entitled(world.tenants.size(), std::numeric_limits<double>::quiet_NaN());
  std::vector<uint32_t> by_joining;
  for (uint32_t t = 0; t < world.tenants.size(); ++t) {
    if (!plan.dedicated(TenantId{t})) by_joining.push_back(t);
  }
  std::stable_sort(by_joining.begin(), by_joining.end(),
                   [&](uint32_t a, uint32_t b) { return world.tenants[a].joined < world.tenants[b].joined; });
  for (uint32_t p = 0; p < world.scenario.pools.size(); ++p) {
    // Integral of 1 / (weights present), from `from` to each joining and to the horizon.
    std::map<uint32_t, double> at_joining;
    double integral = 0;
    double weights = 0;
    Time until = from;
    const auto go_on = [&](Time to) {
      if (weights > 0 && to > until) integral += seconds(to - until) / weights;
      until = std::max(until, to);
    };
    for (const uint32_t t : by_joining) {
      if (plan.of(TenantId{t}).pool != p) continue;
      go_on(std::min(world.tenants[t].joined, Time{world.scenario.horizon.ns}));
      at_joining[t] = integral;
      weights += world.tenants[t].weight;
    }
    go_on(Time{world.scenario.horizon.ns});
    for (const auto& [t, before] : at_joining) {
      const double stated = world.tier_of(TenantId{t}).entitlement;
      const Duration there = Time{world.scenario.horizon.ns} - std::max(world.tenants[t].joined, from);
      const double share_s =
          stated > 0 ? stated * std::max(seconds(there), 0.0) : world.tenants[t].weight * (integral - before);
      entitled[t] = pool_capacity_per_s(world, plan.of(TenantId{t}).model, p) * share_s;
    }
  }
  return entitled;
}

double pool_capacity_per_s(const World& world, uint32_t model, uint32_t pool_index) {
  const Pool& pool = world.scenario.pools[pool_index];
  const ServiceTimes& times = *world.model_on_pool(model, pool_index).times;
  const auto devices = static_cast<double>(pool.size);
  if (world.scenario.models[model].kind == Model::Kind::scoring) {
    const SharedDevice device(world.model_on_pool(model, pool_index).slowdown_of_two);
    const auto instances = static_cast<size_t>(pool.instances);
    const double slowdown = static_cast<double>(device.slowdown(instances)) / SharedDevice::kOne;
    return devices * static_cast<double>(instances * static_cast<size_t>(pool.max_batch)) /
           (slowdown * seconds(times.score(pool.max_batch, Residency::hot)));
  }
  BatchShape full;
  full.prefill_tokens = pool.token_budget;
  full.prefill_work_x2 = pool.token_budget * pool.token_budget;
  full.head_sequences = 1;
  return devices * static_cast<double>(pool.token_budget) /
         (static_cast<double>(times.step(full).base_ps) * 1e-12);
}

}  // namespace cotenant

#include "sim/run/assigner.h"

#include <algorithm>

#include "sim/run/cache_scope.h"
#include "sim/run/planted_faults.h"

namespace cotenant {

Assigner::Assigner(const ServingPlan& plan, PhiloxKey key)
    : plan_(plan), key_(key), current_(plan.world().tenants.size(), 0) {}

void Assigner::assign(Request& request, Time now) {
  const std::vector<Assignment>& all = plan_.training().assignments[request.tenant.index];
  size_t& current = current_[request.tenant.index];
  while (current + 1 < all.size() && all[current + 1].from <= now) ++current;
  const bool stale = current > 0 && hit(request, Disturbance::Kind::stale_version, now);
  const Assignment& serves = all[stale ? current - 1 : current];
  request.weights = serves.weights;
  request.adapter = serves.adapter;
  if (hit(request, Disturbance::Kind::adapter_race, now)) take_neighbours_model(request, now);
  name_blocks(request, now);
}

bool Assigner::hit(const Request& request, Disturbance::Kind kind, Time now) const {
  const Disturbance* fault = plan_.disturbance(kind, now);
  return fault != nullptr && hits(*fault, key_, plan_.tenant(request.tenant).entity, request.number);
}

// Where the request's pool keeps blocks for later requests.
void Assigner::name_blocks(Request& request, Time now) const {
  const Pool::PrefixCache scope = plan_.pool(plan_.of(request.tenant).pool).prefix_cache;
  if (scope == Pool::PrefixCache::off) return;
  const bool forgets_model = plan_.disturbance(Disturbance::Kind::short_cache_key, now) != nullptr;
  request.content = scoped_content(request, scope, plan_.tenant(request.tenant).tier, forgets_model);
}

// The planted fault behind A1: the request gets what serves the next tenant of the same pool and model.
void Assigner::take_neighbours_model(Request& request, Time now) const {
  const TierPlan& plan = plan_.of(request.tenant);
  const size_t count = current_.size();
  for (size_t step = 1; step < count; ++step) {
    const auto other = static_cast<uint32_t>((request.tenant.index + step) % count);
    const TierPlan& others = plan_.of(TenantId{other});
    const Assignment* a = assigned_at(other, now);
    if (a == nullptr || others.model != plan.model || others.pool != plan.pool) continue;
    const ModelId own = a->adapter.valid() ? a->adapter : a->weights;
    if (!plan_.training().lineage.at(own).audience.valid()) continue;
    request.weights = a->weights;
    request.adapter = a->adapter;
    return;
  }
}

// What serves a tenant at this moment; null before it joins.
const Assignment* Assigner::assigned_at(uint32_t tenant, Time now) const {
  const std::vector<Assignment>& all = plan_.training().assignments[tenant];
  const auto later =
      std::upper_bound(all.begin(), all.end(), now, [](Time at, const Assignment& a) { return at < a.from; });
  return later == all.begin() ? nullptr : &*std::prev(later);
}

}  // namespace cotenant

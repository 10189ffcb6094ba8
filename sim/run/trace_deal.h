#pragma once
#include <functional>
#include <vector>

#include "sim/core/ids.h"
#include "sim/core/philox.h"
#include "sim/scenario/world.h"

namespace cotenant {

// Deals the rows of every trace in the world to the tenants of its tier, by Zipf popularity of their rank, or
// to whom the trace names, in time order over all tiers; rows of tenants that `keep` refuses are left out
// (the others are numbered as in the whole deal). The deal depends on the key alone. Requires: a trace names
// no more tenants than its tier has.
std::vector<Arrival> deal_traces(const World& world, PhiloxKey key,
                                 const std::function<bool(TenantId)>& keep);

}  // namespace cotenant

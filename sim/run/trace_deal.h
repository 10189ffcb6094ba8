#pragma once
#include <vector>

#include "sim/core/ids.h"
#include "sim/core/philox.h"
#include "sim/scenario/world.h"

namespace cotenant {

// Deals the rows of every trace in the world to the tenants of its tier, by Zipf popularity of their rank, or
// to whom the trace names, in time order over all tiers. Requires: it names no more than the tier has. The deal depends on the key alone. `only`: keep this tenant's rows (numbered as
// in the whole deal); invalid = all.
std::vector<Arrival> deal_traces(const World& world, PhiloxKey key, TenantId only);

}  // namespace cotenant

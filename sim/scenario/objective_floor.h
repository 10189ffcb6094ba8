#pragma once
#include <string>
#include <vector>

#include "sim/scenario/world.h"

namespace cotenant {

// What to say before a run about objectives that no request of a tier can meet, were it alone on an idle
// device: one sentence for each tenancy entry, tier and objective, with the time of the shortest request. All
// its misses will be UNDER_PROVISIONED. Floors are those of the shortest prompt and output that the tier's
// laws or trace give, without loads and adapters, so a floor never says too much.
std::vector<std::string> objective_warnings(const World& world);

}  // namespace cotenant

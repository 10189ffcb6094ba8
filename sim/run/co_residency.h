#pragma once
#include "sim/isolation/breach_log.h"
#include "sim/scenario/world.h"

namespace cotenant {

// R5: how long each tenant shares a pool's devices with others behind less than it requires, under one
// tenancy entry. One check for each tenant and pool that serves it. One breach for each pair, from when both
// it and another tenant have joined to the horizon. Quantity: hours.
void check_boundaries(const World& world, size_t tenancy, BreachLog& log);

}  // namespace cotenant

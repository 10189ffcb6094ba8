#pragma once
#include <string>
#include <vector>

#include "sim/scenario/world.h"

namespace cotenant {

// What to say before a run about pools whose `tenant-kv` is so small that requests are rejected for it alone:
// one sentence for each tenancy entry, pool and tier, with the arithmetic. A trace is counted row by row, a
// length law by 10,000 draws (of sessions: of their turns). Not counted is what the model's context rejects
// anyway; memory for adapters comes on top.
std::vector<std::string> tenant_kv_warnings(const World& world);

}  // namespace cotenant

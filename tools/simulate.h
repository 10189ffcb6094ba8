#pragma once
#include <atomic>
#include <cstdint>

#include "sim/ledger/rows.h"
#include "sim/scenario/world.h"

namespace cotenant {

// Every unit of the scenario on so many threads, with its progress on stderr; more replications as long as
// its precision is not reached. `stop`: set, no further unit is begun.
RunResults simulate(const World& world, int64_t threads, const std::atomic<bool>* stop);

// Of this machine; at least 1.
int64_t cores();

}  // namespace cotenant

#pragma once
#include <vector>

#include "sim/run/unit.h"

namespace cotenant {

// End-to-end times in the order of simulated time: the horizon in kPilotBins equal spans, each with the sum
// and number of the requests served that arrived in it.
inline constexpr size_t kPilotBins = 2000;
struct PilotBin {
  int64_t sum_ns = 0;
  int64_t count = 0;
};

// What a unit's base variant would observe, without re-runs, bills and rows: to find a warm-up before
// anything is counted. A pure function of world and key. Throws UnitStopped as simulate_unit does.
std::vector<PilotBin> pilot(const World& world, UnitKey key, const std::atomic<bool>* stop);

}  // namespace cotenant

#pragma once
#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

#include "sim/ledger/rows.h"
#include "sim/run/blame_settings.h"
#include "sim/run/tier_latency.h"
#include "sim/scenario/world.h"

namespace cotenant {

// The key of a unit: which tenancy entry, which replication. Units are numbered tenancy-major, with room for
// the most replications that the scenario may run.
struct UnitKey {
  size_t tenancy = 0;
  uint32_t replication = 0;
  [[nodiscard]] int64_t number(int64_t replications) const {
    return static_cast<int64_t>(tenancy) * replications + replication;
  }
};

struct UnitSettings {
  std::optional<Duration> warmup;  // instead of the scenario's: `auto` has been found
  BlameSettings blame;
  const std::atomic<bool>* stop = nullptr;  // set from another thread, it ends the unit with UnitStopped
};
struct UnitOutcome {
  RunResults rows;                   // the tables; header fields stay empty
  std::vector<TierLatency> latency;  // by tier
};

// One unit of simulation, with its counterfactual re-runs: a pure function of world, key and warm-up, on one
// thread. Checks on the way that requests, KV blocks, device time and money are conserved.
UnitOutcome simulate_unit(const World& world, UnitKey key, const UnitSettings& settings);

// Its rows alone, with the scenario's warm-up.
inline RunResults run_unit(const World& world, UnitKey key, const std::atomic<bool>* stop = nullptr) {
  return simulate_unit(world, key, {.warmup = {}, .blame = {}, .stop = stop}).rows;
}

}  // namespace cotenant

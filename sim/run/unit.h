#pragma once
#include <atomic>
#include <cstdint>

#include "sim/ledger/rows.h"
#include "sim/scenario/world.h"

namespace cotenant {

// The key of a unit: which tenancy entry, which replication. Units are numbered tenancy-major.
struct UnitKey {
  size_t tenancy = 0;
  uint32_t replication = 0;
  [[nodiscard]] int64_t number(int64_t replications) const {
    return static_cast<int64_t>(tenancy) * replications + replication;
  }
};

// One unit of simulation, with its counterfactual re-runs: a pure function of world and key, on one thread.
// Fills the tables of the results; header fields stay empty. Checks on the way that requests, KV blocks,
// device time and money are conserved.
// `stop`: may be null; set from another thread, it ends the unit with UnitStopped.
RunResults run_unit(const World& world, UnitKey key, const std::atomic<bool>* stop = nullptr);

}  // namespace cotenant

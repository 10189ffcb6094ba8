#pragma once
#include <atomic>
#include <cstdint>
#include <vector>

#include "sim/core/ids.h"

namespace cotenant {

struct Timeline;
class ServingWatch;
class WorkExecutor;

// Which world a unit is run in. All variants draw the same random numbers.
struct Variant {
  enum class Kind : uint8_t {
    base,
    alone,        // only `tenant`, admitted at its entitlement; loads take no time (the device at full speed)
    no_platform,  // everybody; loads take no time
  };
  Kind kind = Kind::base;
  TenantId tenant;
  std::vector<bool> absent;   // by tenant: whose demand does not exist; empty = nobody's
  bool single_steps = false;  // one decode round at a time: the oracle that skipping is tested against
  const std::atomic<bool>* stop = nullptr;  // set: the run ends by throwing UnitStopped
  Timeline* timeline = nullptr;             // told of every piece of work that is over
  bool keeps_evicted = false;               // prefix caches: what others evict is not computed again
  std::vector<ServingWatch*> watches;       // told of everything that replicas do
  WorkExecutor* executor = nullptr;         // does the work, one step at a time; null: its time is looked up

  // Whether the tenant's demand is part of the run.
  [[nodiscard]] bool has(TenantId t) const {
    if (kind == Kind::alone) return t == tenant;
    return absent.empty() || !absent[t.index];
  }
};

// Thrown out of a unit that was told to stop; its results are lost, other units are not touched.
struct UnitStopped {};

}  // namespace cotenant

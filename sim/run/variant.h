#pragma once
#include <atomic>
#include <cstdint>

#include "sim/core/ids.h"

namespace cotenant {

struct Timeline;
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
  bool single_steps = false;  // one decode round at a time: the oracle that skipping is tested against
  const std::atomic<bool>* stop = nullptr;  // set: the run ends by throwing UnitStopped
  Timeline* timeline = nullptr;             // told of every piece of work that is over
  WorkExecutor* executor = nullptr;         // does the work, one step at a time; null: its time is looked up
};

// Thrown out of a unit that was told to stop; its results are lost, other units are not touched.
struct UnitStopped {};

}  // namespace cotenant

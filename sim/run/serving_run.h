#pragma once
#include <atomic>
#include <cstdint>
#include <utility>
#include <vector>

#include "sim/core/philox.h"
#include "sim/fleet/device_meter.h"
#include "sim/ledger/observation.h"
#include "sim/scenario/world.h"
#include "sim/serving/prefix_use.h"
#include "sim/serving/work.h"

namespace cotenant {

struct Timeline;

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
};

// Thrown out of a unit that was told to stop; its results are lost, other units are not touched.
struct UnitStopped {};

// Devices of one pool in one window.
struct PoolWindow {
  DeviceTimes shared;
  int64_t shared_devices = 0;
  std::vector<std::pair<TenantId, DeviceTimes>> dedicated;
};

struct ServingTotals {
  std::vector<std::vector<PoolWindow>> windows;  // by window, by pool
  HandOvers hand_overs;
  PrefixUse prefix;
  int64_t events = 0;
  int64_t requests = 0;  // that reached admission
  int64_t devices_peak = 0;
  int64_t kv_allocated = 0;
  int64_t kv_freed = 0;
  int64_t kv_held = 0;
};

// Simulates the serving of one (tenancy entry, replication, variant) on one thread and tells `sink` what
// became of every request. Pure: the same arguments give the same observations.
ServingTotals run_serving(const World& world, size_t tenancy, PhiloxKey key, const TrainingOutcome& training,
                          const Variant& variant, ObservationSink& sink);

// Tokens (rows) of one model that a pool processes a second when every step is a full prefill step (a full
// batch): the capacity that entitlements are shares of. DESIGN idea 10.
double pool_capacity_per_s(const World& world, uint32_t model, uint32_t pool);

}  // namespace cotenant

#pragma once
#include <cstdint>
#include <utility>
#include <vector>

#include "sim/core/philox.h"
#include "sim/fleet/device_meter.h"
#include "sim/ledger/observation.h"
#include "sim/run/response_lookup.h"
#include "sim/run/variant.h"
#include "sim/scenario/world.h"
#include "sim/serving/prefix_use.h"
#include "sim/serving/row_buffers.h"
#include "sim/serving/work.h"

namespace cotenant {

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
  ResponseUse responses;
  RaggedTails tails;
  // Nodes taken away: R4 evidence.
  struct Reclaims {
    int64_t count = 0;
    int64_t unwiped = 0;    // with something of a tenant still in memory
    int64_t artefacts = 0;  // in these
  };
  Reclaims reclaims;
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

}  // namespace cotenant

#pragma once
#include <atomic>
#include <span>
#include <vector>

#include "sim/core/philox.h"
#include "sim/isolation/breach_log.h"
#include "sim/isolation/causes.h"
#include "sim/run/blame_settings.h"
#include "sim/run/service_watch.h"
#include "sim/scenario/world.h"

namespace cotenant {

// One unit of simulation, as its base variant is run.
struct UnitOfRun {
  const World* world = nullptr;
  size_t tenancy = 0;
  PhiloxKey streams;
  const TrainingOutcome* training = nullptr;
  bool platform_delays = true;  // devices were starting or down: else no-platform is the base variant
  const std::atomic<bool>* stop = nullptr;
};

// Why requests missed their objectives and who was in their way, by re-runs with the same random numbers:
// each tenant with misses alone on its entitlement, everybody without loads, everybody under watch, and
// everybody without each of the kTested tenants whose work overlapped most with the misses of others, as far
// as that is a hundredth of all such overlap.
struct Attribution {
  static constexpr size_t kTested = 6;
  static constexpr int64_t kLeastPart = 100;  // of all overlap; who has less is not tested

  std::vector<Miss> misses;         // with everything that cause_of() asks
  std::vector<TenantId> tested;     // most overlap first
  std::vector<BlameRow> blame;      // `unit` not filled
  bool watched = false;             // else `service` is empty
  bool starvation_defined = false;  // some tier states how long a request may take
  ServiceWatch service;
  int64_t rerun_requests = 0;
};
// `misses`: of the base variant, sorted by tenant and number.
Attribution attribute(const UnitOfRun& unit, std::vector<Miss> misses, const BlameSettings& settings);

// P1, P4 or P6. `tested`: how many tenants were left out by turns. Requires: its neighbours are the cause.
void log_neighbour_breach(const Miss& miss, size_t tested, std::span<const Tenant> tenants, BreachLog& log);

}  // namespace cotenant

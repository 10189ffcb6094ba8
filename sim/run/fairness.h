#pragma once
#include <span>
#include <vector>

#include "sim/isolation/breach_log.h"
#include "sim/run/service_watch.h"
#include "sim/run/serving_plan.h"

namespace cotenant {

// Rows of the shared pools that tenants of this entry used; `unit` stays 0.
std::vector<FairnessRow> fairness_rows(const ServingPlan& plan, const ServiceWatch& service);

// P2: each span in which a tenant had requests waiting, and none served, for longer than its objective
// allows.
void log_starvation(const World& world, const ServiceWatch& service, BreachLog& log);

// P3: pools whose scheduler is weighted-fair, without limits that pass tenants over, where the gap is beyond
// 2 U. One check for each pair of tenants that waited together.
void log_unfair_service(const ServingPlan& plan, const ServiceWatch& service, BreachLog& log);

// What a tenant got over the horizon, and what was its own: min(demanded, entitled); 0 = nothing, or not
// known.
struct TokensOfTenant {
  int64_t served = 0;
  int64_t due = 0;
};

// P3 in its other form: tenants of tiers that state a floor, on shared pools. x = min(served / due, 1), since
// what others get beyond their own takes nothing from anybody; a breach where x is below the floor times the
// greatest x on the pool. One check for each such tenant. `tokens`: by tenant.
void log_below_floor(const ServingPlan& plan, std::span<const TokensOfTenant> tokens, BreachLog& log);

// Device time by tenant, and of that what decode pools spent.
struct TenantDeviceTimes {
  std::vector<int64_t> ns;
  std::vector<int64_t> on_decode_pools_ns;
};

// The greatest of a tenant's shares of its pools over the horizon: device time, KV memory, sequence slots of
// either. Ghodsi et al., "Dominant Resource Fairness", NSDI 2011. By tenant; NaN where it has devices of its
// own.
std::vector<double> dominant_shares(const ServingPlan& plan, const ServiceWatch& service,
                                    const TenantDeviceTimes& times);

}  // namespace cotenant

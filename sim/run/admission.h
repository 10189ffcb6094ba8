#pragma once
#include <optional>
#include <vector>

#include "sim/run/entitlement.h"
#include "sim/run/serving_plan.h"
#include "sim/serving/token_bucket.h"

namespace cotenant {

// Who may enter the platform, and when: quotas of tenants, and in a re-run of one tenant alone its
// entitlement. One owner, one thread.
class Admission {
 public:
  // `alone`: the tenant of such a re-run, else invalid.
  Admission(const ServingPlan& plan, TenantId alone);
  // Whether the request that came at `now` is within its tenant's quota: it is counted. Requires: calls in
  // order of time, as for the next.
  bool within_quota(const Request& request, Time now);
  // When the request, which needs the pool from `now` on, may be routed.
  Time entitled_at(const Request& request, Time now);

 private:
  std::vector<std::optional<TokenBucket>> quotas_;  // by tenant
  std::optional<Entitlement> entitlement_;
};

// Tokens (rows) of one model that a pool processes a second when every step is a full prefill step (a full
// batch): the capacity that entitlements are shares of. DESIGN idea 10.
double pool_capacity_per_s(const World& world, uint32_t model, uint32_t pool);

// What each tenant was entitled to in [from, horizon): its share of its pool's capacity while it was there.
// By tenant; NaN where it has devices of its own.
std::vector<double> entitled_tokens(const ServingPlan& plan, Time from);

}  // namespace cotenant

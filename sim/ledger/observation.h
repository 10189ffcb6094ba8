#pragma once
#include <cstdint>

#include "sim/core/ids.h"
#include "sim/core/time.h"

namespace cotenant {

enum class RequestOutcome : uint8_t {
  served,
  over_quota,  // rejected: beyond the tenant's own quota
  too_long,    // rejected: prompt + output beyond the model's context limit or the KV memory
  queue_full,  // dropped: too many others waited at the replica
  timed_out,   // dropped: waited too long at the replica
  in_flight,   // unfinished at the horizon
};

// What became of one request.
struct RequestObservation {
  TenantId tenant;
  uint32_t number = 0;  // counted per tenant
  Time arrival;
  Time first_token{-1};  // -1 = none
  Time finished{-1};     // -1 = not finished
  int32_t prompt = 0;
  int32_t output = 0;
  ModelId weights;  // that served it
  ModelId adapter;
  ReplicaId replica;
  int64_t usage_ns = 0;  // device time attributed to it
  RequestOutcome outcome = RequestOutcome::served;
};

// A seam: where observations go. The base variant fills tables, counterfactual variants only answer whether
// an objective would have been met, replay compares. Called in the order of simulated time; one owner, one
// thread.
class ObservationSink {
 public:
  virtual ~ObservationSink() = default;
  virtual void request(const RequestObservation& observation) = 0;
};

}  // namespace cotenant

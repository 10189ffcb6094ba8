#pragma once
#include <cstdint>

#include "sim/core/ids.h"
#include "sim/core/time.h"

namespace cotenant {

enum class RequestOutcome : uint8_t {
  served,
  over_quota,  // rejected: beyond the tenant's own quota
  too_long,    // rejected: prompt + output beyond the model's context limit
  too_large,   // rejected: prompt + output beyond the KV memory of its replica
  queue_full,  // dropped: too many others waited at the replica
  timed_out,   // dropped: waited too long at the replica
  lost,        // dropped: its replica failed or was taken away
  in_flight,   // unfinished at the horizon
};

inline bool is_rejected(RequestOutcome outcome) {
  return outcome != RequestOutcome::served && outcome != RequestOutcome::in_flight;
}

// What became of one request. Times are those that the client sees, but for `queued` and `admitted`, which
// are the engine's: see client_in_ns and client_out_ns.
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
  ReplicaId replica;                  // that served it, at last
  Time queued{-1};                    // at a replica; -1 = never
  Time admitted{-1};                  // first time that it ran
  int64_t client_in_ns = 0;           // from the client's send to the platform
  int64_t client_out_ns = 0;          // from a token's existence to its client
  int64_t load_ns = 0;                // of queued .. admitted: loads of its own weights or adapter
  int64_t lost_ns = 0;                // to preemptions: until what was computed is computed again
  int64_t lost_before_first_ns = 0;   // of that, before the first token
  int32_t preempted = 0;              // times
  int32_t hit_tokens = 0;             // of the prompt, found in the prefix cache
  int64_t usage_ns = 0;               // device time attributed to it
  int64_t usage_before_first_ns = 0;  // of that, until the first token
  ReplicaId prefilled_by;             // that made the first token, where it is not `replica`
  int64_t transfer_ns = 0;            // of its KV cache from there to `replica`
  int64_t decode_wait_ns = 0;         // from then until it ran at `replica`
  TenantId delivered_to;              // who got the answer; invalid = nobody
  Time failed{-1};                    // lost: when its replica failed; -1 otherwise
  TenantId fault_of;                  // lost: whose process failed; invalid = nobody's
  RequestOutcome outcome = RequestOutcome::served;
};

// Whether no replica made the answer.
inline bool is_from_response_cache(const RequestObservation& o) {
  return o.outcome == RequestOutcome::served && o.queued.ns < 0;
}

// A seam: where observations go. The base variant fills tables, counterfactual variants only answer whether
// an objective would have been met, replay compares. Called in the order of simulated time; one owner, one
// thread.
class ObservationSink {
 public:
  virtual ~ObservationSink() = default;
  virtual void request(const RequestObservation& observation) = 0;
  // Whether nothing that may still come is of interest: the run may end at once.
  [[nodiscard]] virtual bool enough() const { return false; }
};

}  // namespace cotenant

#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "sim/ledger/rows.h"

namespace cotenant {

// Where the time of one recorded request went, in nanoseconds. The parts sum to its E2E, from the client's
// send to the last token at the client; for one that is unfinished at the horizon, up to the horizon. A
// rejected request has none.
struct RequestTime {
  int64_t client = 0;       // between client and engine, both ways
  int64_t held = 0;         // at the platform before a replica's queue: look-up of an answer, entitlement
  int64_t queue = 0;        // at a replica until it first ran, but for the next
  int64_t load = 0;         // loads of its own weights or adapter
  int64_t prefill = 0;      // from there to the first token; scoring models: the batch
  int64_t decode = 0;       // from the first token to the last, but for the next two
  int64_t transfer = 0;     // of its KV cache to the pool that decodes
  int64_t decode_wait = 0;  // at the replica that decodes, until it first ran there
  int64_t lost = 0;         // to preemptions: from each to where what was computed is computed again
  [[nodiscard]] int64_t total() const {
    return client + held + queue + load + prefill + transfer + decode_wait + decode + lost;
  }
};
RequestTime time_of(const RequestRow& row, int64_t horizon_ns);

// What other requests of one tenant did on the same replica while this one waited for its first token: those
// admitted before it, or in the same step and queued before it. A prefill or decode that reaches beyond the
// wait counts in proportion to time, so that the sum may differ from what the device did in the wait.
struct RequestsAhead {
  int64_t tenant = 0;
  int64_t requests = 0;
  int64_t prompt_tokens = 0;  // computed in the wait; hits of the prefix cache are not computed
  int64_t device_ns = 0;      // attributed to them in the wait
};
// Out of the recorded requests of the same unit; most device time first.
std::vector<RequestsAhead> requests_ahead(const RunResults& results, size_t row);

// For a terminal. `number` counts the rows of the table requests from 1. Requires: the row is there.
std::string request_text(const RunResults& results, size_t number);
// The `count` requests that took longest, with their numbers. Unfinished ones have waited to the horizon.
std::string slowest_text(const RunResults& results, size_t count);

}  // namespace cotenant

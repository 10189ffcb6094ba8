#pragma once
#include <algorithm>

#include "sim/serving/kv_memory.h"
#include "sim/serving/request.h"

namespace cotenant {

// A request inside a generative replica, waiting or running. A step of decodes touches two lines of the
// processor's cache: the first of this, and the first of the request.
struct Sequence {
  int64_t known = 0;     // tokens of the prompt, and output tokens that exist
  int64_t computed = 0;  // of these, tokens in the KV cache
  int64_t chunk = 0;     // tokens of this step; 0 = not in this step
  KvHolding kv;
  int64_t order = 0;    // in which it came to the replica
  int64_t lost = 0;     // computed when it was preempted; above `computed` = not yet made good
  int64_t brought = 0;  // waiting: tokens whose KV another replica computed and sent along
  int64_t price = 0;    // deficit round robin: what it takes from its tenant's savings
  alignas(64) Request request;

  [[nodiscard]] int64_t emitted() const { return known - request.prompt; }
  [[nodiscard]] BlockOrigin origin() const { return {request.tenant, request.weights, request.adapter}; }
  [[nodiscard]] bool decodes() const { return chunk == 1 && computed > 0; }
  void stamp_preempted(Time now) {
    ++request.preempted;
    if (request.lost_ns >= 0) request.lost_ns -= now.ns;
    lost = std::max(lost, computed);
  }
  // Everything that a preemption had cost may be computed again by `now`.
  void stamp_progress(Time now) {
    if (request.lost_ns < 0 && computed >= lost) request.lost_ns += now.ns;
  }
};

}  // namespace cotenant

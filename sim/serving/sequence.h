#pragma once
#include "sim/serving/kv_memory.h"
#include "sim/serving/request.h"

namespace cotenant {

// A request inside a generative replica, waiting or running.
struct Sequence {
  Request request;
  int64_t order = 0;     // in which it came to the replica
  int64_t known = 0;     // tokens of the prompt, and output tokens that exist
  int64_t computed = 0;  // of these, tokens in the KV cache
  int64_t brought = 0;   // waiting: tokens whose KV another replica computed and sent along
  KvHolding kv;
  int64_t chunk = 0;  // tokens of this step; 0 = not in this step

  [[nodiscard]] int64_t emitted() const { return known - request.prompt; }
  [[nodiscard]] BlockOrigin origin() const { return {request.tenant, request.weights, request.adapter}; }
  [[nodiscard]] bool decodes() const { return chunk == 1 && computed > 0; }
};

}  // namespace cotenant

#pragma once
#include <cstdint>

#include "sim/core/amounts.h"
#include "sim/core/ids.h"
#include "sim/workload/block_content.h"

namespace cotenant {

// A request as a replica sees it, from routing to its last token. What is looked at in every step comes
// first.
struct Request {
  Time arrival;  // at the platform, first attempt
  TenantId tenant;
  uint32_t number = 0;   // counted per tenant
  int32_t prompt = 0;    // tokens; scoring models: rows
  int32_t output = 0;    // tokens, also the reserved maximum; scoring models: 0
  ModelId weights;       // requests with equal weights batch together
  ModelId adapter;       // LoRA on those weights; invalid = none
  int64_t usage_ps = 0;  // device time attributed to this request
  // From preemptions to where all that they had cost was computed again. Below 0: one is not made good yet,
  // and the moment at which it happened is subtracted.
  int64_t lost_ns = 0;
  Time first_token{-1};
  Time finished{-1};

  int32_t priority = 1;    // of its tenant's tier; larger goes first where a replica looks at it
  int32_t emitted = 0;     // of the output, tokens that another replica made; their KV came along
  int32_t preempted = 0;   // times that its memory was taken for another request
  int32_t hit_tokens = 0;  // of the prompt, found in the prefix cache at admission
  bool pinned = false;     // what serves its tenant stays on a replica
  Time queued{-1};         // when the replica got it
  // Of prompt and output, salted with who may share it and with what computes it; used by a prefix cache
  // only.
  BlockContent content;
  Time admitted{-1};    // first time that it ran, loads done
  int64_t load_ns = 0;  // of its wait: loads of its weights or adapter while it was the next to be admitted
  int64_t lost_before_first_ns = 0;   // of lost_ns, before the first token
  int64_t usage_before_first_ps = 0;  // of usage_ps, until the first token
  // Where one pool computes prompts and another decodes (`decode-pool`):
  int32_t output_later = 0;  // of the output, tokens left to the decode pool; `output` is without them
  ReplicaId prefilled_by;    // the replica that made the first token
  Time queued_there{-1};     // when that got the request
  // Below 0: not over yet, and the moment at which it began is subtracted.
  int64_t transfer_ns = 0;     // of the KV cache, to the decode pool
  int64_t decode_wait_ns = 0;  // from then until it first ran there
};

// A model's place in memory. Weights and adapters are both artefacts that must be resident to run.
struct Artefact {
  ModelId model;
  Bytes bytes;
};

}  // namespace cotenant

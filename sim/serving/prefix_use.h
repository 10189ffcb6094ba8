#pragma once
#include <cstdint>
#include <vector>

#include "sim/core/ids.h"
#include "sim/core/time.h"

namespace cotenant {

// Who computed a block of KV memory, and with what.
struct BlockOrigin {
  TenantId tenant{};
  ModelId weights{};
  ModelId adapter{};
  [[nodiscard]] bool same_model(const BlockOrigin& other) const {
    return weights == other.weights && adapter == other.adapter;
  }
};

// Found blocks of one request that somebody else, or something else, computed.
struct PrefixReuse {
  int64_t of_others = 0;        // another tenant
  int64_t of_other_models = 0;  // other weights, or another adapter
  BlockOrigin other_model;      // the first of these
};

// A request that used state of another model.
struct CrossModelHit {
  Time at;  // when the replica got the request
  uint32_t request = 0;
  int64_t blocks = 0;
  BlockOrigin user;
  BlockOrigin maker;
};

// What the prefix cache of a replica has done so far: evidence of C1 and C3.
struct PrefixUse {
  static constexpr size_t kHitsKept = 100;
  int64_t asked_tokens = 0;  // of all requests when they were admitted
  int64_t hit_tokens = 0;    // of these, found: not computed again
  int64_t hits = 0;          // admissions that found anything
  int64_t cross_tenant_hits = 0;
  int64_t cross_tenant_tokens = 0;
  int64_t cross_model_hits = 0;
  int64_t cross_model_blocks = 0;
  std::vector<CrossModelHit> cross_model;  // the first kHitsKept
};
// `sum` and what another replica's cache has done.
void add_prefix_use(PrefixUse& sum, const PrefixUse& other);

}  // namespace cotenant

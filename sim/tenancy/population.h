#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "sim/core/amounts.h"
#include "sim/core/ids.h"

namespace cotenant {

// What a tenant agreed to. Its data always trains its own models.
struct Consent {
  bool train_shared = false;   // its data may train a model that others use
  bool serve_others = false;   // a model with its data in its lineage may serve others
  bool notice = true;          // it was told that what serves it may hold others' data
  bool share_answers = false;  // answers to its requests may be given to others
};

// A tenant of the scenario, whenever it joins. Position in the list = TenantId.
struct Tenant {
  std::string name;
  TierId tier;
  uint32_t entity = 0;  // for random streams: stays the same when other tenants come or go
  Time joined;
  Consent consent;
  Bytes data;         // training data
  double weight = 1;  // share of a pool it is entitled to, relative to the others
};

// Entities: 12 bits of the tier's name, 20 bits of the position within the tier, so that a tenant keeps its
// random streams when tiers or tenants are added. Two tiers whose names collide get a problem from the
// scenario reader.
uint32_t tier_entity(const std::string& tier_name);
inline constexpr uint32_t kTenantsPerTier = 1U << 20U;

}  // namespace cotenant

#include "sim/tenancy/population.h"

#include "sim/core/hash.h"

namespace cotenant {

uint32_t tier_entity(const std::string& tier_name) {
  return static_cast<uint32_t>(hash64(tier_name) >> 52U) * kTenantsPerTier;
}

}  // namespace cotenant

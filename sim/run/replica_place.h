#pragma once
#include <cstddef>
#include <cstdint>

#include "sim/core/ids.h"

namespace cotenant {

// Where a replica stands.
struct ReplicaPlace {
  uint32_t index = 0;  // in the run
  uint32_t pool = 0;
  TenantId owner;   // dedicated to; invalid = shared
  size_t slot = 0;  // among the shared ones of the pool
};

}  // namespace cotenant

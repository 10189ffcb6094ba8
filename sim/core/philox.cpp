#include "sim/core/philox.h"

#include "sim/core/hash.h"

namespace cotenant {

PhiloxKey stream_key(uint64_t seed, uint32_t replication) {
  const uint64_t h = mix64(mix64(0, seed), replication);
  return {static_cast<uint32_t>(h >> 32U), static_cast<uint32_t>(h)};
}

}  // namespace cotenant

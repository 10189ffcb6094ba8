#pragma once
#include <cstdint>

namespace cotenant {

// What blame costs beyond leave-one-out.
struct BlameSettings {
  bool shapley = false;
  // Players of the Shapley value: tenants by name and, last, all others together. Up to kExactGroups every
  // coalition is run, beyond that kOrders random orders.
  static constexpr int64_t kExactGroups = 7;
  static constexpr int64_t kOrders = 200;
  static constexpr int64_t kMostGroups = 32;
  int64_t groups = kExactGroups;
  // Re-runs of a unit that the Shapley value needs at most.
  [[nodiscard]] int64_t most_reruns() const;
};

}  // namespace cotenant

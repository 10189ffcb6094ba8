#pragma once
#include <vector>

#include "sim/core/philox.h"
#include "sim/run/serving_plan.h"

namespace cotenant {

// Gives each request the weights and the adapter that serve its tenant, and names what its KV blocks hold.
// One owner, one thread.
class Assigner {
 public:
  Assigner(const ServingPlan& plan, PhiloxKey key);
  // Requires: calls in order of time.
  void assign(Request& request, Time now);

 private:
  void name_blocks(Request& request, Time now) const;
  [[nodiscard]] bool hit(const Request& request, Disturbance::Kind kind, Time now) const;
  void take_neighbours_model(Request& request, Time now) const;
  [[nodiscard]] const Assignment* assigned_at(uint32_t tenant, Time now) const;

  const ServingPlan& plan_;
  PhiloxKey key_;
  std::vector<size_t> current_;  // of each tenant's assignments
};

}  // namespace cotenant

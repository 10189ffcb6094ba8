#pragma once
#include <vector>

#include "sim/core/time.h"

namespace cotenant {

// Delays one tenant's requests to what it is entitled to: a bucket of `burst` tokens that fills at share x
// capacity. A request waits until min(its tokens, burst) are there, then takes all its tokens; the debt
// delays the next one. The share follows the tenants that are present: weight / sum of weights of those that
// have joined.
class Entitlement {
 public:
  struct Joining {
    Time at;
    double weight = 1;
  };
  // `joinings`: of all tenants of the pool, in time order. Requires: capacity > 0, burst > 0, weight > 0.
  Entitlement(double capacity_per_s, double burst, double weight, std::vector<Joining> joinings);

  // When a request of `tokens` that arrives at `at` is admitted. Requires: `at` not before the last `at`.
  Time admit(Time at, double tokens);

 private:
  double capacity_per_s_;
  double burst_;
  double weight_;
  std::vector<Joining> joinings_;
  size_t joined_ = 0;
  double present_weight_ = 0;
  Time last_{};
  double level_;
};

}  // namespace cotenant

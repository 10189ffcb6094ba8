// Public here: pace_of, hurried.
#include "kernels/calibrate/pace.h"

#include <algorithm>

#include "sim/core/check.h"

namespace cotenant {

double pace_of(const PaceState& state) {
  CHECK(state.done < state.visits && state.budget_s > 0);
  const double left = std::max(0.0, state.budget_s - state.elapsed_s);
  const double share = left / static_cast<double>(state.visits - state.done);
  return share / (state.budget_s / static_cast<double>(state.visits));
}

SamplerRules hurried(const SamplerRules& rules, double pace) {
  if (pace >= 1) return rules;
  SamplerRules late = rules;
  late.budget_s *= std::max(pace, 0.1);
  late.warm_s *= std::max(pace, 0.1);
  late.least = std::min<int64_t>(rules.least, pace < 0.5 ? 1 : pace < 0.85 ? 2 : rules.least);
  return late;
}

}  // namespace cotenant

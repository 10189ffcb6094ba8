// Public here: adamw.
#include <cmath>

#include "kernels/reference/training.h"

namespace cotenant::reference {

AdamwState adamw(AdamwState state, View gradient, const AdamwRules& rules) {
  const auto step = static_cast<double>(rules.step);
  const double correction1 = 1 - std::pow(rules.beta1, step);
  const double correction2 = 1 - std::pow(rules.beta2, step);
  for (size_t i = 0; i < gradient.size(); ++i) {
    state.m[i] = rules.beta1 * state.m[i] + (1 - rules.beta1) * gradient[i];
    state.v[i] = rules.beta2 * state.v[i] + (1 - rules.beta2) * gradient[i] * gradient[i];
    const double direction = state.m[i] / correction1 / (std::sqrt(state.v[i] / correction2) + rules.epsilon);
    state.weight[i] -= rules.rate * (direction + rules.weight_decay * state.weight[i]);
  }
  return state;
}

}  // namespace cotenant::reference

// Public here: cross_entropy.
#include <algorithm>
#include <cmath>

#include "kernels/reference/training.h"

namespace cotenant::reference {

Loss cross_entropy(View logits, std::span<const int32_t> targets, int64_t vocabulary) {
  Loss loss;
  const auto rows = static_cast<double>(targets.size());
  for (size_t m = 0; m < targets.size(); ++m) {
    const View row = logits.subspan(m * static_cast<size_t>(vocabulary), static_cast<size_t>(vocabulary));
    const double greatest = *std::max_element(row.begin(), row.end());
    double total = 0;
    for (const double z : row) total += std::exp(z - greatest);
    loss.mean += (greatest + std::log(total) - row[targets[m]]) / rows;
    for (const double z : row) loss.gradient.push_back(std::exp(z - greatest) / total / rows);
    loss.gradient[m * static_cast<size_t>(vocabulary) + static_cast<size_t>(targets[m])] -= 1 / rows;
  }
  return loss;
}

}  // namespace cotenant::reference

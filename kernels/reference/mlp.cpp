// Public here: relu, relu_gradient, binary_cross_entropy.
#include <algorithm>
#include <cmath>

#include "kernels/reference/recommender.h"

namespace cotenant::reference {

Numbers relu(View x) {
  Numbers y(x.begin(), x.end());
  for (double& v : y) v = std::max(v, 0.0);
  return y;
}

Numbers relu_gradient(View dy, View x) {
  Numbers dx(x.size());
  for (size_t i = 0; i < dx.size(); ++i) dx[i] = x[i] > 0 ? dy[i] : 0;
  return dx;
}

Loss binary_cross_entropy(View logits, View labels) {
  Loss loss;
  const auto rows = static_cast<double>(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) {
    const double z = logits[i];
    loss.mean += (std::max(z, 0.0) - labels[i] * z + std::log1p(std::exp(-std::abs(z)))) / rows;
    loss.gradient.push_back((1 / (1 + std::exp(-z)) - labels[i]) / rows);
  }
  return loss;
}

}  // namespace cotenant::reference

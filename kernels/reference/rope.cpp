// Public here: rope.
#include <cmath>

#include "kernels/reference/transformer.h"

namespace cotenant::reference {

Numbers rope(View x, std::span<const int64_t> positions, const RopeShape& shape) {
  Numbers y(x.begin(), x.end());
  const int64_t half = shape.head_dim / 2;
  for (size_t row = 0; row < positions.size() * static_cast<size_t>(shape.heads); ++row) {
    const auto position = static_cast<double>(positions[row / static_cast<size_t>(shape.heads)]);
    double* head = &y[row * static_cast<size_t>(shape.head_dim)];
    for (int64_t i = 0; i < half; ++i) {
      const double exponent = -2.0 * static_cast<double>(i) / static_cast<double>(shape.head_dim);
      const double angle = position * std::pow(shape.base, exponent);
      const double a = head[i];
      const double b = head[i + half];
      head[i] = a * std::cos(angle) - b * std::sin(angle);
      head[i + half] = a * std::sin(angle) + b * std::cos(angle);
    }
  }
  return y;
}

}  // namespace cotenant::reference

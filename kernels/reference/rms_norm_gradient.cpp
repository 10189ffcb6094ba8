// Public here: rms_norm_gradient.
#include <cmath>

#include "kernels/reference/training.h"

namespace cotenant::reference {

NormGradient rms_norm_gradient(View dy, View x, View weight, const NormShape& shape) {
  NormGradient d{Numbers(x.size()), Numbers(weight.size())};
  const auto hidden = static_cast<double>(shape.hidden);
  for (int64_t m = 0; m < shape.rows; ++m) {
    const int64_t at = m * shape.hidden;
    double squares = 0;
    double product = 0;
    for (int64_t i = 0; i < shape.hidden; ++i) {
      squares += x[at + i] * x[at + i];
      product += dy[at + i] * weight[i] * x[at + i];
    }
    const double s = 1 / std::sqrt(squares / hidden + shape.epsilon);
    for (int64_t i = 0; i < shape.hidden; ++i) {
      d.x[at + i] = s * dy[at + i] * weight[i] - x[at + i] * s * s * s * product / hidden;
      d.weight[i] += dy[at + i] * x[at + i] * s;
    }
  }
  return d;
}

}  // namespace cotenant::reference

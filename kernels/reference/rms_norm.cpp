// Public here: rms_norm.
#include <cmath>

#include "kernels/reference/transformer.h"

namespace cotenant::reference {

Numbers rms_norm(View x, View weight, const NormShape& shape) {
  Numbers y(x.size());
  for (int64_t m = 0; m < shape.rows; ++m) {
    double squares = 0;
    for (int64_t d = 0; d < shape.hidden; ++d) squares += x[m * shape.hidden + d] * x[m * shape.hidden + d];
    const double root = std::sqrt(squares / static_cast<double>(shape.hidden) + shape.epsilon);
    for (int64_t d = 0; d < shape.hidden; ++d) {
      y[m * shape.hidden + d] = x[m * shape.hidden + d] / root * weight[d];
    }
  }
  return y;
}

}  // namespace cotenant::reference

// Public here: linear, linear_input_gradient, linear_weight_gradient.
#include "kernels/reference/linear.h"

namespace cotenant::reference {

Numbers linear(View x, View w, const LinearShape& s) {
  Numbers y(static_cast<size_t>(s.rows * s.columns));
  for (int64_t m = 0; m < s.rows; ++m) {
    for (int64_t n = 0; n < s.columns; ++n) {
      double sum = 0;
      for (int64_t k = 0; k < s.inner; ++k) sum += x[m * s.inner + k] * w[n * s.inner + k];
      y[m * s.columns + n] = sum;
    }
  }
  return y;
}

Numbers linear_input_gradient(View dy, View w, const LinearShape& s) {
  Numbers dx(static_cast<size_t>(s.rows * s.inner));
  for (int64_t m = 0; m < s.rows; ++m) {
    for (int64_t k = 0; k < s.inner; ++k) {
      double sum = 0;
      for (int64_t n = 0; n < s.columns; ++n) sum += dy[m * s.columns + n] * w[n * s.inner + k];
      dx[m * s.inner + k] = sum;
    }
  }
  return dx;
}

Numbers linear_weight_gradient(View dy, View x, const LinearShape& s) {
  Numbers dw(static_cast<size_t>(s.columns * s.inner));
  for (int64_t n = 0; n < s.columns; ++n) {
    for (int64_t k = 0; k < s.inner; ++k) {
      double sum = 0;
      for (int64_t m = 0; m < s.rows; ++m) sum += dy[m * s.columns + n] * x[m * s.inner + k];
      dw[n * s.inner + k] = sum;
    }
  }
  return dw;
}

}  // namespace cotenant::reference

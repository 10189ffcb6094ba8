// Public here: lora.
#include "kernels/reference/linear.h"

namespace cotenant::reference {

Numbers lora(View x, View a, View b, const LoraShape& shape) {
  const LinearShape& s = shape.linear;
  Numbers y(static_cast<size_t>(s.rows * s.columns));
  for (int64_t m = 0; m < s.rows; ++m) {
    for (int64_t r = 0; r < shape.rank; ++r) {
      double shrunk = 0;
      for (int64_t k = 0; k < s.inner; ++k) shrunk += x[m * s.inner + k] * a[k * shape.rank + r];
      for (int64_t n = 0; n < s.columns; ++n) {
        y[m * s.columns + n] += shape.scale * shrunk * b[r * s.columns + n];
      }
    }
  }
  return y;
}

}  // namespace cotenant::reference

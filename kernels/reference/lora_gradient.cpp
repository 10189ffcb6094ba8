// Public here: lora_gradient.
#include "kernels/reference/training.h"

namespace cotenant::reference {

LoraGradient lora_gradient(View dy, const LoraInput& in, const LoraShape& shape) {
  const LinearShape& s = shape.linear;
  LoraGradient d{Numbers(in.x.size()), Numbers(in.a.size()), Numbers(in.b.size())};
  for (int64_t m = 0; m < s.rows; ++m) {
    for (int64_t r = 0; r < shape.rank; ++r) {
      double shrunk = 0;    // (x a)[m, r]
      double d_shrunk = 0;  // scale (dy b^T)[m, r]
      for (int64_t k = 0; k < s.inner; ++k) shrunk += in.x[m * s.inner + k] * in.a[k * shape.rank + r];
      for (int64_t n = 0; n < s.columns; ++n) {
        d_shrunk += shape.scale * dy[m * s.columns + n] * in.b[r * s.columns + n];
        d.b[r * s.columns + n] += shape.scale * shrunk * dy[m * s.columns + n];
      }
      for (int64_t k = 0; k < s.inner; ++k) {
        d.x[m * s.inner + k] += d_shrunk * in.a[k * shape.rank + r];
        d.a[k * shape.rank + r] += d_shrunk * in.x[m * s.inner + k];
      }
    }
  }
  return d;
}

}  // namespace cotenant::reference

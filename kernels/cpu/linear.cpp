// Public here: linear, linear_input_gradient, linear_weight_gradient.
#include "kernels/cpu/linear.h"

#include <cblas-openblas.h>

#include "kernels/cpu/blas_threads.h"
#include "kernels/cpu/vector_loops.h"
#include "sim/core/check.h"

namespace cotenant::cpu {
namespace {

// Up to here own loops read the weights once from memory, while sgemm packs them again on every call: on
// weights that are not in the cache they take about half of its time at 2 to 8 rows, and as long at 24.
constexpr blasint kSkinnyRows = 16;

blasint size_of(int64_t n) {
  CHECK(n > 0 && n <= INT32_MAX);
  return static_cast<blasint>(n);
}

}  // namespace

void linear(const float* x, const float* w, float* y, const LinearShape& s) {
  keep_blas_on_this_thread();
  const blasint m = size_of(s.rows);
  const blasint k = size_of(s.inner);
  const blasint n = size_of(s.columns);
  if (m > 1 && m <= kSkinnyRows) {
    vector_loops().skinny({x, w, y, s.rows, s.inner, s.columns});
  } else if (m == 1) {
    cblas_sgemv(CblasRowMajor, CblasNoTrans, n, k, 1, w, k, x, 1, 0, y, 1);
  } else {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, n, k, 1, x, k, w, k, 0, y, n);
  }
}

void linear_input_gradient(const float* dy, const float* w, float* dx, const LinearShape& s) {
  keep_blas_on_this_thread();
  const blasint m = size_of(s.rows);
  const blasint k = size_of(s.inner);
  const blasint n = size_of(s.columns);
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, k, n, 1, dy, n, w, k, 0, dx, k);
}

void linear_weight_gradient(const float* dy, const float* x, float* dw, const LinearShape& s) {
  keep_blas_on_this_thread();
  const blasint m = size_of(s.rows);
  const blasint k = size_of(s.inner);
  const blasint n = size_of(s.columns);
  cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, n, k, m, 1, dy, n, x, k, 0, dw, k);
}

}  // namespace cotenant::cpu

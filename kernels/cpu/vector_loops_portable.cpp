// Public here: kPortableLoops.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/vector_loops.h"

namespace cotenant::cpu {
namespace {

float dot(const float* a, const float* b, int64_t n) {
  float sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

void add_scaled(float* y, const float* x, float factor, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] += factor * x[i];
}

void softmax(float* x, int64_t n) {
  const float greatest = *std::max_element(x, x + n);
  float total = 0;
  for (int64_t i = 0; i < n; ++i) total += x[i] = std::exp(x[i] - greatest);
  for (int64_t i = 0; i < n; ++i) x[i] /= total;
}

void swiglu(const float* gate, const float* up, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = gate[i] / (1 + std::exp(-gate[i])) * up[i];
}

void scores(const ScoreLoop& s) {
  for (int64_t g = 0; g < s.group; ++g) {
    for (int64_t t = 0; t < s.keys; ++t) {
      s.score[g * s.score_stride + t] = s.scale * dot(s.q + g * s.head_dim, s.k + t * s.head_dim, s.head_dim);
    }
  }
}

void add_values(const ValueLoop& s) {
  for (int64_t t = 0; t < s.keys; ++t) {
    for (int64_t g = 0; g < s.group; ++g) {
      add_scaled(s.out + g * s.out_stride, s.v + t * s.columns, s.weight[g * s.weight_stride + t], s.columns);
    }
  }
}

void skinny(const SkinnyLoop& s) {
  for (int64_t n = 0; n < s.columns; ++n) {
    for (int64_t m = 0; m < s.rows; ++m) {
      s.y[m * s.columns + n] = dot(s.x + m * s.inner, s.w + n * s.inner, s.inner);
    }
  }
}

}  // namespace

const VectorLoops kPortableLoops{.name = "portable",
                                 .dot = dot,
                                 .add_scaled = add_scaled,
                                 .softmax = softmax,
                                 .swiglu = swiglu,
                                 .scores = scores,
                                 .add_values = add_values,
                                 .skinny = skinny};

}  // namespace cotenant::cpu

// Public here: embedding_bag, embedding_bag_update, relu, relu_gradient, binary_cross_entropy, sgd.
#include "kernels/cpu/recommender.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/vector_loops.h"

namespace cotenant::cpu {
namespace {

// Look-ups between a prefetch and its use.
constexpr int64_t kAhead = 16;

// Into the second-level cache: it can wait for more lines at a time than the first.
void prefetch(const float* row, int64_t dim) {
  constexpr int64_t kFloatsPerLine = 16;
  for (int64_t d = 0; d < dim; d += kFloatsPerLine) __builtin_prefetch(row + d, 1, 2);
}

}  // namespace

void embedding_bag(const float* table, const int32_t* index, float* out, const BagShape& s) {
  vector_loops().bags({table, index, out, s.rows, s.pooling, s.dim, s.stride});
}

void embedding_bag_update(float* table, const int32_t* index, const float* d_out, const BagUpdate& u) {
  const VectorLoops& loops = vector_loops();
  const BagShape& s = u.bag;
  const int64_t lookups = s.rows * s.pooling;
  for (int64_t m = 0; m < s.rows; ++m, d_out += s.stride) {
    for (int64_t i = m * s.pooling; i < (m + 1) * s.pooling; ++i) {
      if (i + kAhead < lookups) prefetch(table + index[i + kAhead] * s.dim, s.dim);
      loops.add_scaled(table + index[i] * s.dim, d_out, -u.rate, s.dim);
    }
  }
}

void relu(float* x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) x[i] = std::max(x[i], 0.0F);
}

void relu_gradient(float* dy, const float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) dy[i] = y[i] > 0 ? dy[i] : 0.0F;
}

float binary_cross_entropy(const float* logits, const float* labels, float* gradient, int64_t rows) {
  const auto count = static_cast<float>(rows);
  float loss = 0;
  for (int64_t i = 0; i < rows; ++i) {
    const float z = logits[i];
    loss += std::max(z, 0.0F) - labels[i] * z + std::log1p(std::exp(-std::abs(z)));
    gradient[i] = (1 / (1 + std::exp(-z)) - labels[i]) / count;
  }
  return loss / count;
}

void sgd(float* w, const float* dw, float rate, int64_t n) {
  vector_loops().add_scaled(w, dw, -rate, n);
}

}  // namespace cotenant::cpu

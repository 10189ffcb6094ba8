// Public here: rms_norm, add, RopeTable, swiglu, argmax.
#include "kernels/cpu/transformer.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/vector_loops.h"
#include "sim/core/check.h"

namespace cotenant::cpu {

void rms_norm(const float* x, const float* weight, float* y, const NormShape& shape) {
  const VectorLoops& loops = vector_loops();
  for (int64_t m = 0; m < shape.rows; ++m, x += shape.hidden, y += shape.hidden) {
    const float squares = loops.dot(x, x, shape.hidden);
    const float inverse = 1 / std::sqrt(squares / static_cast<float>(shape.hidden) + shape.epsilon);
    for (int64_t d = 0; d < shape.hidden; ++d) y[d] = x[d] * inverse * weight[d];
  }
}

void add(float* x, const float* y, int64_t n) {
  vector_loops().add_scaled(x, y, 1.0F, n);
}

RopeTable::RopeTable(const Shape& shape) : shape_(shape) {
  const int64_t half = shape.head_dim / 2;
  cosine_.reserve(static_cast<size_t>(shape.positions * half));
  sine_.reserve(static_cast<size_t>(shape.positions * half));
  for (int64_t position = 0; position < shape.positions; ++position) {
    for (int64_t i = 0; i < half; ++i) {
      const double exponent = -2.0 * static_cast<double>(i) / static_cast<double>(shape.head_dim);
      const double angle = static_cast<double>(position) * std::pow(shape.base, exponent);
      cosine_.push_back(static_cast<float>(std::cos(angle)));
      sine_.push_back(static_cast<float>(std::sin(angle)));
    }
  }
}

RopeTable::Angles RopeTable::angles(int64_t position) const {
  CHECK(position >= 0 && position < shape_.positions);
  const auto at = static_cast<size_t>(position * (shape_.head_dim / 2));
  return {&cosine_[at], &sine_[at]};
}

void RopeTable::rotate(float* x, std::span<const int64_t> positions, int64_t heads) const {
  const int64_t half = shape_.head_dim / 2;
  for (const int64_t position : positions) {
    const Angles a = angles(position);
    for (int64_t h = 0; h < heads; ++h, x += shape_.head_dim) {
      vector_loops().rotate(x, x + half, a.cosine, a.sine, half);
    }
  }
}

// With its two halves exchanged the same rotation turns the other way.
void RopeTable::rotate_back(float* dx, std::span<const int64_t> positions, int64_t heads) const {
  const int64_t half = shape_.head_dim / 2;
  for (const int64_t position : positions) {
    const Angles a = angles(position);
    for (int64_t h = 0; h < heads; ++h, dx += shape_.head_dim) {
      vector_loops().rotate(dx + half, dx, a.cosine, a.sine, half);
    }
  }
}

void swiglu(const float* gate, const float* up, float* y, int64_t n) {
  vector_loops().swiglu(gate, up, y, n);
}

int64_t argmax(const float* logits, int64_t n) {
  CHECK(n > 0);
  return std::max_element(logits, logits + n) - logits;
}

}  // namespace cotenant::cpu

// Public here: cross_entropy, rms_norm_gradient, swiglu_gradient, embedding_gradient, adamw.
#include "kernels/cpu/training.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/vector_loops.h"
#include "sim/core/check.h"

namespace cotenant::cpu {

double cross_entropy(float* logits, const int32_t* targets, const CrossEntropyShape& s) {
  const float share = 1 / static_cast<float>(s.mean_over);
  double loss = 0;
  for (int64_t m = 0; m < s.rows; ++m, logits += s.vocabulary) {
    CHECK(targets[m] >= 0 && targets[m] < s.vocabulary);
    const float logit = logits[targets[m]];
    loss += static_cast<double>(vector_loops().softmax(logits, s.vocabulary) - logit);
    for (int64_t i = 0; i < s.vocabulary; ++i) logits[i] *= share;
    logits[targets[m]] -= share;
  }
  return loss / static_cast<double>(s.mean_over);
}

void rms_norm_gradient(const NormGradientCall& c, const NormShape& s) {
  const VectorLoops& loops = vector_loops();
  const auto hidden = static_cast<float>(s.hidden);
  for (int64_t m = 0; m < s.rows; ++m) {
    const float* x = c.x + m * s.hidden;
    const float* dy = c.dy + m * s.hidden;
    float* dx = c.dx + m * s.hidden;
    const float inverse = 1 / std::sqrt(loops.dot(x, x, s.hidden) / hidden + s.epsilon);
    float product = 0;
    for (int64_t i = 0; i < s.hidden; ++i) product += dy[i] * c.weight[i] * x[i];
    const float back = inverse * inverse * inverse * product / hidden;
    for (int64_t i = 0; i < s.hidden; ++i) dx[i] += inverse * dy[i] * c.weight[i] - back * x[i];
    if (c.d_weight == nullptr) continue;
    for (int64_t i = 0; i < s.hidden; ++i) c.d_weight[i] += dy[i] * x[i] * inverse;
  }
}

void swiglu_gradient(const SwigluGradientCall& c, int64_t n) {
  vector_loops().swiglu_gradient({c.dy, c.gate, c.up, c.d_gate, c.d_up, n});
}

void embedding_gradient(const float* dy, std::span<const int32_t> tokens, float* d_table, int64_t hidden) {
  for (const int32_t token : tokens) {
    add(d_table + token * hidden, dy, hidden);
    dy += hidden;
  }
}

void adamw(std::span<const AdamwTensor> tensors, const AdamwRules& r, int64_t step) {
  CHECK(step > 0);
  const auto count = static_cast<double>(step);
  for (const AdamwTensor& t : tensors) {
    vector_loops().adamw(
        {.weight = t.weight,
         .gradient = t.gradient,
         .m = t.m,
         .v = t.v,
         .n = t.n,
         .rate = r.rate,
         .beta1 = r.beta1,
         .beta2 = r.beta2,
         .epsilon = r.epsilon,
         .weight_decay = r.weight_decay,
         .correction1 = static_cast<float>(1 / (1 - std::pow(static_cast<double>(r.beta1), count))),
         .correction2 = static_cast<float>(1 / (1 - std::pow(static_cast<double>(r.beta2), count)))});
  }
}

}  // namespace cotenant::cpu

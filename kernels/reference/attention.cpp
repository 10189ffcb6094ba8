// Public here: attention.
#include <algorithm>
#include <cmath>

#include "kernels/reference/transformer.h"

namespace cotenant::reference {
namespace {

// One query row of one head against the first `visible` keys.
struct OneQuery {
  const double* q;
  const double* k;  // of its KV head; rows `stride` apart
  const double* v;
  int64_t visible;
  int64_t stride;
  int64_t head_dim;
};

void attend(const OneQuery& one, double* out) {
  Numbers score(static_cast<size_t>(one.visible));
  for (int64_t t = 0; t < one.visible; ++t) {
    double dot = 0;
    for (int64_t d = 0; d < one.head_dim; ++d) dot += one.q[d] * one.k[t * one.stride + d];
    score[t] = dot / std::sqrt(static_cast<double>(one.head_dim));
  }
  const double greatest = *std::max_element(score.begin(), score.end());
  double total = 0;
  for (double& s : score) total += s = std::exp(s - greatest);
  for (int64_t d = 0; d < one.head_dim; ++d) {
    out[d] = 0;
    for (int64_t t = 0; t < one.visible; ++t) out[d] += score[t] / total * one.v[t * one.stride + d];
  }
}

}  // namespace

Numbers attention(const AttentionInput& input, const AttentionShape& s) {
  Numbers out(static_cast<size_t>(s.queries * s.heads * s.head_dim));
  const int64_t group = s.heads / s.kv_heads;
  for (int64_t m = 0; m < s.queries; ++m) {
    for (int64_t h = 0; h < s.heads; ++h) {
      const int64_t at = (m * s.heads + h) * s.head_dim;
      const int64_t kv = h / group * s.head_dim;
      attend({.q = &input.q[at],
              .k = &input.k[kv],
              .v = &input.v[kv],
              .visible = s.context + m + 1,
              .stride = s.kv_heads * s.head_dim,
              .head_dim = s.head_dim},
             &out[at]);
    }
  }
  return out;
}

}  // namespace cotenant::reference

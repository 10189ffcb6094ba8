// Public here: attention_gradient.
#include <algorithm>
#include <cmath>

#include "kernels/reference/training.h"

namespace cotenant::reference {
namespace {

// One query row of one head; keys, values and their gradients stand `stride` values apart.
struct OneQuery {
  const double* q;
  const double* k;
  const double* v;
  const double* d_out;
  double* dq;
  double* dk;
  double* dv;
  int64_t visible;
  int64_t stride;
  int64_t head_dim;
  double scale;
};

double dot(const double* a, const double* b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

Numbers probabilities(const OneQuery& one) {
  Numbers p(static_cast<size_t>(one.visible));
  for (int64_t t = 0; t < one.visible; ++t) {
    p[t] = one.scale * dot(one.q, one.k + t * one.stride, one.head_dim);
  }
  const double greatest = *std::max_element(p.begin(), p.end());
  double total = 0;
  for (double& s : p) total += s = std::exp(s - greatest);
  for (double& s : p) s /= total;
  return p;
}

void add_gradient(const OneQuery& one) {
  const Numbers p = probabilities(one);
  Numbers dp(p.size());
  double mean = 0;
  for (int64_t t = 0; t < one.visible; ++t) {
    dp[t] = dot(one.d_out, one.v + t * one.stride, one.head_dim);
    mean += p[t] * dp[t];
  }
  for (int64_t t = 0; t < one.visible; ++t) {
    const double ds = one.scale * p[t] * (dp[t] - mean);
    for (int64_t d = 0; d < one.head_dim; ++d) {
      one.dq[d] += ds * one.k[t * one.stride + d];
      one.dk[t * one.stride + d] += ds * one.q[d];
      one.dv[t * one.stride + d] += p[t] * one.d_out[d];
    }
  }
}

}  // namespace

AttentionGradient attention_gradient(View d_out, const AttentionInput& input, const AttentionShape& s) {
  AttentionGradient d{Numbers(input.q.size()), Numbers(input.k.size()), Numbers(input.v.size())};
  const int64_t group = s.heads / s.kv_heads;
  for (int64_t m = 0; m < s.queries; ++m) {
    for (int64_t h = 0; h < s.heads; ++h) {
      const int64_t at = (m * s.heads + h) * s.head_dim;
      const int64_t kv = h / group * s.head_dim;
      add_gradient({.q = &input.q[at],
                    .k = &input.k[kv],
                    .v = &input.v[kv],
                    .d_out = &d_out[at],
                    .dq = &d.q[at],
                    .dk = &d.k[kv],
                    .dv = &d.v[kv],
                    .visible = s.context + m + 1,
                    .stride = s.kv_heads * s.head_dim,
                    .head_dim = s.head_dim,
                    .scale = 1 / std::sqrt(static_cast<double>(s.head_dim))});
    }
  }
  return d;
}

}  // namespace cotenant::reference

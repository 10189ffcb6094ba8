// Public here: kAvx2Loops.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/avx2.h"

namespace cotenant::cpu {
namespace {

using avx2::kLanes;

COTENANT_AVX2 float dot(const float* a, const float* b, int64_t n) {
  __m256 sum0 = _mm256_setzero_ps();
  __m256 sum1 = _mm256_setzero_ps();
  int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    sum0 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), sum0);
    sum1 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + kLanes), _mm256_loadu_ps(b + i + kLanes), sum1);
  }
  float sum = avx2::sum_of_lanes(_mm256_add_ps(sum0, sum1));
  for (; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

COTENANT_AVX2 void add_scaled(float* y, const float* x, float factor, int64_t n) {
  const __m256 f = _mm256_set1_ps(factor);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    _mm256_storeu_ps(y + i, _mm256_fmadd_ps(f, _mm256_loadu_ps(x + i), _mm256_loadu_ps(y + i)));
  }
  for (; i < n; ++i) y[i] += factor * x[i];
}

COTENANT_AVX2 float greatest(const float* x, int64_t n) {
  float best = x[0];
  int64_t i = 0;
  if (n >= kLanes) {
    __m256 m = _mm256_loadu_ps(x);
    for (i = kLanes; i + kLanes <= n; i += kLanes) m = _mm256_max_ps(m, _mm256_loadu_ps(x + i));
    best = avx2::greatest_lane(m);
  }
  for (; i < n; ++i) best = std::max(best, x[i]);
  return best;
}

COTENANT_AVX2 float softmax(float* x, int64_t n) {
  const float top = greatest(x, n);
  __m256 total = _mm256_setzero_ps();
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const __m256 e = avx2::exponential(_mm256_sub_ps(_mm256_loadu_ps(x + i), _mm256_set1_ps(top)));
    _mm256_storeu_ps(x + i, e);
    total = _mm256_add_ps(total, e);
  }
  float sum = avx2::sum_of_lanes(total);
  for (; i < n; ++i) sum += x[i] = std::exp(x[i] - top);
  const float inverse = 1 / sum;
  for (i = 0; i + kLanes <= n; i += kLanes) {
    _mm256_storeu_ps(x + i, _mm256_mul_ps(_mm256_loadu_ps(x + i), _mm256_set1_ps(inverse)));
  }
  for (; i < n; ++i) x[i] *= inverse;
  return top + std::log(sum);
}

COTENANT_AVX2 void rotate(float* a, float* b, const float* cosine, const float* sine, int64_t n) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const __m256 x = _mm256_loadu_ps(a + i);
    const __m256 y = _mm256_loadu_ps(b + i);
    const __m256 c = _mm256_loadu_ps(cosine + i);
    const __m256 s = _mm256_loadu_ps(sine + i);
    _mm256_storeu_ps(a + i, _mm256_fmsub_ps(x, c, _mm256_mul_ps(y, s)));
    _mm256_storeu_ps(b + i, _mm256_fmadd_ps(x, s, _mm256_mul_ps(y, c)));
  }
  for (; i < n; ++i) {
    const float x = a[i];
    a[i] = x * cosine[i] - b[i] * sine[i];
    b[i] = x * sine[i] + b[i] * cosine[i];
  }
}

COTENANT_AVX2 void swiglu(const float* gate, const float* up, float* y, int64_t n) {
  const __m256 one = _mm256_set1_ps(1.0F);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const __m256 g = _mm256_loadu_ps(gate + i);
    const __m256 e = avx2::exponential(_mm256_sub_ps(_mm256_setzero_ps(), g));
    const __m256 silu = _mm256_div_ps(g, _mm256_add_ps(one, e));
    _mm256_storeu_ps(y + i, _mm256_mul_ps(silu, _mm256_loadu_ps(up + i)));
  }
  for (; i < n; ++i) y[i] = gate[i] / (1 + std::exp(-gate[i])) * up[i];
}

COTENANT_AVX2 void swiglu_gradient(const SwigluGradientLoop& s) {
  const __m256 one = _mm256_set1_ps(1.0F);
  int64_t i = 0;
  for (; i + kLanes <= s.n; i += kLanes) {
    const __m256 dy = _mm256_loadu_ps(s.dy + i);
    const __m256 g = _mm256_loadu_ps(s.gate + i);
    const __m256 e = avx2::exponential(_mm256_sub_ps(_mm256_setzero_ps(), g));
    const __m256 sigmoid = _mm256_div_ps(one, _mm256_add_ps(one, e));
    const __m256 slope = _mm256_fmadd_ps(g, _mm256_sub_ps(one, sigmoid), one);
    const __m256 d_up = _mm256_mul_ps(dy, _mm256_mul_ps(g, sigmoid));
    const __m256 d_gate =
        _mm256_mul_ps(_mm256_mul_ps(dy, _mm256_loadu_ps(s.up + i)), _mm256_mul_ps(sigmoid, slope));
    _mm256_storeu_ps(s.d_gate + i, d_gate);
    _mm256_storeu_ps(s.d_up + i, d_up);
  }
  SwigluGradientLoop rest = s;
  rest.dy += i;
  rest.gate += i;
  rest.up += i;
  rest.d_gate += i;
  rest.d_up += i;
  rest.n -= i;
  if (rest.n > 0) kPortableLoops.swiglu_gradient(rest);
}

COTENANT_AVX2 void softmax_gradient(const SoftmaxGradientLoop& s) {
  const __m256 mean = _mm256_set1_ps(s.mean);
  const __m256 scale = _mm256_set1_ps(s.scale);
  int64_t i = 0;
  for (; i + kLanes <= s.n; i += kLanes) {
    const __m256 off = _mm256_sub_ps(_mm256_loadu_ps(s.dp + i), mean);
    _mm256_storeu_ps(s.dp + i, _mm256_mul_ps(_mm256_mul_ps(_mm256_loadu_ps(s.p + i), scale), off));
  }
  for (; i < s.n; ++i) s.dp[i] = s.p[i] * s.scale * (s.dp[i] - s.mean);
}

COTENANT_AVX2 void adamw(const AdamwLoop& s) {
  const __m256 beta1 = _mm256_set1_ps(s.beta1);
  const __m256 beta2 = _mm256_set1_ps(s.beta2);
  const __m256 rest1 = _mm256_set1_ps(1 - s.beta1);
  const __m256 rest2 = _mm256_set1_ps(1 - s.beta2);
  const __m256 step = _mm256_set1_ps(s.rate * s.correction1);
  const __m256 keep = _mm256_set1_ps(1 - s.rate * s.weight_decay);
  int64_t i = 0;
  for (; i + kLanes <= s.n; i += kLanes) {
    const __m256 g = _mm256_loadu_ps(s.gradient + i);
    const __m256 m = _mm256_fmadd_ps(beta1, _mm256_loadu_ps(s.m + i), _mm256_mul_ps(rest1, g));
    const __m256 v =
        _mm256_fmadd_ps(beta2, _mm256_loadu_ps(s.v + i), _mm256_mul_ps(rest2, _mm256_mul_ps(g, g)));
    const __m256 root = _mm256_sqrt_ps(_mm256_mul_ps(v, _mm256_set1_ps(s.correction2)));
    const __m256 move = _mm256_div_ps(_mm256_mul_ps(step, m), _mm256_add_ps(root, _mm256_set1_ps(s.epsilon)));
    _mm256_storeu_ps(s.m + i, m);
    _mm256_storeu_ps(s.v + i, v);
    _mm256_storeu_ps(s.weight + i, _mm256_fmsub_ps(keep, _mm256_loadu_ps(s.weight + i), move));
  }
  AdamwLoop rest = s;
  rest.weight += i;
  rest.gradient += i;
  rest.m += i;
  rest.v += i;
  rest.n -= i;
  if (rest.n > 0) kPortableLoops.adamw(rest);
}

}  // namespace

const VectorLoops kAvx2Loops{.name = "avx2",
                             .dot = dot,
                             .add_scaled = add_scaled,
                             .softmax = softmax,
                             .rotate = rotate,
                             .swiglu = swiglu,
                             .swiglu_gradient = swiglu_gradient,
                             .softmax_gradient = softmax_gradient,
                             .panels = avx2::panels,
                             .transpose_panel = avx2::transpose_panel,
                             .skinny = avx2::skinny,
                             .paged_decode = avx2::paged_decode,
                             .bags = avx2::bags,
                             .adamw = adamw};

}  // namespace cotenant::cpu

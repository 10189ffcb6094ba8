// Public here: kAvx2Loops. Every function that touches a 256-bit register carries the target attribute, so
// that the file needs no compiler flags of its own and no other code may be compiled to AVX2 by accident.
#include <immintrin.h>

#include <algorithm>
#include <cmath>

#include "kernels/cpu/vector_loops.h"

#define COTENANT_AVX2 __attribute__((target("avx2,fma")))
// Arrays of registers stay in registers only if the loops over them are gone; -O2 alone keeps them.
#define COTENANT_UNROLL _Pragma("GCC unroll 8")

namespace cotenant::cpu {
namespace {

constexpr int64_t kLanes = 8;
// Weights are asked for this many values (16 KiB) before their use. A prefetch beyond the end does no harm.
constexpr int64_t kAhead = 4096;

COTENANT_AVX2 inline float sum_of_lanes(__m256 v) {
  const __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  const __m128 pair = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)));
}

// exp(x) for x <= 88, relative error about 2e-7: 2^n times a Taylor polynomial of degree 6 on
// [-ln 2 / 2, ln 2 / 2]. ln 2 is split in two, after Cody and Waite, "Software manual for the elementary
// functions", 1980. Below -87 the result is 0.
COTENANT_AVX2 inline __m256 exponential(__m256 x) {
  const __m256 tiny = _mm256_cmp_ps(x, _mm256_set1_ps(-87.0F), _CMP_LT_OQ);
  const __m256 clamped = _mm256_min_ps(_mm256_max_ps(x, _mm256_set1_ps(-87.0F)), _mm256_set1_ps(88.0F));
  const __m256 n = _mm256_round_ps(_mm256_mul_ps(clamped, _mm256_set1_ps(1.44269504F)),
                                   _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693359375F), clamped);
  r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.12194440e-4F), r);
  __m256 p = _mm256_set1_ps(1.0F / 720);
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0F / 120));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0F / 24));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0F / 6));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.5F));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0F));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0F));
  const __m256i exponent =
      _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
  return _mm256_andnot_ps(tiny, _mm256_mul_ps(p, _mm256_castsi256_ps(exponent)));
}

COTENANT_AVX2 float dot(const float* a, const float* b, int64_t n) {
  __m256 sum0 = _mm256_setzero_ps();
  __m256 sum1 = _mm256_setzero_ps();
  int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    sum0 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), sum0);
    sum1 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + kLanes), _mm256_loadu_ps(b + i + kLanes), sum1);
  }
  float sum = sum_of_lanes(_mm256_add_ps(sum0, sum1));
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
    alignas(32) float lanes[kLanes];
    _mm256_store_ps(lanes, m);
    best = *std::max_element(lanes, lanes + kLanes);
  }
  for (; i < n; ++i) best = std::max(best, x[i]);
  return best;
}

COTENANT_AVX2 void softmax(float* x, int64_t n) {
  const float top = greatest(x, n);
  __m256 total = _mm256_setzero_ps();
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const __m256 e = exponential(_mm256_sub_ps(_mm256_loadu_ps(x + i), _mm256_set1_ps(top)));
    _mm256_storeu_ps(x + i, e);
    total = _mm256_add_ps(total, e);
  }
  float sum = sum_of_lanes(total);
  for (; i < n; ++i) sum += x[i] = std::exp(x[i] - top);
  const float inverse = 1 / sum;
  for (i = 0; i + kLanes <= n; i += kLanes) {
    _mm256_storeu_ps(x + i, _mm256_mul_ps(_mm256_loadu_ps(x + i), _mm256_set1_ps(inverse)));
  }
  for (; i < n; ++i) x[i] *= inverse;
}

COTENANT_AVX2 void swiglu(const float* gate, const float* up, float* y, int64_t n) {
  const __m256 one = _mm256_set1_ps(1.0F);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const __m256 g = _mm256_loadu_ps(gate + i);
    const __m256 e = exponential(_mm256_sub_ps(_mm256_setzero_ps(), g));
    const __m256 silu = _mm256_div_ps(g, _mm256_add_ps(one, e));
    _mm256_storeu_ps(y + i, _mm256_mul_ps(silu, _mm256_loadu_ps(up + i)));
  }
  for (; i < n; ++i) y[i] = gate[i] / (1 + std::exp(-gate[i])) * up[i];
}

// The lanes of four registers, each summed, in order.
COTENANT_AVX2 inline __m128 four_sums(const __m256* v) {
  const __m256 pairs = _mm256_hadd_ps(_mm256_hadd_ps(v[0], v[1]), _mm256_hadd_ps(v[2], v[3]));
  return _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps(pairs, 1));
}

// Four keys against one query: their sums are taken together.
COTENANT_AVX2 inline void score_four(const ScoreLoop& s, int64_t g, int64_t t) {
  const float* q = s.q + g * s.head_dim;
  const float* k = s.k + t * s.head_dim;
  __m256 sum[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
  for (int64_t d = 0; d < s.head_dim; d += kLanes) {
    const __m256 part = _mm256_loadu_ps(q + d);
    COTENANT_UNROLL
    for (int i = 0; i < 4; ++i) {
      sum[i] = _mm256_fmadd_ps(part, _mm256_loadu_ps(k + i * s.head_dim + d), sum[i]);
    }
  }
  _mm_storeu_ps(s.score + g * s.score_stride + t, _mm_mul_ps(four_sums(sum), _mm_set1_ps(s.scale)));
}

COTENANT_AVX2 void scores(const ScoreLoop& s) {
  int64_t t = 0;
  for (; s.head_dim % kLanes == 0 && t + 4 <= s.keys; t += 4) {
    for (int64_t g = 0; g < s.group; ++g) score_four(s, g, t);
  }
  for (; t < s.keys; ++t) {
    for (int64_t g = 0; g < s.group; ++g) {
      s.score[g * s.score_stride + t] = s.scale * dot(s.q + g * s.head_dim, s.k + t * s.head_dim, s.head_dim);
    }
  }
}

// kRows rows of x against kColumns rows of w: kRows * kColumns sums stay in registers.
template <int kRows, int kColumns>
COTENANT_AVX2 void skinny_tile(const SkinnyLoop& s, int64_t m, int64_t n) {
  const float* x = s.x + m * s.inner;
  const float* w = s.w + n * s.inner;
  __m256 sum[kColumns][kRows];
  COTENANT_UNROLL
  for (auto& column : sum) {
    COTENANT_UNROLL
    for (__m256& one : column) one = _mm256_setzero_ps();
  }
  int64_t k = 0;
  for (; k + kLanes <= s.inner; k += kLanes) {
    COTENANT_UNROLL
    for (int j = 0; j < kColumns; ++j) {
      const __m256 weight = _mm256_loadu_ps(w + j * s.inner + k);
      __builtin_prefetch(w + j * s.inner + k + kAhead);
      COTENANT_UNROLL
      for (int i = 0; i < kRows; ++i) {
        sum[j][i] = _mm256_fmadd_ps(weight, _mm256_loadu_ps(x + i * s.inner + k), sum[j][i]);
      }
    }
  }
  COTENANT_UNROLL
  for (int j = 0; j < kColumns; ++j) {
    COTENANT_UNROLL
    for (int i = 0; i < kRows; ++i) {
      float total = sum_of_lanes(sum[j][i]);
      for (int64_t rest = k; rest < s.inner; ++rest) total += w[j * s.inner + rest] * x[i * s.inner + rest];
      s.y[(m + i) * s.columns + n + j] = total;
    }
  }
}

template <int kRows, int kColumns>
void skinny_columns(const SkinnyLoop& s, int64_t m, int64_t from, int64_t to) {
  int64_t n = from;
  for (; n + kColumns <= to; n += kColumns) skinny_tile<kRows, kColumns>(s, m, n);
  for (; n < to; ++n) skinny_tile<kRows, 1>(s, m, n);
}

void skinny_rows(const SkinnyLoop& s, int64_t m, int64_t from, int64_t to) {
  switch (s.rows - m) {
    case 1:
      return skinny_columns<1, 4>(s, m, from, to);
    case 2:
      return skinny_columns<2, 4>(s, m, from, to);
    case 3:
      return skinny_columns<3, 3>(s, m, from, to);
    case 4:
      return skinny_columns<4, 2>(s, m, from, to);
    case 5:
      return skinny_columns<5, 2>(s, m, from, to);
    default:
      return skinny_columns<6, 2>(s, m, from, to);
  }
}

// Weights go in blocks that stay in the first-level cache while all rows meet them.
void skinny(const SkinnyLoop& s) {
  constexpr int64_t kBlockValues = 4096;
  const int64_t block = std::max<int64_t>(kBlockValues / s.inner / 12 * 12, 12);
  for (int64_t from = 0; from < s.columns; from += block) {
    const int64_t to = std::min(from + block, s.columns);
    for (int64_t m = 0; m < s.rows; m += 6) skinny_rows(s, m, from, to);
  }
}

// One row of weights against one block of keys.
struct ValueRow {
  const float* weight;  // keys
  const float* v;       // keys x columns
  float* out;           // columns
  int64_t keys;
  int64_t columns;
};

// 16 columns stay in registers while the keys run by, two keys at a time.
COTENANT_AVX2 inline void add_16_columns(const ValueRow& s, int64_t column) {
  float* out = s.out + column;
  const float* row = s.v + column;
  __m256 even0 = _mm256_loadu_ps(out);
  __m256 even1 = _mm256_loadu_ps(out + kLanes);
  __m256 odd0 = _mm256_setzero_ps();
  __m256 odd1 = _mm256_setzero_ps();
  int64_t t = 0;
  for (; t + 2 <= s.keys; t += 2, row += 2 * s.columns) {
    const __m256 w0 = _mm256_set1_ps(s.weight[t]);
    const __m256 w1 = _mm256_set1_ps(s.weight[t + 1]);
    even0 = _mm256_fmadd_ps(w0, _mm256_loadu_ps(row), even0);
    even1 = _mm256_fmadd_ps(w0, _mm256_loadu_ps(row + kLanes), even1);
    odd0 = _mm256_fmadd_ps(w1, _mm256_loadu_ps(row + s.columns), odd0);
    odd1 = _mm256_fmadd_ps(w1, _mm256_loadu_ps(row + s.columns + kLanes), odd1);
  }
  if (t < s.keys) {
    const __m256 w0 = _mm256_set1_ps(s.weight[t]);
    even0 = _mm256_fmadd_ps(w0, _mm256_loadu_ps(row), even0);
    even1 = _mm256_fmadd_ps(w0, _mm256_loadu_ps(row + kLanes), even1);
  }
  _mm256_storeu_ps(out, _mm256_add_ps(even0, odd0));
  _mm256_storeu_ps(out + kLanes, _mm256_add_ps(even1, odd1));
}

COTENANT_AVX2 void add_row(const ValueRow& s) {
  int64_t column = 0;
  for (; column + 2 * kLanes <= s.columns; column += 2 * kLanes) add_16_columns(s, column);
  for (; column < s.columns; ++column) {
    for (int64_t t = 0; t < s.keys; ++t) s.out[column] += s.weight[t] * s.v[t * s.columns + column];
  }
}

// Keys go in blocks, so that every row of weights finds them in the first-level cache.
void add_values(const ValueLoop& s) {
  constexpr int64_t kBlock = 64;
  for (int64_t from = 0; from < s.keys; from += kBlock) {
    for (int64_t g = 0; g < s.group; ++g) {
      add_row({.weight = s.weight + g * s.weight_stride + from,
               .v = s.v + from * s.columns,
               .out = s.out + g * s.out_stride,
               .keys = std::min(kBlock, s.keys - from),
               .columns = s.columns});
    }
  }
}

}  // namespace

const VectorLoops kAvx2Loops{.name = "avx2",
                             .dot = dot,
                             .add_scaled = add_scaled,
                             .softmax = softmax,
                             .swiglu = swiglu,
                             .scores = scores,
                             .add_values = add_values,
                             .skinny = skinny};

}  // namespace cotenant::cpu

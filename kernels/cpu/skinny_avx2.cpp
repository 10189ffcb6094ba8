// Public here: avx2::skinny.
#include <algorithm>

#include "kernels/cpu/avx2.h"

namespace cotenant::cpu::avx2 {
namespace {

// Weights are asked for this many values (16 KiB) before their use. A prefetch beyond the end does no harm.
constexpr int64_t kAhead = 4096;

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
      prefetch(w + j * s.inner + k + kAhead);
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

}  // namespace

// Weights go in blocks that stay in the first-level cache while all rows meet them.
void skinny(const SkinnyLoop& s) {
  constexpr int64_t kBlockValues = 4096;
  const int64_t block = std::max<int64_t>(kBlockValues / s.inner / 12 * 12, 12);
  for (int64_t from = 0; from < s.columns; from += block) {
    const int64_t to = std::min(from + block, s.columns);
    for (int64_t m = 0; m < s.rows; m += 6) skinny_rows(s, m, from, to);
  }
}

}  // namespace cotenant::cpu::avx2

// Public here: avx2::transpose_panel.
#include "kernels/cpu/avx2.h"

namespace cotenant::cpu::avx2 {
namespace {

// Eight rows of eight values become eight columns.
COTENANT_AVX2 inline void transpose_eight(const float* from, int64_t stride, float* to) {
  __m256 pair[8];
  COTENANT_UNROLL
  for (int i = 0; i < 8; i += 2) {
    const __m256 even = _mm256_loadu_ps(from + i * stride);
    const __m256 odd = _mm256_loadu_ps(from + (i + 1) * stride);
    pair[i] = _mm256_unpacklo_ps(even, odd);
    pair[i + 1] = _mm256_unpackhi_ps(even, odd);
  }
  __m256 four[8];
  COTENANT_UNROLL
  for (int i = 0; i < 8; i += 4) {
    four[i] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0x44);
    four[i + 1] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0xEE);
    four[i + 2] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0x44);
    four[i + 3] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0xEE);
  }
  COTENANT_UNROLL
  for (int i = 0; i < 4; ++i) {
    _mm256_storeu_ps(to + i * kPanelColumns, _mm256_permute2f128_ps(four[i], four[i + 4], 0x20));
    _mm256_storeu_ps(to + (i + 4) * kPanelColumns, _mm256_permute2f128_ps(four[i], four[i + 4], 0x31));
  }
}

}  // namespace

void transpose_panel(const TransposeLoop& s) {
  int64_t k = 0;
  if (s.columns == kPanelColumns) {
    for (; k + kLanes <= s.inner; k += kLanes) {
      transpose_eight(s.from + k, s.stride, s.to + k * kPanelColumns);
      transpose_eight(s.from + kLanes * s.stride + k, s.stride, s.to + k * kPanelColumns + kLanes);
    }
  }
  TransposeLoop rest = s;
  rest.from += k;
  rest.to += k * kPanelColumns;
  rest.inner -= k;
  if (rest.inner > 0) kPortableLoops.transpose_panel(rest);
}

}  // namespace cotenant::cpu::avx2

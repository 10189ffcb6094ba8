// Public here: avx2::panels.
#include <algorithm>

#include "kernels/cpu/avx2.h"

namespace cotenant::cpu::avx2 {
namespace {

// The stream of panels is asked for this many values (8 KiB) before their use.
constexpr int64_t kAhead = 2048;
constexpr int64_t kTileRows = 6;

// The first panel and row of a tile: kRows rows meet kPanels panels.
struct Tile {
  const float* x;
  const float* b;
  float* y;
};

// 2 * kRows * kPanels sums stay in registers while the inner dimension runs by.
template <int kRows, int kPanels, bool kPrefetch>
COTENANT_AVX2 void whole_tile(const PanelLoop& s, const Tile& at) {
  __m256 sum[kPanels][kRows][2];
  COTENANT_UNROLL
  for (auto& panel : sum) {
    COTENANT_UNROLL
    for (auto& row : panel) row[0] = row[1] = _mm256_setzero_ps();
  }
  const float* x = at.x;
  const float* b = at.b;
  for (int64_t k = 0; k < s.inner; ++k, x += s.x_inner, b += s.row_stride) {
    COTENANT_UNROLL
    for (int p = 0; p < kPanels; ++p) {
      const __m256 left = _mm256_loadu_ps(b + p * s.panel_stride);
      const __m256 right = _mm256_loadu_ps(b + p * s.panel_stride + kLanes);
      if (kPrefetch) prefetch(b + p * s.panel_stride + kAhead);
      COTENANT_UNROLL
      for (int i = 0; i < kRows; ++i) {
        const __m256 value = _mm256_broadcast_ss(x + i * s.x_row);
        sum[p][i][0] = _mm256_fmadd_ps(value, left, sum[p][i][0]);
        sum[p][i][1] = _mm256_fmadd_ps(value, right, sum[p][i][1]);
      }
    }
  }
  const __m256 scale = _mm256_set1_ps(s.scale);
  COTENANT_UNROLL
  for (int p = 0; p < kPanels; ++p) {
    COTENANT_UNROLL
    for (int i = 0; i < 2 * kRows; ++i) {
      float* y = at.y + i / 2 * s.y_row + p * kPanelColumns + i % 2 * kLanes;
      const __m256 before = s.add ? _mm256_loadu_ps(y) : _mm256_setzero_ps();
      _mm256_storeu_ps(y, _mm256_fmadd_ps(sum[p][i / 2][i % 2], scale, before));
    }
  }
}

// One row against one panel has two sums only, too few to hide the latency of an addition: four steps of the
// inner dimension go into sums of their own.
COTENANT_AVX2 void one_row(const PanelLoop& s, const Tile& at) {
  __m256 sum[4][2];
  COTENANT_UNROLL
  for (auto& row : sum) row[0] = row[1] = _mm256_setzero_ps();
  int64_t k = 0;
  for (; k + 4 <= s.inner; k += 4) {
    COTENANT_UNROLL
    for (int i = 0; i < 4; ++i) {
      const __m256 value = _mm256_broadcast_ss(at.x + (k + i) * s.x_inner);
      const float* b = at.b + (k + i) * s.row_stride;
      sum[i][0] = _mm256_fmadd_ps(value, _mm256_loadu_ps(b), sum[i][0]);
      sum[i][1] = _mm256_fmadd_ps(value, _mm256_loadu_ps(b + kLanes), sum[i][1]);
    }
  }
  for (; k < s.inner; ++k) {
    const __m256 value = _mm256_broadcast_ss(at.x + k * s.x_inner);
    sum[0][0] = _mm256_fmadd_ps(value, _mm256_loadu_ps(at.b + k * s.row_stride), sum[0][0]);
    sum[0][1] = _mm256_fmadd_ps(value, _mm256_loadu_ps(at.b + k * s.row_stride + kLanes), sum[0][1]);
  }
  const __m256 scale = _mm256_set1_ps(s.scale);
  COTENANT_UNROLL
  for (int i = 0; i < 2; ++i) {
    const __m256 total =
        _mm256_add_ps(_mm256_add_ps(sum[0][i], sum[1][i]), _mm256_add_ps(sum[2][i], sum[3][i]));
    float* y = at.y + i * kLanes;
    const __m256 before = s.add ? _mm256_loadu_ps(y) : _mm256_setzero_ps();
    _mm256_storeu_ps(y, _mm256_fmadd_ps(total, scale, before));
  }
}

// The last panel, where it has fewer than 16 columns.
template <int kRows>
COTENANT_AVX2 void narrow_tile(const PanelLoop& s, const Tile& at, int64_t columns) {
  const __m256i left = first_lanes(columns);
  const __m256i right = first_lanes(columns - kLanes);
  __m256 sum[kRows][2];
  COTENANT_UNROLL
  for (auto& row : sum) row[0] = row[1] = _mm256_setzero_ps();
  for (int64_t k = 0; k < s.inner; ++k) {
    const float* b = at.b + k * s.row_stride;
    COTENANT_UNROLL
    for (int i = 0; i < kRows; ++i) {
      const __m256 value = _mm256_broadcast_ss(at.x + i * s.x_row + k * s.x_inner);
      sum[i][0] = _mm256_fmadd_ps(value, _mm256_maskload_ps(b, left), sum[i][0]);
      sum[i][1] = _mm256_fmadd_ps(value, _mm256_maskload_ps(b + kLanes, right), sum[i][1]);
    }
  }
  const __m256 scale = _mm256_set1_ps(s.scale);
  COTENANT_UNROLL
  for (int i = 0; i < 2 * kRows; ++i) {
    float* y = at.y + i / 2 * s.y_row + i % 2 * kLanes;
    const __m256i mask = i % 2 == 0 ? left : right;
    const __m256 before = s.add ? _mm256_maskload_ps(y, mask) : _mm256_setzero_ps();
    _mm256_maskstore_ps(y, mask, _mm256_fmadd_ps(sum[i / 2][i % 2], scale, before));
  }
}

void narrow_panel(const PanelLoop& s, int64_t column) {
  const float* b = s.b + column / kPanelColumns * s.panel_stride;
  const int64_t columns = s.columns - column;
  int64_t row = 0;
  for (; row + 4 <= s.rows; row += 4) {
    narrow_tile<4>(s, {s.x + row * s.x_row, b, s.y + row * s.y_row + column}, columns);
  }
  for (; row < s.rows; ++row) {
    narrow_tile<1>(s, {s.x + row * s.x_row, b, s.y + row * s.y_row + column}, columns);
  }
}

template <bool kPrefetch>
void tile_of_rows(const PanelLoop& s, const Tile& at, int64_t rows) {
  switch (rows) {
    case 1:
      return one_row(s, at);
    case 2:
      return whole_tile<2, 1, kPrefetch>(s, at);
    case 3:
      return whole_tile<3, 1, kPrefetch>(s, at);
    case 4:
      return whole_tile<4, 1, kPrefetch>(s, at);
    case 5:
      return whole_tile<5, 1, kPrefetch>(s, at);
    default:
      return whole_tile<6, 1, kPrefetch>(s, at);
  }
}

// All rows against one panel: the panel comes from memory for the first rows and from the cache for the rest.
void whole_panel(const PanelLoop& s, int64_t column) {
  const float* b = s.b + column / kPanelColumns * s.panel_stride;
  int64_t groups = (s.rows + kTileRows - 1) / kTileRows;
  for (int64_t row = 0; groups > 0; --groups) {
    const int64_t rows = (s.rows - row + groups - 1) / groups;
    const Tile at{s.x + row * s.x_row, b, s.y + row * s.y_row + column};
    if (row == 0) {
      tile_of_rows<true>(s, at, rows);
    } else {
      tile_of_rows<false>(s, at, rows);
    }
    row += rows;
  }
}

// Up to three rows leave registers free for several panels at once. Returns the columns done.
template <int kRows, int kPanels>
int64_t several_panels(const PanelLoop& s) {
  constexpr bool kPrefetch = kRows > 1;
  int64_t column = 0;
  for (; column + kPanels * kPanelColumns <= s.columns; column += kPanels * kPanelColumns) {
    whole_tile<kRows, kPanels, kPrefetch>(s,
                                          {s.x, s.b + column / kPanelColumns * s.panel_stride, s.y + column});
  }
  return column;
}

}  // namespace

void panels(const PanelLoop& s) {
  int64_t column = 0;
  if (s.rows == 1) column = several_panels<1, 4>(s);
  if (s.rows == 2) column = several_panels<2, 3>(s);
  if (s.rows == 3) column = several_panels<3, 2>(s);
  for (; column + kPanelColumns <= s.columns; column += kPanelColumns) whole_panel(s, column);
  if (column < s.columns) narrow_panel(s, column);
}

}  // namespace cotenant::cpu::avx2

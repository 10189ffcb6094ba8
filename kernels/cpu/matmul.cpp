// Public here: matmul.
#include "kernels/cpu/matmul.h"

#include <algorithm>

#include "kernels/cpu/huge_pages.h"
#include "kernels/cpu/vector_loops.h"
#include "sim/core/check.h"

namespace cotenant::cpu {
namespace {

// The inner dimension of one copied panel, 128 KiB: it stays in the second-level cache.
constexpr int64_t kInner = 2048;
// For a turned x: the rows that are copied together, in groups as tall as a tile of the panel loop, and their
// inner dimension. 96 KiB.
constexpr int64_t kGroup = 6;
constexpr int64_t kTurnedRows = 8 * kGroup;
constexpr int64_t kTurnedInner = 512;

int64_t padded(int64_t columns) {
  return (columns + kPanelColumns - 1) / kPanelColumns * kPanelColumns;
}

// Rows [first, first + rows) and `columns` columns from `column` on, to a panel.
struct Part {
  int64_t first;
  int64_t rows;
  int64_t column;
  int64_t columns;
};

void copy_panel(const Strided& b, const Part& part, float* panel) {
  const float* from = b.data + part.first * b.row + part.column * b.column;
  if (b.column != 1) {
    vector_loops().transpose_panel({from, panel, part.columns, part.rows, b.column});
    return;
  }
  for (int64_t k = 0; k < part.rows; ++k) {
    std::copy_n(from + k * b.row, part.columns, panel + k * kPanelColumns);
  }
}

// x, rows x inner, to groups of six rows: value (i, k) of a group at k * 6 + i.
void copy_groups(const Strided& x, int64_t rows, int64_t inner, float* groups) {
  for (int64_t from = 0; from < rows; from += kGroup, groups += inner * kGroup) {
    const int64_t some = std::min(kGroup, rows - from);
    for (int64_t k = 0; k < inner; ++k) {
      const float* value = x.data + from * x.row + k * x.column;
      for (int64_t i = 0; i < some; ++i) groups[k * kGroup + i] = value[i * x.row];
    }
  }
}

// A part of the inner dimension, 512 at most. Six rows of x stand in one cache line and their next column in
// another; copied into groups they follow one another.
void turned_part(const Strided& x, const Strided& b, float* y, const MatmulShape& s) {
  const int64_t inner = s.inner;
  static thread_local Floats panels;
  panels.resize(static_cast<size_t>(inner * padded(s.columns)));
  for (int64_t column = 0; column < s.columns; column += kPanelColumns) {
    copy_panel(b, {0, inner, column, std::min(kPanelColumns, s.columns - column)}, &panels[column * inner]);
  }
  alignas(64) float groups[kTurnedRows * kTurnedInner];
  for (int64_t row = 0; row < s.rows; row += kTurnedRows) {
    const int64_t rows = std::min(kTurnedRows, s.rows - row);
    copy_groups({x.data + row * x.row, x.row, x.column}, rows, inner, groups);
    for (int64_t column = 0; column < s.columns; column += kPanelColumns) {
      for (int64_t from = 0; from < rows; from += kGroup) {
        vector_loops().panels({.x = groups + from * inner,
                               .b = &panels[column * inner],
                               .y = y + (row + from) * s.y_row + column,
                               .rows = std::min(kGroup, rows - from),
                               .inner = inner,
                               .columns = std::min(kPanelColumns, s.columns - column),
                               .x_row = 1,
                               .x_inner = kGroup,
                               .panel_stride = 0,
                               .y_row = s.y_row,
                               .scale = s.scale,
                               .add = s.add});
      }
    }
  }
}

void turned_matmul(Strided x, Strided b, float* y, MatmulShape s) {
  for (int64_t left = s.inner; left > 0;) {
    s.inner = std::min(kTurnedInner, left);
    turned_part(x, b, y, s);
    x.data += s.inner * x.column;
    b.data += s.inner * b.row;
    s.add = true;
    left -= s.inner;
  }
}

}  // namespace

void matmul(const Strided& x, const Strided& b, float* y, const MatmulShape& s) {
  CHECK(b.row == 1 || b.column == 1);
  if (x.column != 1) return turned_matmul(x, b, y, s);
  alignas(64) float panel[kInner * kPanelColumns];
  for (int64_t first = 0; first < s.inner; first += kInner) {
    const int64_t inner = std::min(kInner, s.inner - first);
    for (int64_t column = 0; column < s.columns; column += kPanelColumns) {
      const int64_t columns = std::min(kPanelColumns, s.columns - column);
      copy_panel(b, {first, inner, column, columns}, panel);
      vector_loops().panels({.x = x.data + first,
                             .b = panel,
                             .y = y + column,
                             .rows = s.rows,
                             .inner = inner,
                             .columns = columns,
                             .x_row = x.row,
                             .panel_stride = 0,
                             .y_row = s.y_row,
                             .scale = s.scale,
                             .add = s.add || first > 0});
    }
  }
}

}  // namespace cotenant::cpu

// Public here: matmul.
#include "kernels/cpu/matmul.h"

#include <algorithm>

#include "kernels/cpu/vector_loops.h"
#include "sim/core/check.h"

namespace cotenant::cpu {
namespace {

// The inner dimension of one copied panel, 128 KiB: it stays in the second-level cache.
constexpr int64_t kInner = 2048;

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

}  // namespace

void matmul(const Strided& x, const Strided& b, float* y, const MatmulShape& s) {
  CHECK(b.row == 1 || b.column == 1);
  alignas(64) float panel[kInner * kPanelColumns];
  for (int64_t first = 0; first < s.inner; first += kInner) {
    const int64_t inner = std::min(kInner, s.inner - first);
    for (int64_t column = 0; column < s.columns; column += kPanelColumns) {
      const int64_t columns = std::min(kPanelColumns, s.columns - column);
      copy_panel(b, {first, inner, column, columns}, panel);
      vector_loops().panels({.x = x.data + first * x.column,
                             .b = panel,
                             .y = y + column,
                             .rows = s.rows,
                             .inner = inner,
                             .columns = columns,
                             .x_row = x.row,
                             .x_inner = x.column,
                             .panel_stride = 0,
                             .y_row = s.y_row,
                             .scale = s.scale,
                             .add = s.add || first > 0});
    }
  }
}

}  // namespace cotenant::cpu

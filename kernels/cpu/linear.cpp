// Public here: linear, linear_input_gradient, linear_weight_gradient, PackedWeights.
#include "kernels/cpu/linear.h"

#include <cblas-openblas.h>

#include <algorithm>

#include "kernels/cpu/blas_threads.h"
#include "kernels/cpu/matmul.h"
#include "kernels/cpu/vector_loops.h"
#include "sim/core/check.h"

namespace cotenant::cpu {
namespace {

// Up to here own loops read row-major weights once, where they lie; above it copying them into panels pays.
constexpr int64_t kSkinnyRows = 16;
// Inner dimension of one pass over packed weights with many rows: 256 KiB of a panel stay in the second-level
// cache while all rows meet it.
constexpr int64_t kInnerPass = 4096;
// Up to here every panel meets all rows at once.
constexpr int64_t kTileRows = 6;

void check(const LinearShape& s) {
  CHECK(s.rows > 0 && s.inner > 0 && s.columns > 0);
}

void one_row(const float* x, const float* w, float* y, const LinearShape& s) {
  keep_blas_on_this_thread();
  CHECK(s.inner <= INT32_MAX && s.columns <= INT32_MAX);
  const auto k = static_cast<blasint>(s.inner);
  const auto n = static_cast<blasint>(s.columns);
  cblas_sgemv(CblasRowMajor, CblasNoTrans, n, k, 1, w, k, x, 1, 0, y, 1);
}

}  // namespace

void linear(const float* x, const float* w, float* y, const LinearShape& s) {
  check(s);
  if (s.rows == 1) return one_row(x, w, y, s);
  if (s.rows <= kSkinnyRows) return vector_loops().skinny({x, w, y, s.rows, s.inner, s.columns});
  matmul({.data = x, .row = s.inner}, {.data = w, .row = 1, .column = s.inner}, y,
         {.rows = s.rows, .inner = s.inner, .columns = s.columns, .y_row = s.columns});
}

void linear_input_gradient(const InputGradientCall& c, const LinearShape& s) {
  check(s);
  matmul({.data = c.dy, .row = s.columns}, {.data = c.w, .row = s.inner}, c.dx,
         {.rows = s.rows, .inner = s.columns, .columns = s.inner, .y_row = s.inner, .add = c.add});
}

void linear_weight_gradient(const WeightGradientCall& c, const LinearShape& s) {
  check(s);
  matmul({.data = c.dy, .row = 1, .column = s.columns}, {.data = c.x, .row = s.inner}, c.dw,
         {.rows = s.columns, .inner = s.rows, .columns = s.inner, .y_row = s.inner, .add = c.add});
}

PackedWeights::PackedWeights(const float* w, int64_t inner, int64_t columns)
    : inner_(inner),
      columns_(columns),
      panels_(static_cast<size_t>((columns + kPanelColumns - 1) / kPanelColumns * kPanelColumns * inner)) {
  for (int64_t column = 0; column < columns; column += kPanelColumns) {
    vector_loops().transpose_panel({.from = w + column * inner,
                                    .to = &panels_[static_cast<size_t>(column * inner)],
                                    .columns = std::min(kPanelColumns, columns - column),
                                    .inner = inner,
                                    .stride = inner});
  }
}

void PackedWeights::copy_row(int64_t column, float* row) const {
  CHECK(column >= 0 && column < columns_);
  const int64_t panel = column / kPanelColumns * kPanelColumns * inner_;
  const float* from = panels_.data() + panel + column % kPanelColumns;
  for (int64_t k = 0; k < inner_; ++k) row[k] = from[k * kPanelColumns];
}

void linear(const float* x, const PackedWeights& w, float* y, int64_t rows) {
  CHECK(rows > 0 && w.columns() > 0);
  const int64_t pass = rows <= kTileRows ? w.inner() : kInnerPass;
  for (int64_t first = 0; first < w.inner(); first += pass) {
    vector_loops().panels({.x = x + first,
                           .b = w.panels().data() + first * kPanelColumns,
                           .y = y,
                           .rows = rows,
                           .inner = std::min(pass, w.inner() - first),
                           .columns = w.columns(),
                           .x_row = w.inner(),
                           .panel_stride = w.inner() * kPanelColumns,
                           .y_row = w.columns(),
                           .add = first > 0});
  }
}

}  // namespace cotenant::cpu

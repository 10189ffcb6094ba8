// Public here: lora_add, lora_gradient.
#include <algorithm>

#include "kernels/cpu/linear.h"
#include "kernels/cpu/matmul.h"
#include "kernels/cpu/vector_loops.h"
#include "sim/core/check.h"

namespace cotenant::cpu {
namespace {

// Rows in one go: their shrunk values live on the stack (64 KiB at the greatest rank).
constexpr int64_t kRows = 64;

// One of the two products for some rows: to = from * factor, or to += from * factor.
struct Product {
  const float* from;
  const float* factor;
  float* to;
  int64_t rows;
};

// shrunk = scale * x a.
void shrink(const Product& p, const LoraShape& s) {
  vector_loops().panels({.x = p.from,
                         .b = p.factor,
                         .y = p.to,
                         .rows = p.rows,
                         .inner = s.inner,
                         .columns = s.rank,
                         .x_row = s.inner,
                         .row_stride = s.rank,
                         .panel_stride = kPanelColumns,
                         .y_row = s.rank,
                         .scale = s.scale});
}

// y += shrunk b. One row reads b in the order of its addresses: adapters of single tokens come from memory.
void expand(const Product& p, const LoraShape& s) {
  if (p.rows == 1) {
    for (int64_t r = 0; r < s.rank; ++r) {
      vector_loops().add_scaled(p.to, p.factor + r * s.columns, p.from[r], s.columns);
    }
    return;
  }
  vector_loops().panels({.x = p.from,
                         .b = p.factor,
                         .y = p.to,
                         .rows = p.rows,
                         .inner = s.rank,
                         .columns = s.columns,
                         .x_row = s.rank,
                         .row_stride = s.columns,
                         .panel_stride = kPanelColumns,
                         .y_row = s.columns,
                         .add = true});
}

}  // namespace

void lora_add(std::span<const LoraSegment> segments, const float* x, float* y, const LoraShape& s) {
  CHECK(s.rank > 0 && s.rank <= kLoraRankLimit);
  alignas(64) float shrunk[kRows * kLoraRankLimit];
  for (const LoraSegment& segment : segments) {
    for (int64_t from = 0; from < segment.rows; from += kRows) {
      const int64_t rows = std::min(kRows, segment.rows - from);
      const int64_t row = segment.first_row + from;
      shrink({x + row * s.inner, segment.a, shrunk, rows}, s);
      expand({shrunk, segment.b, y + row * s.columns, rows}, s);
    }
  }
}

void lora_gradient(const LoraGradientCall& c, const LoraShape& s) {
  float* shrunk = c.scratch;
  float* d_shrunk = c.scratch + c.rows * s.rank;
  shrink({c.x, c.a, shrunk, c.rows}, s);
  const Strided transposed_b{.data = c.b, .row = 1, .column = s.columns};
  matmul({.data = c.dy, .row = s.columns}, transposed_b, d_shrunk,
         {.rows = c.rows, .inner = s.columns, .columns = s.rank, .y_row = s.rank, .scale = s.scale});
  matmul({.data = c.x, .row = 1, .column = s.inner}, {.data = d_shrunk, .row = s.rank}, c.da,
         {.rows = s.inner, .inner = c.rows, .columns = s.rank, .y_row = s.rank});
  matmul({.data = shrunk, .row = 1, .column = s.rank}, {.data = c.dy, .row = s.columns}, c.db,
         {.rows = s.rank, .inner = c.rows, .columns = s.columns, .y_row = s.columns});
  if (c.dx == nullptr) return;
  matmul({.data = d_shrunk, .row = s.rank}, {.data = c.a, .row = 1, .column = s.rank}, c.dx,
         {.rows = c.rows, .inner = s.rank, .columns = s.inner, .y_row = s.inner, .add = true});
}

}  // namespace cotenant::cpu

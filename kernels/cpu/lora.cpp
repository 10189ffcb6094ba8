// Public here: lora_add.
#include <algorithm>

#include "kernels/cpu/linear.h"
#include "kernels/cpu/vector_loops.h"
#include "sim/core/check.h"

namespace cotenant::cpu {
namespace {

// Rows in one go: their shrunk values live on the stack.
constexpr int64_t kRows = 16;

void add_rows(const LoraSegment& segment, const float* x, float* y, const LoraShape& s) {
  const VectorLoops& loops = vector_loops();
  float shrunk[kRows * kLoraRankLimit];
  std::fill(shrunk, shrunk + segment.rows * s.rank, 0.0F);
  loops.add_values({.weight = x,
                    .v = segment.a,
                    .out = shrunk,
                    .group = segment.rows,
                    .keys = s.inner,
                    .columns = s.rank,
                    .weight_stride = s.inner,
                    .out_stride = s.rank});
  for (int64_t i = 0; i < segment.rows * s.rank; ++i) shrunk[i] *= s.scale;
  loops.add_values({.weight = shrunk,
                    .v = segment.b,
                    .out = y,
                    .group = segment.rows,
                    .keys = s.rank,
                    .columns = s.columns,
                    .weight_stride = s.rank,
                    .out_stride = s.columns});
}

}  // namespace

void lora_add(std::span<const LoraSegment> segments, const float* x, float* y, const LoraShape& s) {
  CHECK(s.rank > 0 && s.rank <= kLoraRankLimit);
  for (const LoraSegment& segment : segments) {
    for (int64_t from = 0; from < segment.rows; from += kRows) {
      LoraSegment part = segment;
      part.rows = std::min(kRows, segment.rows - from);
      const int64_t row = segment.first_row + from;
      add_rows(part, x + row * s.inner, y + row * s.columns, s);
    }
  }
}

}  // namespace cotenant::cpu

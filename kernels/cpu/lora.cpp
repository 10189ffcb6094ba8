// Public here: lora_add.
#include <cblas-openblas.h>

#include <algorithm>

#include "kernels/cpu/blas_threads.h"
#include "kernels/cpu/linear.h"
#include "kernels/cpu/vector_loops.h"
#include "sim/core/check.h"

namespace cotenant::cpu {
namespace {

// Rows in one go: their shrunk values live on the stack (64 KiB at the greatest rank).
constexpr int64_t kRows = 64;
// From here sgemm takes less time than own loops, which read both factors once for each row.
constexpr int64_t kGemmRows = 4;

void add_by_gemm(const LoraSegment& segment, const float* x, float* y, const LoraShape& s) {
  float shrunk[kRows * kLoraRankLimit];
  const auto m = static_cast<blasint>(segment.rows);
  const auto k = static_cast<blasint>(s.inner);
  const auto n = static_cast<blasint>(s.columns);
  const auto r = static_cast<blasint>(s.rank);
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, r, k, s.scale, x, k, segment.a, r, 0, shrunk, r);
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, r, 1, shrunk, r, segment.b, n, 1, y, n);
}

void add_by_loops(const LoraSegment& segment, const float* x, float* y, const LoraShape& s) {
  const VectorLoops& loops = vector_loops();
  float shrunk[kGemmRows * kLoraRankLimit];
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
  keep_blas_on_this_thread();
  for (const LoraSegment& segment : segments) {
    for (int64_t from = 0; from < segment.rows; from += kRows) {
      LoraSegment part = segment;
      part.rows = std::min(kRows, segment.rows - from);
      const int64_t row = segment.first_row + from;
      const auto add = part.rows >= kGemmRows ? add_by_gemm : add_by_loops;
      add(part, x + row * s.inner, y + row * s.columns, s);
    }
  }
}

}  // namespace cotenant::cpu

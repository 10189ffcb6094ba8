#pragma once
#include <cstdint>
#include <span>

// Dense layers in fp32, on the calling thread only. Matrices are dense and row-major; pointers do not alias.
// Any thread may call.
namespace cotenant::cpu {

// x is rows x inner, w is columns x inner (one row an output feature), y is rows x columns.
struct LinearShape {
  int64_t rows = 0;
  int64_t inner = 0;
  int64_t columns = 0;
  [[nodiscard]] double flop() const {
    return 2.0 * static_cast<double>(rows) * static_cast<double>(inner) * static_cast<double>(columns);
  }
};

// y = x w^T. One row goes to sgemv, a few to own loops that read the weights once, more to sgemm.
// Requires: all sizes > 0.
void linear(const float* x, const float* w, float* y, const LinearShape& shape);
// dx = dy w.
void linear_input_gradient(const float* dy, const float* w, float* dx, const LinearShape& shape);
// dw = dy^T x.
void linear_weight_gradient(const float* dy, const float* x, float* dw, const LinearShape& shape);

// Rows [first_row, first_row + rows) of a batch and the adapter they use: a is inner x rank, b is
// rank x columns.
struct LoraSegment {
  const float* a = nullptr;
  const float* b = nullptr;
  int64_t first_row = 0;
  int64_t rows = 0;
};
struct LoraShape {
  int64_t inner = 0;
  int64_t columns = 0;
  int64_t rank = 0;  // <= kLoraRankLimit
  float scale = 1;
};
inline constexpr int64_t kLoraRankLimit = 256;

// y += scale * (x a) b for the rows of each segment: many adapters in one batch.
// Source of the grouping: Chen et al., "Punica: multi-tenant LoRA serving", MLSys 2024 (shrink, then expand).
void lora_add(std::span<const LoraSegment> segments, const float* x, float* y, const LoraShape& shape);

}  // namespace cotenant::cpu

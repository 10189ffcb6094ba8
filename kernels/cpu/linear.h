#pragma once
#include <cstdint>
#include <span>

#include "kernels/cpu/huge_pages.h"

// Dense layers in fp32, on the calling thread only. Matrices are dense and row-major unless packed; pointers
// do not alias. Any thread may call.
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

// y = x w^T for weights that change between calls: one row goes to sgemv, up to 16 to own loops that read w
// once in place, more to matmul, which copies it panel by panel. Requires: all sizes > 0.
void linear(const float* x, const float* w, float* y, const LinearShape& shape);

struct InputGradientCall {
  const float* dy = nullptr;
  const float* w = nullptr;
  float* dx = nullptr;
  bool add = false;  // to what dx holds
};
// dx = dy w, or dx += dy w.
void linear_input_gradient(const InputGradientCall& call, const LinearShape& shape);

struct WeightGradientCall {
  const float* dy = nullptr;
  const float* x = nullptr;
  float* dw = nullptr;
  bool add = false;  // to what dw holds
};
// dw = dy^T x, or dw += dy^T x.
void linear_weight_gradient(const WeightGradientCall& call, const LinearShape& shape);

// Weights that stay: kept as panels of 16 output features, inner x 16 each, instead of row-major. Whoever
// multiplies by them finds them in the order of reading, and copies nothing. A last panel is padded.
class PackedWeights {
 public:
  PackedWeights() = default;
  // w is columns x inner; it is not needed afterwards.
  PackedWeights(const float* w, int64_t inner, int64_t columns);
  [[nodiscard]] int64_t inner() const { return inner_; }
  [[nodiscard]] int64_t columns() const { return columns_; }
  [[nodiscard]] std::span<const float> panels() const { return panels_; }
  // Row `column` of w: inner() values.
  void copy_row(int64_t column, float* row) const;

 private:
  int64_t inner_ = 0;
  int64_t columns_ = 0;
  Floats panels_;
};
// y = x w^T for any number of rows > 0.
void linear(const float* x, const PackedWeights& w, float* y, int64_t rows);

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

// y += scale * (x a) b for the rows of each segment: many adapters in one batch. Both factors are used as
// they lie. Source of the grouping: Chen et al., "Punica: multi-tenant LoRA serving", MLSys 2024 (shrink,
// then expand).
void lora_add(std::span<const LoraSegment> segments, const float* x, float* y, const LoraShape& shape);

// Gradients of y += scale * (x a) b for `rows` rows under one adapter: da and db are written, dx is added to.
// Null dx: not wanted.
struct LoraGradientCall {
  const float* x = nullptr;   // rows x inner
  const float* a = nullptr;   // inner x rank
  const float* b = nullptr;   // rank x columns
  const float* dy = nullptr;  // rows x columns
  float* dx = nullptr;        // rows x inner
  float* da = nullptr;
  float* db = nullptr;
  float* scratch = nullptr;  // 2 * rows * rank values
  int64_t rows = 0;
};
void lora_gradient(const LoraGradientCall& call, const LoraShape& shape);

}  // namespace cotenant::cpu

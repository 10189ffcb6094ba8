#pragma once
#include <cstdint>

#include "kernels/cuda/bf16.h"

// Dense layers on a GPU, through cuBLASLt. Matrices are dense and row-major in device memory.
namespace cotenant::cuda {

// The three products of a dense layer with x rows x inner, w columns x inner, y rows x columns:
// forward: y = x w^T; input_gradient: dx = dy w; weight_gradient: dw = dy^T x.
enum class GemmKind : uint8_t { forward, input_gradient, weight_gradient };
// bf16 operands, fp32 operands, or fp32 operands that the tensor cores round to tf32 (10 bits of
// significand). Sums are fp32 in all cases.
enum class GemmOperands : uint8_t { bf16, fp32, tf32 };
enum class GemmResult : uint8_t { bf16, fp32 };

struct GemmShape {
  GemmKind kind = GemmKind::forward;
  int64_t rows = 0;
  int64_t inner = 0;
  int64_t columns = 0;
  GemmOperands operands = GemmOperands::bf16;
  GemmResult result = GemmResult::bf16;  // fp32 operands need an fp32 result
  bool accumulate = false;               // out += product
  float scale = 1;                       // of the product

  [[nodiscard]] double flop() const {
    return 2.0 * static_cast<double>(rows) * static_cast<double>(inner) * static_cast<double>(columns);
  }
  // Operands read once, the result written once and, if accumulated, read once.
  [[nodiscard]] double bytes() const {
    const double x = static_cast<double>(rows) * static_cast<double>(inner);
    const double w = static_cast<double>(columns) * static_cast<double>(inner);
    const double y = static_cast<double>(rows) * static_cast<double>(columns);
    const double out = kind == GemmKind::forward ? y : kind == GemmKind::input_gradient ? x : w;
    const double read = operands == GemmOperands::bf16 ? 2 : 4;
    const double write = result == GemmResult::bf16 ? 2 : 4;
    return (x + w + y - out) * read + out * write * (accumulate ? 2 : 1);
  }
  friend bool operator==(const GemmShape&, const GemmShape&) = default;
};

// Operands and result of the types that the shape names, each 16-byte aligned. Sizes that are no multiple of
// 8 work, at a lower rate. The result may not overlap an operand.
struct GemmCall {
  const void* left = nullptr;   // forward: x; input_gradient: dy; weight_gradient: dy
  const void* right = nullptr;  // forward: w; input_gradient: w;  weight_gradient: x
  void* out = nullptr;          // forward: y; input_gradient: dx; weight_gradient: dw
};

// One product y (+)= x w^T of a group of bf16 products of different sizes: the baseline that grouped LoRA is
// compared with.
struct GroupedProduct {
  const Bf16* x = nullptr;  // rows x inner
  const Bf16* w = nullptr;  // columns x inner
  Bf16* y = nullptr;        // rows x columns
  int64_t rows = 0;
  int64_t inner = 0;
  int64_t columns = 0;
  bool accumulate = false;
};

}  // namespace cotenant::cuda

#pragma once
#include <cstdint>
#include <span>
#include <vector>

// Naive oracles in double precision: one obvious loop nest an operation, no blocking, no reuse. Tests compare
// the real kernels with these and nothing else. Matrices are row-major.
namespace cotenant::reference {

using Numbers = std::vector<double>;
using View = std::span<const double>;

// x is rows x inner, w is columns x inner (one row a feature of the output), y is rows x columns.
struct LinearShape {
  int64_t rows = 0;
  int64_t inner = 0;
  int64_t columns = 0;
};

// y = x w^T.
Numbers linear(View x, View w, const LinearShape& shape);
// dx = dy w, for dy rows x columns.
Numbers linear_input_gradient(View dy, View w, const LinearShape& shape);
// dw = dy^T x.
Numbers linear_weight_gradient(View dy, View x, const LinearShape& shape);

// Low-rank adaptation: scale * (x a) b with a inner x rank and b rank x columns.
// Source: Hu et al., "LoRA: low-rank adaptation of large language models", ICLR 2022, section 4.1.
struct LoraShape {
  LinearShape linear;
  int64_t rank = 0;
  double scale = 1;
};
Numbers lora(View x, View a, View b, const LoraShape& shape);

}  // namespace cotenant::reference

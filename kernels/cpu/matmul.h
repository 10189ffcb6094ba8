#pragma once
#include <cstdint>

namespace cotenant::cpu {

// A matrix in memory: value (i, j) at data[i * row + j * column].
struct Strided {
  const float* data = nullptr;
  int64_t row = 0;
  int64_t column = 1;
};

struct MatmulShape {
  int64_t rows = 0;
  int64_t inner = 0;
  int64_t columns = 0;
  int64_t y_row = 0;  // values between rows of y
  float scale = 1;
  bool add = false;
};

// y = scale * x b, or y += scale * x b, for x rows x inner and b inner x columns, on the calling thread. b is
// copied panel by panel, so that it meets all rows from the cache; x too, where its column stride is not 1.
// Requires: b.row or b.column is 1. Any thread may call; each keeps 512 rows of b for the next call.
void matmul(const Strided& x, const Strided& b, float* y, const MatmulShape& shape);

}  // namespace cotenant::cpu

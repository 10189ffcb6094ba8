// Public here: embedding_bag, embedding_bag_gradient.
#include "kernels/reference/recommender.h"

namespace cotenant::reference {

Numbers embedding_bag(View table, std::span<const int32_t> index, const BagShape& s) {
  Numbers out(static_cast<size_t>(s.rows * s.dim));
  for (int64_t m = 0; m < s.rows; ++m) {
    for (int64_t p = 0; p < s.pooling; ++p) {
      const int64_t row = index[m * s.pooling + p];
      for (int64_t d = 0; d < s.dim; ++d) out[m * s.dim + d] += table[row * s.dim + d];
    }
  }
  return out;
}

Numbers embedding_bag_gradient(View d_out, std::span<const int32_t> index, const BagGradient& g) {
  const BagShape& s = g.bag;
  Numbers gradient(static_cast<size_t>(g.table_rows * s.dim));
  for (int64_t m = 0; m < s.rows; ++m) {
    for (int64_t p = 0; p < s.pooling; ++p) {
      const int64_t row = index[m * s.pooling + p];
      for (int64_t d = 0; d < s.dim; ++d) gradient[row * s.dim + d] += d_out[m * s.dim + d];
    }
  }
  return gradient;
}

}  // namespace cotenant::reference

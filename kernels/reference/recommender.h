#pragma once
#include "kernels/reference/linear.h"

namespace cotenant::reference {

// Sum pooling: out[m] = sum over p of table[index[m, p]]. The table has `dim` columns.
struct BagShape {
  int64_t rows = 0;
  int64_t pooling = 0;
  int64_t dim = 0;
};
Numbers embedding_bag(View table, std::span<const int32_t> index, const BagShape& shape);
// The gradient of the table from d(out): every looked-up row receives its output's gradient, repeated indices
// add up. Returns table_rows x dim.
struct BagGradient {
  BagShape bag;
  int64_t table_rows = 0;
};
Numbers embedding_bag_gradient(View d_out, std::span<const int32_t> index, const BagGradient& shape);

Numbers relu(View x);
// dy where x > 0, else 0.
Numbers relu_gradient(View dy, View x);

// Mean binary cross-entropy of logits against labels in {0, 1}, and its gradient by the logits:
// loss = mean(log(1 + e^z) - y z), gradient = (sigmoid(z) - y) / rows.
struct Loss {
  double mean = 0;
  Numbers gradient;
};
Loss binary_cross_entropy(View logits, View labels);

// Plain stochastic gradient descent: w - rate * dw.
Numbers sgd(View w, View dw, double rate);

}  // namespace cotenant::reference

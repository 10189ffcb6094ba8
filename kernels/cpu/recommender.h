#pragma once
#include <cstdint>

// The operations of a recommender besides its dense layers, in fp32, on the calling thread. Arrays are dense
// and row-major unless a stride says otherwise; pointers do not alias. Any thread may call.
namespace cotenant::cpu {

// `rows` bags of `pooling` indices into a table with `dim` columns; results stand `stride` values apart.
struct BagShape {
  int64_t rows = 0;
  int64_t pooling = 0;
  int64_t dim = 0;
  int64_t stride = 0;
};
// out[m] = sum over p of table[index[m, p]]. Random reads: rows of later look-ups are asked for in time, and
// a table of LargeAllocator memory spares walks through page tables.
void embedding_bag(const float* table, const int32_t* index, float* out, const BagShape& shape);
// Stochastic gradient descent on the looked-up rows: table[index[m, p]] -= rate * d_out[m].
struct BagUpdate {
  BagShape bag;
  float rate = 0;
};
void embedding_bag_update(float* table, const int32_t* index, const float* d_out, const BagUpdate& update);

// x = max(x, 0) in place.
void relu(float* x, int64_t n);
// dy = 0 where y, the output of relu, is 0.
void relu_gradient(float* dy, const float* y, int64_t n);

// Mean binary cross-entropy of `rows` logits against labels in {0, 1}; writes its gradient by the logits.
float binary_cross_entropy(const float* logits, const float* labels, float* gradient, int64_t rows);

// w -= rate * dw.
void sgd(float* w, const float* dw, float rate, int64_t n);

}  // namespace cotenant::cpu

#pragma once
#include <cstdint>

// The operations of a recommender besides its dense layers, on a GPU, in fp32. All pointers are device
// pointers, 16-byte aligned; dim and stride are multiples of 4. Pointers do not alias.
namespace cotenant::cuda {

// `rows` bags of `pooling` indices into each of `tables` tables; the bags of table t stand at columns
// [t * dim, (t + 1) * dim) of rows that are `stride` values long.
struct BagShape {
  int64_t tables = 0;
  int64_t rows = 0;
  int64_t pooling = 0;
  int64_t dim = 0;  // 4 to 128 in steps of 4, or a multiple of 128
  int64_t table_rows = 0;
  int64_t stride = 0;  // >= tables * dim
  [[nodiscard]] double lookups() const {
    return static_cast<double>(tables * rows) * static_cast<double>(pooling);
  }
  [[nodiscard]] double flop() const { return lookups() * static_cast<double>(dim); }
  [[nodiscard]] double bytes() const {
    const double d = static_cast<double>(dim);
    return lookups() * (4 * d + 4) + 4 * static_cast<double>(tables * rows) * d;
  }
};
// out[m, t] = sum over p of table t [index[t, m, p]], in the order of p.
struct BagCall {
  const float* table = nullptr;    // tables x table_rows x dim
  const int32_t* index = nullptr;  // tables x rows x pooling
  float* out = nullptr;            // rows x stride
};
// table t [index[t, m, p]] -= rate * d_out[m, t], by atomic adds: rows that occur twice are right, but the
// order of their sums, and so their last bits, may differ from run to run.
struct BagUpdateCall {
  float* table = nullptr;
  const int32_t* index = nullptr;
  const float* d_out = nullptr;  // rows x stride
  float rate = 0;
};

// Mean binary cross-entropy of `rows` logits against labels in {0, 1}, and its gradient by the logits.
struct BinaryCrossEntropyCall {
  const float* logits = nullptr;
  const float* labels = nullptr;
  float* gradient = nullptr;
  float* mean_loss = nullptr;  // one value
};

}  // namespace cotenant::cuda

#pragma once
#include <cstdint>

namespace cotenant::cpu {

// Columns of a panel. A matrix in panels keeps value (k, n) at n / 16 * panel_stride + k * row_stride + n %
// 16: packed weights have row_stride 16, a plain row-major matrix has panel_stride 16.
inline constexpr int64_t kPanelColumns = 16;

// y = scale * x b, or y += scale * x b, for b in panels. Value (i, k) of x stands at i * x_row + k * x_inner.
// Values of b beyond `columns` are not read.
struct PanelLoop {
  const float* x;
  const float* b;
  float* y;  // rows x columns, rows y_row apart
  int64_t rows;
  int64_t inner;
  int64_t columns;
  int64_t x_row;
  int64_t x_inner = 1;
  int64_t row_stride = kPanelColumns;
  int64_t panel_stride;
  int64_t y_row;
  float scale = 1;
  bool add = false;
};

// Up to 16 rows, each contiguous, become the columns of a panel: to[k * 16 + j] = from[j * stride + k] for
// k < inner, j < columns. Other columns of the panel keep what they hold.
struct TransposeLoop {
  const float* from;
  float* to;
  int64_t columns;
  int64_t inner;
  int64_t stride;
};

// y = x w^T for few rows: w is read once, from memory, and meets all rows on the way.
struct SkinnyLoop {
  const float* x;  // rows x inner
  const float* w;  // columns x inner
  float* y;        // rows x columns
  int64_t rows;
  int64_t inner;
  int64_t columns;
};

// One query over a paged cache: transformer.h states the layout of a block.
struct PagedDecodeLoop {
  const float* q;        // kv_heads * group x head_dim
  const float* pool;     // blocks of one layer
  const int32_t* table;  // blocks of the sequence
  float* out;            // as q
  float* state;          // 2 * kv_heads * group values to work with
  int64_t keys;          // > 0
  int64_t kv_heads;
  int64_t group;  // query heads of a KV head
  int64_t head_dim;
  float scale;
};

// out[m] = sum over p of table[index[m, p]]; results stand `stride` values apart.
struct BagLoop {
  const float* table;
  const int32_t* index;
  float* out;
  int64_t rows;
  int64_t pooling;
  int64_t dim;
  int64_t stride;
};

// AdamW over n values. correction1 = 1 / (1 - beta1^step), correction2 likewise.
struct AdamwLoop {
  float* weight;
  const float* gradient;
  float* m;
  float* v;
  int64_t n;
  float rate;
  float beta1;
  float beta2;
  float epsilon;
  float weight_decay;
  float correction1;
  float correction2;
};

// d(gate), d(up) of gate * sigmoid(gate) * up; they may be gate and up.
struct SwigluGradientLoop {
  const float* dy;
  const float* gate;
  const float* up;
  float* d_gate;
  float* d_up;
  int64_t n;
};

// dp = scale p (dp - mean) in place: the gradient of softmax(scale x) for p = softmax(scale x), dp the
// gradient by p, and mean = sum of p dp.
struct SoftmaxGradientLoop {
  float* dp;
  const float* p;
  float mean;
  float scale;
  int64_t n;
};

// The innermost loops, in two builds: AVX2 with FMA, and plain C++ for any x86-64. Both give the same values
// up to rounding. No pointer may alias another unless said.
struct VectorLoops {
  const char* name;
  float (*dot)(const float* a, const float* b, int64_t n);
  void (*add_scaled)(float* y, const float* x, float factor, int64_t n);  // y += factor x
  // In place; n > 0. Returns the logarithm of the sum of exponentials.
  float (*softmax)(float* x, int64_t n);
  // (a, b) = (a cosine - b sine, a sine + b cosine) over n pairs.
  void (*rotate)(float* a, float* b, const float* cosine, const float* sine, int64_t n);
  void (*swiglu)(const float* gate, const float* up, float* y, int64_t n);
  void (*swiglu_gradient)(const SwigluGradientLoop& loop);
  void (*softmax_gradient)(const SoftmaxGradientLoop& loop);
  void (*panels)(const PanelLoop& loop);
  void (*transpose_panel)(const TransposeLoop& loop);
  void (*skinny)(const SkinnyLoop& loop);
  void (*paged_decode)(const PagedDecodeLoop& loop);
  void (*bags)(const BagLoop& loop);
  void (*adamw)(const AdamwLoop& loop);
};

extern const VectorLoops kPortableLoops;
// Only to be called where the processor has AVX2 and FMA.
extern const VectorLoops kAvx2Loops;

// The AVX2 loops where the processor has them. The choice is made once.
const VectorLoops& vector_loops();

}  // namespace cotenant::cpu

#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/cpu/huge_pages.h"
#include "kernels/cpu/kv_blocks.h"

// The operations of a decoder transformer besides its dense layers, in fp32, on the calling thread. Arrays
// are dense and row-major; pointers do not alias unless a function says so. Any thread may call.
namespace cotenant::cpu {

struct NormShape {
  int64_t rows = 0;
  int64_t hidden = 0;
  float epsilon = 1e-5F;
};
// y = x / sqrt(mean(x^2) + epsilon) * weight, row by row.
void rms_norm(const float* x, const float* weight, float* y, const NormShape& shape);

// x += y over n values.
void add(float* x, const float* y, int64_t n);

// Rotations of every position up to a limit, computed once. Immutable; any thread may call.
class RopeTable {
 public:
  struct Shape {
    int64_t positions = 0;
    int64_t head_dim = 0;
    double base = 10000;
  };
  explicit RopeTable(const Shape& shape);
  // In place: x is positions.size() x heads x head_dim. Requires: 0 <= position < shape.positions.
  void rotate(float* x, std::span<const int64_t> positions, int64_t heads) const;
  // The inverse of rotate, and so the gradient of it.
  void rotate_back(float* dx, std::span<const int64_t> positions, int64_t heads) const;

 private:
  // Cosines and sines of a position, head_dim / 2 each.
  struct Angles {
    const float* cosine;
    const float* sine;
  };
  [[nodiscard]] Angles angles(int64_t position) const;

  Shape shape_;
  Floats cosine_;  // positions x head_dim / 2
  Floats sine_;
};

// Keys and values of one sequence and one layer: token t is in block table[t / 16], which begins at
// pool + table[t / 16] * kv_block_values.
struct PagedKv {
  float* pool = nullptr;
  const int32_t* table = nullptr;
  int64_t blocks = 0;                                                         // of the sequence
  [[nodiscard]] int64_t capacity() const { return blocks * kKvBlockTokens; }  // tokens
};

// `queries` new tokens after `context` earlier ones; groups of heads / kv_heads heads share a KV head.
struct AttentionShape {
  int64_t queries = 0;
  int64_t context = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  // Two multiplications of every query with every visible key and value.
  [[nodiscard]] double flop() const {
    const auto c = static_cast<double>(queries);
    return 4.0 * static_cast<double>(heads * head_dim) * c * (static_cast<double>(context) + (c + 1) / 2);
  }
};

// Copies the new tokens' keys and values (queries x kv_heads x head_dim) behind the context.
// Requires: context + queries <= capacity.
void append_kv(const float* k, const float* v, const PagedKv& kv, const AttentionShape& shape);

struct AttentionCall {
  const float* q = nullptr;  // queries x heads x head_dim
  PagedKv kv;                // the new tokens are appended already
  float* out = nullptr;      // queries x heads x head_dim
  float* scratch = nullptr;  // attention_scratch(shape) values
};
int64_t attention_scratch(const AttentionShape& shape);
// Causal attention. One query reads every block once, all heads together, with a running softmax (bound by
// memory); more go in tiles of queries, each head's scores as one panel product (bound by compute).
void attention(const AttentionCall& call, const AttentionShape& shape);

// y = gate * sigmoid(gate) * up over n values; y may be gate.
void swiglu(const float* gate, const float* up, float* y, int64_t n);

// Index of the greatest logit, the first of equals. Requires: n > 0.
int64_t argmax(const float* logits, int64_t n);

}  // namespace cotenant::cpu

#pragma once
#include <cstdint>
#include <span>

#include "kernels/cpu/transformer.h"

// Backward passes and the optimizer of a transformer besides its dense layers, in fp32, on the calling
// thread. Arrays are dense and row-major; pointers do not alias unless a function says so. Any thread may
// call. The formulas and their sources stand at kernels/reference/training.h.
namespace cotenant::cpu {

struct CrossEntropyShape {
  int64_t rows = 0;
  int64_t vocabulary = 0;
  int64_t mean_over = 0;  // rows of the whole batch, of which these may be a part
};
// Sum over the rows of -log softmax(logits)[target], divided by mean_over. In place: logits become their
// gradient. Requires: 0 <= target < vocabulary.
double cross_entropy(float* logits, const int32_t* targets, const CrossEntropyShape& shape);

struct NormGradientCall {
  const float* dy = nullptr;
  const float* x = nullptr;
  const float* weight = nullptr;
  float* dx = nullptr;        // added to; rows x hidden
  float* d_weight = nullptr;  // added to; null = not wanted
};
void rms_norm_gradient(const NormGradientCall& call, const NormShape& shape);

// d_gate and d_up of gate * sigmoid(gate) * up over n values; they may be gate and up.
struct SwigluGradientCall {
  const float* dy = nullptr;
  const float* gate = nullptr;
  const float* up = nullptr;
  float* d_gate = nullptr;
  float* d_up = nullptr;
};
void swiglu_gradient(const SwigluGradientCall& call, int64_t n);

// Causal self-attention of one sequence from its first token on, over plain arrays: q and out are
// tokens x heads x head_dim, k and v are tokens x kv_heads x head_dim.
struct SelfAttentionShape {
  int64_t tokens = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  [[nodiscard]] double flop() const { return AttentionShape{tokens, 0, heads, kv_heads, head_dim}.flop(); }
};
struct SelfAttention {
  const float* q = nullptr;
  const float* k = nullptr;
  const float* v = nullptr;
  float* out = nullptr;
  float* scratch = nullptr;  // self_attention_scratch(shape) values
};
int64_t self_attention_scratch(const SelfAttentionShape& shape);
void self_attention(const SelfAttention& call, const SelfAttentionShape& shape);

// Weights are computed again rather than kept: tokens^2 values a head and layer would not fit.
struct SelfAttentionGradient {
  SelfAttention forward;         // out holds the result of self_attention
  const float* d_out = nullptr;  // as out
  float* dq = nullptr;
  float* dk = nullptr;
  float* dv = nullptr;
};
void self_attention_gradient(const SelfAttentionGradient& call, const SelfAttentionShape& shape);

// d_table[tokens[m]] += dy[m], rows of `hidden` values.
void embedding_gradient(const float* dy, std::span<const int32_t> tokens, float* d_table, int64_t hidden);

struct AdamwRules {
  float rate = 1e-3F;
  float beta1 = 0.9F;
  float beta2 = 0.999F;
  float epsilon = 1e-8F;
  float weight_decay = 0.01F;
};
// One tensor of n values, its gradient and its moments (zeros before the first step).
struct AdamwTensor {
  float* weight = nullptr;
  const float* gradient = nullptr;
  float* m = nullptr;
  float* v = nullptr;
  int64_t n = 0;
};
// Step `step`, counted from 1, over all tensors; reads and writes every array once.
void adamw(std::span<const AdamwTensor> tensors, const AdamwRules& rules, int64_t step);

}  // namespace cotenant::cpu

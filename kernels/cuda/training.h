#pragma once
#include <cmath>
#include <cstdint>

#include "kernels/cuda/bf16.h"
#include "kernels/cuda/transformer.h"

// Training on a GPU, besides the dense layers: bf16 activations and their gradients, fp32 weight gradients.
// Same rules for pointers as kernels/cuda/transformer.h. Nothing here depends on the order in which blocks
// run: equal inputs give equal bits.
namespace cotenant::cuda {

struct CrossEntropyShape {
  int64_t rows = 0;
  int64_t vocabulary = 0;  // a multiple of 8
  float scale = 1;         // of the gradient: 1 / counted rows for the mean loss
  [[nodiscard]] double flop() const {
    return 6.0 * static_cast<double>(rows) * static_cast<double>(vocabulary);
  }
  [[nodiscard]] double bytes() const {
    return 4.0 * static_cast<double>(rows) * static_cast<double>(vocabulary);
  }
};
// row_loss[m] = log(sum(exp(z))) - z[target]; logits become scale * (softmax(z) - onehot(target)). Rows with
// a negative target are not counted: loss 0, gradient 0.
struct CrossEntropyCall {
  Bf16* logits = nullptr;            // rows x vocabulary; replaced by the gradient
  const int32_t* targets = nullptr;  // rows
  float* row_loss = nullptr;         // rows
};

// Of y = x / rms(x) * weight: dx (+ d_residual) and d_weight.
struct NormGradientCall {
  const Bf16* x = nullptr;       // rows x hidden: what was normalised (the residual stream, if there is one)
  const Bf16* weight = nullptr;  // hidden
  const float* inverse_rms = nullptr;  // rows, from the forward call
  const Bf16* dy = nullptr;            // rows x hidden
  const Bf16* d_residual = nullptr;    // rows x hidden, added to dx; or null
  Bf16* dx = nullptr;                  // rows x hidden; may be dy or d_residual
  float* d_weight = nullptr;           // hidden; added to
  void* workspace = nullptr;           // norm_gradient_workspace_bytes(shape)
};
// Partial sums of d_weight over up to 132 groups of rows.
inline constexpr int64_t kNormGradientGroups = 132;
inline int64_t norm_gradient_workspace_bytes(const NormShape& shape) {
  return (shape.rows < kNormGradientGroups ? shape.rows : kNormGradientGroups) * shape.hidden * 4;
}

// Rotates the gradients of q and k back, in place.
struct RopeGradientCall {
  Bf16Rows dq;
  Bf16Rows dk;
  const int32_t* positions = nullptr;
  const float* cosine = nullptr;
  const float* sine = nullptr;
};

// d_gate and d_up from dy; they may be gate and up.
struct SwigluGradientCall {
  ConstBf16Rows gate;
  ConstBf16Rows up;
  ConstBf16Rows dy;
  Bf16Rows d_gate;
  Bf16Rows d_up;
};

// Causal attention of whole sequences of one length, keys and values beside the queries, no cache.
struct CausalAttentionShape {
  int64_t batch = 0;
  int64_t length = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;  // 64 or 128
  [[nodiscard]] int64_t rows() const { return batch * length; }
  [[nodiscard]] double flop() const {
    return 4.0 * static_cast<double>(batch * heads * head_dim) * causal_pairs(static_cast<double>(length), 0);
  }
  // Five products in place of two (Dao, "FlashAttention-2", 2023, section 3.1.2).
  [[nodiscard]] double gradient_flop() const { return 2.5 * flop(); }
  [[nodiscard]] double bytes() const {
    return 4.0 * static_cast<double>(rows()) * static_cast<double>((heads + kv_heads) * head_dim);
  }
};
struct CausalAttentionCall {
  ConstBf16Rows q;  // rows x heads * head_dim
  ConstBf16Rows k;  // rows x kv_heads * head_dim
  ConstBf16Rows v;
  Bf16Rows out;                  // rows x heads * head_dim
  float* log_sum_exp = nullptr;  // batch x heads x length, of the scaled scores, natural logarithm; or null
};
struct CausalAttentionGradientCall {
  ConstBf16Rows q;
  ConstBf16Rows k;
  ConstBf16Rows v;
  ConstBf16Rows out;
  ConstBf16Rows d_out;
  const float* log_sum_exp = nullptr;
  Bf16Rows dq;
  Bf16Rows dk;
  Bf16Rows dv;
  void* workspace = nullptr;  // causal_attention_gradient_workspace_bytes(shape)
};
// The row sums of out * d_out.
inline int64_t causal_attention_gradient_workspace_bytes(const CausalAttentionShape& shape) {
  return shape.rows() * shape.heads * 4;
}

// d_table[ids[m]] += d_out[m] in fp32; negative ids add nothing. Every row of the table is summed by one
// thread block that looks for its other occurrences, so the cost of the search grows with rows squared (rows
// <= 65,536).
struct GatherGradientCall {
  const Bf16* d_out = nullptr;   // rows x hidden
  const int32_t* ids = nullptr;  // rows
  float* d_table = nullptr;      // (ids) x hidden
};

// One tensor of an optimizer step; n values each. Pointers 16-byte aligned.
struct AdamTensor {
  Bf16* weight = nullptr;  // what the forward pass reads: master, rounded
  float* master = nullptr;
  float* first_moment = nullptr;
  float* second_moment = nullptr;
  const float* gradient = nullptr;
  int64_t n = 0;
  float weight_decay = 0;
};
// Values of one thread block.
inline constexpr int64_t kAdamChunk = 8192;
struct AdamChunk {
  int32_t tensor = 0;
  int32_t chunk = 0;  // values [chunk * kAdamChunk, ...) of the tensor
};
// What changes from step to step; in device memory, so that a captured step can be replayed.
struct AdamStep {
  float rate = 0;
  float beta1 = 0.9F;
  float beta2 = 0.999F;
  float epsilon = 1e-8F;
  float correction1 = 1;  // 1 - beta1^t
  float correction2 = 1;  // 1 - beta2^t
};
inline AdamStep adam_step(AdamStep rates, int64_t t) {
  rates.correction1 =
      static_cast<float>(1 - std::pow(static_cast<double>(rates.beta1), static_cast<double>(t)));
  rates.correction2 =
      static_cast<float>(1 - std::pow(static_cast<double>(rates.beta2), static_cast<double>(t)));
  return rates;
}
// m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2;
// master -= rate * (m / c1 / (sqrt(v / c2) + epsilon) + decay * master); weight = bf16(master).
// Source: Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2.
struct AdamWCall {
  const AdamTensor* tensors = nullptr;  // device array
  const AdamChunk* chunks = nullptr;    // device array: every chunk of every tensor
  int64_t chunk_count = 0;
  const AdamStep* step = nullptr;  // device
};
// Read gradient, master and moments; write master, moments and weight: 30 bytes a value.
inline double adamw_bytes(double values) {
  return 30 * values;
}

}  // namespace cotenant::cuda

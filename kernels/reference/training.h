#pragma once
#include "kernels/reference/recommender.h"
#include "kernels/reference/transformer.h"

// Backward passes and the optimizer of a transformer, in double precision. Each gradient takes d(y), the
// gradient of a scalar by the operation's output, and returns the scalar's gradient by the inputs.
namespace cotenant::reference {

// Mean over the rows of -log softmax(logits)[target]; the gradient by the logits is
// (softmax(logits) - one at the target) / rows. logits is targets.size() x vocabulary.
Loss cross_entropy(View logits, std::span<const int32_t> targets, int64_t vocabulary);

struct NormGradient {
  Numbers x;       // rows x hidden
  Numbers weight;  // hidden, summed over the rows
};
// With s = 1 / sqrt(mean(x^2) + epsilon) and g = dy * weight:
// dx = s g - x s^3 mean(g x), dweight = sum over rows of dy x s.
NormGradient rms_norm_gradient(View dy, View x, View weight, const NormShape& shape);

// A rotation is orthogonal: the gradient is rotated back.
Numbers rope_gradient(View dy, std::span<const int64_t> positions, const RopeShape& shape);

struct SwigluGradient {
  Numbers gate;
  Numbers up;
};
SwigluGradient swiglu_gradient(View dy, View gate, View up);

struct AttentionGradient {
  Numbers q;  // queries x heads x head_dim
  Numbers k;  // (context + queries) x kv_heads x head_dim, summed over the heads of a group
  Numbers v;
};
// d_out is queries x heads x head_dim. With p = softmax(scale q k^T), dp = d_out v^T:
// ds = p * (dp - sum over keys of p dp), dq = scale ds k, dk = scale ds^T q, dv = p^T d_out.
AttentionGradient attention_gradient(View d_out, const AttentionInput& input, const AttentionShape& shape);

struct EmbeddingShape {
  int64_t vocabulary = 0;
  int64_t hidden = 0;
};
// y[m] = table[tokens[m]].
Numbers embedding(View table, std::span<const int32_t> tokens, const EmbeddingShape& shape);
// The table's gradient, vocabulary x hidden: rows of repeated tokens add up.
Numbers embedding_gradient(View dy, std::span<const int32_t> tokens, const EmbeddingShape& shape);

struct LoraInput {
  View x;  // rows x inner
  View a;  // inner x rank
  View b;  // rank x columns
};
struct LoraGradient {
  Numbers x;
  Numbers a;
  Numbers b;
};
// dx = scale (dy b^T) a^T, da = scale x^T (dy b^T), db = scale (x a)^T dy. dy is rows x columns.
LoraGradient lora_gradient(View dy, const LoraInput& input, const LoraShape& shape);

// AdamW: moments m and v of the gradient with bias correction (Kingma and Ba, "Adam", ICLR 2015, algorithm
// 1), weight decay apart from the gradient (Loshchilov and Hutter, "Decoupled weight decay regularization",
// ICLR 2019, algorithm 2): w -= rate * (m' / (sqrt(v') + epsilon) + weight_decay * w).
struct AdamwRules {
  double rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.01;
  int64_t step = 1;  // counts from 1
};
struct AdamwState {
  Numbers weight;
  Numbers m;  // zeros before step 1
  Numbers v;
};
AdamwState adamw(AdamwState state, View gradient, const AdamwRules& rules);

}  // namespace cotenant::reference

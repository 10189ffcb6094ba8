#pragma once
#include "kernels/reference/linear.h"

namespace cotenant::reference {

struct NormShape {
  int64_t rows = 0;
  int64_t hidden = 0;
  double epsilon = 1e-5;
};
// y = x / sqrt(mean(x^2) + epsilon) * weight, row by row.
// Source: Zhang and Sennrich, "Root mean square layer normalization", NeurIPS 2019.
Numbers rms_norm(View x, View weight, const NormShape& shape);

struct RopeShape {
  int64_t heads = 0;
  int64_t head_dim = 0;
  double base = 10000;
};
// Rotates the pairs (i, i + head_dim / 2) of every head by position * base^(-2 i / head_dim). x is
// positions.size() x heads x head_dim.
// Source: Su et al., "RoFormer: enhanced transformer with rotary position embedding", 2021, section 3.2.
Numbers rope(View x, std::span<const int64_t> positions, const RopeShape& shape);

// Causal attention of a chunk of queries that follow `context` earlier tokens; heads share keys and values
// in groups of heads / kv_heads (Ainslie et al., "GQA", EMNLP 2023).
// q is queries x heads x head_dim; k and v are (context + queries) x kv_heads x head_dim.
struct AttentionShape {
  int64_t queries = 0;
  int64_t context = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
};
struct AttentionInput {
  View q;
  View k;
  View v;
};
Numbers attention(const AttentionInput& input, const AttentionShape& shape);

// gate * sigmoid(gate) * up. Source: Shazeer, "GLU variants improve transformer", 2020.
Numbers swiglu(View gate, View up);

// Index of the greatest logit, the first of equals.
int64_t argmax(View logits);

}  // namespace cotenant::reference

// Public here: self_attention_scratch, self_attention, self_attention_gradient.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/matmul.h"
#include "kernels/cpu/training.h"
#include "kernels/cpu/vector_loops.h"
#include "sim/core/check.h"

namespace cotenant::cpu {
namespace {

// Queries whose weights are in hand together.
constexpr int64_t kTile = 64;

// Queries [first, first + rows) of one head see the first `keys` tokens; where in the arrays they stand.
struct Tile {
  int64_t first;
  int64_t rows;
  int64_t keys;
  int64_t q;      // offset of the tile in q
  int64_t q_row;  // values between tokens of q
  int64_t kv;     // offset of the KV head
  int64_t kv_row;
};

Tile tile_at(const SelfAttentionShape& s, int64_t first, int64_t head) {
  const int64_t rows = std::min(kTile, s.tokens - first);
  return {.first = first,
          .rows = rows,
          .keys = first + rows,
          .q = (first * s.heads + head) * s.head_dim,
          .q_row = s.heads * s.head_dim,
          .kv = head / (s.heads / s.kv_heads) * s.head_dim,
          .kv_row = s.kv_heads * s.head_dim};
}

float score_scale(const SelfAttentionShape& s) {
  return 1 / std::sqrt(static_cast<float>(s.head_dim));
}

// Softmax of the scores into scratch, rows x keys; zero for keys behind the query.
void weigh(const SelfAttention& call, const SelfAttentionShape& s, const Tile& t) {
  float* weight = call.scratch;
  matmul({.data = call.q + t.q, .row = t.q_row}, {.data = call.k + t.kv, .row = 1, .column = t.kv_row},
         weight,
         {.rows = t.rows, .inner = s.head_dim, .columns = t.keys, .y_row = t.keys, .scale = score_scale(s)});
  for (int64_t m = 0; m < t.rows; ++m) {
    float* row = weight + m * t.keys;
    vector_loops().softmax(row, t.first + m + 1);
    std::fill(row + t.first + m + 1, row + t.keys, 0.0F);
  }
}

// From the weights in scratch, the gradient of the unscaled scores behind them, rows x keys. The mean of p dp
// over the keys is out . d_out.
float* score_gradient(const SelfAttentionGradient& g, const SelfAttentionShape& s, const Tile& t) {
  const float* weight = g.forward.scratch;
  float* ds = g.forward.scratch + t.rows * t.keys;
  matmul({.data = g.d_out + t.q, .row = t.q_row}, {.data = g.forward.v + t.kv, .row = 1, .column = t.kv_row},
         ds, {.rows = t.rows, .inner = s.head_dim, .columns = t.keys, .y_row = t.keys});
  for (int64_t m = 0; m < t.rows; ++m) {
    const int64_t at = t.q + m * t.q_row;
    vector_loops().softmax_gradient({.dp = ds + m * t.keys,
                                     .p = weight + m * t.keys,
                                     .mean = vector_loops().dot(g.forward.out + at, g.d_out + at, s.head_dim),
                                     .scale = score_scale(s),
                                     .n = t.keys});
  }
  return ds;
}

void tile_gradient(const SelfAttentionGradient& g, const SelfAttentionShape& s, const Tile& t) {
  weigh(g.forward, s, t);
  const float* weight = g.forward.scratch;
  const float* ds = score_gradient(g, s, t);
  matmul({.data = ds, .row = t.keys}, {.data = g.forward.k + t.kv, .row = t.kv_row}, g.dq + t.q,
         {.rows = t.rows, .inner = t.keys, .columns = s.head_dim, .y_row = t.q_row});
  const MatmulShape to_keys{
      .rows = t.keys, .inner = t.rows, .columns = s.head_dim, .y_row = t.kv_row, .add = true};
  matmul({.data = ds, .row = 1, .column = t.keys}, {.data = g.forward.q + t.q, .row = t.q_row}, g.dk + t.kv,
         to_keys);
  matmul({.data = weight, .row = 1, .column = t.keys}, {.data = g.d_out + t.q, .row = t.q_row}, g.dv + t.kv,
         to_keys);
}

}  // namespace

int64_t self_attention_scratch(const SelfAttentionShape& s) {
  return 2 * std::min(kTile, s.tokens) * s.tokens;
}

void self_attention(const SelfAttention& call, const SelfAttentionShape& s) {
  CHECK(s.tokens > 0 && s.heads % s.kv_heads == 0);
  for (int64_t first = 0; first < s.tokens; first += kTile) {
    for (int64_t head = 0; head < s.heads; ++head) {
      const Tile t = tile_at(s, first, head);
      weigh(call, s, t);
      matmul({.data = call.scratch, .row = t.keys}, {.data = call.v + t.kv, .row = t.kv_row}, call.out + t.q,
             {.rows = t.rows, .inner = t.keys, .columns = s.head_dim, .y_row = t.q_row});
    }
  }
}

void self_attention_gradient(const SelfAttentionGradient& g, const SelfAttentionShape& s) {
  CHECK(s.tokens > 0 && s.heads % s.kv_heads == 0);
  const int64_t kv_values = s.tokens * s.kv_heads * s.head_dim;
  std::fill(g.dk, g.dk + kv_values, 0.0F);
  std::fill(g.dv, g.dv + kv_values, 0.0F);
  for (int64_t first = 0; first < s.tokens; first += kTile) {
    for (int64_t head = 0; head < s.heads; ++head) tile_gradient(g, s, tile_at(s, first, head));
  }
}

}  // namespace cotenant::cpu

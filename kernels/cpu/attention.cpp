// Public here: append_kv, attention_scratch, attention.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/transformer.h"
#include "kernels/cpu/vector_loops.h"
#include "sim/core/check.h"

namespace cotenant::cpu {
namespace {

// Queries that share one pass over the keys: their scores against a few thousand keys stay in the
// second-level cache.
constexpr int64_t kTile = 64;

float score_scale(const AttentionShape& s) {
  return 1 / std::sqrt(static_cast<float>(s.head_dim));
}

int64_t whole_blocks(int64_t tokens) {
  return (tokens + kKvBlockTokens - 1) / kKvBlockTokens;
}

// The keys of a KV head in the block that holds `token`; its values stand behind them.
float* head_block(const PagedKv& kv, const AttentionShape& s, int64_t token, int64_t kv_head) {
  const int64_t block = kv.table[token / kKvBlockTokens];
  return kv.pool + (block * s.kv_heads + kv_head) * kv_block_values(1, s.head_dim);
}

// Queries [first, first + rows) of one head.
struct Tile {
  int64_t first = 0;
  int64_t rows = 0;
  int64_t head = 0;
};

// Scores of a tile fill whole blocks; those of keys that a query must not see become weights of zero.
void prefill_tile(const AttentionCall& call, const AttentionShape& s, const Tile& tile) {
  const int64_t q_row = s.heads * s.head_dim;
  const int64_t keys = s.context + tile.first + tile.rows;
  const int64_t score_row = whole_blocks(keys) * kKvBlockTokens;
  const int64_t kv_head = tile.head / (s.heads / s.kv_heads);
  const int64_t at = (tile.first * s.heads + tile.head) * s.head_dim;
  for (int64_t from = 0; from < keys; from += kKvBlockTokens) {
    vector_loops().panels({.x = call.q + at,
                           .b = head_block(call.kv, s, from, kv_head),
                           .y = call.scratch + from,
                           .rows = tile.rows,
                           .inner = s.head_dim,
                           .columns = kKvBlockTokens,
                           .x_row = q_row,
                           .panel_stride = 0,
                           .y_row = score_row,
                           .scale = score_scale(s)});
  }
  for (int64_t m = 0; m < tile.rows; ++m) {
    float* score = call.scratch + m * score_row;
    const int64_t visible = s.context + tile.first + m + 1;
    vector_loops().softmax(score, visible);
    std::fill(score + visible, score + score_row, 0.0F);
  }
  for (int64_t from = 0; from < keys; from += kKvBlockTokens) {
    vector_loops().panels({.x = call.scratch + from,
                           .b = head_block(call.kv, s, from, kv_head) + s.head_dim * kKvBlockTokens,
                           .y = call.out + at,
                           .rows = tile.rows,
                           .inner = std::min(kKvBlockTokens, keys - from),
                           .columns = s.head_dim,
                           .x_row = score_row,
                           .panel_stride = kKvBlockTokens * kPanelColumns,
                           .y_row = q_row,
                           .add = from > 0});
  }
}

// Key and value of one token and head.
struct NewToken {
  const float* k;
  const float* v;
  int64_t head_dim;
};

void append_token(const NewToken& token, float* block, int64_t slot) {
  float* values = block + token.head_dim * kKvBlockTokens;
  for (int64_t d = 0; d < token.head_dim; ++d) {
    block[d * kKvBlockTokens + slot] = token.k[d];
    const int64_t panel = d / kPanelColumns * kKvBlockTokens * kPanelColumns;
    values[panel + slot * kPanelColumns + d % kPanelColumns] = token.v[d];
  }
}

}  // namespace

void append_kv(const float* k, const float* v, const PagedKv& kv, const AttentionShape& s) {
  CHECK(s.context + s.queries <= kv.capacity());
  for (int64_t m = 0; m < s.queries; ++m) {
    const int64_t token = s.context + m;
    for (int64_t h = 0; h < s.kv_heads; ++h, k += s.head_dim, v += s.head_dim) {
      append_token({k, v, s.head_dim}, head_block(kv, s, token, h), token % kKvBlockTokens);
    }
  }
}

int64_t attention_scratch(const AttentionShape& s) {
  if (s.queries == 1) return 2 * s.heads;
  return std::min(kTile, s.queries) * whole_blocks(s.context + s.queries) * kKvBlockTokens;
}

void attention(const AttentionCall& call, const AttentionShape& s) {
  CHECK(s.queries > 0 && s.context + s.queries <= call.kv.capacity() && s.heads % s.kv_heads == 0);
  if (s.queries == 1) {
    vector_loops().paged_decode({.q = call.q,
                                 .pool = call.kv.pool,
                                 .table = call.kv.table,
                                 .out = call.out,
                                 .state = call.scratch,
                                 .keys = s.context + 1,
                                 .kv_heads = s.kv_heads,
                                 .group = s.heads / s.kv_heads,
                                 .head_dim = s.head_dim,
                                 .scale = score_scale(s)});
    return;
  }
  for (int64_t first = 0; first < s.queries; first += kTile) {
    const int64_t rows = std::min(kTile, s.queries - first);
    for (int64_t head = 0; head < s.heads; ++head) {
      prefill_tile(call, s, {.first = first, .rows = rows, .head = head});
    }
  }
}

}  // namespace cotenant::cpu

// Public here: append_kv, attention_scratch, attention.
#include <cblas-openblas.h>

#include <algorithm>
#include <cmath>

#include "kernels/cpu/blas_threads.h"
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

void decode(const AttentionCall& call, const AttentionShape& s) {
  const VectorLoops& loops = vector_loops();
  const int64_t group = s.heads / s.kv_heads;
  const int64_t keys = s.context + 1;
  std::fill(call.out, call.out + s.heads * s.head_dim, 0.0F);
  for (int64_t kv = 0; kv < s.kv_heads; ++kv) {
    const int64_t at = kv * call.kv.capacity * s.head_dim;
    const int64_t head = kv * group * s.head_dim;
    loops.scores({.q = call.q + head,
                  .k = call.kv.keys + at,
                  .score = call.scratch,
                  .group = group,
                  .keys = keys,
                  .head_dim = s.head_dim,
                  .score_stride = keys,
                  .scale = score_scale(s)});
    for (int64_t g = 0; g < group; ++g) loops.softmax(call.scratch + g * keys, keys);
    loops.add_values({.weight = call.scratch,
                      .v = call.kv.values + at,
                      .out = call.out + head,
                      .group = group,
                      .keys = keys,
                      .columns = s.head_dim,
                      .weight_stride = keys,
                      .out_stride = s.head_dim});
  }
}

// Queries [first, first + rows) of one head.
struct Tile {
  int64_t first = 0;
  int64_t rows = 0;
  int64_t head = 0;
};

void prefill_tile(const AttentionCall& call, const AttentionShape& s, const Tile& tile) {
  const auto rows = static_cast<blasint>(tile.rows);
  const auto dim = static_cast<blasint>(s.head_dim);
  const auto row_stride = static_cast<blasint>(s.heads * s.head_dim);
  const auto keys = static_cast<blasint>(s.context + tile.first + tile.rows);
  const int64_t kv = tile.head / (s.heads / s.kv_heads) * call.kv.capacity * s.head_dim;
  const int64_t at = (tile.first * s.heads + tile.head) * s.head_dim;
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, keys, dim, score_scale(s), call.q + at,
              row_stride, call.kv.keys + kv, dim, 0, call.scratch, keys);
  for (int64_t m = 0; m < tile.rows; ++m) {
    float* score = call.scratch + m * keys;
    const int64_t visible = s.context + tile.first + m + 1;
    vector_loops().softmax(score, visible);
    std::fill(score + visible, score + keys, 0.0F);
  }
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, dim, keys, 1, call.scratch, keys,
              call.kv.values + kv, dim, 0, call.out + at, row_stride);
}

}  // namespace

void append_kv(const float* k, const float* v, const KvView& kv, const AttentionShape& s) {
  CHECK(s.context + s.queries <= kv.capacity);
  for (int64_t m = 0; m < s.queries; ++m) {
    for (int64_t h = 0; h < s.kv_heads; ++h) {
      const int64_t from = (m * s.kv_heads + h) * s.head_dim;
      const int64_t to = (h * kv.capacity + s.context + m) * s.head_dim;
      std::copy(k + from, k + from + s.head_dim, kv.keys + to);
      std::copy(v + from, v + from + s.head_dim, kv.values + to);
    }
  }
}

int64_t attention_scratch(const AttentionShape& s) {
  const int64_t keys = s.context + s.queries;
  return keys * (s.queries == 1 ? s.heads / s.kv_heads : std::min(kTile, s.queries));
}

void attention(const AttentionCall& call, const AttentionShape& s) {
  CHECK(s.queries > 0 && s.context + s.queries <= call.kv.capacity && s.heads % s.kv_heads == 0);
  if (s.queries == 1) {
    decode(call, s);
    return;
  }
  keep_blas_on_this_thread();
  for (int64_t first = 0; first < s.queries; first += kTile) {
    const int64_t rows = std::min(kTile, s.queries - first);
    for (int64_t head = 0; head < s.heads; ++head) {
      prefill_tile(call, s, {.first = first, .rows = rows, .head = head});
    }
  }
}

}  // namespace cotenant::cpu

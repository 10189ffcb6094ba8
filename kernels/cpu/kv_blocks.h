#pragma once
#include <cstdint>

namespace cotenant::cpu {

// Tokens of a block of the paged cache.
inline constexpr int64_t kKvBlockTokens = 16;

// Values of one block of one layer. For each KV head a block holds the keys transposed (head_dim x 16
// tokens), then the values in panels of 16 columns (16 tokens x 16 columns each; of the last panel some
// columns may be unused). So the scores of 16 tokens lie side by side in registers, a block is read in the
// order of its addresses, and both parts are panels as vector_loops.h has them.
constexpr int64_t kv_block_values(int64_t kv_heads, int64_t head_dim) {
  const int64_t value_columns = (head_dim + 15) / 16 * 16;
  return kv_heads * kKvBlockTokens * (head_dim + value_columns);
}

}  // namespace cotenant::cpu

#pragma once
#include <cstdint>

#include "kernels/cuda/bf16.h"

// The operations of a decoder transformer besides its dense layers, on a GPU: bf16 values, fp32 sums. All
// pointers are device pointers, 16-byte aligned; widths (hidden, ffn, head_dim, strides) are multiples of 8.
// Pointers do not alias unless a function says so. The arithmetic is that of kernels/reference.
namespace cotenant::cuda {

struct NormShape {
  int64_t rows = 0;
  int64_t hidden = 0;
  float epsilon = 1e-5F;
  bool residual = false;
  [[nodiscard]] double flop() const {
    return (residual ? 5.0 : 4.0) * static_cast<double>(rows) * static_cast<double>(hidden);
  }
  [[nodiscard]] double bytes() const {
    return (residual ? 8.0 : 4.0) * static_cast<double>(rows) * static_cast<double>(hidden) +
           2.0 * static_cast<double>(hidden);
  }
};
// y = x / sqrt(mean(x^2) + epsilon) * weight, row by row. With a residual stream: residual += x (rounded to
// bf16) and y = norm(residual).
struct NormCall {
  const Bf16* x = nullptr;       // rows x hidden
  const Bf16* weight = nullptr;  // hidden
  Bf16* y = nullptr;             // rows x hidden; may be x
  Bf16* residual = nullptr;      // rows x hidden, set if shape.residual
  float* inverse_rms = nullptr;  // rows, or null: kept for the gradient
};

// Keys and values live in blocks of 16 tokens: pool[block][kv_head][token in block][head_dim], keys and
// values apart, one pool a layer. A sequence's block table lists its blocks in order.
inline constexpr int64_t kKvBlockTokens = 16;
struct KvPool {
  Bf16* keys = nullptr;
  Bf16* values = nullptr;
};
struct ConstKvPool {
  const Bf16* keys = nullptr;
  const Bf16* values = nullptr;
};

struct RopeShape {
  int64_t rows = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;  // a multiple of 16
  bool append = true;    // write the rotated keys and the values into the pool
  [[nodiscard]] double flop() const {
    return 3.0 * static_cast<double>(rows) * static_cast<double>((heads + kv_heads) * head_dim);
  }
  [[nodiscard]] double bytes() const {
    const double tokens = static_cast<double>(rows);
    const double moved = static_cast<double>((2 * heads + 2 * kv_heads) * head_dim);
    const double appended = append ? static_cast<double>(3 * kv_heads * head_dim) : 0.0;
    return 2.0 * tokens * (moved + appended);
  }
};
// Rotates the pairs (i, i + head_dim / 2) of every head of q and k in place and, if shape.append, copies k
// and v to their slots of the pool. Row m has angle index positions[m]: cosine and sine are (positions) x
// head_dim / 2.
struct RopeCall {
  Bf16Rows q;                          // rows x heads * head_dim
  Bf16Rows k;                          // rows x kv_heads * head_dim
  ConstBf16Rows v;                     // rows x kv_heads * head_dim; read if shape.append
  const int32_t* positions = nullptr;  // rows
  const float* cosine = nullptr;
  const float* sine = nullptr;
  KvPool pool;
  // rows: block * kKvBlockTokens + token in block; negative for padded rows, which append nothing.
  const int32_t* slots = nullptr;
};

// One query of each of `sequences` against its cache, the new token's key and value included.
struct DecodeAttentionShape {
  int64_t sequences = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;       // divides heads; heads / kv_heads <= 16
  int64_t head_dim = 0;       // 64 or 128
  int64_t most_context = 0;   // no context is longer; fixes the launch, so a captured call may meet others
  int64_t total_context = 0;  // about the sum of contexts: sizes the split, the result does not depend on it
  int64_t table_stride = 0;   // blocks in a row of the block tables

  // Source: two multiplications of every query head with every key and value, and every key and value once.
  [[nodiscard]] double flop() const { return 4.0 * static_cast<double>(heads * head_dim * total_context); }
  [[nodiscard]] double bytes() const {
    return 4.0 * static_cast<double>(kv_heads * head_dim * total_context + sequences * heads * head_dim);
  }
  // Context tokens of one thread block, a multiple of 64: so many that two waves of four blocks on each of
  // 132 multiprocessors share the total context evenly, however uneven the sequences are.
  [[nodiscard]] int64_t split_tokens() const {
    constexpr int64_t kBlocks = 2 * 4 * 132;
    const int64_t even = (total_context * kv_heads + kBlocks - 1) / kBlocks;
    const int64_t rounded = (even + 63) / 64 * 64;
    return rounded < 64 ? 64 : rounded;
  }
  [[nodiscard]] int64_t splits() const {
    const int64_t needed = (most_context + split_tokens() - 1) / split_tokens();
    return needed < 1 ? 1 : needed;
  }
  // Partial results of the splits: a row of head_dim sums, a maximum and a total each, in fp32.
  [[nodiscard]] int64_t workspace_bytes() const {
    return splits() == 1 ? 0 : sequences * heads * splits() * (head_dim + 2) * 4;
  }
};
struct DecodeAttentionCall {
  ConstBf16Rows q;  // sequences x heads * head_dim
  ConstKvPool pool;
  const int32_t* block_tables = nullptr;  // sequences x table_stride
  const int32_t* contexts = nullptr;  // sequences: tokens in the cache, 0 for padded rows, which get zeros
  Bf16Rows out;                       // sequences x heads * head_dim
  void* workspace = nullptr;          // shape.workspace_bytes()
};

// Query-key pairs that a causal mask leaves of `queries` new tokens behind `context` earlier ones.
inline double causal_pairs(double queries, double context) {
  return queries * (context + (queries + 1) / 2);
}

// Chunks of new tokens of several sequences, each behind its context; the chunks' keys and values are in the
// cache already.
struct PrefillAttentionShape {
  int64_t sequences = 0;
  int64_t rows = 0;          // queries of all sequences
  int64_t most_queries = 0;  // of one sequence; fixes the launch
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;      // 64 or 128
  int64_t table_stride = 0;  // blocks in a row of the block tables
  double pairs = 0;          // sum of causal_pairs(): only counted, never used by the kernel
  int64_t kv_tokens = 0;     // sum of contexts and queries: only counted
  [[nodiscard]] double flop() const { return 4.0 * static_cast<double>(heads * head_dim) * pairs; }
  [[nodiscard]] double bytes() const {
    return 4.0 * static_cast<double>((kv_tokens * kv_heads + rows * heads) * head_dim);
  }
};
struct PrefillAttentionCall {
  ConstBf16Rows q;  // rows x heads * head_dim
  ConstKvPool pool;
  const int32_t* block_tables = nullptr;  // sequences x table_stride
  const int32_t* query_start = nullptr;   // sequences + 1: the rows of each sequence
  const int32_t* contexts = nullptr;      // sequences: tokens before the chunk
  Bf16Rows out;                           // rows x heads * head_dim
};

struct SwigluShape {
  int64_t rows = 0;
  int64_t ffn = 0;
  [[nodiscard]] double flop() const { return 5.0 * static_cast<double>(rows) * static_cast<double>(ffn); }
  [[nodiscard]] double bytes() const { return 6.0 * static_cast<double>(rows) * static_cast<double>(ffn); }
};
// y = gate * sigmoid(gate) * up; y may be gate or up.
struct SwigluCall {
  ConstBf16Rows gate;
  ConstBf16Rows up;
  Bf16Rows y;
};

struct ArgmaxShape {
  int64_t rows = 0;
  int64_t columns = 0;
  [[nodiscard]] double bytes() const {
    return 4.0 * static_cast<double>(rows) * static_cast<double>(columns);
  }
  // Parts of a row that thread blocks of their own look through: 4,096 columns or more each.
  [[nodiscard]] int64_t splits() const {
    const int64_t most = (columns + 4095) / 4096;
    const int64_t wanted = rows > 0 ? (2 * 132 + rows - 1) / rows : 1;
    return wanted < most ? wanted : most;
  }
  [[nodiscard]] int64_t workspace_bytes() const { return rows * splits() * 8; }
};
// best[m] = the column of the greatest logit of row m, the first of equals. NaN is never the greatest.
struct ArgmaxCall {
  const float* logits = nullptr;  // rows x columns
  int32_t* best = nullptr;        // rows
  void* workspace = nullptr;      // shape.workspace_bytes()
};

struct GatherShape {
  int64_t rows = 0;
  int64_t hidden = 0;
  [[nodiscard]] double bytes() const {
    return static_cast<double>(rows) * (4.0 * static_cast<double>(hidden) + 4.0);
  }
};
// out[m] = table[ids[m]]; zeros where the id is negative.
struct GatherCall {
  const Bf16* table = nullptr;   // (ids) x hidden
  const int32_t* ids = nullptr;  // rows
  Bf16* out = nullptr;           // rows x hidden
};

}  // namespace cotenant::cuda

#pragma once
#include "kernels/cuda/device/tiles.cuh"
#include "kernels/cuda/transformer.h"

// One query a sequence against a paged cache. The work is reading keys and values once, so a warp reads a
// whole block of 16 tokens straight into registers, 16 bytes a lane and load, and the tensor cores do the
// arithmetic on it there: the order of the summed index within an mma is free as long as both operands use
// the same, and is chosen so that a lane's 16 bytes are what the instruction wants of it. Source of splitting
// over the context: Dao et al., "Flash-Decoding for long-context inference", 2023.
namespace cotenant::cuda::device {

inline constexpr int kDecodeThreads = 128;
inline constexpr int kDecodeWarps = kDecodeThreads / kWarp;
inline constexpr int kGroupLimit = 16;  // query heads of one KV head: the rows of an mma

// Running softmax of rows g and g + 8 of a warp's results, in powers of two: weights are 2^(score - most).
struct RunningRows {
  float most[2] = {-kInfinity, -kInfinity};
  float total[2] = {0, 0};  // of this lane's columns only
};

// Blocks: x = split of the context, y = KV head, z = sequence. The four warps take KV blocks in turn.
template <int kDim>
struct DecodeAttentionKernel {
  static constexpr int kThreads = kDecodeThreads;
  DecodeAttentionCall call;
  int64_t sequences;
  int64_t heads;
  int64_t kv_heads;
  int64_t table_stride;
  int64_t split_tokens;
  float scale;  // of scores, with log2(e)

  struct Queries {
    Words rows[kDim / 32][2];  // columns 32 c + 8 t ... of rows g and g + 8
  };
  struct KvBlock {
    Words keys[2][kDim / 32];    // of tokens 8 j + g: columns 32 c + 8 t ...
    Words values[kDim / 64][4];  // of tokens 2t, 2t + 1, 2t + 8, 2t + 9: columns 64 d + 8 g ...
  };

  COTENANT_DEVICE int group() const { return static_cast<int>(heads / kv_heads); }

  COTENANT_DEVICE Queries load_queries() const {
    Queries out{};
    const Bf16* q = call.q.data + block_z() * call.q.stride + block_y() * group() * kDim;
    COTENANT_UNROLL
    for (int half = 0; half < 2; ++half) {
      const int row = lane() / 4 + 8 * half;
      if (row >= group()) continue;
      COTENANT_UNROLL
      for (int c = 0; c < kDim / 32; ++c)
        out.rows[c][half] = load16(q + row * kDim + 32 * c + lane() % 4 * 8);
    }
    return out;
  }

  COTENANT_DEVICE void load_block(KvBlock& to, int32_t block, int64_t valid) const {
    const int g = lane() / 4;
    const int t = lane() % 4;
    const int64_t base = (static_cast<int64_t>(block) * kv_heads + block_y()) * kKvBlockTokens * kDim;
    COTENANT_UNROLL
    for (int j = 0; j < 2; ++j) {
      COTENANT_UNROLL
      for (int c = 0; c < kDim / 32; ++c) {
        to.keys[j][c] = load16(call.pool.keys + base + (8 * j + g) * kDim + 32 * c + 8 * t);
      }
    }
    COTENANT_UNROLL
    for (int d = 0; d < kDim / 64; ++d) {
      COTENANT_UNROLL
      for (int i = 0; i < 4; ++i) {
        const int token = 2 * t + i % 2 + i / 2 * 8;
        // Slots beyond the context hold anything, NaN too, which a weight of zero would not remove.
        to.values[d][i] = load16_if(token < valid, call.pool.values + base + token * kDim + 64 * d + 8 * g);
      }
    }
  }

  COTENANT_DEVICE void scores_of(float (&s)[2][4], const Queries& q, const KvBlock& kv, int64_t valid) const {
    COTENANT_UNROLL
    for (int j = 0; j < 2; ++j) {
      COTENANT_UNROLL
      for (int c = 0; c < kDim / 32; ++c) {
        const Words& k = kv.keys[j][c];
        const uint32_t even[4] = {q.rows[c][0].w[0], q.rows[c][1].w[0], q.rows[c][0].w[1], q.rows[c][1].w[1]};
        const uint32_t odd[4] = {q.rows[c][0].w[2], q.rows[c][1].w[2], q.rows[c][0].w[3], q.rows[c][1].w[3]};
        mma(s[j], even, k.w[0], k.w[1]);
        mma(s[j], odd, k.w[2], k.w[3]);
      }
      COTENANT_UNROLL
      for (int i = 0; i < 4; ++i) {
        const bool visible = 8 * j + lane() % 4 * 2 + i % 2 < valid;
        s[j][i] = visible ? s[j][i] * scale : -kInfinity;
      }
    }
  }

  // Scores become weights; sums so far are scaled to the new maximum.
  COTENANT_DEVICE void weigh(float (&s)[2][4], RunningRows& rows, float (&out)[kDim / 8][4]) const {
    COTENANT_UNROLL
    for (int half = 0; half < 2; ++half) {
      float most = rows.most[half];
      COTENANT_UNROLL
      for (int j = 0; j < 2; ++j) most = greater(most, greater(s[j][2 * half], s[j][2 * half + 1]));
      most = quad_max(most);
      const float shrink = exp2_of(rows.most[half] - most);
      rows.most[half] = most;
      rows.total[half] *= shrink;
      COTENANT_UNROLL
      for (int j = 0; j < 2; ++j) {
        COTENANT_UNROLL
        for (int i = 2 * half; i < 2 * half + 2; ++i) {
          s[j][i] = exp2_of(s[j][i] - most);
          rows.total[half] += s[j][i];
        }
      }
      COTENANT_UNROLL
      for (int i = 0; i < kDim / 8; ++i) {
        out[i][2 * half] *= shrink;
        out[i][2 * half + 1] *= shrink;
      }
    }
  }

  // out tile 8 d + n holds columns 64 d + 8 c + n for c = 0 ... 7: the lane's 16 bytes of value d, g = c.
  COTENANT_DEVICE void add_values(float (&out)[kDim / 8][4], const float (&weights)[2][4],
                                  const KvBlock& kv) const {
    uint32_t a[4];
    as_left(a, weights[0], weights[1]);
    COTENANT_UNROLL
    for (int d = 0; d < kDim / 64; ++d) {
      COTENANT_UNROLL
      for (int n = 0; n < 8; ++n) {
        const int word = n / 2;
        const Words(&v)[4] = kv.values[d];
        const uint32_t b0 =
            n % 2 == 0 ? join_low(v[0].w[word], v[1].w[word]) : join_high(v[0].w[word], v[1].w[word]);
        const uint32_t b1 =
            n % 2 == 0 ? join_low(v[2].w[word], v[3].w[word]) : join_high(v[2].w[word], v[3].w[word]);
        mma(out[8 * d + n], a, b0, b1);
      }
    }
  }
  COTENANT_DEVICE static uint32_t join_low(uint32_t first, uint32_t second) {
    return (first & 0xFFFFU) | second << 16;
  }
  COTENANT_DEVICE static uint32_t join_high(uint32_t first, uint32_t second) {
    return first >> 16 | (second & 0xFFFF0000U);
  }

  // The warp's KV blocks of tokens [first, last).
  COTENANT_DEVICE void read_context(int64_t first, int64_t last, RunningRows& rows,
                                    float (&out)[kDim / 8][4]) const {
    const int32_t* table = call.block_tables + block_z() * table_stride;
    const Queries q = load_queries();
    int64_t block = first / kKvBlockTokens + warp();
    const int64_t end = blocks_for(last, kKvBlockTokens);
    int32_t id = block < end ? table[block] : 0;
    for (; block < end; block += kDecodeWarps) {
      const int64_t valid = last - block * kKvBlockTokens;
      KvBlock kv;
      load_block(kv, id, valid);
      // The next block's number is asked for before this block's values are needed.
      if (block + kDecodeWarps < end) id = table[block + kDecodeWarps];
      float s[2][4] = {};
      scores_of(s, q, kv, valid);
      weigh(s, rows, out);
      add_values(out, s, kv);
    }
  }

  // What the warps found, for the block: sums [warp][row][column], and most and total [warp][row].
  struct Found {
    Shared<float> sums;
    Shared<float> most;
    Shared<float> total;
  };

  COTENANT_DEVICE void leave(const Found& found, const RunningRows& rows,
                             const float (&out)[kDim / 8][4]) const {
    COTENANT_UNROLL
    for (int half = 0; half < 2; ++half) {
      const int row = lane() / 4 + 8 * half;
      const float total = quad_sum(rows.total[half]);
      if (row >= group()) continue;
      const int at = warp() * group() + row;
      found.most[at] = rows.most[half];
      found.total[at] = total;
      COTENANT_UNROLL
      for (int i = 0; i < kDim / 8; ++i) {
        COTENANT_UNROLL
        for (int j = 0; j < 2; ++j) {
          const int column = i / 8 * 64 + (lane() % 4 * 2 + j) * 8 + i % 8;
          found.sums[at * kDim + column] = out[i][2 * half + j];
        }
      }
    }
    sync_block();
  }

  struct Merged {
    float most = -kInfinity;
    float total = 0;
    float sum = 0;
  };
  COTENANT_DEVICE Merged merge(const Found& found, int row, int column) const {
    Merged out;
    for (int w = 0; w < kDecodeWarps; ++w) out.most = greater(out.most, found.most[w * group() + row]);
    for (int w = 0; w < kDecodeWarps; ++w) {
      const int at = w * group() + row;
      // A warp without a block has no maximum.
      const float share = found.total[at] > 0 ? exp2_of(found.most[at] - out.most) : 0.0F;
      out.total += share * found.total[at];
      out.sum += share * found.sums[at * kDim + column];
    }
    return out;
  }

  // Workspace: sums [sequence][head][split][column], then most and total [sequence][head][split].
  COTENANT_DEVICE void write(const Found& found, int row, int column) const {
    const Merged all = merge(found, row, column);
    const int64_t head = block_y() * group() + row;
    if (blocks_x() == 1) {
      const float value = all.total > 0 ? all.sum / all.total : 0.0F;
      call.out.data[block_z() * call.out.stride + head * kDim + column] = to_bf16(value);
      return;
    }
    const int64_t at = (block_z() * heads + head) * blocks_x() + block_x();
    auto* sums = static_cast<float*>(call.workspace);
    sums[at * kDim + column] = all.sum;
    if (column != 0) return;
    float* most = sums + sequences * heads * blocks_x() * kDim;
    most[at] = all.most;
    most[sequences * heads * blocks_x() + at] = all.total;
  }

  COTENANT_DEVICE void operator()() const {
    const int64_t context = call.contexts[block_z()];
    const int64_t first = block_x() * split_tokens;
    // The combining kernel reads only splits that the context reaches.
    if (first >= context && block_x() > 0) return;
    const int64_t last = first + split_tokens < context ? first + split_tokens : context;
    RunningRows rows;
    float out[kDim / 8][4] = {};
    read_context(first, last, rows, out);
    SharedMemory shared;
    const int entries = kDecodeWarps * group();
    const Found found{shared.take<float>(entries * kDim), shared.take<float>(entries),
                      shared.take<float>(entries)};
    leave(found, rows, out);
    for (int i = thread(); i < group() * kDim; i += kThreads) write(found, i / kDim, i % kDim);
  }
};

// Blocks: x = head, y = sequence; a thread a column.
struct CombineSplitsKernel {
  static constexpr int kThreads = 128;
  DecodeAttentionCall call;
  DecodeAttentionShape shape;
  int64_t splits;
  int64_t split_tokens;

  COTENANT_DEVICE void operator()() const {
    const int column = thread();
    if (column >= shape.head_dim) return;
    const int64_t row = block_y() * shape.heads + block_x();
    const auto* sums = static_cast<const float*>(call.workspace);
    const float* most = sums + shape.sequences * shape.heads * splits * shape.head_dim + row * splits;
    const float* total = most + shape.sequences * shape.heads * splits;
    const int64_t used = blocks_for(call.contexts[block_y()], split_tokens);
    float greatest = -kInfinity;
    for (int64_t i = 0; i < used; ++i) greatest = greater(greatest, most[i]);
    float all = 0;
    float sum = 0;
    for (int64_t i = 0; i < used; ++i) {
      const float share = exp2_of(most[i] - greatest);
      all += share * total[i];
      sum += share * sums[(row * splits + i) * shape.head_dim + column];
    }
    call.out.data[block_y() * call.out.stride + block_x() * shape.head_dim + column] =
        to_bf16(all > 0 ? sum / all : 0.0F);
  }
};

template <int kDim, class Launch>
void launch_decode_splits(const Launch& launch, const DecodeAttentionCall& call,
                          const DecodeAttentionShape& s) {
  const int64_t entries = kDecodeWarps * (s.heads / s.kv_heads);
  const float scale = kLog2E / std::sqrt(static_cast<float>(kDim));
  const int64_t edges = (entries * 4 + 15) / 16 * 16;
  launch(
      Grid{
          .x = s.splits(), .y = s.kv_heads, .z = s.sequences, .shared_bytes = entries * kDim * 4 + 2 * edges},
      DecodeAttentionKernel<kDim>{call, s.sequences, s.heads, s.kv_heads, s.table_stride, s.split_tokens(),
                                  scale});
}

template <class Launch>
void launch_decode_attention(const Launch& launch, const DecodeAttentionCall& call,
                             const DecodeAttentionShape& s) {
  if (s.head_dim == 64) {
    launch_decode_splits<64>(launch, call, s);
  } else {
    launch_decode_splits<128>(launch, call, s);
  }
  if (s.splits() == 1) return;
  launch(Grid{.x = s.heads, .y = s.sequences}, CombineSplitsKernel{call, s, s.splits(), s.split_tokens()});
}

}  // namespace cotenant::cuda::device

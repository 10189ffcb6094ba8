#pragma once
#include "kernels/cuda/device/tiles.cuh"
#include "kernels/cuda/training.h"

// Causal attention of many queries, in tiles: scores never leave the multiprocessor.
// Source: Dao, "FlashAttention-2: faster attention with better parallelism and work partitioning", 2023.
namespace cotenant::cuda::device {

inline constexpr int kKeyTile = 64;

// Where keys and values of a sequence stand: in blocks of a paged cache, or as rows beside the queries.
struct KeySource {
  ConstKvPool pool;
  const int32_t* block_tables = nullptr;  // null: rows
  int64_t table_stride = 0;
  ConstBf16Rows keys;
  ConstBf16Rows values;
  int64_t kv_heads = 0;

  COTENANT_DEVICE int64_t in_pool(int64_t sequence, int64_t kv_head, int64_t token, int dim) const {
    const int64_t block = block_tables[sequence * table_stride + token / kKvBlockTokens];
    return ((block * kv_heads + kv_head) * kKvBlockTokens + token % kKvBlockTokens) * dim;
  }
};

// Queries of one sequence that one block takes.
struct QueryTile {
  int64_t sequence = 0;
  int64_t first = 0;    // query within the sequence
  int64_t queries = 0;  // of the sequence
  int64_t row = 0;      // of the sequence's query 0 in q and out
  int64_t context = 0;  // tokens before query 0
  COTENANT_DEVICE int64_t keys_seen(int rows) const {
    const int64_t last = first + rows < queries ? first + rows : queries;
    return context + last;
  }
};

// Blocks: x = query tile (the last, longest, first), y = head, z = sequence. A warp takes 16 queries.
template <int kDim, int kWarps>
struct CausalAttentionKernel {
  static constexpr int kThreads = kWarps * kWarp;
  static constexpr int kQueries = kWarps * 16;
  ConstBf16Rows q;
  KeySource source;
  const int32_t* query_start;  // null: sequences of `length` queries without a context
  const int32_t* contexts;
  int64_t length;
  Bf16Rows out;
  float* log_sum_exp;  // heads x length a sequence, or null
  int64_t heads;
  float scale;  // of scores, with log2(e)

  using KeyValues = Tile<kDim>;
  struct Stage {
    KeyValues keys;
    KeyValues values;
  };
  // Results of the warp's rows g and g + 8.
  struct Rows {
    float most[2] = {-kInfinity, -kInfinity};
    float total[2] = {0, 0};
    float sums[kDim / 8][4] = {};
  };

  // Two stages of a tile of keys and one of values, behind each other.
  COTENANT_DEVICE static Stage stage_of(const Tile<kDim>& stages, int64_t i) {
    constexpr int kValues = kKeyTile * kDim;
    Bf16* keys = stages.values.data + i * 2 * kValues;
    return {{{keys, kValues}}, {{keys + kValues, kValues}}};
  }

  COTENANT_DEVICE QueryTile query_tile() const {
    QueryTile t;
    t.sequence = block_z();
    t.first = (blocks_x() - 1 - block_x()) * kQueries;
    if (query_start == nullptr) {
      t.queries = length;
      t.row = block_z() * length;
      return t;
    }
    t.row = query_start[block_z()];
    t.queries = query_start[block_z() + 1] - t.row;
    t.context = contexts[block_z()];
    return t;
  }
  COTENANT_DEVICE int64_t kv_head() const { return block_y() / (heads / source.kv_heads); }

  COTENANT_DEVICE void load_queries(const QueryTile& t, const Tile<kDim>& tile) const {
    load_tile<kDim, kQueries, kThreads>(tile, q.data, [&](int row) -> const Bf16* {
      const int64_t query = t.first + row;
      return query < t.queries ? q.data + (t.row + query) * q.stride + block_y() * kDim : nullptr;
    });
  }

  COTENANT_DEVICE void load_keys(const QueryTile& t, int64_t first, int64_t seen, const Stage& to) const {
    const bool paged = source.block_tables != nullptr;
    const auto load = [&](const KeyValues& tile, const Bf16* pool, const ConstBf16Rows& rows) {
      load_tile<kDim, kKeyTile, kThreads>(tile, paged ? pool : rows.data, [&](int row) -> const Bf16* {
        const int64_t token = first + row;
        if (token >= seen) return nullptr;
        return paged ? pool + source.in_pool(t.sequence, kv_head(), token, kDim)
                     : rows.data + (t.row + token) * rows.stride + kv_head() * kDim;
      });
    };
    load(to.keys, source.pool.keys, source.keys);
    load(to.values, source.pool.values, source.values);
    commit_copies();
  }

  // The query of the lane's row g + 8 half, within the sequence.
  COTENANT_DEVICE int64_t query_of(const QueryTile& t, int half) const {
    return t.first + warp() * 16 + lane() / 4 + 8 * half;
  }

  COTENANT_DEVICE void mask(const QueryTile& t, int64_t first, float (&s)[kKeyTile / 8][4]) const {
    COTENANT_UNROLL
    for (int i = 0; i < kKeyTile / 8; ++i) {
      COTENANT_UNROLL
      for (int j = 0; j < 4; ++j) {
        const int64_t token = first + 8 * i + lane() % 4 * 2 + j % 2;
        if (token > t.context + query_of(t, j / 2)) s[i][j] = -kInfinity;
      }
    }
  }

  // Scores become weights relative to the greatest score so far.
  COTENANT_DEVICE void weigh(float (&s)[kKeyTile / 8][4], Rows& rows) const {
    COTENANT_UNROLL
    for (int half = 0; half < 2; ++half) {
      float most = rows.most[half];
      COTENANT_UNROLL
      for (int i = 0; i < kKeyTile / 8; ++i)
        most = greater(most, greater(s[i][2 * half], s[i][2 * half + 1]));
      most = quad_max(most);
      const float shrink = exp2_of((rows.most[half] - most) * scale);
      rows.most[half] = most;
      rows.total[half] *= shrink;
      COTENANT_UNROLL
      for (int i = 0; i < kKeyTile / 8; ++i) {
        COTENANT_UNROLL
        for (int j = 2 * half; j < 2 * half + 2; ++j) {
          s[i][j] = exp2_of((s[i][j] - most) * scale);
          rows.total[half] += s[i][j];
        }
      }
      COTENANT_UNROLL
      for (int i = 0; i < kDim / 8; ++i) {
        rows.sums[i][2 * half] *= shrink;
        rows.sums[i][2 * half + 1] *= shrink;
      }
    }
  }

  COTENANT_DEVICE void attend(const QueryTile& t, int64_t first, const uint32_t (&left)[kDim / 16][4],
                              const Stage& stage, Rows& rows) const {
    float s[kKeyTile / 8][4] = {};
    COTENANT_UNROLL
    for (int step = 0; step < kDim / 16; ++step)
      multiply_rows<kDim, kKeyTile / 8>(s, left[step], stage.keys, step);
    // Only tiles that reach beyond the first query of the warp hold keys that some query does not see.
    if (first + kKeyTile > t.context + t.first + warp() * 16) mask(t, first, s);
    weigh(s, rows);
    COTENANT_UNROLL
    for (int step = 0; step < kKeyTile / 16; ++step) {
      uint32_t weights[4];
      as_left(weights, s[2 * step], s[2 * step + 1]);
      multiply_columns<kDim>(rows.sums, weights, stage.values, step);
    }
  }

  COTENANT_DEVICE void write(const QueryTile& t, const Rows& rows) const {
    COTENANT_UNROLL
    for (int half = 0; half < 2; ++half) {
      const float total = quad_sum(rows.total[half]);
      const int64_t query = query_of(t, half);
      if (query >= t.queries) continue;
      const float inverse = 1.0F / total;
      Bf16* to = out.data + (t.row + query) * out.stride + block_y() * kDim;
      COTENANT_UNROLL
      for (int i = 0; i < kDim / 8; ++i) {
        store4(to + 8 * i + lane() % 4 * 2,
               pack(rows.sums[i][2 * half] * inverse, rows.sums[i][2 * half + 1] * inverse));
      }
      if (log_sum_exp == nullptr || lane() % 4 != 0) continue;
      log_sum_exp[(block_z() * heads + block_y()) * length + query] =
          rows.most[half] * scale * kLn2 + log_of(total);
    }
  }

  COTENANT_DEVICE void operator()() const {
    const QueryTile t = query_tile();
    if (t.first >= t.queries) return;
    SharedMemory shared;
    const Tile<kDim> stages = take_tile<kDim>(&shared, 4 * kKeyTile);
    const Tile<kDim> queries = take_tile<kDim>(&shared, kQueries);
    const int64_t seen = t.keys_seen(kQueries);
    load_queries(t, queries);
    load_keys(t, 0, seen, stage_of(stages, 0));
    wait_copies<0>();
    sync_block();
    uint32_t left[kDim / 16][4];
    COTENANT_UNROLL
    for (int step = 0; step < kDim / 16; ++step) load_left(left[step], queries, warp() * 16, step);
    Rows rows;
    for (int64_t first = 0; first < seen; first += kKeyTile) {
      const int64_t tile = first / kKeyTile;
      // The next tile is copied while this one is used.
      if (first + kKeyTile < seen) load_keys(t, first + kKeyTile, seen, stage_of(stages, (tile + 1) % 2));
      attend(t, first, left, stage_of(stages, tile % 2), rows);
      wait_copies<0>();
      sync_block();
    }
    write(t, rows);
  }

  static constexpr int64_t shared_bytes() { return (4 * kKeyTile + kQueries) * kDim * 2; }
};

// A launch of either form of the kernel; 128 queries a block where a sequence has that many.
struct CausalLaunch {
  ConstBf16Rows q;
  KeySource source;
  const int32_t* query_start = nullptr;
  const int32_t* contexts = nullptr;
  int64_t length = 0;
  Bf16Rows out;
  float* log_sum_exp = nullptr;
  int64_t heads = 0;
  int64_t sequences = 0;
  int64_t most_queries = 0;
};

template <int kDim, int kWarps, class Launch>
void launch_causal(const Launch& launch, const CausalLaunch& c) {
  using Kernel = CausalAttentionKernel<kDim, kWarps>;
  const float scale = kLog2E / std::sqrt(static_cast<float>(kDim));
  launch(Grid{.x = blocks_for(c.most_queries, Kernel::kQueries),
              .y = c.heads,
              .z = c.sequences,
              .shared_bytes = Kernel::shared_bytes()},
         Kernel{c.q, c.source, c.query_start, c.contexts, c.length, c.out, c.log_sum_exp, c.heads, scale});
}
template <class Launch>
void launch_causal(const Launch& launch, const CausalLaunch& c, int64_t head_dim) {
  const bool tall = c.most_queries > 64;
  if (head_dim == 64 && tall) {
    launch_causal<64, 8>(launch, c);
  } else if (head_dim == 64) {
    launch_causal<64, 4>(launch, c);
  } else if (tall) {
    launch_causal<128, 8>(launch, c);
  } else {
    launch_causal<128, 4>(launch, c);
  }
}

template <class Launch>
void launch_prefill_attention(const Launch& launch, const PrefillAttentionCall& call,
                              const PrefillAttentionShape& s) {
  const KeySource source{.pool = call.pool,
                         .block_tables = call.block_tables,
                         .table_stride = s.table_stride,
                         .kv_heads = s.kv_heads};
  launch_causal(launch,
                CausalLaunch{.q = call.q,
                             .source = source,
                             .query_start = call.query_start,
                             .contexts = call.contexts,
                             .out = call.out,
                             .heads = s.heads,
                             .sequences = s.sequences,
                             .most_queries = s.most_queries},
                s.head_dim);
}

template <class Launch>
void launch_causal_attention(const Launch& launch, const CausalAttentionCall& call,
                             const CausalAttentionShape& s) {
  launch_causal(launch,
                CausalLaunch{.q = call.q,
                             .source = {.keys = call.k, .values = call.v, .kv_heads = s.kv_heads},
                             .length = s.length,
                             .out = call.out,
                             .log_sum_exp = call.log_sum_exp,
                             .heads = s.heads,
                             .sequences = s.batch,
                             .most_queries = s.length},
                s.head_dim);
}

}  // namespace cotenant::cuda::device

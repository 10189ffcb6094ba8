#pragma once
#include "kernels/cuda/device/tiles.cuh"
#include "kernels/cuda/training.h"

// The gradient of causal attention, in tiles, from the saved log of the sum of exponentials: one kernel sums
// the gradients of keys and values over the queries, another those of queries over the keys, so that nothing
// is added atomically. With p = exp(score - log_sum_exp), dp = d_out v^T, delta = sum(out * d_out) and ds = p
// (dp - delta): dv = p^T d_out, dk = scale ds^T q, dq = scale ds k. Source: Dao, "FlashAttention-2", 2023,
// algorithm 2 (there with atomic adds for dq).
namespace cotenant::cuda::device {

inline constexpr int kGradientThreads = 128;

// delta[batch][head][query]: one warp a row and head.
struct OutputDotKernel {
  static constexpr int kThreads = 128;
  CausalAttentionGradientCall call;
  CausalAttentionShape shape;

  COTENANT_DEVICE void operator()() const {
    const int64_t item = block_x() * (kThreads / kWarp) + warp();
    const int64_t row = item / shape.heads;
    const int64_t head = item % shape.heads;
    if (row >= shape.batch * shape.length) return;
    float sum = 0;
    const int column = lane() * 8;
    if (column < shape.head_dim) {
      float a[8], b[8];
      unpack(load16(call.out.data + row * call.out.stride + head * shape.head_dim + column), a);
      unpack(load16(call.d_out.data + row * call.d_out.stride + head * shape.head_dim + column), b);
      COTENANT_UNROLL
      for (int j = 0; j < 8; ++j) sum += a[j] * b[j];
    }
    sum = warp_sum(sum);
    auto* delta = static_cast<float*>(call.workspace);
    const int64_t at = (row / shape.length * shape.heads + head) * shape.length + row % shape.length;
    if (lane() == 0) delta[at] = sum;
  }
};

// What both kernels share: arguments, tiles of 64 rows by four warps.
template <int kDim>
struct GradientTiles {
  CausalAttentionGradientCall call;
  CausalAttentionShape shape;
  float scale;  // of scores

  // Rows [first, first + kRows) of sequence block_z() and one head.
  template <int kRows>
  COTENANT_DEVICE void load(const Tile<kDim>& tile, const ConstBf16Rows& x, int64_t head,
                            int64_t first) const {
    load_tile<kDim, kRows, kGradientThreads>(tile, x.data, [&](int row) -> const Bf16* {
      const int64_t at = first + row;
      return at < shape.length ? x.data + (block_z() * shape.length + at) * x.stride + head * kDim : nullptr;
    });
  }
  // Of one query of a head; beyond the sequence +infinity, which makes every p zero.
  COTENANT_DEVICE float log_sum_exp(int64_t head, int64_t query) const {
    const int64_t at = (block_z() * shape.heads + head) * shape.length + query;
    return query < shape.length ? call.log_sum_exp[at] * kLog2E : kInfinity;
  }
  COTENANT_DEVICE float delta(int64_t head, int64_t query) const {
    const int64_t at = (block_z() * shape.heads + head) * shape.length + query;
    return query < shape.length ? static_cast<const float*>(call.workspace)[at] : 0.0F;
  }
  // The warp's 16 rows, scaled, to rows first + ... of a head.
  COTENANT_DEVICE void store(const Bf16Rows& to, int64_t head, int64_t first, const float (&c)[kDim / 8][4],
                             float factor) const {
    COTENANT_UNROLL
    for (int half = 0; half < 2; ++half) {
      const int64_t row = first + warp() * 16 + lane() / 4 + 8 * half;
      if (row >= shape.length) continue;
      Bf16* at = to.data + (block_z() * shape.length + row) * to.stride + head * kDim + lane() % 4 * 2;
      COTENANT_UNROLL
      for (int i = 0; i < kDim / 8; ++i) {
        store4(at + 8 * i, pack(c[i][2 * half] * factor, c[i][2 * half + 1] * factor));
      }
    }
  }
};

// Blocks: x = tile of 64 keys, y = KV head, z = sequence. Runs over the queries of all heads of the group;
// rows of results are keys, columns queries.
template <int kDim>
struct KeyGradientKernel {
  static constexpr int kThreads = kGradientThreads;
  static constexpr int kKeys = 64;
  // A smaller tile of queries leaves registers for the two sums.
  static constexpr int kQueries = kDim == 64 ? 64 : 32;
  GradientTiles<kDim> in;

  struct Tiles {
    Tile<kDim> keys;
    Tile<kDim> values;
    Tile<kDim> queries;
    Tile<kDim> d_out;
    Shared<float> log_sum_exp;
    Shared<float> delta;
  };
  struct Sums {
    float dk[kDim / 8][4] = {};
    float dv[kDim / 8][4] = {};
  };

  COTENANT_DEVICE void load_queries(const Tiles& tiles, int64_t head, int64_t first) const {
    in.template load<kQueries>(tiles.queries, in.call.q, head, first);
    in.template load<kQueries>(tiles.d_out, in.call.d_out, head, first);
    commit_copies();
    if (thread() < kQueries) {
      tiles.log_sum_exp[thread()] = in.log_sum_exp(head, first + thread());
      tiles.delta[thread()] = in.delta(head, first + thread());
    }
    wait_copies<0>();
    sync_block();
  }

  // p and ds of the warp's 16 keys and the tile's queries, from scores and dp.
  COTENANT_DEVICE void weigh(const Tiles& tiles, int64_t first_query, float (&p)[kQueries / 8][4],
                             float (&ds)[kQueries / 8][4]) const {
    COTENANT_UNROLL
    for (int i = 0; i < kQueries / 8; ++i) {
      COTENANT_UNROLL
      for (int j = 0; j < 4; ++j) {
        const int column = 8 * i + lane() % 4 * 2 + j % 2;
        const int64_t key = block_x() * kKeys + warp() * 16 + lane() / 4 + j / 2 * 8;
        const bool seen = key <= first_query + column;
        p[i][j] = seen ? exp2_of(p[i][j] * in.scale * kLog2E - tiles.log_sum_exp[column]) : 0.0F;
        ds[i][j] = p[i][j] * (ds[i][j] - tiles.delta[column]);
      }
    }
  }

  COTENANT_DEVICE void add_queries(const Tiles& tiles, int64_t first_query, Sums& sums) const {
    float p[kQueries / 8][4] = {};
    float ds[kQueries / 8][4] = {};
    COTENANT_UNROLL
    for (int step = 0; step < kDim / 16; ++step) {
      uint32_t left[4];
      load_left(left, tiles.keys, warp() * 16, step);
      multiply_rows<kDim, kQueries / 8>(p, left, tiles.queries, step);
      load_left(left, tiles.values, warp() * 16, step);
      multiply_rows<kDim, kQueries / 8>(ds, left, tiles.d_out, step);
    }
    weigh(tiles, first_query, p, ds);
    COTENANT_UNROLL
    for (int step = 0; step < kQueries / 16; ++step) {
      uint32_t left[4];
      as_left(left, p[2 * step], p[2 * step + 1]);
      multiply_columns<kDim>(sums.dv, left, tiles.d_out, step);
      as_left(left, ds[2 * step], ds[2 * step + 1]);
      multiply_columns<kDim>(sums.dk, left, tiles.queries, step);
    }
  }

  COTENANT_DEVICE void operator()() const {
    SharedMemory shared;
    const Tiles tiles{take_tile<kDim>(&shared, kKeys),    take_tile<kDim>(&shared, kKeys),
                      take_tile<kDim>(&shared, kQueries), take_tile<kDim>(&shared, kQueries),
                      shared.take<float>(kQueries),       shared.take<float>(kQueries)};
    const int64_t first_key = block_x() * kKeys;
    in.template load<kKeys>(tiles.keys, in.call.k, block_y(), first_key);
    in.template load<kKeys>(tiles.values, in.call.v, block_y(), first_key);
    const int64_t group = in.shape.heads / in.shape.kv_heads;
    Sums sums;
    for (int64_t head = block_y() * group; head < (block_y() + 1) * group; ++head) {
      for (int64_t first = first_key; first < in.shape.length; first += kQueries) {
        load_queries(tiles, head, first);
        add_queries(tiles, first, sums);
        sync_block();
      }
    }
    in.store(in.call.dk, block_y(), first_key, sums.dk, in.scale);
    in.store(in.call.dv, block_y(), first_key, sums.dv, 1.0F);
  }

  static constexpr int64_t shared_bytes() { return 2 * (kKeys + kQueries) * kDim * 2 + 2 * kQueries * 4; }
};

// Blocks: x = tile of 64 queries (the last, longest, first), y = head, z = sequence.
template <int kDim>
struct QueryGradientKernel {
  static constexpr int kThreads = kGradientThreads;
  static constexpr int kQueries = 64;
  static constexpr int kKeys = kDim == 64 ? 64 : 32;
  GradientTiles<kDim> in;

  struct Tiles {
    Tile<kDim> queries;
    Tile<kDim> d_out;
    Tile<kDim> keys;
    Tile<kDim> values;
  };
  // Of the warp's rows g and g + 8.
  struct Edges {
    int64_t query[2];
    float log_sum_exp[2];
    float delta[2];
  };

  COTENANT_DEVICE void add_keys(const Tiles& tiles, int64_t first_key, const Edges& edges,
                                float (&dq)[kDim / 8][4]) const {
    float p[kKeys / 8][4] = {};
    float ds[kKeys / 8][4] = {};
    COTENANT_UNROLL
    for (int step = 0; step < kDim / 16; ++step) {
      uint32_t left[4];
      load_left(left, tiles.queries, warp() * 16, step);
      multiply_rows<kDim, kKeys / 8>(p, left, tiles.keys, step);
      load_left(left, tiles.d_out, warp() * 16, step);
      multiply_rows<kDim, kKeys / 8>(ds, left, tiles.values, step);
    }
    COTENANT_UNROLL
    for (int i = 0; i < kKeys / 8; ++i) {
      COTENANT_UNROLL
      for (int j = 0; j < 4; ++j) {
        const bool seen = first_key + 8 * i + lane() % 4 * 2 + j % 2 <= edges.query[j / 2];
        const float weight = exp2_of(p[i][j] * in.scale * kLog2E - edges.log_sum_exp[j / 2]);
        ds[i][j] = seen ? weight * (ds[i][j] - edges.delta[j / 2]) : 0.0F;
      }
    }
    COTENANT_UNROLL
    for (int step = 0; step < kKeys / 16; ++step) {
      uint32_t left[4];
      as_left(left, ds[2 * step], ds[2 * step + 1]);
      multiply_columns<kDim>(dq, left, tiles.keys, step);
    }
  }

  COTENANT_DEVICE void operator()() const {
    SharedMemory shared;
    const Tiles tiles{take_tile<kDim>(&shared, kQueries), take_tile<kDim>(&shared, kQueries),
                      take_tile<kDim>(&shared, kKeys), take_tile<kDim>(&shared, kKeys)};
    const int64_t head = block_y();
    const int64_t kv_head = head / (in.shape.heads / in.shape.kv_heads);
    const int64_t first_query = (blocks_x() - 1 - block_x()) * kQueries;
    in.template load<kQueries>(tiles.queries, in.call.q, head, first_query);
    in.template load<kQueries>(tiles.d_out, in.call.d_out, head, first_query);
    Edges edges;
    COTENANT_UNROLL
    for (int half = 0; half < 2; ++half) {
      edges.query[half] = first_query + warp() * 16 + lane() / 4 + 8 * half;
      edges.log_sum_exp[half] = in.log_sum_exp(head, edges.query[half]);
      edges.delta[half] = in.delta(head, edges.query[half]);
    }
    float dq[kDim / 8][4] = {};
    for (int64_t first = 0; first < first_query + kQueries && first < in.shape.length; first += kKeys) {
      in.template load<kKeys>(tiles.keys, in.call.k, kv_head, first);
      in.template load<kKeys>(tiles.values, in.call.v, kv_head, first);
      commit_copies();
      wait_copies<0>();
      sync_block();
      add_keys(tiles, first, edges, dq);
      sync_block();
    }
    in.store(in.call.dq, head, first_query, dq, in.scale);
  }

  static constexpr int64_t shared_bytes() { return 2 * (kKeys + kQueries) * kDim * 2; }
};

template <int kDim, class Launch>
void launch_tile_gradients(const Launch& launch, const CausalAttentionGradientCall& call,
                           const CausalAttentionShape& s) {
  const GradientTiles<kDim> in{call, s, 1.0F / std::sqrt(static_cast<float>(kDim))};
  launch(Grid{.x = blocks_for(s.length, KeyGradientKernel<kDim>::kKeys),
              .y = s.kv_heads,
              .z = s.batch,
              .shared_bytes = KeyGradientKernel<kDim>::shared_bytes()},
         KeyGradientKernel<kDim>{in});
  launch(Grid{.x = blocks_for(s.length, QueryGradientKernel<kDim>::kQueries),
              .y = s.heads,
              .z = s.batch,
              .shared_bytes = QueryGradientKernel<kDim>::shared_bytes()},
         QueryGradientKernel<kDim>{in});
}

template <class Launch>
void launch_causal_attention_gradient(const Launch& launch, const CausalAttentionGradientCall& call,
                                      const CausalAttentionShape& s) {
  launch(Grid{.x = blocks_for(s.rows() * s.heads, OutputDotKernel::kThreads / kWarp)},
         OutputDotKernel{call, s});
  if (s.head_dim == 64) {
    launch_tile_gradients<64>(launch, call, s);
  } else {
    launch_tile_gradients<128>(launch, call, s);
  }
}

}  // namespace cotenant::cuda::device

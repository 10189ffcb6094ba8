#include <catch2/catch.hpp>

#include "kernels/cuda/memory.h"
#include "kernels/cuda/recommender.h"
#include "kernels/cuda/training.h"

// Flop and least bytes, worked out by hand from the operations' definitions at Llama-3.1-8B sizes.
namespace cotenant::cuda {
namespace {

TEST_CASE("decode attention reads every key and value once") {
  // 8 KV heads of 128, bf16, keys and values: 4,096 bytes a context token; 4 flop a query head's value and
  // token.
  const DecodeAttentionShape s{.sequences = 64,
                               .heads = 32,
                               .kv_heads = 8,
                               .head_dim = 128,
                               .most_context = 2048,
                               .total_context = 64 * 2048,
                               .table_stride = 128};
  REQUIRE(s.bytes() == 4096.0 * 131072 + 64.0 * 2 * 32 * 128 * 2);
  REQUIRE(s.flop() == 4.0 * 4096 * 131072);
}

TEST_CASE("causal attention counts the pairs that its mask shows") {
  double pairs = 0;
  for (int query = 0; query < 5; ++query) pairs += 3 + query + 1;
  REQUIRE(causal_pairs(5, 3) == pairs);
  const CausalAttentionShape s{.batch = 2, .length = 100, .heads = 4, .kv_heads = 2, .head_dim = 64};
  REQUIRE(s.flop() == 2 * 4 * 4.0 * 64 * 5050);
  REQUIRE(s.gradient_flop() == 2.5 * s.flop());
  // q, k, v and out.
  REQUIRE(s.bytes() == 2.0 * 200 * 64 * (4 + 2 + 2 + 4));
}

TEST_CASE("rows move as often as an operation must read and write them") {
  REQUIRE(NormShape{.rows = 3, .hidden = 8}.bytes() == 2.0 * (2 * 24 + 8));
  REQUIRE(NormShape{.rows = 3, .hidden = 8, .residual = true}.bytes() == 2.0 * (4 * 24 + 8));
  REQUIRE(SwigluShape{2, 16}.bytes() == 2.0 * 3 * 32);
  // q and k in and out; with the cache v in, k and v out.
  REQUIRE(RopeShape{.rows = 1, .heads = 4, .kv_heads = 2, .head_dim = 16, .append = false}.bytes() ==
          2.0 * 16 * 2 * (4 + 2));
  REQUIRE(RopeShape{.rows = 1, .heads = 4, .kv_heads = 2, .head_dim = 16}.bytes() ==
          2.0 * 16 * (2 * (4 + 2) + 2 + 2 + 2));
  REQUIRE(GatherShape{.rows = 2, .hidden = 8}.bytes() == 2.0 * (8 * 2 * 2 + 4));
  REQUIRE(adamw_bytes(1) == 4 * 4 + 3 * 4 + 2);
  const BagShape bag{.tables = 2, .rows = 3, .pooling = 5, .dim = 8, .table_rows = 100, .stride = 16};
  REQUIRE(bag.flop() == 2 * 3 * 5 * 8);
  REQUIRE(bag.bytes() == 30.0 * (32 + 4) + 2 * 3 * 32);
  REQUIRE(BlockCopyShape{3, 32}.bytes() == 3.0 * (64 + 4));
}

TEST_CASE("a workspace is asked for exactly where blocks share a row") {
  REQUIRE(ArgmaxShape{1, 4096}.splits() == 1);
  REQUIRE(ArgmaxShape{1, 128256}.splits() == 32);
  REQUIRE(ArgmaxShape{256, 128256}.splits() == 2);
  REQUIRE(ArgmaxShape{1000, 128256}.splits() == 1);
  const DecodeAttentionShape one{
      .sequences = 2, .heads = 4, .kv_heads = 1, .head_dim = 64, .most_context = 64, .total_context = 128};
  REQUIRE(one.workspace_bytes() == 0);
  DecodeAttentionShape two = one;
  two.most_context = 65;
  REQUIRE(two.workspace_bytes() == 2 * 4 * 2 * (64 + 2) * 4);
  REQUIRE(stream_blocks(16) == 1);
  REQUIRE(stream_blocks(int64_t{1} << 30) == 8 * 132);
}

}  // namespace
}  // namespace cotenant::cuda

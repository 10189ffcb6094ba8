#include "kernels/cpu/transformer.h"

#include <catch2/catch.hpp>

#include "kernels/reference/transformer.h"
#include "tests/kernels/cpu/drawn.h"

namespace cotenant {
namespace {

// A pool of blocks, handed out in falling order and with gaps, whose unused places hold NaN: reading one
// shows in the result.
struct Cache {
  std::vector<float> pool;
  std::vector<int32_t> table;
  cpu::PagedKv view;
  Cache(int64_t kv_heads, int64_t tokens, int64_t head_dim) {
    const int64_t blocks = (tokens + cpu::kKvBlockTokens - 1) / cpu::kKvBlockTokens;
    pool.resize(static_cast<size_t>(2 * blocks * cpu::kv_block_values(kv_heads, head_dim)), NAN);
    for (int64_t i = 0; i < blocks; ++i) table.push_back(static_cast<int32_t>(2 * (blocks - i) - 1));
    // Two neighbours in rising order, as a fresh pool hands them out.
    if (blocks > 2) {
      table[1] = 0;
      table[2] = 1;
      table[0] = static_cast<int32_t>(2 * blocks - 1);
      if (blocks > 3) table.back() = 2;
    }
    view = {pool.data(), table.data(), blocks};
  }
};

TEST_CASE("attention with context agrees with the reference for one query and for many") {
  struct Case {
    int64_t queries, context, heads, kv_heads, head_dim;
  };
  const Case cases[] = {{1, 0, 6, 2, 64},   {1, 1, 1, 1, 4},    {1, 200, 6, 2, 64},   {1, 77, 4, 4, 20},
                        {1, 31, 7, 1, 16},  {1, 32, 16, 2, 32}, {1, 63, 8, 2, 128},   {2, 0, 2, 1, 8},
                        {5, 9, 6, 2, 64},   {64, 0, 2, 2, 16},  {65, 3, 3, 1, 24},    {130, 70, 4, 2, 32},
                        {16, 16, 1, 1, 16}, {17, 15, 4, 2, 20}, {33, 128, 8, 2, 128}, {3, 46, 2, 2, 48}};
  for (const Case& c : cases) {
    const cpu::AttentionShape s{c.queries, c.context, c.heads, c.kv_heads, c.head_dim};
    const int64_t kv_row = c.kv_heads * c.head_dim;
    const auto q = drawn(c.queries * c.heads * c.head_dim, 1);
    const auto k = drawn((c.context + c.queries) * kv_row, 2);
    const auto v = drawn((c.context + c.queries) * kv_row, 3);
    Cache cache(c.kv_heads, c.context + c.queries, c.head_dim);
    if (c.context > 0) {
      cpu::append_kv(k.data(), v.data(), cache.view, {c.context, 0, c.heads, c.kv_heads, c.head_dim});
    }
    cpu::append_kv(&k[c.context * kv_row], &v[c.context * kv_row], cache.view, s);
    std::vector<float> out(q.size());
    std::vector<float> scratch(static_cast<size_t>(cpu::attention_scratch(s)));
    cpu::attention({q.data(), cache.view, out.data(), scratch.data()}, s);
    const auto want = reference::attention({wide(q), wide(k), wide(v)},
                                           {c.queries, c.context, c.heads, c.kv_heads, c.head_dim});
    REQUIRE(difference(out, want) < kClose);
  }
}

TEST_CASE("scores of any spread give finite attention, in rising order and in falling order") {
  for (const float sign : {1.0F, -1.0F}) {
    const int64_t tokens = 50;
    std::vector<float> k(static_cast<size_t>(tokens * 16));
    for (size_t i = 0; i < k.size(); ++i) k[i] = sign * static_cast<float>(i / 16) * 3;
    const auto v = drawn(tokens * 16, 1);
    const std::vector<float> q(16, 40.0F);
    Cache cache(1, tokens, 16);
    cpu::append_kv(k.data(), v.data(), cache.view, {tokens, 0, 1, 1, 16});
    const cpu::AttentionShape s{1, tokens - 1, 1, 1, 16};
    std::vector<float> out(16);
    std::vector<float> scratch(static_cast<size_t>(cpu::attention_scratch(s)));
    cpu::attention({q.data(), cache.view, out.data(), scratch.data()}, s);
    REQUIRE(difference(out, reference::attention({wide(q), wide(k), wide(v)}, {1, tokens - 1, 1, 1, 16})) <
            kClose);
  }
}

TEST_CASE("norms, rotations and gates agree with the reference") {
  for (const int64_t hidden : {1, 7, 64, 384, 391}) {
    const auto x = drawn(3 * hidden, 1);
    const auto w = drawn(hidden, 2);
    std::vector<float> y(x.size());
    cpu::rms_norm(x.data(), w.data(), y.data(), {.rows = 3, .hidden = hidden});
    REQUIRE(difference(y, reference::rms_norm(wide(x), wide(w), {.rows = 3, .hidden = hidden})) < kClose);
    auto gate = drawn(3 * hidden, 3);
    for (float& g : gate) g *= 30;
    cpu::swiglu(gate.data(), x.data(), y.data(), 3 * hidden);
    REQUIRE(difference(y, reference::swiglu(wide(gate), wide(x))) < kClose);
    auto sum = x;
    cpu::add(sum.data(), gate.data(), 3 * hidden);
    REQUIRE(sum.back() == Approx(x.back() + gate.back()));
  }
  const std::vector<int64_t> positions{0, 3, 999};
  auto x = drawn(3 * 2 * 64, 4);
  const auto want = reference::rope(wide(x), positions, {.heads = 2, .head_dim = 64});
  const auto before = x;
  const cpu::RopeTable rope({.positions = 1000, .head_dim = 64});
  rope.rotate(x.data(), positions, 2);
  REQUIRE(difference(x, want) < kClose);
  rope.rotate_back(x.data(), positions, 2);
  REQUIRE(difference(x, wide(before)) < kClose);
}

TEST_CASE("argmax takes the first of equals") {
  const std::vector<float> x{-3, 5, 5, 1};
  REQUIRE(cpu::argmax(x.data(), 4) == reference::argmax(wide(x)));
}

}  // namespace
}  // namespace cotenant

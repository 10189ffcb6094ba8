#include "kernels/cpu/transformer.h"

#include <catch2/catch.hpp>

#include "kernels/reference/transformer.h"
#include "tests/kernels/cpu/drawn.h"

namespace cotenant {
namespace {

// A cache whose unused places hold NaN: reading one shows in the result.
struct Cache {
  std::vector<float> keys;
  std::vector<float> values;
  cpu::KvView view;
  Cache(int64_t kv_heads, int64_t capacity, int64_t head_dim)
      : keys(static_cast<size_t>(kv_heads * capacity * head_dim), NAN),
        values(keys),
        view{keys.data(), values.data(), capacity} {}
};

TEST_CASE("attention with context agrees with the reference for one query and for many") {
  struct Case {
    int64_t queries, context, heads, kv_heads, head_dim;
  };
  const Case cases[] = {{1, 0, 6, 2, 64},  {1, 1, 1, 1, 4},   {1, 200, 6, 2, 64},
                        {1, 77, 4, 4, 20}, {2, 0, 2, 1, 8},   {5, 9, 6, 2, 64},
                        {64, 0, 2, 2, 16}, {65, 3, 3, 1, 24}, {130, 70, 4, 2, 32}};
  for (const Case& c : cases) {
    const cpu::AttentionShape s{c.queries, c.context, c.heads, c.kv_heads, c.head_dim};
    const int64_t kv_row = c.kv_heads * c.head_dim;
    const auto q = drawn(c.queries * c.heads * c.head_dim, 1);
    const auto k = drawn((c.context + c.queries) * kv_row, 2);
    const auto v = drawn((c.context + c.queries) * kv_row, 3);
    Cache cache(c.kv_heads, c.context + c.queries + 3, c.head_dim);
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
  cpu::RopeTable({.positions = 1000, .head_dim = 64}).rotate(x.data(), positions, 2);
  REQUIRE(difference(x, want) < kClose);
}

TEST_CASE("argmax takes the first of equals") {
  const std::vector<float> x{-3, 5, 5, 1};
  REQUIRE(cpu::argmax(x.data(), 4) == reference::argmax(wide(x)));
}

}  // namespace
}  // namespace cotenant

#include "kernels/cpu/training.h"

#include <catch2/catch.hpp>

#include "kernels/cpu/linear.h"
#include "kernels/reference/training.h"
#include "tests/kernels/cpu/drawn.h"

namespace cotenant {
namespace {

TEST_CASE("cross-entropy agrees with the reference, whole and in parts of the batch") {
  const std::vector<int32_t> targets{0, 40, 7, 7, 22};
  auto logits = drawn(5 * 41, 1);
  for (float& z : logits) z *= 20;
  const auto want = reference::cross_entropy(wide(logits), targets, 41);
  auto parts = logits;
  const double loss = cpu::cross_entropy(logits.data(), targets.data(), {5, 41, 5});
  REQUIRE(loss == Approx(want.mean));
  REQUIRE(difference(logits, want.gradient) < kClose);
  const double first = cpu::cross_entropy(parts.data(), targets.data(), {2, 41, 5});
  const double rest = cpu::cross_entropy(&parts[82], &targets[2], {3, 41, 5});
  REQUIRE(first + rest == Approx(want.mean));
  REQUIRE(parts == logits);
}

TEST_CASE("a hopeless logit costs a finite loss") {
  std::vector<float> logits{-1e4F, 0, 0};
  const std::vector<int32_t> targets{0};
  REQUIRE(cpu::cross_entropy(logits.data(), targets.data(), {1, 3, 1}) == Approx(1e4).epsilon(1e-3));
}

TEST_CASE("gradients of norm and gate agree with the reference and add to what is there") {
  for (const int64_t hidden : {1, 7, 64, 384}) {
    const auto x = drawn(3 * hidden, 1);
    const auto w = drawn(hidden, 2);
    const auto dy = drawn(3 * hidden, 3);
    const auto want = reference::rms_norm_gradient(wide(dy), wide(x), wide(w), {.rows = 3, .hidden = hidden});
    auto dx = drawn(3 * hidden, 4);
    auto dw = drawn(hidden, 5);
    auto sum_x = want.x;
    auto sum_w = want.weight;
    for (size_t i = 0; i < sum_x.size(); ++i) sum_x[i] += dx[i];
    for (size_t i = 0; i < sum_w.size(); ++i) sum_w[i] += dw[i];
    cpu::rms_norm_gradient({dy.data(), x.data(), w.data(), dx.data(), dw.data()},
                           {.rows = 3, .hidden = hidden});
    REQUIRE(difference(dx, sum_x) < kClose);
    REQUIRE(difference(dw, sum_w) < kClose);

    auto gate = drawn(3 * hidden, 6);
    for (float& g : gate) g *= 10;
    const auto want_gate = reference::swiglu_gradient(wide(dy), wide(gate), wide(x));
    auto up = x;
    cpu::swiglu_gradient({dy.data(), gate.data(), up.data(), gate.data(), up.data()}, 3 * hidden);
    REQUIRE(difference(gate, want_gate.gate) < kClose);
    REQUIRE(difference(up, want_gate.up) < kClose);
  }
}

TEST_CASE("self-attention and its gradients agree with the reference") {
  struct Case {
    int64_t tokens, heads, kv_heads, head_dim;
  };
  for (const auto& [n, h, kv, d] :
       {Case{1, 2, 1, 4}, Case{17, 4, 2, 20}, Case{64, 2, 2, 16}, Case{131, 6, 2, 32}}) {
    const cpu::SelfAttentionShape s{n, h, kv, d};
    const auto q = drawn(n * h * d, 1);
    const auto k = drawn(n * kv * d, 2);
    const auto v = drawn(n * kv * d, 3);
    const auto d_out = drawn(n * h * d, 4);
    std::vector<float> out(q.size());
    std::vector<float> scratch(static_cast<size_t>(cpu::self_attention_scratch(s)));
    const cpu::SelfAttention call{q.data(), k.data(), v.data(), out.data(), scratch.data()};
    cpu::self_attention(call, s);
    const auto q2 = wide(q);
    const auto k2 = wide(k);
    const auto v2 = wide(v);
    REQUIRE(difference(out, reference::attention({q2, k2, v2}, {n, 0, h, kv, d})) < kClose);
    std::vector<float> dq(q.size());
    auto dk = k;
    auto dv = v;
    cpu::self_attention_gradient({call, d_out.data(), dq.data(), dk.data(), dv.data()}, s);
    const auto want = reference::attention_gradient(wide(d_out), {q2, k2, v2}, {n, 0, h, kv, d});
    // One token has one key: its weight is 1 whatever the query, and the gradient of both is 0.
    if (n > 1) REQUIRE(difference(dq, want.q) < kClose);
    if (n > 1) REQUIRE(difference(dk, want.k) < kClose);
    REQUIRE(difference(dv, want.v) < kClose);
  }
}

TEST_CASE("gradients of embedding and low-rank factors agree with the reference") {
  const std::vector<int32_t> tokens{2, 0, 2, 2};
  const auto dy = drawn(4 * 7, 1);
  std::vector<float> d_table(4 * 7);
  cpu::embedding_gradient(dy.data(), tokens, d_table.data(), 7);
  REQUIRE(difference(d_table, reference::embedding_gradient(wide(dy), tokens, {4, 7})) < kClose);

  for (const int64_t rank : {1, 8, 16, 19}) {
    const int64_t m = 37;
    const int64_t k = 50;
    const int64_t n = 41;
    const auto x = drawn(m * k, 2);
    const auto a = drawn(k * rank, 3);
    const auto b = drawn(rank * n, 4);
    const auto d_out = drawn(m * n, 5);
    std::vector<float> dx(x.size());
    std::vector<float> da(a.size(), 3.0F);
    std::vector<float> db(b.size(), 3.0F);
    std::vector<float> scratch(static_cast<size_t>(2 * m * rank));
    cpu::lora_gradient(
        {x.data(), a.data(), b.data(), d_out.data(), dx.data(), da.data(), db.data(), scratch.data(), m},
        {k, n, rank, 0.5F});
    const auto want = reference::lora_gradient(wide(d_out), {wide(x), wide(a), wide(b)},
                                               {.linear = {m, k, n}, .rank = rank, .scale = 0.5});
    REQUIRE(difference(dx, want.x) < kClose);
    REQUIRE(difference(da, want.a) < kClose);
    REQUIRE(difference(db, want.b) < kClose);
  }
}

TEST_CASE("steps of AdamW over several tensors agree with the reference") {
  std::vector<std::vector<float>> w{drawn(100, 1), drawn(7, 2)};
  std::vector<std::vector<float>> m{std::vector<float>(100), std::vector<float>(7)};
  auto v = m;
  std::vector<reference::AdamwState> want;
  for (size_t i = 0; i < 2; ++i) want.push_back({wide(w[i]), wide(m[i]), wide(v[i])});
  for (int64_t step = 1; step <= 5; ++step) {
    const std::vector<std::vector<float>> g{drawn(100, 10 + static_cast<uint32_t>(step)), drawn(7, 3)};
    std::vector<cpu::AdamwTensor> tensors;
    for (size_t i = 0; i < 2; ++i) {
      tensors.push_back(
          {w[i].data(), g[i].data(), m[i].data(), v[i].data(), static_cast<int64_t>(w[i].size())});
      want[i] = reference::adamw(want[i], wide(g[i]), {.rate = 0.01, .weight_decay = 0.1, .step = step});
    }
    cpu::adamw(tensors, {.rate = 0.01F, .weight_decay = 0.1F}, step);
  }
  for (size_t i = 0; i < 2; ++i) {
    REQUIRE(difference(w[i], want[i].weight) < kClose);
    REQUIRE(difference(m[i], want[i].m) < kClose);
    REQUIRE(difference(v[i], want[i].v) < kClose);
  }
}

}  // namespace
}  // namespace cotenant

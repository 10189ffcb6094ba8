#include "kernels/reference/training.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "sim/core/philox.h"

namespace cotenant::reference {
namespace {

Numbers drawn(size_t n, uint32_t entity) {
  RandomStream random(stream_key(4, 0), entity, Purpose::faults);
  Numbers x(n);
  for (double& v : x) v = 2 * random.uniform() - 1;
  return x;
}

double inner(View a, View b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// d/dx of f at x by central differences, one coordinate at a time.
template <class F>
Numbers differences(const F& f, Numbers x) {
  const double h = 1e-6;
  Numbers gradient(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const double kept = x[i];
    x[i] = kept + h;
    const double up = f(x);
    x[i] = kept - h;
    gradient[i] = (up - f(x)) / (2 * h);
    x[i] = kept;
  }
  return gradient;
}

void require_close(View a, View b) {
  REQUIRE(a.size() == b.size());
  for (size_t i = 0; i < a.size(); ++i) REQUIRE(a[i] == Approx(b[i]).margin(1e-7));
}

TEST_CASE("the gradient of cross-entropy agrees with finite differences and sums to zero in every row") {
  const std::vector<int32_t> targets{4, 0, 4};
  Numbers logits = drawn(3 * 5, 1);
  for (double& z : logits) z *= 6;
  const Loss loss = cross_entropy(logits, targets, 5);
  require_close(loss.gradient,
                differences([&](const Numbers& z) { return cross_entropy(z, targets, 5).mean; }, logits));
  for (size_t m = 0; m < 3; ++m) {
    REQUIRE(inner(View(loss.gradient).subspan(m * 5, 5), Numbers(5, 1.0)) == Approx(0).margin(1e-12));
  }
}

TEST_CASE("equal logits cost the logarithm of the vocabulary, and adding a constant costs nothing") {
  REQUIRE(cross_entropy(Numbers(14, 3.0), std::vector<int32_t>{6, 2}, 7).mean == Approx(std::log(7.0)));
  Numbers logits = drawn(8, 2);
  const double before = cross_entropy(logits, std::vector<int32_t>{1}, 8).mean;
  for (double& z : logits) z += 900;
  REQUIRE(cross_entropy(logits, std::vector<int32_t>{1}, 8).mean == Approx(before));
}

TEST_CASE("gradients of the norm agree with finite differences") {
  const NormShape s{.rows = 3, .hidden = 5, .epsilon = 1e-2};
  const Numbers x = drawn(15, 3);
  const Numbers w = drawn(5, 4);
  const Numbers dy = drawn(15, 5);
  const NormGradient d = rms_norm_gradient(dy, x, w, s);
  require_close(d.x, differences([&](const Numbers& v) { return inner(rms_norm(v, w, s), dy); }, x));
  require_close(d.weight, differences([&](const Numbers& v) { return inner(rms_norm(x, v, s), dy); }, w));
}

TEST_CASE("gradients of rotation and gate agree with finite differences") {
  const RopeShape s{.heads = 2, .head_dim = 6, .base = 100};
  const std::vector<int64_t> positions{0, 2, 11};
  const Numbers x = drawn(3 * 12, 6);
  const Numbers dy = drawn(3 * 12, 7);
  require_close(rope_gradient(dy, positions, s),
                differences([&](const Numbers& v) { return inner(rope(v, positions, s), dy); }, x));
  Numbers gate = drawn(36, 8);
  for (double& g : gate) g *= 5;
  const SwigluGradient d = swiglu_gradient(dy, gate, x);
  require_close(d.gate, differences([&](const Numbers& v) { return inner(swiglu(v, x), dy); }, gate));
  require_close(d.up, differences([&](const Numbers& v) { return inner(swiglu(gate, v), dy); }, x));
}

TEST_CASE("gradients of attention agree with finite differences, with context and grouped heads") {
  for (const int64_t context : {0, 3}) {
    const AttentionShape s{.queries = 4, .context = context, .heads = 4, .kv_heads = 2, .head_dim = 3};
    const auto keys = static_cast<size_t>((context + s.queries) * s.kv_heads * s.head_dim);
    const Numbers q = drawn(4 * 12, 9);
    const Numbers k = drawn(keys, 10);
    const Numbers v = drawn(keys, 11);
    const Numbers d_out = drawn(4 * 12, 12);
    const AttentionGradient d = attention_gradient(d_out, {q, k, v}, s);
    const auto along = [&](const AttentionInput& in) { return inner(attention(in, s), d_out); };
    require_close(d.q, differences([&](const Numbers& x) { return along({x, k, v}); }, q));
    require_close(d.k, differences([&](const Numbers& x) { return along({q, x, v}); }, k));
    require_close(d.v, differences([&](const Numbers& x) { return along({q, k, x}); }, v));
  }
}

TEST_CASE("the gradient of the embedding agrees with finite differences, repeated tokens included") {
  const EmbeddingShape s{.vocabulary = 4, .hidden = 3};
  const std::vector<int32_t> tokens{2, 0, 2, 2};
  const Numbers table = drawn(12, 13);
  const Numbers dy = drawn(12, 14);
  require_close(embedding_gradient(dy, tokens, s),
                differences([&](const Numbers& t) { return inner(embedding(t, tokens, s), dy); }, table));
}

TEST_CASE("gradients of low-rank adaptation agree with finite differences") {
  const LoraShape s{.linear = {.rows = 3, .inner = 5, .columns = 4}, .rank = 2, .scale = 1.5};
  const Numbers x = drawn(15, 15);
  const Numbers a = drawn(10, 16);
  const Numbers b = drawn(8, 17);
  const Numbers dy = drawn(12, 18);
  const LoraGradient d = lora_gradient(dy, {x, a, b}, s);
  require_close(d.x, differences([&](const Numbers& v) { return inner(lora(v, a, b, s), dy); }, x));
  require_close(d.a, differences([&](const Numbers& v) { return inner(lora(x, v, b, s), dy); }, a));
  require_close(d.b, differences([&](const Numbers& v) { return inner(lora(x, a, v, s), dy); }, b));
}

TEST_CASE("the first step of adamw moves every weight by the rate against its gradient's sign") {
  const Numbers w{1, -2, 0.5, 3};
  const Numbers g{0.3, -40, 1e-3, 0};
  const AdamwRules rules{.rate = 0.1, .epsilon = 0, .weight_decay = 0};
  const AdamwState s = adamw({w, Numbers(4), Numbers(4)}, Numbers{g.begin(), g.begin() + 3}, rules);
  require_close(View(s.weight).first(3), Numbers{0.9, -1.9, 0.4});
  REQUIRE(s.weight[3] == 3);
}

TEST_CASE("adamw decays weights by rate times decay, whatever the gradient") {
  const AdamwRules rules{.rate = 0.1, .weight_decay = 0.2};
  AdamwRules without = rules;
  without.weight_decay = 0;
  const Numbers w{1, -2};
  const Numbers g{0.3, -40};
  const AdamwState s = adamw({w, Numbers(2), Numbers(2)}, g, rules);
  const AdamwState plain = adamw({w, Numbers(2), Numbers(2)}, g, without);
  for (size_t i = 0; i < 2; ++i) REQUIRE(plain.weight[i] - s.weight[i] == Approx(0.1 * 0.2 * w[i]));
}

TEST_CASE("under a steady gradient the corrected moments of adamw are that gradient and its square") {
  AdamwState s{Numbers{0}, Numbers(1), Numbers(1)};
  AdamwRules rules{.rate = 0.01, .weight_decay = 0};
  for (rules.step = 1; rules.step <= 7; ++rules.step) s = adamw(s, Numbers{0.25}, rules);
  REQUIRE(s.m[0] / (1 - std::pow(rules.beta1, 7)) == Approx(0.25));
  REQUIRE(s.v[0] / (1 - std::pow(rules.beta2, 7)) == Approx(0.0625));
  REQUIRE(s.weight[0] == Approx(-0.07));
}

}  // namespace
}  // namespace cotenant::reference

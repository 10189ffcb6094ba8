#include <catch2/catch.hpp>
#include <cmath>

#include "kernels/reference/recommender.h"
#include "kernels/reference/transformer.h"
#include "sim/core/philox.h"

namespace cotenant::reference {
namespace {

Numbers drawn(size_t n, uint32_t entity) {
  RandomStream random(stream_key(3, 0), entity, Purpose::faults);
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

TEST_CASE("linear multiplies by the transposed weights") {
  const Numbers x{1, 2, 3, 4, 5, 6};
  const Numbers w{1, 0, 0, 0, 1, 1};
  require_close(linear(x, w, {.rows = 2, .inner = 3, .columns = 2}), Numbers{1, 5, 4, 11});
}

TEST_CASE("gradients of linear agree with finite differences") {
  const LinearShape s{.rows = 3, .inner = 5, .columns = 4};
  const Numbers x = drawn(15, 1);
  const Numbers w = drawn(20, 2);
  const Numbers dy = drawn(12, 3);
  require_close(linear_input_gradient(dy, w, s),
                differences([&](const Numbers& v) { return inner(linear(v, w, s), dy); }, x));
  require_close(linear_weight_gradient(dy, x, s),
                differences([&](const Numbers& v) { return inner(linear(x, v, s), dy); }, w));
}

TEST_CASE("lora of full rank with unit factors is the scaled input") {
  const Numbers unit{1, 0, 0, 0, 1, 0, 0, 0, 1};
  const Numbers x = drawn(6, 4);
  const Numbers y =
      lora(x, unit, unit, {.linear = {.rows = 2, .inner = 3, .columns = 3}, .rank = 3, .scale = 2});
  for (size_t i = 0; i < x.size(); ++i) REQUIRE(y[i] == Approx(2 * x[i]));
}

TEST_CASE("a normalised row has mean square one") {
  const Numbers y = rms_norm(drawn(24, 5), Numbers(8, 1.0), {.rows = 3, .hidden = 8, .epsilon = 0});
  for (size_t m = 0; m < 3; ++m) {
    const View row(&y[m * 8], 8);
    REQUIRE(inner(row, row) == Approx(8));
  }
}

TEST_CASE("rotary scores depend on the distance of positions only") {
  const RopeShape s{.heads = 1, .head_dim = 8};
  const Numbers q = drawn(8, 6);
  const Numbers k = drawn(8, 7);
  const auto score = [&](int64_t at, int64_t from) {
    return inner(rope(q, std::vector<int64_t>{at}, s), rope(k, std::vector<int64_t>{from}, s));
  };
  REQUIRE(score(9, 4) == Approx(score(105, 100)));
  REQUIRE(score(0, 0) == Approx(inner(q, k)));
}

TEST_CASE("attention over equal values returns them, and a query sees no later key") {
  const AttentionShape s{.queries = 3, .context = 2, .heads = 4, .kv_heads = 2, .head_dim = 4};
  const Numbers q = drawn(3 * 16, 8);
  const Numbers k = drawn(5 * 8, 9);
  Numbers v(5 * 8, 0.25);
  for (const double value : attention({q, k, v}, s)) REQUIRE(value == Approx(0.25));
  for (size_t i = 4 * 8; i < v.size(); ++i) v[i] = 100;
  const Numbers out = attention({q, k, v}, s);
  for (size_t i = 0; i < 2 * 16; ++i) REQUIRE(out[i] == Approx(0.25));
  REQUIRE(out[2 * 16] > 0.3);
}

TEST_CASE("heads of one group read the same keys and values") {
  const AttentionShape s{.queries = 1, .context = 3, .heads = 2, .kv_heads = 1, .head_dim = 2};
  const Numbers q{0.5, -1, 0.5, -1};
  const Numbers out = attention({q, drawn(8, 10), drawn(8, 11)}, s);
  REQUIRE(out[0] == Approx(out[2]));
  REQUIRE(out[1] == Approx(out[3]));
}

TEST_CASE("swiglu is zero at zero, near up for large gates; argmax takes the first of equals") {
  const Numbers y = swiglu(Numbers{0, 40, -40}, Numbers{3, 3, 3});
  REQUIRE(y[0] == 0);
  REQUIRE(y[1] == Approx(120));
  REQUIRE(y[2] == Approx(0).margin(1e-9));
  REQUIRE(argmax(Numbers{1, 7, 7, 2}) == 1);
}

TEST_CASE("gradients of pooling and loss agree with finite differences") {
  const std::vector<int32_t> index{0, 2, 2, 1, 3, 0};
  const BagShape bag{.rows = 2, .pooling = 3, .dim = 2};
  const Numbers table = drawn(8, 12);
  const Numbers d_out = drawn(4, 13);
  require_close(
      embedding_bag_gradient(d_out, index, {.bag = bag, .table_rows = 4}),
      differences([&](const Numbers& t) { return inner(embedding_bag(t, index, bag), d_out); }, table));
  const Numbers logits{-30, -0.5, 0.1, 2};
  const Numbers labels{0, 1, 0, 1};
  require_close(binary_cross_entropy(logits, labels).gradient,
                differences([&](const Numbers& z) { return binary_cross_entropy(z, labels).mean; }, logits));
}

TEST_CASE("relu and its gradient pass positive parts only, and sgd steps against the gradient") {
  const Numbers x{-1, 0, 2};
  require_close(relu(x), Numbers{0, 0, 2});
  require_close(relu_gradient(Numbers{5, 5, 5}, x), Numbers{0, 0, 5});
  require_close(sgd(x, Numbers{1, 1, -1}, 0.5), Numbers{-1.5, -0.5, 2.5});
}

}  // namespace
}  // namespace cotenant::reference

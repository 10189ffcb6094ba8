#include "kernels/cpu/recommender.h"

#include <catch2/catch.hpp>

#include "kernels/reference/recommender.h"
#include "tests/kernels/cpu/drawn.h"

namespace cotenant {
namespace {

TEST_CASE("pooling and its update agree with the reference, repeated indices and strides included") {
  for (const int64_t dim : {1, 5, 32, 64}) {
    const int64_t rows = 9;
    const int64_t pooling = 7;
    const int64_t table_rows = 11;
    auto table = drawn(table_rows * dim, 1);
    const auto index = drawn_indices(rows * pooling, table_rows, 2);
    const cpu::BagShape bag{.rows = rows, .pooling = pooling, .dim = dim, .stride = dim + 3};
    const reference::BagShape r{.rows = rows, .pooling = pooling, .dim = dim};
    std::vector<float> out(static_cast<size_t>(rows * bag.stride), 7.0F);
    cpu::embedding_bag(table.data(), index.data(), out.data(), bag);
    std::vector<float> dense;
    for (int64_t m = 0; m < rows; ++m) {
      dense.insert(dense.end(), &out[m * bag.stride], &out[m * bag.stride] + dim);
      REQUIRE(out[m * bag.stride + dim] == 7.0F);
    }
    REQUIRE(difference(dense, reference::embedding_bag(wide(table), index, r)) < kClose);

    const auto gradient =
        reference::embedding_bag_gradient(wide(dense), index, {.bag = r, .table_rows = table_rows});
    const auto want = reference::sgd(wide(table), gradient, 0.1);
    cpu::embedding_bag_update(table.data(), index.data(), out.data(), {.bag = bag, .rate = 0.1F});
    REQUIRE(difference(table, want) < kClose);
  }
}

TEST_CASE("relu, loss and sgd agree with the reference") {
  auto z = drawn(37, 3);
  for (float& v : z) v *= 40;
  std::vector<float> labels(37);
  for (size_t i = 0; i < labels.size(); ++i) labels[i] = i % 3 == 0 ? 1.0F : 0.0F;
  std::vector<float> gradient(37);
  const float loss = cpu::binary_cross_entropy(z.data(), labels.data(), gradient.data(), 37);
  const auto want = reference::binary_cross_entropy(wide(z), wide(labels));
  REQUIRE(loss == Approx(want.mean));
  REQUIRE(difference(gradient, want.gradient) < kClose);

  auto dy = drawn(37, 4);
  const auto want_dy = reference::relu_gradient(wide(dy), wide(z));
  const auto want_y = reference::relu(wide(z));
  cpu::relu(z.data(), 37);
  REQUIRE(difference(z, want_y) < kClose);
  cpu::relu_gradient(dy.data(), z.data(), 37);
  REQUIRE(difference(dy, want_dy) < kClose);

  auto w = drawn(37, 5);
  const auto want_w = reference::sgd(wide(w), wide(dy), 0.25);
  cpu::sgd(w.data(), dy.data(), 0.25F, 37);
  REQUIRE(difference(w, want_w) < kClose);
}

}  // namespace
}  // namespace cotenant

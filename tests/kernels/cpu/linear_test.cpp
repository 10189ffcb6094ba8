#include "kernels/cpu/linear.h"

#include <catch2/catch.hpp>

#include "kernels/cpu/matmul.h"
#include "tests/kernels/cpu/drawn.h"

namespace cotenant {
namespace {

struct Sizes {
  int64_t rows, inner, columns;
};
constexpr Sizes kSizes[] = {{1, 1, 1},     {1, 384, 512}, {2, 3, 5},   {7, 65, 33},
                            {16, 128, 96}, {33, 47, 129}, {64, 96, 17}};

TEST_CASE("dense layers and their gradients agree with the reference on odd and even sizes") {
  for (const auto& [m, k, n] : kSizes) {
    const cpu::LinearShape s{.rows = m, .inner = k, .columns = n};
    const reference::LinearShape r{.rows = m, .inner = k, .columns = n};
    const auto x = drawn(m * k, 1);
    const auto w = drawn(n * k, 2);
    const auto dy = drawn(m * n, 3);
    std::vector<float> y(static_cast<size_t>(m * n));
    std::vector<float> dx(x.size());
    std::vector<float> dw(w.size());
    cpu::linear(x.data(), w.data(), y.data(), s);
    cpu::linear_input_gradient({dy.data(), w.data(), dx.data()}, s);
    cpu::linear_weight_gradient({dy.data(), x.data(), dw.data()}, s);
    REQUIRE(difference(y, reference::linear(wide(x), wide(w), r)) < kClose);
    REQUIRE(difference(dx, reference::linear_input_gradient(wide(dy), wide(w), r)) < kClose);
    REQUIRE(difference(dw, reference::linear_weight_gradient(wide(dy), wide(x), r)) < kClose);
    cpu::linear_weight_gradient({dy.data(), x.data(), dw.data(), true}, s);
    for (float& v : dw) v /= 2;
    REQUIRE(difference(dw, reference::linear_weight_gradient(wide(dy), wide(x), r)) < kClose);
  }
}

TEST_CASE("packed weights give what row-major ones give, for one row and for many") {
  for (const auto& [m, k, n] : kSizes) {
    const auto x = drawn(m * k, 1);
    const auto w = drawn(n * k, 2);
    std::vector<float> y(static_cast<size_t>(m * n));
    cpu::linear(x.data(), cpu::PackedWeights(w.data(), k, n), y.data(), m);
    REQUIRE(difference(y, reference::linear(wide(x), wide(w), {m, k, n})) < kClose);
  }
  // An inner dimension beyond one pass.
  const auto x = drawn(7 * 5000, 1);
  const auto w = drawn(3 * 5000, 2);
  std::vector<float> y(21);
  cpu::linear(x.data(), cpu::PackedWeights(w.data(), 5000, 3), y.data(), 7);
  REQUIRE(difference(y, reference::linear(wide(x), wide(w), {7, 5000, 3})) < kClose);
}

TEST_CASE("products of any strides agree with the reference, scaled and added") {
  for (const auto& [m, k, n] : {Sizes{1, 1, 1}, Sizes{7, 65, 33}, Sizes{70, 2100, 18}, Sizes{5, 16, 64}}) {
    for (const bool x_turned : {false, true}) {
      for (const bool b_turned : {false, true}) {
        const auto x = drawn(m * k, 1);
        const auto b = drawn(k * n, 2);
        auto y = drawn(m * (n + 2), 3);
        reference::Numbers want = wide(y);
        for (int64_t i = 0; i < m; ++i) {
          for (int64_t j = 0; j < n; ++j) {
            for (int64_t l = 0; l < k; ++l) {
              want[i * (n + 2) + j] += 0.25 * static_cast<double>(x[x_turned ? l * m + i : i * k + l]) *
                                       static_cast<double>(b[b_turned ? j * k + l : l * n + j]);
            }
          }
        }
        const cpu::Strided xs{x.data(), x_turned ? 1 : k, x_turned ? m : 1};
        const cpu::Strided bs{b.data(), b_turned ? 1 : n, b_turned ? k : 1};
        cpu::matmul(xs, bs, y.data(),
                    {.rows = m, .inner = k, .columns = n, .y_row = n + 2, .scale = 0.25F, .add = true});
        REQUIRE(difference(y, want) < kClose);
      }
    }
  }
}

TEST_CASE("adapters of one batch each change their own rows, by what the reference says") {
  for (const int64_t rank : {1, 8, 16, 19, 64}) {
    const int64_t k = 70;
    const int64_t n = 45;
    const int64_t rows = 41;
    const auto x = drawn(rows * k, 1);
    const auto a = drawn(3 * k * rank, 2);
    const auto b = drawn(3 * rank * n, 3);
    auto y = drawn(rows * n, 4);
    auto want = wide(y);
    std::vector<cpu::LoraSegment> segments;
    // Rows 5 and 6 use no adapter.
    for (const auto& [adapter, first, count] : {Sizes{0, 0, 5}, Sizes{1, 7, 1}, Sizes{2, 8, 33}}) {
      segments.push_back({&a[adapter * k * rank], &b[adapter * rank * n], first, count});
      const auto wx = wide(x);
      const auto added =
          reference::lora(reference::View(wx).subspan(first * k, count * k),
                          reference::View(wide(a)).subspan(adapter * k * rank, k * rank),
                          reference::View(wide(b)).subspan(adapter * rank * n, rank * n),
                          {.linear = {.rows = count, .inner = k, .columns = n}, .rank = rank, .scale = 0.5});
      for (size_t i = 0; i < added.size(); ++i) want[first * n + i] += added[i];
    }
    cpu::lora_add(segments, x.data(), y.data(), {.inner = k, .columns = n, .rank = rank, .scale = 0.5F});
    REQUIRE(difference(y, want) < kClose);
  }
}

}  // namespace
}  // namespace cotenant

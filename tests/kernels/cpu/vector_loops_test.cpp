#include "kernels/cpu/vector_loops.h"

#include <catch2/catch.hpp>

#include "kernels/cpu/transformer.h"
#include "tests/kernels/cpu/drawn.h"

namespace cotenant {
namespace {

// Both builds, or only the portable one where the processor lacks AVX2 or FMA.
bool has_avx2() {
  if (&cpu::vector_loops() == &cpu::kAvx2Loops) return true;
  WARN("SKIPPED: this processor has no AVX2 and FMA");
  return false;
}

const cpu::VectorLoops& a = cpu::kAvx2Loops;
const cpu::VectorLoops& b = cpu::kPortableLoops;

constexpr int64_t kLengths[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 257};

TEST_CASE("the build with AVX2 and the portable build agree on loops over vectors") {
  if (!has_avx2()) return;
  for (const int64_t n : kLengths) {
    const auto x = drawn(n, 1);
    const auto y = drawn(n, 2);
    REQUIRE(a.dot(x.data(), y.data(), n) == Approx(b.dot(x.data(), y.data(), n)).margin(1e-4));
    auto p = drawn(n, 5);
    for (float& v : p) v *= 100;
    auto p2 = p;
    REQUIRE(a.softmax(p.data(), n) == Approx(b.softmax(p2.data(), n)));
    REQUIRE(difference(p, wide(p2)) < kClose);
    a.softmax_gradient({p.data(), x.data(), 0.3F, 0.7F, n});
    b.softmax_gradient({p2.data(), x.data(), 0.3F, 0.7F, n});
    REQUIRE(difference(p, wide(p2)) < kClose);
    a.swiglu(x.data(), y.data(), p.data(), n);
    b.swiglu(x.data(), y.data(), p2.data(), n);
    REQUIRE(difference(p, wide(p2)) < kClose);
    a.add_scaled(p.data(), x.data(), 0.3F, n);
    b.add_scaled(p2.data(), x.data(), 0.3F, n);
    REQUIRE(difference(p, wide(p2)) < kClose);
    auto q = drawn(n, 6);
    auto q2 = q;
    a.rotate(p.data(), q.data(), x.data(), y.data(), n);
    b.rotate(p2.data(), q2.data(), x.data(), y.data(), n);
    REQUIRE(difference(p, wide(p2)) < kClose);
    REQUIRE(difference(q, wide(q2)) < kClose);
  }
}

TEST_CASE("both builds agree on the gate's gradient and on AdamW") {
  if (!has_avx2()) return;
  for (const int64_t n : kLengths) {
    const auto dy = drawn(n, 1);
    const auto up = drawn(n, 2);
    auto gate = drawn(n, 3);
    for (float& v : gate) v *= 30;
    std::vector<float> d[4] = {up, up, up, up};
    a.swiglu_gradient({dy.data(), gate.data(), up.data(), d[0].data(), d[1].data(), n});
    b.swiglu_gradient({dy.data(), gate.data(), up.data(), d[2].data(), d[3].data(), n});
    REQUIRE(difference(d[0], wide(d[2])) < kClose);
    REQUIRE(difference(d[1], wide(d[3])) < kClose);
    std::vector<float> state[2][3];
    for (auto& s : state) {
      s[0] = up;
      s[1] = drawn(n, 4);
      s[2] = std::vector<float>(static_cast<size_t>(n), 0.25F);
    }
    for (const auto& [loops, s] : {std::pair{&a, state[0]}, std::pair{&b, state[1]}}) {
      loops->adamw({.weight = s[0].data(),
                    .gradient = dy.data(),
                    .m = s[1].data(),
                    .v = s[2].data(),
                    .n = n,
                    .rate = 0.1F,
                    .beta1 = 0.9F,
                    .beta2 = 0.99F,
                    .epsilon = 1e-6F,
                    .weight_decay = 0.1F,
                    .correction1 = 2,
                    .correction2 = 3});
    }
    for (int i = 0; i < 3; ++i) REQUIRE(difference(state[0][i], wide(state[1][i])) < kClose);
  }
}

TEST_CASE("both builds agree on products with panels, and write no column beyond") {
  if (!has_avx2()) return;
  for (const int64_t rows : {1, 2, 3, 4, 5, 6, 7, 13}) {
    for (const int64_t inner : {1, 4, 9, 33}) {
      for (const int64_t columns : {1, 8, 15, 16, 17, 47, 64, 100}) {
        const bool add = inner % 2 == 0;
        const auto x = drawn(rows * (inner + 2), 1);
        const auto w = drawn(inner * columns, 2);
        auto y = drawn(rows * (columns + 3), 3);
        auto y2 = y;
        // A plain row-major matrix, whose last panel must not be read beyond its columns.
        cpu::PanelLoop s{.x = x.data(),
                         .b = w.data(),
                         .y = y.data(),
                         .rows = rows,
                         .inner = inner,
                         .columns = columns,
                         .x_row = inner + 2,
                         .row_stride = columns,
                         .panel_stride = cpu::kPanelColumns,
                         .y_row = columns + 3,
                         .scale = 0.5F,
                         .add = add};
        a.panels(s);
        s.y = y2.data();
        b.panels(s);
        REQUIRE(difference(y, wide(y2)) < kClose);
        std::vector<float> t(static_cast<size_t>(inner * cpu::kPanelColumns), 5.0F);
        auto t2 = t;
        const int64_t some = std::min(columns, cpu::kPanelColumns);
        const auto from = drawn(some * (inner + 1), 4);
        a.transpose_panel({from.data(), t.data(), some, inner, inner + 1});
        b.transpose_panel({from.data(), t2.data(), some, inner, inner + 1});
        REQUIRE(t == t2);
      }
    }
  }
}

TEST_CASE("both builds agree on few rows, on pooling and on paged decoding") {
  if (!has_avx2()) return;
  for (const int64_t n : kLengths) {
    for (const int64_t rows : {1, 2, 3, 4, 5, 6, 7, 13}) {
      const auto few = drawn(rows * n, 6);
      const auto w = drawn(29 * n, 7);
      std::vector<float> y(static_cast<size_t>(rows * 29));
      auto y2 = y;
      a.skinny({few.data(), w.data(), y.data(), rows, n, 29});
      b.skinny({few.data(), w.data(), y2.data(), rows, n, 29});
      REQUIRE(difference(y, wide(y2)) < kClose);
    }
    const auto table = drawn(50 * n, 8);
    const auto index = drawn_indices(3 * 40, 50, 9);
    std::vector<float> out(static_cast<size_t>(3 * (n + 1)), 2.0F);
    auto out2 = out;
    a.bags({table.data(), index.data(), out.data(), 3, 40, n, n + 1});
    b.bags({table.data(), index.data(), out2.data(), 3, 40, n, n + 1});
    REQUIRE(difference(out, wide(out2)) < kClose);
  }
  for (const int64_t head_dim : {8, 16, 48, 64, 128}) {
    for (const int64_t group : {1, 2, 3, 4, 7}) {
      for (const int64_t keys : {1, 15, 16, 17, 70}) {
        const std::vector<int32_t> blocks{4, 0, 1, 2, 3};
        const auto pool = drawn(5 * cpu::kv_block_values(2, head_dim), 10);
        auto q = drawn(2 * group * head_dim, 11);
        for (float& v : q) v *= 9;
        std::vector<float> out(q.size());
        auto out2 = out;
        std::vector<float> state(static_cast<size_t>(4 * group));
        cpu::PagedDecodeLoop s{q.data(), pool.data(), blocks.data(), out.data(), state.data(),
                               keys,     2,           group,         head_dim,   0.5F};
        a.paged_decode(s);
        s.out = out2.data();
        b.paged_decode(s);
        REQUIRE(difference(out, wide(out2)) < kClose);
      }
    }
  }
}

TEST_CASE("softmax of widely spread scores stays finite and sums to one") {
  for (const cpu::VectorLoops* loops : {&cpu::kPortableLoops, &cpu::vector_loops()}) {
    std::vector<float> x{-1e30F, -500, -90, -88, -87, 0, 3, -1, -2, 1e3F};
    REQUIRE(loops->softmax(x.data(), static_cast<int64_t>(x.size())) == Approx(1e3));
    float sum = 0;
    for (const float v : x) {
      REQUIRE(std::isfinite(v));
      sum += v;
    }
    REQUIRE(sum == Approx(1));
  }
}

}  // namespace
}  // namespace cotenant

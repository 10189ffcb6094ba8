#include "kernels/cpu/vector_loops.h"

#include <catch2/catch.hpp>

#include "tests/kernels/cpu/drawn.h"

namespace cotenant {
namespace {

TEST_CASE("the build with AVX2 and the portable build of every loop agree") {
  if (&cpu::vector_loops() != &cpu::kAvx2Loops) {
    WARN("SKIPPED: this processor has no AVX2 and FMA");
    return;
  }
  const cpu::VectorLoops& a = cpu::kAvx2Loops;
  const cpu::VectorLoops& b = cpu::kPortableLoops;
  for (const int64_t n : {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 257}) {
    const auto x = drawn(n * 3, 1);
    const auto y = drawn(n * 5, 2);
    REQUIRE(a.dot(x.data(), y.data(), n) == Approx(b.dot(x.data(), y.data(), n)).margin(1e-4));
    auto mine = drawn(5 * 3, 3);
    auto theirs = mine;
    const cpu::ScoreLoop score{x.data(), y.data(), mine.data(), 3, 5, n, 5, 0.125F};
    a.scores(score);
    cpu::ScoreLoop portable = score;
    portable.score = theirs.data();
    b.scores(portable);
    REQUIRE(difference(mine, wide(theirs)) < kClose);

    auto sum = drawn(3 * n, 4);
    auto sum2 = sum;
    cpu::ValueLoop value{mine.data(), y.data(), sum.data(), 3, 5, n, 5, n};
    a.add_values(value);
    value.out = sum2.data();
    b.add_values(value);
    REQUIRE(difference(sum, wide(sum2)) < kClose);

    for (const int64_t rows : {1, 2, 3, 4, 5, 6, 7, 13}) {
      const auto few = drawn(rows * n, 6);
      const auto w = drawn(29 * n, 7);
      std::vector<float> wide_y(static_cast<size_t>(rows * 29));
      auto wide_y2 = wide_y;
      a.skinny({few.data(), w.data(), wide_y.data(), rows, n, 29});
      b.skinny({few.data(), w.data(), wide_y2.data(), rows, n, 29});
      REQUIRE(difference(wide_y, wide(wide_y2)) < kClose);
    }

    auto p = drawn(n, 5);
    for (float& v : p) v *= 100;
    auto p2 = p;
    a.softmax(p.data(), n);
    b.softmax(p2.data(), n);
    REQUIRE(difference(p, wide(p2)) < kClose);
    a.swiglu(x.data(), y.data(), p.data(), n);
    b.swiglu(x.data(), y.data(), p2.data(), n);
    REQUIRE(difference(p, wide(p2)) < kClose);
    a.add_scaled(p.data(), x.data(), 0.3F, n);
    b.add_scaled(p2.data(), x.data(), 0.3F, n);
    REQUIRE(difference(p, wide(p2)) < kClose);
  }
}

TEST_CASE("softmax of widely spread scores stays finite and sums to one") {
  for (const cpu::VectorLoops* loops : {&cpu::kPortableLoops, &cpu::vector_loops()}) {
    std::vector<float> x{-1e30F, -500, -90, -88, -87, 0, 3, -1, -2, 1e3F};
    loops->softmax(x.data(), static_cast<int64_t>(x.size()));
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

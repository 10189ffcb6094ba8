#include "tools/sparse_grid.h"

#include <catch2/catch.hpp>
#include <cmath>

namespace cotenant {
namespace {

// Linear in every axis, so that every way of filling it agrees.
double plane(const SparseGrid::Point& p) {
  return 1 + 0.5 * static_cast<double>(p[0]) + 2 * static_cast<double>(p[1]) + static_cast<double>(p[2]) +
         0.25 * static_cast<double>(p[3]);
}

TEST_CASE("two coarse grids become one full grid that keeps what was measured") {
  SparseGrid grid;
  for (const int64_t a : {0, 8, 32}) {
    for (const int64_t b : {0, 100}) {
      for (const int64_t d : {0, 64}) grid.add({a, b, 1, d}, plane({a, b, 1, d}));
    }
  }
  for (const int64_t a : {0, 16, 32}) {
    for (const int64_t b : {0, 50, 100}) {
      for (const int64_t d : {0, 32, 64}) grid.add({a, b, 1, d}, plane({a, b, 1, d}));
    }
  }
  const SparseGrid::Filled filled = grid.filled();
  REQUIRE(filled.axes[0] == std::vector<int64_t>{0, 8, 16, 32});
  REQUIRE(filled.axes[2] == std::vector<int64_t>{1});
  REQUIRE(filled.times.size() == 4 * 3 * 1 * 3);
  size_t i = 0;
  for (const int64_t a : filled.axes[0]) {
    for (const int64_t b : filled.axes[1]) {
      for (const int64_t d : filled.axes[3]) REQUIRE(filled.times[i++] == Approx(plane({a, b, 1, d})));
    }
  }
}

TEST_CASE("beyond what was measured a time follows the last slope and never falls") {
  SparseGrid grid;
  grid.add({1, 0, 0, 0}, 10), grid.add({2, 0, 0, 0}, 12), grid.add({4, 0, 0, 0}, 16);
  grid.add({1, 1, 0, 0}, 5), grid.add({2, 1, 0, 0}, 4);
  const SparseGrid::Filled filled = grid.filled();
  REQUIRE(filled.times.size() == 6);
  REQUIRE(filled.times[4] == 16);  // (4, 0): measured
  REQUIRE(filled.times[5] == 4);   // (4, 1): a falling slope goes on level
  SparseGrid rising;
  rising.add({1, 0, 0, 0}, 10), rising.add({2, 0, 0, 0}, 12), rising.add({4, 0, 0, 0}, 16);
  rising.add({1, 1, 0, 0}, 5), rising.add({2, 1, 0, 0}, 6);
  REQUIRE(rising.filled().times[5] == 8);  // (4, 1)
}

TEST_CASE("the order of the rows does not matter") {
  const std::vector<SparseGrid::Point> points = {{0, 0, 1, 16}, {4, 0, 1, 64}, {2, 9, 2, 16}, {4, 9, 2, 64}};
  SparseGrid forward;
  SparseGrid backward;
  for (size_t i = 0; i < points.size(); ++i) {
    REQUIRE(forward.add(points[i], plane(points[i])));
    REQUIRE(backward.add(points[points.size() - 1 - i], plane(points[points.size() - 1 - i])));
  }
  REQUIRE(!forward.add(points[0], 7));
  REQUIRE(forward.filled().times == backward.filled().times);
  for (const double t : forward.filled().times) REQUIRE((std::isfinite(t) && t > 0));
}

}  // namespace
}  // namespace cotenant

#include "sim/isolation/isolation_index.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

using namespace cotenant;

TEST_CASE("the index is 1 where nothing changes, 0 for the baseline itself, and linear between") {
  const std::vector<double> k = {1, 2, 4, 10};
  const std::vector<double> flat(4, 0.5);
  const std::vector<double> base = {1, 3, 7, 19};
  std::vector<double> half;
  for (const double b : base) half.push_back(0.2 + (b - 1) / 2);
  REQUIRE(isolation_index(k, flat, base) == Approx(1));
  REQUIRE(isolation_index(k, base, base) == Approx(0));
  REQUIRE(isolation_index(k, half, base) == Approx(0.5));
  REQUIRE(std::isnan(isolation_index(k, base, flat)));
  const std::vector<double> unknown = {1, std::numeric_limits<double>::quiet_NaN(), 1, 1};
  REQUIRE(std::isnan(isolation_index(k, unknown, base)));
}

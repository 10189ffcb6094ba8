#include "sim/fit/response_surface.h"

#include <catch2/catch.hpp>
#include <cmath>

using namespace cotenant;

TEST_CASE("a quadratic function is its own response surface, beyond the box too") {
  const auto f = [](const Vector& x) {
    return Vector{1 + 2 * x[0] - x[1] + 3 * x[0] * x[1] + 0.5 * x[1] * x[1], x[0] * x[0]};
  };
  const ResponseSurface surface(f, {-1, 2}, {3, 2.5}, 40);
  for (const Vector& x : {Vector{0, 2.2}, Vector{2.9, 2}, Vector{-5, 7}}) {
    REQUIRE(surface.at(x)[0] == Approx(f(x)[0]).epsilon(1e-9));
    REQUIRE(surface.at(x)[1] == Approx(f(x)[1]).margin(1e-9));
  }
}

TEST_CASE("the slope of a rough line is that of the line, where a difference quotient is all roughness") {
  // Steps of 1 at places that have nothing to do with each other, on a line of slope 1.
  const auto rough = [](const Vector& x) {
    const double wave = x[0] * 977.0;
    return Vector{x[0] + (std::fabs(wave - std::floor(wave) - 0.5) > 0.25 ? 0.5 : -0.5)};
  };
  const ResponseSurface surface(rough, {-1}, {1}, 400);
  const double slope = (surface.at({0.5})[0] - surface.at({-0.5})[0]);
  REQUIRE(slope == Approx(1).margin(0.15));
}

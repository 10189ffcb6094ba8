#include "sim/fit/least_squares.h"

#include <catch2/catch.hpp>
#include <cmath>

using namespace cotenant;

namespace {

LeastSquares over(size_t n, std::function<Vector(const Vector&)> residuals) {
  return {std::move(residuals), Vector(n, -10), Vector(n, 10), Vector(n, 1e-4)};
}

}  // namespace

TEST_CASE("a linear problem is solved exactly, with its own matrix as the Jacobian") {
  const auto fit = least_squares(over(2,
                                      [](const Vector& x) {
                                        return Vector{x[0] + 2 * x[1] - 5, 3 * x[0] - x[1] - 1, x[0] - x[1]};
                                      }),
                                 {-3, 4});
  // Normal equations: 11 x - 2 y = 8, -2 x + 6 y = 9.
  REQUIRE(fit.converged);
  REQUIRE(fit.x[0] == Approx(66.0 / 62).epsilon(1e-6));
  REQUIRE(fit.x[1] == Approx(115.0 / 62).epsilon(1e-6));
  REQUIRE(fit.jacobian[1][0] == Approx(3).epsilon(1e-6));
  REQUIRE(fit.jacobian[1][1] == Approx(-1).epsilon(1e-6));
}

TEST_CASE("the bent valley of Rosenbrock's function is walked to its end") {
  const auto fit = least_squares(over(2,
                                      [](const Vector& x) {
                                        return Vector{10 * (x[1] - x[0] * x[0]), 1 - x[0]};
                                      }),
                                 {-1.2, 1});
  REQUIRE(fit.x[0] == Approx(1).margin(1e-4));
  REQUIRE(fit.x[1] == Approx(1).margin(1e-4));
}

TEST_CASE("a parameter that wants to leave its bounds stays there and the others still settle") {
  LeastSquares problem = over(2, [](const Vector& x) { return Vector{x[0] - 5, x[0] + x[1] - 3}; });
  problem.upper[0] = 2;
  const auto fit = least_squares(problem, {0, 0});
  REQUIRE(fit.x[0] == 2);
  REQUIRE(fit.x[1] == Approx(1).margin(1e-5));
}

TEST_CASE("roughness finer than the steps does not stop the search") {
  LeastSquares problem = over(2, [](const Vector& x) {
    const auto rough = [](double v) { return std::floor(v * 200) / 200; };
    return Vector{rough(x[0] + x[1]) - 3, rough(x[0] - x[1]) - 1, 0.1 * rough(x[0])};
  });
  problem.step = {0.3, 0.3};
  const auto fit = least_squares(problem, {-4, 7});
  REQUIRE(fit.x[0] == Approx(2).margin(0.05));
  REQUIRE(fit.x[1] == Approx(1).margin(0.05));
}

TEST_CASE("the inverse of a definite matrix times the matrix is one") {
  const Matrix a = {{4, 1, 0.5}, {1, 3, -0.2}, {0.5, -0.2, 2}};
  const Matrix b = inverse_definite(a);
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j) {
      double sum = 0;
      for (size_t k = 0; k < 3; ++k) sum += a[i][k] * b[k][j];
      REQUIRE(sum == Approx(i == j ? 1 : 0).margin(1e-12));
    }
  }
}

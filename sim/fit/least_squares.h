#pragma once
#include <functional>
#include <vector>

namespace cotenant {

using Vector = std::vector<double>;
using Matrix = std::vector<Vector>;  // by row

// Residuals as a function of a few parameters. They may be a little rough, as figures of a simulation are:
// derivatives are taken over wide steps.
struct LeastSquares {
  std::function<Vector(const Vector&)> residuals;  // always as many, finite
  Vector lower;                                    // bounds of each parameter
  Vector upper;
  Vector step;  // of a difference quotient; > 0
};

struct LeastSquaresFit {
  Vector x;
  double cost = 0;  // sum of squares
  Vector residuals;
  Matrix jacobian;  // residual by parameter, at x or next to it
  int evaluations = 0;
  bool converged = false;  // false: the limit of iterations was reached
};

// The least sum of squares within the bounds, from `start`. Levenberg and Marquardt's method with difference
// quotients: central ones, one-sided ones at a bound; a parameter that wants to leave its bounds stays there.
// Deterministic. Source: Nocedal and Wright, Numerical Optimization, section 10.3.
// Requires: lower <= start <= upper, all of one size.
LeastSquaresFit least_squares(const LeastSquares& problem, const Vector& start);

// x with a x = b for a symmetric positive definite a (Cholesky). Requires that it is.
Vector solve_definite(const Matrix& a, const Vector& b);
// The inverse of such an a.
Matrix inverse_definite(const Matrix& a);

}  // namespace cotenant

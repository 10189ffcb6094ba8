// Public: least_squares, solve_definite, inverse_definite.
#include "sim/fit/least_squares.h"

#include <algorithm>
#include <cmath>

#include "sim/core/check.h"

namespace cotenant {
namespace {

constexpr int kIterations = 40;
constexpr int kDampings = 12;  // tries of one iteration
constexpr double kSettled = 1e-4;
constexpr double kTiny = 1e-12;

double squares(const Vector& r) {
  double sum = 0;
  for (const double v : r) sum += v * v;
  return sum;
}

// The lower triangle l with l l' = a.
Matrix cholesky(const Matrix& a) {
  const size_t n = a.size();
  Matrix l(n, Vector(n, 0));
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j <= i; ++j) {
      double sum = a[i][j];
      for (size_t k = 0; k < j; ++k) sum -= l[i][k] * l[j][k];
      if (i == j) CHECK_MSG(sum > 0, "a matrix that should be positive definite is not");
      l[i][j] = i == j ? std::sqrt(sum) : sum / l[j][j];
    }
  }
  return l;
}

class Search {
 public:
  Search(const LeastSquares& problem, const Vector& start) : p_(problem) {
    CHECK(start.size() == p_.lower.size() && start.size() == p_.upper.size() &&
          start.size() == p_.step.size());
    for (size_t j = 0; j < start.size(); ++j)
      CHECK(p_.lower[j] <= start[j] && start[j] <= p_.upper[j] && p_.step[j] > 0);
    fit_.x = start;
    fit_.residuals = ask(start);
    fit_.cost = squares(fit_.residuals);
  }

  LeastSquaresFit run() && {
    int calm = 0;  // iterations in a row that gained next to nothing
    for (int i = 0; i < kIterations && calm < 2; ++i) {
      differentiate();
      const double before = fit_.cost;
      improve();
      calm = before - fit_.cost <= kSettled * before ? calm + 1 : 0;
    }
    fit_.converged = calm >= 2;
    return std::move(fit_);
  }

 private:
  Vector ask(const Vector& x) {
    ++fit_.evaluations;
    return p_.residuals(x);
  }

  void differentiate() {
    const size_t n = fit_.x.size();
    fit_.jacobian.assign(fit_.residuals.size(), Vector(n, 0));
    for (size_t j = 0; j < n; ++j) {
      Vector high = fit_.x;
      Vector low = fit_.x;
      high[j] = std::min(fit_.x[j] + p_.step[j], p_.upper[j]);
      low[j] = std::max(fit_.x[j] - p_.step[j], p_.lower[j]);
      const double width = high[j] - low[j];
      if (width <= 0) continue;  // a parameter with one possible value
      const Vector above = high[j] > fit_.x[j] ? ask(high) : fit_.residuals;
      const Vector below = low[j] < fit_.x[j] ? ask(low) : fit_.residuals;
      for (size_t k = 0; k < above.size(); ++k) fit_.jacobian[k][j] = (above[k] - below[k]) / width;
    }
  }

  // Parameters that may move: not those that stand at a bound and would leave it.
  [[nodiscard]] std::vector<size_t> free_parameters(const Vector& gradient) const {
    std::vector<size_t> free;
    for (size_t j = 0; j < gradient.size(); ++j) {
      const bool out_below = fit_.x[j] <= p_.lower[j] && gradient[j] > 0;
      const bool out_above = fit_.x[j] >= p_.upper[j] && gradient[j] < 0;
      if (!out_below && !out_above) free.push_back(j);
    }
    return free;
  }

  // Where a damped step over the free parameters ends, cut at the bounds.
  [[nodiscard]] Vector stepped(const Matrix& square, const Vector& gradient,
                               const std::vector<size_t>& free) const {
    const size_t n = free.size();
    Matrix a(n, Vector(n, 0));
    Vector b(n, 0);
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < n; ++j) a[i][j] = square[free[i]][free[j]];
      a[i][i] = a[i][i] * (1 + damping_) + kTiny;
      b[i] = -gradient[free[i]];
    }
    const Vector move = solve_definite(a, b);
    Vector x = fit_.x;
    for (size_t i = 0; i < n; ++i) {
      const size_t j = free[i];
      x[j] = std::clamp(x[j] + move[i], p_.lower[j], p_.upper[j]);
    }
    return x;
  }

  // Damps more and more until the cost falls; leaves x where it is if it never does.
  void improve() {
    const size_t n = fit_.x.size();
    Matrix square(n, Vector(n, 0));
    Vector gradient(n, 0);
    for (size_t k = 0; k < fit_.residuals.size(); ++k) {
      const Vector& row = fit_.jacobian[k];
      for (size_t i = 0; i < n; ++i) {
        gradient[i] += row[i] * fit_.residuals[k];
        for (size_t j = 0; j < n; ++j) square[i][j] += row[i] * row[j];
      }
    }
    const std::vector<size_t> free = free_parameters(gradient);
    if (free.empty()) return;
    for (int tries = 0; tries < kDampings; ++tries) {
      const Vector x = stepped(square, gradient, free);
      const Vector r = ask(x);
      const double cost = squares(r);
      if (cost < fit_.cost) {
        damping_ = std::max(damping_ / 10, 1e-6);
        fit_.x = x;
        fit_.residuals = r;
        fit_.cost = cost;
        return;
      }
      damping_ = std::min(damping_ * 4, 1e6);
    }
    damping_ = 1e-2;
  }

  const LeastSquares& p_;
  LeastSquaresFit fit_;
  double damping_ = 1e-2;
};

}  // namespace

LeastSquaresFit least_squares(const LeastSquares& problem, const Vector& start) {
  return Search(problem, start).run();
}

Vector solve_definite(const Matrix& a, const Vector& b) {
  const Matrix l = cholesky(a);
  const size_t n = b.size();
  Vector x = b;
  for (size_t i = 0; i < n; ++i) {
    for (size_t k = 0; k < i; ++k) x[i] -= l[i][k] * x[k];
    x[i] /= l[i][i];
  }
  for (size_t i = n; i-- > 0;) {
    for (size_t k = i + 1; k < n; ++k) x[i] -= l[k][i] * x[k];
    x[i] /= l[i][i];
  }
  return x;
}

Matrix inverse_definite(const Matrix& a) {
  Matrix inverse;
  for (size_t i = 0; i < a.size(); ++i) {
    Vector unit(a.size(), 0);
    unit[i] = 1;
    inverse.push_back(solve_definite(a, unit));
  }
  return inverse;
}

}  // namespace cotenant

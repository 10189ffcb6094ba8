// Public: ResponseSurface.
#include "sim/fit/response_surface.h"

#include "sim/core/check.h"
#include "sim/core/philox.h"

namespace cotenant {
namespace {

constexpr uint64_t kSeed = 2;

}  // namespace

ResponseSurface::ResponseSurface(const Function& function, const Vector& low, const Vector& high,
                                 size_t points) {
  const size_t n = low.size();
  for (size_t j = 0; j < n; ++j) {
    CHECK(low[j] < high[j]);
    middle_.push_back((low[j] + high[j]) / 2);
    half_.push_back((high[j] - low[j]) / 2);
  }
  const size_t count = (n + 1) * (n + 2) / 2;
  CHECK(points > 3 * count);
  RandomStream draws(stream_key(kSeed, 0), 0, Purpose::sampling);
  Matrix square(count, Vector(count, 0));
  Matrix sums;  // by value, by term
  for (size_t i = 0; i < points; ++i) {
    Vector x(n, 0);
    for (size_t j = 0; j < n; ++j) x[j] = middle_[j] + half_[j] * (2 * draws.uniform() - 1);
    const Vector t = terms(x);
    const Vector y = function(x);
    if (sums.empty()) sums.assign(y.size(), Vector(count, 0));
    for (size_t a = 0; a < count; ++a) {
      for (size_t b = 0; b < count; ++b) square[a][b] += t[a] * t[b];
      for (size_t k = 0; k < y.size(); ++k) sums[k][a] += t[a] * y[k];
    }
  }
  for (const Vector& sum : sums) coefficients_.push_back(solve_definite(square, sum));
}

// 1, each parameter in [-1, 1], each product of two.
Vector ResponseSurface::terms(const Vector& x) const {
  Vector t = {1};
  const size_t n = x.size();
  for (size_t j = 0; j < n; ++j) t.push_back((x[j] - middle_[j]) / half_[j]);
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j <= i; ++j) t.push_back(t[1 + i] * t[1 + j]);
  }
  return t;
}

Vector ResponseSurface::at(const Vector& x) const {
  const Vector t = terms(x);
  Vector y;
  for (const Vector& c : coefficients_) {
    double sum = 0;
    for (size_t a = 0; a < t.size(); ++a) sum += c[a] * t[a];
    y.push_back(sum);
  }
  return y;
}

}  // namespace cotenant

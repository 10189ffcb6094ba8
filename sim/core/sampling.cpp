#include "sim/core/sampling.h"

#include <algorithm>
#include <cmath>

#include "sim/core/check.h"
#include "sim/core/math.h"

namespace cotenant {

double exponential(RandomStream& stream, double mean) {
  CHECK(mean >= 0);
  return -mean * log_of(stream.uniform());
}

double normal(RandomStream& stream) {
  return normal_quantile(stream.uniform());
}

double lognormal(RandomStream& stream, double mu, double sigma) {
  CHECK(sigma >= 0);
  return exp_of(mu + sigma * normal(stream));
}

double gamma(RandomStream& stream, double shape, double scale) {
  CHECK(shape > 0 && scale >= 0);
  double boost = 1;
  if (shape < 1) {
    boost = exp_of(log_of(stream.uniform()) / shape);
    shape += 1;
  }
  const double d = shape - 1.0 / 3;
  const double c = 1 / std::sqrt(9 * d);
  while (true) {
    const double x = normal(stream);
    const double root = 1 + c * x;
    const double u = stream.uniform();
    if (root <= 0) continue;
    const double v = root * root * root;
    if (log_of(u) < 0.5 * x * x + d - d * v + d * log_of(v)) return d * v * boost * scale;
  }
}

uint64_t uniform_below(RandomStream& stream, uint64_t n) {
  CHECK(n > 0);
  // The high word of bits * n is the draw; draws whose low word falls below 2^64 mod n would favour some
  // values and are drawn again.
  unsigned __int128 product = static_cast<unsigned __int128>(stream.bits()) * n;
  if (static_cast<uint64_t>(product) < n) {
    const uint64_t bias = -n % n;
    while (static_cast<uint64_t>(product) < bias) product = static_cast<unsigned __int128>(stream.bits()) * n;
  }
  return static_cast<uint64_t>(product >> 64U);
}

ZipfTable::ZipfTable(size_t n, double s) : weights_(n), cumulative_(n) {
  CHECK(n >= 1 && s >= 0);
  double total = 0;
  for (size_t k = 0; k < n; ++k) {
    weights_[k] = exp_of(-s * log_of(static_cast<double>(k + 1)));
    total += weights_[k];
  }
  double sum = 0;
  for (size_t k = 0; k < n; ++k) {
    weights_[k] /= total;
    sum += weights_[k];
    cumulative_[k] = sum;
  }
}

size_t ZipfTable::sample(RandomStream& stream) const {
  const double u = stream.uniform() * cumulative_.back();
  const auto at = std::upper_bound(cumulative_.begin(), cumulative_.end(), u);
  return static_cast<size_t>(std::min(at, cumulative_.end() - 1) - cumulative_.begin());
}

}  // namespace cotenant

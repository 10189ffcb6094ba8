#include "sim/isolation/isolation_index.h"

#include <limits>

#include "sim/core/check.h"

namespace cotenant {
namespace {

// Of what the latency is above its first value.
double excess(std::span<const double> factors, std::span<const double> latency) {
  double sum = 0;
  for (size_t i = 1; i < factors.size(); ++i)
    sum += (factors[i] - factors[i - 1]) * ((latency[i] + latency[i - 1]) / 2 - latency[0]);
  return sum;
}

}  // namespace

double isolation_index(std::span<const double> factors, std::span<const double> victim,
                       std::span<const double> baseline) {
  CHECK(factors.size() >= 2 && victim.size() == factors.size() && baseline.size() == factors.size());
  const double most = excess(factors, baseline);
  return most > 0 ? 1 - excess(factors, victim) / most : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace cotenant

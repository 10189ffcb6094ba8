#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "sim/core/philox.h"

namespace cotenant {

// Samplers of our own: the standard library's distributions differ between implementations. Each draws from
// the stream it is given and keeps nothing, so a copied stream gives the same values. Golden values are
// pinned in tests/sim/core.

// Exponential with this mean (same unit as the result). One uniform, by inversion. Requires mean >= 0.
double exponential(RandomStream& stream, double mean);

// Standard normal: mean 0, variance 1. One uniform, by inversion.
double normal(RandomStream& stream);

// exp(mu + sigma N): mu and sigma are of the logarithm. One uniform. Requires sigma >= 0.
double lognormal(RandomStream& stream, double mu, double sigma);

// Gamma with mean shape * scale and variance shape * scale^2. Takes a varying number of uniforms.
// Method: Marsaglia and Tsang, "A simple method for generating gamma variables", ACM TOMS 26, 2000; below
// shape 1 by their boost, gamma(shape + 1) U^(1/shape). Requires shape > 0, scale >= 0.
double gamma(RandomStream& stream, double shape, double scale);

// Uniform on 0, 1, ..., n - 1 without bias. Method: Lemire, "Fast random integer generation in an interval",
// ACM TOMACS 29, 2019. Nearly always one 64-bit draw. Requires n > 0.
uint64_t uniform_below(RandomStream& stream, uint64_t n);

// Zipf's law on n ranks: P(rank k) is proportional to (k + 1)^-s, k = 0 .. n - 1. s = 0 gives equal shares.
// Takes 16 bytes a rank. Immutable, so any thread may draw from it with its own stream.
class ZipfTable {
 public:
  // Requires n >= 1 and s >= 0.
  ZipfTable(size_t n, double s);
  // A rank below n; one uniform and a binary search.
  [[nodiscard]] size_t sample(RandomStream& stream) const;
  // The probability of each rank; not increasing, sums to 1 up to rounding.
  [[nodiscard]] const std::vector<double>& weights() const { return weights_; }

 private:
  std::vector<double> weights_;
  std::vector<double> cumulative_;
};

}  // namespace cotenant

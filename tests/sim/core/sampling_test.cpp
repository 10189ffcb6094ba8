#include "sim/core/sampling.h"

#include <algorithm>
#include <array>
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include "sim/core/hash.h"

using namespace cotenant;

namespace {

RandomStream test_stream(uint32_t entity) {
  return {stream_key(99, 0), entity, Purpose::sampling};
}

struct Moments {
  double mean = 0;
  double variance = 0;
};

constexpr int kDraws = 200'000;

Moments moments(uint32_t entity, const std::function<double(RandomStream&)>& draw) {
  RandomStream stream = test_stream(entity);
  double sum = 0;
  double squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double x = draw(stream);
    sum += x;
    squares += x * x;
  }
  const double mean = sum / kDraws;
  return {mean, squares / kDraws - mean * mean};
}

// The mean within four standard errors and the variance within `variance_tolerance`, both fixed by the seed.
void require_moments(const Moments& got, double mean, double variance, double variance_tolerance) {
  REQUIRE(got.mean == Approx(mean).margin(4 * std::sqrt(variance / kDraws)));
  REQUIRE(got.variance == Approx(variance).epsilon(variance_tolerance));
}

uint64_t digest(uint32_t entity, const std::function<double(RandomStream&)>& draw) {
  RandomStream stream = test_stream(entity);
  uint64_t hash = 0;
  for (int i = 0; i < 1000; ++i) hash = mix64(hash, std::bit_cast<uint64_t>(draw(stream)));
  return hash;
}

}  // namespace

TEST_CASE("samplers have the mean and variance of their laws") {
  require_moments(moments(1, [](RandomStream& s) { return exponential(s, 3.0); }), 3, 9, 0.03);
  require_moments(moments(2, [](RandomStream& s) { return normal(s); }), 0, 1, 0.02);
  const double m = std::exp(1.0 + 0.5 * 0.6 * 0.6);
  require_moments(moments(3, [](RandomStream& s) { return lognormal(s, 1.0, 0.6); }), m,
                  m * m * (std::exp(0.36) - 1), 0.05);
  for (const double shape : {0.1, 0.5, 1.0, 2.5, 40.0}) {
    const auto entity = static_cast<uint32_t>(10 * shape) + 10;
    require_moments(moments(entity, [shape](RandomStream& s) { return gamma(s, shape, 2.0); }), 2 * shape,
                    4 * shape, 0.06);
  }
  require_moments(moments(4, [](RandomStream& s) { return static_cast<double>(uniform_below(s, 7)); }), 3, 4,
                  0.02);
}

TEST_CASE("samplers follow their distribution functions") {
  // Kolmogorov-Smirnov distance below 1.95 / sqrt(n), the 0.1 % point; the seed is fixed.
  const auto distance = [](std::vector<double> draws, const std::function<double(double)>& cdf) {
    std::sort(draws.begin(), draws.end());
    double worst = 0;
    const auto n = static_cast<double>(draws.size());
    for (size_t i = 0; i < draws.size(); ++i) {
      const double p = cdf(draws[i]);
      worst = std::max({worst, p - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - p});
    }
    return worst * std::sqrt(n);
  };
  const auto sample = [](uint32_t entity, const std::function<double(RandomStream&)>& draw) {
    RandomStream stream = test_stream(entity);
    std::vector<double> out;
    for (int i = 0; i < 20'000; ++i) out.push_back(draw(stream));
    return out;
  };
  REQUIRE(distance(sample(50, [](RandomStream& s) { return exponential(s, 2); }),
                   [](double x) { return 1 - std::exp(-x / 2); }) < 1.95);
  const auto phi = [](double x) { return std::erfc(-x / std::sqrt(2.0)) / 2; };
  REQUIRE(distance(sample(51, [](RandomStream& s) { return normal(s); }), phi) < 1.95);
  REQUIRE(distance(sample(52, [](RandomStream& s) { return lognormal(s, -1, 2); }),
                   [&](double x) { return phi((std::log(x) + 1) / 2); }) < 1.95);
  // Shape 1/2 and scale 2 is the square of a normal; shape 2 is a sum of two exponentials.
  REQUIRE(distance(sample(53, [](RandomStream& s) { return gamma(s, 0.5, 2); }),
                   [&](double x) { return 2 * phi(std::sqrt(x)) - 1; }) < 1.95);
  REQUIRE(distance(sample(54, [](RandomStream& s) { return gamma(s, 2, 3); }),
                   [](double x) { return 1 - std::exp(-x / 3) * (1 + x / 3); }) < 1.95);
}

TEST_CASE("a mean, sigma or scale of 0 gives a constant") {
  RandomStream stream = test_stream(5);
  REQUIRE(exponential(stream, 0) == 0);
  REQUIRE(lognormal(stream, 0, 0) == 1);
  REQUIRE(gamma(stream, 3, 0) == 0);
}

TEST_CASE("uniform numbers below n reach every value equally often, for n that do not divide 2^64 too") {
  for (const uint64_t n : {uint64_t{1}, uint64_t{2}, uint64_t{3}, uint64_t{10}}) {
    std::vector<int> count(n);
    RandomStream stream = test_stream(60);
    for (int i = 0; i < 60'000; ++i) ++count.at(uniform_below(stream, n));
    const double expected = 60'000.0 / static_cast<double>(n);
    for (const int c : count) REQUIRE(c == Approx(expected).margin(4 * std::sqrt(expected)));
  }
}

TEST_CASE("uniform numbers below n have no modulo bias") {
  // Below 3 * 2^62 a plain product or remainder would favour a third of the values by two to one.
  const uint64_t n = uint64_t{3} << 62U;
  RandomStream stream = test_stream(61);
  std::array<int, 3> thirds{};
  std::array<int, 4> remainders{};
  for (int i = 0; i < 60'000; ++i) {
    const uint64_t x = uniform_below(stream, n);
    REQUIRE(x < n);
    ++thirds.at(x >> 62U);
    ++remainders.at(x % 4);
  }
  for (const int c : thirds) REQUIRE(c == Approx(20'000).margin(600));
  for (const int c : remainders) REQUIRE(c == Approx(15'000).margin(600));
}

TEST_CASE("Zipf weights are the law, and draws follow the weights") {
  for (const double s : {0.0, 0.8, 1.0, 2.0}) {
    const ZipfTable table(20, s);
    double total = 0;
    for (const double w : table.weights()) total += w;
    REQUIRE(total == Approx(1).epsilon(1e-12));
    for (size_t k = 0; k < 20; ++k) {
      REQUIRE(table.weights()[k] / table.weights()[0] == Approx(std::pow(static_cast<double>(k + 1), -s)));
    }
    std::vector<int> count(20);
    RandomStream stream = test_stream(70);
    for (int i = 0; i < 100'000; ++i) ++count.at(table.sample(stream));
    for (size_t k = 0; k < 20; ++k) {
      const double expected = 100'000 * table.weights()[k];
      REQUIRE(count[k] == Approx(expected).margin(4.5 * std::sqrt(expected)));
    }
  }
}

TEST_CASE("a Zipf table of one rank draws it always") {
  const ZipfTable table(1, 1.5);
  RandomStream stream = test_stream(71);
  for (int i = 0; i < 100; ++i) REQUIRE(table.sample(stream) == 0);
}

TEST_CASE("one normal, exponential or lognormal takes exactly one uniform") {
  // Common random numbers stay in step whatever the parameters are.
  for (const double parameter : {0.5, 3.0}) {
    RandomStream stream = test_stream(80);
    RandomStream reference = test_stream(80);
    exponential(stream, parameter);
    normal(stream);
    lognormal(stream, parameter, parameter);
    for (int i = 0; i < 3; ++i) reference.bits();
    REQUIRE(stream.bits() == reference.bits());
  }
}

TEST_CASE("samplers keep their bits") {
  REQUIRE(digest(90, [](RandomStream& s) { return exponential(s, 3.0); }) == 0x29AC4807F72166F9);
  REQUIRE(digest(91, [](RandomStream& s) { return normal(s); }) == 0x6E9109C2FDA2D40A);
  REQUIRE(digest(92, [](RandomStream& s) { return lognormal(s, 6.5, 1.0); }) == 0x78967FAD44907D9F);
  REQUIRE(digest(93, [](RandomStream& s) { return gamma(s, 0.3, 2.0); }) == 0x579BD4E3B032C1AF);
  REQUIRE(digest(94, [](RandomStream& s) { return gamma(s, 7.5, 2.0); }) == 0x8035BF8DBD6EF1A3);
  REQUIRE(digest(95, [](RandomStream& s) { return static_cast<double>(uniform_below(s, 1'000'003)); }) ==
          0x3B58088B89BA90BA);
  const ZipfTable table(1000, 1.1);
  REQUIRE(digest(96, [&](RandomStream& s) { return static_cast<double>(table.sample(s)); }) ==
          0xE8351B03A5A21C7F);
  RandomStream stream = test_stream(97);
  REQUIRE(exponential(stream, 1.0) == 0x1.2636b3b16c052p+0);
  REQUIRE(normal(stream) == -0x1.f18cbe7b1ec14p-2);
}

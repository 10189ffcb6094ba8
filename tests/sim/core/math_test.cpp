#include "sim/core/math.h"

#include <algorithm>
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <limits>

#include "sim/core/hash.h"
#include "sim/core/philox.h"

using namespace cotenant;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Distance in units in the last place of the long double reference rounded to double.
double ulps(double got, long double reference) {
  const auto rounded = static_cast<double>(reference);
  const double ulp = std::nextafter(std::fabs(rounded), kInfinity) - std::fabs(rounded);
  return static_cast<double>(std::fabs(static_cast<long double>(got) - reference) / ulp);
}

// Any positive double, each exponent equally likely.
double any_positive(RandomStream& stream) {
  return std::bit_cast<double>(stream.bits() % 0x7FF0000000000000ULL);
}

RandomStream test_stream(uint32_t entity) {
  return {stream_key(2026, 0), entity, Purpose::sampling};
}

uint64_t bits_of(double x) {
  return std::bit_cast<uint64_t>(x);
}

}  // namespace

TEST_CASE("the logarithm is within 1 ulp over all positive doubles") {
  RandomStream stream = test_stream(1);
  double worst = 0;
  for (int i = 0; i < 200'000; ++i) {
    const double x = any_positive(stream);
    worst = std::max(worst, ulps(log_of(x), std::log(static_cast<long double>(x))));
  }
  // Around 1, where the result is small and cancellation would show.
  for (int i = 0; i < 200'000; ++i) {
    const double x = 0.5 + stream.uniform();
    worst = std::max(worst, ulps(log_of(x), std::log(static_cast<long double>(x))));
  }
  for (double x = 1; x < 1.0001; x = std::nextafter(x + 1e-9, 2)) {
    worst = std::max(worst, ulps(log_of(x), std::log(static_cast<long double>(x))));
  }
  REQUIRE(worst < 1.0);
}

TEST_CASE("the exponential is within 1 ulp wherever its result is a normal number") {
  RandomStream stream = test_stream(2);
  double worst = 0;
  for (int i = 0; i < 400'000; ++i) {
    const double x = i % 2 == 0 ? -708 + 1417 * stream.uniform() : 2 * stream.uniform() - 1;
    worst = std::max(worst, ulps(exp_of(x), std::exp(static_cast<long double>(x))));
  }
  REQUIRE(worst < 1.0);
}

TEST_CASE("the exponential rounds subnormal results to within a unit of the smallest") {
  RandomStream stream = test_stream(3);
  for (int i = 0; i < 20'000; ++i) {
    const double x = -745.2 + 37 * stream.uniform();
    const long double reference = std::exp(static_cast<long double>(x));
    if (std::fabs(static_cast<long double>(exp_of(x)) - reference) > 0x1p-1074L) FAIL(x);
  }
}

TEST_CASE("logarithm and exponential at the edges of their range") {
  REQUIRE(log_of(0.0) == -kInfinity);
  REQUIRE(log_of(-0.0) == -kInfinity);
  REQUIRE(log_of(kInfinity) == kInfinity);
  REQUIRE(std::isnan(log_of(-1.0)));
  REQUIRE(std::isnan(log_of(-kInfinity)));
  REQUIRE(std::isnan(log_of(kNaN)));
  REQUIRE(log_of(1.0) == 0.0);
  REQUIRE(log_of(0x1p-1074) == Approx(-744.4400719213812).epsilon(1e-15));
  REQUIRE(exp_of(0.0) == 1.0);
  REQUIRE(exp_of(-0.0) == 1.0);
  REQUIRE(exp_of(kInfinity) == kInfinity);
  REQUIRE(exp_of(-kInfinity) == 0.0);
  REQUIRE(std::isnan(exp_of(kNaN)));
  REQUIRE(exp_of(709.78271289338397) < kInfinity);
  REQUIRE(exp_of(709.7827128933841) == kInfinity);
  REQUIRE(exp_of(1e300) == kInfinity);
  REQUIRE(exp_of(-1e300) == 0.0);
  REQUIRE(exp_of(-745.13321910194110) == 0x1p-1074);
  REQUIRE(exp_of(-746) == 0.0);
}

TEST_CASE("the exponential never falls as its argument grows by a step that can be told apart") {
  RandomStream stream = test_stream(4);
  for (int i = 0; i < 50'000; ++i) {
    const double x = -700 + 1400 * stream.uniform();
    const double y = x + 4 * (std::nextafter(std::fabs(x), kInfinity) - std::fabs(x));
    if (!(exp_of(x) <= exp_of(y))) FAIL(x);
  }
}

TEST_CASE("logarithm and exponential keep their bits") {
  REQUIRE(bits_of(log_of(2.0)) == 0x3FE62E42FEFA39EF);
  REQUIRE(bits_of(log_of(10.0)) == 0x40026BB1BBB55516);
  REQUIRE(bits_of(log_of(0.1)) == 0xC0026BB1BBB55515);
  REQUIRE(bits_of(log_of(0x1.8p-1060)) == 0xC086F2A4F5736E06);
  REQUIRE(bits_of(exp_of(1.0)) == 0x4005BF0A8B14576A);
  REQUIRE(bits_of(exp_of(-1.0)) == 0x3FD78B56362CEF38);
  REQUIRE(bits_of(exp_of(0.1)) == 0x3FF1AEC7B35A00D4);
  REQUIRE(bits_of(exp_of(700.5)) == 0x7F18625C7D4F56C2);
  REQUIRE(bits_of(normal_quantile(0.975)) == 0x3FFF5C0331EEFF82);
  REQUIRE(bits_of(normal_quantile(0.3)) == 0xBFE0C7E39582C5FA);
  REQUIRE(bits_of(normal_quantile(1e-20)) == 0xC022865170B43A4B);
  RandomStream stream = test_stream(5);
  uint64_t digest = 0;
  for (int i = 0; i < 50'000; ++i) {
    digest = mix64(digest, bits_of(log_of(any_positive(stream))));
    digest = mix64(digest, bits_of(exp_of(-745 + 1455 * stream.uniform())));
    digest = mix64(digest, bits_of(normal_quantile(stream.uniform())));
  }
  REQUIRE(digest == 0x3E420BC9937BF307);
}

TEST_CASE("the normal quantile has the tabulated values") {
  // NIST/SEMATECH e-Handbook of Statistical Methods, table 1.3.6.7.1, and its published extension in more
  // digits.
  REQUIRE(normal_quantile(0.5) == 0.0);
  REQUIRE(normal_quantile(0.975) == Approx(1.959963984540054).epsilon(1e-15));
  REQUIRE(normal_quantile(0.995) == Approx(2.575829303548901).epsilon(1e-15));
  REQUIRE(normal_quantile(0.9) == Approx(1.2815515655446004).epsilon(1e-15));
  REQUIRE(normal_quantile(0.001) == Approx(-3.090232306167813).epsilon(1e-15));
  REQUIRE(normal_quantile(1e-10) == Approx(-6.361340902404056).epsilon(1e-15));
}

TEST_CASE("the normal quantile inverts the distribution function in the centre and in both tails") {
  RandomStream stream = test_stream(6);
  double worst = 0;
  for (int i = 0; i < 100'000; ++i) {
    // Half uniform, half spread over the exponents down to 1e-300.
    const double p = i % 2 == 0 ? stream.uniform() / 2 : std::pow(10.0, -300 * stream.uniform()) / 2;
    const double x = normal_quantile(p);
    const long double back = std::erfc(-static_cast<long double>(x) / std::sqrt(2.0L)) / 2;
    // A relative error e of x changes p by a factor of about 1 + e (x^2 + 1).
    worst = std::max(worst, static_cast<double>(std::fabs(back - p) / p) / (x * x + 1));
    if (p < 0.01) continue;
    const double upper = normal_quantile(1 - p);
    if (std::fabs(upper + normal_quantile(1 - (1 - p))) > 1e-15 * upper) FAIL(p);
  }
  REQUIRE(worst < 1e-15);
}

TEST_CASE("the normal quantile rises over the joints of its three pieces") {
  double last = -kInfinity;
  for (const double joint : {0.5 - 0.425, 0.5 + 0.425, std::exp(-25.0), 1 - std::exp(-25.0)}) {
    const double step = std::max(std::min(joint, 1 - joint) * 1e-6, joint < 0.5 ? 0 : 0x1p-50);
    for (int i = -100; i <= 100; ++i) {
      const double x = normal_quantile(joint + i * step);
      if (i > -100 && !(x > last)) FAIL(joint << " " << i);
      last = x;
    }
  }
}

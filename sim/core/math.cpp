#include "sim/core/math.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "sim/core/check.h"

namespace cotenant {
namespace {

// ln 2 in two parts. The first has 42 significant bits, so that its product with any exponent is exact.
constexpr double kLn2High = 0x1.62e42fefa38p-1;
constexpr double kLn2Low = 0x1.ef35793c76730p-45;
constexpr double kSqrt2 = 0x1.6a09e667f3bcdp0;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

constexpr int kMantissaBits = 52;
constexpr int kExponentBias = 1023;
constexpr uint64_t kMantissaMask = (uint64_t{1} << kMantissaBits) - 1;

// 2^k for -1022 <= k <= 1023.
double power_of_two(int k) {
  return std::bit_cast<double>(static_cast<uint64_t>(k + kExponentBias) << kMantissaBits);
}

// Coefficients from the constant term up; Horner's rule in this fixed order.
template <size_t N>
double polynomial(const std::array<double, N>& coefficient, double x) {
  double sum = coefficient[N - 1];
  for (size_t i = N - 1; i-- > 0;) sum = sum * x + coefficient[i];
  return sum;
}

// 2/3, 2/5, ...: the series of 2 atanh(s)/s - 2 in s^2. The first term left out is below 1e-17 of the sum
// for s^2 <= 0.0295.
constexpr std::array<double, 10> kAtanhSeries = {2.0 / 3,  2.0 / 5,  2.0 / 7,  2.0 / 9,  2.0 / 11,
                                                 2.0 / 13, 2.0 / 15, 2.0 / 17, 2.0 / 19, 2.0 / 21};

// 1/2!, 1/3!, ...: the series of (e^r - 1 - r) / r^2. The term left out is below 1e-17 for |r| <= 0.35.
constexpr std::array<double, 13> kExpSeries = {1.0 / 2,
                                               1.0 / 6,
                                               1.0 / 24,
                                               1.0 / 120,
                                               1.0 / 720,
                                               1.0 / 5040,
                                               1.0 / 40320,
                                               1.0 / 362880,
                                               1.0 / 3628800,
                                               1.0 / 39916800,
                                               1.0 / 479001600,
                                               1.0 / 6227020800.0,
                                               1.0 / 87178291200.0};

// AS 241, PPND16: numerators and denominators for |p - 1/2| <= 0.425, for the tail up to
// sqrt(-log p) = 5, and for the far tail.
constexpr std::array<double, 8> kCentreTop = {
    3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
    4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3};
constexpr std::array<double, 8> kCentreBottom = {1.0,
                                                 4.2313330701600911252e1,
                                                 6.8718700749205790830e2,
                                                 5.3941960214247511077e3,
                                                 2.1213794301586595867e4,
                                                 3.9307895800092710610e4,
                                                 2.8729085735721942674e4,
                                                 5.2264952788528545610e3};
constexpr std::array<double, 8> kTailTop = {1.42343711074968357734e0,  4.63033784615654529590e0,
                                            5.76949722146069140550e0,  3.64784832476320460504e0,
                                            1.27045825245236838258e0,  2.41780725177450611770e-1,
                                            2.27238449892691845833e-2, 7.74545014278341407640e-4};
constexpr std::array<double, 8> kTailBottom = {1.0,
                                               2.05319162663775882187e0,
                                               1.67638483018380384940e0,
                                               6.89767334985100004550e-1,
                                               1.48103976427480074590e-1,
                                               1.51986665636164571966e-2,
                                               5.47593808499534494600e-4,
                                               1.05075007164441684324e-9};
constexpr std::array<double, 8> kFarTop = {6.65790464350110377720e0,  5.46378491116411436990e0,
                                           1.78482653991729133580e0,  2.96560571828504891230e-1,
                                           2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                           2.71155556874348757815e-5, 2.01033439929228813265e-7};
constexpr std::array<double, 8> kFarBottom = {1.0,
                                              5.99832206555887937690e-1,
                                              1.36929880922735805310e-1,
                                              1.48753612908506148525e-2,
                                              7.86869131145613259100e-4,
                                              1.84631831751005468180e-5,
                                              1.42151175831644588870e-7,
                                              2.04426310338993978564e-15};

}  // namespace

// x = 2^k m with m in [1/sqrt 2, sqrt 2). With f = m - 1 (exact) and s = f / (2 + f), log m is
// 2 atanh s = f - s (f - R(s^2)): f carries the leading digits exactly, only the small rest is rounded.
double log_of(double x) {
  if (!(x > 0)) return x == 0 ? -kInfinity : std::numeric_limits<double>::quiet_NaN();
  if (x == kInfinity) return x;
  int k = 0;
  if (x < 0x1p-1022) {
    x *= 0x1p54;
    k = -54;
  }
  const auto bits = std::bit_cast<uint64_t>(x);
  k += static_cast<int>(bits >> kMantissaBits) - kExponentBias;
  double m = std::bit_cast<double>((bits & kMantissaMask) | std::bit_cast<uint64_t>(1.0));
  if (m > kSqrt2) {
    m *= 0.5;
    ++k;
  }
  const double f = m - 1;
  const double s = f / (2 + f);
  const double z = s * s;
  const double rest = s * (f - z * polynomial(kAtanhSeries, z));
  return k * kLn2High - ((rest - k * kLn2Low) - f);
}

// x = k ln 2 + r with |r| <= ln 2 / 2; e^r = 1 + (r + (c + r^2 P(r))), where c is what rounding took from r.
double exp_of(double x) {
  if (x > 709.79) return kInfinity;
  if (x < -745.14) return 0;
  if (x != x) return x;
  const double kd = std::floor(x * 0x1.71547652b82fep0 + 0.5);
  const double high = x - kd * kLn2High;
  const double low = kd * kLn2Low;
  const double r = high - low;
  const double c = (high - r) - low;
  const double power = 1 + (r + (c + r * r * polynomial(kExpSeries, r)));
  const int k = static_cast<int>(kd);
  if (k > 1023) return power * 0x1p1023 * power_of_two(k - 1023);
  if (k < -1022) return power * power_of_two(k + 1000) * 0x1p-1000;
  return power * power_of_two(k);
}

double normal_quantile(double p) {
  CHECK(p > 0 && p < 1);
  const double q = p - 0.5;
  if (std::fabs(q) <= 0.425) {
    const double r = 0.180625 - q * q;
    return q * polynomial(kCentreTop, r) / polynomial(kCentreBottom, r);
  }
  const double r = std::sqrt(-log_of(q < 0 ? p : 1 - p));
  const double x = r <= 5 ? polynomial(kTailTop, r - 1.6) / polynomial(kTailBottom, r - 1.6)
                          : polynomial(kFarTop, r - 5) / polynomial(kFarBottom, r - 5);
  return q < 0 ? -x : x;
}

}  // namespace cotenant

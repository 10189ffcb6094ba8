#include "sim/stats/interval.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "sim/core/check.h"

namespace cotenant {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kZ975 = 1.959963984540054;
constexpr double kConfidence = 0.95;
constexpr double kTail = (1 - kConfidence) / 2;

// Student t at 0.975 for 1 .. 30 degrees, from the exact distribution function; a test integrates the
// density.
constexpr std::array<double, 30> kStudentT = {
    12.706204736174705, 4.302652729749464,  3.1824463052837095, 2.7764451051977943, 2.5705818356363155,
    2.44691185114497,   2.3646242515927853, 2.3060041352041667, 2.2621571627982053, 2.228138851986275,
    2.2009851600916397, 2.178812829667229,  2.1603686564627926, 2.144786687917804,  2.1314495455597755,
    2.1199052992212546, 2.109815577833317,  2.1009220402410387, 2.0930240544083096, 2.085963447265865,
    2.0796138447276804, 2.0738730679040263, 2.0686576104190486, 2.063898561628026,  2.0595385527532977,
    2.055529438642873,  2.0518305164802855, 2.048407141795245,  2.0452296421327043, 2.042272456301238};

// x^n for n >= 0 by squaring.
double power(double x, int64_t n) {
  double result = 1;
  for (; n > 0; n /= 2) {
    if (n % 2 == 1) result *= x;
    x *= x;
  }
  return result;
}

// The chances of Bin(n, p) around its most likely value, relative to the sum of all of them. What is left out
// at either end is below 1e-18 of the largest.
struct Binomial {
  int64_t first = 0;  // of `chance[0]`
  std::vector<double> chance;
};

Binomial binomial(int64_t n, double p) {
  constexpr double kNegligible = 1e-18;
  const double odds = p / (1 - p);
  const auto mode = std::min(n, static_cast<int64_t>(std::floor(static_cast<double>(n + 1) * p)));
  Binomial b;
  double weight = 1;
  for (int64_t k = mode; k > 0 && weight > kNegligible; --k) {
    weight *= static_cast<double>(k) / (static_cast<double>(n - k + 1) * odds);
    b.chance.push_back(weight);
  }
  b.first = mode - static_cast<int64_t>(b.chance.size());
  std::reverse(b.chance.begin(), b.chance.end());
  b.chance.push_back(1);
  weight = 1;
  for (int64_t k = mode; k < n && weight > kNegligible; ++k) {
    weight *= static_cast<double>(n - k) * odds / static_cast<double>(k + 1);
    b.chance.push_back(weight);
  }
  double total = 0;
  for (const double w : b.chance) total += w;
  for (double& w : b.chance) w /= total;
  return b;
}

// The greatest l with P(Bin < l) <= tail.
int64_t lower_rank(const Binomial& b, double tail) {
  double below = 0;
  size_t i = 0;
  while (i < b.chance.size() && below + b.chance[i] <= tail) below += b.chance[i++];
  return b.first + static_cast<int64_t>(i);
}

// The least u with P(Bin >= u) <= tail.
int64_t upper_rank(const Binomial& b, double tail) {
  double above = 0;
  size_t i = b.chance.size();
  while (i > 0 && above + b.chance[i - 1] <= tail) above += b.chance[--i];
  return b.first + static_cast<int64_t>(i);
}

}  // namespace

double student_t_975(int64_t degrees) {
  CHECK(degrees >= 1);
  if (degrees <= static_cast<int64_t>(kStudentT.size())) return kStudentT[static_cast<size_t>(degrees - 1)];
  // Abramowitz and Stegun 26.7.5, the expansion about the normal quantile in 1 / degrees.
  const double z = kZ975;
  const double z2 = z * z;
  const double g1 = z * (z2 + 1) / 4;
  const double g2 = z * ((5 * z2 + 16) * z2 + 3) / 96;
  const double g3 = z * (((3 * z2 + 19) * z2 + 17) * z2 - 15) / 384;
  const double g4 = z * ((((79 * z2 + 776) * z2 + 1482) * z2 - 1920) * z2 - 945) / 92160;
  const double v = 1 / static_cast<double>(degrees);
  return z + v * (g1 + v * (g2 + v * (g3 + v * g4)));
}

MeanInterval mean_interval(std::span<const double> values) {
  const auto n = static_cast<int64_t>(values.size());
  double sum = 0;
  for (const double x : values) sum += x;
  if (n == 0 || sum != sum) return {kNaN, kNaN, kNaN, n};
  const double count = static_cast<double>(n);
  const double mean = sum / count;
  if (n == 1) return {mean, kNaN, kNaN, n};
  double squares = 0;
  for (const double x : values) squares += (x - mean) * (x - mean);
  const double half = student_t_975(n - 1) * std::sqrt(squares / (count - 1) / count);
  return {mean, mean - half, mean + half, n};
}

MeanInterval wilson_interval(int64_t successes, int64_t trials) {
  CHECK(successes >= 0 && successes <= trials);
  if (trials == 0) return {kNaN, kNaN, kNaN, 0};
  const auto n = static_cast<double>(trials);
  const double share = static_cast<double>(successes) / n;
  const double z2 = kZ975 * kZ975;
  const double middle = (share + z2 / (2 * n)) / (1 + z2 / n);
  const double half = kZ975 * std::sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n);
  // At 0 and at all successes the interval ends there exactly; rounding could leave 1e-17 over.
  const double low = successes == 0 ? 0 : middle - half;
  const double high = successes == trials ? 1 : middle + half;
  return {share, low, high, trials};
}

bool quantile_is_estimable(double p, int64_t n) {
  CHECK(p > 0 && p < 1 && n >= 0);
  return 1 - power(p, n) - power(1 - p, n) >= kConfidence;
}

RankInterval quantile_ranks(int64_t n, double p) {
  if (!quantile_is_estimable(p, n)) return {};
  const Binomial b = binomial(n, p);
  const RankInterval even{lower_rank(b, kTail), upper_rank(b, kTail)};
  if (even.low >= 1 && even.high <= n) return even;
  // One end is at the extreme value; the other tail may take what that one leaves.
  if (even.high > n) return {std::max<int64_t>(1, lower_rank(b, 2 * kTail - power(p, n))), n};
  return {1, std::min(n, upper_rank(b, 2 * kTail - power(1 - p, n)))};
}

}  // namespace cotenant

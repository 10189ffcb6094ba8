#include "sim/stats/interval.h"

#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "sim/core/sampling.h"

using namespace cotenant;

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

RandomStream test_stream(uint32_t entity) {
  return {stream_key(4, 0), entity, Purpose::sampling};
}

// P(T <= t) for Student's t by Simpson's rule over its density.
double student_cdf(double t, double degrees) {
  const double scale = std::exp(std::lgamma((degrees + 1) / 2) - std::lgamma(degrees / 2)) /
                       std::sqrt(degrees * 3.14159265358979324);
  const auto density = [&](double x) { return scale * std::pow(1 + x * x / degrees, -(degrees + 1) / 2); };
  const int steps = 4000;
  const double h = t / steps;
  double sum = density(0) + density(t);
  for (int i = 1; i < steps; ++i) sum += density(i * h) * (i % 2 == 1 ? 4 : 2);
  return 0.5 + sum * h / 3;
}

// P(low <= Bin(n, p) < high), by logarithms of the gamma function: not the recursion of the code under test.
double coverage(int64_t n, double p, RankInterval ranks) {
  double sum = 0;
  for (int64_t k = ranks.low; k < ranks.high; ++k) {
    const auto kd = static_cast<double>(k);
    const auto nd = static_cast<double>(n);
    sum += std::exp(std::lgamma(nd + 1) - std::lgamma(kd + 1) - std::lgamma(nd - kd + 1) + kd * std::log(p) +
                    (nd - kd) * std::log1p(-p));
  }
  return sum;
}

}  // namespace

TEST_CASE("Student's quantile encloses 95 percent of its distribution") {
  for (const int64_t degrees : {1, 2, 3, 4, 5, 7, 10, 15, 19, 25, 29, 30, 31, 32, 40, 60, 100, 1000}) {
    INFO(degrees);
    REQUIRE(student_cdf(student_t_975(degrees), static_cast<double>(degrees)) == Approx(0.975).margin(2e-8));
  }
  REQUIRE(student_t_975(1) == Approx(12.7062047362).epsilon(1e-11));
  REQUIRE(student_t_975(1'000'000'000) == Approx(1.959963984540054).epsilon(1e-8));
}

TEST_CASE(
    "Student's quantile falls with every degree of freedom, over the joint of table and expansion too") {
  for (int64_t degrees = 1; degrees < 200; ++degrees)
    REQUIRE(student_t_975(degrees + 1) < student_t_975(degrees));
}

TEST_CASE("a mean interval is mean, t, s and sqrt n") {
  const MeanInterval m = mean_interval(std::vector<double>{1, 2, 3, 4, 10});
  REQUIRE(m.mean == 4);
  REQUIRE(m.count == 5);
  REQUIRE(m.high - m.mean == Approx(2.7764451052 * std::sqrt(12.5 / 5)));
  REQUIRE(m.mean - m.low == Approx(m.high - m.mean));
}

TEST_CASE("a mean without enough values or with one that is not a number has no interval") {
  const MeanInterval none = mean_interval({});
  REQUIRE((std::isnan(none.mean) && std::isnan(none.low) && std::isnan(none.high)));
  REQUIRE(none.count == 0);
  const MeanInterval one = mean_interval(std::vector<double>{3});
  REQUIRE(one.mean == 3);
  REQUIRE((std::isnan(one.low) && std::isnan(one.high)));
  const MeanInterval bad = mean_interval(std::vector<double>{1, kNaN, 2});
  REQUIRE((std::isnan(bad.mean) && std::isnan(bad.low) && std::isnan(bad.high)));
  REQUIRE(bad.count == 3);
}

TEST_CASE("equal values have an interval of no width") {
  const MeanInterval m = mean_interval(std::vector<double>{0.5, 0.5, 0.5});
  REQUIRE((m.low == 0.5 && m.high == 0.5));
}

TEST_CASE("mean intervals cover the true mean of normal values 95 times in 100") {
  RandomStream stream = test_stream(1);
  for (const size_t n : {size_t{2}, size_t{5}, size_t{10}, size_t{40}}) {
    int covered = 0;
    std::vector<double> values(n);
    for (int i = 0; i < 4000; ++i) {
      for (double& x : values) x = 7 + 3 * normal(stream);
      const MeanInterval m = mean_interval(values);
      covered += m.low <= 7 && 7 <= m.high ? 1 : 0;
    }
    // Four standard errors of a share of 0.95 in 4,000.
    REQUIRE(covered / 4000.0 == Approx(0.95).margin(0.014));
  }
}

TEST_CASE("Wilson's interval has its published values and stays within 0 and 1") {
  // Newcombe, Statistics in Medicine 17, 1998, table I, method 3.
  const MeanInterval a = wilson_interval(81, 263);
  REQUIRE(a.low == Approx(0.2553).margin(5e-5));
  REQUIRE(a.high == Approx(0.3662).margin(5e-5));
  const MeanInterval b = wilson_interval(15, 148);
  REQUIRE(b.low == Approx(0.0624).margin(5e-5));
  REQUIRE(b.high == Approx(0.1605).margin(5e-5));
  const MeanInterval none = wilson_interval(0, 20);
  REQUIRE(none.low == 0);
  REQUIRE(none.high == Approx(0.1611).margin(5e-5));
  const MeanInterval all = wilson_interval(20, 20);
  REQUIRE(all.high == 1);
  REQUIRE(all.low == Approx(1 - none.high));
  REQUIRE(std::isnan(wilson_interval(0, 0).mean));
  for (int64_t n = 1; n < 40; ++n) {
    for (int64_t k = 0; k <= n; ++k) {
      const MeanInterval w = wilson_interval(k, n);
      REQUIRE((0 <= w.low && w.low <= w.mean && w.mean <= w.high && w.high <= 1));
    }
  }
}

TEST_CASE("Wilson's interval covers the true share about 95 times in 100") {
  for (const double p : {0.02, 0.3, 0.5}) {
    // Exact: the chance of all outcomes whose interval holds p.
    double covered = 0;
    for (int64_t k = 0; k <= 200; ++k) {
      const MeanInterval w = wilson_interval(k, 200);
      if (w.low <= p && p <= w.high) covered += coverage(200, p, {k, k + 1});
    }
    REQUIRE(covered == Approx(0.95).margin(0.03));
  }
}

TEST_CASE("a quantile is estimable from 299 values for p99 and 2,995 for p99.9") {
  REQUIRE_FALSE(quantile_is_estimable(0.99, 298));
  REQUIRE(quantile_is_estimable(0.99, 299));
  REQUIRE_FALSE(quantile_is_estimable(0.999, 2994));
  REQUIRE(quantile_is_estimable(0.999, 2995));
  REQUIRE_FALSE(quantile_is_estimable(0.5, 5));
  REQUIRE(quantile_is_estimable(0.5, 6));
  REQUIRE_FALSE(quantile_is_estimable(0.5, 0));
  REQUIRE(quantile_is_estimable(0.01, 299));
  REQUIRE(quantile_is_estimable(0.99, 1'000'000'000'000));
}

TEST_CASE("quantile ranks have the exact binomial values") {
  REQUIRE(quantile_ranks(1000, 0.5) == RankInterval{469, 532});
  REQUIRE(quantile_ranks(1000, 0.99) == RankInterval{983, 997});
  REQUIRE(quantile_ranks(10'000, 0.99) == RankInterval{9880, 9920});
  REQUIRE(quantile_ranks(10'000, 0.999) == RankInterval{9983, 9997});
  REQUIRE(quantile_ranks(100'000, 0.99) == RankInterval{98'938, 99'062});
}

TEST_CASE("quantile ranks exist exactly where the quantile is estimable, and cover at least 95 percent") {
  for (const double p : {0.01, 0.25, 0.5, 0.9, 0.95, 0.99}) {
    for (int64_t n = 0; n < 900; n += 1 + n / 20) {
      const RankInterval ranks = quantile_ranks(n, p);
      INFO(p << " " << n << " " << ranks.low << " " << ranks.high);
      if (!quantile_is_estimable(p, n)) {
        REQUIRE(ranks == RankInterval{});
        continue;
      }
      REQUIRE((1 <= ranks.low && ranks.low < ranks.high && ranks.high <= n));
      REQUIRE(coverage(n, p, ranks) >= 0.95 - 1e-9);
      // Neither end could move inwards and leave each tail its 2.5 %, unless the other end is at its extreme.
      if (ranks.low > 1 && ranks.high < n) {
        REQUIRE(coverage(n, p, {0, ranks.low + 1}) > 0.025 - 1e-9);
        REQUIRE(coverage(n, p, {ranks.high - 1, n + 1}) > 0.025 - 1e-9);
      }
    }
  }
}

TEST_CASE("quantile ranks of p and 1 - p mirror each other") {
  for (const int64_t n : {50, 299, 300, 367, 368, 1000, 12'345}) {
    for (const double p : {0.01, 0.125, 0.25, 0.5}) {
      const RankInterval low = quantile_ranks(n, p);
      const RankInterval high = quantile_ranks(n, 1 - p);
      if (low == RankInterval{}) continue;
      REQUIRE(low.low == n + 1 - high.high);
      REQUIRE(low.high == n + 1 - high.low);
    }
  }
}

TEST_CASE("quantile ranks of many values are found at once") {
  const RankInterval ranks = quantile_ranks(1'000'000'000, 0.99);
  const double half = 1.959964 * std::sqrt(1e9 * 0.99 * 0.01);
  REQUIRE(static_cast<double>(ranks.low) == Approx(990'000'000 - half).margin(3));
  REQUIRE(static_cast<double>(ranks.high) == Approx(990'000'000 + half).margin(3));
}

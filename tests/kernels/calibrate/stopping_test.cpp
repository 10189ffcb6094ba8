#include "kernels/calibrate/stopping.h"

#include <catch2/catch.hpp>

#include "sim/core/philox.h"

namespace cotenant {
namespace {

RandomStream stream(uint32_t entity) {
  return {stream_key(7, 0), entity, Purpose::faults};
}

TEST_CASE("the error of the median falls with the root of the samples and does not depend on the unit") {
  std::vector<double> few;
  for (int i = 0; i < 25; ++i) few.push_back(100 + i % 5);
  std::vector<double> many;
  std::vector<double> scaled;
  for (int repeat = 0; repeat < 4; ++repeat) {
    for (const double s : few) many.push_back(s);
  }
  for (const double s : few) scaled.push_back(s * 1e-6);
  REQUIRE(median_error(many) == Approx(median_error(few) / 2).epsilon(0.05));
  REQUIRE(median_error(scaled) == Approx(median_error(few)));
  REQUIRE(median_error(std::vector<double>{3}) == 0);
}

TEST_CASE("the error of the median covers the spread of medians of normal samples") {
  RandomStream random = stream(1);
  // A sum of twelve uniforms, less six, is nearly normal with a deviation of 1.
  const auto normal = [&] {
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += random.uniform();
    return sum;
  };
  double told = 0;
  double square = 0;
  constexpr int kRounds = 400;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<double> samples;
    for (int i = 0; i < 30; ++i) samples.push_back(100 + normal());
    told += median_error(samples) * 100 / kRounds;
    std::sort(samples.begin(), samples.end());
    const double median = (samples[14] + samples[15]) / 2;
    square += (median - 100) * (median - 100) / kRounds;
  }
  REQUIRE(told == Approx(std::sqrt(square)).epsilon(0.15));
}

TEST_CASE("a warm-up is over when three medians of eight in a row agree, not before") {
  WarmUp falling;
  for (int i = 0; i < 100; ++i) {
    falling.add(1 + 1.0 / (1 + i));
    if (i < 23) REQUIRE_FALSE(falling.steady());
  }
  REQUIRE(falling.steady());
  WarmUp rising;
  for (int i = 0; i < 200; ++i) {
    rising.add(1 + 0.1 * i);
    REQUIRE_FALSE(rising.steady());
  }
}

TEST_CASE("one wild sample in eight does not keep a warm-up from ending") {
  WarmUp warm;
  for (int i = 0; i < 24; ++i) warm.add(i % 8 == 3 ? 50 : 1);
  REQUIRE(warm.steady());
}

TEST_CASE("a distribution of few values is known after some samples, a spreading one is not") {
  EntropyCriterion two;
  RandomStream random = stream(2);
  int needed = 0;
  while (!two.known() && needed < 2000) {
    two.add(random.uniform() < 0.5 ? 1.0 : 1.5);
    ++needed;
  }
  REQUIRE(needed >= 16);
  REQUIRE(needed < 2000);
  EntropyCriterion spreading;
  for (int i = 0; i < 60; ++i) {
    spreading.add(1 + 0.1 * i);
    REQUIRE_FALSE(spreading.known());
  }
}

TEST_CASE("equal samples have no entropy, and are known") {
  EntropyCriterion equal;
  for (int i = 0; i < 15; ++i) {
    equal.add(0.001);
    REQUIRE_FALSE(equal.known());
  }
  equal.add(0.001);
  REQUIRE(equal.known());
}

}  // namespace
}  // namespace cotenant

#include "sim/stats/mser5.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <vector>

#include "sim/core/sampling.h"

using namespace cotenant;

namespace {

RandomStream test_stream(uint32_t entity) {
  return {stream_key(6, 0), entity, Purpose::sampling};
}

// The definition, by brute force: every d, two passes over the rest.
Truncation by_definition(const std::vector<double>& x) {
  std::vector<double> z(x.size() / 5);
  for (size_t i = 0; i < z.size(); ++i) {
    z[i] = (x[5 * i] + x[5 * i + 1] + x[5 * i + 2] + x[5 * i + 3] + x[5 * i + 4]) / 5;
  }
  size_t best = 0;
  double least = HUGE_VAL;
  for (size_t d = 0; d + 5 < z.size(); ++d) {
    const auto left = static_cast<double>(z.size() - d);
    double mean = 0;
    for (size_t i = d; i < z.size(); ++i) mean += z[i] / left;
    double squares = 0;
    for (size_t i = d; i < z.size(); ++i) squares += (z[i] - mean) * (z[i] - mean);
    if (squares / (left * left) < least) {
      least = squares / (left * left);
      best = d;
    }
  }
  return {5 * best, 2 * best <= z.size()};
}

// Noise about 0 after a start at `height` that dies away with time constant `decay`.
std::vector<double> run(RandomStream& stream, size_t n, double height, double decay) {
  std::vector<double> x(n);
  for (size_t i = 0; i < n; ++i) x[i] = normal(stream) + height * std::exp(-static_cast<double>(i) / decay);
  return x;
}

}  // namespace

TEST_CASE("MSER-5 finds the truncation of its definition") {
  RandomStream stream = test_stream(1);
  for (int i = 0; i < 60; ++i) {
    const size_t n = 50 + uniform_below(stream, 400);
    const std::vector<double> x = run(stream, n, 10 * stream.uniform(), 1 + 100 * stream.uniform());
    const Truncation fast = mser5(x);
    const Truncation slow = by_definition(x);
    REQUIRE(fast.observations == slow.observations);
    REQUIRE(fast.settled == slow.settled);
  }
}

TEST_CASE("MSER-5 cuts a warm-up off and takes its bias away") {
  RandomStream stream = test_stream(2);
  double raw = 0;
  double kept = 0;
  for (int i = 0; i < 50; ++i) {
    const std::vector<double> x = run(stream, 2000, 20, 60);
    const Truncation cut = mser5(x);
    REQUIRE(cut.settled);
    REQUIRE(cut.observations % 5 == 0);
    REQUIRE(cut.observations > 100);
    REQUIRE(cut.observations < 600);
    double sum = 0;
    for (size_t k = cut.observations; k < x.size(); ++k) sum += x[k];
    kept += sum / static_cast<double>(x.size() - cut.observations) / 50;
    for (const double v : x) raw += v / 2000 / 50;
  }
  REQUIRE(raw > 0.5);
  REQUIRE(std::fabs(kept) < 0.06);
}

TEST_CASE("MSER-5 leaves a steady run nearly whole") {
  RandomStream stream = test_stream(3);
  double cut = 0;
  for (int i = 0; i < 50; ++i)
    cut += static_cast<double>(mser5(run(stream, 1000, 0, 1)).observations) / 1000 / 50;
  REQUIRE(cut < 0.15);
}

TEST_CASE("MSER-5 does not settle when the level moves to the end, or on too short a run") {
  std::vector<double> ramp(1000);
  for (size_t i = 0; i < ramp.size(); ++i) ramp[i] = static_cast<double>(i * i);
  REQUIRE_FALSE(mser5(ramp).settled);
  REQUIRE_FALSE(mser5(std::vector<double>(49, 1.0)).settled);
  REQUIRE_FALSE(mser5({}).settled);
}

TEST_CASE("MSER-5 keeps everything of a constant run") {
  const Truncation cut = mser5(std::vector<double>(500, 3.25));
  REQUIRE(cut.observations == 0);
  REQUIRE(cut.settled);
}

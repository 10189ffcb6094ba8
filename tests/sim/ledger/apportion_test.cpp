#include <catch2/catch.hpp>

#include "sim/core/philox.h"
#include "sim/ledger/apportion.h"

using namespace cotenant;

TEST_CASE("the parts of a bill sum to it, and none is one off its share") {
  RandomStream stream(stream_key(4, 0), 0, Purpose::faults);
  for (int round = 0; round < 500; ++round) {
    std::vector<int64_t> weights(1 + stream.bits() % 40);
    double sum = 0;
    for (int64_t& w : weights)
      sum += static_cast<double>(w = static_cast<int64_t>(stream.bits() % 1'000'000));
    const auto total = static_cast<int64_t>(stream.bits() % 1'000'000'000'000);
    const std::vector<int64_t> parts = apportion(total, weights);
    int64_t parts_sum = 0;
    for (size_t i = 0; i < parts.size(); ++i) {
      parts_sum += parts[i];
      const double exact = static_cast<double>(total) * static_cast<double>(weights[i]) / sum;
      REQUIRE(std::abs(static_cast<double>(parts[i]) - exact) < 1.001);
    }
    REQUIRE(parts_sum == total);
  }
}

TEST_CASE("without any weight the parts are equal, and ties go to the lower position") {
  const std::vector<int64_t> none = {0, 0, 0};
  const std::vector<int64_t> parts = apportion(11, none);
  REQUIRE(parts[0] == 4);
  REQUIRE(parts[1] == 4);
  REQUIRE(parts[2] == 3);
  REQUIRE(apportion(11, std::vector<int64_t>{}).empty());
}

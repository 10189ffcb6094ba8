#include "sim/isolation/shapley.h"

#include <bit>
#include <catch2/catch.hpp>
#include <numeric>

using namespace cotenant;

namespace {

double sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

// Worths without any structure, 0 for nobody.
std::vector<double> random_game(size_t players, uint64_t seed) {
  RandomStream stream(stream_key(seed, 0), 0, Purpose::faults);
  std::vector<double> worths(size_t{1} << players);
  for (size_t c = 1; c < worths.size(); ++c) worths[c] = stream.uniform();
  return worths;
}

}  // namespace

TEST_CASE("the values of the glove game are those of the textbooks") {
  // One left glove (player 0), two right ones; a pair is worth 1.
  const auto worth = [](Coalition c) { return (c & 1) != 0 && (c & 6) != 0 ? 1.0 : 0.0; };
  const ShapleyValues v = shapley_exact(3, worth);
  REQUIRE(v.value[0] == Approx(2.0 / 3));
  REQUIRE(v.value[1] == Approx(1.0 / 6));
  REQUIRE(v.value[2] == Approx(1.0 / 6));
}

TEST_CASE("values sum to what all together are worth more than nobody, and a dummy gets nothing") {
  for (size_t players = 1; players <= 7; ++players) {
    const std::vector<double> worths = random_game(players, players);
    const ShapleyValues exact = shapley_exact(players, [&](Coalition c) { return worths[c]; });
    REQUIRE(sum(exact.value) == Approx(worths.back()).margin(1e-12));
    // One more player, who changes nothing.
    const Coalition mask = worths.size() - 1;
    const ShapleyValues more = shapley_exact(players + 1, [&](Coalition c) { return worths[c & mask]; });
    REQUIRE(more.value.back() == Approx(0).margin(1e-12));
    for (size_t p = 0; p < players; ++p) REQUIRE(more.value[p] == Approx(exact.value[p]));
  }
}

TEST_CASE("sampled orders agree with all of them within their errors, and sum exactly") {
  const size_t players = 6;
  const std::vector<double> worths = random_game(players, 3);
  const auto worth = [&](Coalition c) { return worths[c]; };
  const ShapleyValues exact = shapley_exact(players, worth);
  RandomStream stream(stream_key(5, 0), 0, Purpose::faults);
  const ShapleyValues sampled = shapley_sampled(players, worth, 400, stream);
  REQUIRE(sum(sampled.value) == Approx(worths.back()).margin(1e-9));
  for (size_t p = 0; p < players; ++p) {
    REQUIRE(sampled.standard_error[p] > 0);
    REQUIRE(std::abs(sampled.value[p] - exact.value[p]) <= 4 * sampled.standard_error[p]);
  }
}

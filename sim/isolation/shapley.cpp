#include "sim/isolation/shapley.h"

#include <bit>
#include <cmath>
#include <numeric>
#include <utility>

#include "sim/core/check.h"

namespace cotenant {
namespace {

Coalition only(size_t player) {
  return Coalition{1} << player;
}

}  // namespace

ShapleyValues shapley_exact(size_t players, const std::function<double(Coalition)>& worth) {
  CHECK(players <= 20);
  std::vector<double> worths(size_t{1} << players);
  for (Coalition c = 0; c < worths.size(); ++c) worths[c] = worth(c);
  // s! (n - s - 1)! / n! for coalitions of s: 1 / (n binomial(n - 1, s)).
  std::vector<double> share(players, 1);
  double ways = 1;
  for (size_t s = 0; s < players; ++s) {
    share[s] = 1 / (static_cast<double>(players) * ways);
    ways = ways * static_cast<double>(players - 1 - s) / static_cast<double>(s + 1);
  }
  ShapleyValues values{std::vector<double>(players, 0), std::vector<double>(players, 0)};
  for (size_t p = 0; p < players; ++p) {
    for (Coalition c = 0; c < worths.size(); ++c) {
      if ((c & only(p)) != 0) continue;
      values.value[p] += share[static_cast<size_t>(std::popcount(c))] * (worths[c | only(p)] - worths[c]);
    }
  }
  return values;
}

ShapleyValues shapley_sampled(size_t players, const std::function<double(Coalition)>& worth, int64_t orders,
                              RandomStream& stream) {
  CHECK(players <= 63 && orders >= 2);
  std::vector<size_t> order(players);
  std::iota(order.begin(), order.end(), size_t{0});
  std::vector<double> sum(players, 0);
  std::vector<double> squares(players, 0);
  for (int64_t n = 0; n < orders; ++n) {
    for (size_t i = players; i > 1; --i) std::swap(order[i - 1], order[stream.bits() % i]);
    Coalition coalition = 0;
    double before = worth(coalition);
    for (const size_t p : order) {
      coalition |= only(p);
      const double with = worth(coalition);
      sum[p] += with - before;
      squares[p] += (with - before) * (with - before);
      before = with;
    }
  }
  const auto n = static_cast<double>(orders);
  ShapleyValues values;
  for (size_t p = 0; p < players; ++p) {
    const double mean = sum[p] / n;
    values.value.push_back(mean);
    const double variance = std::max(0.0, squares[p] - n * mean * mean) / (n - 1);
    values.standard_error.push_back(std::sqrt(variance / n));
  }
  return values;
}

}  // namespace cotenant

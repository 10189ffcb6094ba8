#pragma once
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "kernels/reference/linear.h"
#include "sim/core/philox.h"

namespace cotenant {

// Values in (-1, 1), the same for the same entity.
inline std::vector<float> drawn(int64_t n, uint32_t entity) {
  RandomStream random(stream_key(11, 0), entity, Purpose::faults);
  std::vector<float> x(static_cast<size_t>(n));
  for (float& v : x) v = static_cast<float>(2 * random.uniform() - 1);
  return x;
}

inline std::vector<int32_t> drawn_indices(int64_t n, int64_t below, uint32_t entity) {
  RandomStream random(stream_key(12, 0), entity, Purpose::faults);
  std::vector<int32_t> x(static_cast<size_t>(n));
  for (int32_t& v : x) v = static_cast<int32_t>(random.bits() % static_cast<uint64_t>(below));
  return x;
}

inline reference::Numbers wide(const std::vector<float>& x) {
  return {x.begin(), x.end()};
}

// Greatest difference, relative to the greatest value: rounding grows with the sum, not with one element.
inline double difference(const std::vector<float>& got, const reference::Numbers& want) {
  REQUIRE(got.size() == want.size());
  double greatest = 1e-30;
  double off = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    greatest = std::max(greatest, std::abs(want[i]));
    off = std::max(off, std::abs(static_cast<double>(got[i]) - want[i]));
    if (!std::isfinite(got[i])) return INFINITY;
  }
  return off / greatest;
}

inline constexpr double kClose = 2e-5;

}  // namespace cotenant

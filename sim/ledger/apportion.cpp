#include "sim/ledger/apportion.h"

#include <algorithm>
#include <numeric>

#include "sim/core/check.h"

namespace cotenant {

std::vector<int64_t> apportion(int64_t total, std::span<const int64_t> weights) {
  CHECK(total >= 0);
  std::vector<int64_t> parts(weights.size());
  if (weights.empty()) return parts;
  __int128 sum = 0;
  for (const int64_t w : weights) {
    CHECK(w >= 0);
    sum += w;
  }
  const bool equal = sum == 0;
  if (equal) sum = static_cast<__int128>(weights.size());
  std::vector<__int128> remainders(weights.size());
  int64_t left = total;
  for (size_t i = 0; i < weights.size(); ++i) {
    const __int128 exact = static_cast<__int128>(total) * (equal ? 1 : weights[i]);
    parts[i] = static_cast<int64_t>(exact / sum);
    remainders[i] = exact % sum;
    left -= parts[i];
  }
  if (left == 0) return parts;
  std::vector<size_t> order(weights.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return remainders[a] > remainders[b]; });
  for (size_t k = 0; left > 0; ++k, --left) parts[order[k]] += 1;
  return parts;
}

}  // namespace cotenant

#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace cotenant {

// Splits `total` in proportion to `weights` so that the parts sum to it exactly: each gets its share rounded
// down, and what is left goes, one each, to the largest remainders (ties to the lower position),
// as in Hamilton's method of apportionment. All weights 0: equal weights. No weights: an empty list.
// Requires: total >= 0, weights >= 0.
std::vector<int64_t> apportion(int64_t total, std::span<const int64_t> weights);

}  // namespace cotenant

#pragma once
#include <cstdint>
#include <functional>
#include <vector>

#include "sim/core/philox.h"

namespace cotenant {

// A set of at most 63 players, one bit each.
using Coalition = uint64_t;

// The Shapley value of each player: its mean marginal contribution over all orders in which the players may
// come. Shapley, "A value for n-person games", 1953. The values sum to worth(all) - worth(nobody).
struct ShapleyValues {
  std::vector<double> value;           // by player
  std::vector<double> standard_error;  // 0 where every coalition was looked at
};

// Over all 2^players coalitions; `worth` is asked once for each. Requires: players <= 20.
ShapleyValues shapley_exact(size_t players, const std::function<double(Coalition)>& worth);

// Over `orders` random orders; `worth` may be asked for the same coalition again. The values still sum to
// worth(all) - worth(nobody). Castro, Gomez and Tejada, "Polynomial calculation of the Shapley value based on
// sampling", 2009. Requires: players <= 63, orders >= 2.
ShapleyValues shapley_sampled(size_t players, const std::function<double(Coalition)>& worth, int64_t orders,
                              RandomStream& stream);

}  // namespace cotenant

#pragma once
#include <cstdint>
#include <vector>

#include "kernels/cpu/huge_pages.h"

namespace cotenant {

// Which values: the same (seed, tensor) gives the same bits.
struct TensorKey {
  uint64_t seed = 0;
  uint32_t tensor = 0;
};
// Uniform in (-bound, bound). Random data, since kernels of all zeros run at other speeds than real ones.
std::vector<float> random_values(int64_t count, float bound, const TensorKey& key);
// The same bits in memory for large arrays.
cpu::Floats random_floats(int64_t count, float bound, const TensorKey& key);
// Uniform in [0, below). Requires: below > 0.
std::vector<int32_t> random_indices(int64_t count, int64_t below, const TensorKey& key);

}  // namespace cotenant

// Public here: random_values, random_floats, random_indices.
#include "kernels/model/random_values.h"

#include <cstddef>

#include "sim/core/philox.h"

namespace cotenant {
namespace {

// 24 random bits to (-1, 1), every value exact in fp32.
float centred(uint64_t bits24) {
  return (static_cast<float>(bits24) + 0.5F) * 0x1p-23F - 1;
}

template <class Values>
Values drawn(int64_t count, float bound, const TensorKey& key) {
  RandomStream random(stream_key(key.seed, 0), key.tensor, Purpose::weights);
  Values values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); i += 2) {
    const uint64_t bits = random.bits();
    values[i] = bound * centred(bits >> 40U);
    if (i + 1 < values.size()) values[i + 1] = bound * centred(bits & 0xFFFFFFU);
  }
  return values;
}

}  // namespace

std::vector<float> random_values(int64_t count, float bound, const TensorKey& key) {
  return drawn<std::vector<float>>(count, bound, key);
}

cpu::Floats random_floats(int64_t count, float bound, const TensorKey& key) {
  return drawn<cpu::Floats>(count, bound, key);
}

std::vector<int32_t> random_indices(int64_t count, int64_t below, const TensorKey& key) {
  RandomStream random(stream_key(key.seed, 0), key.tensor, Purpose::weights);
  std::vector<int32_t> indices(static_cast<size_t>(count));
  for (int32_t& index : indices) index = static_cast<int32_t>(random.bits() % static_cast<uint64_t>(below));
  return indices;
}

}  // namespace cotenant

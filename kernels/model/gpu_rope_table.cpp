// Public here: gpu_rope_table.
#include "kernels/model/gpu_rope_table.h"

#include <cmath>
#include <vector>

namespace cotenant {

GpuRopeTable gpu_rope_table(cuda::Gpu* gpu, int64_t positions, int64_t head_dim) {
  constexpr double kBase = 10000;
  std::vector<float> cosine;
  std::vector<float> sine;
  for (int64_t p = 0; p < positions; ++p) {
    for (int64_t i = 0; i < head_dim / 2; ++i) {
      const double turns = std::pow(kBase, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim));
      const double angle = static_cast<double>(p) * turns;
      cosine.push_back(static_cast<float>(std::cos(angle)));
      sine.push_back(static_cast<float>(std::sin(angle)));
    }
  }
  return {.cosine = cuda::to_device<float>(gpu, cosine), .sine = cuda::to_device<float>(gpu, sine)};
}

}  // namespace cotenant

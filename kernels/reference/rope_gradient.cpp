// Public here: rope_gradient.
#include "kernels/reference/training.h"

namespace cotenant::reference {

Numbers rope_gradient(View dy, std::span<const int64_t> positions, const RopeShape& shape) {
  std::vector<int64_t> back(positions.begin(), positions.end());
  for (int64_t& position : back) position = -position;
  return rope(dy, back, shape);
}

}  // namespace cotenant::reference

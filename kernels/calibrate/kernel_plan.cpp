// Public here: coordinates.
#include "kernels/calibrate/kernel_plan.h"

namespace cotenant {

std::vector<int64_t> coordinates(const std::vector<Axis>& axes, size_t point) {
  std::vector<int64_t> x(axes.size());
  for (size_t a = axes.size(); a-- > 0;) {
    const std::vector<int64_t>& points = axes[a].points;
    x[a] = points[point % points.size()];
    point /= points.size();
  }
  return x;
}

}  // namespace cotenant

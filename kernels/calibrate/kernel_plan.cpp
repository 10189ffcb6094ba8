// Public here: coordinates, point_name.
#include "kernels/calibrate/kernel_plan.h"

#include <fmt/format.h>

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

std::string point_name(const std::string& kernel, const std::vector<Axis>& axes,
                       const std::vector<int64_t>& at) {
  CHECK(at.size() == axes.size());
  std::string name = kernel;
  for (size_t a = 0; a < axes.size(); ++a) name += fmt::format("/{}:{}", axes[a].name, at[a]);
  return name;
}

}  // namespace cotenant

// Public here: coordinates, point_name, coordinates_of.
#include "kernels/calibrate/kernel_plan.h"

#include <fmt/format.h>

#include <charconv>

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

std::optional<std::vector<int64_t>> coordinates_of(const KernelPlan& plan, const std::string& name) {
  if (name.compare(0, plan.name.size(), plan.name) != 0) return std::nullopt;
  std::vector<int64_t> at;
  size_t from = plan.name.size();
  for (const Axis& axis : plan.axes) {
    const std::string head = "/" + axis.name + ":";
    if (name.compare(from, head.size(), head) != 0) return std::nullopt;
    int64_t value = 0;
    const auto [end, error] =
        std::from_chars(name.data() + from + head.size(), name.data() + name.size(), value);
    if (error != std::errc{} || value < 0) return std::nullopt;
    at.push_back(value);
    from = static_cast<size_t>(end - name.data());
  }
  if (from != name.size()) return std::nullopt;
  return at;
}

}  // namespace cotenant

// Public here: without_missing, without_late.
#include "kernels/calibrate/gpu_results.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "sim/core/check.h"

namespace cotenant {
namespace {

// One kernel's grid, and how many points of each axis are kept.
struct Grid {
  const std::vector<Axis>& axes;
  std::vector<bool> missing;  // by point
  std::vector<size_t> kept;
};

// Calls f(point, index on every axis) for each kept point.
template <class F>
void for_each_kept(const Grid& grid, const F& f) {
  for (size_t point = 0; point < grid.missing.size(); ++point) {
    std::vector<size_t> at(grid.axes.size());
    size_t rest = point;
    bool inside = true;
    for (size_t a = grid.axes.size(); a-- > 0;) {
      at[a] = rest % grid.axes[a].points.size();
      rest /= grid.axes[a].points.size();
      inside = inside && at[a] < grid.kept[a];
    }
    if (inside) f(point, at);
  }
}

bool complete(const Grid& grid) {
  bool all = true;
  for_each_kept(grid, [&](size_t point, const auto&) { all = all && !grid.missing[point]; });
  return all;
}

// The axis whose last slice has the greatest share of missing points; nothing if no last slice misses any.
std::optional<size_t> worst_end(const Grid& grid) {
  std::vector<double> missing(grid.axes.size());
  std::vector<double> points(grid.axes.size());
  for_each_kept(grid, [&](size_t point, const std::vector<size_t>& at) {
    for (size_t a = 0; a < at.size(); ++a) {
      if (at[a] + 1 != grid.kept[a]) continue;
      points[a] += 1;
      missing[a] += grid.missing[point] ? 1 : 0;
    }
  });
  std::optional<size_t> worst;
  double share = 0;
  for (size_t a = 0; a < grid.axes.size(); ++a) {
    if (missing[a] / points[a] <= share) continue;
    share = missing[a] / points[a];
    worst = a;
  }
  return worst;
}

// Cuts ends off until nothing is missing. False: the kernel has to go.
bool cut(Grid* grid) {
  while (!complete(*grid)) {
    const std::optional<size_t> axis = worst_end(*grid);
    if (!axis || grid->kept[*axis] == 1) return false;
    --grid->kept[*axis];
  }
  return true;
}

}  // namespace

MeasuredPlan without_missing(const CalibrationPlan& plan, const std::vector<std::vector<Visit>>& visits) {
  CHECK(visits.size() == plan.targets.size());
  std::map<std::string, size_t> by_name;
  for (size_t t = 0; t < plan.targets.size(); ++t) by_name[plan.targets[t].name] = t;
  MeasuredPlan out;
  for (size_t k = 0; k < plan.kernels.size(); ++k) {
    KernelPlan kernel = plan.kernels[k];
    KernelTimes shape;
    shape.axes = kernel.axes;
    Grid grid{.axes = plan.kernels[k].axes, .missing = {}, .kept = {}};
    bool selected = true;
    for (size_t point = 0; point < shape.point_count(); ++point) {
      const size_t target = plan.stands_for[plan.first_target[k] + point];
      grid.missing.push_back(visits[target].empty());
      selected = selected && plan.selected[target];
    }
    if (!selected) continue;
    for (const Axis& axis : grid.axes) grid.kept.push_back(axis.points.size());
    if (!cut(&grid)) {
      out.not_measurable.push_back(kernel.name);
      continue;
    }
    for (size_t a = 0; a < grid.kept.size(); ++a) {
      std::vector<int64_t>& points = kernel.axes[a].points;
      if (grid.kept[a] == points.size()) continue;
      points.resize(grid.kept[a]);
      out.not_measurable.push_back(
          fmt::format("{}: {} end at {}", kernel.name, kernel.axes[a].name, points.back()));
    }
    add_kernel(kernel, &out.plan);
  }
  for (const Target& target : out.plan.targets) out.visits.push_back(visits[by_name.at(target.name)]);
  return out;
}

LateTargets without_late(const std::vector<bool>& late, CalibrationPlan* plan) {
  CHECK(late.size() == plan->targets.size());
  LateTargets out;
  const size_t points = plan->targets.size() - plan->kernel_holdouts.size() - plan->steps.size();
  out.holdouts =
      static_cast<size_t>(std::count(late.begin() + static_cast<std::ptrdiff_t>(points), late.end(), true));
  for (size_t k = 0; k < plan->kernels.size(); ++k) {
    const size_t from = plan->first_target[k];
    const size_t to = k + 1 < plan->kernels.size() ? plan->first_target[k + 1] : points;
    size_t measured = 0;
    for (size_t t = from; t < to; ++t) measured += late[plan->stands_for[t]] ? 0 : 1;
    if (measured < to - from)
      out.kernels.push_back(fmt::format("{}: {} of {} points", plan->kernels[k].name, measured, to - from));
  }
  for (size_t t = 0; t < late.size(); ++t) plan->selected[t] = plan->selected[t] && !late[t];
  return out;
}

}  // namespace cotenant

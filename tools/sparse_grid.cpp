// Public: SparseGrid::filled.
#include "tools/sparse_grid.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include "sim/core/check.h"

namespace cotenant {
namespace {

constexpr double kUnknown = -1;  // times are positive

// The grid while it is being filled.
class Filling {
 public:
  explicit Filling(SparseGrid::Filled* grid) : grid_(*grid) {
    size_t stride = 1;
    for (size_t a = 4; a-- > 0;) {
      stride_[a] = stride;
      stride *= grid_.axes[a].size();
    }
  }

  // One pass over the unknown points; a pass sees only what was known before it, so that the order of points
  // does not matter. Returns whether any point was found.
  bool pass(bool beyond) {
    std::vector<std::pair<size_t, double>> found;
    for (size_t i = 0; i < grid_.times.size(); ++i) {
      if (grid_.times[i] != kUnknown) continue;
      const std::optional<double> time = beyond ? continued(i) : between(i);
      if (time) found.emplace_back(i, *time);
    }
    for (const auto& [i, time] : found) grid_.times[i] = time;
    return !found.empty();
  }

 private:
  [[nodiscard]] size_t position(size_t i, size_t axis) const {
    return i / stride_[axis] % grid_.axes[axis].size();
  }
  [[nodiscard]] double at(size_t axis, size_t position) const {
    return static_cast<double>(grid_.axes[axis][position]);
  }
  // The nearest known point from i along an axis, downwards or upwards; its position.
  [[nodiscard]] std::optional<size_t> known(size_t i, size_t axis, bool up) const {
    const size_t size = grid_.axes[axis].size();
    const size_t begin = position(i, axis);
    for (size_t p = up ? begin + 1 : begin; up ? p < size : p > 0; p += up ? 1 : 0) {
      if (!up) --p;
      if (value(i, axis, p) != kUnknown) return p;
    }
    return std::nullopt;
  }
  [[nodiscard]] double value(size_t i, size_t axis, size_t p) const {
    return grid_.times[i + p * stride_[axis] - position(i, axis) * stride_[axis]];
  }

  [[nodiscard]] std::optional<double> between(size_t i) const {
    std::optional<double> time;
    double closest = 2;
    for (size_t axis = 0; axis < 4; ++axis) {
      const auto low = known(i, axis, false);
      const auto high = known(i, axis, true);
      if (!low || !high) continue;
      const double from = at(axis, *low);
      const double to = at(axis, *high);
      const double gap = (to - from) / (to + from);
      if (gap >= closest) continue;
      closest = gap;
      const double weight = (at(axis, position(i, axis)) - from) / (to - from);
      time = value(i, axis, *low) + weight * (value(i, axis, *high) - value(i, axis, *low));
    }
    return time;
  }

  // Along the axis whose known point is closest in proportion.
  [[nodiscard]] std::optional<double> continued(size_t i) const {
    std::optional<double> time;
    double closest = 2;
    for (size_t axis = 0; axis < 4; ++axis) {
      for (const bool up : {false, true}) {
        const auto near = known(i, axis, up);
        if (!near) continue;
        const double here = at(axis, position(i, axis));
        const double there = at(axis, *near);
        const double gap = std::abs(here - there) / (here + there);
        if (gap >= closest) continue;
        closest = gap;
        time = along(i, axis, *near, up);
      }
    }
    return time;
  }

  // From the nearest known point on: upwards with the slope of the two last ones if that rises, downwards
  // level (a shorter context or a smaller batch is at most as long).
  [[nodiscard]] double along(size_t i, size_t axis, size_t near, bool up) const {
    const double last = value(i, axis, near);
    if (up || near == 0) return last;
    const size_t moved = i - (position(i, axis) - near) * stride_[axis];
    const auto before = known(moved, axis, false);
    if (!before) return last;
    const double rise = last - value(i, axis, *before);
    const double run = at(axis, near) - at(axis, *before);
    const double slope = std::max(0.0, rise / run);
    return last + slope * (at(axis, position(i, axis)) - at(axis, near));
  }

  SparseGrid::Filled& grid_;
  std::array<size_t, 4> stride_{};
};

}  // namespace

SparseGrid::Filled SparseGrid::filled() const {
  CHECK(!times_.empty());
  Filled grid;
  std::array<std::set<int64_t>, 4> values;
  for (const auto& [point, time] : times_) {
    for (size_t a = 0; a < 4; ++a) values[a].insert(point[a]);
  }
  size_t cells = 1;
  for (size_t a = 0; a < 4; ++a) {
    grid.axes[a].assign(values[a].begin(), values[a].end());
    cells *= grid.axes[a].size();
  }
  grid.times.assign(cells, kUnknown);
  for (const auto& [point, time] : times_) {
    size_t index = 0;
    for (size_t a = 0; a < 4; ++a) {
      const auto& axis = grid.axes[a];
      const auto at = std::lower_bound(axis.begin(), axis.end(), point[a]) - axis.begin();
      index = index * axis.size() + static_cast<size_t>(at);
    }
    grid.times[index] = time;
  }
  Filling filling(&grid);
  while (filling.pass(false)) {
  }
  while (filling.pass(true)) {
    while (filling.pass(false)) {
    }
  }
  return grid;
}

}  // namespace cotenant

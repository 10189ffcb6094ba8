// Public here: AxisIndex, blend, medians_ps, TimeTable, CountTable. Doubles meet only + - * /, so that every
// processor and compiler finds the same picosecond.
#include "kernels/profile/time_table.h"

#include <algorithm>
#include <cmath>

#include "sim/core/check.h"
#include "sim/core/time.h"

namespace cotenant {
namespace {

constexpr double kPicosecondsPerSecond = 1e12;
// A week. Where a profile's lines lead further, its times are nonsense, but a sum of a few of them still
// fits.
constexpr double kMostPs = 0x1p59;

// Sum of value(position) over the groups a batch of x is cut into.
template <class Value>
double over_groups(const AxisIndex& axis, double x, const Value& value) {
  if (!axis.pads() || x <= axis.last()) return value(axis.locate(x));
  const auto whole = static_cast<double>(static_cast<int64_t>(x / axis.last()));
  const double rest = x - whole * axis.last();
  const double full = whole * value(axis.locate(axis.last()));
  return rest > 0 ? full + value(axis.locate(rest)) : full;
}

}  // namespace

std::vector<double> medians_ps(const KernelTimes& kernel, Residency residency, double factor) {
  std::vector<double> plane(kernel.point_count());
  for (size_t p = 0; p < plane.size(); ++p) {
    const double ps = kernel.time_s[KernelTimes::time_index(p, residency, kMedian)] * kPicosecondsPerSecond;
    plane[p] = std::round(ps * factor);
  }
  return plane;
}

AxisIndex::AxisIndex(const Axis& axis) : rule_(axis.rule), points_(axis.points.begin(), axis.points.end()) {}

AxisPosition AxisIndex::locate(double x) const {
  if (rule_ == AxisRule::bucket) {
    const auto it = std::lower_bound(points_.begin(), points_.end(), x);
    CHECK(it != points_.end());
    const auto i = static_cast<size_t>(it - points_.begin());
    return {i, i, 0};
  }
  if (points_.size() == 1) return {0, 0, 0};
  // Axes are short: counting without branches beats a binary search.
  size_t above = 0;
  for (const double point : points_) above += point <= x ? 1 : 0;
  const size_t low = std::clamp<size_t>(above, 1, points_.size() - 1) - 1;
  return {low, low + 1, (x - points_[low]) / (points_[low + 1] - points_[low])};
}

double blend(double low, double high, double weight) {
  if (weight > 1 && high < low) return high;
  if (weight < 0 && high < low) return low;
  return std::max(0.0, low + weight * (high - low));
}

TimeTable::TimeTable(const KernelTimes& kernel, double factor) {
  CHECK(kernel.axes.size() == 1 || kernel.axes.size() == 2);
  const Axis none{.name = "none", .rule = AxisRule::linear, .points = {0}};
  axes_.emplace_back(kernel.axes.front());
  axes_.emplace_back(kernel.axes.size() == 2 ? kernel.axes.back() : none);
  planes_[0] = medians_ps(kernel, Residency::hot, factor);
  planes_[1] = medians_ps(kernel, Residency::cold, factor);
}

int64_t TimeTable::at(double x, double y, Residency residency) const {
  if (x <= 0) return 0;
  const std::vector<double>& plane = planes_[static_cast<size_t>(residency)];
  const size_t columns = axes_[1].size();
  const double ps = over_groups(axes_[0], x, [&](const AxisPosition& row) {
    return over_groups(axes_[1], y, [&](const AxisPosition& column) {
      const double* low = &plane[row.low * columns];
      const double* high = &plane[row.high * columns];
      return blend(blend(low[column.low], low[column.high], column.weight),
                   blend(high[column.low], high[column.high], column.weight), row.weight);
    });
  });
  return static_cast<int64_t>(std::min(ps, kMostPs));
}

CountTable::CountTable(const KernelTimes& kernel, double factor) : table_(kernel, factor) {
  const AxisIndex first(kernel.axes.front());
  last_x_ = kernel.axes.front().points.back();
  last_y_ = kernel.axes.size() == 2 ? kernel.axes.back().points.back() : 0;
  CHECK(last_x_ <= kCountLimit && last_y_ <= kCountLimit);
  columns_ = static_cast<size_t>(last_y_) + 1;
  row_of_.push_back(0);
  uint32_t rows = 0;
  for (int64_t x = 1; x <= last_x_; ++x) {
    const bool new_row =
        !first.pads() || x == 1 ||
        first.locate(static_cast<double>(x)).low != first.locate(static_cast<double>(x - 1)).low;
    if (new_row) {
      ++rows;
      for (size_t r = 0; r < kResidencies; ++r) {
        for (int64_t y = 0; y <= last_y_; ++y) {
          cells_[r].push_back(
              table_.at(static_cast<double>(x), static_cast<double>(y), static_cast<Residency>(r)));
        }
      }
    }
    row_of_.push_back(rows - 1);
  }
}

}  // namespace cotenant

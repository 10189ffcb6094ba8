// Public here: AxisIndex, blend, TimeTable, DecodeAttentionTable. Doubles meet only + - * /, so that every
// processor and compiler finds the same picosecond.
#include "kernels/profile/time_table.h"

#include <algorithm>
#include <cmath>

#include "sim/core/check.h"
#include "sim/core/time.h"

namespace cotenant {
namespace {

constexpr double kPicosecondsPerSecond = 1e12;

// The p50 of every point of one residency, in whole picoseconds.
std::vector<double> medians_ps(const KernelTimes& kernel, Residency residency, double factor) {
  std::vector<double> plane(kernel.point_count());
  for (size_t p = 0; p < plane.size(); ++p) {
    const double ps = kernel.time_s[KernelTimes::time_index(p, residency, kMedian)] * kPicosecondsPerSecond;
    plane[p] = std::round(ps * factor);
  }
  return plane;
}

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

AxisIndex::AxisIndex(const Axis& axis) : rule_(axis.rule), points_(axis.points.begin(), axis.points.end()) {}

AxisPosition AxisIndex::locate(double x) const {
  if (rule_ == AxisRule::bucket) {
    const auto it = std::lower_bound(points_.begin(), points_.end(), x);
    CHECK(it != points_.end());
    const auto i = static_cast<size_t>(it - points_.begin());
    return {i, i, 0};
  }
  if (points_.size() == 1) return {0, 0, 0};
  const auto above =
      static_cast<size_t>(std::upper_bound(points_.begin(), points_.end(), x) - points_.begin());
  const size_t low = std::clamp<size_t>(above, 1, points_.size() - 1) - 1;
  return {low, low + 1, (x - points_[low]) / (points_[low + 1] - points_[low])};
}

double blend(double low, double high, double weight) {
  if (weight > 1 && high < low) return high;
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
  CHECK(ps < 0x1p62);
  return static_cast<int64_t>(ps);
}

DecodeAttentionTable::DecodeAttentionTable(const KernelTimes& kernel) {
  CHECK(kernel.axes.size() == 2 && kernel.axes[1].rule == AxisRule::linear);
  sequences_.emplace_back(kernel.axes[0]);
  const std::vector<int64_t>& points = kernel.axes[1].points;
  const AxisIndex context(kernel.axes[1]);
  const bool add_zero = points.front() > 0;
  if (add_zero) context_.push_back(0);
  context_.insert(context_.end(), points.begin(), points.end());
  for (size_t r = 0; r < kResidencies; ++r) {
    const std::vector<double> measured = medians_ps(kernel, static_cast<Residency>(r), 1);
    for (size_t row = 0; row < sequences_.front().size(); ++row) {
      const double* times = &measured[row * points.size()];
      // The first segment, followed back to an empty context.
      const AxisPosition zero = context.locate(0);
      if (add_zero) {
        const double start = blend(times[zero.low], times[zero.high], zero.weight);
        planes_[r].push_back(static_cast<double>(static_cast<int64_t>(start)));
      }
      planes_[r].insert(planes_[r].end(), times, times + points.size());
    }
  }
}

int64_t DecodeAttentionTable::knot_ps(const AxisPosition& row, size_t knot, Residency residency) const {
  const std::vector<double>& plane = planes_[static_cast<size_t>(residency)];
  const size_t columns = context_.size();
  return static_cast<int64_t>(
      blend(plane[row.low * columns + knot], plane[row.high * columns + knot], row.weight));
}

// Cut towards zero, so that a falling segment cannot end below its far knot.
int64_t DecodeAttentionTable::slope_ps(const AxisPosition& row, size_t knot, Residency residency) const {
  if (context_.size() == 1) return 0;
  const bool beyond = knot + 1 == context_.size();
  const size_t from = beyond ? knot - 1 : knot;
  const int64_t rise = knot_ps(row, from + 1, residency) - knot_ps(row, from, residency);
  const int64_t slope = rise / (context_[from + 1] - context_[from]);
  return beyond ? std::max<int64_t>(slope, 0) : slope;
}

DecodeAttentionTable::Line DecodeAttentionTable::line(int64_t sequences, int64_t context,
                                                      Residency residency) const {
  CHECK(sequences > 0 && context >= 0);
  const AxisIndex& axis = sequences_.front();
  const auto last = static_cast<int64_t>(axis.last());
  const int64_t groups = axis.pads() ? (sequences + last - 1) / last : 1;
  const int64_t group = (sequences + groups - 1) / groups;
  const AxisPosition row = axis.locate(static_cast<double>(group));
  const auto above = std::upper_bound(context_.begin(), context_.end(), context / groups);
  const auto knot = static_cast<size_t>(above - context_.begin()) - 1;
  Line line;
  line.slope_ps = slope_ps(row, knot, residency);
  const int64_t beyond_knot = context - multiply_checked(groups, context_[knot]);
  line.base_ps = add_checked(multiply_checked(groups, knot_ps(row, knot, residency)),
                             multiply_checked(line.slope_ps, beyond_knot));
  if (above != context_.end()) line.valid_to_context = multiply_checked(groups, *above) - 1;
  return line;
}

}  // namespace cotenant

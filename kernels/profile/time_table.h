#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "kernels/profile/profile.h"

namespace cotenant {

// Where a value lies on an axis: between points `low` and `high`, at low + weight * (high - low).
// weight < 0 or > 1 = beyond the ends of a linear axis.
struct AxisPosition {
  size_t low = 0;
  size_t high = 0;
  double weight = 0;
};

// One axis, ready for look-ups. Immutable; any thread may call.
class AxisIndex {
 public:
  explicit AxisIndex(const Axis& axis);
  // bucket: the first point >= x. Requires x <= last(). linear: the segment of x, the end segments beyond.
  [[nodiscard]] AxisPosition locate(double x) const;
  [[nodiscard]] bool pads() const { return rule_ == AxisRule::bucket; }
  [[nodiscard]] double last() const { return points_.back(); }
  [[nodiscard]] size_t size() const { return points_.size(); }
  [[nodiscard]] double point(size_t i) const { return points_[i]; }

 private:
  AxisRule rule_;
  std::vector<double> points_;
};

// A value between `low` and `high`. Beyond the ends it follows the segment only where it rises with the
// shape: noise between two points must not make a larger shape cheaper, or a smaller one dearer. Never
// negative.
double blend(double low, double high, double weight);

// The p50 of every point of one residency, in whole picoseconds.
std::vector<double> medians_ps(const KernelTimes& kernel, Residency residency, double factor);

// The p50 of a kernel with one or two axes, in whole picoseconds, one plane a residency.
// Immutable; any thread may call; a look-up allocates nothing.
class TimeTable {
 public:
  TimeTable() = default;
  // `factor` scales every time. Requires: problems_of(kernel) is empty, 1 or 2 axes.
  TimeTable(const KernelTimes& kernel, double factor);
  // Picoseconds at (x, y); y = 0 for kernels with one axis. x = 0 costs nothing. Beyond the last bucket:
  // whole multiples of the last bucket plus the bucket of the remainder.
  [[nodiscard]] int64_t at(double x, double y, Residency residency) const;
  // The last point of the first axis.
  [[nodiscard]] double last() const { return axes_.front().last(); }

 private:
  std::vector<AxisIndex> axes_;  // always two; a missing second axis has the one point 0
  std::array<std::vector<double>, kResidencies> planes_;
};

// The same for axes that count things (tokens, rows, sequences, adapters): every whole value up to the last
// point stands ready, so that a look-up is one load. A first axis that pads keeps one row a bucket.
class CountTable {
 public:
  // Requires, beside TimeTable's: last point of each axis <= kCountLimit.
  static constexpr int64_t kCountLimit = 1 << 16;
  CountTable() = default;
  CountTable(const KernelTimes& kernel, double factor);
  [[nodiscard]] int64_t at(int64_t x, int64_t y, Residency residency) const {
    if (x <= 0) return 0;
    if (x <= last_x_ && y <= last_y_) {
      const size_t cell = row_of_[static_cast<size_t>(x)] * columns_ + static_cast<size_t>(y);
      return cells_[static_cast<size_t>(residency)][cell];
    }
    return table_.at(static_cast<double>(x), static_cast<double>(y), residency);
  }
  [[nodiscard]] int64_t last() const { return last_x_; }

 private:
  TimeTable table_;  // beyond the last points
  int64_t last_x_ = 0;
  int64_t last_y_ = 0;
  size_t columns_ = 1;
  std::vector<uint32_t> row_of_;  // by x
  std::array<std::vector<int64_t>, kResidencies> cells_;
};

}  // namespace cotenant

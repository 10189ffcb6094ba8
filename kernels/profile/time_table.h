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

 private:
  AxisRule rule_;
  std::vector<double> points_;
};

// A value between `low` and `high`. Beyond the far end it follows the segment only upwards: noise between
// two points must not make a larger shape cheaper. Never negative.
double blend(double low, double high, double weight);

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

// Decode attention as a line in the summed context: exact in integers, so that n steps taken one by one and
// n steps taken at once agree to the picosecond.
class DecodeAttentionTable {
 public:
  struct Line {
    int64_t base_ps = 0;
    int64_t slope_ps = 0;
    int64_t valid_to_context = INT64_MAX;
  };
  DecodeAttentionTable() = default;
  // Requires: problems_of(kernel) is empty, axes (sequences, context), context linear.
  explicit DecodeAttentionTable(const KernelTimes& kernel);
  // The line at `context`, the sum over the sequences. Beyond the last sequence bucket the batch is cut into
  // equal groups that share the context equally. Requires: sequences > 0, context >= 0.
  [[nodiscard]] Line line(int64_t sequences, int64_t context, Residency residency) const;

 private:
  [[nodiscard]] int64_t knot_ps(const AxisPosition& row, size_t knot, Residency residency) const;
  [[nodiscard]] int64_t slope_ps(const AxisPosition& row, size_t knot, Residency residency) const;
  std::vector<AxisIndex> sequences_;                      // exactly one once constructed
  std::vector<int64_t> context_;                          // knots; the first is 0
  std::array<std::vector<double>, kResidencies> planes_;  // sequences x context, picoseconds
};

}  // namespace cotenant

// Public here: DecodeAttentionTable, PointCount, MixedAttentionTable. Doubles meet only + - * /, so that
// every processor and compiler finds the same picosecond.
#include "kernels/profile/attention_tables.h"

#include <algorithm>
#include <cmath>

#include "sim/core/check.h"
#include "sim/core/time.h"

namespace cotenant {
namespace {

constexpr int64_t kAlphaUnit = int64_t{1} << 20;
constexpr int64_t kEvennessUnit = 1000;  // the skew axis counts per mille
constexpr int64_t kReadyCounts = 4096;   // positions on the count axes that are found once

// The number of points that are <= x. Axes are short: counting without branches beats a binary search.
template <class T>
size_t points_up_to(const std::vector<T>& points, T x) {
  size_t count = 0;
  for (const T point : points) count += point <= x ? 1 : 0;
  return count;
}

// The last context x sequences on a segment that ends before `end` x sequences.
int64_t before(int64_t end, int64_t sequences) {
  return multiply_checked(end, sequences) - 1;
}

}  // namespace

DecodeAttentionTable::DecodeAttentionTable(const KernelTimes& kernel) {
  CHECK(kernel.axes.size() == 2 && kernel.axes[1].rule == AxisRule::linear);
  const AxisIndex sequences(kernel.axes[0]);
  const AxisIndex context(kernel.axes[1]);
  const std::vector<int64_t>& points = kernel.axes[1].points;
  last_ = kernel.axes[0].points.back();
  CHECK(last_ <= CountTable::kCountLimit);
  // The first segment, followed back to an empty context.
  const bool add_zero = points.front() > 0;
  if (add_zero) context_.push_back(0);
  context_.insert(context_.end(), points.begin(), points.end());
  const AxisPosition zero = context.locate(0);
  // A linear axis of sequences gets a row of its own for every count.
  std::vector<AxisPosition> rows;
  row_of_.push_back(0);
  for (int64_t n = 1; n <= last_; ++n) {
    const AxisPosition at = sequences.locate(static_cast<double>(n));
    const bool new_row = rows.empty() || !sequences.pads() || rows.back().low != at.low;
    if (new_row) rows.push_back(at);
    row_of_.push_back(static_cast<uint32_t>(rows.size() - 1));
  }
  for (size_t r = 0; r < kResidencies; ++r) {
    const std::vector<double> measured = medians_ps(kernel, static_cast<Residency>(r), 1);
    for (const AxisPosition& row : rows) {
      std::vector<double> knots;
      const auto value = [&](size_t i) {
        return blend(measured[row.low * points.size() + i], measured[row.high * points.size() + i],
                     row.weight);
      };
      if (add_zero) knots.push_back(blend(value(zero.low), value(zero.high), zero.weight));
      for (size_t i = 0; i < points.size(); ++i) knots.push_back(value(i));
      for (size_t k = 0; k < knots.size(); ++k) {
        const bool beyond = k + 1 == knots.size();
        const size_t from = beyond && k > 0 ? k - 1 : k;
        Segment segment{static_cast<int64_t>(knots[k]), 0};
        if (knots.size() > 1) {
          // Cut towards zero, so that a falling segment cannot end below its far knot.
          const int64_t rise = static_cast<int64_t>(knots[from + 1]) - static_cast<int64_t>(knots[from]);
          segment.slope_ps = rise / (context_[from + 1] - context_[from]);
          if (beyond) segment.slope_ps = std::max<int64_t>(segment.slope_ps, 0);
        }
        segments_[r].push_back(segment);
      }
    }
  }
}

AttentionLine DecodeAttentionTable::line(int64_t sequences, int64_t context, Residency residency) const {
  CHECK(sequences > 0 && context >= 0);
  const bool fits = sequences <= last_;
  const int64_t groups = fits ? 1 : (sequences + last_ - 1) / last_;
  const int64_t group = fits ? sequences : (sequences + groups - 1) / groups;
  const size_t above = points_up_to(context_, fits ? context : context / groups);
  const size_t row = row_of_[static_cast<size_t>(group)];
  const Segment& s = segments_[static_cast<size_t>(residency)][row * context_.size() + above - 1];
  AttentionLine line;
  line.slope_ps = s.slope_ps;
  const int64_t beyond_knot = context - multiply_checked(groups, context_[above - 1]);
  line.base_ps =
      add_checked(multiply_checked(groups, s.knot_ps), multiply_checked(line.slope_ps, beyond_knot));
  if (above < context_.size()) line.valid_to_context = before(context_[above], groups);
  return line;
}

PointCount::PointCount(const std::vector<int64_t>& points) : all_(points.size()) {
  CHECK(points.front() >= 0 && points.back() <= kLimit && all_ <= UINT16_MAX);
  uint16_t count = 0;
  for (int64_t x = 0; x <= points.back(); ++x) {
    if (points[count] == x) ++count;
    ready_.push_back(count);
  }
}

MixedAttentionTable::MixedAttentionTable(const KernelTimes& kernel, const SkewTable* skew) {
  CHECK(kernel.axes.size() == 4);
  for (const Axis& axis : kernel.axes) CHECK(axis.rule == AxisRule::linear);
  for (size_t a = 0; a < 3; ++a) axes_.emplace_back(kernel.axes[a]);
  knots_ = kernel.axes[3].points;
  CHECK(knots_.front() == 0);
  knots_up_to_ = PointCount(knots_);
  strides_[2] = knots_.size();
  strides_[1] = strides_[2] * axes_[2].size();
  strides_[0] = strides_[1] * axes_[1].size();
  for (size_t r = 0; r < kResidencies; ++r) planes_[r] = medians_ps(kernel, static_cast<Residency>(r), 1);
  for (int64_t x = 0; x < kReadyCounts; ++x) {
    chunk_at_.push_back(axes_[0].locate(static_cast<double>(x)));
    sequences_at_.push_back(axes_[2].locate(static_cast<double>(x)));
  }
  const int64_t cells = std::min(kernel.axes[2].points.back() + 1, kReadyCounts);
  for (int64_t n = 0; n < cells; ++n) decode_cells_.push_back(cell({.sequences = n}));
  if (skew == nullptr) return;
  for (const Axis& axis : skew->axes) skew_axes_.emplace_back(axis.points);
  skew_longest_ = skew->axes[3].points;
  const auto unit = static_cast<double>(kAlphaUnit);
  alpha_default_ = static_cast<int64_t>(std::round(skew->alpha_default * unit));
  for (const double a : skew->alpha) alphas_.push_back(static_cast<int64_t>(std::round(a * unit)));
}

MixedAttentionTable::Cell MixedAttentionTable::cell(const MixedAttentionShape& shape) const {
  const auto count = [&](const std::vector<AxisPosition>& ready, size_t axis, int64_t x) {
    return x < kReadyCounts ? ready[static_cast<size_t>(x)] : axes_[axis].locate(static_cast<double>(x));
  };
  const std::array<AxisPosition, 3> position = {count(chunk_at_, 0, shape.chunk),
                                                axes_[1].locate(shape.chunk_context),
                                                count(sequences_at_, 2, shape.sequences)};
  Cell cell;
  cell.weight[0] = 1;
  cell.corners = 1;
  for (size_t a = 0; a < 3; ++a) {
    const AxisPosition& at = position[a];
    const size_t low = at.low * strides_[a];
    // On a point of the axis there is no second side: a step of decodes alone has two corners, not eight.
    if (at.weight == 0) {
      for (size_t c = 0; c < cell.corners; ++c) cell.corner[c] += low;
      continue;
    }
    const size_t high = at.high * strides_[a];
    for (size_t c = 0; c < cell.corners; ++c) {
      cell.corner[cell.corners + c] = cell.corner[c] + high;
      cell.weight[cell.corners + c] = cell.weight[c] * at.weight;
      cell.corner[c] += low;
      cell.weight[c] *= 1 - at.weight;
    }
    cell.corners *= 2;
  }
  return cell;
}

// Beyond the last knot the last segment goes on, upwards only.
MixedAttentionTable::Piece MixedAttentionTable::piece(const Cell& cell, int64_t sequences, size_t segment,
                                                      Residency residency) const {
  const int64_t n = std::max<int64_t>(sequences, 1);
  const bool beyond = segment == knots_.size();
  const size_t low = beyond ? std::max<size_t>(segment, 2) - 2 : segment - 1;
  const size_t high = std::min(low + 1, knots_.size() - 1);
  const double* plane = planes_[static_cast<size_t>(residency)].data();
  double low_sum = 0;
  double high_sum = 0;
  for (size_t c = 0; c < cell.corners; ++c) {
    low_sum += cell.weight[c] * plane[cell.corner[c] + low];
    high_sum += cell.weight[c] * plane[cell.corner[c] + high];
  }
  const auto low_ps = static_cast<int64_t>(std::max(low_sum, 0.0));
  const auto high_ps = static_cast<int64_t>(std::max(high_sum, 0.0));
  Piece piece;
  if (high > low) piece.slope_ps = (high_ps - low_ps) / (n * (knots_[high] - knots_[low]));
  if (beyond && piece.slope_ps < 0) piece.slope_ps = 0;
  const int64_t anchor = multiply_checked(n, knots_[beyond ? high : low]);
  piece.at_zero_ps = (beyond ? high_ps : low_ps) - multiply_checked(piece.slope_ps, anchor);
  if (!beyond) piece.valid_to = before(knots_[segment], n);
  return piece;
}

MixedAttentionTable::Alpha MixedAttentionTable::alpha(const MixedAttentionShape& shape) const {
  Alpha found{alpha_default_, INT64_MAX};
  const int64_t n = shape.sequences;
  const int64_t spread = n * (shape.max_context - shape.min_context);
  const int64_t evenness = kEvennessUnit * (shape.context - n * shape.min_context) / spread;
  const std::array<int64_t, 5> x = {shape.chunk, n, evenness, shape.max_context,
                                    static_cast<int64_t>(shape.chunk_context)};
  size_t index = 0;
  bool inside = true;
  for (size_t a = 0; a < x.size(); ++a) {
    const size_t at = skew_axes_[a].below(x[a]);
    // A cell belongs to the one chunk that it was measured with; the others are ranges.
    const bool on_axis = at < skew_axes_[a].size() && (a != 0 || skew_axes_[0].up_to(x[0]) > at);
    if (a == 3 && on_axis) found.valid_to_max = skew_longest_[at];
    inside = inside && on_axis;
    index = index * skew_axes_[a].size() + at;
  }
  if (inside) found.value = alphas_[index];
  return found;
}

// With X = n mean = the summed context K and Y = n max, Y - X stays the same while every decode grows by one
// token a step: both pieces, and their blend, are lines in K.
AttentionLine MixedAttentionTable::line(const MixedAttentionShape& shape, Residency residency) const {
  const bool ready = shape.chunk == 0 && shape.chunk_context == 0 &&
                     shape.sequences < static_cast<int64_t>(decode_cells_.size());
  Cell found;
  if (!ready) found = cell(shape);
  const Cell& at = ready ? decode_cells_[static_cast<size_t>(shape.sequences)] : found;
  const size_t mean_segment = knots_up_to_.up_to(shape.context / std::max<int64_t>(shape.sequences, 1));
  const Piece mean = piece(at, shape.sequences, mean_segment, residency);
  AttentionLine line;
  int64_t at_zero = mean.at_zero_ps;
  if (shape.sequences == 0) {
    line.base_ps = mean.at_zero_ps;
    return line;
  }
  line.slope_ps = mean.slope_ps;
  line.valid_to_context = mean.valid_to;
  if (!skew_axes_.empty() && shape.sequences > 1 && shape.max_context > shape.min_context) {
    const int64_t longest = multiply_checked(shape.sequences, shape.max_context);
    const int64_t ahead = longest - shape.context;
    const size_t most_segment = knots_up_to_.up_to(shape.max_context);
    const Piece most =
        most_segment == mean_segment ? mean : piece(at, shape.sequences, most_segment, residency);
    const Alpha alpha_of = alpha(shape);
    const auto part = [&](int64_t difference) {
      return static_cast<int64_t>(static_cast<__int128>(alpha_of.value) * difference / kAlphaUnit);
    };
    const int64_t most_at_zero = add_checked(most.at_zero_ps, multiply_checked(most.slope_ps, ahead));
    at_zero = add_checked(at_zero, part(most_at_zero - mean.at_zero_ps));
    line.slope_ps += part(most.slope_ps - mean.slope_ps);
    if (most.valid_to != INT64_MAX)
      line.valid_to_context = std::min(line.valid_to_context, most.valid_to - ahead);
    if (alpha_of.valid_to_max != INT64_MAX) {
      const int64_t last = multiply_checked(shape.sequences, alpha_of.valid_to_max) - ahead;
      line.valid_to_context = std::min(line.valid_to_context, last);
    }
  }
  line.base_ps = add_checked(at_zero, multiply_checked(line.slope_ps, shape.context));
  return line;
}

}  // namespace cotenant

#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "kernels/profile/time_table.h"

namespace cotenant {

// Attention's share of a step as a line in the summed decode context: base + slope (context - the context
// asked for), exact in integers, so that n steps taken one by one and n steps taken at once agree to the
// picosecond.
struct AttentionLine {
  int64_t base_ps = 0;
  int64_t slope_ps = 0;
  int64_t valid_to_context = INT64_MAX;
};

// Decode attention measured by itself: sequences x summed context.
class DecodeAttentionTable {
 public:
  DecodeAttentionTable() = default;
  // Requires: problems_of(kernel) is empty, axes (sequences, context), context linear, last of sequences <=
  // CountTable::kCountLimit.
  explicit DecodeAttentionTable(const KernelTimes& kernel);
  // The line at `context`, the sum over the sequences. Beyond the last sequence bucket the batch is cut into
  // equal groups that share the context equally. Requires: sequences > 0, context >= 0.
  [[nodiscard]] AttentionLine line(int64_t sequences, int64_t context, Residency residency) const;

 private:
  struct Segment {
    int64_t knot_ps = 0;
    int64_t slope_ps = 0;
  };
  int64_t last_ = 0;                                         // sequences
  std::vector<uint32_t> row_of_;                             // by sequences
  std::vector<int64_t> context_;                             // knots; the first is 0
  std::array<std::vector<Segment>, kResidencies> segments_;  // rows x knots; a segment begins at its knot
};

// How many points of an axis lie at or below a whole value, found once for every value up to the last point.
// Immutable; any thread may call.
class PointCount {
 public:
  static constexpr int64_t kLimit = 1 << 20;
  PointCount() = default;
  // Requires: at most 65,535 points, rising from >= 0, the last <= kLimit.
  explicit PointCount(const std::vector<int64_t>& points);
  [[nodiscard]] size_t up_to(int64_t x) const {
    return x < static_cast<int64_t>(ready_.size()) ? ready_[static_cast<size_t>(x)] : all_;
  }
  [[nodiscard]] size_t below(int64_t x) const { return x > 0 ? up_to(x - 1) : 0; }
  [[nodiscard]] size_t size() const { return all_; }

 private:
  std::vector<uint16_t> ready_;
  size_t all_ = 0;
};

// What MixedAttentionTable is asked.
struct MixedAttentionShape {
  int64_t chunk = 0;         // prompt tokens of the step
  double chunk_context = 0;  // one context at which the chunk attends as many pairs
  int64_t sequences = 0;     // decodes
  int64_t context = 0;       // sum of their contexts
  int64_t min_context = 0;   // of one decode
  int64_t max_context = 0;
};

// Attention of prompt chunks and decodes measured together, as in imported layer profiles: chunk x context x
// sequences x mean_context, linear on each axis, with a correction where decodes differ in context.
class MixedAttentionTable {
 public:
  MixedAttentionTable() = default;
  // `skew`: null where the profile has none. Requires: problems_of both are empty; four linear axes, the last
  // of which begins at 0.
  MixedAttentionTable(const KernelTimes& kernel, const SkewTable* skew);
  [[nodiscard]] AttentionLine line(const MixedAttentionShape& shape, Residency residency) const;

 private:
  // The grid cell of chunk, chunk_context and sequences: where its corners begin and their weights.
  struct Cell {
    size_t corners = 0;
    std::array<size_t, 8> corner{};  // index of mean_context 0
    std::array<double, 8> weight{};
  };
  // A time that is a line in X = sequences x a context, the mean's or the longest's.
  struct Piece {
    int64_t at_zero_ps = 0;  // followed back to X = 0
    int64_t slope_ps = 0;    // per unit of X
    int64_t valid_to = INT64_MAX;
  };
  [[nodiscard]] Cell cell(const MixedAttentionShape& shape) const;
  // `segment`: how many knots of mean_context lie at or below the context.
  [[nodiscard]] Piece piece(const Cell& cell, int64_t sequences, size_t segment, Residency residency) const;
  // Alpha in units of 1 / kAlphaUnit, and up to which longest context it holds.
  struct Alpha {
    int64_t value = 0;
    int64_t valid_to_max = INT64_MAX;
  };
  [[nodiscard]] Alpha alpha(const MixedAttentionShape& shape) const;

  std::vector<AxisIndex> axes_;         // chunk, context, sequences
  std::vector<AxisPosition> chunk_at_;  // by count
  std::vector<AxisPosition> sequences_at_;
  std::vector<Cell> decode_cells_;  // of steps without a chunk, by sequences
  std::vector<int64_t> knots_;      // mean_context
  PointCount knots_up_to_;
  std::array<size_t, 3> strides_{};
  std::array<std::vector<double>, kResidencies> planes_;
  std::vector<PointCount> skew_axes_;  // empty: no correction
  std::vector<int64_t> skew_longest_;  // points of max_context
  std::vector<int64_t> alphas_;
  int64_t alpha_default_ = 0;
};

}  // namespace cotenant

#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace cotenant {

// Relative standard error of the median of `samples`: 0.93 IQR / median / sqrt(n). For a normal
// distribution the standard error of the median is sqrt(pi / 2) sigma / sqrt(n) and IQR = 1.349 sigma; the
// quartiles stand for sigma because single preempted samples would dominate it. Requires: not empty,
// positive.
double median_error(std::span<const double> samples);

// Whether the calls have become steady: three medians of eight samples in a row lie within 2 % of each other.
class WarmUp {
 public:
  void add(double sample_s);
  [[nodiscard]] bool steady() const;

 private:
  static constexpr size_t kSamples = 8;
  static constexpr size_t kMedians = 3;
  static constexpr double kWithin = 0.02;
  std::vector<double> window_;
  std::vector<double> medians_;
};

// Stops when further samples teach nothing new about the distribution. The samples so far, sorted into cells
// of 1 % of the first one, have an entropy in bits; it rises while samples keep falling into new cells and
// flattens when the cells are known. The distribution counts as known when a straight line through the
// entropies after each of the later half of the samples rises or falls by less than 0.048 degrees.
// Source of the idea and of the limit: NVIDIA nvbench, docs/cli_help.md, stopping criterion "entropy". Two
// things are ours: the cells, since a CPU clock counts nanoseconds and no two samples would be equal; and the
// later half in place of nvbench's demand that one line explains the whole course, which tens of samples
// never meet.
class EntropyCriterion {
 public:
  void add(double sample_s);
  [[nodiscard]] bool known() const;

 private:
  struct Cell {
    int64_t at = 0;
    int64_t count = 0;
  };
  [[nodiscard]] double entropy() const;
  double width_s_ = 0;
  std::vector<Cell> cells_;
  std::vector<double> course_;  // the entropy after each sample, bits
};

}  // namespace cotenant

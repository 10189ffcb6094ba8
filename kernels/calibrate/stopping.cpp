// Public here: median_error, WarmUp, EntropyCriterion.
#include "kernels/calibrate/stopping.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "sim/core/check.h"

namespace cotenant {
namespace {

constexpr size_t kLeastForEntropy = 16;
constexpr double kSteepestDegrees = 0.048;

// Linear between order statistics. Requires: sorted, not empty.
double quantile(const std::vector<double>& sorted, double level) {
  const double at = level * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<size_t>(at);
  const size_t high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (at - static_cast<double>(low)) * (sorted[high] - sorted[low]);
}

// Slope of the least-squares line of y over 0, 1, 2, ... Requires: at least two values.
double slope_of(std::span<const double> y) {
  const double mean_x = static_cast<double>(y.size() - 1) / 2;
  double xy = 0;
  double xx = 0;
  for (size_t i = 0; i < y.size(); ++i) {
    const double dx = static_cast<double>(i) - mean_x;
    xy += dx * y[i];
    xx += dx * dx;
  }
  return xy / xx;
}

}  // namespace

double median_error(std::span<const double> samples) {
  CHECK(!samples.empty());
  std::vector<double> sorted(samples.begin(), samples.end());
  std::sort(sorted.begin(), sorted.end());
  constexpr double kErrorOfIqr = 0.93;
  const double range = quantile(sorted, 0.75) - quantile(sorted, 0.25);
  return kErrorOfIqr * range / quantile(sorted, 0.5) / std::sqrt(static_cast<double>(sorted.size()));
}

void WarmUp::add(double sample_s) {
  window_.push_back(sample_s);
  if (window_.size() < kSamples) return;
  std::sort(window_.begin(), window_.end());
  medians_.push_back(quantile(window_, 0.5));
  window_.clear();
}

bool WarmUp::steady() const {
  if (medians_.size() < kMedians) return false;
  const auto [least, most] = std::minmax_element(medians_.end() - kMedians, medians_.end());
  return *most <= (1 + kWithin) * *least;
}

void EntropyCriterion::add(double sample_s) {
  constexpr double kCell = 0.01;
  if (width_s_ == 0) width_s_ = kCell * sample_s;
  const auto at = static_cast<int64_t>(std::floor(std::min(sample_s / width_s_, 1e15)));
  const auto it = std::find_if(cells_.begin(), cells_.end(), [&](const Cell& cell) { return cell.at == at; });
  if (it == cells_.end()) {
    cells_.push_back({at, 1});
  } else {
    ++it->count;
  }
  course_.push_back(entropy());
}

double EntropyCriterion::entropy() const {
  const auto total = static_cast<double>(course_.size() + 1);
  double bits = 0;
  for (const Cell& cell : cells_) {
    const double share = static_cast<double>(cell.count) / total;
    bits -= share * std::log2(share);
  }
  return bits;
}

bool EntropyCriterion::known() const {
  if (course_.size() < kLeastForEntropy) return false;
  const double slope = slope_of(std::span(course_).subspan(course_.size() / 2));
  return std::abs(std::atan(slope)) * 180 / std::numbers::pi < kSteepestDegrees;
}

}  // namespace cotenant

#include "sim/stats/mser5.h"

#include <limits>
#include <vector>

namespace cotenant {
namespace {

constexpr size_t kBatch = 5;
constexpr size_t kLeastLeft = 5;
constexpr size_t kLeastBatches = 10;

std::vector<double> batch_means(std::span<const double> observations) {
  std::vector<double> means(observations.size() / kBatch);
  for (size_t i = 0; i < means.size(); ++i) {
    double sum = 0;
    for (const double x : observations.subspan(i * kBatch, kBatch)) sum += x;
    means[i] = sum / kBatch;
  }
  return means;
}

}  // namespace

// One pass from the end keeps mean and squared deviations of what is left, by Welford's update.
Truncation mser5(std::span<const double> observations) {
  const std::vector<double> z = batch_means(observations);
  if (z.size() < kLeastBatches) return {0, false};
  size_t best = 0;
  double least = std::numeric_limits<double>::infinity();
  double mean = 0;
  double squares = 0;
  for (size_t d = z.size(); d-- > 0;) {
    const auto left = static_cast<double>(z.size() - d);
    const double step = z[d] - mean;
    mean += step / left;
    squares += step * (z[d] - mean);
    const double criterion = squares / (left * left);
    if (z.size() - d > kLeastLeft && criterion <= least) {
      least = criterion;
      best = d;
    }
  }
  return {best * kBatch, 2 * best <= z.size()};
}

}  // namespace cotenant

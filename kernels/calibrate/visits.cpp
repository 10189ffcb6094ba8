// Public here: values_of, visit_of, undisturbed, pooled, median_of.
#include "kernels/calibrate/visits.h"

#include <algorithm>
#include <cmath>

#include "sim/core/check.h"

namespace cotenant {
namespace {

// Both references, flop, bytes; then for each residency the switched samples and how many samples were kept.
constexpr size_t kScalars = 4;
constexpr size_t kHeadValues = kScalars + 2 * kResidencies;
constexpr double kMostSamples = 1e5;
constexpr double kLongestS = 1e5;

bool between(double value, double low, double high) {
  return std::isfinite(value) && value >= low && value <= high;
}
bool whole(double value) {
  return between(value, 0, kMostSamples) && value == std::floor(value);
}
bool is_time(double value) {
  return between(value, 1e-15, kLongestS);
}

}  // namespace

std::vector<double> values_of(const Visit& visit) {
  std::vector<double> values = {visit.reference.product_s, visit.reference.read_s, visit.flop, visit.bytes};
  for (const Samples& samples : visit.taken) {
    values.push_back(static_cast<double>(samples.switched));
    values.push_back(static_cast<double>(samples.kept.size()));
  }
  for (const Samples& samples : visit.taken)
    values.insert(values.end(), samples.kept.begin(), samples.kept.end());
  return values;
}

std::optional<Visit> visit_of(std::span<const double> values) {
  if (values.size() < kHeadValues || !is_time(values[0]) || !is_time(values[1])) return std::nullopt;
  Visit visit{.reference = {values[0], values[1]}, .flop = values[2], .bytes = values[3], .taken = {}};
  if (!between(visit.flop, 0, 1e30) || !between(visit.bytes, 0, 1e30)) return std::nullopt;
  size_t next = kHeadValues;
  for (size_t r = 0; r < kResidencies; ++r) {
    const double switched = values[kScalars + 2 * r];
    const double kept = values[kScalars + 1 + 2 * r];
    if (!whole(switched) || !whole(kept) || values.size() - next < static_cast<size_t>(kept))
      return std::nullopt;
    const auto samples = values.subspan(next, static_cast<size_t>(kept));
    if (!std::all_of(samples.begin(), samples.end(), is_time)) return std::nullopt;
    visit.taken[r] = {.kept = {samples.begin(), samples.end()}, .switched = static_cast<int64_t>(switched)};
    next += samples.size();
  }
  if (next != values.size()) return std::nullopt;
  return visit;
}

std::vector<size_t> undisturbed(std::span<const double> medians_s) {
  CHECK(!medians_s.empty());
  const double least = *std::min_element(medians_s.begin(), medians_s.end());
  std::vector<size_t> near;
  for (size_t i = 0; i < medians_s.size(); ++i) {
    if (medians_s[i] <= (1 + kSittingBand) * least) near.push_back(i);
  }
  return near;
}

Samples pooled(const std::vector<const Visit*>& visits, Residency residency) {
  std::vector<double> medians;
  const auto taken = [&](size_t i) -> const Samples& {
    return visits[i]->taken[static_cast<size_t>(residency)];
  };
  for (size_t i = 0; i < visits.size(); ++i) medians.push_back(median_of(taken(i).kept));
  Samples all;
  for (const size_t i : undisturbed(medians)) {
    all.kept.insert(all.kept.end(), taken(i).kept.begin(), taken(i).kept.end());
    all.switched += taken(i).switched;
  }
  return all;
}

double median_of(std::vector<double> values) {
  CHECK(!values.empty());
  std::sort(values.begin(), values.end());
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

}  // namespace cotenant

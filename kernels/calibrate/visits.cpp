// Public here: values_of, visit_of, smoothed, counted, pooled, median_of.
#include "kernels/calibrate/visits.h"

#include <algorithm>
#include <cmath>

#include "sim/core/check.h"

namespace cotenant {
namespace {

// Reference, flop, bytes; then for each residency the switched samples and how many samples were kept.
constexpr size_t kHeadValues = 3 + 2 * kResidencies;
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
  std::vector<double> values = {visit.reference_s, visit.flop, visit.bytes};
  for (const Samples& samples : visit.taken) {
    values.push_back(static_cast<double>(samples.switched));
    values.push_back(static_cast<double>(samples.kept.size()));
  }
  for (const Samples& samples : visit.taken)
    values.insert(values.end(), samples.kept.begin(), samples.kept.end());
  return values;
}

std::optional<Visit> visit_of(std::span<const double> values) {
  if (values.size() < kHeadValues || !is_time(values[0])) return std::nullopt;
  Visit visit{.reference_s = values[0], .flop = values[1], .bytes = values[2], .taken = {}};
  if (!between(visit.flop, 0, 1e30) || !between(visit.bytes, 0, 1e30)) return std::nullopt;
  size_t next = kHeadValues;
  for (size_t r = 0; r < kResidencies; ++r) {
    const double switched = values[3 + 2 * r];
    const double kept = values[4 + 2 * r];
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

std::vector<double> smoothed(std::span<const double> rounds) {
  std::vector<double> around;
  around.reserve(rounds.size());
  for (size_t i = 0; i < rounds.size(); ++i) {
    const size_t from = i < 1 ? 0 : i - 1;
    const size_t to = std::min(i + 3, rounds.size());
    around.push_back(median_of({rounds.begin() + static_cast<std::ptrdiff_t>(from),
                                rounds.begin() + static_cast<std::ptrdiff_t>(to)}));
  }
  return around;
}

std::vector<size_t> counted(std::span<const double> references_s, double usual_s) {
  CHECK(!references_s.empty() && usual_s > 0);
  std::vector<size_t> near;
  size_t nearest = 0;
  const auto off = [&](size_t i) { return std::abs(references_s[i] / usual_s - 1); };
  for (size_t i = 0; i < references_s.size(); ++i) {
    if (off(i) <= kReferenceBand) near.push_back(i);
    if (off(i) < off(nearest)) nearest = i;
  }
  return near.empty() ? std::vector<size_t>{nearest} : near;
}

Samples pooled(const std::vector<const Visit*>& visits, Residency residency) {
  Samples all;
  for (const Visit* visit : visits) {
    const Samples& one = visit->taken[static_cast<size_t>(residency)];
    all.kept.insert(all.kept.end(), one.kept.begin(), one.kept.end());
    all.switched += one.switched;
  }
  CHECK(!all.kept.empty());
  return all;
}

double median_of(std::vector<double> values) {
  CHECK(!values.empty());
  std::sort(values.begin(), values.end());
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

}  // namespace cotenant

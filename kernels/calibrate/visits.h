#pragma once
#include <array>
#include <optional>
#include <span>
#include <vector>

#include "kernels/calibrate/sampler.h"
#include "kernels/profile/profile.h"

namespace cotenant {

// One sitting at one point or hold-out: its samples, and what the reference kernels took just before.
struct Visit {
  ReferenceRound reference;
  double flop = 0;
  double bytes = 0;
  std::array<Samples, kResidencies> taken;  // `kept` is empty where a residency was not asked for
};

// A visit as a row of numbers, for the journal; and back: nothing unless every number is in its range.
std::vector<double> values_of(const Visit& visit);
std::optional<Visit> visit_of(std::span<const double> values);

// Which sittings at one point count, given the median of each: those within kSittingBand of the least. What
// other processes and guests do to a kernel only ever adds time, so the sitting with the lesser median was
// disturbed less; of several estimators tried on a busy machine this one and the plain minimum agreed best
// from calibration to calibration (docs/kernels.md). Samples stay as they were measured. Requires: not empty.
// Indices, increasing.
inline constexpr double kSittingBand = 0.03;
std::vector<size_t> undisturbed(std::span<const double> medians_s);

// The samples of the undisturbed sittings in one. Requires: at least one visit, each with samples of this
// residency.
Samples pooled(const std::vector<const Visit*>& visits, Residency residency);

// Requires: not empty.
double median_of(std::vector<double> values);

}  // namespace cotenant

#pragma once
#include <array>
#include <optional>
#include <span>
#include <vector>

#include "kernels/calibrate/sampler.h"

namespace cotenant {

// One sitting at one point or hold-out: its samples, and what the reference kernel took just before.
struct Visit {
  double reference_s = 0;
  double flop = 0;
  double bytes = 0;
  std::array<Samples, kResidencies> taken;  // `kept` is empty where a residency was not asked for
};

// A visit as a row of numbers, for the journal; and back: nothing unless every number is in its range.
std::vector<double> values_of(const Visit& visit);
std::optional<Visit> visit_of(std::span<const double> values);

// The reference around each visit: the median of the two rounds before and the two after (the visit's own
// round counts as before). `rounds` in the order measured, one a visit.
std::vector<double> smoothed(std::span<const double> rounds);

// Which of the visits to one point count, given the reference around each and the usual reference of the
// whole calibration (its median): all within kReferenceBand of the usual; if there is none, the nearest.
// Samples stay as they were measured: nothing is scaled. Requires: not empty. Indices, increasing.
inline constexpr double kReferenceBand = 0.04;
std::vector<size_t> counted(std::span<const double> references_s, double usual_s);

// The samples of several visits in one. Requires: at least one has samples of this residency.
Samples pooled(const std::vector<const Visit*>& visits, Residency residency);

// Requires: not empty.
double median_of(std::vector<double> values);

}  // namespace cotenant

#pragma once
#include <cstddef>

#include "kernels/calibrate/sampler.h"

namespace cotenant {

// How far a calibration is, in time and in visits.
struct PaceState {
  double budget_s = 0;   // wall time for all visits
  double elapsed_s = 0;  // of it
  size_t visits = 0;     // planned
  size_t done = 0;
};

// Time left for each visit that is left, as a share of what a visit was given at the start: 1 or more = in
// time. Requires: done < visits.
double pace_of(const PaceState& state);

// What a late calibration does: shorter budgets and fewer samples of each point, which then may not settle.
// In time, the rules stay as they are.
SamplerRules hurried(const SamplerRules& rules, double pace);

}  // namespace cotenant

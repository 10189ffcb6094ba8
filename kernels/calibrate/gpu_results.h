#pragma once
#include <string>
#include <vector>

#include "kernels/calibrate/calibration_plan.h"
#include "kernels/calibrate/visits.h"

namespace cotenant {

// A plan of which some points could not be measured, cut down to what was. Visits stand by target.
struct MeasuredPlan {
  CalibrationPlan plan;                     // kernels with the axes that are left, and their points alone
  std::vector<std::vector<Visit>> visits;   // by target of this plan
  std::vector<std::string> not_measurable;  // "llama-3.1-8b/linear: tokens end at 1024", in order
};
// Points without a visit are left out of their axis if they stand at its end: whole slices, the one with the
// greatest share of missing points first. A kernel whose missing points stand elsewhere, or of which nothing
// would be left, is left out and named. One that the filter did not select as a whole is left out, too.
// Requires: visits.size() is the number of targets of `plan`.
MeasuredPlan without_missing(const CalibrationPlan& plan, const std::vector<std::vector<Visit>>& visits);

// What time did not suffice for.
struct LateTargets {
  std::vector<std::string> kernels;  // "llama-3.1-8b/lora: 312 of 336 points"
  size_t holdouts = 0;               // kernels' shapes and whole steps
};
// Takes the `late` targets out of the plan's selection, so that without_missing() leaves their kernels out:
// points that were merely not reached are no end of an axis. Requires: late.size() is the number of targets.
LateTargets without_late(const std::vector<bool>& late, CalibrationPlan* plan);

}  // namespace cotenant

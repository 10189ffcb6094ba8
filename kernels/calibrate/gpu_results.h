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

}  // namespace cotenant

#pragma once
#include <string>
#include <vector>

#include "kernels/calibrate/kernel_plan.h"

namespace cotenant {

// One shape of one kernel that the profile must tell without having measured it.
struct KernelHoldOut {
  size_t plan = 0;          // index of the kernel
  std::vector<int64_t> at;  // one value an axis; at least one linear axis lies between two points
  Residency residency = Residency::hot;
};

// Shapes between the points of the smooth (linear) axes; bucket axes are padded and stay on their points.
// Full mode: one in every cell of every kernel, at changing places in the cell, hot and cold by turns. Quick
// mode: a few of them from each kernel, spread over its grid. Shapes that no look-up can ask for are left
// out.
std::vector<KernelHoldOut> kernel_holdouts(const std::vector<KernelPlan>& plans, bool quick);

// "tokens 64, adapters 5, cold".
std::string text_of(const KernelHoldOut& holdout, const std::vector<Axis>& axes);

// What the profile says of this shape: the median by the rules of its axes, seconds. Requires: the kernel is
// sound and has one or two axes.
double predicted_s(const KernelHoldOut& holdout, const KernelTimes& kernel);

}  // namespace cotenant

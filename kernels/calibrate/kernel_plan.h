#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "kernels/profile/profile.h"

namespace cotenant {

// One point ready to run. `run` owns what it needs besides the model, which outlives it.
struct Trial {
  std::function<void()> run;
  // Runs untimed before every hot sample: the rest of the model's own step, for parts of a step. Their cache
  // lines do not survive it where the model is greater than the cache. Empty: the call follows itself.
  std::function<void()> before_hot;
  double flop = 0;
  double bytes = 0;  // the least that must move
};

// A kernel and the grid on which it is measured. `at` builds the trial of a point: one value an axis.
struct KernelPlan {
  std::string name;
  std::vector<Axis> axes;
  std::function<Trial(const std::vector<int64_t>&)> at;
};

// The coordinates of a point in the order of KernelTimes (the last axis fastest).
std::vector<int64_t> coordinates(const std::vector<Axis>& axes, size_t point);

}  // namespace cotenant

#pragma once
#include <cstdint>
#include <functional>
#include <optional>
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
  // The cold call, where it is not the hot one after emptied caches: other copies of the same data by turns.
  std::function<void()> run_cold;
  // Runs untimed before every cold sample, besides the emptying of the caches. Empty: nothing more.
  std::function<void()> before_cold;
  double flop = 0;
  double bytes = 0;   // the least that must move
  bool wall = false;  // the call waits for a device: wall time is the time of record
};

// A kernel and the grid on which it is measured. `at` builds the trial of a point: one value an axis.
struct KernelPlan {
  std::string name;
  std::vector<Axis> axes;
  std::function<Trial(const std::vector<int64_t>&)> at;
  // The shape that is really run for a point; empty = the point itself. A point that stands for another one
  // is not measured again, no look-up asks for it, and it is never held out.
  std::function<std::vector<int64_t>(const std::vector<int64_t>&)> run_as;
  // Every call touches so much more than the caches hold that nothing of an earlier one is left: measured
  // once, and stored as hot and as cold.
  bool beyond_caches = false;
};

// The coordinates of a point in the order of KernelTimes (the last axis fastest).
std::vector<int64_t> coordinates(const std::vector<Axis>& axes, size_t point);

// "decoder-25m/lora/tokens:16/adapters:4". Requires: one value an axis.
std::string point_name(const std::string& kernel, const std::vector<Axis>& axes,
                       const std::vector<int64_t>& at);

// The coordinates that point_name() wrote into `name`; nothing if it is no shape of this kernel.
std::optional<std::vector<int64_t>> coordinates_of(const KernelPlan& plan, const std::string& name);

}  // namespace cotenant

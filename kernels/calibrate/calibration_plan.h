#pragma once
#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernels/calibrate/calibrate.h"
#include "kernels/calibrate/decoder_trials.h"
#include "kernels/calibrate/device_trials.h"
#include "kernels/calibrate/holdouts.h"
#include "kernels/calibrate/kernel_holdouts.h"
#include "kernels/calibrate/training_trials.h"
#include "kernels/calibrate/transfer_trials.h"

namespace cotenant {

// The models that a calibration runs, and the file it reads; each is made when it is first asked for, so that
// a filtered calibration makes only what it measures.
class CalibrationModels {
 public:
  CalibrationModels(uint64_t seed, std::string scratch_folder)
      : seed_(seed), scratch_folder_(std::move(scratch_folder)) {}
  DecoderTrials& decoder();
  TrainingTrials& training();
  RecommenderTrials& recommender();
  ScratchFile& scratch();
  // Whether the scratch file was made, and is read past the page cache.
  [[nodiscard]] bool reads_directly() const { return scratch_ && scratch_->direct(); }

 private:
  uint64_t seed_;
  std::string scratch_folder_;
  std::unique_ptr<DecoderTrials> decoder_;
  std::unique_ptr<TrainingTrials> training_;
  std::unique_ptr<RecommenderTrials> recommender_;
  std::unique_ptr<ScratchFile> scratch_;
};

// The kernels that co-runs are made of, on the models of one side.
std::vector<KernelPlan> corun_kernels(bool quick, CalibrationModels* models);

// Something to be timed: a point of a kernel's grid or a hold-out.
struct Target {
  std::string name;  // "decoder-25m/linear/tokens:16"; a hold-out's begins with "hold-out "
  std::function<Trial()> make;
  std::array<bool, kResidencies> wanted = {true, true};
};

// What one calibration measures. Targets: the points of every kernel in order, then the kernels' hold-outs,
// then the whole steps; the last two only without a filter.
struct CalibrationPlan {
  std::vector<KernelPlan> kernels;
  std::vector<size_t> first_target;  // of each kernel
  std::vector<KernelHoldOut> kernel_holdouts;
  std::vector<HoldOutStep> steps;
  std::vector<Target> targets;
  std::vector<size_t> stands_for;  // by target: whose time it has; mostly its own
  std::vector<bool> selected;      // by target: matched by the filter, and to be measured
};
inline constexpr const char* kDecoder = "decoder-25m";
inline constexpr const char* kRecommender = "recommender-small";

// Adds a kernel's points to the targets of a plan that has no hold-outs yet.
void add_kernel(const KernelPlan& kernel, CalibrationPlan* plan);
// Marks the targets that the filter matches, once all targets stand. Problem: it is no regular expression, or
// matches no whole kernel.
Diagnostics select_targets(const std::string& filter, CalibrationPlan* plan);

// `models` outlives the plan. Problem: the filter is no regular expression, or matches no whole kernel.
Result<CalibrationPlan> make_calibration_plan(const CalibrationOptions& options, CalibrationModels* models);

}  // namespace cotenant

#pragma once
#include <functional>
#include <string>
#include <vector>

#include "kernels/calibrate/decoder_trials.h"
#include "kernels/profile/service_times.h"

namespace cotenant {

// A whole step of the decoder off the calibrated grid.
struct HoldOutStep {
  std::vector<SequencePlan> sequences;
  Residency residency = Residency::hot;
};
// The steps of quick and full mode: decode batches, prefills and mixtures, with and without adapters.
std::vector<HoldOutStep> holdout_steps(bool quick);

// What the simulator would ask for this step.
BatchShape shape_of(const HoldOutStep& step);
// "prefill 96 at 300, decode 5 at 7000, adapters 2, cold"; contexts are sums.
std::string text_of(const HoldOutStep& step);
// The least point of the axis that holds `value`, as a padding engine would choose; beyond the last point the
// whole multiples of it and the remainder's point.
int64_t padded(const Axis& axis, int64_t value);

// What the profile says: a step of `model` in seconds. Requires: the profile holds every kernel of the model.
// Throws std::runtime_error where the profile cannot be looked up, a time below its floor for example.
double predicted_s(const HoldOutStep& step, const Profile& profile, const std::string& model);

struct StepInput {
  DecoderTrials* trials = nullptr;
  Axis tokens;  // buckets to which the step is padded
  Axis heads;
};
// The real step, ready to run.
Trial step_trial(const HoldOutStep& step, const StepInput& input);

}  // namespace cotenant
